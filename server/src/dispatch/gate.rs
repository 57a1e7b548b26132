//! The journal as the engine sees it: the group-commit writer, which start control stands beside. Of the executions
//! that are known here it does not write an accept twice, says when a place becomes free, and tells who waits of each
//! record. All others pass.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowmatic_executor::{Accept, Checkpoint, Finish, Journal, JournalError, Park, Ticket};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::store::watchers::What;
use crate::store::{CommitWriter, Store};

#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    writer: Arc<CommitWriter>,
    store: Store,
    owner: Uuid,
    known: Mutex<HashMap<Uuid, Known>>,
    /// How many are known: while none is, a write costs nothing more.
    count: AtomicUsize,
    /// Executions whose places may be free.
    freed: mpsc::Sender<Uuid>,
}

#[derive(Default)]
struct Known {
    /// Its row is there, or about to be, and the engine does not know it yet.
    is_accepted: bool,
    /// What the engine has said of it at once is being written: its end, or that there is no room for it.
    is_settling: bool,
    /// It was cancelled before the engine knew it.
    is_cancelled: bool,
    has_place: bool,
    /// Changes with each of its records that may tell of its answer.
    records: Option<watch::Sender<()>>,
}

/// What a record means for an execution.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Leaves {
    /// It goes on.
    Nothing,
    /// It leaves memory and keeps its place, which whoever takes it up again hears of.
    Memory,
    /// It ends.
    Place,
}

/// What is kept of freed places until they are looked at; those beyond are found later.
const FREED: usize = 1_024;

impl Gate {
    /// The other end hears of executions whose places may be free.
    pub fn new(writer: Arc<CommitWriter>, store: Store, owner: Uuid) -> (Self, mpsc::Receiver<Uuid>) {
        let (freed, receiver) = mpsc::channel(FREED);
        let inner = Inner {
            writer,
            store,
            owner,
            known: Mutex::default(),
            count: AtomicUsize::new(0),
            freed,
        };
        (Self(Arc::new(inner)), receiver)
    }

    /// The engine is to start an execution whose row is there by then. To be called before it is there: nobody else is
    /// to take it for one that ought to run and does not.
    pub fn expect(&self, id: Uuid, has_place: bool) {
        self.0.know(id, |known| {
            known.is_accepted = true;
            known.has_place = has_place;
        });
    }

    /// Whether an open execution of this process that the engine does not run is well all the same.
    pub fn expects(&self, id: Uuid) -> bool {
        let expected = self.0.change(id, |known| known.is_accepted || known.is_settling);
        expected == Some(true)
    }

    /// The engine is about to take up an execution that has a place.
    pub fn has_place(&self, id: Uuid) {
        self.0.know(id, |known| known.has_place = true);
    }

    /// The place of this execution, or of those it waits behind, may be free.
    pub fn freed(&self, id: Uuid) {
        self.0.freed(id);
    }

    /// The engine does not start it after all.
    pub fn forget(&self, id: Uuid) {
        self.0.change(id, |known| {
            known.is_accepted = false;
            known.is_cancelled = false;
            known.has_place = false;
        });
    }

    /// Remembers that an execution is to end which the engine does not know yet. Tells whether it is so.
    pub fn cancel_early(&self, id: Uuid) -> bool {
        let early = self.0.change(id, |known| {
            known.is_cancelled |= known.is_accepted;
            known.is_accepted
        });
        early == Some(true)
    }

    /// Whether an execution was to end before the engine knew it.
    pub fn take_cancelled(&self, id: Uuid) -> bool {
        self.0.change(id, |known| std::mem::take(&mut known.is_cancelled)) == Some(true)
    }

    /// Forgets places of executions that are in memory no more: another process has them, or they wait on disk.
    pub fn keep_places(&self, is_running: impl Fn(Uuid) -> bool) {
        let mut known = self.0.lock();
        known.retain(|id, known| {
            known.has_place &= known.is_accepted || known.is_settling || is_running(*id);
            known.is_of_use()
        });
        self.0.count.store(known.len(), Ordering::Release);
    }

    /// Tells of each record of an execution that may have its answer, or its end, from now on.
    pub fn watch(&self, id: Uuid) -> Watched {
        let mut records = None;
        self.0.know(id, |known| {
            let sender = known.records.get_or_insert_with(|| watch::channel(()).0);
            records = Some(sender.subscribe());
        });
        Watched {
            gate: self.clone(),
            id,
            records,
        }
    }
}

/// Hears of the records that this process writes of an execution.
pub(super) struct Watched {
    gate: Gate,
    id: Uuid,
    records: Option<watch::Receiver<()>>,
}

