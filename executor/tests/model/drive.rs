//! Runs a case on the engine: a journal in memory, tokio's paused clock, processes that die.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowmatic_executor::journal::{ErrorRecord, MemoryJournal, Record, StepRecord, StepState};
use flowmatic_executor::run::prefix;
use flowmatic_executor::{
    Accept, Catalogue, Checkpoint, Engine, Finish, Journal, Limits, Park, Payload, Plan, Secrets, Signal,
    Start, Ticket, Time, Version,
};
use flowmatic_openapi::ExecutionMode;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::simulate::{EXECUTION, EXECUTION_TIMEOUT_MS, MAX_RECOVERIES, NODE_TIMEOUT_MS};
use crate::told::{self, Case, ErrorTold, Life, StepTold, Told, Write, without_messages};
use crate::world::{Called, Scripted, lock, path};

/// Longer than anything goes on; by the paused clock it costs nothing.
const FOREVER: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What an execution left behind.
pub struct Ran {
    pub told: Told,
    records: Vec<StepRecord>,
}

/// What the engine makes of a case, or what it must never do.
pub fn run(case: &Case, catalogue: &Arc<Catalogue>, lives: &[Life]) -> Result<Ran, String> {
    go(case, catalogue, lives, None)
}

/// Goes on from where an execution did not succeed: what is shared stays as it was, and is not called again.
pub fn retry(case: &Case, catalogue: &Arc<Catalogue>, first: Ran) -> Result<Told, String> {
    let case = Case {
        cancel_at: None,
        is_awaited: false,
        ..case.clone()
    };
    let shared = prefix(first.records, Time::UNIX_EPOCH, Time::UNIX_EPOCH);
    let ran = go(&case, catalogue, &[], Some(shared.clone()))?;
    if ran
        .told
        .error
        .as_ref()
        .is_some_and(|error| error.code == "journal")
    {
        return Err(format!("it cannot be taken up: {shared:?}"));
    }
    for shared in shared.steps {
        let path = shared.node.to_string();
        let again = ran.told.steps.get(&path);
        if again != Some(&step(shared)) {
            return Err(format!("the step `{path}` was shared, and became {again:?}"));
        }
    }
    Ok(ran.told)
}

fn go(
    case: &Case,
    catalogue: &Arc<Catalogue>,
    lives: &[Life],
    shared: Option<Record>,
) -> Result<Ran, String> {
    let plan = Plan::compile(&case.graph, catalogue)
        .map_err(|problems| format!("not a valid graph: {problems:?}"))?;
    let version = Arc::new(Version {
        workspace_id: 1,
        workflow_id: Uuid::nil(),
        number: 1,
        plan: Arc::new(plan),
        secrets: Arc::new(Secrets::default()),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let host = Scripted::new();
        let drive = Drive {
            case,
            version,
            catalogue: catalogue.clone(),
            journal: Arc::new(MortalJournal::new(host.clone())),
            host,
            start: Instant::now(),
        };
        drive.run(lives, shared).await
    })
}

struct Drive<'a> {
    case: &'a Case,
    version: Arc<Version>,
    catalogue: Arc<Catalogue>,
    host: Arc<Scripted>,
    journal: Arc<MortalJournal>,
    start: Instant,
}

/// Who runs the execution.
enum Runs {
    Engine,
    /// Nobody, until then.
    Nobody {
        until: Option<u64>,
    },
}

