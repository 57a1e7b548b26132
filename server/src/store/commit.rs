//! The group-commit writer: the journal of the executor on this store.
//!
//! Callers push writes onto one queue. One task takes what is there, writes it in one transaction, commits
//! with a full sync and answers all who wait; the longer a sync takes, the more the next one carries.
//!
//! Laws:
//! * the writes of one execution land in the order they were handed over;
//! * a write that cannot succeed hurts its own caller only: the others of its transaction are tried again;
//! * nobody is told that a write failed while its commit may yet have happened, as long as the database can
//!   be asked.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flowmatic_executor::{Accept, Checkpoint, Finish, Journal, JournalError, Park, Signal, Ticket};
use metrics::{counter, histogram};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Database, Store, StoreError, millis, watchers};

mod batch;
use batch::{Batch, Landed, Queued, Witness, Write};
mod postgres;
mod sqlite;

/// Writes that may wait. New executions take three quarters at most, so that running ones can end.
const QUEUE: usize = 8192;
const QUEUE_KEPT_FOR_RUNNING: usize = QUEUE / 4;
/// New executions are refused while this much waits to be written.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;
const BATCH_WRITES: usize = 1024;
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// How long a commit of unknown outcome is asked after, while the database cannot be reached.
const SETTLE_TRIES: u32 = 60;
const SETTLE_PAUSE: Duration = Duration::from_secs(1);

/// Where it goes what executions tell others. As many are under way as executions end at a time.
pub type Told = mpsc::UnboundedSender<(Uuid, Signal)>;

pub struct CommitWriter {
    queue: Sender<Queued>,
    /// Of all writes that wait or are being written.
    bytes: Arc<AtomicUsize>,
    closing: CancellationToken,
}

impl CommitWriter {
    /// Starts the writer for the process `owner`, which owns the executions it accepts. The task ends after
    /// [`CommitWriter::close`], or when the writer is dropped; whoever starts it awaits it.
    ///
    /// What executions have told others is handed to `told` once it is on disk.
    pub fn start(store: Store, owner: Uuid, told: Told) -> (Arc<Self>, JoinHandle<()>) {
        let (queue, queued) = mpsc::channel(QUEUE);
        let bytes = Arc::new(AtomicUsize::new(0));
        let closing = CancellationToken::new();
        let task = Task {
            backend: Backend {
                store,
                owner,
                session: None,
            },
            told,
            queued,
            put_back: None,
            bytes: bytes.clone(),
            closing: closing.clone(),
        };
        let writer = Self {
            queue,
            bytes,
            closing,
        };
        (Arc::new(writer), tokio::spawn(task.run()))
    }

    /// Takes nothing more. The task ends when all that was taken is written.
    pub fn close(&self) {
        self.closing.cancel();
    }

    fn push(&self, write: Write) -> Ticket {
        let bytes = write.bytes();
        let full = || {
            Ticket::settled(Err(JournalError::Unavailable(
                "the write queue is full".to_owned(),
            )))
        };
        if self.closing.is_cancelled() {
            return stopping();
        }
        if matches!(write, Write::Accept(..))
            && (self.queue.capacity() < QUEUE_KEPT_FOR_RUNNING
                || self.bytes.load(Ordering::Relaxed) > QUEUE_BYTES)
        {
            return full();
        }
        let (answer, ticket) = Ticket::new();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.queue.try_send(Queued { write, answer }) {
            Ok(()) => ticket,
            Err(error) => {
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                match error {
                    TrySendError::Full(_) => full(),
                    TrySendError::Closed(_) => stopping(),
                }
            }
        }
    }
}

fn stopping() -> Ticket {
    Ticket::settled(Err(JournalError::Unavailable(
        "the server is stopping".to_owned(),
    )))
}

