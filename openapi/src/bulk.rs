//! Many executions at once.

use poem_openapi::Object;
use uuid::Uuid;

use crate::{ExecutionMode, ExecutionStatus, ExecutionSummary, RetryFrom, Time};

/// Which executions are meant; empty, it is all that can be.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct ExecutionSelection {
    pub workflow_id: Option<Uuid>,
    #[oai(validator(min_items = 1, max_items = 7))]
    pub status: Option<Vec<ExecutionStatus>>,
    pub mode: Option<ExecutionMode>,
    /// The key of the trigger's node.
    #[oai(validator(max_length = 64))]
    pub trigger: Option<String>,
    /// Accepted at this moment or later.
    #[oai(serialize_with = "crate::time::write")]
    pub started_after: Option<Time>,
    /// Accepted before this moment.
    #[oai(serialize_with = "crate::time::write")]
    pub started_before: Option<Time>,
}

/// Which executions to repeat, and how: either `ids` or a `filter`.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct BulkRetry {
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub ids: Option<Vec<Uuid>>,
    /// Those that have ended and were not retried yet; without a `status`, those that did not succeed.
    pub filter: Option<ExecutionSelection>,
    /// The most that are retried of a filter's executions, the newest of them; 1,000 where it is missing.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
    pub limit: Option<i32>,
    /// The `next_cursor` of the answer before, which goes on with the same filter.
    #[oai(validator(max_length = 22))]
    pub cursor: Option<String>,
    #[oai(default)]
    pub from: RetryFrom,
}

/// Which executions to cancel: either `ids` or a `filter`.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct BulkCancel {
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub ids: Option<Vec<Uuid>>,
    /// Those that have not ended, and were not cancelled yet.
    pub filter: Option<ExecutionSelection>,
    /// The most that are cancelled of a filter's executions, the newest of them; 1,000 where it is missing.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
    pub limit: Option<i32>,
    /// The `next_cursor` of the answer before, which goes on with the same filter.
    #[oai(validator(max_length = 22))]
    pub cursor: Option<String>,
}

/// What became of many executions.
#[derive(Debug, Clone, Object)]
pub struct BulkAnswer {
    pub success: bool,
    pub done: Vec<BulkDone>,
    pub failed: Vec<BulkFailed>,
    /// Whether the filter has more than what was done.
    pub more: bool,
    /// What to send as `cursor` to go on with these; null where there are none.
    #[oai(skip_serializing_if_is_none = false)]
    pub next_cursor: Option<String>,
}

/// An execution with which it was done.
#[derive(Debug, Clone, Object)]
pub struct BulkDone {
    pub id: Uuid,
    /// The new execution of a retry; the execution itself, as it stands, of a cancel.
    pub execution: ExecutionSummary,
}

/// An execution with which it could not be done.
#[derive(Debug, Clone, Object)]
pub struct BulkFailed {
    pub id: Uuid,
    pub error: BulkError,
}

/// Why it could not: what the operation for one execution would have said.
#[derive(Debug, Clone, Object)]
pub struct BulkError {
    /// A stable word, such as `NOT_FOUND`, `CONFLICT` or `TOO_MANY_REQUESTS`.
    pub code: String,
    pub message: String,
}
