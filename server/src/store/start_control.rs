//! Start control: each start of a workflow that has it is decided in one transaction with its row.
//!
//! Laws:
//! * the starts of a workflow are decided one after the other, by however many processes: SQLite has one writer, on
//!   PostgreSQL a transaction takes the workflow's advisory lock first;
//! * what is refused leaves no trace, what is accepted is there whole;
//! * who has a place is told by the executions that are open, so that none is lost with the process that held it.

use std::collections::BTreeSet;
use std::time::Duration;

use flowmatic_executor::graph::start::Terms;
use flowmatic_executor::{Accept, Time};
use flowmatic_openapi::ExecutionStatus;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, EntityTrait, QueryResult, Statement, TryGetable, Value,
};
use uuid::Uuid;

use super::entity::execution;
use super::executions::{LEASE_MS, OPEN, error_text};
use super::watchers::What;
use super::{Store, StoreError, millis};
use crate::fault;

mod debounce;
mod idempotency;
pub(super) mod places;
mod rate;
mod retries;
mod tidy;

/// The error code of an execution that found no place.
pub const DROPPED: &str = "dropped";
pub(crate) const DROPPED_MESSAGE: &str =
    "as many executions as the workflow's `start.concurrency` allows were under way";

/// A start to be decided.
#[derive(Debug, Clone)]
pub struct NewStart {
    pub accept: Accept,
    pub terms: Terms,
    pub once: Option<Once>,
}

/// By what a start is known again.
#[derive(Debug, Clone, PartialEq)]
pub struct Once {
    pub key: String,
    /// Where the caller made the key: what it must come with again.
    pub body_hash: Option<Vec<u8>>,
    pub ttl: Duration,
}

/// What was decided, and what follows for others.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    pub outcome: Admitted,
    /// Executions that are to end: their durable flag is set.
    pub cancelled: Vec<Uuid>,
    /// Whether executions that were held back may be taken up now.
    pub released: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// Its row belongs to the process that asked, which runs it.
    Started,
    /// It waits for a place.
    Queued,
    /// It waits for quiet. The execution is that of the first call since the last quiet.
    Debounced { execution: Uuid },
    /// There was no place: it is over.
    Dropped,
    /// Nothing was written: this one was started by the same key before.
    Replayed {
        execution: Uuid,
        is_debounced: bool,
        /// How it ended, where it is there no more.
        removed_as: Option<ExecutionStatus>,
    },
    /// Nothing was written: the key was used with another body before.
    KeyReused { execution: Uuid },
    /// Nothing was written.
    RateLimited { wait: Duration },
}

impl Admitted {
    fn is_written(&self) -> bool {
        matches!(
            self,
            Self::Started | Self::Queued | Self::Debounced { .. } | Self::Dropped
        )
    }
}

impl Store {
    /// Decides starts in their order, and writes them as far as they are accepted, all in one commit. What may run at
    /// once belongs to `owner`.
    ///
    /// Where a commit's outcome is not learned, it is told as not available; what it has written all the same is found
    /// by who looks for executions that ought to run and do not.
    pub async fn admit(&self, starts: &[NewStart], owner: Uuid) -> Result<Vec<Admission>, StoreError> {
        let workflows = starts.iter().map(|start| start.accept.workflow_id);
        let mut turn = Turn::begin(self, workflows, Time::UNIX_EPOCH).await?;
        let mut admissions = Vec::with_capacity(starts.len());
        for start in starts {
            turn.workflow_id = start.accept.workflow_id;
            turn.now = millis(start.accept.accepted_at);
            let outcome = turn.admit(start, owner).await?;
            admissions.push(turn.admission(outcome));
        }
        if admissions.iter().any(|admission| admission.outcome.is_written()) {
            fault::point("before_accept_commit");
            let earliest_timer = turn.earliest_timer;
            turn.transaction.commit().await?;
            fault::point("after_accept_commit");
            self.timer_written(earliest_timer);
            for (start, admission) in starts.iter().zip(&admissions) {
                self.tell_of(&start.accept, &admission.outcome);
            }
        }
        Ok(admissions)
    }

    /// Tells those who watch of a row that is there.
    fn tell_of(&self, accept: &Accept, outcome: &Admitted) {
        let is_new = match outcome {
            Admitted::Debounced { execution } => *execution == accept.id,
            _ => outcome.is_written(),
        };
        let ended = (*outcome == Admitted::Dropped).then_some(What::Ended);
        for what in is_new.then_some(What::Accepted).into_iter().chain(ended) {
            self.watchers().tell(accept.id, accept.workflow_id, &what);
        }
    }
}

/// A transaction that has the starts of some workflows to itself.
struct Turn {
    transaction: DatabaseTransaction,
    /// The one at hand.
    workflow_id: Uuid,
    now: i64,
    cancelled: Vec<Uuid>,
    released: bool,
    /// Of the timers that it writes.
    earliest_timer: i64,
}

/// The first half of the advisory lock's number: `star` in ASCII.
const START_LOCK: i32 = 0x7374_6172;

