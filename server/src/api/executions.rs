//! `/api/v1/executions`.

mod bulk;

use std::borrow::Cow;

use flowmatic_openapi::{
    Execution, ExecutionMode, ExecutionRetry, ExecutionStatus, ExecutionSummary, LeftOut, Page, RetryFrom,
    Scope, Step, Time,
};
use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use uuid::Uuid;

pub(super) use self::bulk::Bulk;
use super::cursor::Cursor;
use super::error::ApiError;
use super::idempotency;
use super::payload::{Json, OptionalJson};
use super::{Accepted, Tag, fifty};
use crate::app::App;
use crate::auth::{Auth, may};
use crate::dispatch::{ByHand, StepData};
use crate::store::{ExecutionFilter, StoredExecution};

pub(super) struct Executions;

#[OpenApi(prefix_path = "/api/v1/executions", tag = "Tag::Executions")]
impl Executions {
    /// List executions
    ///
    /// The newest first, without their steps.
    #[oai(path = "/", method = "get", operation_id = "listExecutions")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list(
        &self,
        auth: Auth<may::ReadExecutions>,
        app: Data<&App>,
        workflow_id: Query<Option<Uuid>>,
        /// One or more: repeat the parameter, or separate them by commas.
        status: Query<Option<Statuses>>,
        mode: Query<Option<ExecutionMode>>,
        /// The key of the node that started it.
        trigger: Query<Option<String>>,
        /// The number of the version that ran.
        #[oai(validator(minimum(value = "1")))]
        version: Query<Option<i32>>,
        /// The execution that they repeat.
        retry_of: Query<Option<Uuid>>,
        /// An execution's id, or how it begins.
        #[oai(validator(min_length = 4, max_length = 200, pattern = r"^[^\x00]*$"))]
        search: Query<Option<String>>,
        /// Accepted at this moment or later.
        started_after: Query<Option<Time>>,
        /// Accepted before this moment.
        started_before: Query<Option<Time>>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<Cursor>>,
        /// The most executions on the page.
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<i32>,
    ) -> Result<Json<Page<ExecutionSummary>>, ApiError> {
        let filter = ExecutionFilter {
            workflow_id: workflow_id.0,
            statuses: status.0.map(|statuses| statuses.0).unwrap_or_default(),
            started_after: started_after.0,
            started_before: started_before.0,
            mode: mode.0,
            trigger: trigger.0,
            version: version.0,
            retry_of: retry_of.0,
            search: search.0,
        };
        let limit = u32::try_from(limit.0).unwrap_or_default();
        let mut page = app
            .store
            .list_executions(auth.workspace_id, &filter, cursor.as_deref(), limit, app.now())
            .await?;
        app.store.name_executions(&mut page.data).await?;
        Ok(Json(page))
    }

    /// Get an execution
    ///
    /// With its steps as far as they are decided, what each was given and what came of it: some 16 MiB at most, or some
    /// KiB with `without=data`.
    #[oai(path = "/:id", method = "get", operation_id = "getExecution")]
    async fn get(
        &self,
        auth: Auth<may::ReadExecutions>,
        app: Data<&App>,
        id: Path<Uuid>,
        /// `data`: the inputs and outputs of steps are left out; `/step` has those of one.
        without: Query<Option<LeftOut>>,
    ) -> Result<Json<Execution>, ApiError> {
        let stored = find(&app, auth.workspace_id, id.0).await?;
        let data = match without.0 {
            Some(LeftOut::Data) => StepData::OfNone,
            None => StepData::OfAll,
        };
        let mut execution = app.dispatch.show(stored, data).await?;
        if !auth.may(Scope::ExecutionsWrite) {
            let resumes = execution
                .under_way
                .iter_mut()
                .filter_map(|step| step.resume.as_mut());
            resumes.for_each(|resume| resume.url = None);
        }
        Ok(Json(execution))
    }

    /// Get a step of an execution
    ///
    /// One that is decided, with what it was given and what came of it.
    #[oai(path = "/:id/step", method = "get", operation_id = "getStep")]
    async fn step(
        &self,
        auth: Auth<may::ReadExecutions>,
        app: Data<&App>,
        id: Path<Uuid>,
        /// Where it ran, such as `send`, or `each[3]/send` inside a loop.
        #[oai(validator(min_length = 1, max_length = 1000))]
        path: Query<String>,
    ) -> Result<Json<Step>, ApiError> {
        let stored = find(&app, auth.workspace_id, id.0).await?;
        let execution = app.dispatch.show(stored, StepData::Of(path.0.clone())).await?;
        let step = execution.steps.into_iter().find(|step| step.path == path.0);
        step.map(Json)
            .ok_or_else(|| ApiError::not_found("decided step", &path.0))
    }

    /// Cancel an execution
    ///
    /// What is in flight is awaited and recorded; nothing follows it. One that has ended is left as it is.
    #[oai(path = "/:id/cancel", method = "post", operation_id = "cancelExecution")]
    async fn cancel(
        &self,
        auth: Auth<may::WriteExecutions>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<ExecutionSummary>, ApiError> {
        let before = find(&app, auth.workspace_id, id.0).await?.summary;
        let status = match before.status.is_final() {
            true => Some(before.status),
            false => {
                app.store
                    .request_cancel(auth.workspace_id, id.0, app.now())
                    .await?
            }
        };
        match status {
            None => Err(ApiError::not_found("execution", id.0)),
            Some(status)
                if status.is_final()
                    && (before.status.is_final() || status != ExecutionStatus::Cancelled) =>
            {
                Err(has_ended(status))
            }
            Some(_) => {
                app.dispatch.cancel(&[id.0]);
                Ok(Json(find(&app, auth.workspace_id, id.0).await?.summary))
            }
        }
    }

    /// Retry an execution
    ///
    /// Starts the same version over the same payload, as a new execution whose `retry_of` names this one: from the
    /// start or, with `{"from": "failed"}`, at the steps that failed or were cancelled, sharing what was done before.
    #[oai(path = "/:id/retry", method = "post", operation_id = "retryExecution")]
    async fn retry(
        &self,
        auth: Auth<may::WriteExecutions>,
        app: Data<&App>,
        id: Path<Uuid>,
        /// Starts one execution for all calls that have the same key, for a day.
        #[oai(
            name = "Idempotency-Key",
            validator(min_length = 1, max_length = 256, pattern = r"^[!-~]([ -~]*[!-~])?$")
        )]
        _idempotency_key: Header<Option<String>>,
        request: &Request,
        body: OptionalJson<ExecutionRetry>,
    ) -> Result<Accepted, ApiError> {
        let key = idempotency::key(request.headers())?;
        let retried = retry(&app, auth.workspace_id, id.0, body.0.from, key).await?;
        Accepted::new(&app, retried).await
    }
}

