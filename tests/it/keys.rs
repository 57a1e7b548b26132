//! `/api/v1/keys`.

use chrono::{SecondsFormat, TimeDelta, Utc};
use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::auth::{PASSWORD, log_in, me, start, start_with_owner};
use crate::database::Rows;
use crate::workflow::{Answered, id, on_both_databases};

on_both_databases! {
    shows_a_key_once_and_forgets_it_at_once
    gives_no_key_more_than_its_maker_has
    refuses_a_key_that_has_expired
    lets_no_key_outlive_its_maker
    says_who_made_a_key
}

async fn shows_a_key_once_and_forgets_it_at_once(database: Database) {
    let app = start(database).await;
    let body = json!({"name": "Reader", "scopes": ["workflows:read", "workflows:read"]});
    let (status, made) = app.api("POST", "/api/v1/keys", body).await;
    assert_eq!(
        (status, &made["scopes"]),
        (201, &json!(["workflows:read"])),
        "{made}"
    );
    let key = made["key"].as_str().expect("it is shown").to_owned();
    assert!(key.starts_with("fm_") && key.starts_with(made["prefix"].as_str().expect("a prefix")));
    let (_, list) = app.api("GET", "/api/v1/keys", Value::Null).await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2), "{list}");
    assert!(!list.to_string().contains(&key), "{list}");
    let ask = async |path: &str| {
        Answered::of(app.request("GET", path).bearer_auth(&key))
            .await
            .status
    };
    assert_eq!(ask("/api/v1/workflows").await, 200);
    assert_eq!(ask("/api/v1/executions").await, 403);
    let revoked = app
        .api("DELETE", &format!("/api/v1/keys/{}", id(&made)), Value::Null)
        .await;
    assert_eq!(revoked, (200, json!({"id": made["id"], "deleted": true})));
    assert_eq!(ask("/api/v1/workflows").await, 401);
    assert_eq!(
        app.api("DELETE", &format!("/api/v1/keys/{}", id(&made)), Value::Null)
            .await
            .0,
        404
    );
    for body in [
        json!({"name": "", "scopes": ["workflows:read"]}),
        json!({"name": "a", "scopes": []}),
        json!({"name": "a", "scopes": ["workflows:fly"]}),
        json!({"name": "a\u{0}", "scopes": ["workflows:read"]}),
    ] {
        assert_eq!(
            app.api("POST", "/api/v1/keys", body.clone()).await.0,
            400,
            "{body}"
        );
    }
}

async fn gives_no_key_more_than_its_maker_has(database: Database) {
    let app = start(database).await;
    let body = json!({"name": "Maker", "scopes": ["keys:manage", "workflows:read"]});
    let (_, maker) = app.api("POST", "/api/v1/keys", body).await;
    let make = async |scopes: Value| {
        let request = app
            .request("POST", "/api/v1/keys")
            .bearer_auth(maker["key"].as_str().expect("a key"));
        Answered::of(request.json(&json!({"name": "made", "scopes": scopes}))).await
    };
    assert_eq!(make(json!(["workflows:read"])).await.status, 201);
    for scopes in [
        json!(["workflows:write"]),
        json!(["workflows:read", "workspace:admin"]),
    ] {
        let refused = make(scopes).await;
        assert_eq!((refused.status, refused.error().as_str()), (403, "FORBIDDEN"));
    }
}

/// A time so many hours from now, as a body has it.
fn hours_ahead(hours: i64) -> String {
    let time = Utc::now() + TimeDelta::hours(hours);
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

async fn make(app: &TestApp, expires_at: Value) -> (u16, Value) {
    let body = json!({"name": "Guest", "scopes": ["workflows:read"], "expires_at": expires_at});
    app.api("POST", "/api/v1/keys", body).await
}

async fn refuses_a_key_that_has_expired(database: Database) {
    let app = start(database).await;
    let tomorrow = hours_ahead(24);
    let (status, made) = make(&app, json!(tomorrow)).await;
    assert_eq!((status, &made["expires_at"]), (201, &json!(tomorrow)), "{made}");
    let key = made["key"].as_str().expect("a key");
    let rows = Rows::open(&app).await;
    rows.query("UPDATE api_keys SET expires_at = 1000 WHERE name = 'Guest'")
        .await;
    let refused = me(&app, key).await;
    assert_eq!((refused.status, refused.error().as_str()), (401, "KEY_EXPIRED"));
    assert!(refused.header("www-authenticate").starts_with("Bearer"));
    let message = refused.json()["error"]["message"].to_string();
    assert!(
        message.contains("expired at 1970-01-01T00:00:01.000Z"),
        "{message}"
    );
    rows.close().await;
    let (_, other) = make(&app, json!(tomorrow)).await;
    let shown = me(&app, other["key"].as_str().expect("a key")).await;
    assert_eq!(
        (shown.status, &shown.json()["key"]["expires_at"]),
        (200, &json!(tomorrow))
    );

    let (status, made) = make(&app, Value::Null).await;
    assert_eq!((status, made.get("expires_at")), (201, None), "{made}");
    for (expires_at, status) in [
        (json!(hours_ahead(-1)), 422),
        (json!(hours_ahead(24 * 3_661)), 422),
        (json!("tomorrow"), 400),
        (json!(1), 400),
    ] {
        let (refused, body) = make(&app, expires_at.clone()).await;
        assert_eq!(refused, status, "{expires_at}: {body}");
        assert_eq!(body["error"]["details"][0]["pointer"], "/expires_at", "{body}");
    }
}

async fn lets_no_key_outlive_its_maker(database: Database) {
    let app = start(database).await;
    let tomorrow = hours_ahead(24);
    let body = json!({"name": "Day", "scopes": ["keys:manage", "workflows:read"], "expires_at": tomorrow});
    let (_, day) = app.api("POST", "/api/v1/keys", body).await;
    let key = day["key"].as_str().expect("a key");
    for (expires_at, status) in [
        (Value::Null, 422),
        (json!(hours_ahead(25)), 422),
        (json!(tomorrow), 201),
        (json!(hours_ahead(1)), 201),
    ] {
        let body = json!({"name": "Made", "scopes": ["workflows:read"], "expires_at": expires_at});
        let request = app.request("POST", "/api/v1/keys").bearer_auth(key);
        let made = Answered::of(request.json(&body)).await;
        assert_eq!(made.status, status, "{expires_at}");
    }
}

async fn says_who_made_a_key(database: Database) {
    let app = start_with_owner(database).await;
    let session = log_in(&app, "ana@acme.example", PASSWORD).await.json();
    let request = app.request("POST", "/api/v1/keys");
    let request = request.bearer_auth(session["token"].as_str().expect("a token"));
    let made = Answered::of(request.json(&json!({"name": "Hers", "scopes": ["keys:manage"]})))
        .await
        .json();
    let id = session["user"]["id"].to_string();
    let ana = json!({"type": "user", "id": id, "name": "ana@acme.example"});
    assert_eq!(made["created_by"], ana, "{made}");
    let (_, by_key) = make(&app, Value::Null).await;
    assert_eq!(
        (&by_key["created_by"]["type"], &by_key["created_by"]["name"]),
        (&json!("key"), &json!("test"))
    );
    let (_, list) = app.api("GET", "/api/v1/keys", Value::Null).await;
    let makers: Vec<(&Value, &Value)> = list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|key| (&key["name"], &key["created_by"]["name"]))
        .collect();
    assert_eq!(
        makers,
        [
            (&json!("Guest"), &json!("test")),
            // Made on the machine itself.
            (&json!("test"), &Value::Null),
            (&json!("Hers"), &json!("ana@acme.example")),
        ]
    );
}
