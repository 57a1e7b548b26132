//! `/api/v1/workflows/{id}/versions`.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::workflow::{Answered, create, hook, id, on_both_databases, path, reply, row, webhook_id};

on_both_databases! {
    lists_versions_the_newest_first
    says_who_published
    restores_a_version
    keeps_restored_secrets_working
    compares_versions
    knows_no_versions_of_others
}

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

fn graph(text: &str) -> Value {
    row(&[hook(json!({})), reply(json!({"body": text}))])["graph"].clone()
}

/// A workflow whose versions answer with these texts.
async fn published(app: &TestApp, texts: &[&str]) -> Value {
    let mut workflow = create(
        app,
        json!({"name": "W", "active": true, "graph": graph(texts[0])}),
    )
    .await;
    for text in &texts[1..] {
        workflow = save(app, &workflow, &graph(text), json!(true)).await;
    }
    workflow
}

async fn save(app: &TestApp, workflow: &Value, graph: &Value, active: Value) -> Value {
    let body = json!({"name": "W", "graph": graph, "active": active, "revision": workflow["revision"]});
    let (status, saved) = app.api("PUT", &path(workflow), body).await;
    assert_eq!(status, 200, "{saved}");
    saved
}

async fn get(app: &TestApp, path: &str) -> Value {
    let (status, found) = app.api("GET", path, Value::Null).await;
    assert_eq!(status, 200, "{path}: {found}");
    found
}

async fn answer(app: &TestApp, workflow: &Value) -> Value {
    let (status, answer) = app.webhook(&webhook_id(workflow), &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn numbers(list: &Value) -> Vec<i64> {
    let rows = list["data"].as_array().expect("a list");
    rows.iter()
        .map(|row| row["number"].as_i64().expect("a number"))
        .collect()
}

async fn lists_versions_the_newest_first(database: Database) {
    let app = start(database).await;
    let draft = create(&app, json!({"name": "D", "graph": graph("x")})).await;
    let list = get(&app, &format!("{}/versions", path(&draft))).await;
    assert_eq!(list, json!({"success": true, "data": [], "next_cursor": null}));

    let workflow = published(&app, &["1", "2", "3", "4", "5"]).await;
    let versions = format!("{}/versions", path(&workflow));
    let list = get(&app, &versions).await;
    assert_eq!(numbers(&list), [5, 4, 3, 2, 1]);
    let rows = list["data"].as_array().expect("a list");
    for row in rows {
        let fields: Vec<&String> = row.as_object().expect("an object").keys().collect();
        let expected = [
            "workflow_id",
            "number",
            "published_at",
            "published_by",
            "node_count",
            "live",
        ];
        assert_eq!(fields, expected, "{row}");
        assert_eq!(
            (&row["workflow_id"], &row["node_count"], &row["live"]),
            (&workflow["id"], &json!(2), &json!(row["number"] == 5))
        );
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&app, &format!("{versions}?limit=2{cursor}")).await;
        seen.extend(numbers(&page));
        // What is published meanwhile is on no later page.
        let now = get(&app, &path(&workflow)).await;
        save(&app, &now, &graph(&format!("while {}", seen.len())), json!(true)).await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);

    let one = get(&app, &format!("{versions}/2")).await;
    assert_eq!(
        (&one["number"], &one["live"], &one["node_count"]),
        (&json!(2), &json!(false), &json!(2))
    );
    assert_eq!(one["graph"]["nodes"][1]["parameters"]["body"], "2", "{one}");
    for (query, status) in [("limit=0", 400), ("cursor=x", 400), ("colour=red", 400)] {
        let refused = app.api("GET", &format!("{versions}?{query}"), Value::Null).await;
        assert_eq!(refused.0, status, "{query}: {}", refused.1);
    }
}

async fn says_who_published(database: Database) {
    let app = TestApp::builder()
        .database(database)
        .flags(&[
            "--owner-email",
            "ana@acme.example",
            "--owner-password",
            "correct horse battery",
        ])
        .start()
        .await;
    let workflow = published(&app, &["by a key"]).await;
    let log_in = json!({"email": "ana@acme.example", "password": "correct horse battery"});
    let (status, session) = app.api("POST", "/api/v1/auth/login", log_in).await;
    assert_eq!(status, 200, "{session}");
    let token = session["token"].as_str().expect("a token");
    let body = json!({"name": "W", "graph": graph("by Ana"), "revision": 1, "active": null});
    app.api("PUT", &path(&workflow), body).await;
    let publish = app.request("POST", &format!("{}/publish", path(&workflow)));
    assert_eq!(Answered::of(publish.bearer_auth(token)).await.status, 200);

    let versions = format!("{}/versions", path(&workflow));
    let list = get(&app, &versions).await;
    let (user, key) = (&list["data"][0]["published_by"], &list["data"][1]["published_by"]);
    assert_eq!(
        (&user["type"], &user["name"]),
        (&json!("user"), &json!("ana@acme.example"))
    );
    assert_eq!((&key["type"], &key["name"]), (&json!("key"), &json!("test")));
    assert_eq!(get(&app, &format!("{versions}/2")).await["published_by"], *user);

    // A key that is gone leaves its id behind.
    let other = app
        .run(&["keys", "create", "--name", "gone", "--scope", "*"])
        .await;
    let other = String::from_utf8(other.stdout).expect("a key");
    let publish = json!({"name": "W", "graph": graph("third"), "revision": 2, "active": true});
    let request = app.request("PUT", &path(&workflow)).json(&publish);
    assert_eq!(Answered::of(request.bearer_auth(other.trim())).await.status, 200);
    let gone = get(&app, &format!("{versions}/3")).await["published_by"].clone();
    assert_eq!(gone["name"], "gone");
    let key = format!("/api/v1/keys/{}", gone["id"].as_str().expect("an id"));
    assert_eq!(app.api("DELETE", &key, Value::Null).await.0, 200);
    let after = get(&app, &format!("{versions}/3")).await["published_by"].clone();
    assert_eq!(after, json!({"type": "key", "id": gone["id"]}));
}

async fn restores_a_version(database: Database) {
    let app = start(database).await;
    let workflow = published(&app, &["one", "two"]).await;
    // The draft of today has another trigger, and lacks the first one.
    let other = json!({"nodes": [{"key": "other", "type": "trigger.webhook"}]});
    let draft = save(&app, &workflow, &other, Value::Null).await;
    assert_ne!(draft["triggers"], workflow["triggers"]);

    let restore = format!("{}/versions/1/restore", path(&workflow));
    for stale in [1, 2, 4] {
        let (status, refused) = app.api("POST", &restore, json!({"revision": stale})).await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (409, &json!("CONFLICT")),
            "{refused}"
        );
    }
    assert_eq!(get(&app, &path(&workflow)).await, draft, "nothing was done");

    let (status, restored) = app.api("POST", &restore, json!({"revision": 3})).await;
    assert_eq!(status, 200, "{restored}");
    assert_eq!(
        (&restored["revision"], &restored["version"], &restored["active"]),
        (&json!(4), &json!(2), &json!(true)),
        "{restored}"
    );
    assert_eq!(
        restored["graph"],
        get(&app, &format!("{}/versions/1", path(&workflow))).await["graph"]
    );
    assert_eq!(restored["triggers"], workflow["triggers"]);
    assert_eq!(get(&app, &path(&workflow)).await, restored);
    assert_eq!(answer(&app, &workflow).await, "two", "what is live stays live");
    let (status, published) = app
        .api("POST", &format!("{}/publish", path(&workflow)), Value::Null)
        .await;
    assert_eq!(
        (status, &published["version"]),
        (200, &json!(3)),
        "history goes on"
    );
    assert_eq!(answer(&app, &workflow).await, "one");

    // Without a revision, and over itself: one more save all the same.
    let (status, again) = app.api("POST", &restore, Value::Null).await;
    assert_eq!((status, &again["revision"]), (200, &json!(5)), "{again}");
    // Of many at once with the same revision, one is taken.
    let restores = (0..8).map(|_| app.api("POST", &restore, json!({"revision": 5})));
    let statuses = futures_util::future::join_all(restores).await;
    let taken = statuses.iter().filter(|(status, _)| *status == 200).count();
    let refused = statuses.iter().filter(|(status, _)| *status == 409).count();
    assert_eq!((taken, refused), (1, 7));
}

