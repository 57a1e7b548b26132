//! What the plan finds in a graph, and where.

use flowmatic_executor::{Catalogue, Plan};
use flowmatic_openapi::Graph;
use poem_openapi::types::ParseFromJSON;
use serde_json::{Value, json};

use crate::world::{edge, node};

fn compile(graph: Value) -> Result<Plan, Vec<(String, String)>> {
    let graph = Graph::parse_from_json(Some(graph)).expect("a graph");
    let catalogue: Catalogue = flowmatic_nodes::catalogue();
    Plan::compile(&graph, &catalogue).map_err(|problems| {
        problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.message))
            .collect()
    })
}

/// Asserts that these mistakes are found, each at its pointer with this part of its message, and no others.
fn check(graph: Value, expected: &[(&str, &str)]) {
    let problems = compile(graph).expect_err("it has mistakes");
    for (pointer, part) in expected {
        let found = problems
            .iter()
            .any(|(place, message)| place == pointer && message.contains(part));
        assert!(found, "nothing at {pointer} says `{part}`: {problems:#?}");
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

fn hook() -> Value {
    node("hook", "trigger.webhook", json!({}))
}

fn set(key: &str, value: &str) -> Value {
    node(key, "data.set", json!({"fields": {"x": value}}))
}

#[test]
fn lists_all_mistakes_at_once_with_their_places() {
    let graph = json!({
        "nodes": [
            hook(),
            set("a", "{{_nodes.b.x}}"),
            set("b", "{{upper"),
            set("b", "1"),
            node("c", "flow.iff", json!({})),
            node("d", "flow.if", json!({})),
            set("e", "{{nosuch 1}}"),
            set("f", "{{_nodes.zzz}}"),
            node("g", "flow.response", json!({"status": "many", "colour": 1})),
            set("1h", "1"),
            set("t", "{{_nodes.hook}}")
        ],
        "edges": [
            edge("hook", "a"), edge("a", "nowhere"), {"from": "a", "port": "left", "to": "d"}, edge("a", "hook"),
            edge("hook", "a"), edge("hook", "t")
        ]
    });
    check(
        graph,
        &[
            (
                "/graph/nodes/1/parameters/fields/x",
                "`b` does not come before `a`",
            ),
            ("/graph/nodes/2/parameters/fields/x", ""),
            ("/graph/nodes/3/key", "the key `b` is taken"),
            ("/graph/nodes/4/type", "there is no node type `flow.iff`"),
            (
                "/graph/nodes/5/parameters",
                "\"condition\" is a required property",
            ),
            (
                "/graph/nodes/6/parameters/fields/x",
                "there is no helper `nosuch`",
            ),
            (
                "/graph/nodes/7/parameters/fields/x",
                "there is no node with the key `zzz`",
            ),
            (
                "/graph/nodes/10/parameters/fields/x",
                "`hook` is a trigger and has no output",
            ),
            ("/graph/nodes/8/parameters/status", "is not of type"),
            ("/graph/nodes/8/parameters", "colour"),
            ("/graph/nodes/9/key", "`1h` is no key"),
            ("/graph/edges/1/to", "there is no node with the key `nowhere`"),
            ("/graph/edges/2/port", "`a` has no port `left`; it has `out`"),
            ("/graph/edges/3/to", "`hook` is a trigger"),
            ("/graph/edges/4", "another edge like this"),
        ],
    );
}

fn each(key: &str, parent: Option<&str>) -> Value {
    let mut node = node(key, "flow.for_each", json!({"items": []}));
    node["parent"] = json!(parent);
    node
}

fn within(parent: &str, mut node: Value) -> Value {
    node["parent"] = json!(parent);
    node
}

#[test]
fn loops_hold_what_names_them() {
    let graph = json!({
        "nodes": [
            hook(), each("l", None), within("l", set("a", "1")), set("b", "1"), each("empty", None),
            within("b", set("c", "1")), within("nil", set("d", "1")), within("l", node("u", "trigger.manual", json!({}))),
            each("self", Some("self"))
        ],
        "edges": [edge("hook", "l"), edge("a", "b")]
    });
    let expected = [
        ("/graph/nodes/4", "the loop is empty"),
        ("/graph/nodes/5/parent", "`b` is not a loop"),
        ("/graph/nodes/6/parent", "there is no node with the key `nil`"),
        ("/graph/nodes/7/parent", "a trigger cannot be inside a loop"),
        ("/graph/nodes/8/parent", "inside itself"),
        ("/graph/edges/1", "crosses the border of a loop"),
    ];
    check(graph, &expected);
    let nested = |depth: usize| {
        let key = |level: usize| format!("l{level}");
        let mut nodes = vec![hook(), each("l1", None)];
        nodes.extend((2..=depth).map(|level| each(&key(level), Some(&key(level - 1)))));
        nodes.push(within(&key(depth), set("a", "1")));
        json!({"nodes": nodes, "edges": [edge("hook", "l1")]})
    };
    assert!(compile(nested(4)).is_ok());
    check(nested(5), &[("/graph/nodes/6/parent", "4 deep at most")]);
}

#[test]
fn an_expression_sees_what_comes_before_its_node_and_before_the_loops_around_it() {
    let graph = |sees: &str, after: &str| {
        json!({
            "nodes": [
                hook(), set("before", "1"), each("l", None), within("l", set("first", "1")),
                within("l", set("a", sees)), within("l", set("beside", "1")), set("after", after)
            ],
            "edges": [edge("hook", "before"), edge("before", "l"), edge("first", "a"), edge("l", "after")]
        })
    };
    assert!(
        compile(graph(
            "{{_nodes.first.x}}{{_nodes.before.x}}",
            "{{_nodes.l.results}}"
        ))
        .is_ok()
    );
    let (a, after) = (
        "/graph/nodes/4/parameters/fields/x",
        "/graph/nodes/6/parameters/fields/x",
    );
    for (sees, message) in [
        ("beside", "`beside` does not come before `a`"),
        ("after", "`after` does not come before `a`"),
        ("l", "`l` is the loop that `a` is inside of"),
    ] {
        check(graph(&format!("{{{{_nodes.{sees}}}}}"), "1"), &[(a, message)]);
    }
    check(
        graph("1", "{{_nodes.first}}"),
        &[(after, "`first` is inside a loop that `after` is not")],
    );
}

#[test]
fn loops_waits_and_calls_are_not_tried_again_as_a_whole() {
    let again = |mut node: Value| {
        node["retry"] = json!({"max_attempts": 2});
        node
    };
    let call = json!({"workflow": "019a8f3e-7b1c-7d2e-8f3a-1b2c3d4e5f60"});
    let graph = json!({
        "nodes": [
            hook(), again(each("l", None)), within("l", again(set("a", "1"))),
            again(node("w", "flow.wait", json!({"duration": "1s"}))), again(node("c", "flow.call", call))
        ],
        "edges": [edge("hook", "l"), edge("hook", "w"), edge("hook", "c")]
    });
    let message = "cannot be tried again as a whole";
    check(
        graph,
        &[1, 3, 4]
            .map(|node| format!("/graph/nodes/{node}/retry"))
            .each_ref()
            .map(|place| (place.as_str(), message)),
    );
}

#[test]
fn names_the_nodes_of_a_cycle_and_no_others() {
    let graph = json!({
        "nodes": [hook(), set("a", "1"), set("b", "1"), set("c", "1")],
        "edges": [edge("hook", "a"), edge("a", "b"), edge("b", "a"), edge("b", "c")]
    });
    check(
        graph,
        &[
            ("/graph/nodes/1", "the nodes `a`, `b` lead back to themselves"),
            ("/graph/nodes/2", "the nodes `a`, `b` lead back to themselves"),
        ],
    );
}

#[test]
fn asks_for_a_trigger() {
    check(json!({"nodes": []}), &[("/graph/nodes", "begin with a trigger")]);
    check(
        json!({"nodes": [set("a", "1")]}),
        &[("/graph/nodes", "nothing starts this workflow")],
    );
}

#[test]
fn two_that_can_both_run_do_not_share_a_name() {
    let graph = |from: [(&str, &str); 2], many: bool| {
        let switch = json!({
            "value": "{{kind}}", "cases": [{"name": "a", "equals": "a"}, {"name": "b", "equals": "b"}], "many": many
        });
        let save = |key: &str| {
            let mut node = set(key, "1");
            node["save_as"] = json!("lead");
            node
        };
        json!({
            "nodes": [hook(), node("which", "flow.switch", switch), save("one"), save("two")],
            "edges": [
                edge("hook", "which"),
                {"from": from[0].0, "port": from[0].1, "to": "one"}, {"from": from[1].0, "port": from[1].1, "to": "two"}
            ]
        })
    };
    assert!(compile(graph([("which", "a"), ("which", "b")], false)).is_ok());
    let clash = [("/graph/nodes/3/save_as", "`one` writes `lead` too")];
    check(graph([("which", "a"), ("which", "b")], true), &clash);
    check(graph([("which", "a"), ("which", "a")], false), &clash);
    check(graph([("which", "a"), ("hook", "out")], false), &clash);
}

#[test]
fn knows_which_secrets_a_graph_uses() {
    let auth = |secret_ref: &str| json!({"auth": {"type": "hmac", "secret_ref": secret_ref}});
    let mut call = node("call", "http.request", json!({"url": "https://example.com"}));
    call["parameters"]["auth"] = json!({"type": "bearer", "secret_ref": "two"});
    let graph = json!({"nodes": [node("hook", "trigger.webhook", auth("one")), call], "edges": [edge("hook", "call")]});
    assert_eq!(compile(graph).expect("no mistakes").secrets, ["one", "two"]);
}

#[test]
fn an_expression_names_a_secret_by_its_reference() {
    let graph = |reference: &str| {
        let call = set("call", &format!("{{{{secret \"{reference}\"}}}}"));
        json!({"nodes": [hook(), call], "edges": [edge("hook", "call")]})
    };
    let id = "019a8f3e-7b1c-7d2e-8f3a-1b2c3d4e5f60";
    assert_eq!(compile(graph(id)).expect("no mistakes").secrets, [id]);
    for wrong in ["token", "", &id.to_uppercase(), &id.replace('-', "")] {
        let message = format!("`{wrong}` is no secret");
        check(graph(wrong), &[("/graph/nodes/1/parameters/fields/x", &message)]);
    }
}

#[test]
fn a_disabled_node_may_be_unfinished() {
    let mut unfinished = node("a", "flow.if", json!({}));
    unfinished["disabled"] = json!(true);
    assert!(compile(json!({"nodes": [hook(), unfinished], "edges": [edge("hook", "a")]})).is_ok());
}

#[test]
fn plans_a_thousand_nodes() {
    let nodes: Vec<Value> = std::iter::once(hook())
        .chain((0..999).map(|index| set(&format!("n{index}"), "1")))
        .collect();
    let edges: Vec<Value> = (0..999)
        .map(|index| {
            edge(
                &if index == 0 {
                    "hook".to_owned()
                } else {
                    format!("n{}", index - 1)
                },
                &format!("n{index}"),
            )
        })
        .collect();
    assert_eq!(
        compile(json!({"nodes": nodes, "edges": edges}))
            .expect("no mistakes")
            .nodes
            .len(),
        1_000
    );
}

/// The largest graph there may be: as many nodes, and edges from each node to some others further on in the
/// round.
fn dense(node: impl Fn(usize) -> Value, is_round: bool) -> Value {
    let nodes: Vec<Value> = std::iter::once(hook()).chain((1..1_000).map(node)).collect();
    let key = |index: usize| match index {
        0 => "hook".to_owned(),
        index => format!("n{index}"),
    };
    let edges: Vec<Value> = (0..1_000)
        .flat_map(|from| (1..=5).map(move |step| (from, from + step)))
        .filter_map(|(from, to)| match to {
            1..1_000 => Some(edge(&key(from), &key(to))),
            _ if is_round => Some(edge(&key(from), &key(to % 1_000 + 1))),
            _ => None,
        })
        .collect();
    json!({"nodes": nodes, "edges": edges})
}

fn saving(mut node: Value) -> Value {
    node["save_as"] = json!("x");
    node
}

#[test]
fn names_each_of_a_thousand_that_share_a_name_once() {
    let branching = |index| {
        let mut node = saving(set(&format!("n{index}"), "1"));
        node["on_error"] = json!("branch");
        node
    };
    let problems = compile(dense(branching, false)).expect_err("they share it");
    assert_eq!(problems.len(), 998);
    assert!(problems[0].1.contains("`n1` writes `x` too"), "{:?}", problems[0]);
}

#[test]
fn a_thousand_that_exclude_each_other_share_a_name() {
    let mut nodes = vec![hook()];
    let mut edges = vec![edge("hook", "if0")];
    for index in 0..499 {
        let condition = json!({"condition": "{{a}}"});
        nodes.push(node(&format!("if{index}"), "flow.if", condition));
        nodes.push(saving(set(&format!("n{index}"), "1")));
        let (from, leaf, next) = (
            format!("if{index}"),
            format!("n{index}"),
            format!("if{}", index + 1),
        );
        edges.push(json!({"from": from, "port": "true", "to": leaf}));
        if index < 498 {
            edges.push(json!({"from": from, "port": "false", "to": next}));
        }
    }
    assert!(compile(json!({"nodes": nodes, "edges": edges})).is_ok());
}

#[test]
fn a_thousand_in_a_round_may_name_each_other() {
    let naming = |index: usize| {
        let names = (0..20).map(|step| format!("{{{{_nodes.n{}}}}}", (index * 17 + step * 19) % 999 + 1));
        node(
            &format!("n{index}"),
            "data.set",
            json!({"fields": {"x": names.collect::<Vec<_>>()}}),
        )
    };
    let problems = compile(dense(naming, true)).expect_err("they go round");
    assert_eq!(problems.len(), 999, "{problems:#?}");
    let (place, message) = &problems[0];
    assert_eq!(place, "/graph/nodes/1");
    assert!(
        message.contains("`n10` and 989 more lead back to themselves"),
        "{message}"
    );
}

#[test]
fn lists_a_bounded_number_of_mistakes() {
    let naming = |index: usize| set(&format!("n{index}"), "{{_nodes.none}}{{_nodes.nil}}");
    let problems = compile(dense(naming, false)).expect_err("there are no such nodes");
    assert_eq!(problems.len(), 1_001);
    assert_eq!(problems[1_000].0, "/graph");
}

#[test]
fn settings_have_bounds() {
    let graph = |retention: &str| json!({"nodes": [hook()], "edges": [], "settings": {"retention": retention, "keep_executions": 1}});
    for retention in ["10s", "14d", "3650d"] {
        compile(graph(retention)).expect(retention);
    }
    let timeout = json!({"nodes": [hook()], "edges": [], "settings": {"timeout": "0s"}});
    check(
        timeout,
        &[(
            "/graph/settings/timeout",
            "a time-out of nothing lets nothing run",
        )],
    );
    for retention in ["9999ms", "0ms", "3651d"] {
        let message = format!("`{retention}` is out of bounds: it takes 10s to 3650d");
        check(graph(retention), &[("/graph/settings/retention", &message)]);
    }
}
