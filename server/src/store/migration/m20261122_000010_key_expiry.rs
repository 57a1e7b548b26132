//! When an API key expires, and who made it.

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

/// `created_by` is `user:<id>` or `key:<id>`, and NULL where the key was made on the machine itself, or before this.
const STATEMENTS: [&str; 2] = [
    "ALTER TABLE api_keys ADD COLUMN expires_at {bigint}",
    "ALTER TABLE api_keys ADD COLUMN created_by TEXT",
];
