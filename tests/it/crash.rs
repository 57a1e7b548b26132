//! `kill -9` at named points, under load: nothing accepted is lost, and no recorded effect runs again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flowmatic_tests::{Answer, Database, Received, Receiver, TestApp, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::database::Rows;
use crate::workflow::{LOOPBACK, create, hooked, id, webhook_path};

const ROUNDS: usize = 3;
/// Callers of the workflow with effects, and of one without, which costs the server less.
const CALLERS: (usize, usize) = (8, 40);

macro_rules! crash_tests {
    ($($name:ident: $point:expr;)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::check(flowmatic_tests::Database::Sqlite, $point).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::check(flowmatic_tests::Database::Postgres, $point).await;
            })*
        }
    };
}

crash_tests! {
    before_the_accept_is_committed: "before_accept_commit";
    after_the_accept_is_committed: "after_accept_commit";
    while_effects_are_in_flight: super::IN_FLIGHT;
    after_an_effect_before_its_checkpoint: "after_effect";
    before_the_checkpoint_is_committed: "before_checkpoint_commit";
    after_the_checkpoint_is_committed: "after_checkpoint_commit";
    before_the_finish_is_committed: "before_finish_commit";
    during_recovery: super::RECOVERY;
}

/// Not a point of the server's: the test itself kills it while the other side holds calls.
const IN_FLIGHT: &str = "in flight";
/// The server dies in flight, and again while it recovers.
const RECOVERY: &str = "recovery";

async fn check(database: Database, point: &str) {
    for round in 0..ROUNDS {
        crash_and_recover(database, point, round).await;
    }
}

async fn crash_and_recover(database: Database, point: &str, round: usize) {
    let receiver = Receiver::start().await;
    receiver.answer(Answer::json(&json!({"ok": true})).after(Duration::from_millis(20)));
    let is_ours = matches!(point, IN_FLIGHT | RECOVERY);
    let mut builder = TestApp::builder().database(database).flags(&LOOPBACK);
    if !is_ours {
        // One pass may be a whole batch of writes.
        builder = builder.fault(&format!("{point}:{}", 80 + 20 * round));
    }
    let mut app = builder.start().await;
    let orders = create(&app, orders(receiver.url())).await;
    let notes = create(&app, notes()).await;

    let load = Load::start(
        &app,
        [
            (&webhook_path(&orders), CALLERS.0),
            (&webhook_path(&notes), CALLERS.1),
        ],
    );
    if is_ours {
        receiver.wait_for(200 + 100 * round).await;
        app.kill();
    } else {
        app.wait_for_exit().await;
    }
    let accepted = load.stop().await;
    let rows = Rows::open(&app).await;
    let recorded = rows.recorded_effects().await;
    rows.close().await;
    let sent_before = receiver.received();

    if point == RECOVERY {
        app.restart_with_fault(&format!("recovery:{}", 2 + round)).await;
        app.wait_for_exit().await;
    }
    app.restart().await;
    all_end(&app).await;

    let rows = Rows::open(&app).await;
    let statuses = rows.statuses().await;
    let with_effects = rows.executions_of(id(&orders)).await;
    rows.close().await;
    for id in &accepted {
        assert_eq!(
            statuses.get(id).map(String::as_str),
            Some("COMPLETED"),
            "accepted execution {id}"
        );
    }
    assert!(
        statuses.values().all(|status| status == "COMPLETED"),
        "{:?}",
        count(statuses.values())
    );
    let received = receiver.received();
    let mut sent: HashMap<&str, Vec<&Received>> = HashMap::new();
    for request in &received {
        sent.entry(request.header("idempotency-key"))
            .or_default()
            .push(request);
    }
    for (key, requests) in &sent {
        let same = requests
            .iter()
            .all(|request| request.body == requests[0].body && request.path == requests[0].path);
        assert!(same, "{key} was repeated with other bytes");
    }
    let after: HashSet<&str> = received[sent_before.len()..]
        .iter()
        .map(|request| request.header("idempotency-key"))
        .collect();
    for key in &recorded {
        assert!(
            !after.contains(key.as_str()),
            "the recorded effect {key} ran again"
        );
    }
    for id in &with_effects {
        for node in ["first", "second"] {
            assert!(
                sent.contains_key(format!("{id}/{node}").as_str()),
                "{id}/{node} was never sent"
            );
        }
    }
    assert!(!accepted.is_empty() || point == "before_accept_commit");
}

