//! Which executions were retried, and what failed of a workflow.

use sea_orm_migration::prelude::*;

use super::run;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &STATEMENTS).await
    }
}

/// Partial: executions that succeed at once are written as before.
const STATEMENTS: [&str; 2] = [
    "CREATE INDEX executions_retries ON executions (retry_of) WHERE retry_of IS NOT NULL",
    "CREATE INDEX executions_failures ON executions (workflow_id, id)
        WHERE status IN ('FAILED', 'CANCELLED', 'TIMED_OUT')",
];
