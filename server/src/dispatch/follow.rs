//! What happens in an execution, as events: each decided step once, in order; what begins, as it is heard of.

use std::collections::HashMap;
use std::sync::Arc;

use flowmatic_executor::journal::{Call, StepRecord};
use flowmatic_executor::{Plan, Role, StepProgress, Time, UnderWay, Version};
use flowmatic_openapi::{EventKind, ExecutionEvent, ExecutionSummary, StepEvent};
use uuid::Uuid;

use super::show::{key_of, show_error, show_record};
use super::{Dispatch, now};
use crate::store::{News, StoreError};

/// The id of the last event of an execution.
pub const END: &str = "end";

/// How far an execution has been told of.
#[derive(Debug)]
pub struct Follow {
    workspace_id: i64,
    pub execution: Uuid,
    /// The newest checkpoint that was read.
    sequence: i32,
    /// Steps that were read.
    read: usize,
    /// The first steps, as many as these, were told before.
    told: usize,
    /// What was decided before is not told.
    since: Option<Time>,
    is_begun: bool,
    pub is_over: bool,
    under_way: HashMap<Arc<str>, StepProgress>,
    /// Known once it was looked at.
    summary: Option<ExecutionSummary>,
    version: Option<Arc<Version>>,
}

impl Follow {
    /// From its beginning, or after the event with this id; `None` where no event has it.
    pub fn after(workspace_id: i64, execution: Uuid, event: Option<&str>) -> Option<Self> {
        let told = match event {
            None => None,
            Some(id) => Some(id.parse().ok()?),
        };
        Some(Self {
            told: told.unwrap_or_default(),
            is_begun: told.is_some(),
            ..Self::since(workspace_id, execution, None)
        })
    }

    /// What is decided from this moment on.
    pub fn since(workspace_id: i64, execution: Uuid, since: Option<Time>) -> Self {
        Self {
            workspace_id,
            execution,
            sequence: 0,
            read: 0,
            told: 0,
            since,
            is_begun: false,
            is_over: false,
            under_way: HashMap::new(),
            summary: None,
            version: None,
        }
    }

    fn event(&self, id: Option<String>, event: EventKind, at: Time) -> ExecutionEvent {
        let summary = self.summary.as_ref();
        ExecutionEvent {
            id,
            event,
            workflow_id: summary.map(|summary| summary.workflow_id),
            execution_id: Some(self.execution),
            at,
            step: None,
            execution: None,
        }
    }

    fn of_execution(&self, id: &str, event: EventKind, at: Time) -> ExecutionEvent {
        ExecutionEvent {
            execution: self.summary.clone(),
            ..self.event(Some(id.to_owned()), event, at)
        }
    }

    fn plan(&self) -> Option<&Plan> {
        self.version.as_deref().map(|version| &*version.plan)
    }

    /// Whether something that was decided then is to be told.
    fn counts(&self, at: Option<Time>) -> bool {
        match (self.since, at) {
            (None, _) => true,
            (Some(since), Some(at)) => at >= since,
            // What was skipped has no time of its own: it counts from the first step on that does.
            (Some(since), None) => {
                let began = self.summary.as_ref().map(|summary| summary.started_at);
                self.told > 0 || began.is_some_and(|began| began >= since)
            }
        }
    }

    /// The event of a decided step, where it was not told before.
    fn decided(&mut self, record: StepRecord) -> Option<ExecutionEvent> {
        self.read += 1;
        self.under_way.remove(&record.node);
        if self.read <= self.told || !self.counts(record.finished_at) {
            return None;
        }
        self.told = self.read;
        let at = record.finished_at.unwrap_or_else(now);
        let step = show_record(self.plan(), record, None);
        Some(ExecutionEvent {
            step: Some(StepEvent {
                node: step.node,
                path: step.path,
                name: step.name,
                kind: step.kind,
                status: Some(step.status),
                reason: step.reason,
                ports: Some(step.ports),
                attempts: step.attempts,
                error: step.error,
                started_at: step.started_at,
                finished_at: step.finished_at,
                duration_ms: step.duration_ms,
                called: None,
                due_at: None,
                resume: None,
            }),
            ..self.event(Some(self.read.to_string()), EventKind::StepFinished, at)
        })
    }

    /// The event of something that has begun, where it was not told before. The execution must have been looked at.
    pub fn begun(&mut self, under_way: UnderWay) -> Option<ExecutionEvent> {
        let UnderWay { path, at, state } = under_way;
        if self.is_over || self.under_way.get(&path) == Some(&state) {
            return None;
        }
        self.under_way.insert(path.clone(), state.clone());
        let kind = match state {
            StepProgress::Started { .. } => EventKind::StepStarted,
            StepProgress::Retrying { .. } => EventKind::StepRetried,
            StepProgress::Waiting { .. } => EventKind::StepWaiting,
        };
        let step = show_under_way(self.plan(), UnderWay { path, at, state });
        Some(ExecutionEvent {
            step: Some(step),
            ..self.event(None, kind, at)
        })
    }