fn count<'a>(statuses: impl Iterator<Item = &'a String>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for status in statuses {
        *counts.entry(status.as_str()).or_default() += 1;
    }
    counts
}

/// Two effects in a row, each with a body of its own.
fn orders(url: &str) -> Value {
    let call = |key: &str, body: Value| json!({"key": key, "type": "http.request", "parameters": {"method": "POST", "url": url, "body": body}});
    json!({"name": "Orders", "active": true, "graph": {
        "nodes": [
            {"key": "hook", "type": "trigger.webhook"},
            call("first", json!({"order": "{{order}}", "at": "{{now}}", "id": "{{uuid}}"})),
            {"key": "note", "type": "data.set", "parameters": {"fields": {"ok": "{{_nodes.first.body.ok}}"}}},
            call("second", json!({"order": "{{order}}", "first": "{{_nodes.note.ok}}", "id": "{{uuid}}"}))
        ],
        "edges": [{"from": "hook", "to": "first"}, {"from": "first", "to": "note"}, {"from": "note", "to": "second"}]
    }})
}

/// No effect, but one write.
fn notes() -> Value {
    let note = json!({"key": "note", "type": "data.set", "parameters": {"fields": {"order": "{{order}}"}}});
    hooked(&[note])
}

/// Waits until no execution is open.
async fn all_end(app: &TestApp) {
    let path = "/api/v1/executions?status=QUEUED,RUNNING,WAITING&limit=1";
    eventually("all executions to end", async || {
        let (status, body) = app.api("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body["data"].as_array().is_some_and(Vec::is_empty).then_some(())
    })
    .await;
}

/// Callers who call one after the other until they are stopped or the server is gone.
struct Load {
    stopped: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Vec<String>>>,
    started: Instant,
}

impl Load {
    /// Some call each workflow of `paths`.
    fn start(app: &TestApp, paths: [(&str, usize); 2]) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let address = app.url().trim_start_matches("http://");
        let mut callers = Vec::new();
        for (path, count) in paths {
            for caller in 0..count {
                callers.push(tokio::spawn(calls(
                    address.to_owned(),
                    path.to_owned(),
                    caller,
                    stopped.clone(),
                )));
            }
        }
        Self {
            stopped,
            callers,
            started: Instant::now(),
        }
    }

    /// The executions whose callers got a 2xx. How many a second these were is printed: it is to be more than 500 on
    /// two cores that do nothing else.
    async fn stop(self) -> Vec<String> {
        let elapsed = self.started.elapsed();
        self.stopped.store(true, Ordering::Relaxed);
        let mut accepted = Vec::new();
        for caller in self.callers {
            accepted.append(&mut caller.await.expect("a caller does not panic"));
        }
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let rate = accepted.len() as f64 / elapsed.as_secs_f64();
        println!("{} calls in {elapsed:?}: {rate:.0} a second", accepted.len());
        accepted
    }
}

/// Calls over one connection, without a client, which would take the server's share of the processor. Gives the
/// executions that were accepted.
async fn calls(address: String, path: String, caller: usize, stopped: Arc<AtomicBool>) -> Vec<String> {
    let mut accepted = Vec::new();
    let Ok(stream) = TcpStream::connect(&address).await else {
        return accepted;
    };
    let mut stream = BufReader::new(stream);
    while !stopped.load(Ordering::Relaxed) {
        let body = format!(r#"{{"order": "{caller}-{}"}}"#, accepted.len());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(request.as_bytes()).await.is_err() {
            break;
        }
        // An answer that breaks off says nothing.
        let Ok((status, answer)) = answer(&mut stream).await else {
            break;
        };
        assert!(status.contains(" 200 "), "{status}: {answer}");
        accepted.push(answer["executionId"].as_str().expect("an id").to_owned());
    }
    accepted
}

/// Status line and body of the next answer.
async fn answer(stream: &mut BufReader<TcpStream>) -> std::io::Result<(String, Value)> {
    let mut status = String::new();
    stream.read_line(&mut status).await?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        match line.split_once(": ") {
            Some(("content-length", text)) => length = text.trim().parse().expect("a number"),
            Some(_) => {}
            None if line == "\r\n" => break,
            None => return Err(ErrorKind::UnexpectedEof.into()),
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok((status, serde_json::from_slice(&body).expect("an answer is JSON")))
}
