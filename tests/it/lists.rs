//! Lists of workflows and executions as a screen shows them: what happened last, in which order, and by which names.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::workflow::{
    create, hook, hooked, id, on_both_databases, path, reply, row, webhook_id, webhook_path,
};

on_both_databases! {
    tells_what_happened_last_and_what_is_not_published
    narrows_and_orders_workflows
    switches_the_published_version_on_without_the_draft
    names_executions_by_workflow_and_trigger
    shows_an_execution_without_its_data
}

const WORKFLOWS: &str = "/api/v1/workflows";

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

fn named(name: &str, active: bool) -> Value {
    let mut workflow = hooked(&[]);
    workflow["name"] = json!(name);
    workflow["active"] = json!(active);
    workflow
}

async fn get(app: &TestApp, path: &str) -> Value {
    let (status, answer) = app.api("GET", path, Value::Null).await;
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

async fn act(app: &TestApp, workflow: &Value, action: &str) -> (u16, Value) {
    app.api("POST", &format!("{}/{action}", path(workflow)), Value::Null)
        .await
}

/// Saves another draft.
async fn change(app: &TestApp, workflow: &Value, revision: i64) -> Value {
    let graph = row(&[hook(json!({"methods": ["PUT"]}))])["graph"].clone();
    let body = json!({"name": workflow["name"], "graph": graph, "revision": revision});
    let (status, saved) = app.api("PUT", &path(workflow), body).await;
    assert_eq!(status, 200, "{saved}");
    saved
}

async fn names(app: &TestApp, query: &str) -> Vec<String> {
    let list = get(app, &format!("{WORKFLOWS}?{query}")).await;
    let workflows = list["data"].as_array().expect("a list");
    let names = workflows.iter().map(|one| one["name"].as_str().expect("a name"));
    names.map(str::to_owned).collect()
}

async fn tells_what_happened_last_and_what_is_not_published(database: Database) {
    let app = start(database).await;
    let quiet = create(&app, named("quiet", true)).await;
    let busy = create(&app, named("busy", true)).await;
    for _ in 0..2 {
        assert_eq!(app.webhook(&webhook_id(&busy), &json!({})).await.0, 200);
    }
    let (status, last) = act(&app, &busy, "execute").await;
    assert_eq!(status, 202, "{last}");
    app.wait_for(id(&last), &["COMPLETED"]).await;
    let list = get(&app, WORKFLOWS).await;
    let (first, second) = (&list["data"][0], &list["data"][1]);
    assert_eq!((&first["id"], &second["id"]), (&busy["id"], &quiet["id"]));
    let told = &first["last_execution"];
    assert_eq!(
        (&told["id"], &told["status"], &told["mode"]),
        (&last["id"], &json!("COMPLETED"), &json!("manual"))
    );
    assert!(
        told["duration_ms"].is_i64() && told["finished_at"].is_string(),
        "{told}"
    );
    assert_eq!(second.get("last_execution"), None);

    let has_changes = async || {
        let list = get(&app, WORKFLOWS).await;
        let one = get(&app, &path(&busy)).await;
        assert_eq!(list["data"][0]["has_changes"], one["has_changes"]);
        one["has_changes"].as_bool().expect("it is said")
    };
    assert!(!has_changes().await);
    assert_eq!(change(&app, &busy, 1).await["has_changes"], true);
    assert!(has_changes().await);
    assert_eq!(act(&app, &busy, "publish").await.1["has_changes"], false);
    assert!(!has_changes().await);
    let draft = create(&app, named("draft", false)).await;
    assert_eq!(
        draft["has_changes"], false,
        "there is nothing that it could differ from"
    );
}

async fn narrows_and_orders_workflows(database: Database) {
    let app = start(database).await;
    for (name, active) in [("beta", true), ("Alpha", false), ("gamma", true), ("delta", true)] {
        create(&app, named(name, active)).await;
    }
    let list = get(&app, WORKFLOWS).await;
    let (gamma, beta) = (&list["data"][1], &list["data"][3]);
    assert_eq!(act(&app, gamma, "deactivate").await.0, 200);
    change(&app, beta, 1).await;
    for (query, expected) in [
        ("", &["delta", "gamma", "Alpha", "beta"][..]),
        ("order=asc", &["beta", "Alpha", "gamma", "delta"]),
        ("sort=name", &["Alpha", "beta", "delta", "gamma"]),
        ("sort=name&order=desc", &["gamma", "delta", "beta", "Alpha"]),
        ("sort=updated_at", &["beta", "delta", "gamma", "Alpha"]),
        ("sort=updated_at&order=asc", &["Alpha", "gamma", "delta", "beta"]),
        ("status=published", &["delta", "beta"]),
        ("status=off", &["gamma"]),
        ("status=draft", &["Alpha"]),
        ("status=draft&active=true", &[]),
        ("status=published&sort=name&search=ET", &["beta"]),
    ] {
        assert_eq!(names(&app, query).await, expected, "{query}");
    }
    let page = get(&app, &format!("{WORKFLOWS}?sort=name&limit=3")).await;
    let cursor = page["next_cursor"].as_str().expect("there is more");
    assert_eq!(
        names(&app, &format!("sort=name&limit=3&cursor={cursor}")).await,
        ["gamma"]
    );
    for wrong in [
        format!("cursor={cursor}"),
        format!("sort=updated_at&cursor={cursor}"),
        "sort=size".to_owned(),
        "order=up".to_owned(),
        "status=ACTIVE".to_owned(),
        "cursor=x".to_owned(),
    ] {
        let (status, answer) = app.api("GET", &format!("{WORKFLOWS}?{wrong}"), Value::Null).await;
        assert_eq!(status, 400, "{wrong}: {answer}");
    }
}

async fn switches_the_published_version_on_without_the_draft(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, named("switched", true)).await;
    assert_eq!(act(&app, &workflow, "deactivate").await.0, 200);
    change(&app, &workflow, 1).await;
    let called = async || {
        let request = app.request("POST", &webhook_path(&workflow)).json(&json!({}));
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(called().await, 404);
    for _ in 0..2 {
        let (status, on) = act(&app, &workflow, "activate").await;
        assert_eq!((status, &on["active"]), (200, &json!(true)), "{on}");
        assert_eq!((&on["version"], &on["has_changes"]), (&json!(1), &json!(true)));
        // The draft would take PUT alone.
        assert_eq!(called().await, 200);
    }
    let draft = create(&app, named("draft", false)).await;
    let (status, refused) = act(&app, &draft, "activate").await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("NOT_PUBLISHED")),
        "{refused}"
    );
    let nobody = json!({"id": uuid::Uuid::now_v7()});
    assert_eq!(act(&app, &nobody, "activate").await.0, 404);
}

