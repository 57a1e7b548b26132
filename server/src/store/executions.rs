//! Executions as they are read, cancelled and taken up again. They are written by [`super::CommitWriter`].

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use flowmatic_executor::journal::{Call, ErrorRecord, Record, StepRecord};
use flowmatic_openapi::{ExecutionError, ExecutionMode, ExecutionStatus, ExecutionSummary, Page};
use sea_orm::sea_query::{Cond, Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select, Statement, Value,
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::entity::checkpoint;
use super::entity::execution::{Column, Entity};
use super::{Store, StoreError, Time, cursor, millis, time};

mod news;
mod recovery;
pub use news::News;
pub use recovery::{OpenExecution, Whose};

/// How long an execution belongs to a process that does not renew its lease.
pub(crate) const LEASE_MS: i64 = 60_000;

/// As in the partial index: SQLite uses it only for a condition that reads the same.
pub(crate) const OPEN: &str = "status IN ('QUEUED', 'WAITING')";
const ONGOING: [ExecutionStatus; 3] = [
    ExecutionStatus::Queued,
    ExecutionStatus::Running,
    ExecutionStatus::Waiting,
];
const IS_UNSUCCESSFUL: &str = "status IN ('FAILED', 'CANCELLED', 'TIMED_OUT')";

const UNSUCCESSFUL: [ExecutionStatus; 3] = [
    ExecutionStatus::Failed,
    ExecutionStatus::Cancelled,
    ExecutionStatus::TimedOut,
];

/// How far the time inside an id may be off `started_at`.
pub(super) const ID_SLACK_MS: i64 = 3_600_000;

/// What a list of executions is narrowed to; empty, it is all.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    pub workflow_id: Option<Uuid>,
    pub statuses: Vec<ExecutionStatus>,
    /// This moment included.
    pub started_after: Option<Time>,
    /// This moment excluded.
    pub started_before: Option<Time>,
    pub mode: Option<ExecutionMode>,
    /// The key of the trigger node.
    pub trigger: Option<String>,
}

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

impl ExecutionFilter {
    fn select(&self, workspace_id: i64, now: Time) -> Select<Entity> {
        let workspace = Expr::col(Column::WorkspaceId);
        // SQLite has no statistics and would walk through the workspace; a sum keeps it from that index.
        let workspace = match self.workflow_id.is_some() || self.all_of(&ONGOING) {
            true => workspace.add(0).eq(workspace_id),
            false => workspace.eq(workspace_id),
        };
        Entity::find()
            .filter(workspace)
            .filter(self.condition(now))
            .order_by_desc(Column::Id)
    }

    /// Whether all the statuses it asks for are of a group.
    fn all_of(&self, group: &[ExecutionStatus]) -> bool {
        !self.statuses.is_empty() && self.statuses.iter().all(|status| group.contains(status))
    }

    fn condition(&self, now: Time) -> Condition {
        Cond::all()
            .add_option(self.workflow_id.map(|id| Column::WorkflowId.eq(id)))
            .add_option(self.mode.map(|mode| Column::Mode.eq(mode.as_str())))
            .add_option(self.trigger.as_deref().map(|node| Column::TriggerNode.eq(node)))
            .add_option(self.statuses(now))
            .add_option(self.started_after.map(|after| {
                // The ids begin with the time, so that a range of them spares the others.
                Column::StartedAt
                    .gte(millis(after))
                    .and(Column::Id.gte(first_id(millis(after) - ID_SLACK_MS)))
            }))
            .add_option(self.started_before.map(|before| {
                Column::StartedAt
                    .lt(millis(before))
                    .and(Column::Id.lt(first_id(millis(before) + ID_SLACK_MS)))
            }))
    }

    fn statuses(&self, now: Time) -> Option<Condition> {
        use ExecutionStatus::{Queued, Running};
        if self.statuses.is_empty() {
            return None;
        }
        let running = || {
            Column::Owner
                .is_not_null()
                .and(Column::LeaseUntil.gt(millis(now)))
        };
        let any = self
            .statuses
            .iter()
            .fold(Cond::any(), |any, status| match status {
                Queued => any.add(Column::Status.eq("QUEUED").and(running().not())),
                Running => any.add(Column::Status.eq("QUEUED").and(running())),
                other => any.add(Column::Status.eq(other.as_str())),
            });
        // Said once more as the partial indexes say it.
        let index = if self.all_of(&ONGOING) {
            Some(Expr::cust(OPEN))
        } else if self.all_of(&UNSUCCESSFUL) {
            Some(Expr::cust(IS_UNSUCCESSFUL))
        } else {
            None
        };
        // Both are stored as one: the index has them in order.
        let of_one = self
            .all_of(&[Queued, Running])
            .then(|| Column::Status.eq("QUEUED"));
        Some(Cond::all().add(any).add_option(index).add_option(of_one))
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
            version: self.version,
            status,
            mode: mode(&self.mode)?,
            trigger: self.trigger_node,
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
