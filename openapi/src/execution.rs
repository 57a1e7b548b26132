//! Executions: one run of one version of a workflow, and its steps.

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::{Json, StepEvent, Time};

/// Where an execution stands. The last four are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[oai(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    Queued,
    Running,
    Waiting,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
}

impl ExecutionStatus {
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
    ];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::TimedOut => "TIMED_OUT",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut
        )
    }
}

/// What started an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ExecutionMode {
    Webhook,
    Manual,
    Schedule,
    Retry,
    /// Another workflow's execution called it.
    Call,
    /// Another workflow's execution failed.
    Error,
}

impl ExecutionMode {
    pub const ALL: [Self; 6] = [
        Self::Webhook,
        Self::Manual,
        Self::Schedule,
        Self::Retry,
        Self::Call,
        Self::Error,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Manual => "manual",
            Self::Schedule => "schedule",
            Self::Retry => "retry",
            Self::Call => "call",
            Self::Error => "error",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

/// An execution in a list.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ExecutionSummary {
    pub id: Uuid,
    pub workflow_id: Uuid,
    /// What the workflow is called now; missing where nothing of it is kept any more.
    pub workflow_name: Option<String>,
    /// `true` where the workflow was deleted.
    pub workflow_deleted: Option<bool>,
    /// The number of the version that ran.
    pub version: i32,
    pub status: ExecutionStatus,
    /// What started it.
    pub mode: ExecutionMode,
    /// The key of the trigger node it started at.
    pub trigger: String,
    /// The type of that node, such as `trigger.webhook`.
    pub trigger_type: Option<String>,
    /// What that node is called in the version that ran.
    pub trigger_name: Option<String>,
    pub error: Option<ExecutionError>,
    /// The execution that this one repeats.
    pub retry_of: Option<Uuid>,
    /// When it was accepted.
    #[oai(serialize_with = "crate::time::write")]
    pub started_at: Time,
    #[oai(serialize_with = "crate::time::write")]
    pub finished_at: Option<Time>,
    pub duration_ms: Option<i64>,
}

/// What a workflow did last.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct LastExecution {
    pub id: Uuid,
    pub status: ExecutionStatus,
    pub mode: ExecutionMode,
    /// When it was accepted.
    #[oai(serialize_with = "crate::time::write")]
    pub started_at: Time,
    #[oai(serialize_with = "crate::time::write")]
    pub finished_at: Option<Time>,
    pub duration_ms: Option<i64>,
}

/// An execution with all that is recorded of it.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Execution {
    pub id: Uuid,
    pub workflow_id: Uuid,
    /// What the workflow is called now; missing where nothing of it is kept any more.
    pub workflow_name: Option<String>,
    /// `true` where the workflow was deleted.
    pub workflow_deleted: Option<bool>,
    pub version: i32,
    pub status: ExecutionStatus,
    pub mode: ExecutionMode,
    pub trigger: String,
    /// The type of the trigger's node, such as `trigger.webhook`.
    pub trigger_type: Option<String>,
    /// What that node is called in the version that ran.
    pub trigger_name: Option<String>,
    pub error: Option<ExecutionError>,
    pub retry_of: Option<Uuid>,
    /// The step that called it.
    pub called_by: Option<CalledBy>,
    #[oai(serialize_with = "crate::time::write")]
    pub started_at: Time,
    #[oai(serialize_with = "crate::time::write")]
    pub finished_at: Option<Time>,
    pub duration_ms: Option<i64>,
    /// How often it was taken up again after the process had died.
    pub recoveries: i32,
    /// The body or fields that started it.
    pub input: Json,
    /// The first answer of a Response node, else the output of the step that ended last.
    pub result: Option<Json>,
    /// In the order they were decided.
    pub steps: Vec<Step>,
    /// What has begun and is not decided: what runs, waits, or is to be tried again.
    pub under_way: Vec<StepEvent>,
}

/// What of an execution is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum LeftOut {
    /// What steps were given, and what came of them.
    Data,
}

/// A step of another execution that calls this one.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct CalledBy {
    pub execution_id: Uuid,
    /// Where that step ran.
    pub path: String,
}

/// How to repeat an execution.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields)]
pub struct ExecutionRetry {
    #[oai(default)]
    pub from: RetryFrom,
}

/// Where a repeated execution begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub enum RetryFrom {
    /// At its start.
    #[default]
    Start,
    /// At the steps that failed or were cancelled: what was decided before is shared, and not done again.
    Failed,
}

/// Why an execution or a step failed.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ExecutionError {
    /// A stable word to branch on, such as `http_status`, `timeout` or `crash_loop`.
    pub code: String,
    pub message: String,
    /// The path of the node that failed: its key, inside a loop such as `each[3]/send`.
    pub node: Option<String>,
}

/// What became of a node in an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum StepStatus {
    Completed,
    /// Failed, and the execution went on or failed as the node's `on_error` says.
    Failed,
    Skipped,
    Cancelled,
}

/// One node's part in an execution.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Step {
    /// The node's key.
    pub node: String,
    /// Where it ran: the key, inside a loop after the loop's iteration, such as `each[3]/send`. A path that ends with
    /// `]` is an iteration as a whole.
    pub path: String,
    pub name: String,
    #[oai(rename = "type")]
    pub kind: String,
    pub status: StepStatus,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// The ports it left by.
    pub ports: Vec<String>,
    /// Its parameters, evaluated. Left out where it was not called, and where all that were given would be more
    /// than 16 MiB.
    pub input: Option<Json>,
    pub output: Option<Json>,
    pub error: Option<ExecutionError>,
    pub attempts: u32,
    /// Of one that was tried more than once: when it came to its first attempt.
    #[oai(serialize_with = "crate::time::write")]
    pub began_at: Option<Time>,
    /// When its last attempt began.
    #[oai(serialize_with = "crate::time::write")]
    pub started_at: Option<Time>,
    #[oai(serialize_with = "crate::time::write")]
    pub finished_at: Option<Time>,
    pub duration_ms: Option<i64>,
}
