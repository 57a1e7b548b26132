//! The other ways in, and what cannot be published.

use flowmatic_tests::{Database, Receiver, TestApp};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{CALLS, controlled, counts, ends, executions, post, serve};
use crate::workflow::{Answered, call, create, hook, hooked, id, on_both_databases, path, reply, row};

on_both_databases! {
    a_start_by_hand_passes_all_of_it
    a_retry_passes_places_alone
    its_settings_go_with_the_workflow
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

async fn its_settings_go_with_the_workflow(database: Database) {
    let app = serve(database).await;
    let start = json!({
        "idempotency": {"key": "{{id}}", "ttl": "1h"}, "rate_limit": {"limit": 5, "period": "1m"},
        "debounce": {"period": "2s", "max_wait": "10s"},
        "concurrency": {"limit": 2, "key": "{{customer}}", "when_full": "drop"}, "priority": 7
    });
    let workflow = controlled(&app, start.clone(), &[]).await;
    let of = |workflow: &Value| workflow["graph"]["settings"]["start"].clone();
    assert_eq!(of(&workflow), start);

    let exported = format!("{}/export", path(&workflow));
    let (_, mut file) = app.api("GET", &exported, Value::Null).await;
    assert_eq!(of(&file["workflows"][0]), start);
    let import = "/api/v1/workflows/import";
    let (status, report) = app.api("POST", import, file.clone()).await;
    assert_eq!(status, 201, "{report}");
    let imported = format!("/api/v1/workflows/{}", id(&report["workflows"][0]["workflow"]));
    assert_eq!(of(&app.api("GET", &imported, Value::Null).await.1), start);
    let duplicate = format!("{}/duplicate", path(&workflow));
    assert_eq!(of(&app.api("POST", &duplicate, json!({})).await.1), start);

    // A file may have been edited by hand.
    file["workflows"][0]["graph"]["settings"]["start"]["concurrency"]["limit"] = json!(0);
    let (status, refused) = app.api("POST", import, file).await;
    let pointer = &refused["error"]["details"][0]["pointer"];
    assert_eq!(
        (status, pointer),
        (400, &json!("/workflows/0/graph/settings/start/concurrency/limit")),
        "{refused}"
    );

    let mut graph = workflow["graph"].clone();
    graph["settings"]["start"]["concurrency"]["limit"] = json!(3);
    let save = json!({"name": "Test", "active": true, "graph": graph, "revision": workflow["revision"]});
    let (status, saved) = app.api("PUT", &path(&workflow), save).await;
    assert_eq!(status, 200, "{saved}");
    let diff = format!("{}/versions/1/diff?against=2", path(&workflow));
    let (_, diff) = app.api("GET", &diff, Value::Null).await;
    assert_eq!(
        diff["settings"],
        json!([{"pointer": "/start/concurrency/limit", "before": 2, "after": 3}])
    );
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
