use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::Utc;
use flowmatic_openapi::Time;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{BATCH, fire_due, keep};
use crate::store::testing::{postgres, sqlite, stores};
use crate::store::timers::{self, CLAIM_MS};
use crate::store::{DueTimer, Store, StoreError, TimerKind};

/// A clock that a test drives.
#[derive(Clone)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn start() -> Self {
        Self(Arc::new(AtomicI64::new(1_790_000_000_000)))
    }

    fn now(&self) -> Time {
        Time::from_timestamp_millis(self.0.load(Ordering::SeqCst)).expect("a moment")
    }

    fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

async fn write(store: &Store, timers: &[(Uuid, i64)]) {
    let transaction = store.begin().await.expect("a transaction");
    timers::set(&transaction, TimerKind::Schedule, timers)
        .await
        .expect("they can be written");
    transaction.commit().await.expect("they can be written");
    let earliest = timers.iter().map(|(_, due_at)| *due_at).min();
    store.timer_written(earliest.expect("there is one"));
}

/// Removes the timers that are still held by these claims, and tells of whom: an effect of its own transaction.
async fn done(store: &Store, due: &[DueTimer]) -> Result<Vec<Uuid>, StoreError> {
    let transaction = store.begin().await?;
    let held = timers::hold(&transaction, due).await?;
    let held = due.iter().filter(|timer| held.contains(&timer.id));
    let subjects: Vec<Uuid> = held.map(|timer| timer.subject).collect();
    timers::remove(&transaction, TimerKind::Schedule, &subjects).await?;
    transaction.commit().await?;
    Ok(subjects)
}

/// A loop of its own task that tells what it fires; it ends with `stop`.
fn spawn(
    store: Store,
    clock: impl Fn() -> Time + Send + Sync + 'static,
    fired: UnboundedSender<Uuid>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let handle = |_, due: Vec<DueTimer>| {
            let (store, fired) = (store.clone(), fired.clone());
            async move {
                for subject in done(&store, &due).await? {
                    fired.send(subject).expect("the test waits");
                }
                Ok(())
            }
        };
        keep(&store, clock, handle, &stop).await;
    })
}

#[tokio::test]
async fn what_is_overdue_fires_in_due_order() {
    for test in stores().await {
        let clock = Clock::start();
        let now = clock.now().timestamp_millis();
        // More than a batch; written in another order than that of their times.
        let count = i64::from(BATCH) * 2 + 200;
        let timers: Vec<_> = (0..count)
            .map(|place| (Uuid::now_v7(), now - (place * 7_919) % count))
            .collect();
        write(&test.store, &timers).await;
        write(&test.store, &[(Uuid::now_v7(), now + 1)]).await;
        let fired = Mutex::new(Vec::new());
        let handle = |_, due: Vec<DueTimer>| {
            let fired = &fired;
            let store = &test.store;
            async move {
                let subjects = done(store, &due).await?;
                fired.lock().expect("no panic").extend(subjects);
                Ok(())
            }
        };
        let next = fire_due(&test.store, &|| clock.now(), &handle, &CancellationToken::new()).await;
        assert_eq!(
            next.expect("it can be read"),
            Time::from_timestamp_millis(now + 1),
            "{}",
            test.name
        );
        let mut expected = timers;
        expected.sort_by_key(|(_, due_at)| *due_at);
        let expected: Vec<Uuid> = expected.into_iter().map(|(subject, _)| subject).collect();
        assert_eq!(fired.into_inner().expect("no panic"), expected, "{}", test.name);
    }
}

#[tokio::test]
async fn a_waiting_loop_wakes_for_an_earlier_timer() {
    for test in stores().await {
        let (fired, mut told) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let far = Utc::now().timestamp_millis() + 3_600_000;
        write(&test.store, &[(Uuid::now_v7(), far)]).await;
        let running = spawn(test.store.clone(), Utc::now, fired, stop.clone());
        let mut late = Vec::new();
        for _ in 0..20 {
            let (subject, due_at) = (Uuid::now_v7(), Utc::now().timestamp_millis() + 60);
            write(&test.store, &[(subject, due_at)]).await;
            assert_eq!(told.recv().await, Some(subject), "{}", test.name);
            late.push(Utc::now().timestamp_millis() - due_at);
            assert!(late.iter().all(|late| *late >= 0), "{}: {late:?}", test.name);
        }
        stop.cancel();
        running.await.expect("the loop ends");
        late.sort_unstable();
        println!(
            "{}: timers fired {} ms after their time at the median, {} ms at most",
            test.name, late[10], late[19]
        );
    }
}

