//! What of an execution that did not succeed another one can share: all that was decided and need not be done again.

use std::collections::HashSet;

use crate::Time;
use crate::journal::{Record, StepRecord, StepState};

/// The record from which a retry goes on at the steps that failed or were cancelled. `accepted_at` is when the
/// first execution was accepted.
pub fn prefix(steps: Vec<StepRecord>, accepted_at: Time, at: Time) -> Record {
    let whole: HashSet<String> = steps
        .iter()
        .filter(|step| step.status == StepState::Completed)
        .map(|step| step.node.to_string())
        .collect();
    // What failed in a loop that went on past it is part of what the loop gave.
    let is_settled = |path: &str| {
        let mut loops = path.match_indices('[').map(|(end, _)| &path[..end]);
        loops.any(|outer| whole.contains(outer))
    };
    let stays = |step: &StepRecord| match step.status {
        StepState::Completed | StepState::Skipped => true,
        StepState::Failed => is_settled(&step.node) || is_handled(step),
        StepState::Cancelled => is_settled(&step.node),
    };
    let mut kept: Vec<StepRecord> = steps.into_iter().filter(stays).collect();
    for step in &mut kept {
        step.answered = false;
        if step.started_at.is_some() {
            step.now.get_or_insert(accepted_at);
        }
    }
    Record {
        at,
        steps: kept,
        calls: Default::default(),
    }
}

/// Whether something followed from a failure, as the node's `on_error` says.
fn is_handled(step: &StepRecord) -> bool {
    step.ports.as_ref().is_some_and(|ports| !ports.is_empty())
}
