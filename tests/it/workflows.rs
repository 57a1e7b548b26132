//! `/api/v1/workflows`.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::workflow::{
    Answered, create, hook, id, on_both_databases, path, reply, row, webhook_id, webhook_path,
};

on_both_databases! {
    creates_reads_saves_and_deletes
    refuses_a_save_over_another_one
    keeps_drafts_with_mistakes_and_publishes_none
    switches_on_in_one_step
    keeps_what_is_live_until_it_is_published
    keeps_the_ids_of_triggers
    leaves_the_executions_of_a_deleted_workflow
    finds_workflows
    pages_through_workflows_while_others_are_made
    refuses_what_no_workflow_can_have
}

const WORKFLOWS: &str = "/api/v1/workflows";

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

fn draft(nodes: &[Value]) -> Value {
    let mut workflow = row(nodes);
    workflow["active"] = json!(false);
    workflow
}

/// Saves this graph over this revision.
async fn save(app: &TestApp, workflow: &Value, graph: &Value, revision: i64, active: Value) -> (u16, Value) {
    let body = json!({"name": "Saved", "graph": graph, "revision": revision, "active": active});
    app.api("PUT", &path(workflow), body).await
}

async fn act(app: &TestApp, workflow: &Value, action: &str) -> (u16, Value) {
    app.api("POST", &format!("{}/{action}", path(workflow)), Value::Null)
        .await
}

async fn creates_reads_saves_and_deletes(database: Database) {
    let app = start(database).await;
    let key = app.key().await;
    let body = json!({
        "name": "Order intake", "description": "Über\nOrders", "graph": draft(&[hook(json!({}))])["graph"]
    });
    let request = app.request("POST", WORKFLOWS).bearer_auth(key).json(&body);
    let answered = Answered::of(request).await;
    let created = answered.json();
    assert_eq!(
        (answered.status, answered.header("location")),
        (201, path(&created).as_str())
    );
    assert_eq!(
        (&created["name"], &created["description"]),
        (&body["name"], &body["description"])
    );
    assert_eq!(
        (&created["active"], &created["revision"]),
        (&json!(false), &json!(1)),
        "{created}"
    );
    assert_eq!(created.get("version"), None, "{created}");
    let trigger = &created["triggers"][0];
    assert_eq!(
        (&trigger["node"], &trigger["type"]),
        (&json!("hook"), &json!("trigger.webhook"))
    );
    assert_eq!(trigger["url"], format!("{}{}", app.url(), webhook_path(&created)));
    for time in ["created_at", "updated_at"] {
        let time = created[time].as_str().expect("a time");
        assert_eq!(
            (time.len(), time.ends_with('Z')),
            ("2026-02-08T12:00:00.000Z".len(), true),
            "{time}"
        );
    }
    assert_eq!(
        app.api("GET", &path(&created), Value::Null).await,
        (200, created.clone())
    );

    let graph = draft(&[hook(json!({"methods": ["POST"]})), reply(json!({}))])["graph"].clone();
    let (status, saved) = save(&app, &created, &graph, 1, Value::Null).await;
    assert_eq!(
        (status, &saved["name"], &saved["revision"]),
        (200, &json!("Saved"), &json!(2)),
        "{saved}"
    );
    assert_eq!(saved.get("description"), None, "a save is the whole: {saved}");
    assert_eq!(saved["graph"]["nodes"], graph["nodes"]);
    assert_eq!(app.api("GET", &path(&created), Value::Null).await, (200, saved));

    let deleted = app.api("DELETE", &path(&created), Value::Null).await;
    assert_eq!(deleted, (200, json!({"id": created["id"], "deleted": true})));
    for (method, body) in [("GET", Value::Null), ("DELETE", Value::Null)] {
        assert_eq!(app.api(method, &path(&created), body).await.0, 404, "{method}");
    }
    assert_eq!(save(&app, &created, &graph, 2, Value::Null).await.0, 404);
    for action in ["publish", "deactivate", "validate", "execute"] {
        assert_eq!(act(&app, &created, action).await.0, 404, "{action}");
    }
}

