//! Where a graph names another workflow. A new place is a line here.

use std::collections::HashMap;

use flowmatic_openapi::{Graph, Problem};
use serde_json::Value;
use uuid::Uuid;

/// Parameters that hold a workflow's id: the type of the node, and the name.
const PARAMETERS: [(&str, &str); 1] = [("flow.call", "workflow")];

/// A workflow that a graph names.
#[derive(Debug, PartialEq)]
pub struct Reference {
    pub id: Uuid,
    pointer: String,
    node: Option<String>,
}

impl Reference {
    pub fn into_problem(self) -> Problem {
        Problem {
            message: format!("there is no workflow `{}` here: choose another one", self.id),
            pointer: self.pointer,
            node: self.node,
        }
    }
}

/// All that a graph names. What is an expression is told when it runs.
pub fn all(graph: &Graph) -> Vec<Reference> {
    let mut found = Vec::new();
    found.extend(graph.settings.error_workflow.map(|id| Reference {
        id,
        pointer: "/graph/settings/error_workflow".to_owned(),
        node: None,
    }));
    for (index, node) in graph.nodes.iter().enumerate() {
        for (_, name) in PARAMETERS.iter().filter(|(kind, _)| *kind == node.kind) {
            let id = node.parameters.get(*name).and_then(id_of);
            found.extend(id.map(|id| Reference {
                id,
                pointer: format!("/graph/nodes/{index}/parameters/{name}"),
                node: Some(node.key.clone()),
            }));
        }
    }
    found
}

/// Lets a graph name these workflows by their new ids.
pub fn point_anew(graph: &mut Graph, ids: &HashMap<Uuid, Uuid>) {
    if let Some(id) = &mut graph.settings.error_workflow
        && let Some(new) = ids.get(id)
    {
        *id = *new;
    }
    for node in &mut graph.nodes {
        for (_, name) in PARAMETERS.iter().filter(|(kind, _)| *kind == node.kind) {
            if let Some(value) = node.parameters.get_mut(*name)
                && let Some(new) = id_of(value).and_then(|id| ids.get(&id))
            {
                *value = Value::from(new.to_string());
            }
        }
    }
}

fn id_of(value: &Value) -> Option<Uuid> {
    Uuid::try_parse(value.as_str()?).ok()
}
