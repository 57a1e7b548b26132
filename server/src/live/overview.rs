//! The stream of a whole workspace: which executions begin, wait and end.
//!
//! What is heard is gathered for a moment and read at once, so that a stream costs the same whether ten executions a
//! second begin or ten thousand. More than are read at once are not told of, and it is said that some were missed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use chrono::Utc;
use flowmatic_executor::Time;
use flowmatic_openapi::{EventKind, ExecutionEvent, ExecutionStatus, ExecutionSummary};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use uuid::Uuid;

use super::{LOOK_EVERY, MOST, RECENT, REMEMBERED, SLACK};
use crate::store::watchers::{Heard, Watch, What};
use crate::store::{Store, StoreError};

/// How long what is heard is gathered.
const GATHER: Duration = Duration::from_millis(200);
/// Executions that are read at once.
const AT_ONCE: usize = 200;

/// What the store answered; None where the reader did not keep up with what happened meanwhile.
type Answer<T> = Result<Option<T>, StoreError>;

/// What is told of.
#[derive(Debug)]
pub struct Scope {
    pub workspace_id: i64,
    pub workflow_id: Option<Uuid>,
    /// Those that stand so; all where it is empty.
    pub statuses: Vec<ExecutionStatus>,
}

/// The events of a workspace's executions.
pub struct Overview {
    store: Store,
    watch: Watch,
    scope: Scope,
    /// From when on there are events.
    since: Time,
    /// Those that are known not to be over, and whether each waits.
    open: HashMap<Uuid, bool>,
    /// Those whose beginning was told of, open or not: more may be open than are followed.
    begun: Newest,
    over: Newest,
    heard: HashSet<Uuid>,
    /// When what was heard is read.
    read_at: Option<Instant>,
    has_missed: bool,
    pending: VecDeque<ExecutionEvent>,
    look: Interval,
    ends: Instant,
}

/// As many of them as are remembered, the oldest forgotten first.
#[derive(Default)]
struct Newest {
    ids: HashSet<Uuid>,
    in_order: VecDeque<Uuid>,
}

impl Overview {
    /// From now on, or from a little before a moment until which all was told; for so long at most.
    pub async fn new(
        store: Store,
        watch: Watch,
        scope: Scope,
        (now, after): (Time, Option<Time>),
        lasts: Duration,
    ) -> Result<Self, StoreError> {
        let since = after.map_or(now, |after| after - SLACK);
        let (workspace, workflow, most) = (scope.workspace_id, scope.workflow_id, MOST as u64);
        let (recent, has_more) = store.recent(workspace, workflow, since, most).await?;
        let open = store.open_of(workspace, workflow, most).await?;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut overview = Self {
            store,
            watch,
            scope,
            since,
            open: HashMap::new(),
            begun: Newest::default(),
            over: Newest::default(),
            heard: HashSet::new(),
            read_at: None,
            has_missed: has_more && after.is_some(),
            pending: VecDeque::new(),
            look,
            ends: Instant::now() + lasts,
        };
        let ids: HashSet<Uuid> = recent.into_iter().chain(open).collect();
        overview.read(ids).await?;
        Ok(overview)
    }

