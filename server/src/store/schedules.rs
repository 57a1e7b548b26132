//! Schedules: the rows of the triggers that start executions at times of their own.
//!
//! A row follows its workflow in the transaction that publishes, switches or deletes it. Who changes a row locks it
//! first, and its timer after it.

mod fire;
mod follow;
mod plan;

use std::collections::HashMap;

use chrono::TimeDelta;
use flowmatic_nodes::trigger::schedule::Schedule as Parameters;
use flowmatic_nodes::trigger::schedule::timetable::Timetable;
use flowmatic_openapi::{ExecutionSummary, JsonObject, Page, Schedule, ScheduleSkip, SkipReason};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

pub(super) use self::follow::follow;
use super::entity::{execution, firing, schedule, workflow};
use super::executions::SummaryRow;
use super::timers::{self, TimerKind};
use super::{Store, StoreError, Time, cursor, millis, time};

/// Which schedules a list shows.
#[derive(Debug, Default)]
pub struct ScheduleFilter {
    pub workflow_id: Option<Uuid>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    pub limit: u32,
}

/// Whether its workflow was not deleted.
const IS_THERE: &str = "NOT EXISTS (SELECT 1 FROM workflows WHERE workflows.id = schedules.workflow_id \
     AND workflows.deleted_at IS NOT NULL)";

/// Further than a clock is put back when it is set right.
const CLOCK_SLACK: TimeDelta = TimeDelta::hours(1);

impl Store {
    /// Those of the newest workflows first.
    pub async fn schedules(
        &self,
        workspace_id: i64,
        filter: ScheduleFilter,
        now: Time,
    ) -> Result<Page<Schedule>, StoreError> {
        let mut query = schedule::Entity::find()
            .filter(schedule::Column::WorkspaceId.eq(workspace_id))
            .filter(Expr::cust(IS_THERE))
            .order_by_desc(schedule::Column::TriggerId)
            .limit(u64::from(filter.limit) + 1);
        if let Some(workflow_id) = filter.workflow_id {
            query = query.filter(schedule::Column::WorkflowId.eq(workflow_id));
        }
        if let Some(cursor) = filter.cursor {
            query = query.filter(schedule::Column::TriggerId.lt(cursor::decode(&cursor)?));
        }
        let mut rows = query.all(&self.reader()).await?;
        let next_cursor = cursor::cut(&mut rows, filter.limit, |row| row.trigger_id);
        Ok(Page::new(self.shown(rows, now).await?, next_cursor))
    }

    pub async fn schedule(
        &self,
        workspace_id: i64,
        trigger_id: Uuid,
        now: Time,
    ) -> Result<Option<Schedule>, StoreError> {
        let row = schedule::Entity::find_by_id(trigger_id)
            .filter(schedule::Column::WorkspaceId.eq(workspace_id))
            .filter(Expr::cust(IS_THERE))
            .one(&self.reader())
            .await?;
        Ok(self.shown(row.into_iter().collect(), now).await?.pop())
    }

    /// Holds a schedule, or lets it go on with the first time after `now`; `None` where there is no such schedule.
    pub async fn pause_schedule(
        &self,
        workspace_id: i64,
        trigger_id: Uuid,
        paused: bool,
        now: Time,
    ) -> Result<Option<Schedule>, StoreError> {
        let transaction = self.begin().await?;
        let row = schedule::Entity::find_by_id(trigger_id)
            .filter(schedule::Column::WorkspaceId.eq(workspace_id))
            .filter(Expr::cust(IS_THERE))
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let Some(mut row) = row else {
            return Ok(None);
        };
        if row.paused != paused {
            row.paused = paused;
            row.next_due = match paused || !row.active {
                true => None,
                false => {
                    let (_, timetable) = parameters(&row)?;
                    next_due(&timetable, row.last_due, now)
                }
            };
            let changed = schedule::Entity::update_many()
                .col_expr(schedule::Column::Paused, row.paused.into())
                .col_expr(schedule::Column::NextDue, row.next_due.into());
            changed
                .filter(schedule::Column::TriggerId.eq(trigger_id))
                .exec(&transaction)
                .await?;
            set_timers(&transaction, &[row], now).await?;
        }
        transaction.commit().await?;
        self.timer_written(i64::MIN);
        self.schedule(workspace_id, trigger_id, now).await
    }

