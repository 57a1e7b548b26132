//! `/api/v1/about`: the server itself.

use flowmatic_openapi::{About, DispatchKind, Duration, Limits, Scope};
use poem::web::Data;
use poem_openapi::OpenApi;

use super::Tag;
use super::error::ApiError;
use super::payload::Json;
use crate::app::App;
use crate::auth::{Auth, may};

pub(super) struct Server;

#[OpenApi(prefix_path = "/api/v1/about", tag = "Tag::Health")]
impl Server {
    /// What this server is
    ///
    /// Its version and how it is set; with `workflows:read` and `executions:read` also how much there is in the workspace,
    /// with `workspace:admin` where its files are and how much room they take.
    #[oai(path = "/", method = "get", operation_id = "getAbout")]
    async fn about(&self, auth: Auth<may::Enter>, app: Data<&App>) -> Result<Json<About>, ApiError> {
        let config = &app.config;
        let reads = auth.may(Scope::WorkflowsRead) && auth.may(Scope::ExecutionsRead);
        let counts = match reads {
            true => Some(app.store.counts(auth.workspace_id, app.now()).await?),
            false => None,
        };
        let administers = auth.may(Scope::WorkspaceAdmin);
        let disk = match administers {
            true => Some(app.store.disk().await?),
            false => None,
        };
        // Where the folder that we are in is gone, the name is all there is to tell.
        let data_dir = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
        Ok(Json(About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("FLOWMATIC_COMMIT").map(str::to_owned),
            started_at: app.started_at,
            database: app.store.kind(),
            dispatch: DispatchKind::Local,
            public_url: app.base_url.clone(),
            retention: span(config.retention),
            keep_executions: config.keep_executions.into(),
            limits: Limits {
                max_body: i64::try_from(config.max_body).unwrap_or(i64::MAX),
                max_running: config.max_running.into(),
                sync_timeout: span(config.sync_timeout),
                request_timeout: span(config.request_timeout),
            },
            counts,
            data_dir: administers.then(|| data_dir.display().to_string()),
            disk,
        }))
    }
}

fn span(duration: std::time::Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
