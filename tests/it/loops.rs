//! Loops, as their callers and readers see them.

use std::time::Duration;

use flowmatic_tests::{Answer, Database, Receiver, TestApp};
use serde_json::{Value, json};

use crate::workflow::{LOOPBACK, create, hook, on_both_databases, reply, webhook_id};

on_both_databases! {
    gives_results_in_order_and_shows_every_step
    goes_on_where_it_was_after_a_crash
}

/// An active workflow: a webhook, a loop with this node inside, and an answer.
fn looping(parameters: Value, inner: Value, answer: Value) -> Value {
    let mut inner = inner;
    inner["parent"] = json!("each");
    let each = json!({"key": "each", "type": "flow.for_each", "parameters": parameters});
    json!({"name": "Loop", "active": true, "graph": {
        "nodes": [hook(json!({})), each, inner, reply(json!({"body": answer}))],
        "edges": [{"from": "hook", "to": "each"}, {"from": "each", "to": "reply"}]
    }})
}

async fn gives_results_in_order_and_shows_every_step(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let inner =
        json!({"key": "n", "type": "data.set", "parameters": {"fields": {"n": "{{multiply _item 2}}"}}});
    let workflow = looping(
        json!({"items": "{{list}}"}),
        inner,
        json!("{{_nodes.each.results}}"),
    );
    let hook = webhook_id(&create(&app, workflow).await);
    let (status, answer) = app.webhook(&hook, &json!({"list": [1, 2, 3]})).await;
    assert_eq!((status, answer), (200, json!([{"n": 2}, {"n": 4}, {"n": 6}])));
    let (_, list) = app.api("GET", "/api/v1/executions", Value::Null).await;
    let id = list["data"][0]["id"].as_str().expect("an id");
    let execution = app.wait_for(id, &["COMPLETED"]).await;
    let steps = execution["steps"].as_array().expect("steps");
    let step = steps
        .iter()
        .find(|step| step["path"] == "each[1]/n")
        .expect("a step");
    assert_eq!((&step["node"], &step["type"]), (&json!("n"), &json!("data.set")));
    assert_eq!(step["input"], json!({"fields": {"n": 4}}));
    assert_eq!(step["output"], json!({"n": 4}));
    let (status, answer) = app.webhook(&hook, &json!({"list": "abc"})).await;
    assert_eq!(status, 500, "{answer}");
}

async fn goes_on_where_it_was_after_a_crash(database: Database) {
    let receiver = Receiver::start().await;
    let mut app = TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await;
    let inner = json!({"key": "call", "type": "http.request", "parameters": {
        "method": "POST", "url": format!("{}/{{{{_item}}}}", receiver.url()), "timeout": "5m"
    }});
    let workflow = looping(json!({"items": "{{list}}"}), inner, json!(1));
    let hook = webhook_id(&create(&app, workflow).await);
    let before = 30;
    for _ in 0..before {
        receiver.answer_once(Answer::status(200));
    }
    receiver.answer(Answer::status(200).after(Duration::from_secs(3_600)));
    let items: Vec<usize> = (0..60).collect();
    let body = json!({"list": items});
    let calling = app.webhook(&hook, &body);
    tokio::select! {
        _ = calling => panic!("it cannot have ended"),
        _ = receiver.wait_for(before + 1) => {}
    }
    app.kill();
    receiver.answer(Answer::status(200));
    app.restart().await;
    let (_, list) = app.api("GET", "/api/v1/executions", Value::Null).await;
    let id = list["data"][0]["id"].as_str().expect("an id");
    app.wait_for(id, &["COMPLETED"]).await;
    let received = receiver.received();
    // Only what was in flight was sent again.
    assert_eq!(received.len(), items.len() + 1);
    let again = &received[before + 1];
    assert_eq!(
        again.header("idempotency-key"),
        received[before].header("idempotency-key")
    );
}

#[tokio::test]
async fn a_loop_across_borders_and_without_an_inside_is_refused() {
    let app = TestApp::start().await;
    let graph = json!({
        "nodes": [
            hook(json!({})),
            {"key": "each", "type": "flow.for_each", "parameters": {"items": [1]}},
            {"key": "a", "type": "data.set", "parent": "each", "parameters": {"fields": {}}},
            {"key": "b", "type": "data.set", "parameters": {"fields": {"x": "{{_nodes.a.n}}", "y": "{{_item}}"}}},
            {"key": "w", "type": "flow.while", "parameters": {"condition": "{{x}}"}},
            {"key": "c", "type": "data.set", "parent": "b", "parameters": {"fields": {}}}
        ],
        "edges": [{"from": "hook", "to": "each"}, {"from": "a", "to": "b"}, {"from": "each", "to": "b"}, {"from": "b", "to": "w"}]
    });
    let (status, answer) = app
        .api("POST", "/api/v1/workflows/validate", json!({"graph": graph}))
        .await;
    assert_eq!(status, 200, "{answer}");
    let problems = answer["problems"].as_array().expect("problems");
    let told: Vec<&str> = problems
        .iter()
        .map(|one| one["pointer"].as_str().expect("a pointer"))
        .collect();
    for pointer in [
        "/graph/nodes/4",
        "/graph/nodes/4/parameters",
        "/graph/nodes/5/parent",
        "/graph/edges/1",
        "/graph/nodes/3/parameters/fields/x",
    ] {
        assert!(told.contains(&pointer), "{pointer} of {problems:#?}");
    }
}
