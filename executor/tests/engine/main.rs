//! The engine over a journal in memory: what runs, what is recorded, what a crash repeats.

mod bounds;
mod calls;
mod control;
mod graph;
mod journal;
mod loops;
mod names;
mod recovery;
mod retry;
mod waits;
mod world;

use flowmatic_openapi::ExecutionStatus;
use serde_json::{Value, json};
use world::{SECRET, World, edge, node};

use flowmatic_executor::journal::StepState;
use flowmatic_executor::{Outcome, Waiting};

#[tokio::test]
async fn a_pure_execution_is_one_write() {
    let world = World::new();
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.echo", json!({"value": 7}))],
        "edges": [edge("t", "a")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    assert!(matches!(
        started.outcome,
        Waiting::Over(Outcome::Ended {
            status: ExecutionStatus::Completed,
            ..
        })
    ));
    assert_eq!(
        world.steps(id),
        [("a".to_owned(), StepState::Completed, json!(7))]
    );
    assert_eq!(world.journal.writes(), 1);
}

#[tokio::test]
async fn a_branch_not_taken_is_skipped_and_says_why() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("p", "test.port", json!({"port": "b"})),
            node("a", "test.echo", json!({"value": 1})), node("b", "test.echo", json!({"value": 2}))
        ],
        "edges": [
            edge("t", "p"), {"from": "p", "port": "a", "to": "a"}, {"from": "p", "port": "b", "to": "b"}
        ]
    });
    let (id, _) = world.start(graph, json!({})).await;
    let record = world.record(id);
    let skipped = record.iter().find(|step| &*step.node == "a").expect("recorded");
    assert_eq!(skipped.status, StepState::Skipped);
    assert_eq!(skipped.reason.as_deref(), Some("no edge to it was taken"));
    assert_eq!(
        record
            .iter()
            .find(|step| &*step.node == "b")
            .map(|step| step.status),
        Some(StepState::Completed)
    );
}

#[tokio::test]
async fn branches_run_side_by_side() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "meet"})),
            node("b", "test.call", json!({"url": "meet"}))
        ],
        "edges": [edge("t", "a"), edge("t", "b")]
    });
    // Each call waits for the other one.
    let (id, _) = world.start(graph, json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Completed);
}

