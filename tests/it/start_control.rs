//! Start control: which calls become executions, when and in what order, while a hundred call at once.

mod crash;
mod doors;
mod parked;
mod started;

use std::collections::{BTreeMap, HashSet};

use flowmatic_tests::{Database, Receiver, TestApp, eventually};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::workflow::{Answered, LOOPBACK, call, create, hooked, id, on_both_databases, reply, webhook_path};

on_both_databases! {
    one_of_a_hundred_calls_with_one_key_runs
    a_hundred_callers_with_one_key_get_the_same_answer
    a_key_of_the_caller_is_bound_to_its_body
    a_key_of_the_workflow_ignores_the_rest_of_the_body
    no_more_than_the_limit_are_let_in
    a_hundred_calls_are_debounced_into_one
    no_more_run_than_there_are_places
    callers_who_queue_get_their_answers
    calls_beyond_the_places_are_dropped
    the_last_call_cancels_those_before
    a_caller_whose_execution_was_cancelled_is_not_told_to_try_again
    the_more_urgent_begin_first
}

const CALLS: usize = 100;

async fn serve(database: Database) -> TestApp {
    TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await
}

/// A workflow under this start control: a webhook, then these nodes.
async fn controlled(app: &TestApp, start: Value, nodes: &[Value]) -> Value {
    let mut workflow = hooked(nodes);
    workflow["graph"]["settings"] = json!({"start": start});
    create(app, workflow).await
}

async fn post(app: &TestApp, workflow: &Value, key: Option<&str>, body: &Value) -> Answered {
    let mut request = app.request("POST", &webhook_path(workflow)).json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    Answered::of(request).await
}

/// A hundred calls at once, each with its number as `n`.
async fn posts(app: &TestApp, workflow: &Value, key: Option<&str>) -> Vec<Answered> {
    join_all((0..CALLS).map(|n| async move { post(app, workflow, key, &json!({"n": n})).await })).await
}

fn statuses(answers: &[Answered]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

fn execution(answer: &Answered) -> String {
    answer.json()["executionId"]
        .as_str()
        .expect("it names one")
        .to_owned()
}

/// All executions of a workflow, the oldest first.
async fn executions(app: &TestApp, workflow: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!(
            "/api/v1/executions?limit=100&workflow_id={}{cursor}",
            id(workflow)
        );
        let (status, page) = app.api("GET", &path, Value::Null).await;
        assert_eq!(status, 200, "{page}");
        found.extend(page["data"].as_array().expect("a list").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    found.reverse();
    found
}

/// How many executions have each status, once all are over.
async fn ends(app: &TestApp, workflow: &Value) -> BTreeMap<String, usize> {
    eventually("all executions to end", async || {
        let mut counts = BTreeMap::new();
        for execution in executions(app, workflow).await {
            let status = execution["status"].as_str().expect("a status").to_owned();
            if ["QUEUED", "RUNNING", "WAITING"].contains(&status.as_str()) {
                return None;
            }
            *counts.entry(status).or_default() += 1;
        }
        Some(counts)
    })
    .await
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected
        .iter()
        .map(|(status, count)| ((*status).to_owned(), *count))
        .collect()
}

/// The most effects of a workflow's node `call` that were under way at a time.
async fn most_at_a_time(app: &TestApp, workflow: &Value) -> usize {
    let mut moments = Vec::new();
    for execution in executions(app, workflow).await {
        let path = format!("/api/v1/executions/{}", id(&execution));
        let (_, execution) = app.api("GET", &path, Value::Null).await;
        let steps = execution["steps"].as_array().expect("steps").clone();
        for step in steps.iter().filter(|step| step["node"] == "call") {
            // One that was cancelled before it was called has no times.
            if let (Some(from), Some(to)) = (step["started_at"].as_str(), step["finished_at"].as_str()) {
                // Of the same millisecond, an end comes first.
                moments.extend([(from.to_owned(), 1), (to.to_owned(), -1)]);
            }
        }
    }
    moments.sort();
    let mut now = 0_i64;
    let most = moments.iter().map(|(_, change)| {
        now += change;
        now
    });
    usize::try_from(most.max().unwrap_or_default()).expect("none ends before it begins")
}

async fn one_of_a_hundred_calls_with_one_key_runs(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    let start = json!({"idempotency": {}});
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    let same = json!({"order": 7});
    let answers = join_all((0..CALLS).map(|_| post(&app, &workflow, Some("order-7"), &same))).await;
    assert_eq!(statuses(&answers), [(200, CALLS)].into());
    let ids: HashSet<String> = answers.iter().map(execution).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let first = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed").is_empty());
    assert_eq!(first.count(), 1, "the others say that they came again");
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 1)]));
    let late = post(&app, &workflow, Some("order-7"), &same).await;
    assert_eq!((late.status, late.header("idempotency-replayed")), (200, "true"));
    let body = late.json();
    assert_eq!(
        (&body["status"], &body["executionStatus"]),
        (&json!("success"), &json!("COMPLETED"))
    );
    assert_eq!(receiver.received().len(), 1);

    // Another key, and none at all, are calls of their own.
    for key in [Some("order-8"), None, None] {
        let answer = post(&app, &workflow, key, &same).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, ""));
    }
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 4)]));
}

