//! Nodes, a host and a journal that the tests of the engine steer.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use flowmatic_executor::journal::{ErrorRecord, StepRecord, StepState};
use flowmatic_executor::node::OUT;
use flowmatic_executor::testing::Start as TestStart;
use flowmatic_executor::{
    About, Answer, Catalogue, Child, ChildError, Engine, Entry, Host, HttpError, HttpRequest, HttpResponse,
    JournalError, Limits, Node, NodeContext, NodeError, Output, Param, Payload, Plan, Role, Secrets, Start,
    Started, Ticket, Time, Version,
};
use flowmatic_openapi::{ExecutionMode, ExecutionStatus, Graph};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use poem_openapi::types::ParseFromJSON;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Barrier, Notify, Semaphore};
use tokio::time::Instant;
use uuid::Uuid;

use crate::control;
use crate::journal::TestJournal;

pub fn node(key: &str, kind: &str, parameters: Value) -> Value {
    json!({"key": key, "type": kind, "parameters": parameters})
}

pub fn edge(from: &str, to: &str) -> Value {
    json!({"from": from, "to": to})
}

/// The reference of the one secret there is, `hunter2`.
pub const SECRET: &str = "0191d7f8-1f00-7000-8000-000000000001";

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine with all that surrounds it.
pub struct World {
    pub engine: Arc<Engine>,
    pub host: Arc<TestHost>,
    pub journal: Arc<TestJournal>,
    catalogue: Arc<Catalogue>,
    versions: Mutex<BTreeMap<Uuid, Arc<Version>>>,
    secrets: HashMap<String, String>,
    second: Mutex<Option<Arc<Engine>>>,
}

impl World {
    pub fn new() -> Self {
        Self::within(Limits::default())
    }

    pub fn within(limits: Limits) -> Self {
        let catalogue = Arc::new(Catalogue::new(vec![
            Entry::of::<TestStart>(),
            Entry::of::<Echo>(),
            Entry::of::<Port>(),
            Entry::of::<Call>(),
            Entry::of::<Respond>(),
            Entry::of::<Panic>(),
            Entry::of::<PanicEffect>(),
            Entry::of::<control::Each>(),
            Entry::of::<control::While>(),
            Entry::of::<control::Wait>(),
            Entry::of::<control::Call>(),
        ]));
        let (host, journal) = (Arc::new(TestHost::new()), Arc::new(TestJournal::new()));
        let engine = Engine::new(catalogue.clone(), host.clone(), journal.clone(), limits);
        Self {
            engine,
            host,
            journal,
            catalogue,
            versions: Mutex::default(),
            secrets: HashMap::from([(SECRET.to_owned(), "hunter2".to_owned())]),
            second: Mutex::default(),
        }
    }

    pub async fn start(&self, graph: Value, body: Value) -> (Uuid, Started) {
        self.try_start(graph, body).await.expect("there is room")
    }

    pub async fn try_start(&self, graph: Value, body: Value) -> Result<(Uuid, Started), JournalError> {
        self.try_start_as(ExecutionMode::Manual, graph, body, Map::new())
            .await
    }

    /// Starts an execution whose payload has these names of the engine's.
    pub async fn try_start_as(
        &self,
        mode: ExecutionMode,
        graph: Value,
        body: Value,
        names: Map<String, Value>,
    ) -> Result<(Uuid, Started), JournalError> {
        let graph = Graph::parse_from_json(Some(graph)).expect("a graph");
        let plan = Plan::compile(&graph, &self.catalogue).expect("a graph without mistakes");
        let id = Uuid::now_v7();
        let version = Arc::new(Version {
            workspace_id: 1,
            workflow_id: Uuid::nil(),
            number: 1,
            plan: Arc::new(plan),
            secrets: Arc::new(Secrets::new(self.secrets.clone())),
        });
        self.versions
            .lock()
            .expect("unpoisoned")
            .insert(id, version.clone());
        let started = self.engine.start(Start {
            id,
            version,
            trigger: 0,
            mode,
            body: body.to_string(),
            meta: Value::Object(names.clone()).to_string(),
            payload: Payload { body, engine: names },
            retry_of: None,
            accepted_at: self.host.now(),
        })?;
        Ok((id, started))
    }

