//! Loops and their iterations.

use std::collections::{BTreeMap, BTreeSet};

use flowmatic_executor::journal::StepState;
use serde_json::{Value, json};

use super::steps::{Done, Failure};
use super::waits::Wait;
use super::{Model, key, scope};
use crate::told::{ErrorTold, StepTold};
use crate::world::read;

/// A loop that has begun.
#[derive(Clone)]
pub(super) struct Loop {
    kind: Kind,
    concurrency: usize,
    next: usize,
    open: BTreeSet<usize>,
    results: BTreeMap<usize, Value>,
    errors: BTreeMap<usize, ErrorTold>,
    pub(super) failed: Option<Failure>,
}

#[derive(Clone)]
enum Kind {
    Each {
        items: Vec<Value>,
        goes_on: bool,
    },
    While {
        condition: Value,
        most: usize,
        last: Value,
    },
}

/// One iteration under way.
#[derive(Clone)]
pub(super) struct Iteration {
    of: String,
    pub(super) index: usize,
    pub(super) count: Option<usize>,
    pub(super) item: Value,
    pub(super) failed: Option<ErrorTold>,
    has_ended: bool,
    is_over: bool,
}

impl Model<'_> {
    pub(super) fn begin_each(&mut self, path: &str) {
        let parameters = self.node(path).parameters.0.clone();
        let items = match self.evaluate(path, &parameters["items"]) {
            Ok(Value::Array(items)) => items,
            Ok(_) => return self.fail(path, 1, Failure::for_good("parameters")),
            Err(failure) => return self.fail(path, 1, failure),
        };
        let goes_on = parameters["goes_on"] == json!(true);
        let concurrency = read(&parameters["concurrency"]);
        self.begin_loop(path, Kind::Each { items, goes_on }, concurrency);
    }

    pub(super) fn begin_while(&mut self, path: &str) {
        let parameters = &self.node(path).parameters.0;
        let kind = Kind::While {
            condition: parameters["condition"].clone(),
            most: read(&parameters["most"]),
            last: Value::Null,
        };
        self.begin_loop(path, kind, 1);
    }

    fn begin_loop(&mut self, path: &str, kind: Kind, concurrency: usize) {
        self.state.called.entry(path.to_owned()).or_default();
        if let Some(timeout) = self.node(path).timeout {
            let until = self.now + timeout.as_millis();
            self.state.waits.insert(path.to_owned(), Wait::Loop { until });
        }
        let one = Loop {
            kind,
            concurrency,
            next: 0,
            open: BTreeSet::new(),
            results: BTreeMap::new(),
            errors: BTreeMap::new(),
            failed: None,
        };
        self.state.loops.insert(path.to_owned(), one);
        self.go_round(path);
    }

    /// Begins the iterations that may begin; ends the loop when it is over.
    fn go_round(&mut self, path: &str) {
        loop {
            let is_stopped = self.is_stopped(scope(path));
            let Some(one) = self.state.loops.get(path) else {
                return;
            };
            let begins = !is_stopped && one.failed.is_none();
            if begins && one.open.len() >= one.concurrency {
                return;
            }
            let next = if begins { self.next_item(path) } else { None };
            match next {
                Some((count, item)) => self.begin_iteration(path, count, item),
                None if self.state.loops[path].open.is_empty() => return self.end_loop(path),
                None => return,
            }
        }
    }

    /// The item of the next iteration, and the number of all.
    fn next_item(&mut self, path: &str) -> Option<(Option<usize>, Value)> {
        let one = self.state.loops.get_mut(path)?;
        let next = one.next;
        match &one.kind {
            Kind::Each { items, .. } => Some((Some(items.len()), items.get(next)?.clone())),
            Kind::While {
                condition,
                most,
                last,
            } => {
                let holds = holds(condition, next);
                if holds && next >= *most {
                    one.failed = Some(Failure::for_good("loop_limit"));
                    return None;
                }
                holds.then(|| (None, last.clone()))
            }
        }
    }

    fn begin_iteration(&mut self, path: &str, count: Option<usize>, item: Value) {
        let Some(one) = self.state.loops.get_mut(path) else {
            return;
        };
        let index = one.next;
        one.next += 1;
        one.open.insert(index);
        let iteration = Iteration {
            of: path.to_owned(),
            index,
            count,
            item,
            failed: None,
            has_ended: false,
            is_over: false,
        };
        let scope = format!("{path}[{index}]/");
        self.state.iterations.insert(scope.clone(), iteration);
        self.enter_iteration(&scope, path);
    }

    /// Whether nothing new begins in a scope.
    pub(super) fn is_stopped(&self, of: &str) -> bool {
        let Some(iteration) = self.state.iterations.get(of) else {
            return false;
        };
        let is_loop_stopped = self
            .state
            .loops
            .get(&iteration.of)
            .is_none_or(|one| one.failed.is_some());
        iteration.failed.is_some() || is_loop_stopped || self.is_stopped(scope(&iteration.of))
    }

    /// To be called when something in a scope has come to rest.
    pub(super) fn note_end(&mut self, of: &str) {
        if !self.is_busy(of) {
            if let Some(iteration) = self.state.iterations.get_mut(of) {
                iteration.has_ended = true;
            }
            self.close_later(of);
        }
    }

    pub(super) fn note_stop(&mut self, of: &str) {
        if !self.is_busy(of) && self.is_stopped(of) {
            self.close_later(of);
        }
    }

    fn close_later(&mut self, of: &str) {
        if let Some(iteration) = self.state.iterations.get_mut(of)
            && !std::mem::replace(&mut iteration.is_over, true)
        {
            self.state.over.push_back(of.to_owned());
        }
    }

    /// A node that was told to run is not to run any more.
    pub(super) fn leave_out(&mut self, path: &str, attempts: u32) {
        self.progress(path).is_running = false;
        self.state.called.remove(path);
        let step = StepTold {
            attempts,
            ..StepTold::new(StepState::Cancelled)
        };
        self.state.steps.insert(path.to_owned(), step);
        self.note_stop(scope(path));
    }

    /// A node failed for which nothing provides: its iteration fails.
    pub(super) fn fail_iteration(&mut self, path: &str, error: ErrorTold) {
        if let Some(iteration) = self.state.iterations.get_mut(scope(path)) {
            iteration.failed.get_or_insert(error);
        }
        self.stop_inside();
        self.note_stop(scope(path));
    }

    /// The waits of what is stopped end.
    fn stop_inside(&mut self) {
        for (path, wait) in self.state.waits.clone() {
            if self.is_stopped(scope(&path)) && self.state.waits.remove(&path).is_some() {
                self.give_up(&path, wait);
            }
        }
    }

    /// An iteration is over.
    pub(super) fn close(&mut self, of: &str) {
        let Some(iteration) = self.state.iterations.remove(of) else {
            return;
        };
        let status = match (&iteration.failed, iteration.has_ended) {
            (Some(_), _) => StepState::Failed,
            (None, true) => StepState::Completed,
            (None, false) => StepState::Cancelled,
        };
        let step = StepTold {
            error: iteration.failed.as_ref().map(|error| error.code.clone()),
            ..StepTold::new(status)
        };
        self.state.steps.insert(of.trim_end_matches('/').to_owned(), step);
        let result = match iteration.failed {
            Some(error) => Err(error),
            None => Ok(self.result_of(of)),
        };
        self.iteration_over(&iteration.of, iteration.index, result);
    }

    /// The output of the node that an iteration ended at, or of all by key.
    fn result_of(&self, of: &str) -> Value {
        // In the order of the graph.
        let nodes = self.case.graph.nodes.iter();
        let mut ends: Vec<(String, Value)> = nodes
            .filter_map(|node| {
                let path = format!("{of}{}", node.key);
                let progress = self.state.progress.get(&path)?;
                let has_ended = progress.ran && !progress.went_on && !progress.is_running;
                has_ended.then(|| (node.key.clone(), self.output(&path)))
            })
            .collect();
        match ends.len() {
            0 => Value::Null,
            1 => ends.remove(0).1,
            _ => Value::Object(ends.into_iter().collect()),
        }
    }

    fn iteration_over(&mut self, path: &str, index: usize, result: Result<Value, ErrorTold>) {
        let Some(one) = self.state.loops.get_mut(path) else {
            return;
        };
        one.open.remove(&index);
        let was_whole = one.failed.is_none();
        match (result, &mut one.kind) {
            (Ok(result), Kind::Each { .. }) => {
                one.results.insert(index, result);
            }
            (Ok(result), Kind::While { last, .. }) => {
                last.clone_from(&result);
                one.results.insert(index, result);
            }
            (Err(error), Kind::Each { goes_on: true, .. }) => {
                one.results.insert(index, Value::Null);
                one.errors.insert(index, error);
            }
            (Err(error), _) => {
                let data = json!({"index": index, "node": error.node});
                one.failed.get_or_insert(Failure::with_data(&error.code, data));
            }
        }
        if was_whole && self.state.loops[path].failed.is_some() {
            self.stop_inside();
        }
        self.go_round(path);
    }

    fn end_loop(&mut self, path: &str) {
        let Some(one) = self.state.loops.remove(path) else {
            return;
        };
        self.state.waits.remove(path);
        if self.is_stopped(scope(path)) {
            return self.leave_out(path, 1);
        }
        self.state.called.remove(path);
        let count = one.results.len();
        let results: Vec<Value> = one.results.into_values().collect();
        let errors: Vec<Value> = one
            .errors
            .iter()
            .map(|(index, error)| json!({"index": index, "error": {"code": error.code, "node": error.node}}))
            .collect();
        let output = match one.kind {
            Kind::Each { .. } => json!({"results": results, "errors": errors, "count": count}),
            Kind::While { .. } => json!({"results": results, "count": count}),
        };
        match one.failed {
            Some(failure) => self.fail(path, 1, failure),
            None => self.complete(path, 1, Done::of(output, "out")),
        }
    }

    /// The time of a loop is up: what is under way inside is not awaited.
    pub(super) fn time_out(&mut self, path: &str) {
        let Some(one) = self.state.loops.get_mut(path) else {
            return;
        };
        one.failed.get_or_insert(Failure::for_good("timeout"));
        self.note_news();
        self.stop_inside();
        let inside = format!("{path}[");
        for (dropped, flight) in self.state.flights.clone() {
            if dropped.starts_with(&inside) {
                self.state.flights.remove(&dropped);
                self.leave_out(&dropped, flight.attempt);
            }
        }
        self.go_round(path);
    }

    /// The scope in which a name such as `a` is looked up by a node, if it is seen from there.
    pub(super) fn scope_of_key(&self, from: &str, wanted: &str) -> Option<String> {
        let nodes = &self.case.graph.nodes;
        let parent = nodes.iter().find(|node| node.key == wanted)?.parent.as_deref();
        let mut at = scope(from);
        loop {
            match (self.state.iterations.get(at), parent) {
                (None, None) => return Some(String::new()),
                (Some(iteration), Some(parent)) if key(&iteration.of) == parent => {
                    return Some(at.to_owned());
                }
                (Some(iteration), _) => at = scope(&iteration.of),
                (None, Some(_)) => return None,
            }
        }
    }
}

/// `{{lt _index 3}}`.
fn holds(condition: &Value, index: usize) -> bool {
    let text = condition.as_str().unwrap_or_default();
    let number = text.trim_start_matches("{{lt _index ").trim_end_matches("}}");
    number.parse().is_ok_and(|number: usize| index < number)
}
