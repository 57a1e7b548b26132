//! Takes an execution up where its journal ends, and reads what its steps were given.

use std::sync::Arc;

use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use futures_util::FutureExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Engine;
use super::execution::{Run, identity};
use super::ledger::Ledger;
use super::redact::{REDACTED, is_redacted};
use crate::Time;
use crate::context::{Context, Payload, Secrets};
use crate::graph::{Plan, Version};
use crate::journal::{ErrorRecord, Finish, Record, Recovered, StepRecord, StepState};
use crate::json;
use crate::node::Role;
use crate::schedule::Decision;

/// A run with all that its journal holds taken in.
///
/// Its time-out begins anew: what passed while no process ran it does not count against it.
pub(super) fn run(
    engine: Arc<Engine>,
    cancel: CancellationToken,
    recovered: Recovered,
    version: Arc<Version>,
    payload: Payload,
) -> Run {
    let accept = &recovered.accept;
    let max_recoveries = engine.limits.max_recoveries;
    let mut run = Run::new(
        engine,
        cancel,
        accept.id,
        version.clone(),
        accept.mode,
        payload,
        accept.accepted_at,
    );
    run.epoch = recovered.epoch;
    let replayed = replay(&mut run, &version.plan, &recovered);
    if let Err(message) = replayed {
        broken(&mut run, "journal", message);
    } else if recovered.recoveries >= max_recoveries {
        let message = format!("the process died {max_recoveries} times while it ran, without progress");
        broken(&mut run, "crash_loop", message);
    } else if recovered.cancel_requested {
        run.cancel_token().cancel();
    }
    run
}

/// The end of an execution that cannot run.
pub(super) fn given_up(recovered: &Recovered, error: &ErrorRecord, at: Time) -> Finish {
    let records = recovered
        .checkpoints
        .iter()
        .map_while(|record| json::read(record).ok());
    Finish {
        id: recovered.accept.id,
        epoch: recovered.epoch,
        status: ExecutionStatus::Failed,
        // Serializing a struct of strings cannot fail.
        error: serde_json::to_string(error).ok(),
        result: None,
        steps: Ledger::replayed(records.collect()).steps(),
        finished_at: at,
    }
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
    run.begin(trigger);
    if records.is_empty() {
        return Ok(());
    }
    for record in &records {
        for step in &record.steps {
            take(run, plan, step)?;
        }
        run.now = record.at;
    }
    // What was recorded on the way, such as skips, is in the records already.
    run.replayed(Ledger::replayed(records));
    Ok(())
}

fn take(run: &mut Run, plan: &Plan, step: &StepRecord) -> Result<(), String> {
    let unknown = || format!("the version has no node `{}`", step.node);
    let node = *plan.keys.get(&*step.node).ok_or_else(unknown)?;
    let output = unredacted(run, plan, node, step).unwrap_or_else(|| step.output.clone());
    run.context.set_output(node, output);
    if step.status == StepState::Skipped {
        return Ok(());
    }
    let ports = match &step.ports {
        None => (0..plan.nodes[node].ports.len().min(1)).collect(),
        Some(names) => names
            .iter()
            .filter_map(|name| plan.nodes[node].ports.iter().position(|port| port == name))
            .collect(),
    };
    if step.status == StepState::Completed {
        run.note_result(node, step.answered);
    }
    run.apply(Decision::Leave { node, ports });
    Ok(())
}

/// The output of a pure node in whose record secrets were written over: it gives the same again.
fn unredacted(run: &Run, plan: &Plan, node: usize, step: &StepRecord) -> Option<Value> {
    let may_have_secrets = !run.context.secrets().is_empty() && step.status == StepState::Completed;
    if !may_have_secrets || plan.nodes[node].role != Role::Pure || !is_redacted(&step.output) {
        return None;
    }
    let now = step.now.unwrap_or(run.accepted_at);
    let output = run.call(node, now).now_or_never()?.ok()?;
    Some(output.value)
}

/// Bytes of JSON of all inputs that are made again; of what comes after, none is.
const MOST_INPUTS: usize = 16 << 20;

/// What each step was given: its parameters, evaluated again over the recorded outputs. Secrets are redacted.
/// `None` for a step that was not called, and where they are too large to be shown. It may take seconds.
pub fn inputs(
    version: &Version,
    execution: Uuid,
    mode: ExecutionMode,
    payload: Payload,
    accepted_at: Time,
    steps: &[StepRecord],
) -> Vec<Option<Value>> {
    let secrets = version
        .plan
        .secrets
        .iter()
        .map(|name| (name.clone(), REDACTED.to_owned()))
        .collect();
    let context = Context::new(
        identity(execution, version, mode, accepted_at),
        version.plan.clone(),
        Arc::new(Secrets::new(secrets)),
        payload,
    );
    for step in steps {
        if let Some(node) = version.plan.keys.get(&*step.node) {
            context.set_output(*node, step.output.clone());
        }
    }
    let mut room = MOST_INPUTS;
    steps
        .iter()
        .map(|step| {
            let node = *version.plan.keys.get(&*step.node)?;
            step.started_at?;
            let view = context.view(node, step.now.unwrap_or(accepted_at), &[]);
            let plan = &version.plan.nodes[node];
            let mut input = plan.parameters.evaluate(&view).ok()?;
            for deferred in &plan.deferred {
                input[&deferred.name] = deferred.shown(&view).ok()?;
            }
            room = room.saturating_sub(input.to_string().len());
            (room > 0).then_some(input)
        })
        .collect()
}