    pub async fn accepted(&self, ticket: Ticket) {
        ticket.await.expect("accepted");
    }

    /// The process dies: its engine can write no more.
    pub fn crash(&self) {
        self.journal.cut_off();
    }

    fn another(&self) -> Arc<Engine> {
        Engine::new(
            self.catalogue.clone(),
            self.host.clone(),
            self.journal.clone(),
            Limits::default(),
        )
    }

    /// Another process takes an execution up, as after a crash.
    pub async fn resume(&self, id: Uuid) {
        self.journal.reconnect();
        let engine = self.another();
        let recovered = self.journal.inner.claim(id).expect("open");
        let version = self.versions.lock().expect("unpoisoned")[&id].clone();
        let body = serde_json::from_str(&recovered.accept.payload).expect("JSON");
        let names = serde_json::from_str(&recovered.accept.meta).expect("JSON");
        let place = engine.reserve(id).expect("it is not there");
        engine.resume(place, recovered, version, Payload { body, engine: names });
        *self.second.lock().expect("unpoisoned") = Some(engine);
    }

    /// Another process finds that it cannot take an execution up.
    pub fn give_up(&self, id: Uuid) {
        self.journal.reconnect();
        let recovered = self.journal.inner.claim(id).expect("open");
        let error = ErrorRecord {
            code: "version_unusable".to_owned(),
            message: "it is gone".to_owned(),
            node: None,
        };
        let engine = self.another();
        let place = engine.reserve(id).expect("it is not there");
        engine.give_up(place, &recovered, None, ExecutionStatus::Failed, &error);
    }

    /// Waits until it has ended; takes it up when it is parked and its time has come.
    pub async fn end(&self, id: Uuid) -> ExecutionStatus {
        let mut changes = self.journal.changes.subscribe();
        let finished = async {
            loop {
                let row = self.journal.inner.row(id);
                if let Some(finish) = row.as_ref().and_then(|row| row.finish.as_ref()) {
                    return finish.status;
                }
                if let Some(wake_at) = row.and_then(|row| row.parked).flatten() {
                    let wait = (wake_at - self.host.now()).to_std().unwrap_or_default();
                    tokio::time::sleep(wait).await;
                    self.resume(id).await;
                }
                changes.changed().await.expect("the journal lives");
            }
        };
        tokio::time::timeout(PATIENCE, finished)
            .await
            .expect("it ends in time")
    }

    /// Tells whether it ended before the journal was cut off.
    pub async fn ends_or_crashes(&self, id: Uuid) -> bool {
        let mut changes = self.journal.changes.subscribe();
        let settled = async {
            loop {
                if self.journal.inner.row(id).is_some_and(|row| row.finish.is_some()) {
                    return true;
                }
                if self.journal.is_cut_off() {
                    return false;
                }
                changes.changed().await.expect("the journal lives");
            }
        };
        tokio::time::timeout(PATIENCE, settled)
            .await
            .expect("it ends in time")
    }

    /// Waits until it is parked; tells when it is to be taken up.
    pub async fn parked(&self, id: Uuid) -> Option<Time> {
        let mut changes = self.journal.changes.subscribe();
        let parked = async {
            loop {
                if let Some(wake_at) = self.journal.inner.row(id).and_then(|row| row.parked) {
                    return wake_at;
                }
                changes.changed().await.expect("the journal lives");
            }
        };
        tokio::time::timeout(PATIENCE, parked)
            .await
            .expect("it is parked in time")
    }

    /// Waits until the journal has so many checkpoints of it.
    pub async fn checkpointed(&self, id: Uuid, checkpoints: usize) {
        let mut changes = self.journal.changes.subscribe();
        let written = async {
            while self.journal.row(id).checkpoints.len() < checkpoints {
                changes.changed().await.expect("the journal lives");
            }
        };
        tokio::time::timeout(PATIENCE, written)
            .await
            .expect("it is written in time");
    }

