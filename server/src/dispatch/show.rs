//! An execution as the API shows it.

use flowmatic_executor::graph::PlanNode;
use flowmatic_executor::journal::{Call, ErrorRecord, StepRecord, StepState};
use flowmatic_executor::run::CALL;
use flowmatic_executor::{Engine, Payload, Plan, Version};
use flowmatic_openapi::{CalledBy, Execution, ExecutionError, Json, Resume, Step, StepEvent, StepStatus};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde_json::Value;
use uuid::Uuid;

use super::follow::{on_disk, show_under_way};
use super::{Dispatch, payload};
use crate::store::{StoreError, StoredExecution};

/// What a path's characters that mean something in an address are written as; its slashes stay.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.');

/// Whether a node waits until a person or a program says so.
pub fn is_resumed(node: &PlanNode) -> bool {
    node.kind == WAIT && node.ports.iter().any(|port| port == "timeout")
}

/// Whether that is the decision of a person.
pub fn is_approval(node: &PlanNode) -> bool {
    node.ports.iter().any(|port| port == "approved")
}

/// What those are told who are to decide.
pub fn asked_of_people(call: &Call) -> Option<String> {
    call.about["message"].as_str().map(str::to_owned)
}

/// The type of the node that waits.
const WAIT: &str = "flow.wait";

/// The steps that are shown with their inputs and outputs.
#[derive(Debug, PartialEq)]
pub enum StepData {
    OfAll,
    OfNone,
    /// Of the one with this path.
    Of(String),
}

impl StepData {
    fn is_of(&self, path: &str) -> bool {
        match self {
            Self::OfAll => true,
            Self::OfNone => false,
            Self::Of(one) => one == path,
        }
    }
}

impl Dispatch {
    /// An execution as the API shows it: the inputs of its steps are evaluated again, with secrets redacted.
    pub async fn show(&self, stored: StoredExecution, data: StepData) -> Result<Execution, StoreError> {
        let summary = &stored.summary;
        let given = payload(&stored.payload, &stored.meta)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        let version = match self.version(summary.workflow_id, summary.version).await {
            Err(StoreError::Internal(error)) => {
                tracing::warn!(execution = %summary.id, error, "what its steps were given cannot be shown");
                None
            }
            other => other?,
        };
        let under_way = match summary.status.is_final() {
            true => Vec::new(),
            false => self.under_way(summary.id, version.as_deref()).await?,
        };
        let engine = self.engine.clone();
        let showing = move || {
            let version = version.as_deref();
            show(&engine, stored, given, under_way, version, &data)
        };
        tokio::task::spawn_blocking(showing)
            .await
            .map_err(|error| StoreError::Internal(error.to_string()))
    }
}

impl Dispatch {
    /// What has begun in an execution that is open: as its process knows it, else as its journal has it.
    async fn under_way(&self, id: Uuid, version: Option<&Version>) -> Result<Vec<StepEvent>, StoreError> {
        let plan = version.map(|version| &*version.plan);
        // What goes on in memory is asked first: one that leaves it meanwhile is on disk by then.
        let in_memory = self.engine.under_way(id);
        let calls = self.store.progress(id).await?.calls;
        let begun = in_memory.unwrap_or_else(|| {
            let of_disk = calls.iter().map(|(path, call)| on_disk(plan, path, call));
            of_disk.collect()
        });
        let mut children = self.store.children(id).await?;
        let shown = begun.into_iter().map(|step| {
            let step = show_under_way(plan, step);
            let node = plan.and_then(|plan| plan.find(&step.path));
            StepEvent {
                called: children.remove(&step.path),
                resume: node.filter(|node| is_resumed(node)).map(|node| Resume {
                    approval: is_approval(node),
                    message: calls.get(&*step.path).and_then(asked_of_people),
                    url: Some(self.resume_address(id, &step.path)),
                }),
                ..step
            }
        });
        Ok(shown.collect())
    }

    /// Where the step with this path is told to go on.
    fn resume_address(&self, execution: Uuid, path: &str) -> String {
        let path = percent_encoding::utf8_percent_encode(path, IN_PATH);
        format!("{}/{path}", (self.resume_url.0)(execution))
    }
}

fn show(
    engine: &Engine,
    stored: StoredExecution,
    given: Payload,
    under_way: Vec<StepEvent>,
    version: Option<&Version>,
    data: &StepData,
) -> Execution {
    let (summary, steps) = (stored.summary, stored.steps);
    let called_by = called_by(&given);
    // A step may be decided since it was asked what is under way.
    let under_way = under_way
        .into_iter()
        .filter(|begun| steps.iter().all(|step| *step.node != *begun.path));
    let under_way = under_way.collect();
    let input = Json(given.body.clone());
    let result = stored.result.and_then(|node| {
        let step = steps.iter().find(|step| *step.node == *node)?;
        Some(Json(step.output.clone()))
    });
    let inputs = match version.filter(|_| *data != StepData::OfNone) {
        Some(version) => engine.inputs(
            version,
            summary.id,
            summary.mode,
            given,
            summary.started_at,
            &steps,
            |step| data.is_of(&step.node),
        ),
        None => vec![None; steps.len()],
    };
    let plan = version.map(|version| &*version.plan);
    let steps = steps
        .into_iter()
        .zip(inputs)
        .map(|(record, input)| {
            let came = record.now.unwrap_or(summary.started_at);
            let step = show_record(plan, record, input);
            Step {
                began_at: (step.attempts > 1).then_some(came),
                output: step.output.filter(|_| data.is_of(&step.path)),
                ..step
            }
        })
        .collect();
    Execution {
        id: summary.id,
        workflow_id: summary.workflow_id,
        workflow_name: summary.workflow_name,
        workflow_deleted: summary.workflow_deleted,
        version: summary.version,
        status: summary.status,
        mode: summary.mode,
        trigger: summary.trigger,
        trigger_type: summary.trigger_type,
        trigger_name: summary.trigger_name,
        error: summary.error,
        retry_of: summary.retry_of,
        called_by,
        started_at: summary.started_at,
        finished_at: summary.finished_at,
        duration_ms: summary.duration_ms,
        recoveries: stored.recoveries,
        input,
        result,
        steps,
        under_way,
    }
}

fn called_by(given: &Payload) -> Option<CalledBy> {
    let call = given.engine.get(CALL)?;
    Some(CalledBy {
        execution_id: call["executionId"].as_str()?.parse().ok()?,
        path: call["path"].as_str()?.to_owned(),
    })
}

/// A step, with what its node's version says of it.
pub(super) fn show_record(plan: Option<&Plan>, record: StepRecord, input: Option<Value>) -> Step {
    let node = plan.and_then(|plan| plan.find(&record.node));
    let name = node.map_or_else(|| record.node.to_string(), |node| node.name.clone());
    let kind = node.map_or_else(String::new, |node| node.kind.to_owned());
    let first = node.and_then(|node| node.ports.first().cloned());
    show_step(record, input, name, kind, first)
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
        node: key_of(&record.node).to_owned(),
        path: record.node.to_string(),
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
        began_at: None,
        started_at,
        finished_at,
        duration_ms: started_at
            .zip(finished_at)
            .map(|(from, to)| (to - from).num_milliseconds()),
    }
}

pub(super) fn show_error(error: ErrorRecord) -> ExecutionError {
    ExecutionError {
        code: error.code,
        message: error.message,
        node: error.node,
    }
}

/// The key of the node that a path such as `each[3]/send` leads to.
pub(super) fn key_of(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    last.split('[').next().unwrap_or(last)
}
