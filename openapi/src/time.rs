//! How moments are written.

use chrono::SecondsFormat;
use serde_json::Value;

/// A moment in UTC. Bodies have it in RFC 3339 with milliseconds and `Z`.
pub type Time = chrono::DateTime<chrono::Utc>;

/// A moment, or none.
pub(crate) trait Moment {
    fn moment(&self) -> Option<Time>;
}

impl Moment for Time {
    fn moment(&self) -> Option<Time> {
        Some(*self)
    }
}

impl Moment for Option<Time> {
    fn moment(&self) -> Option<Time> {
        *self
    }
}

pub(crate) fn write(time: &impl Moment) -> Option<Value> {
    let text = |time: Time| Value::String(time.to_rfc3339_opts(SecondsFormat::Millis, true));
    Some(time.moment().map_or(Value::Null, text))
}

#[cfg(test)]
mod tests {
    use super::{Time, write};

    #[test]
    fn has_milliseconds_and_z() {
        assert_eq!(write(&Time::UNIX_EPOCH), Some("1970-01-01T00:00:00.000Z".into()));
    }
}
