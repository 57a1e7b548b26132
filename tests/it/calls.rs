//! Workflows that call others, and those that start when one fails.

use flowmatic_tests::{Answer, Database, Receiver, TestApp, eventually};
use serde_json::{Value, json};

use crate::workflow::{LOOPBACK, call, create, hooked, id, on_both_databases, path, reply, row, webhook_id};

on_both_databases! {
    gives_what_the_called_workflow_gave
    calls_several_at_the_same_time
    fails_with_the_called_workflow
    cancels_the_whole_tree
    starts_the_error_workflow_once
    a_call_is_made_once_over_crashes
    error_workflows_that_lead_to_failures_end
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

async fn calls_several_at_the_same_time(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let keep = json!({"key": "keep", "type": "data.set", "parameters": {"fields": {"n": "{{n}}"}}});
    let callee = callee(&app, &[keep]).await;
    let mut call = calling(&callee, json!({"input": {"n": "{{_item}}"}}));
    call["parent"] = json!("each");
    let each = json!({"key": "each", "type": "flow.for_each", "parameters": {"items": "{{list}}", "concurrency": 20}});
    let answer = reply(json!({"body": "{{_nodes.each.results}}"}));
    let mut workflow = hooked(&[each, answer]);
    workflow["graph"]["nodes"]
        .as_array_mut()
        .expect("nodes")
        .push(call);
    let hook = webhook_id(&create(&app, workflow).await);
    let list: Vec<usize> = (0..60).collect();
    let (status, answer) = app.webhook(&hook, &json!({"list": list})).await;
    assert_eq!(status, 200, "{answer}");
    let given = answer.as_array().expect("a list").iter();
    let given: Vec<&Value> = given.map(|item| &item["result"]["n"]).collect();
    assert_eq!(
        given,
        list.iter()
            .map(|n| json!(n))
            .collect::<Vec<_>>()
            .iter()
            .collect::<Vec<_>>()
    );
}

async fn fails_with_the_called_workflow(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let stop =
        json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no", "code": "refused"}});
    let callee = callee(&app, &[stop]).await;
    let gone = self::callee(&app, &[]).await;
    let mut hooks = Vec::new();
    for (workflow, code) in [(&callee, "child_failed"), (&gone, "not_found")] {
        let caller = create(&app, hooked(&[calling(workflow, json!({}))])).await;
        hooks.push((webhook_id(&caller), code));
    }
    let (status, told) = app.api("DELETE", &path(&gone), Value::Null).await;
    assert_eq!(status, 200, "{told}");
    // What is gone is refused from now on, with its place.
    let mut graph = hooked(&[calling(&gone, json!({}))]);
    graph["graph"]["settings"] = json!({"error_workflow": gone["id"]});
    let (status, told) = app.api("POST", "/api/v1/workflows", graph).await;
    assert_eq!(status, 422, "{told}");
    let places: Vec<&Value> = told["error"]["details"]
        .as_array()
        .expect("details")
        .iter()
        .map(|problem| &problem["pointer"])
        .collect();
    assert_eq!(
        places,
        [
            "/graph/settings/error_workflow",
            "/graph/nodes/1/parameters/workflow"
        ]
    );
    for (hook, code) in hooks {
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

async fn error_workflows_that_lead_to_failures_end(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let stop =
        json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no", "code": "refused"}});
    let failing = callee(&app, std::slice::from_ref(&stop)).await;
    let trigger = json!({"key": "failed", "type": "trigger.error"});
    let handler = create(&app, row(&[trigger, calling(&failing, json!({}))])).await;
    let called = json!({"key": "called", "type": "trigger.workflow"});
    let mut graph = row(&[called, stop])["graph"].clone();
    graph["settings"] = json!({"error_workflow": id(&handler)});
    let update = json!({"name": "Failing", "graph": graph, "revision": failing["revision"], "active": true});
    let (status, updated) = app.api("PUT", &path(&failing), update).await;
    assert_eq!(status, 200, "{updated}");
    let hook = webhook_id(&create(&app, hooked(&[calling(&failing, json!({}))])).await);
    app.webhook(&hook, &json!({})).await;
    // Each call and each error workflow is one level, and there are sixteen.
    let last = eventually("the last of them to end", async || {
        let (called, handled) = (executions(&app, &failing).await, executions(&app, &handler).await);
        let mut all = called.iter().chain(&handled);
        let is_over = all.all(|execution| execution["status"] == "FAILED");
        (is_over && called.len() == 8 && handled.len() == 8).then(|| handled[0].clone())
    })
    .await;
    assert_eq!(last["error"]["code"], "call_depth");
}
