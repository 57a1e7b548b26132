//! Signals: what executions that wait are told from outside. One for each path of an execution, whenever it comes.

use std::collections::HashMap;

use flowmatic_executor::{Signal, json};
use flowmatic_openapi::ExecutionStatus;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

use super::timers::{self, TimerKind};
use super::{Store, StoreError, Time, millis};

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signalled {
    Taken,
    /// There was one for this path before.
    Used,
    /// The execution has ended.
    Over,
    Unknown,
}

impl Store {
    /// Keeps a signal, and has its execution taken up where it waits.
    pub async fn signal(&self, execution: Uuid, signal: &Signal, now: Time) -> Result<Signalled, StoreError> {
        let transaction = self.begin().await?;
        let backend = transaction.get_database_backend();
        let lock = match backend {
            DbBackend::Postgres => "FOR UPDATE",
            _ => "",
        };
        let find = format!("SELECT status FROM executions WHERE id = $1 {lock}");
        let find = Statement::from_sql_and_values(backend, find, [execution.into()]);
        let Some(row) = transaction.query_one_raw(find).await? else {
            return Ok(Signalled::Unknown);
        };
        let status: String = row.try_get("", "status")?;
        if ExecutionStatus::parse(&status).is_none_or(ExecutionStatus::is_final) {
            return Ok(Signalled::Over);
        }
        let insert = "INSERT INTO signals (execution_id, path, payload, created_at) VALUES ($1, $2, $3, $4) \
                      ON CONFLICT (execution_id, path) DO NOTHING";
        let values: [Value; 4] = [
            execution.into(),
            signal.path.as_str().into(),
            signal.payload.to_string().into(),
            millis(now).into(),
        ];
        let inserted = transaction
            .execute_raw(Statement::from_sql_and_values(backend, insert, values))
            .await?;
        if inserted.rows_affected() == 0 {
            return Ok(Signalled::Used);
        }
        wake(&transaction, &[execution]).await?;
        timers::remove(&transaction, TimerKind::Wake, &[execution]).await?;
        transaction.commit().await?;
        Ok(Signalled::Taken)
    }

    /// Has executions that wait taken up, and deletes the timers that say so.
    pub async fn wake_executions(&self, due: &[timers::DueTimer]) -> Result<Vec<Uuid>, StoreError> {
        let transaction = self.begin().await?;
        let held = timers::hold(&transaction, due).await?;
        let subjects: Vec<Uuid> = due
            .iter()
            .filter(|timer| held.contains(&timer.id))
            .map(|timer| timer.subject)
            .collect();
        wake(&transaction, &subjects).await?;
        timers::remove(&transaction, TimerKind::Wake, &subjects).await?;
        transaction.commit().await?;
        Ok(subjects)
    }
}

async fn wake(transaction: &impl ConnectionTrait, executions: &[Uuid]) -> Result<(), StoreError> {
    let backend = transaction.get_database_backend();
    for execution in executions {
        let wake = "UPDATE executions SET status = 'QUEUED' WHERE id = $1 AND status = 'WAITING'";
        transaction
            .execute_raw(Statement::from_sql_and_values(
                backend,
                wake,
                [(*execution).into()],
            ))
            .await?;
    }
    Ok(())
}

/// The signals of all these executions, in the order in which they came.
pub(super) async fn signals_of(
    connection: &impl ConnectionTrait,
    executions: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Signal>>, StoreError> {
    let mut all: HashMap<Uuid, Vec<Signal>> = HashMap::new();
    if executions.is_empty() {
        return Ok(all);
    }
    let places: Vec<String> = (1..=executions.len()).map(|place| format!("${place}")).collect();
    let find = format!(
        "SELECT execution_id, path, payload FROM signals WHERE execution_id IN ({}) ORDER BY created_at, path",
        places.join(", ")
    );
    let values = executions.iter().map(|id| Value::from(*id));
    let find = Statement::from_sql_and_values(connection.get_database_backend(), find, values);
    for row in connection.query_all_raw(find).await? {
        let payload: String = row.try_get("", "payload")?;
        let payload = json::read(&payload).map_err(|error| StoreError::Internal(error.to_string()))?;
        let path = row.try_get("", "path")?;
        let execution = row.try_get("", "execution_id")?;
        all.entry(execution).or_default().push(Signal { path, payload });
    }
    Ok(all)
}
