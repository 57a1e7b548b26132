//! `/api/webhooks/{webhookId}`: what a caller sends, and what it gets.

use flowmatic_tests::{Database, Receiver, TestApp, eventually};
use reqwest::Body;
use serde_json::{Value, json};

use crate::workflow::{
    Answered, LOOPBACK, call, create, hook, id, on_both_databases, path, reply, row, webhook_id, webhook_path,
};

mod bodies;
mod incoming;
mod proof;

on_both_databases! {
    takes_the_post_of_the_documentation
    takes_the_get_of_the_documentation
    shows_the_call_to_expressions
    answers_as_the_response_node_says
    answers_by_the_first_response_node_and_goes_on
    tells_a_caller_who_waited_too_long_where_to_look
    tells_of_a_failure_before_the_answer
    tells_of_an_end_without_an_answer
    goes_on_when_the_caller_hangs_up
    does_not_know_webhooks_that_are_not_active
    takes_only_the_methods_of_its_trigger
}

/// The body of the reference's POST, as it is printed there.
const ORDER: &str = r#"{
"customer_id": "cust_123",
"event": "order.created",
"data": {
"amount": 99.99,
"currency": "USD"
}
}"#;

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

async fn start_beside(database: Database, flags: &[&str]) -> TestApp {
    TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .flags(flags)
        .start()
        .await
}

/// A workflow that answers with this.
fn answering(body: Value) -> Value {
    row(&[hook(json!({})), reply(json!({"body": body}))])
}

/// What the reference answers where no Response node does.
fn triggered(workflow: &Value, answer: &Value) -> Value {
    json!({
        "status": "success",
        "message": "Webhook received and workflow triggered",
        "webhookId": webhook_id(workflow),
        "workflowId": id(workflow),
        "executionId": execution_id(answer),
        "executionStatus": "RUNNING"
    })
}

fn execution_id(answer: &Value) -> &str {
    answer["executionId"]
        .as_str()
        .expect("the answer names its execution")
}

async fn post(app: &TestApp, workflow: &Value, content_type: &str, body: impl Into<Body>) -> Answered {
    let request = app.request("POST", &webhook_path(workflow));
    Answered::of(request.header("content-type", content_type).body(body)).await
}

async fn takes_the_post_of_the_documentation(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, row(&[hook(json!({}))])).await;
    let answered = post(&app, &workflow, "application/json", ORDER).await;
    let answer = answered.json();
    assert_eq!(
        (answered.status, answered.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(answer.to_string(), triggered(&workflow, &answer).to_string());
    let execution = app.wait_for(execution_id(&answer), &["COMPLETED"]).await;
    assert_eq!(
        execution["input"],
        serde_json::from_str::<Value>(ORDER).expect("JSON")
    );
    assert_eq!(
        (&execution["mode"], &execution["trigger"]),
        (&json!("webhook"), &json!("hook"))
    );
}

async fn takes_the_get_of_the_documentation(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, row(&[hook(json!({}))])).await;
    let call = format!(
        "{}?customer_id=cust_123&event=order.created",
        webhook_path(&workflow)
    );
    let answered = Answered::of(app.request("GET", &call)).await;
    let answer = answered.json();
    assert_eq!(answered.status, 200);
    assert_eq!(answer.to_string(), triggered(&workflow, &answer).to_string());
    let execution = app.wait_for(execution_id(&answer), &["COMPLETED"]).await;
    assert_eq!(
        execution["input"],
        json!({"customer_id": "cust_123", "event": "order.created"})
    );
}

