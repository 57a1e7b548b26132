//! Where the nodes of an execution are: at the top, or in an iteration of a loop.

use std::collections::HashMap;
use std::sync::Arc;

use super::loops::result;
use super::{Run, step};
use crate::context::Context;
use crate::graph::{Plan, PlanNode};
use crate::journal::{ErrorRecord, StepRecord, StepState};
use crate::schedule::{Action, Decision, State, decide};

/// Never used twice in an execution; the top is 0.
pub(in crate::run) type ScopeId = u64;

pub(in crate::run) const TOP: ScopeId = 0;

/// A node in one of the scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::run) struct At {
    pub(in crate::run) scope: ScopeId,
    /// Its place in the scope's plan.
    pub(in crate::run) node: usize,
}

pub(in crate::run) struct Scope {
    pub(in crate::run) context: Arc<Context>,
    pub(in crate::run) state: State,
    /// The loop it is an iteration of, and which one.
    pub(super) inside: Option<(At, usize)>,
    /// Why the iteration failed.
    pub(super) failed: Option<ErrorRecord>,
    /// Something of it was left out.
    pub(super) is_cut: bool,
    /// It is among those that are over.
    is_over: bool,
}

impl Scope {
    pub(super) fn new(context: Arc<Context>, inside: Option<(At, usize)>) -> Self {
        Self {
            state: State::new(context.plan()),
            context,
            inside,
            failed: None,
            is_cut: false,
            is_over: false,
        }
    }
}

/// All scopes that are open.
pub(in crate::run) struct Scopes {
    top: Scope,
    inner: HashMap<ScopeId, Scope>,
    next: ScopeId,
}

impl Scopes {
    pub(super) fn new(top: Scope) -> Self {
        Self {
            top,
            inner: HashMap::new(),
            next: TOP + 1,
        }
    }

    pub(in crate::run) fn get(&self, id: ScopeId) -> Option<&Scope> {
        match id {
            TOP => Some(&self.top),
            id => self.inner.get(&id),
        }
    }

    pub(in crate::run) fn get_mut(&mut self, id: ScopeId) -> Option<&mut Scope> {
        match id {
            TOP => Some(&mut self.top),
            id => self.inner.get_mut(&id),
        }
    }

    pub(in crate::run) fn top(&self) -> &Scope {
        &self.top
    }

    pub(super) fn open(&mut self, scope: Scope) -> ScopeId {
        let id = self.next;
        self.next += 1;
        self.inner.insert(id, scope);
        id
    }

    pub(super) fn close(&mut self, id: ScopeId) -> Option<Scope> {
        self.inner.remove(&id)
    }

    /// How many iterations are under way.
    pub(super) fn iterations(&self) -> usize {
        self.inner.len()
    }
}

impl Run {
    /// The plan that a node is in; `None` where its iteration is gone.
    pub(super) fn plan_of(&self, at: At) -> Option<Arc<Plan>> {
        Some(self.scopes.get(at.scope)?.context.plan().clone())
    }

    /// Feeds a decision to the schedule of a scope and takes up what follows.
    pub(in crate::run) fn apply(&mut self, id: ScopeId, decision: Decision) {
        let Some(scope) = self.scopes.get_mut(id) else {
            return;
        };
        let context = scope.context.clone();
        let actions = decide(context.plan(), &mut scope.state, decision);
        for action in actions {
            match action {
                Action::Run(node) => self.ready.push_back(At { scope: id, node }),
                Action::End => self.ended(id),
                Action::Skip { node, reason } => {
                    context.set_output(node, serde_json::Value::Null);
                    self.record_without_bound(StepRecord {
                        reason: Some(reason),
                        ..step(context.path(node), StepState::Skipped)
                    });
                }
            }
        }
    }

    fn ended(&mut self, id: ScopeId) {
        if id == TOP {
            self.is_over = true;
        } else {
            self.close_later(id);
        }
    }

    fn close_later(&mut self, id: ScopeId) {
        if let Some(scope) = self.scopes.get_mut(id)
            && !std::mem::replace(&mut scope.is_over, true)
        {
            self.over.push_back(id);
        }
    }

    /// Whether nothing new begins in a scope: it failed, or something around it did.
    pub(super) fn is_stopped(&self, id: ScopeId) -> bool {
        let mut at = self.scopes.get(id);
        while let Some(scope) = at {
            let Some((outer, _)) = scope.inside else {
                return false;
            };
            let is_loop_stopped = || self.loops.get(&outer).is_none_or(|one| one.failed.is_some());
            if scope.failed.is_some() || is_loop_stopped() {
                return true;
            }
            at = self.scopes.get(outer.scope);
        }
        // Its iteration is gone.
        self.scopes.get(id).is_none()
    }

    /// To be called when something of a scope that may be stopped has come to rest.
    pub(super) fn settle(&mut self, id: ScopeId) {
        let is_busy = self.scopes.get(id).is_none_or(|scope| scope.state.is_busy());
        if id != TOP && !is_busy && self.is_stopped(id) {
            self.close_later(id);
        }
    }

    /// Leaves a node out that was to run in a scope that is stopped.
    pub(super) fn leave_out(&mut self, at: At, reason: Option<String>) {
        let Some(scope) = self.scopes.get_mut(at.scope) else {
            return;
        };
        scope.state.abandon(at.node);
        scope.is_cut = true;
        let path = scope.context.path(at.node);
        let call = self.ledger.calls.remove(&path);
        self.record_without_bound(StepRecord {
            reason,
            attempts: call.map_or(0, |call| self.attempts(&call)),
            ..step(path, StepState::Cancelled)
        });
        self.settle(at.scope);
    }

    /// Closes an iteration, and tells its loop what came of it.
    pub(in crate::run) fn close(&mut self, id: ScopeId) {
        let Some(scope) = self.scopes.close(id) else {
            return;
        };
        let Some((outer, index)) = scope.inside else {
            return;
        };
        let status = match (&scope.failed, scope.is_cut) {
            (Some(_), _) => StepState::Failed,
            (None, false) => StepState::Completed,
            (None, true) => StepState::Cancelled,
        };
        if let Some(path) = self.path(outer) {
            self.record_without_bound(StepRecord {
                error: scope.failed.clone(),
                ..step(format!("{path}[{index}]").into(), status)
            });
        }
        let result = match scope.failed {
            Some(error) => Err(error),
            None => Ok(result(&scope.context, &scope.state)),
        };
        self.iteration_over(outer, index, result);
    }

    pub(super) fn path(&self, at: At) -> Option<Arc<str>> {
        Some(self.scopes.get(at.scope)?.context.path(at.node))
    }

    /// Where the node of a path is, if the iterations on the way are under way.
    pub(in crate::run) fn locate(&self, path: &str) -> Option<At> {
        let mut scope = TOP;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            let context = &self.scopes.get(scope)?.context;
            let (key, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
                Some((key, index)) => (key, Some(index.parse().ok()?)),
                None => (part, None),
            };
            let at = At {
                scope,
                node: *context.plan().keys.get(key)?,
            };
            match (index, parts.peek()) {
                (None, None) => return Some(at),
                (Some(index), Some(_)) => scope = *self.loops.get(&at)?.open.get(&index)?,
                _ => return None,
            }
        }
        None
    }
}

/// The node at a place of a plan that was just looked up.
pub(super) fn node_of(plan: &Plan, at: At) -> &PlanNode {
    &plan.nodes[at.node]
}
