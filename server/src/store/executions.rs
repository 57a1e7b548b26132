//! Executions as they are read, cancelled and taken up again. They are written by [`super::CommitWriter`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use flowmatic_executor::journal::{Call, ErrorRecord, Record, StepRecord};
use flowmatic_openapi::{ExecutionError, ExecutionMode, ExecutionStatus, ExecutionSummary, Page};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement, Value,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::entity::checkpoint;
use super::entity::execution::{Column, Entity};
use super::{Store, StoreError, Time, cursor, millis, time};

mod filter;
mod news;
mod recovery;
pub use filter::{ExecutionFilter, Purpose};
pub use news::News;
pub use recovery::{OpenExecution, Whose};

/// How long an execution belongs to a process that does not renew its lease.
pub(crate) const LEASE_MS: i64 = 60_000;

/// As in the partial index: SQLite uses it only for a condition that reads the same.
pub(crate) const OPEN: &str = "status IN ('QUEUED', 'WAITING')";
/// Cancels in one transaction, for a few milliseconds.
const CANCELLED_AT_ONCE: usize = 100;

/// How far the time inside an id may be off `started_at`.
pub(super) const ID_SLACK_MS: i64 = 3_600_000;

/// An execution with all that is recorded of it.
#[derive(Debug, Clone)]
pub struct StoredExecution {
    pub summary: ExecutionSummary,
    pub recoveries: i32,
    pub cancel_requested: bool,
    /// JSON text of the engine's names.
    pub meta: String,
    /// JSON text of the body.
    pub payload: String,
    /// In the order they were decided; those of an open one are as far as its checkpoints go.
    pub steps: Vec<StepRecord>,
    /// The key of the node whose output is the result.
    pub result: Option<String>,
}

/// How far the journal of an open execution goes.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub decided: HashSet<String>,
    pub calls: BTreeMap<Arc<str>, Call>,
}

/// Where an execution stands, to be compared with where it stood: its status, and its last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String, Option<i32>);

/// The columns of a list: none of the long ones.
#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "Entity")]
pub(super) struct SummaryRow {
    id: Uuid,
    workflow_id: Uuid,
    version: i32,
    mode: String,
    trigger_node: String,
    status: String,
    owner: Option<Uuid>,
    lease_until: i64,
    retry_of: Option<Uuid>,
    started_at: i64,
    finished_at: Option<i64>,
    error: Option<String>,
}

impl Store {
    /// The newest first. `cursor` is the `next_cursor` of the page before; at `now` it is decided which
    /// executions are shown as running.
    pub async fn list_executions(
        &self,
        workspace_id: i64,
        filter: &ExecutionFilter,
        cursor: Option<&str>,
        limit: u32,
        now: Time,
    ) -> Result<Page<ExecutionSummary>, StoreError> {
        let limit = std::cmp::max(limit, 1);
        let mut query = filter.select(workspace_id, now).limit(u64::from(limit) + 1);
        if let Some(cursor) = cursor {
            query = query.filter(Column::Id.lt(cursor::decode(cursor)?));
        }
        let mut rows = query
            .into_partial_model::<SummaryRow>()
            .all(&self.reader())
            .await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(|row| cursor::encode(row.id));
        let data = rows
            .into_iter()
            .map(|row| row.summary(now))
            .collect::<Result<_, _>>()?;
        Ok(Page::new(data, next_cursor))
    }

    pub async fn get_execution(
        &self,
        workspace_id: i64,
        id: Uuid,
        now: Time,
    ) -> Result<Option<StoredExecution>, StoreError> {
        let reader = self.reader();
        let query = Entity::find_by_id(id).filter(Column::WorkspaceId.eq(workspace_id));
        let Some(row) = query.one(&reader).await? else {
            return Ok(None);
        };
        let steps = match row.steps {
            Some(steps) => parse("steps", &steps)?,
            None => steps_of(&self.checkpoints(&reader, id).await?)?,
        };
        let summary = SummaryRow {
            id: row.id,
            workflow_id: row.workflow_id,
            version: row.version,
            mode: row.mode,
            trigger_node: row.trigger_node,
            status: row.status,
            owner: row.owner,
            lease_until: row.lease_until,
            retry_of: row.retry_of,
            started_at: row.started_at,
            finished_at: row.finished_at,
            error: row.error,
        };
        Ok(Some(StoredExecution {
            summary: summary.summary(now)?,
            recoveries: row.recoveries,
            cancel_requested: row.cancel_requested,
            meta: row.meta,
            payload: row.payload,
            steps,
            result: row.result,
        }))
    }

