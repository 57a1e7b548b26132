//! What the API asks for: starts by hand, retries, and what is shown of an execution.

use flowmatic_executor::journal::{ErrorRecord, StepRecord, StepState};
use flowmatic_executor::run::inputs;
use flowmatic_executor::{Outcome, Payload, Waiting};
use flowmatic_openapi::{
    Execution, ExecutionError, ExecutionMode, ExecutionStatus, ExecutionSummary, Json, JsonObject, Step,
    StepStatus,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Dispatch, StartError, StartRequest, payload};
use crate::store::{StoreError, StoredExecution};

impl Dispatch {
    /// An execution as the API shows it: the inputs of its steps are evaluated again, with secrets redacted.
    pub async fn show(&self, stored: StoredExecution) -> Result<Execution, StoreError> {
        let summary = stored.summary;
        let given = payload(&stored.payload, &stored.meta)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        let input = given.body.clone();
        let version = match self.version(summary.workflow_id, summary.version).await {
            Err(StoreError::Internal(error)) => {
                tracing::warn!(execution = %summary.id, error, "what its steps were given cannot be shown");
                None
            }
            other => other?,
        };
        let result = stored.result.and_then(|node| {
            stored
                .steps
                .iter()
                .find(|step| *step.node == *node)
                .map(|step| Json(step.output.clone()))
        });
        let inputs = match &version {
            Some(version) => inputs(
                version,
                summary.id,
                summary.mode,
                given,
                summary.started_at,
                &stored.steps,
            ),
            None => vec![None; stored.steps.len()],
        };
        let node = |key: &str| {
            let plan = &version.as_ref()?.plan;
            plan.keys.get(key).map(|place| &plan.nodes[*place])
        };
        let steps = stored
            .steps
            .into_iter()
            .zip(inputs)
            .map(|(record, input)| {
                let node = node(&record.node);
                let name = node.map_or_else(|| record.node.to_string(), |node| node.name.clone());
                let kind = node.map_or_else(String::new, |node| node.kind.to_owned());
                let first = node.and_then(|node| node.ports.first().cloned());
                show_step(record, input, name, kind, first)
            })
            .collect();
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

    /// Starts a published version by hand, at the trigger with this key. It is accepted when this resolves.
    pub async fn execute(
        &self,
        workspace_id: i64,
        workflow_id: Uuid,
        number: i32,
        trigger: &str,
        mode: ExecutionMode,
        input: JsonObject,
    ) -> Result<ExecutionSummary, StartError> {
        let version = self.version(workflow_id, number).await?;
        let version = version
            .filter(|version| version.workspace_id == workspace_id)
            .ok_or(StartError::NotFound)?;
        let &trigger = version.plan.keys.get(trigger).ok_or(StartError::NotFound)?;
        let body = Value::Object(input.0);
        self.accept(StartRequest {
            version,
            trigger,
            mode,
            body: body.to_string(),
            meta: "{}".to_owned(),
            payload: Payload {
                body,
                engine: Map::new(),
            },
            retry_of: None,
        })
        .await
    }

    /// Starts an execution again from its start: the same version over the same payload.
    pub async fn retry(&self, stored: StoredExecution) -> Result<ExecutionSummary, StartError> {
        let summary = stored.summary;
        let version = self
            .version(summary.workflow_id, summary.version)
            .await?
            .ok_or(StartError::NotFound)?;
        let &trigger = version
            .plan
            .keys
            .get(&summary.trigger)
            .ok_or(StartError::NotFound)?;
        let payload = payload(&stored.payload, &stored.meta)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        self.accept(StartRequest {
            version,
            trigger,
            mode: ExecutionMode::Retry,
            payload,
            body: stored.payload,
            meta: stored.meta,
            retry_of: Some(summary.id),
        })
        .await
    }

    async fn accept(&self, request: StartRequest) -> Result<ExecutionSummary, StartError> {
        let (version, trigger, mode) = (request.version.clone(), request.trigger, request.mode);
        let retry_of = request.retry_of;
        let started = self.start(request)?;
        started.accepted.await?;
        let (status, error) = match started.outcome {
            Waiting::Over(Outcome::Ended { status, error }) => (status, error),
            Waiting::Over(Outcome::Answered(_)) => (ExecutionStatus::Completed, None),
            Waiting::Running(_) => (ExecutionStatus::Running, None),
        };
        Ok(ExecutionSummary {
            id: started.id,
            workflow_id: version.workflow_id,
            version: version.number,
            status,
            mode,
            trigger: version.plan.nodes[trigger].key.to_string(),
            error: error.map(show_error),
            retry_of,
            started_at: started.accepted_at,
            finished_at: None,
            duration_ms: None,
        })
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
        first_port
            .filter(|_| record.status == StepState::Completed)
            .into_iter()
            .collect()
    });
    Step {
        node: record.node.to_string(),
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
        duration_ms: started_at
            .zip(finished_at)
            .map(|(from, to)| (to - from).num_milliseconds()),
    }
}

fn show_error(error: ErrorRecord) -> ExecutionError {
    ExecutionError {
        code: error.code,
        message: error.message,
        node: error.node,
    }
}
