//! Finds all mistakes of a graph, and makes the plan where there are none.

use std::collections::{HashMap, HashSet};

use bit_set::BitSet;
use flowmatic_openapi::{Graph, Node, OnError, Problem, Settings};
use serde_json::Value;

use super::nest::{Nesting, nest};
use super::parameters::{Compilation, Compiled, Deferred};
use super::reach::{self, Reach};
use super::{ERROR_PORT, MAX_KEY, Plan, PlanEdge, PlanNode, is_key};
use crate::catalogue::{Catalogue, Registered};
use crate::node::Role;

/// How many problems are listed.
const MAX_PROBLEMS: usize = 1_000;

/// How many nodes of a cycle a message names.
const MAX_NAMED: usize = 10;

const NO_TIME: &str = "a time-out of nothing lets nothing run";

pub(super) fn compile(graph: &Graph, catalogue: &Catalogue) -> Result<Plan, Vec<Problem>> {
    let mut draft = Draft {
        graph,
        catalogue,
        problems: Vec::new(),
        keys: HashMap::new(),
    };
    draft.index_keys();
    draft.settings();
    let nesting = draft.nesting();
    let mentions = draft.nodes();
    let edges = draft.edges(&mentions.ports, &nesting);
    let mut ways: Vec<PlanEdge> = nesting.entrances(&edges);
    ways.extend(edges.iter().cloned());
    let ancestors = reach::ancestors(graph.nodes.len(), &ways);
    draft.references(&mentions, &ancestors, &nesting);
    let reach = Reach::of(
        graph.nodes.len(),
        &ways,
        |node| draft.role(node) == Some(Role::Trigger),
        |node| draft.leaves_by_one(node),
    );
    match reach {
        Ok(reach) => {
            let saves = draft.saves(&reach, &ancestors, &nesting);
            if draft.problems.is_empty() {
                return Ok(draft.plan(mentions, edges, saves, &nesting));
            }
        }
        Err(cycle) => draft.cycle(&cycle),
    }
    Err(draft.bounded())
}

struct Draft<'a> {
    graph: &'a Graph,
    catalogue: &'a Catalogue,
    problems: Vec<Problem>,
    keys: HashMap<String, usize>,
}

/// What the walk over the nodes found, by node.
#[derive(Default)]
struct Walk {
    ports: Vec<Vec<String>>,
    parameters: Vec<Compiled>,
    deferred: Vec<Vec<Deferred>>,
    /// Keys named, with the pointer of the template that names them.
    mentions: Vec<Vec<(String, String)>>,
    secrets: Vec<String>,
}

impl<'a> Draft<'a> {
    fn problem(&mut self, pointer: String, node: Option<&str>, message: impl Into<String>) {
        // One more tells that there are more.
        if self.problems.len() > MAX_PROBLEMS {
            return;
        }
        self.problems.push(Problem {
            pointer,
            node: node.map(str::to_owned),
            message: message.into(),
        });
    }

