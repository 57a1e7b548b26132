//! What is done with many executions at once.

use std::collections::BTreeSet;

use flowmatic_tests::{Database, TestApp};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::workflow::{Answered, create, hooked, id, on_both_databases, webhook_id};

on_both_databases! {
    retries_those_that_are_named_and_tells_of_those_it_cannot
    retries_what_a_filter_finds_once
    retries_none_twice_where_calls_overlap
    retries_once_under_one_key
    cancels_what_waits
}

const EXECUTIONS: &str = "/api/v1/executions";

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

/// Fails where its body says so.
fn failing() -> Value {
    let when = json!({"key": "when", "type": "flow.if", "parameters": {"condition": "{{fails}}"}});
    let stop = json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no"}});
    let mut workflow = hooked(&[when, stop]);
    workflow["graph"]["edges"][1]["port"] = json!("true");
    workflow
}

async fn call(app: &TestApp, workflow: &Value, body: Value) -> String {
    let (_, answer) = app.webhook(&webhook_id(workflow), &body).await;
    answer["executionId"].as_str().expect("an id").to_owned()
}

async fn post(app: &TestApp, action: &str, body: Value) -> Value {
    let (status, answer) = app.api("POST", &format!("{EXECUTIONS}/{action}"), body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter().map(id).collect()
}

async fn retries_those_that_are_named_and_tells_of_those_it_cannot(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, failing()).await;
    let failed = call(&app, &workflow, json!({"fails": true})).await;
    app.wait_for(&failed, &["FAILED"]).await;
    let fine = call(&app, &workflow, json!({"fails": false})).await;
    app.wait_for(&fine, &["COMPLETED"]).await;
    let nobody = uuid::Uuid::now_v7().to_string();

    let body = json!({"ids": [failed, nobody, fine, failed], "from": "failed"});
    let answer = post(&app, "retry", body).await;
    assert_eq!(
        (&answer["success"], &answer["more"]),
        (&json!(true), &json!(false)),
        "{answer}"
    );
    assert_eq!(answer["next_cursor"], Value::Null);
    assert_eq!(ids(&answer["done"]), [failed.as_str()], "once: {answer}");
    let retried = &answer["done"][0]["execution"];
    assert_eq!(
        (
            &retried["retry_of"],
            &retried["workflow_name"],
            &retried["trigger_type"]
        ),
        (&json!(failed), &json!("Test"), &json!("trigger.webhook"))
    );
    app.wait_for(id(retried), &["FAILED"]).await;
    assert_eq!(
        ids(&answer["failed"]),
        [nobody.as_str(), fine.as_str()],
        "{answer}"
    );
    assert_eq!(answer["failed"][0]["error"]["code"], "NOT_FOUND");
    assert_eq!(answer["failed"][1]["error"]["code"], "CONFLICT");

    let answer = post(&app, "retry", json!({"ids": [fine]})).await;
    assert_eq!(ids(&answer["done"]), [fine.as_str()], "{answer}");
    app.wait_for(id(&answer["done"][0]["execution"]), &["COMPLETED"])
        .await;
    let list = format!("{EXECUTIONS}?retry_of={fine}");
    let (_, list) = app.api("GET", &list, Value::Null).await;
    assert_eq!(ids(&list["data"]), ids(&json!([answer["done"][0]["execution"]])));
}

