//! `/api/v1/executions`, and how executions go.

use std::collections::HashSet;

use flowmatic_tests::{Answer, Database, Receiver, TestApp};
use serde_json::{Value, json};

use crate::workflow::{
    LOOPBACK, call, create, hook, hooked, id, on_both_databases, path, reply, row, webhook_id,
};

on_both_databases! {
    lists_executions_by_what_they_are
    pages_through_executions_while_others_start
    shows_each_step
    cancels_once_the_effect_has_come_back
    leaves_what_has_ended
    retries_from_the_start
    starts_by_hand
    tries_again_what_may_pass
    goes_on_after_an_error_where_it_is_told_to
    ends_nodes_and_workflows_at_their_time_outs
    redacts_the_secrets_of_nodes
}

const EXECUTIONS: &str = "/api/v1/executions";

async fn start(database: Database) -> TestApp {
    TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await
}

async fn act(app: &TestApp, execution: &str, action: &str) -> (u16, Value) {
    app.api("POST", &format!("{EXECUTIONS}/{execution}/{action}"), Value::Null)
        .await
}

/// Starts a workflow by hand with this input.
async fn execute(app: &TestApp, workflow: &Value, input: Value) -> String {
    let body = json!({"input": input});
    let (status, execution) = app
        .api("POST", &format!("{}/execute", path(workflow)), body)
        .await;
    assert_eq!(status, 202, "{execution}");
    id(&execution).to_owned()
}

async fn list(app: &TestApp, query: &str) -> Vec<String> {
    let (status, list) = app
        .api("GET", &format!("{EXECUTIONS}?{query}"), Value::Null)
        .await;
    assert_eq!(status, 200, "{query}: {list}");
    list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| id(row).to_owned())
        .collect()
}

/// A step by its node.
fn step<'a>(execution: &'a Value, node: &str) -> &'a Value {
    let steps = execution["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["node"] == node);
    step.unwrap_or_else(|| panic!("no step `{node}` in {execution}"))
}

fn stop() -> Value {
    json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no", "code": "refused"}})
}

async fn lists_executions_by_what_they_are(database: Database) {
    let app = start(database).await;
    let good = create(&app, row(&[hook(json!({}))])).await;
    let bad = create(&app, row(&[hook(json!({})), stop()])).await;
    let (_, answer) = app.webhook(&webhook_id(&good), &json!({})).await;
    let first = answer["executionId"].as_str().expect("an id").to_owned();
    app.wait_for(&first, &["COMPLETED"]).await;
    let second = execute(&app, &bad, json!({})).await;
    let failed = app.wait_for(&second, &["FAILED"]).await;
    let (status, retried) = act(&app, &first, "retry").await;
    assert_eq!(status, 202);
    let third = id(&retried).to_owned();
    app.wait_for(&third, &["COMPLETED"]).await;

    let (first, second, third) = (first.as_str(), second.as_str(), third.as_str());
    let check = async |query: &str, expected: &[&str]| {
        assert_eq!(list(&app, query).await, expected, "{query}");
    };
    check("", &[third, second, first]).await;
    check(&format!("workflow_id={}", id(&good)), &[third, first]).await;
    check("workflow_id=0198c0de-0000-7000-8000-000000000000", &[]).await;
    check("status=FAILED", &[second]).await;
    check("status=FAILED,COMPLETED", &[third, second, first]).await;
    check("status=FAILED&status=COMPLETED", &[third, second, first]).await;
    check("status=QUEUED,RUNNING,WAITING,CANCELLED,TIMED_OUT", &[]).await;
    check("mode=webhook", &[first]).await;
    check("mode=manual", &[second]).await;
    check("mode=retry", &[third]).await;
    check(
        &format!("mode=retry&status=COMPLETED&workflow_id={}", id(&good)),
        &[third],
    )
    .await;
    check("limit=1", &[third]).await;
    let started = failed["started_at"].as_str().expect("a time");
    let after = list(&app, &format!("started_after={started}")).await;
    assert!(
        after.contains(&second.to_owned()) && after.contains(&third.to_owned()),
        "at this moment or later"
    );
    let before = list(&app, &format!("started_before={started}")).await;
    assert!(
        !before.contains(&second.to_owned()) && !before.contains(&third.to_owned()),
        "before this moment"
    );
    check("started_after=2999-01-01T00:00:00Z", &[]).await;
    check("started_before=1970-01-01T00:00:00Z", &[]).await;
    for wrong in [
        "status=DONE",
        "status=",
        "mode=magic",
        "started_after=now",
        "limit=0",
        "limit=101",
        "cursor=x",
        "workflow_id=1",
    ] {
        let (status, answer) = app
            .api("GET", &format!("{EXECUTIONS}?{wrong}"), Value::Null)
            .await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!("BAD_REQUEST")),
            "{wrong}"
        );
    }
}

