//! Durations as people write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::Value;

/// A whole number with a unit: `250ms`, `2s`, `5m`, `1h`, `14d`. At most 9,999
/// days, 99,999 hours, 999,999 minutes, 9,999,999 seconds or ten digits of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    milliseconds: u64,
}

/// Units, with their milliseconds and the most digits of their number: few enough that what is written in the next
/// larger unit is within that one's.
const UNITS: [(&str, u64, usize); 5] = [
    ("ms", 1, 10),
    ("s", 1_000, 7),
    ("m", 60_000, 6),
    ("h", 3_600_000, 5),
    ("d", 86_400_000, 4),
];

impl Duration {
    /// A regular expression for what every duration looks like.
    pub const PATTERN: &str = "^([0-9]{1,10}ms|[0-9]{1,7}s|[0-9]{1,6}m|[0-9]{1,5}h|[0-9]{1,4}d)$";

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
        let (_, factor, most) = UNITS.iter().find(|(name, ..)| *name == unit).ok_or_else(wrong)?;
        if digits > *most {
            return Err(format!(
                "`{text}` is too long: a number of `{unit}` has at most {most} digits"
            ));
        }
        let number: u64 = number.parse().map_err(|_| wrong())?;
        Ok(Self::from_millis(number * factor))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor, _) = UNITS
            .iter()
            .rev()
            .find(|(_, factor, _)| self.milliseconds.is_multiple_of(*factor) && self.milliseconds >= *factor)
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
            pattern: Some(Self::PATTERN.to_owned()),
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
    use super::{Duration, UNITS};

    #[test]
    fn the_pattern_has_all_units() {
        let units = UNITS.map(|(unit, _, digits)| format!("[0-9]{{1,{digits}}}{unit}"));
        assert_eq!(Duration::PATTERN, format!("^({})$", units.join("|")));
    }

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
    fn reads_the_longest_that_it_writes() {
        for text in ["9999d", "99999h", "999960m", "9999960s", "9999999000ms"] {
            let written = text.parse::<Duration>().expect(text).to_string();
            assert_eq!(written.parse(), text.parse::<Duration>(), "{written}");
        }
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
            "10000d",
            "100000h",
        ] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
    }
}
