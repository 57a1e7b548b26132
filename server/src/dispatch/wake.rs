//! What wakes executions: timers, resumes, the ends of those they called.

use std::sync::Arc;

use flowmatic_executor::Signal;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Dispatch, now};
use crate::store::{DueTimer, Signalled, StoreError};

impl Dispatch {
    /// Wakes executions that have waited long enough.
    pub async fn wake(self: &Arc<Self>, due: &[DueTimer]) -> Result<(), StoreError> {
        let woken = self.store.wake_executions(due).await?;
        self.take_up_soon(woken);
        Ok(())
    }

    /// Hands an execution what it waits for, once it is on disk.
    pub async fn signal(self: &Arc<Self>, execution: Uuid, signal: Signal) -> Result<Signalled, StoreError> {
        let signalled = self.store.signal(execution, &signal, now()).await?;
        if signalled == Signalled::Taken {
            self.pass_on(execution, signal);
        }
        Ok(signalled)
    }

    /// Passes on what executions tell others, until nobody tells any more.
    pub async fn pass_on_told(self: Arc<Self>, stop: CancellationToken) {
        let Some(mut told) = self.told.lock().await.take() else {
            return;
        };
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = told.recv() => next,
            };
            match next {
                Some((execution, signal)) => self.pass_on(execution, signal),
                None => return,
            }
        }
    }

    /// The signal is durable: to one that is in memory now, and to nobody else, it must be handed.
    fn pass_on(self: &Arc<Self>, execution: Uuid, signal: Signal) {
        if !self.engine.signal(execution, signal) {
            self.take_up_soon(vec![execution]);
        }
    }

    /// Takes executions up that nobody has, as far as there is room; the rest is taken up when there is.
    pub fn take_up_soon(self: &Arc<Self>, ids: Vec<Uuid>) {
        if ids.is_empty() {
            return;
        }
        let dispatch = self.clone();
        self.taking_up.spawn(async move {
            let stop = dispatch.stop.clone();
            dispatch.take_up_held(&ids, &stop).await;
        });
    }
}
