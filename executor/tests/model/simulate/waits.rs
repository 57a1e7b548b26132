//! What is waited for: another attempt, a time, a signal, the end of a called execution.

use serde_json::{Value, json};

use super::steps::{Done, Failure};
use super::{Called, Model, SHORT_MS};
use crate::told::Signal;
use crate::world::{Child, child_id, extra, moment, read};

/// What is waited for.
#[derive(Clone)]
pub(super) enum Wait {
    /// Another attempt; how the one before failed, if this process saw it.
    Backoff {
        attempt: u32,
        until: u64,
        failure: Option<Failure>,
    },
    Time {
        until: u64,
        for_signal: bool,
    },
    /// The end of a called execution; until then it stays in memory for it.
    Child {
        soon: Option<u64>,
    },
    /// The time-out of a loop.
    Loop {
        until: u64,
    },
}

impl Wait {
    pub(super) fn until(&self) -> Option<u64> {
        match self {
            Self::Backoff { until, .. } | Self::Time { until, .. } | Self::Loop { until } => Some(*until),
            Self::Child { soon } => *soon,
        }
    }
}

impl Model<'_> {
    /// A wait ends because nothing is to follow.
    pub(super) fn give_up(&mut self, path: &str, wait: Wait) {
        match wait {
            Wait::Backoff {
                attempt,
                failure: Some(failure),
                ..
            } => {
                self.state.called.remove(path);
                self.fail(path, attempt - 1, failure);
            }
            Wait::Backoff { attempt, .. } => self.leave_out(path, attempt - 1),
            Wait::Time { .. } | Wait::Child { .. } => self.leave_out(path, 1),
            Wait::Loop { .. } => {}
        }
    }

    pub(super) fn begin_wait(&mut self, path: &str) {
        let parameters = &self.node(path).parameters.0;
        let for_signal = parameters["signal"] == json!(true);
        let ms: u64 = read(&parameters["ms"]);
        let began = self.state.recorded_at;
        let called = self.state.called.entry(path.to_owned()).or_default();
        let began = *called.began.get_or_insert(began);
        let wait = Wait::Time {
            until: began + ms + extra(path, 0),
            for_signal,
        };
        self.state.waits.insert(path.to_owned(), wait);
        self.look_for_signal(path);
    }

    /// A call is an effect until the other execution is accepted.
    pub(super) fn begin_child(&mut self, path: &str) {
        self.state.called.entry(path.to_owned()).or_default();
        self.state.effects.push(path.to_owned());
    }

    /// The other execution is accepted, or was before.
    pub(super) fn start_child(&mut self, path: &str) {
        self.note_news();
        let child: Child = read(&self.node(path).parameters.0["child"]);
        if self.children.insert(path.to_owned()) {
            let signal = Signal {
                at: self.now + child.ms + extra(path, 0),
                path: path.to_owned(),
                payload: child.end(path),
            };
            self.coming.push(signal);
        }
        if child.is_awaited {
            let soon = Some(self.now + SHORT_MS);
            self.state.waits.insert(path.to_owned(), Wait::Child { soon });
            self.look_for_signal(path);
        } else {
            self.state.called.remove(path);
            let output = json!({"execution_id": child_id(path)});
            self.complete(path, 1, Done::of(output, "out"));
        }
    }

    /// Whether an execution is under way that was called to be waited for.
    pub(super) fn leaves_children(&self) -> bool {
        self.children.iter().any(|path| {
            let child: Child = read(&self.node(path).parameters.0["child"]);
            let mut coming = self.coming.iter();
            child.is_awaited && coming.any(|signal| signal.path == *path && signal.at > self.now)
        })
    }

    /// Ends a wait whose signal has come.
    pub(super) fn look_for_signal(&mut self, path: &str) {
        let Some(payload) = self.signals.get(path).cloned() else {
            return;
        };
        let result = match self.state.waits.get(path) {
            Some(Wait::Time { for_signal: true, .. }) => Ok(Done::of(payload, "out")),
            Some(Wait::Child { .. }) => returned(path, &payload),
            _ => return,
        };
        self.end_wait(path, result);
    }

    fn end_wait(&mut self, path: &str, result: Result<Done, Failure>) {
        self.note_news();
        self.state.waits.remove(path);
        self.state.called.remove(path);
        match result {
            Ok(done) => self.complete(path, 1, done),
            Err(failure) => self.fail(path, 1, failure),
        }
    }

    /// A wait is over by itself.
    pub(super) fn wake(&mut self, path: &str) {
        let Some(wait) = self.state.waits.get(path).cloned() else {
            return;
        };
        match wait {
            Wait::Time { until, for_signal } => {
                let output = json!({"waited_until": moment(until)});
                let port = if for_signal { "timeout" } else { "out" };
                self.end_wait(path, Ok(Done::of(output, port)));
            }
            Wait::Backoff { attempt, .. } => {
                self.state.waits.remove(path);
                self.call(path, attempt);
            }
            Wait::Loop { .. } => {
                self.state.waits.remove(path);
                self.time_out(path);
            }
            Wait::Child { .. } => {
                self.state
                    .waits
                    .insert(path.to_owned(), Wait::Child { soon: None });
            }
        }
    }

    /// Puts what is under way back to where it began, for another process or after a rest.
    pub(super) fn restart(&mut self, was_at_rest: bool) {
        let interrupted = std::mem::take(&mut self.state.flights).into_keys();
        let mut effects: Vec<String> = interrupted.collect();
        for (path, wait) in std::mem::take(&mut self.state.waits) {
            match wait {
                Wait::Backoff { .. } | Wait::Child { .. } => effects.push(path),
                Wait::Time { .. } => self.state.ready.push_back(path),
                Wait::Loop { until } => {
                    let timeout = self.node(&path).timeout.map_or(0, |timeout| timeout.as_millis());
                    let until = if was_at_rest { until } else { self.now + timeout };
                    self.state.waits.insert(path, Wait::Loop { until });
                }
            }
        }
        self.state.insisting.extend(effects.iter().cloned());
        self.state.effects.extend(effects);
    }

    /// What was called before, and is to be called again or waited for.
    pub(super) fn resume_effect(&mut self, path: &str) {
        let called = self.state.called.entry(path.to_owned()).or_default();
        let Called { failed, due, .. } = *called;
        match due {
            Some(until) if until > self.now => {
                let wait = Wait::Backoff {
                    attempt: failed + 1,
                    until,
                    failure: None,
                };
                self.state.waits.insert(path.to_owned(), wait);
            }
            _ => self.call(path, failed + 1),
        }
    }
}

fn returned(path: &str, payload: &Value) -> Result<Done, Failure> {
    let status = payload["status"].as_str().unwrap_or_default();
    let id = child_id(path);
    if status == "COMPLETED" {
        return Ok(Done::of(
            json!({"execution_id": id, "result": payload["result"]}),
            "out",
        ));
    }
    let error = json!({"code": payload["error"]["code"]});
    let data = json!({"execution_id": id, "status": status, "error": error});
    Err(Failure::with_data("child_failed", data))
}
