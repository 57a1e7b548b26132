//! `/api/v1/workflows`.

mod diff;
mod portability;
mod switch;
mod versions;

use std::collections::HashMap;

use flowmatic_executor::Plan;
use flowmatic_openapi::{
    Deleted, Execute, ExecutionMode, Graph, GraphCheck, Page, Problem, SortOrder, Validation, Workflow,
    WorkflowCreate, WorkflowSort, WorkflowStatus, WorkflowSummary, WorkflowUpdate,
};
use poem::Request;
use poem::web::Data;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::{ApiResponse, OpenApi};
use uuid::Uuid;

pub(super) use self::portability::Portability;
pub(super) use self::switch::Switches;
pub(super) use self::versions::Versions;
use super::cursor::LongCursor;
use super::draft::{self, Draft};
use super::error::ApiError;
use super::idempotency;
use super::payload::{Json, OptionalJson};
use super::{Accepted, Tag, fifty};
use crate::app::App;
use crate::auth::{Auth, may};
use crate::portable::reference::{self, Reference};
use crate::store::{WorkflowFilter, WorkflowSave};

const MANUAL: &str = "trigger.manual";

pub(super) struct Workflows;

#[derive(ApiResponse)]
enum Created {
    /// The new workflow
    #[oai(status = 201)]
    Created(Json<Workflow>, #[oai(header = "Location")] String),
}

#[OpenApi(prefix_path = "/api/v1/workflows", tag = "Tag::Workflows")]
impl Workflows {
    /// List workflows
    ///
    /// The newest first, unless `sort` says otherwise, without their graphs.
    #[oai(path = "/", method = "get", operation_id = "listWorkflows")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        /// Part of the name, in whatever case.
        #[oai(validator(max_length = 200, pattern = r"^[^\x00]*$"))]
        search: Query<Option<String>>,
        /// Only those whose triggers are on, or off.
        active: Query<Option<bool>>,
        /// Only those that are published and on, drafts that never were published, published ones that are off, or
        /// deleted ones, which are in no other list.
        status: Query<Option<WorkflowStatus>>,
        /// What they are ordered by; missing: when they were made.
        sort: Query<Option<WorkflowSort>>,
        /// Missing: names from A to Z, the newest times first.
        order: Query<Option<SortOrder>>,
        /// The `next_cursor` of the page before, in the same order.
        cursor: Query<Option<LongCursor>>,
        /// The most workflows on the page.
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<i32>,
    ) -> Result<Json<Page<WorkflowSummary>>, ApiError> {
        let sort = sort.0.unwrap_or_default();
        let ascending = match order.0 {
            Some(order) => order == SortOrder::Asc,
            None => sort == WorkflowSort::Name,
        };
        let filter = WorkflowFilter {
            search: search.0,
            active: active.0,
            status: status.0,
            sort,
            ascending,
            cursor: cursor.as_deref().map(str::to_owned),
            limit: u32::try_from(limit.0).unwrap_or_default(),
        };
        let mut page = app.store.workflows(auth.workspace_id, filter, app.now()).await?;
        for workflow in &mut page.data {
            app.with_urls(&mut workflow.triggers);
        }
        Ok(Json(page))
    }

    /// Create a workflow
    ///
    /// A draft may have mistakes; `/validate` lists them. With `active: true` it is published and its triggers
    /// are on when this answers, and a graph with mistakes is refused.
    #[oai(path = "/", method = "post", operation_id = "createWorkflow")]
    async fn create(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        body: Json<WorkflowCreate>,
    ) -> Result<Created, ApiError> {
        let create = body.0;
        let draft = prepare(&app, auth.workspace_id, create.graph, None, create.active).await?;
        let save = WorkflowSave {
            workspace_id: auth.workspace_id,
            id: Uuid::now_v7(),
            name: create.name,
            description: create.description,
            active: Some(create.active),
            graph: draft.graph,
            secrets: draft.secrets,
            by: Some(auth.caller),
            now: app.now(),
        };
        let workflow = app.store.create_workflow(save).await?;
        app.dispatch.forget_routes();
        let location = format!("/api/v1/workflows/{}", workflow.id);
        Ok(Created::Created(
            Json(shown(&app, workflow, draft.made)),
            location,
        ))
    }

    /// Check a graph
    ///
    /// Lists every mistake, each with the node's key and a JSON pointer. Nothing is stored.
    #[oai(path = "/validate", method = "post", operation_id = "validateGraph")]
    async fn validate_graph(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        body: Json<GraphCheck>,
    ) -> Result<Json<Validation>, ApiError> {
        Ok(Json(validation(&app, auth.workspace_id, body.0.graph).await?))
    }

