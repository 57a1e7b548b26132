//! `/api/v1/executions/{id}/events`, `/api/v1/workflows/{id}/events` and `/api/v1/executions/events`: server-sent events.

use std::time::Duration;

use flowmatic_openapi::{ExecutionEvent, Time};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use poem::web::Data;
use poem::web::sse::Event;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::EventStream;
use poem_openapi::{ApiResponse, OpenApi};
use uuid::Uuid;

use super::Tag;
use super::error::ApiError;
use super::executions::Statuses;
use crate::app::App;
use crate::auth::{Auth, may};
use crate::dispatch::{END, Follow};
use crate::live;
use crate::store::watchers::Watch;

/// How often a stream is heard of on which nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) struct Events;

#[derive(ApiResponse)]
enum Watched {
    /// What happens, while it happens
    ///
    /// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the field `event` is the
    /// event's kind, `id` its id, `data` the event as JSON.
    #[oai(status = 200)]
    Events(EventStream<BoxStream<'static, ExecutionEvent>>),
    /// All was told, and the execution is over
    #[oai(status = 204)]
    Over,
}

#[OpenApi(prefix_path = "/api/v1")]
impl Events {
    /// Watch an execution
    ///
    /// Server-sent events: first how far it has come, then what happens, until it is over. A decided step is told of
    /// once it is on disk, and its event has an id: with it as `Last-Event-ID` the stream goes on after that step, on
    /// whatever connection. What merely began or waits has no id, and is told of again where it still does. A reader who
    /// does not keep up is cut off.
    #[oai(
        path = "/executions/:id/events",
        method = "get",
        operation_id = "watchExecution",
        tag = "Tag::Executions"
    )]
    async fn of_execution(
        &self,
        auth: Auth<may::ReadExecutions>,
        app: Data<&App>,
        id: Path<Uuid>,
        /// The id of the last event that came.
        #[oai(name = "Last-Event-ID", validator(max_length = 32))]
        last_event_id: Header<Option<String>>,
        /// The stream ends after so many seconds at the latest; go on with another.
        #[oai(
            default = "ten_minutes",
            validator(minimum(value = "1"), maximum(value = "600"))
        )]
        max_seconds: Query<i32>,
    ) -> Result<Watched, ApiError> {
        let last = last_event_id.0.filter(|id| !id.is_empty());
        let found = app.store.summary(id.0, app.now()).await?;
        let (_, execution) = found
            .filter(|(workspace_id, _)| *workspace_id == auth.workspace_id)
            .ok_or_else(|| ApiError::not_found("execution", id.0))?;
        if execution.status.is_final() && last.as_deref() == Some(END) {
            return Ok(Watched::Over);
        }
        let follow = Follow::after(auth.workspace_id, id.0, last.as_deref()).ok_or_else(unknown_event)?;
        let (watch, lasts) = (watch(&app, id.0)?, seconds(max_seconds.0));
        let (dispatch, store) = (app.dispatch.clone(), app.store.clone());
        let events = live::Events::of_execution(dispatch, store, watch, follow, lasts).await?;
        Ok(stream_of(events, auth.lapses(&app)))
    }

    /// Watch a workflow's executions
    ///
    /// Server-sent events of all its executions, from now on, or from where a stream before ended: events may come twice
    /// then. `events.missed` says that more has happened than is told. A reader who does not keep up is cut off.
    #[oai(
        path = "/workflows/:id/events",
        method = "get",
        operation_id = "watchWorkflow",
        tag = "Tag::Workflows"
    )]
    async fn of_workflow(
        &self,
        auth: Auth<may::ReadExecutions>,
        app: Data<&App>,
        id: Path<Uuid>,
        /// The id of the last event that came.
        #[oai(name = "Last-Event-ID", validator(max_length = 32))]
        last_event_id: Header<Option<String>>,
        /// The stream ends after so many seconds at the latest; go on with another.
        #[oai(
            default = "ten_minutes",
            validator(minimum(value = "1"), maximum(value = "600"))
        )]
        max_seconds: Query<i32>,
    ) -> Result<Watched, ApiError> {
        let found = app.store.workflow(auth.workspace_id, id.0).await?;
        found.ok_or_else(|| ApiError::not_found("workflow", id.0))?;
        let after = moment(last_event_id.0)?;
        let (watch, lasts) = (watch(&app, id.0)?, seconds(max_seconds.0));
        let events = live::Events::of_workflow(
            app.dispatch.clone(),
            app.store.clone(),
            watch,
            (auth.workspace_id, id.0),
            (app.now(), after),
            lasts,
        );
        Ok(stream_of(events.await?, auth.lapses(&app)))
    }

    /// Watch all executions
    ///
    /// Server-sent events of the workspace: `execution.started` and `execution.ended`, without those of steps, from now
    /// on, or from where a stream before ended: events may come twice then. They are told within half a second. Of an
    /// execution that is over by then its end is told alone; of more than 200 in a fifth of a second the others are not
    /// told of. `events.missed` says so: read the list. `execution.changed` says within two seconds that one begins or
    /// ceases to wait. A reader who does not keep up is cut off.
    #[oai(
        path = "/executions/events",
        method = "get",
        operation_id = "watchExecutions",
        tag = "Tag::Executions"
    )]
    async fn of_all(
        &self,
        auth: Auth<may::ReadExecutions>,
        app: Data<&App>,
        /// Only those of this workflow.
        workflow_id: Query<Option<Uuid>>,
        /// Only events of executions that stand so: one or more, repeated or separated by commas.
        status: Query<Option<Statuses>>,
        /// The id of the last event that came.
        #[oai(name = "Last-Event-ID", validator(max_length = 32))]
        last_event_id: Header<Option<String>>,
        /// The stream ends after so many seconds at the latest; go on with another.
        #[oai(
            default = "ten_minutes",
            validator(minimum(value = "1"), maximum(value = "600"))
        )]
        max_seconds: Query<i32>,
    ) -> Result<Watched, ApiError> {
        let after = moment(last_event_id.0)?;
        let watchers = app.store.watchers();
        let watch = match workflow_id.0 {
            Some(id) => watchers.watch(id),
            None => watchers.watch_all(),
        };
        let scope = live::Scope {
            workspace_id: auth.workspace_id,
            workflow_id: workflow_id.0,
            statuses: status.0.map(|statuses| statuses.0).unwrap_or_default(),
        };
        let (times, lasts) = ((app.now(), after), seconds(max_seconds.0));
        let overview = live::Overview::new(
            app.store.clone(),
            watch.ok_or_else(too_many)?,
            scope,
            times,
            lasts,
        );
        let events = stream::unfold(overview.await?, |mut overview| async {
            overview.next().await.map(|event| (event, overview))
        });
        Ok(sent(events, auth.lapses(&app)))
    }
}

