//! Callers who must prove who they are, and the secrets by which they do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowmatic_tests::{Database, TestApp};
use hmac::{KeyInit, Mac};
use serde_json::{Value, json};

use super::start;
use crate::database::Rows;
use crate::workflow::{Answered, create, hook, id, on_both_databases, path, reply, row, webhook_path};

on_both_databases! {
    takes_signatures_of_every_form
    takes_a_token_and_a_password
    parses_nothing_before_the_caller_has_proved_itself
    keeps_secrets_to_itself
    shows_a_secret_that_it_made_once
    keeps_the_secret_over_saves_and_versions
}

const SECRET: &str = "It's a Secret to Everybody";

fn sign<M: Mac + KeyInit>(body: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

async fn takes_signatures_of_every_form(database: Database) {
    let app = start(database).await;
    let signed = async |workflow: &Value, header: &str, signature: &str, body: &'static str| {
        let request = app
            .request("POST", &webhook_path(workflow))
            .header("content-type", "text/plain");
        let answered = Answered::of(request.header(header, signature).body(body)).await;
        assert!(answered.status == 200 || answered.error() == "UNAUTHORIZED");
        answered.status
    };
    const BODY: &str = "Hello, World!";
    let check = async |auth: Value, header: &str, signature: String| {
        let mut auth = auth;
        (auth["type"], auth["secret"]) = (json!("hmac"), json!(SECRET));
        let workflow = create(&app, row(&[hook(json!({"auth": auth}))])).await;
        assert_eq!(
            signed(&workflow, header, &signature, BODY).await,
            200,
            "{auth} {signature}"
        );
        assert_eq!(
            signed(&workflow, header, &signature, "Hello, World?").await,
            401,
            "{auth}"
        );
        assert_eq!(
            signed(&workflow, "X-Other", &signature, BODY).await,
            401,
            "{auth}"
        );
        let shorter = &signature[..signature.len() - 4];
        assert_eq!(signed(&workflow, header, shorter, BODY).await, 401, "{auth}");
        assert_eq!(signed(&workflow, header, "", BODY).await, 401, "{auth}");
    };
    // The vector that docs.github.com publishes under "Validating webhook deliveries".
    let published = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let sha256 = sign::<hmac::Hmac<sha2::Sha256>>(BODY.as_bytes());
    assert_eq!(hex::encode(&sha256), published);
    let sha1 = sign::<hmac::Hmac<sha1::Sha1>>(BODY.as_bytes());
    let sha512 = sign::<hmac::Hmac<sha2::Sha512>>(BODY.as_bytes());
    let header = "X-Webhook-Signature";
    check(json!({}), header, format!("sha256={published}")).await;
    check(json!({}), header, published.to_owned()).await;
    check(json!({}), header, format!("sha256={}", published.to_uppercase())).await;
    check(
        json!({"algorithm": "sha1"}),
        header,
        format!("sha1={}", hex::encode(&sha1)),
    )
    .await;
    check(
        json!({"algorithm": "sha512"}),
        header,
        format!("sha512={}", hex::encode(&sha512)),
    )
    .await;
    let shop = json!({"encoding": "base64", "header": "X-Shop-Hmac"});
    check(shop, "x-shop-hmac", STANDARD.encode(&sha256)).await;
    let prefixed = json!({"algorithm": "sha512", "encoding": "base64", "prefix": "v1,"});
    check(prefixed, header, format!("v1,{}", STANDARD.encode(&sha512))).await;
    check(json!({"prefix": "sig:"}), header, format!("sig:{published}")).await;
}

async fn takes_a_token_and_a_password(database: Database) {
    let app = start(database).await;
    let ask = async |workflow: &Value, header: &str, value: &str| {
        let request = app.request("POST", &webhook_path(workflow)).header(header, value);
        Answered::of(request.json(&json!({}))).await.status
    };
    let token = async |auth: Value| create(&app, row(&[hook(json!({"auth": auth}))])).await;
    let default = token(json!({"type": "token", "secret": "s3cret token"})).await;
    assert_eq!(ask(&default, "X-Webhook-Token", "s3cret token").await, 200);
    assert_eq!(ask(&default, "X-Webhook-Token", "s3cret toke").await, 401);
    assert_eq!(ask(&default, "X-Webhook-Token", "").await, 401);
    assert_eq!(ask(&default, "Authorization", "s3cret token").await, 401);
    let named = token(json!({"type": "token", "secret": "s3cret", "header": "Authorization"})).await;
    assert_eq!(ask(&named, "authorization", "s3cret").await, 200);
    assert_eq!(ask(&named, "X-Webhook-Token", "s3cret").await, 401);

    let basic = token(json!({"type": "basic", "username": "Aladdin", "secret": "open: sesame"})).await;
    let credentials = |text: &str| format!("Basic {}", STANDARD.encode(text));
    assert_eq!(
        ask(&basic, "Authorization", &credentials("Aladdin:open: sesame")).await,
        200
    );
    for wrong in [
        "Aladdin:",
        "Aladdin",
        "aladdin:open: sesame",
        "Aladdin:open: sesam",
        ":open: sesame",
        "",
    ] {
        assert_eq!(
            ask(&basic, "Authorization", &credentials(wrong)).await,
            401,
            "{wrong}"
        );
    }
    for wrong in ["Basic", "Basic %%%", "Bearer open: sesame"] {
        assert_eq!(ask(&basic, "Authorization", wrong).await, 401, "{wrong}");
    }
}

