//! Workflows that go live, and back: publish, activate, restore, deactivate.

use std::collections::HashMap;

use flowmatic_openapi::{Workflow, WorkflowPublish};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use uuid::Uuid;

use super::super::Tag;
use super::super::error::ApiError;
use super::super::payload::{Json, OptionalJson};
use super::{compile, find, shown, stale};
use crate::app::App;
use crate::auth::{Auth, may};
use crate::store::Activated;

pub(in crate::api) struct Switches;

#[OpenApi(prefix_path = "/api/v1/workflows", tag = "Tag::Workflows")]
impl Switches {
    /// Publish a workflow's draft
    ///
    /// Makes a numbered version, which never changes, and switches the triggers on. A graph with mistakes is
    /// refused with all of them. A draft that is the same as the newest version makes no new one.
    #[oai(path = "/:id/publish", method = "post", operation_id = "publishWorkflow")]
    async fn publish(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        body: OptionalJson<WorkflowPublish>,
    ) -> Result<Json<Workflow>, ApiError> {
        let draft = find(&app, auth.workspace_id, id.0).await?;
        if body.0.revision.is_some_and(|revision| revision != draft.revision) {
            return Err(stale(&draft));
        }
        compile(&app, auth.workspace_id, draft.graph).await?;
        let published = app
            .store
            .publish_workflow(auth.workspace_id, id.0, draft.revision, auth.caller, app.now())
            .await?;
        let Some(workflow) = published else {
            return Err(stale(&find(&app, auth.workspace_id, id.0).await?));
        };
        app.dispatch.forget_routes();
        Ok(Json(shown(&app, workflow, HashMap::new())))
    }

    /// Switch a workflow's triggers on
    ///
    /// Those of the published version, as it is: the draft is not published. One whose triggers are on stays as it is;
    /// one that was never published is refused with 409 and the code `NOT_PUBLISHED`.
    #[oai(path = "/:id/activate", method = "post", operation_id = "activateWorkflow")]
    async fn activate(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Workflow>, ApiError> {
        let switched = app
            .store
            .activate_workflow(auth.workspace_id, id.0, app.now())
            .await?;
        match switched {
            None => Err(ApiError::not_found("workflow", id.0)),
            Some(Activated::NeverPublished) => Err(ApiError::not_published()),
            Some(Activated::Workflow(workflow)) => {
                app.dispatch.forget_routes();
                Ok(Json(shown(&app, *workflow, HashMap::new())))
            }
        }
    }

    /// Restore a deleted workflow
    ///
    /// Takes a deletion of the last 30 days back: ids, addresses and versions are those from before, its triggers are on
    /// if they were, and schedules go on with their first time from now on. One that is not deleted stays as it is.
    #[oai(path = "/:id/restore", method = "post", operation_id = "restoreWorkflow")]
    async fn restore(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Workflow>, ApiError> {
        let restored = app
            .store
            .restore_workflow(auth.workspace_id, id.0, app.now())
            .await?;
        let workflow = restored.ok_or_else(|| ApiError::not_found("deleted workflow", id.0))?;
        app.dispatch.forget_routes();
        Ok(Json(shown(&app, workflow, HashMap::new())))
    }

    /// Switch a workflow's triggers off
    ///
    /// Its webhooks answer 404 until it is activated or published again. What is under way goes on.
    #[oai(
        path = "/:id/deactivate",
        method = "post",
        operation_id = "deactivateWorkflow"
    )]
    async fn deactivate(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Workflow>, ApiError> {
        let switched = app
            .store
            .deactivate_workflow(auth.workspace_id, id.0, app.now())
            .await?;
        let Some(workflow) = switched else {
            return Err(ApiError::not_found("workflow", id.0));
        };
        app.dispatch.forget_routes();
        Ok(Json(shown(&app, workflow, HashMap::new())))
    }
}