async fn refuses_a_save_over_another_one(database: Database) {
    let app = start(database).await;
    let created = create(&app, draft(&[hook(json!({}))])).await;
    let mine = draft(&[hook(json!({"methods": ["POST"]}))])["graph"].clone();
    assert_eq!(save(&app, &created, &mine, 1, Value::Null).await.0, 200);
    let theirs = draft(&[hook(json!({"methods": ["GET"]}))])["graph"].clone();
    for stale in [1, 3, 0] {
        let (status, answer) = save(&app, &created, &theirs, stale, json!(true)).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (409, &json!("CONFLICT")),
            "{answer}"
        );
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(message.contains("saved in the meantime by test "), "{message}");
    }
    let stale = json!({"revision": 1});
    let publish = format!("{}/publish", path(&created));
    assert_eq!(app.api("POST", &publish, stale).await.0, 409);
    let (_, read) = app.api("GET", &path(&created), Value::Null).await;
    assert_eq!((&read["revision"], &read["active"]), (&json!(2), &json!(false)));
    assert_eq!(read["graph"]["nodes"], mine["nodes"]);
    let saver = &read["updated_by"];
    assert_eq!((&saver["type"], &saver["name"]), (&json!("key"), &json!("test")));

    // Of many at once, one is taken.
    let saves = (0..8).map(|_| save(&app, &created, &theirs, 2, Value::Null));
    let mut statuses: Vec<u16> = futures_util::future::join_all(saves)
        .await
        .into_iter()
        .map(|(status, _)| status)
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}

/// A graph with every kind of mistake, and where each is.
fn mistaken() -> (Value, Vec<(&'static str, &'static str)>) {
    let set = |key: &str, value: &str| json!({"key": key, "type": "data.set", "parameters": {"fields": {"v": value}}});
    let graph = json!({
        "nodes": [
            hook(json!({"methods": ["BREW"]})),
            {"key": "odd", "type": "flow.teleport"},
            set("twice", "a"),
            set("twice", "b"),
            set("broken", "{{#if x}}"),
            set("stranger", "{{_nodes.nobody.v}}"),
            set("early", "{{_nodes.late.v}}"),
            set("late", "x"),
            set("helper", "{{frobnicate x}}"),
            {"key": "1st", "type": "data.set", "parameters": {"fields": {}}},
            {"key": "again", "type": "flow.response", "parameters": {"status": 99}},
            set("round", "x"),
            set("about", "x")
        ],
        "edges": [
            {"from": "hook", "to": "early"},
            {"from": "early", "to": "late"},
            {"from": "hook", "to": "nowhere"},
            {"from": "hook", "port": "side", "to": "late"},
            {"from": "round", "to": "about"},
            {"from": "about", "to": "round"},
            {"from": "late", "to": "hook"}
        ]
    });
    let problems = vec![
        ("hook", "/graph/nodes/0/parameters/methods/0"),
        ("odd", "/graph/nodes/1/type"),
        ("twice", "/graph/nodes/3/key"),
        ("broken", "/graph/nodes/4/parameters/fields/v"),
        ("stranger", "/graph/nodes/5/parameters/fields/v"),
        ("early", "/graph/nodes/6/parameters/fields/v"),
        ("helper", "/graph/nodes/8/parameters/fields/v"),
        ("1st", "/graph/nodes/9/key"),
        ("again", "/graph/nodes/10/parameters/status"),
        ("round", "/graph/nodes/11"),
        ("about", "/graph/nodes/12"),
        ("nowhere", "/graph/edges/2/to"),
        ("hook", "/graph/edges/3/port"),
        ("hook", "/graph/edges/6/to"),
    ];
    (graph, problems)
}

