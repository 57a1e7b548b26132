//! Takes up what another process left, and keeps hold of what this one runs.
//!
//! What dies again and again must not take others with it: an execution that was recovered before and made no
//! progress waits in a row of its own, where one at a time is tried.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Dispatch, now, payload};
use crate::store::{OpenExecution, StoreError};

/// Executions read at a start; what is beyond waits for the next one.
const MOST_OPEN: u32 = 1_000_000;
/// Executions taken up at a time.
const AT_ONCE: usize = 256;
/// How long one that may kill the process is watched before the next one is tried.
const QUARANTINE: Duration = Duration::from_secs(10);
/// A third of the lease.
const RENEW_EVERY: Duration = Duration::from_secs(20);
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl Dispatch {
    /// Takes up all that is open and belongs to no living process.
    pub async fn recover(self: Arc<Self>, stop: CancellationToken) {
        let open = loop {
            // Whoever wrote them is gone: this process holds the lock of the one server.
            match self.store.open_executions(self.owner, None, MOST_OPEN).await {
                Ok(open) => break open,
                Err(error) => tracing::error!(%error, "open executions cannot be read; trying again"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RETRY_AFTER) => {}
            }
        };
        if open.is_empty() {
            return;
        }
        tracing::info!(
            executions = open.len(),
            "taking up executions that were left open"
        );
        let (suspects, others): (Vec<_>, Vec<_>) = open.into_iter().partition(|open| open.recoveries > 0);
        tokio::join!(self.take_up_alone(suspects, &stop), self.take_up(others, &stop),);
    }

    async fn take_up(self: &Arc<Self>, executions: Vec<OpenExecution>, stop: &CancellationToken) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        for execution in executions {
            let Ok(place) = room.clone().acquire_owned().await else {
                return;
            };
            if stop.is_cancelled() {
                return;
            }
            if let Some(run) = self.resume(execution).await {
                tokio::spawn(async move {
                    // A run that panicked has been told of by the panic itself.
                    let _ = run.await;
                    drop(place);
                });
            }
        }
    }

    async fn take_up_alone(self: &Arc<Self>, executions: Vec<OpenExecution>, stop: &CancellationToken) {
        let mut left = executions.len();
        for execution in executions {
            if stop.is_cancelled() {
                return;
            }
            left -= 1;
            let Some(run) = self.resume(execution).await else {
                continue;
            };
            if tokio::time::timeout(QUARANTINE, run).await.is_ok()
                || (left == 0 && self.engine.running() <= 1)
            {
                continue;
            }
            // One that lives this long is not what killed the process, as long as there are others to suspect:
            // what one of those does next is not counted against it.
            if let Err(error) = self.store.absolve(execution.id, self.owner).await {
                tracing::warn!(execution = %execution.id, %error, "a recovery that went well stays counted");
            }
        }
    }

    async fn resume(&self, open: OpenExecution) -> Option<tokio::task::JoinHandle<()>> {
        match self.try_resume(open).await {
            Ok(run) => run,
            Err(error) => {
                tracing::error!(execution = %open.id, %error, "an execution cannot be taken up; the next start tries again");
                None
            }
        }
    }

    async fn try_resume(
        &self,
        open: OpenExecution,
    ) -> Result<Option<tokio::task::JoinHandle<()>>, StoreError> {
        let Some(recovered) = self.store.claim(open, self.owner, now()).await? else {
            return Ok(None);
        };
        let accept = &recovered.accept;
        let version = self
            .version(accept.workflow_id, accept.version)
            .await?
            .ok_or_else(|| {
                StoreError::Internal(format!(
                    "version {} of `{}` is gone",
                    accept.version, accept.workflow_id
                ))
            })?;
        let payload = payload(&accept.payload, &accept.meta)
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        Ok(Some(self.engine.resume(recovered, version, payload)))
    }

    /// Renews the leases of what this process runs, until told to stop.
    pub async fn keep_leases(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RENEW_EVERY) => {}
            }
            if self.engine.running() > 0
                && let Err(error) = self.store.renew_leases(self.owner, now()).await
            {
                tracing::warn!(%error, "leases could not be renewed");
            }
        }
    }
}