async fn a_hundred_callers_with_one_key_get_the_same_answer(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let answer = json!({
        "status": 201, "headers": {"X-Order": "{{n}}"}, "body": "{\"n\":{{n}},\"id\":\"{{uuid}}\"}", "as": "text"
    });
    let nodes = [
        call("call", receiver.url()),
        reply(answer),
        call("late", receiver.url()),
    ];
    let start = json!({"idempotency": {"key": "{{_vars.all}}"}});
    let mut workflow = hooked(&nodes);
    workflow["graph"]["settings"] = json!({"start": start, "vars": {"all": "all"}});
    let workflow = create(&app, workflow).await;
    let (answers, ()) = tokio::join!(posts(&app, &workflow, None), async {
        receiver.wait_for(1).await;
        receiver.release();
    });
    assert_eq!(statuses(&answers), [(201, CALLS)].into());
    let bodies: HashSet<&[u8]> = answers.iter().map(|answer| &answer.body[..]).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    for answer in &answers {
        assert_eq!(answer.header("x-order"), answer.json()["n"].to_string());
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    let again = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed") == "true");
    assert_eq!(again.count(), CALLS - 1);
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 1)]));
    assert_eq!(receiver.received().len(), 2);
}

async fn a_key_of_the_caller_is_bound_to_its_body(database: Database) {
    let app = serve(database).await;
    let workflow = controlled(&app, json!({"idempotency": {"ttl": "2s"}}), &[]).await;
    let first = post(&app, &workflow, Some("a"), &json!({"n": 1})).await;
    let other = post(&app, &workflow, Some("a"), &json!({"n": 2})).await;
    assert_eq!(
        (other.status, other.error().as_str()),
        (422, "IDEMPOTENCY_KEY_REUSED")
    );
    let message = other.json()["error"]["message"].to_string();
    assert!(message.contains(&execution(&first)), "{message}");
    for key in ["", " ", &"x".repeat(257)] {
        let answer = post(&app, &workflow, Some(key), &json!({})).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "BAD_REQUEST"),
            "{key}"
        );
    }
    // Its time goes by.
    eventually("the key to be free again", async || {
        let answer = post(&app, &workflow, Some("a"), &json!({"n": 2})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 2)]));
}

async fn a_key_of_the_workflow_ignores_the_rest_of_the_body(database: Database) {
    let app = serve(database).await;
    let workflow = controlled(&app, json!({"idempotency": {"key": "{{event.id}}"}}), &[]).await;
    let event = |id: Value, sent: u32| json!({"event": {"id": id}, "sent": sent});
    let first = post(&app, &workflow, None, &event(json!("e1"), 1)).await;
    let again = post(&app, &workflow, None, &event(json!("e1"), 2)).await;
    assert_eq!(execution(&first), execution(&again));
    // Null is no key, nothing at all is a mistake.
    for sent in 3..5 {
        let answer = post(&app, &workflow, None, &event(Value::Null, sent)).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (200, ""));
    }
    let refused = post(&app, &workflow, None, &json!({"event": {}})).await;
    assert_eq!((refused.status, refused.error().as_str()), (422, "UNPROCESSABLE"));
    let message = refused.json()["error"]["message"].to_string();
    assert!(
        message.contains("`start.idempotency.key`") && message.contains("event.id"),
        "{message}"
    );
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 3)]));
}

async fn no_more_than_the_limit_are_let_in(database: Database) {
    let app = serve(database).await;
    let start = json!({"rate_limit": {"limit": 10, "period": "10h", "key": "{{default customer \"\"}}"}});
    let workflow = controlled(&app, start, &[]).await;
    let answers = posts(&app, &workflow, None).await;
    assert_eq!(statuses(&answers), [(200, 10), (429, CALLS - 10)].into());
    for refused in answers.iter().filter(|answer| answer.status == 429) {
        assert_eq!(refused.error(), "TOO_MANY_REQUESTS");
        let wait: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((3_500..=3_600).contains(&wait), "{wait}");
    }
    let other = post(&app, &workflow, None, &json!({"customer": "acme"})).await;
    assert_eq!(other.status, 200, "another key has a limit of its own");
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 11)]));
}