    /// Get a workflow
    #[oai(path = "/:id", method = "get", operation_id = "getWorkflow")]
    async fn get(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Workflow>, ApiError> {
        let workflow = find(&app, auth.workspace_id, id.0).await?;
        Ok(Json(shown(&app, workflow, HashMap::new())))
    }

    /// Save a workflow's draft
    ///
    /// `revision` is that of the workflow the save was made from: where it was saved by someone else since,
    /// the answer is 409 and nothing is changed. What is live stays live, unless `active` says otherwise.
    #[oai(path = "/:id", method = "put", operation_id = "updateWorkflow")]
    async fn update(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        body: Json<WorkflowUpdate>,
    ) -> Result<Json<Workflow>, ApiError> {
        let update = body.0;
        let before = find(&app, auth.workspace_id, id.0).await?;
        if before.revision != update.revision {
            return Err(stale(&before));
        }
        let publish = update.active == Some(true);
        let draft = prepare(
            &app,
            auth.workspace_id,
            update.graph,
            Some(&before.graph),
            publish,
        )
        .await?;
        let save = WorkflowSave {
            workspace_id: auth.workspace_id,
            id: id.0,
            name: update.name,
            description: update.description,
            active: update.active,
            graph: draft.graph,
            secrets: draft.secrets,
            by: Some(auth.caller),
            now: app.now(),
        };
        let Some(workflow) = app.store.update_workflow(save, update.revision).await? else {
            return Err(stale(&find(&app, auth.workspace_id, id.0).await?));
        };
        app.dispatch.forget_routes();
        Ok(Json(shown(&app, workflow, draft.made)))
    }

    /// Delete a workflow
    ///
    /// Its webhooks answer 404 and its schedules start nothing from now on; its executions stay readable. For 30 days
    /// `/restore` takes it back.
    #[oai(path = "/:id", method = "delete", operation_id = "deleteWorkflow")]
    async fn delete(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Deleted>, ApiError> {
        if !app
            .store
            .delete_workflow(auth.workspace_id, id.0, app.now())
            .await?
        {
            return Err(ApiError::not_found("workflow", id.0));
        }
        app.dispatch.forget_routes();
        Ok(Json(Deleted {
            id: id.0,
            deleted: true,
        }))
    }

    /// Check a workflow's draft
    ///
    /// Lists every mistake, each with the node's key and a JSON pointer.
    #[oai(path = "/:id/validate", method = "post", operation_id = "validateWorkflow")]
    async fn validate(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Validation>, ApiError> {
        let workflow = find(&app, auth.workspace_id, id.0).await?;
        Ok(Json(validation(&app, auth.workspace_id, workflow.graph).await?))
    }

    /// Execute a workflow
    ///
    /// Starts one execution of the published version, whether its triggers are on or not. It is on disk when
    /// this answers. The workflow's start control holds here too: more calls than its rate limit are refused with 429,
    /// and an execution may be `QUEUED`, or `CANCELLED` because it was dropped.
    #[oai(path = "/:id/execute", method = "post", operation_id = "executeWorkflow")]
    async fn execute(
        &self,
        auth: Auth<may::ExecuteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        /// Starts one execution for all calls that have the same key, where the workflow's start control says so.
        #[oai(
            name = "Idempotency-Key",
            validator(min_length = 1, max_length = 256, pattern = r"^[!-~]([ -~]*[!-~])?$")
        )]
        _idempotency_key: Header<Option<String>>,
        request: &Request,
        body: OptionalJson<Execute>,
    ) -> Result<Accepted, ApiError> {
        let idempotency_key = idempotency::key(request.headers())?;
        let workflow = find(&app, auth.workspace_id, id.0).await?;
        let Some(number) = workflow.version else {
            return Err(ApiError::conflict(
                "the workflow was never published; publish it first",
            ));
        };
        let Some(version) = app.dispatch.version(id.0, number).await? else {
            return Err(ApiError::internal(format!(
                "version {number} of workflow {} is gone",
                id.0
            )));
        };
        let Execute { input, trigger } = body.0;
        let trigger = trigger_of(&version.plan, trigger.as_deref())?;
        let started = app
            .dispatch
            .execute(
                auth.workspace_id,
                id.0,
                number,
                trigger,
                ExecutionMode::Manual,
                input,
                idempotency_key,
            )
            .await?;
        Accepted::new(&app, started).await
    }
}

async fn find(app: &App, workspace_id: i64, id: Uuid) -> Result<Workflow, ApiError> {
    let workflow = app.store.workflow(workspace_id, id).await?;
    workflow.ok_or_else(|| ApiError::not_found("workflow", id))
}

fn stale(current: &Workflow) -> ApiError {
    let saver = current
        .updated_by
        .as_ref()
        .and_then(|saver| saver.name.as_deref());
    let by = saver.map_or_else(String::new, |name| format!(" by {name}"));
    ApiError::conflict(format!(
        "the workflow was saved in the meantime{by} and is at revision {}; read it again",
        current.revision
    ))
}

/// Checks what a save brings, and moves its secrets out of the graph.
async fn prepare(
    app: &App,
    workspace_id: i64,
    graph: Graph,
    previous: Option<&Graph>,
    publish: bool,
) -> Result<Draft, ApiError> {
    let draft = draft::prepare(graph, previous, &app.secret_key).map_err(ApiError::invalid_graph)?;
    if !draft.foreign.is_empty() {
        let ids: Vec<Uuid> = draft.foreign.iter().map(|(id, _)| *id).collect();
        let known = app.store.known_secrets(workspace_id, &ids).await?;
        let unknown = draft.foreign.iter().filter(|(id, _)| !known.contains(id));
        let problems: Vec<Problem> = unknown.map(|(_, problem)| problem.clone()).collect();
        if !problems.is_empty() {
            return Err(ApiError::invalid_graph(problems));
        }
    }
    if let Some(problem) = draft::check_size(&draft.graph) {
        return Err(ApiError::unprocessable(problem.message.clone(), vec![problem]));
    }
    if publish {
        compile(app, workspace_id, draft.graph.clone()).await?;
    }
    Ok(draft)
}

async fn compile(app: &App, workspace_id: i64, graph: Graph) -> Result<(), ApiError> {
    match problems(app, workspace_id, graph).await? {
        problems if problems.is_empty() => Ok(()),
        problems => Err(ApiError::invalid_graph(problems)),
    }
}

async fn validation(app: &App, workspace_id: i64, graph: Graph) -> Result<Validation, ApiError> {
    let problems = problems(app, workspace_id, graph).await?;
    Ok(Validation {
        valid: problems.is_empty(),
        problems,
    })
}

/// All that is wrong with a graph. A large one takes a while.
async fn problems(app: &App, workspace_id: i64, graph: Graph) -> Result<Vec<Problem>, ApiError> {
    let named = reference::all(&graph);
    let ids: Vec<Uuid> = named.iter().map(|named| named.id).collect();
    let known = app.store.known_workflows(workspace_id, &ids).await?;
    let catalogue = app.catalogue.clone();
    let compiled = tokio::task::spawn_blocking(move || Plan::compile(&graph, &catalogue));
    let mut problems = compiled
        .await
        .map_err(ApiError::internal)?
        .err()
        .unwrap_or_default();
    let strange = named.into_iter().filter(|named| !known.contains(&named.id));
    problems.extend(strange.map(Reference::into_problem));
    Ok(problems)
}

/// A workflow as its caller sees it: with addresses, and with the secrets that were just made.
fn shown(app: &App, mut workflow: Workflow, mut made: HashMap<String, String>) -> Workflow {
    app.with_urls(&mut workflow.triggers);
    for trigger in &mut workflow.triggers {
        trigger.secret = made.remove(&trigger.node);
    }
    workflow
}

/// The key of the trigger at which a start by hand begins.
pub(crate) fn trigger_of<'a>(plan: &'a Plan, asked: Option<&str>) -> Result<&'a str, ApiError> {
    let triggers: Vec<(&str, &str)> = plan
        .triggers()
        .map(|place| (&*plan.nodes[place].key, plan.nodes[place].kind))
        .collect();
    choose_trigger(&triggers, asked)
}

