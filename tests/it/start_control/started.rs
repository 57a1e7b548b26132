//! Executions that nobody called for: a time, another workflow or a failure starts them.

use flowmatic_tests::{Database, Receiver, TestApp, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{CALLS, counts, ends, executions, most_at_a_time, post, serve};
use crate::workflow::{call, create, hooked, id, on_both_databases, path, row};

on_both_databases! {
    executions_of_a_schedule_take_places_too
    each_time_of_a_schedule_is_an_execution_though_the_limit_is_reached
    called_executions_queue_for_their_places
    called_executions_keep_their_places_over_a_crash
    a_call_fails_whose_execution_may_not_begin
    a_called_execution_that_queues_is_cancelled_with_its_caller
    so_many_failures_are_followed
}

fn tick() -> Value {
    json!({"key": "tick", "type": "trigger.schedule", "parameters": {"every": "1s"}})
}

/// A workflow under this start control: these nodes in a row.
async fn under(app: &TestApp, start: Value, nodes: &[Value]) -> Value {
    let mut workflow = row(nodes);
    workflow["graph"]["settings"] = json!({"start": start});
    create(app, workflow).await
}

/// A workflow under this start control, which is called; and one whose webhook calls it with all that its caller sends.
async fn pair(app: &TestApp, start: Value, nodes: &[Value]) -> (Value, Value) {
    let trigger = json!({"key": "called", "type": "trigger.workflow"});
    let called = under(app, start, &[&[trigger], nodes].concat()).await;
    let calls = json!({"key": "calls", "type": "flow.call", "parameters": {
        "workflow": called["id"], "input": "{{_webhook.body}}"
    }});
    let caller = create(app, hooked(&[calls])).await;
    (called, caller)
}

async fn ended(app: &TestApp, execution: &Value) -> Value {
    let path = format!("/api/v1/executions/{}", id(execution));
    app.api("GET", &path, Value::Null).await.1
}

async fn executions_of_a_schedule_take_places_too(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 1}});
    let workflow = under(&app, start, &[tick(), call("call", receiver.url())]).await;
    let started = eventually("three executions", async || {
        Some(executions(&app, &workflow).await).filter(|executions| executions.len() >= 3)
    })
    .await;
    let statuses: Vec<&Value> = started.iter().map(|execution| &execution["status"]).collect();
    assert_eq!(statuses[..2], ["RUNNING", "QUEUED"]);
    assert_eq!(receiver.received().len(), 1);
    app.api("POST", &format!("{}/deactivate", path(&workflow)), Value::Null)
        .await;
    receiver.release();
    let ended = ends(&app, &workflow).await;
    assert_eq!(ended.keys().collect::<Vec<_>>(), ["COMPLETED"]);
    assert_eq!(most_at_a_time(&app, &workflow).await, 1);

    // One whose key cannot be had ends, and says why.
    let start = json!({"concurrency": {"limit": 1, "key": "{{customer}}"}});
    let workflow = under(&app, start, &[tick()]).await;
    let ended = eventually("an end", async || {
        executions(&app, &workflow)
            .await
            .into_iter()
            .find(|execution| execution["status"] == "FAILED")
    })
    .await;
    assert_eq!(ended["error"]["code"], "start_control", "{ended}");
    let message = ended["error"]["message"].to_string();
    assert!(
        message.contains("`start.concurrency.key`") && message.contains("customer"),
        "{message}"
    );
}

async fn each_time_of_a_schedule_is_an_execution_though_the_limit_is_reached(database: Database) {
    let mut app = serve(database).await;
    // What holds for calls alone says nothing of it.
    let start = json!({
        "idempotency": {"key": "{{default always \"the same\"}}"}, "rate_limit": {"limit": 1, "period": "10h"},
        "debounce": {"period": "7d"}
    });
    let note = json!({"key": "note", "type": "data.set", "parameters": {"fields": {"at": "{{_schedule.scheduledAt}}"}}});
    let workflow = under(&app, start, &[tick(), note]).await;
    let started = async |app: &TestApp, most: usize| {
        eventually("executions", async || {
            Some(executions(app, &workflow).await).filter(|executions| executions.len() >= most)
        })
        .await
    };
    let before = started(&app, 2).await.len();
    app.kill();
    app.restart().await;
    started(&app, before + 2).await;
    app.api("POST", &format!("{}/deactivate", path(&workflow)), Value::Null)
        .await;
    let ended = ends(&app, &workflow).await;
    assert_eq!(ended["COMPLETED"], 1, "{ended:?}");
    let mut all = executions(&app, &workflow).await;
    assert_eq!(all.remove(0)["status"], "COMPLETED", "the first one has begun");
    for execution in all {
        assert_eq!(
            (&execution["status"], &execution["error"]["code"]),
            (&json!("CANCELLED"), &json!("rate_limited")),
            "{execution}"
        );
    }
}

async fn called_executions_queue_for_their_places(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    let start = json!({"concurrency": {"limit": 3}, "priority": "{{n}}"});
    let (called, caller) = pair(&app, start, &[call("call", receiver.url())]).await;
    join_all((0..CALLS).map(|n| {
        let (app, caller) = (&app, &caller);
        async move { post(app, caller, None, &json!({"n": n})).await }
    }))
    .await;
    assert_eq!(ends(&app, &caller).await, counts(&[("COMPLETED", CALLS)]));
    assert_eq!(ends(&app, &called).await, counts(&[("COMPLETED", CALLS)]));
    assert_eq!(receiver.received().len(), CALLS);
    assert!(most_at_a_time(&app, &called).await <= 3);
}

