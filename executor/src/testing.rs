//! `check`: what a node's author writes tests with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flowmatic_openapi::{Edge, ExecutionMode, Graph, JsonObject, Node as GraphNode};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Time;
use crate::catalogue::{Catalogue, Entry};
use crate::context::{Context, Identity, Payload, Secrets};
use crate::graph::{Plan, Version};
use crate::host::{Child, ChildError, Host, HttpError, HttpRequest, HttpResponse};
use crate::journal::{MemoryJournal, StepRecord};
use crate::json;
use crate::node::{About, Node, NodeContext, NodeError, OUT, Output, Role};
use crate::run::{Engine, Limits, Start as StartOf, Waiting};

/// Runs a node with these parameters, templates included, over this context, as the engine would.
///
/// `context` is an object: its fields are the body's, but for `_webhook` and other engine names. Mistakes in
/// the parameters come back as an error with the code `graph`.
pub async fn run<N: Node>(
    parameters: Value,
    context: Value,
    host: Arc<dyn Host>,
) -> Result<Output, NodeError> {
    run_with_secrets::<N>(parameters, context, Secrets::default(), host).await
}

/// As [`run`], with secrets by their references.
pub async fn run_with_secrets<N: Node>(
    parameters: Value,
    context: Value,
    secrets: Secrets,
    host: Arc<dyn Host>,
) -> Result<Output, NodeError> {
    let catalogue = Catalogue::new(vec![Entry::of::<Start>(), Entry::of::<N>()]);
    let Value::Object(parameters) = parameters else {
        return Err(NodeError::terminal("graph", "the parameters are no object"));
    };
    let node = |key: &str, kind: &str, parameters: Map<String, Value>| GraphNode {
        key: key.to_owned(),
        kind: kind.to_owned(),
        parameters: JsonObject(parameters),
        ..GraphNode::default()
    };
    let graph = Graph {
        nodes: vec![
            node("start", Start::ABOUT.kind, Map::new()),
            node("node", N::ABOUT.kind, parameters),
        ],
        edges: vec![Edge {
            from: "start".to_owned(),
            port: None,
            to: "node".to_owned(),
        }],
        ..Graph::default()
    };
    let plan = Plan::compile(&graph, &catalogue).map_err(|problems| {
        let told: Vec<String> = problems
            .iter()
            .map(|it| format!("{}: {}", it.pointer, it.message))
            .collect();
        NodeError::terminal("graph", told.join("; "))
    })?;
    let now = host.now();
    let context = Arc::new(Context::new(
        identity(Uuid::nil()),
        Arc::new(plan),
        Arc::new(secrets),
        payload(context),
    ));
    let parameters = context.plan().nodes[1]
        .parameters
        .evaluate(&context.view(1, now, &[]))
        .map_err(|error| NodeError::terminal("expression", error.to_string()))?;
    catalogue
        .at(1)
        .run(parameters, NodeContext::new(context, host, 1, now))
        .await
}

/// Runs a graph from its first node on, as the engine would, and gives what became of each step. Mistakes of the
/// graph come back as text.
pub async fn execute(
    catalogue: Catalogue,
    graph: &Graph,
    context: Value,
    host: Arc<dyn Host>,
) -> Result<Vec<StepRecord>, String> {
    let plan = Plan::compile(graph, &catalogue).map_err(|problems| {
        let told = problems
            .iter()
            .map(|it| format!("{}: {}", it.pointer, it.message));
        told.collect::<Vec<_>>().join("; ")
    })?;
    let journal = MemoryJournal::new();
    let engine = Engine::new(
        Arc::new(catalogue),
        host.clone(),
        journal.clone(),
        Limits::default(),
    );
    let payload = payload(context);
    let id = Uuid::now_v7();
    let started = engine
        .start(StartOf {
            id,
            version: Arc::new(Version {
                workspace_id: 1,
                workflow_id: Uuid::nil(),
                number: 1,
                plan: Arc::new(plan),
                secrets: Arc::default(),
            }),
            trigger: 0,
            mode: ExecutionMode::Manual,
            body: payload.body.to_string(),
            meta: Value::Object(payload.engine.clone()).to_string(),
            payload,
            retry_of: None,
            accepted_at: host.now(),
        })
        .map_err(|error| error.to_string())?;
    if let Waiting::Running(ended) = started.outcome {
        // As long as somebody waits, it stays in memory.
        let _ = ended.await;
    }
    engine.drain(Duration::from_secs(60)).await;
    let finish = journal.row(id).and_then(|row| row.finish);
    let steps = finish.map(|finish| finish.steps).unwrap_or_default();
    json::read(&steps).map_err(|error| error.to_string())
}