impl Journal for CommitWriter {
    fn accept(&self, accept: Accept, finish: Option<Finish>) -> Ticket {
        self.push(Write::Accept(accept, finish))
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> Ticket {
        self.push(Write::Checkpoint(checkpoint))
    }

    fn park(&self, park: Park) -> Ticket {
        self.push(Write::Park(park))
    }

    fn finish(&self, finish: Finish) -> Ticket {
        self.push(Write::Finish(finish))
    }
}

struct Task {
    backend: Backend,
    told: Told,
    queued: Receiver<Queued>,
    /// The write that did not fit into the batch before.
    put_back: Option<Queued>,
    bytes: Arc<AtomicUsize>,
    closing: CancellationToken,
}

impl Task {
    async fn run(mut self) {
        while let Some(first) = self.next().await {
            let batch = self.fill(first);
            let bytes = batch.bytes();
            self.commit(batch).await;
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    async fn next(&mut self) -> Option<Queued> {
        if let Some(queued) = self.put_back.take() {
            return Some(queued);
        }
        tokio::select! {
            biased;
            () = self.closing.cancelled(), if !self.queued.is_closed() => self.queued.close(),
            queued = self.queued.recv() => return queued,
        }
        self.queued.recv().await
    }

    /// Takes what is there, as far as one transaction should carry it.
    fn fill(&mut self, first: Queued) -> Batch {
        let mut batch = Batch::default();
        let mut next = Some(first);
        while let Some(queued) = next {
            if let ControlFlow::Break(queued) = batch.push(queued) {
                self.put_back = Some(queued);
                break;
            }
            if batch.len() >= BATCH_WRITES || batch.bytes() >= BATCH_BYTES {
                break;
            }
            next = self.queued.try_recv().ok();
        }
        batch
    }

    /// Has the timers and the executions that wait learn of what was written.
    fn pass_on(&self, batch: &Batch, landed: &Landed) {
        let parked = batch
            .parks
            .iter()
            .zip(&landed.parks)
            .filter(|(_, landed)| **landed);
        if let Some(due_at) = parked.filter_map(|(park, _)| park.wake_at).min() {
            self.backend.store.timer_written(millis(due_at));
        }
        for new in &batch.accepts {
            let (accept, watchers) = (&new.accept, self.backend.store.watchers());
            watchers.tell(accept.id, accept.workflow_id, &watchers::What::Accepted);
            if new.finish.is_some() {
                watchers.tell(accept.id, accept.workflow_id, &watchers::What::Ended);
            }
        }
        for finish in batch.ended(landed) {
            if finish.error_workflow.is_some() {
                self.backend.store.timer_written(millis(finish.finished_at));
            }
            if let Some((execution, path, payload)) = &finish.tells {
                let signal = Signal {
                    path: path.clone(),
                    payload: serde_json::from_str(payload).unwrap_or_default(),
                };
                // Where nobody listens any more, the process is ending: the rows tell.
                let _ = self.told.send((*execution, signal));
            }
        }
    }

    async fn commit(&mut self, batch: Batch) {
        let begun = Instant::now();
        let result = self.backend.write(&batch).await;
        histogram!("flowmatic_commit_seconds").record(begun.elapsed());
        match result {
            Ok(landed) => {
                counter!("flowmatic_commits_total").increment(1);
                counter!("flowmatic_commit_rows_total").increment(batch.rows() as u64);
                self.pass_on(&batch, &landed);
                batch.answer(&landed);
            }
            Err(error) => {
                counter!("flowmatic_commit_failures_total").increment(1);
                // What is out of order now is so for all; anything else is the fault of some row.
                if batch.rows() > 1 && !matches!(error, StoreError::Unavailable(_)) {
                    for alone in batch.split() {
                        Box::pin(self.commit(alone)).await;
                    }
                    return;
                }
                tracing::warn!(%error, rows = batch.rows(), "executions could not be written");
                batch.refuse(&match error {
                    StoreError::Unavailable(why) => JournalError::Unavailable(why),
                    other => JournalError::Rejected(other.to_string()),
                });
            }
        }
    }
}

/// Writes a batch in one transaction, and finds out what became of it.
struct Backend {
    store: Store,
    owner: Uuid,
    /// The writer's own connection to PostgreSQL; SQLite has one writer for all.
    session: Option<postgres::Session>,
}

/// How a transaction failed.
enum Failure {
    /// It was not committed.
    Refused(StoreError),
    /// The commit was sent and no answer came; what would have landed is known.
    Uncertain(Landed, StoreError),
}

impl<E: Into<StoreError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl Backend {
    async fn write(&mut self, batch: &Batch) -> Result<Landed, StoreError> {
        // The backend process whose commit may be under way.
        let mut process = None;
        let result = match self.store.database() {
            Database::Sqlite { writer, .. } => sqlite::write(writer, self.owner, batch).await,
            Database::Postgres { pool, .. } => {
                let mut session = match self.session.take() {
                    Some(session) => session,
                    None => postgres::Session::open(pool).await?,
                };
                process = Some(session.process());
                let result = session.write(self.owner, batch).await;
                // A session that may be broken is left; one that a row offended is good.
                if !matches!(
                    result,
                    Err(Failure::Uncertain(..) | Failure::Refused(StoreError::Unavailable(_)))
                ) {
                    self.session = Some(session);
                }
                result
            }
        };
        match result {
            Ok(landed) => {
                batch.pass_after_commit();
                Ok(landed)
            }
            Err(Failure::Refused(error)) => Err(error),
            Err(Failure::Uncertain(landed, error)) => match batch.witness(&landed) {
                // Nothing was to be written.
                None => Ok(landed),
                Some(witness) if self.landed(&witness, process, &error).await => Ok(landed),
                Some(_) => Err(error),
            },
        }
    }

    /// Whether a transaction is there after all: one of its rows tells.
    async fn landed(&self, witness: &Witness<'_>, process: Option<i32>, lost: &StoreError) -> bool {
        tracing::warn!(error = %lost, "a commit was not answered; asking the database what became of it");
        let _settling = self.store.settle();
        for _ in 0..SETTLE_TRIES {
            let found = match self.store.database() {
                Database::Sqlite { writer, .. } => sqlite::find(writer, witness).await,
                Database::Postgres { pool, .. } => postgres::find(pool, witness, process).await,
            };
            match found {
                Ok(found) => return found,
                Err(error) => tracing::warn!(%error, "what became of a commit is not known yet"),
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
        false
    }
}

#[cfg(test)]
mod tests;
