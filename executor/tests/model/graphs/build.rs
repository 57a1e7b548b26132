//! A graph from what was drawn.

use std::collections::BTreeSet;

use flowmatic_openapi::{Join, Node};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use serde_json::{Value, json};

use super::{Draft, Form, Items, Kind, Spec};
use crate::simulate;
use crate::told::{Case, Signal};

impl Draft {
    pub fn build(&self) -> Case {
        let mut build = Build {
            nodes: vec![json!({"key": "t", "type": "test.start"})],
            edges: Vec::new(),
            signals: Vec::new(),
        };
        let trigger = Built {
            key: "t".to_owned(),
            ports: vec!["out"],
            certain: BTreeSet::new(),
            is_trigger: true,
        };
        build.scope(&self.nodes, vec![trigger], &Around::default());
        let mut settings = json!({});
        if let Some(timeout) = self.timeout {
            settings["timeout"] = json!(format!("{timeout}ms"));
        }
        let graph = json!({"nodes": build.nodes, "edges": build.edges, "settings": settings});
        Case::from_json(&json!({
            "graph": graph, "cancel_at": self.cancel_at, "signals": build.signals,
            "is_awaited": self.is_awaited, "outage": self.outage
        }))
    }
}

struct Build {
    nodes: Vec<Value>,
    edges: Vec<Value>,
    signals: Vec<Signal>,
}

/// A node that was built, as those after it see it.
struct Built {
    key: String,
    ports: Vec<&'static str>,
    /// The keys of the nodes that are decided whenever it is told to run.
    certain: BTreeSet<String>,
    is_trigger: bool,
}

/// What is around the nodes of a loop.
#[derive(Default)]
struct Around {
    parent: Option<String>,
    /// The path of its first iteration.
    path: String,
    certain: BTreeSet<String>,
}

impl Build {
    fn scope(&mut self, specs: &[Spec], mut built: Vec<Built>, around: &Around) {
        for spec in specs {
            let node = self.node(spec, &built, around);
            built.push(node);
        }
    }

    fn node(&mut self, spec: &Spec, before: &[Built], around: &Around) -> Built {
        let key = format!("n{}", self.nodes.len());
        let incoming = self.incoming(spec, before, &key);
        let certain = certain(spec, &incoming, before, around);
        let mut node = json!({"key": key});
        let (kind, parameters) = parameters(spec, &certain, around.parent.is_some());
        node["type"] = json!(kind);
        node["parameters"] = parameters;
        if let Some(parent) = &around.parent {
            node["parent"] = json!(parent);
        }
        spec.frame(&mut node);
        let ports = simulate::ports(&Node::parse_from_json(Some(node.clone())).expect("a node"));
        self.nodes.push(node);
        let path = format!("{}{key}", around.path);
        match &spec.kind {
            Kind::Each { body, .. } | Kind::While { body, .. } => {
                let inside = Around {
                    parent: Some(key.clone()),
                    path: format!("{path}[0]/"),
                    certain: certain.clone(),
                };
                self.scope(body, Vec::new(), &inside);
            }
            Kind::Wait {
                signal: Some(Some(at)),
                ..
            } => {
                let payload = json!({"at": at});
                self.signals.push(Signal {
                    at: *at,
                    path,
                    payload,
                });
            }
            _ => {}
        }
        Built {
            key,
            ports,
            certain,
            is_trigger: matches!(spec.kind, Kind::Trigger),
        }
    }

    fn incoming(&mut self, spec: &Spec, before: &[Built], key: &str) -> BTreeSet<(usize, usize)> {
        let mut incoming = BTreeSet::new();
        if matches!(spec.kind, Kind::Trigger) || before.is_empty() {
            return incoming;
        }
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
        incoming
    }
}

fn parameters(spec: &Spec, certain: &BTreeSet<String>, is_inside: bool) -> (&'static str, Value) {
    let seen: Vec<&String> = certain.iter().collect();
    let of: Vec<String> = spec
        .of
        .iter()
        .filter_map(|(node, form)| {
            let key = (!seen.is_empty()).then(|| seen[node % seen.len()]);
            match form {
                Form::Plain => Some(format!("{{{{_nodes.{}}}}}", key?)),
                Form::Missing => Some(format!("{{{{_nodes.{}.missing}}}}", key?)),
                Form::Default => Some(format!("{{{{default _nodes.{} \"none\"}}}}", key?)),
                Form::Saved => Some(format!("{{{{default saved_{} \"none\"}}}}", key?)),
                Form::Item => is_inside.then(|| "{{_item}}".to_owned()),
                Form::Index => is_inside.then(|| "{{_index}}".to_owned()),
                Form::Count => is_inside.then(|| "{{_loop.count}}".to_owned()),
            }
        })
        .collect();
    match &spec.kind {
        Kind::Trigger => ("test.start", json!({})),
        Kind::Pure(act) => ("test.pure", json!({"of": of, "act": act})),
        Kind::Work(script) => ("test.work", json!({"of": of, "script": script})),
        Kind::Each {
            items,
            concurrency,
            goes_on,
            ..
        } => {
            let items = match (items, of.first()) {
                (Items::Count(count), _) => (0..*count).map(|item| json!(item * 10)).collect(),
                (Items::NoList, Some(of)) => json!(of),
                (Items::NoList, None) => json!("{{default nothing \"none\"}}"),
            };
            let parameters = json!({"items": items, "concurrency": concurrency, "goes_on": goes_on});
            ("test.each", parameters)
        }
        Kind::While { count, most, .. } => {
            let condition = format!("{{{{lt _index {count}}}}}");
            ("test.while", json!({"condition": condition, "most": most}))
        }
        Kind::Wait { ms, signal } => ("test.wait", json!({"ms": ms, "signal": signal.is_some()})),
        Kind::Call(child) => ("test.child", json!({"child": child})),
    }
}

impl Spec {
    /// What is common to every node.
    fn frame(&self, node: &mut Value) {
        if matches!(self.kind, Kind::Trigger) {
            return;
        }
        let key = node["key"].as_str().unwrap_or_default();
        node["save_as"] = json!(format!("saved_{key}"));
        if self.disabled {
            node["disabled"] = json!(true);
        }
        let is_simple = matches!(self.kind, Kind::Pure(_) | Kind::Work(_));
        let is_timed = is_simple || matches!(self.kind, Kind::Each { .. } | Kind::While { .. });
        let words = [
            ("join", self.join.and_then(|it| it.to_json())),
            ("on_error", self.on_error.and_then(|it| it.to_json())),
            ("on_crash", self.on_crash.and_then(|it| it.to_json())),
            ("retry", self.retry.clone().filter(|_| is_simple)),
            (
                "timeout",
                self.timeout
                    .filter(|_| is_timed)
                    .map(|timeout| json!(format!("{timeout}ms"))),
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
fn certain(
    spec: &Spec,
    incoming: &BTreeSet<(usize, usize)>,
    before: &[Built],
    around: &Around,
) -> BTreeSet<String> {
    let by_edge = incoming.iter().map(|(from, _)| {
        let from = &before[*from];
        let mut certain = from.certain.clone();
        if !from.is_trigger {
            certain.insert(from.key.clone());
        }
        certain
    });
    let together = |one: BTreeSet<String>, other: BTreeSet<String>| match spec.join {
        Some(Join::First) => one.intersection(&other).cloned().collect(),
        _ => one.union(&other).cloned().collect(),
    };
    let mut certain = by_edge.reduce(together).unwrap_or_default();
    certain.extend(around.certain.iter().cloned());
    certain
}
