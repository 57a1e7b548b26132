//! `trigger.schedule`: a time comes, and an execution starts. The server reads this struct and keeps the clock.

pub mod timetable;

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Role};
use flowmatic_openapi::{Duration, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::timetable::Timetable;

/// Its type.
pub const KIND: &str = "trigger.schedule";

/// A schedule has either `cron` or `every`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// A cron pattern of 5 fields (minute, hour, day of the month, month, weekday), or of 6 with the second before
    /// them, such as `30 9 * * MON-FRI`. Lists, ranges and steps are taken, and `L`, `W` and `#` as in
    /// `0 9 L * *` (the last day of the month) and `0 9 * * MON#1` (its first Monday). Where both the day of the
    /// month and the weekday are given, a day that fits either is meant; with `+` before the weekday, as in
    /// `0 9 13 * +FRI`, one that fits both.
    #[schemars(length(min = 1, max = 200))]
    pub cron: Option<String>,
    /// The IANA time zone of `cron`, such as `Europe/Berlin`. Missing: UTC.
    #[schemars(length(min = 1, max = 64))]
    pub timezone: Option<String>,
    /// The time between two starts, in whole seconds: a true interval, which no change of a clock shortens or
    /// lengthens.
    pub every: Option<Every>,
    /// The moment that `every` is counted from (RFC 3339); nothing starts before it. Missing:
    /// 1970-01-01T00:00:00Z, so that `6h` means 00:00, 06:00, 12:00 and 18:00 in UTC.
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    pub anchor: Option<String>,
    /// What becomes of times that passed while no server was running.
    #[serde(default)]
    pub missed: Missed,
    /// What becomes of a time at which an execution of this schedule has not ended yet.
    #[serde(default)]
    pub overlap: Overlap,
}

/// What becomes of times that passed while no server was running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    Skip,
    /// The newest of them is made up for.
    #[default]
    RunOnce,
    /// Each of them is made up for, the oldest first; of more than 1000 the newest 1000.
    RunAll,
}

/// What becomes of a time at which an execution of the schedule has not ended yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Another one starts beside it.
    #[default]
    Allow,
    /// It is left out.
    Skip,
    /// It starts within about a second of the end of the one before. At most 1000 wait; what is beyond is left out.
    Queue,
}

/// The time between two starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Every(pub Duration);

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl From<Every> for String {
    fn from(every: Every) -> Self {
        every.0.to_string()
    }
}

impl JsonSchema for Every {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Every".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": Duration::PATTERN})
    }
}

impl Schedule {
    /// When it is due; else what is wrong, each with a JSON pointer into the parameters.
    pub fn timetable(&self) -> Result<Timetable, Vec<(String, String)>> {
        let mut problems = Vec::new();
        let mut problem = |field: &str, message: String| problems.push((field.to_owned(), message));
        let timetable = match (&self.cron, self.every) {
            (Some(cron), None) => {
                if self.anchor.is_some() {
                    problem(
                        "/anchor",
                        "an anchor belongs to `every`: a cron pattern names its times".to_owned(),
                    );
                }
                let zone = self.zone().unwrap_or_else(|message| {
                    problem("/timezone", message);
                    Tz::UTC
                });
                Timetable::cron(cron, zone).map_err(|message| problem("/cron", message))
            }
            (None, Some(Every(every))) => {
                if self.timezone.is_some() {
                    problem(
                        "/timezone",
                        "a time zone belongs to `cron`: an interval is the same everywhere".to_owned(),
                    );
                }
                let anchor = self.anchor().unwrap_or_else(|message| {
                    problem("/anchor", message);
                    Time::UNIX_EPOCH
                });
                Timetable::interval(every, anchor).map_err(|message| problem("/every", message))
            }
            (Some(_), Some(_)) => {
                problem("/every", "give either `cron` or `every`, not both".to_owned());
                Err(())
            }
            (None, None) => {
                let message =
                    "say when it starts: give `cron`, such as `0 9 * * *`, or `every`, such as `15m`";
                problem("", message.to_owned());
                Err(())
            }
        };
        match timetable {
            Ok(timetable) if problems.is_empty() => Ok(timetable),
            _ => Err(problems),
        }
    }

