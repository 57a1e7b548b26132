//! Executions that wait, on disk, in a place: nobody else is given it.

use flowmatic_tests::{Database, Receiver, TestApp, eventually};
use serde_json::{Value, json};

use super::{controlled, counts, ends, execution, executions, post, serve};
use crate::workflow::{LOOPBACK, call, create, hooked, id, on_both_databases, path, reply};

on_both_databases! {
    one_that_waits_keeps_its_place_over_restarts
    one_that_waits_makes_room_when_it_is_cancelled
    the_last_call_cancels_one_that_waits
    one_that_answered_and_waits_has_answered_who_queued
    a_time_out_counts_from_the_place_on
    its_time_begins_when_it_is_let_go
    a_new_limit_holds_for_those_who_queue
}

/// Keeps its resume address, waits for it to be called, and says when it goes on.
fn waits() -> [Value; 3] {
    [
        json!({"key": "url", "type": "data.set", "parameters": {"fields": {"value": "{{_execution.resumeUrl}}"}}}),
        json!({"key": "wait", "type": "flow.wait", "parameters": {"resume": "webhook"}}),
        json!({"key": "after", "type": "data.set", "parameters": {"fields": {}}}),
    ]
}

async fn status(app: &TestApp, execution: &str) -> Value {
    let path = format!("/api/v1/executions/{execution}");
    app.api("GET", &path, Value::Null).await.1["status"].clone()
}

fn step<'a>(execution: &'a Value, node: &str) -> &'a Value {
    let steps = execution["steps"].as_array().expect("steps");
    let found = steps.iter().find(|step| step["node"] == node);
    found.unwrap_or_else(|| panic!("{node} of {execution}"))
}

async fn resume(app: &TestApp, waiting: &str) {
    let waiting = app.wait_for(waiting, &["WAITING"]).await;
    let url = step(&waiting, "url")["output"]["value"].as_str().expect("a URL");
    let path = url.split_once("/api/").expect("an address").1;
    let (status, told) = app.api("POST", &format!("/api/{path}"), json!({})).await;
    assert_eq!(status, 200, "{told}");
}

async fn one_that_waits_keeps_its_place_over_restarts(database: Database) {
    let mut app = TestApp::builder().database(database).start().await;
    let start = json!({"concurrency": {"limit": 1}});
    let workflow = controlled(&app, start, &waits()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(execution(&post(&app, &workflow, None, &json!({})).await));
    }
    app.wait_for(&ids[0], &["WAITING"]).await;
    // It is woken in the process that left it, in the next one, and in one after a crash.
    resume(&app, &ids[0]).await;
    app.wait_for(&ids[1], &["WAITING"]).await;
    app.restart().await;
    assert_eq!(
        [status(&app, &ids[1]).await, status(&app, &ids[2]).await],
        ["WAITING", "QUEUED"]
    );
    resume(&app, &ids[1]).await;
    app.wait_for(&ids[2], &["WAITING"]).await;
    app.kill();
    app.restart().await;
    let late = execution(&post(&app, &workflow, None, &json!({})).await);
    assert_eq!(status(&app, &late).await, "QUEUED");
    resume(&app, &ids[2]).await;
    resume(&app, &late).await;
    ids.push(late);
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 4)]));
    let mut free_at = String::new();
    for execution in &ids {
        let execution = app.wait_for(execution, &["COMPLETED"]).await;
        let begun = step(&execution, "url")["started_at"].as_str().expect("a time");
        assert!(begun >= free_at.as_str(), "{begun} {free_at}");
        free_at = execution["finished_at"].as_str().expect("a time").to_owned();
    }
}

async fn one_that_waits_makes_room_when_it_is_cancelled(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let start = json!({"concurrency": {"limit": 1}});
    let workflow = controlled(&app, start, &waits()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(execution(&post(&app, &workflow, None, &json!({})).await));
    }
    app.wait_for(&ids[0], &["WAITING"]).await;
    // One in the queue, and one in the place.
    for cancelled in [1, 0] {
        let path = format!("/api/v1/executions/{}/cancel", ids[cancelled]);
        assert_eq!(app.api("POST", &path, Value::Null).await.0, 200);
        app.wait_for(&ids[cancelled], &["CANCELLED"]).await;
    }
    resume(&app, &ids[2]).await;
    assert_eq!(
        ends(&app, &workflow).await,
        counts(&[("CANCELLED", 2), ("COMPLETED", 1)])
    );
}

