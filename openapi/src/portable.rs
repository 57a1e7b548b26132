//! Workflows outside of a server: copies, and files that hold some.

use poem_openapi::Object;
use uuid::Uuid;

use crate::{Graph, Problem, WorkflowSummary};

/// A copy to make of a workflow.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct WorkflowDuplicate {
    /// `Copy of` and the name of the original where missing.
    #[oai(validator(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: Option<String>,
}

/// Workflows as a file. It holds no secrets, and nothing that belongs to one installation but the ids by which the
/// workflows in it name each other.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct WorkflowFile {
    pub flowmatic: FileHead,
    #[oai(validator(min_items = 1, max_items = 1000))]
    pub workflows: Vec<PortableWorkflow>,
}

/// What a file says of itself.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct FileHead {
    /// How the file is to be read. This version writes and reads 1.
    #[oai(validator(minimum(value = "1")))]
    pub format: i32,
    /// The version of Flowmatic that wrote it.
    #[oai(validator(max_length = 100))]
    pub version: Option<String>,
}

/// A workflow in a file: its draft.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct PortableWorkflow {
    /// By which others in the file name it. An import gives it a new one.
    pub id: Option<Uuid>,
    #[oai(validator(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: String,
    #[oai(validator(max_length = 10000, pattern = r"^[^\x00]*$"))]
    pub description: Option<String>,
    pub graph: Graph,
}

/// What an import made, in the order of the file.
#[derive(Debug, Clone, Object)]
pub struct ImportReport {
    pub workflows: Vec<ImportedWorkflow>,
}

/// A workflow that was imported. Pointers begin in the file, such as `/workflows/0/graph/nodes/2`.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ImportedWorkflow {
    /// The id that it has in the file.
    pub from: Option<Uuid>,
    /// What was made of it: a draft, not active, with ids of its own.
    pub workflow: WorkflowSummary,
    /// Where a secret is needed, which no file brings along.
    pub secrets: Vec<Problem>,
    /// What else must be mended before it can be published.
    pub problems: Vec<Problem>,
}
