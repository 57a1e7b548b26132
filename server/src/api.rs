//! The HTTP API: one service, one description, and what every request passes through.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use flowmatic_openapi::ExecutionSummary;
use futures_util::FutureExt;
use poem::error::NotFoundError;
use poem::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HeaderName, SET_COOKIE, TRANSFER_ENCODING,
};
use poem::http::{HeaderValue, Method};
use poem::{Endpoint, EndpointExt, IntoEndpoint, IntoResponse, Request, Response, Result, Route};
use poem_openapi::{ApiResponse, OpenApiService, Tags};
use uuid::Uuid;

pub mod error;
pub mod idempotency;
pub mod payload;

mod about;
mod connectors;
mod cursor;
pub(crate) mod draft;
mod etag;
mod events;
mod executions;
mod gzip;
mod health;
pub mod keys;
mod schedules;
mod session;
mod users;
mod webhooks;
pub(crate) mod workflows;

pub mod description;
pub(crate) mod pages;

use self::error::ApiError;
use self::payload::Json;
use crate::app::App;
use crate::auth::cookie::AnswerCookie;
use crate::dispatch::ByHand;
use crate::trigger::resume::ResumeDoor;
use crate::trigger::webhook::WebhookDoor;

/// The resources, in the order of the description.
#[derive(Tags)]
enum Tag {
    /// Graphs of nodes: their drafts, their published versions and their triggers.
    Workflows,
    /// Runs of a workflow, with their steps.
    Executions,
    /// The triggers that start executions at times of their own.
    Schedules,
    /// The types of nodes there are.
    Connectors,
    /// Calls from outside that start a workflow.
    Webhooks,
    /// Set-up, log-in and who one is.
    Auth,
    /// The people of the workspace: their roles and their invitations.
    Users,
    /// API keys.
    Keys,
    /// What the server is, and whether it is well.
    Health,
}

type Served = (
    workflows::Workflows,
    workflows::Switches,
    workflows::Versions,
    workflows::Portability,
    executions::Executions,
    executions::Bulk,
    events::Events,
    webhooks::Incoming,
    schedules::Schedules,
    connectors::Connectors,
    session::Sessions,
    session::Own,
    users::Users,
    keys::Keys,
    about::Server,
    health::Health,
);

const SERVED: Served = (
    workflows::Workflows,
    workflows::Switches,
    workflows::Versions,
    workflows::Portability,
    executions::Executions,
    executions::Bulk,
    events::Events,
    webhooks::Incoming,
    schedules::Schedules,
    connectors::Connectors,
    session::Sessions,
    session::Own,
    users::Users,
    keys::Keys,
    about::Server,
    health::Health,
);

/// The answer of what starts an execution.
#[derive(ApiResponse)]
enum Accepted {
    /// The execution is on disk and under way, or waits as the workflow's start control has it
    #[oai(status = 202)]
    Accepted(
        Json<ExecutionSummary>,
        #[oai(header = "Location")] String,
        /// `true` where the execution was started before, under the same idempotency key.
        #[oai(header = "Idempotency-Replayed")]
        Option<bool>,
    ),
}

impl Accepted {
    async fn new(app: &App, started: ByHand) -> Result<Self, ApiError> {
        let ByHand {
            mut execution,
            is_replayed,
        } = started;
        app.store.name_executions([&mut execution]).await?;
        let location = format!("/api/v1/executions/{}", execution.id);
        Ok(Self::Accepted(
            Json(execution),
            location,
            is_replayed.then_some(true),
        ))
    }
}

/// How much a page of a list holds where its caller does not say.
fn fifty() -> i32 {
    50
}

/// Everything that is served over HTTP.
pub fn endpoint(app: App) -> impl Endpoint<Output = Response> {
    let service = OpenApiService::new(SERVED, "Flowmatic", env!("CARGO_PKG_VERSION"));
    let door = door(&app);
    let resume = Arc::new(ResumeDoor {
        store: app.store.clone(),
        dispatch: app.dispatch.clone(),
        secret_key: app.secret_key.clone(),
        max_body: app.config.max_body,
        request_timeout: app.config.request_timeout,
    });
    let mut routes = pages::routes(Route::new())
        .at("/api/webhooks/:webhook_id", door)
        .at("/api/resume/:execution/:token", resume.clone())
        .at("/api/resume/:execution/:token/*path", resume);
    // Not all of it at `/`, which would hide the start page.
    let service = Arc::new(service.into_endpoint());
    for prefix in description::PREFIXES {
        routes = routes.nest_no_strip(prefix, service.clone());
    }
    let inner = Arc::new(routes.data(app.clone()));
    Framed { inner, app }
}

/// Where calls of webhooks come in.
fn door(app: &App) -> WebhookDoor {
    WebhookDoor {
        dispatch: app.dispatch.clone(),
        max_body: app.config.max_body,
        request_timeout: app.config.request_timeout,
        sync_timeout: app.config.sync_timeout,
    }
}

