//! Executions that wait: for a time, for a program, for a person.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::workflow::{Answered, create, hooked, on_both_databases, reply, webhook_id};

on_both_databases! {
    waits_for_a_time_over_a_restart
    is_resumed_by_a_program_once
    asks_a_person_on_a_page
    is_cancelled_while_it_waits
}

fn wait(parameters: Value) -> Value {
    json!({"key": "wait", "type": "flow.wait", "parameters": parameters})
}

fn keep(name: &str, value: &str) -> Value {
    json!({"key": name, "type": "data.set", "parameters": {"fields": {"value": value}}})
}

/// Starts a workflow of these nodes in a row, whose caller does not wait.
async fn start(app: &TestApp, nodes: &[Value]) -> String {
    let hook = webhook_id(&create(app, hooked(nodes)).await);
    let (status, answer) = app.webhook(&hook, &json!({"order": 7})).await;
    assert_eq!(status, 200, "{answer}");
    answer["executionId"].as_str().expect("an id").to_owned()
}

fn step<'a>(execution: &'a Value, path: &str) -> &'a Value {
    let steps = execution["steps"].as_array().expect("steps");
    let found = steps.iter().find(|step| step["path"] == path);
    found.unwrap_or_else(|| panic!("{path} of {execution}"))
}

/// The path of the resume address that the step `url` kept.
async fn resume_path(app: &TestApp, execution: &str) -> String {
    let waiting = app.wait_for(execution, &["WAITING"]).await;
    let url = step(&waiting, "url")["output"]["value"]
        .as_str()
        .expect("a URL")
        .to_owned();
    url.strip_prefix(app.url())
        .expect("an address of this server")
        .to_owned()
}

async fn waits_for_a_time_over_a_restart(database: Database) {
    let mut app = TestApp::builder().database(database).start().await;
    let id = start(
        &app,
        &[wait(json!({"duration": "3s"})), keep("after", "{{order}}")],
    )
    .await;
    app.wait_for(&id, &["WAITING"]).await;
    app.restart().await;
    let ended = app.wait_for(&id, &["COMPLETED"]).await;
    assert_eq!(step(&ended, "after")["output"], json!({"value": 7}));
    assert_eq!(ended["recoveries"], 0);
    let waited = step(&ended, "wait")["duration_ms"].as_i64().expect("a figure");
    assert!(waited >= 3_000, "{waited}");
}

async fn is_resumed_by_a_program_once(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let nodes = [
        keep("url", "{{_execution.resumeUrl}}"),
        wait(json!({"resume": "webhook"})),
    ];
    let id = start(&app, &nodes).await;
    let path = resume_path(&app, &id).await;
    let post = async |path: &str| Answered::of(app.request("POST", path).json(&json!({"paid": true}))).await;
    let (address, token) = path.rsplit_once('/').expect("a token");
    let forged = format!("{address}/{}", "0".repeat(token.len()));
    let foreign = format!("/api/resume/{}/{token}", uuid::Uuid::now_v7());
    for wrong in [forged, foreign, format!("{path}/nothing")] {
        let answer = post(&wrong).await;
        assert_eq!(
            (answer.status, answer.error()),
            (404, "NOT_FOUND".to_owned()),
            "{wrong}"
        );
    }
    // What could not be recorded is not taken.
    let deep = (0..128).fold(json!(1), |inner, _| json!([inner]));
    for (body, refused) in [
        (json!("x".repeat((1 << 20) - 1_000)), (413, "TOO_LARGE")),
        (deep, (400, "BAD_REQUEST")),
    ] {
        let answer = Answered::of(app.request("POST", &path).json(&body)).await;
        assert_eq!((answer.status, answer.error().as_str()), refused);
    }
    // Looking at it resumes nothing.
    assert_eq!(Answered::of(app.request("GET", &path)).await.status, 200);
    let answer = post(&format!("{path}?by=bank")).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({"success": true, "execution_id": id}))
    );
    let ended = app.wait_for(&id, &["COMPLETED"]).await;
    let output = &step(&ended, "wait")["output"];
    assert_eq!(
        (&output["body"], &output["query"]),
        (&json!({"paid": true}), &json!({"by": "bank"}))
    );
    let again = post(&path).await;
    assert_eq!((again.status, again.error()), (410, "GONE".to_owned()));
}