async fn a_hundred_calls_are_debounced_into_one(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    let told = json!({"key": "call", "type": "http.request", "parameters": {
        "method": "POST", "url": receiver.url(), "body": {"n": "{{n}}"}
    }});
    let workflow = controlled(&app, json!({"debounce": {"period": "2s"}}), &[told]).await;
    let answers = posts(&app, &workflow, None).await;
    assert_eq!(statuses(&answers), [(202, CALLS)].into());
    let last = post(&app, &workflow, None, &json!({"n": "last"})).await;
    let body = last.json();
    assert_eq!(
        (&body["status"], &body["executionStatus"]),
        (&json!("success"), &json!("QUEUED"))
    );
    let location = format!("/api/v1/executions/{}", execution(&last));
    assert_eq!(last.header("location"), location);
    for answer in &answers {
        assert_eq!(execution(answer), execution(&last));
    }
    let (_, waits) = app.api("GET", &location, Value::Null).await;
    assert_eq!(
        (&waits["status"], &waits["input"]),
        (&json!("QUEUED"), &json!({"n": "last"}))
    );
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 1)]));
    let sent = receiver.received();
    assert_eq!((sent.len(), sent[0].json()), (1, json!({"n": "last"})));

    // The next call is the first of another round; a round that is cancelled does not begin.
    let next = post(&app, &workflow, None, &json!({"n": 1})).await;
    assert_ne!(execution(&next), execution(&last));
    let (status, _) = app
        .api(
            "POST",
            &format!("/api/v1/executions/{}/cancel", execution(&next)),
            Value::Null,
        )
        .await;
    assert_eq!(status, 200);
    let third = post(&app, &workflow, None, &json!({"n": 2})).await;
    assert_ne!(execution(&next), execution(&third));
    assert_eq!(
        ends(&app, &workflow).await,
        counts(&[("CANCELLED", 1), ("COMPLETED", 2)])
    );
}

async fn no_more_run_than_there_are_places(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 3}});
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    let answers = posts(&app, &workflow, None).await;
    assert_eq!(statuses(&answers), [(200, 3), (202, CALLS - 3)].into());
    for queued in answers.iter().filter(|answer| answer.status == 202) {
        let path = queued.header("location").to_owned();
        let (_, execution) = app.api("GET", &path, Value::Null).await;
        assert_eq!(execution["status"], "QUEUED");
    }
    receiver.wait_for(3).await;
    let held = executions(&app, &workflow).await;
    let running = held
        .iter()
        .filter(|execution| execution["status"] == "RUNNING")
        .count();
    assert_eq!((running, receiver.received().len()), (3, 3));
    receiver.release();
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", CALLS)]));
    assert_eq!(receiver.received().len(), CALLS);
    assert!(most_at_a_time(&app, &workflow).await <= 3);
}

async fn callers_who_queue_get_their_answers(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    let nodes = [
        call("call", receiver.url()),
        reply(json!({"body": {"n": "{{n}}"}})),
    ];
    let start = json!({"concurrency": {"limit": 2}});
    let workflow = controlled(&app, start, &nodes).await;
    let answers = posts(&app, &workflow, None).await;
    assert_eq!(statuses(&answers), [(200, CALLS)].into());
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.json(), json!({"n": n}));
    }
    assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", CALLS)]));
    assert!(most_at_a_time(&app, &workflow).await <= 2);
}

async fn calls_beyond_the_places_are_dropped(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 3, "when_full": "drop"}});
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    let answers = posts(&app, &workflow, None).await;
    assert_eq!(statuses(&answers), [(200, CALLS)].into());
    let dropped: Vec<&Answered> = answers
        .iter()
        .filter(|answer| answer.json()["executionStatus"] == "CANCELLED")
        .collect();
    assert_eq!(dropped.len(), CALLS - 3);
    assert_eq!(dropped[0].json()["status"], "success");
    let path = format!("/api/v1/executions/{}", execution(dropped[0]));
    let (_, shown) = app.api("GET", &path, Value::Null).await;
    assert_eq!(
        (&shown["error"]["code"], &shown["steps"]),
        (&json!("dropped"), &json!([])),
        "{shown}"
    );
    receiver.release();
    assert_eq!(
        ends(&app, &workflow).await,
        counts(&[("CANCELLED", CALLS - 3), ("COMPLETED", 3)])
    );
    assert_eq!(receiver.received().len(), 3);
    let next = post(&app, &workflow, None, &json!({})).await;
    assert_eq!(
        next.json()["executionStatus"],
        "RUNNING",
        "there are places again"
    );
}

