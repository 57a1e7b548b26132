//! What is different between two graphs, as a pure function.

use std::collections::HashMap;

use flowmatic_executor::json::pointer;
use flowmatic_openapi::{Change, Edge, EdgeChanges, Graph, Json, Node, NodeChange, NodeChanges, NodeName};
use poem_openapi::types::ToJSON;
use serde_json::Value;

/// More changes than these in one place are told as one change of that place.
const MOST_CHANGES: usize = 50;
/// What has a longer pointer is told as a change of what it is in.
const LONGEST_POINTER: usize = 200;

/// What became of a graph.
#[derive(Debug, PartialEq)]
pub struct Diff {
    pub nodes: NodeChanges,
    pub edges: EdgeChanges,
    pub settings: Vec<Change>,
}

impl Diff {
    /// Whether nothing but the places of nodes is different.
    pub fn is_empty(&self) -> bool {
        let NodeChanges {
            added,
            removed,
            changed,
            moved: _,
        } = &self.nodes;
        let edges = self.edges.added.is_empty() && self.edges.removed.is_empty();
        edges && added.is_empty() && removed.is_empty() && changed.is_empty() && self.settings.is_empty()
    }
}

pub fn diff(before: &Graph, after: &Graph) -> Diff {
    let json = |graph: &Graph| graph.settings.to_json().unwrap_or_default();
    Diff {
        nodes: nodes(&before.nodes, &after.nodes),
        edges: edges(&before.edges, &after.edges),
        settings: changes(&json(before), &json(after)),
    }
}

/// A draft may have a key twice: the first is compared with the first, the second with the second.
fn nodes(before: &[Node], after: &[Node]) -> NodeChanges {
    let mut old: HashMap<&str, Vec<&Node>> = HashMap::new();
    // The last first, so that they are taken from the end.
    for node in before.iter().rev() {
        old.entry(&node.key).or_default().push(node);
    }
    let mut found = NodeChanges::default();
    for node in after {
        let Some(was) = old.get_mut(node.key.as_str()).and_then(Vec::pop) else {
            found.added.push(name_of(node));
            continue;
        };
        if was.position != node.position {
            found.moved.push(name_of(node));
        }
        let changes = changes(&settled(was), &settled(node));
        if !changes.is_empty() {
            let NodeName { key, kind, name } = name_of(node);
            found.changed.push(NodeChange {
                key,
                kind,
                name,
                changes,
            });
        }
    }
    // What is left of each key are its last nodes, in the order of `before` from the end.
    for node in before.iter().rev() {
        if let Some(left) = old.get_mut(node.key.as_str()).filter(|left| !left.is_empty()) {
            left.remove(0);
            found.removed.push(name_of(node));
        }
    }
    found.removed.reverse();
    found
}

fn name_of(node: &Node) -> NodeName {
    NodeName {
        key: node.key.clone(),
        kind: node.kind.clone(),
        name: node.name.clone(),
    }
}

/// A node wherever it stands.
fn settled(node: &Node) -> Value {
    let node = Node {
        position: None,
        ..node.clone()
    };
    node.to_json().unwrap_or_default()
}

fn edges(before: &[Edge], after: &[Edge]) -> EdgeChanges {
    let ends = |edge: &Edge| (edge.from.clone(), edge.port.clone(), edge.to.clone());
    let without = |edges: &[Edge], others: &[Edge]| -> Vec<Edge> {
        let mut left: HashMap<_, usize> = HashMap::new();
        for edge in others {
            *left.entry(ends(edge)).or_default() += 1;
        }
        let is_new = |edge: &&Edge| match left.get_mut(&ends(edge)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        edges.iter().filter(is_new).cloned().collect()
    };
    EdgeChanges {
        added: without(after, before),
        removed: without(before, after),
    }
}

/// Each value that is different, as deep as it is.
fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), String::new(), &mut found);
    let json = |value: Option<&Value>| value.cloned().map(Json);
    found
        .into_iter()
        .map(|found| Change {
            pointer: found.pointer,
            before: json(found.before),
            after: json(found.after),
        })
        .collect()
}

