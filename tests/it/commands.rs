//! The sub-commands, beside a running server and without one.

use std::os::unix::fs::PermissionsExt;

use flowmatic_tests::{Database, TestApp};
use serde_json::Value;

use crate::workflow::{Answered, on_both_databases};

on_both_databases! {
    makes_keys_beside_a_running_server
    refuses_a_second_server
    migrates_beside_a_running_server
}

async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

async fn makes_keys_beside_a_running_server(database: Database) {
    let app = start(database).await;
    let arguments = [
        "keys",
        "create",
        "--name",
        "ci",
        "--scope",
        "workflows:read",
        "executions:read",
    ];
    let output = app.run(&arguments).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let printed = String::from_utf8(output.stdout).expect("a key");
    assert_eq!(printed.lines().count(), 1, "the key alone: {printed}");
    let key = printed.trim();
    assert!(key.starts_with("fm_"), "{key}");
    let ask = async |path: &str| {
        Answered::of(app.request("GET", path).bearer_auth(key))
            .await
            .status
    };
    assert_eq!(
        (ask("/api/v1/workflows").await, ask("/api/v1/executions").await),
        (200, 200)
    );
    assert_eq!(ask("/api/v1/keys").await, 403);
    for (wrong, about) in [
        (
            vec!["keys", "create", "--name", "x", "--scope", "fly"],
            "no such scope",
        ),
        (vec!["keys", "create", "--scope", "*"], "--name"),
        (vec!["keys", "create", "--name", "", "--scope", "*"], "--name"),
        (vec!["keys", "create", "--name", "x"], "--scope"),
        (vec!["dance"], "dance"),
    ] {
        let output = app.run(&wrong).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && told.contains(about),
            "{wrong:?}: {told}"
        );
        assert!(output.stdout.is_empty(), "{wrong:?}");
    }
}

async fn refuses_a_second_server(database: Database) {
    let mut app = start(database).await;
    let second = app.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success(), "a second server started");
    assert!(told.contains("another server is running on"), "{told}");
    assert!(second.stdout.is_empty(), "it said that it listens");
    assert!(!told.contains('@'), "who logs in to the database is told: {told}");
    assert_eq!(
        app.api("GET", "/api/v1/workflows", Value::Null).await.0,
        200,
        "the first one suffers"
    );
    // A server that died holds nothing.
    app.kill();
    app.restart().await;
    assert_eq!(app.api("GET", "/api/v1/workflows", Value::Null).await.0, 200);
}

async fn migrates_beside_a_running_server(database: Database) {
    let app = start(database).await;
    for _ in 0..2 {
        let output = app.run(&["migrate"]).await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && printed.contains("is up to date"),
            "{printed}"
        );
    }
    assert_eq!(app.api("GET", "/api/v1/workflows", Value::Null).await.0, 200);
}

#[tokio::test]
async fn refuses_flags_that_make_no_sense() {
    for (flag, value, about) in [
        ("--max-body", "1MB", "--max-body"),
        ("--sync-timeout", "soon", "--sync-timeout"),
        ("--allow-network", "10.0.0.0/33", "--allow-network"),
        ("--database-url", "mysql://localhost/db", "mysql"),
        ("--secret-key", "short", "64 hex digits"),
        ("--public-url", "ftp://example.com", "--public-url"),
        ("--owner-email", "ana@acme.example", "--owner-password"),
    ] {
        let started = TestApp::builder().flags(&[flag, value]).try_start().await;
        let Err(error) = started.map(|_| ()) else {
            panic!("`{flag} {value}` was taken")
        };
        let told = format!("{error:#}");
        assert!(told.contains(about), "`{flag} {value}`: {told}");
        assert!(!told.contains("panicked"), "{told}");
    }
}

#[tokio::test]
async fn says_why_it_cannot_begin() {
    let mut app = TestApp::start().await;
    app.kill();
    std::fs::remove_dir_all(app.data_dir()).expect("the data can go");
    for (wrong, about) in [
        (
            vec!["keys", "create", "--name", "x", "--scope", "*"],
            "there is no database in",
        ),
        (
            vec!["serve", "--database-url", "postgres://x:y@127.0.0.1:1/z"],
            "refused",
        ),
    ] {
        let output = app.run(&wrong).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && told.contains(about),
            "{wrong:?}: {told}"
        );
    }
}

#[tokio::test]
async fn keeps_its_folder_to_itself() {
    let app = TestApp::start().await;
    let folder = std::fs::metadata(app.data_dir()).expect("it was made");
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    let scopes = "workflows:read,executions:read";
    let key = app
        .run(&["keys", "create", "--name", "x", "--scope", scopes])
        .await;
    assert!(key.status.success(), "several scopes, separated by commas");
}