    fn entry(&self, node: usize) -> Option<&'a Registered> {
        self.catalogue.get(&self.graph.nodes[node].kind)
    }

    /// All problems, or so many that nobody reads more.
    fn bounded(mut self) -> Vec<Problem> {
        if self.problems.len() > MAX_PROBLEMS {
            self.problems.truncate(MAX_PROBLEMS);
            self.problems.push(Problem {
                pointer: "/graph".to_owned(),
                node: None,
                message: format!("there are more than {MAX_PROBLEMS} mistakes; mend these first"),
            });
        }
        self.problems
    }

    fn leaves_by_one(&self, node: usize) -> bool {
        let parameters = &self.graph.nodes[node].parameters;
        self.entry(node)
            .is_none_or(|entry| entry.exclusive_ports(parameters))
    }

    fn role(&self, node: usize) -> Option<Role> {
        self.entry(node).map(|entry| entry.about.role)
    }

    fn index_keys(&mut self) {
        let graph = self.graph;
        for (index, node) in graph.nodes.iter().enumerate() {
            let pointer = format!("/graph/nodes/{index}/key");
            if !is_key(&node.key) {
                let message = format!(
                    "`{}` is no key: begin with a letter, go on with letters, digits, `_` or `-`, at most {MAX_KEY}",
                    node.key
                );
                self.problem(pointer, Some(&node.key), message);
            } else if self.keys.contains_key(&node.key) {
                self.problem(
                    pointer,
                    Some(&node.key),
                    format!("the key `{}` is taken by another node", node.key),
                );
            } else {
                self.keys.insert(node.key.clone(), index);
            }
        }
        if graph.nodes.is_empty() {
            self.problem(
                "/graph/nodes".to_owned(),
                None,
                "the graph has no nodes: begin with a trigger",
            );
        } else if !(0..graph.nodes.len()).any(|node| {
            let unknown = self.entry(node).is_none();
            unknown || self.role(node) == Some(Role::Trigger) && !graph.nodes[node].disabled
        }) {
            let message = "nothing starts this workflow: add a trigger such as `trigger.webhook`";
            self.problem("/graph/nodes".to_owned(), None, message);
        }
    }

    fn settings(&mut self) {
        if self
            .graph
            .settings
            .timeout
            .is_some_and(|timeout| timeout.as_millis() == 0)
        {
            self.problem("/graph/settings/timeout".to_owned(), None, NO_TIME.to_owned());
        }
        let bounds = Settings::RETENTION;
        if let Some(retention) = self.graph.settings.retention
            && !bounds.contains(&retention)
        {
            let message = format!(
                "`{retention}` is out of bounds: it takes {} to {}",
                bounds.start(),
                bounds.end()
            );
            self.problem("/graph/settings/retention".to_owned(), None, message);
        }
    }

    /// What is inside which loop.
    fn nesting(&mut self) -> Nesting {
        let graph = self.graph;
        let (nesting, misplaced) = Nesting::of(
            graph,
            &self.keys,
            |node| self.role(node).is_none_or(|role| role == Role::Loop),
            |node| self.role(node) == Some(Role::Trigger),
        );
        for (index, mistake) in misplaced {
            let node = &graph.nodes[index];
            let parent = node.parent.as_deref().unwrap_or_default();
            let pointer = format!("/graph/nodes/{index}/parent");
            self.problem(pointer, Some(&node.key), mistake.message(parent));
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            let names_it = |inner: &Node| inner.parent.as_ref() == Some(&node.key);
            if self.role(index) == Some(Role::Loop) && !graph.nodes.iter().any(names_it) {
                let message = format!("the loop is empty: give nodes `{}` as their `parent`", node.key);
                self.problem(format!("/graph/nodes/{index}"), Some(&node.key), message);
            }
        }
        nesting
    }

    fn nodes(&mut self) -> Walk {
        let mut walk = Walk::default();
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let pointer = format!("/graph/nodes/{index}");
            let mut compilation = Compilation::new(&node.key);
            let mut parameters = Compiled::default();
            let mut ports = Vec::new();
            match self.entry(index) {
                Some(entry) => {
                    ports.extend(
                        entry
                            .ports(&node.parameters)
                            .into_iter()
                            .map(|port| port.into_owned()),
                    );
                    if !node.disabled {
                        let place = format!("{pointer}/parameters");
                        compilation.check(&node.parameters, entry, &place);
                        if entry.about.role == Role::Trigger {
                            let constant = Value::Object(node.parameters.0.clone());
                            compilation.note_secrets(&constant);
                            parameters = Compiled::Constant(constant);
                        } else {
                            parameters = compilation.compile(&node.parameters, entry, &place);
                        }
                    }
                }
                None => compilation.problem(
                    format!("{pointer}/type"),
                    unknown_type(&node.kind, self.catalogue),
                ),
            }
            if node.on_error == Some(OnError::Branch) {
                ports.push(ERROR_PORT.to_owned());
            }
            check_common(node, self.role(index), &pointer, &mut compilation);
            self.problems.append(&mut compilation.problems);
            walk.ports.push(ports);
            walk.parameters.push(parameters);
            walk.deferred.push(compilation.deferred);
            walk.mentions.push(compilation.mentions);
            walk.secrets.append(&mut compilation.secrets);
        }
        walk
    }

    fn edges(&mut self, ports: &[Vec<String>], nesting: &Nesting) -> Vec<PlanEdge> {
        let mut edges = Vec::new();
        let mut seen = HashSet::new();
        for (index, edge) in self.graph.edges.iter().enumerate() {
            let pointer = format!("/graph/edges/{index}");
            let ends = [("from", &edge.from), ("to", &edge.to)].map(|(end, key)| {
                let place = self.keys.get(key.as_str()).copied();
                if place.is_none() {
                    let message = format!("there is no node with the key `{key}`");
                    self.problem(format!("{pointer}/{end}"), Some(key), message);
                }
                place
            });
            let [Some(from), Some(to)] = ends else { continue };
            if self.role(to) == Some(Role::Trigger) {
                let message = format!("`{}` is a trigger: nothing leads into it", edge.to);
                self.problem(format!("{pointer}/to"), Some(&edge.to), message);
                continue;
            }
            if nesting.parents[from] != nesting.parents[to] {
                let message = format!(
                    "the edge from `{}` to `{}` crosses the border of a loop: both ends must have the same `parent`",
                    edge.from, edge.to
                );
                self.problem(pointer, Some(&edge.to), message);
                continue;
            }
            let port = match &edge.port {
                None => Some(0),
                Some(name) => ports[from].iter().position(|port| port == name),
            };
            let Some(port) = port.filter(|port| *port < ports[from].len()) else {
                if self.entry(from).is_some() {
                    let message = no_such_port(&edge.from, edge.port.as_deref(), &ports[from]);
                    self.problem(format!("{pointer}/port"), Some(&edge.from), message);
                }
                continue;
            };
            if seen.insert((from, port, to)) {
                edges.push(PlanEdge { from, port, to });
            } else {
                let message = format!(
                    "there is another edge like this from `{}` to `{}`",
                    edge.from, edge.to
                );
                self.problem(pointer, Some(&edge.from), message);
            }
        }
        edges
    }

    fn cycle(&mut self, cycle: &[usize]) {
        let graph = self.graph;
        let keys: Vec<String> = cycle
            .iter()
            .take(MAX_NAMED)
            .map(|node| format!("`{}`", graph.nodes[*node].key))
            .collect();
        let mut keys = keys.join(", ");
        if cycle.len() > MAX_NAMED {
            keys.push_str(&format!(" and {} more", cycle.len() - MAX_NAMED));
        }
        for node in cycle {
            let message = format!("the nodes {keys} lead back to themselves: a graph has no cycles");
            self.problem(
                format!("/graph/nodes/{node}"),
                Some(&graph.nodes[*node].key),
                message,
            );
        }
    }

    /// Whether a node is inside a loop that another is not inside of.
    fn hides(&self, nesting: &Nesting, node: usize, from: usize) -> bool {
        nesting.parents[node].is_some_and(|outer| !nesting.is_inside(from, outer))
    }

    fn is_trigger(&self, node: usize) -> bool {
        let entry = self.catalogue.index(&self.graph.nodes[node].kind);
        entry.is_some_and(|entry| self.catalogue.at(entry).about.role == Role::Trigger)
    }

    fn references(&mut self, walk: &Walk, ancestors: &[BitSet], nesting: &Nesting) {
        for (index, mentions) in walk.mentions.iter().enumerate() {
            let own = &self.graph.nodes[index].key;
            for (key, pointer) in mentions {
                let message = match self.keys.get(key) {
                    None => format!("there is no node with the key `{key}`"),
                    Some(node) if nesting.is_inside(index, *node) => {
                        format!(
                            "`{key}` is the loop that `{own}` is inside of: it has no output until it ends"
                        )
                    }
                    Some(node) if !ancestors[index].contains(*node) && self.hides(nesting, *node, index) => {
                        format!(
                            "`{key}` is inside a loop that `{own}` is not: only the loop's `results` are seen from there"
                        )
                    }
                    Some(node) if !ancestors[index].contains(*node) => {
                        format!(
                            "`{key}` does not come before `{own}`: an expression sees only what comes before its node"
                        )
                    }
                    Some(node) if self.is_trigger(*node) => {
                        format!(
                            "`{key}` is a trigger and has no output: what it was given stands at the top level"
                        )
                    }
                    Some(_) => continue,
                };
                self.problem(pointer.clone(), Some(own), message);
            }
        }
    }

    /// The names that each node sees of those in the same plan, nearest writer first.
    fn saves(&mut self, reach: &Reach, ancestors: &[BitSet], nesting: &Nesting) -> Vec<Vec<(String, usize)>> {
        let graph = self.graph;
        let save = |node: usize| graph.nodes[node].save_as.as_deref().map(|name| (node, name));
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (node, name) in (0..graph.nodes.len()).filter_map(save) {
            let others = by_name.entry(name).or_default();
            if let Some(other) = others.iter().find(|other| !reach.exclude(node, **other)) {
                let other = &graph.nodes[*other].key;
                let message = format!("`{other}` writes `{name}` too, and both can run: choose another name");
                self.problem(
                    format!("/graph/nodes/{node}/save_as"),
                    Some(&graph.nodes[node].key),
                    message,
                );
            }
            others.push(node);
        }
        let writers: Vec<(usize, &str)> = reach.order.iter().rev().copied().filter_map(save).collect();
        (0..graph.nodes.len())
            .map(|node| {
                let visible = writers
                    .iter()
                    .filter(|(writer, _)| nesting.parents[*writer] == nesting.parents[node])
                    .filter(|(writer, _)| ancestors[node].contains(*writer));
                visible
                    .map(|(writer, name)| ((*name).to_owned(), *writer))
                    .collect()
            })
            .collect()
    }

    fn plan(
        self,
        walk: Walk,
        edges: Vec<PlanEdge>,
        saves: Vec<Vec<(String, usize)>>,
        nesting: &Nesting,
    ) -> Plan {
        let mut rest = walk.ports.into_iter().zip(walk.parameters).zip(walk.deferred);
        let mut nodes: Vec<PlanNode> = Vec::with_capacity(self.graph.nodes.len());
        for node in &self.graph.nodes {
            // A graph without problems has an entry for each node, and the walk one of each for each node.
            let (Some(entry), Some(((ports, parameters), deferred))) =
                (self.catalogue.index(&node.kind), rest.next())
            else {
                continue;
            };
            let about = self.catalogue.at(entry).about;
            nodes.push(PlanNode {
                key: node.key.as_str().into(),
                name: node.name.clone().unwrap_or_else(|| node.key.clone()),
                kind: about.kind,
                role: about.role,
                entry,
                parameters,
                deferred,
                ports,
                incoming: Vec::new(),
                outgoing: Vec::new(),
                body: None,
                visible_saves: Vec::new(),
                disabled: node.disabled,
                join: node.join.unwrap_or_default(),
                on_error: node.on_error.unwrap_or_default(),
                on_crash: node.on_crash.unwrap_or_default(),
                retry: node.retry.clone(),
                timeout: node.timeout.map(Into::into),
            });
        }
        let settings = &self.graph.settings;
        Plan {
            vars: Value::Object(
                settings
                    .vars
                    .as_ref()
                    .map(|vars| vars.0.clone())
                    .unwrap_or_default(),
            ),
            timeout: settings.timeout.map(Into::into),
            start: None,
            error_workflow: settings.error_workflow,
            secrets: walk.secrets,
            ..nest(nodes, edges, saves, nesting)
        }
    }
}