    /// The next event; `None` where the stream ends: time is up, the server ends, or the reader did not keep up.
    pub async fn next(&mut self) -> Option<ExecutionEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            let read_at = self.read_at.unwrap_or(self.ends);
            let read = tokio::select! {
                biased;
                () = sleep_until(self.ends) => return None,
                () = sleep_until(read_at) => {
                    self.read_at = None;
                    let heard = std::mem::take(&mut self.heard);
                    self.read(heard).await
                }
                _ = self.look.tick() => self.look().await,
                heard = self.watch.next() => {
                    self.hear(heard?);
                    Ok(Some(()))
                }
            };
            match read {
                Ok(Some(())) => {}
                Ok(None) => return None,
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends early");
                    return None;
                }
            }
        }
    }

    /// What the store answers. Meanwhile what is heard is taken down: an ear that nobody empties is struck off, and then
    /// there is no answer.
    async fn answer<T>(&mut self, question: impl Future<Output = Result<T, StoreError>>) -> Answer<T> {
        let mut question = std::pin::pin!(question);
        loop {
            tokio::select! {
                biased;
                answer = &mut question => return answer.map(Some),
                heard = self.watch.next() => match heard {
                    Some(heard) => self.hear(heard),
                    None => return Ok(None),
                }
            }
        }
    }

    fn hear(&mut self, Heard { execution, what }: Heard) {
        if !matches!(what, What::Accepted | What::Ended) {
            return;
        }
        if self.over.ids.contains(&execution) {
            return;
        }
        if self.heard.len() < AT_ONCE {
            self.heard.insert(execution);
        } else if !self.heard.contains(&execution) {
            self.has_missed = true;
        }
        self.read_at.get_or_insert_with(|| Instant::now() + GATHER);
    }

    /// Asks the store what nobody here told of.
    async fn look(&mut self) -> Answer<()> {
        let followed: Vec<Uuid> = self.open.keys().copied().collect();
        let scope = (self.scope.workspace_id, self.scope.workflow_id);
        let (store, since) = (self.store.clone(), self.since);
        let asked = async {
            let open = store.open_among(&followed).await?;
            let (recent, _) = store.recent(scope.0, scope.1, since, RECENT).await?;
            Ok((open, recent))
        };
        let Some((open, recent)) = self.answer(asked).await? else {
            return Ok(None);
        };
        let changed = followed.iter().filter(|id| self.open.get(id) != open.get(id));
        let unknown = recent.iter().filter(|id| !self.begun.ids.contains(id));
        let ids: HashSet<Uuid> = changed.chain(unknown).copied().collect();
        let read = self.read(ids).await?;
        // What is gone is over, too.
        for id in followed.iter().filter(|id| !open.contains_key(id)) {
            self.open.remove(id);
        }
        Ok(read)
    }

    /// Tells what is new of these.
    async fn read(&mut self, mut ids: HashSet<Uuid>) -> Answer<()> {
        ids.retain(|id| !self.over.ids.contains(id));
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut events = Vec::new();
        if !ids.is_empty() {
            let (store, workspace, workflow) = (
                self.store.clone(),
                self.scope.workspace_id,
                self.scope.workflow_id,
            );
            let asked = async {
                let mut found = store.summaries(workspace, &ids, Utc::now()).await?;
                found.retain(|_, found| workflow.is_none_or(|id| id == found.workflow_id));
                store.name_executions(found.values_mut()).await?;
                Ok(found)
            };
            let Some(found) = self.answer(asked).await? else {
                return Ok(None);
            };
            events.extend(found.into_values().filter_map(|execution| self.take(execution)));
        }
        events.sort_by_key(|event| event.at);
        self.pending.extend(events);
        if std::mem::take(&mut self.has_missed) {
            self.pending.push_back(missed(self.scope.workflow_id));
        }
        Ok(Some(()))
    }

    /// What is to be told of an execution, where that was not told before. Of one that is over its end is told alone.
    fn take(&mut self, execution: ExecutionSummary) -> Option<ExecutionEvent> {
        let (kind, at) = match execution.status.is_final() {
            true => {
                self.open.remove(&execution.id);
                self.over.add(execution.id);
                let ended_at = execution.finished_at.unwrap_or(execution.started_at);
                (EventKind::ExecutionEnded, ended_at)
            }
            false => {
                let waits = execution.status == ExecutionStatus::Waiting;
                let is_followed = self.open.len() < MOST || self.open.contains_key(&execution.id);
                let before = is_followed
                    .then(|| self.open.insert(execution.id, waits))
                    .flatten();
                match before {
                    Some(before) if before != waits => (EventKind::ExecutionChanged, Utc::now()),
                    Some(_) => return None,
                    None if self.begun.add(execution.id) => {
                        (EventKind::ExecutionStarted, execution.started_at)
                    }
                    None => return None,
                }
            }
        };
        let statuses = &self.scope.statuses;
        let is_meant = statuses.is_empty() || statuses.contains(&execution.status);
        (is_meant && at >= self.since).then(|| ExecutionEvent {
            id: Some(at.timestamp_millis().to_string()),
            event: kind,
            workflow_id: Some(execution.workflow_id),
            execution_id: Some(execution.id),
            at,
            step: None,
            execution: Some(execution),
        })
    }
}

impl Newest {
    /// Whether it is new.
    fn add(&mut self, id: Uuid) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.in_order.push_back(id);
        if self.in_order.len() > REMEMBERED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

fn missed(workflow_id: Option<Uuid>) -> ExecutionEvent {
    ExecutionEvent {
        id: None,
        event: EventKind::EventsMissed,
        workflow_id,
        execution_id: None,
        at: Utc::now(),
        step: None,
        execution: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::sqlite;

    #[tokio::test]
    async fn says_so_where_more_happens_than_is_told() {
        let test = sqlite().await;
        let watchers = test.store.watchers();
        let watch = watchers.watch_all().expect("there is room");
        let scope = Scope {
            workspace_id: 1,
            workflow_id: None,
            statuses: Vec::new(),
        };
        let (times, lasts) = ((Utc::now(), None), Duration::from_secs(600));
        let overview = Overview::new(test.store.clone(), watch, scope, times, lasts).await;
        let mut overview = overview.expect("the store answers");
        for _ in 0..=AT_ONCE {
            watchers.tell(Uuid::now_v7(), Uuid::now_v7(), &What::Accepted);
        }
        let event = overview.next().await.expect("the stream goes on");
        assert_eq!((event.event, event.id), (EventKind::EventsMissed, None));
        watchers.close();
        assert!(overview.next().await.is_none());
    }
}
