//! The catalogue of nodes as a builder sees it.

use poem_openapi::{Enum, Object};

use crate::{Json, Node};

/// A type of node.
#[derive(Debug, Clone, Object)]
pub struct Connector {
    /// `group.verb`, such as `http.request`.
    #[oai(rename = "type")]
    pub kind: String,
    pub title: String,
    pub group: String,
    /// One line for the palette.
    pub summary: String,
    /// Markdown.
    pub documentation: String,
    /// An SVG image.
    pub icon: String,
    pub role: ConnectorRole,
    pub ports: Vec<Port>,
    /// Whether a parameter adds ports of its own, as the cases of `flow.switch` do.
    pub dynamic_ports: bool,
    /// The JSON schema of the node's parameters.
    pub parameters: Json,
    pub example: ConnectorExample,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ConnectorRole {
    /// Starts executions.
    Trigger,
    /// Reads nothing but its parameters; may be run again at will.
    Pure,
    /// Touches the world; recorded exactly once.
    Effect,
    /// Has the server wait, or start another workflow.
    Control,
    /// Has what is inside it run again and again: nodes that have it as their `parent`.
    Loop,
}

/// A way out of a node.
#[derive(Debug, Clone, Object)]
pub struct Port {
    pub name: String,
    pub description: String,
}

/// A node as it could stand in a graph, what it sees, and what it makes of it. There is no output where the node
/// fails, and none of a trigger, which only starts executions.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ConnectorExample {
    pub node: Node,
    /// Of a loop: what is inside it.
    pub inside: Option<Vec<Node>>,
    pub context: Json,
    pub output: Option<Json>,
}