impl Drive<'_> {
    async fn run(&self, lives: &[Life], shared: Option<Record>) -> Result<Ran, String> {
        let mut lives = lives.iter().copied().chain(std::iter::repeat(Life::WHOLE));
        let mut next_engine = || {
            self.journal.begin(lives.next().unwrap_or(Life::WHOLE));
            self.engine()
        };
        let mut engine = next_engine();
        let mut awaited = None;
        let mut coming = self.case.signals.clone();
        let mut is_cancelled = false;
        let mut deaths = Vec::new();
        let mut runs = match shared {
            None => {
                let started = engine.start(self.start()).map_err(|error| error.to_string())?;
                awaited = self.case.is_awaited.then_some(started.outcome);
                Runs::Engine
            }
            Some(shared) => {
                self.accept_with(&shared).await?;
                deaths.push((0, self.decided()?));
                Runs::Nobody { until: Some(0) }
            }
        };
        loop {
            coming.extend(self.host.coming());
            coming.sort_by_key(|signal| std::cmp::Reverse((signal.at, signal.path.clone())));
            let until = match runs {
                Runs::Engine => None,
                Runs::Nobody { until } => until,
            };
            let cancel_at = self.case.cancel_at.filter(|_| !is_cancelled);
            let next = coming.last().map(|signal| signal.at);
            let next = next.into_iter().chain(cancel_at).chain(until).min();
            let next = next.map_or(self.start + FOREVER, |at| self.moment(at));
            let mut states = self.journal.state.subscribe();
            tokio::select! {
                biased;
                state = states.wait_for(|state| *state != State::Alive) => {
                    let state = *state.map_err(|error| error.to_string())?;
                    if state == State::Finished {
                        return self.told(&deaths);
                    }
                    self.journal.state.send_replace(State::Alive);
                    let row = self.journal.inner.row(EXECUTION).ok_or("it is not accepted")?;
                    let rests_until = row.parked.map(|until| until.map(milliseconds));
                    if state == State::Dead {
                        deaths.push((self.host.calls().len(), self.decided()?));
                        drop(awaited.take());
                        engine = next_engine();
                    } else {
                        while engine.runs(EXECUTION) {
                            tokio::task::yield_now().await;
                        }
                    }
                    let outage = Some(self.host.clock() + self.case.outage);
                    runs = Runs::Nobody { until: rests_until.unwrap_or(outage) };
                }
                () = self.host.called_child() => {}
                () = sleep_until(next) => {
                    let now = self.host.clock();
                    if next >= self.start + FOREVER {
                        return Err("it never ends".to_owned());
                    }
                    if cancel_at.is_some_and(|at| at <= now) {
                        is_cancelled = true;
                        engine.cancel(EXECUTION);
                    }
                    while let Some(signal) = coming.pop_if(|signal| signal.at <= now) {
                        self.signal(&engine, signal);
                    }
                    let row = self.journal.inner.row(EXECUTION).ok_or("it is not accepted")?;
                    let is_due = match (&runs, row.parked) {
                        (Runs::Engine, _) => false,
                        (Runs::Nobody { .. }, Some(until)) => {
                            is_cancelled || until.is_some_and(|until| milliseconds(until) <= now)
                        }
                        (Runs::Nobody { until }, None) => until.is_some_and(|until| until <= now),
                    };
                    if is_due {
                        self.resume(&engine, is_cancelled)?;
                        runs = Runs::Engine;
                    }
                }
            }
        }
    }

    /// A signal comes: it is durable first.
    fn signal(&self, engine: &Engine, signal: told::Signal) {
        let signal = Signal {
            path: signal.path,
            payload: signal.payload,
        };
        if self.journal.inner.signal(EXECUTION, signal.clone()) {
            engine.signal(EXECUTION, signal);
        }
    }

    fn moment(&self, milliseconds: u64) -> Instant {
        self.start + Duration::from_millis(milliseconds)
    }

    fn engine(&self) -> Arc<Engine> {
        let limits = Limits {
            node_timeout: Duration::from_millis(NODE_TIMEOUT_MS),
            execution_timeout: Duration::from_millis(EXECUTION_TIMEOUT_MS),
            max_recoveries: i32::try_from(MAX_RECOVERIES).expect("a few"),
            ..Limits::default()
        };
        Engine::new(
            self.catalogue.clone(),
            self.host.clone(),
            self.journal.clone(),
            limits,
        )
    }

    fn start(&self) -> Start {
        Start {
            id: EXECUTION,
            version: self.version.clone(),
            trigger: 0,
            mode: ExecutionMode::Manual,
            payload: payload(),
            body: "{}".to_owned(),
            meta: "{}".to_owned(),
            retry_of: None,
            accepted_at: Time::UNIX_EPOCH,
        }
    }

    /// An execution that begins with what another one had decided. Nobody runs it yet.
    async fn accept_with(&self, shared: &Record) -> Result<(), String> {
        let accept = Accept {
            id: EXECUTION,
            workspace_id: 1,
            workflow_id: Uuid::nil(),
            version: 1,
            mode: ExecutionMode::Manual,
            trigger: "t".to_owned(),
            payload: "{}".to_owned(),
            meta: "{}".to_owned(),
            retry_of: None,
            held: true,
            accepted_at: Time::UNIX_EPOCH,
        };
        let checkpoint = Checkpoint {
            id: EXECUTION,
            epoch: 0,
            sequence: 1,
            record: serde_json::to_string(shared).map_err(|error| error.to_string())?,
        };
        let accepted = self.journal.inner.accept(accept, None).await;
        accepted.map_err(|error| error.to_string())?;
        let written = self.journal.inner.checkpoint(checkpoint).await;
        written.map_err(|error| error.to_string())
    }

    fn resume(&self, engine: &Arc<Engine>, is_cancelled: bool) -> Result<(), String> {
        let mut recovered = self
            .journal
            .inner
            .claim(EXECUTION)
            .ok_or("it cannot be claimed")?;
        recovered.cancel_requested = is_cancelled;
        let place = engine.reserve(EXECUTION).ok_or("it is in memory")?;
        engine.resume(place, recovered, self.version.clone(), payload());
        Ok(())
    }

    /// The nodes that the journal has as decided.
    fn decided(&self) -> Result<Vec<String>, String> {
        let row = self.journal.inner.row(EXECUTION).ok_or("it is not accepted")?;
        let mut decided = Vec::new();
        for record in &row.checkpoints {
            let record: Record = serde_json::from_str(record).map_err(|error| error.to_string())?;
            decided.extend(record.steps.into_iter().map(|step| step.node.to_string()));
        }
        Ok(decided)
    }

    /// What can be read when it is over. `deaths` are the calls by then, and what was recorded of them.
    fn told(&self, deaths: &[(usize, Vec<String>)]) -> Result<Ran, String> {
        let row = self.journal.inner.row(EXECUTION).ok_or("it is not accepted")?;
        let finish = row.finish.ok_or("it is not finished")?;
        let records: Vec<StepRecord> =
            serde_json::from_str(&finish.steps).map_err(|error| error.to_string())?;
        let mut steps = BTreeMap::new();
        for record in &records {
            let path = record.node.to_string();
            if steps.insert(path.clone(), step(record.clone())).is_some() {
                return Err(format!("the step `{path}` is recorded twice: {}", finish.steps));
            }
        }
        let error: Option<ErrorRecord> = match &finish.error {
            Some(error) => Some(serde_json::from_str(error).map_err(|error| error.to_string())?),
            None => None,
        };
        let mut calls: Vec<(u64, String)> = Vec::new();
        let all = self.host.calls();
        repeat_as_they_were(&all, deaths)?;
        for call in all {
            calls.push((call.at, path(&call.key)));
        }
        calls.sort();
        let told = Told {
            status: finish.status,
            error: error.map(|error| ErrorTold {
                code: error.code,
                node: error.node,
            }),
            result: finish.result,
            steps,
            calls,
            has_cancelled_children: self.host.has_cancelled_children.load(Ordering::Relaxed),
            writes: lock(&self.journal.writes).clone(),
        };
        Ok(Ran { told, records })
    }
}

