//! Executions that others start: by a call, or because one failed.

use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use flowmatic_executor::run::{CALL, MAX_CALLS};
use flowmatic_executor::{Accept, Child, ChildError, Plan, Version, json};
use flowmatic_openapi::ExecutionMode;
use serde_json::Value;
use uuid::Uuid;

use super::{Dispatch, now};
use crate::store::{DueTimer, NewChild, StoreError};

const CALLED: &str = "trigger.workflow";
const MANUAL: &str = "trigger.manual";
const FAILURE: &str = "trigger.error";
/// Between tries while the database is not available; a call is tried as long as its node has time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Dispatch {
    /// Starts the published version of a workflow for a node of another's execution, once.
    pub(super) async fn start_child(self: &Arc<Self>, child: Child) -> Result<Uuid, ChildError> {
        loop {
            match self.try_start_child(&child).await {
                Err(ChildError::Unavailable(error)) => {
                    tracing::warn!(execution = %child.parent, error, "a workflow cannot be called; trying again");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                settled => return settled,
            }
        }
    }

    async fn try_start_child(self: &Arc<Self>, child: &Child) -> Result<Uuid, ChildError> {
        let not_found = |why: &str| {
            let message = format!("the workflow `{}` {why}", child.workflow);
            ChildError::Refused("not_found".into(), message)
        };
        let live = self
            .live(child.workspace_id, child.workflow)
            .await
            .map_err(of_call)?;
        let version = live.ok_or_else(|| not_found("is gone, or none of its versions is published"))?;
        let trigger = trigger_of(&version.plan, CALLED)
            .or_else(|| trigger_of(&version.plan, MANUAL))
            .ok_or_else(|| not_found("has no `trigger.workflow` to be called at"))?;
        let call = serde_json::json!({
            "executionId": child.parent,
            "path": child.path,
            "depth": child.depth,
            "wait": child.wait,
            "deadline": child.deadline.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true)),
        });
        let new = NewChild {
            parent: child.parent,
            path: child.path.clone(),
            waits: child.wait,
            accept: accept(
                &version,
                trigger,
                ExecutionMode::Call,
                Value::Object(child.input.clone()),
                serde_json::json!({CALL: call}),
            ),
        };
        let id = self.store.start_child(&new).await.map_err(of_call)?;
        let id = id.ok_or_else(|| {
            ChildError::Refused("cancelled".into(), "the execution that calls is over".to_owned())
        })?;
        self.take_up_soon(vec![id]);
        Ok(id)
    }

    /// Asks the executions that one waits for, or the one of a path, to end; they ask those that they wait for.
    pub(super) async fn cancel_children(self: &Arc<Self>, execution: Uuid, path: Option<&str>) {
        let cancelled = async {
            for (workspace, child) in self.store.open_children(execution, path).await? {
                self.store.request_cancel(workspace, child, now()).await?;
                self.cancel(&[child]);
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = cancelled.await {
            tracing::warn!(%execution, %error, "what it called could not be cancelled");
        }
    }

    /// Starts the error workflows of executions that failed.
    pub async fn follow_failures(self: &Arc<Self>, due: &[DueTimer]) -> Result<(), StoreError> {
        for timer in due {
            let accept = match self.error_start(timer.subject).await {
                Err(StoreError::Unavailable(error)) => return Err(StoreError::Unavailable(error)),
                Err(error) => {
                    tracing::error!(execution = %timer.subject, %error, "its error workflow cannot be started");
                    None
                }
                Ok(accept) => accept,
            };
            let is_ours = self.store.follow_failure(*timer, accept.as_ref()).await?;
            self.take_up_soon(
                accept
                    .filter(|_| is_ours)
                    .map(|accept| accept.id)
                    .into_iter()
                    .collect(),
            );
        }
        Ok(())
    }

    /// What follows from the failure of an execution; nothing where the workflow for it cannot run.
    async fn error_start(&self, failed: Uuid) -> Result<Option<Accept>, StoreError> {
        let Some((workspace, summary)) = self.store.summary(failed, now()).await? else {
            return Ok(None);
        };
        let version = self.version(summary.workflow_id, summary.version).await?;
        let Some(workflow) = version.and_then(|version| version.plan.error_workflow) else {
            return Ok(None);
        };
        let live = self.live(workspace, workflow).await?;
        let Some((version, trigger)) = live
            .as_ref()
            .and_then(|version| Some((version, trigger_of(&version.plan, FAILURE)?)))
        else {
            tracing::warn!(execution = %failed, %workflow, "its error workflow is not published, or has no `trigger.error`");
            return Ok(None);
        };
        // Error workflows that call what fails again are calls within calls, and end as these do.
        let stored = self.store.get_execution(workspace, failed, now()).await?;
        let meta = stored.and_then(|stored| json::parse(stored.meta.as_bytes()).ok());
        let depth = meta
            .and_then(|meta| meta[CALL]["depth"].as_u64())
            .unwrap_or_default()
            + 1;
        if depth > u64::from(MAX_CALLS) {
            tracing::warn!(execution = %failed, %workflow, "its error workflow is not started: too many led to this one");
            return Ok(None);
        }
        let error = summary.error;
        let told = serde_json::json!({
            "code": error.as_ref().map(|error| &error.code),
            "message": error.as_ref().map(|error| &error.message),
            "node": error.as_ref().and_then(|error| error.node.as_ref()),
            "executionId": failed,
            "workflowId": summary.workflow_id,
            "version": summary.version,
            "status": summary.status.as_str(),
        });
        let nothing = serde_json::json!({});
        let meta = serde_json::json!({"_error": told, CALL: {"depth": depth, "wait": false}});
        Ok(Some(accept(
            version,
            trigger,
            ExecutionMode::Error,
            nothing,
            meta,
        )))
    }

    /// The version of a workflow that runs when it is called now.
    async fn live(&self, workspace_id: i64, workflow: Uuid) -> Result<Option<Arc<Version>>, StoreError> {
        match self.store.live_version(workspace_id, workflow).await? {
            Some(number) => self.version(workflow, number).await,
            None => Ok(None),
        }
    }
}

fn trigger_of<'a>(plan: &'a Plan, kind: &str) -> Option<&'a str> {
    let mut triggers = plan.triggers().map(|trigger| &plan.nodes[trigger]);
    triggers.find(|node| node.kind == kind).map(|node| &*node.key)
}

fn accept(version: &Version, trigger: &str, mode: ExecutionMode, body: Value, meta: Value) -> Accept {
    Accept {
        id: Uuid::now_v7(),
        workspace_id: version.workspace_id,
        workflow_id: version.workflow_id,
        version: version.number,
        mode,
        trigger: trigger.to_owned(),
        payload: body.to_string(),
        meta: meta.to_string(),
        retry_of: None,
        held: true,
        accepted_at: now(),
    }
}

fn of_call(error: StoreError) -> ChildError {
    match error {
        StoreError::Unavailable(message) => ChildError::Unavailable(message),
        other => {
            tracing::error!(error = %other, "a workflow cannot be called");
            ChildError::Refused(
                "internal".into(),
                "the server made a mistake; its log has it".to_owned(),
            )
        }
    }
}
