//! Streams of what happens in executions. They are pulled by those who read them; whoever does not keep up is struck
//! off, and comes back with the id of the last event he has.

mod overview;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use flowmatic_executor::Time;
use flowmatic_openapi::{EventKind, ExecutionEvent};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};
use uuid::Uuid;

pub use self::overview::{Overview, Scope};
use crate::dispatch::{Dispatch, Follow};
use crate::store::watchers::{Heard, Watch, What};
use crate::store::{Store, StoreError};

/// How often the store is asked what others have written.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What is told again after a break: a step may be written this long after its time.
const SLACK: TimeDelta = TimeDelta::seconds(10);
/// Executions of a workflow that are looked at after a break, and those followed at a time.
const MOST: usize = 1_000;
/// Executions that are looked at each time the store is asked.
const RECENT: u64 = 200;
/// Executions that are remembered as told of to their end.
const REMEMBERED: usize = 4_096;

/// The events of an execution, or of a workflow's executions.
pub struct Events {
    dispatch: Arc<Dispatch>,
    store: Store,
    watch: Watch,
    subject: Subject,
    pending: VecDeque<ExecutionEvent>,
    look: Interval,
    ends: Instant,
}

enum Subject {
    Execution(Box<Follow>),
    Workflow(Workflow),
}

struct Workflow {
    workspace_id: i64,
    id: Uuid,
    /// From when on there are events.
    since: Time,
    follows: HashMap<Uuid, Follow>,
    over: VecDeque<Uuid>,
    /// What is still to be looked at for the first time, one after the other.
    behind: VecDeque<Uuid>,
}

impl Events {
    /// Of one execution, for so long at most.
    pub async fn of_execution(
        dispatch: Arc<Dispatch>,
        store: Store,
        watch: Watch,
        mut follow: Follow,
        lasts: Duration,
    ) -> Result<Self, StoreError> {
        let pending = dispatch.follow(&mut follow, None).await?.into();
        let subject = Subject::Execution(Box::new(follow));
        Ok(Self::new(dispatch, store, watch, subject, pending, lasts))
    }

    /// Of all executions of a workflow: from now on, or from a little before a moment until which all was told.
    pub async fn of_workflow(
        dispatch: Arc<Dispatch>,
        store: Store,
        watch: Watch,
        (workspace_id, id): (i64, Uuid),
        (now, after): (Time, Option<Time>),
        lasts: Duration,
    ) -> Result<Self, StoreError> {
        let mut workflow = Workflow {
            workspace_id,
            id,
            since: after.map_or(now, |after| after - SLACK),
            follows: HashMap::new(),
            over: VecDeque::new(),
            behind: VecDeque::new(),
        };
        let mut pending = VecDeque::new();
        let (recent, has_more) = store
            .recent(workspace_id, Some(id), workflow.since, MOST as u64)
            .await?;
        if has_more && after.is_some() {
            pending.push_back(workflow.missed(now));
        }
        let open = store.open_of(workspace_id, Some(id), MOST as u64).await?;
        let older = open.into_iter().filter(|open| !recent.contains(open));
        workflow.behind = older.chain(recent.iter().copied()).take(MOST).collect();
        let subject = Subject::Workflow(workflow);
        Ok(Self::new(dispatch, store, watch, subject, pending, lasts))
    }