/// The moment that an id of a stream of many executions is.
fn moment(last_event_id: Option<String>) -> Result<Option<Time>, ApiError> {
    let last = last_event_id.filter(|id| !id.is_empty());
    let moment = |id: String| {
        let millis = id.parse().ok();
        let millis = millis.filter(|millis| (0..=MOST_MILLIS).contains(millis));
        millis.and_then(chrono::DateTime::from_timestamp_millis)
    };
    last.map(|id| moment(id).ok_or_else(unknown_event)).transpose()
}

/// The end of the year 9999.
const MOST_MILLIS: i64 = 253_402_300_799_999;

fn ten_minutes() -> i32 {
    600
}

fn seconds(seconds: i32) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

fn unknown_event() -> ApiError {
    ApiError::bad_request("header `Last-Event-ID`: no event of this stream has such an id")
}

fn watch(app: &App, subject: Uuid) -> Result<Watch, ApiError> {
    let watch = app.store.watchers().watch(subject);
    watch.ok_or_else(too_many)
}

fn too_many() -> ApiError {
    ApiError::unavailable("there are as many event streams as there may be; try again")
}

fn stream_of(events: live::Events, until: impl Future<Output = ()> + Send + 'static) -> Watched {
    let events = stream::unfold(events, |mut events| async {
        events.next().await.map(|event| (event, events))
    });
    sent(events, until)
}

fn sent(
    events: impl Stream<Item = ExecutionEvent> + Send + 'static,
    until: impl Future<Output = ()> + Send + 'static,
) -> Watched {
    let sent = EventStream::new(events.take_until(until).boxed())
        .keep_alive(KEEP_ALIVE)
        .to_event(|event: ExecutionEvent| {
            let data = poem_openapi::types::ToJSON::to_json_string(&event);
            Event::message(data)
                .event_type(event.event.as_str())
                .id(event.id.unwrap_or_default())
        });
    Watched::Events(sent)
}
