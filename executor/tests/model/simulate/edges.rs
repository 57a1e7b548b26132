//! Which nodes run: edges, joins, skips, in one scope.

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{Edge, Graph, Join, Node, OnError};

use super::{Model, key, scope};
use crate::told::StepTold;
use crate::world::PORTS;

/// How far a node is.
#[derive(Clone, Default)]
pub(super) struct Progress {
    undecided: usize,
    taken: usize,
    /// It was told to run, or is decided.
    has_begun: bool,
    /// It was told to run, and is not decided.
    pub(super) is_running: bool,
    /// It was told to run.
    pub(super) ran: bool,
    /// One of the edges it left by leads on.
    pub(super) went_on: bool,
}

/// The ports of a node, the first one first.
pub fn ports(node: &Node) -> Vec<&'static str> {
    let mut ports = match node.kind.as_str() {
        "test.pure" | "test.work" => PORTS.to_vec(),
        "test.wait" => vec!["out", "timeout"],
        _ => vec!["out"],
    };
    if node.on_error == Some(OnError::Branch) {
        ports.push("error");
    }
    ports
}

impl Model<'_> {
    pub(super) fn node(&self, path: &str) -> &Node {
        let mut nodes = self.case.graph.nodes.iter();
        nodes
            .find(|node| node.key == key(path))
            .unwrap_or_else(|| panic!("no node {path}"))
    }

    pub(super) fn progress(&mut self, path: &str) -> &mut Progress {
        self.state.progress.entry(path.to_owned()).or_default()
    }

    /// The trigger leaves, and nothing leads to the other triggers.
    pub(super) fn enter_top(&mut self) {
        let graph = &self.case.graph;
        self.forget_scope("", None);
        let trigger = &graph.nodes[0].key;
        let mut left = Vec::new();
        for node in graph.nodes.iter().filter(|node| node.parent.is_none()).skip(1) {
            let reason = if node.kind == "test.start" {
                format!("the execution started at `{trigger}`")
            } else if incoming(graph, node).count() == 0 {
                "nothing leads to it".to_owned()
            } else {
                continue;
            };
            self.skip(&node.key, reason);
            left.push((node.key.clone(), Vec::new()));
        }
        self.progress(trigger).has_begun = true;
        left.push((trigger.clone(), vec!["out".to_owned()]));
        self.decide_edges(left);
    }

    /// In an iteration, all begin that nothing leads to.
    pub(super) fn enter_iteration(&mut self, scope: &str, of: &str) {
        let graph = &self.case.graph;
        let of = key(of).to_owned();
        self.forget_scope(scope, Some(&of));
        let mut left = Vec::new();
        for node in &graph.nodes {
            if node.parent.as_deref() == Some(&*of) && incoming(graph, node).count() == 0 {
                let path = format!("{scope}{}", node.key);
                if let Some(ports) = self.tell_to_run(&path) {
                    left.push((path, ports));
                }
            }
        }
        self.decide_edges(left);
        self.note_end(scope);
    }

    fn forget_scope(&mut self, scope: &str, parent: Option<&str>) {
        let graph = &self.case.graph;
        for node in graph.nodes.iter().filter(|node| node.parent.as_deref() == parent) {
            let progress = Progress {
                undecided: incoming(graph, node).count(),
                ..Progress::default()
            };
            self.state
                .progress
                .insert(format!("{scope}{}", node.key), progress);
        }
    }

    /// A node has ended and leaves by these ports.
    pub(super) fn leave(&mut self, path: &str, ports: Vec<String>) {
        self.progress(path).is_running = false;
        self.decide_edges(vec![(path.to_owned(), ports)]);
        self.note_end(scope(path));
    }

    /// The edges of a node in the order of the graph, then those of the nodes that were skipped by that, the last
    /// one first.
    fn decide_edges(&mut self, mut left: Vec<(String, Vec<String>)>) {
        let graph = &self.case.graph;
        while let Some((path, by)) = left.pop() {
            let first = ports(self.node(&path))[0];
            for edge in graph.edges.iter().filter(|edge| edge.from == key(&path)) {
                let port = edge.port.as_deref().unwrap_or(first);
                let is_taken = by.iter().any(|by| by == port);
                self.progress(&path).went_on |= is_taken;
                let to = format!("{}{}", scope(&path), edge.to);
                if let Some(ports) = self.arrive(&to, is_taken) {
                    left.push((to, ports));
                }
            }
        }
    }

    /// An edge to a node is decided. Gives the ports by which the node is left at once, if it is.
    fn arrive(&mut self, path: &str, is_taken: bool) -> Option<Vec<String>> {
        let join = self.node(path).join.unwrap_or_default();
        let count = incoming(&self.case.graph, self.node(path)).count();
        let progress = self.progress(path);
        progress.undecided -= 1;
        progress.taken += usize::from(is_taken);
        let (undecided, taken) = (progress.undecided, progress.taken);
        if progress.has_begun || !(undecided == 0 || join == Join::First && taken > 0) {
            return None;
        }
        if taken == 0 {
            self.skip(path, "no edge to it was taken".to_owned());
            Some(Vec::new())
        } else if join == Join::All && taken < count {
            self.skip(path, format!("only {taken} of {count} edges to it were taken"));
            Some(Vec::new())
        } else {
            self.tell_to_run(path)
        }
    }

    fn tell_to_run(&mut self, path: &str) -> Option<Vec<String>> {
        if self.node(path).disabled {
            self.skip(path, "it is disabled".to_owned());
            return Some(vec![ports(self.node(path))[0].to_owned()]);
        }
        let progress = self.progress(path);
        progress.has_begun = true;
        progress.is_running = true;
        progress.ran = true;
        self.state.ready.push_back(path.to_owned());
        None
    }

    fn skip(&mut self, path: &str, reason: String) {
        self.progress(path).has_begun = true;
        let step = StepTold {
            reason: Some(reason),
            ..StepTold::new(StepState::Skipped)
        };
        self.state.steps.insert(path.to_owned(), step);
    }

    pub(super) fn is_busy(&self, of: &str) -> bool {
        let mut nodes = self.state.progress.iter();
        nodes.any(|(path, progress)| progress.is_running && scope(path) == of)
    }
}

fn incoming<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = &'a Edge> {
    graph.edges.iter().filter(|edge| edge.to == node.key)
}
