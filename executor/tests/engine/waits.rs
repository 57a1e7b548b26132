//! Waits: times, signals, other executions; what leaves memory, and how it comes back.

use std::time::Duration;

use flowmatic_executor::journal::StepState;
use flowmatic_executor::{Signal, Time};
use flowmatic_openapi::ExecutionStatus;
use serde_json::{Value, json};

use crate::loops::inside;
use crate::world::{World, edge, node};

fn waiting(parameters: Value) -> Value {
    json!({
        "nodes": [
            node("t", "test.start", json!({})), node("w", "test.wait", parameters),
            node("c", "test.call", json!({"url": "ok/c"}))
        ],
        "edges": [edge("t", "w"), edge("w", "c")]
    })
}

pub fn signal(path: &str, payload: Value) -> Signal {
    Signal {
        path: path.to_owned(),
        payload,
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_wait_stays_in_memory() {
    let world = World::new();
    let (id, started) = world.start(waiting(json!({"seconds": 1})), json!({})).await;
    drop(started.outcome);
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.journal.row(id).epoch, 0);
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_leaves_memory_and_comes_back() {
    let world = World::new();
    let (id, started) = world.start(waiting(json!({"seconds": 60})), json!({})).await;
    drop(started.outcome);
    let due = world.parked(id).await;
    assert_eq!(due, Time::from_timestamp(60, 0));
    assert_eq!(world.engine.running(), 0);
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(
        world.steps(id)[0].2,
        json!({"waited_until": "1970-01-01T00:01:00.000Z"})
    );
    assert_eq!(world.journal.row(id).recoveries, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_taken_up_too_early_goes_on_waiting() {
    let world = World::new();
    let (id, started) = world.start(waiting(json!({"seconds": 60})), json!({})).await;
    drop(started.outcome);
    world.parked(id).await;
    world.resume(id).await;
    assert_eq!(world.parked(id).await, Time::from_timestamp(60, 0));
    assert!(world.host.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_stays_in_memory_while_somebody_waits_for_its_answer() {
    let world = World::new();
    let (id, started) = world.start(waiting(json!({"seconds": 5})), json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.journal.row(id).epoch, 0);
    drop(started.outcome);
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_a_wait_in_memory() {
    let world = World::new();
    let (id, started) = world.start(waiting(json!({"signal": true})), json!({})).await;
    started.accepted.await.expect("accepted");
    let sent = signal("w", json!({"body": 7}));
    assert!(world.journal.signal(id, sent.clone()));
    assert!(!world.journal.signal(id, sent.clone()), "there is one already");
    assert!(world.engine.signal(id, sent));
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.steps(id)[0].2, json!({"body": 7}));
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_a_wait_on_disk() {
    let world = World::new();
    let (id, started) = world.start(waiting(json!({"signal": true})), json!({})).await;
    drop(started.outcome);
    assert_eq!(world.parked(id).await, None);
    assert!(
        world
            .journal
            .signal(id, signal("w", json!({"port": "timeout", "by": "hand"})))
    );
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    let record = world.record(id);
    assert_eq!(record[0].output, json!({"by": "hand"}));
    assert_eq!(record[0].ports, Some(vec!["timeout".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_signal_may_come_before_the_wait() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "gate/a"})),
            node("w", "test.wait", json!({"signal": true, "seconds": 60}))
        ],
        "edges": [edge("t", "a"), edge("a", "w")]
    });
    let (id, _) = world.start(graph, json!({})).await;
    world.host.called("gate/a").await;
    world.journal.signal(id, signal("w", json!(1)));
    world.engine.signal(id, signal("w", json!(1)));
    world.host.open_gate();
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.steps(id)[1].2, json!(1));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_signal_may_time_out() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("w", "test.wait", json!({"signal": true, "seconds": 1})),
            node("late", "test.echo", json!({"value": "late"})), node("c", "test.call", json!({"url": "ok/c"}))
        ],
        "edges": [edge("t", "w"), edge("w", "c"), {"from": "w", "port": "timeout", "to": "late"}]
    });
    let (id, _) = world.start(graph, json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert!(world.host.calls().is_empty());
    assert_eq!(
        world.steps(id).last().map(|step| step.2.clone()),
        Some(json!("late"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_cancel_ends_a_wait() {
    let world = World::new();
    let (id, _started) = world.start(waiting(json!({"seconds": 60})), json!({})).await;
    tokio::task::yield_now().await;
    assert!(world.engine.cancel(id));
    assert_eq!(world.end(id).await, ExecutionStatus::Cancelled);
    assert_eq!(world.steps(id)[0].1, StepState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_of_the_workflow_counts_waits() {
    let world = World::new();
    let mut graph = waiting(json!({"seconds": 3600}));
    graph["settings"] = json!({"timeout": "60s"});
    let (id, started) = world.start(graph, json!({})).await;
    drop(started.outcome);
    assert_eq!(world.parked(id).await, Time::from_timestamp(60, 0));
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::TimedOut);
    assert_eq!(world.journal.row(id).epoch, 1);
}

#[tokio::test(start_paused = true)]
async fn waits_stand_side_by_side_in_a_loop() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("each", "test.each", json!({"items": [1, 2, 3], "concurrency": 3})),
            inside("each", "w", "test.wait", json!({"seconds": 60}))
        ],
        "edges": [edge("t", "each")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    drop(started.outcome);
    world.parked(id).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    let count = world
        .record(id)
        .iter()
        .filter(|step| step.node.ends_with("/w"))
        .count();
    assert_eq!(count, 3);
}

#[tokio::test(start_paused = true)]
async fn a_long_back_off_leaves_memory() {
    let world = World::new();
    let mut call = node("a", "test.call", json!({"url": "fail-twice/a"}));
    call["retry"] = json!({"max_attempts": 3, "initial": "10m", "factor": 1, "max": "10m", "jitter": 0});
    let graph = json!({"nodes": [node("t", "test.start", json!({})), call], "edges": [edge("t", "a")]});
    let (id, started) = world.start(graph, json!({})).await;
    drop(started.outcome);
    for _ in 0..2 {
        world.parked(id).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        world.resume(id).await;
    }
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.record(id)[0].attempts, 3);
    assert_eq!(world.host.calls().len(), 3);
}
