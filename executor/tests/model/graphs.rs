//! Random graphs without mistakes. What is drawn is a list of plain specifications, each after those that lead to
//! it, so that it shrinks well; the graph is built from it.

use std::collections::BTreeSet;

use flowmatic_openapi::{Graph, Join, Node, OnCrash, OnError};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::simulate;
use crate::told::Case;
use crate::world::{Act, Does, PORTS};

/// What is drawn.
#[derive(Debug, Clone)]
pub struct Draft {
    nodes: Vec<Spec>,
    timeout: Option<u64>,
    cancel_at: Option<u64>,
    outage: u64,
}

#[derive(Debug, Clone)]
struct Spec {
    kind: Kind,
    /// From which node before, and by which of its ports; both are taken modulo how many there are.
    incoming: Vec<(usize, usize)>,
    /// What it sees, of what is decided before it for certain.
    of: Vec<(usize, Form)>,
    join: Option<Join>,
    on_error: Option<OnError>,
    on_crash: Option<OnCrash>,
    disabled: bool,
    retry: Option<Value>,
    timeout: Option<u64>,
}

#[derive(Debug, Clone)]
enum Kind {
    Trigger,
    Pure(Act),
    Work(Vec<Act>),
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Plain,
    Default,
    Saved,
}

pub fn drafts() -> impl Strategy<Value = Draft> {
    let cancel_at = option::weighted(0.2, 1_u64..8_000);
    (
        vec(spec(), 1..14),
        option::weighted(0.1, 100_u64..6_000),
        cancel_at,
        0_u64..3_000,
    )
        .prop_map(|(nodes, timeout, cancel_at, outage)| Draft {
            nodes,
            timeout,
            cancel_at,
            outage,
        })
}

fn spec() -> impl Strategy<Value = Spec> {
    let join = prop_oneof![
        5 => Just(None),
        1 => Just(Some(Join::AllDecided)),
        2 => Just(Some(Join::All)),
        2 => Just(Some(Join::First)),
    ];
    let on_error = prop_oneof![
        3 => Just(None),
        1 => Just(Some(OnError::Fail)),
        3 => Just(Some(OnError::Continue)),
        3 => Just(Some(OnError::Branch)),
    ];
    let port = prop_oneof![5 => Just(0_usize), 1 => Just(1), 2 => Just(2)];
    let edge = (0_usize..10_000, port);
    let incoming = prop_oneof![1 => Just(Vec::new()), 20 => vec(edge, 1..4)];
    let form = prop_oneof![Just(Form::Plain), Just(Form::Default), Just(Form::Saved)];
    let frame = (
        option::weighted(0.1, Just(OnCrash::Fail)),
        prop::bool::weighted(0.07),
        option::weighted(0.4, retry()),
        option::weighted(0.2, 50_u64..2_000),
    );
    (
        kind(),
        incoming,
        vec((0_usize..100, form), 0..3),
        join,
        on_error,
        frame,
    )
        .prop_map(
            |(kind, incoming, of, join, on_error, (on_crash, disabled, retry, timeout))| Spec {
                kind,
                incoming,
                of,
                join,
                on_error,
                on_crash,
                disabled,
                retry,
                timeout,
            },
        )
}

fn kind() -> impl Strategy<Value = Kind> {
    let pure = prop_oneof![
        12 => Just(Does::Succeed),
        1 => Just(Does::Answer),
        2 => Just(Does::FailForGood),
        1 => Just(Does::FailForNow),
        1 => Just(Does::Panic),
    ];
    let work = prop_oneof![
        8 => Just(Does::Succeed),
        1 => Just(Does::Answer),
        3 => Just(Does::FailForNow),
        1 => Just(Does::FailBusy),
        1 => Just(Does::FailForGood),
        1 => Just(Does::Panic),
        1 => Just(Does::Hang),
    ];
    prop_oneof![
        1 => Just(Kind::Trigger),
        15 => act(pure, Just(0).boxed()).prop_map(Kind::Pure),
        20 => vec(act(work, (1_u64..3_000).boxed()), 1..4).prop_map(Kind::Work),
    ]
}

fn act(does: impl Strategy<Value = Does>, ms: BoxedStrategy<u64>) -> impl Strategy<Value = Act> {
    let ports = prop_oneof![
        8 => Just(vec![PORTS[0]]),
        3 => Just(vec![PORTS[1]]),
        2 => Just(PORTS.to_vec()),
        1 => Just(vec![]),
    ];
    (does, ms, ports).prop_map(|(does, ms, ports)| Act {
        does,
        ms,
        ports: ports.into_iter().map(str::to_owned).collect(),
    })
}

fn retry() -> impl Strategy<Value = Value> {
    (
        1_u32..4,
        0_u64..2_000,
        1_u64..4_000,
        prop_oneof![Just(1.0), Just(1.5), Just(2.0)],
        prop_oneof![Just(0.0), Just(0.2), Just(1.0)],
    )
        .prop_map(|(max_attempts, initial, max, factor, jitter)| {
            json!({
                "max_attempts": max_attempts, "initial": format!("{initial}ms"), "max": format!("{max}ms"),
                "factor": factor, "jitter": jitter
            })
        })
}