    fn new(
        dispatch: Arc<Dispatch>,
        store: Store,
        watch: Watch,
        subject: Subject,
        pending: VecDeque<ExecutionEvent>,
        lasts: Duration,
    ) -> Self {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            dispatch,
            store,
            watch,
            subject,
            pending,
            look,
            ends: Instant::now() + lasts,
        }
    }

    /// The next event; `None` where the stream ends: the execution is over, time is up, the server ends, or the reader
    /// did not keep up.
    pub async fn next(&mut self) -> Option<ExecutionEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if matches!(&self.subject, Subject::Execution(follow) if follow.is_over) {
                return None;
            }
            let news = match self.subject.behind() {
                Some((workflow, execution)) => workflow.look(&self.dispatch, execution, None).await,
                None => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(self.ends) => return None,
                    heard = self.watch.next() => self.hear(heard?).await,
                    _ = self.look.tick() => self.look().await,
                },
            };
            match news {
                Ok(events) => self.pending.extend(events),
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends early");
                    return None;
                }
            }
        }
    }

    async fn hear(&mut self, heard: Heard) -> Result<Vec<ExecutionEvent>, StoreError> {
        let up_to = match &heard.what {
            What::Accepted => Some(0),
            What::Checkpoint(sequence) => Some(*sequence),
            What::Began(_) | What::Ended => None,
        };
        match (&mut self.subject, heard.what) {
            (Subject::Execution(follow), What::Began(step)) => Ok(follow.begun(step).into_iter().collect()),
            (Subject::Execution(follow), _) => self.dispatch.follow(follow, up_to).await,
            (Subject::Workflow(workflow), What::Began(step)) => {
                let mut events = Vec::new();
                if !workflow.knows(heard.execution) {
                    events = workflow.look(&self.dispatch, heard.execution, None).await?;
                }
                let follow = workflow.follows.get_mut(&heard.execution);
                events.extend(follow.and_then(|follow| follow.begun(step)));
                Ok(workflow.dated(events))
            }
            (Subject::Workflow(workflow), _) => workflow.look(&self.dispatch, heard.execution, up_to).await,
        }
    }

    /// Asks the store what nobody here told of.
    async fn look(&mut self) -> Result<Vec<ExecutionEvent>, StoreError> {
        let workflow = match &mut self.subject {
            Subject::Execution(follow) => return self.dispatch.follow(follow, None).await,
            Subject::Workflow(workflow) => workflow,
        };
        let followed: Vec<Uuid> = workflow.follows.keys().copied().collect();
        let over = self.store.over_among(&followed).await?;
        let (recent, _) = self
            .store
            .recent(workflow.workspace_id, Some(workflow.id), workflow.since, RECENT)
            .await?;
        let unknown = recent.into_iter().filter(|id| !workflow.knows(*id));
        let mut events = Vec::new();
        for execution in over.into_iter().chain(unknown.collect::<Vec<_>>()) {
            events.extend(workflow.look(&self.dispatch, execution, None).await?);
        }
        Ok(events)
    }
}

impl Subject {
    /// The next execution that was not looked at yet.
    fn behind(&mut self) -> Option<(&mut Workflow, Uuid)> {
        match self {
            Self::Execution(_) => None,
            Self::Workflow(workflow) => {
                let execution = workflow.behind.pop_front()?;
                Some((workflow, execution))
            }
        }
    }
}

impl Workflow {
    fn knows(&self, execution: Uuid) -> bool {
        self.follows.contains_key(&execution) || self.over.contains(&execution)
    }

    /// What is new of one of its executions.
    async fn look(
        &mut self,
        dispatch: &Dispatch,
        execution: Uuid,
        up_to: Option<i32>,
    ) -> Result<Vec<ExecutionEvent>, StoreError> {
        if self.over.contains(&execution) {
            return Ok(Vec::new());
        }
        let known = self.follows.remove(&execution);
        let is_new = known.is_none();
        let mut follow =
            known.unwrap_or_else(|| Follow::since(self.workspace_id, execution, Some(self.since)));
        let events = dispatch.follow(&mut follow, up_to).await?;
        if follow.is_over {
            self.over.push_back(execution);
            if self.over.len() > REMEMBERED {
                self.over.pop_front();
            }
        } else if is_new && self.follows.len() >= MOST {
            // There is no room to follow it: it is told of when it ends.
            return Ok(Vec::new());
        } else {
            self.follows.insert(execution, follow);
        }
        Ok(self.dated(events))
    }

    /// Among several executions, the moment says how far all was told.
    fn dated(&self, mut events: Vec<ExecutionEvent>) -> Vec<ExecutionEvent> {
        for event in &mut events {
            if event.id.is_some() {
                event.id = Some(event.at.timestamp_millis().to_string());
            }
        }
        events
    }

    fn missed(&self, at: Time) -> ExecutionEvent {
        ExecutionEvent {
            id: None,
            event: EventKind::EventsMissed,
            workflow_id: Some(self.id),
            execution_id: None,
            at,
            step: None,
            execution: None,
        }
    }
}