    fn zone(&self) -> Result<Tz, String> {
        let Some(name) = &self.timezone else {
            return Ok(Tz::UTC);
        };
        name.parse().map_err(|_| {
            format!("there is no time zone `{name}`: write an IANA name such as `Europe/Berlin`")
        })
    }

    fn anchor(&self) -> Result<Time, String> {
        let Some(text) = &self.anchor else {
            return Ok(Time::UNIX_EPOCH);
        };
        let moment = DateTime::parse_from_rfc3339(text)
            .map_err(|_| format!("`{text}` is no moment: write it as `2026-03-29T09:00:00Z`"))?;
        match moment.timestamp_subsec_nanos() {
            0 => Ok(moment.to_utc()),
            _ => Err(format!(
                "`{text}` is between two seconds: an anchor is a whole one"
            )),
        }
    }
}

/// What the context of an execution has of the schedule that started it.
pub fn context(scheduled_at: Time, fired_at: Time) -> Map<String, Value> {
    let text = |time: Time| Value::from(time.to_rfc3339_opts(SecondsFormat::Secs, true));
    let times = [
        ("scheduledAt".to_owned(), text(scheduled_at)),
        ("firedAt".to_owned(), text(fired_at)),
    ];
    Map::from_iter([("_schedule".to_owned(), Value::Object(Map::from_iter(times)))])
}

