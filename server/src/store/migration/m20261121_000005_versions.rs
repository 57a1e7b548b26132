//! Who published a version.

use sea_orm_migration::prelude::*;

use super::run;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // `user:<id>` or `key:<id>`; of versions that came before this column nobody knows.
        run(manager, &["ALTER TABLE versions ADD COLUMN published_by TEXT"]).await
    }
}
