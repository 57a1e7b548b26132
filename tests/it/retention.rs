//! What is removed of executions that have ended, and what is not. Each rule is tried by a clock that is driven, in
//! `server/src/prune` and `server/src/store/retention`.

use flowmatic_tests::{Database, TestApp, eventually};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Rows;
use crate::workflow::{Answered, create, hooked, id, on_both_databases, path, webhook_id, webhook_path};

on_both_databases! {
    removes_what_is_old_and_what_is_too_many
    keeps_what_waits_and_what_is_called
    removes_shortly_after_the_end_where_it_is_told_to
    forgets_a_deleted_workflow
    a_crash_leaves_no_half
    a_retry_goes_on_without_what_it_retries
    an_idempotency_key_outlives_its_execution
}

const DAY: i64 = 86_400_000;

fn note() -> Value {
    json!({"key": "note", "type": "data.set", "parameters": {"fields": {"a": 1}}})
}

fn kept(mut workflow: Value, settings: Value) -> Value {
    workflow["graph"]["settings"] = settings;
    workflow
}

/// Starts so many executions of a workflow, and waits for their end; the oldest first.
async fn run(app: &TestApp, workflow: &Value, count: usize) -> Vec<String> {
    for _ in 0..count {
        let (status, answer) = app.webhook(&webhook_id(workflow), &json!({})).await;
        assert_eq!(status, 200, "{answer}");
    }
    eventually("executions to end", async || {
        let ended = executions(app, workflow, "&status=COMPLETED").await;
        (ended.len() >= count).then_some(ended)
    })
    .await
}

/// The oldest first.
async fn executions(app: &TestApp, workflow: &Value, filter: &str) -> Vec<String> {
    let path = format!(
        "/api/v1/executions?workflow_id={}&limit=100{filter}",
        id(workflow)
    );
    let (status, page) = app.api("GET", &path, Value::Null).await;
    assert_eq!(status, 200, "{page}");
    let mut ids: Vec<String> = page["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|execution| id(execution).to_owned())
        .collect();
    ids.reverse();
    ids
}

async fn until_left(app: &TestApp, workflow: &Value, expected: &[String]) {
    eventually(&format!("only {expected:?} to be left"), async || {
        (executions(app, workflow, "").await == expected).then_some(())
    })
    .await;
}

/// Makes it so that these executions began and ended so much earlier, which their ids tell, too; gives the new ones.
/// The server must be stopped.
async fn age(app: &TestApp, ids: &[String], millis: i64) -> Vec<String> {
    let rows = Rows::open(app).await;
    let literal = |id: Uuid| match app.database_url() {
        Some(_) => format!("'{id}'"),
        None => format!("x'{}'", id.simple()),
    };
    let mut aged = Vec::new();
    for id in ids {
        let old: Uuid = id.parse().expect("an id");
        let earlier = u128::try_from(millis).expect("a while") << 80;
        let new = Uuid::from_u128(old.as_u128() - earlier);
        let (old, to) = (literal(old), literal(new));
        for sql in [
            format!(
                "UPDATE executions SET id = {to}, started_at = started_at - {millis}, \
                 finished_at = finished_at - {millis} WHERE id = {old}"
            ),
            format!("UPDATE checkpoints SET execution_id = {to} WHERE execution_id = {old}"),
            format!("UPDATE signals SET execution_id = {to} WHERE execution_id = {old}"),
            format!("UPDATE children SET parent_id = {to} WHERE parent_id = {old}"),
            format!("UPDATE children SET child_id = {to} WHERE child_id = {old}"),
            format!("UPDATE timers SET subject = {to} WHERE subject = {old}"),
            format!("UPDATE idempotency_keys SET execution_id = {to} WHERE execution_id = {old}"),
        ] {
            rows.query(&sql).await;
        }
        aged.push(new.to_string());
    }
    rows.close().await;
    aged
}

/// Rows that speak of executions which are not there.
async fn orphans(app: &TestApp) -> i64 {
    let rows = Rows::open(app).await;
    let mut orphans = 0;
    for (table, column) in [
        ("checkpoints", "execution_id"),
        ("signals", "execution_id"),
        ("children", "parent_id"),
    ] {
        let sql = format!(
            "SELECT COUNT(*) AS count FROM {table} WHERE NOT EXISTS (SELECT 1 FROM executions WHERE id = {column})"
        );
        orphans += rows.query(&sql).await[0]
            .try_get::<i64>("", "count")
            .expect("a number");
    }
    rows.close().await;
    orphans
}

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

async fn removes_what_is_old_and_what_is_too_many(database: Database) {
    let flags = ["--retention", "10d", "--keep-executions", "4"];
    let mut app = TestApp::builder().database(database).flags(&flags).start().await;
    let by_age = create(&app, kept(hooked(&[note()]), json!({"retention": "1d"}))).await;
    let by_count = create(&app, kept(hooked(&[note()]), json!({"keep_executions": 2}))).await;
    let by_server = create(&app, hooked(&[note()])).await;
    let mut of = Vec::new();
    for workflow in [&by_age, &by_count, &by_server] {
        of.push(run(&app, workflow, 6).await);
    }
    app.terminate().await;
    let mut aged = Vec::new();
    for (ids, old) in of.iter().zip([2, 0, 11]) {
        // The first three are older than the others.
        let mut ids_now = age(&app, &ids[..3], old * DAY + 3_600_000).await;
        ids_now.extend(age(&app, &ids[3..], 60_000).await);
        aged.push(ids_now);
    }
    app.restart().await;
    until_left(&app, &by_age, &aged[0][3..]).await;
    until_left(&app, &by_count, &aged[1][4..]).await;
    until_left(&app, &by_server, &aged[2][3..]).await;

    let gone = format!("/api/v1/executions/{}", aged[0][0]);
    for (method, path) in [
        ("GET", gone.clone()),
        ("POST", format!("{gone}/retry")),
        ("POST", format!("{gone}/cancel")),
    ] {
        let (status, answer) = app.api(method, &path, Value::Null).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (404, &json!("NOT_FOUND")),
            "{path}: {answer}"
        );
    }
    // What is left is whole.
    let left = format!("/api/v1/executions/{}", aged[0][3]);
    let (status, execution) = app.api("GET", &left, Value::Null).await;
    assert_eq!(
        (status, execution["steps"].as_array().map(Vec::len)),
        (200, Some(1)),
        "{execution}"
    );
    assert_eq!(orphans(&app).await, 0);
}

