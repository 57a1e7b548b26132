//! What an execution answers to who did not start it here and now: a call that came again, or one that was queued.

use std::sync::Arc;
use std::time::Duration;

use flowmatic_executor::journal::ErrorRecord;
use flowmatic_executor::{Answer, Engine, Outcome, Version};
use flowmatic_nodes::flow::response::Response;
use flowmatic_openapi::ExecutionSummary;
use uuid::Uuid;

use super::{Dispatch, payload};
use crate::store::{StoreError, StoredExecution};

/// How long a record may be overlooked that another process has written.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Dispatch {
    /// The first answer of an execution, or its end before any. None where `patience` is over first, the process ends,
    /// or there is no such execution.
    pub async fn outcome_of(
        &self,
        workspace_id: i64,
        id: Uuid,
        patience: Duration,
    ) -> Result<Option<Outcome>, StoreError> {
        let mut records = self.gate.watch(id);
        let outcome = async {
            let (mut seen, mut is_last) = (None, false);
            loop {
                let mark = self.store.mark(id).await?;
                if mark != seen {
                    seen = mark;
                    let Some(stored) = self.store.get_execution(workspace_id, id, super::now()).await? else {
                        return Ok(None);
                    };
                    if let Some(outcome) = self.outcome(stored).await? {
                        return Ok(Some(outcome));
                    }
                }
                if is_last {
                    return Ok(None);
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = records.changed() => {}
                    () = self.control.at_rest.cancelled() => is_last = true,
                }
            }
        };
        tokio::time::timeout(patience, outcome).await.unwrap_or(Ok(None))
    }

    async fn outcome(&self, stored: StoredExecution) -> Result<Option<Outcome>, StoreError> {
        let summary = &stored.summary;
        if stored.steps.iter().any(|step| step.answered) {
            let version = self.version(summary.workflow_id, summary.version).await?;
            let engine = self.engine.clone();
            let answer = tokio::task::spawn_blocking(move || answer(&engine, &stored, version))
                .await
                .map_err(|error| StoreError::Internal(error.to_string()))?;
            return answer.map(|answer| Some(Outcome::Answered(answer)));
        }
        Ok(summary.status.is_final().then(|| Outcome::Ended {
            status: summary.status,
            error: summary.error.as_ref().map(|error| ErrorRecord {
                code: error.code.clone(),
                message: error.message.clone(),
                node: error.node.clone(),
            }),
        }))
    }

    /// Where an execution stands.
    pub async fn standing(
        &self,
        workspace_id: i64,
        id: Uuid,
    ) -> Result<Option<ExecutionSummary>, StoreError> {
        let stored = self.store.get_execution(workspace_id, id, super::now()).await?;
        Ok(stored.map(|stored| stored.summary))
    }
}

/// The answer that was given, made again from what is recorded of it; secrets in it are redacted.
fn answer(
    engine: &Engine,
    stored: &StoredExecution,
    version: Option<Arc<Version>>,
) -> Result<Answer, StoreError> {
    let summary = &stored.summary;
    let broken = |error: String| {
        StoreError::Internal(format!(
            "the answer of execution `{}` cannot be given again: {error}",
            summary.id
        ))
    };
    let given = payload(&stored.payload, &stored.meta).map_err(|error| broken(error.to_string()))?;
    let place = stored
        .steps
        .iter()
        .position(|step| step.answered)
        .ok_or_else(|| broken("there is none".to_owned()))?;
    let parameters = version.and_then(|version| {
        let inputs = engine.inputs(
            &version,
            summary.id,
            summary.mode,
            given,
            summary.started_at,
            &stored.steps,
            |step| step.answered,
        );
        inputs.into_iter().nth(place).flatten()
    });
    // An output has the parameters in it, but for how the body becomes bytes.
    let parameters = parameters.unwrap_or_else(|| stored.steps[place].output.clone());
    let response: Response = serde_json::from_value(parameters).map_err(|error| broken(error.to_string()))?;
    let output = response.output().map_err(|error| broken(error.message))?;
    output
        .answer
        .ok_or_else(|| broken("the node gives none".to_owned()))
}