    /// An execution by its id alone, with its workspace.
    pub async fn summary(&self, id: Uuid, now: Time) -> Result<Option<(i64, ExecutionSummary)>, StoreError> {
        let reader = self.reader();
        let workspace: Option<i64> = Entity::find_by_id(id)
            .select_only()
            .column(Column::WorkspaceId)
            .into_tuple()
            .one(&reader)
            .await?;
        let row = Entity::find_by_id(id)
            .into_partial_model::<SummaryRow>()
            .one(&reader)
            .await?;
        let summary = row.map(|row| row.summary(now)).transpose()?;
        Ok(workspace.zip(summary))
    }

    /// Changes with each record of an execution, and costs less than reading them. None where there is no such
    /// execution.
    pub async fn mark(&self, id: Uuid) -> Result<Option<Mark>, StoreError> {
        let reader = self.reader();
        let sql = "SELECT status, (SELECT MAX(sequence) FROM checkpoints WHERE execution_id = $1) AS checkpoints \
                   FROM executions WHERE id = $1";
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, [id.into()]);
        let row = reader.query_one_raw(statement).await?;
        row.map(|row| Ok(Mark(row.try_get("", "status")?, row.try_get("", "checkpoints")?)))
            .transpose()
    }

    /// What the journal of an open execution says: the paths that are decided, and what is under way.
    pub async fn progress(&self, id: Uuid) -> Result<Progress, StoreError> {
        let mut progress = Progress::default();
        for record in self.checkpoints(&self.reader(), id).await? {
            let record: Record = parse("a checkpoint", &record)?;
            progress
                .decided
                .extend(record.steps.into_iter().map(|step| step.node.to_string()));
            progress.calls = record.calls;
        }
        Ok(progress)
    }

    /// Those of these executions that the workspace has, by their ids.
    pub async fn summaries(
        &self,
        workspace_id: i64,
        ids: &[Uuid],
        now: Time,
    ) -> Result<HashMap<Uuid, ExecutionSummary>, StoreError> {
        let rows = Entity::find()
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Expr::col(Column::WorkspaceId).add(0).eq(workspace_id))
            .into_partial_model::<SummaryRow>()
            .all(&self.reader())
            .await?;
        rows.into_iter()
            .map(|row| Ok((row.id, row.summary(now)?)))
            .collect()
    }

    /// As [`Store::request_cancel`], of many that the workspace has.
    pub async fn request_cancels(&self, ids: &[Uuid], now: Time) -> Result<(), StoreError> {
        let writer = self.writer();
        // PostgreSQL locks rows: of one at a time, so that nobody waits in a circle.
        let at_once = match writer.get_database_backend() {
            DbBackend::Sqlite => CANCELLED_AT_ONCE,
            _ => 1,
        };
        for ids in ids.chunks(at_once) {
            let transaction = self.begin().await?;
            for id in ids {
                cancel(&transaction, *id, now).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }

    /// Asks that an execution ends, and says where it stands. One that no process runs ends at once, unless others
    /// are to learn of it; in one that is final nothing changes.
    pub async fn request_cancel(
        &self,
        workspace_id: i64,
        id: Uuid,
        now: Time,
    ) -> Result<Option<ExecutionStatus>, StoreError> {
        let writer = self.writer();
        let find = || {
            Entity::find_by_id(id)
                .filter(Column::WorkspaceId.eq(workspace_id))
                .into_partial_model::<SummaryRow>()
                .one(&writer)
        };
        if find().await?.is_none() {
            return Ok(None);
        }
        cancel(&writer, id, now).await?;
        find().await?.map(|row| row.status(now)).transpose()
    }

    /// The records of an execution's checkpoints, in order.
    async fn checkpoints(
        &self,
        connection: &impl ConnectionTrait,
        id: Uuid,
    ) -> Result<Vec<String>, StoreError> {
        Ok(checkpoint::Entity::find()
            .select_only()
            .column(checkpoint::Column::Record)
            .filter(checkpoint::Column::ExecutionId.eq(id))
            .order_by_asc(checkpoint::Column::Sequence)
            .into_tuple()
            .all(connection)
            .await?)
    }
}

impl SummaryRow {
    fn status(&self, now: Time) -> Result<ExecutionStatus, StoreError> {
        let stored = stored_status(self.id, &self.status)?;
        let running = self.owner.is_some() && self.lease_until > millis(now);
        Ok(match stored {
            ExecutionStatus::Queued if running => ExecutionStatus::Running,
            other => other,
        })
    }

    pub(super) fn summary(self, now: Time) -> Result<ExecutionSummary, StoreError> {
        let status = self.status(now)?;
        let error = self
            .error
            .as_deref()
            .map(|error| parse::<ErrorRecord>("error", error));
        Ok(ExecutionSummary {
            id: self.id,
            workflow_id: self.workflow_id,
            workflow_name: None,
            workflow_deleted: None,
            version: self.version,
            status,
            mode: mode(&self.mode)?,
            trigger: self.trigger_node,
            trigger_type: None,
            trigger_name: None,
            error: error.transpose()?.map(|error| ExecutionError {
                code: error.code,
                message: error.message,
                node: error.node,
            }),
            retry_of: self.retry_of,
            started_at: time(self.started_at),
            finished_at: self.finished_at.map(time),
            duration_ms: self
                .finished_at
                .map(|finished_at| std::cmp::max(finished_at - self.started_at, 0)),
        })
    }
}

/// Asks an execution to end; one that no process runs ends at once, unless others are to learn of it, and one that is
/// final stays as it is. Nothing holds it back any longer.
pub(super) async fn cancel(connection: &impl ConnectionTrait, id: Uuid, now: Time) -> Result<(), StoreError> {
    // It is taken up once more: it may have called others, or another one waits for it.
    let to_end_well = "status = 'WAITING' OR EXISTS (SELECT 1 FROM children WHERE child_id = executions.id) \
         OR EXISTS (SELECT 1 FROM children WHERE parent_id = executions.id AND waits)";
    let sql = format!(
        "UPDATE executions SET cancel_requested = TRUE, on_hold = FALSE, \
         status = CASE WHEN {to_end_well} THEN 'QUEUED' \
         WHEN owner IS NULL OR lease_until <= $2 THEN 'CANCELLED' ELSE status END, \
         finished_at = CASE WHEN {to_end_well} THEN finished_at \
         WHEN owner IS NULL OR lease_until <= $2 THEN $2 ELSE finished_at END, \
         error = CASE WHEN {to_end_well} THEN error \
         WHEN owner IS NULL OR lease_until <= $2 THEN $3 ELSE error END \
         WHERE id = $1 AND {OPEN}"
    );
    let error = error_text("cancelled", "the execution was cancelled");
    let values: [Value; 3] = [id.into(), millis(now).into(), error.into()];
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    connection.execute_raw(statement).await?;
    Ok(())
}

/// The status that has this name in the store.
pub(super) fn stored_status(execution: Uuid, name: &str) -> Result<ExecutionStatus, StoreError> {
    ExecutionStatus::parse(name)
        .ok_or_else(|| StoreError::Internal(format!("execution `{execution}`: status `{name}`")))
}

pub(super) fn error_text(code: &str, message: &str) -> String {
    let error = ErrorRecord {
        code: code.to_owned(),
        message: message.to_owned(),
        node: None,
    };
    // Serializing a struct of strings cannot fail.
    serde_json::to_string(&error).unwrap_or_default()
}

fn mode(name: &str) -> Result<ExecutionMode, StoreError> {
    ExecutionMode::parse(name)
        .ok_or_else(|| StoreError::Internal(format!("an execution has the mode `{name}`")))
}

fn steps_of(records: &[String]) -> Result<Vec<StepRecord>, StoreError> {
    let records = records
        .iter()
        .map(|record| parse::<Record>("a checkpoint", record));
    let steps = records.map(|record| record.map(|record| record.steps));
    Ok(steps
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect())
}

fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    flowmatic_executor::json::read(text)
        .map_err(|error| StoreError::Internal(format!("{what} of an execution cannot be read: {error}")))
}

/// The least UUID v7 of a millisecond.
pub(super) fn first_id(millis: i64) -> Uuid {
    let millis = std::cmp::min(u64::try_from(millis).unwrap_or_default(), (1 << 48) - 1);
    Uuid::from_u128(u128::from(millis) << 80)
}

#[cfg(test)]
mod tests;