async fn keeps_what_waits_and_what_is_called(database: Database) {
    let flags = ["--keep-executions", "1", "--retention", "1d"];
    let mut app = TestApp::builder().database(database).flags(&flags).start().await;
    let called = json!({"nodes": [{"key": "called", "type": "trigger.workflow"}], "edges": []});
    let called = create(&app, json!({"name": "Called", "active": true, "graph": called})).await;
    let call = json!({"key": "call", "type": "flow.call", "parameters": {"workflow": id(&called)}});
    let wait = json!({"key": "wait", "type": "flow.wait", "parameters": {"duration": "365d"}});
    let workflow = create(&app, hooked(&[call, wait])).await;
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let waiting = eventually("it to wait", async || {
        executions(&app, &workflow, "&status=WAITING").await.pop()
    })
    .await;
    let child = executions(&app, &called, "&status=COMPLETED").await;
    let by_hand = run(&app, &create(&app, hooked(&[note()])).await, 3).await;
    app.terminate().await;
    let waiting = age(&app, &[waiting], 20 * DAY).await;
    let child = age(&app, &child, 20 * DAY).await;
    age(&app, &by_hand, 20 * DAY).await;
    app.restart().await;
    // The others are removed in the same look.
    eventually("the others to be removed", async || {
        let (_, page) = app.api("GET", "/api/v1/executions", Value::Null).await;
        (page["data"].as_array().map(Vec::len) == Some(2)).then_some(())
    })
    .await;
    until_left(&app, &workflow, &waiting).await;
    until_left(&app, &called, &child).await;

    // Once it has ended nobody needs them.
    let cancel = format!("/api/v1/executions/{}/cancel", waiting[0]);
    let (status, answer) = app.api("POST", &cancel, Value::Null).await;
    assert_eq!(status / 100, 2, "{answer}");
    app.wait_for(&waiting[0], &["CANCELLED"]).await;
    app.restart().await;
    until_left(&app, &called, &[]).await;
    assert_eq!(orphans(&app).await, 0);
}

async fn removes_shortly_after_the_end_where_it_is_told_to(database: Database) {
    let app = start(database).await;
    let settings = json!({"retention": "10s"});
    let workflow = create(&app, kept(hooked(&[note()]), settings)).await;
    run(&app, &workflow, 20).await;
    until_left(&app, &workflow, &[]).await;
    // It goes on answering.
    run(&app, &workflow, 1).await;
}