#[tokio::test]
async fn two_processes_fire_each_timer_once() {
    let test = postgres().await;
    let other = Store::open(test.options.clone()).await.expect("a second pool");
    let now = Utc::now().timestamp_millis();
    let timers: Vec<_> = (0..3_000)
        .map(|place| (Uuid::now_v7(), now + place / 20))
        .collect();
    write(&test.store, &timers).await;
    let stop = CancellationToken::new();
    let (fired, mut told) = mpsc::unbounded_channel();
    let running =
        [test.store.clone(), other].map(|store| spawn(store, Utc::now, fired.clone(), stop.clone()));
    drop(fired);
    let mut counts: HashMap<Uuid, usize> = HashMap::new();
    while counts.len() < timers.len() {
        let subject = told.recv().await.expect("the loops run");
        *counts.entry(subject).or_default() += 1;
    }
    stop.cancel();
    for running in running {
        running.await.expect("the loop ends");
    }
    assert_eq!(told.recv().await, None, "nothing fires again");
    assert!(counts.values().all(|count| *count == 1));
}

#[tokio::test]
async fn what_a_dead_process_had_claimed_is_fired_by_another() {
    for test in stores().await {
        let clock = Clock::start();
        let subject = Uuid::now_v7();
        write(&test.store, &[(subject, clock.now().timestamp_millis())]).await;
        // It gets no further than this.
        let claimed = test
            .store
            .claim_timers(clock.now(), BATCH)
            .await
            .expect("claimed");
        assert_eq!(claimed.len(), 1, "{}", test.name);

        let other = Store::open(test.options.clone()).await.expect("another process");
        let fired = AtomicUsize::new(0);
        let handle = |_, due: Vec<DueTimer>| {
            let (other, fired) = (&other, &fired);
            async move {
                fired.fetch_add(done(other, &due).await?.len(), Ordering::SeqCst);
                Ok(())
            }
        };
        let look = async || {
            let next = fire_due(&other, &|| clock.now(), &handle, &CancellationToken::new()).await;
            next.expect("it can be read");
            fired.load(Ordering::SeqCst)
        };
        clock.advance(CLAIM_MS - 1);
        assert_eq!(look().await, 0, "{}: it may be at work yet", test.name);
        clock.advance(1);
        assert_eq!(look().await, 1, "{}", test.name);
        // The first was not dead after all.
        let late = done(&test.store, &claimed).await.expect("it can try");
        assert!(late.is_empty(), "{}", test.name);
    }
}

#[tokio::test]
async fn claims_are_freed_when_their_process_is_known_to_be_gone() {
    let test = sqlite().await;
    let clock = Clock::start();
    write(&test.store, &[(Uuid::now_v7(), clock.now().timestamp_millis())]).await;
    let claim = async || {
        test.store
            .claim_timers(clock.now(), BATCH)
            .await
            .expect("claimed")
    };
    let first = claim().await;
    assert_eq!((first.len(), claim().await.len()), (1, 0));
    test.store.free_timers().await.expect("freed");
    let late = done(&test.store, &first).await.expect("it can try");
    assert!(late.is_empty());
    clock.advance(1);
    assert_eq!(claim().await.len(), 1);
}

#[tokio::test]
async fn a_batch_that_failed_is_tried_again() {
    for test in stores().await {
        let clock = Clock::start();
        write(&test.store, &[(Uuid::now_v7(), clock.now().timestamp_millis())]).await;
        let tries = AtomicUsize::new(0);
        let handle = |_, due: Vec<DueTimer>| {
            let (store, tries) = (&test.store, &tries);
            async move {
                if tries.fetch_add(1, Ordering::SeqCst) == 0 {
                    return Err(StoreError::Unavailable("the first try fails".to_owned()));
                }
                done(store, &due).await.map(drop)
            }
        };
        let look = async || {
            let next = fire_due(&test.store, &|| clock.now(), &handle, &CancellationToken::new()).await;
            next.expect("it can be read");
            tries.load(Ordering::SeqCst)
        };
        assert_eq!((look().await, look().await), (1, 1), "{}", test.name);
        clock.advance(1_000);
        assert_eq!((look().await, look().await), (2, 2), "{}", test.name);
    }
}

#[tokio::test]
async fn many_pending_timers_are_not_held_in_memory() {
    const PENDING: usize = 100_000;
    let test = sqlite().await;
    let clock = Clock::start();
    let now = clock.now().timestamp_millis();
    let timers: Vec<_> = (0..PENDING)
        .map(|place| (Uuid::now_v7(), now + 1_000 + i64::try_from(place).expect("small")))
        .collect();
    write(&test.store, &timers).await;
    drop(timers);
    let handle = |_, _| std::future::ready(Ok(()));
    let before = resident();
    for _ in 0..100 {
        let next = fire_due(&test.store, &|| clock.now(), &handle, &CancellationToken::new()).await;
        assert_eq!(next, Ok(Time::from_timestamp_millis(now + 1_000)));
    }
    let after = resident();
    println!("{PENDING} pending timers: {before} KiB before they are looked at, {after} KiB after");
}

/// KiB of this process in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_default()
}
