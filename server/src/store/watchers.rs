//! Who watches executions of this process, and wants to hear at once what becomes of them.
//!
//! Whoever tells something never waits: a watcher that does not keep up is struck off, and its stream ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flowmatic_executor::{Observer, UnderWay, Written};
use tokio::sync::mpsc::{self, Receiver, Sender};
use uuid::Uuid;

/// Watchers at a time.
const MOST: usize = 1_000;
/// What one of them may be behind.
const BEHIND: usize = 1_024;

/// Stands for all executions: who watches it hears of their beginnings and ends.
const ALL: Uuid = Uuid::max();

/// All watchers, by the execution or the workflow that they watch.
#[derive(Debug, Default)]
pub struct Watchers {
    watched: Mutex<Watched>,
    /// Where nobody watches, nothing is locked.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Watched {
    by_subject: HashMap<Uuid, Vec<(u64, Sender<Heard>)>>,
    next: u64,
    is_closed: bool,
}

/// Something of an execution.
#[derive(Debug, Clone)]
pub struct Heard {
    pub execution: Uuid,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// Its row is there.
    Accepted,
    Began(UnderWay),
    /// The checkpoints up to this one are there.
    Checkpoint(i32),
    Ended,
}

/// The ear of one watcher, from now until it is dropped.
#[derive(Debug)]
pub struct Watch {
    heard: Receiver<Heard>,
    watchers: Arc<Watchers>,
    subject: Uuid,
    id: u64,
}

impl Watchers {
    /// Hears of an execution, or of all of a workflow; `None` where there are too many watchers, or none any more.
    pub fn watch(self: &Arc<Self>, subject: Uuid) -> Option<Watch> {
        let mut watched = self.lock();
        if watched.is_closed || self.count.load(Ordering::Relaxed) >= MOST {
            return None;
        }
        let (sender, heard) = mpsc::channel(BEHIND);
        let id = watched.next;
        watched.next += 1;
        watched.by_subject.entry(subject).or_default().push((id, sender));
        self.count.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("flowmatic_event_streams").increment(1);
        Some(Watch {
            heard,
            watchers: self.clone(),
            subject,
            id,
        })
    }

    /// Hears of all executions that they are accepted, and that they end.
    pub fn watch_all(self: &Arc<Self>) -> Option<Watch> {
        self.watch(ALL)
    }

    /// Ends all streams, and there will be no more.
    pub fn close(&self) {
        let mut watched = self.lock();
        watched.is_closed = true;
        watched.by_subject.clear();
    }

    /// Something is on disk.
    pub fn tell(&self, execution: Uuid, workflow: Uuid, what: &What) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let to_all = matches!(what, What::Accepted | What::Ended).then_some(ALL);
        let mut watched = self.lock();
        for subject in [execution, workflow].into_iter().chain(to_all) {
            let Some(ears) = watched.by_subject.get_mut(&subject) else {
                continue;
            };
            ears.retain(|(_, ear)| {
                let what = what.clone();
                let keeps_up = ear.try_send(Heard { execution, what }).is_ok();
                if !keeps_up {
                    metrics::counter!("flowmatic_event_streams_dropped_total").increment(1);
                }
                keeps_up
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        // Each change is one call on a map, which a panic cannot leave half done.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watchers {
    fn began(&self, execution: Uuid, workflow: Uuid, step: &UnderWay) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.tell(execution, workflow, &What::Began(step.clone()));
        }
    }

    fn wrote(&self, execution: Uuid, workflow: Uuid, written: Written) {
        let what = match written {
            Written::Checkpoint { sequence } => What::Checkpoint(sequence),
            Written::Finish => What::Ended,
        };
        self.tell(execution, workflow, &what);
    }
}

impl Watch {
    /// The next thing; `None` when the watcher was struck off, or the server ends.
    pub async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.watchers.lock();
        if let Some(ears) = watched.by_subject.get_mut(&self.subject) {
            ears.retain(|(id, _)| *id != self.id);
            if ears.is_empty() {
                watched.by_subject.remove(&self.subject);
            }
        }
        self.watchers.count.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("flowmatic_event_streams").decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_keep_up_is_struck_off_and_hears_what_came_before() {
        let watchers = Arc::<Watchers>::default();
        let (workflow, execution) = (Uuid::now_v7(), Uuid::now_v7());
        let mut slow = watchers.watch(workflow).expect("there is room");
        let mut other = watchers.watch(execution).expect("there is room");
        for _ in 0..=BEHIND {
            watchers.tell(execution, workflow, &What::Accepted);
            assert!(other.next().await.is_some());
        }
        for _ in 0..BEHIND {
            assert!(slow.next().await.is_some());
        }
        assert!(slow.next().await.is_none());
        watchers.tell(execution, workflow, &What::Ended);
        assert!(matches!(
            other.next().await,
            Some(Heard {
                what: What::Ended,
                ..
            })
        ));
    }

    #[tokio::test]
    async fn who_watches_all_hears_of_beginnings_and_ends() {
        let watchers = Arc::<Watchers>::default();
        let mut all = watchers.watch_all().expect("there is room");
        let execution = Uuid::now_v7();
        for what in [What::Accepted, What::Checkpoint(1), What::Ended] {
            watchers.tell(execution, Uuid::now_v7(), &what);
        }
        watchers.close();
        assert!(matches!(
            all.next().await,
            Some(Heard {
                what: What::Accepted,
                ..
            })
        ));
        assert!(matches!(
            all.next().await,
            Some(Heard {
                what: What::Ended,
                ..
            })
        ));
        assert!(all.next().await.is_none());
    }

    #[test]
    fn there_are_so_many_watchers_and_none_after_the_end() {
        let watchers = Arc::<Watchers>::default();
        let mut all: Vec<Watch> = std::iter::from_fn(|| watchers.watch(Uuid::now_v7())).collect();
        assert_eq!(all.len(), MOST);
        all.pop();
        assert!(watchers.watch(Uuid::now_v7()).is_some());
        drop(all);
        assert!(watchers.lock().by_subject.is_empty());
        watchers.close();
        assert!(watchers.watch(Uuid::now_v7()).is_none());
    }
}