async fn keeps_restored_secrets_working(database: Database) {
    let app = start(database).await;
    let guarded = |secret: &str| {
        let auth = json!({"auth": {"type": "token", "secret": secret}});
        row(&[hook(auth), reply(json!({"body": "in"}))])["graph"].clone()
    };
    let workflow = create(
        &app,
        json!({"name": "W", "active": true, "graph": guarded("first")}),
    )
    .await;
    let workflow = save(&app, &workflow, &guarded("second"), json!(true)).await;
    let call = async |token: &str| {
        let request = app.request("POST", &format!("/api/webhooks/{}", webhook_id(&workflow)));
        Answered::of(request.header("X-Webhook-Token", token))
            .await
            .status
    };
    assert_eq!((call("first").await, call("second").await), (401, 200));

    let version = get(&app, &format!("{}/versions/1", path(&workflow))).await;
    let auth = &version["graph"]["nodes"][0]["parameters"]["auth"];
    assert!(auth["secret_ref"].is_string(), "{auth}");
    assert_eq!(auth.get("secret"), None, "{auth}");
    let restore = format!("{}/versions/1/restore", path(&workflow));
    let (status, restored) = app.api("POST", &restore, Value::Null).await;
    assert_eq!((status, &restored["graph"]), (200, &version["graph"]));
    assert_eq!((call("first").await, call("second").await), (401, 200));
    // A save of what the restore answered keeps the secret as well.
    save(&app, &restored, &restored["graph"], json!(true)).await;
    assert_eq!((call("first").await, call("second").await), (200, 401));
}

