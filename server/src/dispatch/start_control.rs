//! Starts under start control: decided by the store, then begun here, held back or answered by what was there before.

use std::sync::Arc;
use std::time::Duration;

use flowmatic_executor::context::Identity;
use flowmatic_executor::graph::start::{IdempotencyKey, Terms};
use flowmatic_executor::journal::ErrorRecord;
use flowmatic_executor::{Accept, Payload, Recovered, Start, Ticket, Time, Version, Waiting};
use flowmatic_openapi::{ExecutionStatus, RetryFrom};
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::recovery::until_available;
use super::turns::Turns;
use super::{Dispatch, StartError, StartRequest, Started, now};
use crate::store::{Admitted, DROPPED, DROPPED_MESSAGE, DueTimer, NewStart, Once, StoreError};

/// What start control has of a process.
pub(super) struct Control {
    pub(super) turns: Turns,
    /// Starts that are being decided and begun.
    pub(super) deciding: TaskTracker,
    /// Executions whose places may be free.
    freed: Mutex<Option<mpsc::Receiver<Uuid>>>,
    /// Nothing runs here any more: callers who wait are told where things stand.
    pub(super) at_rest: CancellationToken,
}

/// How often free places are looked for that nobody has told of.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What became of a start.
#[derive(Debug)]
pub enum Admission {
    Started(Started),
    /// It is accepted and waits for a place.
    Queued(Uuid),
    /// It is accepted, or was taken in by one that waits for quiet.
    Debounced(Uuid),
    /// It is accepted and over.
    Dropped(Uuid),
    /// It came before, and started this one.
    Replayed {
        execution: Uuid,
        is_debounced: bool,
        /// How it ended, where it is there no more.
        removed_as: Option<ExecutionStatus>,
    },
}

impl Admission {
    /// The execution that it is about.
    pub fn execution(&self) -> Uuid {
        match self {
            Self::Started(started) => started.id,
            Self::Queued(id) | Self::Debounced(id) | Self::Dropped(id) => *id,
            Self::Replayed { execution, .. } => *execution,
        }
    }
}

/// How an execution goes on that was claimed.
pub(super) enum GoesOn {
    /// It runs, or ends where it was cancelled.
    Begins,
    /// It is nobody's until there is a place for it.
    Waits,
    /// It does not begin.
    Ends(ExecutionStatus, ErrorRecord),
}

/// The error of an execution that nobody called for and whose key cannot be had.
const NO_KEY: &str = "start_control";
const RATE_LIMITED: &str = "rate_limited";

impl Control {
    pub fn new(freed: mpsc::Receiver<Uuid>) -> Self {
        Self {
            turns: Turns::default(),
            deciding: TaskTracker::new(),
            freed: Mutex::new(Some(freed)),
            at_rest: CancellationToken::new(),
        }
    }
}

impl Dispatch {
    /// Starts an execution as its workflow's start control has it. What is told here is on disk.
    ///
    /// `caller_key` is the idempotency key that the caller gave.
    pub async fn admit(
        self: &Arc<Self>,
        request: StartRequest,
        caller_key: Option<String>,
    ) -> Result<Admission, StartError> {
        let dispatch = self.clone();
        // What is decided is begun, though its caller hangs up.
        let decided = self
            .control
            .deciding
            .spawn(async move { dispatch.decide(request, caller_key).await });
        decided
            .await
            .map_err(|error| StoreError::Internal(error.to_string()))?
    }

