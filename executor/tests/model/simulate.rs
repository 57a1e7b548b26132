//! The model: what an execution does by the sentences of `executor/README.md`, simply and slowly, on a clock of
//! its own. It knows nothing of the engine; what they share are the graph and the scripts of [`crate::world`].

mod edges;
mod loops;
mod nodes;
mod process;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::{ExecutionStatus, Node};
use uuid::Uuid;

use self::edges::Edges;
pub use self::edges::ports;
use self::loops::{Iteration, Loop};
use crate::told::{Case, ErrorTold, Life, Signal, StepTold, Told, Write};
use crate::world::{Done, Failure};

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
        life: Life::WHOLE,
        writes: Vec::new(),
        counts: BTreeMap::new(),
        calls: Vec::new(),
        signals: case.signals.clone(),
        known: BTreeSet::new(),
        children: BTreeMap::new(),
        has_cancelled_children: false,
        crashed: Vec::new(),
        at_once: Vec::new(),
        recoveries: 0,
        deadline: 0,
        is_accepted: false,
        is_awaited: case.is_awaited,
        cancel_is_known: false,
    }
    .run()
}

struct Model<'a> {
    case: &'a Case,
    now: u64,
    state: State,
    /// What the journal holds; none if it holds no more than the accept.
    kept: Option<State>,
    /// The lives of the processes to come, and what is left of this one's.
    lives: VecDeque<Life>,
    life: Life,
    writes: Vec<(Write, u64)>,
    /// What the world has seen, in all lives: how often each path was called, and when.
    counts: BTreeMap<String, usize>,
    calls: Vec<(u64, String)>,
    /// What comes from outside, and the paths of what has come and this process knows of.
    signals: Vec<Signal>,
    known: BTreeSet<String>,
    /// When the executions end that were called and are waited for, by the path of the call.
    children: BTreeMap<String, u64>,
    has_cancelled_children: bool,
    /// What was under way when a process died, and must not be called twice.
    crashed: Vec<String>,
    /// What has begun and takes no time.
    at_once: Vec<String>,
    /// How often it was taken up since the last progress.
    recoveries: u32,
    deadline: u64,
    is_accepted: bool,
    /// Somebody waits for the answer.
    is_awaited: bool,
    /// It was cancelled while nobody ran it.
    cancel_is_known: bool,
}

/// All that a process knows of an execution, by paths.
#[derive(Clone, Default)]
struct State {
    edges: BTreeMap<String, Edges>,
    /// What was told to run and is not decided.
    doing: BTreeMap<String, Doing>,
    /// Of these, in order: what is to begin; and effects that wait until what is before them is durable.
    ready: VecDeque<String>,
    effects: Vec<String>,
    iterations: BTreeMap<String, Iteration>,
    /// Iterations that are over and that their loops do not know of.
    over: VecDeque<String>,
    steps: BTreeMap<String, StepTold>,
    /// Why it ends before all is done.
    broken: Option<(ExecutionStatus, ErrorTold)>,
    result: Option<String>,
    has_answered: bool,
    /// An effect or a wait has ended, or something is not to be called twice, and the journal does not know.
    has_news: bool,
    /// The time of the journal's last record, or of the next one.
    recorded_at: u64,
    /// It has left memory until then.
    rests_until: Option<u64>,
    is_finished: bool,
}

#[derive(Clone)]
enum Doing {
    /// It has not begun.
    Queued,
    /// It is to go on: an effect that was under way when a process died, or that is noted as under way.
    Again {
        failed: u32,
        due: u64,
    },
    /// An attempt is under way.
    Attempt {
        attempt: u32,
        ends_at: u64,
        result: Result<Done, Failure>,
    },
    /// Another attempt is waited for. How the one before failed, if this process saw it.
    Backoff {
        attempt: u32,
        until: u64,
        failure: Option<Failure>,
    },
    Wait {
        until: u64,
        for_signal: bool,
    },
    /// The end of a called execution is waited for, until then in memory.
    Child {
        soon: u64,
    },
    Loop(Loop),
}

impl Doing {
    /// When it goes on by itself.
    fn until(&self) -> Option<u64> {
        match self {
            Self::Backoff { until, .. } | Self::Wait { until, .. } => Some(*until),
            Self::Loop(one) => one.until,
            _ => None,
        }
    }

    /// How many attempts have begun.
    fn attempts(&self, now: u64) -> u32 {
        match self {
            Self::Queued => 0,
            Self::Again { failed, due } => failed + u32::from(*due <= now),
            Self::Attempt { attempt, .. } => *attempt,
            Self::Backoff { attempt, .. } => attempt - 1,
            Self::Wait { .. } | Self::Child { .. } | Self::Loop(_) => 1,
        }
    }
}

