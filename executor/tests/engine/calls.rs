//! Calls of other workflows, and what is told when an execution ends.

use std::time::Duration;

use flowmatic_executor::Time;
use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::loops::inside;
use crate::waits::signal;
use crate::world::{World, edge, node};

#[tokio::test(start_paused = true)]
async fn a_call_gives_what_the_other_execution_gave() {
    let (world, id) = calling(json!({"wait": true, "input": {"a": 1}})).await;
    world.parked(id).await;
    let (child, called) = world.host.children.lock().expect("unpoisoned")[0].clone();
    assert_eq!(
        (called.parent, called.path.as_str(), called.depth),
        (id, "call", 1)
    );
    world
        .journal
        .signal(id, signal("call", json!({"status": "COMPLETED", "result": 42})));
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.steps(id)[0].2, json!({"execution_id": child, "result": 42}));
}

#[tokio::test(start_paused = true)]
async fn a_call_fails_with_the_other_execution() {
    let (world, id) = calling(json!({"wait": true})).await;
    world.parked(id).await;
    let child = world.host.children.lock().expect("unpoisoned")[0].0;
    let error = json!({"code": "boom", "message": "it broke"});
    world
        .journal
        .signal(id, signal("call", json!({"status": "FAILED", "error": error})));
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    let message = format!("the called execution `{child}` ended as FAILED: it broke");
    assert_eq!(world.error(id), ("child_failed".to_owned(), message));
}

