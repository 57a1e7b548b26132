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

/// Makes the address at which an execution that waits is told to go on.
#[derive(Clone)]
pub struct ResumeUrl(pub Arc<dyn Fn(Uuid) -> String + Send + Sync>);

impl std::fmt::Debug for ResumeUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ResumeUrl")
    }
}

/// What `_execution` tells.
#[derive(Debug, Clone)]
pub struct Identity {
    pub id: Uuid,
    pub workflow_id: Uuid,
    pub version: i32,
    pub mode: ExecutionMode,
    pub started_at: Time,
    pub resume_url: Option<ResumeUrl>,
}

impl Identity {
    fn to_value(&self) -> Value {
        serde_json::json!({
            "id": self.id,
            "workflowId": self.workflow_id,
            "version": self.version,
            "mode": self.mode.as_str(),
            "startedAt": self.started_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "resumeUrl": self.resume_url.as_ref().map(|url| url.0(self.id)),
        })
    }
}

/// The layers of one execution, or of one iteration of a loop in it.
#[derive(Debug)]
pub struct Context {
    base: Arc<Base>,
    plan: Arc<Plan>,
    /// One slot per node of the plan, set once: its output, or null where it was skipped.
    outputs: Box<[OnceLock<Value>]>,
    /// What it is an iteration of.
    inside: Option<Inside>,
}

/// What is the same in all iterations.
#[derive(Debug)]
struct Base {
    identity: Identity,
    /// Made when it is first named.
    identity_value: OnceLock<Value>,
    plan: Arc<Plan>,
    secrets: Arc<Secrets>,
    payload: Payload,
}

/// The place of an iteration.
#[derive(Debug)]
struct Inside {
    outer: Arc<Context>,
    /// The loop's place in the outer plan.
    node: usize,
    /// What the paths of its nodes begin with, such as `each[3]/`.
    path: String,
    iteration: Iteration,
}

/// What an iteration is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Iteration {
    /// From 0.
    pub index: usize,
    /// How many there are, where that is known.
    pub count: Option<usize>,
    /// `_item`.
    pub item: Value,
}

impl Iteration {
    pub(crate) fn is_first(&self) -> bool {
        self.index == 0
    }

    /// `None` where it is not known.
    pub(crate) fn is_last(&self) -> Option<bool> {
        self.count.map(|count| self.index + 1 == count)
    }
}

impl Context {
    pub fn new(identity: Identity, plan: Arc<Plan>, secrets: Arc<Secrets>, payload: Payload) -> Self {
        Self {
            outputs: slots(&plan),
            base: Arc::new(Base {
                identity,
                identity_value: OnceLock::new(),
                plan: plan.clone(),
                secrets,
                payload,
            }),
            plan,
            inside: None,
        }
    }

    /// The layers of an iteration of the loop at this place; `None` where there is no loop.
    pub fn iteration(self: &Arc<Self>, node: usize, iteration: Iteration) -> Option<Self> {
        let plan = self.plan.nodes[node].body.clone()?;
        Some(Self {
            base: self.base.clone(),
            outputs: slots(&plan),
            plan,
            inside: Some(Inside {
                path: format!("{}[{}]/", self.path(node), iteration.index),
                outer: self.clone(),
                node,
                iteration,
            }),
        })
    }

    pub fn execution(&self) -> Uuid {
        self.base.identity.id
    }

    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub fn secrets(&self) -> &Secrets {
        &self.base.secrets
    }