    pub fn record(&self, id: Uuid) -> Vec<StepRecord> {
        let finish = self.journal.row(id).finish.expect("finished");
        serde_json::from_str(&finish.steps).expect("a list of steps")
    }

    pub fn steps(&self, id: Uuid) -> Vec<(String, StepState, Value)> {
        self.record(id)
            .into_iter()
            .map(|step| (step.node.to_string(), step.status, step.output))
            .collect()
    }

    pub fn error(&self, id: Uuid) -> (String, String) {
        let error = self
            .journal
            .row(id)
            .finish
            .expect("finished")
            .error
            .expect("failed");
        let error: ErrorRecord = serde_json::from_str(&error).expect("an error");
        (error.code, error.message)
    }

    /// The URLs of the effects whose outputs are in checkpoints.
    pub fn recorded_effects(&self, id: Uuid) -> Vec<String> {
        let checkpoints = self.journal.row(id).checkpoints.concat();
        let effects = ["a", "b", "c", "d"].into_iter();
        effects
            .filter(|key| checkpoints.contains(&format!(r#""node":"{key}""#)))
            .map(|key| format!("ok/{key}"))
            .collect()
    }

    pub fn inputs(&self, id: Uuid) -> Vec<Option<Value>> {
        let version = self.versions.lock().expect("unpoisoned")[&id].clone();
        let accept = self.journal.row(id).accept;
        let payload = Payload {
            body: serde_json::from_str(&accept.payload).expect("JSON"),
            engine: Map::new(),
        };
        self.engine.inputs(
            &version,
            id,
            accept.mode,
            payload,
            accept.accepted_at,
            &self.record(id),
            |_| true,
        )
    }
}

/// Answers by the first word of the URL: `ok`, `fail`, `fail-twice`, `refuse`, `hang`, `gate` (answers once it is
/// open), `meet` (answers when two have called), `busy` (503; the next word is its `Retry-After`).
pub struct TestHost {
    started: Instant,
    calls: Mutex<Vec<String>>,
    /// When each came.
    times: Mutex<Vec<Instant>>,
    called: Notify,
    /// The executions that were called, and by whom.
    pub children: Mutex<Vec<(Uuid, Child)>>,
    /// Those whose children were to be cancelled.
    /// Whose calls were to end, and of which path.
    pub cancelled: Mutex<Vec<(Uuid, Option<String>)>>,
    gate: Semaphore,
    meeting: Barrier,
}

impl TestHost {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            calls: Mutex::default(),
            times: Mutex::default(),
            called: Notify::new(),
            children: Mutex::default(),
            cancelled: Mutex::default(),
            gate: Semaphore::new(0),
            meeting: Barrier::new(2),
        }
    }

    /// What was sent, in order: URL, key and body.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("unpoisoned").clone()
    }

