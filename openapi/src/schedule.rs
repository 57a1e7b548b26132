//! Schedules: the triggers that start executions at times of their own.

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::{Duration, ExecutionSummary, JsonObject, Time};

/// A schedule of a published version.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Schedule {
    /// The id of its trigger.
    pub id: Uuid,
    pub workflow_id: Uuid,
    pub workflow_name: String,
    /// The number of the version that it starts.
    pub version: i32,
    /// The key of the trigger's node.
    pub node: String,
    /// A cron pattern of 5 or 6 fields; missing where `every` is given.
    pub cron: Option<String>,
    /// The IANA time zone of `cron`; UTC where missing.
    pub timezone: Option<String>,
    /// The time between two starts; missing where `cron` is given.
    pub every: Option<Duration>,
    /// All parameters of the trigger, as they are published.
    pub parameters: JsonObject,
    /// Whether the workflow's triggers are on.
    pub active: bool,
    pub paused: bool,
    /// The next time it is due; missing while it is paused or not active.
    #[oai(serialize_with = "crate::time::write")]
    pub next_at: Option<Time>,
    /// The newest time that was due and was not left out.
    #[oai(serialize_with = "crate::time::write")]
    pub last_at: Option<Time>,
    /// What it started last. Starts by hand do not count.
    pub last_execution: Option<ExecutionSummary>,
    /// The newest time that was due and was left out.
    pub last_skipped: Option<ScheduleSkip>,
    /// How many times wait for the execution before them to end, where its `overlap` is `queue`.
    pub waiting: i32,
}

/// A time that was due and started nothing.
#[derive(Debug, Clone, PartialEq, Object)]
pub struct ScheduleSkip {
    #[oai(serialize_with = "crate::time::write")]
    pub at: Time,
    pub reason: SkipReason,
}

/// Why a time that was due started nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum SkipReason {
    /// No server was running, and it was not to be made up for.
    Missed,
    /// The execution before it had not ended.
    Overlap,
    /// As many as may wait were waiting.
    QueueFull,
}

impl SkipReason {
    pub const ALL: [Self; 3] = [Self::Missed, Self::Overlap, Self::QueueFull];

    /// The name on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Overlap => "overlap",
            Self::QueueFull => "queue_full",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// When a schedule would be due.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SchedulePreview {
    /// A cron pattern in English.
    pub description: Option<String>,
    /// The IANA time zone of the local times.
    pub timezone: String,
    /// The next ten times, or as many as there are.
    pub next: Vec<ScheduleTime>,
}

/// A moment in UTC, and as the clocks of a time zone show it.
#[derive(Debug, Clone, PartialEq, Object)]
pub struct ScheduleTime {
    #[oai(serialize_with = "crate::time::write")]
    pub at: Time,
    /// RFC 3339 with the zone's offset, such as `2026-03-30T09:30:00+02:00`.
    pub local: String,
}
