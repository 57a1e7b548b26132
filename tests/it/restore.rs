//! Workflows that are deleted, and taken back.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::workflow::{create, hook, id, on_both_databases, path, row, webhook_id, webhook_path};

on_both_databases! {
    comes_back_as_it_was
    what_was_off_comes_back_off
}

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

async fn get(app: &TestApp, path: &str) -> Value {
    let (status, answer) = app.api("GET", path, Value::Null).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn post(app: &TestApp, path: String) -> (u16, Value) {
    app.api("POST", &path, Value::Null).await
}

async fn comes_back_as_it_was(database: Database) {
    let app = start(database).await;
    let schedule = |key: &str| json!({"key": key, "type": "trigger.schedule", "parameters": {"every": "1h"}});
    let mut workflow = row(&[hook(json!({}))]);
    for key in ["hourly", "paused"] {
        let nodes = workflow["graph"]["nodes"].as_array_mut().expect("nodes");
        nodes.push(schedule(key));
    }
    let workflow = create(&app, workflow).await;
    let paused = format!("/api/v1/schedules/{}", id(&workflow["triggers"][2]));
    assert_eq!(post(&app, format!("{paused}/pause")).await.0, 200);
    let called = async || {
        let request = app.request("POST", &webhook_path(&workflow)).json(&json!({}));
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(called().await, 200);
    assert_eq!(app.api("DELETE", &path(&workflow), Value::Null).await.0, 200);

    assert_eq!(called().await, 404);
    assert_eq!(app.api("GET", &paused, Value::Null).await.0, 404);
    assert_eq!(post(&app, format!("{paused}/resume")).await.0, 404);
    for list in ["/api/v1/schedules", "/api/v1/webhooks", "/api/v1/workflows"] {
        assert_eq!(get(&app, list).await["data"], json!([]), "{list}");
    }
    let deleted = get(&app, "/api/v1/workflows?status=deleted").await;
    assert_eq!(deleted["data"][0]["id"], workflow["id"]);
    assert!(deleted["data"][0]["deleted_at"].is_string(), "{deleted}");
    assert_eq!(post(&app, format!("{}/activate", path(&workflow))).await.0, 404);

    for _ in 0..2 {
        let (status, restored) = post(&app, format!("{}/restore", path(&workflow))).await;
        assert_eq!((status, &restored), (200, &workflow), "nothing has changed");
    }
    assert_eq!(called().await, 200);
    let schedules = get(&app, "/api/v1/schedules").await;
    for schedule in schedules["data"].as_array().expect("a list") {
        let is_paused = schedule["node"] == "paused";
        assert_eq!(schedule["paused"], is_paused, "{schedule}");
        assert_eq!(schedule.get("next_at").is_none(), is_paused, "{schedule}");
    }
    assert_eq!(
        get(&app, "/api/v1/workflows?status=deleted").await["data"],
        json!([])
    );
    let executions = get(&app, "/api/v1/executions").await;
    assert_eq!(
        executions["data"][1].get("workflow_deleted"),
        None,
        "{executions}"
    );
}

async fn what_was_off_comes_back_off(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, row(&[hook(json!({}))])).await;
    assert_eq!(post(&app, format!("{}/deactivate", path(&workflow))).await.0, 200);
    assert_eq!(app.api("DELETE", &path(&workflow), Value::Null).await.0, 200);
    let (status, restored) = post(&app, format!("{}/restore", path(&workflow))).await;
    assert_eq!((status, &restored["active"]), (200, &json!(false)), "{restored}");
    assert_eq!(app.webhook(&webhook_id(&workflow), &json!({})).await.0, 404);
    let nobody = format!("/api/v1/workflows/{}/restore", uuid::Uuid::now_v7());
    assert_eq!(post(&app, nobody).await.0, 404);
}
