//! Start control: its expressions are compiled with the version, and evaluated for each call before anything of the
//! execution runs.

use std::sync::Arc;
use std::time::Duration;

use flowmatic_openapi::{ExecutionMode, Priority, Problem, StartControl, WhenFull};
use serde_json::Value;

use super::Version;
use crate::context::{Context, Identity, Payload, Secrets, View};
use crate::expression::Template;

/// The longest key, in bytes.
pub const MAX_START_KEY: usize = 256;

const SECOND: u64 = 1_000;
const DAY: u64 = 86_400_000;

/// What the settings say of starts.
#[derive(Debug)]
pub struct StartPlan {
    idempotency: Option<(Option<Key>, Duration)>,
    rate_limit: Option<(Key, u32, Duration)>,
    debounce: Option<(Key, Duration, Option<Duration>)>,
    concurrency: Option<(Key, u32, WhenFull)>,
    priority: Key,
}

/// What start control asks of one call: the settings with their expressions evaluated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Terms {
    pub idempotency: Option<IdempotencyTerms>,
    pub rate_limit: Option<RateTerms>,
    pub debounce: Option<DebounceTerms>,
    pub concurrency: Option<ConcurrencyTerms>,
    pub priority: i32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyTerms {
    pub key: IdempotencyKey,
    pub ttl: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub enum IdempotencyKey {
    /// The caller names it, or none.
    OfCaller,
    /// The workflow does. None where the call has no key.
    OfWorkflow(Option<String>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct RateTerms {
    pub key: String,
    pub limit: u32,
    pub period: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DebounceTerms {
    pub key: String,
    pub period: Duration,
    pub max_wait: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConcurrencyTerms {
    pub key: String,
    pub limit: u32,
    pub when_full: WhenFull,
}

/// A call has no key where it needs one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the workflow's `start.{field}`: {message}")]
pub struct TermsError {
    field: &'static str,
    message: String,
}

/// Who asks for an execution, which says what of start control holds for it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Asked {
    /// A caller, who is answered: all of it.
    Call,
    /// A time, another workflow or a failure, each of which has its own execution: no idempotency, no debounce.
    Event,
    /// One that was let in before: places only.
    Again,
}

impl Asked {
    fn of(mode: ExecutionMode) -> Self {
        match mode {
            ExecutionMode::Webhook | ExecutionMode::Manual => Self::Call,
            ExecutionMode::Schedule | ExecutionMode::Call | ExecutionMode::Error => Self::Event,
            ExecutionMode::Retry => Self::Again,
        }
    }
}

#[derive(Debug)]
enum Key {
    Constant(Value),
    Template(Template),
}

/// Compiles start control, or says what is wrong with it. None where it asks for nothing.
pub(super) fn compile(start: &StartControl) -> Result<Option<StartPlan>, Vec<Problem>> {
    let mut draft = Draft::default();
    let idempotency = start.idempotency.as_ref().map(|it| {
        draft.within("idempotency/ttl", it.ttl, SECOND, 30 * DAY);
        let key = it
            .key
            .as_deref()
            .map(|key| draft.key("idempotency/key", Some(key)));
        if matches!(key, Some(Key::Constant(Value::String(_)))) {
            let message = "it is the same for all calls, of which only the first would start anything: write an \
                           expression, such as `{{order_id}}`";
            draft.problem("idempotency/key", message);
        }
        (key, it.ttl.into())
    });
    let rate_limit = start.rate_limit.as_ref().map(|it| {
        draft.within("rate_limit/period", it.period, SECOND, 30 * DAY);
        let key = draft.key("rate_limit/key", it.key.as_deref());
        (key, it.limit, it.period.into())
    });
    let debounce = start.debounce.as_ref().map(|it| {
        draft.within("debounce/period", it.period, 100, 7 * DAY);
        if let Some(max_wait) = it.max_wait {
            draft.within("debounce/max_wait", max_wait, it.period.as_millis(), 30 * DAY);
        }
        let key = draft.key("debounce/key", it.key.as_deref());
        (key, it.period.into(), it.max_wait.map(Into::into))
    });
    let concurrency = start.concurrency.as_ref().map(|it| {
        let key = draft.key("concurrency/key", it.key.as_deref());
        (key, it.limit, it.when_full)
    });
    let priority = match &start.priority {
        None => Key::Constant(Value::from(0)),
        Some(Priority::Number(number)) => Key::Constant(Value::from(*number)),
        Some(Priority::Expression(text)) => {
            let key = draft.key("priority", Some(text));
            if let Key::Constant(value) = &key
                && let Err(message) = priority_of(value)
            {
                draft.problem("priority", message);
            }
            key
        }
    };
    if !draft.problems.is_empty() {
        return Err(draft.problems);
    }
    let asks_for_nothing = idempotency.is_none()
        && rate_limit.is_none()
        && debounce.is_none()
        && concurrency.is_none()
        && matches!(&priority, Key::Constant(value) if priority_of(value) == Ok(0));
    Ok((!asks_for_nothing).then_some(StartPlan {
        idempotency,
        rate_limit,
        debounce,
        concurrency,
        priority,
    }))
}

#[derive(Default)]
struct Draft {
    problems: Vec<Problem>,
}

impl Draft {
    fn problem(&mut self, place: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            pointer: format!("/graph/settings/start/{place}"),
            node: None,
            message: message.into(),
        });
    }

    fn within(&mut self, place: &str, duration: flowmatic_openapi::Duration, least: u64, most: u64) {
        if !(least..=most).contains(&duration.as_millis()) {
            let [least, most] = [least, most].map(flowmatic_openapi::Duration::from_millis);
            self.problem(
                place,
                format!("`{duration}` is out of bounds: it takes {least} to {most}"),
            );
        }
    }

    fn key(&mut self, place: &str, text: Option<&str>) -> Key {
        let text = text.unwrap_or_default();
        if !Template::is_template(text) {
            let constant = Value::from(text);
            if let Err(message) = key_of(&constant) {
                self.problem(place, message);
            }
            return Key::Constant(constant);
        }
        match Template::compile(text) {
            Ok(template) => {
                if let Some(node) = template.nodes().first() {
                    self.problem(
                        place,
                        format!(
                            "it names the node `{node}`, and starts are decided before any node runs: name what the \
                             call brings"
                        ),
                    );
                }
                if !template.secrets().is_empty() {
                    self.problem(place, "it names a secret, and keys are stored as they are");
                }
                Key::Template(template)
            }
            Err(mistakes) => {
                for error in mistakes.errors {
                    self.problem(place, error.to_string());
                }
                Key::Constant(Value::Null)
            }
        }
    }
}

impl StartPlan {
    /// Whether its executions take places, which their ends make free.
    pub fn has_places(&self) -> bool {
        self.concurrency.is_some()
    }

    /// Whether an execution of this mode that nobody called for may have to wait, or may not begin at all.
    pub fn asks(&self, mode: ExecutionMode) -> bool {
        self.has_places() || self.rate_limit.is_some() && Asked::of(mode) != Asked::Again
    }

    /// Whether callers name the idempotency key.
    pub fn takes_caller_key(&self) -> bool {
        matches!(self.idempotency, Some((None, _)))
    }

    /// What is asked of this start at the trigger with this place in the plan, as far as it holds for its mode.
    pub fn terms(
        &self,
        version: &Version,
        trigger: usize,
        identity: Identity,
        payload: &Payload,
    ) -> Result<Terms, TermsError> {
        let asked = Asked::of(identity.mode);
        self.evaluate(version, trigger, identity, payload, |view| {
            let of_calls = asked == Asked::Call;
            let idempotency = self.idempotency.as_ref().filter(|_| of_calls);
            let idempotency = idempotency.map(|(key, ttl)| {
                let key = match key {
                    None => IdempotencyKey::OfCaller,
                    Some(key) => {
                        let key = key.text("idempotency.key", view)?;
                        IdempotencyKey::OfWorkflow(Some(key).filter(|key| !key.is_empty()))
                    }
                };
                Ok(IdempotencyTerms { key, ttl: *ttl })
            });
            let rate_limit = self.rate_limit.as_ref().filter(|_| asked != Asked::Again);
            let rate_limit = rate_limit.map(|(key, limit, period)| {
                Ok(RateTerms {
                    key: key.text("rate_limit.key", view)?,
                    limit: *limit,
                    period: *period,
                })
            });
            let debounce = self.debounce.as_ref().filter(|_| of_calls);
            let debounce = debounce.map(|(key, period, max_wait)| {
                Ok(DebounceTerms {
                    key: key.text("debounce.key", view)?,
                    period: *period,
                    max_wait: *max_wait,
                })
            });
            Ok(Terms {
                idempotency: idempotency.transpose()?,
                rate_limit: rate_limit.transpose()?,
                debounce: debounce.transpose()?,
                ..self.place(view)?
            })
        })
    }

    fn place(&self, view: Option<&View<'_>>) -> Result<Terms, TermsError> {
        let concurrency = self.concurrency.as_ref().map(|(key, limit, when_full)| {
            Ok(ConcurrencyTerms {
                key: key.text("concurrency.key", view)?,
                limit: *limit,
                when_full: *when_full,
            })
        });
        Ok(Terms {
            concurrency: concurrency.transpose()?,
            priority: self.priority.read("priority", view, priority_of)?,
            ..Terms::default()
        })
    }

    /// Gives a view of what the call brings, where there is something to evaluate.
    fn evaluate(
        &self,
        version: &Version,
        trigger: usize,
        identity: Identity,
        payload: &Payload,
        evaluate: impl Fn(Option<&View<'_>>) -> Result<Terms, TermsError>,
    ) -> Result<Terms, TermsError> {
        if !self.has_templates() {
            return evaluate(None);
        }
        let now = identity.started_at;
        let secrets = Arc::new(Secrets::default());
        let context = Context::new(identity, version.plan.clone(), secrets, payload.clone());
        evaluate(Some(&context.view(trigger, now, &[])))
    }

    fn has_templates(&self) -> bool {
        let keys = [
            self.idempotency.as_ref().and_then(|(key, ..)| key.as_ref()),
            self.rate_limit.as_ref().map(|(key, ..)| key),
            self.debounce.as_ref().map(|(key, ..)| key),
            self.concurrency.as_ref().map(|(key, ..)| key),
            Some(&self.priority),
        ];
        keys.into_iter()
            .flatten()
            .any(|key| matches!(key, Key::Template(_)))
    }
}

impl Key {
    fn text(&self, field: &'static str, view: Option<&View<'_>>) -> Result<String, TermsError> {
        self.read(field, view, key_of)
    }

    fn read<T>(
        &self,
        field: &'static str,
        view: Option<&View<'_>>,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<T, TermsError> {
        let value = match (self, view) {
            (Self::Template(template), Some(view)) => template
                .evaluate(view)
                .map_err(|error| error.to_string())
                .and_then(|value| read(&value)),
            (Self::Constant(value), _) => read(value),
            // There is a view wherever there is a template.
            (Self::Template(_), None) => read(&Value::Null),
        };
        value.map_err(|message| TermsError { field, message })
    }
}

fn key_of(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => {
            return Err("a key is a text, number, boolean or null, not a list or an object".to_owned());
        }
    };
    if text.len() > MAX_START_KEY {
        return Err(format!(
            "a key has at most {MAX_START_KEY} bytes, and this one has {}",
            text.len()
        ));
    }
    // PostgreSQL has no such texts.
    if text.contains('\0') {
        return Err("a key has no NUL characters".to_owned());
    }
    Ok(text)
}

fn priority_of(value: &Value) -> Result<i32, String> {
    let number = match value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_i64().and_then(|number| i32::try_from(number).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .filter(|number| Priority::RANGE.contains(number))
        .ok_or_else(|| {
            let mut shown = value.to_string();
            if let Some((end, _)) = shown.char_indices().nth(50) {
                shown.truncate(end);
            }
            format!("`{shown}` is no whole number from -1000 to 1000")
        })
}

#[cfg(test)]
mod tests;
