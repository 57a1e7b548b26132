//! What an execution tells those who watch it.

use std::sync::Arc;

use flowmatic_openapi::ExecutionStatus;
use serde_json::Value;

use super::super::redact::redact_error;
use super::Run;
use super::scopes::At;
use crate::journal::{ErrorRecord, StepRecord};
use crate::node::NodeError;
use crate::observe::{StepProgress, UnderWay, Written};

impl Run {
    /// A node has begun something that takes time.
    pub(super) fn tell(&mut self, at: At, state: StepProgress) {
        // What the journal knows the end of is only replayed.
        let Some(path) = self.path(at).filter(|path| !self.ledger.holds(path)) else {
            return;
        };
        let step = UnderWay {
            path: path.clone(),
            at: self.engine.host.now(),
            state,
        };
        // What led to it is told first, once it is durable.
        if self.ledger.is_durable() && self.is_accepted {
            self.tell_began(&step);
        } else {
            self.untold.push(step.clone());
        }
        self.handle.under_way().insert(path, step);
        self.has_told = true;
    }

    pub(super) fn tell_retry(&mut self, at: At, failed: u32, error: &NodeError, due: crate::Time) {
        let mut told = ErrorRecord {
            code: error.code.to_string(),
            message: error.message.clone(),
            node: self.path(at).map(|path| path.to_string()),
        };
        redact_error(&mut told, &self.version.secrets);
        let error = Some(told);
        self.tell(at, StepProgress::Retrying { failed, error, due });
    }

    /// Records what became of a node or an iteration (see [`super::super::ledger::Ledger::add`]).
    pub(super) fn record(
        &mut self,
        record: StepRecord,
        max_output: usize,
        max_outputs: usize,
    ) -> Result<Value, Box<(StepRecord, usize)>> {
        let path = self.has_told.then(|| record.node.clone());
        let added = self
            .ledger
            .add(record, &self.version.secrets, max_output, max_outputs);
        if let (Ok(_), Some(path)) = (&added, path) {
            self.forget_under_way(&path);
        }
        if let Some(most) = self.ledger.exceeds(self.engine.limits.max_outputs) {
            let message = format!("what is recorded of its steps has more than {most} bytes");
            self.break_off(ExecutionStatus::Failed, "output_too_large", &message);
        }
        added
    }

    fn forget_under_way(&self, path: &Arc<str>) {
        self.handle.under_way().remove(path);
    }

    fn tell_began(&self, step: &UnderWay) {
        if let Some(observer) = &self.engine.limits.observer {
            observer.began(self.id, self.version.workflow_id, step);
        }
    }

    pub(super) fn tell_written(&mut self, written: Written) {
        if let Some(observer) = &self.engine.limits.observer {
            observer.wrote(self.id, self.version.workflow_id, written);
        }
        let untold = std::mem::take(&mut self.untold);
        if written != Written::Finish {
            self.tell_what_began(untold);
        }
    }

    /// The accept is on disk, and perhaps all that led to what has begun.
    pub(super) fn tell_accepted(&mut self) {
        if self.ledger.is_durable() {
            let untold = std::mem::take(&mut self.untold);
            self.tell_what_began(untold);
        }
    }

    fn tell_what_began(&self, untold: Vec<UnderWay>) {
        for step in untold {
            if self.handle.under_way().get(&step.path) == Some(&step) {
                self.tell_began(&step);
            }
        }
    }
}
