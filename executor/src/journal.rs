//! What must be durable, and when.
//!
//! An execution is written in four ways: accepted (its row and payload), checkpointed (all that was decided
//! since the last record), parked (it waits, and leaves memory), finished (status, steps, result). Each write
//! after a recovery names the execution's epoch, so that a process which lost it cannot write.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use chrono::serde::ts_milliseconds_option as milliseconds;
use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::Time;

/// Implementations take a write at once and answer its ticket when it is durable. The writes of one
/// execution are applied in the order they were handed over.
pub trait Journal: Send + Sync + 'static {
    /// A new execution; with `finish`, one that is already over, as a single row write.
    fn accept(&self, accept: Accept, finish: Option<Finish>) -> Ticket;
    fn checkpoint(&self, checkpoint: Checkpoint) -> Ticket;
    /// Whoever takes it up next finds it where it was left.
    fn park(&self, park: Park) -> Ticket;
    fn finish(&self, finish: Finish) -> Ticket;
}

/// Resolves when its write is durable, or is known not to be.
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<(), JournalError>>);

impl Ticket {
    pub fn new() -> (oneshot::Sender<Result<(), JournalError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// A ticket whose outcome is known.
    pub fn settled(outcome: Result<(), JournalError>) -> Self {
        let (sender, ticket) = Self::new();
        // The receiver is held by `ticket`, so the send cannot fail.
        let _ = sender.send(outcome);
        ticket
    }
}

impl Future for Ticket {
    type Output = Result<(), JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|outcome| {
            outcome.unwrap_or_else(|_| Err(JournalError::Unavailable("the journal was closed".to_owned())))
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Nothing was written: the queue or the disk is full, or the store cannot be reached. Try again later.
    #[error("{0}")]
    Unavailable(String),
    /// The execution belongs to another process by now, or has ended.
    #[error("the execution was taken over by another process or has ended")]
    Lost,
    /// This write can never succeed.
    #[error("{0}")]
    Rejected(String),
}

/// A new execution.
#[derive(Debug, Clone)]
pub struct Accept {
    pub id: Uuid,
    pub workspace_id: i64,
    pub workflow_id: Uuid,
    /// The number of the version that runs.
    pub version: i32,
    pub mode: ExecutionMode,
    /// The key of the trigger node it starts at.
    pub trigger: String,
    /// JSON text of the body: for a JSON request the very bytes that came.
    pub payload: String,
    /// JSON text of the engine's names, such as `{"_webhook": {...}}` without its body.
    pub meta: String,
    pub retry_of: Option<Uuid>,
    /// There was no room for it in memory: it belongs to nobody until somebody takes it up.
    pub held: bool,
    pub accepted_at: Time,
}

/// All that was decided since the last record of an execution.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    pub id: Uuid,
    pub epoch: i32,
    /// Counts the checkpoints of an execution from 1.
    pub sequence: i32,
    /// JSON text of a [`Record`].
    pub record: String,
}

/// An execution of which nothing is left but waits, and which leaves memory.
#[derive(Debug, Clone)]
pub struct Park {
    pub id: Uuid,
    pub epoch: i32,
    /// What was decided since the last record.
    pub checkpoint: Option<Checkpoint>,
    /// When it is to be taken up; `None` if only a signal ends its waits.
    pub wake_at: Option<Time>,
    /// How many signals it has seen. If there are more by now, it is to be taken up at once.
    pub signals: usize,
}

/// What an execution waits for, from outside: a resume, or the end of an execution it called. At most one for
/// each path.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    pub path: String,
    pub payload: serde_json::Value,
}

/// The end of an execution.
#[derive(Debug, Clone)]
pub struct Finish {
    pub id: Uuid,
    pub epoch: i32,
    /// A final one.
    pub status: ExecutionStatus,
    /// JSON text of an [`ErrorRecord`].
    pub error: Option<String>,
    /// The key of the node whose output is the execution's result.
    pub result: Option<String>,
    /// JSON text of a list of [`StepRecord`].
    pub steps: String,
    pub finished_at: Time,
    /// The execution that waits for this one, the path of the node that does, and JSON text of the signal.
    pub tells: Option<(Uuid, String, String)>,
    /// The workflow to start because this one failed.
    pub error_workflow: Option<Uuid>,
}

/// What a checkpoint holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub at: Time,
    /// In the order they were decided.
    pub steps: Vec<StepRecord>,
    /// By path: effects that were called, or are about to be, loops and waits that have begun; none is decided.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<Arc<str>, Call>,
}

/// A node that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What `now` is for its expressions, in every attempt.
    pub now: Time,
    /// Attempts that failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u32,
    /// It must not be called again after a crash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// When the next attempt is due, a loop's time is up, or a wait is over by itself.
    #[serde(default, with = "milliseconds", skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
    /// Of a wait: what those are told who look at it.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub about: serde_json::Value,
}

impl Call {
    pub(crate) fn at(now: Time) -> Self {
        Self {
            now,
            failed: 0,
            once: false,
            due: None,
            about: serde_json::Value::Null,
        }
    }
}

