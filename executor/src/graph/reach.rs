//! Who comes before whom, and who excludes whom.

use std::collections::HashMap;

use bit_set::BitSet;

use super::PlanEdge;
use super::nest::INSIDE;

/// What runs of a graph without cycles can reach.
pub(super) struct Reach {
    /// Every node after those it depends on.
    pub(super) order: Vec<usize>,
    /// By node, the ways that every run reaching it has taken; `None` where no run can. A way is a port of a
    /// node that leaves by one at a time, or a trigger.
    taken: Vec<Option<BitSet>>,
    /// By node, the ways that no run reaching it has taken: the others of the same nodes.
    ruled_out: Vec<BitSet>,
}

impl Reach {
    /// Fails with the nodes that are on a cycle or between two of them.
    pub(super) fn of(
        count: usize,
        edges: &[PlanEdge],
        is_trigger: impl Fn(usize) -> bool,
        leaves_by_one: impl Fn(usize) -> bool,
    ) -> Result<Self, Vec<usize>> {
        let order = sort(count, edges)?;
        let mut incoming: Vec<Vec<&PlanEdge>> = vec![Vec::new(); count];
        for edge in edges {
            incoming[edge.to].push(edge);
        }
        let ways = Ways::of(count, edges, is_trigger, leaves_by_one);
        let mut taken: Vec<Option<BitSet>> = vec![None; count];
        let mut ruled_out = vec![BitSet::new(); count];
        for &node in &order {
            let mut common = ways.trigger(node).map(|way| BitSet::from_iter([way]));
            for edge in &incoming[node] {
                let Some(mut path) = taken[edge.from].clone() else {
                    continue;
                };
                path.extend(ways.port(edge));
                common = Some(match common {
                    Some(mut common) => {
                        common.intersect_with(&path);
                        common
                    }
                    None => path,
                });
            }
            if let Some(common) = &common {
                ruled_out[node] = ways.others(common);
            }
            taken[node] = common;
        }
        Ok(Self {
            order,
            taken,
            ruled_out,
        })
    }

    /// Whether no run reaches both: they hang on different ports of a node that leaves by one at a time, or
    /// on different triggers.
    pub(super) fn exclude(&self, one: usize, other: usize) -> bool {
        match (&self.taken[one], &self.taken[other]) {
            (Some(taken), Some(_)) => !taken.is_disjoint(&self.ruled_out[other]),
            _ => true,
        }
    }
}

/// The ways, numbered.
struct Ways {
    /// By node and port.
    ports: HashMap<(usize, usize), usize>,
    triggers: HashMap<usize, usize>,
    /// By way, all that a run chooses from when it takes it.
    choices: Vec<usize>,
    by_choice: Vec<BitSet>,
}

impl Ways {
    fn of(
        count: usize,
        edges: &[PlanEdge],
        is_trigger: impl Fn(usize) -> bool,
        leaves_by_one: impl Fn(usize) -> bool,
    ) -> Self {
        let mut ways = Self {
            ports: HashMap::new(),
            triggers: HashMap::new(),
            choices: Vec::new(),
            // One for each node, and one for the triggers.
            by_choice: vec![BitSet::new(); count + 1],
        };
        for node in (0..count).filter(|node| is_trigger(*node)) {
            let way = ways.add(count);
            ways.triggers.insert(node, way);
        }
        for edge in edges
            .iter()
            .filter(|edge| edge.port != INSIDE && leaves_by_one(edge.from))
        {
            if !ways.ports.contains_key(&(edge.from, edge.port)) {
                let way = ways.add(edge.from);
                ways.ports.insert((edge.from, edge.port), way);
            }
        }
        ways
    }

    fn add(&mut self, choice: usize) -> usize {
        let way = self.choices.len();
        self.choices.push(choice);
        self.by_choice[choice].insert(way);
        way
    }

    fn trigger(&self, node: usize) -> Option<usize> {
        self.triggers.get(&node).copied()
    }

    fn port(&self, edge: &PlanEdge) -> Option<usize> {
        self.ports.get(&(edge.from, edge.port)).copied()
    }

    fn others(&self, taken: &BitSet) -> BitSet {
        let mut others = BitSet::new();
        for way in taken {
            others.union_with(&self.by_choice[self.choices[way]]);
        }
        others.difference_with(taken);
        others
    }
}

/// The nodes before each node, in a graph that may have cycles.
pub(super) fn ancestors(count: usize, edges: &[PlanEdge]) -> Vec<BitSet> {
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); count];
    for edge in edges {
        before[edge.to].push(edge.from);
    }
    let ancestors = |node: usize| {
        let (mut found, mut next) = (BitSet::with_capacity(count), vec![node]);
        while let Some(node) = next.pop() {
            next.extend(before[node].iter().filter(|node| found.insert(**node)));
        }
        found
    };
    (0..count).map(ancestors).collect()
}

fn sort(count: usize, edges: &[PlanEdge]) -> Result<Vec<usize>, Vec<usize>> {
    let forward: Vec<_> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let order = peel(count, &forward);
    if order.len() == count {
        return Ok(order);
    }
    let mut is_left = vec![true; count];
    for node in order {
        is_left[node] = false;
    }
    // What is only behind a cycle is taken away again from the far end.
    let backward: Vec<_> = edges
        .iter()
        .filter(|edge| is_left[edge.from] && is_left[edge.to])
        .map(|edge| (edge.to, edge.from))
        .collect();
    for node in peel(count, &backward) {
        is_left[node] = false;
    }
    Err((0..count).filter(|node| is_left[*node]).collect())
}

/// The nodes that no cycle leads to, each after all that lead to it (Kahn).
fn peel(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut waits_for = vec![0usize; count];
    let mut outgoing = vec![Vec::new(); count];
    for &(from, to) in edges {
        waits_for[to] += 1;
        outgoing[from].push(to);
    }
    let mut order: Vec<usize> = (0..count).filter(|node| waits_for[*node] == 0).collect();
    let mut at = 0;
    while at < order.len() {
        for &next in &outgoing[order[at]] {
            waits_for[next] -= 1;
            if waits_for[next] == 0 {
                order.push(next);
            }
        }
        at += 1;
    }
    order
}