async fn compares_versions(database: Database) {
    let app = start(database).await;
    let set = |key: &str, value: Value, x: i32| {
        json!({
            "key": key, "type": "data.set", "name": "Set", "parameters": {"fields": {"v": value}},
            "position": {"x": x, "y": 0}
        })
    };
    let first = json!({
        "nodes": [hook(json!({})), set("kept", json!(1), 0), set("gone", json!(1), 0), set("moved", json!(1), 0)],
        "edges": [{"from": "hook", "to": "kept"}, {"from": "kept", "to": "gone"}, {"from": "gone", "to": "moved"}],
        "settings": {"timeout": "5m"}
    });
    let second = json!({
        "nodes": [hook(json!({"methods": ["POST"]})), set("moved", json!(1), 99), set("new", json!(2), 0), set("kept", json!("{{x}}"), 0)],
        "edges": [{"from": "hook", "to": "kept"}, {"from": "kept", "to": "moved"}, {"from": "hook", "to": "new"}],
        "settings": {"timeout": "5m", "vars": {"rate": 3}}
    });
    let workflow = create(&app, json!({"name": "W", "active": true, "graph": first})).await;
    let workflow = save(&app, &workflow, &second, json!(true)).await;
    let diff = async |query: &str| get(&app, &format!("{}/versions/{query}", path(&workflow))).await;
    let name = |key: &str| json!({"key": key, "type": "data.set", "name": "Set"});
    let there = json!({
        "version": 1,
        "against": "2",
        "same": false,
        "nodes": {
            "added": [name("new")],
            "removed": [name("gone")],
            "changed": [
                {"key": "hook", "type": "trigger.webhook", "changes": [{"pointer": "/parameters/methods", "after": ["POST"]}]},
                {"key": "kept", "type": "data.set", "name": "Set", "changes": [
                    {"pointer": "/parameters/fields/v", "before": 1, "after": "{{x}}"}
                ]}
            ],
            "moved": [name("moved")]
        },
        "edges": {
            "added": [{"from": "kept", "to": "moved"}, {"from": "hook", "to": "new"}],
            "removed": [{"from": "kept", "to": "gone"}, {"from": "gone", "to": "moved"}]
        },
        "settings": [{"pointer": "/vars", "after": {"rate": 3}}]
    });
    assert_eq!(diff("1/diff?against=2").await, there);
    // The draft is what is compared with where nothing else is named.
    let mut draft = there.clone();
    draft["against"] = json!("draft");
    assert_eq!(diff("1/diff").await, draft);
    assert_eq!(diff("1/diff?against=draft").await, draft);

    let back = diff("2/diff?against=1").await;
    assert_eq!(
        (&back["nodes"]["added"], &back["nodes"]["removed"]),
        (&there["nodes"]["removed"], &there["nodes"]["added"])
    );
    assert_eq!(
        back["settings"],
        json!([{"pointer": "/vars", "before": {"rate": 3}}])
    );
    for same in ["1/diff?against=1", "2/diff"] {
        let nothing = diff(same).await;
        assert_eq!(nothing["same"], true, "{same}: {nothing}");
        assert_eq!(nothing["nodes"]["moved"], json!([]), "{same}");
    }
    for (query, status) in [
        ("1/diff?against=0", 400),
        ("1/diff?against=-1", 400),
        ("1/diff?against=live", 400),
        ("1/diff?against=9999999999", 400),
        ("1/diff?against=3", 404),
        ("3/diff", 404),
        ("0/diff", 400),
        ("x/diff", 400),
        ("1/diff?with=2", 400),
    ] {
        let path = format!("{}/versions/{query}", path(&workflow));
        let (found, body) = app.api("GET", &path, Value::Null).await;
        assert_eq!(found, status, "{query}: {body}");
    }
}

async fn knows_no_versions_of_others(database: Database) {
    let app = start(database).await;
    let workflow = published(&app, &["one"]).await;
    let nobody = "/api/v1/workflows/0198c0de-0000-7000-8000-000000000000".to_owned();
    for (method, place) in [
        ("GET", format!("{nobody}/versions")),
        ("GET", format!("{nobody}/versions/1")),
        ("GET", format!("{nobody}/versions/1/diff")),
        ("POST", format!("{nobody}/versions/1/restore")),
        ("GET", format!("{}/versions/2", path(&workflow))),
        ("GET", format!("{}/versions/2147483647", path(&workflow))),
        ("POST", format!("{}/versions/2/restore", path(&workflow))),
    ] {
        let (status, body) = app.api(method, &place, Value::Null).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (404, &json!("NOT_FOUND")),
            "{place}: {body}"
        );
    }
    for number in ["0", "-1", "2147483648", "one", "1.0"] {
        let place = format!("{}/versions/{number}", path(&workflow));
        let (status, body) = app.api("GET", &place, Value::Null).await;
        assert_eq!(status, 400, "{place}: {body}");
    }
    assert_eq!(app.api("DELETE", &path(&workflow), Value::Null).await.0, 200);
    for place in ["versions", "versions/1", "versions/1/diff"] {
        let place = format!("/api/v1/workflows/{}/{place}", id(&workflow));
        assert_eq!(app.api("GET", &place, Value::Null).await.0, 404, "{place}");
    }
}
