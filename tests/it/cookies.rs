//! The session of a page: a cookie that no script can read.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::auth::{PASSWORD, setup_token, start, start_with_owner};
use crate::database::Rows;
use crate::workflow::{
    Answered, create, hook, hooked, id, on_both_databases, path, reply, row, webhook_path,
};

on_both_databases! {
    tells_whether_there_is_an_owner
    keeps_the_session_of_a_page_in_a_cookie
    refuses_changes_that_no_page_of_its_own_asks_for
    lengthens_a_session_that_is_used_in_its_second_half
}

const SITE: &str = "sec-fetch-site";

/// What a browser would send back: name and value of the cookie that an answer sets.
fn cookie(answered: &Answered) -> String {
    let header = answered.header("set-cookie");
    header.split(';').next().unwrap_or_default().to_owned()
}

async fn log_in(app: &TestApp) -> Answered {
    let body = json!({"email": "ana@acme.example", "password": PASSWORD, "cookie": true});
    Answered::of(app.request("POST", "/api/v1/auth/login").json(&body)).await
}

async fn ask(app: &TestApp, method: &str, path: &str, cookie: &str, headers: &[(&str, &str)]) -> Answered {
    let request = app.request(method, path).header("cookie", cookie);
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    Answered::of(request).await
}

async fn tells_whether_there_is_an_owner(database: Database) {
    let app = start(database).await;
    let state = async || {
        Answered::of(app.request("GET", "/api/v1/auth/state"))
            .await
            .json()
    };
    assert_eq!(state().await, json!({"has_owner": false}));
    let body = json!({"token": setup_token(&app), "email": "ana@acme.example", "password": PASSWORD, "cookie": true});
    let made = Answered::of(app.request("POST", "/api/v1/auth/setup").json(&body)).await;
    assert_eq!((made.status, made.json().get("token")), (201, None));
    assert_eq!(
        ask(&app, "GET", "/api/v1/auth/me", &cookie(&made), &[])
            .await
            .status,
        200
    );
    assert_eq!(state().await, json!({"has_owner": true}));
}

async fn keeps_the_session_of_a_page_in_a_cookie(database: Database) {
    let app = start_with_owner(database).await;
    let answered = log_in(&app).await;
    let session = answered.json();
    assert_eq!((answered.status, session.get("token")), (200, None), "{session}");
    let set = answered.header("set-cookie");
    let port = app.url().rsplit(':').next().expect("a port");
    assert!(set.starts_with(&format!("flowmatic_session_{port}=fs_")), "{set}");
    for attribute in [
        "; Path=/api/v1",
        "; HttpOnly",
        "; SameSite=Strict",
        "; Max-Age=1209600",
    ] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Secure"), "{set}");
    let cookie = cookie(&answered);
    let me = ask(&app, "GET", "/api/v1/auth/me", &cookie, &[]).await;
    assert_eq!(me.status, 200);
    assert_eq!(me.json()["user"]["id"], session["user"]["id"]);
    assert_eq!(
        (me.header("cache-control"), me.header("set-cookie")),
        ("no-store", "")
    );
    let listed = ask(
        &app,
        "GET",
        "/api/v1/workflows",
        &format!("a=b; {cookie}; c=d"),
        &[],
    )
    .await;
    assert_eq!(listed.status, 200);
    // The token in a bearer goes first, and a cookie does not make up for it.
    let wrong = ask(
        &app,
        "GET",
        "/api/v1/auth/me",
        &cookie,
        &[("authorization", "Bearer fs_wrong")],
    )
    .await;
    assert_eq!((wrong.status, wrong.error().as_str()), (401, "UNAUTHORIZED"));
    let key = format!("flowmatic_session_{port}={}", app.key().await);
    assert_eq!(ask(&app, "GET", "/api/v1/auth/me", &key, &[]).await.status, 401);

    let out = ask(
        &app,
        "POST",
        "/api/v1/auth/logout",
        &cookie,
        &[(SITE, "same-origin")],
    )
    .await;
    assert_eq!(out.status, 200);
    let cleared = out.header("set-cookie");
    assert!(
        cleared.contains("_session_") && cleared.contains("=; ") && cleared.contains("Max-Age=0"),
        "{cleared}"
    );
    assert_eq!(
        ask(&app, "GET", "/api/v1/auth/me", &cookie, &[]).await.status,
        401
    );
}

