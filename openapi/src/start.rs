//! Start control: which calls become executions, when, and in what order.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use poem_openapi::{Enum, Object};
use serde_json::Value;

use crate::Duration;

/// Which calls of a workflow become executions, when, and in what order. It holds for this workflow alone, and over all
/// its versions: a key that an older version used is still used.
///
/// A call passes what is set of it in this order: `idempotency`, `rate_limit`, `debounce`, `concurrency`; `priority`
/// orders those that wait. What is decided is on disk, with the execution, before the caller hears of it.
///
/// Who starts an execution says what holds for it. For webhooks and starts by hand, all of it. For what nobody called
/// for (a schedule, `flow.call` and the failure of another workflow) `rate_limit`, `concurrency` and `priority`: each
/// has an execution of its own, which is decided of when it is first taken up, and ends as `CANCELLED` where it may not
/// begin. For a retry by hand, which repeats what was let in before, `concurrency` and `priority`.
///
/// The workflow's `timeout` counts from the moment at which start control lets an execution go: time in a queue and in
/// a debounce is not part of it.
///
/// Keys are expressions over what the call brings, such as `{{customer}}` or `{{_webhook.headers.x-tenant}}`; they may
/// not name nodes or secrets. Calls with different keys have nothing to do with each other; without a key all calls of
/// the workflow are one group. A key is a text, number, boolean or null of at most 256 bytes. A call whose key cannot
/// be had (a missing field, an object) is refused with 422 and nothing is accepted: write `{{default customer ""}}` to
/// let such calls be a group of their own. An execution that nobody called for fails then, with the code
/// `start_control`.
#[derive(Debug, Clone, Default, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct StartControl {
    pub idempotency: Option<Idempotency>,
    pub rate_limit: Option<RateLimit>,
    pub debounce: Option<Debounce>,
    pub concurrency: Option<Concurrency>,
    /// Among executions that wait for a place of their `concurrency`, and among those of callers that wait for room
    /// in memory, those with the higher number begin first, then the older ones. -1,000 to 1,000, or an expression
    /// that gives such a number; 0 where it is missing.
    pub priority: Option<Priority>,
}

/// One execution for all calls that have the same key.
///
/// A call that comes again starts nothing. It gets the answer of the first one with the header
/// `Idempotency-Replayed: true`: what its Response node answered, for which it waits as the first caller does, with
/// secrets redacted; or, in a workflow without one, the execution's id and where it stands, with 200. Of an execution
/// that the workflow's limits have removed since, a webhook's caller gets the id and how it ended with 200, a start by
/// hand 410. What `rate_limit` refused was no call, and its key stays free.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct Idempotency {
    /// An expression. Null and the empty text are no key: such a call starts an execution of its own. Missing: the
    /// header `Idempotency-Key` (1 to 256 bytes), where the call has one; then a call with the key of another body is
    /// refused with 422 and the code `IDEMPOTENCY_KEY_REUSED`.
    #[oai(validator(max_length = 1000))]
    pub key: Option<String>,
    /// How long a key is remembered, from the first call: 1 s to 30 days.
    #[oai(default = "one_day")]
    pub ttl: Duration,
}

fn one_day() -> Duration {
    Duration::from_millis(86_400_000)
}

/// At most so many executions in a while.
///
/// A call beyond it is refused with 429 and `Retry-After`, and nothing is accepted. What nobody called for is recorded
/// as an execution that ended at once: `CANCELLED`, with the error code `rate_limited`, by which a `flow.call` that waits
/// fails. After a quiet `period` the whole `limit` may start at once; what was used comes back evenly, one every
/// `period / limit`.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct RateLimit {
    #[oai(validator(minimum(value = "1"), maximum(value = "100000")))]
    pub limit: u32,
    /// 1 s to 30 days.
    pub period: Duration,
    /// An expression; each of its values has a limit of its own.
    #[oai(validator(max_length = 1000))]
    pub key: Option<String>,
}

/// One execution for many calls in a row: it begins when none has come for `period`, with what the last one brought.
///
/// The execution is there, as `QUEUED`, from the first call on, and can be cancelled. Each call is answered at once with
/// 202, its id and its address; a Response node has nobody to answer.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct Debounce {
    /// How long it must be quiet: 100 ms to 7 days.
    pub period: Duration,
    /// An expression; each of its values is debounced by itself.
    #[oai(validator(max_length = 1000))]
    pub key: Option<String>,
    /// Begin after this time from the first call, though more calls come: `period` to 30 days. Missing: calls that
    /// never pause put it off for ever.
    pub max_wait: Option<Duration>,
}

/// At most so many executions at a time. One takes its place from its start to its end, waits within it included; a
/// workflow that calls itself and waits needs a place for each call in the row.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct Concurrency {
    #[oai(validator(minimum(value = "1"), maximum(value = "1000")))]
    pub limit: u32,
    /// An expression; each of its values has a limit of its own.
    #[oai(validator(max_length = 1000))]
    pub key: Option<String>,
    #[oai(default)]
    pub when_full: WhenFull,
}