async fn called_executions_keep_their_places_over_a_crash(database: Database) {
    const CALLERS: usize = 20;
    let mut app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 2}});
    let (called, caller) = pair(&app, start, &[call("call", receiver.url())]).await;
    for _ in 0..CALLERS {
        post(&app, &caller, None, &json!({})).await;
    }
    receiver.wait_for(2).await;
    app.kill();
    app.restart().await;
    // Those in flight are repeated, and nobody else begins.
    receiver.wait_for(4).await;
    receiver.release();
    assert_eq!(ends(&app, &caller).await, counts(&[("COMPLETED", CALLERS)]));
    assert_eq!(ends(&app, &called).await, counts(&[("COMPLETED", CALLERS)]));
    assert_eq!(receiver.received().len(), CALLERS + 2);
    assert!(most_at_a_time(&app, &called).await <= 2);
}

async fn a_call_fails_whose_execution_may_not_begin(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    for (start, code) in [
        (
            json!({"concurrency": {"limit": 1, "when_full": "drop"}}),
            "dropped",
        ),
        (
            json!({"rate_limit": {"limit": 1, "period": "10h"}}),
            "rate_limited",
        ),
    ] {
        let (called, caller) = pair(&app, start, &[call("call", receiver.url())]).await;
        let before = receiver.received().len();
        post(&app, &caller, None, &json!({})).await;
        receiver.wait_for(before + 1).await;
        post(&app, &caller, None, &json!({})).await;
        let failed = eventually("the second caller to fail", async || {
            let all = executions(&app, &caller).await;
            all.into_iter().find(|execution| execution["status"] == "FAILED")
        })
        .await;
        assert_eq!(failed["error"]["code"], "child_failed", "{failed}");
        let over = executions(&app, &called).await.remove(1);
        assert_eq!(
            (&over["status"], &over["error"]["code"]),
            (&json!("CANCELLED"), &json!(code)),
            "{over}"
        );
        assert_eq!(ended(&app, &over).await["steps"], json!([]));
        receiver.release();
        assert_eq!(
            ends(&app, &called).await,
            counts(&[("CANCELLED", 1), ("COMPLETED", 1)])
        );
        assert_eq!(
            ends(&app, &caller).await,
            counts(&[("COMPLETED", 1), ("FAILED", 1)])
        );
        receiver.hold();
    }
}

async fn a_called_execution_that_queues_is_cancelled_with_its_caller(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 1}});
    let (called, caller) = pair(&app, start, &[call("call", receiver.url())]).await;
    for calls in 1..=3 {
        post(&app, &caller, None, &json!({})).await;
        eventually("the call to be made", async || {
            (executions(&app, &called).await.len() == calls).then_some(())
        })
        .await;
    }
    receiver.wait_for(1).await;
    // It is decided of when it is taken up.
    let queues = eventually("the second to queue", async || {
        Some(executions(&app, &called).await.remove(1)).filter(|second| second["status"] == "QUEUED")
    })
    .await;
    let waits = executions(&app, &caller).await.remove(1);
    let cancel = format!("/api/v1/executions/{}/cancel", id(&waits));
    assert_eq!(app.api("POST", &cancel, Value::Null).await.0, 200);
    app.wait_for(id(&queues), &["CANCELLED"]).await;
    app.wait_for(id(&waits), &["CANCELLED"]).await;
    receiver.release();
    for workflow in [&called, &caller] {
        assert_eq!(
            ends(&app, workflow).await,
            counts(&[("CANCELLED", 1), ("COMPLETED", 2)])
        );
    }
    assert_eq!(receiver.received().len(), 2);
}

async fn so_many_failures_are_followed(database: Database) {
    let app = serve(database).await;
    let trigger = json!({"key": "failed", "type": "trigger.error"});
    let start = json!({"rate_limit": {"limit": 3, "period": "10h", "key": "{{_error.workflowId}}"}});
    let follower = under(&app, start, &[trigger]).await;
    let stop = json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no"}});
    let mut failing = hooked(&[stop]);
    failing["graph"]["settings"] = json!({"error_workflow": follower["id"]});
    let failing = create(&app, failing).await;
    join_all((0..CALLS).map(|_| post(&app, &failing, None, &Value::Null))).await;
    eventually("all failures to be followed", async || {
        (executions(&app, &follower).await.len() == CALLS).then_some(())
    })
    .await;
    assert_eq!(
        ends(&app, &follower).await,
        counts(&[("CANCELLED", CALLS - 3), ("COMPLETED", 3)])
    );

    // A start that fails is followed as well.
    let mut failing = row(&[tick()]);
    failing["graph"]["settings"] = json!({
        "error_workflow": follower["id"], "start": {"concurrency": {"limit": 1, "key": "{{customer}}"}}
    });
    let failing = create(&app, failing).await;
    eventually("the failed start to be followed", async || {
        (executions(&app, &follower).await.len() > CALLS).then_some(())
    })
    .await;
    app.api("POST", &format!("{}/deactivate", path(&failing)), Value::Null)
        .await;
    let all = executions(&app, &follower).await;
    let followed = app.wait_for(id(&all[CALLS]), &["COMPLETED"]).await;
    assert_eq!(followed["mode"], "error", "{followed}");
}
