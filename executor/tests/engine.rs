//! The engine over a journal in memory: what runs, what is recorded, what a crash repeats.

mod world;

use std::time::Duration;

use flowmatic_openapi::ExecutionStatus;
use serde_json::{Value, json};
use world::{SECRET, World, edge, node};

use flowmatic_executor::journal::StepState;
use flowmatic_executor::{Limits, Outcome, Waiting};

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

/// The clock of the tests counts whole milliseconds.
const TICK: Duration = Duration::from_millis(1);

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
