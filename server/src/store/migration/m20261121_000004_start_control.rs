//! Start control: what is held back, and what decides of the next start.

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

/// The columns of `executions` have defaults, so that executions without start control are written as before; the index
/// has those that may be taken up, few as they are among many that are held back.
const STATEMENTS: [&str; 14] = [
    "ALTER TABLE executions ADD COLUMN on_hold {bool} NOT NULL DEFAULT FALSE",
    "ALTER TABLE executions ADD COLUMN admitted {bool} NOT NULL DEFAULT FALSE",
    "ALTER TABLE executions ADD COLUMN held_until {bigint}",
    "ALTER TABLE executions ADD COLUMN priority {int} NOT NULL DEFAULT 0",
    "CREATE INDEX executions_free ON executions (priority DESC, id)
        WHERE status = 'QUEUED' AND owner IS NULL AND NOT on_hold",
    "CREATE TABLE idempotency_keys (
        workflow_id {uuid} NOT NULL,
        key TEXT NOT NULL,
        execution_id {uuid} NOT NULL,
        expires_at {bigint} NOT NULL,
        body_hash {bytes},
        removed_as TEXT,
        PRIMARY KEY (workflow_id, key)
    ){strict}",
    "CREATE INDEX idempotency_keys_execution ON idempotency_keys (execution_id)",
    "CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)",
    "CREATE TABLE rate_limits (
        workflow_id {uuid} NOT NULL,
        key TEXT NOT NULL,
        full_at {bigint} NOT NULL,
        PRIMARY KEY (workflow_id, key)
    ){strict}",
    "CREATE INDEX rate_limits_full ON rate_limits (full_at)",
    "CREATE TABLE debounces (
        execution_id {uuid} NOT NULL PRIMARY KEY,
        workflow_id {uuid} NOT NULL,
        key TEXT NOT NULL,
        first_at {bigint} NOT NULL,
        concurrency_key TEXT,
        concurrency_limit {int},
        when_full TEXT,
        UNIQUE (workflow_id, key)
    ){strict}",
    "CREATE TABLE places (
        execution_id {uuid} NOT NULL PRIMARY KEY,
        workflow_id {uuid} NOT NULL,
        key TEXT NOT NULL,
        waits {bool} NOT NULL,
        priority {int} NOT NULL,
        most {int} NOT NULL
    ){strict}",
    "CREATE INDEX places_taken ON places (workflow_id, key, execution_id) WHERE waits = FALSE",
    "CREATE INDEX places_in_turn ON places (workflow_id, key, priority DESC, execution_id) WHERE waits = TRUE",
];