async fn the_last_call_cancels_one_that_waits(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let start = json!({"concurrency": {"limit": 1, "when_full": "cancel_running"}});
    let workflow = controlled(&app, start, &waits()).await;
    let first = execution(&post(&app, &workflow, None, &json!({})).await);
    app.wait_for(&first, &["WAITING"]).await;
    let second = execution(&post(&app, &workflow, None, &json!({})).await);
    app.wait_for(&first, &["CANCELLED"]).await;
    resume(&app, &second).await;
    assert_eq!(
        ends(&app, &workflow).await,
        counts(&[("CANCELLED", 1), ("COMPLETED", 1)])
    );
}

async fn one_that_answered_and_waits_has_answered_who_queued(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let mut nodes = vec![
        call("call", receiver.url()),
        reply(json!({"body": {"n": "{{n}}"}})),
    ];
    nodes.extend(waits());
    let workflow = controlled(&app, json!({"concurrency": {"limit": 1}}), &nodes).await;
    let bodies = [json!({"n": 1}), json!({"n": 2})];
    let (first, second, ()) = tokio::join!(
        post(&app, &workflow, None, &bodies[0]),
        async {
            receiver.wait_for(1).await;
            post(&app, &workflow, None, &bodies[1]).await
        },
        async {
            receiver.wait_for(1).await;
            eventually("the second to queue", async || {
                (executions(&app, &workflow).await.len() == 2).then_some(())
            })
            .await;
            receiver.release();
            let first = executions(&app, &workflow).await.remove(0);
            resume(&app, id(&first)).await;
        }
    );
    assert_eq!([first.json(), second.json()], bodies);
    let second = executions(&app, &workflow).await.remove(1);
    resume(&app, id(&second)).await;
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 2)]));
}

async fn a_time_out_counts_from_the_place_on(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let mut workflow = hooked(&[call("call", receiver.url())]);
    workflow["graph"]["settings"] = json!({"timeout": "5s", "start": {"concurrency": {"limit": 1}}});
    let workflow = create(&app, workflow).await;
    let first = execution(&post(&app, &workflow, None, &json!({})).await);
    let second = execution(&post(&app, &workflow, None, &json!({})).await);
    // By then the second one has been there for as long as it may take.
    app.wait_for(&first, &["TIMED_OUT"]).await;
    receiver.release();
    app.wait_for(&second, &["COMPLETED"]).await;
}

async fn its_time_begins_when_it_is_let_go(database: Database) {
    // Held back for a place, and for room in memory.
    for (flags, concurrency) in [
        (&[][..], json!({"limit": 1})),
        (&["--max-running", "1"], Value::Null),
    ] {
        let app = TestApp::builder()
            .database(database)
            .flags(&LOOPBACK)
            .flags(flags)
            .start()
            .await;
        let receiver = Receiver::start().await;
        receiver.hold();
        let nodes = [
            json!({"key": "now", "type": "data.set", "parameters": {"fields": {"at": "{{now}}"}}}),
            call("call", receiver.url()),
        ];
        let start = json!({"concurrency": concurrency});
        let workflow = controlled(&app, start, &nodes).await;
        let first = execution(&post(&app, &workflow, None, &json!({})).await);
        let second = execution(&post(&app, &workflow, None, &json!({})).await);
        receiver.wait_for(1).await;
        receiver.release();
        let first = app.wait_for(&first, &["COMPLETED"]).await;
        let second = app.wait_for(&second, &["COMPLETED"]).await;
        let began = step(&second, "now")["output"]["at"].as_str().expect("a time");
        let ended = step(&first, "call")["finished_at"].as_str().expect("a time");
        assert!(
            began >= ended,
            "{flags:?}: it began at {began}, the one before ended at {ended}"
        );
    }
}

async fn a_new_limit_holds_for_those_who_queue(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 1}});
    let mut workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    for _ in 0..6 {
        post(&app, &workflow, None, &json!({})).await;
    }
    receiver.wait_for(1).await;
    for (start, count) in [(json!({"concurrency": {"limit": 3}}), 3), (Value::Null, 6)] {
        let mut graph = workflow["graph"].clone();
        graph["settings"]["start"] = start;
        let save = json!({"name": "Test", "active": true, "graph": graph, "revision": workflow["revision"]});
        let (status, saved) = app.api("PUT", &path(&workflow), save).await;
        assert_eq!(status, 200, "{saved}");
        workflow = saved;
        receiver.wait_for(count).await;
        assert_eq!(receiver.received().len(), count);
    }
    receiver.release();
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 6)]));
}
