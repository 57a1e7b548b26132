//! The other ways in, and what cannot be published.

use flowmatic_tests::{Database, Receiver, TestApp, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{CALLS, controlled, counts, ends, executions, most_at_a_time, post, serve};
use crate::workflow::{Answered, call, create, hook, hooked, id, on_both_databases, path, reply, row};

on_both_databases! {
    a_start_by_hand_passes_all_of_it
    a_retry_passes_places_alone
    executions_of_a_schedule_take_places_too
}

async fn by_hand(app: &TestApp, workflow: &Value, key: Option<&str>, input: &Value) -> Answered {
    let path = format!("{}/execute", path(workflow));
    let mut request = app
        .request("POST", &path)
        .bearer_auth(app.key().await)
        .json(&json!({"input": input}));
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    Answered::of(request).await
}

async fn a_start_by_hand_passes_all_of_it(database: Database) {
    let app = serve(database).await;
    let start = json!({
        "idempotency": {}, "rate_limit": {"limit": 3, "period": "10h"},
        "concurrency": {"limit": 1, "when_full": "drop"}
    });
    let receiver = Receiver::start().await;
    receiver.hold();
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    let input = json!({"n": 1});
    app.key().await;
    let answers = join_all((0..CALLS).map(|_| by_hand(&app, &workflow, Some("a"), &input))).await;
    let again = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!(again.count(), CALLS - 1);
    let first = answers[0].json();
    for answer in &answers {
        assert_eq!((answer.status, &answer.json()["id"]), (202, &first["id"]));
        assert_eq!(
            answer.header("location"),
            format!("/api/v1/executions/{}", id(&first))
        );
    }
    let other = by_hand(&app, &workflow, Some("a"), &json!({"n": 2})).await;
    assert_eq!(
        (other.status, other.error().as_str()),
        (422, "IDEMPOTENCY_KEY_REUSED")
    );
    let dropped = by_hand(&app, &workflow, None, &input).await.json();
    assert_eq!(
        (&dropped["status"], &dropped["error"]["code"]),
        (&json!("CANCELLED"), &json!("dropped"))
    );
    // The two doors share the limit and the keys.
    assert_eq!(post(&app, &workflow, None, &input).await.status, 200);
    let refused = by_hand(&app, &workflow, None, &input).await;
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (429, "TOO_MANY_REQUESTS")
    );
    let wrong = by_hand(&app, &workflow, Some(&"x".repeat(257)), &input).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (400, "BAD_REQUEST"));
    receiver.release();
    assert_eq!(
        ends(&app, &workflow).await,
        counts(&[("CANCELLED", 2), ("COMPLETED", 1)])
    );
}

async fn a_retry_passes_places_alone(database: Database) {
    let app = serve(database).await;
    let start = json!({
        "idempotency": {}, "rate_limit": {"limit": 1, "period": "10h"}, "concurrency": {"limit": 1}
    });
    let receiver = Receiver::start().await;
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    post(&app, &workflow, Some("a"), &json!({})).await;
    ends(&app, &workflow).await;
    let first = executions(&app, &workflow).await[0].clone();
    receiver.hold();
    let path = format!("/api/v1/executions/{}/retry", id(&first));
    let mut retries = Vec::new();
    for _ in 0..2 {
        let (status, retry) = app.api("POST", &path, Value::Null).await;
        assert_eq!((status, &retry["retry_of"]), (202, &first["id"]), "{retry}");
        retries.push(retry["status"].clone());
    }
    assert_eq!(retries, ["RUNNING", "QUEUED"]);
    receiver.release();
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 3)]));
}