async fn asks_a_person_on_a_page(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let approval = wait(json!({"resume": "approval", "message": "Ship <b>{{order}}</b>?"}));
    let workflow = json!({"name": "Approval", "active": true, "graph": {
        "nodes": [
            {"key": "hook", "type": "trigger.webhook"}, keep("url", "{{_execution.resumeUrl}}"), approval,
            keep("yes", "shipped"), keep("no", "kept")
        ],
        "edges": [
            {"from": "hook", "to": "url"}, {"from": "url", "to": "wait"},
            {"from": "wait", "port": "approved", "to": "yes"}, {"from": "wait", "port": "rejected", "to": "no"}
        ]
    }});
    let hook = webhook_id(&create(&app, workflow).await);
    for (decision, ran, skipped) in [("approve", "yes", "no"), ("reject", "no", "yes")] {
        let (_, answer) = app.webhook(&hook, &json!({"order": 7})).await;
        let id = answer["executionId"].as_str().expect("an id").to_owned();
        let path = resume_path(&app, &id).await;
        // Who may resume it sees where, and what is asked.
        let (_, open) = app
            .api("GET", &format!("/api/v1/executions/{id}"), Value::Null)
            .await;
        let resume = &open["under_way"][0]["resume"];
        assert_eq!(
            (&resume["approval"], &resume["message"]),
            (&json!(true), &json!("Ship <b>7</b>?")),
            "{open}"
        );
        let own = resume["url"].as_str().and_then(|url| url.strip_prefix(app.url()));
        assert_eq!(own, Some(&*format!("{path}/wait")));
        let page = Answered::of(
            app.request("GET", &format!("{path}/wait"))
                .header("accept", "text/html"),
        )
        .await;
        let text = String::from_utf8(page.body.to_vec()).expect("text");
        assert!(
            text.contains("Ship &lt;b&gt;7&lt;/b&gt;?") && text.contains("Approve"),
            "{text}"
        );
        let undecided = Answered::of(app.request("POST", &path).json(&json!({}))).await;
        assert_eq!(undecided.status, 400);
        let form = [("decision", decision), ("comment", "fine")];
        let said = Answered::of(
            app.request("POST", &path)
                .header("accept", "text/html")
                .form(&form),
        )
        .await;
        assert_eq!(
            (said.status, said.header("content-type")),
            (200, "text/html; charset=utf-8")
        );
        let ended = app.wait_for(&id, &["COMPLETED"]).await;
        assert_eq!(step(&ended, "wait")["output"]["comment"], "fine");
        assert_eq!(step(&ended, ran)["status"], "completed");
        assert_eq!(step(&ended, skipped)["status"], "skipped");
        let late = Answered::of(app.request("GET", &path).header("accept", "text/html")).await;
        assert_eq!(late.status, 410);
    }
}

async fn is_cancelled_while_it_waits(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let id = start(&app, &[wait(json!({"duration": "30d"}))]).await;
    app.wait_for(&id, &["WAITING"]).await;
    let (status, _) = app
        .api("POST", &format!("/api/v1/executions/{id}/cancel"), Value::Null)
        .await;
    assert_eq!(status, 200);
    let ended = app.wait_for(&id, &["CANCELLED"]).await;
    assert_eq!(step(&ended, "wait")["status"], "cancelled");
}

#[tokio::test]
async fn waits_inside_a_loop_have_addresses_of_their_own() {
    let app = TestApp::start().await;
    let mut inner = wait(json!({"resume": "webhook"}));
    inner["parent"] = json!("each");
    let workflow = json!({"name": "Loop", "active": true, "graph": {
        "nodes": [
            {"key": "hook", "type": "trigger.webhook"}, keep("url", "{{_execution.resumeUrl}}"),
            {"key": "each", "type": "flow.for_each", "parameters": {"items": [1, 2], "concurrency": 2}}, inner
        ],
        "edges": [{"from": "hook", "to": "url"}, {"from": "url", "to": "each"}]
    }});
    let hook = webhook_id(&create(&app, workflow).await);
    let (_, answer) = app.webhook(&hook, &json!({})).await;
    let id = answer["executionId"].as_str().expect("an id").to_owned();
    let path = resume_path(&app, &id).await;
    let post = async |path: &str| Answered::of(app.request("POST", path).json(&json!({"n": 1}))).await;
    let unnamed = post(&path).await;
    assert_eq!((unnamed.status, unnamed.error()), (400, "BAD_REQUEST".to_owned()));
    let (_, made) = app
        .api(
            "POST",
            "/api/v1/keys",
            json!({"name": "Reader", "scopes": ["executions:read"]}),
        )
        .await;
    let reader = app
        .request("GET", &format!("/api/v1/executions/{id}"))
        .bearer_auth(made["key"].as_str().expect("a key"));
    let open = Answered::of(reader).await.json();
    let waits = open["under_way"].as_array().expect("steps");
    let resumes: Vec<&Value> = waits
        .iter()
        .map(|step| &step["resume"])
        .filter(|resume| !resume.is_null())
        .collect();
    assert_eq!(
        resumes,
        [&json!({"approval": false}); 2],
        "no address for who may not resume: {open}"
    );
    for inside in ["each[0]/wait", "each%5B1%5D/wait"] {
        assert_eq!(post(&format!("{path}/{inside}")).await.status, 200, "{inside}");
    }
    let ended = app.wait_for(&id, &["COMPLETED"]).await;
    assert_eq!(step(&ended, "each[1]/wait")["output"]["body"], json!({"n": 1}));
}

#[tokio::test]
async fn a_caller_gets_the_answer_that_comes_after_a_short_wait() {
    let app = TestApp::start().await;
    let nodes = [
        wait(json!({"duration": "1500ms"})),
        reply(json!({"body": {"n": "{{order}}"}})),
    ];
    let hook = webhook_id(&create(&app, hooked(&nodes)).await);
    assert_eq!(
        app.webhook(&hook, &json!({"order": 7})).await,
        (200, json!({"n": 7}))
    );
}

#[tokio::test]
async fn a_time_out_counts_waits() {
    let app = TestApp::start().await;
    let mut workflow = hooked(&[wait(json!({"duration": "1h"}))]);
    workflow["graph"]["settings"] = json!({"timeout": "2s"});
    let hook = webhook_id(&create(&app, workflow).await);
    let (_, answer) = app.webhook(&hook, &json!({})).await;
    let id = answer["executionId"].as_str().expect("an id");
    let ended = app.wait_for(id, &["TIMED_OUT", "COMPLETED"]).await;
    assert_eq!(ended["status"], "TIMED_OUT");
}