#[tokio::test(start_paused = true)]
async fn a_call_need_not_wait() {
    let (world, id) = calling(json!({"wait": false})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    let (child, _) = world.host.children.lock().expect("unpoisoned")[0].clone();
    assert_eq!(world.steps(id)[0].2, json!({"execution_id": child}));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_cancels_the_other_execution() {
    let world = World::new();
    let (id, _started) = world.start(call(json!({"wait": true})), json!({})).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.engine.cancel(id);
    assert_eq!(world.end(id).await, ExecutionStatus::Cancelled);
    assert_eq!(*world.host.cancelled.lock().expect("unpoisoned"), [(id, None)]);
}

fn call(parameters: Value) -> Value {
    json!({
        "nodes": [node("t", "test.start", json!({})), node("call", "test.child", parameters)],
        "edges": [edge("t", "call")]
    })
}

async fn calling(parameters: Value) -> (World, Uuid) {
    let world = World::new();
    let (id, started) = world.start(call(parameters), json!({})).await;
    drop(started.outcome);
    (world, id)
}

/// Starts what is called by another execution, with this of `_call`.
async fn called(world: &World, graph: Value, call: Value) -> Uuid {
    let names = Map::from_iter([("_call".to_owned(), call)]);
    let started = world
        .try_start_as(ExecutionMode::Call, graph, json!({}), names)
        .await;
    let (id, started) = started.expect("there is room");
    drop(started.outcome);
    id
}

#[tokio::test(start_paused = true)]
async fn a_call_has_no_more_time_than_is_left_to_its_caller() {
    let world = World::new();
    let mut graph = call(json!({"wait": true}));
    graph["settings"] = json!({"timeout": "90s"});
    let (id, started) = world.start(graph, json!({})).await;
    drop(started.outcome);
    world.parked(id).await;
    let deadline = world.host.children.lock().expect("unpoisoned")[0].1.deadline;
    assert_eq!(deadline, Time::from_timestamp(90, 0));
    let wait = json!({
        "nodes": [node("t", "test.start", json!({})), node("w", "test.wait", json!({"seconds": 600}))],
        "edges": [edge("t", "w")]
    });
    let call = json!({"executionId": id, "path": "call", "wait": true, "deadline": deadline});
    let child = called(&world, wait, call).await;
    assert_eq!(world.parked(child).await, deadline);
    tokio::time::sleep(Duration::from_secs(120)).await;
    world.resume(child).await;
    assert_eq!(world.end(child).await, ExecutionStatus::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn calls_go_sixteen_deep_at_most() {
    for (depth, status) in [(15, ExecutionStatus::Completed), (16, ExecutionStatus::Failed)] {
        let world = World::new();
        let id = called(&world, call(json!({"wait": false})), json!({"depth": depth})).await;
        assert_eq!(world.end(id).await, status);
    }
}

#[tokio::test]
async fn the_end_of_an_execution_is_told_to_the_one_that_waits_for_it() {
    let parent = Uuid::now_v7();
    let ends = [
        (
            "test.echo",
            json!({"status": "COMPLETED", "result": 7, "error": null}),
        ),
        (
            "test.panic",
            json!({"status": "FAILED", "result": null, "error": {
                "code": "panic", "message": "the node panicked: at the disco", "node": "a"
            }}),
        ),
    ];
    for (kind, told) in ends {
        for wait in [true, false] {
            let world = World::new();
            let graph = json!({
                "nodes": [node("t", "test.start", json!({})), node("a", kind, json!({"value": 7}))],
                "edges": [edge("t", "a")]
            });
            let call = json!({"executionId": parent, "path": "each[2]/call", "wait": wait});
            let id = called(&world, graph, call).await;
            world.end(id).await;
            let tells = world.journal.row(id).finish.and_then(|finish| finish.tells);
            let tells = tells.map(|(parent, path, told)| (parent, path, serde_json::from_str(&told).ok()));
            let expected = (parent, "each[2]/call".to_owned(), Some(told.clone()));
            assert_eq!(tells, wait.then_some(expected));
        }
    }
}

#[tokio::test]
async fn what_fails_starts_the_error_workflow_unless_it_is_one() {
    let workflow = Uuid::now_v7();
    let cases = [
        ("test.panic", ExecutionMode::Manual, Some(workflow)),
        ("test.panic", ExecutionMode::Error, None),
        ("test.echo", ExecutionMode::Manual, None),
    ];
    for (kind, mode, expected) in cases {
        let world = World::new();
        let graph = json!({
            "nodes": [node("t", "test.start", json!({})), node("a", kind, json!({"value": 7}))],
            "edges": [edge("t", "a")], "settings": {"error_workflow": workflow}
        });
        let started = world.try_start_as(mode, graph, json!({}), Map::new()).await;
        let (id, _) = started.expect("there is room");
        world.end(id).await;
        let finish = world.journal.row(id).finish.expect("finished");
        assert_eq!(finish.error_workflow, expected, "{kind} {mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stopped_loop_has_called_ends_with_it() {
    // Stopped by another item, and by its time-out.
    let inner = |kind: &str, parameters: Value| inside("l", "after", kind, parameters);
    let cases = [
        (inner("test.call", json!({"url": "refuse/x"})), Value::Null),
        (inner("test.wait", json!({"seconds": 600})), json!("5s")),
    ];
    for (after, timeout) in cases {
        let world = World::new();
        let mut each = node("l", "test.each", json!({"items": [1]}));
        if !timeout.is_null() {
            each["timeout"] = timeout;
        }
        let graph = json!({
            "nodes": [
                node("t", "test.start", json!({})), each, inside("l", "call", "test.child", json!({"wait": true})),
                inside("l", "first", "test.wait", json!({"seconds": 2})), after,
                node("stays", "test.child", json!({"wait": true}))
            ],
            "edges": [edge("t", "l"), edge("first", "after"), edge("t", "stays")]
        });
        let mut graph: Value = graph;
        graph["nodes"][1]["on_error"] = json!("continue");
        let (id, started) = world.start(graph, json!({})).await;
        drop(started.outcome);
        world.parked(id).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.resume(id).await;
        world.parked(id).await;
        assert_eq!(
            *world.host.cancelled.lock().expect("unpoisoned"),
            [(id, Some("l[0]/call".to_owned()))]
        );
        world
            .journal
            .signal(id, signal("stays", json!({"status": "COMPLETED", "result": 1})));
        world.resume(id).await;
        assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    }
}

#[tokio::test]
async fn nobody_waits_for_a_retry_or_gives_it_time() {
    let world = World::new();
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.echo", json!({"value": 7}))],
        "edges": [edge("t", "a")]
    });
    let over = Time::from_timestamp(0, 0);
    let call = json!({"executionId": Uuid::now_v7(), "path": "call", "wait": true, "deadline": over});
    let names = Map::from_iter([("_call".to_owned(), call)]);
    let started = world
        .try_start_as(ExecutionMode::Retry, graph, json!({}), names)
        .await;
    let (id, _) = started.expect("there is room");
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.journal.row(id).finish.expect("finished").tells, None);
}
