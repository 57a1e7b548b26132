//! What executions wait for, and whom they call.

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

/// What is to be taken up must be found among many that wait: the status comes first.
const STATEMENTS: [&str; 5] = [
    "CREATE TABLE signals (
        execution_id {uuid} NOT NULL,
        path TEXT NOT NULL,
        payload TEXT NOT NULL,
        created_at {bigint} NOT NULL,
        PRIMARY KEY (execution_id, path)
    ){strict}",
    "CREATE TABLE children (
        parent_id {uuid} NOT NULL,
        path TEXT NOT NULL,
        child_id {uuid} NOT NULL,
        waits {bool} NOT NULL,
        PRIMARY KEY (parent_id, path)
    ){strict}",
    "CREATE INDEX children_child ON children (child_id)",
    "DROP INDEX executions_open",
    "CREATE INDEX executions_open ON executions (status, id) WHERE status IN ('QUEUED', 'WAITING')",
];
