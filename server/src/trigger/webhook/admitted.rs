//! What callers get where the workflow has start control.

use flowmatic_executor::Outcome;
use flowmatic_openapi::{ExecutionStatus, TriggerAnswer, TriggerAnswerStatus};
use poem::Response;
use uuid::Uuid;

use super::{WebhookDoor, response, told};
use crate::api::error::{self, ApiError};
use crate::dispatch::{Admission, Route};
use crate::store::DROPPED;

impl WebhookDoor {
    pub(super) async fn admitted(&self, route: &Route, admission: Admission) -> Result<Response, ApiError> {
        match admission {
            Admission::Started(started) => self.started(route, started).await,
            Admission::Queued(id) if route.answers => self.outcome(route, id).await,
            Admission::Queued(id) => {
                let message = "Webhook received; the execution waits for its turn";
                Ok(pending(route, id, message))
            }
            Admission::Debounced(id) => Ok(debounced(route, id)),
            Admission::Dropped(id) => Ok(dropped(route, id)),
            Admission::Replayed {
                execution,
                is_debounced,
                removed_as,
            } => {
                let answer = match removed_as {
                    Some(status) => removed(route, execution, status),
                    None if is_debounced => debounced(route, execution),
                    None if route.answers => self.outcome(route, execution).await?,
                    None => self.standing(route, execution).await?,
                };
                Ok(error::replayed(answer))
            }
        }
    }

    /// The answer of an execution that somebody else has started, or that was queued: awaited as the first caller does.
    async fn outcome(&self, route: &Route, id: Uuid) -> Result<Response, ApiError> {
        let workspace_id = route.version.workspace_id;
        let outcome = self
            .dispatch
            .outcome_of(workspace_id, id, self.sync_timeout)
            .await?;
        Ok(match outcome {
            Some(Outcome::Answered(answer)) => response(answer),
            Some(Outcome::Ended {
                error: Some(error), ..
            }) if error.code == DROPPED => dropped(route, id),
            Some(Outcome::Ended { status, .. }) => error::trigger_ended(told(route, id, status)),
            None => error::trigger_pending(told(route, id, self.status(route, id).await?)),
        })
    }

    /// Where an execution stands that came before.
    async fn standing(&self, route: &Route, id: Uuid) -> Result<Response, ApiError> {
        let status = self.status(route, id).await?;
        let message = "Webhook received before; this is the execution that it started";
        Ok(error::trigger_taken(told_in_words(route, id, status, message)))
    }

    async fn status(&self, route: &Route, id: Uuid) -> Result<ExecutionStatus, ApiError> {
        let summary = self.dispatch.standing(route.version.workspace_id, id).await?;
        summary
            .map(|summary| summary.status)
            .ok_or_else(|| ApiError::internal(format!("the execution `{id}` is gone")))
    }
}

fn debounced(route: &Route, id: Uuid) -> Response {
    let message = "Webhook received; the execution begins when no more calls come";
    pending(route, id, message)
}

fn removed(route: &Route, id: Uuid, status: ExecutionStatus) -> Response {
    let message = "Webhook received before; the execution that it started has been removed since";
    error::trigger_taken(told_in_words(route, id, status, message))
}

fn dropped(route: &Route, id: Uuid) -> Response {
    let message = "Webhook received and dropped: as many executions as allowed were under way";
    error::trigger_taken(told_in_words(route, id, ExecutionStatus::Cancelled, message))
}

fn pending(route: &Route, id: Uuid, message: &str) -> Response {
    error::trigger_pending(told_in_words(route, id, ExecutionStatus::Queued, message))
}

fn told_in_words(route: &Route, id: Uuid, status: ExecutionStatus, message: &str) -> TriggerAnswer {
    TriggerAnswer {
        status: TriggerAnswerStatus::Success,
        message: message.to_owned(),
        ..told(route, id, status)
    }
}