impl Watched {
    /// Resolves at the next such record after the last call.
    pub async fn changed(&mut self) {
        if let Some(records) = &mut self.records {
            // Its sender lives as long as one watches.
            let _ = records.changed().await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.records = None;
        self.gate.0.change(self.id, |known| {
            known.records.take_if(|records| records.receiver_count() == 0);
        });
    }
}

impl Known {
    fn is_of_use(&self) -> bool {
        self.is_accepted || self.is_settling || self.is_cancelled || self.has_place || self.records.is_some()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Known>> {
        // Each use leaves whole entries, whatever panics.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn know(&self, id: Uuid, change: impl FnOnce(&mut Known)) {
        let mut known = self.lock();
        change(known.entry(id).or_default());
        self.count.store(known.len(), Ordering::Release);
    }

    /// None where it is not known.
    fn change<T>(&self, id: Uuid, change: impl FnOnce(&mut Known) -> T) -> Option<T> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut known = self.lock();
        let entry = known.get_mut(&id)?;
        let changed = change(entry);
        if !entry.is_of_use() {
            known.remove(&id);
            self.count.store(known.len(), Ordering::Release);
        }
        Some(changed)
    }

    fn freed(&self, id: Uuid) {
        if self.freed.try_send(id).is_err() {
            tracing::debug!(execution = %id, "too many places become free at once; this one is found later");
        }
    }

    /// Passes on what became of a write of a known execution, once it is known here as well.
    fn told(self: &Arc<Self>, id: Uuid, ticket: Ticket, leaves: Leaves) -> Ticket {
        let (answer, told) = Ticket::new();
        let inner = self.clone();
        tokio::spawn(async move {
            let written = ticket.await;
            let has_left = leaves != Leaves::Nothing && matches!(written, Ok(()) | Err(JournalError::Lost));
            let had_place = inner.change(id, |known| {
                if let Some(records) = &known.records {
                    records.send_replace(());
                }
                has_left && std::mem::take(&mut known.has_place)
            });
            if had_place == Some(true) && leaves == Leaves::Place {
                inner.freed(id);
            }
            // A run that was abandoned waits no more.
            let _ = answer.send(written);
        });
        told
    }
}

impl Journal for Gate {
    fn accept(&self, accept: Accept, finish: Option<Finish>) -> Ticket {
        let (id, workflow_id) = (accept.id, accept.workflow_id);
        let settles = finish.is_some() || accept.held;
        let is_there = self.0.change(id, |known| {
            known.is_settling = known.is_accepted && settles;
            std::mem::take(&mut known.is_accepted)
        });
        if is_there != Some(true) {
            return self.0.writer.accept(accept, finish);
        }
        if !settles {
            return Ticket::settled(Ok(()));
        }
        let (answer, told) = Ticket::new();
        let (inner, ended) = (self.0.clone(), finish.map(|finish| self.finish(finish)));
        tokio::spawn(async move {
            // Its row stands, whatever becomes of this: who looks for what ought to run and does not takes it up.
            match ended {
                Some(ended) => match ended.await {
                    Ok(()) => inner.store.watchers().tell(id, workflow_id, &What::Ended),
                    Err(error) => {
                        tracing::warn!(execution = %id, %error, "its end could not be written; it is taken up again");
                    }
                },
                None => {
                    if let Err(error) = inner.store.leave(id, inner.owner).await {
                        tracing::warn!(execution = %id, %error, "it waits for room longer than it would need to");
                    }
                }
            }
            inner.change(id, |known| known.is_settling = false);
            // A caller who hung up is no one to tell.
            let _ = answer.send(Ok(()));
        });
        told
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> Ticket {
        let id = checkpoint.id;
        let is_watched = self.0.change(id, |known| known.records.is_some());
        let tells = is_watched == Some(true) && has_answer(&checkpoint.record);
        let ticket = self.0.writer.checkpoint(checkpoint);
        match tells {
            true => self.0.told(id, ticket, Leaves::Nothing),
            false => ticket,
        }
    }

    fn park(&self, park: Park) -> Ticket {
        let id = park.id;
        let ticket = self.0.writer.park(park);
        match self.0.change(id, |_| ()) {
            Some(()) => self.0.told(id, ticket, Leaves::Memory),
            None => ticket,
        }
    }

    fn finish(&self, finish: Finish) -> Ticket {
        let id = finish.id;
        let ticket = self.0.writer.finish(finish);
        match self.0.change(id, |_| ()) {
            Some(()) => self.0.told(id, ticket, Leaves::Place),
            None => ticket,
        }
    }
}

/// Whether a step of this record may have answered; few others read alike.
fn has_answer(record: &str) -> bool {
    record.contains(r#""answered":true"#)
}

#[cfg(test)]
mod tests;
