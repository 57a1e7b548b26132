//! Graph -> Plan: every mistake is found here, before anything runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flowmatic_openapi::{Graph, Join, OnCrash, OnError, Problem, Retry};
use serde_json::Value;
use uuid::Uuid;

use crate::context::Secrets;
use crate::expression::Template;
use crate::node::{Catalogue, Role};

/// A published version, ready to run.
#[derive(Debug)]
pub struct Version {
    pub workspace_id: i64,
    pub workflow_id: Uuid,
    pub number: i32,
    pub plan: Arc<Plan>,
    pub secrets: Arc<Secrets>,
}

/// A graph without mistakes, compiled once per version.
#[derive(Debug, Default)]
pub struct Plan {
    pub nodes: Vec<PlanNode>,
    pub edges: Vec<PlanEdge>,
    /// The place of each node by its key.
    pub keys: HashMap<String, usize>,
    /// What `_vars` stands for.
    pub vars: Value,
    pub timeout: Option<Duration>,
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
    /// The templates of its `Expression` parameters.
    pub expressions: Vec<Template>,
    pub ports: Vec<String>,
    /// Edges by their places in the plan.
    pub incoming: Vec<usize>,
    pub outgoing: Vec<usize>,
    /// Top-level names that ancestors write, nearest first, with the node that writes each.
    pub visible_saves: Vec<(String, usize)>,
    pub disabled: bool,
    pub join: Join,
    pub on_error: OnError,
    pub on_crash: OnCrash,
    pub retry: Option<Retry>,
    pub timeout: Option<Duration>,
}

#[derive(Debug)]
pub struct PlanEdge {
    pub from: usize,
    /// The place of the port among those of `from`.
    pub port: usize,
    pub to: usize,
}

/// Parameters with their templates compiled.
#[derive(Debug)]
pub(crate) enum Compiled {
    Constant(Value),
}

impl Plan {
    /// Compiles a graph, or lists all that is wrong with it, each with the node's key and a JSON pointer that
    /// begins with `/graph`.
    pub fn compile(_graph: &Graph, _catalogue: &Catalogue) -> Result<Self, Vec<Problem>> {
        Ok(Self::default())
    }
}
