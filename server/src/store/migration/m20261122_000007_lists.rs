//! The orders in which workflows are listed.

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

const STATEMENTS: [&str; 2] = [
    "CREATE INDEX workflows_updated ON workflows (workspace_id, updated_at, id)",
    "CREATE INDEX workflows_name ON workflows (workspace_id, LOWER(name), id)",
];
