//! The scripted world: nodes that do what their parameters say, and the host that counts their calls. The model
//! reads the same scripts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flowmatic_executor::testing::Start;
use flowmatic_executor::{
    About, Answer, Catalogue, Entry, Host, HttpError, HttpRequest, HttpResponse, Node, NodeContext,
    NodeError, Output, Param, Role, Time,
};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

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
        1 + self.ms + hash(format!("{path}#{n}").as_bytes()) % 400
    }

    fn end(&self, of: &Value) -> Result<Output, NodeError> {
        let output = Output::ports(self.ports.clone(), digest(of));
        match self.does {
            Does::Succeed => Ok(output),
            Does::Answer => Ok(Output {
                answer: Some(Answer::default()),
                ..output
            }),
            Does::FailForNow => Err(NodeError::retryable("for_now", "as scripted")),
            Does::FailBusy => Err(NodeError {
                retry_after: Some(Duration::from_millis(BUSY_MS)),
                ..NodeError::retryable("busy", "as scripted")
            }),
            Does::FailForGood => Err(NodeError {
                data: Some(Box::new(digest(of))),
                ..NodeError::terminal("for_good", "as scripted")
            }),
            Does::Panic | Does::Hang => panic!("{SCRIPTED}"),
        }
    }
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
        Entry::of::<Start>(),
        Entry::of::<Pure>(),
        Entry::of::<Work>(),
    ]))
}

macro_rules! about {
    ($kind:literal, $role:ident) => {
        const ABOUT: About = About {
            kind: $kind,
            title: $kind,
            summary: "For tests",
            documentation: "",
            icon: "",
            role: Role::$role,
            ports: &[(PORTS[0], ""), (PORTS[1], "")],
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
        self.act.end(&self.of)
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
        let (_, path) = key.split_once('/').expect("an execution and a path");
        let act = &self.script[n.min(self.script.len() - 1)];
        if act.does == Does::Hang {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(act.takes(path, n))).await;
        act.end(&self.of)
    }
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
}

impl Scripted {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            calls: Mutex::default(),
            counts: Mutex::default(),
        })
    }

    /// Milliseconds from the start.
    pub fn clock(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).expect("a short test")
    }

    pub fn calls(&self) -> Vec<Called> {
        lock(&self.calls).clone()
    }
}

impl Host for Scripted {
    fn now(&self) -> Time {
        let milliseconds = i64::try_from(self.clock()).expect("a short test");
        Time::from_timestamp_millis(milliseconds).expect("a time")
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
}

/// A panic while the lock was held would have failed the test already.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
