//! What a replay does to a run, besides the decisions it feeds to it.

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
        }
        self.settle(at.scope);
    }

    /// Goes on from what the journal holds.
    pub(in crate::run) fn replayed(&mut self) {
        self.ledger.replay_is_over();
        for (path, call) in self.ledger.calls.clone() {
            let Some(at) = self.locate(&path) else { continue };
            if !call.once {
                if at.scope != TOP && self.ready.contains(&at) {
                    self.insisting.insert(at);
                }
                continue;
            }
            self.forget(at);
            self.ledger.calls.remove(&path);
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
                at,
                called,
                result: Err(error),
                is_dropped: false,
            });
            self.settle(at.scope);
        }
    }
}
