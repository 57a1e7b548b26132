//! Debounces: starts that wait for quiet. What they would bring is in their executions' rows, when they are due in
//! their timers'.

use flowmatic_executor::Accept;
use flowmatic_executor::graph::start::{ConcurrencyTerms, DebounceTerms, Terms};
use flowmatic_openapi::WhenFull;
use sea_orm::{ConnectionTrait, Statement, Value};
use uuid::Uuid;

use super::super::executions::OPEN;
use super::super::timers::{self, DueTimer, TimerKind};
use super::super::{Store, StoreError, Time};
use super::{Admission, Admitted, Turn, at, to_millis};

impl Store {
    /// Lets a debounced start go on to its concurrency, once. None where it was put off in the meantime, or does not
    /// begin.
    pub async fn end_debounce(&self, timer: &DueTimer, now: Time) -> Result<Option<Admission>, StoreError> {
        let reader = self.reader();
        let sql = "SELECT workflow_id FROM debounces WHERE execution_id = $1";
        let values: [Value; 1] = [timer.subject.into()];
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
        let workflow_id = match reader.query_one_raw(statement).await? {
            Some(row) => at(&row, 0)?,
            // Whoever took the row away takes its timer with it.
            None => return Ok(None),
        };
        let mut turn = Turn::begin(self, [workflow_id], now).await?;
        if !timers::hold(&turn.transaction, std::slice::from_ref(timer))
            .await?
            .contains(&timer.id)
        {
            return Ok(None);
        }
        let entered = turn.end_debounce(timer.subject).await?;
        let admission = entered.map(|entered| turn.admission(entered));
        turn.transaction.commit().await?;
        Ok(admission)
    }
}

impl Turn {
    /// Puts a start off, with what this call brings; gives the execution that it will be.
    pub(super) async fn debounce(
        &mut self,
        debounce: &DebounceTerms,
        accept: &Accept,
        terms: &Terms,
    ) -> Result<Uuid, StoreError> {
        let key = || [self.workflow_id.into(), debounce.key.clone().into()];
        let sql = format!(
            "SELECT d.execution_id, d.first_at, e.{OPEN} FROM debounces d \
             JOIN executions e ON e.id = d.execution_id WHERE d.workflow_id = $1 AND d.key = $2"
        );
        let pending: Option<(Uuid, i64, bool)> = match self.query(&sql, key()).await? {
            Some(row) => Some((at(&row, 0)?, at(&row, 1)?, at(&row, 2)?)),
            None => None,
        };
        let (execution, first_at) = match pending {
            Some((execution, first_at, true)) => {
                self.bring(execution, accept, terms.priority).await?;
                (execution, first_at)
            }
            _ => {
                self.insert(accept, terms.priority, None).await?;
                (accept.id, self.now)
            }
        };
        if let Some((before, ..)) = pending {
            self.forget_debounce(before).await?;
        }
        let sql = "INSERT INTO debounces (workflow_id, key, execution_id, first_at, concurrency_key, \
                   concurrency_limit, when_full) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let concurrency = terms.concurrency.as_ref();
        let values = [
            execution.into(),
            first_at.into(),
            concurrency.map(|it| it.key.clone()).into(),
            concurrency
                .map(|it| i32::try_from(it.limit).unwrap_or(i32::MAX))
                .into(),
            concurrency.map(|it| it.when_full.as_str()).into(),
        ];
        self.execute(sql, key().into_iter().chain(values)).await?;
        let latest = debounce
            .max_wait
            .map_or(i64::MAX, |wait| first_at.saturating_add(to_millis(wait)));
        let due_at = self.now.saturating_add(to_millis(debounce.period)).min(latest);
        timers::set(&self.transaction, TimerKind::Debounce, &[(execution, due_at)]).await?;
        self.earliest_timer = self.earliest_timer.min(due_at);
        Ok(execution)
    }

    async fn forget_debounce(&self, execution: Uuid) -> Result<(), StoreError> {
        let sql = "DELETE FROM debounces WHERE execution_id = $1";
        self.execute(sql, [execution.into()]).await?;
        timers::remove(&self.transaction, TimerKind::Debounce, &[execution]).await
    }

    /// The last call counts, for all but the moment at which it was accepted.
    async fn bring(&self, execution: Uuid, accept: &Accept, priority: i32) -> Result<(), StoreError> {
        let sql = "UPDATE executions SET version = $2, mode = $3, trigger_node = $4, meta = $5, payload = $6, \
                   priority = $7 WHERE id = $1";
        let values = [
            execution.into(),
            accept.version.into(),
            accept.mode.as_str().into(),
            accept.trigger.clone().into(),
            accept.meta.clone().into(),
            accept.payload.clone().into(),
            priority.into(),
        ];
        self.execute(sql, values).await?;
        Ok(())
    }

    async fn end_debounce(&mut self, execution: Uuid) -> Result<Option<Admitted>, StoreError> {
        let sql = format!(
            "SELECT e.priority, e.{OPEN}, d.concurrency_key, d.concurrency_limit, d.when_full \
             FROM debounces d JOIN executions e ON e.id = d.execution_id WHERE d.execution_id = $1"
        );
        let row = self.query(&sql, [execution.into()]).await?;
        self.forget_debounce(execution).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        // What was cancelled meanwhile does not begin.
        if !at::<bool>(&row, 1)? {
            return Ok(None);
        }
        let (key, limit, when_full): (Option<String>, Option<i32>, Option<String>) =
            (at(&row, 2)?, at(&row, 3)?, at(&row, 4)?);
        let when_full = when_full.and_then(|name| WhenFull::parse(&name));
        let entered = match (key, limit.and_then(|limit| u32::try_from(limit).ok()), when_full) {
            (Some(key), Some(limit), Some(when_full)) => {
                let concurrency = ConcurrencyTerms {
                    key,
                    limit,
                    when_full,
                };
                self.enter(execution, &concurrency, at(&row, 0)?).await?
            }
            _ => {
                if !self.let_go(execution).await? {
                    return Ok(None);
                }
                Admitted::Started
            }
        };
        self.released |= entered == Admitted::Started;
        Ok(Some(entered))
    }
}
