//! Deleted workflows, once nothing is left that they did.

use sea_orm::{ConnectionTrait, Statement, Value};
use uuid::Uuid;

use super::super::{Store, StoreError, Time, millis};

/// Versions that go in one transaction: each may be 1 MiB.
const VERSIONS: i64 = 16;

impl Store {
    /// The workflows that were deleted before a time and have no executions.
    pub async fn forgettable_workflows(
        &self,
        deleted_before: Time,
        most: u32,
    ) -> Result<Vec<Uuid>, StoreError> {
        let reader = self.reader();
        let sql = "SELECT id FROM workflows WHERE deleted_at < $1 \
                   AND NOT EXISTS (SELECT 1 FROM executions WHERE workflow_id = workflows.id) LIMIT $2";
        let values: [Value; 2] = [millis(deleted_before).into(), i64::from(most).into()];
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
        let rows = reader.query_all_raw(statement).await?;
        rows.into_iter().map(|row| Ok(row.try_get("", "id")?)).collect()
    }

    /// Removes some versions of a deleted workflow, or with the last of them the workflow and its triggers; whether it
    /// is gone.
    pub async fn forget_workflow(&self, id: Uuid) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        let backend = transaction.get_database_backend();
        let versions = "DELETE FROM versions WHERE workflow_id = $1 AND number IN \
                        (SELECT number FROM versions WHERE workflow_id = $1 ORDER BY number LIMIT $2) \
                        AND EXISTS (SELECT 1 FROM workflows WHERE id = $1 AND deleted_at IS NOT NULL)";
        let values: [Value; 2] = [id.into(), VERSIONS.into()];
        let removed = transaction
            .execute_raw(Statement::from_sql_and_values(backend, versions, values))
            .await?
            .rows_affected();
        let is_last = removed < VERSIONS.unsigned_abs();
        if is_last {
            let workflow = "DELETE FROM workflows WHERE id = $1 AND deleted_at IS NOT NULL";
            transaction
                .execute_raw(Statement::from_sql_and_values(backend, workflow, [id.into()]))
                .await?;
        }
        transaction.commit().await?;
        Ok(is_last)
    }
}
