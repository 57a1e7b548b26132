//! How long a call may take, and how large its answer may be.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a whole call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timeout(flowmatic_openapi::Duration);

const MAX_TIMEOUT: flowmatic_openapi::Duration = flowmatic_openapi::Duration::from_millis(5 * 60 * 1000);

impl Default for Timeout {
    fn default() -> Self {
        Self(flowmatic_openapi::Duration::from_millis(30_000))
    }
}

impl TryFrom<String> for Timeout {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let duration: flowmatic_openapi::Duration = text.parse()?;
        if duration.as_millis() == 0 || duration > MAX_TIMEOUT {
            return Err(format!("the timeout `{text}` is not between `1ms` and `5m`"));
        }
        Ok(Self(duration))
    }
}

impl From<Timeout> for String {
    fn from(timeout: Timeout) -> Self {
        timeout.0.to_string()
    }
}

impl From<Timeout> for Duration {
    fn from(timeout: Timeout) -> Self {
        timeout.0.into()
    }
}

impl JsonSchema for Timeout {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timeout".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": flowmatic_openapi::Duration::PATTERN})
    }
}

/// The largest answer that is read, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Value", into = "String")]
pub struct Size(usize);

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// In Base64 it has 683 KiB, and fits with the headers into the 1 MiB that an output may have.
const MAX_SIZE: usize = 512 * KIB;

impl Size {
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl Default for Size {
    fn default() -> Self {
        Self(MAX_SIZE)
    }
}

impl TryFrom<Value> for Size {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let wrong = || {
            format!("`{value}` is not a size: write bytes as a number, or such as `64KiB`; at most `512KiB`")
        };
        let bytes = match &value {
            Value::Number(bytes) => bytes.as_u64().and_then(|bytes| usize::try_from(bytes).ok()),
            Value::String(text) => {
                let (number, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
                    (Some(number), _) => (number, KIB),
                    (_, Some(number)) => (number, MIB),
                    _ => return Err(wrong()),
                };
                number
                    .parse()
                    .ok()
                    .and_then(|number: usize| number.checked_mul(unit))
            }
            _ => None,
        };
        bytes
            .filter(|bytes| (1..=MAX_SIZE).contains(bytes))
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl From<Size> for String {
    fn from(Size(bytes): Size) -> Self {
        format!("{}KiB", bytes / KIB)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_SIZE},
                {"type": "string", "pattern": "^[0-9]{1,4}(KiB|MiB)$"}
            ]
        })
    }
}

/// What is wrong with a limit as it is written in the graph.
pub(super) fn check<T: for<'de> Deserialize<'de>>(value: Option<&Value>) -> Result<(), String> {
    match value {
        None => Ok(()),
        Some(value) => T::deserialize(value).map(drop).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{from_value, json, to_value};

    use super::{Size, Timeout};

    #[test]
    fn a_timeout_is_between_a_millisecond_and_five_minutes() {
        for (text, duration) in [("1ms", 1), ("2s", 2_000), ("5m", 300_000)] {
            let timeout: Timeout = from_value(json!(text)).expect("valid");
            assert_eq!(Duration::from(timeout), Duration::from_millis(duration));
            assert_eq!(to_value(timeout).expect("text"), json!(text));
        }
        for text in [json!("0s"), json!("301s"), json!("2"), json!(2)] {
            assert!(from_value::<Timeout>(text.clone()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        for (value, bytes) in [
            (json!(1), 1),
            (json!("64KiB"), 65_536),
            (json!("512KiB"), 524_288),
        ] {
            assert_eq!(from_value::<Size>(value).expect("valid").bytes(), bytes);
        }
        for value in [
            json!(0),
            json!(524_289),
            json!("1MiB"),
            json!("64"),
            json!("64KB"),
            json!(-1),
            json!(null),
        ] {
            assert!(from_value::<Size>(value.clone()).is_err(), "{value}");
        }
        assert_eq!(to_value(Size::default()).expect("text"), json!("512KiB"));
    }
}
