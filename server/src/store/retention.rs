//! What is kept of executions that have ended, and how the rest is removed: in small batches, each in a transaction of
//! its own.
//!
//! Laws:
//! * what has not ended is not removed, nor what something that has not ended needs;
//! * an execution goes with all that hangs on it, or stays;
//! * a batch is removed only under the claim of the one timer for it, so that no two processes are at it.

use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ConnectionTrait, EntityTrait, QuerySelect, Statement, Value};
use serde::Deserialize;
use uuid::Uuid;

use super::entity::{timer, version};
use super::executions::{ID_SLACK_MS, OPEN, first_id};
use super::timers::{self, DueTimer, TimerKind};
use super::{Database, Store, StoreError, Time, millis, time};
use crate::fault;

mod deleted;
mod postgres;
mod sqlite;

/// The bounds of a batch, each of which alone is enough. One execution may be larger.
pub(crate) const BATCH_ROWS: usize = 256;
pub(crate) const BATCH_BYTES: i64 = 4 * 1024 * 1024;

/// What the executions of a workflow are, as far as the index tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub workflow_id: Uuid,
    /// The version whose settings count; missing where the workflow is gone.
    pub version: Option<i32>,
    pub newest: Uuid,
    /// When the oldest of those that have ended began, by its id: none of them ended before.
    pub begun: Option<Time>,
}

/// What a workflow itself says of how much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    pub retention: Option<Duration>,
    pub executions: Option<u32>,
}

/// Executions that can be removed in one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removable {
    pub ids: Vec<Uuid>,
    /// Where the next batch begins, if there may be one.
    pub next: Option<Uuid>,
}

/// What a batch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    pub executions: u64,
    /// How long nothing else could be written on SQLite.
    pub held: Duration,
}

/// What an execution that has ended is needed for yet.
const NEEDED: [&str; 2] = [
    // Its error workflow has not been started.
    "SELECT 1 FROM timers WHERE kind = 'failure' AND subject = executions.id",
    // Who called it is under way.
    "SELECT 1 FROM children JOIN executions AS callers ON callers.id = children.parent_id \
     WHERE children.child_id = executions.id AND children.waits AND callers.status IN ('QUEUED', 'WAITING')",
];

/// What an idempotency key says when its execution is there no more: the call comes again to the same end.
const REMEMBER: &str = "UPDATE idempotency_keys SET removed_as = \
     (SELECT status FROM executions WHERE id = idempotency_keys.execution_id) WHERE execution_id";

/// What goes with an execution: what these say of one that is no more.
const HANGS_ON_IT: [(&str, &str); 4] = [
    ("checkpoints", "execution_id"),
    ("signals", "execution_id"),
    ("children", "parent_id"),
    // A wait that was cancelled leaves it.
    ("timers", "kind = 'wake' AND subject"),
];

impl Store {
    /// Makes the timer by which old executions are removed due, unless somebody is at it.
    pub async fn plan_prune(&self, now: Time) -> Result<(), StoreError> {
        let timer = timer::Model {
            id: Uuid::now_v7(),
            kind: TimerKind::Prune.as_str().to_owned(),
            subject: Uuid::nil(),
            due_at: millis(now),
            claimed_until: None,
        };
        let is_there = OnConflict::columns([timer::Column::Kind, timer::Column::Subject])
            .update_column(timer::Column::DueAt)
            .action_and_where(Expr::col((timer::Entity, timer::Column::ClaimedUntil)).is_null())
            .to_owned();
        timer::Entity::insert(timer::ActiveModel::from(timer))
            .on_conflict(is_there)
            .exec_without_returning(&self.writer())
            .await?;
        self.timer_written(millis(now));
        Ok(())
    }

