//! Takes an execution up where its journal ends.

use std::sync::Arc;

use flowmatic_openapi::{ExecutionMode, ExecutionStatus, OnError};
use futures_util::FutureExt;
use serde_json::Value;
use uuid::Uuid;

use super::caller::Caller;
use super::execution::{At, Run, TOP};
use super::ledger::Ledger;
use super::redact::is_redacted;
use super::{Engine, Handle};
use crate::Time;
use crate::context::Payload;
use crate::graph::{Plan, PlanNode, Version};
use crate::journal::{ErrorRecord, Finish, Record, Recovered, StepRecord, StepState};
use crate::json;
use crate::node::Role;
use crate::schedule::Decision;

/// A run with all that its journal holds taken in.
///
/// Its time-out begins anew where a process died: what passed while no process ran it does not count against it.
/// What passed while it was parked does, if the workflow sets a time-out.
pub(super) fn run(
    engine: Arc<Engine>,
    handle: Arc<Handle>,
    recovered: Recovered,
    version: Arc<Version>,
    payload: Payload,
) -> Run {
    let accept = &recovered.accept;
    let max_recoveries = engine.limits.max_recoveries;
    let mut run = Run::new(
        engine,
        handle,
        accept.id,
        version.clone(),
        accept.mode,
        payload,
        accept.accepted_at,
    );
    run.epoch = recovered.epoch;
    run.is_accepted = true;
    run.taken_up_at = run.engine.host.now();
    run.was_at_rest = recovered.was_at_rest;
    let begins = recovered.held_until.unwrap_or(accept.accepted_at);
    (run.timed_from, run.now) = (begins, begins);
    run.resume_deadline();
    let replayed = replay(&mut run, &version.plan, &recovered);
    if let Err(message) = replayed {
        broken(&mut run, "journal", message);
    } else if recovered.recoveries >= max_recoveries {
        let message = format!("the process died {max_recoveries} times while it ran, without progress");
        broken(&mut run, "crash_loop", message);
    } else if recovered.cancel_requested {
        run.handle().cancel.cancel();
    }
    run
}

/// The end of an execution that does not run. `version` is missing where it cannot be used.
pub(super) fn given_up(
    recovered: &Recovered,
    version: Option<&Version>,
    status: ExecutionStatus,
    error: &ErrorRecord,
    at: Time,
) -> Finish {
    let records = recovered
        .checkpoints
        .iter()
        .map_while(|record| json::read(record).ok());
    Finish {
        id: recovered.accept.id,
        epoch: recovered.epoch,
        status,
        // Serializing a struct of strings cannot fail.
        error: serde_json::to_string(error).ok(),
        result: None,
        steps: Ledger::replayed(records.collect()).steps(),
        finished_at: at,
        tells: Caller::of_journal(&recovered.accept.meta, recovered.accept.mode)
            .waits
            .map(|(parent, path)| {
                let told = serde_json::json!({"status": status.as_str(), "error": error});
                (parent, path, told.to_string())
            }),
        error_workflow: version
            .and_then(|version| error_workflow(&version.plan, recovered.accept.mode, status)),
    }
}

/// The workflow that is started because an execution failed. Of what fails in one, nothing is started.
pub(super) fn error_workflow(plan: &Plan, mode: ExecutionMode, status: ExecutionStatus) -> Option<Uuid> {
    let has_failed = matches!(status, ExecutionStatus::Failed | ExecutionStatus::TimedOut);
    plan.error_workflow
        .filter(|_| has_failed && mode != ExecutionMode::Error)
}

fn broken(run: &mut Run, code: &str, message: String) {
    let error = ErrorRecord {
        code: code.to_owned(),
        message,
        node: None,
    };
    run.end_early(ExecutionStatus::Failed, error);
}

fn replay(run: &mut Run, plan: &Plan, recovered: &Recovered) -> Result<(), String> {
    let trigger = &recovered.accept.trigger;
    let trigger = *plan
        .keys
        .get(trigger)
        .ok_or_else(|| format!("the version has no trigger `{trigger}`"))?;
    let records = recovered
        .checkpoints
        .iter()
        .map(|record| json::read::<Record>(record).map_err(|error| error.to_string()))
        .collect::<Result<Vec<Record>, String>>()?;
    // They are taken in when all that was told to run is under way again, as in the process before: what they end
    // has another `now`.
    for signal in &recovered.signals {
        run.handle().signal(signal.clone());
    }
    if !records.is_empty() {
        run.ledger = Ledger::replayed(records.clone());
    }
    run.begin(trigger);
    let is_loop = |path: &Arc<str>| plan.find(path).is_some_and(|node| node.role == Role::Loop);
    let under_way = records.last().into_iter().flat_map(|record| record.calls.keys());
    let mut loops: Vec<Arc<str>> = under_way.filter(|path| is_loop(path)).cloned().collect();
    for record in &records {
        for step in &record.steps {
            run.enter_loops(&mut loops);
            take(run, plan, step)?;
            run.close_all();
        }
        run.now = record.at;
    }
    run.replayed();
    Ok(())
}

fn take(run: &mut Run, plan: &Plan, step: &StepRecord) -> Result<(), String> {
    let path = &*step.node;
    let unknown = || format!("the version has no node `{path}`");
    let node = plan.find(path).ok_or_else(unknown)?;
    // What is inside a loop that has ended counts no more; an iteration ends with its last step.
    let mut loops = path.match_indices('[').map(|(end, _)| &path[..end]);
    if path.ends_with(']') || loops.any(|outer| run.ledger.holds(outer) || run.has_left(outer)) {
        if step.answered {
            run.note_answer(step.node.clone(), step.output.clone());
        }
        return Ok(());
    }
    run.enter(path);
    let Some(at) = run.locate(path) else {
        // Its iteration ended with the step before, by which it was skipped.
        return match step.status {
            StepState::Skipped => Ok(()),
            _ => Err(format!("nothing leads to `{path}`")),
        };
    };
    let output = unredacted(run, at, node, step).unwrap_or_else(|| step.output.clone());
    run.set_output(at, output);
    if step.status == StepState::Skipped {
        return Ok(());
    }
    run.forget(at);
    let is_unhandled = step.status == StepState::Failed && node.on_error == OnError::Fail;
    match &step.error {
        Some(error) if is_unhandled && at.scope != TOP => run.failed(at, error.clone()),
        _ if step.status == StepState::Cancelled => run.left_out(at),
        _ => {
            let ports = match &step.ports {
                None => (0..node.ports.len().min(1)).collect(),
                Some(names) => names
                    .iter()
                    .filter_map(|name| node.ports.iter().position(|port| port == name))
                    .collect(),
            };
            if step.status == StepState::Completed {
                run.note_result(at, step.node.clone(), step.answered);
            }
            run.apply(at.scope, Decision::Leave { node: at.node, ports });
        }
    }
    Ok(())
}

/// The output of a pure node in whose record secrets were written over: it gives the same again.
fn unredacted(run: &Run, at: At, node: &PlanNode, step: &StepRecord) -> Option<Value> {
    let may_have_secrets = !run.top().secrets().is_empty() && step.status == StepState::Completed;
    if !may_have_secrets || node.role != Role::Pure || !is_redacted(&step.output) {
        return None;
    }
    let now = step.now.unwrap_or(run.accepted_at);
    let output = run.call(at, now).now_or_never()?.ok()?;
    Some(output.value)
}