async fn keeps_drafts_with_mistakes_and_publishes_none(database: Database) {
    let app = start(database).await;
    let (graph, mut expected) = mistaken();
    expected.sort_unstable();
    let check = |problems: &Value, what: &str| {
        let problems = problems.as_array().expect("a list");
        let text = |problem: &Value, field: &str| problem[field].as_str().unwrap_or_default().to_owned();
        let mut found: Vec<(String, String)> = problems
            .iter()
            .map(|problem| (text(problem, "node"), text(problem, "pointer")))
            .collect();
        found.sort_unstable();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(node, pointer)| (&**node, &**pointer))
            .collect();
        assert_eq!(found, expected, "{what}");
        assert!(problems.iter().all(|problem| problem["message"] != ""), "{what}");
    };
    let body = json!({"name": "Draft", "graph": graph});
    let created = create(&app, body.clone()).await;
    assert_eq!(created["graph"]["edges"], graph["edges"]);

    let (status, checked) = act(&app, &created, "validate").await;
    assert_eq!((status, &checked["valid"]), (200, &json!(false)));
    check(&checked["problems"], "validate");
    let (status, checked) = app
        .api("POST", "/api/v1/workflows/validate", json!({"graph": graph}))
        .await;
    assert_eq!((status, &checked["valid"]), (200, &json!(false)));
    check(&checked["problems"], "validate a graph");

    let refused = |(status, answer): (u16, Value), what: &str| {
        assert_eq!(
            (status, &answer["error"]["code"]),
            (422, &json!("INVALID_GRAPH")),
            "{what}"
        );
        check(&answer["error"]["details"], what);
    };
    refused(act(&app, &created, "publish").await, "publish");
    refused(
        save(&app, &created, &graph, 1, json!(true)).await,
        "save and publish",
    );
    let mut active = body;
    active["active"] = json!(true);
    refused(app.api("POST", WORKFLOWS, active).await, "create and publish");

    let (_, list) = app.api("GET", WORKFLOWS, Value::Null).await;
    assert_eq!(
        list["data"].as_array().map(Vec::len),
        Some(1),
        "what was refused was kept"
    );
    assert_eq!(
        (&list["data"][0]["revision"], &list["data"][0]["active"]),
        (&json!(1), &json!(false))
    );

    let good = row(&[hook(json!({})), reply(json!({}))])["graph"].clone();
    let checked = app
        .api("POST", "/api/v1/workflows/validate", json!({"graph": good}))
        .await;
    assert_eq!(checked, (200, json!({"valid": true, "problems": []})));
}

async fn switches_on_in_one_step(database: Database) {
    let app = start(database).await;
    let graph = |text: &str| row(&[hook(json!({})), reply(json!({"body": text}))])["graph"].clone();
    let created = create(&app, json!({"name": "W", "active": true, "graph": graph("one")})).await;
    assert_eq!(
        (&created["active"], &created["version"]),
        (&json!(true), &json!(1))
    );
    let answer = async || app.webhook(&webhook_id(&created), &json!({})).await;
    assert_eq!(answer().await, (200, json!("one")));
    let (status, saved) = save(&app, &created, &graph("two"), 1, json!(true)).await;
    assert_eq!(
        (status, &saved["active"], &saved["version"]),
        (200, &json!(true), &json!(2))
    );
    assert_eq!(answer().await, (200, json!("two")));
    let (_, same) = act(&app, &created, "publish").await;
    assert_eq!(
        same["version"], 2,
        "a draft that is the same made another version"
    );
    let (status, off) = save(&app, &created, &graph("three"), 2, json!(false)).await;
    assert_eq!(
        (status, &off["active"], &off["version"]),
        (200, &json!(false), &json!(2))
    );
    assert_eq!(answer().await.0, 404);
}

async fn keeps_what_is_live_until_it_is_published(database: Database) {
    let app = start(database).await;
    let graph = |text: &str| row(&[hook(json!({})), reply(json!({"body": text}))])["graph"].clone();
    let created = create(&app, json!({"name": "W", "active": true, "graph": graph("one")})).await;
    let answer = async || app.webhook(&webhook_id(&created), &json!({})).await;
    let (_, saved) = save(&app, &created, &graph("two"), 1, Value::Null).await;
    assert_eq!((&saved["active"], &saved["version"]), (&json!(true), &json!(1)));
    assert_eq!(answer().await, (200, json!("one")));
    // Not even a draft without the webhook takes it away.
    let (_, gone) = save(&app, &created, &json!({"nodes": []}), 2, Value::Null).await;
    assert_eq!(gone["triggers"], json!([]));
    assert_eq!(answer().await, (200, json!("one")));
    save(&app, &created, &graph("two"), 3, Value::Null).await;
    let (status, published) = act(&app, &created, "publish").await;
    assert_eq!((status, &published["version"]), (200, &json!(2)), "{published}");
    assert_eq!(answer().await, (200, json!("two")));
}