    async fn decide(
        &self,
        mut request: StartRequest,
        caller_key: Option<String>,
    ) -> Result<Admission, StartError> {
        let id = Uuid::now_v7();
        let mut terms = self.terms(id, &request)?;
        let once = once(&mut terms, &request, caller_key);
        let start = NewStart {
            accept: accept(&mut request, id),
            terms,
            once,
        };
        let (mut start, outcome) = self.control.turns.decide(start).await?;
        Ok(match outcome {
            Admitted::Started => {
                request.body = std::mem::take(&mut start.accept.payload);
                request.meta = std::mem::take(&mut start.accept.meta);
                Admission::Started(self.begin(request, id, start.accept.accepted_at))
            }
            Admitted::Queued => Admission::Queued(id),
            Admitted::Debounced { execution } => Admission::Debounced(execution),
            Admitted::Dropped => Admission::Dropped(id),
            Admitted::Replayed {
                execution,
                is_debounced,
                removed_as,
            } => Admission::Replayed {
                execution,
                is_debounced,
                removed_as,
            },
            Admitted::KeyReused { execution } => return Err(StartError::KeyReused(execution)),
            Admitted::RateLimited { wait } => return Err(StartError::RateLimited(wait)),
        })
    }

    fn terms(&self, id: Uuid, request: &StartRequest) -> Result<Terms, StartError> {
        let version = &request.version;
        let Some(plan) = &version.plan.start else {
            return Ok(Terms::default());
        };
        let identity = Identity {
            resume_url: None,
            id,
            workflow_id: version.workflow_id,
            version: version.number,
            mode: request.mode,
            started_at: now(),
        };
        Ok(plan.terms(version, request.trigger, identity, &request.payload)?)
    }

    /// Has start control decide of an execution that was just claimed, unless it has: of others than callers' it has not,
    /// such as a schedule's. Tells how it goes on; None if told to stop.
    pub(super) async fn let_in(
        self: &Arc<Self>,
        version: &Version,
        recovered: &mut Recovered,
        payload: &Payload,
        stop: &CancellationToken,
    ) -> Option<GoesOn> {
        let accept = &recovered.accept;
        let plan = version.plan.start.as_ref();
        let Some(plan) = plan.filter(|plan| plan.asks(accept.mode) && !recovered.cancel_requested) else {
            return Some(GoesOn::Begins);
        };
        match until_available(stop, || self.store.is_admitted(accept.id)).await? {
            Ok(true) => return Some(GoesOn::Begins),
            Ok(false) => {}
            Err(error) => return Some(Self::waits(accept.id, &error)),
        }
        let identity = Identity {
            resume_url: None,
            id: accept.id,
            workflow_id: accept.workflow_id,
            version: accept.version,
            mode: accept.mode,
            started_at: accept.accepted_at,
        };
        let trigger = version
            .plan
            .keys
            .get(&accept.trigger)
            .copied()
            .unwrap_or_default();
        let ends = |status, code: &str, message: String| {
            let error = ErrorRecord {
                code: code.to_owned(),
                message,
                node: None,
            };
            Some(GoesOn::Ends(status, error))
        };
        let terms = match plan.terms(version, trigger, identity, payload) {
            Ok(terms) => terms,
            Err(error) => return ends(ExecutionStatus::Failed, NO_KEY, error.to_string()),
        };
        let admit = || self.store.admit_claimed(recovered, &terms, self.owner, now());
        let admission = match until_available(stop, admit).await? {
            Ok(Some(admission)) => admission,
            Ok(None) => {
                recovered.cancel_requested = true;
                return Some(GoesOn::Begins);
            }
            Err(error) => return Some(Self::waits(accept.id, &error)),
        };
        self.carry_out(&admission.cancelled, admission.released);
        match admission.outcome {
            Admitted::Started => Some(GoesOn::Begins),
            Admitted::Dropped => ends(ExecutionStatus::Cancelled, DROPPED, DROPPED_MESSAGE.to_owned()),
            Admitted::RateLimited { .. } => {
                let message = "more executions begin than the workflow's `start.rate_limit` allows";
                ends(ExecutionStatus::Cancelled, RATE_LIMITED, message.to_owned())
            }
            // It waits for a place, and one may have become free while this was written.
            _ => {
                self.gate.freed(accept.id);
                Some(GoesOn::Waits)
            }
        }
    }

    /// It is taken up again by who looks for what ought to run and does not.
    fn waits(id: Uuid, error: &StoreError) -> GoesOn {
        tracing::warn!(execution = %id, %error, "whether an execution begins could not be decided; trying again");
        GoesOn::Waits
    }

