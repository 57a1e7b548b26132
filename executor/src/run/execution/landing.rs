//! What a node's return decides, and the end.

use std::sync::Arc;

use flowmatic_openapi::{ExecutionStatus, OnError};
use serde_json::Value;
use uuid::Uuid;

use super::super::redact::{redact_error, redacted};
use super::super::replay::error_workflow;
use super::flight::Landing;
use super::loops::Loop;
use super::scopes::{At, TOP, node_of};
use super::waits::{Waiting, What};
use super::{Outcome, Run};
use crate::Time;
use crate::context::Context;
use crate::graph::ERROR_PORT;
use crate::journal::{Call, ErrorRecord, Finish, StepRecord, StepState};
use crate::json;
use crate::node::{NodeError, Output, Role, Then};
use crate::observe::StepProgress;
use crate::schedule::Decision;

const MAY_HAVE_RUN: &str =
    "the process died before this step was recorded: it may have been under way by then";

/// How a node was called.
#[derive(Debug, Clone, Copy)]
pub(in crate::run) struct Called {
    pub(super) attempt: u32,
    /// What `now` was for its expressions.
    pub(super) now: Time,
    pub(super) started_at: Time,
}

/// Where an output is.
pub(super) enum Source {
    /// It is that of the node at this place.
    Step(Arc<Context>, usize),
    Value(Value),
}

impl Run {
    /// Decides a node by what came back, or does what it says is to be done first.
    pub(super) fn take(&mut self, landing: Landing) {
        let Landing {
            at, called, result, ..
        } = landing;
        let Some(path) = self.path(at) else { return };
        match result {
            Ok(Output { then: Some(then), .. }) => self.begin_control(at, path, called, then),
            result => {
                let record = self.record_of(&called, step(path, StepState::Completed));
                self.conclude(at, record, result);
            }
        }
    }

    fn begin_control(&mut self, at: At, path: Arc<str>, called: Called, then: Then) {
        // It is the same in every process.
        let called = Called {
            started_at: called.now,
            ..called
        };
        if !matches!(then, Then::Call(_)) {
            // A call begins when all before it is durable.
            self.ledger.calls.entry(path).or_insert(Call::at(called.now));
        }
        match then {
            Then::Wait(wait) => self.begin_wait(at, called, wait),
            Then::Each(each) => self.begin_timed_loop(at, Loop::each(each, called)),
            Then::While(repeat) => self.begin_timed_loop(at, Loop::repeat(repeat, called)),
            Then::Call(call) => {
                self.calling.insert(at, (called, call));
                self.effects.push_back(at);
            }
        }
    }

    fn begin_timed_loop(&mut self, at: At, one: Loop) {
        let timeout = self.plan_of(at).and_then(|plan| node_of(&plan, at).timeout);
        let path = self.path(at);
        if let Some((timeout, path)) = timeout.zip(path)
            && let Some(call) = self.ledger.calls.get_mut(&path)
        {
            let whole = self.engine.host.now() + timeout;
            // What passed while it was parked counts; while no process ran it, not.
            let due = *call.due.filter(|_| self.was_at_rest).get_or_insert(whole);
            call.due = Some(due);
            let due = Some(self.due(due));
            self.waits.insert(
                at,
                Waiting {
                    due,
                    what: What::Loop,
                },
            );
        }
        self.tell(at, StepProgress::Started { attempt: 1 });
        self.begin_loop(at, one);
    }

    pub(super) fn record_of(&self, called: &Called, record: StepRecord) -> StepRecord {
        StepRecord {
            attempts: called.attempt,
            started_at: Some(called.started_at),
            finished_at: Some(self.engine.host.now()),
            now: (called.now != self.accepted_at).then_some(called.now),
            ..record
        }
    }

    /// Decides a node.
    pub(super) fn conclude(&mut self, at: At, record: StepRecord, result: Result<Output, NodeError>) {
        let failed = match result {
            Ok(output) => self.complete(at, record, output).err(),
            Err(error) => Some(Box::new((record, error))),
        };
        if let Some(failed) = failed {
            let (record, error) = *failed;
            self.fail(at, record, error);
        }
    }

