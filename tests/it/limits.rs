//! Callers who are slow, who go, or who are too many: they cost the server little, and the others nothing.

use std::time::Duration;

use flowmatic_tests::{Answer, Receiver, TestApp, eventually, skip};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::workflow::{LOOPBACK, call, create, hooked, reply, webhook_id, webhook_path};

/// Calls a webhook until the other work is done, and a few times at least; every call must succeed.
async fn while_others_are_served<T>(app: &TestApp, hook: &str, work: impl Future<Output = T>) -> T {
    let others = async {
        for n in 0.. {
            let answer = app.webhook(hook, &json!({"n": n})).await;
            assert_eq!(answer, (200, json!({"n": n})));
            if n >= 20 {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::select! {
        () = others => unreachable!("they call until they are stopped"),
        result = work => result,
    }
}

async fn echo(app: &TestApp) -> Value {
    create(app, hooked(&[reply(json!({"body": {"n": "{{default n 0}}"}}))])).await
}

#[tokio::test]
async fn a_head_that_drips_in_is_cut_off() {
    let app = TestApp::builder()
        .flags(&["--request-timeout", "2s"])
        .start()
        .await;
    let workflow = echo(&app).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\n",
        webhook_path(&workflow),
        "x".repeat(1_000)
    );
    let drip = async || {
        let mut raw = Raw::open(&app).await;
        raw.drip(head.as_bytes(), Duration::from_millis(200)).await;
        raw.status().await
    };
    let drips = join_all((0..200).map(|_| drip()));
    let statuses = while_others_are_served(&app, &webhook_id(&workflow), drips).await;
    // They are told, if anything, that it took too long.
    assert!(
        statuses
            .iter()
            .all(|status| status.is_none_or(|status| status == 408)),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_body_that_drips_in_is_refused() {
    let app = TestApp::builder()
        .flags(&["--request-timeout", "2s"])
        .start()
        .await;
    let workflow = echo(&app).await;
    let key = app.key().await;
    for path in [webhook_path(&workflow), "/api/v1/workflows".to_owned()] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
             content-length: 1000\r\n\r\n"
        );
        let drip = async || {
            let mut raw = Raw::open(&app).await;
            raw.send(head.as_bytes()).await;
            raw.drip(&[b' '; 20], Duration::from_millis(200)).await;
            raw.status().await
        };
        let drips = join_all((0..200).map(|_| drip()));
        let statuses = while_others_are_served(&app, &webhook_id(&workflow), drips).await;
        assert_eq!(statuses, vec![Some(400); 200], "{path}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let app = TestApp::builder()
        .flags(&["--request-timeout", "1s"])
        .start()
        .await;
    let silent = Raw::open(&app).await;
    let mut kept = Raw::open(&app).await;
    kept.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let (silent, kept) = tokio::join!(silent.rest(), kept.status());
    assert!(silent.is_empty() || crate::raw::status(&silent) == Some(408));
    assert_eq!(kept, Some(200));
}

#[tokio::test]
async fn a_caller_who_does_not_read_is_cut_off() {
    let app = TestApp::builder()
        .flags(&["--request-timeout", "1s"])
        .start()
        .await;
    let workflow = echo(&app).await;
    let mut raw = Raw::open(&app).await;
    // Answers of some hundred kilobytes each fill all buffers on the way.
    let requests = "GET /api/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200);
    while_others_are_served(&app, &webhook_id(&workflow), async {
        raw.send(requests.as_bytes()).await;
        eventually("the server to let the connection go", async || {
            connections(&app).le(&1).then_some(())
        })
        .await;
    })
    .await;
}

/// How many TCP connections of others the server holds, besides the test's own pooled one.
fn connections(app: &TestApp) -> usize {
    let port = format!(
        ":{:04X}",
        app.url()
            .rsplit(':')
            .next()
            .expect("a port")
            .parse::<u16>()
            .expect("a number")
    );
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux says which connections there are");
    let ours = table.lines().filter(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, _, state) = (fields.next(), fields.next(), fields.next());
        local.is_some_and(|local| local.ends_with(&port)) && state == Some("01")
    });
    ours.count()
}

#[tokio::test]
async fn a_caller_who_hangs_up_cancels_nothing_that_was_accepted() {
    let app = TestApp::builder().flags(&LOOPBACK).start().await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(200).after(Duration::from_millis(300)));
    let call = call("call", receiver.url());
    let workflow = create(&app, hooked(&[call, reply(json!({"body": "x"}))])).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n",
        webhook_path(&workflow)
    );
    // Half of a body is no call at all.
    for _ in 0..20 {
        let mut raw = Raw::open(&app).await;
        raw.send(head.as_bytes()).await;
        raw.send(b"12345").await;
    }
    let mut raw = Raw::open(&app).await;
    raw.send(head.as_bytes()).await;
    raw.send(b"1234567890").await;
    receiver.wait_for(1).await;
    drop(raw);
    eventually("the execution to end", async || {
        let (_, list) = app.api("GET", "/api/v1/executions", Value::Null).await;
        let list = list["data"].as_array().expect("a list").clone();
        assert_eq!(list.len(), 1, "{list:?}");
        (list[0]["status"] == "COMPLETED").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_change_whose_caller_hangs_up_is_whole() {
    let app = TestApp::start().await;
    let workflow = echo(&app).await;
    let path = format!("/api/v1/workflows/{}", workflow["id"].as_str().expect("an id"));
    let (key, hook) = (app.key().await, webhook_id(&workflow));
    for round in 0..30 {
        let (_, mut now) = app.api("GET", &path, Value::Null).await;
        let active = now["active"] == false;
        let body = json!({
            "name": "Test", "active": active, "graph": now["graph"].take(), "revision": now["revision"],
        })
        .to_string();
        let mut raw = Raw::open(&app).await;
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        raw.send(head.as_bytes()).await;
        // Some hang up sooner, some later.
        for _ in 0..round {
            app.api("GET", "/healthz", Value::Null).await;
        }
        drop(raw);
        eventually("webhook and workflow to agree", async || {
            let (_, now) = app.api("GET", &path, Value::Null).await;
            let (status, _) = app.webhook(&hook, &json!({})).await;
            let (_, again) = app.api("GET", &path, Value::Null).await;
            (now["revision"] == again["revision"] && (status == 200) == (now["active"] == true)).then_some(())
        })
        .await;
    }
}

const IDLE: usize = 10_000;
/// What server and test each need to hold them: the server keeps a quarter for other uses.
const FILES: u64 = 14_000;

#[tokio::test]
async fn ten_thousand_idle_connections_delay_nobody() {
    let files = rlimit::increase_nofile_limit(u64::MAX).expect("a process knows its limits");
    if files < FILES {
        return skip(&format!("{FILES} open files are needed, {files} are allowed"));
    }
    let app = TestApp::start().await;
    let workflow = echo(&app).await;
    let hook = webhook_id(&workflow);
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        idle.push(Raw::open(&app).await);
    }
    eventually("the server to hold all connections", async || {
        (connections(&app) >= IDLE).then_some(())
    })
    .await;
    for n in 0..50 {
        assert_eq!(app.webhook(&hook, &json!({"n": n})).await, (200, json!({"n": n})));
    }
    // New connections, not the client's kept one.
    for _ in 0..50 {
        let mut raw = Raw::open(&app).await;
        raw.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
        assert_eq!(raw.status().await, Some(200));
    }
    assert!(connections(&app) >= IDLE, "some were closed");
    let resident = app.resident_kib();
    println!("{IDLE} idle connections; the server has {resident} KiB");
    drop(idle);
    assert!(resident < 150 * 1024, "the server has grown to {resident} KiB");
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_keep_nobody_out() {
    // A quarter of the files is kept for other uses.
    let app = TestApp::builder().open_files(400).start().await;
    let workflow = echo(&app).await;
    let hook = webhook_path(&workflow);
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        let mut raw = Raw::open(&app).await;
        // Some have begun to speak.
        if idle.len() % 2 == 0 {
            raw.send(b"GET /healthz HTTP/1.1\r\n").await;
        }
        idle.push(raw);
    }
    for _ in 0..20 {
        let mut raw = Raw::open(&app).await;
        raw.send(format!("POST {hook} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .await;
        assert_eq!(raw.status().await, Some(200));
    }
}

#[tokio::test]
async fn what_there_is_no_room_for_waits_on_disk_and_is_not_lost() {
    let slow = Receiver::start().await;
    slow.hold();
    let mut app = TestApp::builder()
        .flags(&LOOPBACK)
        .flags(&["--max-running", "2"])
        .start()
        .await;
    let call = call("call", slow.url());
    let hook = webhook_id(&create(&app, hooked(&[call])).await);
    let mut executions = Vec::new();
    for n in 0..9 {
        let (status, answer) = app.webhook(&hook, &json!({"n": n})).await;
        assert_eq!(status, 200, "{answer}");
        executions.push(answer["executionId"].as_str().expect("an id").to_owned());
    }
    slow.wait_for(2).await;
    app.wait_for(&executions[8], &["QUEUED"]).await;
    assert_eq!(slow.received().len(), 2, "no more than two run at a time");
    slow.release();
    slow.answer(Answer::status(200));
    for execution in &executions {
        let ended = app.wait_for(execution, &["COMPLETED", "FAILED"]).await;
        assert_eq!(ended["status"], "COMPLETED", "{ended}");
    }
    assert_eq!(slow.received().len(), 9, "each is called once");
    assert!(app.terminate().await.success());
}