tokio::task_local! {
    static REQUEST_ID: String;
}

/// The id of the request that is being answered, as callers and the log know it.
pub fn request_id() -> String {
    REQUEST_ID.try_with(Clone::clone).unwrap_or_default()
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 64;
/// Where the description is.
const DESCRIPTION: &str = "/api/openapi.json";
/// Bytes that come along with a request's head.
const SMALL_BODY: u64 = 1024;

/// The caller's own id where it is a plain token, else a new one.
fn request_id_of(request: &Request) -> String {
    let is_plain = |id: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    request
        .header(X_REQUEST_ID)
        .filter(is_plain)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Whether an early refusal may leave some of the body unread; the caller must then hear that the connection ends.
fn may_be_cut_short(request: &Request) -> bool {
    let length = request
        .header(CONTENT_LENGTH)
        .and_then(|length| length.parse().ok());
    request.header(TRANSFER_ENCODING).is_some() || length.unwrap_or(0) > SMALL_BODY
}

/// Around every request: its id, one body for every error, panics that end nothing else, and metrics.
struct Framed<E> {
    inner: Arc<E>,
    app: App,
}

impl<E: Endpoint + 'static> Endpoint for Framed<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let id = request_id_of(&request);
        let header = HeaderValue::from_str(&id);
        let has_body = may_be_cut_short(&request);
        let mut response = REQUEST_ID.scope(id, self.answer(request)).await;
        if let Ok(header) = header {
            response.headers_mut().insert(X_REQUEST_ID, header);
        }
        let is_cut_short = has_body && response.status().is_client_error();
        if is_cut_short || self.app.is_draining() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        Ok(response)
    }
}

impl<E: Endpoint + 'static> Framed<E> {
    async fn answer(&self, mut request: Request) -> Response {
        let started = Instant::now();
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        if self.app.is_draining() && path.starts_with("/api/webhooks/") {
            return ApiError::unavailable("the server is shutting down").into_response();
        }
        let is_api = path.starts_with("/api/v1/");
        if is_api
            && let Err(error) =
                description::check_query(&method, &path, request.uri().query().unwrap_or_default())
        {
            return error.into_response();
        }
        let wants_page = pages::is_asked_for(&request);
        let may_be_small = is_api || path == DESCRIPTION;
        let takes_gzip = may_be_small && method != Method::HEAD && gzip::is_taken(request.headers());
        let cookie = is_api.then(AnswerCookie::default);
        if let Some(cookie) = &cookie {
            request.set_data(cookie.clone());
        }
        let answered = if is_api && !matches!(method, Method::GET | Method::HEAD) {
            self.finish(request).await
        } else {
            AssertUnwindSafe(self.inner.call(request)).catch_unwind().await
        };
        let mut response = match answered {
            Ok(Ok(response)) => response.into_response(),
            Ok(Err(error)) if error.is_from_response() => error.into_response(),
            Ok(Err(error)) if wants_page && error.is::<NotFoundError>() => {
                pages::nothing_here().unwrap_or_else(|| ApiError::not_found("path", &path).into_response())
            }
            Ok(Err(error)) => {
                ApiError::of_framework(&error, &path, || description::allowed(&path)).into_response()
            }
            Err(panic) => ApiError::panicked(panic).into_response(),
        };
        if let Some(cookie) = cookie {
            let headers = response.headers_mut();
            // What is a caller's own is kept by nobody on the way.
            let entry = headers.entry(CACHE_CONTROL);
            entry.or_insert(HeaderValue::from_static("no-store"));
            if let Some(cookie) = cookie.take() {
                headers.append(SET_COOKIE, cookie);
            }
        }
        if may_be_small {
            response = gzip::compressed(response, takes_gzip);
        }
        let status = response.status().as_u16();
        metrics::counter!("flowmatic_http_requests_total", "method" => known(&method), "status" => status.to_string())
            .increment(1);
        metrics::histogram!("flowmatic_http_request_seconds").record(started.elapsed());
        tracing::debug!(request_id = %request_id(), %method, path, status, "answered");
        response
    }

    /// A change is done whole, though its caller hangs up: what is committed must be told to the other parts.
    async fn finish(&self, request: Request) -> std::thread::Result<Result<E::Output>> {
        let inner = self.inner.clone();
        let change = REQUEST_ID.scope(request_id(), async move { inner.call(request).await });
        match tokio::spawn(change).await {
            Ok(answered) => Ok(answered),
            Err(error) => Err(error
                .try_into_panic()
                .unwrap_or_else(|error| Box::new(error.to_string()))),
        }
    }
}

/// Methods by name; those that callers make up are one.
fn known(method: &Method) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|name| *name == method.as_str())
        .unwrap_or("other")
}

#[cfg(test)]
mod tests;
