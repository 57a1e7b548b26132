//! What became of an execution: what the model foretells, and what the engine shows.

use std::collections::BTreeMap;

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{ExecutionStatus, Graph};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::world::read;

/// What is to be run, and what happens to it. Times are milliseconds from the start.
#[derive(Clone)]
pub struct Case {
    pub graph: Graph,
    pub cancel_at: Option<u64>,
    /// What comes from outside, in any order.
    pub signals: Vec<Signal>,
    /// Somebody waits for the answer, and so the execution stays in memory until there is one.
    pub is_awaited: bool,
    /// How long nobody runs it after a process has died.
    pub outage: u64,
}

impl Case {
    pub fn to_json(&self) -> Value {
        json!({
            "graph": self.graph.to_json(), "cancel_at": self.cancel_at, "signals": self.signals,
            "is_awaited": self.is_awaited, "outage": self.outage
        })
    }

    pub fn from_json(case: &Value) -> Self {
        Self {
            graph: Graph::parse_from_json(Some(case["graph"].clone())).expect("a graph"),
            cancel_at: read(&case["cancel_at"]),
            signals: read(&case["signals"]),
            is_awaited: read(&case["is_awaited"]),
            outage: read(&case["outage"]),
        }
    }
}

/// What ends a wait from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    pub at: u64,
    pub path: String,
    pub payload: Value,
}

/// How long a process lives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Life {
    /// How many of its writes become durable. It dies with the next one on its way; until then it goes on.
    pub writes: usize,
    /// Whether it hears that its last write is durable. If not, it dies with that one on its way.
    pub hears: bool,
}

impl Life {
    pub const WHOLE: Self = Self {
        writes: usize::MAX,
        hears: true,
    };
}

#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub status: ExecutionStatus,
    pub error: Option<ErrorTold>,
    /// The node whose output is the execution's.
    pub result: Option<String>,
    /// By path.
    pub steps: BTreeMap<String, StepTold>,
    /// The calls of effects: when, and by which path.
    pub calls: Vec<(u64, String)>,
    /// Whether the executions that this one waited for were told to end.
    pub has_cancelled_children: bool,
    /// What was written to the journal, and when.
    pub writes: Vec<(Write, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Write {
    Accept,
    Checkpoint,
    Park,
    /// The end, and the accept where there was none yet.
    Finish,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ErrorTold {
    pub code: String,
    pub node: Option<String>,
}

/// Messages are for people, so they are not compared.
#[derive(Debug, Clone, PartialEq)]
pub struct StepTold {
    pub status: StepState,
    pub attempts: u32,
    /// The ports it left by, where it ran.
    pub ports: Option<Vec<String>>,
    pub output: Value,
    /// The code of the error.
    pub error: Option<String>,
    /// Why it was skipped.
    pub reason: Option<String>,
    pub answered: bool,
    pub finished_at: Option<u64>,
}

impl StepTold {
    pub fn new(status: StepState) -> Self {
        Self {
            status,
            attempts: 0,
            ports: None,
            output: Value::Null,
            error: None,
            reason: None,
            answered: false,
            finished_at: None,
        }
    }
}

/// A value without the messages of errors.
pub fn without_messages(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.shift_remove("message");
            for (_, field) in fields.iter_mut() {
                *field = without_messages(field.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_messages(item.take());
            }
        }
        _ => {}
    }
    value
}

impl Told {
    /// The first thing that differs, by name.
    pub fn differs_from(&self, model: &Self) -> Option<String> {
        let (own, other) = (self, model);
        let say = |what: &str, own: &dyn std::fmt::Debug, other: &dyn std::fmt::Debug| {
            Some(format!("{what}\n  engine: {own:?}\n  model:  {other:?}"))
        };
        if own.status != other.status {
            return say("the status", &own.status, &other.status);
        }
        if own.error != other.error {
            return say("the error", &own.error, &other.error);
        }
        if own.result != other.result {
            return say("the result", &own.result, &other.result);
        }
        let paths = own.steps.keys().chain(other.steps.keys());
        for path in paths {
            let (own, other) = (own.steps.get(path), other.steps.get(path));
            if own != other {
                return say(&format!("the step `{path}`"), &own, &other);
            }
        }
        if own.calls != other.calls {
            return say("the calls", &own.calls, &other.calls);
        }
        if own.has_cancelled_children != other.has_cancelled_children {
            let (own, other) = (own.has_cancelled_children, other.has_cancelled_children);
            return say("whether children were cancelled", &own, &other);
        }
        if own.writes != other.writes {
            return say("the journal's writes", &own.writes, &other.writes);
        }
        None
    }
}
