//! Drives the release binary over loopback, beside a floor that only writes the same rows, and prints a table. What the
//! table means is in README.md.

mod bench;
mod database;
mod floor;
mod generator;
mod measure;
mod retention;
mod table;
mod time;
mod workload;

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use flowmatic_tests::Database;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "load [--seconds 30] [--rounds 3] [--only sqlite|postgres], load time [--only …], or \
                     load retention [--executions 1000000] [--only …]";
/// What the generator and the servers share.
const CORES: usize = 2;

struct Options {
    length: Duration,
    rounds: usize,
    executions: u64,
    databases: Vec<Database>,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, settings] = &arguments[..]
        && mode == "floor"
    {
        let settings = serde_json::from_str(settings).context("the settings of the floor")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(floor::run(settings));
    }
    let (scenario, pairs) = match &arguments[..] {
        [first, rest @ ..] if first == "time" => (Scenario::Time, rest),
        [first, rest @ ..] if first == "retention" => (Scenario::Retention, rest),
        all => (Scenario::Floor, all),
    };
    let options = read(scenario, pairs)?;
    if cfg!(debug_assertions) {
        eprintln!("this is a debug build: its figures mean nothing");
    }
    stay_on_few_cores()?;
    // One thread sends the requests; it ends last, and its children with it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if scenario == Scenario::Time {
        println!("`load {}` on {}\n", arguments.join(" "), table::machine()?);
        return runtime.block_on(async {
            for database in options.databases {
                time::run(database).await?;
            }
            Ok(())
        });
    }
    let tables = runtime.block_on(async {
        let mut tables = Vec::new();
        for database in options.databases {
            tables.push(match scenario {
                Scenario::Retention => retention::run(database, options.executions).await?,
                _ => table::of(&bench::run(database, options.length, options.rounds).await?),
            });
        }
        anyhow::Ok(tables)
    })?;
    println!("`load {}` on {}\n", arguments.join(" "), table::machine()?);
    for table in &tables {
        println!("{table}");
    }
    Ok(())
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// Flowmatic beside what the same rows cost at least.
    Floor,
    /// Loops, waits and schedules.
    Time,
    /// Flowmatic that removes old executions beside one that keeps them.
    Retention,
}

fn read(scenario: Scenario, arguments: &[String]) -> anyhow::Result<Options> {
    let mut options = Options {
        length: Duration::from_secs(30),
        rounds: 3,
        executions: 1_000_000,
        databases: vec![Database::Sqlite, Database::Postgres],
    };
    for pair in arguments.chunks(2) {
        let [name, value] = pair else {
            bail!("{USAGE}");
        };
        match (&**name, &**value) {
            ("--executions", executions) if scenario == Scenario::Retention => {
                options.executions = executions.parse().context(USAGE)?;
            }
            ("--only", "sqlite") => options.databases = vec![Database::Sqlite],
            ("--only", "postgres") => options.databases = vec![Database::Postgres],
            _ if scenario == Scenario::Retention => bail!("{USAGE}"),
            ("--seconds", seconds) => options.length = Duration::from_secs(seconds.parse().context(USAGE)?),
            ("--rounds", rounds) => options.rounds = rounds.parse().context(USAGE)?,
            _ => bail!("{USAGE}"),
        }
    }
    let seconds = options.length.as_secs();
    ensure!((1..=600).contains(&seconds), "a run takes from 1 to 600 seconds");
    ensure!(
        (1..=20).contains(&options.rounds),
        "there are from 1 to 20 rounds"
    );
    ensure!(
        (1_000..=100_000_000).contains(&options.executions),
        "there are from 1 000 to 100 000 000 executions"
    );
    Ok(options)
}

/// This process, and so all that it starts.
fn stay_on_few_cores() -> anyhow::Result<()> {
    if std::thread::available_parallelism()?.get() <= CORES {
        return Ok(());
    }
    let process = std::process::id().to_string();
    let cores = format!("0-{}", CORES - 1);
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", &cores, &process])
        .stdout(std::io::stderr())
        .status();
    let status = status.context("cannot run `taskset`, a part of util-linux")?;
    ensure!(
        status.success(),
        "this process cannot be bound to the cores {cores}"
    );
    Ok(())
}