async fn retries_what_a_filter_finds_once(database: Database) {
    let app = start(database).await;
    let (workflow, other) = (create(&app, failing()).await, create(&app, failing()).await);
    let mut failed = Vec::new();
    for _ in 0..3 {
        let execution = call(&app, &workflow, json!({"fails": true})).await;
        app.wait_for(&execution, &["FAILED"]).await;
        failed.push(execution);
    }
    call(&app, &other, json!({"fails": true})).await;
    let filter = json!({"workflow_id": workflow["id"], "status": ["FAILED", "RUNNING"]});
    let first = post(&app, "retry", json!({"filter": filter, "limit": 2})).await;
    assert_eq!(
        ids(&first["done"]),
        [&failed[1], &failed[2]],
        "the older one first: {first}"
    );
    assert_eq!(first["more"], true);
    for done in first["done"].as_array().expect("a list") {
        app.wait_for(id(&done["execution"]), &["FAILED"]).await;
    }
    let rest = json!({"filter": filter, "limit": 2, "cursor": first["next_cursor"]});
    let rest = post(&app, "retry", rest).await;
    assert_eq!(
        (ids(&rest["done"]), &rest["more"]),
        (vec![&*failed[0]], &json!(false)),
        "{rest}"
    );
    // What was retried is left to its retries, which have failed by now.
    app.wait_for(id(&rest["done"][0]["execution"]), &["FAILED"]).await;
    let again = post(&app, "retry", json!({"filter": filter})).await;
    let retries = [&first["done"], &rest["done"]];
    let mut expected: Vec<&str> = retries
        .iter()
        .flat_map(|done| done.as_array().expect("a list"))
        .map(|done| id(&done["execution"]))
        .collect();
    expected.sort_unstable();
    assert_eq!(ids(&again["done"]), expected, "{again}");
    let none = json!({"filter": {"status": ["COMPLETED"]}, "from": "failed"});
    assert_eq!(post(&app, "retry", none).await["done"], json!([]));
}

async fn retries_none_twice_where_calls_overlap(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, failing()).await;
    for _ in 0..12 {
        let execution = call(&app, &workflow, json!({"fails": true})).await;
        app.wait_for(&execution, &["FAILED"]).await;
    }
    for from in ["start", "failed"] {
        let body = json!({"filter": {"workflow_id": workflow["id"], "status": ["FAILED"]}, "from": from});
        let answers = join_all((0..6).map(|_| post(&app, "retry", body.clone()))).await;
        let retries: BTreeSet<String> = answers.iter().flat_map(retries_of).collect();
        assert_eq!(retries.len(), 12, "{answers:?}");
        for retry in &retries {
            app.wait_for(retry, &["FAILED"]).await;
        }
        let list = format!("{EXECUTIONS}?workflow_id={}&mode=retry&limit=100", id(&workflow));
        let (_, list) = app.api("GET", &list, Value::Null).await;
        let times = if from == "start" { 1 } else { 2 };
        assert_eq!(ids(&list["data"]).len(), times * 12, "{list}");
    }
}

fn retries_of(answer: &Value) -> Vec<String> {
    assert_eq!(answer["failed"], json!([]), "{answer}");
    let done = answer["done"].as_array().expect("a list");
    done.iter()
        .map(|done| id(&done["execution"]).to_owned())
        .collect()
}

async fn retries_once_under_one_key(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, failing()).await;
    let failed = call(&app, &workflow, json!({"fails": true})).await;
    app.wait_for(&failed, &["FAILED"]).await;
    let key = app.key().await;
    let retry = async |path: &str, idempotency_key: &str, body: Value| {
        let request = app
            .request("POST", &format!("{EXECUTIONS}/{path}"))
            .bearer_auth(key);
        Answered::of(request.header("Idempotency-Key", idempotency_key).json(&body)).await
    };
    for from in ["start", "failed"] {
        let both = json!({"ids": [failed], "from": from});
        let calls = (0..4).map(|_| retry("retry", from, both.clone()));
        let answers: Vec<Value> = join_all(calls).await.iter().map(Answered::json).collect();
        let retries: BTreeSet<String> = answers.iter().flat_map(retries_of).collect();
        assert_eq!(retries.len(), 1, "{answers:?}");
        let one = retry(&format!("{failed}/retry"), from, json!({"from": from})).await;
        assert_eq!((one.status, one.header("idempotency-replayed")), (202, "true"));
        assert!(retries.contains(id(&one.json())), "{}", one.json());
    }
    let other = retry("retry", "start", json!({"ids": [failed], "from": "failed"}))
        .await
        .json();
    assert_eq!(
        other["failed"][0]["error"]["code"], "IDEMPOTENCY_KEY_REUSED",
        "{other}"
    );
    let again = retry("retry", "another", json!({"ids": [failed]})).await.json();
    assert_eq!(ids(&again["done"]), [&failed], "{again}");
    let (_, list) = app
        .api("GET", &format!("{EXECUTIONS}?retry_of={failed}"), Value::Null)
        .await;
    assert_eq!(ids(&list["data"]).len(), 3, "{list}");
}

