//! Secrets of graphs that travel: taken out, asked for, or sealed again.

use std::collections::HashMap;

use flowmatic_executor::expression::Template;
use flowmatic_executor::json::pointer;
use flowmatic_openapi::{Graph, Node, Problem};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::draft::Draft;
use crate::secret::{Sealed, SecretKey};
use crate::store::SealedSecret;

/// The field that stands in a graph for a secret.
const REFERENCE: &str = "secret_ref";

/// Takes the references out of the places into which a save puts them.
pub fn take_out(graph: &mut Graph) {
    for node in &mut graph.nodes {
        if let Some(Value::Object(auth)) = node.parameters.get_mut("auth") {
            auth.shift_remove(REFERENCE);
        }
    }
}

/// A secret that a graph names, by a reference or in an expression.
#[derive(Debug, PartialEq)]
pub struct Named {
    pub id: Uuid,
    pointer: String,
    node: String,
}

impl Named {
    pub fn into_problem(self) -> Problem {
        Problem {
            message: format!(
                "the secret `{}` is not here: give it to a node, save, and name that node's `secret_ref`",
                self.id
            ),
            pointer: self.pointer,
            node: Some(self.node),
        }
    }
}

/// All secrets that a graph names, as the executor finds them.
pub fn named(graph: &Graph) -> Vec<Named> {
    let mut found = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        let mut path = Vec::new();
        visit_fields(&node.parameters, &mut path, &mut |id, path| {
            let place = pointer(path.iter().map(String::as_str));
            found.push(Named {
                id,
                pointer: format!("/graph/nodes/{index}/parameters{place}"),
                node: node.key.clone(),
            });
        });
    }
    found
}

fn visit_fields(
    fields: &Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut impl FnMut(Uuid, &[String]),
) {
    for (name, field) in fields {
        path.push(name.clone());
        visit(name, field, path, found);
        path.pop();
    }
}

fn visit(name: &str, value: &Value, path: &mut Vec<String>, found: &mut impl FnMut(Uuid, &[String])) {
    match value {
        Value::String(text) => ids(name, text).into_iter().for_each(|id| found(id, path)),
        Value::Object(fields) => visit_fields(fields, path, found),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                visit("", item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The secrets that a text names: a reference itself, or those of an expression.
fn ids(name: &str, text: &str) -> Vec<Uuid> {
    if name == REFERENCE {
        return Uuid::try_parse(text).into_iter().collect();
    }
    if !Template::is_template(text) {
        return Vec::new();
    }
    // Of an expression with mistakes nothing is known; it cannot be published anyway.
    let secrets = Template::compile(text).map(|template| template.secrets().to_vec());
    let secrets = secrets.unwrap_or_default();
    secrets
        .iter()
        .filter_map(|secret| Uuid::try_parse(secret).ok())
        .collect()
}

/// Where a draft that came without its secrets needs some. The server has made those of webhooks.
pub fn needed(draft: &Draft) -> Vec<Problem> {
    let nodes = draft.graph.nodes.iter().enumerate();
    nodes
        .filter_map(|(index, node)| {
            let message = if draft.made.contains_key(&node.key) {
                "a new secret was made, and is shown with the trigger: give it to those who call, or save the node \
                 with the one they have"
            } else if lacks_secret(node) {
                "save the node with the secret that it uses"
            } else {
                return None;
            };
            Some(Problem {
                pointer: format!("/graph/nodes/{index}/parameters/auth/secret"),
                node: Some(node.key.clone()),
                message: message.to_owned(),
            })
        })
        .collect()
}

fn lacks_secret(node: &Node) -> bool {
    let Some(Value::Object(auth)) = node.parameters.get("auth") else {
        return false;
    };
    let kind = auth.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind != "none") && !auth.contains_key(REFERENCE)
}

/// Seals these secrets again under new ids, and names them so in the graph.
pub fn seal_anew(
    graph: &mut Graph,
    sealed: HashMap<Uuid, Vec<u8>>,
    key: &SecretKey,
) -> Result<Vec<SealedSecret>, Sealed> {
    let mut rows = Vec::new();
    let mut fresh = HashMap::new();
    for (id, text) in sealed {
        let new = Uuid::now_v7();
        rows.push(SealedSecret {
            id: new,
            ciphertext: key.seal(new, &key.unseal(id, &text)?),
        });
        fresh.insert(id, new);
    }
    for node in &mut graph.nodes {
        for (name, value) in &mut node.parameters.0 {
            name_anew(name, value, &fresh);
        }
    }
    Ok(rows)
}

fn name_anew(name: &str, value: &mut Value, fresh: &HashMap<Uuid, Uuid>) {
    match value {
        Value::String(text) => {
            for id in ids(name, text) {
                let Some(new) = fresh.get(&id) else { continue };
                *text = match name == REFERENCE {
                    true => new.to_string(),
                    false => text.replace(&id.to_string(), &new.to_string()),
                };
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                name_anew(name, field, fresh);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| name_anew("", item, fresh)),
        _ => {}
    }
}
