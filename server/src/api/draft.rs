//! What a save does to a graph: secrets leave it, and references to them stand in their place.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flowmatic_openapi::{Graph, Node, Problem};
use poem_openapi::types::ToJSON;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::secret::SecretKey;
use crate::store::SealedSecret;

/// The largest graph, as JSON text.
const LARGEST_GRAPH: usize = 1 << 20;
/// The longest secret, in characters.
const LONGEST_SECRET: usize = 1024;
/// The kinds of `auth` of a webhook for which the server makes a secret where none is given.
const NEED_SECRET: [&str; 3] = ["hmac", "token", "basic"];
const WEBHOOK: &str = "trigger.webhook";

/// A graph as it is stored.
#[derive(Debug, Default)]
pub struct Draft {
    pub graph: Graph,
    /// Rows to write with it.
    pub secrets: Vec<SealedSecret>,
    /// Secrets that the server made, by node: shown once.
    pub made: HashMap<String, String>,
    /// References that came with the save and may belong to someone else, each with where it stands.
    pub foreign: Vec<(Uuid, Problem)>,
}

/// Moves the secrets of a graph into rows. A node without a secret keeps the reference it had in `previous`,
/// as long as the kind of its `auth` is the same.
pub fn prepare(mut graph: Graph, previous: Option<&Graph>, key: &SecretKey) -> Result<Draft, Vec<Problem>> {
    let kept = previous.map(references).unwrap_or_default();
    let kept_ids: HashSet<&str> = kept.values().map(|(_, reference)| *reference).collect();
    let mut draft = Draft::default();
    let mut problems = Vec::new();
    for (index, node) in graph.nodes.iter_mut().enumerate() {
        let (node_key, is_webhook) = (node.key.clone(), node.kind == WEBHOOK);
        let problem = |field: &str, message: &str| Problem {
            pointer: format!("/graph/nodes/{index}/parameters/auth/{field}"),
            node: Some(node_key.clone()),
            message: message.to_owned(),
        };
        let Some(Value::Object(auth)) = node.parameters.get_mut("auth") else {
            continue;
        };
        match auth.shift_remove("secret") {
            None | Some(Value::Null) => {}
            Some(Value::String(secret)) if (1..=LONGEST_SECRET).contains(&secret.chars().count()) => {
                write(auth, &mut draft, key, &secret);
                continue;
            }
            Some(_) => {
                problems.push(problem("secret", "a secret is a text of 1 to 1024 characters"));
                continue;
            }
        }
        match auth.get("secret_ref") {
            None | Some(Value::Null) => {
                auth.shift_remove("secret_ref");
                let kind = auth
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                match kept.get(node_key.as_str()) {
                    Some((before, reference)) if *before == kind => {
                        auth.insert("secret_ref".to_owned(), Value::from(*reference));
                    }
                    _ if is_webhook && NEED_SECRET.contains(&kind.as_str()) => {
                        let secret = format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()));
                        write(auth, &mut draft, key, &secret);
                        draft.made.insert(node_key, secret);
                    }
                    _ => {}
                }
            }
            Some(Value::String(reference)) if kept_ids.contains(reference.as_str()) => {}
            Some(reference) => {
                let unknown = problem("secret_ref", "there is no such secret in this workspace");
                match reference.as_str().and_then(|text| Uuid::try_parse(text).ok()) {
                    Some(id) => {
                        let id_text = Value::from(id.to_string());
                        auth.insert("secret_ref".to_owned(), id_text);
                        draft.foreign.push((id, unknown));
                    }
                    None => problems.push(unknown),
                }
            }
        }
    }
    draft.graph = graph;
    if problems.is_empty() {
        Ok(draft)
    } else {
        Err(problems)
    }
}

/// What is wrong with a graph that is too large to be stored.
pub fn check_size(graph: &Graph) -> Option<Problem> {
    let length = graph.to_json().unwrap_or_default().to_string().len();
    (length > LARGEST_GRAPH).then(|| Problem {
        pointer: "/graph".to_owned(),
        node: None,
        message: "the graph is larger than 1 MiB".to_owned(),
    })
}

fn write(auth: &mut Map<String, Value>, draft: &mut Draft, key: &SecretKey, secret: &str) {
    let id = Uuid::now_v7();
    draft.secrets.push(SealedSecret {
        id,
        ciphertext: key.seal(id, secret),
    });
    auth.insert("secret_ref".to_owned(), Value::from(id.to_string()));
}

