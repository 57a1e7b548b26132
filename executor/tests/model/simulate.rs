//! The model: what an execution does by the sentences of `executor/README.md`, simply and slowly, on a clock of
//! its own. It knows nothing of the engine; what they share are the graph and the scripts of [`crate::world`].

mod edges;
mod loops;
mod process;
mod steps;
mod waits;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::ExecutionStatus;
use serde_json::Value;
use uuid::Uuid;

use self::edges::Progress;
pub use self::edges::ports;
use self::loops::{Iteration, Loop};
use self::steps::Flight;
use self::waits::Wait;
use crate::told::{Case, ErrorTold, Life, Signal, StepTold, Told};

/// The bounds that the engine of the tests has too.
pub const NODE_TIMEOUT_MS: u64 = 300_000;
pub const EXECUTION_TIMEOUT_MS: u64 = 3_600_000;
pub const MAX_RECOVERIES: u32 = 3;
/// How much is done in one turn: before the accept is handed to the journal, and before effects begin.
const AHEAD: usize = 64;
/// An execution that has to wait longer leaves memory.
const SHORT_MS: u64 = 1_000;

/// The id of every execution: jitter derives from it.
pub const EXECUTION: Uuid = Uuid::from_u128(0x0191_d7f8_1f00_7000_8000_0000_0000_0001);

/// Two things happen in the same moment: the sentences do not say which is first.
#[derive(Debug, PartialEq)]
pub struct Tie;

/// What becomes of a case if the processes that run it live so long, one after the other, and the last one to the
/// end.
pub fn foretell(case: &Case, lives: &[Life]) -> Result<Told, Tie> {
    Model {
        case,
        now: 0,
        state: State::default(),
        kept: None,
        lives: lives.iter().copied().collect(),
        written: 0,
        writes: Vec::new(),
        counts: BTreeMap::new(),
        calls: Vec::new(),
        coming: case.signals.clone(),
        come: Vec::new(),
        late: Vec::new(),
        crashed: Vec::new(),
        signals: BTreeMap::new(),
        children: BTreeSet::new(),
        has_cancelled_children: false,
        recoveries: 0,
        is_finished: false,
        rests_until: None,
        deadline: 0,
        cancel_is_known: false,
        is_awaited: case.is_awaited,
        at_once: Vec::new(),
    }
    .run()
}

struct Model<'a> {
    case: &'a Case,
    now: u64,
    state: State,
    /// What the journal holds; none if it holds no more than the accept.
    kept: Option<State>,
    /// The rest of the lives, this one first.
    lives: VecDeque<Life>,
    /// Durable writes of this life.
    written: usize,
    writes: Vec<u64>,
    /// The calls by path, in all lives: the world does not forget.
    counts: BTreeMap<String, usize>,
    calls: Vec<(u64, String)>,
    /// Signals that will come, those that have come, the first for each path, and those of them that a process has
    /// found when it took the execution up and not looked at yet.
    coming: Vec<Signal>,
    come: Vec<Signal>,
    late: Vec<Signal>,
    /// What was under way when a process died and must not be called twice.
    crashed: Vec<String>,
    /// What this process knows of them, by path.
    signals: BTreeMap<String, Value>,
    /// The paths of the calls of other workflows that were made.
    children: BTreeSet<String>,
    has_cancelled_children: bool,
    /// How often it was taken up since the last progress.
    recoveries: u32,
    is_finished: bool,
    /// It has left memory until then.
    rests_until: Option<u64>,
    deadline: u64,
    /// It was cancelled while nobody ran it.
    cancel_is_known: bool,
    /// Somebody waits for the answer.
    is_awaited: bool,
    /// What has begun and takes no time.
    at_once: Vec<String>,
}

/// All that a process knows of an execution, by paths; scopes by what the paths in them begin with.
#[derive(Clone, Default)]
struct State {
    progress: BTreeMap<String, Progress>,
    loops: BTreeMap<String, Loop>,
    iterations: BTreeMap<String, Iteration>,
    /// Told to run, in order.
    ready: VecDeque<String>,
    /// Iterations that are over and that their loops do not know of.
    over: VecDeque<String>,
    /// Effects that wait until what is before them is durable.
    effects: Vec<String>,
    /// Of these, those that were under way when a process died: they run whatever has happened around them.
    insisting: BTreeSet<String>,
    /// Attempts under way.
    flights: BTreeMap<String, Flight>,
    waits: BTreeMap<String, Wait>,
    /// What is known to have begun and is not decided.
    called: BTreeMap<String, Called>,
    steps: BTreeMap<String, StepTold>,
    /// Why it ends before all is done.
    broken: Option<(ExecutionStatus, ErrorTold)>,
    result: Option<String>,
    has_answered: bool,
    is_accepted: bool,
    /// An effect or a wait has ended, or something is not to be called twice, and the journal does not know.
    has_news: bool,
    /// The time of the journal's last record, or of the next one.
    recorded_at: u64,
}

