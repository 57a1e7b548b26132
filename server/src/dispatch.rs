//! Which process runs which execution: starts, recoveries, cancels, the end of the process.

mod answer;
mod by_hand;
mod calls;
mod follow;
mod gate;
mod held;
mod host;
mod recovery;
mod show;
mod start_control;
mod turns;
mod wake;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::Utc;
use flowmatic_executor::graph::start::TermsError;
use flowmatic_executor::{
    Catalogue, Engine, Journal, JournalError, Limits, Payload, Plan, ResumeUrl, Secrets, Signal, Start,
    Ticket, Time, Version, Waiting, json,
};
use flowmatic_nodes::trigger::webhook::Webhook;
use flowmatic_openapi::ExecutionMode;
use poem::http::Method;
use serde_json::Value;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use self::by_hand::ByHand;
pub use self::follow::{END, Follow};
use self::gate::Gate;
use self::host::ServerHost;
pub use self::show::{StepData, asked_of_people, is_approval, is_resumed};
pub use self::start_control::Admission;
use self::start_control::Control;
use crate::cache::Cache;
use crate::fault;
use crate::guard::Guard;
use crate::secret::SecretKey;
use crate::store::{CommitWriter, Store, StoreError, Told};

/// Starts executions, and takes those up that another process left.
pub struct Dispatch {
    store: Store,
    secret_key: SecretKey,
    catalogue: Arc<Catalogue>,
    engine: Arc<Engine>,
    journal: Arc<CommitWriter>,
    /// Ends when all that was written is on disk.
    writing: Mutex<Option<JoinHandle<()>>>,
    /// This process, in the rows of the executions it runs.
    owner: Uuid,
    /// Ends the taking up of executions.
    stop: CancellationToken,
    taking_up: TaskTracker,
    /// What executions tell others.
    told: Mutex<Option<mpsc::UnboundedReceiver<(Uuid, Signal)>>>,
    versions: Cache<(Uuid, i32), Arc<Version>>,
    routes: Cache<Uuid, Arc<Route>>,
    gate: Gate,
    control: Control,
    /// Some executions that belong to nobody may be taken up.
    released: Notify,
    resume_url: ResumeUrl,
}

/// Where calls of a webhook go.
pub struct Route {
    pub webhook_id: Uuid,
    pub trigger_id: Uuid,
    pub webhook: Webhook,
    pub version: Arc<Version>,
    /// The trigger's place in the plan.
    pub trigger: usize,
    /// Whether a Response node can be reached, so that the caller waits for it.
    pub answers: bool,
}

impl Route {
    pub fn takes(&self, method: &Method) -> bool {
        self.webhook
            .methods
            .iter()
            .any(|taken| taken.as_str() == method.as_str())
    }

    /// As the header `Allow` lists them.
    pub fn methods(&self) -> String {
        let names: Vec<&str> = self
            .webhook
            .methods
            .iter()
            .map(|method| method.as_str())
            .collect();
        names.join(", ")
    }
}

/// An execution to start.
pub struct StartRequest {
    pub version: Arc<Version>,
    /// The trigger's place in the plan.
    pub trigger: usize,
    pub mode: ExecutionMode,
    pub payload: Payload,
    /// JSON text of the payload's body.
    pub body: String,
    /// JSON text of the payload's engine names.
    pub meta: String,
    pub retry_of: Option<Uuid>,
}

/// An execution that was started. It may be told of when `accepted` has resolved.
#[derive(Debug)]
pub struct Started {
    pub id: Uuid,
    pub accepted_at: Time,
    pub accepted: Ticket,
    pub outcome: Waiting,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing was accepted; a later try may work.
    #[error("{0}")]
    Unavailable(String),
    #[error("there is no such version or trigger")]
    NotFound,
    /// Nothing was accepted: the call lacks a key that start control needs.
    #[error(transparent)]
    NoKey(#[from] TermsError),
    /// Nothing was accepted: the idempotency key has started this execution with another body.
    #[error("the idempotency key was used with another body: it started the execution `{0}`")]
    KeyReused(Uuid),
    /// Nothing was accepted: the idempotency key has started this execution, which is there no more.
    #[error(
        "the idempotency key was used before: it started the execution `{0}`, which has been removed since"
    )]
    Removed(Uuid),
    /// Nothing was accepted before this time is over.
    #[error("the workflow's rate limit is reached; try again in {0:?}")]
    RateLimited(Duration),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<JournalError> for StartError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unavailable(message) => Self::Unavailable(message),
            other => Self::Store(StoreError::Internal(other.to_string())),
        }
    }
}