async fn names_executions_by_workflow_and_trigger(database: Database) {
    let app = start(database).await;
    let mut entry = hook(json!({}));
    entry["name"] = json!("Order came in");
    let start = json!({"key": "start", "type": "trigger.manual"});
    let mut workflow = row(&[entry, reply(json!({}))]);
    workflow["graph"]["nodes"]
        .as_array_mut()
        .expect("nodes")
        .push(start);
    let workflow = create(&app, workflow).await;
    assert_eq!(app.webhook(&webhook_id(&workflow), &json!({})).await.0, 200);
    let (status, by_hand) = act(&app, &workflow, "execute").await;
    assert_eq!(status, 202, "{by_hand}");
    let told = |execution: &Value| {
        let field = |name: &str| execution[name].as_str().unwrap_or_default().to_owned();
        [
            field("workflow_name"),
            field("trigger_type"),
            field("trigger_name"),
        ]
    };
    let manual = ["Test", "trigger.manual", "start"].map(str::to_owned);
    assert_eq!(told(&by_hand), manual);
    let list = get(&app, "/api/v1/executions").await;
    assert_eq!(told(&list["data"][0]), manual);
    let hooked = ["Test", "trigger.webhook", "Order came in"].map(str::to_owned);
    assert_eq!(told(&list["data"][1]), hooked);
    let one = format!("/api/v1/executions/{}", id(&list["data"][1]));
    assert_eq!(told(&get(&app, &one).await), hooked);
    assert_eq!(get(&app, &one).await.get("workflow_deleted"), None);

    // The name is that of today, the trigger's that of the version that ran.
    let graph = row(&[hook(json!({}))])["graph"].clone();
    let renamed = json!({"name": "Renamed", "graph": graph, "revision": 1, "active": true});
    assert_eq!(app.api("PUT", &path(&workflow), renamed).await.0, 200);
    assert_eq!(told(&get(&app, &one).await)[0], "Renamed");
    assert_eq!(told(&get(&app, &one).await)[2], "Order came in");
    let (status, retried) = app.api("POST", &format!("{one}/retry"), Value::Null).await;
    assert_eq!(
        (status, told(&retried)[2].as_str()),
        (202, "Order came in"),
        "{retried}"
    );
    assert_eq!(app.api("DELETE", &path(&workflow), Value::Null).await.0, 200);
    let gone = get(&app, &one).await;
    assert_eq!(
        (told(&gone)[0].as_str(), &gone["workflow_deleted"]),
        ("Renamed", &json!(true))
    );
}

async fn shows_an_execution_without_its_data(database: Database) {
    let app = start(database).await;
    let set = json!({"key": "set", "type": "data.set", "parameters": {"fields": {"twice": "{{add amount amount}}"}}});
    let workflow = create(&app, hooked(&[set])).await;
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({"amount": 2})).await;
    assert_eq!(status, 200, "{answer}");
    let execution = answer["executionId"].as_str().expect("an id");
    let whole = app.wait_for(execution, &["COMPLETED"]).await;
    let one = format!("/api/v1/executions/{execution}");
    let mut expected = whole.clone();
    for step in expected["steps"].as_array_mut().expect("steps") {
        let step = step.as_object_mut().expect("a step");
        step.remove("input");
        step.remove("output");
    }
    assert_eq!(get(&app, &format!("{one}?without=data")).await, expected);
    let step = get(&app, &format!("{one}/step?path=set")).await;
    assert_eq!(step["output"], json!({"twice": 4}));
    assert!(
        whole["steps"].as_array().expect("steps").contains(&step),
        "{step}"
    );
    for (path, expected) in [("step?path=nobody", 404), ("step", 400), ("step?path=", 400)] {
        let (status, answer) = app.api("GET", &format!("{one}/{path}"), Value::Null).await;
        assert_eq!(status, expected, "{path}: {answer}");
    }
    let (status, _) = app.api("GET", &format!("{one}?without=steps"), Value::Null).await;
    assert_eq!(status, 400);
}
