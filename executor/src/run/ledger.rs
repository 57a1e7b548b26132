//! What was decided and is not durable yet. Each step is serialized once, into the bytes of its row.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::redact::redact;
use crate::Time;
use crate::context::Secrets;
use crate::journal::{Call, Record, StepRecord};

/// Records, and their bytes, after which there is a checkpoint even where no effect calls for one.
const MOST_RECORDS: usize = 2_000;
const MOST_BYTES: usize = 1 << 20;

/// What a record has, about, beside its output.
const ENVELOPE: usize = 256;
/// All records of an execution may have so many times as many bytes as all of its outputs.
const MOST_TIMES_OUTPUTS: usize = 4;

/// The step records of one execution, as JSON text.
#[derive(Default)]
pub(super) struct Ledger {
    /// Records with a comma after each.
    steps: Vec<u8>,
    /// How many bytes of `steps` are checkpointed.
    durable: usize,
    /// Records since.
    since: usize,
    /// The paths of what a journal holds, while it is replayed: these are not recorded again.
    journaled: HashSet<Arc<str>>,
    /// Bytes of JSON of all outputs, about.
    outputs: usize,
    /// Counts checkpoints.
    sequence: i32,
    /// An effect has come back, or an attempt was used, since the last checkpoint.
    pub(super) dirty: bool,
    /// Effects that were called, or are about to be, and are not decided.
    pub(super) calls: BTreeMap<Arc<str>, Call>,
}

impl Ledger {
    /// Adds a step. Gives its output back, or the record with the bytes it has where there is no room for it.
    pub(super) fn add(
        &mut self,
        mut step: StepRecord,
        secrets: &Secrets,
        max_output: usize,
        max_outputs: usize,
    ) -> Result<Value, Box<(StepRecord, usize)>> {
        if self.journaled.contains(&step.node) {
            return Ok(step.output);
        }
        let start = self.steps.len();
        let original = if secrets.is_empty() {
            None
        } else {
            redact(&mut step, secrets)
        };
        // Writing to memory cannot fail, and every key of a `Value` is a string.
        let _ = serde_json::to_writer(&mut self.steps, &step);
        let size = self.steps.len() - start;
        let output = size.saturating_sub(ENVELOPE);
        if size > max_output || self.outputs.saturating_add(output) > max_outputs {
            self.steps.truncate(start);
            return Err(Box::new((step, size)));
        }
        self.outputs += output;
        self.steps.push(b',');
        self.since += 1;
        // A long stretch without effects goes on from here after a crash.
        self.dirty |= self.since >= MOST_RECORDS || self.steps.len() - self.durable >= MOST_BYTES;
        Ok(original.unwrap_or(step.output))
    }

    /// The ledger of an execution whose journal holds these records. Until it is told that the replay is over,
    /// it does not record again what they hold.
    pub(super) fn replayed(records: Vec<Record>) -> Self {
        let mut ledger = Self {
            sequence: i32::try_from(records.len()).unwrap_or(i32::MAX),
            ..Self::default()
        };
        for record in records {
            for step in &record.steps {
                let start = ledger.steps.len();
                let _ = serde_json::to_writer(&mut ledger.steps, step);
                ledger.outputs += (ledger.steps.len() - start).saturating_sub(ENVELOPE);
                ledger.steps.push(b',');
                ledger.journaled.insert(step.node.clone());
            }
            ledger.calls = record.calls;
        }
        ledger.durable = ledger.steps.len();
        ledger
    }

    /// How many bytes all records may have, where they have more.
    pub(super) fn exceeds(&self, max_outputs: usize) -> Option<usize> {
        let most = max_outputs.saturating_mul(MOST_TIMES_OUTPUTS);
        (self.steps.len() > most).then_some(most)
    }

    /// Whether the journal holds all that was decided, or is about to.
    pub(super) fn is_durable(&self) -> bool {
        self.steps.len() == self.durable
    }

    /// Whether the journal holds what became of this path.
    pub(super) fn holds(&self, path: &str) -> bool {
        self.journaled.contains(path)
    }

    /// From now on everything is recorded.
    pub(super) fn replay_is_over(&mut self) {
        self.journaled.clear();
    }

    /// The next checkpoint's number and record (see [`Record`]).
    pub(super) fn checkpoint(&mut self, at: Time) -> (i32, String) {
        self.sequence += 1;
        self.dirty = false;
        self.since = 0;
        let steps = list(&self.steps[self.durable..]);
        self.durable = self.steps.len();
        let rest = Record {
            at,
            steps: Vec::new(),
            calls: self.calls.clone(),
        };
        // A record of strings, numbers and times can always be written.
        let rest = serde_json::to_string(&rest).unwrap_or_default();
        (
            self.sequence,
            rest.replacen(r#""steps":[]"#, &format!(r#""steps":{steps}"#), 1),
        )
    }

    /// All steps, as a JSON list.
    pub(super) fn steps(&self) -> String {
        list(&self.steps)
    }
}

/// Records with a comma after each, as a list.
fn list(records: &[u8]) -> String {
    let records = records.strip_suffix(b",").unwrap_or(records);
    // serde_json writes UTF-8 only.
    let records = std::str::from_utf8(records).unwrap_or_default();
    ["[", records, "]"].concat()
}
