//! What those learn who watch an execution while it goes on. The journal has what was decided; this is the rest.

use std::fmt::Debug;
use std::sync::Arc;

use uuid::Uuid;

use crate::Time;
use crate::journal::ErrorRecord;

/// Hears of executions as they run in this process. Its methods are called on the way of every execution: they
/// return at once, and wait for nobody.
pub trait Observer: Debug + Send + Sync + 'static {
    /// A node began something that takes time.
    fn began(&self, execution: Uuid, workflow: Uuid, step: &UnderWay);

    /// A record of the execution is durable.
    fn wrote(&self, execution: Uuid, workflow: Uuid, written: Written);
}

/// A node that has begun and is not decided.
#[derive(Debug, Clone, PartialEq)]
pub struct UnderWay {
    /// The node's path, as in its record.
    pub path: Arc<str>,
    /// Since when.
    pub at: Time,
    pub state: StepProgress,
}

#[derive(Debug, Clone, PartialEq)]
pub enum StepProgress {
    /// An attempt runs; they count from 1. A loop or a call is one attempt.
    Started { attempt: u32 },
    /// So many attempts have failed, and another is due.
    Retrying {
        failed: u32,
        /// Why the last one did; none where another process saw it.
        error: Option<ErrorRecord>,
        due: Time,
    },
    /// For a time, a signal, or the end of another execution.
    Waiting { until: Option<Time> },
}

/// What the journal holds by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// All checkpoints up to this one.
    Checkpoint { sequence: i32 },
    /// The end.
    Finish,
}
