//! Workflows that call others, and those that start when one fails.

use flowmatic_tests::{Answer, Database, Receiver, TestApp, eventually};
use serde_json::{Value, json};

use crate::workflow::{LOOPBACK, call, create, hooked, id, on_both_databases, reply, row, webhook_id};

on_both_databases! {
    gives_what_the_called_workflow_gave
    fails_with_the_called_workflow
    cancels_the_whole_tree
    starts_the_error_workflow_once
    a_call_is_made_once_over_crashes
}

/// A workflow to be called: these nodes in a row.
async fn callee(app: &TestApp, nodes: &[Value]) -> Value {
    let trigger = json!({"key": "called", "type": "trigger.workflow"});
    create(app, row(&[&[trigger], nodes].concat())).await
}

fn calling(workflow: &Value, parameters: Value) -> Value {
    let mut parameters = parameters;
    parameters["workflow"] = workflow["id"].clone();
    json!({"key": "call", "type": "flow.call", "parameters": parameters})
}

async fn executions(app: &TestApp, workflow: &Value) -> Vec<Value> {
    let path = format!("/api/v1/executions?workflow_id={}", id(workflow));
    let (status, list) = app.api("GET", &path, Value::Null).await;
    assert_eq!(status, 200, "{list}");
    list["data"].as_array().expect("a list").clone()
}

async fn gives_what_the_called_workflow_gave(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let double =
        json!({"key": "double", "type": "data.set", "parameters": {"fields": {"n": "{{multiply n 2}}"}}});
    let callee = callee(&app, &[double]).await;
    let nodes = [
        calling(&callee, json!({"input": {"n": "{{order}}"}})),
        reply(json!({"body": "{{_nodes.call.result}}"})),
    ];
    let hook = webhook_id(&create(&app, hooked(&nodes)).await);
    assert_eq!(
        app.webhook(&hook, &json!({"order": 21})).await,
        (200, json!({"n": 42}))
    );
    let called = executions(&app, &callee).await;
    assert_eq!((called.len(), &called[0]["mode"]), (1, &json!("call")));
}

async fn fails_with_the_called_workflow(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let stop =
        json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no", "code": "refused"}});
    let callee = callee(&app, &[stop]).await;
    let gone = json!({"id": uuid::Uuid::now_v7()});
    for (workflow, code) in [(&callee, "child_failed"), (&gone, "not_found")] {
        let hook = webhook_id(&create(&app, hooked(&[calling(workflow, json!({}))])).await);
        let (_, answer) = app.webhook(&hook, &json!({})).await;
        let ended = app
            .wait_for(answer["executionId"].as_str().expect("an id"), &["FAILED"])
            .await;
        assert_eq!(ended["error"]["code"], code, "{ended}");
    }
}

async fn cancels_the_whole_tree(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let wait = json!({"key": "wait", "type": "flow.wait", "parameters": {"duration": "30d"}});
    let leaf = callee(&app, &[wait]).await;
    let middle = callee(&app, &[calling(&leaf, json!({}))]).await;
    let hook = webhook_id(&create(&app, hooked(&[calling(&middle, json!({}))])).await);
    let (_, answer) = app.webhook(&hook, &json!({})).await;
    let root = answer["executionId"].as_str().expect("an id").to_owned();
    let of_leaf = eventually("the leaf to be called", async || {
        executions(&app, &leaf).await.first().cloned()
    })
    .await;
    app.wait_for(id(&of_leaf), &["WAITING"]).await;
    app.wait_for(&root, &["WAITING"]).await;
    let (status, told) = app
        .api("POST", &format!("/api/v1/executions/{root}/cancel"), Value::Null)
        .await;
    assert_eq!(status, 200, "{told}");
    app.wait_for(&root, &["CANCELLED"]).await;
    app.wait_for(id(&of_leaf), &["CANCELLED"]).await;
    let of_middle = executions(&app, &middle).await;
    app.wait_for(id(&of_middle[0]), &["CANCELLED"]).await;
}

async fn starts_the_error_workflow_once(database: Database) {
    let mut app = TestApp::builder().database(database).start().await;
    let trigger = json!({"key": "failed", "type": "trigger.error"});
    let note = json!({"key": "note", "type": "data.set", "parameters": {"fields": {
        "code": "{{_error.code}}", "node": "{{_error.node}}", "of": "{{_error.executionId}}"
    }}});
    let handler = create(&app, row(&[trigger, note])).await;
    let stop =
        json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no", "code": "refused"}});
    let mut failing = hooked(&[stop]);
    failing["graph"]["settings"] = json!({"error_workflow": handler["id"]});
    let hook = webhook_id(&create(&app, failing).await);
    let (_, answer) = app.webhook(&hook, &json!({})).await;
    let failed = answer["executionId"].clone();
    let started = eventually("the error workflow to start", async || {
        executions(&app, &handler).await.first().cloned()
    })
    .await;
    let ended = app.wait_for(id(&started), &["COMPLETED"]).await;
    assert_eq!(ended["mode"], "error");
    assert_eq!(
        ended["result"],
        json!({"code": "refused", "node": "stop", "of": failed})
    );
    app.restart().await;
    assert_eq!(executions(&app, &handler).await.len(), 1);
}

async fn a_call_is_made_once_over_crashes(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let mut app = TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await;
    let callee = callee(&app, &[call("effect", receiver.url())]).await;
    let hook = webhook_id(&create(&app, hooked(&[calling(&callee, json!({}))])).await);
    let (_, answer) = app.webhook(&hook, &json!({})).await;
    let root = answer["executionId"].as_str().expect("an id").to_owned();
    receiver.wait_for(1).await;
    app.kill();
    receiver.answer(Answer::status(200));
    receiver.release();
    app.restart().await;
    app.wait_for(&root, &["COMPLETED"]).await;
    assert_eq!(executions(&app, &callee).await.len(), 1);
}

#[tokio::test]
async fn workflows_that_call_each_other_in_a_ring_come_to_an_end() {
    let app = TestApp::start().await;
    let trigger = json!({"key": "called", "type": "trigger.workflow"});
    let ring = create(
        &app,
        json!({"name": "Ring", "graph": {"nodes": [trigger.clone()]}}),
    )
    .await;
    let mut graph = row(&[trigger, calling(&ring, json!({}))])["graph"].clone();
    graph["nodes"][1]["parameters"]["workflow"] = ring["id"].clone();
    let save = json!({"name": "Ring", "active": true, "graph": graph, "revision": ring["revision"]});
    let (status, saved) = app
        .api("PUT", &format!("/api/v1/workflows/{}", id(&ring)), save)
        .await;
    assert_eq!(status, 200, "{saved}");
    let hook = webhook_id(&create(&app, hooked(&[calling(&ring, json!({}))])).await);
    let (_, answer) = app.webhook(&hook, &json!({})).await;
    let ended = app
        .wait_for(answer["executionId"].as_str().expect("an id"), &["FAILED"])
        .await;
    assert_eq!(ended["error"]["code"], "child_failed");
    assert_eq!(executions(&app, &ring).await.len(), 16);
}
