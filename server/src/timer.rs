//! Every future thing is a row with a due time, and this loop fires it: one enum of kinds, one match, handlers in
//! their rooms.
//!
//! Laws:
//! * a timer fires once, whatever processes there are: its handler deletes it or dates it anew in the transaction of
//!   its effect, and only where its claim still counts;
//! * what is overdue fires in the order it was due;
//! * in memory is when the next one is due, and the batch at hand.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use flowmatic_openapi::Time;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use crate::dispatch::Dispatch;
use crate::store::{DueTimer, Store, StoreError, TimerKind};
use crate::trigger::schedule;

/// Timers claimed at a time.
const BATCH: u32 = 500;
/// How often other processes are looked after, which may have written a timer or died with one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a batch rests whose handler failed.
const REST: Duration = Duration::from_secs(1);
/// How long this process waits for what another one is about to claim.
const STEP_ASIDE: Duration = Duration::from_millis(20);

/// Fires the timers of a server until told to stop.
///
/// When old executions are due to be removed is handed to `prunes`; that goes on beside the loop.
pub async fn run(
    store: Store,
    dispatch: Arc<Dispatch>,
    clock: fn() -> Time,
    prunes: Sender<DueTimer>,
    stop: CancellationToken,
) {
    // Whoever had claimed some is gone: this process holds the lock of the one server.
    if let Err(error) = store.free_timers().await {
        tracing::warn!(%error, "what another process was about to do waits until its claim is over");
    }
    let handle = |kind, due: Vec<DueTimer>| {
        let (store, dispatch) = (store.clone(), dispatch.clone());
        let prunes = prunes.clone();
        async move {
            match kind {
                TimerKind::Schedule => schedule::fire(&store, &dispatch, clock, &due).await,
                TimerKind::Debounce => dispatch.end_debounces(&due).await,
                TimerKind::Wake => dispatch.wake(&due).await,
                TimerKind::Failure => dispatch.follow_failures(&due).await,
                TimerKind::Prune => {
                    for timer in due {
                        // Where one is under way or nobody does it, the claim lapses.
                        let _ = prunes.try_send(timer);
                    }
                    Ok(())
                }
            }
        }
    };
    keep(&store, clock, handle, &stop).await;
}

/// Fires timers when they are due, until told to stop. A batch that `handle` fails is given to it again later.
async fn keep<F>(
    store: &Store,
    clock: impl Fn() -> Time,
    handle: impl Fn(TimerKind, Vec<DueTimer>) -> F,
    stop: &CancellationToken,
) where
    F: Future<Output = Result<(), StoreError>>,
{
    while !stop.is_cancelled() {
        let wait = match fire_due(store, &clock, &handle, stop).await {
            // What the clock has passed meanwhile waits for nothing.
            Ok(Some(next)) => (next - clock()).to_std().unwrap_or_default().min(LOOK_EVERY),
            Ok(None) => LOOK_EVERY,
            Err(error) => {
                tracing::warn!(%error, "timers cannot be read; trying again");
                REST
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
            () = store.earlier_timer() => {}
        }
    }
}

/// Fires all that is due, and tells when to look again; nothing is due after that.
async fn fire_due<F>(
    store: &Store,
    clock: &impl Fn() -> Time,
    handle: &impl Fn(TimerKind, Vec<DueTimer>) -> F,
    stop: &CancellationToken,
) -> Result<Option<Time>, StoreError>
where
    F: Future<Output = Result<(), StoreError>>,
{
    while !stop.is_cancelled() {
        let now = clock();
        match store.next_timer(now).await? {
            Some(due_at) if due_at <= now => {}
            next => return Ok(next),
        }
        let due = store.claim_timers(now, BATCH).await?;
        if due.is_empty() {
            return Ok(Some(now + STEP_ASIDE));
        }
        for alike in due.chunk_by(|one, next| one.kind == next.kind) {
            if let Err(error) = handle(alike[0].kind, alike.to_vec()).await {
                let kind = alike[0].kind.as_str();
                tracing::warn!(kind, timers = alike.len(), %error, "timers did not fire; trying again");
                store.give_back_timers(alike, clock() + REST).await?;
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
