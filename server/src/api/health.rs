//! `/healthz`, `/readyz`, `/metrics` and the description itself.

use std::sync::OnceLock;
use std::time::Duration;

use poem::web::Data;
use poem_openapi::param::Header;
use poem_openapi::payload::PlainText;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::error::ApiError;
use super::payload::Json;
use super::{Tag, description, etag};
use crate::app::App;

/// How long the database may take to answer.
const REACH: Duration = Duration::from_secs(2);

/// It may be kept by anybody, and is asked for again.
const KEPT: &str = "no-cache";

pub(super) struct Health;

#[derive(ApiResponse)]
enum Described {
    /// Done
    #[oai(status = 200)]
    Whole(
        description::Published,
        #[oai(header = "ETag")] String,
        #[oai(header = "Cache-Control")] String,
    ),
    /// It is as the caller has it
    #[oai(status = 304)]
    Known(
        #[oai(header = "ETag")] String,
        #[oai(header = "Cache-Control")] String,
    ),
}

/// The server's state.
#[derive(Debug, Object)]
struct State {
    /// `ok`
    status: String,
}

impl State {
    fn ok() -> Json<Self> {
        Json(Self {
            status: "ok".to_owned(),
        })
    }
}

#[OpenApi(tag = "Tag::Health")]
impl Health {
    /// Whether the process is alive
    #[oai(path = "/healthz", method = "get", operation_id = "getHealth")]
    async fn health(&self) -> Result<Json<State>, ApiError> {
        Ok(State::ok())
    }

    /// Whether the server takes work
    ///
    /// 503 while the database cannot be reached, and from the moment the server was told to end.
    #[oai(path = "/readyz", method = "get", operation_id = "getReadiness")]
    async fn readiness(&self, app: Data<&App>) -> Result<Json<State>, ApiError> {
        if app.is_draining() {
            return Err(ApiError::unavailable("the server is shutting down"));
        }
        match tokio::time::timeout(REACH, app.store.ping()).await {
            Ok(Ok(())) => Ok(State::ok()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the database cannot be reached");
                Err(ApiError::unavailable("the database cannot be reached"))
            }
            Err(_) => Err(ApiError::unavailable("the database did not answer in time")),
        }
    }

    /// Figures for Prometheus
    ///
    /// In its text format.
    #[oai(path = "/metrics", method = "get", operation_id = "getMetrics")]
    async fn metrics(&self, app: Data<&App>) -> Result<PlainText<String>, ApiError> {
        Ok(PlainText(app.metrics.render()))
    }

    /// This description
    #[oai(path = "/api/openapi.json", method = "get", operation_id = "getDescription")]
    async fn description(
        &self,
        /// The `ETag` of the answer before.
        #[oai(name = "If-None-Match", validator(max_length = 1000))]
        if_none_match: Header<Option<String>>,
    ) -> Result<Described, ApiError> {
        static ETAG: OnceLock<String> = OnceLock::new();
        let etag = ETAG.get_or_init(|| etag::of(description::TEXT)).clone();
        if etag::is_known(if_none_match.as_deref(), &etag) {
            return Ok(Described::Known(etag, KEPT.to_owned()));
        }
        Ok(Described::Whole(description::Published, etag, KEPT.to_owned()))
    }
}
