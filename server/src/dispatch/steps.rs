//! What is shown of an execution: its steps with what they were given, and its result.

use flowmatic_executor::journal::{ErrorRecord, StepRecord, StepState};
use flowmatic_executor::run::inputs;
use flowmatic_openapi::{Execution, ExecutionError, Json, Step, StepStatus};
use serde_json::Value;
use uuid::Uuid;

use super::{Dispatch, StartRequest, payload};
use crate::store::{StoreError, StoredExecution};
use flowmatic_openapi::ExecutionMode;

impl Dispatch {
    /// An execution as the API shows it: the inputs of its steps are evaluated again, with secrets redacted.
    pub async fn show(&self, stored: StoredExecution) -> Result<Execution, StoreError> {
        let summary = stored.summary;
        let given = payload(&stored.payload, &stored.meta).map_err(|error| StoreError::Internal(error.to_string()))?;
        let input = given.body.clone();
        let version = self.version(summary.workflow_id, summary.version).await?;
        let result = stored.result.and_then(|node| {
            stored.steps.iter().find(|step| step.node == node).map(|step| Json(step.output.clone()))
        });
        let steps = match version {
            Some(version) => {
                let inputs = inputs(&version, summary.id, summary.mode, given, summary.started_at, &stored.steps);
                let nodes = &version.plan;
                stored
                    .steps
                    .into_iter()
                    .zip(inputs)
                    .map(|(record, input)| {
                        let node = nodes.keys.get(&record.node).map(|node| &nodes.nodes[*node]);
                        let name = node.map_or_else(|| record.node.clone(), |node| node.name.clone());
                        let kind = node.map_or_else(String::new, |node| node.kind.to_owned());
                        let first = node.and_then(|node| node.ports.first().cloned());
                        show_step(record, input, name, kind, first)
                    })
                    .collect()
            }
            None => Vec::new(),
        };
        Ok(Execution {
            id: summary.id,
            workflow_id: summary.workflow_id,
            version: summary.version,
            status: summary.status,
            mode: summary.mode,
            trigger: summary.trigger,
            error: summary.error,
            retry_of: summary.retry_of,
            started_at: summary.started_at,
            finished_at: summary.finished_at,
            duration_ms: summary.duration_ms,
            recoveries: stored.recoveries,
            input: Json(input),
            result,
            steps,
        })
    }

    /// What runs an execution again from its start: the same version over the same payload. `None` where the
    /// version or its trigger is gone.
    pub async fn repeat(&self, stored: StoredExecution) -> Result<Option<StartRequest>, StoreError> {
        let summary = stored.summary;
        let Some(version) = self.version(summary.workflow_id, summary.version).await? else { return Ok(None) };
        let Some(&trigger) = version.plan.keys.get(&summary.trigger) else { return Ok(None) };
        let payload =
            payload(&stored.payload, &stored.meta).map_err(|error| StoreError::Internal(error.to_string()))?;
        Ok(Some(StartRequest {
            version,
            trigger,
            mode: ExecutionMode::Retry,
            payload,
            body: stored.payload,
            meta: stored.meta,
            retry_of: Some(summary.id),
        }))
    }

    /// What starts a workflow by hand with these fields, at this place in its plan.
    pub fn by_hand(
        &self,
        version: std::sync::Arc<flowmatic_executor::Version>,
        trigger: usize,
        input: serde_json::Map<String, Value>,
    ) -> StartRequest {
        let body = Value::Object(input);
        StartRequest {
            version,
            trigger,
            mode: ExecutionMode::Manual,
            body: body.to_string(),
            meta: "{}".to_owned(),
            payload: flowmatic_executor::Payload { body, engine: serde_json::Map::new() },
            retry_of: None,
        }
    }

    /// Whether this process runs it now.
    pub fn runs(&self, execution: Uuid) -> bool {
        self.engine.runs(execution)
    }
}

fn show_step(
    record: StepRecord,
    input: Option<Value>,
    name: String,
    kind: String,
    first_port: Option<String>,
) -> Step {
    let (started_at, finished_at) = (record.started_at, record.finished_at);
    let was_called = started_at.is_some();
    let ports = record.ports.unwrap_or_else(|| {
        // A step that says nothing of ports left by its first one.
        first_port.filter(|_| record.status == StepState::Completed).into_iter().collect()
    });
    Step {
        node: record.node,
        name,
        kind,
        status: match record.status {
            StepState::Completed => StepStatus::Completed,
            StepState::Failed => StepStatus::Failed,
            StepState::Skipped => StepStatus::Skipped,
            StepState::Cancelled => StepStatus::Cancelled,
        },
        reason: record.reason,
        ports,
        input: input.map(Json),
        output: was_called.then_some(Json(record.output)),
        error: record.error.map(show_error),
        attempts: record.attempts,
        started_at,
        finished_at,
        duration_ms: started_at.zip(finished_at).map(|(from, to)| (to - from).num_milliseconds()),
    }
}

pub fn show_error(error: ErrorRecord) -> ExecutionError {
    ExecutionError { code: error.code, message: error.message, node: error.node }
}
