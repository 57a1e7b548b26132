//! Loops and their iterations.

use std::collections::{BTreeMap, BTreeSet};

use flowmatic_executor::journal::StepState;
use serde_json::{Value, json};

use super::{Doing, Model, key, scope};
use crate::told::{ErrorTold, StepTold};
use crate::world::{Done, Failure, read};

/// A loop that has begun.
#[derive(Clone, Default)]
pub(super) struct Loop {
    /// Of one over items.
    items: Option<Vec<Value>>,
    /// When its time is up.
    pub(super) until: Option<u64>,
    /// The next iteration, and those under way.
    next: usize,
    open: BTreeSet<usize>,
    /// By iteration; null where it failed.
    results: BTreeMap<usize, Value>,
    errors: BTreeMap<usize, ErrorTold>,
    /// Why no more begins.
    failed: Option<Failure>,
}

/// An iteration under way.
#[derive(Clone)]
pub(super) struct Iteration {
    /// The path of the loop.
    of: String,
    pub(super) index: usize,
    pub(super) count: Option<usize>,
    pub(super) item: Value,
    failed: Option<ErrorTold>,
}

impl Model<'_> {
    pub(super) fn looped<T: Default>(&mut self, path: &str, change: impl FnOnce(&mut Loop) -> T) -> T {
        match self.state.doing.get_mut(path) {
            Some(Doing::Loop(one)) => change(one),
            _ => T::default(),
        }
    }

    pub(super) fn begin_loop(&mut self, path: &str) {
        let items = match (self.node(path).kind == "test.each").then(|| self.evaluate(path, "items")) {
            None => None,
            Some(Ok(Value::Array(items))) => Some(items),
            Some(Ok(_)) => return self.fail(path, 1, Failure::for_good("parameters")),
            Some(Err(failure)) => return self.fail(path, 1, failure),
        };
        let timeout = self.node(path).timeout;
        let one = Loop {
            items,
            until: timeout.map(|timeout| self.now + timeout.as_millis()),
            ..Loop::default()
        };
        self.state.doing.insert(path.to_owned(), Doing::Loop(one));
        self.go_round(path);
    }

    /// Begins the iterations that may begin; ends the loop when it is over.
    fn go_round(&mut self, path: &str) {
        while let Some(Doing::Loop(one)) = self.state.doing.get(path) {
            let parameters = &self.node(path).parameters.0;
            let concurrency = parameters.get("concurrency").map_or(1, read);
            let is_idle = one.open.is_empty();
            let begins = one.failed.is_none() && !self.is_stopped(scope(path));
            if begins && one.open.len() >= concurrency {
                return;
            }
            match begins.then(|| self.next_item(path)).flatten() {
                Some(item) => self.begin_iteration(path, item),
                None if is_idle => return self.end_loop(path),
                None => return,
            }
        }
    }

    /// What the next iteration is about.
    fn next_item(&mut self, path: &str) -> Option<Value> {
        let parameters = self.node(path).parameters.0.clone();
        self.looped(path, |one| match &one.items {
            Some(items) => items.get(one.next).cloned(),
            // `{{lt _index 3}}`
            None => {
                let condition = parameters["condition"].as_str()?;
                let count = condition
                    .trim_start_matches("{{lt _index ")
                    .trim_end_matches("}}");
                let holds = one.next < count.parse().ok()?;
                if holds && one.next >= read(&parameters["most"]) {
                    one.failed = Some(Failure::for_good("loop_limit"));
                    return None;
                }
                let last = one.results.values().last();
                holds.then(|| last.cloned().unwrap_or_default())
            }
        })
    }

    fn begin_iteration(&mut self, path: &str, item: Value) {
        let (index, count) = self.looped(path, |one| {
            one.open.insert(one.next);
            one.next += 1;
            (one.next - 1, one.items.as_ref().map(Vec::len))
        });
        let iteration = Iteration {
            of: path.to_owned(),
            index,
            count,
            item,
            failed: None,
        };
        let of = format!("{path}[{index}]/");
        self.state.iterations.insert(of.clone(), iteration);
        self.enter_iteration(&of, key(path));
    }

    /// Whether nothing new begins in a scope: it failed, or something around it.
    pub(super) fn is_stopped(&self, of: &str) -> bool {
        let Some(iteration) = self.state.iterations.get(of) else {
            return false;
        };
        let is_loop_stopped = match self.state.doing.get(&iteration.of) {
            Some(Doing::Loop(one)) => one.failed.is_some(),
            _ => true,
        };
        iteration.failed.is_some() || is_loop_stopped || self.is_stopped(scope(&iteration.of))
    }

    /// An iteration is over when nothing of it is under way.
    pub(super) fn note_end(&mut self, of: &str) {
        let is_there = self.state.iterations.contains_key(of) && !self.state.over.contains(&of.to_owned());
        if is_there && !self.is_busy(of) {
            self.state.over.push_back(of.to_owned());
        }
    }

    /// A node failed for which nothing provides: its iteration fails.
    pub(super) fn fail_iteration(&mut self, of: &str, error: ErrorTold) {
        if let Some(iteration) = self.state.iterations.get_mut(of) {
            iteration.failed.get_or_insert(error);
        }
        self.give_up(Self::is_stopped);
        self.note_end(of);
    }

    /// A loop learns what came of an iteration.
    pub(super) fn close(&mut self, of: &str) {
        let Some(Iteration {
            of: path,
            index,
            failed,
            ..
        }) = self.state.iterations.remove(of)
        else {
            return;
        };
        let mut steps = self.state.steps.iter().filter(|(path, _)| scope(path) == of);
        let is_node = |path: &str| !path.ends_with(']');
        let status = match &failed {
            Some(_) => StepState::Failed,
            None if steps.any(|(path, step)| is_node(path) && step.status == StepState::Cancelled) => {
                StepState::Cancelled
            }
            None => StepState::Completed,
        };
        let step = StepTold {
            error: failed.as_ref().map(|error| error.code.clone()),
            ..StepTold::new(status)
        };
        self.state.steps.insert(of.trim_end_matches('/').to_owned(), step);
        let result = self.result_of(of);
        let goes_on = self.node(&path).parameters.0.get("goes_on") == Some(&json!(true));
        let stops = self.looped(&path, |one| {
            one.open.remove(&index);
            match failed {
                None => drop(one.results.insert(index, result)),
                Some(error) if goes_on => {
                    one.results.insert(index, Value::Null);
                    one.errors.insert(index, error);
                }
                Some(error) if one.failed.is_none() => {
                    let data = json!({"index": index, "node": error.node});
                    one.failed = Some(Failure::for_good(&error.code).with(data));
                    return true;
                }
                Some(_) => {}
            }
            false
        });
        if stops {
            self.give_up(Self::is_stopped);
        }
        self.go_round(&path);
    }

    /// The output of the node that an iteration ended at, or of all of them by key: they ran, and nothing followed.
    fn result_of(&self, of: &str) -> Value {
        // In the order of the graph.
        let keys = self.case.graph.nodes.iter().map(|node| &node.key);
        let ends = keys.filter_map(|key| {
            let path = format!("{of}{key}");
            let edges = self.state.edges.get(&path)?;
            let step = self.state.steps.get(&path)?;
            (edges.ran && !edges.went_on).then(|| (key.clone(), step.output.clone()))
        });
        let mut ends: Vec<(String, Value)> = ends.collect();
        match ends.len() {
            0 => Value::Null,
            1 => ends.remove(0).1,
            _ => Value::Object(ends.into_iter().collect()),
        }
    }

    fn end_loop(&mut self, path: &str) {
        if self.is_stopped(scope(path)) {
            return self.leave_out(path);
        }
        let one = self.looped(path, std::mem::take);
        let results: Vec<Value> = one.results.into_values().collect();
        let mut output = json!({"count": results.len(), "results": results});
        if one.items.is_some() {
            let told = |(index, error): (&usize, &ErrorTold)| json!({"index": index, "error": {"code": error.code, "node": error.node}});
            output["errors"] = one.errors.iter().map(told).collect();
        }
        let result = one.failed.map_or(Ok(Done::of(output, "out")), Err);
        self.conclude(path, 1, result);
    }

    /// The time of a loop is up: what is under way inside is not awaited.
    pub(super) fn time_out(&mut self, path: &str) {
        self.looped(path, |one| {
            one.until = None;
            one.failed.get_or_insert(Failure::for_good("timeout"));
        });
        self.note_news();
        self.give_up(Self::is_stopped);
        let inside = format!("{path}[");
        for (dropped, doing) in self.state.doing.clone() {
            if dropped.starts_with(&inside) && matches!(doing, Doing::Attempt { .. }) {
                self.leave_out(&dropped);
            }
        }
        self.go_round(path);
    }
}
