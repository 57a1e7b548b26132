//! What the expressions of a node see.

use flowmatic_openapi::ExecutionStatus;
use serde_json::{Value, json};

use crate::loops::inside;
use crate::world::{World, edge, node};

/// What these texts give after the nodes `one`, which saves its output as `lead`, and `two`, one of which is skipped.
async fn seen(port: &str, body: Value, texts: &[&str]) -> Vec<Value> {
    let world = World::new();
    let mut one = node("one", "test.echo", json!({"value": {"name": "Ana"}}));
    one["save_as"] = json!("lead");
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), node("p", "test.port", json!({"port": port})), one,
            node("two", "test.echo", json!({"value": 2})), node("see", "test.echo", json!({"value": texts}))
        ],
        "edges": [
            edge("t", "p"), {"from": "p", "port": "a", "to": "one"}, {"from": "p", "port": "b", "to": "two"},
            edge("one", "see"), edge("two", "see")
        ],
        "settings": {"vars": {"rate": 0.19}}
    });
    let (id, _) = world.start(graph, body).await;
    assert_eq!(
        world.end(id).await,
        ExecutionStatus::Completed,
        "{:?}",
        world.record(id)
    );
    let steps = world.steps(id);
    let (.., seen) = steps.iter().find(|(path, ..)| path == "see").expect("it ran");
    seen.as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_skipped_node_gives_null() {
    let texts = ["{{_nodes.one}}", "{{_nodes.two}}"];
    assert_eq!(
        seen("a", json!({}), &texts).await,
        [json!({"name": "Ana"}), Value::Null]
    );
    assert_eq!(seen("b", json!({}), &texts).await, [Value::Null, json!(2)]);
}

#[tokio::test]
async fn a_saved_output_stands_before_the_field_of_the_body() {
    let body = json!({"lead": {"name": "Bo"}});
    assert_eq!(seen("a", body.clone(), &["{{lead.name}}"]).await, ["Ana"]);
    assert_eq!(seen("b", body, &["{{lead.name}}"]).await, ["Bo"]);
}

#[tokio::test]
async fn the_fields_of_the_body_stand_at_the_top_level() {
    let texts = [
        "{{n}}",
        "{{default _n \"none\"}}",
        "{{_vars.rate}}",
        "{{_execution.mode}}",
    ];
    let expected = [json!(1), json!("none"), json!(0.19), json!("manual")];
    assert_eq!(seen("a", json!({"n": 1, "_n": 2}), &texts).await, expected);
    assert_eq!(seen("a", json!([1, 2]), &["{{body}}"]).await, [json!([1, 2])]);
}

#[tokio::test]
async fn an_iteration_sees_its_own_outputs_and_what_the_loop_may_see() {
    let world = World::new();
    let mut before = node("before", "test.echo", json!({"value": "b"}));
    before["save_as"] = json!("outer");
    let mut first = inside("l", "first", "test.echo", json!({"value": "{{_item}}"}));
    first["save_as"] = json!("own");
    let texts = json!({"value": "{{_nodes.before}} {{outer}} {{_nodes.first}} {{own}} {{_index}} {{n}}"});
    let graph = json!({
        "nodes": [
            node("t", "test.start", json!({})), before, node("l", "test.each", json!({"items": ["x", "y"]})), first,
            inside("l", "see", "test.echo", texts)
        ],
        "edges": [edge("t", "before"), edge("before", "l"), edge("first", "see")]
    });
    let (id, _) = world.start(graph, json!({"n": 7})).await;
    assert_eq!(
        world.end(id).await,
        ExecutionStatus::Completed,
        "{:?}",
        world.record(id)
    );
    let steps = world.steps(id);
    let (.., output) = steps.iter().find(|(path, ..)| path == "l").expect("it ran");
    assert_eq!(output["results"], json!(["b b x x 0 7", "b b y y 1 7"]));
}