    /// Runs an execution whose row is there and this process's own.
    fn begin(&self, request: StartRequest, id: Uuid, accepted_at: Time) -> Started {
        let start = Start {
            id,
            version: request.version,
            trigger: request.trigger,
            mode: request.mode,
            payload: request.payload,
            body: request.body,
            meta: request.meta,
            retry_of: request.retry_of,
            accepted_at,
        };
        let (accepted, outcome) = match self.engine.start(start) {
            Ok(started) => {
                if self.gate.take_cancelled(id) {
                    self.engine.cancel(id);
                }
                (started.accepted, started.outcome)
            }
            // The process ends. It is accepted all the same, and the next process takes it up.
            Err(_) => {
                self.gate.forget(id);
                let (_, nobody_answers) = oneshot::channel();
                (Ticket::settled(Ok(())), Waiting::Running(nobody_answers))
            }
        };
        Started {
            id,
            accepted_at,
            accepted,
            outcome,
        }
    }

    /// What a decision means for others: some are to end, some may be taken up.
    pub(super) fn carry_out(self: &Arc<Self>, cancelled: &[Uuid], released: bool) {
        self.cancel(cancelled);
        if released {
            self.take_up_released();
        }
    }

    /// Gives places that become free to those who wait for them, until told to stop.
    pub async fn pass_places_on(self: Arc<Self>, stop: CancellationToken) {
        let Some(mut freed) = self.control.freed.lock().await.take() else {
            return;
        };
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let filled = tokio::select! {
                () = stop.cancelled() => return,
                Some(id) = freed.recv() => self.store.pass_place_on(id, now()).await,
                _ = look.tick() => self.store.fill_free_places(now()).await,
            };
            match filled {
                Ok(true) => self.take_up_released(),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "who waits for a place goes on waiting; trying again"),
            }
        }
    }

    /// Begins the debounced starts of these timers.
    pub async fn end_debounces(self: &Arc<Self>, due: &[DueTimer]) -> Result<(), StoreError> {
        // One that fails holds up no other; it is tried again.
        let mut ended = Ok(());
        for timer in due {
            match self.store.end_debounce(timer, now()).await {
                Ok(None) => {}
                Ok(Some(begun)) => self.carry_out(&begun.cancelled, begun.released),
                Err(error) => ended = Err(error),
            }
        }
        ended
    }
}

/// Moves what the row holds out of the request.
fn accept(request: &mut StartRequest, id: Uuid) -> Accept {
    Accept {
        id,
        workspace_id: request.version.workspace_id,
        workflow_id: request.version.workflow_id,
        version: request.version.number,
        mode: request.mode,
        trigger: request.version.plan.nodes[request.trigger].key.to_string(),
        payload: std::mem::take(&mut request.body),
        meta: std::mem::take(&mut request.meta),
        retry_of: request.retry_of,
        held: false,
        accepted_at: now(),
    }
}

fn once(terms: &mut Terms, request: &StartRequest, caller_key: Option<String>) -> Option<Once> {
    if let Some(of) = request.retry_of {
        return caller_key.map(|key| Once::of_retry(of, RetryFrom::Start, &key));
    }
    let idempotency = terms.idempotency.take()?;
    let (key, body_hash) = match idempotency.key {
        IdempotencyKey::OfCaller => (caller_key?, Some(body_hash(request))),
        IdempotencyKey::OfWorkflow(key) => (key?, None),
    };
    Some(Once {
        key,
        body_hash,
        ttl: idempotency.ttl,
    })
}

/// What a caller must send again under the same key: the body, to the same trigger.
fn body_hash(request: &StartRequest) -> Vec<u8> {
    let files = request
        .payload
        .engine
        .get("_webhook")
        .map(|webhook| webhook["files"].to_string());
    let mut hash = Sha256::new();
    hash.update(request.version.plan.nodes[request.trigger].key.as_bytes());
    hash.update([0]);
    hash.update(request.body.as_bytes());
    hash.update([0]);
    hash.update(files.unwrap_or_default());
    hash.finalize().to_vec()
}