async fn pages_through_executions_while_others_start(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, row(&[hook(json!({}))])).await;
    let mut old = Vec::new();
    for _ in 0..7 {
        old.push(execute(&app, &workflow, json!({})).await);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = app
            .api("GET", &format!("{EXECUTIONS}?limit=3{cursor}"), Value::Null)
            .await;
        assert_eq!(status, 200, "{page}");
        seen.extend(
            page["data"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|row| id(row).to_owned()),
        );
        execute(&app, &workflow, json!({})).await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    old.reverse();
    assert_eq!(seen, old);
}

async fn shows_each_step(database: Database) {
    let receiver = Receiver::start().await;
    receiver.answer(Answer::json(&json!({"id": 7})));
    let app = start(database).await;
    let set = |key: &str, value: &str| json!({"key": key, "type": "data.set", "parameters": {"fields": {"v": value}}});
    let mut ask = call("ask", receiver.url());
    ask["name"] = json!("Ask them");
    ask["parameters"]["body"] = json!({"n": "{{n}}"});
    let choose = json!({"key": "big", "type": "flow.if", "parameters": {"condition": "{{gt n 50}}"}});
    let graph = json!({
        "nodes": [hook(json!({})), ask, choose, set("yes", "{{_nodes.ask.body.id}}"), set("no", "x"), set("never", "x")],
        "edges": [
            {"from": "hook", "to": "ask"}, {"from": "ask", "to": "big"},
            {"from": "big", "port": "true", "to": "yes"}, {"from": "big", "port": "false", "to": "no"},
            {"from": "no", "to": "never"}
        ]
    });
    let workflow = create(&app, json!({"name": "Steps", "active": true, "graph": graph})).await;
    let execution = execute(&app, &workflow, json!({"n": 51})).await;
    let execution = app.wait_for(&execution, &["COMPLETED"]).await;
    assert_eq!(
        (&execution["input"], &execution["version"]),
        (&json!({"n": 51}), &json!(1))
    );
    assert_eq!(
        (&execution["workflow_id"], &execution["recoveries"]),
        (&workflow["id"], &json!(0))
    );
    assert_eq!(execution["result"], json!({"v": 7}));
    assert!(execution["duration_ms"].is_number() && execution["finished_at"].is_string());

    let asked = step(&execution, "ask");
    assert_eq!(
        (&asked["name"], &asked["type"]),
        (&json!("Ask them"), &json!("http.request"))
    );
    assert_eq!(
        (&asked["status"], &asked["attempts"]),
        (&json!("completed"), &json!(1))
    );
    assert_eq!(asked["input"]["body"], json!({"n": 51}));
    assert_eq!(
        (&asked["output"]["status"], &asked["output"]["body"]),
        (&json!(200), &json!({"id": 7}))
    );
    assert!(
        asked["started_at"].is_string() && asked["finished_at"].is_string(),
        "{asked}"
    );
    assert!(asked["duration_ms"].is_number(), "{asked}");
    assert_eq!(step(&execution, "big")["ports"], json!(["true"]));
    assert_eq!(
        (
            &step(&execution, "yes")["input"],
            &step(&execution, "yes")["output"]
        ),
        (&json!({"fields": {"v": 7}}), &json!({"v": 7}))
    );
    for skipped in ["no", "never"] {
        let skipped = step(&execution, skipped);
        assert_eq!(
            (&skipped["status"], &skipped["attempts"]),
            (&json!("skipped"), &json!(0)),
            "{skipped}"
        );
        assert!(
            skipped["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty()),
            "{skipped}"
        );
        assert!(
            skipped.get("output").is_none() && skipped.get("started_at").is_none(),
            "{skipped}"
        );
    }

    let failing = create(&app, row(&[hook(json!({})), stop()])).await;
    let execution = execute(&app, &failing, json!({})).await;
    let execution = app.wait_for(&execution, &["FAILED"]).await;
    let error = json!({"code": "refused", "message": "no", "node": "stop"});
    assert_eq!(
        (&execution["error"], &step(&execution, "stop")["error"]),
        (&error, &error)
    );
    assert_eq!(step(&execution, "stop")["status"], "failed");
    let missing = format!("{EXECUTIONS}/0198c0de-0000-7000-8000-000000000000");
    assert_eq!(app.api("GET", &missing, Value::Null).await.0, 404);
}

async fn cancels_once_the_effect_has_come_back(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let app = start(database).await;
    let nodes = [
        hook(json!({})),
        call("slow", receiver.url()),
        call("after", receiver.url()),
    ];
    let workflow = create(&app, row(&nodes)).await;
    let execution = execute(&app, &workflow, json!({})).await;
    receiver.wait_for(1).await;
    let (status, told) = act(&app, &execution, "cancel").await;
    assert_eq!((status, &told["status"]), (200, &json!("RUNNING")), "{told}");
    let (status, told) = act(&app, &execution, "cancel").await;
    assert_eq!(status, 200, "a second time while it is under way: {told}");
    receiver.release();
    let ended = app
        .wait_for(&execution, &["CANCELLED", "COMPLETED", "FAILED"])
        .await;
    assert_eq!(
        (&ended["status"], &ended["error"]["code"]),
        (&json!("CANCELLED"), &json!("cancelled")),
        "{ended}"
    );
    assert_eq!(step(&ended, "slow")["status"], "completed", "{ended}");
    assert_eq!(step(&ended, "slow")["output"]["status"], 200);
    assert_eq!(receiver.received().len(), 1, "an effect followed the cancel");
    let (status, answer) = act(&app, &execution, "cancel").await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("CONFLICT")));
}