async fn keeps_the_ids_of_triggers(database: Database) {
    let mut app = start(database).await;
    let other = json!({"key": "other", "type": "trigger.webhook"});
    let click = json!({"key": "click", "type": "trigger.manual"});
    let both = json!({"nodes": [hook(json!({})), other, click]});
    let created = create(&app, json!({"name": "W", "active": true, "graph": both})).await;
    let triggers = created["triggers"].clone();
    assert_eq!(triggers.as_array().map(Vec::len), Some(3));
    assert_ne!(triggers[0]["webhook_id"], triggers[1]["webhook_id"]);
    assert_eq!(triggers[2].get("webhook_id"), None, "{triggers}");
    let (_, saved) = save(&app, &created, &both, 1, json!(true)).await;
    assert_eq!(saved["triggers"], triggers);
    let (_, without) = save(&app, &created, &json!({"nodes": [click]}), 2, Value::Null).await;
    assert_eq!(without["triggers"], json!([triggers[2]]));
    let (_, restored) = save(&app, &created, &both, 3, Value::Null).await;
    assert_eq!(restored["triggers"], triggers);
    app.restart().await;
    let (_, read) = app.api("GET", &path(&created), Value::Null).await;
    for trigger in 0..3 {
        // A restart takes another port, and the address with it.
        for field in ["id", "webhook_id", "node", "type"] {
            assert_eq!(read["triggers"][trigger][field], triggers[trigger][field]);
        }
    }
    let copy = create(&app, json!({"name": "Copy", "graph": read["graph"]})).await;
    assert_ne!(copy["triggers"][0]["webhook_id"], triggers[0]["webhook_id"]);
}

async fn leaves_the_executions_of_a_deleted_workflow(database: Database) {
    let app = start(database).await;
    let created = create(
        &app,
        row(&[hook(json!({})), reply(json!({"body": {"ok": true}}))]),
    )
    .await;
    assert_eq!(app.webhook(&webhook_id(&created), &json!({"n": 1})).await.0, 200);
    let list = format!("/api/v1/executions?workflow_id={}", id(&created));
    let (_, before) = app.api("GET", &list, Value::Null).await;
    let execution = id(&before["data"][0]).to_owned();
    app.wait_for(&execution, &["COMPLETED"]).await;
    assert_eq!(app.api("DELETE", &path(&created), Value::Null).await.0, 200);
    assert_eq!(app.webhook(&webhook_id(&created), &json!({})).await.0, 404);
    let read = app.wait_for(&execution, &["COMPLETED"]).await;
    assert_eq!(
        (&read["input"], &read["result"]["body"]),
        (&json!({"n": 1}), &json!({"ok": true}))
    );
    assert_eq!(read["steps"].as_array().map(Vec::len), Some(1), "{read}");
    let (_, after) = app.api("GET", &list, Value::Null).await;
    assert_eq!(after["data"].as_array().map(Vec::len), Some(1));
}

fn names(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().expect("a list");
    rows.iter()
        .map(|row| row["name"].as_str().expect("a name"))
        .collect()
}

async fn finds_workflows(database: Database) {
    let app = start(database).await;
    for (name, active) in [
        ("Order intake", true),
        ("100% orders", false),
        ("Größe_A", true),
        ("a!b", false),
    ] {
        let graph = row(&[hook(json!({}))])["graph"].clone();
        create(&app, json!({"name": name, "active": active, "graph": graph})).await;
    }
    let check = async |query: &str, expected: &[&str]| {
        let (status, list) = app.api("GET", &format!("{WORKFLOWS}{query}"), Value::Null).await;
        assert_eq!((status, &list["success"]), (200, &json!(true)), "{query}: {list}");
        assert_eq!(names(&list), expected, "{query}");
        assert!(
            list["data"]
                .as_array()
                .is_some_and(|rows| rows.iter().all(|row| row.get("graph").is_none()))
        );
    };
    check("", &["a!b", "Größe_A", "100% orders", "Order intake"]).await;
    check("?search=ORDER", &["100% orders", "Order intake"]).await;
    check("?search=order&active=true", &["Order intake"]).await;
    check("?active=false", &["a!b", "100% orders"]).await;
    check("?search=%25", &["100% orders"]).await;
    check("?search=_", &["Größe_A"]).await;
    check("?search=!", &["a!b"]).await;
    check("?search=Gr%C3%B6%C3%9Fe", &["Größe_A"]).await;
    check("?search=nothing", &[]).await;
    check("?search='%3B--", &[]).await;
    check("?limit=1&search=order", &["100% orders"]).await;
}

