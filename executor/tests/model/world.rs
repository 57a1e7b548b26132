//! The scripted world: nodes that do what their parameters say, and the host that counts their calls. The model
//! reads the same scripts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::SecondsFormat;
use flowmatic_executor::host::{self, ChildError};
use flowmatic_executor::node::{self, OUT, Then};
use flowmatic_executor::testing::Start;
use flowmatic_executor::{
    About, Answer, Catalogue, ErrorClass, Expression, Host, HttpError, HttpRequest, HttpResponse, Lent, Node,
    NodeContext, NodeError, Output, Param, Role, Time,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use crate::told::Signal;

/// The ports of scripted nodes.
pub const PORTS: [&str; 2] = ["a", "b"];

/// What one call of a node does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    pub does: Does,
    /// How long it takes, an effect; see [`Act::takes`].
    #[serde(default)]
    pub ms: u64,
    /// The ports it leaves by where it succeeds.
    #[serde(default)]
    pub ports: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    Succeed,
    /// Succeed, with an answer for the caller.
    Answer,
    FailForNow,
    /// Fail for now, and ask for 700 ms of peace.
    FailBusy,
    FailForGood,
    Panic,
    /// Never come back.
    Hang,
}

pub const BUSY_MS: u64 = 700;

impl Act {
    /// How many milliseconds the call takes, the `n`-th of this path, from 0. A share that hangs on both keeps
    /// what runs side by side from ending in the same moment.
    pub fn takes(&self, path: &str, n: usize) -> u64 {
        self.ms + extra(path, n)
    }

    /// What comes of it where the node saw this.
    pub fn end(&self, seen: &Value) -> Result<Done, Failure> {
        match self.does {
            Does::Succeed | Does::Answer => Ok(Done {
                output: digest(seen),
                ports: self.ports.clone(),
                is_answer: self.does == Does::Answer,
            }),
            Does::FailForNow => Err(Failure::for_now("for_now", 0)),
            Does::FailBusy => Err(Failure::for_now("busy", BUSY_MS)),
            Does::FailForGood => Err(Failure::for_good("for_good").with(digest(seen))),
            Does::Panic | Does::Hang => Err(Failure::for_good("panic")),
        }
    }

    fn perform(&self, seen: &Value) -> Result<Output, NodeError> {
        assert!(!matches!(self.does, Does::Panic | Does::Hang), "{SCRIPTED}");
        match self.end(seen) {
            Ok(done) => Ok(Output {
                answer: done.is_answer.then(Answer::default),
                ..Output::ports(done.ports, done.output)
            }),
            Err(failure) => Err(NodeError {
                class: match failure.may_pass {
                    true => ErrorClass::Retryable,
                    false => ErrorClass::Terminal,
                },
                data: failure.data.map(Box::new),
                retry_after: (failure.peace > 0).then(|| Duration::from_millis(failure.peace)),
                ..NodeError::terminal(failure.code, SCRIPTED)
            }),
        }
    }
}

/// A node succeeded.
#[derive(Clone)]
pub struct Done {
    pub output: Value,
    pub ports: Vec<String>,
    pub is_answer: bool,
}

impl Done {
    pub fn of(output: Value, port: &str) -> Self {
        Self {
            output,
            ports: vec![port.to_owned()],
            is_answer: false,
        }
    }
}

/// A node failed.
#[derive(Clone)]
pub struct Failure {
    pub code: String,
    pub data: Option<Value>,
    pub may_pass: bool,
    /// The least wait before another attempt, in milliseconds.
    pub peace: u64,
}

impl Failure {
    pub fn for_good(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            data: None,
            may_pass: false,
            peace: 0,
        }
    }

    pub fn for_now(code: &str, peace: u64) -> Self {
        Self {
            may_pass: true,
            peace,
            ..Self::for_good(code)
        }
    }

    pub fn with(self, data: Value) -> Self {
        Self {
            data: Some(data),
            ..self
        }
    }
}

/// The share of a time, in milliseconds, that hangs on the path.
pub fn extra(path: &str, n: usize) -> u64 {
    1 + hash(format!("{path}#{n}").as_bytes()) % 400
}

/// What a scripted panic says; it is not printed.
pub const SCRIPTED: &str = "as scripted";

