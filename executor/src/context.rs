//! What an expression sees, in layers: the body's fields, the engine's names, one slot per node output,
//! and names of the moment such as `_item`. Nothing is copied to make it.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use chrono::SecondsFormat;
use flowmatic_openapi::ExecutionMode;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Time;
use crate::graph::{Plan, PlanNode};

/// Names of the moment and their values, such as `_item` and `_index`.
pub type Locals<'a> = &'a [(&'a str, &'a Value)];

/// What started an execution.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Payload {
    /// An object's fields stand at the top level, but for names that begin with `_`; anything else stands
    /// there as `body`.
    pub body: Value,
    /// Values by names that begin with `_`, such as `_webhook`, whose own `body` is the one above.
    pub engine: Map<String, Value>,
}

/// Secrets by reference, in the clear. They never print.
#[derive(Clone, Default)]
pub struct Secrets(HashMap<String, String>);

impl Secrets {
    pub fn new(secrets: HashMap<String, String>) -> Self {
        Self(secrets)
    }

    pub fn get(&self, reference: &str) -> Option<&str> {
        self.0.get(reference).map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Secrets({})", self.0.len())
    }
}

/// What `_execution` tells.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    pub id: Uuid,
    pub workflow_id: Uuid,
    pub version: i32,
    pub mode: ExecutionMode,
    pub started_at: Time,
}

impl Identity {
    fn to_value(self) -> Value {
        serde_json::json!({
            "id": self.id,
            "workflowId": self.workflow_id,
            "version": self.version,
            "mode": self.mode.as_str(),
            "startedAt": self.started_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        })
    }
}

/// The layers of one execution.
#[derive(Debug)]
pub struct Context {
    identity: Identity,
    /// Made when it is first named.
    identity_value: OnceLock<Value>,
    plan: Arc<Plan>,
    secrets: Arc<Secrets>,
    payload: Payload,
    /// One slot per node of the plan, set once: its output, or null where it was skipped.
    outputs: Box<[OnceLock<Value>]>,
}

impl Context {
    pub fn new(identity: Identity, plan: Arc<Plan>, secrets: Arc<Secrets>, payload: Payload) -> Self {
        let outputs = plan.nodes.iter().map(|_| OnceLock::new()).collect();
        Self {
            identity,
            identity_value: OnceLock::new(),
            plan,
            secrets,
            payload,
            outputs,
        }
    }

    pub fn execution(&self) -> Uuid {
        self.identity.id
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub fn output(&self, node: usize) -> Option<&Value> {
        self.outputs[node].get()
    }

    /// The first value given stands.
    pub fn set_output(&self, node: usize, value: Value) {
        let _ = self.outputs[node].set(value);
    }

    /// What the expressions of this node see at this time.
    pub fn view<'a>(&'a self, node: usize, now: Time, locals: Locals<'a>) -> View<'a> {
        View {
            context: self,
            node,
            now,
            locals,
            fuel: Cell::new(FUEL),
            calls: Cell::new(0),
        }
    }
}

/// What evaluating the parameters of a step may cost, and again what its node evaluates: about one unit per
/// visited part of a template or element of a list, and one per 64 bytes of text produced or copied.
pub const FUEL: u32 = 1_000_000;

/// A context as the expressions of one node see it.
#[derive(Debug)]
pub struct View<'a> {
    pub(crate) context: &'a Context,
    pub(crate) node: usize,
    pub(crate) now: Time,
    pub(crate) locals: Locals<'a>,
    pub(crate) fuel: Cell<u32>,
    /// Counts the calls of `uuid`, so that each gives another one and a replay gives the same.
    pub(crate) calls: Cell<u32>,
}

