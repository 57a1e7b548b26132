//! `/api/v1/schedules`.

use chrono::SecondsFormat;
use flowmatic_executor::Plan;
use flowmatic_nodes::trigger::schedule::{KIND, Schedule as Parameters};
use flowmatic_openapi::{
    ExecutionMode, Graph, JsonObject, Node, Page, Problem, Schedule, SchedulePreview, ScheduleTime, Time,
};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use serde_json::Value;
use uuid::Uuid;

use super::cursor::Cursor;
use super::error::ApiError;
use super::payload::Json;
use super::{Accepted, Tag, fifty};
use crate::app::App;
use crate::auth::{Auth, may};
use crate::store::ScheduleFilter;

/// How many times a preview shows.
const SHOWN: usize = 10;

pub(super) struct Schedules;

#[OpenApi(prefix_path = "/api/v1/schedules", tag = "Tag::Schedules")]
impl Schedules {
    /// List schedules
    ///
    /// The schedule triggers of published versions, those of the newest workflows first.
    #[oai(path = "/", method = "get", operation_id = "listSchedules")]
    async fn list(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        workflow_id: Query<Option<Uuid>>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<Cursor>>,
        /// The most schedules on the page.
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<i32>,
    ) -> Result<Json<Page<Schedule>>, ApiError> {
        let filter = ScheduleFilter {
            workflow_id: workflow_id.0,
            cursor: cursor.as_deref().map(str::to_owned),
            limit: u32::try_from(limit.0).unwrap_or_default(),
        };
        Ok(Json(
            app.store.schedules(auth.workspace_id, filter, app.now()).await?,
        ))
    }

    /// Preview a schedule
    ///
    /// The body is the parameters of a `trigger.schedule` node, as `/connectors/trigger.schedule` describes them;
    /// the answer has the times at which it would be due next. Nothing is stored.
    #[oai(path = "/preview", method = "post", operation_id = "previewSchedule")]
    async fn preview(
        &self,
        _auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        body: Json<JsonObject>,
    ) -> Result<Json<SchedulePreview>, ApiError> {
        let (parameters, now) = (body.0, app.now());
        let app = app.clone();
        let previewed = tokio::task::spawn_blocking(move || preview(&app, parameters, now)).await;
        match previewed.map_err(ApiError::internal)? {
            Ok(preview) => Ok(Json(preview)),
            Err(problems) => Err(ApiError::unprocessable("this is no schedule", problems)),
        }
    }

    /// Get a schedule
    #[oai(path = "/:id", method = "get", operation_id = "getSchedule")]
    async fn get(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Schedule>, ApiError> {
        Ok(Json(find(&app, auth.workspace_id, id.0).await?))
    }

    /// Pause a schedule
    ///
    /// It starts nothing until it is resumed, whatever is published meanwhile. What is under way goes on.
    #[oai(path = "/:id/pause", method = "post", operation_id = "pauseSchedule")]
    async fn pause(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Schedule>, ApiError> {
        pause(&app, auth.workspace_id, id.0, true).await
    }

    /// Resume a schedule
    ///
    /// It goes on with the first time from now on; those that passed while it was paused are not made up for.
    #[oai(path = "/:id/resume", method = "post", operation_id = "resumeSchedule")]
    async fn resume(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Schedule>, ApiError> {
        pause(&app, auth.workspace_id, id.0, false).await
    }

    /// Run a schedule now
    ///
    /// Starts one execution of the published version beside the schedule, whether that is on, paused or still at
    /// work. It is on disk when this answers.
    #[oai(path = "/:id/run", method = "post", operation_id = "runSchedule")]
    async fn run(
        &self,
        auth: Auth<may::ExecuteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Accepted, ApiError> {
        let schedule = find(&app, auth.workspace_id, id.0).await?;
        let started = app
            .dispatch
            .execute(
                auth.workspace_id,
                schedule.workflow_id,
                schedule.version,
                &schedule.node,
                ExecutionMode::Manual,
                JsonObject::default(),
                None,
            )
            .await?;
        Accepted::new(&app, started).await
    }
}

async fn find(app: &App, workspace_id: i64, id: Uuid) -> Result<Schedule, ApiError> {
    let schedule = app.store.schedule(workspace_id, id, app.now()).await?;
    schedule.ok_or_else(|| ApiError::not_found("schedule", id))
}

async fn pause(app: &App, workspace_id: i64, id: Uuid, paused: bool) -> Result<Json<Schedule>, ApiError> {
    let changed = app
        .store
        .pause_schedule(workspace_id, id, paused, app.now())
        .await?;
    changed
        .map(Json)
        .ok_or_else(|| ApiError::not_found("schedule", id))
}

/// Its next times, or what is wrong with it.
fn preview(app: &App, parameters: JsonObject, now: Time) -> Result<SchedulePreview, Vec<Problem>> {
    let fields = Value::Object(parameters.0.clone());
    let schedule: Option<Parameters> = serde_json::from_value(fields).ok();
    let timetable = schedule.and_then(|schedule| schedule.timetable().ok());
    // What is wrong is told as it is of a graph.
    let problems = problems(app, parameters);
    let (Some(timetable), []) = (timetable, problems.as_slice()) else {
        return Err(problems);
    };
    let zone = timetable.zone();
    let times = std::iter::successors(timetable.next(now), |last| timetable.next(*last));
    let next = times.take(SHOWN).map(|at| ScheduleTime {
        at,
        local: at
            .with_timezone(&zone)
            .to_rfc3339_opts(SecondsFormat::Secs, false),
    });
    Ok(SchedulePreview {
        description: timetable.description(),
        timezone: zone.name().to_owned(),
        next: next.collect(),
    })
}

/// What a check of a graph with this schedule finds, each with a pointer into the parameters.
fn problems(app: &App, parameters: JsonObject) -> Vec<Problem> {
    let node = Node {
        key: "schedule".to_owned(),
        kind: KIND.to_owned(),
        parameters,
        ..Node::default()
    };
    let graph = Graph {
        nodes: vec![node],
        ..Graph::default()
    };
    let problems = Plan::compile(&graph, &app.catalogue).err().unwrap_or_default();
    let place = "/graph/nodes/0/parameters";
    problems
        .into_iter()
        .map(|problem| Problem {
            pointer: problem.pointer.strip_prefix(place).unwrap_or_default().to_owned(),
            node: None,
            message: problem.message,
        })
        .collect()
}
