//! `/api/v1/webhooks`: what webhooks there are, and trying them.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::workflow::{
    create, hook, hooked, id, on_both_databases, path, reply, row, webhook_id, webhook_path,
};

on_both_databases! {
    lists_webhooks_as_they_are_published
    tries_a_webhook_as_its_sender_would
}

const WEBHOOKS: &str = "/api/v1/webhooks";

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

async fn list(app: &TestApp, query: &str) -> Vec<Value> {
    let (status, list) = app.api("GET", &format!("{WEBHOOKS}?{query}"), Value::Null).await;
    assert_eq!(status, 200, "{list}");
    list["data"].as_array().expect("a list").clone()
}

fn nodes(list: &[Value]) -> Vec<&str> {
    list.iter()
        .map(|one| one["node"].as_str().expect("a key"))
        .collect()
}

async fn lists_webhooks_as_they_are_published(database: Database) {
    let app = start(database).await;
    let signed =
        json!({"methods": ["POST", "PUT"], "auth": {"type": "hmac", "secret": "s", "encoding": "base64"}});
    let mut entry = hook(signed);
    entry["name"] = json!("Bestellung ÄÖ");
    let workflow = create(&app, row(&[entry, reply(json!({}))])).await;
    let mut draft =
        row(&[json!({"key": "other", "type": "trigger.webhook", "parameters": {"methods": [1]}})]);
    draft["active"] = json!(false);
    draft["name"] = json!("Draft");
    create(&app, draft).await;
    let all = list(&app, "").await;
    assert_eq!(nodes(&all), ["other", "hook"]);
    assert_eq!(
        (&all[0]["live"], &all[0]["draft_only"], &all[0]["methods"]),
        (&json!(false), &json!(true), &json!([]))
    );
    let one = &all[1];
    assert_eq!(one["id"], workflow["triggers"][0]["id"]);
    assert_eq!(one["url"], workflow["triggers"][0]["url"]);
    assert_eq!(
        (&one["workflow_name"], &one["name"]),
        (&json!("Test"), &json!("Bestellung ÄÖ"))
    );
    assert_eq!((&one["live"], &one["draft_only"]), (&json!(true), &json!(false)));
    assert_eq!(one["methods"], json!(["POST", "PUT"]));
    let auth = json!({
        "type": "hmac", "header": "X-Webhook-Signature", "algorithm": "sha256", "encoding": "base64", "prefix": "",
        "has_secret": true
    });
    assert_eq!(one["auth"], auth);
    assert_eq!(one.get("last_call"), None);
    let single = format!("{WEBHOOKS}/{}", id(one));
    assert_eq!(app.api("GET", &single, Value::Null).await, (200, one.clone()));

    for (query, expected) in [
        ("search=bestellung%20%C3%A4".to_owned(), &["hook"][..]),
        ("search=draft".to_owned(), &["other"]),
        (format!("search={}", &webhook_id(&workflow)[..30]), &["hook"]),
        ("search=nobody".to_owned(), &[]),
        ("active=true".to_owned(), &["hook"]),
        ("active=false".to_owned(), &["other"]),
        (format!("workflow_id={}", id(&workflow)), &["hook"]),
        ("limit=1".to_owned(), &["other"]),
    ] {
        assert_eq!(nodes(&list(&app, &query).await), expected, "{query}");
    }
    let (_, first) = app.api("GET", &format!("{WEBHOOKS}?limit=1"), Value::Null).await;
    let cursor = first["next_cursor"].as_str().expect("there is more");
    assert_eq!(
        nodes(&list(&app, &format!("limit=1&cursor={cursor}")).await),
        ["hook"]
    );

    // What is published counts, until it is another one.
    let body = json!({"name": "Test", "graph": hooked(&[])["graph"], "revision": 1});
    assert_eq!(app.api("PUT", &path(&workflow), body).await.0, 200);
    assert_eq!(list(&app, "search=bestellung").await.len(), 1);
    let publish = format!("{}/publish", path(&workflow));
    assert_eq!(app.api("POST", &publish, Value::Null).await.0, 200);
    let (_, open) = app.api("GET", &single, Value::Null).await;
    assert_eq!(
        (&open["auth"]["type"], &open["name"]),
        (&json!("none"), &json!("hook"))
    );
    let (_, answer) = app.webhook(&webhook_id(&workflow), &json!({})).await;
    let (_, called) = app.api("GET", &single, Value::Null).await;
    assert_eq!(called["last_call"]["execution_id"], answer["executionId"]);
    assert!(called["last_call"]["at"].is_string() && called["last_call"]["status"].is_string());
    assert_eq!(app.api("DELETE", &path(&workflow), Value::Null).await.0, 200);
    assert_eq!(app.api("GET", &single, Value::Null).await.0, 404);
    assert_eq!(nodes(&list(&app, "").await), ["other"]);
}

