//! Loops: order, concurrency, failures, nesting, and what a crash repeats.

use flowmatic_executor::Limits;
use flowmatic_executor::journal::StepState;
use flowmatic_openapi::ExecutionStatus;
use serde_json::{Value, json};

use crate::world::{World, edge, node};

pub fn inside(parent: &str, key: &str, kind: &str, parameters: Value) -> Value {
    json!({"key": key, "type": kind, "parameters": parameters, "parent": parent})
}

/// A loop after the trigger, with these parameters and inner nodes.
fn each(parameters: Value, inner: Vec<Value>, edges: Vec<Value>) -> Value {
    let mut nodes = vec![
        node("t", "test.start", json!({})),
        node("each", "test.each", parameters),
    ];
    nodes.extend(inner);
    let mut all = vec![edge("t", "each")];
    all.extend(edges);
    json!({"nodes": nodes, "edges": all})
}

fn output(world: &World, id: uuid::Uuid, path: &str) -> Value {
    let steps = world.steps(id);
    let found = steps.iter().find(|(node, ..)| node == path);
    found.unwrap_or_else(|| panic!("{path} of {steps:?}")).2.clone()
}

async fn run(graph: Value, body: Value) -> (World, uuid::Uuid, ExecutionStatus) {
    let world = World::new();
    let (id, _) = world.start(graph, body).await;
    let status = world.end(id).await;
    (world, id, status)
}

#[tokio::test]
async fn a_loop_gives_its_results_in_the_order_of_its_items() {
    let graph = each(
        json!({"items": "{{list}}", "concurrency": 3}),
        vec![inside(
            "each",
            "e",
            "test.echo",
            json!({"value": "{{_index}}: {{_item.n}} of {{_loop.count}}"}),
        )],
        vec![],
    );
    let (world, id, status) = run(
        graph,
        json!({"list": [{"n": "a"}, {"n": "b"}, {"n": "c"}, {"n": "d"}]}),
    )
    .await;
    assert_eq!(status, ExecutionStatus::Completed);
    assert_eq!(
        output(&world, id, "each"),
        json!({"results": ["0: a of 4", "1: b of 4", "2: c of 4", "3: d of 4"], "errors": [], "count": 4})
    );
    assert_eq!(world.journal.writes(), 1);
}

#[tokio::test]
async fn a_loop_over_nothing_gives_nothing() {
    let graph = each(
        json!({"items": []}),
        vec![inside("each", "e", "test.echo", json!({"value": 1}))],
        vec![],
    );
    let (world, id, status) = run(graph, json!({})).await;
    assert_eq!(status, ExecutionStatus::Completed);
    assert_eq!(
        output(&world, id, "each"),
        json!({"results": [], "errors": [], "count": 0})
    );
}

#[tokio::test]
async fn a_loop_over_something_that_is_not_a_list_fails() {
    let graph = each(
        json!({"items": "{{list}}"}),
        vec![inside("each", "e", "test.echo", json!({"value": 1}))],
        vec![],
    );
    let (world, id, status) = run(graph, json!({"list": {"a": 1}})).await;
    assert_eq!(status, ExecutionStatus::Failed);
    assert_eq!(
        world.error(id),
        (
            "parameters".to_owned(),
            "the parameter `items` is no list".to_owned()
        )
    );
}

#[tokio::test]
async fn an_iteration_gives_what_it_ended_at() {
    let graph = each(
        json!({"items": ["a", "b"]}),
        vec![
            inside("each", "p", "test.port", json!({"port": "{{_item}}"})),
            inside("each", "one", "test.echo", json!({"value": "one"})),
            inside("each", "two", "test.echo", json!({"value": 2})),
            inside("each", "three", "test.echo", json!({"value": 3})),
        ],
        vec![
            json!({"from": "p", "port": "a", "to": "one"}),
            json!({"from": "p", "port": "b", "to": "two"}),
            json!({"from": "p", "port": "b", "to": "three"}),
        ],
    );
    let (world, id, _) = run(graph, json!({})).await;
    assert_eq!(
        output(&world, id, "each")["results"],
        json!(["one", {"two": 2, "three": 3}])
    );
}

#[tokio::test]
async fn an_inner_loop_sees_the_outer_one() {
    let graph = each(
        json!({"items": [{"list": [1, 2]}, {"list": [3]}]}),
        vec![
            inside("each", "before", "test.echo", json!({"value": "{{_index}}"})),
            inside("each", "inner", "test.each", json!({"items": "{{_item.list}}"})),
            inside(
                "inner",
                "e",
                "test.echo",
                json!({"value": "{{_nodes.before}}.{{_index}}={{_item}} of {{_loop.parent._item.list.length}}/{{_loop.parent._loop.last}}"}),
            ),
        ],
        vec![edge("before", "inner")],
    );
    let mut graph = graph;
    graph["nodes"][4]["parameters"]["value"] = json!(
        "{{_nodes.before}}.{{_index}}={{_item}} of {{length _loop.parent._item.list}}/{{_loop.parent._loop.last}}"
    );
    let (world, id, status) = run(graph, json!({})).await;
    assert_eq!(status, ExecutionStatus::Completed, "{:?}", world.steps(id));
    let results = &output(&world, id, "each")["results"];
    assert_eq!(
        results,
        &json!([
            {"results": ["0.0=1 of 2/false", "0.1=2 of 2/false"], "errors": [], "count": 2},
            {"results": ["1.0=3 of 1/true"], "errors": [], "count": 1}
        ])
    );
    assert_eq!(output(&world, id, "each[1]/inner[0]/e"), json!("1.0=3 of 1/true"));
}

