//! The scheduling rule as a pure function: plan, state and decision in, actions out.
//!
//! Every edge is undecided, taken or skipped. A node is ready when all its incoming edges are decided: if one
//! was taken it runs, once; if all were skipped it is skipped and says why. `join: all` skips if any was
//! skipped; `join: first` runs at the first taken edge and ignores the rest. The inside of a loop is a plan of its
//! own, with a state for each iteration.

use flowmatic_openapi::Join;

use crate::graph::Plan;
use crate::node::Role;

/// How far an execution has come, or one iteration of a loop in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    nodes: Vec<NodeState>,
    /// Nodes that were told to run and are not decided.
    running: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NodeState {
    phase: Phase,
    undecided: usize,
    taken: usize,
    /// It was told to run.
    ran: bool,
    /// One of the edges it left by leads on.
    went_on: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Running,
    Decided,
}

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The execution begins at this trigger.
    Start { trigger: usize },
    /// An iteration begins, with all that nothing leads to.
    Enter,
    /// The node leaves by these ports, by their places.
    Leave { node: usize, ports: Vec<usize> },
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Run(usize),
    /// Decided already; to be recorded.
    Skip {
        node: usize,
        reason: String,
    },
    /// Nothing runs and nothing is left to run.
    End,
}

impl State {
    pub fn new(plan: &Plan) -> Self {
        let waiting = |node: &crate::graph::PlanNode| NodeState {
            phase: Phase::Waiting,
            undecided: node.incoming.len(),
            taken: 0,
            ran: false,
            went_on: false,
        };
        Self {
            nodes: plan.nodes.iter().map(waiting).collect(),
            running: 0,
        }
    }

    pub fn is_decided(&self, node: usize) -> bool {
        self.nodes[node].phase == Phase::Decided
    }

    /// Whether a node was told to run and is not decided.
    pub fn is_running(&self, node: usize) -> bool {
        self.nodes[node].phase == Phase::Running
    }

    /// Whether some node was told to run and is not decided.
    pub fn is_busy(&self) -> bool {
        self.running > 0
    }

    /// Decides a node without letting it leave: nothing follows from it.
    pub fn abandon(&mut self, node: usize) {
        if self.nodes[node].phase == Phase::Running {
            self.running -= 1;
        }
        self.nodes[node].phase = Phase::Decided;
    }

    /// The nodes that it ended at: they ran, and none of the edges they left by leads on.
    pub fn ends(&self) -> impl Iterator<Item = usize> {
        let ended = |node: &NodeState| node.ran && !node.went_on && node.phase == Phase::Decided;
        self.nodes
            .iter()
            .enumerate()
            .filter(move |(_, node)| ended(node))
            .map(|(place, _)| place)
    }
}

/// Takes in one decision and says what follows. A decision on a node that is decided already changes nothing.
pub fn decide(plan: &Plan, state: &mut State, decision: Decision) -> Vec<Action> {
    let mut step = Step {
        plan,
        state,
        actions: Vec::new(),
        leaving: Vec::new(),
    };
    match decision {
        Decision::Start { trigger } => step.start(trigger),
        Decision::Enter => step.enter(),
        Decision::Leave { node, ports } => {
            if step.state.nodes[node].phase == Phase::Decided {
                return Vec::new();
            }
            if step.state.nodes[node].phase == Phase::Running {
                step.state.running -= 1;
            }
            step.leave(node, ports);
        }
    }
    step.settle();
    if step.state.running == 0 {
        step.actions.push(Action::End);
    }
    step.actions
}

struct Step<'a> {
    plan: &'a Plan,
    state: &'a mut State,
    actions: Vec<Action>,
    /// Decided nodes whose edges are not, with the ports they leave by.
    leaving: Vec<(usize, Vec<usize>)>,
}

impl Step<'_> {
    fn start(&mut self, trigger: usize) {
        for (index, node) in self.plan.nodes.iter().enumerate() {
            if index == trigger {
                continue;
            }
            if node.role == Role::Trigger {
                self.skip(
                    index,
                    format!("the execution started at `{}`", self.plan.nodes[trigger].key),
                );
            } else if node.incoming.is_empty() {
                self.skip(index, "nothing leads to it".to_owned());
            }
        }
        self.leave(trigger, (0..self.plan.nodes[trigger].ports.len()).collect());
    }

    fn enter(&mut self) {
        for node in 0..self.plan.nodes.len() {
            if self.plan.nodes[node].incoming.is_empty() {
                self.run(node);
            }
        }
    }

    fn leave(&mut self, node: usize, ports: Vec<usize>) {
        self.state.nodes[node].phase = Phase::Decided;
        self.leaving.push((node, ports));
    }

    fn skip(&mut self, node: usize, reason: String) {
        self.actions.push(Action::Skip { node, reason });
        self.leave(node, Vec::new());
    }

    /// Decides edges until no more nodes become decided.
    fn settle(&mut self) {
        while let Some((node, ports)) = self.leaving.pop() {
            for &edge in &self.plan.nodes[node].outgoing {
                let edge = &self.plan.edges[edge];
                let taken = ports.contains(&edge.port);
                self.state.nodes[node].went_on |= taken;
                self.arrive(edge.to, taken);
            }
        }
    }

    fn arrive(&mut self, node: usize, taken: bool) {
        let progress = &mut self.state.nodes[node];
        progress.undecided -= 1;
        progress.taken += usize::from(taken);
        if progress.phase != Phase::Waiting {
            return;
        }
        let (all_decided, taken) = (progress.undecided == 0, progress.taken);
        let arrived = self.plan.nodes[node].incoming.len();
        match self.plan.nodes[node].join {
            Join::First if taken > 0 => self.run(node),
            _ if !all_decided => {}
            _ if taken == 0 => self.skip(node, "no edge to it was taken".to_owned()),
            Join::All if taken < arrived => {
                self.skip(node, format!("only {taken} of {arrived} edges to it were taken"));
            }
            _ => self.run(node),
        }
    }

    fn run(&mut self, node: usize) {
        if self.plan.nodes[node].disabled {
            let first = if self.plan.nodes[node].ports.is_empty() {
                Vec::new()
            } else {
                vec![0]
            };
            self.actions.push(Action::Skip {
                node,
                reason: "it is disabled".to_owned(),
            });
            self.leave(node, first);
        } else {
            self.state.nodes[node].phase = Phase::Running;
            self.state.nodes[node].ran = true;
            self.state.running += 1;
            self.actions.push(Action::Run(node));
        }
    }
}