struct Found<'a> {
    pointer: String,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
}

/// Two values at the same place, of which one may be missing.
fn compare<'a>(
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    pointer: String,
    found: &mut Vec<Found<'a>>,
) {
    if before == after {
        return;
    }
    let start = found.len();
    let is_whole = match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            let names = old.keys().chain(added);
            within(
                names.map(|name| (token(name), old.get(name), new.get(name))),
                &pointer,
                found,
            )
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            let places = 0..old.len().max(new.len());
            within(
                places.map(|place| (format!("/{place}"), old.get(place), new.get(place))),
                &pointer,
                found,
            )
        }
        _ => false,
    };
    if !is_whole {
        found.truncate(start);
        found.push(Found {
            pointer,
            before,
            after,
        });
    }
}

/// Compares what is in a place; `false` where that is too much to tell.
fn within<'a>(
    parts: impl Iterator<Item = (String, Option<&'a Value>, Option<&'a Value>)>,
    pointer: &str,
    found: &mut Vec<Found<'a>>,
) -> bool {
    let start = found.len();
    for (token, before, after) in parts {
        if before == after {
            continue;
        }
        let pointer = format!("{pointer}{token}");
        if pointer.len() > LONGEST_POINTER {
            return false;
        }
        compare(before, after, pointer, found);
        if found.len() - start > MOST_CHANGES {
            return false;
        }
    }
    true
}

fn token(name: &str) -> String {
    pointer([name])
}

#[cfg(test)]
mod tests {
    use flowmatic_openapi::Graph;
    use poem_openapi::types::{ParseFromJSON, ToJSON};
    use serde_json::{Value, json};

    use super::diff;

    fn graph(value: Value) -> Graph {
        Graph::parse_from_json(Some(value)).expect("a graph")
    }

    /// Both ways, since what is added one way is removed the other way.
    fn check(before: Value, after: Value, expected: [Value; 3]) {
        let found = diff(&graph(before), &graph(after));
        let json = [
            found.nodes.to_json(),
            found.edges.to_json(),
            found.settings.to_json(),
        ]
        .map(Option::unwrap_or_default);
        assert_eq!(json, expected);
    }

    fn no_nodes() -> Value {
        json!({"added": [], "removed": [], "changed": [], "moved": []})
    }

    fn no_edges() -> Value {
        json!({"added": [], "removed": []})
    }

    #[test]
    fn finds_nothing_between_equals_in_another_order() {
        let node =
            |key: &str| json!({"key": key, "type": "data.set", "parameters": {"fields": {"a": 1, "b": [1]}}});
        let edge = |from: &str| json!({"from": from, "to": "c"});
        let before = json!({"nodes": [node("a"), node("b")], "edges": [edge("a"), edge("b")]});
        let after = json!({"nodes": [node("b"), node("a")], "edges": [edge("b"), edge("a")]});
        assert!(diff(&graph(before.clone()), &graph(after.clone())).is_empty());
        check(before, after, [no_nodes(), no_edges(), json!([])]);
    }

    #[test]
    fn tells_where_a_node_is_different() {
        let node = |parameters: Value, timeout: Value| {
            json!({"nodes": [{
                "key": "a", "type": "x", "name": "A", "parameters": parameters, "timeout": timeout
            }]})
        };
        let before = node(
            json!({"if": "{{x}}", "cases": [1, 2, 3], "a/b": {"~": 1}}),
            json!("2s"),
        );
        let after = node(
            json!({"if": "{{y}}", "cases": [1, 5], "a/b": {"~": 2}, "new": null}),
            Value::Null,
        );
        let changes = json!([
            {"pointer": "/parameters/if", "before": "{{x}}", "after": "{{y}}"},
            {"pointer": "/parameters/cases/1", "before": 2, "after": 5},
            {"pointer": "/parameters/cases/2", "before": 3},
            {"pointer": "/parameters/a~1b/~0", "before": 1, "after": 2},
            {"pointer": "/parameters/new", "after": null},
            {"pointer": "/timeout", "before": "2s"}
        ]);
        let nodes = json!({"added": [], "removed": [], "moved": [], "changed": [
            {"key": "a", "type": "x", "name": "A", "changes": changes}
        ]});
        check(before, after, [nodes, no_edges(), json!([])]);
    }