/// Starts an execution again that has ended.
async fn retry(
    app: &App,
    workspace_id: i64,
    id: Uuid,
    from: RetryFrom,
    idempotency_key: Option<String>,
) -> Result<ByHand, ApiError> {
    let stored = app.store.get_execution(workspace_id, id, app.now()).await?;
    let stored = stored.ok_or_else(|| ApiError::not_found("execution", id))?;
    if !stored.summary.status.is_final() {
        return Err(ApiError::conflict("the execution has not ended; cancel it first"));
    }
    Ok(match from {
        RetryFrom::Start => app.dispatch.retry(stored, idempotency_key).await?,
        RetryFrom::Failed if stored.summary.status == ExecutionStatus::Completed => {
            let message = "the execution has succeeded: nothing of it failed";
            return Err(ApiError::conflict(message));
        }
        RetryFrom::Failed => app.dispatch.retry_failed(stored, idempotency_key).await?,
    })
}

fn has_ended(status: ExecutionStatus) -> ApiError {
    ApiError::conflict(format!("the execution has ended: {}", status.as_str()))
}

async fn find(app: &App, workspace_id: i64, id: Uuid) -> Result<StoredExecution, ApiError> {
    let found = app.store.get_execution(workspace_id, id, app.now()).await?;
    let mut found = found.ok_or_else(|| ApiError::not_found("execution", id))?;
    app.store.name_executions([&mut found.summary]).await?;
    Ok(found)
}

/// Statuses in a query: repeated, or separated by commas.
#[derive(Debug)]
pub(super) struct Statuses(pub(super) Vec<ExecutionStatus>);

impl Type for Statuses {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "list of statuses".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        Vec::<ExecutionStatus>::schema_ref()
    }

    fn register(registry: &mut Registry) {
        ExecutionStatus::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromParameter for Statuses {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Self::parse_from_parameters([value])
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(values: I) -> ParseResult<Self> {
        let mut statuses = Vec::new();
        for value in values {
            for name in value.as_ref().split(',') {
                let unknown = || ParseError::custom(format!("there is no status `{name}`"));
                statuses.push(ExecutionStatus::parse(name.trim()).ok_or_else(unknown)?);
            }
        }
        Ok(Self(statuses))
    }
}

#[cfg(test)]
mod tests {
    use flowmatic_openapi::ExecutionStatus::{Completed, Failed, TimedOut};
    use poem_openapi::types::ParseFromParameter;

    use super::Statuses;

    #[test]
    fn reads_statuses_repeated_or_separated() {
        let statuses =
            Statuses::parse_from_parameters(["FAILED,TIMED_OUT", "COMPLETED"]).expect("known statuses");
        assert_eq!(statuses.0, [Failed, TimedOut, Completed]);
        assert!(Statuses::parse_from_parameters(["FAILED,"]).is_err());
        assert!(Statuses::parse_from_parameters(["failed"]).is_err());
    }
}