/// What a node gives for what it sees: a number, so that outputs do not grow, and another one where it saw
/// something else, but for messages, which are for people.
pub fn digest(seen: &Value) -> Value {
    fn without_messages(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().filter(|(name, _)| *name != "message").collect();
                fields.sort_by_key(|(name, _)| *name);
                json!(
                    fields
                        .iter()
                        .map(|(name, value)| json!([name, without_messages(value)]))
                        .collect::<Vec<_>>()
                )
            }
            Value::Array(items) => items.iter().map(without_messages).collect(),
            other => other.clone(),
        }
    }
    json!(hash(without_messages(seen).to_string().as_bytes()) % 100_000)
}

/// FNV-1a.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

pub fn catalogue() -> Arc<Catalogue> {
    Arc::new(Catalogue::new(vec![
        flowmatic_executor::Entry::of::<Start>(),
        flowmatic_executor::Entry::of::<Pure>(),
        flowmatic_executor::Entry::of::<Work>(),
        flowmatic_executor::Entry::of::<Each>(),
        flowmatic_executor::Entry::of::<While>(),
        flowmatic_executor::Entry::of::<Wait>(),
        flowmatic_executor::Entry::of::<Call>(),
    ]))
}

macro_rules! about {
    ($kind:literal, $role:ident) => {
        about!($kind, $role, &[(PORTS[0], ""), (PORTS[1], "")]);
    };
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

/// A pure node: the same each time.
#[derive(Deserialize, JsonSchema)]
struct Pure {
    of: Param<Value>,
    act: Act,
}

impl Node for Pure {
    about!("test.pure", Pure);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        self.act.perform(&self.of)
    }
}

/// An effect: its `n`-th call does the `n`-th act; when all are done, the last one again and again.
#[derive(Deserialize, JsonSchema)]
struct Work {
    of: Param<Value>,
    script: Vec<Act>,
}

impl Node for Work {
    about!("test.work", Effect);

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let key = context.idempotency_key();
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: key.clone(),
            headers: Vec::new(),
            body: json!([self.of.0, context.now()]).to_string().into(),
            timeout: Duration::from_secs(1),
            redirects: 0,
            max_size: 100,
        };
        let count = context.http(request).await?.body;
        let n: usize = String::from_utf8_lossy(&count).parse().expect("the host counts");
        let act = &self.script[n.min(self.script.len() - 1)];
        if act.does == Does::Hang {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(act.takes(&path(&key), n))).await;
        act.perform(&self.of)
    }
}

#[derive(Deserialize, JsonSchema)]
struct Each {
    items: Lent<Vec<Value>>,
    concurrency: usize,
    goes_on: bool,
}

impl Node for Each {
    about!("test.each", Loop, OUT);

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::then(Then::Each(node::Each {
            items: context.list(&self.items)?.into_owned(),
            concurrency: self.concurrency,
            goes_on: self.goes_on,
        })))
    }
}

#[derive(Deserialize, JsonSchema)]
struct While {
    condition: Expression,
    most: usize,
}

impl Node for While {
    about!("test.while", Loop, OUT);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::then(Then::While(node::While {
            condition: self.condition,
            max_iterations: self.most,
            initial: Value::Null,
        })))
    }
}

/// Waits so long and a little more, or for a signal.
#[derive(Deserialize, JsonSchema)]
struct Wait {
    ms: u64,
    signal: bool,
}

impl Node for Wait {
    about!("test.wait", Control, &[("out", ""), ("timeout", "")]);

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let ms = self.ms + extra(&path(&context.idempotency_key()), 0);
        Ok(Output::then(Then::Wait(node::Wait {
            until: Some(context.now() + Duration::from_millis(ms)),
            signal: self.signal,
            about: Value::Null,
        })))
    }
}

/// A workflow to call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Child {
    /// How long it takes, and a little more.
    pub ms: u64,
    pub is_awaited: bool,
    pub succeeds: bool,
}

impl Child {
    /// What is told at its end.
    pub fn end(&self, path: &str) -> Value {
        match self.succeeds {
            true => json!({"status": "COMPLETED", "result": digest(&json!(path))}),
            false => json!({"status": "FAILED", "error": {"code": "for_good", "message": SCRIPTED}}),
        }
    }
}

