//! What start control need not remember any longer.

use sea_orm::{ConnectionTrait, Statement, Value};

use super::super::executions::OPEN;
use super::super::{Store, StoreError, Time, millis};

/// Rows that are deleted at a time, and how often: the writer is not held up, and what is beyond waits for the next
/// time.
const ROWS: u64 = 500;
const BATCHES: usize = 200;

impl Store {
    /// Forgets keys that have expired, limits that are whole and places of executions that have ended.
    pub async fn tidy_start_control(&self, now: Time) -> Result<(), StoreError> {
        let now = millis(now);
        let by_key = "(workflow_id, key)";
        self.delete_all("idempotency_keys", by_key, "expires_at <= $1", [now.into()])
            .await?;
        // Its moments are microseconds.
        let micros = now.saturating_mul(1_000);
        self.delete_all("rate_limits", by_key, "full_at <= $1", [micros.into()])
            .await?;
        let ended = format!(
            "waits = FALSE AND NOT EXISTS (SELECT 1 FROM executions WHERE id = execution_id AND {OPEN})"
        );
        self.delete_all("places", "(execution_id)", &ended, []).await
    }

    async fn delete_all<const N: usize>(
        &self,
        table: &str,
        key: &str,
        condition: &str,
        values: [Value; N],
    ) -> Result<(), StoreError> {
        let columns = key.trim_matches(['(', ')']);
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} WHERE {condition} LIMIT {ROWS})"
        );
        let writer = self.writer();
        for _ in 0..BATCHES {
            let backend = writer.get_database_backend();
            let statement = Statement::from_sql_and_values(backend, &sql, values.clone());
            if writer.execute_raw(statement).await?.rows_affected() < ROWS {
                break;
            }
        }
        Ok(())
    }
}