async fn forgets_a_deleted_workflow(database: Database) {
    let mut app = start(database).await;
    let workflow = create(&app, kept(hooked(&[note()]), json!({"retention": "1d"}))).await;
    let ids = run(&app, &workflow, 3).await;
    let (status, answer) = app.api("DELETE", &path(&workflow), Value::Null).await;
    assert_eq!(status / 100, 2, "{answer}");
    assert_eq!(
        executions(&app, &workflow, "").await,
        ids,
        "they are still to be read"
    );
    app.terminate().await;
    age(&app, &ids, 2 * DAY).await;
    let rows = Rows::open(&app).await;
    rows.query(&format!(
        "UPDATE workflows SET deleted_at = deleted_at - {}",
        31 * DAY
    ))
    .await;
    rows.close().await;
    app.restart().await;
    until_left(&app, &workflow, &[]).await;
    eventually("the workflow to be forgotten", async || {
        let rows = Rows::open(&app).await;
        let mut left = 0;
        for table in ["workflows", "versions", "triggers"] {
            left += rows.query(&format!("SELECT 1 FROM {table}")).await.len();
        }
        rows.close().await;
        (left == 0).then_some(())
    })
    .await;
}

async fn a_crash_leaves_no_half(database: Database) {
    let mut app = start(database).await;
    let settings = json!({"retention": "1d"});
    let called =
        json!({"nodes": [{"key": "called", "type": "trigger.workflow"}], "edges": [], "settings": settings});
    let called = create(&app, json!({"name": "Called", "active": true, "graph": called})).await;
    let call = json!({"key": "call", "type": "flow.call", "parameters": {"workflow": id(&called)}});
    let workflow = create(&app, kept(hooked(&[call]), settings)).await;
    let mut ids = run(&app, &workflow, 10).await;
    ids.extend(executions(&app, &called, "").await);
    assert_eq!(ids.len(), 20);
    app.terminate().await;
    age(&app, &ids, 2 * DAY).await;
    for point in ["before_prune_commit", "after_prune_commit"] {
        app.restart_with_fault(point).await;
        app.wait_for_exit().await;
        let rows = Rows::open(&app).await;
        let left = rows.query("SELECT 1 FROM executions").await.len();
        rows.close().await;
        // One batch has those of one workflow.
        let expected = if point == "before_prune_commit" { 20 } else { 10 };
        assert_eq!(left, expected, "{point}");
        assert_eq!(orphans(&app).await, 0, "{point}");
    }
    app.restart().await;
    until_left(&app, &workflow, &[]).await;
    until_left(&app, &called, &[]).await;
    assert_eq!(orphans(&app).await, 0);
}

async fn a_retry_goes_on_without_what_it_retries(database: Database) {
    let mut app = start(database).await;
    // What it asks for is not there.
    let fail = json!({"key": "fail", "type": "flow.if", "parameters": {"condition": "{{eq missing 1}}"}});
    let workflow = kept(hooked(&[note(), fail]), json!({"retention": "1d"}));
    let workflow = create(&app, workflow).await;
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    let failed = eventually("it to fail", async || {
        executions(&app, &workflow, "&status=FAILED").await.pop()
    })
    .await;
    let retry = format!("/api/v1/executions/{failed}/retry");
    let (status, again) = app.api("POST", &retry, json!({"from": "failed"})).await;
    assert_eq!(status / 100, 2, "{again}");
    let again = id(&again).to_owned();
    app.wait_for(&again, &["FAILED"]).await;
    app.terminate().await;
    age(&app, &[failed], 2 * DAY).await;
    app.restart().await;
    until_left(&app, &workflow, std::slice::from_ref(&again)).await;
    // Of this one the beginning is a copy, which is read without the other.
    let (status, execution) = app
        .api("GET", &format!("/api/v1/executions/{again}"), Value::Null)
        .await;
    assert_eq!(status, 200, "{execution}");
    let steps: Vec<&str> = execution["steps"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|step| step["node"].as_str())
        .collect();
    assert!(steps.contains(&"note"), "{execution}");
    let retry = format!("/api/v1/executions/{again}/retry");
    let (status, third) = app.api("POST", &retry, json!({"from": "failed"})).await;
    assert_eq!(status / 100, 2, "{third}");
}

