//! The order of the runs: the floor and Flowmatic in turn, each on a fresh copy of the same data.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flowmatic_tests::Database;

use crate::database::{self, Place};
use crate::floor::{Settings, Way};
use crate::generator::{self, Outcome};
use crate::measure::{Memory, Server, Spent, Usage, Watched};
use crate::workload::{Call, Seed};

/// What was seen on one database.
pub struct Report {
    pub database: Database,
    /// The ways the floor may write, with what each gave; the first is the faster, which is taken.
    pub ways: Vec<(Way, f64)>,
    pub runs: Vec<Run>,
    pub rest: Rest,
}

/// One load on one server.
pub struct Run {
    pub side: Side,
    pub call: Call,
    pub connections: usize,
    pub outcome: Outcome,
    /// Executions that had ended when the last answer was there.
    pub finished: u64,
    /// Executions that were accepted by then and had not ended.
    pub backlog: u64,
    /// How long those took to end.
    pub drain: Duration,
    pub spent: Spent,
    pub memory: Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Floor(Way),
    Flowmatic,
}

/// What Flowmatic uses and takes beside the load.
pub struct Rest {
    /// Executions in the database at the starts.
    pub executions: u64,
    /// From a start to its readiness, the shortest first.
    pub starts: Vec<Duration>,
    /// A while after the last of these starts.
    pub idle: Memory,
    /// A while after the last load.
    pub after_load: Memory,
}

/// Callers at a time.
pub const MANY: usize = 64;
const WARM_UP: Duration = Duration::from_secs(2);
const DRAIN: Duration = Duration::from_secs(60);
const DRAIN_POLL: Duration = Duration::from_millis(20);
const STARTS: usize = 5;
const REST: Duration = Duration::from_secs(5);
/// One run of so many is for the choice of the way, or for one caller at a time.
const SHORT: u32 = 6;

impl Run {
    pub fn finished_per_second(&self) -> f64 {
        self.finished as f64 / self.outcome.elapsed.as_secs_f64()
    }
}

pub async fn run(database: Database, length: Duration, rounds: usize) -> anyhow::Result<Report> {
    say(&format!(
        "{database:?}: making the data that every run starts from"
    ));
    let seed = Seed::make(database).await?;
    let short = (length / SHORT).max(Duration::from_secs(1));
    let ways = ways(&seed, short).await?;
    let floor = Side::Floor(ways.first().context("there are ways to write")?.0);
    let mut runs = Vec::new();
    let mut last = None;
    for round in 1..=rounds {
        for (call, connections, length) in [
            (Call::Synchronous, 1, short),
            (Call::Synchronous, MANY, length),
            (Call::Asynchronous, MANY, length),
        ] {
            for side in [floor, Side::Flowmatic] {
                let loaded = load(&seed, side, call, connections, length).await?;
                let Loaded { run, place, server } = loaded;
                say(&format!(
                    "{database:?}, round {round}: {side:?}, {call:?}, concurrency {connections}: {:.0}/s",
                    run.finished_per_second()
                ));
                runs.push(run);
                if side == Side::Flowmatic && call == Call::Asynchronous && round == rounds {
                    last = Some((server, place));
                } else {
                    drop(server);
                    place.remove().await?;
                }
            }
        }
    }
    let (server, place) = last.context("there was a run")?;
    let rest = rest(server, place).await?;
    seed.place.remove().await?;
    Ok(Report {
        database,
        ways,
        runs,
        rest,
    })
}

async fn ways(seed: &Seed, length: Duration) -> anyhow::Result<Vec<(Way, f64)>> {
    let ways = match seed.place.kind() {
        Database::Sqlite => [Way::RowByRow, Way::MultiRow],
        Database::Postgres => [Way::MultiRow, Way::Arrays],
    };
    let mut tried = Vec::new();
    for way in ways {
        let Loaded { run, place, server } =
            load(seed, Side::Floor(way), Call::Asynchronous, MANY, length).await?;
        drop(server);
        place.remove().await?;
        say(&format!("the floor, {way:?}: {:.0}/s", run.finished_per_second()));
        tried.push((way, run.finished_per_second()));
    }
    tried.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    Ok(tried)
}

