//! Starts by hand, and retries.

use std::sync::Arc;

use flowmatic_executor::run::prefix;
use flowmatic_executor::{Accept, Outcome, Payload, Waiting};
use flowmatic_nodes::trigger::schedule::{KIND, context};
use flowmatic_openapi::{ExecutionMode, ExecutionStatus, ExecutionSummary, JsonObject, RetryFrom};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::show::show_error;
use super::{Admission, Dispatch, StartError, StartRequest, Started, now, payload};
use crate::store::{Admitted, Once, StoreError, StoredExecution};

/// What a start by hand gives.
pub struct ByHand {
    pub execution: ExecutionSummary,
    /// It was started before, under the same idempotency key.
    pub is_replayed: bool,
}

impl Dispatch {
    /// Starts a published version by hand, at the trigger with this key. It is accepted when this resolves.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
    pub async fn execute(
        self: &Arc<Self>,
        workspace_id: i64,
        workflow_id: Uuid,
        number: i32,
        trigger: &str,
        mode: ExecutionMode,
        input: JsonObject,
        idempotency_key: Option<String>,
    ) -> Result<ByHand, StartError> {
        let version = self.version(workflow_id, number).await?;
        let version = version
            .filter(|version| version.workspace_id == workspace_id)
            .ok_or(StartError::NotFound)?;
        let &trigger = version.plan.keys.get(trigger).ok_or(StartError::NotFound)?;
        let body = Value::Object(input.0);
        let engine = match version.plan.nodes[trigger].kind {
            // Its workflow may speak of the time, so that it is due now.
            KIND => context(now(), now()),
            _ => Map::new(),
        };
        let request = StartRequest {
            version,
            trigger,
            mode,
            body: body.to_string(),
            meta: Value::Object(engine.clone()).to_string(),
            payload: Payload { body, engine },
            retry_of: None,
        };
        self.accept(request, idempotency_key).await
    }

    /// Starts an execution again from its start: the same version over the same payload. Under one key it is started
    /// once.
    pub async fn retry(
        self: &Arc<Self>,
        stored: StoredExecution,
        idempotency_key: Option<String>,
    ) -> Result<ByHand, StartError> {
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
        let request = StartRequest {
            version,
            trigger,
            mode: ExecutionMode::Retry,
            payload,
            body: stored.payload,
            meta: stored.meta,
            retry_of: Some(summary.id),
        };
        self.accept(request, idempotency_key).await
    }

    /// Starts an execution again at what failed or was cancelled: what was decided before is shared. Under
    /// one key it is started once.
    pub async fn retry_failed(
        self: &Arc<Self>,
        stored: StoredExecution,
        idempotency_key: Option<String>,
    ) -> Result<ByHand, StartError> {
        let summary = stored.summary;
        let version = self
            .version(summary.workflow_id, summary.version)
            .await?
            .ok_or(StartError::NotFound)?;
        let accept = Accept {
            id: Uuid::now_v7(),
            workspace_id: version.workspace_id,
            workflow_id: version.workflow_id,
            version: version.number,
            mode: ExecutionMode::Retry,
            trigger: summary.trigger.clone(),
            payload: stored.payload,
            meta: stored.meta,
            retry_of: Some(summary.id),
            held: true,
            accepted_at: now(),
        };
        let record = prefix(stored.steps, summary.started_at, accept.accepted_at);
        let once = idempotency_key.map(|key| Once::of_retry(summary.id, RetryFrom::Failed, &key));
        match self.store.accept_with(&accept, &record, once.as_ref()).await? {
            None => self.take_up_soon(vec![accept.id]),
            Some(Admitted::KeyReused { execution }) => return Err(StartError::KeyReused(execution)),
            Some(Admitted::Replayed {
                execution,
                removed_as,
                ..
            }) => return self.replayed(accept.workspace_id, execution, removed_as).await,
            Some(other) => {
                return Err(StoreError::Internal(format!("a retry was decided as {other:?}")).into());
            }
        }
        let execution = ExecutionSummary {
            id: accept.id,
            status: ExecutionStatus::Queued,
            mode: ExecutionMode::Retry,
            error: None,
            retry_of: Some(summary.id),
            started_at: accept.accepted_at,
            finished_at: None,
            duration_ms: None,
            ..summary
        };
        Ok(ByHand {
            execution,
            is_replayed: false,
        })
    }

    async fn accept(
        self: &Arc<Self>,
        request: StartRequest,
        idempotency_key: Option<String>,
    ) -> Result<ByHand, StartError> {
        let (version, trigger, mode) = (request.version.clone(), request.trigger, request.mode);
        let retry_of = request.retry_of;
        let started = match version.plan.start {
            None if retry_of.and(idempotency_key.as_ref()).is_none() => self.start(request)?,
            _ => match self.admit(request, idempotency_key).await? {
                Admission::Started(started) => started,
                Admission::Queued(id) | Admission::Debounced(id) | Admission::Dropped(id) => {
                    return self.by_hand(version.workspace_id, id, false).await;
                }
                Admission::Replayed {
                    execution,
                    removed_as,
                    ..
                } => return self.replayed(version.workspace_id, execution, removed_as).await,
            },
        };
        let Started {
            id,
            accepted_at,
            accepted,
            outcome,
        } = started;
        accepted.await?;
        let (status, error) = match outcome {
            Waiting::Over(Outcome::Ended { status, error }) => (status, error),
            Waiting::Over(Outcome::Answered(_)) => (ExecutionStatus::Completed, None),
            Waiting::Running(_) => (ExecutionStatus::Running, None),
        };
        let execution = ExecutionSummary {
            id,
            workflow_id: version.workflow_id,
            workflow_name: None,
            workflow_deleted: None,
            version: version.number,
            status,
            mode,
            trigger: version.plan.nodes[trigger].key.to_string(),
            trigger_type: None,
            trigger_name: None,
            error: error.map(show_error),
            retry_of,
            started_at: accepted_at,
            finished_at: None,
            duration_ms: None,
        };
        Ok(ByHand {
            execution,
            is_replayed: false,
        })
    }

    /// What a call gets that came before.
    async fn replayed(
        &self,
        workspace_id: i64,
        execution: Uuid,
        removed_as: Option<ExecutionStatus>,
    ) -> Result<ByHand, StartError> {
        match removed_as {
            Some(_) => Err(StartError::Removed(execution)),
            None => self.by_hand(workspace_id, execution, true).await,
        }
    }

    async fn by_hand(&self, workspace_id: i64, id: Uuid, is_replayed: bool) -> Result<ByHand, StartError> {
        let execution = self.standing(workspace_id, id).await?;
        let gone = || StoreError::Internal(format!("the execution `{id}` is gone"));
        Ok(ByHand {
            execution: execution.ok_or_else(gone)?,
            is_replayed,
        })
    }
}
