//! Effects: how they take off, what becomes of an attempt that failed, and how they land.

use futures_util::FutureExt;

use super::Run;
use super::flight::{Landing, fly, wait_before_retry};
use super::landing::Called;
use super::scopes::{At, node_of};
use super::waits::{Waiting, What};
use crate::Time;
use crate::journal::Call;
use crate::observe::StepProgress;

impl Run {
    pub(super) fn room(&self) -> usize {
        self.engine.limits.max_effects.saturating_sub(self.flights.len())
    }

    pub(super) fn launch(&mut self) {
        for _ in 0..self.room() {
            let Some(at) = self.effects.pop_front() else {
                return;
            };
            if self.is_stopped(at.scope) && !self.insisting.contains(&at) {
                self.calling.remove(&at);
                self.leave_out(at, None);
                continue;
            }
            if let Some((called, call)) = self.calling.remove(&at) {
                self.fly_call(at, called, call);
                continue;
            }
            let Some(path) = self.path(at) else { continue };
            let call = self.ledger.calls.entry(path).or_insert(Call::at(self.now));
            let (attempt, now, due) = (call.failed + 1, call.now, call.due);
            match due {
                // Another process saw the attempt before fail.
                Some(due) if due > self.engine.host.now() => {
                    let what = What::Backoff {
                        attempt,
                        now,
                        failed: None,
                    };
                    let (failed, error) = (attempt - 1, None);
                    self.tell(at, StepProgress::Retrying { failed, error, due });
                    let due = Some(self.due(due));
                    self.waits.insert(at, Waiting { due, what });
                }
                _ => self.fly(at, attempt, now),
            }
        }
    }

    pub(super) fn fly(&mut self, at: At, attempt: u32, now: Time) {
        let path = self.path(at);
        if let Some(call) = path.and_then(|path| self.ledger.calls.get_mut(&path)) {
            call.due = None;
        }
        let called = Called {
            attempt,
            now,
            started_at: self.engine.host.now(),
        };
        self.tell(at, StepProgress::Started { attempt });
        let (timeout, dropped, call) = (self.timeout(at), self.token(at.scope), self.call(at, now));
        let flight = fly(at, called, timeout, dropped, call);
        let fault = self.engine.limits.fault;
        self.flights
            .push(flight.inspect(move |_| fault("after_effect")).boxed());
    }

    /// Lets a failed effect fly once more after a while, where it may. Gives back what has landed for good.
    fn retry(&mut self, landing: Landing) -> Option<Landing> {
        let at = landing.at;
        let (Some(plan), Some(path)) = (self.plan_of(at), self.path(at)) else {
            return None;
        };
        let Err(error) = &landing.result else {
            return Some(landing);
        };
        let is_last = self.handle.cancel.is_cancelled() || self.is_stopped(at.scope);
        let Called { attempt, now, .. } = landing.called;
        let wait = match is_last {
            false => wait_before_retry(self.id, &path, node_of(&plan, at), error, attempt),
            true => None,
        };
        let Some((wait, call)) = wait.zip(self.ledger.calls.get_mut(&path)) else {
            return Some(landing);
        };
        call.failed = attempt;
        let due = self.engine.host.now() + wait;
        call.due = Some(due);
        self.tell_retry(at, attempt, error, due);
        let what = What::Backoff {
            attempt: attempt + 1,
            now,
            failed: Some(Box::new(landing)),
        };
        let due = Some(self.due(due));
        self.waits.insert(at, Waiting { due, what });
        None
    }

    /// Takes in an effect that came back.
    pub(super) fn land(&mut self, landing: Landing) {
        if self.handle.cancel.is_cancelled() {
            // Else the end of a wait would pass for a failure.
            self.cancelled();
        }
        let at = landing.at;
        self.ledger.dirty = true;
        self.now = self.engine.host.now();
        if landing.is_dropped {
            return match self.starting.remove(&at) {
                Some(true) => self.leave_call(at),
                _ => self.leave_out(at, None),
            };
        }
        self.insisting.remove(&at);
        if let Some(landing) = self.retry(landing) {
            self.land_for_good(landing);
        }
    }

    pub(super) fn land_for_good(&mut self, landing: Landing) {
        let Some(path) = self.path(landing.at) else { return };
        let (at, waits) = (landing.at, self.starting.remove(&landing.at));
        match (waits, &landing.result) {
            (Some(true), Ok(output)) => {
                let child = output.value["execution_id"]
                    .as_str()
                    .and_then(|id| id.parse().ok());
                self.wait_for_child(at, landing.called, child.unwrap_or_default());
                // It may have been stopped on the way.
                self.stop_inside();
            }
            _ => {
                self.ledger.calls.remove(&path);
                self.take(landing);
            }
        }
        self.settle(at.scope);
    }
}