async fn refuses_changes_that_no_page_of_its_own_asks_for(database: Database) {
    let app = start_with_owner(database).await;
    let cookie = cookie(&log_in(&app).await);
    let workflow = create(&app, row(&[hook(json!({}))])).await;
    let run = format!("{}/execute", path(&workflow));
    let own = app.url().to_owned();
    for (headers, status) in [
        (vec![(SITE, "same-origin")], 202),
        (vec![("origin", own.as_str())], 202),
        (vec![], 403),
        (vec![(SITE, "same-site"), ("origin", own.as_str())], 403),
        (vec![(SITE, "cross-site")], 403),
        (vec![("origin", "http://127.0.0.1:1")], 403),
        (vec![("origin", "null")], 403),
    ] {
        let answered = ask(&app, "POST", &run, &cookie, &headers).await;
        assert_eq!(answered.status, status, "{headers:?}");
        if status == 403 {
            assert_eq!(answered.error(), "CROSS_SITE", "{headers:?}");
        }
        let read = ask(&app, "GET", "/api/v1/workflows", &cookie, &headers).await;
        assert_eq!(read.status, 200, "{headers:?}");
    }
    // Nor does a page of another server log anybody in.
    let body = json!({"email": "ana@acme.example", "password": PASSWORD, "cookie": true});
    let foreign = app
        .request("POST", "/api/v1/auth/login")
        .header(SITE, "cross-site");
    let refused = Answered::of(foreign.json(&body)).await;
    assert_eq!((refused.status, refused.error().as_str()), (403, "CROSS_SITE"));
    // A bearer needs none of it.
    let key = app.key().await;
    let request = app
        .request("POST", &run)
        .bearer_auth(key)
        .header(SITE, "cross-site");
    assert_eq!(Answered::of(request).await.status, 202);
}

async fn lengthens_a_session_that_is_used_in_its_second_half(database: Database) {
    let app = start_with_owner(database).await;
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    let left = async |rows: &Rows| -> i64 {
        let found = rows
            .query("SELECT expires_at - created_at AS lasts FROM sessions")
            .await;
        found[0].try_get("", "lasts").expect("a number")
    };
    let answered = log_in(&app).await;
    let (cookie, rows) = (cookie(&answered), Rows::open(&app).await);
    let shorten = async |days: i64| {
        let sql = format!("UPDATE sessions SET expires_at = created_at + {}", days * DAY_MS);
        rows.query(&sql).await;
    };
    shorten(8).await;
    let early = ask(&app, "GET", "/api/v1/auth/me", &cookie, &[]).await;
    assert_eq!((early.header("set-cookie"), left(&rows).await), ("", 8 * DAY_MS));
    // Another server does not remember what this one has found.
    let mut app = app;
    app.restart().await;
    shorten(6).await;
    let port = app.url().rsplit(':').next().expect("a port");
    let cookie = format!(
        "flowmatic_session_{port}={}",
        cookie.split_once('=').expect("a value").1
    );
    let late = ask(&app, "GET", "/api/v1/auth/me", &cookie, &[]).await;
    assert_eq!(late.status, 200);
    assert!(
        late.header("set-cookie").starts_with(&cookie),
        "{}",
        late.header("set-cookie")
    );
    assert!(left(&rows).await >= 14 * DAY_MS);
    let again = ask(&app, "GET", "/api/v1/auth/me", &cookie, &[]).await;
    assert_eq!((again.status, again.header("set-cookie")), (200, ""));
    rows.close().await;
}

#[tokio::test]
async fn binds_the_cookie_to_tls_where_the_public_address_has_it() {
    let builder = TestApp::builder().flags(&["--public-url", "https://flows.example.com"]);
    let builder = builder.env("FLOWMATIC_OWNER_EMAIL", "ana@acme.example");
    let app = builder.env("FLOWMATIC_OWNER_PASSWORD", PASSWORD).start().await;
    let answered = log_in(&app).await;
    let set = answered.header("set-cookie");
    assert!(set.starts_with("__Host-flowmatic_session=fs_"), "{set}");
    assert!(set.contains("; Path=/; ") && set.contains("; Secure"), "{set}");
    let cookie = cookie(&answered);
    let origin = [("origin", "https://flows.example.com")];
    let out = ask(&app, "POST", "/api/v1/auth/logout", &cookie, &origin).await;
    assert_eq!(out.status, 200);
}

#[tokio::test]
async fn keeps_the_session_from_workflows_and_their_pages() {
    let app = TestApp::start().await;
    let page = reply(json!({
        "as": "text",
        "body": "{{_webhook.headers.cookie}}",
        "headers": {"Content-Type": "text/html", "Set-Cookie": "flowmatic_session=fs_theirs; Path=/"},
    }));
    let workflow = create(&app, hooked(&[page])).await;
    let answered = ask(
        &app,
        "GET",
        &webhook_path(&workflow),
        "a=b; __Host-flowmatic_session=fs_mine",
        &[],
    )
    .await;
    assert_eq!((answered.status, answered.body.as_ref()), (200, "a=b".as_bytes()));
    assert_eq!(answered.header("set-cookie"), "");
    let policy = answered.header("content-security-policy");
    assert!(
        policy.starts_with("sandbox ") && !policy.contains("allow-same-origin"),
        "{policy}"
    );
    let (_, executions) = app.api("GET", "/api/v1/executions", Value::Null).await;
    let path = format!("/api/v1/executions/{}", id(&executions["data"][0]));
    let (_, execution) = app.api("GET", &path, Value::Null).await;
    assert!(!execution.to_string().contains("fs_mine"), "{execution}");
}
