//! What a node's return decides, and the end.

use flowmatic_openapi::{ExecutionStatus, OnError};
use serde_json::Value;

use super::super::redact::redact_error;
use super::flight::Landing;
use super::{Outcome, Run};
use crate::graph::{ERROR_PORT, PlanNode};
use crate::journal::{ErrorRecord, Finish, StepRecord, StepState};
use crate::json;
use crate::node::{NodeError, Output, Role};
use crate::schedule::Decision;

const MAY_HAVE_RUN: &str =
    "the process died before this step was recorded: it may have been under way by then";

impl Run {
    /// Decides a node by what came back.
    pub(super) fn take(&mut self, landing: Landing) {
        let Landing {
            node,
            attempt,
            now,
            started_at,
            result,
        } = landing;
        let version = self.version.clone();
        let plan = &version.plan.nodes[node];
        let record = StepRecord {
            attempts: attempt,
            started_at: Some(started_at),
            finished_at: Some(self.engine.host.now()),
            now: (now != self.accepted_at).then_some(now),
            ..step(plan, StepState::Completed)
        };
        let failed = match result {
            Ok(output) => self.complete(node, plan, record, output).err(),
            Err(error) => Some(Box::new((record, error))),
        };
        if let Some(failed) = failed {
            let (record, error) = *failed;
            self.fail(node, plan, record, error);
        }
    }

    /// Gives the record back where the output cannot be taken.
    fn complete(
        &mut self,
        node: usize,
        plan: &PlanNode,
        record: StepRecord,
        output: Output,
    ) -> Result<(), Box<(StepRecord, NodeError)>> {
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
        let (most, most_in_all) = (self.engine.limits.max_output, self.engine.limits.max_outputs);
        let value = self.ledger.add(record, self.context.secrets(), most, most_in_all).map_err(|refused| {
            let (record, size) = *refused;
            let message = format!(
                "its output has {size} bytes; one output may have {most}, and all of an execution {most_in_all}"
            );
            Box::new((record, NodeError::terminal("output_too_large", message)))
        })?;
        self.context.set_output(node, value);
        if is_first_answer {
            self.answer = output.answer;
        }
        self.note_result(node, is_first_answer);
        self.apply(Decision::Leave { node, ports });
        Ok(())
    }

    /// The first answer is the result, or else the output of the step that ended last.
    pub(in crate::run) fn note_result(&mut self, node: usize, is_answer: bool) {
        if !self.has_answered {
            self.result = Some(node);
            self.has_answered = is_answer;
        }
    }

    fn fail(&mut self, node: usize, plan: &PlanNode, record: StepRecord, error: NodeError) {
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
            node: Some(plan.key.to_string()),
        };
        redact_error(&mut told, self.context.secrets());
        let record = StepRecord {
            status: StepState::Failed,
            answered: false,
            ports: Some(ports.into_iter().cloned().collect()),
            output,
            error: Some(told.clone()),
            ..record
        };
        let (most, most_in_all) = (self.engine.limits.max_output, self.engine.limits.max_outputs);
        let added = self.ledger.add(record, self.context.secrets(), most, most_in_all);
        let value = added.unwrap_or_else(|refused| {
            let (mut record, _) = *refused;
            if let Some(error) = record.output.get_mut("error").and_then(Value::as_object_mut) {
                error.remove("data");
            }
            self.record_without_bound(record)
        });
        if plan.on_error == OnError::Fail {
            self.end_early(ExecutionStatus::Failed, told);
        } else {
            let ports = plan
                .ports
                .iter()
                .position(|port| Some(port) == ports)
                .into_iter()
                .collect();
            self.context.set_output(node, value);
            self.apply(Decision::Leave { node, ports });
        }
    }

    /// Records what is small by nature: a skip, an error without data.
    pub(super) fn record_without_bound(&mut self, record: StepRecord) -> Value {
        self.ledger
            .add(record, self.context.secrets(), usize::MAX, usize::MAX)
            .unwrap_or_default()
    }

    /// What the journal is told of the end, and the caller.
    pub(in crate::run) fn end(&mut self) -> (Finish, Outcome) {
        for node in self
            .ready
            .drain(..)
            .chain(self.effects.drain(..))
            .collect::<Vec<usize>>()
        {
            let plan = &self.version.plan.nodes[node];
            // Of an effect that was under way when a process died there is no record.
            let may_have_run = self.epoch > 0 && plan.role == Role::Effect;
            let call = self.ledger.calls.remove(&plan.key);
            self.record_without_bound(StepRecord {
                attempts: call.map_or(0, |call| call.failed + 1),
                reason: may_have_run.then(|| MAY_HAVE_RUN.to_owned()),
                ..step(plan, StepState::Cancelled)
            });
        }
        // What was in flight when the time was up.
        for (key, call) in std::mem::take(&mut self.ledger.calls) {
            let Some(node) = self.version.plan.keys.get(&*key) else {
                continue;
            };
            self.record_without_bound(StepRecord {
                attempts: call.failed + 1,
                ..step(&self.version.plan.nodes[*node], StepState::Cancelled)
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
            result: self
                .result
                .map(|node| self.version.plan.nodes[node].key.to_string()),
            steps: self.ledger.steps(),
            finished_at: self.engine.host.now(),
        };
        let outcome = match self.answer.take() {
            Some(answer) => Outcome::Answered(answer),
            None => Outcome::Ended { status, error },
        };
        (finish, outcome)
    }
}

pub(super) fn step(plan: &PlanNode, status: StepState) -> StepRecord {
    StepRecord {
        node: plan.key.clone(),
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
