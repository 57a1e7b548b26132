//! Graph -> Plan: every mistake is found here, before anything runs.

mod check;
mod nest;
mod parameters;
mod reach;
pub mod start;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flowmatic_openapi::{Graph, Join, OnCrash, OnError, Problem, Retry};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use self::parameters::{Compiled, Deferred};
use crate::catalogue::Catalogue;
use crate::context::Secrets;
use crate::node::Role;
use start::StartPlan;

/// The port a failed node leaves by where its `on_error` is `branch`.
pub const ERROR_PORT: &str = "error";

/// How long a key may be.
const MAX_KEY: usize = 64;

/// Whether a text can be a node's key; so can the names of `save_as`.
pub fn is_key(key: &str) -> bool {
    key.len() <= MAX_KEY
        && key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || it == '_' || it == '-')
}

/// A published version, ready to run.
#[derive(Debug)]
pub struct Version {
    pub workspace_id: i64,
    pub workflow_id: Uuid,
    pub number: i32,
    pub plan: Arc<Plan>,
    pub secrets: Arc<Secrets>,
}

/// A graph without mistakes, compiled once per version; or what is inside one of its loops.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of the graph; those inside a loop are in the loop's `body`.
    pub nodes: Vec<PlanNode>,
    pub edges: Vec<PlanEdge>,
    /// The place of each node by its key.
    pub keys: HashMap<String, usize>,
    /// What `_vars` stands for. As what follows, it is there for the whole graph only.
    pub vars: Value,
    pub timeout: Option<Duration>,
    /// None where each call starts an execution at once.
    pub start: Option<StartPlan>,
    /// The workflow to start where an execution fails.
    pub error_workflow: Option<Uuid>,
    /// The references of the secrets that its nodes use.
    pub secrets: Vec<String>,
}

#[derive(Debug)]
pub struct PlanNode {
    pub key: Arc<str>,
    pub name: String,
    pub kind: &'static str,
    pub role: Role,
    /// Its place in the catalogue.
    pub(crate) entry: usize,
    pub(crate) parameters: Compiled,
    /// The parameters that it evaluates itself, by their places.
    pub(crate) deferred: Vec<Deferred>,
    pub ports: Vec<String>,
    /// Edges by their places in the plan.
    pub incoming: Vec<usize>,
    pub outgoing: Vec<usize>,
    /// Of a loop: what runs in each iteration.
    pub body: Option<Arc<Plan>>,
    /// Top-level names that ancestors in the same plan write, nearest first, with the node that writes each.
    pub visible_saves: Vec<(String, usize)>,
    pub disabled: bool,
    pub join: Join,
    pub on_error: OnError,
    pub on_crash: OnCrash,
    pub retry: Option<Retry>,
    pub timeout: Option<Duration>,
}

impl PlanNode {
    /// Whether a node of this type is inside it.
    fn holds(&self, kind: &str) -> bool {
        let inside = self.body.iter().flat_map(|body| &body.nodes);
        inside
            .filter(|node| !node.disabled)
            .any(|node| node.kind == kind || node.holds(kind))
    }

    /// The parameters as the graph has them, of a node without templates such as a trigger; else null.
    pub fn constant_parameters(&self) -> Value {
        match &self.parameters {
            Compiled::Constant(parameters) => parameters.clone(),
            _ => Value::Null,
        }
    }
}

#[derive(Debug, Clone)]
pub struct PlanEdge {
    pub from: usize,
    /// The place of the port among those of `from`.
    pub port: usize,
    pub to: usize,
}

impl Plan {
    /// Compiles a graph, or lists all that is wrong with it, each with the node's key and a JSON pointer that
    /// begins with `/graph`.
    pub fn compile(graph: &Graph, catalogue: &Catalogue) -> Result<Self, Vec<Problem>> {
        let start = graph.settings.start.as_ref().map(start::compile);
        match (check::compile(graph, catalogue), start.transpose()) {
            (Ok(plan), Ok(start)) => Ok(Self {
                start: start.flatten(),
                ..plan
            }),
            (plan, start) => {
                let of_graph = plan.err().unwrap_or_default();
                Err([of_graph, start.err().unwrap_or_default()].concat())
            }
        }
    }

    /// Whether a run that starts at this trigger can reach a node of this type.
    pub fn reaches(&self, trigger: usize, kind: &str) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        let mut ahead = vec![trigger];
        while let Some(node) = ahead.pop() {
            if std::mem::replace(&mut seen[node], true) {
                continue;
            }
            let found = &self.nodes[node];
            if !found.disabled && (found.kind == kind || found.holds(kind)) {
                return true;
            }
            ahead.extend(found.outgoing.iter().map(|edge| self.edges[*edge].to));
        }
        false
    }

    /// The node that a path such as `each[3]/send` names; of an iteration such as `each[3]`, its loop.
    pub fn find(&self, path: &str) -> Option<&PlanNode> {
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        let iteration = first.strip_suffix(']').and_then(|first| first.split_once('['));
        let key = iteration.map_or(first, |(key, _)| key);
        let node = &self.nodes[*self.keys.get(key)?];
        match (iteration, rest) {
            (None, None) => Some(node),
            (Some((_, index)), rest) if node.role == Role::Loop && is_index(index) => match rest {
                None => Some(node),
                Some(rest) => node.body.as_ref()?.find(rest),
            },
            _ => None,
        }
    }

    /// The triggers that can start a run, by their places.
    pub fn triggers(&self) -> impl Iterator<Item = usize> {
        let is_trigger = |node: &PlanNode| node.role == Role::Trigger && !node.disabled;
        self.nodes
            .iter()
            .enumerate()
            .filter(move |(_, node)| is_trigger(node))
            .map(|(index, _)| index)
    }
}

/// Iterations of one loop.
const MOST_ITERATIONS: u32 = 100_000;

/// Whether a text is the number of an iteration, written in the one way there is.
fn is_index(text: &str) -> bool {
    let index = text.parse().ok().filter(|index: &u32| *index < MOST_ITERATIONS);
    index.is_some_and(|index| index.to_string() == text)
}
