//! Fires schedules whose timers are due: one transaction dates them anew and inserts their executions.

use std::collections::HashMap;

use flowmatic_nodes::trigger::schedule::timetable::Timetable;
use flowmatic_nodes::trigger::schedule::{Overlap, Schedule, context};
use flowmatic_openapi::ExecutionMode;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use super::super::entity::{execution, firing, schedule};
use super::super::executions::LEASE_MS;
use super::super::timers::{self, DueTimer, TimerKind};
use super::super::{Store, StoreError, Time, millis, time};
use super::follow::upsert;
use super::parameters;
use super::plan::{Standing, plan};
use crate::fault;

/// Whether the execution of a firing has not ended.
const IS_OPEN: &str = "EXISTS (SELECT 1 FROM executions WHERE executions.id = firings.execution_id \
     AND executions.status IN ('QUEUED', 'WAITING'))";
/// How long those that wait for their turn are left alone.
const LOOK_AGAIN_MS: i64 = 1_000;
/// Rows of one statement, whose values the databases bound.
const ROWS: usize = 1_000;

/// A schedule whose time has come, with what its live version says.
struct Due {
    row: schedule::Model,
    parameters: Schedule,
    timetable: Timetable,
}

/// A time that fired before.
struct Fired {
    due_at: i64,
    /// Whether its turn has not come.
    waits: bool,
    /// Whether its execution has not ended.
    is_open: bool,
}

/// What a transaction adds.
#[derive(Default)]
struct Added {
    executions: Vec<execution::ActiveModel>,
    firings: Vec<firing::Model>,
    /// Those that had waited for their turn.
    begun: Vec<firing::Model>,
}

impl Store {
    /// Fires the schedules of these timers, as far as their claims still count. Returns the executions that were
    /// inserted, which belong to nobody yet.
    pub async fn fire_schedules(&self, timers: &[DueTimer], now: Time) -> Result<Vec<Uuid>, StoreError> {
        let transaction = self.begin().await?;
        let triggers: Vec<Uuid> = timers.iter().map(|timer| timer.subject).collect();
        let mut due = due(&transaction, &triggers).await?;
        let held = timers::hold(&transaction, timers).await?;
        forget_ended(&transaction, due.values()).await?;
        let mut fired = fired(&transaction, &triggers).await?;
        let mut added = Added::default();
        let (mut changed, mut dated, mut undated) = (Vec::new(), Vec::new(), Vec::new());
        for timer in timers.iter().filter(|timer| held.contains(&timer.id)) {
            let Some(mut due) = due.remove(&timer.subject) else {
                undated.push(timer.subject);
                continue;
            };
            let fired = fired.remove(&timer.subject).unwrap_or_default();
            let waits = fire(&mut due, &fired, now, &mut added);
            let look_again = waits.then_some(millis(now) + LOOK_AGAIN_MS);
            match [due.row.next_due, look_again].into_iter().flatten().min() {
                Some(next) => dated.push((timer.subject, next)),
                None => undated.push(timer.subject),
            }
            changed.push(due.row);
        }
        let executions = added.executions.iter();
        let executions: Vec<Uuid> = executions
            .filter_map(|execution| execution.id.try_as_ref().copied())
            .collect();
        added.write(&transaction).await?;
        if !changed.is_empty() {
            upsert(&transaction, &changed).await?;
        }
        timers::set(&transaction, TimerKind::Schedule, &dated).await?;
        timers::remove(&transaction, TimerKind::Schedule, &undated).await?;
        fault::point("before_schedule_commit");
        transaction.commit().await?;
        fault::point("after_schedule_commit");
        Ok(executions)
    }
}

/// Decides of one schedule, and notes what is to be added. Whether times wait for their turn after this.
fn fire(due: &mut Due, fired: &[Fired], now: Time, added: &mut Added) -> bool {
    let waiting: Vec<Time> = fired
        .iter()
        .filter(|fired| fired.waits)
        .map(|fired| time(fired.due_at))
        .collect();
    let row = &mut due.row;
    let plan = plan(
        &Standing {
            timetable: &due.timetable,
            missed: due.parameters.missed,
            overlap: due.parameters.overlap,
            next_due: row.next_due.map(time),
            is_under_way: fired.iter().any(|fired| fired.is_open),
            waiting: &waiting,
        },
        now,
    );
    // None fires twice, even after a clock was put back.
    let is_known = |at: Time| fired.iter().any(|fired| fired.due_at == millis(at));
    let mut left = waiting.len();
    for at in &plan.start {
        let had_waited = waiting.contains(at);
        if is_known(*at) && !had_waited {
            continue;
        }
        let execution = new_execution(row, *at, now);
        row.last_execution = execution.id.try_as_ref().copied();
        let firing = firing::Model {
            trigger_id: row.trigger_id,
            due_at: millis(*at),
            execution_id: row.last_execution,
        };
        added.executions.push(execution);
        match had_waited {
            true => {
                left -= 1;
                added.begun.push(firing);
            }
            false => added.firings.push(firing),
        }
    }
    for at in plan.wait.iter().filter(|at| !is_known(**at)) {
        left += 1;
        added.firings.push(firing::Model {
            trigger_id: row.trigger_id,
            due_at: millis(*at),
            execution_id: None,
        });
    }
    let newest = plan.start.iter().chain(&plan.wait).max();
    row.last_due = std::cmp::max(row.last_due, newest.copied().map(millis));
    row.next_due = plan.next_due.map(millis);
    if let Some((at, reason)) = plan.skipped {
        row.skipped_due = Some(millis(at));
        row.skipped_reason = Some(reason.as_str().to_owned());
    }
    left > 0
}

