//! The model: what an execution does by the sentences of `executor/README.md`, simply and slowly, on a clock of
//! its own. It knows nothing of the engine; what they share are the graph and the scripts of [`crate::world`].

mod edges;
mod steps;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::ExecutionStatus;
use uuid::Uuid;

use self::edges::Progress;
pub use self::edges::ports;
use self::steps::{Failure, Flight};
use crate::told::{Case, ErrorTold, Life, StepTold, Told};

/// The bounds that the engine of the tests has too.
pub const NODE_TIMEOUT_MS: u64 = 300_000;
pub const EXECUTION_TIMEOUT_MS: u64 = 3_600_000;
pub const MAX_RECOVERIES: u32 = 3;
/// How many pure nodes run before the accept is handed to the journal.
const AHEAD: usize = 64;

/// The id of every execution: jitter derives from it.
pub const EXECUTION: Uuid = Uuid::from_u128(0x0191_d7f8_1f00_7000_8000_0000_0000_0001);

/// Two things happen in the same moment: the sentences do not say which is first.
#[derive(Debug, PartialEq)]
pub struct Tie;

enum Stop {
    Tie,
    /// The process is dead.
    Death,
}

/// What becomes of a case if the processes that run it live so long, one after the other, and the last one to the
/// end.
pub fn foretell(case: &Case, lives: &[Life]) -> Result<Told, Tie> {
    let mut model = Model {
        case,
        now: 0,
        state: State::default(),
        kept: None,
        lives: lives.iter().copied().collect(),
        written: 0,
        writes: Vec::new(),
        counts: BTreeMap::new(),
        calls: Vec::new(),
        recoveries: 0,
        is_finished: false,
        deadline: 0,
        cancel_is_known: false,
    };
    model.begin();
    loop {
        match model.live() {
            Err(Stop::Tie) => return Err(Tie),
            Err(Stop::Death) if !model.is_finished => model.revive(),
            Ok(()) | Err(Stop::Death) => return Ok(model.told()),
        }
    }
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
    recoveries: u32,
    is_finished: bool,
    deadline: u64,
    /// It was cancelled while nobody ran it.
    cancel_is_known: bool,
}

/// All that a process knows of an execution, by paths.
#[derive(Clone, Default)]
struct State {
    progress: BTreeMap<String, Progress>,
    /// Told to run, in order.
    ready: VecDeque<String>,
    /// Effects that wait until what is before them is durable.
    effects: Vec<String>,
    /// Attempts under way, and waits before another one.
    flights: BTreeMap<String, Flight>,
    /// Effects that are known to have been called and are not decided.
    called: BTreeMap<String, Called>,
    steps: BTreeMap<String, StepTold>,
    /// Why it ends before all is done.
    broken: Option<(ExecutionStatus, ErrorTold)>,
    result: Option<String>,
    has_answered: bool,
    is_accepted: bool,
    /// An effect has come back, or is not to be called twice, and the journal does not know.
    has_news: bool,
}

#[derive(Clone, Default)]
struct Called {
    failed: u32,
    /// A crash fails it.
    once: bool,
}

enum Event {
    Lands(String),
    /// A wait is over: another attempt begins.
    Again(String),
    Cancel,
    Deadline,
}