fn check_common(node: &Node, role: Option<Role>, pointer: &str, compilation: &mut Compilation<'_>) {
    if let Some(name) = &node.save_as
        && !is_key(name)
    {
        let message =
            format!("`{name}` is no name: begin with a letter, go on with letters, digits, `_` or `-`");
        compilation.problem(format!("{pointer}/save_as"), message);
    }
    if node.retry.is_some() && matches!(role, Some(Role::Loop | Role::Control)) {
        let message = format!("a `{}` cannot be tried again as a whole", node.kind);
        compilation.problem(format!("{pointer}/retry"), message);
    }
    if node.timeout.is_some() && matches!(role, Some(Role::Control)) {
        let message = format!(
            "a `{}` waits and does nothing that could be cut off: see what its parameters offer",
            node.kind
        );
        compilation.problem(format!("{pointer}/timeout"), message);
    }
    if node.timeout.is_some_and(|timeout| timeout.as_millis() == 0) {
        compilation.problem(format!("{pointer}/timeout"), NO_TIME);
    }
}

fn unknown_type(kind: &str, catalogue: &Catalogue) -> String {
    let verb = kind.rsplit('.').next().unwrap_or(kind);
    let near = catalogue.iter().map(|entry| entry.about.kind).find(|known| {
        known.rsplit('.').next() == Some(verb)
            || known.split('.').next() == Some(kind)
            || known.eq_ignore_ascii_case(kind)
    });
    match near {
        Some(near) => format!("there is no node type `{kind}`; is `{near}` meant?"),
        None => format!("there is no node type `{kind}`; GET /api/v1/connectors lists all"),
    }
}

fn no_such_port(key: &str, port: Option<&str>, ports: &[String]) -> String {
    let known: Vec<String> = ports.iter().map(|port| format!("`{port}`")).collect();
    match (port, known.is_empty()) {
        (_, true) => format!("`{key}` has no ports: nothing can follow it"),
        (Some(ERROR_PORT), _) => format!("`{key}` has no port `error`: set its `on_error` to `branch`"),
        (port, _) => {
            format!(
                "`{key}` has no port `{}`; it has {}",
                port.unwrap_or_default(),
                known.join(", ")
            )
        }
    }
}