/// How long running executions may go on when the process is told to end.
const DRAIN: Duration = Duration::from_secs(25);
const CACHED_VERSIONS: usize = 1_000;
const CACHED_ROUTES: usize = 10_000;

/// The type of the node that answers callers.
const RESPONSE: &str = "flow.response";

impl Dispatch {
    pub fn new(
        store: Store,
        secret_key: SecretKey,
        catalogue: Arc<Catalogue>,
        guard: Guard,
        max_running: usize,
        resume_url: ResumeUrl,
    ) -> Arc<Self> {
        let owner = Uuid::now_v7();
        let (tell, told): (Told, _) = mpsc::unbounded_channel();
        let (journal, writing) = CommitWriter::start(store.clone(), owner, tell);
        let limits = Limits {
            max_running,
            fault: fault::point,
            resume_url: Some(resume_url.clone()),
            observer: Some(store.watchers().clone()),
            ..Limits::default()
        };
        let (gate, freed) = Gate::new(journal.clone(), store.clone(), owner);
        let seen: Arc<dyn Journal> = Arc::new(gate.clone());
        Arc::new_cyclic(|dispatch: &Weak<Self>| {
            let host = ServerHost::new(guard, dispatch.clone());
            let engine = Engine::new(catalogue.clone(), Arc::new(host), seen, limits);
            Self {
                store,
                secret_key,
                catalogue,
                engine,
                journal,
                writing: Mutex::new(Some(writing)),
                owner,
                stop: CancellationToken::new(),
                taking_up: TaskTracker::new(),
                told: Mutex::new(Some(told)),
                versions: Cache::new(CACHED_VERSIONS),
                routes: Cache::new(CACHED_ROUTES),
                gate,
                control: Control::new(freed),
                released: Notify::new(),
                resume_url,
            }
        })
    }

    /// Starts an execution of a workflow without start control; [`Dispatch::admit`] is for one with it. Fails with
    /// [`JournalError::Unavailable`], having written nothing, where the process is ending.
    pub fn start(&self, request: StartRequest) -> Result<Started, JournalError> {
        let (id, accepted_at) = (Uuid::now_v7(), now());
        let started = self.engine.start(Start {
            id,
            version: request.version,
            trigger: request.trigger,
            mode: request.mode,
            payload: request.payload,
            body: request.body,
            meta: request.meta,
            retry_of: request.retry_of,
            accepted_at,
        })?;
        Ok(Started {
            id,
            accepted_at,
            accepted: started.accepted,
            outcome: started.outcome,
        })
    }

    /// Has executions taken up that belong to nobody, now.
    fn take_up_released(&self) {
        self.engine.hold();
        self.released.notify_one();
    }

    /// Ends executions; their durable flags are set already.
    pub fn cancel(self: &Arc<Self>, executions: &[Uuid]) {
        let mut elsewhere = Vec::new();
        for &execution in executions {
            // One that the engine does not know at first and that is not early any more has been begun in between.
            let is_here = self.engine.cancel(execution)
                || self.gate.cancel_early(execution)
                || self.engine.cancel(execution);
            if !is_here {
                elsewhere.push(execution);
            }
        }
        // Those that waited are taken up once more, so that they end well; those that ended at once may have had a place.
        self.take_up_soon(elsewhere.clone());
        for execution in elsewhere {
            self.gate.freed(execution);
        }
    }