impl Draft {
    pub fn build(&self) -> Case {
        let mut build = Build {
            nodes: vec![json!({"key": "t", "type": "test.start"})],
            edges: Vec::new(),
        };
        build.scope(&self.nodes);
        let mut settings = json!({});
        if let Some(timeout) = self.timeout {
            settings["timeout"] = json!(format!("{timeout}ms"));
        }
        let graph = json!({"nodes": build.nodes, "edges": build.edges, "settings": settings});
        Case {
            graph: Graph::parse_from_json(Some(graph)).expect("a graph"),
            cancel_at: self.cancel_at,
            outage: self.outage,
        }
    }
}

struct Build {
    nodes: Vec<Value>,
    edges: Vec<Value>,
}

/// A node that was built, as those after it see it.
struct Built {
    key: String,
    ports: Vec<&'static str>,
    /// The nodes that are decided whenever it is told to run.
    certain: BTreeSet<usize>,
}

impl Build {
    fn scope(&mut self, specs: &[Spec]) {
        let mut built = vec![Built {
            key: "t".to_owned(),
            ports: vec!["out"],
            certain: BTreeSet::new(),
        }];
        for spec in specs {
            let node = self.node(spec, &built);
            built.push(node);
        }
    }

    fn node(&mut self, spec: &Spec, before: &[Built]) -> Built {
        let key = format!("n{}", self.nodes.len());
        let mut incoming = BTreeSet::new();
        if !matches!(spec.kind, Kind::Trigger) {
            for (from, port) in &spec.incoming {
                // Rather one of the last ones, so that graphs grow deep.
                let from = before.len() - 1 - (from % before.len()).min(from / 100 % before.len());
                let ports = &before[from].ports;
                if incoming.insert((from, port % ports.len())) {
                    let port = ports[port % ports.len()];
                    self.edges
                        .push(json!({"from": before[from].key, "port": port, "to": key}));
                }
            }
        }
        let certain = certain(spec, &incoming, before);
        let seen: Vec<usize> = certain
            .iter()
            .copied()
            .filter(|node| before[*node].ports[0] != "out")
            .collect();
        let of: Vec<String> = spec
            .of
            .iter()
            .filter(|_| !seen.is_empty())
            .map(|(node, form)| {
                let key = &before[seen[node % seen.len()]].key;
                match form {
                    Form::Plain => format!("{{{{_nodes.{key}}}}}"),
                    Form::Default => format!("{{{{default _nodes.{key} \"none\"}}}}"),
                    Form::Saved => format!("{{{{default saved_{key} \"none\"}}}}"),
                }
            })
            .collect();
        let mut node = json!({"key": key});
        match &spec.kind {
            Kind::Trigger => node["type"] = json!("test.start"),
            Kind::Pure(act) => {
                node["type"] = json!("test.pure");
                node["parameters"] = json!({"of": of, "act": act});
            }
            Kind::Work(script) => {
                node["type"] = json!("test.work");
                node["parameters"] = json!({"of": of, "script": script});
            }
        }
        if !matches!(spec.kind, Kind::Trigger) {
            spec.frame(&key, &mut node);
        }
        let ports = simulate::ports(&Node::parse_from_json(Some(node.clone())).expect("a node"));
        self.nodes.push(node);
        Built { key, ports, certain }
    }
}

impl Spec {
    /// What is common to every node.
    fn frame(&self, key: &str, node: &mut Value) {
        node["save_as"] = json!(format!("saved_{key}"));
        if self.disabled {
            node["disabled"] = json!(true);
        }
        let words = [
            ("join", self.join.and_then(|it| it.to_json())),
            ("on_error", self.on_error.and_then(|it| it.to_json())),
            ("on_crash", self.on_crash.and_then(|it| it.to_json())),
            ("retry", self.retry.clone()),
            (
                "timeout",
                self.timeout.map(|timeout| json!(format!("{timeout}ms"))),
            ),
        ];
        for (name, value) in words {
            if let Some(value) = value {
                node[name] = value;
            }
        }
    }
}

/// Of what comes before a node, what has ended by the time it is told to run: with `join: first` only what leads
/// to each of its edges.
fn certain(spec: &Spec, incoming: &BTreeSet<(usize, usize)>, before: &[Built]) -> BTreeSet<usize> {
    let by_edge = incoming.iter().map(|(from, _)| {
        let mut certain = before[*from].certain.clone();
        certain.insert(*from);
        certain
    });
    let together = |one: BTreeSet<usize>, other: BTreeSet<usize>| match spec.join {
        Some(Join::First) => one.intersection(&other).copied().collect(),
        _ => one.union(&other).copied().collect(),
    };
    by_edge.reduce(together).unwrap_or_default()
}