async fn cancels_what_waits(database: Database) {
    let app = start(database).await;
    let wait = json!({"key": "wait", "type": "flow.wait", "parameters": {"duration": "1h"}});
    let workflow = create(&app, hooked(&[wait])).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let execution = call(&app, &workflow, json!({})).await;
        app.wait_for(&execution, &["WAITING"]).await;
        waiting.push(execution);
    }
    let answer = post(&app, "cancel", json!({"ids": [waiting[0], waiting[1]]})).await;
    assert_eq!(ids(&answer["done"]), [&waiting[0], &waiting[1]], "{answer}");
    assert_eq!(answer["failed"], json!([]));
    assert_eq!(answer["done"][0]["execution"]["id"], waiting[0].as_str());
    for execution in &waiting[..2] {
        app.wait_for(execution, &["CANCELLED"]).await;
    }
    let filter = json!({"filter": {"workflow_id": workflow["id"]}, "limit": 1});
    let answer = post(&app, "cancel", filter.clone()).await;
    assert_eq!(
        (ids(&answer["done"]), &answer["more"]),
        (vec![&*waiting[3]], &json!(true)),
        "{answer}"
    );
    let answer = post(&app, "cancel", filter).await;
    assert_eq!(
        (ids(&answer["done"]), &answer["more"]),
        (vec![&*waiting[2]], &json!(false)),
        "{answer}"
    );
    for execution in &waiting[2..] {
        app.wait_for(execution, &["CANCELLED"]).await;
    }
    let over = post(&app, "cancel", json!({"ids": [waiting[0]]})).await;
    assert_eq!(
        (&over["done"], &over["failed"][0]["error"]["code"]),
        (&json!([]), &json!("CONFLICT"))
    );
}

#[tokio::test]
async fn refuses_what_does_not_say_which() {
    let app = TestApp::start().await;
    let one = uuid::Uuid::now_v7();
    let too_many: Vec<_> = (0..1_001).map(|_| uuid::Uuid::now_v7()).collect();
    for action in ["retry", "cancel"] {
        let path = format!("{EXECUTIONS}/{action}");
        for body in [
            json!({}),
            json!({"ids": [one], "filter": {}}),
            json!({"ids": [one], "limit": 5}),
        ] {
            let (status, answer) = app.api("POST", &path, body.clone()).await;
            assert_eq!(status, 422, "{action} {body}: {answer}");
        }
        for body in [
            json!({"ids": []}),
            json!({"ids": too_many}),
            json!({"ids": ["one"]}),
            json!({"filter": {}, "limit": 0}),
            json!({"filter": {}, "limit": 1001}),
            json!({"filter": {}, "cursor": "x"}),
            json!({"filter": {"status": []}}),
            json!({"filter": {"status": ["ODD"]}}),
            json!({"filter": {"search": "0198"}}),
        ] {
            let (status, answer) = app.api("POST", &path, body.clone()).await;
            assert_eq!(status, 400, "{action} {body}: {answer}");
        }
        let read = app
            .run(&["keys", "create", "--name", "r", "--scope", "executions:read"])
            .await;
        let key = String::from_utf8(read.stdout).expect("a key");
        let request = app.request("POST", &path).bearer_auth(key.trim());
        let refused = request
            .json(&json!({"ids": [one]}))
            .send()
            .await
            .expect("an answer");
        assert_eq!(refused.status(), 403);
    }
    let (status, answer) = app
        .api("GET", &format!("{EXECUTIONS}?search=019"), Value::Null)
        .await;
    assert_eq!(status, 400, "{answer}");
}