impl Node for Schedule {
    const ABOUT: About = About {
        kind: KIND,
        title: "Schedule",
        summary: "Start at times of a cron pattern, or every so often",
        documentation: "Starts an execution at each time of the cron pattern, or whenever the interval has passed, while \
            the workflow is active. Each time starts exactly one. The context has \
            `{{_schedule.scheduledAt}}`, the time that was due, and `{{_schedule.firedAt}}`, when it started.\n\n\
            **Changes of the clock.** A pattern that names every hour, such as `*/15 * * * *`, follows the clock: \
            it starts twice where the clock goes back, and has nothing to start where the clock jumps ahead. Any \
            other pattern, such as `30 2 * * *`, starts once for each time it names: the first time the clock shows \
            it, and where the clock skips it, at the moment of the jump.\n\n\
            **Missed times** are those that passed while no server was running, and for more than 10 seconds; \
            `missed` says whether none, one or all of them are made up for. **Overlap** says what becomes of a \
            time at which an execution of the schedule is still under way; one that was started by hand does not \
            count.\n\n\
            A pattern that is none, a zone that does not exist and a day that never comes (`0 0 30 2 *`) are found \
            before the workflow is published.",
        icon: include_str!("../../icons/trigger.schedule.svg"),
        role: Role::Trigger,
        ports: OUT,
        example: r#"{
            "parameters": {"cron": "30 9 * * MON-FRI", "timezone": "Europe/Berlin", "overlap": "skip"},
            "context": {"_schedule": {
                "scheduledAt": "2026-03-30T07:30:00Z", "firedAt": "2026-03-30T07:30:00Z"
            }}
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Err(NodeError::terminal("internal", "a trigger was run as a step"))
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        // What does not fit the schema is told by the schema.
        let schedule = Self::deserialize(Value::Object(parameters.clone()));
        let timetable = schedule.map(|schedule| schedule.timetable());
        timetable.ok().and_then(Result::err).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use flowmatic_executor::Node;
    use serde_json::{Value, from_str, from_value, json};

    use super::{Missed, Overlap, Schedule, context};

    fn problems(parameters: Value) -> Vec<(String, String)> {
        Schedule::check(parameters.as_object().expect("an object"))
    }

    #[test]
    fn makes_up_once_and_allows_overlap_by_default() {
        let schedule: Schedule = from_value(json!({"cron": "0 9 * * *"})).expect("valid");
        assert_eq!(
            (schedule.missed, schedule.overlap),
            (Missed::RunOnce, Overlap::Allow)
        );
        assert_eq!(problems(json!({"cron": "0 9 * * *"})), []);
        assert_eq!(
            problems(json!({"every": "90m", "anchor": "2026-03-29T09:00:00+02:00"})),
            []
        );
    }

    #[test]
    fn its_example_shows_the_context() {
        let example: Value = from_str(Schedule::ABOUT.example).expect("JSON");
        let at = "2026-03-30T07:30:00.004Z".parse().expect("a moment");
        assert_eq!(example["context"], Value::Object(context(at, at)));
    }

    #[test]
    fn finds_what_is_wrong_before_it_is_published() {
        for (parameters, pointer, part) in [
            (json!({}), "", "give `cron`"),
            (json!({"cron": "0 9 * * *", "every": "1h"}), "/every", "not both"),
            (json!({"cron": "0 9 * *"}), "/cron", "has 4 fields"),
            (json!({"cron": "0 0 0 1 1 * 2030"}), "/cron", "has 7 fields"),
            (json!({"cron": "@daily"}), "/cron", "has 1 field:"),
            (json!({"cron": " "}), "/cron", "has 0 fields"),
            (json!({"cron": "0 25 * * *"}), "/cron", "`25` is no hour"),
            (json!({"cron": "0 9 * * MOON"}), "/cron", "`MOON` is no weekday"),
            (json!({"cron": "61 * * * * *"}), "/cron", "`61` is no second"),
            (
                json!({"cron": "*/70 * * * *"}),
                "/cron",
                "`*/70` is no minute of a cron pattern: a step of 70 leads out of it",
            ),
            (json!({"cron": ", * * * *"}), "/cron", "`,` is no minute"),
            (json!({"cron": "*/0 * * * *"}), "/cron", "step cannot be zero"),
            (json!({"cron": "5-1 * * * *"}), "/cron", "`5-1` is no minute"),
            (
                json!({"cron": "{{time}} * * * *"}),
                "/cron",
                "`{{time}}` is no minute",
            ),
            (json!({"cron": "0 0 30 2 *"}), "/cron", "never due"),
            (json!({"cron": "0 0 31 4,6,9,11 *"}), "/cron", "never due"),
            (
                json!({"cron": "0 9 * * *", "timezone": "Europe/Berln"}),
                "/timezone",
                "no time zone `Europe/Berln`",
            ),
            (
                json!({"cron": "0 9 * * *", "timezone": ""}),
                "/timezone",
                "no time zone ``",
            ),
            (
                json!({"cron": "0 9 * * *", "anchor": "2026-03-29T09:00:00Z"}),
                "/anchor",
                "belongs to `every`",
            ),
            (json!({"every": "999ms"}), "/every", "the least interval is `1s`"),
            (json!({"every": "1500ms"}), "/every", "no whole number of seconds"),
            (
                json!({"every": "1h", "anchor": "2026-03-29T09:00:00.5Z"}),
                "/anchor",
                "between two seconds",
            ),
            (
                json!({"every": "1h", "anchor": "tomorrow"}),
                "/anchor",
                "`tomorrow` is no moment",
            ),
            (
                json!({"every": "1h", "timezone": "Europe/Berlin"}),
                "/timezone",
                "belongs to `cron`",
            ),
        ] {
            let found = problems(parameters.clone());
            assert_eq!(found.len(), 1, "{parameters}: {found:?}");
            assert_eq!(found[0].0, pointer, "{parameters}: {found:?}");
            assert!(found[0].1.contains(part), "{parameters}: {found:?}");
        }
        let both = problems(json!({"cron": "x", "timezone": "y"}));
        assert_eq!(both.len(), 2, "{both:?}");
        assert!(from_value::<Schedule>(json!({"every": "1 hour"})).is_err());
        assert!(from_value::<Schedule>(json!({"every": "1h", "missed": "some"})).is_err());
    }
}