/// The kind of `auth` and the reference of each node that has one.
fn references(graph: &Graph) -> HashMap<&str, (&str, &str)> {
    graph
        .nodes
        .iter()
        .filter_map(|node| Some((node.key.as_str(), reference(node)?)))
        .collect()
}

fn reference(node: &Node) -> Option<(&str, &str)> {
    let auth = node.parameters.get("auth")?;
    let kind = auth.get("type").and_then(Value::as_str).unwrap_or_default();
    Some((kind, auth.get("secret_ref")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use flowmatic_openapi::Graph;
    use poem_openapi::types::ParseFromJSON;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::prepare;
    use crate::secret::SecretKey;

    fn key() -> SecretKey {
        SecretKey::open(Some(&"ab".repeat(32)), ".".as_ref(), true).expect("a good key")
    }

    fn graph(kind: &str, auth: Value) -> Graph {
        let graph = json!({"nodes": [{"key": "hook", "type": kind, "parameters": {"auth": auth}}]});
        Graph::parse_from_json(Some(graph)).expect("a graph")
    }

    fn reference(graph: &Graph) -> Option<&str> {
        graph.nodes[0].parameters["auth"].get("secret_ref")?.as_str()
    }

    #[test]
    fn moves_a_secret_out_of_the_graph() {
        let given = graph("http.request", json!({"type": "bearer", "secret": "hunter2"}));
        let draft = prepare(given, None, &key()).expect("prepared");
        assert!(!format!("{:?}", draft.graph).contains("hunter2"));
        let row = &draft.secrets[0];
        assert_eq!(reference(&draft.graph), Some(row.id.to_string().as_str()));
        assert_eq!(key().unseal(row.id, &row.ciphertext), Ok("hunter2".to_owned()));
        assert!(draft.made.is_empty());
    }

    #[test]
    fn makes_a_secret_for_a_webhook_that_needs_one() {
        for kind in ["hmac", "token", "basic"] {
            let draft =
                prepare(graph("trigger.webhook", json!({"type": kind})), None, &key()).expect("prepared");
            assert!(draft.made["hook"].starts_with("whsec_"));
            assert_eq!(draft.secrets.len(), 1);
        }
        for (node, kind) in [("trigger.webhook", "none"), ("http.request", "basic")] {
            let draft = prepare(graph(node, json!({"type": kind})), None, &key()).expect("prepared");
            assert!(draft.made.is_empty() && draft.secrets.is_empty());
        }
    }

    #[test]
    fn keeps_the_secret_while_the_kind_stays() {
        let bare = || graph("trigger.webhook", json!({"type": "hmac"}));
        let first = prepare(bare(), None, &key()).expect("prepared").graph;
        let second = prepare(bare(), Some(&first), &key()).expect("prepared");
        assert_eq!(reference(&second.graph), reference(&first));
        assert!(second.made.is_empty() && second.secrets.is_empty());

        let token = graph("trigger.webhook", json!({"type": "token"}));
        let third = prepare(token, Some(&first), &key()).expect("prepared");
        assert_ne!(reference(&third.graph), reference(&first));
        assert_eq!(third.made.len(), 1);
    }

    #[test]
    fn reports_references_that_it_does_not_know() {
        let id = Uuid::now_v7();
        let foreign = graph(
            "trigger.webhook",
            json!({"type": "hmac", "secret_ref": id.to_string()}),
        );
        let draft = prepare(foreign, None, &key()).expect("left to the store");
        assert_eq!(draft.foreign[0].0, id);
        assert_eq!(
            draft.foreign[0].1.pointer,
            "/graph/nodes/0/parameters/auth/secret_ref"
        );
        let broken = graph("trigger.webhook", json!({"type": "hmac", "secret_ref": "x"}));
        assert_eq!(prepare(broken, None, &key()).expect_err("no id").len(), 1);
    }

    #[test]
    fn refuses_a_secret_that_is_no_text() {
        for secret in [json!(""), json!(5), json!({"a": 1}), json!("x".repeat(1025))] {
            let given = graph("trigger.webhook", json!({"type": "hmac", "secret": secret}));
            assert!(prepare(given, None, &key()).is_err());
        }
    }
}
