//! What start control has decided is still so after `kill -9`.

use std::time::Duration;

use flowmatic_tests::{Answer, Database, Receiver, TestApp, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    CALLS, controlled, counts, ends, execution, executions, most_at_a_time, post, posts, serve, statuses,
};
use crate::workflow::{Answered, LOOPBACK, call, on_both_databases, reply, webhook_path};

on_both_databases! {
    a_call_that_was_not_answered_runs_once
    a_call_that_was_not_accepted_leaves_its_key_free
    keys_and_limits_are_remembered
    a_debounced_start_begins_after_the_crash
    those_who_queue_go_on_in_their_places
    those_who_run_keep_others_out
    those_who_were_cancelled_make_room
    those_who_queue_are_told_when_the_server_ends
    the_more_urgent_begin_first_after_the_crash
}

/// A hundred calls with one key on a server that dies on the way; then one more on the next.
async fn repeated(database: Database, point: &str) -> (TestApp, Value, Receiver, Answered) {
    let receiver = Receiver::start().await;
    let mut app = TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .fault(point)
        .start()
        .await;
    let workflow = controlled(&app, json!({"idempotency": {}}), &[call("call", receiver.url())]).await;
    let body = json!({"order": 7});
    let path = webhook_path(&workflow);
    let calls = (0..CALLS).map(|_| {
        let request = app
            .request("POST", &path)
            .header("Idempotency-Key", "a")
            .json(&body);
        request.send()
    });
    let answered = join_all(calls).await;
    assert!(
        answered.iter().all(Result::is_err),
        "nobody is told before it is on disk"
    );
    app.wait_for_exit().await;
    app.restart().await;
    let again = post(&app, &workflow, Some("a"), &body).await;
    (app, workflow, receiver, again)
}

async fn a_call_that_was_not_answered_runs_once(database: Database) {
    let (app, workflow, receiver, again) = repeated(database, "after_accept_commit").await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (200, "true")
    );
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 1)]));
    assert_eq!(executions(&app, &workflow).await[0]["id"], execution(&again));
    assert_eq!(receiver.received().len(), 1);
}

async fn a_call_that_was_not_accepted_leaves_its_key_free(database: Database) {
    let (app, workflow, receiver, again) = repeated(database, "before_accept_commit").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, ""));
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 1)]));
    assert_eq!(receiver.received().len(), 1);
}

async fn keys_and_limits_are_remembered(database: Database) {
    let mut app = serve(database).await;
    let start = json!({"idempotency": {}, "rate_limit": {"limit": 10, "period": "10h"}});
    let workflow = controlled(&app, start, &[]).await;
    let first = post(&app, &workflow, Some("a"), &json!({"n": 0})).await;
    assert_eq!(
        statuses(&posts(&app, &workflow, None).await),
        [(200, 9), (429, CALLS - 9)].into()
    );
    app.kill();
    app.restart().await;
    assert_eq!(
        statuses(&posts(&app, &workflow, None).await),
        [(429, CALLS)].into()
    );
    // A call that comes again is none that the limit counts.
    let again = post(&app, &workflow, Some("a"), &json!({"n": 0})).await;
    assert_eq!((again.status, execution(&again)), (200, execution(&first)));
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 10)]));
}

async fn a_debounced_start_begins_after_the_crash(database: Database) {
    let mut app = serve(database).await;
    let receiver = Receiver::start().await;
    let start = json!({"debounce": {"period": "1s"}, "concurrency": {"limit": 1}});
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    let answers = posts(&app, &workflow, None).await;
    assert_eq!(statuses(&answers), [(202, CALLS)].into());
    app.kill();
    app.restart().await;
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 1)]));
    assert_eq!(executions(&app, &workflow).await[0]["id"], execution(&answers[0]));
    assert_eq!(receiver.received().len(), 1);
}

async fn those_who_queue_go_on_in_their_places(database: Database) {
    let mut app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 3}});
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    posts(&app, &workflow, None).await;
    receiver.wait_for(3).await;
    app.kill();
    app.restart().await;
    // Those in flight are repeated, and nobody else begins.
    receiver.wait_for(6).await;
    assert_eq!(receiver.received().len(), 6);
    receiver.release();
    receiver.wait_for(16).await;
    receiver.hold();
    // Once more, on the way.
    app.kill();
    receiver.release();
    app.restart().await;
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", CALLS)]));
    assert!(most_at_a_time(&app, &workflow).await <= 3);
}

