//! What started an execution from within another: the payload's `_call`.

use flowmatic_openapi::ExecutionMode;
use serde_json::Value;
use uuid::Uuid;

use crate::Time;
use crate::context::Payload;
use crate::json;

/// The name under which a called execution finds who called it.
pub const CALL: &str = "_call";

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Caller {
    /// The execution, and the path of its node, that waits for this one.
    pub(super) waits: Option<(Uuid, String)>,
    /// How many calls led here.
    pub(super) depth: u32,
    /// When the caller's time is up.
    pub(super) deadline: Option<Time>,
}

impl Caller {
    pub(super) fn of(payload: &Payload, mode: ExecutionMode) -> Self {
        let call = payload.engine.get(CALL);
        call.map_or_else(Self::default, Self::read).within(mode)
    }

    /// From JSON text of the engine's names.
    pub(super) fn of_journal(meta: &str, mode: ExecutionMode) -> Self {
        let meta: Option<Value> = json::read(meta).ok();
        meta.map_or_else(Self::default, |meta| Self::read(&meta[CALL]))
            .within(mode)
    }

    /// Nobody waits for a retry, or gives it time: the call ended with the execution that is tried again.
    fn within(self, mode: ExecutionMode) -> Self {
        match mode {
            ExecutionMode::Retry => Self {
                depth: self.depth,
                ..Self::default()
            },
            _ => self,
        }
    }

    fn read(call: &Value) -> Self {
        let Some(call) = call.as_object() else {
            return Self::default();
        };
        let text = |name: &str| call.get(name).and_then(Value::as_str);
        let parent = text("executionId").and_then(|id| id.parse().ok());
        let waits = call.get("wait").and_then(Value::as_bool).unwrap_or_default();
        let depth = call.get("depth").and_then(Value::as_u64).unwrap_or_default();
        Self {
            waits: parent.zip(text("path").map(str::to_owned)).filter(|_| waits),
            depth: u32::try_from(depth).unwrap_or(u32::MAX),
            deadline: text("deadline").and_then(|time| time.parse().ok()),
        }
    }
}
