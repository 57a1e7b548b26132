//! `/healthz`, `/readyz`, `/metrics` and the description itself.

use std::time::Duration;

use poem::web::Data;
use poem_openapi::payload::PlainText;
use poem_openapi::{Object, OpenApi};

use super::Tag;
use super::error::ApiError;
use super::payload::Json;
use crate::app::App;

/// How long the database may take to answer.
const REACH: Duration = Duration::from_secs(2);

pub(super) struct Health;

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
    async fn description(&self) -> Result<Json<flowmatic_openapi::JsonObject>, ApiError> {
        let description = super::description().as_object().cloned().unwrap_or_default();
        Ok(Json(description.into()))
    }
}
