//! Versions: what was published of a workflow, and what is different between two of them.

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::{Edge, Graph, Json, Time};

/// A published version in a list: all but its graph.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct VersionSummary {
    pub workflow_id: Uuid,
    /// Counts the workflow's versions from 1.
    pub number: i32,
    #[oai(serialize_with = "crate::time::write")]
    pub published_at: Time,
    /// Missing where it is not known.
    pub published_by: Option<Author>,
    pub node_count: i32,
    /// Whether it is the published version: the one that runs when the workflow is started.
    pub live: bool,
}

/// A published version. It never changes.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Version {
    pub workflow_id: Uuid,
    /// Counts the workflow's versions from 1.
    pub number: i32,
    #[oai(serialize_with = "crate::time::write")]
    pub published_at: Time,
    /// Missing where it is not known.
    pub published_by: Option<Author>,
    pub node_count: i32,
    /// Whether it is the published version: the one that runs when the workflow is started.
    pub live: bool,
    pub graph: Graph,
}

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Author {
    #[oai(rename = "type")]
    pub kind: AuthorKind,
    pub id: String,
    /// A user's e-mail, a key's name; missing where the user or the key is gone.
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum AuthorKind {
    User,
    Key,
}

/// How to restore a version.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct VersionRestore {
    /// Refuse if the draft was saved again since this revision.
    pub revision: Option<i64>,
}

/// What is different in another graph, seen from a version: `added` is there and not in the version.
///
/// Nodes are told apart by their keys, edges by their ends and ports; in which order they stand does not count.
#[derive(Debug, Clone, PartialEq, Object)]
pub struct VersionDiff {
    /// The number of the version.
    pub version: i32,
    /// The other one: the number of a version, or `draft`.
    pub against: String,
    /// Whether nothing that runs is different; nodes may have moved on the canvas.
    pub same: bool,
    pub nodes: NodeChanges,
    pub edges: EdgeChanges,
    /// Pointers begin in `settings`, such as `/timeout`.
    pub settings: Vec<Change>,
}

/// What became of nodes.
#[derive(Debug, Clone, Default, PartialEq, Object)]
pub struct NodeChanges {
    pub added: Vec<NodeName>,
    pub removed: Vec<NodeName>,
    pub changed: Vec<NodeChange>,
    /// Those that stand elsewhere on the canvas, changed otherwise or not.
    pub moved: Vec<NodeName>,
}

/// A node by its names.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct NodeName {
    pub key: String,
    #[oai(rename = "type")]
    pub kind: String,
    pub name: Option<String>,
}

/// A node that is there in both, and is not the same.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct NodeChange {
    pub key: String,
    /// As it is in the other graph.
    #[oai(rename = "type")]
    pub kind: String,
    pub name: Option<String>,
    /// Pointers begin in the node, such as `/parameters/condition`.
    pub changes: Vec<Change>,
}

/// One value that is different.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Change {
    /// A JSON pointer (RFC 6901). Lists are compared place by place; more than 50 changes in one place are told as
    /// one change of that place.
    pub pointer: String,
    /// In the version; missing where it has no such value.
    pub before: Option<Json>,
    /// In the other graph; missing where it has no such value.
    pub after: Option<Json>,
}

/// What became of edges.
#[derive(Debug, Clone, Default, PartialEq, Object)]
pub struct EdgeChanges {
    pub added: Vec<Edge>,
    pub removed: Vec<Edge>,
}