#[derive(Clone, Copy, Default)]
struct Called {
    failed: u32,
    /// A crash fails it.
    once: bool,
    /// When another attempt is due.
    due: Option<u64>,
    /// When a wait began.
    began: Option<u64>,
}

impl Called {
    /// How many attempts have begun.
    fn attempts(self, now: u64) -> u32 {
        let waits = self.due.is_some_and(|due| due > now);
        self.failed + u32::from(!waits)
    }
}

/// The key of the node of a path.
fn key(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What the paths of a node's scope begin with: empty at the top.
fn scope(path: &str) -> &str {
    &path[..path.len() - key(path).len()]
}

impl Model<'_> {
    /// Nothing is told to run and undecided.
    fn is_done(&self) -> bool {
        !self.is_busy("")
    }

    /// Something has ended of which the journal must know before anything follows from it.
    fn note_news(&mut self) {
        self.state.has_news = true;
        self.state.recorded_at = self.now;
    }

    fn is_over(&self) -> bool {
        self.state.flights.is_empty() && (self.is_done() || self.state.broken.is_some())
    }

    fn is_idle(&self) -> bool {
        let state = &self.state;
        state.ready.is_empty() && state.over.is_empty() && state.effects.is_empty()
    }

    /// One turn of what takes no time. Tells how much that was.
    fn settle(&mut self) -> usize {
        for count in 0..AHEAD {
            if self.state.broken.is_some() {
                return count;
            }
            if let Some(of) = self.state.over.pop_front() {
                self.close(&of);
                continue;
            }
            let Some(path) = self.state.ready.pop_front() else {
                return count;
            };
            if self.is_stopped(scope(&path)) {
                self.leave_out(&path, 0);
                continue;
            }
            match self.node(&path).kind.as_str() {
                "test.work" => self.state.effects.push(path),
                "test.each" => self.begin_each(&path),
                "test.while" => self.begin_while(&path),
                "test.wait" => self.begin_wait(&path),
                "test.child" => self.begin_child(&path),
                _ => self.run_pure(&path),
            }
        }
        AHEAD
    }

    fn cancel(&mut self) {
        self.break_off(ExecutionStatus::Cancelled, "cancelled", None);
    }

    /// Nothing begins any more, and nothing is waited for but attempts under way; the first reason counts.
    fn break_off(&mut self, status: ExecutionStatus, code: &str, node: Option<&str>) {
        let error = ErrorTold {
            code: code.to_owned(),
            node: node.map(str::to_owned),
        };
        if self.state.broken.is_some() {
            return;
        }
        self.state.broken = Some((status, error));
        for (path, wait) in std::mem::take(&mut self.state.waits) {
            self.give_up(&path, wait);
        }
    }

    /// The time of the execution is up: attempts under way are not awaited.
    fn cut_off(&mut self) {
        self.break_off(ExecutionStatus::TimedOut, "timeout", None);
        for (path, flight) in std::mem::take(&mut self.state.flights) {
            self.leave_out(&path, flight.attempt);
        }
    }

    /// What was to run and did not.
    fn end(&mut self) {
        for (path, progress) in self.state.progress.clone() {
            if progress.is_running && !self.state.steps.contains_key(&path) {
                let called = self.state.called.get(&path);
                let step = StepTold {
                    attempts: called.map_or(0, |called| called.attempts(self.now)),
                    ..StepTold::new(StepState::Cancelled)
                };
                self.state.steps.insert(path, step);
            }
        }
    }

    fn told(mut self) -> Told {
        let (status, error) = match self.state.broken {
            None => (ExecutionStatus::Completed, None),
            Some((status, error)) => (status, Some(error)),
        };
        self.calls.sort();
        Told {
            status,
            error,
            result: self.state.result,
            steps: self.state.steps,
            calls: self.calls,
            has_cancelled_children: self.has_cancelled_children,
            writes: self.writes,
        }
    }
}