fn payload() -> Payload {
    Payload {
        body: Value::Object(Map::new()),
        engine: Map::new(),
    }
}

/// Milliseconds from the start.
fn milliseconds(at: Time) -> u64 {
    u64::try_from(at.timestamp_millis()).expect("after the start")
}

/// Whatever was recorded when a process died is not called again, and what is called again is sent the same.
fn repeat_as_they_were(calls: &[Called], deaths: &[(usize, Vec<String>)]) -> Result<(), String> {
    for (before, recorded) in deaths {
        for call in &calls[*before..] {
            if recorded.contains(&path(&call.key)) {
                return Err(format!("{call:?} was recorded before the process died"));
            }
        }
    }
    let mut sent: BTreeMap<&str, &Called> = BTreeMap::new();
    for call in calls {
        let first = sent.entry(&call.key).or_insert(call);
        if first.sent != call.sent {
            return Err(format!("{call:?} repeats {first:?} with other bytes"));
        }
    }
    Ok(())
}

fn step(record: StepRecord) -> StepTold {
    StepTold {
        status: record.status,
        attempts: record.attempts,
        ports: record.ports,
        output: without_messages(record.output),
        error: record.error.map(|error| error.code),
        reason: record.reason.filter(|_| record.status == StepState::Skipped),
        answered: record.answered,
        finished_at: record.finished_at.map(milliseconds),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Alive,
    Dead,
    /// It has left memory.
    Resting,
    Finished,
}

/// A journal in memory whose process dies at a write.
struct MortalJournal {
    inner: Arc<MemoryJournal>,
    host: Arc<Scripted>,
    /// This life, and the durable writes of it.
    life: Mutex<(Life, usize)>,
    state: watch::Sender<State>,
    /// What was durable, and when.
    writes: Mutex<Vec<(Write, u64)>>,
}

impl MortalJournal {
    fn new(host: Arc<Scripted>) -> Self {
        Self {
            inner: MemoryJournal::new(),
            host,
            life: Mutex::new((Life::WHOLE, 0)),
            state: watch::Sender::new(State::Alive),
            writes: Mutex::default(),
        }
    }

    fn begin(&self, life: Life) {
        *lock(&self.life) = (life, 0);
        self.state.send_replace(State::Alive);
    }

    fn write(&self, what: Write, write: impl FnOnce(&MemoryJournal) -> Ticket) -> Ticket {
        let mut life = lock(&self.life);
        let (Life { writes, hears }, written) = &mut *life;
        if *written == *writes {
            self.state.send_replace(State::Dead);
            return never();
        }
        *written += 1;
        lock(&self.writes).push((what, self.host.clock()));
        let ticket = write(&self.inner);
        let dies = written == writes && !*hears;
        self.state.send_replace(match what {
            Write::Finish => State::Finished,
            _ if dies => State::Dead,
            Write::Park => State::Resting,
            Write::Accept | Write::Checkpoint => State::Alive,
        });
        if dies { never() } else { ticket }
    }
}

/// Nobody learns what became of the write of a process that died.
fn never() -> Ticket {
    let (sender, ticket) = Ticket::new();
    std::mem::forget(sender);
    ticket
}

impl Journal for MortalJournal {
    fn accept(&self, accept: Accept, finish: Option<Finish>) -> Ticket {
        let what = match finish {
            Some(_) => Write::Finish,
            None => Write::Accept,
        };
        self.write(what, |inner| inner.accept(accept, finish))
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> Ticket {
        self.write(Write::Checkpoint, |inner| inner.checkpoint(checkpoint))
    }

    fn park(&self, park: Park) -> Ticket {
        self.write(Write::Park, |inner| inner.park(park))
    }

    fn finish(&self, finish: Finish) -> Ticket {
        self.write(Write::Finish, |inner| inner.finish(finish))
    }
}