    /// The workflows that have executions, by their ids, this one and those after it.
    pub async fn histories(&self, from: Uuid, most: u32) -> Result<Vec<History>, StoreError> {
        // From one workflow the index leads to the next, past all its executions.
        let sql = "WITH RECURSIVE seen (id, place) AS ( \
             SELECT id, 1 FROM (SELECT workflow_id AS id FROM executions WHERE workflow_id >= $1 \
             ORDER BY workflow_id LIMIT 1) AS first \
             UNION ALL \
             SELECT (SELECT workflow_id FROM executions WHERE workflow_id > seen.id ORDER BY workflow_id LIMIT 1), \
             place + 1 FROM seen WHERE seen.id IS NOT NULL AND place < $2) \
             SELECT seen.id AS workflow_id, workflows.version AS version, \
             (SELECT e.id FROM executions e WHERE e.workflow_id = seen.id ORDER BY e.id DESC LIMIT 1) AS newest, \
             (SELECT e.id FROM executions e WHERE e.workflow_id = seen.id AND e.finished_at IS NOT NULL \
             ORDER BY e.id LIMIT 1) AS oldest \
             FROM seen LEFT JOIN workflows ON workflows.id = seen.id WHERE seen.id IS NOT NULL ORDER BY seen.id";
        let reader = self.reader();
        let values: [Value; 2] = [from.into(), i32::try_from(most).unwrap_or(i32::MAX).into()];
        let rows = reader
            .query_all_raw(Statement::from_sql_and_values(
                reader.get_database_backend(),
                sql,
                values,
            ))
            .await?;
        rows.into_iter()
            .map(|row| {
                let oldest: Option<Uuid> = row.try_get("", "oldest")?;
                Ok(History {
                    workflow_id: row.try_get("", "workflow_id")?,
                    version: row.try_get("", "version")?,
                    newest: row.try_get("", "newest")?,
                    begun: oldest.map(begun),
                })
            })
            .collect()
    }

    /// What a version says of how much is kept; of one that is gone or cannot be read, nothing.
    pub async fn kept_by(&self, workflow_id: Uuid, number: i32) -> Result<Kept, StoreError> {
        #[derive(Deserialize)]
        struct Graph {
            settings: Option<Settings>,
        }
        #[derive(Deserialize)]
        struct Settings {
            retention: Option<String>,
            keep_executions: Option<u32>,
        }
        let text: Option<String> = version::Entity::find_by_id((workflow_id, number))
            .select_only()
            .column(version::Column::Graph)
            .into_tuple()
            .one(&self.reader())
            .await?;
        let Some(text) = text else {
            return Ok(Kept::default());
        };
        let settings = match flowmatic_executor::json::read::<Graph>(&text) {
            Ok(graph) => graph.settings,
            Err(error) => {
                tracing::error!(workflow = %workflow_id, number, %error, "a version cannot be read");
                None
            }
        };
        let bounds = flowmatic_openapi::Settings::RETENTION;
        Ok(settings.map_or(Kept::default(), |settings| Kept {
            retention: settings
                .retention
                .and_then(|text| text.parse::<flowmatic_openapi::Duration>().ok())
                // An older server may have published it.
                .map(|retention| retention.clamp(*bounds.start(), *bounds.end()).into()),
            executions: settings.keep_executions,
        }))
    }

    /// When the first of the `most` executions of a workflow ended that ended last; nothing where it has no more than
    /// those.
    pub async fn end_of_newest(&self, workflow_id: Uuid, most: u32) -> Result<Option<Time>, StoreError> {
        let reader = self.reader();
        let backend = reader.get_database_backend();
        let ended = "FROM executions WHERE workflow_id = $1 AND finished_at IS NOT NULL";
        let count = format!("SELECT COUNT(*) AS count {ended}");
        let count = Statement::from_sql_and_values(backend, count, [workflow_id.into()]);
        let count: i64 = match reader.query_one_raw(count).await? {
            Some(row) => row.try_get("", "count")?,
            None => 0,
        };
        if count <= i64::from(most) {
            return Ok(None);
        }
        let find = format!("SELECT finished_at {ended} ORDER BY finished_at DESC LIMIT 1 OFFSET $2");
        let values: [Value; 2] = [workflow_id.into(), i64::from(most.saturating_sub(1)).into()];
        let row = reader
            .query_one_raw(Statement::from_sql_and_values(backend, find, values))
            .await?;
        row.map(|row| Ok(time(row.try_get("", "finished_at")?)))
            .transpose()
    }