/// The key of the trigger to start at: the one asked for, else the manual one, else the only one. Each is given
/// with its type.
fn choose_trigger<'a>(triggers: &[(&'a str, &str)], asked: Option<&str>) -> Result<&'a str, ApiError> {
    let wrong = |message: &str| {
        let problem = Problem {
            pointer: "/trigger".to_owned(),
            node: None,
            message: message.to_owned(),
        };
        Err(ApiError::unprocessable(message, vec![problem]))
    };
    if let Some(asked) = asked {
        return match triggers.iter().find(|(key, _)| *key == asked) {
            Some((key, _)) => Ok(key),
            None => wrong("the published version has no such trigger"),
        };
    }
    let manual = triggers.iter().find(|(_, kind)| *kind == MANUAL);
    match (manual, triggers) {
        (Some((key, _)), _) | (None, [(key, _)]) => Ok(key),
        (None, []) => wrong("the published version has no trigger to start at"),
        (None, _) => wrong("the published version has several triggers; name one as `trigger`"),
    }
}

#[cfg(test)]
mod tests {
    use super::choose_trigger;

    #[test]
    fn starts_at_the_trigger_that_is_meant() {
        let (hook, click) = (("hook", "trigger.webhook"), ("click", "trigger.manual"));
        assert_eq!(choose_trigger(&[hook, click], None).ok(), Some("click"));
        assert_eq!(choose_trigger(&[hook], None).ok(), Some("hook"));
        assert_eq!(choose_trigger(&[hook, click], Some("hook")).ok(), Some("hook"));
        assert_eq!(choose_trigger(&[hook], Some("other")).ok(), None);
        assert_eq!(choose_trigger(&[], None).ok(), None);
        assert_eq!(
            choose_trigger(&[hook, ("other", "trigger.webhook")], None).ok(),
            None
        );
    }
}