    #[test]
    fn tells_of_much_as_a_whole() {
        let node =
            |value: Value| json!({"nodes": [{"key": "a", "type": "x", "parameters": {"b": 1, "v": value}}]});
        let pointers = |before: Value, after: Value| -> Vec<String> {
            let found = diff(&graph(node(before)), &graph(node(after)));
            let changes = found.nodes.changed.into_iter().flat_map(|node| node.changes);
            changes.map(|change| change.pointer).collect()
        };
        let list = |length: usize, value: i32| json!(vec![value; length]);
        assert_eq!(pointers(list(50, 1), list(50, 2)).len(), 50);
        assert_eq!(pointers(list(51, 1), list(51, 2)), ["/parameters/v"]);
        let long = "k".repeat(300);
        assert_eq!(
            pointers(
                json!({"a": {(long.as_str()): 1}}),
                json!({"a": {(long.as_str()): 2}})
            ),
            ["/parameters/v/a"]
        );
    }

    #[test]
    fn a_move_is_no_change() {
        let node = |x: i32, name: &str| json!({"nodes": [{"key": "a", "type": "x", "name": name, "position": {"x": x, "y": 0}}]});
        let moved = json!([{"key": "a", "type": "x", "name": "n"}]);
        let nodes = json!({"added": [], "removed": [], "changed": [], "moved": moved});
        check(node(0, "n"), node(9, "n"), [nodes, no_edges(), json!([])]);
        assert!(diff(&graph(node(0, "n")), &graph(node(9, "n"))).is_empty());
        let both = diff(&graph(node(0, "m")), &graph(node(9, "n")));
        assert_eq!((both.nodes.changed.len(), both.nodes.moved.len()), (1, 1));
        assert_eq!(both.nodes.changed[0].changes.len(), 1);
    }

    #[test]
    fn takes_keys_that_stand_there_twice_in_turn() {
        let twice = |names: &[&str]| {
            let nodes: Vec<Value> = names
                .iter()
                .map(|name| json!({"key": "a", "type": "x", "name": name}))
                .collect();
            json!({"nodes": nodes})
        };
        let named = |name: &str| json!([{"key": "a", "type": "x", "name": name}]);
        let removed = json!({"added": [], "removed": named("3"), "changed": [], "moved": []});
        check(
            twice(&["1", "2", "3"]),
            twice(&["1", "2"]),
            [removed, no_edges(), json!([])],
        );
        let added = json!({"added": named("3"), "removed": [], "changed": [], "moved": []});
        check(
            twice(&["1", "2"]),
            twice(&["1", "2", "3"]),
            [added, no_edges(), json!([])],
        );
    }

    #[test]
    fn finds_edges_and_settings() {
        let before = json!({
            "nodes": [],
            "edges": [{"from": "a", "to": "b"}, {"from": "a", "to": "b"}, {"from": "b", "port": "true", "to": "c"}],
            "settings": {"timeout": "5m", "vars": {"a": 1}}
        });
        let after = json!({
            "nodes": [],
            "edges": [{"from": "a", "to": "b"}, {"from": "b", "port": "false", "to": "c"}],
            "settings": {"timeout": "5m", "vars": {"a": 2}, "retention": "14d"}
        });
        let edges = json!({
            "added": [{"from": "b", "port": "false", "to": "c"}],
            "removed": [{"from": "a", "to": "b"}, {"from": "b", "port": "true", "to": "c"}]
        });
        let settings = json!([
            {"pointer": "/vars/a", "before": 1, "after": 2},
            {"pointer": "/retention", "after": "14d"}
        ]);
        check(before, after, [no_nodes(), edges, settings]);
    }
}
