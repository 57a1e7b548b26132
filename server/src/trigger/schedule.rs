//! The door that time comes through: schedules whose time has come start their executions.

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app::App;
use crate::store::{DueTimer, StoreError};

/// Schedules that fire in one transaction: few enough that others who write are not held up.
const AT_ONCE: usize = 100;

/// Fires these schedules: each of their times once, whatever other processes do. They run when this returns, or wait
/// for room.
pub async fn fire(app: &App, due: &[DueTimer], stop: &CancellationToken) -> Result<(), StoreError> {
    for due in due.chunks(AT_ONCE) {
        match app.store.fire_schedules(due, app.now()).await {
            Ok(started) => take_up(app, &started, stop).await,
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "schedules did not fire together; trying each by itself");
                fire_alone(app, due, stop).await?;
            }
        }
    }
    Ok(())
}

/// One that cannot fire does not hold up the others. It is tried again when its claim is over.
async fn fire_alone(app: &App, due: &[DueTimer], stop: &CancellationToken) -> Result<(), StoreError> {
    for timer in due {
        match app
            .store
            .fire_schedules(std::slice::from_ref(timer), app.now())
            .await
        {
            Ok(started) => take_up(app, &started, stop).await,
            Err(error @ StoreError::Unavailable(_)) => return Err(error),
            Err(error) => tracing::error!(trigger = %timer.subject, %error, "a schedule cannot fire"),
        }
    }
    Ok(())
}

async fn take_up(app: &App, executions: &[Uuid], stop: &CancellationToken) {
    metrics::counter!("flowmatic_schedule_starts_total").increment(executions.len() as u64);
    app.dispatch.take_up_held(executions, stop).await;
}