    /// Takes in what was read.
    fn take(&mut self, news: News) -> Vec<ExecutionEvent> {
        let is_final = news.summary.status.is_final();
        let (started_at, ended_at) = (news.summary.started_at, news.summary.finished_at);
        self.summary = Some(news.summary);
        self.sequence = news.sequence;
        let mut events = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) && self.counts(Some(started_at)) {
            events.push(self.of_execution("0", EventKind::ExecutionStarted, started_at));
        }
        // Of one that is over all steps were read, those that are known among them.
        let known = if is_final { self.read } else { 0 };
        for record in news.steps.into_iter().skip(known) {
            events.extend(self.decided(record));
        }
        if is_final {
            self.is_over = true;
            if self.counts(ended_at) {
                let at = ended_at.unwrap_or_else(now);
                events.push(self.of_execution(END, EventKind::ExecutionEnded, at));
            }
        }
        events
    }
}

impl Dispatch {
    /// What there is to tell of an execution beyond what was told, up to a checkpoint where one is named. One that is
    /// gone is over.
    pub async fn follow(
        &self,
        follow: &mut Follow,
        up_to: Option<i32>,
    ) -> Result<Vec<ExecutionEvent>, StoreError> {
        let (workspace, id) = (follow.workspace_id, follow.execution);
        // What goes on in memory is asked first: by the time the store is read it may be decided, never the reverse.
        let under_way = match follow.summary {
            None => self.engine.under_way(id),
            Some(_) => Some(Vec::new()),
        };
        let Some(mut news) = self
            .store
            .news(workspace, id, follow.sequence, up_to, now())
            .await?
        else {
            follow.is_over = true;
            return Ok(Vec::new());
        };
        if !follow.is_begun || news.summary.status.is_final() {
            // These are told with the execution.
            self.store.name_executions([&mut news.summary]).await?;
        }
        if follow.version.is_none() {
            let (workflow, number) = (news.summary.workflow_id, news.summary.version);
            follow.version = match self.version(workflow, number).await {
                Err(StoreError::Internal(error)) => {
                    tracing::warn!(execution = %id, error, "its steps are told of without their names");
                    None
                }
                other => other?,
            };
        }
        let decided: Vec<Arc<str>> = news.steps.iter().map(|step| step.node.clone()).collect();
        // One that waits on disk is in nobody's memory.
        let under_way = under_way.unwrap_or_else(|| {
            let calls = news.calls.iter();
            calls
                .map(|(path, call)| on_disk(follow.plan(), path, call))
                .collect()
        });
        let mut events = follow.take(news);
        let under_way = under_way.into_iter().filter(|step| !decided.contains(&step.path));
        events.extend(under_way.filter_map(|step| follow.begun(step)));
        Ok(events)
    }
}

/// A step that is not decided.
pub(super) fn show_under_way(plan: Option<&Plan>, step: UnderWay) -> StepEvent {
    let UnderWay { path, at, state } = step;
    let node = plan.and_then(|plan| plan.find(&path));
    let (attempts, error, due_at) = match state {
        StepProgress::Started { attempt } => (attempt, None, None),
        StepProgress::Retrying { failed, error, due } => (failed, error, Some(due)),
        StepProgress::Waiting { until } => (1, None, until),
    };
    StepEvent {
        node: key_of(&path).to_owned(),
        path: path.to_string(),
        name: node.map_or_else(|| path.to_string(), |node| node.name.clone()),
        kind: node.map_or_else(String::new, |node| node.kind.to_owned()),
        status: None,
        reason: None,
        ports: None,
        attempts,
        error: error.map(show_error),
        started_at: Some(at),
        finished_at: None,
        duration_ms: None,
        called: None,
        due_at,
        resume: None,
    }
}

/// What the journal says of a node that has begun.
pub(super) fn on_disk(plan: Option<&Plan>, path: &Arc<str>, call: &Call) -> UnderWay {
    let waits = plan
        .and_then(|plan| plan.find(path))
        .is_some_and(|node| node.role == Role::Control);
    let state = match call.due {
        _ if waits => StepProgress::Waiting { until: call.due },
        Some(due) if call.failed > 0 => StepProgress::Retrying {
            failed: call.failed,
            error: None,
            due,
        },
        _ => StepProgress::Started {
            attempt: call.failed + 1,
        },
    };
    UnderWay {
        path: path.clone(),
        at: call.now,
        state,
    }
}
