//! Durations as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::Value;

/// A whole number with a unit: `250ms`, `2s`, `5m`, `1h`, `14d`. At most 3,650 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    milliseconds: u64,
}

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const MAXIMUM_MS: u64 = 3_650 * 86_400_000;
const PATTERN: &str = "^[0-9]{1,15}(ms|s|m|h|d)$";

impl Duration {
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self { milliseconds }
    }

    pub const fn as_millis(self) -> u64 {
        self.milliseconds
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        Self::from_millis(duration.milliseconds)
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "`{text}` is not a duration: write a whole number and a unit, such as `2s`, `5m` or `14d`"
            )
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        match number.checked_mul(*factor) {
            Some(milliseconds) if milliseconds <= MAXIMUM_MS => Ok(Self { milliseconds }),
            _ => Err(format!("`{text}` is longer than 3650 days")),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .iter()
            .rev()
            .find(|(_, factor)| self.milliseconds.is_multiple_of(*factor) && self.milliseconds >= *factor)
            .unwrap_or(&UNITS[0]);
        write!(formatter, "{}{unit}", self.milliseconds / factor)
    }
}

impl Type for Duration {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        Cow::Borrowed("string(duration)")
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            pattern: Some(PATTERN.to_owned()),
            example: Some(Value::from("5m")),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for Duration {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::String(text)) => text.parse().map_err(ParseError::custom),
            other => Err(ParseError::expected_type(other.unwrap_or_default())),
        }
    }
}

impl ToJSON for Duration {
    fn to_json(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn reads_and_writes_each_unit() {
        for text in ["250ms", "2s", "5m", "3h", "14d"] {
            assert_eq!(
                text.parse::<Duration>().map(|it| it.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!(
            "3600s".parse::<Duration>().map(|it| it.to_string()),
            Ok("1h".to_owned())
        );
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "",
            "5",
            "m",
            "-1s",
            "1.5s",
            "5 m",
            "5y",
            "99999999999999999999s",
            "4000d",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