async fn shows_the_call_to_expressions(database: Database) {
    let app = start(database).await;
    let body = json!({"agent": "{{_webhook.headers.user-agent}}", "webhook": "{{_webhook}}"});
    let workflow = create(&app, answering(body)).await;
    let path = webhook_path(&workflow);
    let request = app
        .request("POST", &format!("{path}?source=api"))
        .header("content-type", "application/json")
        .header("User-Agent", "MyApp/1.0")
        .header("X-Twice", "a")
        .header("X-Twice", "b")
        .body(r#"{"event": "test"}"#);
    let answered = Answered::of(request).await;
    let mut answer = answered.json();
    assert_eq!(
        (answered.status, &answer["agent"]),
        (200, &json!("MyApp/1.0")),
        "{answer}"
    );
    let webhook = answer["webhook"].as_object_mut().expect("the call");
    let received_at = webhook.remove("receivedAt").expect("its time");
    let received_at = received_at.as_str().expect("text");
    assert!(
        chrono::DateTime::parse_from_rfc3339(received_at).is_ok(),
        "{received_at}"
    );
    assert_eq!(
        (received_at.len(), &received_at[19..]),
        ("2026-02-08T12:00:00Z".len(), "Z")
    );
    let host = app.url().trim_start_matches("http://");
    let expected = json!({
        "webhookId": webhook_id(&workflow),
        "triggerId": workflow["triggers"][0]["id"],
        "headers": {
            "content-type": "application/json", "user-agent": "MyApp/1.0", "x-twice": "a, b", "accept": "*/*",
            "host": host, "content-length": "17"
        },
        "query": {"source": "api"},
        "method": "POST",
        "path": path,
        "ip": "127.0.0.1",
        "contentType": "application/json",
        "files": [],
        "body": {"event": "test"}
    });
    assert_eq!(answer["webhook"], expected);
}

async fn answers_as_the_response_node_says(database: Database) {
    let app = start(database).await;
    let check = async |parameters: Value, status: u16, content_type: &str, body: &[u8]| {
        let shown = parameters.to_string();
        let workflow = create(&app, row(&[hook(json!({})), reply(parameters)])).await;
        let answered = post(&app, &workflow, "application/json", r#"{"n": 1.50, "t": "é"}"#).await;
        assert_eq!(
            (answered.status, answered.header("content-type")),
            (status, content_type),
            "{shown}"
        );
        assert_eq!(answered.body, body, "{shown}");
        answered
    };
    const JSON: &str = "application/json";
    const TEXT: &str = "text/plain; charset=utf-8";
    check(
        json!({"body": {"ok": true, "n": "{{n}}"}}),
        200,
        JSON,
        br#"{"ok":true,"n":1.5}"#,
    )
    .await;
    check(json!({"body": "<{{t}}>"}), 200, TEXT, "<é>".as_bytes()).await;
    check(
        json!({"body": "{{t}}", "as": "json"}),
        200,
        JSON,
        "\"é\"".as_bytes(),
    )
    .await;
    check(json!({"body": {"n": 1}, "as": "text"}), 200, TEXT, br#"{"n":1}"#).await;
    check(
        json!({"body": "AP9/", "as": "base64"}),
        200,
        "application/octet-stream",
        b"\x00\xff\x7f",
    )
    .await;
    check(json!({}), 200, "", b"").await;
    check(json!({"status": 204, "body": "dropped"}), 204, "", b"").await;
    check(json!({"status": 599, "body": "x"}), 599, TEXT, b"x").await;
    let headers = json!({"Content-Type": "text/html", "Location": "/orders/{{n}}", "X-Left-Out": null});
    let parameters = json!({"status": 302, "headers": headers, "body": "<p>"});
    let answered = check(parameters, 302, "text/html", b"<p>").await;
    assert_eq!(answered.header("location"), "/orders/1.5");
    assert!(!answered.headers.contains_key("x-left-out"));
}

async fn answers_by_the_first_response_node_and_goes_on(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let app = start_beside(database, &[]).await;
    let second = json!({"key": "second", "type": "flow.response", "parameters": {"body": "second"}});
    let nodes = [
        hook(json!({})),
        reply(json!({"body": "first"})),
        call("after", receiver.url()),
        second,
    ];
    let workflow = create(&app, row(&nodes)).await;
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({})).await;
    assert_eq!((status, answer), (200, json!("first")));
    let request = receiver.wait_for(1).await.remove(0);
    let (execution, _) = request
        .header("idempotency-key")
        .split_once('/')
        .expect("execution/node");
    app.wait_for(execution, &["RUNNING"]).await;
    receiver.release();
    let ended = app.wait_for(execution, &["COMPLETED"]).await;
    assert_eq!(ended["result"]["body"], "first", "{ended}");
    assert_eq!(ended["steps"][2]["output"]["body"], "second", "{ended}");
    assert_eq!(receiver.received().len(), 1);
}

async fn tells_a_caller_who_waited_too_long_where_to_look(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let app = start_beside(database, &["--sync-timeout", "300ms"]).await;
    let nodes = [
        hook(json!({})),
        call("slow", receiver.url()),
        reply(json!({"body": "late"})),
    ];
    let workflow = create(&app, row(&nodes)).await;
    let answered = post(&app, &workflow, "application/json", "{}").await;
    let answer = answered.json();
    assert_eq!(answered.status, 202, "{answer}");
    assert_eq!(answer.to_string(), triggered(&workflow, &answer).to_string());
    let location = answered.header("location");
    assert_eq!(location, format!("/api/v1/executions/{}", execution_id(&answer)));
    let (status, execution) = app.api("GET", location, Value::Null).await;
    assert_eq!((status, &execution["status"]), (200, &json!("RUNNING")));
    receiver.release();
    let execution = app.wait_for(execution_id(&answer), &["COMPLETED"]).await;
    assert_eq!(execution["result"]["body"], "late");
}

async fn tells_of_a_failure_before_the_answer(database: Database) {
    let app = start(database).await;
    let stop =
        json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no", "code": "refused"}});
    let workflow = create(
        &app,
        row(&[hook(json!({})), stop, reply(json!({"body": "never"}))]),
    )
    .await;
    let answered = post(&app, &workflow, "application/json", "{}").await;
    let answer = answered.json();
    let mut expected = triggered(&workflow, &answer);
    expected["status"] = json!("error");
    expected["message"] = json!("Workflow failed before it answered");
    expected["executionStatus"] = json!("FAILED");
    assert_eq!((answered.status, answer.to_string()), (500, expected.to_string()));
    let execution = app.wait_for(execution_id(&answer), &["FAILED"]).await;
    assert_eq!(execution["error"]["code"], "refused", "{execution}");
}

async fn tells_of_an_end_without_an_answer(database: Database) {
    let app = start(database).await;
    let choose = json!({"key": "big", "type": "flow.if", "parameters": {"condition": "{{gt amount 50}}"}});
    let mut workflow = row(&[hook(json!({})), choose, reply(json!({"body": "big"}))]);
    workflow["graph"]["edges"][1]["port"] = json!("true");
    let workflow = create(&app, workflow).await;
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({"amount": 51})).await;
    assert_eq!((status, answer), (200, json!("big")));
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({"amount": 50})).await;
    let mut expected = triggered(&workflow, &answer);
    expected["message"] = json!("Workflow completed without reaching a Response node");
    expected["executionStatus"] = json!("COMPLETED");
    assert_eq!((status, answer), (200, expected));
}

