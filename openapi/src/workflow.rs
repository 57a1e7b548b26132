//! Workflows: the graph a person draws, its draft and its versions.

use std::ops::RangeInclusive;

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::{Author, Duration, JsonObject, LastExecution, Problem, StartControl, Time};

/// A workflow: its draft, and what of it is live.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Workflow {
    pub id: Uuid,
    pub name: String,
    /// What it is for, in the words of its owner.
    pub description: Option<String>,
    /// Whether its triggers start executions of the published version.
    pub active: bool,
    /// Counts saves of the draft. Send it back with `PUT`: a stale one is refused.
    pub revision: i64,
    /// The number of the published version; missing while none was published.
    pub version: Option<i32>,
    /// Whether the draft is another than the published version; `false` where none was published.
    pub has_changes: bool,
    /// The draft.
    pub graph: Graph,
    pub triggers: Vec<Trigger>,
    #[oai(serialize_with = "crate::time::write")]
    pub created_at: Time,
    #[oai(serialize_with = "crate::time::write")]
    pub updated_at: Time,
    /// Who saved the draft last, where that is somebody whom the API knows.
    pub updated_by: Option<Author>,
}

/// A workflow in a list: all but its graph.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct WorkflowSummary {
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    pub active: bool,
    pub revision: i64,
    pub version: Option<i32>,
    /// Whether the draft is another than the published version; `false` where none was published.
    pub has_changes: bool,
    pub triggers: Vec<Trigger>,
    /// Its newest execution, whatever started it.
    pub last_execution: Option<LastExecution>,
    #[oai(serialize_with = "crate::time::write")]
    pub created_at: Time,
    #[oai(serialize_with = "crate::time::write")]
    pub updated_at: Time,
    /// When it was deleted: it can be restored for 30 days.
    #[oai(serialize_with = "crate::time::write")]
    pub deleted_at: Option<Time>,
}

/// What a list of workflows is narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum WorkflowStatus {
    /// A version is published, and its triggers are on.
    Published,
    /// None was ever published.
    Draft,
    /// A version is published, and its triggers are off.
    Off,
    /// Deleted, and can be restored.
    Deleted,
}

/// What a list of workflows is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub enum WorkflowSort {
    #[default]
    CreatedAt,
    /// When the draft was saved last.
    UpdatedAt,
    /// In whatever case.
    Name,
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum SortOrder {
    Asc,
    Desc,
}

/// A new workflow. With `active: true` it is published and its triggers are switched on in the same step.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct WorkflowCreate {
    #[oai(validator(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: String,
    #[oai(validator(max_length = 10000, pattern = r"^[^\x00]*$"))]
    pub description: Option<String>,
    #[oai(default)]
    pub active: bool,
    pub graph: Graph,
}

/// A save of a workflow's draft.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct WorkflowUpdate {
    #[oai(validator(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: String,
    #[oai(validator(max_length = 10000, pattern = r"^[^\x00]*$"))]
    pub description: Option<String>,
    /// `true` publishes this save and switches the triggers on, `false` switches them off; missing leaves
    /// what is live as it is.
    pub active: Option<bool>,
    pub graph: Graph,
    /// The revision this save was made from.
    pub revision: i64,
}

/// What to publish.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct WorkflowPublish {
    /// Refuse if the draft was saved again since this revision.
    pub revision: Option<i64>,
}

/// What a check of a graph found.
#[derive(Debug, Clone, Object)]
pub struct Validation {
    pub valid: bool,
    pub problems: Vec<Problem>,
}

/// A graph to check.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct GraphCheck {
    pub graph: Graph,
}

/// Start one execution by hand.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct Execute {
    /// The fields that the workflow sees at the top level of its context.
    #[oai(default)]
    pub input: JsonObject,
    /// The key of the trigger node to start at. Missing: the manual trigger, else the only trigger.
    pub trigger: Option<String>,
}

/// The way into a workflow from outside. Its ids stay the same through drafts, versions and restores.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Trigger {
    pub id: Uuid,
    /// The key of the trigger's node.
    pub node: String,
    #[oai(rename = "type")]
    pub kind: String,
    pub webhook_id: Option<Uuid>,
    /// Where callers send their requests.
    pub url: Option<String>,
    /// A secret the server made, shown in this answer and never again.
    pub secret: Option<String>,
}