async fn parses_nothing_before_the_caller_has_proved_itself(database: Database) {
    let app = start(database).await;
    const BROKEN: &str = r#"{"event": "#;
    let right = format!(
        "sha256={}",
        hex::encode(sign::<hmac::Hmac<sha2::Sha256>>(BROKEN.as_bytes()))
    );
    for (auth, header, right) in [
        (
            json!({"type": "hmac", "secret": SECRET}),
            "X-Webhook-Signature",
            right.as_str(),
        ),
        (
            json!({"type": "token", "secret": SECRET}),
            "X-Webhook-Token",
            SECRET,
        ),
        (
            json!({"type": "basic", "username": "a", "secret": "b"}),
            "Authorization",
            "Basic YTpi",
        ),
    ] {
        let workflow = create(&app, row(&[hook(json!({"auth": auth}))])).await;
        let request = || {
            let request = app.request("POST", &webhook_path(&workflow));
            request.header("content-type", "application/json").body(BROKEN)
        };
        let without = Answered::of(request()).await;
        assert_eq!(
            (without.status, without.error().as_str()),
            (401, "UNAUTHORIZED"),
            "{header}"
        );
        let wrong = Answered::of(request().header(header, "wrong")).await;
        assert_eq!(
            (wrong.status, wrong.error().as_str()),
            (401, "UNAUTHORIZED"),
            "{header}"
        );
        let proved = Answered::of(request().header(header, right)).await;
        assert_eq!(
            (proved.status, proved.error().as_str()),
            (400, "BAD_REQUEST"),
            "{header}"
        );
    }
    let (_, executions) = app.api("GET", "/api/v1/executions", Value::Null).await;
    assert_eq!(executions["data"], json!([]), "what was refused was started");
}