/// What became of one node, or of one iteration of a loop. Its times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The path: `send`, inside a loop `each[3]/send`, of an iteration `each[3]`.
    pub node: Arc<str>,
    pub status: StepState,
    /// The ports it left by; missing for its first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub output: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorRecord>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// It gave the execution's answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answered: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    #[serde(default, with = "milliseconds", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    #[serde(default, with = "milliseconds", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// What `now` was for its expressions.
    #[serde(default, with = "milliseconds", skip_serializing_if = "Option::is_none")]
    pub now: Option<Time>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Completed,
    Failed,
    Skipped,
    Cancelled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorRecord {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// An unfinished execution as the journal has it, claimed by this process.
#[derive(Debug, Clone)]
pub struct Recovered {
    pub accept: Accept,
    /// Raised by the claim.
    pub epoch: i32,
    /// How often it was taken up without progress, this time included.
    pub recoveries: i32,
    /// The records of its checkpoints, in order.
    pub checkpoints: Vec<String>,
    pub cancel_requested: bool,
    /// It was parked, or waited for room: no process died of it, or with it.
    pub was_at_rest: bool,
    /// All that have come, whether they were waited for yet or not.
    pub signals: Vec<Signal>,
    /// When it was let go, if it was held back before it began: its time-out counts from then.
    pub held_until: Option<Time>,
}

/// A journal that lasts as long as the process: for tests, benches and trial runs.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    rows: Mutex<BTreeMap<Uuid, MemoryRow>>,
}

/// An execution in a [`MemoryJournal`].
#[derive(Debug, Clone)]
pub struct MemoryRow {
    pub accept: Accept,
    pub epoch: i32,
    pub recoveries: i32,
    /// The number of checkpoints at the last claim.
    pub progress: usize,
    pub checkpoints: Vec<String>,
    pub finish: Option<Finish>,
    pub cancel_requested: bool,
    /// When it is to be taken up, of one that is parked.
    pub parked: Option<Option<Time>>,
    pub signals: Vec<Signal>,
}

impl MemoryJournal {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn row(&self, id: Uuid) -> Option<MemoryRow> {
        self.lock().get(&id).cloned()
    }

    /// Takes up an unfinished execution, as a process that starts after a crash does.
    pub fn claim(&self, id: Uuid) -> Option<Recovered> {
        let mut rows = self.lock();
        let row = rows.get_mut(&id).filter(|row| row.finish.is_none())?;
        row.epoch += 1;
        let was_at_rest = row.parked.take().is_some();
        row.recoveries = if was_at_rest {
            0
        } else if row.checkpoints.len() > row.progress {
            1
        } else {
            row.recoveries + 1
        };
        row.progress = row.checkpoints.len();
        Some(Recovered {
            accept: row.accept.clone(),
            epoch: row.epoch,
            recoveries: row.recoveries,
            checkpoints: row.checkpoints.clone(),
            cancel_requested: row.cancel_requested,
            was_at_rest,
            signals: row.signals.clone(),
            held_until: None,
        })
    }

    /// Keeps a signal for an execution; false where it has one for this path, or is over.
    pub fn signal(&self, id: Uuid, signal: Signal) -> bool {
        let mut rows = self.lock();
        let Some(row) = rows.get_mut(&id).filter(|row| row.finish.is_none()) else {
            return false;
        };
        let is_new = row.signals.iter().all(|known| known.path != signal.path);
        if is_new {
            row.signals.push(signal);
            if row.parked.is_some() {
                row.parked = Some(Some(Time::UNIX_EPOCH));
            }
        }
        is_new
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Uuid, MemoryRow>> {
        // A panic while the lock is held leaves whole rows: each change is one assignment.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn accept(&self, accept: Accept, finish: Option<Finish>) -> Ticket {
        let mut rows = self.lock();
        if rows.contains_key(&accept.id) {
            return Ticket::settled(Err(JournalError::Rejected(format!(
                "execution `{}` exists",
                accept.id
            ))));
        }
        let row = MemoryRow {
            accept,
            epoch: 0,
            recoveries: 0,
            progress: 0,
            checkpoints: Vec::new(),
            finish,
            cancel_requested: false,
            parked: None,
            signals: Vec::new(),
        };
        rows.insert(row.accept.id, row);
        Ticket::settled(Ok(()))
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> Ticket {
        let mut rows = self.lock();
        Ticket::settled(match rows.get_mut(&checkpoint.id) {
            Some(row) if row.finish.is_none() && row.epoch == checkpoint.epoch => {
                row.checkpoints.push(checkpoint.record);
                Ok(())
            }
            _ => Err(JournalError::Lost),
        })
    }

    fn park(&self, park: Park) -> Ticket {
        let mut rows = self.lock();
        Ticket::settled(match rows.get_mut(&park.id) {
            Some(row) if row.finish.is_none() && row.epoch == park.epoch => {
                row.checkpoints
                    .extend(park.checkpoint.map(|checkpoint| checkpoint.record));
                row.parked = Some(match row.signals.len() > park.signals {
                    true => Some(Time::UNIX_EPOCH),
                    false => park.wake_at,
                });
                Ok(())
            }
            _ => Err(JournalError::Lost),
        })
    }

    fn finish(&self, finish: Finish) -> Ticket {
        let mut rows = self.lock();
        if let Some((execution, path, payload)) = &finish.tells
            && let Some(waiting) = rows.get_mut(execution).filter(|row| row.finish.is_none())
            && waiting.signals.iter().all(|signal| signal.path != *path)
        {
            waiting.signals.push(Signal {
                path: path.clone(),
                payload: serde_json::from_str(payload).unwrap_or_default(),
            });
            if waiting.parked.is_some() {
                waiting.parked = Some(Some(Time::UNIX_EPOCH));
            }
        }
        Ticket::settled(match rows.get_mut(&finish.id) {
            Some(row) if row.finish.is_none() && row.epoch == finish.epoch => {
                row.finish = Some(finish);
                Ok(())
            }
            _ => Err(JournalError::Lost),
        })
    }
}
