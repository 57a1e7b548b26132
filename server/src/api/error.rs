//! The one place that knows statuses: every failure of the API becomes one body here.

use std::any::Any;
use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;
use chrono::SecondsFormat;
use flowmatic_executor::JournalError;
use flowmatic_openapi::{ErrorBody, ErrorDetail, Problem, Time, TriggerAnswer, TriggerAnswerStatus};
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::error::{ContentTypeError, ParseParamError, ParsePathError};

use super::payload::Json;
use super::request_id;
use crate::dispatch::StartError;
use crate::store::StoreError;

/// Every way in which a request can fail.
#[derive(Debug, ApiResponse)]
pub enum ApiError {
    /// The request is malformed; `details` point at each mistake of its body.
    #[oai(status = 400)]
    BadRequest(Json<Box<ErrorBody>>),
    /// There is no valid token in `Authorization: Bearer …`.
    #[oai(status = 401)]
    Unauthorized(Json<Box<ErrorBody>>, #[oai(header = "WWW-Authenticate")] String),
    /// The token lacks the scope that the operation needs.
    #[oai(status = 403)]
    Forbidden(Json<Box<ErrorBody>>),
    /// There is no such thing in this workspace.
    #[oai(status = 404)]
    NotFound(Json<Box<ErrorBody>>),
    /// The path does not take this method.
    #[oai(status = 405)]
    MethodNotAllowed(Json<Box<ErrorBody>>, #[oai(header = "Allow")] String),
    /// It was changed or has ended in the meantime.
    #[oai(status = 409)]
    Conflict(Json<Box<ErrorBody>>),
    /// It can be done no more.
    #[oai(status = 410)]
    Gone(Json<Box<ErrorBody>>),
    /// The body is larger than `--max-body`.
    #[oai(status = 413)]
    TooLarge(Json<Box<ErrorBody>>),
    /// The body is not `application/json`.
    #[oai(status = 415)]
    UnsupportedMediaType(Json<Box<ErrorBody>>),
    /// The request is well-formed but cannot be done; `details` list each problem.
    #[oai(status = 422)]
    Unprocessable(Json<Box<ErrorBody>>),
    /// Too many attempts; `Retry-After` says how many seconds to wait.
    #[oai(status = 429)]
    TooManyRequests(Json<Box<ErrorBody>>, #[oai(header = "Retry-After")] u64),
    /// A mistake of the server's, logged under the request id.
    #[oai(status = 500)]
    Internal(Json<Box<ErrorBody>>),
    /// The server cannot take this now; nothing was done. `Retry-After` says how many seconds to wait.
    #[oai(status = 503)]
    Unavailable(Json<Box<ErrorBody>>, #[oai(header = "Retry-After")] u64),
}

pub const IDEMPOTENCY_REPLAYED: &str = "Idempotency-Replayed";

/// How long a caller waits before it tries a server again that was busy or stopping.
const RETRY_AFTER_S: u64 = 5;

fn body(code: &str, message: impl Display, details: Vec<Problem>) -> Json<Box<ErrorBody>> {
    Json(Box::new(ErrorBody {
        success: false,
        error: ErrorDetail {
            code: code.to_owned(),
            message: message.to_string(),
            details,
            request_id: request_id(),
        },
    }))
}

impl ApiError {
    pub fn bad_request(message: impl Display) -> Self {
        Self::malformed(message, Vec::new())
    }

    /// A body that is not what the description says.
    pub fn malformed(message: impl Display, details: Vec<Problem>) -> Self {
        Self::BadRequest(body("BAD_REQUEST", message, details))
    }

    pub fn unauthorized(message: impl Display) -> Self {
        Self::Unauthorized(body("UNAUTHORIZED", message, Vec::new()), "Bearer".to_owned())
    }

    /// Whoever has the key may know that it was one.
    pub fn key_expired(at: Time) -> Self {
        let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let message = format!("the API key expired at {at}; make a new one");
        Self::Unauthorized(body("KEY_EXPIRED", message, Vec::new()), "Bearer".to_owned())
    }

    pub fn forbidden(message: impl Display) -> Self {
        Self::Forbidden(body("FORBIDDEN", message, Vec::new()))
    }

    /// A change by a session's cookie that a page of this server has not surely asked for.
    pub fn cross_site() -> Self {
        let message = "a session's cookie counts only for pages of this server; send `Authorization: Bearer`";
        Self::Forbidden(body("CROSS_SITE", message, Vec::new()))
    }

    /// Of a change that asks for the password, too. No 401: the session is good.
    pub fn wrong_password() -> Self {
        Self::Forbidden(body("WRONG_PASSWORD", "the password is wrong", Vec::new()))
    }

    /// A log-in of somebody who is kept out, with the right password.
    pub fn disabled() -> Self {
        let message = "this account is switched off; ask an owner of the workspace";
        Self::Forbidden(body("DISABLED", message, Vec::new()))
    }

    /// A link that makes or changes nobody.
    pub fn invalid_link() -> Self {
        let message = "the link was used, replaced by another or has expired; ask for a new one";
        Self::Forbidden(body("INVALID_LINK", message, Vec::new()))
    }

    pub fn email_taken() -> Self {
        let message = "somebody has this e-mail already";
        Self::Conflict(body("EMAIL_TAKEN", message, Vec::new()))
    }

    pub fn last_owner() -> Self {
        let message = "nobody would be left who may do everything; make another person an owner first";
        Self::Conflict(body("LAST_OWNER", message, Vec::new()))
    }

    /// Of things in other workspaces nobody hears more than this.
    pub fn not_found(what: &str, id: impl Display) -> Self {
        Self::NotFound(body(
            "NOT_FOUND",
            format!("there is no {what} `{id}`"),
            Vec::new(),
        ))
    }

    pub fn method_not_allowed(allow: String) -> Self {
        let message = format!("this path takes {allow}");
        Self::MethodNotAllowed(body("METHOD_NOT_ALLOWED", message, Vec::new()), allow)
    }

    pub fn conflict(message: impl Display) -> Self {
        Self::Conflict(body("CONFLICT", message, Vec::new()))
    }

    /// There is no version that could be live.
    pub fn not_published() -> Self {
        let message = "the workflow was never published; publish it first";
        Self::Conflict(body("NOT_PUBLISHED", message, Vec::new()))
    }

    pub fn gone(message: impl Display) -> Self {
        Self::Gone(body("GONE", message, Vec::new()))
    }

    pub fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::TooLarge(body("TOO_LARGE", message, Vec::new()))
    }

    pub fn unprocessable(message: impl Display, details: Vec<Problem>) -> Self {
        Self::Unprocessable(body("UNPROCESSABLE", message, details))
    }

    /// A graph with mistakes.
    pub fn invalid_graph(problems: Vec<Problem>) -> Self {
        let message = match problems.len() {
            1 => "the graph has a mistake".to_owned(),
            count => format!("the graph has {count} mistakes"),
        };
        Self::Unprocessable(body("INVALID_GRAPH", message, problems))
    }

    pub fn too_many_requests(wait_s: u64) -> Self {
        let message = format!("too many attempts; try again in {wait_s} s");
        Self::TooManyRequests(body("TOO_MANY_REQUESTS", message, Vec::new()), wait_s)
    }

    /// A workflow that takes so many calls in a while, and no more.
    pub fn rate_limited(wait: Duration) -> Self {
        let wait_s = wait.as_millis().div_ceil(1_000).max(1);
        let message = format!("the workflow's rate limit is reached; try again in {wait_s} s");
        let wait_s = u64::try_from(wait_s).unwrap_or(u64::MAX);
        Self::TooManyRequests(body("TOO_MANY_REQUESTS", message, Vec::new()), wait_s)
    }

    pub fn unavailable(message: impl Display) -> Self {
        Self::Unavailable(body("UNAVAILABLE", message, Vec::new()), RETRY_AFTER_S)
    }

    /// Logs what happened; the caller learns the request id alone.
    pub fn internal(error: impl Display) -> Self {
        let id = request_id();
        tracing::error!(request_id = %id, error = %error, "a request failed");
        let message = format!("the server made a mistake; its log has it under `{id}`");
        Self::Internal(body("INTERNAL", message, Vec::new()))
    }

    /// The same for a panic in a handler, whose message the panic hook has logged.
    pub fn panicked(_panic: Box<dyn Any + Send>) -> Self {
        Self::internal("a handler panicked")
    }

    /// Gives the framework's own errors the same body. `allow` lists the methods of the path.
    pub fn of_framework(error: &poem::Error, path: &str, allow: impl FnOnce() -> Option<String>) -> Self {
        if error.is::<NotFoundError>() {
            return Self::not_found("path", path);
        }
        if error.is::<MethodNotAllowedError>() {
            return allow().map_or_else(|| Self::not_found("path", path), Self::method_not_allowed);
        }
        if let Some(error) = error.downcast_ref::<ParseParamError>() {
            // The names of headers begin with a capital letter, those of queries do not.
            let kind = match error.name.starts_with(|first: char| first.is_ascii_uppercase()) {
                true => "header",
                false => "query parameter",
            };
            let reason = plain(&error.reason);
            return Self::bad_request(format!("{kind} `{}`: {reason}", error.name));
        }
        if let Some(error) = error.downcast_ref::<ParsePathError>() {
            // The framework counts them, and does not tell their names.
            let reason = plain(&error.reason);
            return Self::bad_request(format!("an id or number in the path cannot be read: {reason}"));
        }
        if let Some(error) = error.downcast_ref::<ContentTypeError>() {
            let message = match error {
                ContentTypeError::NotSupported { content_type } => {
                    format!("the body is `{content_type}`; send `Content-Type: application/json`")
                }
                ContentTypeError::ExpectContentType => "send `Content-Type: application/json`".to_owned(),
            };
            return Self::UnsupportedMediaType(body("UNSUPPORTED_MEDIA_TYPE", message, Vec::new()));
        }
        match error.status() {
            status if status.is_client_error() => Self::bad_request(error),
            StatusCode::SERVICE_UNAVAILABLE => Self::unavailable(error),
            _ => Self::internal(error),
        }
    }
}

/// What a caller gets whose execution ended without an answer.
pub fn trigger_ended(told: TriggerAnswer) -> Response {
    let status = match told.status {
        TriggerAnswerStatus::Success => StatusCode::OK,
        TriggerAnswerStatus::Error => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, Json(told).into_response()).into_response()
}

/// What a caller gets where nothing is wrong and there is no answer of the workflow's own, however it has ended.
pub fn trigger_taken(told: TriggerAnswer) -> Response {
    (StatusCode::OK, Json(told).into_response()).into_response()
}

/// What a caller gets whose execution has not begun, or goes on after its time to wait is over.
pub fn trigger_pending(told: TriggerAnswer) -> Response {
    let location = format!("/api/v1/executions/{}", told.execution_id);
    let response = (StatusCode::ACCEPTED, Json(told).into_response()).into_response();
    response.with_header(header::LOCATION, location).into_response()
}

/// Says that an answer is that of a call that came before.
pub fn replayed(response: Response) -> Response {
    response.with_header(IDEMPOTENCY_REPLAYED, "true").into_response()
}

/// The answer that a workflow gives.
pub fn answered(status: u16, body: Bytes) -> Response {
    // The node takes only statuses that there are.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    Response::builder().status(status).body(body)
}

/// Takes the framework's type names out of a message of its parsers.
pub fn plain(message: &str) -> String {
    let mut message = message;
    while let Some((_, rest)) = message
        .strip_prefix("failed to parse \"")
        .and_then(|rest| rest.split_once("\": "))
    {
        message = rest;
    }
    if let Some((first, _)) = message.split_once(" (occurred while parsing") {
        message = first;
    }
    let message = message.trim_end_matches('.');
    let message = message
        .replace("verification failed. ", "it breaks ")
        .replace(", exclusive: false", "");
    const LONGEST: usize = 300;
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => {
                tracing::warn!(request_id = %request_id(), why, "the database is not available");
                Self::unavailable("the database is not available; nothing was changed")
            }
            StoreError::Conflict(why) => {
                tracing::info!(request_id = %request_id(), why, "another row stands in the way");
                Self::conflict("it was changed in the meantime; read it again")
            }
            StoreError::BadCursor => Self::bad_request(error),
            StoreError::Internal(why) => Self::internal(why),
        }
    }
}

impl From<JournalError> for ApiError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unavailable(why) => Self::unavailable(why),
            JournalError::Lost | JournalError::Rejected(_) => Self::internal(error),
        }
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Unavailable(why) => Self::unavailable(why),
            StartError::NotFound => Self::conflict("the version, or its trigger, is gone; publish it again"),
            StartError::NoKey(error) => Self::unprocessable(error, Vec::new()),
            StartError::KeyReused(_) => {
                Self::Unprocessable(body("IDEMPOTENCY_KEY_REUSED", error, Vec::new()))
            }
            StartError::Removed(_) => Self::gone(error),
            StartError::RateLimited(wait) => Self::rate_limited(wait),
            StartError::Store(error) => error.into(),
        }
    }
}

