//! The door that time comes through: schedules whose time has come start their executions.

use std::sync::Arc;

use flowmatic_openapi::Time;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::dispatch::Dispatch;
use crate::store::{DueTimer, Store, StoreError};

/// Schedules that fire in one transaction: few enough that others who write are not held up.
const AT_ONCE: usize = 100;

/// Fires these schedules: each of their times once, whatever other processes do. They run when this returns, or wait
/// for room.
pub async fn fire(
    store: &Store,
    dispatch: &Arc<Dispatch>,
    clock: fn() -> Time,
    due: &[DueTimer],
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    for due in due.chunks(AT_ONCE) {
        match store.fire_schedules(due, clock()).await {
            Ok(started) => take_up(dispatch, &started, stop).await,
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "schedules did not fire together; trying each by itself");
                fire_alone(store, dispatch, clock, due, stop).await?;
            }
        }
    }
    Ok(())
}

/// One that cannot fire does not hold up the others. It is tried again when its claim is over.
async fn fire_alone(
    store: &Store,
    dispatch: &Arc<Dispatch>,
    clock: fn() -> Time,
    due: &[DueTimer],
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    for timer in due {
        match store.fire_schedules(std::slice::from_ref(timer), clock()).await {
            Ok(started) => take_up(dispatch, &started, stop).await,
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(error) => tracing::error!(trigger = %timer.subject, %error, "a schedule cannot fire"),
        }
    }
    Ok(())
}

async fn take_up(dispatch: &Arc<Dispatch>, executions: &[Uuid], stop: &CancellationToken) {
    metrics::counter!("flowmatic_schedule_starts_total").increment(executions.len() as u64);
    dispatch.take_up_held(executions, stop).await;
}
