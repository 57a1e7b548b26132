//! Which nodes run: edges, joins, skips.

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{Join, Node, OnError};

use super::Model;
use crate::told::StepTold;
use crate::world::PORTS;

/// How far a node is.
#[derive(Clone, Default)]
pub(super) struct Progress {
    undecided: usize,
    taken: usize,
    /// It was told to run, or is decided.
    has_begun: bool,
}

/// The ports of a node, the first one first.
pub fn ports(node: &Node) -> Vec<&'static str> {
    let mut ports = match node.kind.as_str() {
        "test.start" => vec!["out"],
        _ => PORTS.to_vec(),
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
            .find(|node| node.key == path)
            .unwrap_or_else(|| panic!("no node {path}"))
    }

    pub(super) fn begin_scope(&mut self) {
        let graph = &self.case.graph;
        for node in &graph.nodes {
            let undecided = graph.edges.iter().filter(|edge| edge.to == node.key).count();
            let progress = Progress {
                undecided,
                ..Progress::default()
            };
            self.state.progress.insert(node.key.clone(), progress);
        }
        let trigger = &graph.nodes[0].key;
        let mut left = Vec::new();
        for node in &graph.nodes[1..] {
            if node.kind == "test.start" {
                self.skip(&node.key, format!("the execution started at `{trigger}`"));
                left.push((node.key.clone(), Vec::new()));
            } else if self.state.progress[&node.key].undecided == 0 {
                self.skip(&node.key, "nothing leads to it".to_owned());
                left.push((node.key.clone(), Vec::new()));
            }
        }
        self.progress(trigger).has_begun = true;
        left.push((trigger.clone(), vec!["out".to_owned()]));
        self.decide_edges(left);
    }

    fn progress(&mut self, path: &str) -> &mut Progress {
        self.state.progress.entry(path.to_owned()).or_default()
    }

    /// A node has ended and leaves by these ports.
    pub(super) fn leave(&mut self, path: &str, ports: Vec<String>) {
        self.decide_edges(vec![(path.to_owned(), ports)]);
    }

    /// The edges of a node in the order of the graph, then those of the nodes that were skipped by that, the last
    /// one first.
    fn decide_edges(&mut self, mut left: Vec<(String, Vec<String>)>) {
        let graph = &self.case.graph;
        while let Some((path, by)) = left.pop() {
            let first = ports(self.node(&path))[0];
            for edge in graph.edges.iter().filter(|edge| edge.from == path) {
                let port = edge.port.as_deref().unwrap_or(first);
                let is_taken = by.iter().any(|by| by == port);
                if let Some(ports) = self.arrive(&edge.to, is_taken) {
                    left.push((edge.to.clone(), ports));
                }
            }
        }
    }

    /// An edge to a node is decided. Gives the ports by which the node is left at once, if it is.
    fn arrive(&mut self, path: &str, is_taken: bool) -> Option<Vec<String>> {
        let node = self.node(path).clone();
        let count = self
            .case
            .graph
            .edges
            .iter()
            .filter(|edge| edge.to == node.key)
            .count();
        let progress = self.progress(path);
        progress.undecided -= 1;
        progress.taken += usize::from(is_taken);
        if progress.has_begun {
            return None;
        }
        let (undecided, taken) = (progress.undecided, progress.taken);
        let join = node.join.unwrap_or_default();
        if !(undecided == 0 || join == Join::First && taken > 0) {
            return None;
        }
        progress.has_begun = true;
        if taken == 0 {
            self.skip(path, "no edge to it was taken".to_owned());
            Some(Vec::new())
        } else if join == Join::All && taken < count {
            self.skip(path, format!("only {taken} of {count} edges to it were taken"));
            Some(Vec::new())
        } else if node.disabled {
            self.skip(path, "it is disabled".to_owned());
            Some(vec![ports(&node)[0].to_owned()])
        } else {
            self.state.ready.push_back(path.to_owned());
            None
        }
    }

    fn skip(&mut self, path: &str, reason: String) {
        self.progress(path).has_begun = true;
        let step = StepTold {
            reason: Some(reason),
            ..StepTold::new(StepState::Skipped)
        };
        self.state.steps.insert(path.to_owned(), step);
    }
}
