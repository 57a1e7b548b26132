//! Debounces: starts that wait for quiet. What they would bring is in their executions' rows.

use flowmatic_executor::Accept;
use flowmatic_executor::graph::start::{ConcurrencyTerms, DebounceTerms, Terms};
use flowmatic_openapi::WhenFull;
use sea_orm::{ConnectionTrait, Statement, Value};
use uuid::Uuid;

use super::super::executions::OPEN;
use super::super::{Store, StoreError, Time, millis, time};
use super::{Admitted, Turn, at, to_millis};

/// A debounced start whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueStart {
    pub execution: Uuid,
    pub workflow_id: Uuid,
}

/// What follows for others when one begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begun {
    /// Executions that are to end: their durable flag is set.
    pub cancelled: Vec<Uuid>,
    /// Whether executions that were held back may be taken up now.
    pub released: bool,
}

impl Store {
    /// When the next debounced start is due, if there is one.
    pub async fn next_debounce(&self) -> Result<Option<Time>, StoreError> {
        let reader = self.reader();
        let sql = "SELECT due_at FROM debounces ORDER BY due_at LIMIT 1";
        let statement = Statement::from_string(reader.get_database_backend(), sql);
        let row = reader.query_one_raw(statement).await?;
        row.map(|row| at(&row, 0).map(time)).transpose()
    }

    /// Those that are due, in due order.
    pub async fn due_debounces(&self, now: Time, limit: u32) -> Result<Vec<DueStart>, StoreError> {
        let reader = self.reader();
        let sql =
            "SELECT execution_id, workflow_id FROM debounces WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
        let values: [Value; 2] = [millis(now).into(), i64::from(limit).into()];
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
        let rows = reader.query_all_raw(statement).await?;
        rows.iter()
            .map(|row| {
                Ok(DueStart {
                    execution: at(row, 0)?,
                    workflow_id: at(row, 1)?,
                })
            })
            .collect()
    }

    /// Lets a debounced start go on to its concurrency, once, unless it was put off in the meantime.
    pub async fn end_debounce(&self, due: DueStart, now: Time) -> Result<Begun, StoreError> {
        let mut turn = Turn::begin(self, [due.workflow_id], now).await?;
        if !turn.end_debounce(due.execution).await? {
            return Ok(Begun::default());
        }
        let begun = Begun {
            cancelled: std::mem::take(&mut turn.cancelled),
            released: turn.released,
        };
        turn.transaction.commit().await?;
        Ok(begun)
    }
}

impl Turn {
    /// Puts a start off, with what this call brings; gives the execution that it will be.
    pub(super) async fn debounce(
        &self,
        debounce: &DebounceTerms,
        accept: &Accept,
        terms: &Terms,
    ) -> Result<Uuid, StoreError> {
        let key = || [self.workflow_id.into(), debounce.key.clone().into()];
        let sql = format!(
            "SELECT d.execution_id, d.first_at FROM debounces d JOIN executions e ON e.id = d.execution_id \
             WHERE d.workflow_id = $1 AND d.key = $2 AND e.{OPEN}"
        );
        let pending = match self.query(&sql, key()).await? {
            Some(row) => Some((at::<Uuid>(&row, 0)?, at::<i64>(&row, 1)?)),
            None => None,
        };
        let (execution, first_at) = match pending {
            Some(pending) => {
                self.bring(pending.0, accept, terms.priority).await?;
                pending
            }
            None => {
                self.insert(accept, terms.priority, None).await?;
                (accept.id, self.now)
            }
        };
        let latest = debounce
            .max_wait
            .map_or(i64::MAX, |wait| first_at.saturating_add(to_millis(wait)));
        let due_at = self.now.saturating_add(to_millis(debounce.period)).min(latest);
        // What was cancelled meanwhile leaves its row behind.
        let forget = "DELETE FROM debounces WHERE workflow_id = $1 AND key = $2";
        self.execute(forget, key()).await?;
        let sql = "INSERT INTO debounces (workflow_id, key, execution_id, first_at, due_at, concurrency_key, \
                   concurrency_limit, when_full) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let concurrency = terms.concurrency.as_ref();
        let values = [
            execution.into(),
            first_at.into(),
            due_at.into(),
            concurrency.map(|it| it.key.clone()).into(),
            concurrency
                .map(|it| i32::try_from(it.limit).unwrap_or(i32::MAX))
                .into(),
            concurrency.map(|it| it.when_full.as_str()).into(),
        ];
        self.execute(sql, key().into_iter().chain(values)).await?;
        Ok(execution)
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

    /// Tells whether anything was changed.
    async fn end_debounce(&mut self, execution: Uuid) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT e.priority, e.{OPEN}, d.concurrency_key, d.concurrency_limit, d.when_full \
             FROM debounces d JOIN executions e ON e.id = d.execution_id \
             WHERE d.execution_id = $1 AND d.due_at <= $2"
        );
        let Some(row) = self.query(&sql, [execution.into(), self.now.into()]).await? else {
            return Ok(false);
        };
        let forget = "DELETE FROM debounces WHERE execution_id = $1";
        self.execute(forget, [execution.into()]).await?;
        if !at::<bool>(&row, 1)? {
            return Ok(true);
        }
        let (key, limit, when_full): (Option<String>, Option<i32>, Option<String>) =
            (at(&row, 2)?, at(&row, 3)?, at(&row, 4)?);
        let when_full = when_full.and_then(|name| WhenFull::parse(&name));
        match (key, limit.and_then(|limit| u32::try_from(limit).ok()), when_full) {
            (Some(key), Some(limit), Some(when_full)) => {
                let concurrency = ConcurrencyTerms {
                    key,
                    limit,
                    when_full,
                };
                let entered = self.enter(execution, &concurrency, at(&row, 0)?).await?;
                self.released |= entered == Admitted::Started;
            }
            _ => {
                let release = "UPDATE executions SET on_hold = FALSE WHERE id = $1";
                self.execute(release, [execution.into()]).await?;
                self.released = true;
            }
        }
        Ok(true)
    }
}
