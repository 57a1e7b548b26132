//! What an execution waits for: a time, a signal, another attempt. When nothing else is left, it leaves memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flowmatic_openapi::ExecutionStatus;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::super::redact::redacted;
use super::flight::{Landing, fly};
use super::landing::Called;
use super::scopes::At;
use super::{Run, step, write};
use crate::Time;
use crate::host::Child;
use crate::journal::{Call as LedgerCall, Checkpoint, Park, Signal, StepState};
use crate::node::{Call, NodeError, Output, Wait};
use crate::observe::{StepProgress, Written};

/// The port by which a wait for a signal is left when its time is up.
const TIMEOUT_PORT: &str = "timeout";
/// An execution that has to wait no longer than this stays in memory.
const SHORT: Duration = Duration::from_secs(1);
/// What a call fails with whose execution did not succeed.
const CHILD_FAILED: &str = "child_failed";
/// How deep calls may go.
pub const MAX_CALLS: u32 = 16;

/// A node that waits.
pub(in crate::run) struct Waiting {
    /// When it goes on by itself.
    pub(super) due: Option<Due>,
    pub(super) what: What,
}

/// A moment, by the wall clock and by the one that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(in crate::run) struct Due {
    pub(super) at: Time,
    pub(super) instant: Instant,
}

pub(in crate::run) enum What {
    /// A time, or a signal.
    Wait(Called, Wait),
    /// The end of an execution that it called.
    Child(Called, Uuid),
    /// The time before another attempt; the last one's end, if this process saw it.
    Backoff {
        attempt: u32,
        now: Time,
        failed: Option<Box<Landing>>,
    },
    /// The time-out of a loop.
    Loop,
}

impl Run {
    pub(super) fn due(&self, at: Time) -> Due {
        let wait = (at - self.engine.host.now()).to_std().unwrap_or_default();
        let instant = Instant::now();
        Due {
            at,
            // A wait is at most some years.
            instant: instant.checked_add(wait).unwrap_or(instant),
        }
    }

    pub(super) fn begin_wait(&mut self, at: At, called: Called, wait: Wait) {
        let path = self.path(at);
        if let Some(call) = path.and_then(|path| self.ledger.calls.get_mut(&path)) {
            call.about = redacted(&wait.about, &self.version.secrets);
            call.due = wait.until;
        }
        self.tell(at, StepProgress::Waiting { until: wait.until });
        let due = wait.until.map(|until| self.due(until));
        self.waits.insert(
            at,
            Waiting {
                due,
                what: What::Wait(called, wait),
            },
        );
        self.look_for_signal(at);
    }

    pub(super) fn wait_for_child(&mut self, at: At, called: Called, child: Uuid) {
        self.tell(at, StepProgress::Waiting { until: None });
        // One that ends soon spares both the way over the disk.
        let due = Some(self.due(self.engine.host.now() + SHORT));
        self.waits.insert(
            at,
            Waiting {
                due,
                what: What::Child(called, child),
            },
        );
        self.look_for_signal(at);
    }

    /// Takes in what has come from outside.
    pub(super) fn take_signals(&mut self) {
        for Signal { path, payload } in self.handle.take_signals() {
            self.signals.entry(path.clone()).or_insert(payload);
            if let Some(at) = self.locate(&path) {
                self.look_for_signal(at);
            }
        }
    }

    /// Ends a wait whose signal has come.
    fn look_for_signal(&mut self, at: At) {
        let waits_for_signal = self.waits.get(&at).is_some_and(|waiting| match &waiting.what {
            What::Wait(_, wait) => wait.signal,
            What::Child(..) => true,
            What::Backoff { .. } | What::Loop => false,
        });
        let payload = self.path(at).and_then(|path| self.signals.get(&*path).cloned());
        if !waits_for_signal || payload.is_none() || self.broken.is_some() {
            return;
        }
        let (Some(waiting), Some(payload)) = (self.waits.remove(&at), payload) else {
            return;
        };
        match waiting.what {
            What::Wait(called, _) => self.end_wait(at, &called, signalled(payload)),
            What::Child(called, child) => self.end_wait(at, &called, returned(child, payload)),
            What::Backoff { .. } | What::Loop => {}
        }
    }