    /// The path of a node: its key, after the loop and the iteration that it is in.
    pub fn path(&self, node: usize) -> Arc<str> {
        let key = &self.plan.nodes[node].key;
        match &self.inside {
            None => key.clone(),
            Some(inside) => [inside.path.as_str(), key].concat().into(),
        }
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

    /// This and all around it, the innermost first, each with the place of the node that looks.
    fn layers(&self, node: usize) -> impl Iterator<Item = (&Self, usize)> {
        std::iter::successors(Some((self, node)), |(context, _)| {
            let inside = context.inside.as_ref()?;
            Some((&*inside.outer, inside.node))
        })
    }

    /// What the innermost iteration is about.
    pub(crate) fn current(&self) -> Option<&Iteration> {
        self.inside.as_ref().map(|inside| &inside.iteration)
    }

    /// The iteration around the innermost one.
    pub(crate) fn around(&self) -> Option<&Self> {
        let outer = &self.inside.as_ref()?.outer;
        outer.inside.is_some().then_some(&**outer)
    }

    /// `_loop`, whole.
    pub(crate) fn loop_value(&self) -> Value {
        let Some(iteration) = self.current() else {
            return Value::Null;
        };
        serde_json::json!({
            "count": iteration.count,
            "first": iteration.is_first(),
            "last": iteration.is_last(),
            "parent": self.around().map(Self::names),
        })
    }

    /// The names that an iteration adds, as `_loop.parent` has them.
    pub(crate) fn names(&self) -> Value {
        serde_json::json!({
            "_item": self.current().map(|iteration| &iteration.item),
            "_index": self.current().map(|iteration| iteration.index),
            "_loop": self.loop_value(),
        })
    }
}

fn slots(plan: &Plan) -> Box<[OnceLock<Value>]> {
    plan.nodes.iter().map(|_| OnceLock::new()).collect()
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
#[derive(Debug, Clone, Copy)]
pub enum Name<'a> {
    Value(&'a Value),
    /// `_nodes`: the outputs by key.
    Nodes,
    /// `_webhook`, with the payload's body as its `body`.
    Webhook(&'a Map<String, Value>),
    /// `_index`.
    Index(usize),
    /// `_loop`, of this iteration.
    Loop(&'a Context),
    Missing,
}

impl<'a> View<'a> {
    /// Looks a name up at the top level, the innermost layer first.
    pub fn name(&self, name: &str) -> Name<'a> {
        if let Some((_, value)) = self.locals.iter().find(|(local, _)| *local == name) {
            return Name::Value(value);
        }
        if name.starts_with('_') {
            return self.engine_name(name);
        }
        let saved = self.context.layers(self.node).find_map(|(context, node)| {
            // None where the plan has no nodes, as under a single expression.
            let saves = context.plan.nodes.get(node)?.visible_saves.iter();
            saves
                .filter(|(save, _)| save == name)
                // A node that was skipped saves nothing; another one may have.
                .find_map(|(_, writer)| context.output(*writer).filter(|value| !value.is_null()))
        });
        match (saved, self.body()) {
            (Some(value), _) => Name::Value(value),
            (None, Value::Object(fields)) => fields.get(name).map_or(Name::Missing, Name::Value),
            (None, Value::Null) => Name::Missing,
            (None, body) if name == "body" => Name::Value(body),
            (None, _) => Name::Missing,
        }
    }

    fn engine_name(&self, name: &str) -> Name<'a> {
        let base = &self.context.base;
        match (base.payload.engine.get(name), &self.context.inside) {
            (_, Some(inside)) if name == "_item" => Name::Value(&inside.iteration.item),
            (_, Some(inside)) if name == "_index" => Name::Index(inside.iteration.index),
            (_, Some(_)) if name == "_loop" => Name::Loop(self.context),
            (Some(Value::Object(fields)), _) if name == "_webhook" => Name::Webhook(fields),
            (Some(value), _) => Name::Value(value),
            (None, _) => match name {
                "_nodes" => Name::Nodes,
                "_execution" => {
                    let identity = || base.identity.to_value();
                    Name::Value(base.identity_value.get_or_init(identity))
                }
                "_vars" => Name::Value(&base.plan.vars),
                _ => Name::Missing,
            },
        }
    }

    /// The output of a node by its key; null where it was skipped.
    pub fn node_output(&self, key: &str) -> Option<&'a Value> {
        self.context
            .layers(self.node)
            .find_map(|(context, _)| Some(context.output(*context.plan.keys.get(key)?)))?
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
        let saves = self
            .context
            .layers(self.node)
            .filter_map(|(context, node)| context.plan.nodes.get(node))
            .flat_map(|node| &node.visible_saves);
        let engine = self.context.base.payload.engine.keys();
        let locals = self.locals.iter().map(|(name, _)| *name);
        let iteration: &[&str] = match self.context.inside {
            Some(_) => &["_item", "_index", "_loop"],
            None => &[],
        };
        let names = saves
            .map(|(name, _)| name.as_str())
            .chain(["_vars", "_execution", "_nodes"])
            .chain(iteration.iter().copied())
            .chain(engine.map(String::as_str))
            .chain(locals);
        for name in names {
            let value = match self.name(name) {
                Name::Value(value) => value.clone(),
                Name::Webhook(fields) => Value::Object(self.webhook(fields)),
                Name::Index(index) => index.into(),
                Name::Loop(context) => context.loop_value(),
                Name::Nodes => Value::Object(self.ancestors()),
                Name::Missing => continue,
            };
            whole.insert(name.to_owned(), value);
        }
        Value::Object(whole)
    }

    fn ancestors(&self) -> Map<String, Value> {
        let mut outputs = Map::new();
        for (context, node) in self.context.layers(self.node) {
            let plan = &context.plan;
            let mut is_ancestor = vec![false; plan.nodes.len()];
            let mut next: Vec<&PlanNode> = plan.nodes.get(node).into_iter().collect();
            while let Some(node) = next.pop() {
                for edge in &node.incoming {
                    let from = plan.edges[*edge].from;
                    if !std::mem::replace(&mut is_ancestor[from], true) {
                        next.push(&plan.nodes[from]);
                    }
                }
            }
            let ancestors = (0..plan.nodes.len()).filter(|node| is_ancestor[*node]);
            outputs.extend(ancestors.filter_map(|node| {
                let output = context.output(node)?;
                Some((plan.nodes[node].key.to_string(), output.clone()))
            }));
        }
        outputs
    }

    /// The body as it came, for `_webhook.body`.
    pub fn body(&self) -> &'a Value {
        &self.context.base.payload.body
    }
}