    /// Where calls of this webhook go; `None` where there is none, or its workflow is not active.
    pub async fn route(&self, webhook_id: Uuid) -> Result<Option<Arc<Route>>, StoreError> {
        if let Some(route) = self.routes.get(&webhook_id) {
            return Ok(Some(route));
        }
        let generation = self.routes.generation();
        let Some(target) = self.store.webhook(webhook_id).await? else {
            return Ok(None);
        };
        let (true, Some(number)) = (target.active, target.version) else {
            return Ok(None);
        };
        let Some(version) = self.version(target.workflow_id, number).await? else {
            return Ok(None);
        };
        let Some(&trigger) = version.plan.keys.get(&target.node) else {
            return Ok(None);
        };
        let node = &version.plan.nodes[trigger];
        if node.disabled {
            return Ok(None);
        }
        let webhook: Webhook = serde_json::from_value(node.constant_parameters())
            .map_err(|error| StoreError::Internal(format!("trigger `{}`: {error}", target.trigger_id)))?;
        let route = Arc::new(Route {
            webhook_id,
            trigger_id: target.trigger_id,
            webhook,
            answers: version.plan.reaches(trigger, RESPONSE),
            version,
            trigger,
        });
        self.routes.insert(generation, webhook_id, route.clone());
        Ok(Some(route))
    }

    /// A published version, compiled, with its secrets.
    pub async fn version(&self, workflow_id: Uuid, number: i32) -> Result<Option<Arc<Version>>, StoreError> {
        if let Some(version) = self.versions.get(&(workflow_id, number)) {
            return Ok(Some(version));
        }
        let generation = self.versions.generation();
        let Some((workspace_id, mut graph)) = self.store.version(workflow_id, number).await? else {
            return Ok(None);
        };
        // An older server published any; what is removed when is not asked here.
        graph.settings.retention = None;
        let plan = Plan::compile(&graph, &self.catalogue).map_err(|problems| {
            let told: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
            StoreError::Internal(format!(
                "version {number} of `{workflow_id}` cannot run: {}",
                told.join("; ")
            ))
        })?;
        let secrets = self.secrets(workspace_id, &plan).await?;
        let version = Version {
            workspace_id,
            workflow_id,
            number,
            plan: Arc::new(plan),
            secrets: Arc::new(secrets),
        };
        let version = Arc::new(version);
        self.versions
            .insert(generation, (workflow_id, number), version.clone());
        Ok(Some(version))
    }

    async fn secrets(&self, workspace_id: i64, plan: &Plan) -> Result<Secrets, StoreError> {
        let references: Vec<Uuid> = plan
            .secrets
            .iter()
            .filter_map(|reference| Uuid::try_parse(reference).ok())
            .collect();
        let mut secrets = HashMap::new();
        for (id, sealed) in self.store.secrets(workspace_id, &references).await? {
            let secret = self
                .secret_key
                .unseal(id, &sealed)
                .map_err(|error| StoreError::Internal(error.to_string()))?;
            secrets.insert(id.to_string(), secret);
        }
        Ok(Secrets::new(secrets))
    }

    /// To be called when a workflow was saved, published, switched or deleted: calls go where it says now.
    pub fn forget_routes(&self) {
        self.routes.clear();
    }

    /// Ends well: lets what runs go on for a while, then leaves the rest to the next process.
    pub async fn drain(&self) {
        self.stop.cancel();
        self.taking_up.close();
        self.taking_up.wait().await;
        self.engine.drain(DRAIN).await;
        self.store.watchers().close();
        self.control.at_rest.cancel();
        self.control.deciding.close();
        self.control.deciding.wait().await;
        self.journal.close();
        if let Some(writing) = self.writing.lock().await.take() {
            // A writer that panicked has been told of by the panic itself.
            let _ = writing.await;
        }
        if let Err(error) = self.store.release(self.owner).await {
            tracing::warn!(%error, "what was left will count as a recovery");
        }
    }
}

/// The time, in the whole milliseconds that the store keeps.
fn now() -> Time {
    let now = Utc::now();
    chrono::DateTime::from_timestamp_millis(now.timestamp_millis()).unwrap_or(now)
}

/// What started an execution, as the journal keeps it.
fn payload(body: &str, meta: &str) -> Result<Payload, json::JsonError> {
    let engine = match json::parse(meta.as_bytes())? {
        Value::Object(engine) => engine,
        _ => serde_json::Map::new(),
    };
    Ok(Payload {
        body: json::parse(body.as_bytes())?,
        engine,
    })
}