/// The execution that a call starts.
pub fn child_id(path: &str) -> Uuid {
    Uuid::from_u128(u128::from(hash(path.as_bytes())))
}

#[derive(Deserialize, JsonSchema)]
struct Call {
    child: Child,
}

impl Node for Call {
    about!("test.child", Control, OUT);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        let Value::Object(input) = json!(self.child) else {
            return Err(NodeError::terminal("internal", "a struct is an object"));
        };
        Ok(Output::then(Then::Call(node::Call {
            workflow: Uuid::nil(),
            input,
            wait: self.child.is_awaited,
        })))
    }
}

/// A moment as outputs tell it.
pub fn moment(ms: u64) -> String {
    time(ms).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn time(ms: u64) -> Time {
    let ms = i64::try_from(ms).expect("a short test");
    Time::from_timestamp_millis(ms).expect("a time")
}

pub fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// The path in an idempotency key.
pub fn path(key: &str) -> String {
    key.split_once('/').map_or("", |(_, path)| path).to_owned()
}

/// A call as the world sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Called {
    /// Milliseconds from the start.
    pub at: u64,
    /// The idempotency key.
    pub key: String,
    /// What was sent: what the node saw, and its `now`.
    pub sent: String,
}

/// Counts calls; its clock is tokio's, from 1970.
pub struct Scripted {
    start: Instant,
    calls: Mutex<Vec<Called>>,
    counts: Mutex<HashMap<String, usize>>,
    /// What called executions will tell.
    coming: Mutex<Vec<Signal>>,
    /// When the executions end that were called and are waited for, by the path of the call.
    children: Mutex<BTreeMap<String, u64>>,
    called_child: Notify,
    pub has_cancelled_children: AtomicBool,
}

impl Scripted {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            calls: Mutex::default(),
            counts: Mutex::default(),
            coming: Mutex::default(),
            children: Mutex::default(),
            called_child: Notify::new(),
            has_cancelled_children: AtomicBool::new(false),
        })
    }

    /// Milliseconds from the start.
    pub fn clock(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).expect("a short test")
    }

    pub fn calls(&self) -> Vec<Called> {
        lock(&self.calls).clone()
    }

    /// What executions that were called since the last time will tell.
    pub fn coming(&self) -> Vec<Signal> {
        std::mem::take(&mut lock(&self.coming))
    }

    /// Resolves when another execution is called.
    pub async fn called_child(&self) {
        self.called_child.notified().await;
    }
}

impl Host for Scripted {
    fn now(&self) -> Time {
        time(self.clock())
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, HttpError>> {
        let mut counts = lock(&self.counts);
        let count = counts.entry(request.url.clone()).or_default();
        lock(&self.calls).push(Called {
            at: self.clock(),
            key: request.url,
            sent: String::from_utf8_lossy(&request.body).into_owned(),
        });
        let body = Bytes::from(count.to_string());
        *count += 1;
        ready(Ok(HttpResponse {
            status: 200,
            headers: Vec::new(),
            body,
        }))
        .boxed()
    }

    fn start_child(&self, child: host::Child) -> BoxFuture<'_, Result<Uuid, ChildError>> {
        let script: Child = read(&Value::Object(child.input));
        let path = child.path;
        let id = child_id(&path);
        let at = self.clock() + script.ms + extra(&path, 0);
        if script.is_awaited
            && let Entry::Vacant(vacant) = lock(&self.children).entry(path.clone())
        {
            vacant.insert(at);
            lock(&self.coming).push(Signal {
                at,
                payload: script.end(&path),
                path,
            });
            self.called_child.notify_one();
        }
        ready(Ok(id)).boxed()
    }

    fn cancel_children<'a>(&'a self, _: Uuid, path: Option<&'a str>) -> BoxFuture<'a, ()> {
        if path.is_some() {
            return ready(()).boxed();
        }
        let is_there = lock(&self.children).values().any(|end| *end > self.clock());
        self.has_cancelled_children.fetch_or(is_there, Ordering::Relaxed);
        ready(()).boxed()
    }
}

/// A panic while the lock was held would have failed the test already.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