async fn pages_through_workflows_while_others_are_made(database: Database) {
    let app = start(database).await;
    let make = async |name: String| {
        create(&app, json!({"name": name, "graph": {"nodes": []}})).await;
    };
    for number in 0..7 {
        make(format!("old {number}")).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let (status, list) = app
            .api("GET", &format!("{WORKFLOWS}?limit=3{cursor}"), Value::Null)
            .await;
        assert_eq!(status, 200, "{list}");
        seen.extend(names(&list).into_iter().map(str::to_owned));
        make(format!("new {page}")).await;
        match list["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(
        seen,
        ["old 6", "old 5", "old 4", "old 3", "old 2", "old 1", "old 0"]
    );
}

async fn refuses_what_no_workflow_can_have(database: Database) {
    let app = start(database).await;
    let key = app.key().await;
    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1&limit=2&limit=y",
        "cursor=x",
        "cursor=",
        "active=maybe",
        "search=%00",
        "cursor=AAAAAAAAAAAAAAAAAAAAA%00",
    ] {
        let request = app
            .request("GET", &format!("{WORKFLOWS}?{query}"))
            .bearer_auth(key);
        let answered = Answered::of(request).await;
        assert!(
            answered.status == 400 || query.starts_with("limit=1&"),
            "{query}: {}",
            answered.status
        );
        if answered.status == 400 {
            assert_eq!(answered.error(), "BAD_REQUEST", "{query}");
        }
    }
    let graph = json!({"nodes": []});
    let long = "x".repeat(201);
    for body in [
        json!({"name": "", "graph": graph}),
        json!({"name": long, "graph": graph}),
        json!({"name": "a\u{0}b", "graph": graph}),
        json!({"name": "a", "description": "\u{0}", "graph": graph}),
        json!({"name": "a"}),
        json!({"name": "a", "graph": []}),
        json!({"name": "a", "graph": graph, "colour": "red"}),
        json!({"name": "a", "graph": {"nodes": [{"key": "a"}]}}),
        json!({"name": "a", "graph": {"nodes": [{"key": "a", "type": "data.set", "timeout": "soon"}]}}),
        json!([]),
    ] {
        let answered = Answered::of(app.request("POST", WORKFLOWS).bearer_auth(key).json(&body)).await;
        assert_eq!(
            (answered.status, answered.error().as_str()),
            (400, "BAD_REQUEST"),
            "{body}"
        );
    }
    for path in ["x", "%00", "0198c0de", "0198c0de-0000-7000-8000-00000000000g"] {
        let answered = Answered::of(
            app.request("GET", &format!("{WORKFLOWS}/{path}"))
                .bearer_auth(key),
        )
        .await;
        assert!(
            matches!(answered.status, 400 | 404),
            "{path}: {}",
            answered.status
        );
        answered.error();
    }
    // What a database cannot hold as text goes through as JSON.
    let nul = json!({"key": "a\u{0}", "type": "data.set", "notes": "\u{0}", "parameters": {"fields": {"v": "\u{0}"}}});
    let created = create(&app, json!({"name": "a", "graph": {"nodes": [nul]}})).await;
    let (status, read) = app.api("GET", &path(&created), Value::Null).await;
    assert_eq!(
        (status, &read["graph"]["nodes"][0]["parameters"]),
        (200, &nul["parameters"])
    );
    let (status, list) = app.api("GET", WORKFLOWS, Value::Null).await;
    assert_eq!((status, names(&list)), (200, vec!["a"]));
}