async fn leaves_what_has_ended(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, row(&[hook(json!({}))])).await;
    let execution = execute(&app, &workflow, json!({})).await;
    let before = app.wait_for(&execution, &["COMPLETED"]).await;
    let (status, answer) = act(&app, &execution, "cancel").await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("CONFLICT")));
    assert_eq!(app.wait_for(&execution, &["COMPLETED"]).await, before);
    for action in ["cancel", "retry"] {
        assert_eq!(
            act(&app, "0198c0de-0000-7000-8000-000000000000", action).await.0,
            404,
            "{action}"
        );
    }
}

async fn retries_from_the_start(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let app = start(database).await;
    let body = json!({"n": "{{n}}", "agent": "{{_webhook.headers.user-agent}}"});
    let nodes = [
        hook(json!({})),
        call("ask", receiver.url()),
        reply(json!({"body": body})),
    ];
    let workflow = create(&app, row(&nodes)).await;
    let request = app.request("POST", &format!("/api/webhooks/{}", webhook_id(&workflow)));
    let caller = tokio::spawn(
        request
            .header("user-agent", "MyApp/1.0")
            .json(&json!({"n": 5}))
            .send(),
    );
    receiver.wait_for(1).await;
    let first = list(&app, "").await.remove(0);
    let (status, answer) = act(&app, &first, "retry").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (409, &json!("CONFLICT")),
        "it has not ended"
    );
    receiver.release();
    assert_eq!(caller.await.expect("no panic").expect("an answer").status(), 200);
    app.wait_for(&first, &["COMPLETED"]).await;

    let (status, retried) = act(&app, &first, "retry").await;
    assert_eq!(
        (status, &retried["retry_of"], &retried["mode"]),
        (202, &json!(first), &json!("retry"))
    );
    assert_ne!(retried["id"], json!(first));
    let retried = app.wait_for(id(&retried), &["COMPLETED"]).await;
    assert_eq!(
        (&retried["input"], &retried["trigger"]),
        (&json!({"n": 5}), &json!("hook"))
    );
    assert_eq!(retried["result"]["body"], json!({"n": 5, "agent": "MyApp/1.0"}));
    let keys: HashSet<String> = receiver
        .received()
        .iter()
        .map(|request| request.header("idempotency-key").to_owned())
        .collect();
    assert_eq!(keys.len(), 2, "a retry is a new execution, with keys of its own");
}

