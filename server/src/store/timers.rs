//! Timers: what is due at a time to come, one row each. The loop that fires them is `crate::timer`.
//!
//! A timer is written in the transaction of what it belongs to, and its handler deletes or dates it anew in the
//! transaction of its effect. A claim only keeps others from trying the same at the same time: what counts is
//! that the row is still the one that was claimed, which [`hold`] tells.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};

use sea_orm::sea_query::{ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement, Value,
};
use tokio::sync::Notify;
use uuid::Uuid;

use super::entity::timer::{self, Column, Entity};
use super::{Store, StoreError, Time, millis, time};

/// What a timer is for. `crate::timer` has the one match over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// A schedule fires; the subject is its trigger.
    Schedule,
    /// It has been quiet for long enough; the subject is the execution that begins.
    Debounce,
    /// An execution has waited long enough; the subject is the execution.
    Wake,
    /// An execution failed whose workflow names another for that; the subject is the execution.
    Failure,
    /// Old executions are to be removed; there is one for all workflows, whose subject is nil.
    Prune,
}

impl TimerKind {
    const ALL: [Self; 5] = [
        Self::Schedule,
        Self::Debounce,
        Self::Wake,
        Self::Failure,
        Self::Prune,
    ];

    /// The name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Debounce => "debounce",
            Self::Wake => "wake",
            Self::Failure => "failure",
            Self::Prune => "prune",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A timer whose time has come, claimed by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueTimer {
    pub id: Uuid,
    pub kind: TimerKind,
    pub subject: Uuid,
    pub due_at: Time,
    /// Tells this claim from a later one.
    pub(super) claimed_until: i64,
}

/// How long a claim keeps other processes away: longer than a batch takes.
pub(crate) const CLAIM_MS: i64 = 30_000;

/// Wakes the loop of this process for a timer that is due before the one it waits for.
#[derive(Debug)]
pub(super) struct Bell {
    rung: Notify,
    /// What the loop waits for; the end of time while it is not waiting.
    awaited: AtomicI64,
}

impl Default for Bell {
    fn default() -> Self {
        Self {
            rung: Notify::new(),
            awaited: AtomicI64::new(i64::MAX),
        }
    }
}

impl Store {
    /// To be called after the commit that wrote a timer: the loop of this process learns of it.
    pub(crate) fn timer_written(&self, due_at: i64) {
        let bell = self.bell();
        if due_at < bell.awaited.load(Ordering::SeqCst) {
            bell.rung.notify_one();
        }
    }

    /// When the next timer is due that nobody has claimed.
    pub async fn next_timer(&self, now: Time) -> Result<Option<Time>, StoreError> {
        let bell = self.bell();
        // Whatever is written from here on rings: the query may not see it.
        bell.awaited.store(i64::MAX, Ordering::SeqCst);
        let free = Column::ClaimedUntil
            .is_null()
            .or(Column::ClaimedUntil.lte(millis(now)));
        let next: Option<i64> = Entity::find()
            .select_only()
            .column(Column::DueAt)
            .filter(free)
            .order_by_asc(Column::DueAt)
            .limit(1)
            .into_tuple()
            .one(&self.reader())
            .await?;
        if let Some(next) = next {
            bell.awaited.store(next, Ordering::SeqCst);
        }
        Ok(next.map(time))
    }

    /// Resolves when a timer was written that is due before what [`Store::next_timer`] gave.
    pub async fn earlier_timer(&self) {
        self.bell().rung.notified().await;
    }

    /// Claims what is due, the longest overdue first.
    pub async fn claim_timers(&self, now: Time, most: u32) -> Result<Vec<DueTimer>, StoreError> {
        let writer = self.writer();
        let backend = writer.get_database_backend();
        // Where processes meet, each takes what no other is just taking.
        let lock = match backend {
            DbBackend::Postgres => "FOR UPDATE SKIP LOCKED",
            _ => "",
        };
        let sql = format!(
            "UPDATE timers SET claimed_until = $2 WHERE id IN (SELECT id FROM timers \
             WHERE due_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1) \
             ORDER BY due_at LIMIT $3 {lock}) RETURNING id, kind, subject, due_at"
        );
        let claimed_until = millis(now) + CLAIM_MS;
        let values: [Value; 3] = [millis(now).into(), claimed_until.into(), i64::from(most).into()];
        let rows = writer
            .query_all_raw(Statement::from_sql_and_values(backend, sql, values))
            .await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let kind: String = row.try_get("", "kind")?;
            let Some(kind) = TimerKind::parse(&kind) else {
                tracing::error!(kind, "a timer is of a kind that this version does not know");
                continue;
            };
            due.push(DueTimer {
                id: row.try_get("", "id")?,
                kind,
                subject: row.try_get("", "subject")?,
                due_at: time(row.try_get("", "due_at")?),
                claimed_until,
            });
        }
        due.sort_by_key(|timer| (timer.due_at, timer.id));
        Ok(due)
    }

