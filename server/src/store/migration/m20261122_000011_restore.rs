//! What a deleted workflow was, for as long as it can be restored.

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

/// Of those that were deleted before nobody knows: they come back switched off.
const STATEMENTS: [&str; 1] = ["ALTER TABLE workflows ADD COLUMN was_active {bool} NOT NULL DEFAULT FALSE"];
