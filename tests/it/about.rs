//! `/api/v1/about`.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::workflow::{Answered, create, hooked, on_both_databases, path, row};

on_both_databases! {
    says_what_it_is_and_how_much_it_holds
    tells_each_caller_what_concerns_them
}

async fn says_what_it_is_and_how_much_it_holds(database: Database) {
    let builder = TestApp::builder().database(database);
    let flags = [
        "--retention",
        "14d",
        "--max-body",
        "64KiB",
        "--public-url",
        "https://flows.example.com/",
    ];
    let app = builder.flags(&flags).start().await;
    create(&app, hooked(&[])).await;
    let waits = json!({"key": "wait", "type": "flow.wait", "parameters": {"duration": "1d"}});
    let waits = create(
        &app,
        row(&[json!({"key": "start", "type": "trigger.manual"}), waits]),
    )
    .await;
    let mut draft = hooked(&[]);
    draft["active"] = json!(false);
    create(&app, draft).await;
    let run = format!("{}/execute", path(&waits));
    for _ in 0..2 {
        let (_, execution) = app.api("POST", &run, Value::Null).await;
        app.wait_for(execution["id"].as_str().expect("an id"), &["WAITING"])
            .await;
    }
    let (status, about) = app.api("GET", "/api/v1/about", Value::Null).await;
    assert_eq!(status, 200, "{about}");
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    let (kind, has_free) = match database {
        Database::Sqlite => ("sqlite", true),
        Database::Postgres => ("postgres", false),
    };
    assert_eq!(
        (&about["database"], &about["dispatch"]),
        (&json!(kind), &json!("local"))
    );
    assert_eq!(about["public_url"], "https://flows.example.com");
    assert_eq!(
        (&about["retention"], &about["keep_executions"]),
        (&json!("14d"), &json!(10_000))
    );
    assert_eq!(
        about["limits"],
        json!({"max_body": 65_536, "max_running": 10_000, "sync_timeout": "30s", "request_timeout": "30s"})
    );
    assert_eq!(
        about["counts"],
        json!({"workflows": 3, "active_workflows": 2, "executions_running": 0, "executions_waiting": 2,
            "executions_queued": 0})
    );
    assert_eq!(about["data_dir"], app.data_dir().display().to_string());
    assert!(
        about["disk"]["database_bytes"]
            .as_i64()
            .is_some_and(|bytes| bytes > 10_000),
        "{about}"
    );
    assert_eq!(about["disk"]["free_bytes"].is_i64(), has_free, "{about}");
}

async fn tells_each_caller_what_concerns_them(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let ask = async |scopes: Value| {
        let (_, key) = app
            .api("POST", "/api/v1/keys", json!({"name": "k", "scopes": scopes}))
            .await;
        let key = key["key"].as_str().expect("a key").to_owned();
        let answered = Answered::of(app.request("GET", "/api/v1/about").bearer_auth(key)).await;
        assert_eq!(answered.status, 200);
        let about = answered.json();
        ["version", "counts", "data_dir", "disk"].map(|name| about.get(name).is_some())
    };
    assert_eq!(ask(json!(["leads:read"])).await, [true, false, false, false]);
    assert_eq!(
        ask(json!(["workflows:read", "executions:read"])).await,
        [true, true, false, false]
    );
    assert_eq!(ask(json!(["workspace:admin"])).await, [true, false, true, true]);
}