impl Turn {
    async fn begin(
        store: &Store,
        workflows: impl IntoIterator<Item = Uuid>,
        now: Time,
    ) -> Result<Self, StoreError> {
        let workflows: Vec<Uuid> = workflows.into_iter().collect();
        let turn = Self {
            transaction: store.begin().await?,
            workflow_id: workflows.first().copied().unwrap_or_default(),
            now: millis(now),
            cancelled: Vec::new(),
            released: false,
            earliest_timer: i64::MAX,
        };
        if turn.transaction.get_database_backend() == DbBackend::Postgres {
            // In one order everywhere, so that no two processes wait for each other.
            let locks: BTreeSet<i32> = workflows.iter().map(lock_number).collect();
            for number in locks {
                let lock = "SELECT pg_advisory_xact_lock($1, $2)";
                turn.query(lock, [START_LOCK.into(), number.into()]).await?;
            }
        }
        Ok(turn)
    }

    async fn admit(&mut self, start: &NewStart, owner: Uuid) -> Result<Admitted, StoreError> {
        let NewStart { accept, terms, once } = start;
        if let Some(once) = once
            && let Some(known) = self.known(once).await?
        {
            return Ok(known);
        }
        if let Some(rate) = &terms.rate_limit
            && let Some(wait) = self.exceeds(rate).await?
        {
            return Ok(Admitted::RateLimited { wait });
        }
        let admitted = match (&terms.debounce, &terms.concurrency) {
            (Some(debounce), _) => {
                let execution = self.debounce(debounce, accept, terms).await?;
                Admitted::Debounced { execution }
            }
            (None, Some(concurrency)) => {
                self.insert(accept, terms.priority, None).await?;
                let entered = self.enter(accept.id, concurrency, terms.priority).await?;
                if entered == Admitted::Started {
                    self.own(accept.id, owner).await?;
                }
                entered
            }
            (None, None) => {
                self.insert(accept, terms.priority, Some(owner)).await?;
                Admitted::Started
            }
        };
        if let Some(once) = once {
            let execution = match admitted {
                Admitted::Debounced { execution } => execution,
                _ => accept.id,
            };
            self.remember(once, execution).await?;
        }
        Ok(admitted)
    }

    /// Writes the row: one that has no owner is held back.
    async fn insert(&self, accept: &Accept, priority: i32, owner: Option<Uuid>) -> Result<(), StoreError> {
        let row = execution::ActiveModel {
            id: Set(accept.id),
            workspace_id: Set(accept.workspace_id),
            workflow_id: Set(accept.workflow_id),
            version: Set(accept.version),
            mode: Set(accept.mode.as_str().to_owned()),
            trigger_node: Set(accept.trigger.clone()),
            status: Set("QUEUED".to_owned()),
            owner: Set(owner),
            lease_until: Set(self.now + LEASE_MS),
            retry_of: Set(accept.retry_of),
            started_at: Set(self.now),
            meta: Set(accept.meta.clone()),
            payload: Set(accept.payload.clone()),
            on_hold: Set(owner.is_none()),
            admitted: Set(true),
            priority: Set(priority),
            ..Default::default()
        };
        execution::Entity::insert(row)
            .exec_without_returning(&self.transaction)
            .await?;
        Ok(())
    }

    /// Holds an execution back no longer. Tells whether it is not over.
    async fn let_go(&self, execution: Uuid) -> Result<bool, StoreError> {
        let sql = format!("UPDATE executions SET on_hold = FALSE, held_until = $2 WHERE id = $1 AND {OPEN}");
        let changed = self.execute(&sql, [execution.into(), self.now.into()]).await?;
        Ok(changed > 0)
    }

    async fn own(&self, execution: Uuid, owner: Uuid) -> Result<(), StoreError> {
        let own = "UPDATE executions SET owner = $2, lease_until = $3 WHERE id = $1";
        let values = [execution.into(), owner.into(), (self.now + LEASE_MS).into()];
        self.execute(own, values).await?;
        Ok(())
    }

    /// Ends an execution that is held back.
    async fn end_held(&self, execution: Uuid, code: &str, message: &str) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE executions SET status = 'CANCELLED', finished_at = $2, error = $3 \
             WHERE id = $1 AND on_hold AND {OPEN}"
        );
        let values = [
            execution.into(),
            self.now.into(),
            error_text(code, message).into(),
        ];
        self.execute(&sql, values).await?;
        Ok(())
    }

    /// What was decided of one, and what follows for others.
    fn admission(&mut self, outcome: Admitted) -> Admission {
        Admission {
            outcome,
            cancelled: std::mem::take(&mut self.cancelled),
            released: std::mem::take(&mut self.released),
        }
    }

    fn statement(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        Statement::from_sql_and_values(self.transaction.get_database_backend(), sql, values)
    }

    /// How many rows it has changed.
    async fn execute(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Result<u64, StoreError> {
        let statement = self.statement(sql, values);
        Ok(self.transaction.execute_raw(statement).await?.rows_affected())
    }

    async fn query(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<QueryResult>, StoreError> {
        let statement = self.statement(sql, values);
        Ok(self.transaction.query_one_raw(statement).await?)
    }
}

/// A v7 id ends in chance. Two workflows that share a number wait for each other, and nothing else.
fn lock_number(workflow_id: &Uuid) -> i32 {
    let [.., a, b, c, d] = *workflow_id.as_bytes();
    i32::from_be_bytes([a, b, c, d])
}

/// A column of a row, by its place.
fn at<T: TryGetable>(row: &QueryResult, place: usize) -> Result<T, StoreError> {
    row.try_get_by_index(place)
        .map_err(|error| StoreError::Internal(format!("a row of start control: {error:?}")))
}

fn to_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
