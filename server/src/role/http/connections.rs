//! How many connections there may be, and which one goes when one more comes.
//!
//! A connection that waits for its caller can be taken from him: whoever holds thousands of them open keeps
//! nobody else out. One whose request is being worked on is left alone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Connections at a time, where the system lets the process have as many.
const MOST: usize = 20_000;
/// How long to wait for a connection to come to rest, where none does.
const PAUSE: Duration = Duration::from_millis(20);
/// When the connections are full, this part of those at rest is closed at once: looking for them costs a walk.
const FREED: usize = 64;

/// As many as the process may have, with a quarter of its file handles left for calls, files and the database.
pub(super) fn most() -> usize {
    // Systems start a process with few, and let it ask for more.
    let handles = rlimit::increase_nofile_limit(u64::MAX)
        .or_else(|_| rlimit::Resource::NOFILE.get_soft())
        .unwrap_or(1024);
    let room = usize::try_from(handles - handles / 4).unwrap_or(MOST);
    if room < MOST {
        tracing::debug!(
            handles,
            connections = room,
            "the system's limit on open files bounds the connections"
        );
    }
    room.min(MOST)
}

/// All places for connections.
#[derive(Clone)]
pub(super) struct Places {
    room: Arc<Semaphore>,
    seats: Arc<Mutex<HashMap<u64, Arc<Seat>>>>,
    next: Arc<AtomicU64>,
    begun: Instant,
}

/// The place of one connection; free again when it is dropped.
pub(super) struct Place {
    pub(super) seat: Arc<Seat>,
    id: u64,
    places: Places,
    _permit: Option<OwnedSemaphorePermit>,
}

/// What is known of a connection.
pub(super) struct Seat {
    begun: Instant,
    /// Since when it waits for its caller, in milliseconds after `begun`; [`BUSY`] while a request is worked on.
    resting_since: AtomicU64,
    lost: CancellationToken,
}

const BUSY: u64 = u64::MAX;

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(most)),
            seats: Arc::default(),
            next: Arc::default(),
            begun: Instant::now(),
        }
    }

    /// A free place; where there is none, one of those who have waited for their caller the longest.
    pub(super) async fn take(&self) -> Place {
        let permit = loop {
            match tokio::time::timeout(PAUSE, self.room.clone().acquire_owned()).await {
                // The semaphore is never closed.
                Ok(permit) => break permit.ok(),
                Err(_) => self.free_longest(),
            }
        };
        let seat = Arc::new(Seat {
            begun: self.begun,
            resting_since: AtomicU64::default(),
            lost: CancellationToken::new(),
        });
        seat.rest();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.seats().insert(id, seat.clone());
        Place {
            seat,
            id,
            places: self.clone(),
            _permit: permit,
        }
    }

    fn free_longest(&self) {
        let mut resting = self.resting();
        resting.sort_unstable_by_key(|(since, _)| *since);
        resting.truncate(resting.len().div_ceil(FREED));
        tracing::debug!(
            connections = resting.len(),
            "closing idle connections for new ones"
        );
        resting.iter().for_each(|(_, seat)| seat.lost.cancel());
    }

    /// Closes, now and then, what has not moved for so long: callers who do not read their answer.
    pub(super) async fn free_stalled(self, after: Duration) {
        loop {
            tokio::time::sleep(after / 4).await;
            let now = self.begun.elapsed();
            for (since, seat) in self.resting() {
                if now.saturating_sub(Duration::from_millis(since)) > after {
                    seat.lost.cancel();
                }
            }
        }
    }

    fn resting(&self) -> Vec<(u64, Arc<Seat>)> {
        let seats = self.seats();
        let resting = seats
            .values()
            .map(|seat| (seat.resting_since.load(Ordering::Relaxed), seat.clone()));
        resting.filter(|(since, _)| *since != BUSY).collect()
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<u64, Arc<Seat>>> {
        // Each use is one call on the map, which a panic cannot leave half done.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.seats().remove(&self.id);
    }
}

impl Seat {
    /// From now until the result is dropped, a request is worked on.
    pub(super) fn work(self: Arc<Self>) -> Work {
        self.resting_since.store(BUSY, Ordering::Relaxed);
        Work(self)
    }

    /// Resolves when the place is given to somebody else.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// From now on it waits for its caller: to read more of an answer, or for another request.
    pub(super) fn rest(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(BUSY - 1);
        self.resting_since.store(now, Ordering::Relaxed);
    }
}

pub(super) struct Work(Arc<Seat>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_that_waits_longest_goes_first() {
        let places = Places::new(2);
        let (busy, idle) = (places.take().await, places.take().await);
        let _work = busy.seat.clone().work();
        let taking = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        idle.seat.lost().await;
        drop(idle);
        let third = taking.await.expect("no panic");
        assert!(!busy.seat.lost.is_cancelled() && !third.seat.lost.is_cancelled());
        assert_eq!(places.seats().len(), 2);
    }

    #[tokio::test]
    async fn what_does_not_move_goes() {
        let places = Places::new(2);
        let place = places.take().await;
        let work = place.seat.clone().work();
        let stalled = tokio::spawn(places.clone().free_stalled(Duration::ZERO));
        tokio::task::yield_now().await;
        assert!(!place.seat.lost.is_cancelled());
        drop(work);
        place.seat.lost().await;
        stalled.abort();
    }
}