/// A row as the journal writes it of an execution that has no room in memory.
fn new_execution(schedule: &schedule::Model, scheduled_at: Time, now: Time) -> execution::ActiveModel {
    execution::ActiveModel {
        id: Set(Uuid::now_v7()),
        workspace_id: Set(schedule.workspace_id),
        workflow_id: Set(schedule.workflow_id),
        version: Set(schedule.version),
        mode: Set(ExecutionMode::Schedule.as_str().to_owned()),
        trigger_node: Set(schedule.node.clone()),
        status: Set("QUEUED".to_owned()),
        lease_until: Set(millis(now) + LEASE_MS),
        started_at: Set(millis(now)),
        meta: Set(Value::Object(context(scheduled_at, now)).to_string()),
        payload: Set("{}".to_owned()),
        ..execution::ActiveModel::default()
    }
}

impl Added {
    async fn write(self, transaction: &impl ConnectionTrait) -> Result<(), StoreError> {
        for rows in self.executions.chunks(ROWS) {
            execution::Entity::insert_many(rows.iter().cloned())
                .exec_without_returning(transaction)
                .await?;
        }
        for rows in self.firings.chunks(ROWS) {
            let rows = rows.iter().cloned().map(firing::ActiveModel::from);
            firing::Entity::insert_many(rows)
                .exec_without_returning(transaction)
                .await?;
        }
        for begun in self.begun {
            firing::Entity::update_many()
                .col_expr(firing::Column::ExecutionId, begun.execution_id.into())
                .filter(firing::Column::TriggerId.eq(begun.trigger_id))
                .filter(firing::Column::DueAt.eq(begun.due_at))
                .exec(transaction)
                .await?;
        }
        Ok(())
    }
}

/// Those of these schedules that may fire, locked.
async fn due(
    transaction: &impl ConnectionTrait,
    triggers: &[Uuid],
) -> Result<HashMap<Uuid, Due>, StoreError> {
    let rows = schedule::Entity::find()
        .filter(schedule::Column::TriggerId.is_in(triggers.iter().copied()))
        .order_by_asc(schedule::Column::TriggerId)
        .lock_exclusive()
        .all(transaction)
        .await?;
    let rows = rows.into_iter().filter(|row| row.active && !row.paused);
    rows.map(|row| {
        let (parameters, timetable) = parameters(&row)?;
        let due = Due {
            row,
            parameters,
            timetable,
        };
        Ok((due.row.trigger_id, due))
    })
    .collect()
}

/// Removes the times that tell nothing any more: whether their execution has ended counts where there is a policy of
/// overlaps, and the newest one always does.
async fn forget_ended(
    transaction: &impl ConnectionTrait,
    due: impl Iterator<Item = &Due>,
) -> Result<(), StoreError> {
    let older = "due_at < (SELECT last_due FROM schedules WHERE schedules.trigger_id = firings.trigger_id)";
    let (allow, other): (Vec<&Due>, Vec<&Due>) =
        due.partition(|due| due.parameters.overlap == Overlap::Allow);
    for (due, condition) in [
        (allow, Condition::all()),
        (other, Condition::all().add(Expr::cust(format!("NOT {IS_OPEN}")))),
    ] {
        firing::Entity::delete_many()
            .filter(firing::Column::TriggerId.is_in(due.iter().map(|due| due.row.trigger_id)))
            .filter(firing::Column::ExecutionId.is_not_null())
            .filter(Expr::cust(older))
            .filter(condition)
            .exec(transaction)
            .await?;
    }
    Ok(())
}

/// The times that these schedules have fired and that count yet, the oldest first.
async fn fired(
    transaction: &impl ConnectionTrait,
    triggers: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Fired>>, StoreError> {
    let rows: Vec<(Uuid, i64, Option<Uuid>, bool)> = firing::Entity::find()
        .expr_as(Expr::cust(IS_OPEN), "is_open")
        .filter(firing::Column::TriggerId.is_in(triggers.iter().copied()))
        .order_by_asc(firing::Column::DueAt)
        .into_tuple()
        .all(transaction)
        .await?;
    let mut fired: HashMap<Uuid, Vec<Fired>> = HashMap::new();
    for (trigger, due_at, execution, is_open) in rows {
        fired.entry(trigger).or_default().push(Fired {
            due_at,
            waits: execution.is_none(),
            is_open,
        });
    }
    Ok(fired)
}
