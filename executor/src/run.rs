//! Performs what [`crate::schedule`] decides: the only place with I/O.

mod caller;
mod execution;
mod inputs;
mod ledger;
mod prefix;
mod redact;
mod replay;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use self::caller::CALL;
pub use self::execution::MAX_CALLS;
use self::execution::Run;
pub use self::prefix::prefix;
use crate::Time;
use crate::catalogue::Catalogue;
use crate::context::{Payload, ResumeUrl};
use crate::graph::Version;
use crate::host::Host;
use crate::journal::{Accept, ErrorRecord, Journal, JournalError, Recovered, Signal, Ticket};
use crate::node::Answer;
use crate::observe::{Observer, UnderWay, Written};

/// Runs executions. One per process; executions that are not over when it goes stay in the journal.
pub struct Engine {
    catalogue: Arc<Catalogue>,
    host: Arc<dyn Host>,
    journal: Arc<dyn Journal>,
    limits: Limits,
    /// What is in memory, with what reaches it.
    runs: Mutex<HashMap<Uuid, Arc<Handle>>>,
    tasks: TaskTracker,
    draining: AtomicBool,
    has_held: AtomicBool,
    /// Ends every run where it stands; the journal has the rest.
    abandon: CancellationToken,
}

/// The bounds of an engine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Executions in memory at a time; one more is accepted, and waits in the journal.
    pub max_running: usize,
    /// Bytes of JSON of one node's output.
    pub max_output: usize,
    /// Bytes of JSON of all outputs of an execution.
    pub max_outputs: usize,
    /// Effects in flight at a time in one execution.
    pub max_effects: usize,
    /// Where a node sets none.
    pub node_timeout: Duration,
    /// Where a workflow sets none.
    pub execution_timeout: Duration,
    /// Recoveries without progress after which an execution ends as `crash_loop`.
    pub max_recoveries: i32,
    /// Called at named points, where the tests of crashes end the process.
    pub fault: fn(&'static str),
    /// Where an execution that waits is told to go on.
    pub resume_url: Option<ResumeUrl>,
    /// Who hears of what goes on.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_running: 10_000,
            max_output: 1 << 20,
            max_outputs: 16 << 20,
            max_effects: 64,
            node_timeout: Duration::from_secs(300),
            execution_timeout: Duration::from_secs(3_600),
            max_recoveries: 3,
            fault: |_| {},
            resume_url: None,
            observer: None,
        }
    }
}

/// An execution to start.
pub struct Start {
    pub id: Uuid,
    pub version: Arc<Version>,
    /// The place of the trigger node in the plan.
    pub trigger: usize,
    pub mode: ExecutionMode,
    pub payload: Payload,
    /// JSON text of the payload's body, as the journal keeps it.
    pub body: String,
    /// JSON text of the payload's engine names, as the journal keeps it.
    pub meta: String,
    pub retry_of: Option<Uuid>,
    pub accepted_at: Time,
}

/// An execution that was started.
#[derive(Debug)]
pub struct Started {
    /// Resolves when it is accepted, which is when its caller may be told so.
    pub accepted: Ticket,
    pub outcome: Waiting,
}

/// What a caller who waits for an answer holds.
#[derive(Debug)]
pub enum Waiting {
    /// It is over as soon as it is accepted.
    Over(Outcome),
    /// It goes on; this resolves with the first answer, or with the end. It is closed without a word when the
    /// process goes before either.
    Running(oneshot::Receiver<Outcome>),
}

/// What a caller who waits gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Answered(Answer),
    /// It ended before any Response node was reached.
    Ended {
        status: ExecutionStatus,
        error: Option<ErrorRecord>,
    },
}

/// An execution's place in memory, held as long as it is there.
pub struct Place {
    engine: Arc<Engine>,
    id: Uuid,
    handle: Arc<Handle>,
}

/// What reaches a running execution from outside.
#[derive(Debug, Default)]
struct Handle {
    cancel: CancellationToken,
    signals: Mutex<Vec<Signal>>,
    signalled: Notify,
    /// By path: what has begun and is not decided.
    under_way: Mutex<BTreeMap<Arc<str>, UnderWay>>,
}