async fn starts_by_hand(database: Database) {
    let app = start(database).await;
    let click = json!({"key": "click", "type": "trigger.manual"});
    let set = |key: &str| json!({"key": key, "type": "data.set", "parameters": {"fields": {"n": "{{default n 0}}"}}});
    let graph = json!({
        "nodes": [hook(json!({})), click, set("hooked"), set("clicked")],
        "edges": [{"from": "hook", "to": "hooked"}, {"from": "click", "to": "clicked"}]
    });
    let workflow = create(&app, json!({"name": "W", "graph": graph})).await;
    let start_at = format!("{}/execute", path(&workflow));
    let (status, answer) = app.api("POST", &start_at, Value::Null).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (409, &json!("CONFLICT")),
        "never published"
    );
    for action in ["publish", "deactivate"] {
        assert_eq!(
            app.api("POST", &format!("{}/{action}", path(&workflow)), Value::Null)
                .await
                .0,
            200
        );
    }
    let check = async |body: Value, trigger: &str, step: &str, n: Value| {
        let (status, execution) = app.api("POST", &start_at, body).await;
        assert_eq!(
            (status, &execution["mode"], &execution["trigger"]),
            (202, &json!("manual"), &json!(trigger))
        );
        let execution = app.wait_for(id(&execution), &["COMPLETED"]).await;
        assert_eq!(execution["result"], json!({"n": n}), "{execution}");
        assert_eq!(
            execution["steps"]
                .as_array()
                .expect("steps")
                .iter()
                .filter(|it| it["status"] == "completed")
                .map(|it| &it["node"])
                .collect::<Vec<_>>(),
            [step]
        );
    };
    check(Value::Null, "click", "clicked", json!(0)).await;
    check(json!({"input": {"n": 5}}), "click", "clicked", json!(5)).await;
    check(
        json!({"input": {"n": 6}, "trigger": "hook"}),
        "hook",
        "hooked",
        json!(6),
    )
    .await;
    for wrong in ["nobody", "hooked", "\u{0}", ""] {
        let (status, answer) = app.api("POST", &start_at, json!({"trigger": wrong})).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (422, &json!("UNPROCESSABLE")),
            "{wrong}"
        );
        assert_eq!(answer["error"]["details"][0]["pointer"], "/trigger");
    }
    let (status, answer) = app.api("POST", &start_at, json!({"input": [1]})).await;
    assert_eq!(status, 400, "{answer}");
}

async fn tries_again_what_may_pass(database: Database) {
    let receiver = Receiver::start().await;
    let app = start(database).await;
    let mut ask = call("ask", receiver.url());
    ask["retry"] = json!({"max_attempts": 3, "initial": "10ms", "jitter": 0});
    let workflow = create(&app, row(&[hook(json!({})), ask])).await;
    let check = async |statuses: &[u16], end: &str, attempts: usize| {
        let before = receiver.received().len();
        for status in statuses {
            receiver.answer_once(Answer::status(*status));
        }
        let execution = execute(&app, &workflow, json!({})).await;
        let execution = app.wait_for(&execution, &["COMPLETED", "FAILED"]).await;
        assert_eq!(
            (&execution["status"], &step(&execution, "ask")["attempts"]),
            (&json!(end), &json!(attempts)),
            "{statuses:?}"
        );
        // Of more than one attempt it says when it came to the first.
        let asked = step(&execution, "ask");
        assert_eq!(asked["began_at"].is_null(), attempts == 1, "{asked}");
        if let (Some(began), Some(last)) = (asked["began_at"].as_str(), asked["started_at"].as_str()) {
            assert!(began < last, "{asked}");
        }
        let requests = receiver.received().split_off(before);
        assert_eq!(requests.len(), attempts, "{statuses:?}");
        let key = format!("{}/ask", id(&execution));
        assert!(
            requests
                .iter()
                .all(|request| request.header("idempotency-key") == key),
            "{statuses:?}"
        );
        execution
    };
    check(&[503, 429], "COMPLETED", 3).await;
    let failed = check(&[500, 502, 504], "FAILED", 3).await;
    assert_eq!(
        (&failed["error"]["code"], &failed["error"]["node"]),
        (&json!("http_status"), &json!("ask"))
    );
    check(&[400], "FAILED", 1).await;
}

