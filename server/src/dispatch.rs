//! Which process runs which execution: starts, recoveries, cancels.

use flowmatic_openapi::{ExecutionMode, ExecutionSummary, JsonObject};
use uuid::Uuid;

use crate::store::StoreError;

#[derive(Debug, Default)]
pub struct Dispatch;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing was accepted; try again later.
    #[error("{0}")]
    Unavailable(String),
    #[error("there is no such version or trigger")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Dispatch {
    /// Starts an execution of a published version by hand; it is on disk when this returns.
    pub async fn execute(
        &self,
        _workspace_id: i64,
        _workflow_id: Uuid,
        _version: i32,
        _trigger: &str,
        _mode: ExecutionMode,
        _input: JsonObject,
    ) -> Result<ExecutionSummary, StartError> {
        Err(StartError::Unavailable("this server runs no executions".to_owned()))
    }
}
