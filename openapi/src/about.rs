//! What a server says of itself.

use poem_openapi::{Enum, Object};

use crate::{Duration, Time};

/// What this server is, how it is set, and how much it holds.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct About {
    pub version: String,
    /// What it was built from, where the build was told.
    pub commit: Option<String>,
    #[oai(serialize_with = "crate::time::write")]
    pub started_at: Time,
    pub database: DatabaseKind,
    pub dispatch: DispatchKind,
    /// Where callers reach it.
    pub public_url: String,
    /// How long executions are kept, where their workflow does not say it.
    pub retention: Duration,
    /// How many executions of a workflow are kept, where it does not say it.
    pub keep_executions: i64,
    pub limits: Limits,
    /// The workspace's; missing where the caller may not read workflows and executions.
    pub counts: Option<Counts>,
    /// The folder of its files, on its machine; missing where the caller lacks `workspace:admin`.
    pub data_dir: Option<String>,
    /// Missing where the caller lacks `workspace:admin`.
    pub disk: Option<Disk>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// How executions come to those who run them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum DispatchKind {
    /// In the one process there is.
    Local,
    Nats,
}

#[derive(Debug, Clone, Object)]
pub struct Limits {
    /// Bytes of a request's body.
    pub max_body: i64,
    /// Executions in memory at a time.
    pub max_running: i64,
    /// How long a webhook waits for its workflow's answer.
    pub sync_timeout: Duration,
    /// How long a caller may take to send a request's head, and as long again for its body.
    pub request_timeout: Duration,
}

/// What there is now. Of executions 100,000 are counted at most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object)]
pub struct Counts {
    pub workflows: i64,
    pub active_workflows: i64,
    pub executions_running: i64,
    pub executions_waiting: i64,
    pub executions_queued: i64,
}

#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Disk {
    pub database_bytes: i64,
    /// Bytes that are left where the database is; missing where that is another machine.
    pub free_bytes: Option<i64>,
}
