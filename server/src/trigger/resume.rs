//! `/api/resume/{execution}/{token}`: tells an execution that waits to go on.
//!
//! The address is made from the execution's id and the server's key; whoever has it may use it. It shows a page, so
//! that a mail scanner that follows links resumes nothing; a POST goes on, once.

use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use flowmatic_executor::graph::PlanNode;
use flowmatic_executor::{ResumeUrl, Signal, Version, json};
use poem::http::Method;
use poem::{Endpoint, IntoResponse, Request, Response};
use serde_json::Value;
use uuid::Uuid;

use super::body;
use crate::api::error::ApiError;
use crate::api::pages;
use crate::api::payload::read_body;
use crate::dispatch::{Dispatch, asked_of_people, is_approval, is_resumed};
use crate::secret::SecretKey;
use crate::store::{Signalled, Store};

const PATH: &str = "/api/resume";
/// Characters of a comment.
const MAX_COMMENT: usize = 2_000;
const MAX_PATH: usize = 1_000;
/// Bytes of what is said, as JSON: an output may have 1 MiB, with what is recorded beside it.
const MAX_SAID: usize = (1 << 20) - 4_096;

/// What `_execution.resumeUrl` is.
pub fn url(base_url: &str, key: &SecretKey) -> ResumeUrl {
    let (base, key) = (format!("{base_url}{PATH}"), key.clone());
    ResumeUrl(Arc::new(move |execution| {
        format!("{base}/{execution}/{}", key.link_token(execution))
    }))
}

/// The door. It asks for nothing but the token in its address.
pub struct ResumeDoor {
    pub store: Store,
    pub dispatch: Arc<Dispatch>,
    pub secret_key: SecretKey,
    pub max_body: usize,
    pub request_timeout: Duration,
}

/// A wait that an address leads to.
struct Found {
    execution: Uuid,
    path: String,
    /// It is a person's decision.
    is_approval: bool,
    workflow: String,
    message: Option<String>,
}

/// What a person or a program says.
struct Said {
    approved: bool,
    comment: Option<String>,
}

impl Endpoint for ResumeDoor {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let wants_page = request
            .header("accept")
            .is_some_and(|accept| accept.contains("text/html"));
        Ok(match self.answer(request, wants_page).await {
            Ok(response) => response,
            Err(error) if wants_page => pages::resume_failed(error),
            Err(error) => error.into_response(),
        })
    }
}

impl ResumeDoor {
    async fn answer(&self, mut request: Request, wants_page: bool) -> Result<Response, ApiError> {
        let part = |name: &str| request.raw_path_param(name).unwrap_or_default().to_owned();
        let (id, token, path) = (part("execution"), part("token"), part("path"));
        let path = percent_encoding::percent_decode_str(&path).decode_utf8_lossy();
        let found = self.find(&id, &token, &path).await?;
        match *request.method() {
            Method::GET | Method::HEAD => {
                return Ok(pages::resume(
                    &found.workflow,
                    found.message.as_deref(),
                    found.is_approval,
                ));
            }
            Method::POST => {}
            _ => return Err(ApiError::method_not_allowed("GET, POST".to_owned())),
        }
        let query = body::read_pairs(request.uri().query().unwrap_or_default().as_bytes())
            .map_err(ApiError::bad_request)?;
        let bytes = read_body(&mut request, self.max_body, self.request_timeout).await?;
        let content_type = request.content_type().map(str::to_owned);
        let body = body::read(content_type.as_deref(), bytes)
            .await
            .map_err(ApiError::bad_request)?;
        let resumed_at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let payload = match found.is_approval {
            false => serde_json::json!({"body": body.value, "query": query, "resumed_at": resumed_at}),
            true => {
                let Said { approved, comment } = said(&body.value)?;
                let port = if approved { "approved" } else { "rejected" };
                serde_json::json!({"port": port, "approved": approved, "comment": comment, "resumed_at": resumed_at})
            }
        };
        fits(&payload)?;
        let signal = Signal {
            path: found.path.clone(),
            payload,
        };
        match self.dispatch.signal(found.execution, signal).await? {
            Signalled::Taken if wants_page => Ok(pages::resumed(&found.workflow)),
            Signalled::Taken => Ok(pages::resumed_json(found.execution)),
            Signalled::Used => Err(ApiError::gone("this address was used before; it counts once")),
            Signalled::Over => Err(over()),
            Signalled::Unknown => Err(ApiError::not_found("wait", &id)),
        }
    }

    async fn find(&self, id: &str, token: &str, path: &str) -> Result<Found, ApiError> {
        let unknown = || ApiError::not_found("wait", id);
        let execution = Uuid::try_parse(id).map_err(|_| unknown())?;
        if !self.secret_key.is_link_token(execution, token) || path.len() > MAX_PATH {
            return Err(unknown());
        }
        let (_, summary) = self
            .store
            .summary(execution, Utc::now())
            .await?
            .ok_or_else(unknown)?;
        if summary.status.is_final() {
            return Err(over());
        }
        let version = self
            .dispatch
            .version(summary.workflow_id, summary.version)
            .await?;
        let version = version.ok_or_else(unknown)?;
        let (path, node) = waiting(&version, path)?;
        let progress = self.store.progress(execution).await?;
        if progress.decided.contains(&path) {
            return Err(ApiError::gone("this is not waited for any more"));
        }
        let message = progress.calls.get(&*path).and_then(asked_of_people);
        Ok(Found {
            execution,
            is_approval: is_approval(node),
            workflow: node.name.clone(),
            path,
            message,
        })
    }
}

/// What is said becomes the output of the step that waits.
fn fits(payload: &Value) -> Result<(), ApiError> {
    if payload.to_string().len() > MAX_SAID {
        return Err(ApiError::too_large(MAX_SAID));
    }
    match json::is_shallow(payload) {
        true => Ok(()),
        false => Err(ApiError::bad_request(format!(
            "the body nests deeper than {} levels",
            json::MAX_DEPTH - 1
        ))),
    }
}

fn over() -> ApiError {
    ApiError::gone("the execution has ended")
}

/// The wait that a path names; without a path the only one at the top of the graph.
fn waiting<'a>(version: &'a Version, path: &str) -> Result<(String, &'a PlanNode), ApiError> {
    let waits = |node: &&PlanNode| is_resumed(node);
    if !path.is_empty() {
        let node = version
            .plan
            .find(path)
            .filter(|node| waits(node) && !path.ends_with(']'));
        return match node {
            Some(node) => Ok((path.to_owned(), node)),
            None => Err(ApiError::not_found("wait", path)),
        };
    }
    let mut all = version.plan.nodes.iter().filter(waits);
    match (all.next(), all.next()) {
        (Some(node), None) => Ok((node.key.to_string(), node)),
        _ => Err(ApiError::bad_request(
            "add the key of the node that waits to the address, such as `/approve` or, inside a loop, `/each[3]/approve`",
        )),
    }
}

/// `{"decision": "approve" | "reject", "comment": "..."}`, as JSON or a form.
fn said(body: &Value) -> Result<Said, ApiError> {
    let approved = match body["decision"].as_str() {
        Some("approve") => true,
        Some("reject") => false,
        _ => return Err(ApiError::bad_request("send `decision`: `approve` or `reject`")),
    };
    let comment = body["comment"].as_str().filter(|comment| !comment.is_empty());
    if comment.is_some_and(|comment| comment.chars().count() > MAX_COMMENT) {
        let message = format!("the comment has more than {MAX_COMMENT} characters");
        return Err(ApiError::bad_request(message));
    }
    Ok(Said {
        approved,
        comment: comment.map(str::to_owned),
    })
}