/// Asserts what a node gives for these parameters over this context.
pub async fn check<N: Node>(parameters: Value, context: Value, expected: Value) {
    let output = run::<N>(parameters, context, Arc::new(TestHost::default())).await;
    assert_eq!(output.map(|output| output.value), Ok(expected));
}

/// The identity of an execution in a test.
pub fn identity(id: Uuid) -> Identity {
    Identity {
        id,
        workflow_id: Uuid::nil(),
        version: 1,
        mode: ExecutionMode::Manual,
        started_at: Time::UNIX_EPOCH,
        resume_url: None,
    }
}

fn payload(context: Value) -> Payload {
    let Value::Object(fields) = context else {
        return Payload {
            body: context,
            engine: Map::new(),
        };
    };
    let (engine, body) = fields
        .into_iter()
        .partition::<Map<_, _>, _>(|(name, _)| name.starts_with('_'));
    Payload {
        body: Value::Object(body),
        engine,
    }
}

/// A trigger for graphs in tests.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Start {}

impl Node for Start {
    const ABOUT: About = About {
        kind: "test.start",
        title: "Start",
        summary: "Starts a test",
        documentation: "",
        icon: "",
        role: Role::Trigger,
        ports: OUT,
        example: "{}",
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::default())
    }
}

/// A host with a fixed clock, whose HTTP calls are recorded and answered by a function.
pub struct TestHost {
    pub now: Time,
    pub requests: Mutex<Vec<HttpRequest>>,
    pub answer: fn(&HttpRequest) -> Result<HttpResponse, HttpError>,
}

impl Default for TestHost {
    fn default() -> Self {
        Self {
            now: Time::UNIX_EPOCH,
            requests: Mutex::default(),
            answer: |_| Err(HttpError::Network("there is no network in this test".to_owned())),
        }
    }
}

impl Host for TestHost {
    fn now(&self) -> Time {
        self.now
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, HttpError>> {
        let answer = (self.answer)(&request);
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
        futures_util::future::ready(answer).boxed()
    }

    fn start_child(&self, _: Child) -> BoxFuture<'_, Result<Uuid, ChildError>> {
        futures_util::future::ready(Ok(Uuid::nil())).boxed()
    }

    fn cancel_children<'a>(&'a self, _: Uuid, _: Option<&'a str>) -> BoxFuture<'a, ()> {
        futures_util::future::ready(()).boxed()
    }
}

/// A node of a plan that is put together by hand.
#[cfg(test)]
pub(crate) fn plan_node(key: &str, is_trigger: bool) -> crate::graph::PlanNode {
    crate::graph::PlanNode {
        key: key.into(),
        name: key.to_owned(),
        kind: "test.node",
        role: if is_trigger { Role::Trigger } else { Role::Pure },
        entry: 0,
        parameters: crate::graph::Compiled::default(),
        deferred: Vec::new(),
        ports: vec!["out".to_owned()],
        incoming: Vec::new(),
        outgoing: Vec::new(),
        body: None,
        visible_saves: Vec::new(),
        disabled: false,
        join: flowmatic_openapi::Join::default(),
        on_error: flowmatic_openapi::OnError::default(),
        on_crash: flowmatic_openapi::OnCrash::default(),
        retry: None,
        timeout: None,
    }
}
