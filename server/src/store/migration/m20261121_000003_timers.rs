//! What is due at a time to come, and schedules.

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

const STATEMENTS: [&str; 6] = [
    "CREATE TABLE timers (
        id {uuid} NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        subject {uuid} NOT NULL,
        due_at {bigint} NOT NULL,
        claimed_until {bigint},
        UNIQUE (kind, subject)
    ){strict}",
    "CREATE INDEX timers_due ON timers (due_at)",
    "CREATE TABLE schedules (
        trigger_id {uuid} NOT NULL PRIMARY KEY REFERENCES triggers (id) ON DELETE CASCADE,
        workspace_id {bigint} NOT NULL,
        workflow_id {uuid} NOT NULL,
        version {int} NOT NULL,
        node TEXT NOT NULL,
        active {bool} NOT NULL,
        paused {bool} NOT NULL,
        next_due {bigint},
        last_due {bigint},
        last_execution {uuid},
        skipped_due {bigint},
        skipped_reason TEXT,
        parameters TEXT NOT NULL
    ){strict}",
    "CREATE INDEX schedules_workspace ON schedules (workspace_id, trigger_id)",
    "CREATE INDEX schedules_workflow ON schedules (workflow_id, trigger_id)",
    "CREATE TABLE firings (
        trigger_id {uuid} NOT NULL REFERENCES schedules (trigger_id) ON DELETE CASCADE,
        due_at {bigint} NOT NULL,
        execution_id {uuid},
        PRIMARY KEY (trigger_id, due_at)
    ){strict}",
];
