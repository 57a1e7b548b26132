//! Many executions of a workflow that keeps them for a short while, beside the same ones of a workflow that keeps them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::bench::{MANY, drain, flowmatic, say};
use crate::database::Place;
use crate::generator::{self, Outcome};
use crate::measure::{Memory, Spent, Usage, Watched};
use crate::table::{megabytes, milliseconds, number};
use crate::workload::{Call, Workload, workload};

/// How long the executions of one side are kept.
const RETENTION: &str = "10s";
const WARM_UP: Duration = Duration::from_secs(2);
/// The generator begins anew so often.
const SLICE: Duration = Duration::from_secs(5);
const LOOK_AT_SIZE: Duration = Duration::from_millis(250);
const COUNT: Duration = Duration::from_secs(5);
/// Until all is removed, and as long as its size changes.
const PATIENCE: Duration = Duration::from_secs(600);
/// A difference that is none: the log of a server at rest grows by a page now and then.
const PAGES: u64 = 256 << 10;
/// A server that has nothing to remove looks once a minute.
const SETTLED: Duration = Duration::from_secs(65);

/// What was seen of one side.
struct Run {
    outcome: Outcome,
    spent: Spent,
    memory: Memory,
    /// While the load lasted and until it had ended.
    largest: Sizes,
    last: Sizes,
    /// From the end of the load until its size no longer changed.
    settled_after: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sizes {
    bytes: u64,
    rows: u64,
}

pub async fn run(database: Database, executions: u64) -> anyhow::Result<String> {
    let kept = side(database, executions, json!({})).await?;
    let pruned = side(database, executions, json!({"retention": RETENTION})).await?;
    Ok(table(database, &kept, &pruned))
}

async fn side(database: Database, executions: u64, settings: Value) -> anyhow::Result<Run> {
    let is_pruned = settings != json!({});
    let mut app = TestApp::builder().database(database).try_start().await?;
    let workload = workload(&app, Call::Asynchronous, settings).await?;
    let status = app.terminate().await;
    ensure!(
        status.success(),
        "the server ended with {status}\n{}",
        app.output()
    );
    let place = Arc::new(Place::copy_of(&app.data_dir(), app.database_url()).await?);
    drop(app);
    let run = load(&place, &workload, executions, is_pruned).await?;
    say(&format!(
        "{database:?}, {}: {} executions, {:.0}/s, at most {:.0} MB, {:.0} MB in the end",
        if is_pruned { "pruned" } else { "kept" },
        run.outcome.answered,
        run.rate(),
        megabytes(run.largest.bytes),
        megabytes(run.last.bytes)
    ));
    let place = Arc::into_inner(place).context("nobody looks at it any more")?;
    place.remove().await?;
    Ok(run)
}

async fn load(
    place: &Arc<Place>,
    workload: &Workload,
    executions: u64,
    is_pruned: bool,
) -> anyhow::Result<Run> {
    let server = flowmatic(place)?;
    let watched = Watched {
        server: server.id(),
        postgres: place.postgres_process().await?,
    };
    let request = workload.request(server.address);
    generator::drive(server.address, &request, MANY, WARM_UP).await?;
    let stop = Arc::<AtomicBool>::default();
    let watching = tokio::spawn(watch(place.clone(), stop.clone()));
    let usage = Usage::read(&watched)?;
    let mut outcome = generator::drive(server.address, &request, MANY, SLICE).await?;
    while outcome.answered < executions {
        let next = generator::drive(server.address, &request, MANY, SLICE).await;
        outcome.go_on(next.with_context(|| format!("failed under load:\n{}", server.output()))?);
    }
    let spent = Usage::read(&watched)?.since(&usage, &watched);
    drain(place).await?;
    let begun = Instant::now();
    let last = settle(place, is_pruned).await?;
    let settled_after = begun.elapsed().saturating_sub(SETTLED);
    stop.store(true, Ordering::Relaxed);
    let largest = watching.await??;
    let memory = Memory::of(server.id())?;
    server.stop()?;
    Ok(Run {
        outcome,
        spent,
        memory,
        largest: Sizes {
            bytes: largest.bytes.max(last.bytes),
            rows: largest.rows.max(last.rows),
        },
        last,
        settled_after,
    })
}

/// Looks again and again, and tells the largest that was seen.
async fn watch(place: Arc<Place>, stop: Arc<AtomicBool>) -> anyhow::Result<Sizes> {
    let mut largest = Sizes::default();
    let mut counted = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        largest.bytes = largest.bytes.max(place.size().await?);
        if counted.elapsed() > COUNT {
            largest.rows = largest.rows.max(place.count().await?.all);
            counted = Instant::now();
        }
        tokio::time::sleep(LOOK_AT_SIZE).await;
    }
    Ok(largest)
}

