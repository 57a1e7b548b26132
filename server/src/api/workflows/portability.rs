//! `/api/v1/workflows`: copies, export and import.

use std::collections::HashMap;
use std::time::Duration;

use flowmatic_openapi::{ImportReport, Workflow, WorkflowDuplicate, WorkflowFile};
use poem::web::Data;
use poem::{Request, RequestBody, Result};
use poem_openapi::error::ContentTypeError;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, OpenApi};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use super::super::Tag;
use super::super::error::ApiError;
use super::super::payload::{Json, OptionalJson, malformed, read_up_to};
use super::{find, shown};
use crate::app::App;
use crate::auth::{Auth, may};
use crate::portable::{self, CopyError, ExportError, Import, ImportError};

/// The largest file that goes in or out, where `--max-body` is not larger.
const LARGEST_FILE: usize = 8 << 20;

pub(in crate::api) struct Portability;

#[derive(ApiResponse)]
enum Duplicated {
    /// The copy
    #[oai(status = 201)]
    Created(Json<Workflow>, #[oai(header = "Location")] String),
}

#[derive(ApiResponse)]
enum Imported {
    /// What was made, and what it still needs
    #[oai(status = 201)]
    Created(Json<ImportReport>),
}

#[OpenApi(prefix_path = "/api/v1/workflows", tag = "Tag::Workflows")]
impl Portability {
    /// Duplicate a workflow
    ///
    /// Makes another workflow of its draft, not active, with triggers and addresses of its own. The secrets are
    /// copied with it, so that it works, and goes on working when the original is gone.
    #[oai(path = "/:id/duplicate", method = "post", operation_id = "duplicateWorkflow")]
    async fn duplicate(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        body: OptionalJson<WorkflowDuplicate>,
    ) -> Result<Duplicated, ApiError> {
        let original = find(&app, auth.workspace_id, id.0).await?;
        let copy = portable::copy(
            &app.store,
            &app.secret_key,
            auth.workspace_id,
            original,
            body.0.name,
            app.now(),
        )
        .await?;
        let location = format!("/api/v1/workflows/{}", copy.id);
        let copy = shown(&app, copy, HashMap::new());
        Ok(Duplicated::Created(Json(copy), location))
    }

    /// Export a workflow
    ///
    /// A file with its draft, without its secrets.
    #[oai(path = "/:id/export", method = "get", operation_id = "exportWorkflow")]
    async fn export(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<WorkflowFile>, ApiError> {
        Ok(Json(export(&app, auth.workspace_id, &[id.0]).await?))
    }

    /// Export workflows
    ///
    /// One file with the drafts of several workflows, without their secrets. It is at most 8 MiB, or `--max-body`
    /// where that is more.
    #[oai(path = "/export", method = "get", operation_id = "exportWorkflows")]
    async fn export_several(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        /// Which ones, in this order: repeat the parameter. All where it is missing, the oldest first.
        #[oai(validator(max_items = 100))]
        id: Query<Option<Vec<Uuid>>>,
    ) -> Result<Json<WorkflowFile>, ApiError> {
        let ids = match id.0 {
            Some(ids) if !ids.is_empty() => ids,
            _ => app.store.workflow_ids(auth.workspace_id).await?,
        };
        Ok(Json(export(&app, auth.workspace_id, &ids).await?))
    }

    /// Import workflows
    ///
    /// Makes a workflow of each one in a file, or none at all: not active, with ids of their own. Those that name
    /// each other name each other's new ids. The answer says which secrets must be given again, and what else keeps
    /// a workflow from being published. The file is at most 8 MiB, or `--max-body` where that is more.
    #[oai(path = "/import", method = "post", operation_id = "importWorkflows")]
    async fn import(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        upload: Upload,
    ) -> Result<Imported, ApiError> {
        let import = Import {
            store: &app.store,
            secret_key: &app.secret_key,
            catalogue: &app.catalogue,
            workspace_id: auth.workspace_id,
            now: app.now(),
        };
        let mut report = import.run(upload.file).await?;
        for imported in &mut report.workflows {
            app.with_urls(&mut imported.workflow.triggers);
        }
        Ok(Imported::Created(Json(report)))
    }
}

async fn export(app: &App, workspace_id: i64, ids: &[Uuid]) -> Result<WorkflowFile, ApiError> {
    let limit = app.config.max_body.max(LARGEST_FILE);
    Ok(portable::export(&app.store, workspace_id, ids, limit).await?)
}

impl From<ExportError> for ApiError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Unknown(id) => Self::not_found("workflow", id),
            ExportError::Store(error) => error.into(),
            other => Self::unprocessable(other, Vec::new()),
        }
    }
}

impl From<CopyError> for ApiError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Store(error) => error.into(),
            other => Self::internal(other),
        }
    }
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Mistakes(problems) => {
                let message = match problems.len() {
                    1 => "the file has a mistake; nothing was imported".to_owned(),
                    count => format!("the file has {count} mistakes; nothing was imported"),
                };
                Self::unprocessable(message, problems)
            }
            ImportError::Store(error) => error.into(),
            ImportError::Check(error) => Self::internal(error),
        }
    }
}

/// A file that comes in, and its turn: what a small file can become in memory is large, so that they are read one at
/// a time.
struct Upload {
    file: WorkflowFile,
    _turn: SemaphorePermit<'static>,
}

static TURNS: Semaphore = Semaphore::const_new(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl<'a> ApiExtractor<'a> for Upload {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        WorkflowFile::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        <Json<WorkflowFile> as ApiExtractor>::request_meta()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        match request.content_type() {
            None => return Err(ContentTypeError::ExpectContentType.into()),
            Some(given) if !Json::<WorkflowFile>::check_content_type(given) => {
                let content_type = given.to_owned();
                return Err(ContentTypeError::NotSupported { content_type }.into());
            }
            Some(_) => {}
        }
        let text = read_up_to(request, body, LARGEST_FILE).await?;
        let turn = tokio::time::timeout(LONGEST_WAIT, TURNS.acquire()).await;
        let turn = turn.map_err(|_| ApiError::unavailable("other imports are under way"))?;
        let turn = turn.map_err(ApiError::internal)?;
        let read = tokio::task::spawn_blocking(move || portable::read(&text)).await;
        let file = read.map_err(ApiError::internal)?.map_err(malformed)?;
        Ok(Self { file, _turn: turn })
    }
}