async fn tries_a_webhook_as_its_sender_would(database: Database) {
    let app = start(database).await;
    for auth in [
        json!({"type": "none"}),
        json!({"type": "hmac"}),
        json!({"type": "token"}),
        json!({"type": "basic", "username": "Ada"}),
    ] {
        let echo = reply(
            json!({"status": 201, "headers": {"X-Seen": "{{_webhook.query.q}}"}, "body": {"got": "{{order}}"}}),
        );
        let mut workflow = row(&[hook(json!({"methods": ["POST"], "auth": auth})), echo]);
        workflow["name"] = json!("Tried");
        let workflow = create(&app, workflow).await;
        let test = format!(
            "{WEBHOOKS}/{}/test",
            workflow["triggers"][0]["id"].as_str().expect("an id")
        );
        let body = json!({"body": {"order": 5}, "query": {"q": "a b"}, "headers": {"X-Number": 1}});
        let (status, result) = app.api("POST", &test, body).await;
        assert_eq!(
            (status, &result["status"]),
            (200, &json!(201)),
            "{auth}: {result}"
        );
        assert_eq!(
            (&result["body"], &result["body_as"]),
            (&json!({"got": 5}), &json!("json"))
        );
        assert_eq!(result["headers"]["x-seen"], "a b");
        let execution = result["execution_id"].as_str().expect("an execution");
        let execution = app.wait_for(execution, &["COMPLETED"]).await;
        assert_eq!(
            (&execution["mode"], &execution["input"]),
            (&json!("webhook"), &json!({"order": 5}))
        );

        // What is wrong with a call is its answer.
        let (_, refused) = app.api("POST", &test, json!({"method": "PUT"})).await;
        assert_eq!(
            (&refused["status"], refused.get("execution_id")),
            (&json!(405), None),
            "{refused}"
        );
        let broken = json!({"body": "{", "headers": {"Content-Type": "application/json; x=y"}});
        assert_eq!(
            app.api("POST", &test, broken).await.1["status"],
            500,
            "a text has no order"
        );
        if auth["type"] == "hmac" {
            let wrong = json!({"headers": {"X-Webhook-Signature": "sha256=00"}, "body": {}});
            assert_eq!(app.api("POST", &test, wrong).await.1["status"], 401);
        }
        for wrong in [
            json!({"method": "get"}),
            json!({"headers": {"a b": "x"}}),
            json!({"headers": {"a": ["x"]}}),
            json!({"query": {"a": null}}),
            json!({"url": "http://localhost"}),
        ] {
            let (status, answer) = app.api("POST", &test, wrong.clone()).await;
            assert_eq!(status, 400, "{wrong}: {answer}");
        }
        let off = format!("{}/deactivate", path(&workflow));
        assert_eq!(app.api("POST", &off, Value::Null).await.0, 200);
        assert_eq!(app.api("POST", &test, json!({})).await.0, 409);
        let gone = app
            .request("POST", &webhook_path(&workflow))
            .send()
            .await
            .expect("an answer");
        assert_eq!(gone.status(), 404);
    }
}
