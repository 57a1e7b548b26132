//! What a node does: its parameters, its calls, its failures.

use std::time::Duration;

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{ExecutionStatus, OnCrash, OnError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::edges::ports;
use super::waits::Wait;
use super::{EXECUTION, Model, NODE_TIMEOUT_MS, scope};
use crate::told::{ErrorTold, StepTold};
use crate::world::{Act, BUSY_MS, Does, digest, read};

/// An attempt under way.
#[derive(Clone)]
pub(super) struct Flight {
    pub(super) attempt: u32,
    pub(super) ends_at: u64,
    result: Result<Done, Failure>,
}

#[derive(Clone)]
pub(super) struct Done {
    output: Value,
    ports: Vec<String>,
    is_answer: bool,
}

impl Done {
    pub(super) fn of(output: Value, port: &str) -> Self {
        Self {
            output,
            ports: vec![port.to_owned()],
            is_answer: false,
        }
    }
}

#[derive(Clone)]
pub(super) struct Failure {
    code: String,
    data: Option<Value>,
    may_pass: bool,
    /// The least wait before another attempt.
    peace: u64,
}

impl Failure {
    pub(super) fn for_good(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            data: None,
            may_pass: false,
            peace: 0,
        }
    }

    pub(super) fn with_data(code: &str, data: Value) -> Self {
        Self {
            data: Some(data),
            ..Self::for_good(code)
        }
    }

    fn for_now(code: &str, peace: u64) -> Self {
        Self {
            may_pass: true,
            peace,
            ..Self::for_good(code)
        }
    }
}

