//! `/api/v1/users` and what people do with their own account.

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::auth::{PASSWORD, log_in, me, post, start_with_owner};
use crate::workflow::{Answered, on_both_databases};

on_both_databases! {
    brings_people_in_by_a_link_that_works_once
    changes_what_people_may_do_at_once
    keeps_the_last_owner
    resets_a_forgotten_password_by_a_new_link
    gives_nobody_more_than_the_giver_has
    lets_people_change_their_profile
    lets_people_change_their_password
    shows_people_their_sessions
}

const OTHER: &str = "another good password";

/// The token of the owner's session.
async fn owner(app: &TestApp) -> String {
    token(&log_in(app, "ana@acme.example", PASSWORD).await)
}

fn token(answered: &Answered) -> String {
    let session = answered.json();
    let token = session["token"].as_str();
    token
        .unwrap_or_else(|| panic!("no session: {session}"))
        .to_owned()
}

async fn call(app: &TestApp, token: &str, method: &str, path: &str, body: Value) -> Answered {
    let request = app.request(method, path).bearer_auth(token);
    Answered::of(match body {
        Value::Null => request,
        body => request.json(&body),
    })
    .await
}

async fn invite(app: &TestApp, token: &str, email: &str, role: &str) -> Value {
    let body = json!({"email": email, "name": "Bob", "role": role});
    let answered = call(app, token, "POST", "/api/v1/users", body).await;
    assert_eq!(answered.status, 201, "{}", answered.json());
    answered.json()
}

/// The token of an invitation's link.
fn link_token(app: &TestApp, invitation: &Value) -> String {
    let url = invitation["invite_url"].as_str().expect("a link");
    let start = format!("{}/join#token=", app.url());
    url.strip_prefix(&start).expect("it leads here").to_owned()
}

async fn join(app: &TestApp, token: &str, password: &str) -> Answered {
    post(
        app,
        "/api/v1/auth/join",
        json!({"token": token, "password": password}),
    )
    .await
}

/// A person who has joined: their address, and the token of their session.
async fn member(app: &TestApp, owner: &str, email: &str, role: &str) -> (String, String) {
    let invitation = invite(app, owner, email, role).await;
    let joined = join(app, &link_token(app, &invitation), OTHER).await;
    (
        format!("/api/v1/users/{}", invitation["user"]["id"]),
        token(&joined),
    )
}

fn check(answered: &Answered, status: u16, code: &str) {
    assert_eq!((answered.status, answered.error().as_str()), (status, code));
}

