//! Takes up what another process left, and keeps hold of what this one runs.
//!
//! What dies again and again must not take others with it: an execution that was recovered before and made no
//! progress waits in a row of its own, where one at a time is tried.

use std::sync::Arc;
use std::time::Duration;

use flowmatic_executor::Recovered;
use flowmatic_executor::graph::start::StartPlan;
use flowmatic_executor::journal::ErrorRecord;
use flowmatic_executor::run::Place;
use flowmatic_openapi::ExecutionStatus;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::start_control::GoesOn;
use super::{Dispatch, now, payload};
use crate::store::{OpenExecution, StoreError, Whose};

/// Executions read at a time; what is beyond is swept up later.
const MOST_OPEN: u32 = 1_000_000;
/// Executions taken up at a time.
const AT_ONCE: usize = 256;
/// How long one that may kill the process is watched before the next one is tried.
const QUARANTINE: Duration = Duration::from_secs(10);
/// A third of the lease.
const RENEW_EVERY: Duration = Duration::from_secs(20);
const REFILL_EVERY: Duration = Duration::from_millis(500);
const SWEEP_EVERY: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The error of an execution whose version or payload cannot be used any more.
const UNUSABLE: &str = "version_unusable";

impl Dispatch {
    /// Takes up all that is open and belongs to no living process.
    pub async fn recover(self: Arc<Self>, stop: CancellationToken) {
        let open = loop {
            // Whoever wrote them is gone: this process holds the lock of the one server.
            match self
                .store
                .open_executions(Whose::NotOf(self.owner), MOST_OPEN)
                .await
            {
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

    /// Takes up, until told to stop, what ought to run and does not: its run was given up because the database had
    /// refused a record, or it was accepted by a commit whose outcome nobody learned.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
            self.gate.keep_places(|id| self.engine.runs(id));
            // All that run are among them, and are in memory longer than they are open; those that are only expected
            // come there before they are expected no more.
            match self.store.open_executions(Whose::Somebodys, MOST_OPEN).await {
                Ok(mut open) => {
                    open.retain(|open| !self.gate.expects(open.id) && !self.engine.runs(open.id));
                    open.truncate(self.engine.room());
                    self.take_up(open, &stop).await;
                }
                Err(error) => tracing::warn!(%error, "open executions cannot be read; trying again"),
            }
        }
    }

    /// Takes up what was accepted while there was no room in memory, and what start control has let go, until told
    /// to stop: the highest priority first, then the oldest.
    pub async fn refill(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(REFILL_EVERY) => {}
                () = self.released.notified() => {}
            }
            // Not more than begin at once, so that this one is soon back for those with a higher priority.
            let room = self.engine.room().min(AT_ONCE);
            if !self.engine.has_held() || room == 0 {
                continue;
            }
            match self
                .store
                .open_executions(Whose::Nobodys, u32::try_from(room).unwrap_or(u32::MAX))
                .await
            {
                Ok(held) => {
                    if held.len() == AT_ONCE {
                        self.released.notify_one();
                    }
                    self.take_up(held, &stop).await;
                }
                Err(error) => tracing::warn!(%error, "waiting executions cannot be read; trying again"),
            }
        }
    }

    pub(super) async fn take_up(self: &Arc<Self>, executions: Vec<OpenExecution>, stop: &CancellationToken) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        for execution in executions {
            let Ok(place) = room.clone().acquire_owned().await else {
                return;
            };
            if stop.is_cancelled() {
                return;
            }
            if let Some(run) = self.resume(execution, stop).await {
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
            let Some(run) = self.resume(execution, stop).await else {
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

    async fn resume(
        self: &Arc<Self>,
        open: OpenExecution,
        stop: &CancellationToken,
    ) -> Option<JoinHandle<()>> {
        let place = self.engine.reserve(open.id)?;
        let recovered = until_available(stop, || self.store.claim(open, self.owner, now())).await?;
        let recovered = match recovered {
            Ok(claimed) => claimed?,
            Err(error) => {
                tracing::error!(execution = %open.id, %error, "an execution cannot be read");
                return None;
            }
        };
        self.go_on(place, recovered, stop).await
    }

    /// Runs what was claimed, where start control has it.
    pub(super) async fn go_on(
        self: &Arc<Self>,
        place: Place,
        mut recovered: Recovered,
        stop: &CancellationToken,
    ) -> Option<JoinHandle<()>> {
        let id = recovered.accept.id;
        let (workflow, number) = (recovered.accept.workflow_id, recovered.accept.version);
        let version = until_available(stop, || self.version(workflow, number)).await?;
        let usable = match version {
            Ok(Some(version)) => payload(&recovered.accept.payload, &recovered.accept.meta)
                .map(|payload| (version, payload))
                .map_err(|error| error.to_string()),
            Ok(None) => Err(format!("version {number} of `{workflow}` is gone")),
            Err(error) => Err(error.to_string()),
        };
        let (version, status, error) = match usable {
            Ok((version, payload)) => match self.let_in(&version, &mut recovered, &payload, stop).await? {
                GoesOn::Begins => {
                    if version.plan.start.as_ref().is_some_and(StartPlan::has_places) {
                        self.gate.has_place(id);
                    }
                    return Some(self.engine.resume(place, recovered, version, payload));
                }
                GoesOn::Waits => return None,
                GoesOn::Ends(status, error) => (Some(version), status, error),
            },
            Err(message) => {
                tracing::error!(execution = %id, message, "an execution cannot go on");
                // Its version would say whether it has one.
                self.gate.has_place(id);
                let code = UNUSABLE.to_owned();
                let error = ErrorRecord {
                    code,
                    message,
                    node: None,
                };
                (None, ExecutionStatus::Failed, error)
            }
        };
        let version = version.as_deref();
        Some(self.engine.give_up(place, &recovered, version, status, &error))
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

/// Tries while the database is not available; None if told to stop meanwhile.
pub(super) async fn until_available<T, F: Future<Output = Result<T, StoreError>>>(
    stop: &CancellationToken,
    load: impl Fn() -> F,
) -> Option<Result<T, StoreError>> {
    loop {
        match load().await {
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(error, "an execution cannot be taken up; trying again");
            }
            settled => return Some(settled),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    }
}
