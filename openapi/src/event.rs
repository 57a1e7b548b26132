//! What happens in executions, as it is told while it happens.

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::{ExecutionError, ExecutionSummary, StepStatus, Time};

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum EventKind {
    /// An execution was accepted.
    #[oai(rename = "execution.started")]
    ExecutionStarted,
    /// An attempt of a step began.
    #[oai(rename = "step.started")]
    StepStarted,
    /// An attempt failed, and there will be another.
    #[oai(rename = "step.retried")]
    StepRetried,
    /// A step waits: for a time, to be resumed, or for another execution.
    #[oai(rename = "step.waiting")]
    StepWaiting,
    /// A step is decided.
    #[oai(rename = "step.finished")]
    StepFinished,
    /// An execution waits now, or goes on after it waited: told where all executions are watched.
    #[oai(rename = "execution.changed")]
    ExecutionChanged,
    /// An execution is over.
    #[oai(rename = "execution.ended")]
    ExecutionEnded,
    /// More has happened than is told: read the list of executions.
    #[oai(rename = "events.missed")]
    EventsMissed,
}

impl EventKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExecutionStarted => "execution.started",
            Self::StepStarted => "step.started",
            Self::StepRetried => "step.retried",
            Self::StepWaiting => "step.waiting",
            Self::StepFinished => "step.finished",
            Self::ExecutionChanged => "execution.changed",
            Self::ExecutionEnded => "execution.ended",
            Self::EventsMissed => "events.missed",
        }
    }
}

/// Something that happened in an execution.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ExecutionEvent {
    /// What to send as `Last-Event-ID` to go on after this event. What is not on disk has none.
    pub id: Option<String>,
    pub event: EventKind,
    /// Left out of `events.missed` where the stream is that of the workspace.
    pub workflow_id: Option<Uuid>,
    /// Left out of `events.missed`.
    pub execution_id: Option<Uuid>,
    /// When it happened.
    #[oai(serialize_with = "crate::time::write")]
    pub at: Time,
    /// The step, of `step.*`.
    pub step: Option<StepEvent>,
    /// The execution as it stands then, of `execution.*`.
    pub execution: Option<ExecutionSummary>,
}

/// A step as far as it has come, without its input and output.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct StepEvent {
    /// The node's key.
    pub node: String,
    /// Where it runs: the key, inside a loop after the loop's iteration, such as `each[3]/send`. A path that ends with
    /// `]` is an iteration as a whole.
    pub path: String,
    pub name: String,
    #[oai(rename = "type")]
    pub kind: String,
    /// How it was decided; none while it is under way.
    pub status: Option<StepStatus>,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// The ports it left by.
    pub ports: Option<Vec<String>>,
    /// The attempt that runs, or how many there were.
    pub attempts: u32,
    /// Why it failed, or why the attempt before did.
    pub error: Option<ExecutionError>,
    #[oai(serialize_with = "crate::time::write")]
    pub started_at: Option<Time>,
    #[oai(serialize_with = "crate::time::write")]
    pub finished_at: Option<Time>,
    pub duration_ms: Option<i64>,
    /// The execution that it has called and waits for.
    pub called: Option<Uuid>,
    /// When the next attempt is due, or a wait is over by itself.
    #[oai(serialize_with = "crate::time::write")]
    pub due_at: Option<Time>,
    /// Of one that waits for somebody, where an execution is read: how it is told to go on.
    pub resume: Option<Resume>,
}

/// How a step that waits for a person or a program is told to go on.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Resume {
    /// Whether a person decides, on the page at the address; else a program sends it a POST.
    pub approval: bool,
    /// What the person is asked.
    pub message: Option<String>,
    /// The address, which counts once and serves whoever has it; for callers who may write executions.
    pub url: Option<String>,
}
