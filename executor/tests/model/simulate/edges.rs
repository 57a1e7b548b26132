//! Which nodes run: edges, joins, skips, at the top or in one iteration.

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{Edge, Graph, Join, Node, OnError};

use super::{Doing, Model, key, scope};
use crate::told::StepTold;
use crate::world::PORTS;

/// How far a node is.
#[derive(Clone, Default)]
pub(super) struct Edges {
    /// Of those that lead to it.
    decided: usize,
    taken: usize,
    /// It was told to run, or skipped.
    is_told: bool,
    /// It was told to run.
    pub(super) ran: bool,
    /// One of the edges it left by leads on.
    pub(super) went_on: bool,
}

/// A node that is left, and the ports it is left by.
type Left = (String, Vec<String>);

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

fn incoming<'a>(graph: &'a Graph, node: &'a Node) -> impl Iterator<Item = &'a Edge> {
    graph.edges.iter().filter(|edge| edge.to == node.key)
}

impl Model<'_> {
    fn edges(&mut self, path: &str) -> &mut Edges {
        self.state.edges.entry(path.to_owned()).or_default()
    }

    /// The trigger leaves, and nothing leads to the other triggers.
    pub(super) fn enter_top(&mut self) {
        let graph = &self.case.graph;
        let trigger = &graph.nodes[0].key;
        let mut left = Vec::new();
        for node in graph.nodes.iter().filter(|node| node.parent.is_none()).skip(1) {
            if node.kind == "test.start" {
                left.push(self.skip(&node.key, format!("the execution started at `{trigger}`")));
            } else if incoming(graph, node).count() == 0 {
                left.push(self.skip(&node.key, "nothing leads to it".to_owned()));
            }
        }
        left.push((trigger.clone(), vec!["out".to_owned()]));
        self.decide_edges(left);
    }

    /// In an iteration, all begin that nothing leads to.
    pub(super) fn enter_iteration(&mut self, of: &str, parent: &str) {
        let graph = &self.case.graph;
        let inside = graph
            .nodes
            .iter()
            .filter(|node| node.parent.as_deref() == Some(parent));
        let first = inside.filter(|node| incoming(graph, node).count() == 0);
        let left = first.filter_map(|node| self.tell_to_run(&format!("{of}{}", node.key)));
        let left = left.collect();
        self.decide_edges(left);
        self.note_end(of);
    }

    /// A node has ended and leaves by these ports.
    pub(super) fn leave(&mut self, path: &str, ports: Vec<String>) {
        self.state.doing.remove(path);
        self.decide_edges(vec![(path.to_owned(), ports)]);
        self.note_end(scope(path));
    }

    /// The edges of a node in the order of the graph, then those of the nodes that were skipped by that, the last
    /// one first.
    fn decide_edges(&mut self, mut left: Vec<Left>) {
        let graph = &self.case.graph;
        while let Some((path, by)) = left.pop() {
            let first = ports(self.node(&path))[0];
            for edge in graph.edges.iter().filter(|edge| edge.from == key(&path)) {
                let port = edge.port.as_deref().unwrap_or(first);
                let is_taken = by.iter().any(|by| by == port);
                self.edges(&path).went_on |= is_taken;
                left.extend(self.arrive(&format!("{}{}", scope(&path), edge.to), is_taken));
            }
        }
    }

    /// An edge to a node is decided.
    fn arrive(&mut self, path: &str, is_taken: bool) -> Option<Left> {
        let join = self.node(path).join.unwrap_or_default();
        let all = incoming(&self.case.graph, self.node(path)).count();
        let edges = self.edges(path);
        edges.decided += 1;
        edges.taken += usize::from(is_taken);
        let taken = edges.taken;
        if edges.is_told || !(edges.decided == all || join == Join::First && taken > 0) {
            None
        } else if taken == 0 {
            Some(self.skip(path, "no edge to it was taken".to_owned()))
        } else if join == Join::All && taken < all {
            Some(self.skip(path, format!("only {taken} of {all} edges to it were taken")))
        } else {
            self.tell_to_run(path)
        }
    }

    fn tell_to_run(&mut self, path: &str) -> Option<Left> {
        if self.node(path).disabled {
            let (path, _) = self.skip(path, "it is disabled".to_owned());
            let first = ports(self.node(&path))[0].to_owned();
            return Some((path, vec![first]));
        }
        let edges = self.edges(path);
        (edges.is_told, edges.ran) = (true, true);
        self.state.doing.insert(path.to_owned(), Doing::Queued);
        self.state.ready.push_back(path.to_owned());
        None
    }

    fn skip(&mut self, path: &str, reason: String) -> Left {
        self.edges(path).is_told = true;
        let step = StepTold {
            reason: Some(reason),
            ..StepTold::new(StepState::Skipped)
        };
        self.state.steps.insert(path.to_owned(), step);
        (path.to_owned(), Vec::new())
    }
}