async fn executions_of_a_schedule_take_places_too(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let tick = json!({"key": "tick", "type": "trigger.schedule", "parameters": {"every": "1s"}});
    let mut workflow = row(&[tick, call("call", receiver.url())]);
    // Neither a key that a schedule does not have nor a limit keeps it from starting.
    workflow["graph"]["settings"] = json!({"start": {
        "rate_limit": {"limit": 1, "period": "10h", "key": "{{customer}}"}, "concurrency": {"limit": 1}
    }});
    let workflow = create(&app, workflow).await;
    let started = eventually("three executions", async || {
        Some(executions(&app, &workflow).await).filter(|executions| executions.len() >= 3)
    })
    .await;
    let statuses: Vec<&Value> = started.iter().map(|execution| &execution["status"]).collect();
    assert_eq!(statuses[..2], ["RUNNING", "QUEUED"]);
    assert_eq!(receiver.received().len(), 1);
    app.api("POST", &format!("{}/deactivate", path(&workflow)), Value::Null)
        .await;
    receiver.release();
    let ended = ends(&app, &workflow).await;
    assert_eq!(ended.keys().collect::<Vec<_>>(), ["COMPLETED"]);
    assert_eq!(most_at_a_time(&app, &workflow).await, 1);

    // One whose key cannot be had ends, and says why.
    let tick = json!({"key": "tick", "type": "trigger.schedule", "parameters": {"every": "1s"}});
    let mut workflow = row(&[tick]);
    workflow["graph"]["settings"] = json!({"start": {"concurrency": {"limit": 1, "key": "{{customer}}"}}});
    let workflow = create(&app, workflow).await;
    let ended = eventually("an end", async || {
        executions(&app, &workflow)
            .await
            .into_iter()
            .find(|execution| execution["status"] == "FAILED")
    })
    .await;
    assert_eq!(ended["error"]["code"], "start_control", "{ended}");
}

#[tokio::test]
async fn mistakes_are_refused_with_their_places() {
    let app = TestApp::start().await;
    let mut workflow = hooked(&[reply(json!({}))]);
    workflow["graph"]["settings"] = json!({"start": {
        "idempotency": {"key": "{{_nodes.reply.body}}", "ttl": "0s"},
        "rate_limit": {"limit": 1, "period": "40d"},
        "debounce": {"period": "10ms", "key": "{{#if}}"},
        "concurrency": {"limit": 1, "key": "{{nosuch 1}}"}
    }});
    let (status, refused) = app.api("POST", "/api/v1/workflows", workflow.clone()).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (422, &json!("INVALID_GRAPH")),
        "{refused}"
    );
    let details = refused["error"]["details"].as_array().expect("a list");
    let pointers: Vec<&str> = details
        .iter()
        .map(|problem| problem["pointer"].as_str().expect("a pointer"))
        .collect();
    let expected = [
        "idempotency/ttl",
        "idempotency/key",
        "rate_limit/period",
        "debounce/period",
        "debounce/key",
        "concurrency/key",
    ]
    .map(|place| format!("/graph/settings/start/{place}"));
    assert_eq!(pointers, expected, "{refused}");
    assert!(details.iter().all(|problem| problem.get("node").is_none()));

    // What is no such thing at all is malformed, draft or not.
    for wrong in [
        json!({"rate_limit": {"limit": 0, "period": "1m"}}),
        json!({"rate_limit": {"limit": 1}}),
        json!({"concurrency": {"limit": 1001}}),
        json!({"concurrency": {"limit": 1, "when_full": "explode"}}),
        json!({"priority": 1001}),
        json!({"priority": {}}),
        json!({"idempotency": {"key": "x".repeat(1001)}}),
        json!({"throttle": {"limit": 1}}),
        json!([]),
    ] {
        workflow["active"] = json!(false);
        workflow["graph"]["settings"] = json!({"start": wrong});
        let (status, refused) = app.api("POST", "/api/v1/workflows", workflow.clone()).await;
        assert_eq!(status, 400, "{wrong}: {refused}");
        let pointer = refused["error"]["details"][0]["pointer"]
            .as_str()
            .unwrap_or_default();
        assert!(pointer.starts_with("/graph/settings/start"), "{wrong}: {refused}");
    }
}

#[tokio::test]
async fn without_it_a_key_means_nothing() {
    let app = TestApp::start().await;
    let workflow = create(&app, row(&[hook(json!({}))])).await;
    for _ in 0..2 {
        let answer = post(&app, &workflow, Some("a"), &json!({})).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, ""));
    }
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 2)]));
}