impl Display for ApiError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.detail().message)
    }
}

impl ApiError {
    /// The word to branch on.
    pub fn code(&self) -> &str {
        &self.detail().code
    }

    fn detail(&self) -> &ErrorDetail {
        let (Self::BadRequest(Json(body))
        | Self::Unauthorized(Json(body), _)
        | Self::Forbidden(Json(body))
        | Self::NotFound(Json(body))
        | Self::MethodNotAllowed(Json(body), _)
        | Self::Conflict(Json(body))
        | Self::Gone(Json(body))
        | Self::TooLarge(Json(body))
        | Self::UnsupportedMediaType(Json(body))
        | Self::Unprocessable(Json(body))
        | Self::TooManyRequests(Json(body), _)
        | Self::Internal(Json(body))
        | Self::Unavailable(Json(body), _)) = self;
        &body.error
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn speaks_of_values_not_of_types() {
        assert_eq!(
            plain(
                r#"failed to parse "Graph": failed to parse "string(duration)": `5` is not a duration (occurred while parsing "Node")"#
            ),
            "`5` is not a duration"
        );
        assert_eq!(
            plain("verification failed. minimum(1, exclusive: false)"),
            "it breaks minimum(1)"
        );
        assert_eq!(plain(&"x".repeat(400)).chars().count(), 301);
    }
}
