//! Who has saved a workflow's draft.

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

const STATEMENTS: [&str; 1] = ["ALTER TABLE workflows ADD COLUMN updated_by TEXT"];
