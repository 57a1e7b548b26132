//! Loops: which iteration begins next, and what comes of all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::landing::Called;
use super::scopes::{At, Scope, ScopeId};
use super::{Run, step};
use crate::context::{Context, Iteration};
use crate::expression::is_truthy;
use crate::journal::{ErrorRecord, StepState};
use crate::node::{Each, ErrorClass, Expression, NodeContext, NodeError, Output, While};
use crate::schedule::{Decision, State};

/// Iterations under way in one execution, at whatever depth. A loop with none may begin one all the same.
const MOST_ITERATIONS: usize = 1_024;

/// A loop that has begun.
pub(in crate::run) struct Loop {
    kind: Kind,
    called: Called,
    concurrency: usize,
    /// The first iteration that may not have begun.
    next: usize,
    /// Iterations after `next` that have begun: a journal named them.
    ahead: BTreeSet<usize>,
    /// The scopes of the iterations under way.
    pub(super) open: BTreeMap<usize, ScopeId>,
    /// By iteration; null where there is none.
    results: Vec<Value>,
    errors: BTreeMap<usize, ErrorRecord>,
    /// Why no more begins.
    pub(super) failed: Option<NodeError>,
}

enum Kind {
    Each {
        items: Vec<Value>,
        /// What there is to do, when the items have been handed out.
        count: usize,
        goes_on: bool,
    },
    While {
        condition: Expression,
        max_iterations: usize,
        /// What came of the iteration before.
        last: Value,
    },
}

impl Loop {
    pub(super) fn each(each: Each, called: Called) -> Self {
        let count = each.items.len();
        Self {
            concurrency: each.concurrency.max(1),
            results: vec![Value::Null; count],
            ..Self::new(
                Kind::Each {
                    items: each.items,
                    count,
                    goes_on: each.goes_on,
                },
                called,
            )
        }
    }

    pub(super) fn repeat(repeat: While, called: Called) -> Self {
        let kind = Kind::While {
            condition: repeat.condition,
            max_iterations: repeat.max_iterations,
            last: repeat.initial,
        };
        Self::new(kind, called)
    }

    fn new(kind: Kind, called: Called) -> Self {
        Self {
            kind,
            called,
            concurrency: 1,
            next: 0,
            ahead: BTreeSet::new(),
            open: BTreeMap::new(),
            results: Vec::new(),
            errors: BTreeMap::new(),
            failed: None,
        }
    }

    /// Takes in what came of an iteration.
    fn land(&mut self, index: usize, result: Result<Value, ErrorRecord>) {
        self.open.remove(&index);
        let result = match (result, &mut self.kind) {
            (Ok(result), Kind::While { last, .. }) => {
                last.clone_from(&result);
                result
            }
            (Ok(result), Kind::Each { .. }) => result,
            (Err(error), Kind::Each { goes_on: true, .. }) => {
                self.errors.insert(index, error);
                return;
            }
            (Err(error), kind) => {
                let one = match kind {
                    Kind::Each { .. } => "item",
                    Kind::While { .. } => "iteration",
                };
                let message = format!("{one} {index}: {}", error.message);
                self.failed.get_or_insert(NodeError {
                    data: Some(Box::new(json!({"index": index, "node": error.node}))),
                    ..NodeError::terminal(error.code, message)
                });
                return;
            }
        };
        if index >= self.results.len() {
            self.results.resize(index + 1, Value::Null);
        }
        self.results[index] = result;
    }

    /// Marks an iteration as begun, and gives what it is about. None if it has begun, or there is none.
    fn take(&mut self, index: usize) -> Option<Iteration> {
        if index < self.next || !self.ahead.insert(index) {
            return None;
        }
        while self.ahead.remove(&self.next) {
            self.next += 1;
        }
        let (count, item) = match &mut self.kind {
            Kind::Each { items, count, .. } => (Some(*count), std::mem::take(items.get_mut(index)?)),
            Kind::While { last, .. } => (None, last.clone()),
        };
        Some(Iteration { index, count, item })
    }

    fn output(self) -> Value {
        match self.kind {
            Kind::Each { count, .. } => {
                let errors: Vec<Value> = self
                    .errors
                    .into_iter()
                    .map(|(index, error)| {
                        let mut told = Map::from_iter([
                            ("code".into(), error.code.into()),
                            ("message".into(), error.message.into()),
                        ]);
                        told.extend(error.node.map(|node| ("node".into(), node.into())));
                        json!({"index": index, "error": told})
                    })
                    .collect();
                json!({"results": self.results, "errors": errors, "count": count})
            }
            Kind::While { .. } => json!({"count": self.results.len(), "results": self.results}),
        }
    }
}

/// What an iteration gives: the output of the node it ended at, by key where it ended at several.
pub(super) fn result(context: &Context, state: &State) -> Value {
    let ends: Vec<usize> = state.ends().collect();
    let output = |node: usize| context.output(node).cloned().unwrap_or_default();
    match ends[..] {
        [] => Value::Null,
        [node] => output(node),
        _ => {
            let keyed = |node: usize| (context.plan().nodes[node].key.to_string(), output(node));
            Value::Object(ends.into_iter().map(keyed).collect())
        }
    }
}

impl Run {
    pub(super) fn begin_loop(&mut self, at: At, one: Loop) {
        self.loops.insert(at, one);
        self.pump(at);
    }

