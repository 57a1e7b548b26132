//! Executions that are repeated from where they failed.

use flowmatic_tests::{Answer, Database, Receiver, TestApp};
use serde_json::{Value, json};

use crate::workflow::{LOOPBACK, call, create, hook, hooked, on_both_databases, webhook_id};

on_both_databases! {
    goes_on_at_the_step_that_failed
    goes_on_at_the_item_that_failed
}

async fn failed(app: &TestApp, workflow: Value) -> String {
    let hook = webhook_id(&create(app, workflow).await);
    let (_, answer) = app.webhook(&hook, &json!({"order": 7})).await;
    let id = answer["executionId"].as_str().expect("an id").to_owned();
    app.wait_for(&id, &["FAILED"]).await;
    id
}

async fn retried(app: &TestApp, execution: &str) -> Value {
    let path = format!("/api/v1/executions/{execution}/retry");
    let (status, answer) = app.api("POST", &path, json!({"from": "failed"})).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["retry_of"], execution);
    app.wait_for(answer["id"].as_str().expect("an id"), &["COMPLETED"])
        .await
}

async fn goes_on_at_the_step_that_failed(database: Database) {
    let receiver = Receiver::start().await;
    let app = TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await;
    let nodes = ["a", "b", "c"].map(|key| call(key, &format!("{}/{key}", receiver.url())));
    receiver.answer_once(Answer::json(&json!({"token": 1})));
    receiver.answer_once(Answer::status(400));
    let first = failed(&app, hooked(&nodes)).await;
    let ended = retried(&app, &first).await;
    assert_eq!(receiver.received().len(), 4, "a once, b twice, c once");
    let steps = ended["steps"].as_array().expect("steps");
    let statuses: Vec<&Value> = steps.iter().map(|step| &step["status"]).collect();
    assert_eq!(statuses, ["completed"; 3]);
    assert_eq!(steps[0]["output"]["body"], json!({"token": 1}));
    let (status, _) = app
        .api(
            "POST",
            &format!(
                "/api/v1/executions/{}/retry",
                ended["id"].as_str().expect("an id")
            ),
            json!({"from": "failed"}),
        )
        .await;
    assert_eq!(status, 409, "it has succeeded");
}

async fn goes_on_at_the_item_that_failed(database: Database) {
    let receiver = Receiver::start().await;
    let app = TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await;
    let mut inner = call("call", receiver.url());
    inner["parent"] = json!("each");
    let each = json!({"key": "each", "type": "flow.for_each", "parameters": {"items": [1, 2, 3, 4]}});
    let workflow = json!({"name": "Loop", "active": true, "graph": {
        "nodes": [hook(json!({})), each, inner], "edges": [{"from": "hook", "to": "each"}]
    }});
    for status in [200, 200, 400] {
        receiver.answer_once(Answer::status(status));
    }
    let first = failed(&app, workflow).await;
    let ended = retried(&app, &first).await;
    assert_eq!(receiver.received().len(), 5, "the first two are not called again");
    assert_eq!(ended["result"]["count"], 4);
}