#[cfg(test)]
mod tests {
    use flowmatic_openapi::Join;

    use super::{Action, Decision, State, decide};
    use crate::graph::{Plan, PlanEdge};
    use crate::testing::plan_node;

    /// A plan of `t` (the trigger) and the nodes that the edges name; `a.1>b` leaves `a` by its second port.
    fn plan(edges: &[&str]) -> Plan {
        let mut plan = Plan::default();
        let place = |plan: &mut Plan, key: &str| {
            *plan.keys.clone().get(key).unwrap_or_else(|| {
                plan.nodes.push(plan_node(key, key == "t"));
                plan.keys.entry(key.to_owned()).or_insert(plan.nodes.len() - 1)
            })
        };
        place(&mut plan, "t");
        for edge in edges {
            let (from, to) = edge.split_once('>').expect("an edge has an arrow");
            let (from, port) = from.split_once('.').unwrap_or((from, "0"));
            let (from, to) = (place(&mut plan, from), place(&mut plan, to));
            plan.nodes[from].outgoing.push(plan.edges.len());
            plan.nodes[to].incoming.push(plan.edges.len());
            plan.edges.push(PlanEdge {
                from,
                port: port.parse().expect("a port is a number"),
                to,
            });
        }
        plan
    }

    /// Starts at `t`, then lets each named node leave by its ports (`a` by 0, `a.1` by 1, `a.` by none), and
    /// tells what was run and skipped, in order.
    fn check(plan: &Plan, decisions: &[&str], expected: &str) {
        let mut state = State::new(plan);
        let mut actions = decide(plan, &mut state, Decision::Start { trigger: 0 });
        for decision in decisions {
            let (key, port) = decision.split_once('.').unwrap_or((decision, "0"));
            let ports = port
                .chars()
                .filter_map(|it| it.to_digit(10))
                .map(|it| it as usize)
                .collect();
            actions.extend(decide(
                plan,
                &mut state,
                Decision::Leave {
                    node: plan.keys[key],
                    ports,
                },
            ));
        }
        let told: Vec<String> = actions
            .iter()
            .map(|action| match action {
                Action::Run(node) => plan.nodes[*node].key.to_string(),
                Action::Skip { node, .. } => format!("-{}", plan.nodes[*node].key),
                Action::End => "end".to_owned(),
            })
            .collect();
        assert_eq!(told.join(" "), expected);
    }

    #[test]
    fn runs_a_chain_in_order() {
        check(&plan(&["t>a", "a>b"]), &["a", "b"], "a b end");
    }

    #[test]
    fn skips_the_branch_not_taken_and_all_behind_it() {
        let plan = plan(&["t>a", "a.0>b", "a.1>c", "c>d"]);
        check(&plan, &["a.1", "c", "d"], "a -b c d end");
        check(&plan, &["a.0", "b"], "a b -c -d end");
    }

    #[test]
    fn runs_a_join_once_when_every_edge_is_decided() {
        let plan = plan(&["t>a", "t>b", "a>c", "b>c"]);
        check(&plan, &["a", "b", "c"], "a b c end");
        check(&plan, &["a.", "b", "c"], "a b c end");
        check(&plan, &["a.", "b."], "a b -c end");
    }

    #[test]
    fn joins_all_only_when_all_were_taken() {
        let mut plan = plan(&["t>a", "t>b", "a>c", "b>c"]);
        plan.nodes[3].join = Join::All;
        check(&plan, &["a", "b", "c"], "a b c end");
        check(&plan, &["a.", "b"], "a b -c end");
    }

    #[test]
    fn joins_first_at_the_first_taken_edge_and_ignores_the_rest() {
        let mut plan = plan(&["t>a", "t>b", "a>c", "b>c"]);
        plan.nodes[3].join = Join::First;
        check(&plan, &["b", "c", "a"], "a b c end");
        check(&plan, &["b.", "a.", "c"], "a b -c end");
    }

    #[test]
    fn leaves_by_several_ports_at_once() {
        check(
            &plan(&["t>a", "a.0>b", "a.1>c"]),
            &["a.01", "b", "c"],
            "a b c end",
        );
    }

    #[test]
    fn a_disabled_node_passes_its_edge_on() {
        let mut plan = plan(&["t>a", "a.0>b", "a.1>c"]);
        plan.nodes[1].disabled = true;
        check(&plan, &["b"], "-a b -c end");
    }

    #[test]
    fn ends_at_once_when_nothing_follows_the_trigger() {
        check(&plan(&[]), &[], "end");
    }

    #[test]
    fn a_second_decision_on_a_node_changes_nothing() {
        check(&plan(&["t>a", "a>b"]), &["a", "a", "b"], "a b end");
    }
}