#[tokio::test]
async fn the_first_failed_item_stops_the_loop() {
    let graph = each(
        json!({"items": ["ok/a", "refuse/b", "ok/c"]}),
        vec![inside("each", "c", "test.call", json!({"url": "{{_item}}"}))],
        vec![],
    );
    let (world, id, status) = run(graph, json!({})).await;
    assert_eq!(status, ExecutionStatus::Failed);
    let (code, message) = world.error(id);
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("invalid_request", "item 1: no such thing")
    );
    assert_eq!(world.host.calls().len(), 2);
}

#[tokio::test]
async fn a_loop_may_go_on_past_failed_items() {
    let graph = each(
        json!({"items": ["ok/a", "refuse/b", "ok/c"], "goes_on": true}),
        vec![inside("each", "c", "test.call", json!({"url": "{{_item}}"}))],
        vec![],
    );
    let (world, id, status) = run(graph, json!({})).await;
    assert_eq!(status, ExecutionStatus::Completed);
    let error = json!({"code": "invalid_request", "message": "no such thing", "node": "each[1]/c"});
    assert_eq!(
        output(&world, id, "each"),
        json!({"results": [200, null, 200], "errors": [{"index": 1, "error": error}], "count": 3})
    );
}

#[tokio::test]
async fn items_run_side_by_side_as_far_as_the_loop_allows() {
    let graph = each(
        json!({"items": ["meet/a", "meet/b"], "concurrency": 2}),
        vec![inside("each", "c", "test.call", json!({"url": "{{_item}}"}))],
        vec![],
    );
    let (_, _, status) = run(graph, json!({})).await;
    assert_eq!(status, ExecutionStatus::Completed);
}

#[tokio::test]
async fn a_while_loop_carries_its_result_on() {
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})),
            node("w", "test.while", json!({"condition": "{{lt _item 4}}", "most": 10, "initial": 1})),
            inside("w", "e", "test.echo", json!({"value": "{{add _item 1}}"}))
        ],
        "edges": [edge("t", "w")]
    });
    let (world, id, status) = run(graph.clone(), json!({})).await;
    assert_eq!(status, ExecutionStatus::Completed);
    assert_eq!(output(&world, id, "w"), json!({"count": 3, "results": [2, 3, 4]}));
    let mut short = graph;
    short["nodes"][1]["parameters"]["most"] = json!(2);
    let (world, id, status) = run(short, json!({})).await;
    assert_eq!(status, ExecutionStatus::Failed);
    assert_eq!(world.error(id).0, "loop_limit");
}

#[tokio::test]
async fn steps_inside_loops_show_what_they_were_given() {
    let graph = each(
        json!({"items": "{{list}}"}),
        vec![inside(
            "each",
            "e",
            "test.echo",
            json!({"value": "{{_item}} {{_index}}"}),
        )],
        vec![],
    );
    let (world, id, _) = run(graph, json!({"list": ["x", "y"]})).await;
    let steps = world.steps(id);
    let inputs = world.inputs(id);
    let given = |path: &str| {
        let place = steps.iter().position(|(node, ..)| node == path).expect(path);
        inputs[place].clone()
    };
    assert_eq!(given("each[1]/e"), Some(json!({"value": "y 1"})));
    assert_eq!(given("each[0]/e"), Some(json!({"value": "x 0"})));
}

/// Every journal write in turn is the last one of a process.
#[tokio::test]
async fn a_crash_in_a_loop_repeats_no_recorded_effect() {
    let graph = each(
        json!({"items": ["a", "b", "c", "d"], "concurrency": 2}),
        vec![
            inside("each", "c", "test.call", json!({"url": "ok/{{_item}}"})),
            inside(
                "each",
                "e",
                "test.echo",
                json!({"value": "{{_item}}{{_nodes.c}}"}),
            ),
            inside("each", "f", "test.call", json!({"url": "ok/{{_nodes.e}}"})),
        ],
        vec![edge("c", "e"), edge("e", "f")],
    );
    let mut crashes = 0;
    for last_write in 1.. {
        let world = World::within(Limits::default());
        world.journal.stop_after(last_write);
        let (id, _) = world.start(graph.clone(), json!({})).await;
        if world.ends_or_crashes(id).await {
            break;
        }
        crashes += 1;
        let before = world.host.calls();
        let recorded = world.journal.row(id).checkpoints.concat();
        world.resume(id).await;
        assert_eq!(world.end(id).await, ExecutionStatus::Completed);
        for call in &world.host.calls()[before.len()..] {
            let path = call
                .split(' ')
                .nth(1)
                .and_then(|key| key.split_once('/'))
                .expect("a key")
                .1;
            assert!(
                !recorded.contains(&format!(r#""node":"{path}""#)),
                "{path} ran again"
            );
        }
        assert_eq!(output(&world, id, "each")["results"], json!([200, 200, 200, 200]));
        let steps = world.steps(id);
        let count = |path: &str| steps.iter().filter(|(node, ..)| node == path).count();
        for index in 0..4 {
            for path in ["c", "e", "f"] {
                assert_eq!(
                    count(&format!("each[{index}]/{path}")),
                    1,
                    "{path} after {last_write} writes"
                );
            }
            assert_eq!(count(&format!("each[{index}]")), 1);
        }
        let completed = |(_, state, _): &&(String, StepState, Value)| *state == StepState::Completed;
        assert_eq!(steps.iter().filter(completed).count(), 4 * 4 + 1);
    }
    assert!(crashes >= 4, "{crashes} crashes");
}