impl Model<'_> {
    fn begin(&mut self) {
        self.deadline = self.now + self.timeout();
        self.begin_scope();
    }

    fn timeout(&self) -> u64 {
        let timeout = self.case.graph.settings.timeout;
        timeout.map_or(EXECUTION_TIMEOUT_MS, |timeout| timeout.as_millis())
    }

    /// One process: to the end, or to its death.
    fn live(&mut self) -> Result<(), Stop> {
        let ahead = self.settle();
        if self.is_over() && !self.state.is_accepted && ahead <= AHEAD {
            // Accepted and finished in one write.
            return self.finish();
        }
        loop {
            self.settle();
            if self.is_over() {
                break;
            }
            if std::mem::take(&mut self.cancel_is_known) {
                self.cancel();
            } else {
                if self.state.broken.is_none() {
                    self.make_durable()?;
                    self.launch();
                }
                self.next_event()?;
            }
        }
        if !self.state.is_accepted {
            self.make_durable()?;
        }
        self.finish()
    }

    fn is_over(&self) -> bool {
        let nothing_runs = self.state.ready.is_empty() && self.state.effects.is_empty();
        self.state.flights.is_empty() && (nothing_runs || self.state.broken.is_some())
    }

    fn make_durable(&mut self) -> Result<(), Stop> {
        if !self.state.is_accepted {
            self.state.is_accepted = true;
            self.write(None)?;
        }
        for path in self.state.effects.clone() {
            if self.crash_fails(&path) && !self.state.called.contains_key(&path) {
                let once = Called {
                    failed: 0,
                    once: true,
                };
                self.state.called.insert(path, once);
                self.state.has_news = true;
            }
        }
        if std::mem::take(&mut self.state.has_news) {
            self.write(Some(self.state.clone()))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stop> {
        self.end();
        let life = self.lives.front().copied().unwrap_or(Life::WHOLE);
        self.is_finished = self.written < life.writes;
        self.write(None)
    }

    /// One write, which leaves this in the journal.
    fn write(&mut self, kept: Option<State>) -> Result<(), Stop> {
        let life = self.lives.front().copied().unwrap_or(Life::WHOLE);
        if self.written == life.writes {
            return Err(Stop::Death);
        }
        self.written += 1;
        self.writes.push(self.now);
        if kept.is_some() {
            self.kept = kept;
            self.recoveries = 0;
        }
        if self.written == life.writes && !life.hears {
            return Err(Stop::Death);
        }
        Ok(())
    }

    /// Another process takes it up where the journal ends.
    fn revive(&mut self) {
        self.lives.pop_front();
        self.written = 0;
        self.now += self.case.outage;
        self.recoveries += 1;
        match self.kept.clone() {
            None => {
                self.state = State::default();
                self.begin();
            }
            Some(kept) => {
                self.state = kept;
                self.deadline = self.now + self.timeout();
                let interrupted = std::mem::take(&mut self.state.flights).into_keys();
                self.state.effects.extend(interrupted);
                self.fail_what_must_not_repeat();
            }
        }
        self.state.is_accepted = true;
        if self.recoveries >= MAX_RECOVERIES {
            self.break_off(ExecutionStatus::Failed, "crash_loop", None);
        } else {
            self.cancel_is_known = self.case.cancel_at.is_some_and(|at| at <= self.now);
        }
    }

    fn fail_what_must_not_repeat(&mut self) {
        let called = self.state.called.clone().into_iter();
        for (path, call) in called.filter(|(_, call)| call.once) {
            self.state.called.remove(&path);
            self.state.effects.retain(|effect| *effect != path);
            self.state.has_news = true;
            self.fail(&path, call.failed + 1, Failure::for_good("crashed"));
        }
    }

    fn next_event(&mut self) -> Result<(), Stop> {
        let mut events = vec![(self.deadline, Event::Deadline)];
        for (path, flight) in &self.state.flights {
            events.push(match flight {
                Flight::Call { ends_at, .. } => (*ends_at, Event::Lands(path.clone())),
                Flight::Wait { until, .. } => (*until, Event::Again(path.clone())),
            });
        }
        let cancel_at = self.case.cancel_at.filter(|at| *at > self.now);
        if let Some(at) = cancel_at.filter(|_| self.state.broken.is_none()) {
            events.push((at, Event::Cancel));
        }
        events.sort_by_key(|(at, _)| *at);
        if events.get(1).is_some_and(|(at, _)| *at == events[0].0) {
            return Err(Stop::Tie);
        }
        let (at, event) = events.swap_remove(0);
        self.now = at;
        match event {
            Event::Lands(path) => self.land(&path)?,
            Event::Again(path) => self.try_again(&path),
            Event::Cancel => self.cancel(),
            Event::Deadline => {
                self.break_off(ExecutionStatus::TimedOut, "timeout", None);
                for (path, flight) in std::mem::take(&mut self.state.flights) {
                    let step = StepTold {
                        attempts: flight.attempt(),
                        ..StepTold::new(StepState::Cancelled)
                    };
                    self.state.steps.insert(path, step);
                }
            }
        }
        Ok(())
    }

    fn cancel(&mut self) {
        self.break_off(ExecutionStatus::Cancelled, "cancelled", None);
    }

    /// Nothing begins any more; the first reason counts. What waits for another attempt has failed.
    fn break_off(&mut self, status: ExecutionStatus, code: &str, node: Option<&str>) {
        let error = ErrorTold {
            code: code.to_owned(),
            node: node.map(str::to_owned),
        };
        if self.state.broken.is_some() {
            return;
        }
        self.state.broken = Some((status, error));
        for (path, flight) in self.state.flights.clone() {
            if let Flight::Wait { attempt, failure, .. } = flight {
                self.state.flights.remove(&path);
                self.state.called.remove(&path);
                self.fail(&path, attempt - 1, failure);
            }
        }
    }

    /// What was to run and did not.
    fn end(&mut self) {
        let state = &mut self.state;
        let left: BTreeSet<String> = state.ready.drain(..).chain(state.effects.drain(..)).collect();
        for path in left {
            let step = StepTold {
                attempts: self.state.called.get(&path).map_or(0, |call| call.failed + 1),
                ..StepTold::new(StepState::Cancelled)
            };
            self.state.steps.insert(path, step);
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
            writes: self.writes,
        }
    }
}
