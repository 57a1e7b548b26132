//! The first tables.

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

/// `executions` and `checkpoints` are written thousands of times a second: they have no foreign keys, and
/// the columns that lists read come before the long ones.
const STATEMENTS: [&str; 19] = [
    "CREATE TABLE workspaces (
        id {serial},
        name TEXT NOT NULL,
        created_at {bigint} NOT NULL
    ){strict}",
    "INSERT INTO workspaces (name, created_at) VALUES ('Workspace', 0)",
    "CREATE TABLE users (
        id {serial},
        workspace_id {bigint} NOT NULL REFERENCES workspaces (id),
        email TEXT NOT NULL UNIQUE,
        password_hash TEXT NOT NULL,
        role TEXT NOT NULL,
        created_at {bigint} NOT NULL
    ){strict}",
    "CREATE TABLE sessions (
        token_hash {bytes} NOT NULL PRIMARY KEY,
        user_id {bigint} NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        created_at {bigint} NOT NULL,
        expires_at {bigint} NOT NULL
    ){strict}",
    "CREATE INDEX sessions_user ON sessions (user_id)",
    "CREATE TABLE api_keys (
        id {uuid} NOT NULL PRIMARY KEY,
        workspace_id {bigint} NOT NULL REFERENCES workspaces (id),
        name TEXT NOT NULL,
        prefix TEXT NOT NULL,
        hash {bytes} NOT NULL UNIQUE,
        scopes TEXT NOT NULL,
        created_at {bigint} NOT NULL,
        last_used_at {bigint}
    ){strict}",
    "CREATE INDEX api_keys_workspace ON api_keys (workspace_id, id)",
    "CREATE TABLE workflows (
        id {uuid} NOT NULL PRIMARY KEY,
        workspace_id {bigint} NOT NULL REFERENCES workspaces (id),
        name TEXT NOT NULL,
        description TEXT,
        active {bool} NOT NULL,
        revision {bigint} NOT NULL,
        version {int},
        created_at {bigint} NOT NULL,
        updated_at {bigint} NOT NULL,
        deleted_at {bigint},
        graph TEXT NOT NULL
    ){strict}",
    "CREATE INDEX workflows_workspace ON workflows (workspace_id, id)",
    "CREATE TABLE versions (
        workflow_id {uuid} NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
        number {int} NOT NULL,
        created_at {bigint} NOT NULL,
        graph TEXT NOT NULL,
        PRIMARY KEY (workflow_id, number)
    ){strict}",
    "CREATE TABLE triggers (
        id {uuid} NOT NULL PRIMARY KEY,
        workflow_id {uuid} NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
        node TEXT NOT NULL,
        kind TEXT NOT NULL,
        webhook_id {uuid} UNIQUE,
        UNIQUE (workflow_id, node)
    ){strict}",
    "CREATE TABLE secrets (
        id {uuid} NOT NULL PRIMARY KEY,
        workspace_id {bigint} NOT NULL REFERENCES workspaces (id),
        ciphertext {bytes} NOT NULL,
        created_at {bigint} NOT NULL
    ){strict}",
    "CREATE INDEX secrets_workspace ON secrets (workspace_id, id)",
    "CREATE TABLE executions (
        id {uuid} NOT NULL PRIMARY KEY,
        workspace_id {bigint} NOT NULL,
        workflow_id {uuid} NOT NULL,
        version {int} NOT NULL,
        mode TEXT NOT NULL,
        trigger_node TEXT NOT NULL,
        status TEXT NOT NULL,
        owner {uuid},
        lease_until {bigint} NOT NULL,
        epoch {int} NOT NULL DEFAULT 0,
        recoveries {int} NOT NULL DEFAULT 0,
        progress {int} NOT NULL DEFAULT 0,
        cancel_requested {bool} NOT NULL DEFAULT FALSE,
        retry_of {uuid},
        started_at {bigint} NOT NULL,
        finished_at {bigint},
        error TEXT,
        result TEXT,
        meta TEXT NOT NULL,
        payload TEXT NOT NULL,
        steps TEXT
    ){strict}",
    "CREATE INDEX executions_workspace ON executions (workspace_id, id)",
    "CREATE INDEX executions_workflow ON executions (workflow_id, id)",
    "CREATE INDEX executions_open ON executions (id) WHERE status IN ('QUEUED', 'WAITING')",
    "CREATE INDEX executions_unsuccessful ON executions (workspace_id, id)
        WHERE status IN ('FAILED', 'CANCELLED', 'TIMED_OUT')",
    "CREATE TABLE checkpoints (
        execution_id {uuid} NOT NULL,
        sequence {int} NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (execution_id, sequence)
    ){strict}",
];