impl Model<'_> {
    pub(super) fn run_pure(&mut self, path: &str) {
        let act: Act = read(&self.node(path).parameters.0["act"]);
        match self.sees(path).and_then(|seen| done(&act, &seen)) {
            Ok(done) => self.complete(path, 1, done),
            Err(failure) => self.fail(path, 1, failure),
        }
    }

    /// Effects begin, all in this moment.
    pub(super) fn launch(&mut self) {
        for path in std::mem::take(&mut self.state.effects) {
            if self.is_stopped(scope(&path)) && !self.state.insisting.contains(&path) {
                self.leave_out(&path, 0);
            } else if self.node(&path).kind == "test.child" {
                self.at_once.push(path);
            } else {
                self.resume_effect(&path);
            }
        }
        self.land_at_once();
    }

    /// What takes no time comes back as soon as all has begun.
    pub(super) fn land_at_once(&mut self) {
        for path in std::mem::take(&mut self.at_once) {
            if self.node(&path).kind == "test.child" {
                self.start_child(&path);
            } else {
                self.land(&path);
            }
        }
    }

    pub(super) fn call(&mut self, path: &str, attempt: u32) {
        let node = self.node(path);
        let timeout = node
            .timeout
            .map_or(NODE_TIMEOUT_MS, |timeout| timeout.as_millis());
        let (takes, result) = match self.sees(path) {
            Err(failure) => (0, Err(failure)),
            Ok(seen) => {
                let script: Vec<Act> = read(&node.parameters.0["script"]);
                let count = self.counts.entry(path.to_owned()).or_default();
                let n = *count;
                *count += 1;
                self.calls.push((self.now, path.to_owned()));
                let act = &script[n.min(script.len() - 1)];
                match act.takes(path, n) {
                    takes if act.does != Does::Hang && takes <= timeout => (takes, done(act, &seen)),
                    _ => (timeout, Err(Failure::for_now("timeout", 0))),
                }
            }
        };
        let flight = Flight {
            attempt,
            ends_at: self.now + takes,
            result,
        };
        self.state.flights.insert(path.to_owned(), flight);
        if takes == 0 {
            self.at_once.push(path.to_owned());
        }
    }

    /// An attempt has ended.
    pub(super) fn land(&mut self, path: &str) {
        let Some(Flight { attempt, result, .. }) = self.state.flights.remove(path) else {
            return;
        };
        self.note_news();
        self.state.insisting.remove(path);
        let failure = match result {
            Ok(done) => {
                self.state.called.remove(path);
                self.complete(path, attempt, done);
                return self.note_stop(scope(path));
            }
            Err(failure) => failure,
        };
        match self.wait_before_another(path, attempt, &failure) {
            Some(wait) => {
                let until = self.now + wait;
                let called = self.state.called.entry(path.to_owned()).or_default();
                called.failed = attempt;
                called.due = Some(until);
                let wait = Wait::Backoff {
                    attempt: attempt + 1,
                    until,
                    failure: Some(failure),
                };
                self.state.waits.insert(path.to_owned(), wait);
            }
            None => {
                self.state.called.remove(path);
                self.fail(path, attempt, failure);
                self.note_stop(scope(path));
            }
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

    pub(super) fn complete(&mut self, path: &str, attempt: u32, done: Done) {
        let is_first_answer = done.is_answer && !self.state.has_answered;
        if !self.state.has_answered && (is_first_answer || scope(path).is_empty()) {
            self.state.result = Some(path.to_owned());
            self.state.has_answered = is_first_answer;
        }
        let step = StepTold {
            attempts: attempt,
            // Where it is the first, the port is not told.
            ports: (done.ports != ["out"]).then(|| done.ports.clone()),
            output: done.output,
            answered: is_first_answer,
            finished_at: Some(self.now),
            ..StepTold::new(StepState::Completed)
        };
        self.state.steps.insert(path.to_owned(), step);
        self.leave(path, done.ports);
    }

    pub(super) fn fail(&mut self, path: &str, attempt: u32, failure: Failure) {
        let node = self.node(path);
        let on_error = node.on_error.unwrap_or_default();
        let port = match on_error {
            OnError::Fail => None,
            OnError::Continue => Some(ports(node)[0]),
            OnError::Branch => Some("error"),
        };
        let mut error = json!({"code": failure.code});
        if let Some(data) = failure.data {
            error["data"] = data;
        }
        let ports: Vec<String> = port.into_iter().map(str::to_owned).collect();
        let step = StepTold {
            attempts: attempt,
            ports: Some(ports.clone()),
            output: port.map_or(Value::Null, |_| json!({"error": error})),
            error: Some(failure.code.clone()),
            finished_at: Some(self.now),
            ..StepTold::new(StepState::Failed)
        };
        self.state.steps.insert(path.to_owned(), step);
        self.progress(path).is_running = false;
        if on_error != OnError::Fail {
            self.leave(path, ports);
        } else if scope(path).is_empty() {
            self.break_off(ExecutionStatus::Failed, &failure.code, Some(path));
        } else {
            let error = ErrorTold {
                code: failure.code,
                node: Some(path.to_owned()),
            };
            self.fail_iteration(path, error);
        }
    }

    pub(super) fn crash_fails(&self, path: &str) -> bool {
        self.node(path).on_crash == Some(OnCrash::Fail)
    }

    /// What a node's parameter `of` is when it runs.
    fn sees(&self, path: &str) -> Result<Value, Failure> {
        self.evaluate(path, &self.node(path).parameters.0["of"])
    }

    pub(super) fn evaluate(&self, path: &str, value: &Value) -> Result<Value, Failure> {
        match value {
            Value::Array(values) => values.iter().map(|value| self.evaluate(path, value)).collect(),
            Value::String(text) => match text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")) {
                Some(expression) => self.expression(path, expression),
                None => Ok(value.clone()),
            },
            other => Ok(other.clone()),
        }
    }

    /// A name, or `default` with one and a text.
    fn expression(&self, path: &str, expression: &str) -> Result<Value, Failure> {
        if let Some(tried) = expression.strip_prefix("default ") {
            let (name, other) = tried.split_once(' ').unwrap_or((tried, ""));
            let found = self.name(path, name).filter(|value| !value.is_null());
            return Ok(found.unwrap_or_else(|| json!(other.trim_matches('"'))));
        }
        self.name(path, expression)
            .ok_or_else(|| Failure::for_good("expression"))
    }

    /// What a name stands for; none where it is missing.
    fn name(&self, path: &str, name: &str) -> Option<Value> {
        let iteration = self.state.iterations.get(scope(path));
        match name {
            "_item" => return Some(iteration?.item.clone()),
            "_index" => return Some(json!(iteration?.index)),
            "_loop.count" => return Some(json!(iteration?.count)),
            _ => {}
        }
        let find = |key: &str| {
            let scope = self.scope_of_key(path, key)?;
            self.state.steps.get(&format!("{scope}{key}"))
        };
        if let Some(key) = name.strip_prefix("_nodes.") {
            return find(key).map(|step| step.output.clone());
        }
        let saved = find(name.strip_prefix("saved_")?)?.output.clone();
        (!saved.is_null()).then_some(saved)
    }

    pub(super) fn output(&self, path: &str) -> Value {
        self.state
            .steps
            .get(path)
            .map(|step| step.output.clone())
            .unwrap_or_default()
    }
}

fn done(act: &Act, seen: &Value) -> Result<Done, Failure> {
    match act.does {
        Does::Succeed | Does::Answer => Ok(Done {
            output: digest(seen),
            ports: act.ports.clone(),
            is_answer: act.does == Does::Answer,
        }),
        Does::FailForNow => Err(Failure::for_now("for_now", 0)),
        Does::FailBusy => Err(Failure::for_now("busy", BUSY_MS)),
        Does::FailForGood => Err(Failure {
            data: Some(digest(seen)),
            ..Failure::for_good("for_good")
        }),
        Does::Panic | Does::Hang => Err(Failure::for_good("panic")),
    }
}