    /// Executions of a workflow that ended before a time and that nothing needs, by their ids, this one and those
    /// after it: as many as make a batch.
    pub async fn removable(
        &self,
        workflow_id: Uuid,
        ended_before: Time,
        from: Uuid,
    ) -> Result<Removable, StoreError> {
        let reader = self.reader();
        let values: [Value; 5] = [
            workflow_id.into(),
            from.into(),
            // What ended before had begun before.
            first_id(millis(ended_before) + ID_SLACK_MS).into(),
            millis(ended_before).into(),
            i32::try_from(BATCH_ROWS).unwrap_or(i32::MAX).into(),
        ];
        let rows = reader
            .query_all_raw(Statement::from_sql_and_values(
                reader.get_database_backend(),
                removable_sql(),
                values,
            ))
            .await?;
        let is_full = rows.len() == BATCH_ROWS;
        let (mut batch, mut bytes) = (Removable::default(), 0);
        for row in rows {
            let id: Uuid = row.try_get("", "id")?;
            bytes += row.try_get::<i64>("", "bytes")?;
            if bytes > BATCH_BYTES && !batch.ids.is_empty() {
                batch.next = Some(id);
                return Ok(batch);
            }
            batch.ids.push(id);
        }
        batch.next = batch.ids.last().filter(|_| is_full).map(|last| after(*last));
        Ok(batch)
    }

    /// Removes those of these executions that have ended; nothing if the claim no longer counts, which is kept for as
    /// long again otherwise.
    pub async fn remove_executions(
        &self,
        claim: &mut DueTimer,
        ids: &[Uuid],
        now: Time,
    ) -> Result<Option<Removed>, StoreError> {
        if self.is_settling() {
            // A row that is looked for must not be missing for this reason.
            return Err(StoreError::Unavailable(
                "the database is asked what became of a commit".to_owned(),
            ));
        }
        let removed = match self.database() {
            Database::Sqlite { writer, .. } => sqlite::remove(writer, claim, ids, now).await?,
            Database::Postgres { pool, .. } => postgres::remove(pool, claim, ids, now).await?,
        };
        fault::point("after_prune_commit");
        Ok(removed)
    }

    /// Keeps the claim between batches. Whether it still counts.
    pub async fn keep_claim(&self, claim: &mut DueTimer, now: Time) -> Result<bool, StoreError> {
        timers::keep(&self.writer(), claim, now).await
    }
}

fn removable_sql() -> String {
    let needed: String = NEEDED
        .iter()
        .map(|needed| format!(" AND NOT EXISTS ({needed})"))
        .collect();
    format!(
        "SELECT executions.id AS id, CAST(octet_length(payload) + octet_length(meta) + COALESCE(octet_length(steps), 0) \
         + COALESCE((SELECT SUM(octet_length(record)) FROM checkpoints WHERE execution_id = executions.id), 0) \
         AS BIGINT) AS bytes FROM executions \
         WHERE workflow_id = $1 AND executions.id >= $2 AND executions.id < $3 AND finished_at < $4 \
         AND NOT (executions.{OPEN}){needed} ORDER BY executions.id LIMIT $5"
    )
}

/// The moment that an id begins with.
fn begun(id: Uuid) -> Time {
    time(i64::try_from(id.as_u128() >> 80).unwrap_or_default())
}

/// The least id that is greater.
pub(crate) fn after(id: Uuid) -> Uuid {
    Uuid::from_u128(id.as_u128().saturating_add(1))
}

#[cfg(test)]
mod tests;
