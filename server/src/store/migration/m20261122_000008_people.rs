//! People beside the owner: their names and invitations, and what is known of their sessions.

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

/// Who has an invitation and never joined has an empty `password_hash`.
const STATEMENTS: [&str; 9] = [
    "ALTER TABLE users ADD COLUMN name TEXT",
    "ALTER TABLE users ADD COLUMN disabled {bool} NOT NULL DEFAULT FALSE",
    "ALTER TABLE users ADD COLUMN last_seen_at {bigint}",
    "CREATE INDEX users_workspace ON users (workspace_id, id)",
    "ALTER TABLE sessions ADD COLUMN last_used_at {bigint} NOT NULL DEFAULT 0",
    "ALTER TABLE sessions ADD COLUMN ip TEXT",
    "ALTER TABLE sessions ADD COLUMN user_agent TEXT",
    "UPDATE sessions SET last_used_at = created_at",
    "CREATE TABLE invitations (
        user_id {bigint} NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
        token_hash {bytes} NOT NULL UNIQUE,
        expires_at {bigint} NOT NULL
    ){strict}",
];