#[tokio::test]
async fn bounds_what_is_kept() {
    let app = TestApp::start().await;
    for (settings, status, part) in [
        (
            json!({"retention": "9s"}),
            422,
            "`9s` is out of bounds: it takes 10s to 3650d",
        ),
        (json!({"retention": "3651d"}), 422, "`3651d` is out of bounds"),
        (json!({"retention": "soon"}), 400, "`soon` is not a duration"),
        (json!({"retention": 14}), 400, "retention"),
        (json!({"retention": {"days": 14}}), 400, "retention"),
        (json!({"keep_executions": 0}), 400, "keep_executions"),
        (json!({"keep_executions": -1}), 400, "keep_executions"),
        (json!({"keep_executions": 1.5}), 400, "keep_executions"),
        (json!({"keep_executions": "10"}), 400, "keep_executions"),
        (
            json!({"keep_executions": 1_000_000_001_u64}),
            400,
            "keep_executions",
        ),
        (json!({"keep_execution": 1}), 400, "keep_execution"),
    ] {
        let workflow = kept(hooked(&[note()]), settings.clone());
        let (found, answer) = app.api("POST", "/api/v1/workflows", workflow).await;
        assert_eq!(found, status, "{settings}: {answer}");
        assert!(answer.to_string().contains(part), "{settings}: {answer}");
        if status == 422 {
            let pointer = &answer["error"]["details"][0]["pointer"];
            assert_eq!(pointer, "/graph/settings/retention", "{answer}");
        }
    }
    for settings in [
        json!({"retention": "10s", "keep_executions": 1}),
        json!({"retention": "3650d", "keep_executions": 1_000_000_000}),
        json!({"retention": null, "keep_executions": null}),
    ] {
        create(&app, kept(hooked(&[note()]), settings)).await;
    }
}

#[tokio::test]
async fn a_server_refuses_limits_out_of_bounds() {
    for (flags, part) in [
        (["--retention", "1s"], "write a duration from `10s` to `3650d`"),
        (["--retention", "forever"], "`forever` is not a duration"),
        (["--keep-executions", "0"], "--keep-executions"),
    ] {
        let refused = TestApp::builder().flags(&flags).try_start().await;
        let error = format!("{:?}", refused.err().expect("it does not start"));
        assert!(error.contains(part), "{error}");
    }
}

async fn an_idempotency_key_outlives_its_execution(database: Database) {
    let flags = ["--retention", "1d"];
    let mut app = TestApp::builder().database(database).flags(&flags).start().await;
    let settings = json!({"start": {"idempotency": {"ttl": "1h"}}});
    let workflow = create(&app, kept(hooked(&[note()]), settings)).await;
    let post = async |app: &TestApp, body: Value| {
        let request = app.request("POST", &webhook_path(&workflow)).json(&body);
        Answered::of(request.header("Idempotency-Key", "a")).await
    };
    let by_hand = async |app: &TestApp| {
        let request = app
            .request("POST", &format!("{}/execute", path(&workflow)))
            .bearer_auth(app.key().await)
            .header("Idempotency-Key", "b");
        Answered::of(request.json(&json!({"input": {"n": 1}}))).await
    };
    assert_eq!(post(&app, json!({"n": 1})).await.status, 200);
    assert_eq!(by_hand(&app).await.status, 202);
    let ended = eventually("both to end", async || {
        let ended = executions(&app, &workflow, "&status=COMPLETED").await;
        (ended.len() == 2).then_some(ended)
    })
    .await;
    app.terminate().await;
    let ended = age(&app, &ended, 2 * DAY).await;
    app.restart().await;
    until_left(&app, &workflow, &[]).await;

    let again = post(&app, json!({"n": 1})).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (200, "true")
    );
    let told = again.json();
    assert_eq!(
        (&told["executionId"], &told["executionStatus"], &told["status"]),
        (&json!(ended[0]), &json!("COMPLETED"), &json!("success")),
        "{told}"
    );
    assert_eq!(
        post(&app, json!({"n": 2})).await.error(),
        "IDEMPOTENCY_KEY_REUSED"
    );
    let again = by_hand(&app).await;
    assert_eq!((again.status, again.error().as_str()), (410, "GONE"));
    assert_eq!(executions(&app, &workflow, "").await, [""; 0]);
}