async fn goes_on_when_the_caller_hangs_up(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let app = start_beside(database, &[]).await;
    let nodes = [
        hook(json!({})),
        call("slow", receiver.url()),
        reply(json!({"body": "unheard"})),
    ];
    let workflow = create(&app, row(&nodes)).await;
    let caller = tokio::spawn(app.request("POST", &webhook_path(&workflow)).send());
    let request = receiver.wait_for(1).await.remove(0);
    caller.abort();
    assert!(caller.await.is_err(), "the caller got an answer");
    receiver.release();
    let (execution, _) = request
        .header("idempotency-key")
        .split_once('/')
        .expect("execution/node");
    let execution = app.wait_for(execution, &["COMPLETED"]).await;
    assert_eq!(execution["result"]["body"], "unheard");
    assert_eq!(receiver.received().len(), 1);
}

async fn does_not_know_webhooks_that_are_not_active(database: Database) {
    let app = start(database).await;
    let check = async |path: &str, status: u16, why: &str| {
        let answered = Answered::of(app.request("POST", path).json(&json!({}))).await;
        assert_eq!(answered.status, status, "{why}");
        if status == 404 {
            assert_eq!(answered.error(), "NOT_FOUND", "{why}");
        }
    };
    check(
        "/api/webhooks/0198c0de-0000-7000-8000-000000000000",
        404,
        "unknown",
    )
    .await;
    for malformed in ["abc-123", "%00", "0198c0de", "..%2f..%2fhealthz", "%ff"] {
        check(&format!("/api/webhooks/{malformed}"), 404, malformed).await;
    }
    check("/api/webhooks", 404, "no id").await;
    check("/api/webhooks/", 404, "an empty id").await;

    let mut draft = row(&[hook(json!({}))]);
    draft["active"] = json!(false);
    let workflow = create(&app, draft).await;
    let webhook = webhook_path(&workflow);
    check(&webhook, 404, "never published").await;
    let publish = async |action: &str| {
        let path = format!("{}/{action}", path(&workflow));
        let (status, answer) = app.api("POST", &path, Value::Null).await;
        assert_eq!(status, 200, "{answer}");
    };
    publish("publish").await;
    check(&webhook, 200, "published").await;
    check(&format!("{webhook}/more"), 404, "beyond the id").await;
    publish("deactivate").await;
    check(&webhook, 404, "deactivated").await;
    publish("publish").await;
    check(&webhook, 200, "published again").await;
}

async fn takes_only_the_methods_of_its_trigger(database: Database) {
    let app = start(database).await;
    let check = async |parameters: Value, allow: &str| {
        let workflow = create(&app, row(&[hook(parameters)])).await;
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"] {
            let answered = Answered::of(app.request(method, &webhook_path(&workflow))).await;
            if allow.split(", ").any(|taken| taken == method) {
                assert_eq!(answered.status, 200, "{method} of {allow}");
            } else {
                assert_eq!(
                    (answered.status, answered.header("allow")),
                    (405, allow),
                    "{method}"
                );
                assert!(method == "HEAD" || answered.error() == "METHOD_NOT_ALLOWED");
            }
        }
    };
    check(json!({}), "GET, POST").await;
    check(
        json!({"methods": ["PUT", "PATCH", "DELETE"]}),
        "PUT, PATCH, DELETE",
    )
    .await;
}

#[tokio::test]
async fn logs_the_call_and_not_its_body() {
    // What callers send is theirs: even at `debug` it is not in the log.
    let app = TestApp::builder().env("FLOWMATIC_LOG", "debug").start().await;
    let workflow = create(&app, answering(json!("ok"))).await;
    app.webhook(&webhook_id(&workflow), &json!({"card": "4111-1111"}))
        .await;
    eventually("the call to be logged", async || {
        app.output().contains("/api/webhooks/").then_some(())
    })
    .await;
    assert!(!app.output().contains("4111-1111"), "{}", app.output());
}