    /// The times between the calls from the `first` one on.
    pub fn waits(&self, first: usize) -> Vec<Duration> {
        let times = self.times.lock().expect("unpoisoned");
        times[first..].windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    pub async fn called(&self, url: &str) {
        self.called_times(url, 1).await;
    }

    pub async fn called_times(&self, url: &str, times: usize) {
        let called = async {
            while self.calls().iter().filter(|call| call.starts_with(url)).count() < times {
                self.called.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, called)
            .await
            .expect("it is called in time");
    }

    pub fn open_gate(&self) {
        self.gate.add_permits(1_000);
    }
}

impl Host for TestHost {
    fn now(&self) -> Time {
        let since = i64::try_from(self.started.elapsed().as_millis()).expect("a short test");
        Time::from_timestamp_millis(since).expect("a time")
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, HttpError>> {
        let told = format!("{} {} {:?}", request.url, request.headers[0].1, request.body);
        async move {
            let before = {
                let mut calls = self.calls.lock().expect("unpoisoned");
                calls.push(told);
                calls.len() - 1
            };
            self.times.lock().expect("unpoisoned").push(Instant::now());
            self.called.notify_one();
            let (word, rest) = request.url.split_once('/').unwrap_or((&request.url, ""));
            match word {
                "fail-twice" if before < 2 => return Err(HttpError::Network("down".to_owned())),
                "fail" => return Err(HttpError::Network("down".to_owned())),
                "refuse" => return Err(HttpError::Invalid("no such thing".to_owned())),
                "hang" => std::future::pending::<()>().await,
                "gate" => self.gate.acquire().await.expect("open").forget(),
                "meet" => {
                    self.meeting.wait().await;
                }
                "busy" => {
                    return Ok(HttpResponse {
                        status: 503,
                        headers: vec![("retry-after".to_owned(), rest.to_owned())],
                        body: Bytes::new(),
                    });
                }
                _ => {}
            }
            Ok(HttpResponse {
                status: 200,
                headers: Vec::new(),
                body: Bytes::new(),
            })
        }
        .boxed()
    }

    fn start_child(&self, child: Child) -> BoxFuture<'_, Result<Uuid, ChildError>> {
        let id = Uuid::now_v7();
        let mut children = self.children.lock().expect("unpoisoned");
        let known = children
            .iter()
            .find(|(_, one)| (one.parent, &one.path) == (child.parent, &child.path))
            .map(|(id, _)| *id);
        if known.is_none() {
            children.push((id, child));
        }
        self.called.notify_one();
        futures_util::future::ready(Ok(known.unwrap_or(id))).boxed()
    }

    fn cancel_children<'a>(&'a self, execution: Uuid, path: Option<&'a str>) -> BoxFuture<'a, ()> {
        let path = path.map(str::to_owned);
        self.cancelled.lock().expect("unpoisoned").push((execution, path));
        futures_util::future::ready(()).boxed()
    }
}

macro_rules! about {
    ($kind:literal, $role:ident, $ports:expr) => {
        const ABOUT: About = About {
            kind: $kind,
            title: $kind,
            summary: "For tests",
            documentation: "",
            icon: "",
            role: Role::$role,
            ports: $ports,
            example: "{}",
        };
    };
}
pub(crate) use about;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    value: Param<Value>,
}

impl Node for Echo {
    about!("test.echo", Pure, OUT);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::value(self.value.0))
    }
}

#[derive(Deserialize, JsonSchema)]
struct Port {
    port: String,
}

impl Node for Port {
    about!("test.port", Pure, &[("a", ""), ("b", "")]);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::port(self.port, Value::Null))
    }
}

#[derive(Deserialize, JsonSchema)]
struct Call {
    url: Param<String>,
}

impl Node for Call {
    about!("test.call", Effect, OUT);

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: self.url.0,
            headers: vec![("Idempotency-Key".to_owned(), context.idempotency_key())],
            body: context.now().to_rfc3339().into(),
            timeout: Duration::from_secs(60),
            redirects: 0,
            max_size: 1_000,
        };
        let response = context.http(request).await?;
        if response.status == 503 {
            let seconds = response.headers[0].1.parse().expect("a number");
            return Err(NodeError {
                retry_after: Some(Duration::from_secs(seconds)),
                ..NodeError::retryable("http_status", "it is busy")
            });
        }
        Ok(Output::value(response.status))
    }
}

#[derive(Deserialize, JsonSchema)]
struct Respond {
    body: String,
}

impl Node for Respond {
    about!("test.answer", Pure, OUT);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        let answer = Answer {
            status: 200,
            headers: Vec::new(),
            body: self.body.into(),
        };
        Ok(Output {
            answer: Some(answer),
            ..Output::default()
        })
    }
}

#[derive(Deserialize, JsonSchema)]
struct Panic {}

impl Node for Panic {
    about!("test.panic", Pure, OUT);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        panic!("at the disco")
    }
}

#[derive(Deserialize, JsonSchema)]
struct PanicEffect {}

impl Node for PanicEffect {
    about!("test.panic_effect", Effect, OUT);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        panic!("at the disco")
    }
}