    /// Gives the record back where the output cannot be taken.
    fn complete(
        &mut self,
        at: At,
        record: StepRecord,
        output: Output,
    ) -> Result<(), Box<(StepRecord, NodeError)>> {
        let Some(context) = self.scopes.get(at.scope).map(|scope| scope.context.clone()) else {
            return Ok(());
        };
        let plan = node_of(context.plan(), at);
        let ports = match &output.ports {
            None => (0..plan.ports.len().min(1)).collect(),
            Some(names) => {
                let places = names
                    .iter()
                    .map(|name| plan.ports.iter().position(|port| port == name));
                let Some(places) = places.collect::<Option<Vec<usize>>>() else {
                    let message = format!("it left by a port it does not have, of {names:?}");
                    return Err(Box::new((record, NodeError::terminal("internal", message))));
                };
                places
            }
        };
        if !json::is_shallow(&output.value) {
            let message = format!("its output nests deeper than {} levels", json::MAX_DEPTH);
            return Err(Box::new((
                record,
                NodeError::terminal("output_too_deep", message),
            )));
        }
        let is_first_answer = output.answer.is_some() && !self.has_answered;
        let record = StepRecord {
            ports: output.ports,
            output: output.value,
            answered: is_first_answer,
            ..record
        };
        let path = record.node.clone();
        let (most, most_in_all) = (self.engine.limits.max_output, self.engine.limits.max_outputs);
        let value = self.record(record, most, most_in_all).map_err(|refused| {
            let (record, size) = *refused;
            let message = format!(
                "its output has {size} bytes; one output may have {most}, and all of an execution {most_in_all}"
            );
            Box::new((record, NodeError::terminal("output_too_large", message)))
        })?;
        context.set_output(at.node, value);
        if is_first_answer {
            self.answer = output.answer;
        }
        self.note_result(at, path, is_first_answer);
        self.apply(at.scope, Decision::Leave { node: at.node, ports });
        Ok(())
    }

    /// The first answer is the result, or else the output of the step at the top that ended last.
    pub(in crate::run) fn note_result(&mut self, at: At, path: Arc<str>, is_answer: bool) {
        if !self.has_answered && (is_answer || at.scope == TOP) {
            let Some(scope) = self.scopes.get(at.scope) else {
                return;
            };
            self.result = Some((path, Source::Step(scope.context.clone(), at.node)));
            self.has_answered = is_answer;
        }
    }

    /// An answer that was given in a loop which has ended since.
    pub(in crate::run) fn note_answer(&mut self, path: Arc<str>, output: Value) {
        if !self.has_answered {
            self.result = Some((path, Source::Value(output)));
            self.has_answered = true;
        }
    }

    pub(super) fn fail(&mut self, at: At, record: StepRecord, error: NodeError) {
        let Some(context) = self.scopes.get(at.scope).map(|scope| scope.context.clone()) else {
            return;
        };
        let plan = node_of(context.plan(), at);
        let mut handled = serde_json::json!({"code": error.code, "message": error.message});
        if let Some(data) = error.data {
            handled["data"] = *data;
        }
        let (ports, output) = match plan.on_error {
            OnError::Fail => (None, Value::Null),
            OnError::Continue => (plan.ports.first(), serde_json::json!({"error": handled})),
            OnError::Branch => (
                plan.ports.iter().find(|port| *port == ERROR_PORT),
                serde_json::json!({"error": handled}),
            ),
        };
        let mut told = ErrorRecord {
            code: error.code.into_owned(),
            message: error.message,
            node: Some(record.node.to_string()),
        };
        redact_error(&mut told, &self.version.secrets);
        let record = StepRecord {
            status: StepState::Failed,
            answered: false,
            ports: Some(ports.into_iter().cloned().collect()),
            output,
            error: Some(told.clone()),
            ..record
        };
        let (most, most_in_all) = (self.engine.limits.max_output, self.engine.limits.max_outputs);
        let added = self.record(record, most, most_in_all);
        let value = added.unwrap_or_else(|refused| {
            let (mut record, _) = *refused;
            if let Some(error) = record.output.get_mut("error").and_then(Value::as_object_mut) {
                error.remove("data");
            }
            self.record_without_bound(record)
        });
        if plan.on_error == OnError::Fail {
            self.failed(at, told);
        } else {
            let ports = plan
                .ports
                .iter()
                .position(|port| Some(port) == ports)
                .into_iter()
                .collect();
            context.set_output(at.node, value);
            self.apply(at.scope, Decision::Leave { node: at.node, ports });
        }
    }

