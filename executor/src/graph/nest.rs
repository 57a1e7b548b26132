//! What is inside what: the loops of a graph, and the plan of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flowmatic_openapi::Graph;

use super::{Plan, PlanEdge, PlanNode};

/// How deep loops may stand in each other.
pub(super) const MAX_DEPTH: usize = 4;

/// The port of an edge that is not in the graph: from a loop to what begins in each iteration.
pub(super) const INSIDE: usize = usize::MAX;

/// The loop that each node is directly inside of, by their places in the graph.
pub(super) struct Nesting {
    pub(super) parents: Vec<Option<usize>>,
}

/// Why a node cannot be inside what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misplaced {
    Unknown,
    NoLoop,
    Trigger,
    Itself,
    TooDeep,
}

impl Misplaced {
    pub(super) fn message(self, parent: &str) -> String {
        match self {
            Self::Unknown => format!("there is no node with the key `{parent}` to be inside of"),
            Self::NoLoop => format!("`{parent}` is not a loop: only nodes inside a loop have a parent"),
            Self::Trigger => "a trigger cannot be inside a loop".to_owned(),
            Self::Itself => format!("the loop `{parent}` would be inside itself"),
            Self::TooDeep => format!("loops may stand in each other {MAX_DEPTH} deep at most"),
        }
    }
}

impl Nesting {
    /// Nodes that are misplaced are taken as standing at the top.
    pub(super) fn of(
        graph: &Graph,
        keys: &HashMap<String, usize>,
        is_loop: impl Fn(usize) -> bool,
        is_trigger: impl Fn(usize) -> bool,
    ) -> (Self, Vec<(usize, Misplaced)>) {
        let mut misplaced = Vec::new();
        let mut parents: Vec<Option<usize>> = Vec::with_capacity(graph.nodes.len());
        for (index, node) in graph.nodes.iter().enumerate() {
            let place = node.parent.as_ref().map(|parent| match keys.get(parent) {
                None => Err(Misplaced::Unknown),
                Some(_) if is_trigger(index) => Err(Misplaced::Trigger),
                Some(parent) if !is_loop(*parent) => Err(Misplaced::NoLoop),
                Some(parent) => Ok(*parent),
            });
            parents.push(match place.transpose() {
                Ok(parent) => parent,
                Err(mistake) => {
                    misplaced.push((index, mistake));
                    None
                }
            });
        }
        for node in 0..parents.len() {
            let mut loops = 0;
            let mut at = parents[node];
            while let Some(outer) = at {
                loops += 1;
                // A node inside a loop may be a loop itself, and each of those counts.
                if outer == node || loops > MAX_DEPTH {
                    let mistake = match outer == node {
                        true => Misplaced::Itself,
                        false => Misplaced::TooDeep,
                    };
                    misplaced.push((node, mistake));
                    parents[node] = None;
                    break;
                }
                at = parents[outer];
            }
        }
        (Self { parents }, misplaced)
    }

    /// Whether a node is inside a loop, at whatever depth.
    pub(super) fn is_inside(&self, node: usize, outer: usize) -> bool {
        let mut at = self.parents[node];
        while let Some(parent) = at {
            if parent == outer {
                return true;
            }
            at = self.parents[parent];
        }
        false
    }

    fn depth(&self, node: usize) -> usize {
        std::iter::successors(self.parents[node], |outer| self.parents[*outer]).count()
    }

    /// From each loop to the nodes that begin in each of its iterations: what comes before the loop comes before
    /// what is inside.
    pub(super) fn entrances(&self, edges: &[PlanEdge]) -> Vec<PlanEdge> {
        let mut has_incoming = vec![false; self.parents.len()];
        for edge in edges {
            has_incoming[edge.to] = true;
        }
        let begins = self.parents.iter().enumerate();
        begins
            .filter(|(node, _)| !has_incoming[*node])
            .filter_map(|(to, parent)| {
                parent.map(|from| PlanEdge {
                    from,
                    port: INSIDE,
                    to,
                })
            })
            .collect()
    }
}

/// Puts the nodes that are inside a loop into its body. What each node sees saved is given by places in the
/// graph, of nodes in the same plan.
pub(super) fn nest(
    nodes: Vec<PlanNode>,
    edges: Vec<PlanEdge>,
    saves: Vec<Vec<(String, usize)>>,
    nesting: &Nesting,
) -> Plan {
    let mut places = Vec::with_capacity(nodes.len());
    let mut plans: BTreeMap<Option<usize>, Plan> = BTreeMap::new();
    plans.entry(None).or_default();
    for (node, parent) in nodes.into_iter().zip(&nesting.parents) {
        let plan = plans.entry(*parent).or_default();
        places.push(plan.nodes.len());
        plan.keys.insert(node.key.to_string(), plan.nodes.len());
        plan.nodes.push(node);
    }
    for (node, saves) in saves.into_iter().enumerate() {
        if let Some(plan) = plans.get_mut(&nesting.parents[node]) {
            plan.nodes[places[node]].visible_saves = saves
                .into_iter()
                .map(|(name, writer)| (name, places[writer]))
                .collect();
        }
    }
    for edge in edges {
        if let Some(plan) = plans.get_mut(&nesting.parents[edge.from]) {
            let (from, to) = (places[edge.from], places[edge.to]);
            plan.nodes[from].outgoing.push(plan.edges.len());
            plan.nodes[to].incoming.push(plan.edges.len());
            plan.edges.push(PlanEdge {
                from,
                port: edge.port,
                to,
            });
        }
    }
    // The innermost first: a body is whole before it is put into its loop.
    let mut loops: Vec<usize> = plans.keys().copied().flatten().collect();
    loops.sort_by_key(|node| std::cmp::Reverse(nesting.depth(*node)));
    for inside in loops {
        let body = plans.remove(&Some(inside)).map(Arc::new);
        if let Some(plan) = plans.get_mut(&nesting.parents[inside]) {
            plan.nodes[places[inside]].body = body;
        }
    }
    plans.remove(&None).unwrap_or_default()
}
