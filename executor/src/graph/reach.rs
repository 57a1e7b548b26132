//! Who comes before whom, and who excludes whom.

use std::collections::BTreeSet;

use super::PlanEdge;

/// The nodes before each node, in a graph without cycles.
pub(super) struct Reach {
    /// Every node after those it depends on.
    pub(super) order: Vec<usize>,
    ancestors: Vec<BTreeSet<usize>>,
    /// The ways out of branching nodes that every run reaching a node has taken; `None` where no run can.
    ways: Vec<Option<BTreeSet<(usize, usize)>>>,
}

/// Stands for the choice of the trigger among the ways.
const START: usize = usize::MAX;

impl Reach {
    /// Fails with the nodes that are on a cycle or behind one.
    pub(super) fn of(
        count: usize,
        edges: &[PlanEdge],
        is_trigger: impl Fn(usize) -> bool,
    ) -> Result<Self, Vec<usize>> {
        let order = sort(count, edges)?;
        let mut incoming: Vec<Vec<&PlanEdge>> = vec![Vec::new(); count];
        for edge in edges {
            incoming[edge.to].push(edge);
        }
        let mut ancestors = vec![BTreeSet::new(); count];
        let mut ways: Vec<Option<BTreeSet<(usize, usize)>>> = vec![None; count];
        for &node in &order {
            if is_trigger(node) {
                ways[node] = Some(BTreeSet::from([(START, node)]));
            }
            for edge in &incoming[node] {
                let mut before = ancestors[edge.from].clone();
                before.insert(edge.from);
                ancestors[node].append(&mut before);
                let Some(mut way) = ways[edge.from].clone() else {
                    continue;
                };
                way.insert((edge.from, edge.port));
                ways[node] = Some(match ways[node].take() {
                    Some(others) => others.intersection(&way).copied().collect(),
                    None => way,
                });
            }
        }
        Ok(Self {
            order,
            ancestors,
            ways,
        })
    }

    pub(super) fn is_ancestor(&self, before: usize, after: usize) -> bool {
        self.ancestors[after].contains(&before)
    }

    /// Whether no run reaches both: they hang on different ports of a node that leaves by one at a time, or
    /// on different triggers.
    pub(super) fn exclude(&self, one: usize, other: usize, leaves_by_one: impl Fn(usize) -> bool) -> bool {
        let (Some(one), Some(other)) = (&self.ways[one], &self.ways[other]) else {
            return true;
        };
        one.iter().any(|(node, port)| {
            let same = other.iter().any(|(another, way)| another == node && way != port);
            same && !one.iter().any(|(another, way)| another == node && way != port)
                && (*node == START || leaves_by_one(*node))
        })
    }
}

fn sort(count: usize, edges: &[PlanEdge]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waits_for = vec![0usize; count];
    let mut outgoing = vec![Vec::new(); count];
    for edge in edges {
        waits_for[edge.to] += 1;
        outgoing[edge.from].push(edge.to);
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
    if order.len() == count {
        return Ok(order);
    }
    // What is only behind a cycle is taken away again from the far end.
    let mut left: BTreeSet<usize> = (0..count).filter(|node| waits_for[*node] > 0).collect();
    while let Some(end) = left
        .iter()
        .copied()
        .find(|node| !outgoing[*node].iter().any(|next| left.contains(next)))
    {
        left.remove(&end);
    }
    Err(left.into_iter().collect())
}