/// What runs: nodes, and edges between their ports. It has no cycles.
#[derive(Debug, Clone, Default, PartialEq, Object)]
#[oai(deny_unknown_fields)]
pub struct Graph {
    #[oai(validator(max_items = 1000))]
    pub nodes: Vec<Node>,
    #[oai(default, validator(max_items = 5000))]
    pub edges: Vec<Edge>,
    #[oai(default)]
    pub settings: Settings,
}

/// One step of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct Node {
    /// A stable name for expressions: a letter, then letters, digits, `_` or `-`; at most 64.
    pub key: String,
    /// A type of the catalogue, such as `flow.if`.
    #[oai(rename = "type")]
    pub kind: String,
    /// The label on the canvas; the key where missing.
    #[oai(validator(max_length = 200))]
    pub name: Option<String>,
    #[oai(default)]
    pub parameters: JsonObject,
    #[oai(validator(max_length = 10000))]
    pub notes: Option<String>,
    /// A disabled node passes its input edge on to its first port and does nothing.
    #[oai(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    pub retry: Option<Retry>,
    pub on_error: Option<OnError>,
    pub on_crash: Option<OnCrash>,
    /// Also write the output to this top-level field.
    pub save_as: Option<String>,
    pub join: Option<Join>,
    /// The loop this node is inside.
    pub parent: Option<String>,
    pub position: Option<Position>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A way from a node's port to the next node.
#[derive(Debug, Clone, Default, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct Edge {
    pub from: String,
    /// The port it leaves by; the node's first where missing.
    pub port: Option<String>,
    pub to: String,
}

/// Where a node stands on the canvas, in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Object)]
#[oai(deny_unknown_fields)]
pub struct Position {
    pub x: f64,
    pub y: f64,
}

/// Tries after a failure that may pass.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(deny_unknown_fields)]
pub struct Retry {
    /// Tries in all, the first included.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
    pub max_attempts: u32,
    /// The wait before the second try.
    #[oai(default = "retry_initial")]
    pub initial: Duration,
    /// Each wait is this many times the one before.
    #[oai(
        default = "retry_factor",
        validator(minimum(value = "1"), maximum(value = "100"))
    )]
    pub factor: f64,
    /// The longest wait.
    #[oai(default = "retry_max")]
    pub max: Duration,
    /// The share of each wait that is drawn by chance, from 0 to 1.
    #[oai(
        default = "retry_jitter",
        validator(minimum(value = "0"), maximum(value = "1"))
    )]
    pub jitter: f64,
}

fn retry_initial() -> Duration {
    Duration::from_millis(1_000)
}

fn retry_factor() -> f64 {
    2.0
}

fn retry_max() -> Duration {
    Duration::from_millis(60_000)
}

fn retry_jitter() -> f64 {
    0.2
}

/// What a failed node means for its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub enum OnError {
    /// The execution fails.
    #[default]
    Fail,
    /// It goes on; the node's output is `{"error": {...}}`.
    Continue,
    /// It goes on by the port `error`.
    Branch,
}

/// What to do with an effect that was in flight when the process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub enum OnCrash {
    /// Run it again with the same idempotency key.
    #[default]
    Repeat,
    /// Fail it with the code `crashed`.
    Fail,
}

/// When a node with several incoming edges runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub enum Join {
    /// When all edges are decided and at least one was taken.
    #[default]
    AllDecided,
    /// When all were taken; skipped if any was skipped.
    All,
    /// At the first taken edge; the rest are ignored.
    First,
}

/// What holds for a whole workflow.
#[derive(Debug, Clone, Default, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct Settings {
    /// How long an execution may take.
    pub timeout: Option<Duration>,
    /// The workflow that is started, at its `trigger.error`, when an execution of this one fails or runs out of time.
    pub error_workflow: Option<Uuid>,
    /// How long an execution is kept after its end, with its steps: from `10s` to `3650d`. Missing: as the server's
    /// `--retention` says. What has not ended, or is needed by what has not, is kept however old it is.
    pub retention: Option<Duration>,
    /// How many executions that have ended are kept: those that ended last. Missing: as the server's
    /// `--keep-executions` says. Whichever of both limits is reached first counts, but never within ten seconds of an
    /// execution's end.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000000")))]
    pub keep_executions: Option<u32>,
    /// Constants that expressions see as `_vars`.
    pub vars: Option<JsonObject>,
    /// Which calls become executions, and when. Missing: each one, at once.
    pub start: Option<StartControl>,
}

impl Settings {
    /// What `retention` takes.
    pub const RETENTION: RangeInclusive<Duration> =
        Duration::from_millis(10_000)..=Duration::from_millis(3_650 * 86_400_000);
}
