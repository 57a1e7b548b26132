//! What a replay does to a run, besides the decisions it feeds to it.

use std::sync::Arc;

use serde_json::Value;

use super::flight::Landing;
use super::landing::Called;
use super::scopes::At;
use super::{Run, TOP};
use crate::node::NodeError;

impl Run {
    /// Begins the loops and iterations that a path leads through, where they have not begun.
    pub(in crate::run) fn enter(&mut self, path: &str) {
        for (open, _) in path.match_indices('[') {
            let index = path[open + 1..]
                .split(']')
                .next()
                .and_then(|index| index.parse().ok());
            let (Some(at), Some(index)) = (self.locate(&path[..open]), index) else {
                return;
            };
            if !self.loops.contains_key(&at) {
                self.forget(at);
                self.run_pure(at);
            }
            self.begin_iteration(at, index);
        }
    }

    /// Begins those of these loops, which were under way at the end, that the replay has come to: what fails later
    /// in it stops them, but what was in flight in them goes on.
    pub(in crate::run) fn enter_loops(&mut self, under_way: &mut Vec<Arc<str>>) {
        while let Some((place, at)) = under_way.iter().enumerate().find_map(|(place, path)| {
            let at = self.locate(path)?;
            (self.loops.contains_key(&at) || self.ready.contains(&at)).then_some((place, at))
        }) {
            under_way.swap_remove(place);
            if !self.loops.contains_key(&at) {
                self.forget(at);
                self.run_pure(at);
            }
        }
    }

    /// Whether the loop of a path has ended.
    pub(in crate::run) fn has_left(&self, path: &str) -> bool {
        self.locate(path)
            .is_some_and(|at| !self.loops.contains_key(&at) && !self.ready.contains(&at))
    }

    pub(in crate::run) fn set_output(&mut self, at: At, output: Value) {
        if let Some(scope) = self.scopes.get(at.scope) {
            scope.context.set_output(at.node, output);
        }
    }

    /// A node is decided: it is not to be run.
    pub(in crate::run) fn forget(&mut self, at: At) {
        self.ready.retain(|ready| *ready != at);
    }

    /// A node was left out when its iteration was stopped.
    pub(in crate::run) fn left_out(&mut self, at: At) {
        if let Some(scope) = self.scopes.get_mut(at.scope) {
            scope.state.abandon(at.node);
            scope.is_cut = true;
        }
        self.settle(at.scope);
    }

    /// Goes on from what the journal holds.
    pub(in crate::run) fn replayed(&mut self) {
        self.ledger.replay_is_over();
        for (path, call) in self.ledger.calls.clone() {
            // Of what is around it there may be no record.
            self.enter(&path);
            let Some(at) = self.locate(&path) else { continue };
            if !call.once {
                if at.scope != TOP && self.ready.contains(&at) {
                    self.insisting.insert(at);
                }
                continue;
            }
            self.forget(at);
            self.crashed.push(at);
        }
    }

    /// Fails what must not be called twice, once all else that was told to run is under way again. Tells whether
    /// there was any.
    pub(super) fn fail_crashed(&mut self) -> bool {
        if !self.ready.is_empty() || !self.over.is_empty() || self.broken.is_some() {
            return false;
        }
        let crashed = std::mem::take(&mut self.crashed);
        for at in &crashed {
            let call = self.path(*at).and_then(|path| self.ledger.calls.remove(&path));
            let Some(call) = call else { continue };
            self.ledger.dirty = true;
            let error = NodeError::terminal(
                "crashed",
                "the process died while it ran, and it must not run twice",
            );
            let called = Called {
                attempt: call.failed + 1,
                now: call.now,
                started_at: self.now,
            };
            self.take(Landing {
                at: *at,
                called,
                result: Err(error),
                is_dropped: false,
            });
            self.settle(at.scope);
        }
        !crashed.is_empty()
    }
}