    /// Begins the iterations that may begin; ends the loop when it is over.
    pub(super) fn pump(&mut self, at: At) {
        loop {
            let is_stopped = self.is_stopped(at.scope);
            let is_full = self.scopes.iterations() >= MOST_ITERATIONS;
            let Some(one) = self.loops.get(&at) else {
                return;
            };
            let is_idle = one.open.is_empty();
            let next = match is_stopped || one.failed.is_some() {
                true => None,
                false if one.open.len() >= one.concurrency || (is_full && !is_idle) => return,
                false => self.next_index(at),
            };
            match next {
                Some(index) => self.begin_iteration(at, index),
                None if is_idle => return self.end_loop(at),
                None => return,
            }
        }
    }

    /// Which iteration is next; notes why the loop fails where it cannot be told.
    fn next_index(&mut self, at: At) -> Option<usize> {
        let one = self.loops.get(&at)?;
        let index = one.next;
        let decided = match &one.kind {
            Kind::Each { count, .. } => Ok(index < *count),
            Kind::While {
                condition,
                max_iterations,
                last,
            } => self
                .holds(at, *condition, last, index, one.called.now)
                .and_then(|holds| match holds && index >= *max_iterations {
                    true => Err(NodeError::terminal(
                        "loop_limit",
                        format!("the condition still holds after {max_iterations} iterations"),
                    )),
                    false => Ok(holds),
                }),
        };
        match decided {
            Ok(goes_on) => goes_on.then_some(index),
            Err(error) => {
                self.loops.get_mut(&at)?.failed = Some(error);
                None
            }
        }
    }

    fn holds(
        &self,
        at: At,
        condition: Expression,
        last: &Value,
        index: usize,
        now: crate::Time,
    ) -> Result<bool, NodeError> {
        let Some(scope) = self.scopes.get(at.scope) else {
            return Ok(false);
        };
        let context = NodeContext::new(scope.context.clone(), self.engine.host.clone(), at.node, now);
        let index = Value::from(index);
        let locals = [("_item", last), ("_index", &index)];
        let value = context.evaluate(condition, &locals)?;
        Ok(is_truthy(&value))
    }

    /// Begins an iteration that has not begun, out of its turn where a journal names it.
    pub(in crate::run) fn begin_iteration(&mut self, at: At, index: usize) {
        let Some(iteration) = self.loops.get_mut(&at).and_then(|one| one.take(index)) else {
            return;
        };
        let Some(scope) = self.scopes.get(at.scope) else {
            return;
        };
        // A loop has a body: the graph was checked.
        let Some(context) = scope.context.iteration(at.node, iteration) else {
            return;
        };
        let id = self.scopes.open(Scope::new(context.into(), Some((at, index))));
        if let Some(one) = self.loops.get_mut(&at) {
            one.open.insert(index, id);
        }
        self.apply(id, Decision::Enter);
    }

    pub(super) fn iteration_over(&mut self, at: At, index: usize, result: Result<Value, ErrorRecord>) {
        let Some(one) = self.loops.get_mut(&at) else {
            return;
        };
        let was_whole = one.failed.is_none();
        one.land(index, result);
        if was_whole && one.failed.is_some() {
            self.stop_inside();
        }
        self.pump(at);
        if self.scopes.iterations() + 1 >= MOST_ITERATIONS {
            // There is room again for those that found none.
            let loops: BTreeSet<At> = self.loops.keys().copied().collect();
            loops.into_iter().for_each(|at| self.pump(at));
        }
    }

    /// The time of a loop is up.
    pub(super) fn time_out(&mut self, at: At) {
        let Some(one) = self.loops.get_mut(&at) else {
            return;
        };
        let timeout = NodeError {
            class: ErrorClass::Timeout,
            ..NodeError::terminal("timeout", "the loop took longer than its time-out")
        };
        one.failed.get_or_insert(timeout);
        self.stop_inside();
        // What is in flight inside is not waited for.
        let inside: Vec<ScopeId> = self.scopes_inside(at);
        for id in inside {
            self.drop_flights(id);
        }
        self.pump(at);
    }

    /// The scopes of all iterations of a loop, and of the loops in them.
    fn scopes_inside(&self, at: At) -> Vec<ScopeId> {
        let mut found: Vec<ScopeId> = Vec::new();
        let mut next = vec![at];
        while let Some(at) = next.pop() {
            let Some(one) = self.loops.get(&at) else { continue };
            for id in one.open.values() {
                found.push(*id);
                next.extend(self.loops.keys().filter(|inner| inner.scope == *id));
            }
        }
        found
    }

    fn end_loop(&mut self, at: At) {
        let is_stopped = self.is_stopped(at.scope);
        let (Some(one), Some(path)) = (self.loops.remove(&at), self.path(at)) else {
            return;
        };
        self.waits.remove(&at);
        if is_stopped {
            return self.leave_out(at, None);
        }
        self.ledger.calls.remove(&path);
        let called = one.called;
        let record = self.record_of(&called, step(path, StepState::Completed));
        match &one.failed {
            Some(error) => {
                if error.class == ErrorClass::Timeout {
                    // Another process is not to find the loop whole once something has followed from this.
                    self.ledger.dirty = true;
                    self.now = self.engine.host.now();
                }
                self.fail(at, record, error.clone());
            }
            None => {
                let output = Output::value(one.output());
                self.conclude(at, record, Ok(output));
            }
        }
    }
}
