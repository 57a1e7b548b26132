//! The door that time comes through: schedules whose time has come start their executions.

use std::sync::Arc;

use flowmatic_openapi::Time;

use crate::dispatch::Dispatch;
use crate::store::{DueTimer, Store, StoreError};

/// Schedules that fire in one transaction: few enough that others who write are not held up.
const AT_ONCE: usize = 100;

/// Fires these schedules: each of their times once, whatever other processes do. Their executions are on disk when this
/// returns, and are taken up beside it.
pub async fn fire(
    store: &Store,
    dispatch: &Arc<Dispatch>,
    clock: fn() -> Time,
    due: &[DueTimer],
) -> Result<(), StoreError> {
    let together = async |due: &[DueTimer]| {
        let started = store.fire_schedules(due, clock()).await?;
        metrics::counter!("flowmatic_schedule_starts_total").increment(started.len() as u64);
        dispatch.take_up_soon(started);
        Ok(())
    };
    for due in due.chunks(AT_ONCE) {
        match together(due).await {
            Ok(()) => {}
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "schedules did not fire together; trying each by itself");
                // One that cannot fire does not hold up the others. It is tried again when its claim is over.
                for timer in due {
                    match together(std::slice::from_ref(timer)).await {
                        Ok(()) => {}
                        Err(error @ StoreError::Unavailable(_)) => return Err(error),
                        Err(error) => {
                            tracing::error!(trigger = %timer.subject, %error, "a schedule cannot fire")
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