async fn brings_people_in_by_a_link_that_works_once(database: Database) {
    let app = start_with_owner(database).await;
    let ana = owner(&app).await;
    let made = invite(&app, &ana, "Bob@acme.example", "editor").await;
    let user = &made["user"];
    assert_eq!(
        (
            &user["email"],
            &user["name"],
            &user["role"],
            &user["invited"],
            user.get("last_seen_at")
        ),
        (
            &json!("bob@acme.example"),
            &json!("Bob"),
            &json!("editor"),
            &json!(true),
            None
        )
    );
    let link = link_token(&app, &made);
    let again = json!({"email": "BOB@acme.example", "role": "viewer"});
    check(
        &call(&app, &ana, "POST", "/api/v1/users", again).await,
        409,
        "EMAIL_TAKEN",
    );
    for password in ["", "x", OTHER] {
        check(
            &log_in(&app, "bob@acme.example", password).await,
            401,
            "UNAUTHORIZED",
        );
    }
    check(&join(&app, "fi_wrong", OTHER).await, 403, "INVALID_LINK");
    check(&join(&app, &link, "short").await, 400, "BAD_REQUEST");
    let joined = join(&app, &link, OTHER).await;
    assert_eq!(
        (joined.status, &joined.json()["user"]["invited"]),
        (201, &json!(false))
    );
    check(&join(&app, &link, OTHER).await, 403, "INVALID_LINK");
    let seen = me(&app, &token(&joined)).await.json();
    let scopes = seen["scopes"].to_string();
    assert!(
        scopes.contains("workflows:write") && !scopes.contains("workspace:admin"),
        "{seen}"
    );
    assert_eq!(log_in(&app, "bob@acme.example", OTHER).await.status, 200);

    let listed = call(&app, &ana, "GET", "/api/v1/users", Value::Null).await.json();
    let emails: Vec<&Value> = listed["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|user| &user["email"])
        .collect();
    assert_eq!(emails, ["bob@acme.example", "ana@acme.example"], "{listed}");
    let text = listed.to_string();
    assert!(!text.contains("fi_") && !text.contains("argon2"), "{text}");
    // A member manages nobody.
    let refused = call(&app, &token(&joined), "GET", "/api/v1/users", Value::Null).await;
    check(&refused, 403, "FORBIDDEN");
    for body in [
        json!({"email": "carl", "role": "editor"}),
        json!({"email": "carl@acme.example", "role": "king"}),
        json!({"email": "carl@acme.example"}),
        json!({"email": "carl@acme.example", "role": "editor", "name": "x".repeat(201)}),
    ] {
        check(
            &call(&app, &ana, "POST", "/api/v1/users", body).await,
            400,
            "BAD_REQUEST",
        );
    }
}

async fn changes_what_people_may_do_at_once(database: Database) {
    let app = start_with_owner(database).await;
    let ana = owner(&app).await;
    let (bob, session) = member(&app, &ana, "bob@acme.example", "viewer").await;
    let run = async || {
        call(&app, &session, "POST", "/api/v1/workflows", json!({}))
            .await
            .status
    };
    assert_eq!(run().await, 403, "a viewer makes nothing");
    let body = json!({"role": "editor", "name": "Robert"});
    let changed = call(&app, &ana, "PATCH", &bob, body).await;
    assert_eq!((changed.status, &changed.json()["name"]), (200, &json!("Robert")));
    assert_eq!(run().await, 400, "an editor may, with a body that is one");
    let cleared = call(&app, &ana, "PATCH", &bob, json!({"name": ""})).await.json();
    assert_eq!((cleared.get("name"), &cleared["role"]), (None, &json!("editor")));

    let disabled = call(&app, &ana, "PATCH", &bob, json!({"disabled": true})).await;
    assert_eq!(
        (disabled.status, &disabled.json()["disabled"]),
        (200, &json!(true))
    );
    assert_eq!(run().await, 401);
    check(
        &log_in(&app, "bob@acme.example", "wrong").await,
        401,
        "UNAUTHORIZED",
    );
    check(&log_in(&app, "bob@acme.example", OTHER).await, 403, "DISABLED");
    let link = call(&app, &ana, "POST", &format!("{bob}/invite"), Value::Null).await;
    check(&link, 409, "CONFLICT");
    call(&app, &ana, "PATCH", &bob, json!({"disabled": false})).await;
    let session = token(&log_in(&app, "bob@acme.example", OTHER).await);

    let deleted = call(&app, &ana, "DELETE", &bob, Value::Null).await;
    assert_eq!((deleted.status, &deleted.json()["deleted"]), (200, &json!(true)));
    assert_eq!(me(&app, &session).await.status, 401);
    for method in ["GET", "DELETE"] {
        check(
            &call(&app, &ana, method, &bob, Value::Null).await,
            404,
            "NOT_FOUND",
        );
    }
    check(
        &log_in(&app, "bob@acme.example", OTHER).await,
        401,
        "UNAUTHORIZED",
    );
    invite(&app, &ana, "bob@acme.example", "viewer").await;
}

async fn keeps_the_last_owner(database: Database) {
    let app = start_with_owner(database).await;
    let ana = owner(&app).await;
    let own = format!("/api/v1/users/{}", me(&app, &ana).await.json()["user"]["id"]);
    for body in [json!({"role": "editor"}), json!({"disabled": true})] {
        check(&call(&app, &ana, "PATCH", &own, body).await, 409, "LAST_OWNER");
    }
    check(
        &call(&app, &ana, "DELETE", &own, Value::Null).await,
        409,
        "LAST_OWNER",
    );
    assert_eq!(
        call(&app, &ana, "PATCH", &own, json!({"role": "owner"}))
            .await
            .status,
        200
    );
    member(&app, &ana, "bob@acme.example", "owner").await;
    assert_eq!(
        call(&app, &ana, "PATCH", &own, json!({"role": "viewer"}))
            .await
            .status,
        200
    );
    let refused = call(&app, &ana, "GET", "/api/v1/users", Value::Null).await;
    check(&refused, 403, "FORBIDDEN");
}

async fn resets_a_forgotten_password_by_a_new_link(database: Database) {
    let app = start_with_owner(database).await;
    let ana = owner(&app).await;
    let (bob, session) = member(&app, &ana, "bob@acme.example", "editor").await;
    let renew = async || {
        let made = call(&app, &ana, "POST", &format!("{bob}/invite"), Value::Null).await;
        assert_eq!(made.status, 201);
        link_token(&app, &made.json())
    };
    let (first, second) = (renew().await, renew().await);
    assert_eq!(
        log_in(&app, "bob@acme.example", OTHER).await.status,
        200,
        "until it is used"
    );
    check(&join(&app, &first, PASSWORD).await, 403, "INVALID_LINK");
    let joined = join(&app, &second, PASSWORD).await;
    assert_eq!(
        (joined.status, &joined.json()["user"]["name"]),
        (201, &json!("Bob"))
    );
    assert_eq!(
        me(&app, &session).await.status,
        401,
        "who knew the old password is out"
    );
    check(
        &log_in(&app, "bob@acme.example", OTHER).await,
        401,
        "UNAUTHORIZED",
    );
    assert_eq!(log_in(&app, "bob@acme.example", PASSWORD).await.status, 200);
}

async fn gives_nobody_more_than_the_giver_has(database: Database) {
    let app = start_with_owner(database).await;
    let ana = owner(&app).await;
    let (bob, _) = member(&app, &ana, "bob@acme.example", "owner").await;
    let body = json!({"name": "admin", "scopes": ["workspace:admin", "workflows:read"]});
    let (_, key) = app.api("POST", "/api/v1/keys", body).await;
    let key = key["key"].as_str().expect("a key");
    let body = json!({"email": "carl@acme.example", "role": "owner"});
    check(
        &call(&app, key, "POST", "/api/v1/users", body).await,
        403,
        "FORBIDDEN",
    );
    check(
        &call(&app, key, "PATCH", &bob, json!({"role": "editor"})).await,
        403,
        "FORBIDDEN",
    );
    check(
        &call(&app, key, "POST", &format!("{bob}/invite"), Value::Null).await,
        403,
        "FORBIDDEN",
    );
    for (method, body) in [("PATCH", json!({"disabled": true})), ("DELETE", Value::Null)] {
        check(&call(&app, key, method, &bob, body).await, 403, "FORBIDDEN");
    }
    assert_eq!(
        call(&app, key, "PATCH", &bob, json!({"name": "Bo"})).await.status,
        200
    );
    // A key with all scopes is as good as an owner, but nobody in person.
    let key = app.key().await;
    invite(&app, key, "carl@acme.example", "owner").await;
    for (method, path, body) in [
        ("PATCH", "/api/v1/auth/me", json!({"name": "Key"})),
        (
            "POST",
            "/api/v1/auth/password",
            json!({"current": PASSWORD, "new": OTHER}),
        ),
        ("GET", "/api/v1/auth/sessions", Value::Null),
    ] {
        check(&call(&app, key, method, path, body).await, 403, "FORBIDDEN");
    }
}

async fn lets_people_change_their_profile(database: Database) {
    let app = start_with_owner(database).await;
    let ana = owner(&app).await;
    member(&app, &ana, "bob@acme.example", "viewer").await;
    let body = json!({"name": "Ana <b>Ruiz</b>", "email": "Ana.Ruiz@acme.example"});
    let changed = call(&app, &ana, "PATCH", "/api/v1/auth/me", body).await;
    let user = &changed.json()["user"];
    assert_eq!(
        (changed.status, &user["name"], &user["email"]),
        (200, &json!("Ana <b>Ruiz</b>"), &json!("ana.ruiz@acme.example"))
    );
    let taken = call(
        &app,
        &ana,
        "PATCH",
        "/api/v1/auth/me",
        json!({"email": "bob@acme.example"}),
    )
    .await;
    check(&taken, 409, "EMAIL_TAKEN");
    let nothing = call(&app, &ana, "PATCH", "/api/v1/auth/me", json!({})).await;
    assert_eq!(
        (nothing.status, &nothing.json()["user"]["id"]),
        (200, &user["id"])
    );
    check(
        &log_in(&app, "ana@acme.example", PASSWORD).await,
        401,
        "UNAUTHORIZED",
    );
    assert_eq!(log_in(&app, "ana.ruiz@acme.example", PASSWORD).await.status, 200);
    for body in [
        json!({"email": "ana"}),
        json!({"role": "owner"}),
        json!({"name": "a\u{0}"}),
    ] {
        check(
            &call(&app, &ana, "PATCH", "/api/v1/auth/me", body).await,
            400,
            "BAD_REQUEST",
        );
    }
}

async fn lets_people_change_their_password(database: Database) {
    let app = start_with_owner(database).await;
    let (here, there) = (owner(&app).await, owner(&app).await);
    let change = async |current: &str, new: &str| {
        let body = json!({"current": current, "new": new});
        call(&app, &here, "POST", "/api/v1/auth/password", body).await
    };
    check(&change("wrong", OTHER).await, 403, "WRONG_PASSWORD");
    check(&change(PASSWORD, "short").await, 400, "BAD_REQUEST");
    assert_eq!(me(&app, &there).await.status, 200);
    assert_eq!(change(PASSWORD, OTHER).await.json(), json!({"success": true}));
    assert_eq!(
        (me(&app, &here).await.status, me(&app, &there).await.status),
        (200, 401)
    );
    check(
        &log_in(&app, "ana@acme.example", PASSWORD).await,
        401,
        "UNAUTHORIZED",
    );
    assert_eq!(log_in(&app, "ana@acme.example", OTHER).await.status, 200);
    let mut last = 0;
    for _ in 0..20 {
        last = change("wrong", OTHER).await.status;
        if last != 403 {
            break;
        }
    }
    assert_eq!(last, 429, "whoever guesses is slowed down");
}

async fn shows_people_their_sessions(database: Database) {
    let app = start_with_owner(database).await;
    let ana = owner(&app).await;
    let (_, bob) = member(&app, &ana, "bob@acme.example", "viewer").await;
    let body = json!({"email": "ana@acme.example", "password": PASSWORD});
    let phone = app
        .request("POST", "/api/v1/auth/login")
        .header("user-agent", "A phone");
    let phone = token(&Answered::of(phone.json(&body)).await);
    let list = async |token: &str| {
        let answered = call(&app, token, "GET", "/api/v1/auth/sessions", Value::Null).await;
        assert_eq!(answered.status, 200);
        answered.json()["data"].as_array().expect("a list").clone()
    };
    let sessions = list(&ana).await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    assert_eq!(
        (
            &sessions[0]["current"],
            &sessions[1]["current"],
            &sessions[1]["user_agent"],
            &sessions[1]["ip"]
        ),
        (
            &json!(true),
            &json!(false),
            &json!("A phone"),
            &json!("127.0.0.1")
        )
    );
    assert!(!json!(sessions).to_string().contains("fs_"), "{sessions:?}");
    let path = format!(
        "/api/v1/auth/sessions/{}",
        sessions[1]["id"].as_str().expect("an id")
    );
    check(
        &call(&app, &bob, "DELETE", &path, Value::Null).await,
        404,
        "NOT_FOUND",
    );
    assert_eq!(me(&app, &phone).await.status, 200);
    assert_eq!(call(&app, &ana, "DELETE", &path, Value::Null).await.status, 200);
    assert_eq!(me(&app, &phone).await.status, 401);
    check(
        &call(&app, &ana, "DELETE", &path, Value::Null).await,
        404,
        "NOT_FOUND",
    );
    let path = format!(
        "/api/v1/auth/sessions/{}",
        sessions[0]["id"].as_str().expect("an id")
    );
    assert_eq!(call(&app, &ana, "DELETE", &path, Value::Null).await.status, 200);
    assert_eq!(me(&app, &ana).await.status, 401);
}