/// A server that is still there after its load.
struct Loaded {
    run: Run,
    place: Place,
    server: Server,
}

async fn load(
    seed: &Seed,
    side: Side,
    call: Call,
    connections: usize,
    length: Duration,
) -> anyhow::Result<Loaded> {
    let place = seed.place.copy().await?;
    let server = start(side, seed, call, &place)?;
    let watched = Watched {
        server: server.id(),
        postgres: place.postgres_process().await?,
    };
    let request = seed.workload(call).request(server.address);
    generator::drive(server.address, &request, connections, WARM_UP).await?;
    drain(&place).await?;
    let before = place.count().await?;
    let usage = Usage::read(&watched)?;
    let outcome = generator::drive(server.address, &request, connections, length).await;
    let outcome = outcome.with_context(|| format!("{side:?} failed under load:\n{}", server.output()))?;
    let spent = Usage::read(&watched)?.since(&usage, &watched);
    let memory = Memory::of(server.id())?;
    let after = place.count().await?;
    let drain = drain(&place).await?;
    ensure!(
        after.all - before.all >= outcome.answered,
        "{side:?} answered {} calls well and has {} more executions",
        outcome.answered,
        after.all - before.all
    );
    let run = Run {
        side,
        call,
        connections,
        outcome,
        finished: after.finished() - before.finished(),
        backlog: after.open,
        drain,
        spent,
        memory,
    };
    Ok(Loaded { run, place, server })
}

fn start(side: Side, seed: &Seed, call: Call, place: &Place) -> anyhow::Result<Server> {
    let Side::Floor(way) = side else {
        return flowmatic(place);
    };
    let address = database::free_address()?;
    let workload = seed.workload(call);
    let settings = Settings {
        listen: address,
        database_url: place.url(),
        workflow_id: workload.workflow_id.parse()?,
        way,
        answer: workload.answer.clone(),
    };
    let program = std::env::current_exe().context("this program has no path")?;
    let settings = serde_json::to_string(&settings)?;
    Server::start(
        &program.to_string_lossy(),
        &["floor", &settings],
        address,
        log(place),
    )
}

/// The release binary on this data. It keeps all that its workflows do not say otherwise of.
pub fn flowmatic(place: &Place) -> anyhow::Result<Server> {
    let address = database::free_address()?;
    let program = std::env::current_exe()
        .context("this program has no path")?
        .with_file_name("flowmatic");
    let (listen, data_dir, url) = (
        address.to_string(),
        place.data_dir().to_string_lossy(),
        place.url(),
    );
    let mut arguments = vec!["serve", "--listen", &listen, "--data-dir", &data_dir];
    arguments.extend(["--keep-executions", "1000000000"]);
    if place.kind() == Database::Postgres {
        arguments.extend(["--database-url", &url]);
    }
    Server::start(&program.to_string_lossy(), &arguments, address, log(place))
}

fn log(place: &Place) -> PathBuf {
    Path::new(place.data_dir()).join("load.log")
}

/// Waits until every execution has ended.
pub async fn drain(place: &Place) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    loop {
        let count = place.count().await?;
        let waited = begun.elapsed();
        if count.open == 0 {
            return Ok(waited);
        }
        ensure!(waited < DRAIN, "{} executions do not end", count.open);
        tokio::time::sleep(DRAIN_POLL).await;
    }
}

async fn rest(server: Server, place: Place) -> anyhow::Result<Rest> {
    tokio::time::sleep(REST).await;
    let after_load = Memory::of(server.id())?;
    server.stop()?;
    let executions = place.count().await?.all;
    let mut starts = Vec::new();
    let mut idle = after_load;
    for _ in 0..STARTS {
        let server = flowmatic(&place)?;
        starts.push(server.ready_after);
        if starts.len() == STARTS {
            tokio::time::sleep(REST).await;
            idle = Memory::of(server.id())?;
        }
        server.stop()?;
    }
    starts.sort_unstable();
    place.remove().await?;
    Ok(Rest {
        executions,
        starts,
        idle,
        after_load,
    })
}

pub fn say(line: &str) {
    eprintln!("{line}");
}