    async fn shown(&self, rows: Vec<schedule::Model>, now: Time) -> Result<Vec<Schedule>, StoreError> {
        let reader = self.reader();
        let workflows = rows.iter().map(|row| row.workflow_id);
        let names: Vec<(Uuid, String)> = workflow::Entity::find()
            .select_only()
            .columns([workflow::Column::Id, workflow::Column::Name])
            .filter(workflow::Column::Id.is_in(workflows))
            .into_tuple()
            .all(&reader)
            .await?;
        let names: HashMap<Uuid, String> = names.into_iter().collect();
        let executions = rows.iter().filter_map(|row| row.last_execution);
        let executions = execution::Entity::find()
            .filter(execution::Column::Id.is_in(executions))
            .into_partial_model::<SummaryRow>()
            .all(&reader)
            .await?;
        let mut last: HashMap<Uuid, ExecutionSummary> = HashMap::new();
        for row in executions {
            let summary = row.summary(now)?;
            last.insert(summary.id, summary);
        }
        self.name_executions(last.values_mut()).await?;
        let triggers: Vec<Uuid> = rows.iter().map(|row| row.trigger_id).collect();
        let waiting = waiting(&reader, &triggers).await?;
        rows.into_iter()
            .map(|row| {
                let (parameters, _) = parameters(&row)?;
                let fields = serde_json::from_str(&row.parameters).map_err(|error| broken(&row, error))?;
                let reason = row.skipped_reason.as_deref().and_then(SkipReason::parse);
                Ok(Schedule {
                    id: row.trigger_id,
                    workflow_name: names.get(&row.workflow_id).cloned().unwrap_or_default(),
                    workflow_id: row.workflow_id,
                    version: row.version,
                    node: row.node,
                    cron: parameters.cron,
                    timezone: parameters.timezone,
                    every: parameters.every.map(|every| every.0),
                    parameters: JsonObject(fields),
                    active: row.active,
                    paused: row.paused,
                    next_at: row.next_due.map(time),
                    last_at: row.last_due.map(time),
                    last_execution: row.last_execution.and_then(|id| last.remove(&id)),
                    last_skipped: row
                        .skipped_due
                        .map(time)
                        .zip(reason)
                        .map(|(at, reason)| ScheduleSkip { at, reason }),
                    waiting: waiting.get(&row.trigger_id).copied().unwrap_or_default(),
                })
            })
            .collect()
    }
}

/// What a live version says of a schedule, which was checked when it was published.
fn parameters(row: &schedule::Model) -> Result<(Parameters, Timetable), StoreError> {
    let parameters: Parameters = serde_json::from_str(&row.parameters).map_err(|error| broken(row, error))?;
    let timetable = parameters.timetable().map_err(|problems| {
        let told: Vec<String> = problems.into_iter().map(|(_, message)| message).collect();
        broken(row, told.join("; "))
    })?;
    Ok((parameters, timetable))
}

fn broken(row: &schedule::Model, error: impl std::fmt::Display) -> StoreError {
    StoreError::Internal(format!(
        "the schedule `{}` of workflow {} is broken: {error}",
        row.node, row.workflow_id
    ))
}

/// The first time from now on. What has fired is not due again when a clock is put back a little.
fn next_due(timetable: &Timetable, last_due: Option<i64>, now: Time) -> Option<i64> {
    let last = last_due.map(time);
    let last = last.filter(|last| *last > now && *last - now < CLOCK_SLACK);
    timetable.next(last.unwrap_or(now)).map(millis)
}

/// Dates the timers of these schedules by what their rows say.
async fn set_timers(
    transaction: &impl ConnectionTrait,
    rows: &[schedule::Model],
    now: Time,
) -> Result<(), StoreError> {
    let triggers: Vec<Uuid> = rows.iter().map(|row| row.trigger_id).collect();
    let waiting = waiting(transaction, &triggers).await?;
    let (mut dated, mut undated) = (Vec::new(), Vec::new());
    for row in rows {
        let holds = row.paused || !row.active;
        // The next of those that wait is looked after at once.
        let next = match waiting.contains_key(&row.trigger_id) && !holds {
            true => Some(millis(now)),
            false => row.next_due,
        };
        match next {
            Some(next) => dated.push((row.trigger_id, next)),
            None => undated.push(row.trigger_id),
        }
    }
    timers::set(transaction, TimerKind::Schedule, &dated).await?;
    timers::remove(transaction, TimerKind::Schedule, &undated).await
}

/// How many times wait for their turn, by schedule.
async fn waiting(
    connection: &impl ConnectionTrait,
    triggers: &[Uuid],
) -> Result<HashMap<Uuid, i32>, StoreError> {
    let counts: Vec<(Uuid, i64)> = firing::Entity::find()
        .select_only()
        .column(firing::Column::TriggerId)
        .column_as(firing::Column::DueAt.count(), "waiting")
        .filter(firing::Column::TriggerId.is_in(triggers.iter().copied()))
        .filter(firing::Column::ExecutionId.is_null())
        .group_by(firing::Column::TriggerId)
        .into_tuple()
        .all(connection)
        .await?;
    let counts = counts.into_iter();
    Ok(counts
        .map(|(trigger, count)| (trigger, i32::try_from(count).unwrap_or(i32::MAX)))
        .collect())
}

#[cfg(test)]
mod tests;