/// Waits until all that is to be removed is, and until the size has been the same for a while.
async fn settle(place: &Place, is_pruned: bool) -> anyhow::Result<Sizes> {
    let begun = Instant::now();
    let mut last = Sizes::default();
    let mut since = Instant::now();
    loop {
        let now = Sizes {
            bytes: place.size().await?,
            rows: place.count().await?.all,
        };
        if now.bytes.abs_diff(last.bytes) > PAGES || now.rows != last.rows {
            (since, last) = (Instant::now(), now);
        }
        if !is_pruned || since.elapsed() > SETTLED && now.rows == 0 {
            return Ok(now);
        }
        ensure!(begun.elapsed() < PATIENCE, "it does not come to rest: {now:?}");
        tokio::time::sleep(LOOK_AT_SIZE).await;
    }
}

impl Run {
    fn rate(&self) -> f64 {
        self.outcome.answered as f64 / self.outcome.elapsed.as_secs_f64()
    }
}

fn table(database: Database, kept: &Run, pruned: &Run) -> String {
    let mut lines = vec![
        format!("### {database:?}: a retention of {RETENTION}\n"),
        "| | kept | pruned |".to_owned(),
        "|---|--:|--:|".to_owned(),
    ];
    let mut line = |name: &str, value: &dyn Fn(&Run) -> String| {
        lines.push(format!("| {name} | {} | {} |", value(kept), value(pruned)));
    };
    line("executions", &|run| number(run.outcome.answered as f64));
    line("executions accepted per second", &|run| number(run.rate()));
    for (name, part) in [
        ("… latency in ms, median", 0.5),
        ("… latency in ms, 99 % within", 0.99),
        ("… latency in ms, 99.9 % within", 0.999),
        ("… latency in ms, all within", 1.0),
    ] {
        line(name, &|run| {
            format!("{:.1}", milliseconds(run.outcome.percentile(part)))
        });
    }
    line("… not 2xx", &|run| number(run.outcome.refused as f64));
    line("… memory in MB, peak", &|run| whole(megabytes(run.memory.peak)));
    line("processor time in µs per execution", &|run| {
        format!(
            "{:.1}",
            run.spent.of_server().as_secs_f64() * 1e6 / run.outcome.answered as f64
        )
    });
    line("(all else on the machine)", &|run| {
        let elsewhere = run.spent.elsewhere.as_secs_f64();
        format!("{:.1}", elsewhere * 1e6 / run.outcome.answered as f64)
    });
    line("executions in the database, the most that were counted", &|run| {
        number(run.largest.rows as f64)
    });
    line("… in the end", &|run| number(run.last.rows as f64));
    line("database in MB, the largest", &|run| {
        whole(megabytes(run.largest.bytes))
    });
    line("… in the end", &|run| whole(megabytes(run.last.bytes)));
    line("… after so many seconds", &|run| {
        format!("{:.0}", run.settled_after.as_secs_f64())
    });
    lines.push(String::new());
    lines.join("\n")
}

fn whole(figure: f64) -> String {
    format!("{figure:.0}")
}