async fn the_last_call_cancels_those_before(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 1, "when_full": "cancel_running"}});
    let workflow = controlled(&app, start, &[call("call", receiver.url())]).await;
    posts(&app, &workflow, None).await;
    // The effect of the one that runs is awaited.
    receiver.wait_for(1).await;
    let last = post(&app, &workflow, None, &json!({"n": "last"})).await;
    assert_eq!(last.json()["executionStatus"], "QUEUED");
    let open: Vec<Value> = executions(&app, &workflow)
        .await
        .into_iter()
        .filter(|execution| execution["status"] != "CANCELLED")
        .collect();
    assert_eq!(open.len(), 2, "{open:?}");
    receiver.release();
    let ended = app.wait_for(&execution(&last), &["COMPLETED"]).await;
    assert_eq!(ended["input"], json!({"n": "last"}));
    assert_eq!(
        ends(&app, &workflow).await,
        counts(&[("CANCELLED", CALLS), ("COMPLETED", 1)])
    );
    assert_eq!(receiver.received().len(), 2);
    assert_eq!(most_at_a_time(&app, &workflow).await, 1);
}

async fn a_caller_whose_execution_was_cancelled_is_not_told_to_try_again(database: Database) {
    let app = serve(database).await;
    let receiver = Receiver::start().await;
    receiver.hold();
    let start = json!({"concurrency": {"limit": 1, "when_full": "cancel_running"}});
    let nodes = [call("call", receiver.url()), reply(json!({"body": "{{n}}"}))];
    let workflow = controlled(&app, start, &nodes).await;
    let [one, two, three] = [1, 2, 3].map(|n| json!({"n": n}));
    let (first, second, third) = tokio::join!(
        post(&app, &workflow, None, &one),
        async {
            receiver.wait_for(1).await;
            post(&app, &workflow, None, &two).await
        },
        async {
            receiver.wait_for(1).await;
            eventually("the second to wait", async || {
                (executions(&app, &workflow).await.len() == 2).then_some(())
            })
            .await;
            let third = post(&app, &workflow, None, &three);
            let release = async {
                eventually("the third to wait", async || {
                    (executions(&app, &workflow).await.len() == 3).then_some(())
                })
                .await;
                receiver.release();
            };
            tokio::join!(third, release).0
        }
    );
    for cancelled in [first, second] {
        let told = cancelled.json();
        assert_eq!(
            (cancelled.status, &told["executionStatus"], &told["status"]),
            (200, &json!("CANCELLED"), &json!("success")),
            "{told}"
        );
    }
    assert_eq!((third.status, third.json()), (200, json!(3)));
    let reasons = executions(&app, &workflow).await;
    let reasons = reasons
        .iter()
        .filter_map(|execution| execution["error"]["code"].as_str());
    assert_eq!(reasons.collect::<Vec<_>>(), ["cancelled", "cancelled"]);
}

async fn the_more_urgent_begin_first(database: Database) {
    // Once for places, once for room in memory.
    for (flags, concurrency) in [
        (&[][..], json!({"limit": 1})),
        (&["--max-running", "1"], Value::Null),
    ] {
        let app = TestApp::builder()
            .database(database)
            .flags(&LOOPBACK)
            .flags(flags)
            .start()
            .await;
        let receiver = Receiver::start().await;
        receiver.hold();
        let told = json!({"key": "call", "type": "http.request", "parameters": {
            "method": "POST", "url": receiver.url(), "body": {"n": "{{n}}"}
        }});
        let start = json!({"concurrency": concurrency, "priority": "{{default urgency 0}}"});
        let workflow = controlled(&app, start, &[told]).await;
        post(&app, &workflow, None, &json!({"n": "first"})).await;
        receiver.wait_for(1).await;
        for (n, urgency) in [(0, 0), (1, -5), (2, 7), (3, 0), (4, 7), (5, 1000)] {
            post(&app, &workflow, None, &json!({"n": n, "urgency": urgency})).await;
        }
        receiver.release();
        assert_eq!(ends(&app, &workflow).await, counts(&[("COMPLETED", 7)]));
        let sent: Vec<Value> = receiver
            .received()
            .iter()
            .map(|request| request.json()["n"].clone())
            .collect();
        assert_eq!(json!(sent), json!(["first", 5, 2, 4, 0, 3, 1]));
    }
}
