//! An execution that kills the process each time it runs takes nobody else with it.

use std::time::Duration;

use flowmatic_tests::{Answer, Receiver, TestApp};
use serde_json::{Value, json};

use crate::database::Rows;
use crate::workflow::{LOOPBACK, call, create, hooked, reply, webhook_id};

/// Longer than any test runs.
const FOR_EVER: Duration = Duration::from_secs(3_600);
/// Deaths after which an execution is given up.
const DEATHS: usize = 3;

/// A workflow that calls this address; the webhook to start it.
async fn calling(app: &TestApp, url: &str) -> String {
    webhook_id(&create(app, hooked(&[call("call", url)])).await)
}

async fn start(app: &TestApp, hook: &str) -> String {
    let (status, answer) = app.webhook(hook, &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    answer["executionId"].as_str().expect("an id").to_owned()
}

async fn ends_as_crash_loop(app: &TestApp, execution: &str) {
    let ended = app.wait_for(execution, &["FAILED", "COMPLETED"]).await;
    assert_eq!(
        (&ended["status"], &ended["error"]["code"]),
        (&json!("FAILED"), &json!("crash_loop")),
        "{ended}"
    );
}

#[tokio::test]
async fn what_kills_the_process_again_and_again_fails_alone() {
    let (poison, others) = (Receiver::start().await, Receiver::start().await);
    poison.answer(Answer::status(200).after(FOR_EVER));
    others.answer(Answer::status(200).after(FOR_EVER));
    let mut app = TestApp::builder().flags(&LOOPBACK).start().await;
    let (deadly, harmless) = (
        calling(&app, poison.url()).await,
        calling(&app, others.url()).await,
    );
    let echo = webhook_id(&create(&app, hooked(&[reply(json!({"body": {"n": "{{n}}"}}))])).await);
    let mut innocents = Vec::new();
    for _ in 0..25 {
        innocents.push(start(&app, &harmless).await);
    }
    let poisoned = start(&app, &deadly).await;
    for _ in 0..25 {
        innocents.push(start(&app, &harmless).await);
    }
    others.wait_for(50).await;
    for death in 1..=DEATHS {
        // As if the effect itself had done it.
        poison.wait_for(death).await;
        app.restart().await;
        others.answer(Answer::status(200));
        assert_eq!(
            app.webhook(&echo, &json!({"n": death})).await,
            (200, json!({"n": death}))
        );
    }
    ends_as_crash_loop(&app, &poisoned).await;
    for innocent in &innocents {
        app.wait_for(innocent, &["COMPLETED"]).await;
    }
    assert_eq!(poison.received().len(), DEATHS, "it was tried once more");
    assert_eq!(app.webhook(&echo, &json!({"n": 9})).await, (200, json!({"n": 9})));
    let (_, open) = app
        .api(
            "GET",
            "/api/v1/executions?status=QUEUED,RUNNING,WAITING",
            Value::Null,
        )
        .await;
    assert_eq!(open["data"], json!([]));
}

#[tokio::test]
async fn a_slow_execution_is_not_blamed_for_the_deaths_of_another() {
    let (poison, slow) = (Receiver::start().await, Receiver::start().await);
    poison.answer(Answer::status(200).after(FOR_EVER));
    slow.answer(Answer::status(200).after(FOR_EVER));
    let mut app = TestApp::builder().flags(&LOOPBACK).start().await;
    let (deadly, patient) = (calling(&app, poison.url()).await, calling(&app, slow.url()).await);
    // The older one is tried first, and is in flight at each death.
    let innocent = start(&app, &patient).await;
    slow.wait_for(1).await;
    let poisoned = start(&app, &deadly).await;
    for death in 1..=DEATHS {
        poison.wait_for(death).await;
        if death == DEATHS {
            slow.answer(Answer::status(200));
        }
        app.restart().await;
    }
    ends_as_crash_loop(&app, &poisoned).await;
    app.wait_for(&innocent, &["COMPLETED"]).await;
}

#[tokio::test]
async fn an_execution_whose_version_cannot_be_used_ends_and_says_so() {
    let slow = Receiver::start().await;
    slow.answer(Answer::status(200).after(FOR_EVER));
    let mut app = TestApp::builder().flags(&LOOPBACK).start().await;
    let hook = calling(&app, slow.url()).await;
    let execution = start(&app, &hook).await;
    slow.wait_for(1).await;
    app.kill();
    let rows = Rows::open(&app).await;
    rows.query("UPDATE versions SET graph = '{\"nodes\": [], \"edges\": []}'")
        .await;
    rows.close().await;
    app.restart().await;
    let ended = app.wait_for(&execution, &["FAILED"]).await;
    assert_eq!(ended["error"]["code"], "version_unusable", "{ended}");
}

#[tokio::test]
async fn what_is_open_and_does_not_run_is_taken_up_without_a_restart() {
    let receiver = Receiver::start().await;
    let app = TestApp::builder()
        .flags(&["--allow-network", "127.0.0.0/8"])
        .start()
        .await;
    let hook = calling(&app, receiver.url()).await;
    let execution = start(&app, &hook).await;
    app.wait_for(&execution, &["COMPLETED"]).await;
    // As a commit leaves it whose answer was lost: it is there, and nobody has been told so.
    let rows = Rows::open(&app).await;
    rows.query("UPDATE executions SET status = 'QUEUED', finished_at = NULL, steps = NULL RETURNING id")
        .await;
    rows.close().await;
    receiver.wait_for(2).await;
    let ended = app.wait_for(&execution, &["COMPLETED", "FAILED"]).await;
    assert_eq!(ended["status"], "COMPLETED", "{ended}");
}
