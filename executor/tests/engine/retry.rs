//! Attempts after the first: how many, how long apart, and what ends the wait.

use std::time::Duration;

use flowmatic_executor::journal::StepState;
use flowmatic_openapi::ExecutionStatus;
use serde_json::{Value, json};

use crate::world::{World, edge, node};

/// The clock of the tests counts whole milliseconds.
const TICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn tries_again_what_may_pass_with_the_same_key_and_bytes() {
    let world = World::new();
    let mut call = node("a", "test.call", json!({"url": "fail-twice"}));
    call["retry"] = json!({"max_attempts": 3, "initial": "1s"});
    let graph = json!({"nodes": [node("t", "test.start", json!({})), call], "edges": [edge("t", "a")]});
    let (id, _) = world.start(graph, json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.record(id)[0].attempts, 3);
    let calls = world.host.calls();
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| *call == calls[0]), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_the_last_attempt_and_never_repeats_what_is_final() {
    let world = World::new();
    for (url, attempts) in [("fail", 2), ("refuse", 1)] {
        let mut call = node("a", "test.call", json!({"url": url}));
        call["retry"] = json!({"max_attempts": 2});
        let graph = json!({"nodes": [node("t", "test.start", json!({})), call], "edges": [edge("t", "a")]});
        let (id, _) = world.start(graph, json!({})).await;
        assert_eq!(world.end(id).await, ExecutionStatus::Failed);
        assert_eq!(world.record(id)[0].attempts, attempts, "{url}");
    }
}

/// The waits between the attempts of a call that fails each time.
async fn waits(world: &World, url: &str, retry: Value) -> Vec<Duration> {
    let mut call = node("a", "test.call", json!({"url": url}));
    call["retry"] = retry;
    let graph = json!({"nodes": [node("t", "test.start", json!({})), call], "edges": [edge("t", "a")]});
    let before = world.host.calls().len();
    let (id, _) = world.start(graph, json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    let waits = world.host.waits(before);
    let attempts = usize::try_from(world.record(id)[0].attempts).expect("a few");
    assert_eq!(waits.len() + 1, attempts);
    waits
}

#[tokio::test(start_paused = true)]
async fn waits_longer_before_each_attempt_and_as_long_as_it_is_asked_to() {
    let world = World::new();
    let steady = json!({"max_attempts": 6, "initial": "100ms", "factor": 3, "max": "2s", "jitter": 0});
    let once = json!({"max_attempts": 1, "initial": "100ms"});
    let short = json!({"max_attempts": 3, "initial": "100ms", "factor": 20, "max": "2s", "jitter": 0});
    let cases: [(&str, &Value, &[u64]); 5] = [
        ("fail", &steady, &[100, 300, 900, 2_000, 2_000]),
        ("fail", &once, &[]),
        // Retry-After lengthens a wait, beyond `max` too, and shortens none.
        ("busy/1", &steady, &[1_000, 1_000, 1_000, 2_000, 2_000]),
        ("busy/5", &short, &[5_000, 5_000]),
        ("busy/0", &short, &[100, 2_000]),
    ];
    for (url, retry, expected) in cases {
        let waits = waits(&world, url, retry.clone()).await;
        assert_eq!(waits.len(), expected.len(), "{url} {retry}: {waits:?}");
        for (wait, expected) in waits.iter().zip(expected) {
            let expected = Duration::from_millis(*expected);
            let is_right = (expected..=expected + TICK).contains(wait);
            assert!(is_right, "{url} {retry}: {waits:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn draws_a_share_of_each_wait_by_chance() {
    let world = World::new();
    for (retry, jitter, wholes) in [
        (json!({"max_attempts": 4}), 0.2, [1.0, 2.0, 4.0]),
        (
            json!({"max_attempts": 4, "initial": "2s", "factor": 1, "jitter": 0.5}),
            0.5,
            [2.0, 2.0, 2.0],
        ),
        (
            json!({"max_attempts": 4, "initial": "2s", "factor": 1, "jitter": 1}),
            1.0,
            [2.0, 2.0, 2.0],
        ),
    ] {
        let mut shares = Vec::new();
        for _ in 0..40 {
            for (wait, whole) in waits(&world, "fail", retry.clone()).await.iter().zip(wholes) {
                let least = Duration::from_secs_f64(whole * (1.0 - jitter));
                let most = Duration::from_secs_f64(whole) + TICK;
                assert!((least..=most).contains(wait), "{retry}: {wait:?}");
                shares.push((whole - wait.as_secs_f64()) / (whole * jitter));
            }
        }
        // That none of 120 is in the lowest quarter, or in the highest, happens once in 10^15 times.
        assert!(shares.iter().any(|share| *share < 0.25), "{retry}: {shares:?}");
        assert!(shares.iter().any(|share| *share > 0.75), "{retry}: {shares:?}");
    }
}

/// Two calls: one that fails and is to be tried again in an hour, one that comes back when the gate opens.
fn patient() -> Value {
    let mut again = node("again", "test.call", json!({"url": "fail"}));
    again["retry"] = json!({"max_attempts": 5, "initial": "1h", "max": "1h"});
    json!({
        "nodes": [node("t", "test.start", json!({})), again, node("gate", "test.call", json!({"url": "gate"}))],
        "edges": [edge("t", "again"), edge("t", "gate")]
    })
}

#[tokio::test]
async fn a_cancel_ends_the_wait_before_another_attempt() {
    let world = World::new();
    let (id, started) = world.start(patient(), json!({})).await;
    world.accepted(started.accepted).await;
    world.host.called("fail").await;
    world.host.called("gate").await;
    world.host.open_gate();
    world.checkpointed(id, 1).await;
    assert!(world.engine.cancel(id));
    assert_eq!(world.end(id).await, ExecutionStatus::Cancelled);
    let record = world.record(id);
    let again = record
        .iter()
        .find(|step| &*step.node == "again")
        .expect("recorded");
    assert_eq!((again.status, again.attempts), (StepState::Failed, 1));
    assert_eq!(world.host.calls().len(), 2, "nothing was sent after the cancel");
}

#[tokio::test]
async fn a_failure_beside_it_ends_the_wait_before_another_attempt() {
    let world = World::new();
    let mut graph = patient();
    graph["nodes"][2]["parameters"]["url"] = json!("refuse");
    let (id, started) = world.start(graph, json!({})).await;
    world.accepted(started.accepted).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    assert_eq!(world.host.calls().len(), 2);
}