/// The key of the node of a path.
fn key(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The top, which is empty, or the iteration that a path is in, such as `each[3]/`.
fn scope(path: &str) -> &str {
    &path[..path.len() - key(path).len()]
}

impl Model<'_> {
    fn node(&self, path: &str) -> &Node {
        let mut nodes = self.case.graph.nodes.iter();
        let node = nodes.find(|node| node.key == key(path));
        node.unwrap_or_else(|| panic!("no node {path}"))
    }

    /// Whether something of a scope was told to run and is not decided.
    fn is_busy(&self, of: &str) -> bool {
        self.state.doing.keys().any(|path| scope(path) == of)
    }

    fn is_in_flight(&self) -> bool {
        let mut doing = self.state.doing.values();
        doing.any(|doing| matches!(doing, Doing::Attempt { .. }))
    }

    fn is_over(&self) -> bool {
        !self.is_in_flight() && (self.state.broken.is_some() || !self.is_busy(""))
    }

    fn is_idle(&self) -> bool {
        let State {
            ready, over, effects, ..
        } = &self.state;
        ready.is_empty() && over.is_empty() && effects.is_empty()
    }

    /// Something has ended of which the journal must know before anything follows from it.
    fn note_news(&mut self) {
        self.state.has_news = true;
        self.state.recorded_at = self.now;
    }

    /// One turn of what takes no time.
    fn settle(&mut self) {
        for _ in 0..AHEAD {
            if self.state.broken.is_some() {
                return;
            }
            if let Some(of) = self.state.over.pop_front() {
                self.close(&of);
            } else if let Some(path) = self.state.ready.pop_front() {
                self.begin_node(&path);
            } else {
                return;
            }
        }
    }

    fn begin_node(&mut self, path: &str) {
        if self.is_stopped(scope(path)) {
            return self.leave_out(path);
        }
        match self.node(path).kind.as_str() {
            "test.work" | "test.child" => self.state.effects.push(path.to_owned()),
            "test.each" | "test.while" => self.begin_loop(path),
            "test.wait" => self.begin_wait(path),
            _ => self.run_pure(path),
        }
    }

    /// Nothing begins any more, and nothing is waited for but attempts under way; the first reason counts.
    fn break_off(&mut self, status: ExecutionStatus, code: &str, node: Option<&str>) {
        if self.state.broken.is_none() {
            let (code, node) = (code.to_owned(), node.map(str::to_owned));
            self.state.broken = Some((status, ErrorTold { code, node }));
            self.give_up(|_, _| true);
        }
    }

    /// The waits of some scopes end: an attempt that was to be made again was the last.
    fn give_up(&mut self, is_given_up: impl Fn(&Self, &str) -> bool) {
        for (path, doing) in self.state.doing.clone() {
            if !self.state.doing.contains_key(&path) || !is_given_up(self, scope(&path)) {
                continue;
            }
            match doing {
                Doing::Backoff {
                    attempt,
                    failure: Some(failure),
                    ..
                } => self.fail(&path, attempt - 1, failure),
                Doing::Backoff { .. } | Doing::Wait { .. } | Doing::Child { .. } => self.leave_out(&path),
                Doing::Loop(_) => self.looped(&path, |one| one.until = None),
                _ => {}
            }
        }
    }

    /// A node that was told to run is not to run any more.
    fn leave_out(&mut self, path: &str) {
        if let Some(doing) = self.state.doing.remove(path) {
            let attempts = doing.attempts(self.now);
            let step = StepTold::new(StepState::Cancelled);
            self.state
                .steps
                .insert(path.to_owned(), StepTold { attempts, ..step });
            self.note_end(scope(path));
        }
    }

    /// The time of the execution is up: attempts under way are not awaited.
    fn cut_off(&mut self) {
        self.break_off(ExecutionStatus::TimedOut, "timeout", None);
        self.leave_all_out();
    }

    fn leave_all_out(&mut self) {
        for path in self.state.doing.clone().into_keys() {
            self.leave_out(&path);
        }
    }

    fn told(self) -> Told {
        let (status, error) = match self.state.broken {
            None => (ExecutionStatus::Completed, None),
            Some((status, error)) => (status, Some(error)),
        };
        let mut calls = self.calls;
        calls.sort();
        Told {
            status,
            error,
            result: self.state.result,
            steps: self.state.steps,
            calls,
            has_cancelled_children: self.has_cancelled_children,
            writes: self.writes,
        }
    }
}