async fn those_who_run_keep_others_out(database: Database) {
    let mut app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 3, "when_full": "drop"}});
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    posts(&app, &workflow, None).await;
    receiver.wait_for(3).await;
    app.kill();
    app.restart().await;
    let dropped = posts(&app, &workflow, None).await;
    assert!(
        dropped
            .iter()
            .all(|answer| answer.json()["executionStatus"] == "CANCELLED")
    );
    receiver.release();
    assert_eq!(
        ends(&app, &workflow).await,
        counts(&[("CANCELLED", 2 * CALLS - 3), ("COMPLETED", 3)])
    );
    let next = post(&app, &workflow, None, &json!({})).await;
    assert_eq!(
        next.json()["executionStatus"],
        "RUNNING",
        "there are places again"
    );
}

async fn those_who_were_cancelled_make_room(database: Database) {
    let mut app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 1, "when_full": "cancel_running"}});
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    posts(&app, &workflow, None).await;
    receiver.wait_for(1).await;
    app.kill();
    app.restart().await;
    receiver.release();
    assert_eq!(
        ends(&app, &workflow).await,
        counts(&[("CANCELLED", CALLS - 1), ("COMPLETED", 1)])
    );
    assert!(most_at_a_time(&app, &workflow).await <= 1);
}

async fn those_who_queue_are_told_when_the_server_ends(database: Database) {
    let mut app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let nodes = [
        call("call", receiver.url()),
        reply(json!({"body": {"n": "{{n}}"}})),
    ];
    let workflow = controlled(&app, json!({"concurrency": {"limit": 1}}), &nodes).await;
    let callers = (0..CALLS).map(|n| {
        let request = app
            .request("POST", &webhook_path(&workflow))
            .json(&json!({"n": n}));
        tokio::spawn(Answered::of(request))
    });
    let callers: Vec<_> = callers.collect();
    eventually("all calls to be accepted", async || {
        (executions(&app, &workflow).await.len() == CALLS).then_some(())
    })
    .await;
    receiver.wait_for(1).await;
    let (status, ()) = tokio::join!(app.terminate(), async {
        receiver.answer(Answer::status(200).after(Duration::from_millis(500)));
        receiver.release();
    });
    assert!(status.success(), "it ended with {status}");
    let answers = join_all(callers).await;
    let answers: Vec<Answered> = answers
        .into_iter()
        .map(|told| told.expect("it is told"))
        .collect();
    // The one that ran has its answer.
    assert_eq!(statuses(&answers), [(200, 1), (202, CALLS - 1)].into());
    for waits in answers.iter().filter(|answer| answer.status == 202) {
        assert_eq!(waits.json()["executionStatus"], "QUEUED");
        assert_eq!(
            waits.header("location"),
            format!("/api/v1/executions/{}", execution(waits))
        );
    }
    receiver.answer(Answer::status(200));
    app.restart().await;
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", CALLS)]));
}

async fn the_more_urgent_begin_first_after_the_crash(database: Database) {
    let mut app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let told = json!({"key": "call", "type": "http.request", "parameters": {
        "method": "POST", "url": receiver.url(), "body": {"n": "{{n}}"}
    }});
    let start = json!({"concurrency": {"limit": 1}, "priority": "{{modulo n 7}}"});
    let workflow = controlled(&app, start, &[told]).await;
    posts(&app, &workflow, None).await;
    receiver.wait_for(1).await;
    app.kill();
    app.restart().await;
    receiver.wait_for(2).await;
    receiver.release();
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", CALLS)]));
    let sent = receiver.received();
    let urgency = sent
        .iter()
        .map(|request| request.json()["n"].as_u64().expect("a number") % 7);
    // The one that ran was repeated; the others follow.
    let followed: Vec<u64> = urgency.skip(2).collect();
    assert_eq!(followed.len(), CALLS - 1);
    assert!(followed.is_sorted_by(|one, next| one >= next), "{followed:?}");
}