    fn end_wait(&mut self, at: At, called: &Called, result: Result<Output, NodeError>) {
        let Some(path) = self.path(at) else { return };
        self.ledger.calls.remove(&path);
        self.ledger.dirty = true;
        self.now = self.engine.host.now();
        let record = self.record_of(called, step(path, StepState::Completed));
        self.conclude(at, record, result);
    }

    /// When the next wait is over by itself.
    pub(super) fn next_due(&self) -> Option<Due> {
        let due = self.waits.values().filter_map(|waiting| waiting.due);
        due.min_by_key(|due| due.instant)
    }

    /// Goes on with what has waited long enough.
    pub(super) fn wake(&mut self) {
        let (instant, now) = (Instant::now(), self.engine.host.now());
        let mut over: Vec<(Time, At)> = self
            .waits
            .iter()
            .filter_map(|(at, waiting)| Some((waiting.due?, *at)))
            .filter(|(due, _)| due.instant <= instant || due.at <= now)
            .map(|(due, at)| (due.at, at))
            .collect();
        over.sort_unstable();
        for (due, at) in over {
            if self.broken.is_some() {
                return;
            }
            let Some(waiting) = self.waits.remove(&at) else {
                continue;
            };
            match waiting.what {
                What::Wait(called, wait) => {
                    let output = json!({"waited_until": time(due)});
                    let output = match wait.signal {
                        true => Output::port(TIMEOUT_PORT, output),
                        false => Output::value(output),
                    };
                    self.end_wait(at, &called, Ok(output));
                }
                What::Backoff { attempt, now, .. } => self.fly(at, attempt, now),
                What::Loop => self.time_out(at),
                what @ What::Child(..) => {
                    self.waits.insert(at, Waiting { due: None, what });
                }
            }
        }
    }

    /// Ends the waits of what is stopped: an attempt that was to be made again was the last.
    pub(super) fn stop_inside(&mut self) {
        let stopped: Vec<At> = self
            .waits
            .keys()
            .filter(|at| self.is_stopped(at.scope))
            .copied()
            .collect();
        for at in stopped {
            match self.waits.remove(&at).map(|waiting| waiting.what) {
                Some(What::Backoff {
                    failed: Some(landing),
                    ..
                }) => self.land_for_good(*landing),
                Some(What::Loop) | None => {}
                Some(What::Child(..)) => self.leave_call(at),
                Some(_) => self.leave_out(at, None),
            }
        }
    }

    /// Leaves out a call that has begun.
    pub(super) fn leave_call(&mut self, at: At) {
        self.left_calls.extend(self.path(at));
        self.leave_out(at, None);
    }

    /// Ends what was called and is not waited for any more, before that is durable: a crash does not come between.
    pub(super) async fn cancel_left(&mut self) {
        for path in std::mem::take(&mut self.left_calls) {
            self.engine.host.cancel_children(self.id, Some(&path)).await;
        }
    }

    /// Takes failed attempts that were to be made again as the last.
    pub(super) fn give_up_retries(&mut self) {
        let retries: Vec<At> = self
            .waits
            .iter()
            .filter(|(_, waiting)| matches!(waiting.what, What::Backoff { failed: Some(_), .. }))
            .map(|(at, _)| *at)
            .collect();
        for at in retries {
            if let Some(What::Backoff {
                failed: Some(landing),
                ..
            }) = self.waits.remove(&at).map(|waiting| waiting.what)
            {
                self.land_for_good(*landing);
            }
        }
    }

    /// Whether it ends before an execution that it has called may have.
    pub(super) fn leaves_children(&self) -> bool {
        // Which were called is not known before all is under way again.
        self.broken.is_some() && (self.has_called || self.epoch > 0)
    }

    /// Whether nothing is left but waits that are not over soon, and nobody waits for an answer.
    pub(super) fn may_rest(&self) -> bool {
        let soon = Instant::now() + SHORT;
        // Else it would be taken up at once, and rest again.
        let is_over_soon = self.wall_deadline().is_some() && self.deadline <= soon;
        let nobody_waits = self.waiter.as_ref().is_none_or(oneshot::Sender::is_closed);
        self.broken.is_none()
            && self.is_idle()
            && self.flights.is_empty()
            && !self.waits.is_empty()
            && !is_over_soon
            && self.next_due().is_none_or(|due| due.instant > soon)
            && (nobody_waits || self.engine.is_draining())
    }

