//! What nodes do: attempts, waits, calls; what comes of it, and what they see.

use std::time::Duration;

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{ExecutionStatus, OnError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::edges::ports;
use super::{Doing, EXECUTION, Model, NODE_TIMEOUT_MS, SHORT_MS, scope};
use crate::told::{ErrorTold, Signal, StepTold};
use crate::world::{Act, Child, Does, Done, Failure, child_id, extra, moment, read};

impl Model<'_> {
    pub(super) fn run_pure(&mut self, path: &str) {
        let act: Act = read(&self.node(path).parameters.0["act"]);
        let seen = self.evaluate(path, "of");
        self.conclude(path, 1, seen.and_then(|seen| act.end(&seen)));
    }

    /// Effects begin, all in this moment.
    pub(super) fn launch(&mut self) {
        for path in std::mem::take(&mut self.state.effects) {
            match self.state.doing.get(&path) {
                Some(Doing::Queued) if self.is_stopped(scope(&path)) => self.leave_out(&path),
                _ if self.node(&path).kind == "test.child" => self.at_once.push(path),
                Some(Doing::Again { failed, due }) if *due > self.now => {
                    let doing = Doing::Backoff {
                        attempt: failed + 1,
                        until: *due,
                        failure: None,
                    };
                    self.state.doing.insert(path, doing);
                }
                Some(Doing::Again { failed, .. }) => self.call(&path, failed + 1),
                _ => self.call(&path, 1),
            }
        }
        self.land_at_once();
    }

    /// What takes no time comes back as soon as all has begun.
    pub(super) fn land_at_once(&mut self) {
        for path in std::mem::take(&mut self.at_once) {
            match self.node(&path).kind.as_str() {
                "test.child" => self.start_child(&path),
                _ => self.land(&path),
            }
        }
    }

    pub(super) fn call(&mut self, path: &str, attempt: u32) {
        let timeout = self.node(path).timeout.map(|timeout| timeout.as_millis());
        let timeout = timeout.unwrap_or(NODE_TIMEOUT_MS);
        let (takes, result) = match self.evaluate(path, "of") {
            Err(failure) => (0, Err(failure)),
            Ok(seen) => {
                let script: Vec<Act> = read(&self.node(path).parameters.0["script"]);
                let count = self.counts.entry(path.to_owned()).or_default();
                let n = *count;
                *count += 1;
                self.calls.push((self.now, path.to_owned()));
                let act = &script[n.min(script.len() - 1)];
                match act.takes(path, n) {
                    takes if act.does != Does::Hang && takes <= timeout => (takes, act.end(&seen)),
                    _ => (timeout, Err(Failure::for_now("timeout", 0))),
                }
            }
        };
        let doing = Doing::Attempt {
            attempt,
            ends_at: self.now + takes,
            result,
        };
        self.state.doing.insert(path.to_owned(), doing);
        if takes == 0 {
            self.at_once.push(path.to_owned());
        }
    }

    /// An attempt has ended.
    pub(super) fn land(&mut self, path: &str) {
        let Some(Doing::Attempt { attempt, result, .. }) = self.state.doing.get(path).cloned() else {
            return;
        };
        self.note_news();
        match result {
            Err(failure) if let Some(wait) = self.wait_before_another(path, attempt, &failure) => {
                let doing = Doing::Backoff {
                    attempt: attempt + 1,
                    until: self.now + wait,
                    failure: Some(failure),
                };
                self.state.doing.insert(path.to_owned(), doing);
            }
            result => self.conclude(path, attempt, result),
        }
    }

    /// In milliseconds; none where there is no other attempt.
    fn wait_before_another(&self, path: &str, attempt: u32, failure: &Failure) -> Option<u64> {
        let retry = self.node(path).retry.as_ref()?;
        let is_last = self.state.broken.is_some() || self.is_stopped(scope(path));
        if !failure.may_pass || attempt >= retry.max_attempts || is_last {
            return None;
        }
        let seconds = |duration: flowmatic_openapi::Duration| Duration::from(duration).as_secs_f64();
        let factor = retry.factor.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
        let whole = (seconds(retry.initial) * factor).min(seconds(retry.max));
        let drawn = Sha256::digest(format!("{EXECUTION}/{path}/{attempt}"));
        let drawn = u32::from_be_bytes([drawn[0], drawn[1], drawn[2], drawn[3]]);
        let chance = f64::from(drawn) / f64::from(u32::MAX);
        let wait = Duration::from_secs_f64(whole - whole * retry.jitter * chance);
        // The clock counts whole milliseconds.
        let wait = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Some(wait.max(failure.peace))
    }

    pub(super) fn begin_wait(&mut self, path: &str) {
        let parameters = &self.node(path).parameters.0;
        let ms: u64 = read(&parameters["ms"]);
        let doing = Doing::Wait {
            until: self.state.recorded_at + ms + extra(path, 0),
            for_signal: parameters["signal"] == json!(true),
        };
        self.state.doing.insert(path.to_owned(), doing);
        self.look_for_signal(path);
    }

    /// The other execution is accepted, or was before.
    fn start_child(&mut self, path: &str) {
        self.note_news();
        let child: Child = read(&self.node(path).parameters.0["child"]);
        if !child.is_awaited {
            let output = json!({"execution_id": child_id(path)});
            return self.conclude(path, 1, Ok(Done::of(output, "out")));
        }
        if !self.children.contains_key(path) {
            let at = self.now + child.ms + extra(path, 0);
            self.children.insert(path.to_owned(), at);
            self.signals.push(Signal {
                at,
                path: path.to_owned(),
                payload: child.end(path),
            });
        }
        let soon = self.now + SHORT_MS;
        self.state.doing.insert(path.to_owned(), Doing::Child { soon });
        self.look_for_signal(path);
    }

    /// Ends a wait whose signal has come.
    pub(super) fn look_for_signal(&mut self, path: &str) {
        let mut signals = self.signals.iter().filter(|_| self.known.contains(path));
        let Some(signal) = signals.find(|signal| signal.path == path) else {
            return;
        };
        let payload = signal.payload.clone();
        let result = match self.state.doing.get(path) {
            Some(Doing::Wait { for_signal: true, .. }) => Ok(Done::of(payload, "out")),
            Some(Doing::Child { .. }) => returned(path, &payload),
            _ => return,
        };
        self.note_news();
        self.conclude(path, 1, result);
    }

    /// Something is waited for no longer.
    pub(super) fn wake(&mut self, path: &str) {
        match self.state.doing.get(path) {
            Some(Doing::Wait { until, for_signal }) => {
                let output = json!({"waited_until": moment(*until)});
                let done = Done::of(output, if *for_signal { "timeout" } else { "out" });
                self.note_news();
                self.conclude(path, 1, Ok(done));
            }
            Some(Doing::Backoff { attempt, .. }) => self.call(path, *attempt),
            Some(Doing::Loop(_)) => self.time_out(path),
            _ => {}
        }
    }

    pub(super) fn conclude(&mut self, path: &str, attempts: u32, result: Result<Done, Failure>) {
        match result {
            Ok(done) => self.complete(path, attempts, done),
            Err(failure) => self.fail(path, attempts, failure),
        }
    }

    fn complete(&mut self, path: &str, attempts: u32, done: Done) {
        let answered = done.is_answer && !self.state.has_answered;
        if answered || !self.state.has_answered && scope(path).is_empty() {
            self.state.result = Some(path.to_owned());
            self.state.has_answered = answered;
        }
        let step = StepTold {
            attempts,
            // Where it is the first, the port is not told.
            ports: (done.ports != ["out"]).then(|| done.ports.clone()),
            output: done.output,
            answered,
            finished_at: Some(self.now),
            ..StepTold::new(StepState::Completed)
        };
        self.state.steps.insert(path.to_owned(), step);
        self.leave(path, done.ports);
    }

    pub(super) fn fail(&mut self, path: &str, attempts: u32, failure: Failure) {
        let Failure { code, data, .. } = failure;
        let on_error = self.node(path).on_error.unwrap_or_default();
        let port = match on_error {
            OnError::Fail => None,
            OnError::Continue => Some(ports(self.node(path))[0].to_owned()),
            OnError::Branch => Some("error".to_owned()),
        };
        let mut error = json!({"code": code});
        if let Some(data) = data {
            error["data"] = data;
        }
        let step = StepTold {
            attempts,
            ports: Some(port.iter().cloned().collect()),
            output: port.as_ref().map_or(Value::Null, |_| json!({"error": error})),
            error: Some(code.clone()),
            finished_at: Some(self.now),
            ..StepTold::new(StepState::Failed)
        };
        self.state.steps.insert(path.to_owned(), step);
        if let Some(port) = port {
            return self.leave(path, vec![port]);
        }
        self.state.doing.remove(path);
        match scope(path) {
            "" => self.break_off(ExecutionStatus::Failed, &code, Some(path)),
            of => {
                let node = Some(path.to_owned());
                self.fail_iteration(of, ErrorTold { code, node });
            }
        }
    }

    /// A parameter of a node as it sees it.
    pub(super) fn evaluate(&self, path: &str, parameter: &str) -> Result<Value, Failure> {
        self.fill_in(path, &self.node(path).parameters.0[parameter])
    }

    fn fill_in(&self, path: &str, value: &Value) -> Result<Value, Failure> {
        match value {
            Value::Array(values) => values.iter().map(|value| self.fill_in(path, value)).collect(),
            Value::String(text) => {
                let expression = text.trim_start_matches("{{").trim_end_matches("}}");
                // A name, or `default` with one and a text.
                match expression
                    .strip_prefix("default ")
                    .and_then(|it| it.split_once(' '))
                {
                    Some((name, other)) => {
                        let found = self.name(path, name).filter(|value| !value.is_null());
                        Ok(found.unwrap_or_else(|| json!(other.trim_matches('"'))))
                    }
                    None => self
                        .name(path, expression)
                        .ok_or_else(|| Failure::for_good("expression")),
                }
            }
            other => Ok(other.clone()),
        }
    }

    /// What a name stands for; none where it is missing.
    fn name(&self, path: &str, name: &str) -> Option<Value> {
        let iteration = self.state.iterations.get(scope(path));
        match name {
            "_item" => Some(iteration?.item.clone()),
            "_index" => Some(json!(iteration?.index)),
            "_loop.count" => Some(json!(iteration?.count)),
            _ => match name.strip_prefix("_nodes.") {
                Some(key) => self.output_seen(scope(path), key),
                None => {
                    let saved = self.output_seen(scope(path), name.strip_prefix("saved_")?);
                    saved.filter(|output| !output.is_null())
                }
            },
        }
    }

    /// The output of a node of a scope, or of one around it.
    fn output_seen(&self, of: &str, key: &str) -> Option<Value> {
        match self.state.steps.get(&format!("{of}{key}")) {
            Some(step) => Some(step.output.clone()),
            None => self.output_seen(scope(of.rsplit_once('[')?.0), key),
        }
    }
}

fn returned(path: &str, payload: &Value) -> Result<Done, Failure> {
    let id = child_id(path);
    if payload["status"] == "COMPLETED" {
        let output = json!({"execution_id": id, "result": payload["result"]});
        return Ok(Done::of(output, "out"));
    }
    let error = json!({"code": payload["error"]["code"]});
    let data = json!({"execution_id": id, "status": payload["status"], "error": error});
    Err(Failure::for_good("child_failed").with(data))
}