    /// Gives back what was claimed and could not be done: it is tried again at `again_at`, by whoever comes first.
    pub async fn give_back_timers(&self, timers: &[DueTimer], again_at: Time) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::ClaimedUntil, Some(millis(again_at)).into())
            .filter(claimed(timers))
            .exec(&self.writer())
            .await?;
        Ok(())
    }

    /// Dates a timer anew whose claim still counts, and gives the claim up.
    pub async fn date_timer(&self, timer: &DueTimer, due_at: Time) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::DueAt, millis(due_at).into())
            .col_expr(Column::ClaimedUntil, None::<i64>.into())
            .filter(claimed(&[*timer]))
            .exec(&self.writer())
            .await?;
        self.timer_written(millis(due_at));
        Ok(())
    }

    /// Frees what processes had claimed that are gone. Where one is not gone after all, nothing happens twice: its
    /// claim is no longer the one that counts.
    pub async fn free_timers(&self) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::ClaimedUntil, None::<i64>.into())
            .filter(Column::ClaimedUntil.is_not_null())
            .exec(&self.writer())
            .await?;
        Ok(())
    }
}

/// Those that are still as they were claimed, by id. Until the transaction ends nobody else can claim them.
pub(crate) async fn hold(
    transaction: &impl ConnectionTrait,
    timers: &[DueTimer],
) -> Result<HashSet<Uuid>, StoreError> {
    let held: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(claimed(timers))
        .order_by_asc(Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(transaction)
        .await?;
    Ok(held.into_iter().collect())
}

/// Keeps a claim for as long again. Whether it still counted: if not, another process may be at work.
pub(super) async fn keep(
    connection: &impl ConnectionTrait,
    timer: &mut DueTimer,
    now: Time,
) -> Result<bool, StoreError> {
    let until = millis(now) + CLAIM_MS;
    let kept = Entity::update_many()
        .col_expr(Column::ClaimedUntil, Some(until).into())
        .filter(claimed(&[*timer]))
        .exec(connection)
        .await?;
    if kept.rows_affected == 0 {
        return Ok(false);
    }
    timer.claimed_until = until;
    Ok(true)
}

/// Dates the timers of these subjects, each named once. The loop is told by [`Store::timer_written`].
pub(crate) async fn set(
    transaction: &impl ConnectionTrait,
    kind: TimerKind,
    timers: &[(Uuid, i64)],
) -> Result<(), StoreError> {
    let rows = timers.iter().map(|(subject, due_at)| timer::Model {
        id: Uuid::now_v7(),
        kind: kind.as_str().to_owned(),
        subject: *subject,
        due_at: *due_at,
        claimed_until: None,
    });
    let rows: Vec<timer::ActiveModel> = rows.map(Into::into).collect();
    let dated_anew = OnConflict::columns([Column::Kind, Column::Subject])
        .update_columns([Column::DueAt, Column::ClaimedUntil])
        .to_owned();
    for rows in rows.chunks(ROWS) {
        Entity::insert_many(rows.iter().cloned())
            .on_conflict(dated_anew.clone())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}

/// Rows of one statement, whose values the databases bound.
const ROWS: usize = 1_000;

pub(crate) async fn remove(
    transaction: &impl ConnectionTrait,
    kind: TimerKind,
    subjects: &[Uuid],
) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::Kind.eq(kind.as_str()))
        .filter(Column::Subject.is_in(subjects.iter().copied()))
        .exec(transaction)
        .await?;
    Ok(())
}

fn claimed(timers: &[DueTimer]) -> Condition {
    let ids = timers.iter().map(|timer| timer.id);
    // All of a batch were claimed at once.
    let until = timers.first().map_or(0, |timer| timer.claimed_until);
    Condition::all()
        .add(Column::Id.is_in(ids))
        .add(Column::ClaimedUntil.eq(until))
}
