//! A journal that the tests of the engine steer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use flowmatic_executor::journal::{MemoryJournal, MemoryRow};
use flowmatic_executor::{Accept, Checkpoint, Finish, Journal, JournalError, Park, Signal, Ticket};
use tokio::sync::watch;
use uuid::Uuid;

/// A journal that can be cut off, as by a crash, and be unavailable, as on a full disk.
pub struct TestJournal {
    pub inner: Arc<MemoryJournal>,
    writes: AtomicUsize,
    last_write: AtomicUsize,
    refuses: AtomicBool,
    pub changes: watch::Sender<()>,
}

impl TestJournal {
    pub fn new() -> Self {
        Self {
            inner: MemoryJournal::new(),
            writes: AtomicUsize::new(0),
            last_write: AtomicUsize::new(usize::MAX),
            refuses: AtomicBool::new(false),
            changes: watch::Sender::new(()),
        }
    }

    pub fn signal(&self, id: Uuid, signal: Signal) -> bool {
        self.inner.signal(id, signal)
    }

    pub fn row(&self, id: Uuid) -> MemoryRow {
        self.inner.row(id).expect("accepted")
    }

    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    pub fn stop_after(&self, writes: usize) {
        self.last_write.store(writes, Ordering::SeqCst);
    }

    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    pub fn cut_off(&self) {
        self.stop_after(0);
    }

    pub fn is_cut_off(&self) -> bool {
        self.writes() > self.last_write.load(Ordering::SeqCst)
    }

    pub fn reconnect(&self) {
        self.stop_after(usize::MAX);
    }

    fn write(&self, write: impl FnOnce(&MemoryJournal) -> Ticket) -> Ticket {
        let count = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        let ticket = if count > self.last_write.load(Ordering::SeqCst) {
            // Nobody learns what became of the writes of a process that died.
            let (sender, ticket) = Ticket::new();
            std::mem::forget(sender);
            ticket
        } else if self.refuses.load(Ordering::SeqCst) {
            Ticket::settled(Err(JournalError::Unavailable("the disk is full".to_owned())))
        } else {
            write(&self.inner)
        };
        self.changes.send_replace(());
        ticket
    }
}

impl Journal for TestJournal {
    fn accept(&self, accept: Accept, finish: Option<Finish>) -> Ticket {
        self.write(|inner| inner.accept(accept, finish))
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> Ticket {
        self.write(|inner| inner.checkpoint(checkpoint))
    }

    fn park(&self, park: Park) -> Ticket {
        self.write(|inner| inner.park(park))
    }

    fn finish(&self, finish: Finish) -> Ticket {
        self.write(|inner| inner.finish(finish))
    }
}