#[tokio::test]
async fn answers_before_the_end_once_all_before_it_is_durable() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "ok"})),
            node("r", "test.answer", json!({"body": "hello"})), node("s", "test.call", json!({"url": "hang"}))
        ],
        "edges": [edge("t", "a"), edge("a", "r"), edge("r", "s")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    let Waiting::Running(outcome) = started.outcome else {
        panic!("it has an effect")
    };
    let Ok(Outcome::Answered(answer)) = outcome.await else {
        panic!("it answers")
    };
    assert_eq!(answer.body, "hello");
    let row = world.journal.row(id);
    assert!(row.finish.is_none());
    assert!(
        row.checkpoints[0].contains(r#""node":"a""#),
        "the effect before the answer is recorded"
    );
    world.engine.cancel(id);
}

#[tokio::test]
async fn a_failure_ends_the_execution_unless_it_is_handled() {
    for (on_error, status, after) in [
        ("fail", ExecutionStatus::Failed, None),
        ("continue", ExecutionStatus::Completed, Some("next")),
        ("branch", ExecutionStatus::Completed, Some("rescue")),
    ] {
        let world = World::new();
        let mut call = node("a", "test.call", json!({"url": "refuse"}));
        call["on_error"] = json!(on_error);
        let mut edges = vec![edge("t", "a"), edge("a", "next")];
        if on_error == "branch" {
            edges.push(json!({"from": "a", "port": "error", "to": "rescue"}));
        }
        let graph = json!({
            "nodes": [
                node("t", "test.start", json!({})), call, node("next", "test.echo", json!({"value": 1})),
                node("rescue", "test.echo", json!({"value": 2}))
            ],
            "edges": edges
        });
        let (id, _) = world.start(graph, json!({})).await;
        assert_eq!(world.end(id).await, status, "{on_error}");
        let completed = world
            .record(id)
            .into_iter()
            .find(|step| step.status == StepState::Completed);
        assert_eq!(completed.map(|step| step.node).as_deref(), after, "{on_error}");
        let failed = world
            .record(id)
            .into_iter()
            .find(|step| &*step.node == "a")
            .expect("recorded");
        assert_eq!(
            failed.error.map(|error| error.code).as_deref(),
            Some("invalid_request")
        );
    }
}

#[tokio::test]
async fn a_panic_fails_the_node_and_not_the_process() {
    for kind in ["test.panic", "test.panic_effect"] {
        let world = World::new();
        let graph = json!({
            "nodes": [node("t", "test.start", json!({})), node("a", kind, json!({}))], "edges": [edge("t", "a")]
        });
        let (id, _) = world.start(graph, json!({})).await;
        assert_eq!(world.end(id).await, ExecutionStatus::Failed);
        assert_eq!(
            world.error(id),
            ("panic".to_owned(), "the node panicked: at the disco".to_owned())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn time_outs_end_a_node_or_the_execution() {
    let world = World::new();
    let mut call = node("a", "test.call", json!({"url": "hang"}));
    call["timeout"] = json!("2s");
    let nodes = json!([node("t", "test.start", json!({})), call]);
    let (id, _) = world
        .start(json!({"nodes": nodes, "edges": [edge("t", "a")]}), json!({}))
        .await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    assert_eq!(world.error(id).0, "timeout");
    let graph = json!({"nodes": nodes, "edges": [edge("t", "a")], "settings": {"timeout": "1s"}});
    let (id, _) = world.start(graph, json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::TimedOut);
    assert_eq!(
        world.steps(id),
        [("a".to_owned(), StepState::Cancelled, Value::Null)],
        "what was in flight is told of"
    );
}

#[tokio::test]
async fn cancel_waits_for_the_effect_in_flight_and_starts_no_other() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.call", json!({"url": "gate"})),
            node("b", "test.call", json!({"url": "ok"}))
        ],
        "edges": [edge("t", "a"), edge("a", "b")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    world.accepted(started.accepted).await;
    world.host.called("gate").await;
    assert!(world.engine.cancel(id));
    world.host.open_gate();
    assert_eq!(world.end(id).await, ExecutionStatus::Cancelled);
    let states: Vec<_> = world
        .record(id)
        .into_iter()
        .map(|step| (step.node.to_string(), step.status))
        .collect();
    assert_eq!(states[0], ("a".to_owned(), StepState::Completed));
    assert_eq!(states[1], ("b".to_owned(), StepState::Cancelled));
    assert!(!world.host.calls().iter().any(|call| call.contains("ok")));
}

#[tokio::test]
async fn an_output_beyond_its_bound_fails_its_node() {
    let world = World::new();
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.echo", json!({"value": "x".repeat(2 << 20)}))],
        "edges": [edge("t", "a")]
    });
    let (id, _) = world.start(graph, json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    assert_eq!(world.error(id).0, "output_too_large");
}

#[tokio::test]
async fn what_a_step_was_given_can_be_read_again() {
    let world = World::new();
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("a", "test.echo", json!({"value": "{{order.id}}"})),
            node("b", "test.echo", json!({"value": {"id": "{{_nodes.a}}", "of": "{{_execution.mode}}"}}))
        ],
        "edges": [edge("t", "a"), edge("a", "b")]
    });
    let (id, _) = world.start(graph, json!({"order": {"id": 9}})).await;
    let inputs: Vec<Option<Value>> = world.inputs(id);
    assert_eq!(inputs[0], Some(json!({"value": 9})));
    assert_eq!(inputs[1], Some(json!({"value": {"id": 9, "of": "manual"}})));
}

#[tokio::test]
async fn secrets_stay_out_of_errors() {
    let world = World::new();
    let secret = format!("{{{{secret \"{SECRET}\"}}}}");
    let graph = json!({
        "nodes": [node("t", "test.start", json!({})), node("a", "test.port", json!({"port": secret}))],
        "edges": [edge("t", "a")]
    });
    let (id, started) = world.start(graph, json!({})).await;
    assert_eq!(world.end(id).await, ExecutionStatus::Failed);
    let Waiting::Over(Outcome::Ended { error, .. }) = started.outcome else {
        panic!("it is over");
    };
    let told = format!("{error:?} {:?} {:?}", world.error(id), world.record(id));
    assert!(told.contains("[redacted]") && !told.contains("hunter2"), "{told}");
}
