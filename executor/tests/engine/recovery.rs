//! Crashes, a journal that is away, no room: nothing is lost, and nothing recorded is done again.

use std::time::Duration;

use flowmatic_executor::journal::StepState;
use flowmatic_executor::{Limits, Waiting};
use flowmatic_openapi::ExecutionStatus;
use serde_json::json;

use crate::world::{SECRET, World, edge, node};

/// Every journal write in turn is the last one that a process makes: whatever is recorded by then is not done
/// again, and what was in flight is repeated with the same key and bytes.
#[tokio::test]
async fn a_crash_at_any_write_repeats_no_recorded_effect() {
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "ok/a"})),
            node("b", "test.call", json!({"url": "ok/b"})), node("e", "test.echo", json!({"value": 1})),
            node("c", "test.call", json!({"url": "ok/c"})), node("d", "test.call", json!({"url": "ok/d"}))
        ],
        "edges": [edge("t", "a"), edge("t", "b"), edge("a", "e"), edge("e", "c"), edge("b", "c"), edge("c", "d")]
    });
    let mut crashes = 0;
    for last_write in 1.. {
        let world = World::new();
        world.journal.stop_after(last_write);
        let (id, _) = world.start(graph.clone(), json!({"order": 1})).await;
        if world.ends_or_crashes(id).await {
            break;
        }
        crashes += 1;
        let recorded: Vec<String> = world.recorded_effects(id);
        let before = world.host.calls();
        world.resume(id).await;
        assert_eq!(world.end(id).await, ExecutionStatus::Completed);
        let after = &world.host.calls()[before.len()..];
        for effect in &recorded {
            assert!(
                !after.iter().any(|call| call.contains(effect.as_str())),
                "{effect} ran again"
            );
        }
        for repeated in after.iter().filter(|call| {
            before
                .iter()
                .any(|it| it.split(' ').next() == call.split(' ').next())
        }) {
            assert!(
                before.contains(repeated),
                "{repeated} is not what was sent before"
            );
        }
        let outputs = world.steps(id);
        assert_eq!(
            outputs
                .iter()
                .filter(|(_, state, _)| *state == StepState::Completed)
                .count(),
            5,
            "{outputs:?}"
        );
    }
    assert!(crashes >= 3, "only {crashes} writes were cut off");
}

#[tokio::test]
async fn what_must_not_run_twice_fails_after_a_crash() {
    let world = World::new();
    let mut call = node("a", "test.call", json!({"url": "hang"}));
    call["on_crash"] = json!("fail");
    let graph = json!({"nodes": [node("t", "test.start", json!({})), call], "edges": [edge("t", "a")]});
    let (id, started) = world.start(graph, json!({})).await;
    world.accepted(started.accepted).await;
    world.host.called("hang").await;
    world.crash();
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    assert_eq!(world.error(id).0, "crashed");
    assert_eq!(world.host.calls().len(), 1);
}

#[tokio::test]
async fn what_dies_again_and_again_ends_as_a_crash_loop() {
    let world = World::new();
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "hang"}))],
        "edges": [edge("t", "a")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    world.accepted(started.accepted).await;
    for _ in 0..2 {
        world.crash();
        world.resume(id).await;
    }
    assert!(world.journal.row(id).finish.is_none());
    world.crash();
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    assert_eq!(world.error(id).0, "crash_loop");
}

#[tokio::test]
async fn what_there_is_no_room_for_is_accepted_and_waits() {
    let world = World::within(Limits {
        max_running: 1,
        ..Limits::default()
    });
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "gate"}))],
        "edges": [edge("t", "a")]
    });
    let (first, started) = world.start(graph.clone(), json!({})).await;
    world.accepted(started.accepted).await;
    assert!(!world.engine.has_held());
    let (second, started) = world.start(graph, json!({})).await;
    world.accepted(started.accepted).await;
    let Waiting::Running(outcome) = started.outcome else {
        panic!("nothing of it may run yet");
    };
    assert!(outcome.await.is_err(), "nobody will answer");
    assert!(world.engine.has_held());
    assert_eq!(world.engine.room(), 0);
    assert!(!world.journal.row(first).accept.held);
    assert!(world.journal.row(second).accept.held);
    world.host.open_gate();
    assert_eq!(world.end(first).await, ExecutionStatus::Completed);
    world.resume(second).await;
    assert_eq!(world.end(second).await, ExecutionStatus::Completed);
}

#[tokio::test]
async fn what_cannot_be_taken_up_ends_with_what_its_journal_holds() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "a"})),
            node("b", "test.call", json!({"url": "hang"}))
        ],
        "edges": [edge("t", "a"), edge("a", "b")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    world.accepted(started.accepted).await;
    world.host.called("hang").await;
    world.crash();
    world.give_up(id);
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    assert_eq!(world.error(id).0, "version_unusable");
    let steps = world.steps(id);
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(steps[0].0, "a");
}

#[tokio::test]
async fn a_journal_that_is_not_available_for_a_while_delays_and_loses_nothing() {
    let world = World::new();
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "gate"}))],
        "edges": [edge("t", "a")]
    });
    let (id, started) = world.start(graph.clone(), json!({})).await;
    world.accepted(started.accepted).await;
    world.journal.refuse(true);
    world.host.open_gate();
    let (_, refused) = world.start(graph, json!({})).await;
    assert!(refused.accepted.await.is_err());
    world.journal.refuse(false);
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
}

#[tokio::test]
async fn draining_refuses_new_executions_and_leaves_what_does_not_end() {
    let world = World::new();
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "hang"}))],
        "edges": [edge("t", "a")]
    });
    let (id, started) = world.start(graph.clone(), json!({})).await;
    world.accepted(started.accepted).await;
    world.engine.drain(Duration::from_millis(10)).await;
    assert!(world.try_start(graph, json!({})).await.is_err());
    assert!(world.journal.row(id).finish.is_none());
    assert_eq!(world.engine.running(), 0);
}

#[tokio::test]
async fn what_passed_while_nobody_ran_it_does_not_count_against_the_time_out() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "ok/a"})),
            node("b", "test.call", json!({"url": "ok/b"})), node("c", "test.call", json!({"url": "gate"}))
        ],
        "edges": [edge("t", "a"), edge("a", "b"), edge("b", "c")],
        "settings": {"timeout": "1s"}
    });
    let (id, started) = world.start(graph, json!({})).await;
    world.accepted(started.accepted).await;
    world.host.called("gate").await;
    // By the host's clock three seconds have passed since it was accepted.
    world.crash();
    world.host.open_gate();
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
}

#[tokio::test]
async fn a_secret_that_passed_through_a_node_is_sent_again_as_it_was() {
    let world = World::new();
    let secret = format!("{{{{secret \"{SECRET}\"}}}}");
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "ok"})),
            node("b", "test.echo", json!({"value": secret})),
            node("c", "test.call", json!({"url": "hang/{{_nodes.b}}"}))
        ],
        "edges": [edge("t", "a"), edge("a", "b"), edge("b", "c")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    world.accepted(started.accepted).await;
    world.host.called("hang").await;
    let journal = format!("{:?}", world.journal.row(id).checkpoints);
    assert!(
        journal.contains("[redacted]") && !journal.contains("hunter2"),
        "{journal}"
    );
    world.crash();
    world.resume(id).await;
    world.host.called_times("hang", 2).await;
    let calls = world.host.calls();
    assert_eq!(calls[1], calls[2]);
    assert!(calls[2].contains("hunter2"), "{calls:?}");
}