/// What a name at the top level stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Name<'a> {
    Value(&'a Value),
    /// `_nodes`: the outputs by key.
    Nodes,
    /// `_webhook`, with the payload's body as its `body`.
    Webhook(&'a Map<String, Value>),
    Missing,
}

impl<'a> View<'a> {
    /// Looks a name up at the top level, the innermost layer first.
    pub fn name(&self, name: &str) -> Name<'a> {
        if let Some((_, value)) = self.locals.iter().find(|(local, _)| *local == name) {
            return Name::Value(value);
        }
        if name.starts_with('_') {
            return match self.context.payload.engine.get(name) {
                Some(Value::Object(fields)) if name == "_webhook" => Name::Webhook(fields),
                Some(value) => Name::Value(value),
                None if name == "_nodes" => Name::Nodes,
                None if name == "_execution" => {
                    let identity = || self.context.identity.to_value();
                    Name::Value(self.context.identity_value.get_or_init(identity))
                }
                None if name == "_vars" => Name::Value(&self.context.plan.vars),
                None => Name::Missing,
            };
        }
        let saves = self.saves().iter();
        let saved = saves.filter(|(save, _)| save == name).find_map(|(_, node)| {
            // A node that was skipped saves nothing; another one may have.
            self.context.output(*node).filter(|value| !value.is_null())
        });
        match (saved, &self.context.payload.body) {
            (Some(value), _) => Name::Value(value),
            (None, Value::Object(fields)) => fields.get(name).map_or(Name::Missing, Name::Value),
            (None, Value::Null) => Name::Missing,
            (None, body) if name == "body" => Name::Value(body),
            (None, _) => Name::Missing,
        }
    }

    /// None where the plan has no nodes, as under a single expression.
    fn saves(&self) -> &'a [(String, usize)] {
        let node = self.context.plan.nodes.get(self.node);
        node.map_or(&[], |node| &node.visible_saves)
    }

    /// The output of a node by its key; null where it was skipped.
    pub fn node_output(&self, key: &str) -> Option<&'a Value> {
        self.context
            .plan
            .keys
            .get(key)
            .and_then(|node| self.context.output(*node))
    }

    /// Whether a name is seen from inside blocks too: a local, or one of the engine's.
    pub(crate) fn is_engine_name(&self, name: &str) -> bool {
        name.starts_with('_') || self.locals.iter().any(|(local, _)| *local == name)
    }

    /// `_webhook` with its `body`.
    pub(crate) fn webhook(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let mut fields = fields.clone();
        fields.insert("body".into(), self.body().clone());
        fields
    }

    /// All names of the top level in one object. Of the outputs it has those of the node's ancestors: whether
    /// another node has ended already would differ from replay to replay.
    pub(crate) fn whole(&self) -> Value {
        let mut whole = match self.body() {
            Value::Object(fields) => fields
                .iter()
                .filter(|(name, _)| !name.starts_with('_'))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            Value::Null => Map::new(),
            body => Map::from_iter([("body".to_owned(), body.clone())]),
        };
        let saves = self.saves().iter();
        let engine = self.context.payload.engine.keys();
        let locals = self.locals.iter().map(|(name, _)| *name);
        let names = saves
            .map(|(name, _)| name.as_str())
            .chain(["_vars", "_execution", "_nodes"])
            .chain(engine.map(String::as_str))
            .chain(locals);
        for name in names {
            let value = match self.name(name) {
                Name::Value(value) => value.clone(),
                Name::Webhook(fields) => Value::Object(self.webhook(fields)),
                Name::Nodes => Value::Object(self.ancestors()),
                Name::Missing => continue,
            };
            whole.insert(name.to_owned(), value);
        }
        Value::Object(whole)
    }

    fn ancestors(&self) -> Map<String, Value> {
        let plan = self.context.plan();
        let mut is_ancestor = vec![false; plan.nodes.len()];
        let mut next: Vec<&PlanNode> = plan.nodes.get(self.node).into_iter().collect();
        while let Some(node) = next.pop() {
            for edge in &node.incoming {
                let from = plan.edges[*edge].from;
                if !std::mem::replace(&mut is_ancestor[from], true) {
                    next.push(&plan.nodes[from]);
                }
            }
        }
        (0..plan.nodes.len())
            .filter(|node| is_ancestor[*node])
            .filter_map(|node| {
                let output = self.context.output(node)?;
                Some((plan.nodes[node].key.to_string(), output.clone()))
            })
            .collect()
    }

    /// The body as it came, for `_webhook.body`.
    pub fn body(&self) -> &'a Value {
        &self.context.payload.body
    }
}
