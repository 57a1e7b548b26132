//! Runs a case on the engine: a journal in memory, tokio's paused clock, processes that die.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flowmatic_executor::journal::{ErrorRecord, MemoryJournal, Record, StepRecord, StepState};
use flowmatic_executor::{
    Accept, Catalogue, Checkpoint, Engine, Finish, Journal, Limits, Payload, Plan, Secrets, Start, Ticket,
    Time, Version,
};
use flowmatic_openapi::ExecutionMode;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::simulate::{EXECUTION, EXECUTION_TIMEOUT_MS, MAX_RECOVERIES, NODE_TIMEOUT_MS};
use crate::told::{Case, ErrorTold, Life, StepTold, Told, without_messages};
use crate::world::{Called, Scripted, lock};

/// Longer than anything goes on; by the paused clock it costs nothing.
const FOREVER: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What the engine makes of a case, or what it must never do.
pub fn run(case: &Case, catalogue: &Arc<Catalogue>, lives: &[Life]) -> Result<Told, String> {
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
        drive.run(lives).await
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

impl Drive<'_> {
    async fn run(&self, lives: &[Life]) -> Result<Told, String> {
        let mut recorded = Vec::new();
        for (count, life) in lives.iter().chain([&Life::WHOLE]).enumerate() {
            self.journal.begin(*life);
            let engine = self.engine();
            if count == 0 {
                let _ = engine.start(self.start()).map_err(|error| error.to_string())?;
            } else {
                self.resume(&engine)?;
            }
            let mut deaths = self.journal.state.subscribe();
            let settled = deaths.wait_for(|state| *state != State::Alive);
            let cancel = async {
                if let Some(at) = self.case.cancel_at {
                    sleep_until(self.moment(at)).await;
                    engine.cancel(EXECUTION);
                }
                std::future::pending::<()>().await;
            };
            let state = tokio::select! {
                state = settled => *state.map_err(|error| error.to_string())?,
                () = cancel => State::Alive,
                () = tokio::time::sleep(FOREVER) => return Err("it never ends".to_owned()),
            };
            if state == State::Finished {
                return self.told(&recorded);
            }
            recorded.push((self.host.calls().len(), self.decided()?));
            tokio::time::sleep(Duration::from_millis(self.case.outage)).await;
        }
        Err("it did not end in its last life".to_owned())
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

    fn resume(&self, engine: &Arc<Engine>) -> Result<(), String> {
        let mut recovered = self
            .journal
            .inner
            .claim(EXECUTION)
            .ok_or("it cannot be claimed")?;
        recovered.cancel_requested = self.case.cancel_at.is_some_and(|at| at <= self.host.clock());
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
    fn told(&self, deaths: &[(usize, Vec<String>)]) -> Result<Told, String> {
        let row = self.journal.inner.row(EXECUTION).ok_or("it is not accepted")?;
        let finish = row.finish.ok_or("it is not finished")?;
        let records: Vec<StepRecord> =
            serde_json::from_str(&finish.steps).map_err(|error| error.to_string())?;
        let mut steps = BTreeMap::new();
        for record in records {
            let path = record.node.to_string();
            if steps.insert(path.clone(), step(record)).is_some() {
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
            calls.push((call.at, path(&call)));
        }
        calls.sort();
        Ok(Told {
            status: finish.status,
            error: error.map(|error| ErrorTold {
                code: error.code,
                node: error.node,
            }),
            result: finish.result,
            steps,
            calls,
            writes: lock(&self.journal.writes).clone(),
        })
    }
}

fn payload() -> Payload {
    Payload {
        body: Value::Object(Map::new()),
        engine: Map::new(),
    }
}

fn path(call: &Called) -> String {
    let execution = format!("{EXECUTION}/");
    call.key
        .strip_prefix(&execution)
        .unwrap_or("another execution")
        .to_owned()
}

/// Whatever was recorded when a process died is not called again, and what is called again is sent the same.
fn repeat_as_they_were(calls: &[Called], deaths: &[(usize, Vec<String>)]) -> Result<(), String> {
    for (before, recorded) in deaths {
        for call in &calls[*before..] {
            if recorded.contains(&path(call)) {
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
        finished_at: record
            .finished_at
            .map(|at| u64::try_from(at.timestamp_millis()).expect("after the start")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Alive,
    Dead,
    Finished,
}

/// A journal in memory whose process dies at a write.
struct MortalJournal {
    inner: Arc<MemoryJournal>,
    host: Arc<Scripted>,
    /// This life, and the durable writes of it.
    life: Mutex<(Life, usize)>,
    state: watch::Sender<State>,
    /// When each durable write was made.
    writes: Mutex<Vec<u64>>,
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

    fn write(&self, is_last: bool, write: impl FnOnce(&MemoryJournal) -> Ticket) -> Ticket {
        let mut life = lock(&self.life);
        let (Life { writes, hears }, written) = &mut *life;
        if *written == *writes {
            self.state.send_replace(State::Dead);
            return never();
        }
        *written += 1;
        lock(&self.writes).push(self.host.clock());
        let ticket = write(&self.inner);
        if is_last {
            self.state.send_replace(State::Finished);
        }
        if written == writes && !*hears {
            if !is_last {
                self.state.send_replace(State::Dead);
            }
            return never();
        }
        ticket
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
        self.write(finish.is_some(), |inner| inner.accept(accept, finish))
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> Ticket {
        self.write(false, |inner| inner.checkpoint(checkpoint))
    }

    fn finish(&self, finish: Finish) -> Ticket {
        self.write(true, |inner| inner.finish(finish))
    }
}
