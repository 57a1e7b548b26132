//! What loops, waits and schedules cost: figures of the release binary, each beside what is wanted.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, SecondsFormat, Timelike as _, Utc};
use flowmatic_tests::{Database, TestApp};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::database::{self, Count};
use crate::measure::Memory;

const ITEMS: usize = 10_000;
const LOOPS: usize = 9;
const WAITING: u64 = 100_000;
const SCHEDULES: u64 = 10_000;
/// Within which the schedules must be there before they are due.
const LEAD: Duration = Duration::from_secs(180);
/// Calls at a time.
const CALLERS: usize = 64;
/// How long a server is left alone before its memory at rest is read.
const REST: Duration = Duration::from_secs(5);
const MB: f64 = 1e6;

/// Prints the table of one database.
pub async fn run(database: Database) -> anyhow::Result<()> {
    println!("### {database:?}\n\n| | measured | wanted |\n|---|--:|---|");
    loops(database).await?;
    waits(database).await?;
    schedules(database).await
}

fn line(what: &str, measured: &str, wanted: &str) {
    println!("| {what} | {measured} | {wanted} |");
}

async fn loops(database: Database) -> anyhow::Result<()> {
    let app = TestApp::builder().database(database).try_start().await?;
    let inner = json!({"key": "double", "type": "data.set", "parent": "each",
        "parameters": {"fields": {"n": "{{multiply _item 2}}"}}});
    let graph = json!({
        "nodes": [
            {"key": "hook", "type": "trigger.webhook"},
            {"key": "each", "type": "flow.for_each", "parameters": {"items": "{{list}}"}},
            inner,
            {"key": "reply", "type": "flow.response", "parameters": {"body": "{{_nodes.each.count}}"}},
        ],
        "edges": [{"from": "hook", "to": "each"}, {"from": "each", "to": "reply"}],
    });
    let hook = create(&app, "Loop", graph).await?;
    call(&app, &hook, &json!({"list": [1]})).await?;
    tokio::time::sleep(REST).await;
    let idle = Memory::of(app.id())?.now;
    let items: Vec<usize> = (0..ITEMS).collect();
    let body = json!({"list": items});
    let mut took = Vec::new();
    for _ in 0..LOOPS {
        let begun = Instant::now();
        let count = call(&app, &hook, &body).await?;
        took.push(begun.elapsed());
        ensure!(count == json!(ITEMS), "the loop gave {count}");
    }
    took.sort_unstable();
    let peak = Memory::of(app.id())?.peak;
    line(
        "A loop over 10 000 items with one pure node, from call to answer: median (longest) in ms",
        &format!(
            "{} ({})",
            took[LOOPS / 2].as_millis(),
            took[LOOPS - 1].as_millis()
        ),
        "under 300",
    );
    line(
        "… memory in MB above idle, at its peak",
        &above(peak, idle),
        "at most 50",
    );
    Ok(())
}

async fn waits(database: Database) -> anyhow::Result<()> {
    let mut app = TestApp::builder().database(database).try_start().await?;
    let graph = json!({
        "nodes": [
            {"key": "hook", "type": "trigger.webhook"},
            {"key": "wait", "type": "flow.wait", "parameters": {"duration": "1h"}},
        ],
        "edges": [{"from": "hook", "to": "wait"}],
    });
    let hook = create(&app, "Wait", graph).await?;
    call(&app, &hook, &json!({})).await?;
    tokio::time::sleep(REST).await;
    let idle = Memory::of(app.id())?.now;
    let begun = Instant::now();
    stream::iter(1..WAITING)
        .map(|number| {
            let (app, hook) = (&app, &hook);
            async move { call(app, hook, &json!({"order": number})).await.map(drop) }
        })
        .buffer_unordered(CALLERS)
        .try_collect::<()>()
        .await?;
    let accepted = begun.elapsed();
    let url = database_url(&app);
    loop {
        if database::waiting(&url).await? == WAITING {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(REST).await;
    let after = Memory::of(app.id())?.now;
    app.terminate().await;
    app.restart().await;
    tokio::time::sleep(REST).await;
    let again = Memory::of(app.id())?.now;
    ensure!(database::waiting(&url).await? == WAITING, "some wait no more");
    line(
        "100 000 executions that wait: memory in MB above idle",
        &above(after, idle),
        "at most 20",
    );
    line("… the same after a restart", &above(again, idle), "");
    line(
        "… accepted per second, from one client that waits for each answer",
        &format!("{:.0}", 1e5 / accepted.as_secs_f64()),
        "",
    );
    Ok(())
}

async fn schedules(database: Database) -> anyhow::Result<()> {
    let app = TestApp::builder().database(database).try_start().await?;
    let due = DateTime::<Utc>::from(SystemTime::now() + LEAD);
    let due = due.with_nanosecond(0).context("a whole second")?;
    let cron = format!("{} {} {} * * *", due.second(), due.minute(), due.hour());
    stream::iter(0..SCHEDULES)
        .map(|number| {
            let (app, cron) = (&app, &cron);
            async move {
                let graph = json!({
                    "nodes": [
                        {"key": "at", "type": "trigger.schedule", "parameters": {"cron": cron, "timezone": "UTC"}},
                        {"key": "set", "type": "data.set", "parameters": {"fields": {"number": number}}},
                    ],
                    "edges": [{"from": "at", "to": "set"}],
                });
                create(app, &format!("Schedule {number}"), graph).await.map(drop)
            }
        })
        .buffer_unordered(CALLERS)
        .try_collect::<()>()
        .await?;
    let left = due - Utc::now();
    ensure!(
        left > chrono::TimeDelta::seconds(2),
        "the schedules were not there in time for {}",
        due.to_rfc3339_opts(SecondsFormat::Secs, true)
    );
    tokio::time::sleep(left.to_std()?).await;
    let url = database_url(&app);
    let (mut started, mut ended) = (None, None);
    while ended.is_none() {
        let Count { all, open } = database::count(&url).await?;
        let now = since(due);
        ensure!(now < 120.0, "{all} have started, and {open} of them not ended");
        if all == SCHEDULES {
            started.get_or_insert(now);
            ended = (open == 0).then_some(now);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    line(
        "10 000 schedules due in one second: all started after so many s",
        &format!("{:.2}", started.unwrap_or_default()),
        "under 5",
    );
    line(
        "… all over after so many s",
        &format!("{:.2}", ended.unwrap_or_default()),
        "",
    );
    println!();
    Ok(())
}

/// Seconds since a moment.
fn since(moment: DateTime<Utc>) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs_f64() - moment.timestamp() as f64
}

fn above(now: u64, idle: u64) -> String {
    format!("{:.1}", (now as f64 - idle as f64) / MB)
}

fn database_url(app: &TestApp) -> String {
    app.database_url().map_or_else(
        || format!("sqlite://{}", app.data_dir().join("flowmatic.db").display()),
        str::to_owned,
    )
}

/// The id of its webhook, where it has one.
async fn create(app: &TestApp, name: &str, graph: Value) -> anyhow::Result<String> {
    let workflow = json!({"name": name, "active": true, "graph": graph});
    let (status, created) = app.api("POST", "/api/v1/workflows", workflow).await;
    ensure!(status == 201, "the workflow is refused with {status}: {created}");
    let webhook = created["triggers"][0]["webhook_id"].as_str();
    Ok(webhook.unwrap_or_default().to_owned())
}

async fn call(app: &TestApp, hook: &str, body: &Value) -> anyhow::Result<Value> {
    let (status, answer) = app.webhook(hook, body).await;
    ensure!(status == 200, "the webhook answers {status}: {answer}");
    Ok(answer)
}
