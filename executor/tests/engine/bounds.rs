//! What is bounded: effects and iterations under way, outputs, what is not on disk yet.

use flowmatic_executor::Limits;
use flowmatic_executor::journal::Record;
use flowmatic_openapi::ExecutionStatus;
use serde_json::{Value, json};

use crate::loops::inside;
use crate::world::{World, edge, node};

#[tokio::test]
async fn effects_in_flight_are_bounded() {
    let world = World::within(Limits {
        max_effects: 2,
        ..Limits::default()
    });
    let keys = ["a", "b", "c"];
    let mut nodes = vec![node("t", "test.start", json!({}))];
    nodes.extend(keys.map(|key| node(key, "test.call", json!({"url": format!("gate/{key}")}))));
    let graph = json!({"nodes": nodes, "edges": keys.map(|key| edge("t", key))});
    let (id, _) = world.start(graph, json!({})).await;
    world.host.called_times("gate", 2).await;
    tokio::task::yield_now().await;
    assert_eq!(world.host.calls().len(), 2);
    world.host.open_gate();
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.host.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn iterations_under_way_are_bounded() {
    let world = World::new();
    let items: Vec<usize> = (0..40).collect();
    let each = json!({"items": items, "concurrency": 40});
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("l", "test.each", each.clone()),
            inside("l", "m", "test.each", each), inside("m", "w", "test.wait", json!({"seconds": 5}))
        ],
        "edges": [edge("t", "l")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    drop(started.outcome);
    world.parked(id).await;
    let checkpoints = world.journal.row(id).checkpoints;
    let record: Record = serde_json::from_str(checkpoints.last().expect("one")).expect("a record");
    let waits = record.calls.keys().filter(|path| path.ends_with("/w")).count();
    // A loop with no iteration under way begins one all the same.
    assert!((900..=1_024).contains(&waits), "{waits} of 1600");
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    let record = world.record(id);
    assert_eq!(
        record.iter().filter(|step| step.node.ends_with("/w")).count(),
        1_600
    );
}

#[tokio::test]
async fn an_output_nests_so_deep_at_most() {
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for (levels, code) in [(128, None), (129, Some("output_too_deep"))] {
        let world = World::new();
        let graph = json!({
            "nodes": [node("t", "test.start", json!({})), node("a", "test.echo", json!({"value": "{{deep}}"}))],
            "edges": [edge("t", "a")]
        });
        let (id, _) = world.start(graph, json!({"deep": deep(levels)})).await;
        let ends = world.end(id).await;
        assert_eq!(ends == ExecutionStatus::Failed, code.is_some(), "{levels}");
        if let Some(code) = code {
            assert_eq!(world.error(id).0, code);
        }
    }
}

#[tokio::test]
async fn a_port_that_a_node_does_not_have_fails_it() {
    let world = World::new();
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.port", json!({"port": "c"}))],
        "edges": [edge("t", "a")]
    });
    let (id, _) = world.start(graph, json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    assert_eq!(world.error(id).0, "internal");
}

#[tokio::test]
async fn a_long_stretch_without_effects_goes_on_where_it_was() {
    let world = World::new();
    let items: Vec<Value> = (0..5_000).map(Value::from).collect();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("l", "test.each", json!({"items": "{{items}}"})),
            inside("l", "e", "test.echo", json!({"value": "{{_item}}"}))
        ],
        "edges": [edge("t", "l")]
    });
    // The accept, and the first checkpoint.
    world.journal.stop_after(2);
    let (id, _) = world.start(graph, json!({"items": items})).await;
    assert!(!world.ends_or_crashes(id).await);
    let record: Record = serde_json::from_str(&world.journal.row(id).checkpoints[0]).expect("a record");
    assert!(record.steps.len() >= 2_000, "{}", record.steps.len());
    world.resume(id).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    assert_eq!(world.record(id).len(), 5_000 * 2 + 1);
}

#[tokio::test]
async fn what_is_recorded_of_an_execution_is_bounded() {
    let world = World::within(Limits {
        max_outputs: 16 << 10,
        ..Limits::default()
    });
    let graph = |count: usize| {
        json!({
            "nodes": [
                node("t", "test.start", json!({})),
                node("l", "test.each", json!({"items": (0..count).collect::<Vec<_>>(), "goes_on": true})),
                inside("l", "p", "test.panic", json!({}))
            ],
            "edges": [edge("t", "l")]
        })
    };
    // Each item has two records of some two hundred bytes, and one in the loop's output.
    let (id, _) = world.start(graph(60), json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
    let (id, _) = world.start(graph(1_000), json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    assert_eq!(
        world.error(id),
        (
            "output_too_large".to_owned(),
            "what is recorded of its steps has more than 65536 bytes".to_owned()
        )
    );
    assert!((100..500).contains(&world.record(id).len()));
}
