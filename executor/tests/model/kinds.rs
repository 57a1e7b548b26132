//! What the graphs must have led to, so that the comparison is worth something.

use std::collections::BTreeMap;

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{ExecutionStatus, Join, Node, OnError};
use serde_json::Value;

use crate::told::{Case, Life, StepTold, Told, Write};

/// One run of a case.
pub struct Run<'a> {
    pub case: &'a Case,
    pub lives: &'a [Life],
    pub told: &'a Told,
}

/// A step of a node, its path first.
type Step<'a> = (&'a str, &'a Node, &'a StepTold);

/// How often each kind of thing has happened: in how many runs.
#[derive(Default)]
pub struct Kinds(BTreeMap<&'static str, usize>);

/// Runs in which each kind has to happen, of thousands.
const LEAST: usize = 5;

/// A name, and whether it happened.
type Kind = (&'static str, fn(&Run) -> bool);

const KINDS: [Kind; 54] = [
    ("branch: an edge is not taken", |run| run.step(skipped("no edge"))),
    ("branch: several ports at once", |run| {
        run.step(|(_, _, step)| step.ports.as_ref().is_some_and(|ports| ports.len() > 1))
    }),
    ("branch: no port", |run| {
        let leaves_by_none = |step: &StepTold| step.ports.as_ref().is_some_and(Vec::is_empty);
        run.step(|(_, _, step)| step.status == StepState::Completed && leaves_by_none(step))
    }),
    ("another trigger", |run| {
        run.step(skipped("the execution started"))
    }),
    ("nothing leads to it", |run| run.step(skipped("nothing leads"))),
    ("disabled", |run| run.step(skipped("it is disabled"))),
    ("join: all_decided runs", |run| run.joins(Join::AllDecided)),
    ("join: all runs", |run| run.joins(Join::All)),
    ("join: all is skipped", |run| run.step(skipped("only"))),
    ("join: first runs", |run| run.joins(Join::First)),
    ("for_each", |run| run.step(|step| completed(step, "test.each"))),
    ("for_each: no items", |run| {
        run.step(|step| completed(step, "test.each") && step.2.output["count"] == 0)
    }),
    ("for_each: several at a time", |run| {
        run.step(|step| completed(step, "test.each") && parameter(step.1, "concurrency") > 1)
    }),
    ("for_each: what is no list", |run| {
        run.step(|step| failed(step, "test.each", "parameters"))
    }),
    ("for_each: goes on past a failed item", |run| {
        let has_errors = |step: &StepTold| step.output["errors"].as_array().is_some_and(|it| !it.is_empty());
        run.step(|step| completed(step, "test.each") && has_errors(step.2))
    }),
    ("for_each: stops at a failed item", |run| {
        run.step(|step| failed(step, "test.each", "for_good"))
    }),
    ("while", |run| run.step(|step| completed(step, "test.while"))),
    ("while: the bound is reached", |run| {
        run.step(|step| failed(step, "test.while", "loop_limit"))
    }),
    ("while: an iteration fails", |run| {
        run.step(|step| failed(step, "test.while", "for_good"))
    }),
    ("loop: a time-out", |run| {
        run.step(|step| failed(step, "test.each", "timeout") && step.1.timeout.is_some())
    }),
    ("loop: what is inside is left out", |run| {
        run.step(|(path, _, step)| path.contains('[') && step.status == StepState::Cancelled)
    }),
    ("loop in a loop", |run| {
        run.step(|(path, _, step)| path.matches('[').count() == 2 && step.status == StepState::Completed)
    }),
    ("failing: for good", |run| {
        run.step(|step| failed(step, "test.work", "for_good"))
    }),
    ("failing: for now", |run| {
        run.step(|step| failed(step, "test.work", "for_now"))
    }),
    ("failing: a pure node", |run| {
        run.step(|step| failed(step, "test.pure", "for_good"))
    }),
    ("failing: an expression", |run| {
        run.step(|step| failed(step, "test.work", "expression"))
    }),
    ("failing: goes on", |run| run.handles(OnError::Continue)),
    ("failing: leaves by the port for errors", |run| {
        run.handles(OnError::Branch)
    }),
    ("panicking: an effect", |run| {
        run.step(|step| failed(step, "test.work", "panic"))
    }),
    ("panicking: a pure node", |run| {
        run.step(|step| failed(step, "test.pure", "panic"))
    }),
    ("slow: the time-out of a node", |run| {
        run.step(|step| failed(step, "test.work", "timeout"))
    }),
    ("slow: the time-out of the execution", |run| {
        run.ends(ExecutionStatus::TimedOut)
    }),
    ("retry: succeeds", |run| {
        run.step(|(_, _, step)| step.attempts > 1 && step.status == StepState::Completed)
    }),
    ("retry: fails", |run| {
        run.step(|(_, _, step)| step.attempts > 1 && step.status == StepState::Failed)
    }),
    ("retry: after a crash", |run| {
        run.dies() && run.step(|(_, _, step)| step.attempts > 1)
    }),
    ("wait: a time", |run| {
        run.step(|step| completed(step, "test.wait") && step.1.parameters.0["signal"] == false)
    }),
    ("wait: a signal comes", |run| {
        run.step(|step| completed(step, "test.wait") && step.2.output.get("at").is_some())
    }),
    ("wait: no signal comes", |run| {
        run.step(|step| completed(step, "test.wait") && leaves_by(step, "timeout"))
    }),
    ("wait: it is left out", |run| {
        run.step(|(_, node, step)| {
            node.kind == "test.wait" && step.status == StepState::Cancelled && step.attempts > 0
        })
    }),
    ("wait: in a loop", |run| {
        run.step(|step| completed(step, "test.wait") && step.0.contains('['))
    }),
    ("wait: out of memory", |run| run.writes(Write::Park)),
    ("wait: out of memory, and a crash", |run| {
        run.writes(Write::Park) && run.dies()
    }),
    ("call: returns", |run| {
        run.step(|step| completed(step, "test.child") && step.2.output.get("result").is_some())
    }),
    ("call: fails", |run| {
        run.step(|step| failed(step, "test.child", "child_failed"))
    }),
    ("call: is not waited for", |run| {
        run.step(|step| completed(step, "test.child") && step.2.output.get("result").is_none())
    }),
    ("call: in a loop", |run| {
        run.step(|step| completed(step, "test.child") && step.0.contains('['))
    }),
    ("call: what was called is cancelled", |run| {
        run.told.has_cancelled_children
    }),
    ("cancel", |run| run.ends(ExecutionStatus::Cancelled)),
    ("cancel: an effect in flight ends", |run| {
        let cancel_at = run.case.cancel_at;
        run.ends(ExecutionStatus::Cancelled) && run.step(|(_, _, step)| step.finished_at > cancel_at)
    }),
    ("crash: what must not run twice", |run| {
        run.step(|step| failed(step, "test.work", "crashed"))
    }),
    ("crash: an effect is called again", |run| {
        let calls = |path: &str| run.told.calls.iter().filter(|(_, called)| called == path).count();
        let attempts = |step: &StepTold| step.attempts.try_into().unwrap_or(usize::MAX);
        run.dies() && run.step(|(path, _, step)| calls(path) > attempts(step))
    }),
    ("crash: three times without progress", |run| {
        run.told
            .error
            .as_ref()
            .is_some_and(|error| error.code == "crash_loop")
    }),
    ("answer", |run| run.step(|(_, _, step)| step.answered)),
    ("all in one write", |run| run.told.writes.len() == 1),
];

fn parameter(node: &Node, name: &str) -> u64 {
    node.parameters
        .0
        .get(name)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

fn completed((_, node, step): Step, kind: &str) -> bool {
    node.kind == kind && step.status == StepState::Completed
}

fn failed((_, node, step): Step, kind: &str, code: &str) -> bool {
    node.kind == kind && step.error.as_deref() == Some(code)
}

fn leaves_by((_, _, step): Step, port: &str) -> bool {
    step.ports
        .as_ref()
        .is_some_and(|ports| ports.iter().any(|it| it == port))
}

fn skipped(why: &'static str) -> impl Fn(Step) -> bool {
    move |(_, _, step)| step.reason.as_ref().is_some_and(|reason| reason.starts_with(why))
}

impl Run<'_> {
    fn step(&self, is_meant: impl Fn(Step) -> bool) -> bool {
        self.told.steps.iter().any(|(path, step)| {
            let key = path.rsplit('/').next().unwrap_or(path);
            let node = self.case.graph.nodes.iter().find(|node| node.key == key);
            // There is none of an iteration.
            node.is_some_and(|node| is_meant((path, node, step)))
        })
    }

    /// A node with this join runs to which several edges lead.
    fn joins(&self, join: Join) -> bool {
        let edges = &self.case.graph.edges;
        let count = |node: &Node| edges.iter().filter(|edge| edge.to == node.key).count();
        self.step(|(_, node, step)| {
            node.join.unwrap_or_default() == join && count(node) > 1 && step.finished_at.is_some()
        })
    }

    fn handles(&self, on_error: OnError) -> bool {
        self.step(|(_, node, step)| node.on_error == Some(on_error) && step.error.is_some())
    }

    fn ends(&self, status: ExecutionStatus) -> bool {
        self.told.status == status
    }

    fn dies(&self) -> bool {
        !self.lives.is_empty()
    }

    fn writes(&self, what: Write) -> bool {
        self.told.writes.iter().any(|(write, _)| *write == what)
    }
}

impl Kinds {
    pub fn note(&mut self, run: &Run) {
        for (name, has_happened) in KINDS {
            *self.0.entry(name).or_default() += usize::from(has_happened(run));
        }
    }

    /// A line for each.
    pub fn list(&self) -> String {
        self.0
            .iter()
            .map(|(name, count)| format!("{count:7} {name}\n"))
            .collect()
    }

    /// Those that hardly ever happened.
    pub fn missing(&self) -> Vec<&'static str> {
        let of = |name: &str| self.0.get(name).copied().unwrap_or_default();
        KINDS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| of(name) < LEAST)
            .collect()
    }
}