    /// A node failed for which nothing provides: its iteration fails with it, at the top the execution.
    pub(in crate::run) fn failed(&mut self, at: At, error: ErrorRecord) {
        if at.scope == TOP {
            return self.end_early(ExecutionStatus::Failed, error);
        }
        if let Some(scope) = self.scopes.get_mut(at.scope) {
            scope.state.abandon(at.node);
            scope.failed.get_or_insert(error);
        }
        self.stop_inside();
        self.settle(at.scope);
    }

    /// Records what is small by nature: a skip, an error without data.
    pub(super) fn record_without_bound(&mut self, record: StepRecord) -> Value {
        self.record(record, usize::MAX, usize::MAX).unwrap_or_default()
    }

    /// What the journal is told of the end, and the caller.
    pub(in crate::run) fn end(&mut self) -> (Finish, Outcome) {
        let left: Vec<At> = self.ready.drain(..).chain(self.effects.drain(..)).collect();
        for at in left {
            let (Some(plan), Some(path)) = (self.plan_of(at), self.path(at)) else {
                continue;
            };
            // Of an effect that was under way when a process died there is no record.
            let may_have_run = self.epoch > 0 && node_of(&plan, at).role == Role::Effect;
            let call = self.ledger.calls.remove(&path);
            self.record_without_bound(StepRecord {
                attempts: call.map_or(0, |call| self.attempts(&call)),
                reason: may_have_run.then(|| MAY_HAVE_RUN.to_owned()),
                ..step(path, StepState::Cancelled)
            });
        }
        // What was in flight when the time was up, and what waited.
        for (path, call) in std::mem::take(&mut self.ledger.calls) {
            self.record_without_bound(StepRecord {
                attempts: self.attempts(&call),
                ..step(path, StepState::Cancelled)
            });
        }
        let (status, error) = match self.broken.take() {
            None => (ExecutionStatus::Completed, None),
            Some((status, error)) => (status, Some(error)),
        };
        let finish = Finish {
            id: self.id,
            epoch: self.epoch,
            status,
            // Serializing a struct of strings cannot fail.
            error: error.as_ref().and_then(|error| serde_json::to_string(error).ok()),
            result: self.result.as_ref().map(|(path, ..)| path.to_string()),
            steps: self.ledger.steps(),
            finished_at: self.engine.host.now(),
            tells: self.tells(status, error.as_ref()),
            error_workflow: error_workflow(&self.version.plan, self.mode, status),
        };
        let outcome = match self.answer.take() {
            Some(answer) => Outcome::Answered(answer),
            None => Outcome::Ended { status, error },
        };
        (finish, outcome)
    }

    /// The attempts that have begun of what is under way.
    pub(super) fn attempts(&self, call: &Call) -> u32 {
        // What was due before this process took the execution up may have begun in the one before.
        let has_begun = call.due.is_none_or(|due| due <= self.taken_up_at);
        call.failed + u32::from(call.failed == 0 || has_begun)
    }

    /// What the execution that waits for this one is told.
    fn tells(&self, status: ExecutionStatus, error: Option<&ErrorRecord>) -> Option<(Uuid, String, String)> {
        let (parent, path) = self.caller.waits.clone()?;
        let result = self.result.as_ref().and_then(|(_, source)| match source {
            Source::Step(context, node) => context.output(*node),
            Source::Value(output) => Some(output),
        });
        // Another workflow's journal knows nothing of this one's secrets.
        let result = result.map(|result| redacted(result, &self.version.secrets));
        let told = serde_json::json!({"status": status.as_str(), "result": result, "error": error});
        Some((parent, path, told.to_string()))
    }
}

pub(super) fn step(path: Arc<str>, status: StepState) -> StepRecord {
    StepRecord {
        node: path,
        status,
        ports: None,
        output: Value::Null,
        error: None,
        reason: None,
        answered: false,
        attempts: 0,
        started_at: None,
        finished_at: None,
        now: None,
    }
}