async fn goes_on_after_an_error_where_it_is_told_to(database: Database) {
    let app = start(database).await;
    let check = async |on_error: &str, port: Value, expected: Value| {
        let mut failing = stop();
        failing["on_error"] = json!(on_error);
        let after = reply(json!({"body": "{{_nodes.stop.error}}"}));
        let mut workflow = row(&[hook(json!({})), failing, after]);
        workflow["graph"]["edges"][1]["port"] = port;
        let workflow = create(&app, workflow).await;
        let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({})).await;
        assert_eq!((status, answer), (200, expected), "{on_error}");
        let execution = app
            .wait_for(&list(&app, "limit=1").await[0], &["COMPLETED"])
            .await;
        assert_eq!(step(&execution, "stop")["status"], "failed", "{execution}");
    };
    let error = json!({"code": "refused", "message": "no"});
    check("branch", json!("error"), error.clone()).await;
    // `flow.stop` has no port of its own to go on by; another node has.
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(404));
    let mut ask = call("ask", receiver.url());
    ask["on_error"] = json!("continue");
    let nodes = [
        hook(json!({})),
        ask,
        reply(json!({"body": "{{_nodes.ask.error.code}}"})),
    ];
    let workflow = create(&app, row(&nodes)).await;
    assert_eq!(
        app.webhook(&webhook_id(&workflow), &json!({})).await,
        (200, json!("http_status"))
    );
}

async fn ends_nodes_and_workflows_at_their_time_outs(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let app = start(database).await;
    let mut ask = call("ask", receiver.url());
    ask["timeout"] = json!("100ms");
    let workflow = create(&app, row(&[hook(json!({})), ask.clone()])).await;
    let execution = execute(&app, &workflow, json!({})).await;
    let execution = app
        .wait_for(&execution, &["FAILED", "COMPLETED", "TIMED_OUT"])
        .await;
    assert_eq!(
        (&execution["status"], &execution["error"]["code"]),
        (&json!("FAILED"), &json!("timeout"))
    );
    assert_eq!(execution["error"]["node"], "ask");

    ask["timeout"] = Value::Null;
    let mut whole = row(&[hook(json!({})), ask, reply(json!({"body": "never"}))]);
    whole["graph"]["settings"] = json!({"timeout": "100ms"});
    let workflow = create(&app, whole).await;
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({})).await;
    assert_eq!(
        (status, &answer["executionStatus"], &answer["status"]),
        (500, &json!("TIMED_OUT"), &json!("error"))
    );
    let execution = answer["executionId"].as_str().expect("an id");
    let execution = app.wait_for(execution, &["TIMED_OUT"]).await;
    assert_eq!(execution["error"]["code"], "timeout", "{execution}");
}

async fn redacts_the_secrets_of_nodes(database: Database) {
    const HIDDEN: &str = "xK9-not-to-be-seen-Qw7";
    let receiver = Receiver::start().await;
    receiver.answer(Answer::json(&json!({"you_sent": HIDDEN})));
    let app = start(database).await;
    let mut ask = call("ask", receiver.url());
    ask["parameters"]["auth"] = json!({"type": "bearer", "secret": HIDDEN});
    let workflow = create(&app, row(&[hook(json!({})), ask])).await;
    let execution = execute(&app, &workflow, json!({})).await;
    let shown = app.wait_for(&execution, &["COMPLETED", "FAILED"]).await;
    assert_eq!(
        receiver.received()[0].header("authorization"),
        format!("Bearer {HIDDEN}")
    );
    assert_eq!(shown["status"], "COMPLETED", "{shown}");
    assert!(
        !shown.to_string().contains(HIDDEN) && !workflow.to_string().contains(HIDDEN),
        "{shown}"
    );
}

#[tokio::test]
async fn shows_an_expression_that_a_node_evaluates_itself_as_it_was_written() {
    let app = TestApp::start().await;
    let filter = json!({
        "key": "dear", "type": "data.filter",
        "parameters": {"items": "{{prices}}", "where": "{{gt _item 10}}"}
    });
    let hook = webhook_id(&create(&app, hooked(&[filter, reply(json!({}))])).await);
    let (status, _) = app.webhook(&hook, &json!({"prices": [5, 50]})).await;
    assert_eq!(status, 200);
    let (_, page) = app.api("GET", "/api/v1/executions", Value::Null).await;
    let id = page["data"][0]["id"].as_str().expect("one was started");
    let (_, execution) = app
        .api("GET", &format!("/api/v1/executions/{id}"), Value::Null)
        .await;
    let dear = step(&execution, "dear");
    assert_eq!(
        (&dear["input"], &dear["output"]),
        (
            &json!({"items": [5, 50], "where": "{{gt _item 10}}"}),
            &json!([50])
        )
    );
}