/// What becomes of a call while all places are taken.
///
/// * `queue`: it is accepted as `QUEUED`, and begins when a place is free. Its caller waits for the answer of a Response
///   node as any other does; without one, it gets 202, the id and the address at once.
/// * `drop`: it is recorded as an execution that ended at once, `CANCELLED` with the error code `dropped`. Its caller
///   gets 200 with that status, so that it does not call again; a `flow.call` that waits for it fails.
/// * `cancel_running`: it is queued, and the oldest of those that run or wait are cancelled until there is room for it; it
///   begins when they have ended, which is after their effects in flight have come back. Their callers get 200 with
///   `CANCELLED`, where the workflow has not answered them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub enum WhenFull {
    #[default]
    Queue,
    Drop,
    CancelRunning,
}

impl WhenFull {
    pub const ALL: [Self; 3] = [Self::Queue, Self::Drop, Self::CancelRunning];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Drop => "drop",
            Self::CancelRunning => "cancel_running",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

/// A priority, or the expression that gives it.
#[derive(Debug, Clone, PartialEq)]
pub enum Priority {
    Number(i32),
    Expression(String),
}

impl Priority {
    /// The lowest and the highest.
    pub const RANGE: std::ops::RangeInclusive<i32> = -1000..=1000;
    const LONGEST_EXPRESSION: usize = 1000;
}

impl Type for Priority {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        Cow::Borrowed("integer or expression")
    }

    fn schema_ref() -> MetaSchemaRef {
        let number = MetaSchema {
            minimum: Some(f64::from(*Self::RANGE.start())),
            maximum: Some(f64::from(*Self::RANGE.end())),
            ..MetaSchema::new("integer")
        };
        let expression = MetaSchema {
            max_length: Some(Self::LONGEST_EXPRESSION),
            ..MetaSchema::new("string")
        };
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            any_of: [number, expression]
                .map(|schema| MetaSchemaRef::Inline(Box::new(schema)))
                .into(),
            ..MetaSchema::ANY
        }))
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Priority {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let value = value.unwrap_or_default();
        match &value {
            Value::Number(number) => number
                .as_i64()
                .and_then(|number| i32::try_from(number).ok())
                .filter(|number| Self::RANGE.contains(number))
                .map(Self::Number)
                .ok_or_else(|| {
                    ParseError::custom(format!("`{number}` is no whole number from -1000 to 1000"))
                }),
            Value::String(text) if text.chars().count() > Self::LONGEST_EXPRESSION => {
                Err(ParseError::custom(format!(
                    "it has more than {} characters",
                    Self::LONGEST_EXPRESSION
                )))
            }
            Value::String(text) => Ok(Self::Expression(text.clone())),
            _ => Err(ParseError::expected_type(value)),
        }
    }
}

impl ToJSON for Priority {
    fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::Number(number) => Value::from(*number),
            Self::Expression(text) => Value::from(text.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::{ParseFromJSON, ToJSON};
    use serde_json::json;

    use super::{Priority, StartControl, WhenFull};

    #[test]
    fn reads_what_it_writes() {
        for start in [
            json!({}),
            json!({"idempotency": {"ttl": "1d"}, "priority": -1000}),
            json!({
                "idempotency": {"key": "{{id}}", "ttl": "1h"},
                "rate_limit": {"limit": 10, "period": "1m", "key": "{{customer}}"},
                "debounce": {"period": "5s", "max_wait": "1m"},
                "concurrency": {"limit": 1, "when_full": "cancel_running"},
                "priority": "{{urgency}}"
            }),
        ] {
            let read = StartControl::parse_from_json(Some(start.clone())).expect("it is right");
            assert_eq!(read.to_json(), Some(start));
        }
    }

    #[test]
    fn refuses_what_is_out_of_bounds() {
        for wrong in [
            json!({"idempotency": {"key": "x".repeat(1001)}}),
            json!({"rate_limit": {"limit": 0, "period": "1m"}}),
            json!({"rate_limit": {"limit": 100_001, "period": "1m"}}),
            json!({"rate_limit": {"limit": 1}}),
            json!({"concurrency": {"limit": 0}}),
            json!({"concurrency": {"limit": 1001}}),
            json!({"concurrency": {"limit": 1, "when_full": "wait"}}),
            json!({"priority": 1001}),
            json!({"priority": 1.5}),
            json!({"priority": true}),
            json!({"priority": "x".repeat(1001)}),
            json!({"throttle": {}}),
        ] {
            assert!(
                StartControl::parse_from_json(Some(wrong.clone())).is_err(),
                "{wrong}"
            );
        }
        assert_eq!(
            Priority::parse_from_json(Some(json!(7))).ok(),
            Some(Priority::Number(7))
        );
    }

    #[test]
    fn names_are_those_of_the_wire() {
        for when_full in WhenFull::ALL {
            assert_eq!(when_full.to_json(), Some(json!(when_full.as_str())));
            assert_eq!(WhenFull::parse(when_full.as_str()), Some(when_full));
        }
    }
}