/// All that the server has written anywhere, as text.
async fn all_that_is_kept(app: &TestApp) -> String {
    let mut kept = app.output();
    if app.database_url().is_some() {
        let rows = Rows::open(app).await;
        let tables =
            "SELECT table_name::text AS name FROM information_schema.tables WHERE table_schema = 'public'";
        for table in rows.query(tables).await {
            let name: String = table.try_get("", "name").expect("text");
            for row in rows
                .query(&format!("SELECT row_to_json(t)::text AS row FROM \"{name}\" t"))
                .await
            {
                kept.push_str(&row.try_get::<String>("", "row").expect("text"));
            }
        }
        rows.close().await;
    } else {
        for file in std::fs::read_dir(app.data_dir()).expect("the data folder") {
            let bytes = std::fs::read(file.expect("an entry").path()).expect("a file of ours");
            kept.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    kept
}

async fn keeps_secrets_to_itself(database: Database) {
    const HIDDEN: &str = "xK9-not-to-be-seen-Qw7";
    let app = TestApp::builder()
        .database(database)
        .env("FLOWMATIC_LOG", "debug")
        .start()
        .await;
    let basic = format!("Basic {}", STANDARD.encode(format!("user:{HIDDEN}")));
    let encoded = basic.trim_start_matches("Basic ").to_owned();
    for (auth, header, right) in [
        (
            json!({"type": "token", "secret": HIDDEN}),
            "X-Webhook-Token",
            HIDDEN,
        ),
        (
            json!({"type": "basic", "username": "user", "secret": HIDDEN}),
            "Authorization",
            basic.as_str(),
        ),
        (
            json!({"type": "hmac", "secret": HIDDEN}),
            "X-Webhook-Signature",
            "sha256=00",
        ),
    ] {
        let kind = auth["type"].clone();
        let nodes = [
            hook(json!({"auth": auth})),
            reply(json!({"body": "{{_webhook.headers}}"})),
        ];
        let created = create(&app, row(&nodes)).await;
        let mut seen = created.to_string();
        assert!(
            created["graph"]["nodes"][0]["parameters"]["auth"]["secret_ref"].is_string(),
            "{seen}"
        );
        assert_eq!(
            created["triggers"][0]["secret"],
            Value::Null,
            "it was not made by the server"
        );
        for path in [path(&created), "/api/v1/workflows".to_owned()] {
            seen += &app.api("GET", &path, Value::Null).await.1.to_string();
        }
        let save = json!({"name": "Saved", "graph": created["graph"], "revision": 1, "active": true});
        seen += &app.api("PUT", &path(&created), save).await.1.to_string();
        let request = app.request("POST", &webhook_path(&created)).header(header, right);
        let answered = Answered::of(request.json(&json!({}))).await;
        if kind != "hmac" {
            assert_eq!(answered.status, 200, "{kind}");
            assert_eq!(answered.json()[header.to_lowercase()], "[redacted]", "{kind}");
        }
        seen += &String::from_utf8_lossy(&answered.body);
        let (_, executions) = app.api("GET", "/api/v1/executions", Value::Null).await;
        for execution in executions["data"].as_array().expect("a list") {
            let path = format!("/api/v1/executions/{}", id(execution));
            seen += &app.api("GET", &path, Value::Null).await.1.to_string();
        }
        assert!(
            !seen.contains(HIDDEN) && !seen.contains(&encoded),
            "{kind}: {seen}"
        );
    }
    let kept = all_that_is_kept(&app).await;
    assert!(
        kept.contains("Saved") && kept.contains("secret_ref"),
        "nothing was looked at"
    );
    for shown in [HIDDEN.to_owned(), encoded, hex::encode(HIDDEN)] {
        assert!(!kept.contains(&shown), "`{shown}` is kept in the clear");
    }
}

async fn shows_a_secret_that_it_made_once(database: Database) {
    let app = start(database).await;
    let created = create(&app, row(&[hook(json!({"auth": {"type": "token"}}))])).await;
    let secret = created["triggers"][0]["secret"]
        .as_str()
        .expect("it is shown")
        .to_owned();
    let random = STANDARD.decode(secret.strip_prefix("whsec_").expect("a prefix"));
    assert_eq!(random.expect("Base64").len(), 32);
    let read = app.api("GET", &path(&created), Value::Null).await.1;
    let save = json!({"name": "Saved", "graph": read["graph"], "revision": 1, "active": true});
    let (status, saved) = app.api("PUT", &path(&created), save).await;
    assert_eq!(status, 200, "{saved}");
    for shown in [read, saved] {
        assert!(!shown.to_string().contains(&secret), "{shown}");
    }
    assert!(!all_that_is_kept(&app).await.contains(&secret));
    let request = app
        .request("POST", &webhook_path(&created))
        .header("X-Webhook-Token", secret);
    assert_eq!(Answered::of(request).await.status, 200);
}

async fn keeps_the_secret_over_saves_and_versions(database: Database) {
    let mut app = start(database).await;
    let graph = |auth: Value| row(&[hook(json!({"auth": auth}))])["graph"].clone();
    let first = json!({"type": "token", "secret": "first"});
    let created = create(&app, json!({"name": "W", "active": true, "graph": graph(first)})).await;
    let mut revision = 1;
    let mut save = async |app: &TestApp, auth: Value, active: Value| {
        let body = json!({"name": "W", "graph": graph(auth), "revision": revision, "active": active});
        let (status, saved) = app.api("PUT", &path(&created), body).await;
        assert_eq!(status, 200, "{saved}");
        revision += 1;
    };
    let tokens = async |app: &TestApp, first: u16, second: u16| {
        for (token, status) in [("first", first), ("second", second)] {
            let request = app
                .request("POST", &webhook_path(&created))
                .header("X-Webhook-Token", token);
            assert_eq!(Answered::of(request).await.status, status, "{token}");
        }
    };
    tokens(&app, 200, 401).await;
    save(&app, json!({"type": "token"}), json!(true)).await;
    tokens(&app, 200, 401).await;
    // A draft's new secret is not that of the version that is live.
    save(&app, json!({"type": "token", "secret": "second"}), Value::Null).await;
    tokens(&app, 200, 401).await;
    app.restart().await;
    tokens(&app, 200, 401).await;
    let (status, published) = app
        .api("POST", &format!("{}/publish", path(&created)), Value::Null)
        .await;
    assert_eq!((status, &published["version"]), (200, &json!(2)), "{published}");
    tokens(&app, 401, 200).await;
    app.restart().await;
    tokens(&app, 401, 200).await;
}

#[tokio::test]
async fn a_server_without_the_key_of_its_secrets_does_not_start() {
    let mut app = TestApp::start().await;
    let webhook = json!({"auth": {"type": "token", "secret": SECRET}});
    create(&app, row(&[hook(webhook), reply(json!({"body": 1}))])).await;
    assert!(app.terminate().await.success());
    let kept = app.data_dir().join("secret.key");
    let key = std::fs::read(&kept).expect("the key is there");
    std::fs::remove_file(&kept).expect("it can go");
    for other in [None, Some("ab".repeat(32))] {
        let flags = other
            .as_deref()
            .map_or_else(Vec::new, |key| vec!["--secret-key", key]);
        let output = app.run(&[&["serve"], &flags[..]].concat()).await;
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("secret"), "{told}");
        assert!(!kept.exists(), "a new key was made");
    }
    std::fs::write(&kept, key).expect("it can come back");
    app.restart().await;
}
