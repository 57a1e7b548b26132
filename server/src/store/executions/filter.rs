//! Which executions are meant: those that a list shows, and those that something is done with.

use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use sea_orm::sea_query::{Cond, Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;

use super::super::entity::execution::{Column, Entity};
use super::super::{Store, StoreError, Time, cursor, millis};
use super::{ID_SLACK_MS, OPEN, first_id};

const ONGOING: [ExecutionStatus; 3] = [
    ExecutionStatus::Queued,
    ExecutionStatus::Running,
    ExecutionStatus::Waiting,
];
const UNSUCCESSFUL: [ExecutionStatus; 3] = [
    ExecutionStatus::Failed,
    ExecutionStatus::Cancelled,
    ExecutionStatus::TimedOut,
];
const IS_UNSUCCESSFUL: &str = "status IN ('FAILED', 'CANCELLED', 'TIMED_OUT')";

/// What a list of executions is narrowed to; empty, it is all.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    pub workflow_id: Option<Uuid>,
    /// The number of the version that ran.
    pub version: Option<i32>,
    pub statuses: Vec<ExecutionStatus>,
    /// This moment included.
    pub started_after: Option<Time>,
    /// This moment excluded.
    pub started_before: Option<Time>,
    pub mode: Option<ExecutionMode>,
    /// The key of the trigger node.
    pub trigger: Option<String>,
    /// The execution that they repeat.
    pub retry_of: Option<Uuid>,
    /// An id, or its beginning.
    pub search: Option<String>,
}

/// What executions are looked for to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// From their start, unless they were retried before.
    Retry,
    /// From what failed, unless they were retried before.
    RetryFailed,
    /// Unless they were cancelled before.
    Cancel,
}

impl Store {
    /// The newest executions of a filter with which something can be done, and the cursor of the next ones.
    pub async fn executions_to(
        &self,
        purpose: Purpose,
        workspace_id: i64,
        filter: ExecutionFilter,
        cursor: Option<&str>,
        limit: u32,
        now: Time,
    ) -> Result<(Vec<Uuid>, Option<String>), StoreError> {
        let Some(filter) = filter.narrowed(purpose) else {
            return Ok((Vec::new(), None));
        };
        let mut query = filter
            .select(workspace_id, now)
            .filter(purpose.condition())
            .limit(u64::from(limit) + 1);
        if let Some(cursor) = cursor {
            query = query.filter(Column::Id.lt(cursor::decode(cursor)?));
        }
        let query = query.select_only().column(Column::Id).into_tuple();
        let mut ids: Vec<Uuid> = query.all(&self.reader()).await?;
        let next = cursor::cut(&mut ids, limit, |id| *id);
        Ok((ids, next))
    }
}

impl Purpose {
    pub(super) fn condition(self) -> Expr {
        match self {
            Self::Retry | Self::RetryFailed => Expr::cust(
                "NOT EXISTS (SELECT 1 FROM executions AS retries WHERE retries.retry_of = executions.id)",
            ),
            Self::Cancel => Column::CancelRequested.eq(false),
        }
    }
}

impl ExecutionFilter {
    pub(super) fn select(&self, workspace_id: i64, now: Time) -> Select<Entity> {
        let workspace = Expr::col(Column::WorkspaceId);
        // SQLite has no statistics and would walk through the workspace; a sum keeps it from that index.
        let has_own = self.workflow_id.is_some() || self.retry_of.is_some() || self.all_of(&ONGOING);
        let workspace = match has_own {
            true => workspace.add(0).eq(workspace_id),
            false => workspace.eq(workspace_id),
        };
        Entity::find()
            .filter(workspace)
            .filter(self.condition(now))
            .order_by_desc(Column::Id)
    }

    /// Those with which this can be done; `None` where there are none.
    fn narrowed(mut self, purpose: Purpose) -> Option<Self> {
        if self.statuses.is_empty() {
            self.statuses = match purpose {
                Purpose::Retry | Purpose::RetryFailed => UNSUCCESSFUL.to_vec(),
                Purpose::Cancel => ONGOING.to_vec(),
            };
        }
        self.statuses.retain(|status| match purpose {
            Purpose::Retry => status.is_final(),
            Purpose::RetryFailed => UNSUCCESSFUL.contains(status),
            Purpose::Cancel => ONGOING.contains(status),
        });
        (!self.statuses.is_empty()).then_some(self)
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
            .add_option(self.version.map(|number| Column::Version.eq(number)))
            .add_option(self.retry_of.map(|id| Column::RetryOf.eq(id)))
            .add_option(self.search.as_deref().map(begins_with))
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

/// Those whose id begins so; none, where no id does.
fn begins_with(text: &str) -> Condition {
    let digits: String = text.trim().chars().filter(|digit| *digit != '-').collect();
    let bound = |fill: &str| {
        let missing = 32_usize.checked_sub(digits.len())?;
        Uuid::try_parse(&(digits.clone() + &fill.repeat(missing))).ok()
    };
    match bound("0").zip(bound("f")) {
        Some((least, most)) => Cond::all().add(Column::Id.gte(least)).add(Column::Id.lte(most)),
        None => Cond::all().add(Expr::val(1).eq(0)),
    }
}
