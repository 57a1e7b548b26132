//! `/api/v1/executions/retry` and `/api/v1/executions/cancel`: what is done with many executions.

use std::collections::HashSet;

use flowmatic_openapi::{
    BulkAnswer, BulkCancel, BulkDone, BulkError, BulkFailed, BulkRetry, ExecutionSelection, ExecutionStatus,
    ExecutionSummary, RetryFrom,
};
use futures_util::stream::{self, StreamExt};
use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Header;
use uuid::Uuid;

use super::super::Tag;
use super::super::error::ApiError;
use super::super::idempotency;
use super::super::payload::Json;
use super::{has_ended, retry};
use crate::app::App;
use crate::auth::{Auth, may};
use crate::store::{ExecutionFilter, Purpose};

/// Executions that are read and started side by side: each may be some megabytes.
const AT_ONCE: usize = 8;
/// What a filter gives where its caller names no limit.
const MOST: i32 = 1_000;
/// The key of retries of what no call has retried: another such call may find it at the same time. No header says it.
const NOT_RETRIED: &str = "\u{1f}";

pub(in crate::api) struct Bulk;

#[OpenApi(prefix_path = "/api/v1/executions", tag = "Tag::Executions")]
impl Bulk {
    /// Retry many executions
    ///
    /// As a retry of each, the older ones first. Of a `filter`, up to `limit` of the newest that have ended and were not
    /// retried before; with `next_cursor` as the `cursor` of another call it goes on, and calls at the same time retry
    /// none twice. What cannot be retried is told of, each with its reason, and keeps no other from being retried.
    #[oai(path = "/retry", method = "post", operation_id = "retryExecutions")]
    async fn retry(
        &self,
        auth: Auth<may::WriteExecutions>,
        app: Data<&App>,
        /// Of `ids`: retries each once for all calls that have the same key, for a day.
        #[oai(
            name = "Idempotency-Key",
            validator(min_length = 1, max_length = 256, pattern = r"^[!-~]([ -~]*[!-~])?$")
        )]
        _idempotency_key: Header<Option<String>>,
        request: &Request,
        body: Json<BulkRetry>,
    ) -> Result<Json<BulkAnswer>, ApiError> {
        let BulkRetry {
            ids,
            filter,
            limit,
            cursor,
            from,
        } = body.0;
        let purpose = match from {
            RetryFrom::Start => Purpose::Retry,
            RetryFrom::Failed => Purpose::RetryFailed,
        };
        let asked = Asked::of(ids, filter, limit, cursor)?;
        let key = match &asked {
            Asked::These(_) => idempotency::key(request.headers())?,
            Asked::Found { .. } => Some(NOT_RETRIED.to_owned()),
        };
        let (ids, next_cursor) = asked.find(&app, auth.workspace_id, purpose).await?;
        let (app, workspace_id, key) = (app.0, auth.workspace_id, &key);
        let tried: Vec<_> = stream::iter(ids)
            .map(|id| async move {
                let retried = retry(app, workspace_id, id, from, key.clone()).await;
                (id, retried.map(|retried| retried.execution))
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        answer(app, tried, next_cursor).await
    }

    /// Cancel many executions
    ///
    /// As a cancel of each: what is in flight is awaited and recorded, and nothing follows it. Of a `filter`, up to
    /// `limit` of the newest that have not ended and were not cancelled before. What cannot be cancelled is told of, each
    /// with its reason.
    #[oai(path = "/cancel", method = "post", operation_id = "cancelExecutions")]
    async fn cancel(
        &self,
        auth: Auth<may::WriteExecutions>,
        app: Data<&App>,
        body: Json<BulkCancel>,
    ) -> Result<Json<BulkAnswer>, ApiError> {
        let BulkCancel {
            ids,
            filter,
            limit,
            cursor,
        } = body.0;
        let asked = Asked::of(ids, filter, limit, cursor)?;
        let (ids, next_cursor) = asked.find(&app, auth.workspace_id, Purpose::Cancel).await?;
        let before = app.store.summaries(auth.workspace_id, &ids, app.now()).await?;
        let is_open = |id: &Uuid| before.get(id).is_some_and(|summary| !summary.status.is_final());
        let open: Vec<Uuid> = ids.iter().copied().filter(is_open).collect();
        app.store.request_cancels(&open, app.now()).await?;
        app.dispatch.cancel(&open);
        let mut after = app.store.summaries(auth.workspace_id, &ids, app.now()).await?;
        let tried = ids.into_iter().map(|id| {
            let Some(summary) = after.remove(&id) else {
                return (id, Err(ApiError::not_found("execution", id)));
            };
            let (status, was_open) = (summary.status, open.contains(&id));
            let is_done = was_open && (!status.is_final() || status == ExecutionStatus::Cancelled);
            (
                id,
                if is_done {
                    Ok(summary)
                } else {
                    Err(has_ended(status))
                },
            )
        });
        answer(&app, tried.collect(), next_cursor).await
    }
}

/// Which executions are meant.
enum Asked {
    These(Vec<Uuid>),
    Found {
        filter: ExecutionSelection,
        limit: u32,
        cursor: Option<String>,
    },
}

impl Asked {
    fn of(
        ids: Option<Vec<Uuid>>,
        filter: Option<ExecutionSelection>,
        limit: Option<i32>,
        cursor: Option<String>,
    ) -> Result<Self, ApiError> {
        match (ids, filter) {
            (Some(ids), None) if limit.is_none() && cursor.is_none() => {
                let mut seen = HashSet::new();
                let once = ids.into_iter().filter(|id| seen.insert(*id));
                Ok(Self::These(once.collect()))
            }
            (Some(_), None) => Err(refused("`limit` and `cursor` go with a `filter`")),
            (None, Some(filter)) => Ok(Self::Found {
                filter,
                limit: u32::try_from(limit.unwrap_or(MOST)).unwrap_or_default(),
                cursor,
            }),
            _ => Err(refused("give either `ids` or a `filter`")),
        }
    }

    /// Their ids, the older ones first, and the cursor of those that follow.
    async fn find(
        self,
        app: &App,
        workspace_id: i64,
        purpose: Purpose,
    ) -> Result<(Vec<Uuid>, Option<String>), ApiError> {
        let (filter, limit, cursor) = match self {
            Self::These(ids) => return Ok((ids, None)),
            Self::Found {
                filter,
                limit,
                cursor,
            } => (filter, limit, cursor),
        };
        let filter = ExecutionFilter {
            workflow_id: filter.workflow_id,
            statuses: filter.status.unwrap_or_default(),
            started_after: filter.started_after,
            started_before: filter.started_before,
            mode: filter.mode,
            trigger: filter.trigger,
            ..ExecutionFilter::default()
        };
        let (mut ids, next) = app
            .store
            .executions_to(purpose, workspace_id, filter, cursor.as_deref(), limit, app.now())
            .await?;
        ids.reverse();
        Ok((ids, next))
    }
}

fn refused(why: &str) -> ApiError {
    ApiError::unprocessable(why, Vec::new())
}

async fn answer(
    app: &App,
    tried: Vec<(Uuid, Result<ExecutionSummary, ApiError>)>,
    next_cursor: Option<String>,
) -> Result<Json<BulkAnswer>, ApiError> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (id, tried) in tried {
        match tried {
            Ok(execution) => done.push(BulkDone { id, execution }),
            Err(error) => failed.push(BulkFailed {
                id,
                error: BulkError {
                    code: error.code().to_owned(),
                    message: error.to_string(),
                },
            }),
        }
    }
    let executions = done.iter_mut().map(|done| &mut done.execution);
    app.store.name_executions(executions).await?;
    Ok(Json(BulkAnswer {
        success: true,
        done,
        failed,
        more: next_cursor.is_some(),
        next_cursor,
    }))
}
