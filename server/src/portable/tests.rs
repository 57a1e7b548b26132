use std::collections::HashMap;

use flowmatic_openapi::{Graph, WorkflowFile};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{copy_name, read, reference, secret};
use crate::secret::SecretKey;

fn graph(nodes: Value) -> Graph {
    Graph::parse_from_json(Some(json!({"nodes": nodes}))).expect("a graph")
}

fn key() -> SecretKey {
    SecretKey::open(Some(&"ab".repeat(32)), ".".as_ref(), true).expect("a good key")
}

#[test]
fn what_is_written_can_be_read() {
    let file = json!({"flowmatic": {"format": 1}, "workflows": [
        {"name": "W", "graph": {"nodes": [{"key": "a", "type": "x", "parameters": {"n": 1.5}}]}}
    ]});
    let read_file = read(file.to_string().as_bytes()).expect("a file");
    let text = read_file.to_json().expect("it is JSON").to_string();
    let again: WorkflowFile = read(text.as_bytes()).expect("the same");
    assert_eq!(again.workflows[0].graph, read_file.workflows[0].graph);
}

#[test]
fn finds_secrets_as_the_executor_does() {
    let ids: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    let graph = graph(json!([{
        "key": "a", "type": "x", "parameters": {
            "auth": {"type": "bearer", "secret_ref": ids[0]},
            "deep": [{"secret_ref": ids[1]}],
            "text": format!("{{{{secret \"{}\"}}}} and {{{{upper (secret \"{}\")}}}}", ids[2], ids[3]),
            "plain": ids[0],
            "broken": format!("{{{{#if}}}}{{{{secret \"{}\"}}}}", ids[0])
        }
    }]));
    let found: Vec<(Uuid, String)> = secret::named(&graph)
        .into_iter()
        .map(|named| (named.id, named.into_problem().pointer))
        .collect();
    let at = |place: &str| format!("/graph/nodes/0/parameters/{place}");
    assert_eq!(
        found,
        [
            (ids[0], at("auth/secret_ref")),
            (ids[1], at("deep/0/secret_ref")),
            (ids[2], at("text")),
            (ids[3], at("text")),
        ]
    );
}

#[test]
fn seals_secrets_anew_under_the_names_of_the_copy() {
    let (known, unknown) = (Uuid::now_v7(), Uuid::now_v7());
    let mut graph = graph(json!([{
        "key": "a", "type": "x", "parameters": {
            "auth": {"secret_ref": known},
            "other": {"secret_ref": unknown},
            "text": format!("{{{{secret \"{known}\"}}}}"),
            "plain": known
        }
    }]));
    let sealed = HashMap::from([(known, key().seal(known, "hunter2"))]);
    let rows = secret::seal_anew(&mut graph, sealed, &key()).expect("it opens");
    assert_eq!(rows.len(), 1);
    let new = rows[0].id;
    assert_eq!(key().unseal(new, &rows[0].ciphertext), Ok("hunter2".to_owned()));
    let expected = json!({
        "auth": {"secret_ref": new},
        "other": {"secret_ref": unknown},
        "text": format!("{{{{secret \"{new}\"}}}}"),
        "plain": known
    });
    assert_eq!(Value::Object(graph.nodes[0].parameters.0.clone()), expected);
}

#[test]
fn names_other_workflows_anew_wherever_they_are_named() {
    let (old, new, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let mut graph = graph(json!([
        {"key": "a", "type": "flow.call", "parameters": {"workflow": old}},
        {"key": "b", "type": "flow.call", "parameters": {"workflow": other}},
        {"key": "c", "type": "flow.call", "parameters": {"workflow": "{{id}}"}},
        {"key": "d", "type": "data.set", "parameters": {"workflow": old}}
    ]));
    graph.settings.error_workflow = Some(old);
    let ids = HashMap::from([(old, new)]);
    reference::point_anew(&mut graph, &ids);
    let named: Vec<Uuid> = reference::all(&graph).iter().map(|named| named.id).collect();
    assert_eq!(named, [new, new, other]);
    assert_eq!(graph.nodes[3].parameters["workflow"], json!(old));
}

#[test]
fn a_copy_has_a_name_that_is_not_too_long() {
    assert_eq!(copy_name("Orders"), "Copy of Orders");
    assert_eq!(copy_name(&"é".repeat(200)).chars().count(), 200);
}
