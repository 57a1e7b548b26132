//! What a node does: its parameters, its calls, its failures.

use std::time::Duration;

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{ExecutionStatus, OnCrash, OnError};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::edges::ports;
use super::{Called, EXECUTION, Model, NODE_TIMEOUT_MS, Stop};
use crate::told::StepTold;
use crate::world::{Act, BUSY_MS, Does, digest};

#[derive(Clone)]
pub(super) enum Flight {
    Call {
        attempt: u32,
        ends_at: u64,
        result: Result<Done, Failure>,
    },
    /// Until another attempt; the one before has failed so.
    Wait {
        attempt: u32,
        until: u64,
        failure: Failure,
    },
}

impl Flight {
    pub(super) fn attempt(&self) -> u32 {
        match self {
            Self::Call { attempt, .. } | Self::Wait { attempt, .. } => *attempt,
        }
    }
}

#[derive(Clone)]
pub(super) struct Done {
    output: Value,
    ports: Vec<String>,
    is_answer: bool,
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

    fn for_now(code: &str, peace: u64) -> Self {
        Self {
            may_pass: true,
            peace,
            ..Self::for_good(code)
        }
    }
}

impl Model<'_> {
    /// Runs what takes no time. Tells how many nodes that were.
    pub(super) fn settle(&mut self) -> usize {
        let mut count = 0;
        while self.state.broken.is_none()
            && let Some(path) = self.state.ready.pop_front()
        {
            let node = self.node(&path);
            if node.kind == "test.work" {
                self.state.effects.push(path);
                continue;
            }
            count += 1;
            let act: Act = read(&node.parameters.0["act"]);
            match self.sees(&path).and_then(|seen| done(&act, &seen)) {
                Ok(done) => self.complete(&path, 1, done),
                Err(failure) => self.fail(&path, 1, failure),
            }
        }
        count
    }

    /// Effects begin, all in this moment.
    pub(super) fn launch(&mut self) {
        for path in std::mem::take(&mut self.state.effects) {
            let call = self.state.called.entry(path.clone()).or_default();
            let attempt = call.failed + 1;
            self.call(&path, attempt);
        }
    }

    pub(super) fn try_again(&mut self, path: &str) {
        let attempt = self.state.flights[path].attempt();
        self.call(path, attempt);
    }

    fn call(&mut self, path: &str, attempt: u32) {
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
        let flight = Flight::Call {
            attempt,
            ends_at: self.now + takes,
            result,
        };
        self.state.flights.insert(path.to_owned(), flight);
    }

    /// An attempt has ended.
    pub(super) fn land(&mut self, path: &str) -> Result<(), Stop> {
        let Some(Flight::Call { attempt, result, .. }) = self.state.flights.remove(path) else {
            return Ok(());
        };
        self.state.has_news = true;
        let failure = match result {
            Ok(done) => {
                self.state.called.remove(path);
                self.complete(path, attempt, done);
                return Ok(());
            }
            Err(failure) => failure,
        };
        match self.wait_before_another(path, attempt, &failure) {
            Some(wait) => {
                self.state.called.entry(path.to_owned()).or_default().failed = attempt;
                let flight = Flight::Wait {
                    attempt: attempt + 1,
                    until: self.now + wait,
                    failure,
                };
                self.state.flights.insert(path.to_owned(), flight);
            }
            None => {
                self.state.called.remove(path);
                self.fail(path, attempt, failure);
            }
        }
        Ok(())
    }

    /// In milliseconds; none where there is no other attempt.
    fn wait_before_another(&self, path: &str, attempt: u32, failure: &Failure) -> Option<u64> {
        let retry = self.node(path).retry.as_ref()?;
        if !failure.may_pass || attempt >= retry.max_attempts || self.state.broken.is_some() {
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

    fn complete(&mut self, path: &str, attempt: u32, done: Done) {
        let is_first_answer = done.is_answer && !self.state.has_answered;
        if !self.state.has_answered {
            self.state.result = Some(path.to_owned());
            self.state.has_answered = is_first_answer;
        }
        let step = StepTold {
            attempts: attempt,
            ports: Some(done.ports.clone()),
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
        if on_error == OnError::Fail {
            self.break_off(ExecutionStatus::Failed, &failure.code, Some(path));
        } else {
            self.leave(path, ports);
        }
    }

    pub(super) fn crash_fails(&self, path: &str) -> bool {
        self.node(path).on_crash == Some(OnCrash::Fail)
    }

    /// What a node's parameter `of` is when it runs.
    fn sees(&self, path: &str) -> Result<Value, Failure> {
        self.evaluate(&self.node(path).parameters.0["of"])
    }

    fn evaluate(&self, value: &Value) -> Result<Value, Failure> {
        match value {
            Value::Array(values) => values.iter().map(|value| self.evaluate(value)).collect(),
            Value::String(text) => match text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")) {
                Some(expression) => self.expression(expression),
                None => Ok(value.clone()),
            },
            other => Ok(other.clone()),
        }
    }

    /// `_nodes.a`, `saved_a`, or `default` with one of these and a text.
    fn expression(&self, expression: &str) -> Result<Value, Failure> {
        if let Some(tried) = expression.strip_prefix("default ") {
            let (name, other) = tried.split_once(' ').unwrap_or((tried, ""));
            let found = self.name(name).filter(|value| !value.is_null());
            return Ok(found.unwrap_or_else(|| json!(other.trim_matches('"'))));
        }
        self.name(expression)
            .ok_or_else(|| Failure::for_good("expression"))
    }

    /// None where it is missing.
    fn name(&self, name: &str) -> Option<Value> {
        if let Some(key) = name.strip_prefix("_nodes.") {
            return self.state.steps.get(key).map(|step| step.output.clone());
        }
        let key = name.strip_prefix("saved_")?;
        let saved = self.state.steps.get(key)?.output.clone();
        (!saved.is_null()).then_some(saved)
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

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}
