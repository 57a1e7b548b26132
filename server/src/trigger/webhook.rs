//! `/api/webhooks/{webhookId}`: a call starts an execution and gets its answer.

mod admitted;

use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use flowmatic_executor::{Answer, Outcome, Payload, Waiting};
use flowmatic_openapi::{ExecutionMode, ExecutionStatus, TriggerAnswer, TriggerAnswerStatus};
use poem::http::{HeaderMap, HeaderName, HeaderValue};
use poem::{Endpoint, IntoResponse, Request, Response};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::body::{self, Body};
use super::verify;
use crate::api::error::{self, ApiError};
use crate::api::idempotency;
use crate::api::payload::read_body;
use crate::dispatch::{Dispatch, Route, StartRequest, Started};

/// The door. It stands outside of the API's own checks: what it asks of a caller is on the trigger.
pub struct WebhookDoor {
    pub dispatch: Arc<Dispatch>,
    /// Bytes of a body.
    pub max_body: usize,
    /// How long a body may take to arrive.
    pub request_timeout: Duration,
    /// How long a caller waits for an answer.
    pub sync_timeout: Duration,
}

impl Endpoint for WebhookDoor {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let id = request
            .raw_path_param("webhook_id")
            .unwrap_or_default()
            .to_owned();
        Ok(self.answer(&id, request).await)
    }
}

/// The execution that an answer is of.
#[derive(Clone, Copy)]
pub struct Caused(pub Uuid);

impl WebhookDoor {
    /// The answer to a call of a webhook; where it has to do with an execution, it says with which as [`Caused`].
    pub async fn answer(&self, id: &str, request: Request) -> Response {
        match self.take(id, request).await {
            Ok((execution, mut response)) => {
                response.extensions_mut().insert(Caused(execution));
                response
            }
            Err(error) => error.into_response(),
        }
    }

    async fn take(&self, id: &str, mut request: Request) -> Result<(Uuid, Response), ApiError> {
        let unknown = || ApiError::not_found("active webhook", id);
        let webhook_id = Uuid::try_parse(id).map_err(|_| unknown())?;
        let route = self.dispatch.route(webhook_id).await?.ok_or_else(unknown)?;
        if !route.takes(request.method()) {
            return Err(ApiError::method_not_allowed(route.methods()));
        }
        let bytes = read_body(&mut request, self.max_body, self.request_timeout).await?;
        if !verify::is_genuine(
            &route.webhook.auth,
            &route.version.secrets,
            request.headers(),
            &bytes,
        ) {
            return Err(ApiError::unauthorized(verify::REFUSED));
        }
        let content_type = request.content_type().map(str::to_owned);
        let body = body::read(content_type.as_deref(), bytes)
            .await
            .map_err(ApiError::bad_request)?;
        let start = start_request(&request, &route, content_type, body)?;
        let Some(control) = &route.version.plan.start else {
            let started = self.dispatch.start(start)?;
            return Ok((started.id, self.started(&route, started).await?));
        };
        let key = match control.takes_caller_key() {
            true => idempotency::key(request.headers())?,
            false => None,
        };
        let admission = self.dispatch.admit(start, key).await?;
        Ok((admission.execution(), self.admitted(&route, admission).await?))
    }

    /// The answer of an execution that this call has started.
    async fn started(&self, route: &Route, started: Started) -> Result<Response, ApiError> {
        let execution = started.id;
        started.accepted.await?;
        if !route.answers {
            return Ok(error::trigger_ended(told(
                route,
                execution,
                ExecutionStatus::Running,
            )));
        }
        let outcome = match started.outcome {
            Waiting::Over(outcome) => Some(outcome),
            Waiting::Running(outcome) => match tokio::time::timeout(self.sync_timeout, outcome).await {
                Ok(Ok(outcome)) => Some(outcome),
                // The time is up, or this process ends; either way the execution goes on.
                Ok(Err(_)) | Err(_) => None,
            },
        };
        Ok(match outcome {
            Some(Outcome::Answered(answer)) => response(answer),
            Some(Outcome::Ended { status, .. }) => error::trigger_ended(told(route, execution, status)),
            None => error::trigger_pending(told(route, execution, ExecutionStatus::Running)),
        })
    }
}

fn start_request(
    request: &Request,
    route: &Route,
    content_type: Option<String>,
    body: Body,
) -> Result<StartRequest, ApiError> {
    let query = body::read_pairs(request.uri().query().unwrap_or_default().as_bytes())
        .map_err(ApiError::bad_request)?;
    let credential = verify::credential_header(&route.webhook.auth);
    let webhook = json!({
        "webhookId": route.webhook_id,
        "triggerId": route.trigger_id,
        "headers": headers(request.headers(), credential),
        "query": query,
        "receivedAt": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        "method": request.method().as_str(),
        "path": request.uri().path(),
        "ip": request.remote_addr().as_socket_addr().map(|address| address.ip().to_string()),
        "contentType": content_type,
        "files": body.files,
    });
    let engine = Map::from_iter([("_webhook".to_owned(), webhook)]);
    let meta = Value::Object(engine.clone()).to_string();
    let (value, text) = match body.value {
        Value::Null if body.text == "null" => {
            let text = query.to_string();
            (query, text)
        }
        value => (value, body.text),
    };
    Ok(StartRequest {
        version: route.version.clone(),
        trigger: route.trigger,
        mode: ExecutionMode::Webhook,
        payload: Payload { body: value, engine },
        body: text,
        meta,
        retry_of: None,
    })
}

/// Headers by lower-case name; one that comes again is joined by commas (RFC 9110, section 5.3).
fn headers(headers: &HeaderMap, credential: Option<&str>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (name, value) in headers {
        let is_secret = credential.is_some_and(|credential| name.as_str().eq_ignore_ascii_case(credential));
        let value = if is_secret {
            "[redacted]".into()
        } else {
            String::from_utf8_lossy(value.as_bytes())
        };
        match fields.get_mut(name.as_str()) {
            Some(Value::String(first)) => {
                first.push_str(", ");
                first.push_str(&value);
            }
            _ => {
                fields.insert(name.as_str().to_owned(), Value::String(value.into_owned()));
            }
        }
    }
    fields
}

fn told(route: &Route, execution_id: Uuid, status: ExecutionStatus) -> TriggerAnswer {
    // Who has cancelled it wants no other try.
    let failed = matches!(status, ExecutionStatus::Failed | ExecutionStatus::TimedOut);
    TriggerAnswer {
        status: if failed {
            TriggerAnswerStatus::Error
        } else {
            TriggerAnswerStatus::Success
        },
        message: match status {
            ExecutionStatus::Running | ExecutionStatus::Queued | ExecutionStatus::Waiting => {
                "Webhook received and workflow triggered"
            }
            ExecutionStatus::Completed => "Workflow completed without reaching a Response node",
            ExecutionStatus::Cancelled => "Webhook received; the execution was cancelled before it answered",
            _ => "Workflow failed before it answered",
        }
        .to_owned(),
        webhook_id: route.webhook_id,
        workflow_id: route.version.workflow_id,
        execution_id,
        execution_status: status,
    }
}

fn response(answer: Answer) -> Response {
    let mut response = error::answered(answer.status, answer.body);
    for (name, value) in answer.headers {
        // The node has refused what is no header.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