impl Handle {
    fn signal(&self, signal: Signal) {
        self.signals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(signal);
        self.signalled.notify_one();
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, UnderWay>> {
        // Each use is one call on the map, which a panic cannot leave half done.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_signals(&self) -> Vec<Signal> {
        std::mem::take(&mut self.signals.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.engine.lock().remove(&self.id);
    }
}

impl Engine {
    pub fn new(
        catalogue: Arc<Catalogue>,
        host: Arc<dyn Host>,
        journal: Arc<dyn Journal>,
        limits: Limits,
    ) -> Arc<Self> {
        Arc::new(Self {
            catalogue,
            host,
            journal,
            limits,
            runs: Mutex::default(),
            tasks: TaskTracker::new(),
            draining: AtomicBool::new(false),
            has_held: AtomicBool::new(false),
            abandon: CancellationToken::new(),
        })
    }

    /// Starts an execution. Pure nodes run here and now; if nothing else is left, the execution is accepted
    /// and finished in one write, else it goes on by itself.
    ///
    /// Where there is no room in memory it is accepted all the same, and waits for whoever takes it up: nobody
    /// answers its caller then. Fails with [`JournalError::Unavailable`], having written nothing, where the
    /// engine is draining.
    pub fn start(self: &Arc<Self>, start: Start) -> Result<Started, JournalError> {
        if self.is_draining() {
            return Err(JournalError::Unavailable(
                "the server is shutting down".to_owned(),
            ));
        }
        let mut accept = Accept {
            id: start.id,
            workspace_id: start.version.workspace_id,
            workflow_id: start.version.workflow_id,
            version: start.version.number,
            mode: start.mode,
            trigger: start.version.plan.nodes[start.trigger].key.to_string(),
            payload: start.body,
            meta: start.meta,
            retry_of: start.retry_of,
            held: false,
            accepted_at: start.accepted_at,
        };
        let mut run = Run::new(
            self.clone(),
            Arc::default(),
            start.id,
            start.version,
            start.mode,
            start.payload,
            start.accepted_at,
        );
        run.begin(start.trigger);
        if run.run_ahead() {
            let (finish, outcome) = run.end();
            let accepted = self.journal.accept(accept, Some(finish));
            return Ok(Started {
                accepted,
                outcome: Waiting::Over(outcome),
            });
        }
        let (waiter, outcome) = oneshot::channel();
        let Some(place) = self.enter(start.id, run.handle()) else {
            self.has_held.store(true, Ordering::Relaxed);
            accept.held = true;
            return Ok(Started {
                accepted: self.journal.accept(accept, None),
                outcome: Waiting::Running(outcome),
            });
        };
        let (told, accepted) = Ticket::new();
        run.accepting(self.journal.accept(accept, None), told, waiter);
        self.tasks.spawn(run.drive(place));
        Ok(Started {
            accepted,
            outcome: Waiting::Running(outcome),
        })
    }

    /// Makes room for an execution that is about to be claimed, whatever the bound is: whoever takes up asks for
    /// [`Engine::room`] first. What cancels it from now on is not lost. None if it is in memory already.
    pub fn reserve(self: &Arc<Self>, id: Uuid) -> Option<Place> {
        let mut runs = self.lock();
        if runs.contains_key(&id) {
            return None;
        }
        let handle = Arc::<Handle>::default();
        runs.insert(id, handle.clone());
        Some(self.place(id, handle))
    }

    /// Takes an execution up again where its journal ends. The handle resolves when it has ended or was left
    /// to another process.
    pub fn resume(
        self: &Arc<Self>,
        place: Place,
        recovered: Recovered,
        version: Arc<Version>,
        payload: Payload,
    ) -> JoinHandle<()> {
        let run = replay::run(self.clone(), place.handle.clone(), recovered, version, payload);
        (self.limits.fault)("recovery");
        self.tasks.spawn(run.drive(place))
    }

    /// Ends an execution that is not to go on, with what its journal holds. `version` is missing where it cannot be
    /// used. The handle resolves once the journal has the end.
    pub fn give_up(
        self: &Arc<Self>,
        place: Place,
        recovered: &Recovered,
        version: Option<&Version>,
        status: ExecutionStatus,
        error: &ErrorRecord,
    ) -> JoinHandle<()> {
        let engine = self.clone();
        let finish = replay::given_up(recovered, version, status, error, self.host.now());
        let workflow = recovered.accept.workflow_id;
        self.tasks.spawn(async move {
            let is_written =
                execution::write(&engine, place.id, |engine| engine.journal.finish(finish.clone())).await;
            if let Some(observer) = engine.limits.observer.as_ref().filter(|_| is_written) {
                observer.wrote(place.id, workflow, Written::Finish);
            }
        })
    }

    /// Ends an execution of this process as cancelled, once its effects in flight have come back. The durable
    /// flag is the caller's to set first. Tells whether it is here.
    pub fn cancel(&self, id: Uuid) -> bool {
        let run = self.lock().get(&id).cloned();
        run.inspect(|run| run.cancel.cancel()).is_some()
    }

    /// Hands a signal to an execution of this process; it is durable already. Tells whether it is here: if not,
    /// whoever takes it up finds the signal.
    pub fn signal(&self, id: Uuid, signal: Signal) -> bool {
        let run = self.lock().get(&id).cloned();
        run.inspect(|run| run.signal(signal)).is_some()
    }

    /// How many executions are in memory.
    pub fn running(&self) -> usize {
        self.lock().len()
    }

    /// For how many more executions there is room in memory.
    pub fn room(&self) -> usize {
        self.limits.max_running.saturating_sub(self.running())
    }

    /// Notes that an execution waits in the journal that is to be taken up.
    pub fn hold(&self) {
        self.has_held.store(true, Ordering::Relaxed);
    }

    /// Whether an execution was accepted, ever, for which there was no room: it waits in the journal.
    pub fn has_held(&self) -> bool {
        self.has_held.load(Ordering::Relaxed)
    }

    /// Whether this execution is in memory.
    pub fn runs(&self, id: Uuid) -> bool {
        self.lock().contains_key(&id)
    }

    /// What has begun in an execution and is not decided, by path; `None` where it is not in memory.
    pub fn under_way(&self, id: Uuid) -> Option<Vec<UnderWay>> {
        let run = self.lock().get(&id).cloned();
        run.map(|run| run.under_way().values().cloned().collect())
    }

    /// Refuses new executions, lets those that run go on for this long, then leaves the rest to the journal.
    pub async fn drain(&self, patience: Duration) {
        self.draining.store(true, Ordering::Relaxed);
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            self.abandon.cancel();
            self.tasks.wait().await;
        }
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// None if there is no room.
    fn enter(self: &Arc<Self>, id: Uuid, handle: Arc<Handle>) -> Option<Place> {
        let mut runs = self.lock();
        if runs.len() >= self.limits.max_running {
            return None;
        }
        runs.insert(id, handle.clone());
        Some(self.place(id, handle))
    }

    fn place(self: &Arc<Self>, id: Uuid, handle: Arc<Handle>) -> Place {
        Place {
            engine: self.clone(),
            id,
            handle,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Handle>>> {
        // Each use is one call on the map, which a panic cannot leave half done.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
