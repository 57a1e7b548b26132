//! What is needed to remove old executions, and to give their space back.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

use super::run;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &STATEMENTS).await?;
        match manager.get_database_backend() {
            DbBackend::Postgres => run(manager, &POSTGRES).await,
            _ => Ok(()),
        }
    }
}

/// With the end of an execution in the index that has them by workflow, what is old is found without its row: an index
/// of its own would cost each execution some 3 %.
const STATEMENTS: [&str; 3] = [
    "DROP INDEX executions_workflow",
    "CREATE INDEX executions_workflow ON executions (workflow_id, id, finished_at)",
    "CREATE INDEX workflows_deleted ON workflows (deleted_at) WHERE deleted_at IS NOT NULL",
];

/// Many rows come and go in these: by the defaults a fifth of the largest table would be waste before it is used again.
const POSTGRES: [&str; 3] = [
    "ALTER TABLE executions SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000,
        toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 5000)",
    "ALTER TABLE checkpoints SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000,
        toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 5000)",
    "ALTER TABLE timers SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000)",
];