    /// Leaves memory. Tells whether it did: else it goes on here.
    pub(super) async fn park(&mut self) -> bool {
        let (id, epoch) = (self.id, self.epoch);
        // What has begun to wait must be found again.
        let (sequence, record) = self.ledger.checkpoint(self.now);
        let due = self.next_due().map(|due| due.at);
        let deadline = self.wall_deadline();
        let park = Park {
            id,
            epoch,
            checkpoint: Some(Checkpoint {
                id,
                epoch,
                sequence,
                record,
            }),
            wake_at: due.into_iter().chain(deadline).min(),
            signals: self.signals.len(),
        };
        // What has come meanwhile has it taken up again at once.
        self.engine.has_held.store(true, Ordering::Relaxed);
        let is_written = write(&self.engine, id, |engine| engine.journal.park(park.clone())).await;
        if is_written {
            self.tell_written(Written::Checkpoint { sequence });
        }
        is_written
    }

    /// When a time-out that the workflow or its caller set is up. Waits count.
    pub(super) fn wall_deadline(&self) -> Option<Time> {
        let timeout = self.version.plan.timeout;
        let own = timeout.and_then(|timeout| {
            self.timed_from
                .checked_add_signed(chrono::Duration::from_std(timeout).ok()?)
        });
        own.into_iter().chain(self.caller.deadline).min()
    }

    /// Starts another workflow.
    pub(super) fn fly_call(&mut self, at: At, called: Called, call: Call) {
        let (Some(path), Some(plan)) = (self.path(at), self.plan_of(at)) else {
            return;
        };
        self.ledger
            .calls
            .entry(path.clone())
            .or_insert(LedgerCall::at(called.now));
        let depth = self.caller.depth + 1;
        let child = Child {
            workspace_id: self.version.workspace_id,
            parent: self.id,
            path: path.to_string(),
            depth,
            workflow: call.workflow,
            input: call.input,
            wait: call.wait,
            deadline: self.wall_deadline(),
        };
        let host = self.engine.host.clone();
        let start = Box::pin(async move {
            if depth > MAX_CALLS {
                let message = format!("workflows may call each other {MAX_CALLS} deep at most");
                return Err(NodeError::terminal("call_depth", message));
            }
            let child = host.start_child(child).await?;
            Ok(Output::value(json!({"execution_id": child})))
        });
        let timeout = plan.nodes[at.node]
            .timeout
            .unwrap_or(self.engine.limits.node_timeout);
        let dropped = self.token(at.scope);
        self.starting.insert(at, call.wait);
        self.has_called |= call.wait;
        self.flights
            .push(Box::pin(fly(at, called, timeout, dropped, start)));
    }
}

/// What a wait gives whose signal has come.
fn signalled(mut payload: Value) -> Result<Output, NodeError> {
    let port = payload
        .as_object_mut()
        .and_then(|fields| fields.remove("port"))
        .and_then(|port| port.as_str().map(str::to_owned));
    Ok(Output {
        ports: port.map(|port| vec![port]),
        ..Output::value(payload)
    })
}

/// What a call gives when its execution has ended.
fn returned(child: Uuid, mut payload: Value) -> Result<Output, NodeError> {
    let status = payload["status"].as_str().unwrap_or_default().to_owned();
    if status == ExecutionStatus::Completed.as_str() {
        return Ok(Output::value(
            json!({"execution_id": child, "result": payload["result"].take()}),
        ));
    }
    let error = payload["error"].take();
    let said = error["message"].as_str().map(str::to_owned);
    let said = said.unwrap_or_else(|| "no message".to_owned());
    // What a call failed of that it made itself is named once.
    let message = match error["code"].as_str() {
        Some(CHILD_FAILED) => said,
        _ => format!("the called execution `{child}` ended as {status}: {said}"),
    };
    Err(NodeError {
        data: Some(Box::new(
            json!({"execution_id": child, "status": status, "error": error}),
        )),
        ..NodeError::terminal(CHILD_FAILED, message)
    })
}

fn time(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
