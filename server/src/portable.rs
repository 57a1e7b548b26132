//! Workflows that leave an installation as a file or a copy, and come in from a file.
//!
//! Invariants:
//! * a file holds no secret, nor a reference that a save has put in the place of one;
//! * an import is whole or nothing;
//! * whatever comes in is a draft with ids of its own, and not active;
//! * workflows of one file that name each other name each other's new ids once they are in.

mod file;
pub use file::read;
mod import;
pub use import::{Import, ImportError};
pub(crate) mod reference;
mod secret;

use std::collections::{HashMap, HashSet};

use flowmatic_openapi::{FileHead, PortableWorkflow, Time, Workflow, WorkflowFile};
use poem_openapi::types::ToJSON;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use crate::secret::{Sealed, SecretKey};
use crate::store::{Store, StoreError, WorkflowSave};

/// The format that is written, and read.
const FORMAT: i32 = 1;
/// The most workflows in one file.
const MOST_WORKFLOWS: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("there is no workflow `{0}`")]
    Unknown(Uuid),
    #[error("there are no workflows to export")]
    Nothing,
    #[error("a file holds at most {MOST_WORKFLOWS} workflows; export fewer at a time, by their ids")]
    TooMany,
    #[error("the file would be larger than {} MiB; export fewer workflows at a time, by their ids", .0 >> 20)]
    TooLarge(usize),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The file of the drafts of these workflows, in this order, of at most this many bytes.
pub async fn export(
    store: &Store,
    workspace_id: i64,
    ids: &[Uuid],
    limit: usize,
) -> Result<WorkflowFile, ExportError> {
    if ids.is_empty() {
        return Err(ExportError::Nothing);
    }
    if ids.len() > MOST_WORKFLOWS {
        return Err(ExportError::TooMany);
    }
    let mut workflows: Vec<PortableWorkflow> = Vec::new();
    let mut length = 0;
    for id in ids {
        if workflows.iter().any(|workflow| workflow.id == Some(*id)) {
            continue;
        }
        let workflow = store.workflow(workspace_id, *id).await?;
        let workflow = portable(workflow.ok_or(ExportError::Unknown(*id))?);
        length += workflow.to_json().unwrap_or_default().to_string().len();
        if length > limit {
            return Err(ExportError::TooLarge(limit));
        }
        workflows.push(workflow);
    }
    Ok(WorkflowFile {
        flowmatic: FileHead {
            format: FORMAT,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        },
        workflows,
    })
}

fn portable(mut workflow: Workflow) -> PortableWorkflow {
    secret::take_out(&mut workflow.graph);
    PortableWorkflow {
        id: Some(workflow.id),
        name: workflow.name,
        description: workflow.description,
        graph: workflow.graph,
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sealed(#[from] Sealed),
    #[error("the graph could not be copied: {0}")]
    Graph(#[from] tokio::task::JoinError),
}

/// A copy of a draft that goes on working when the original is gone: its secrets are sealed again, for rows of
/// its own. A workflow that names itself is copied to one that names itself.
pub async fn copy(
    store: &Store,
    secret_key: &SecretKey,
    workspace_id: i64,
    original: Workflow,
    name: Option<String>,
    now: Time,
) -> Result<Workflow, CopyError> {
    let id = Uuid::now_v7();
    let mut graph = original.graph;
    reference::point_anew(&mut graph, &HashMap::from([(original.id, id)]));
    // All expressions of a large graph take a while.
    let (mut graph, named) = spawn_blocking(|| {
        let named: HashSet<Uuid> = secret::named(&graph).into_iter().map(|named| named.id).collect();
        (graph, named.into_iter().collect::<Vec<Uuid>>())
    })
    .await?;
    let sealed = store.secrets(workspace_id, &named).await?;
    let key = secret_key.clone();
    let (graph, secrets) = spawn_blocking(move || {
        let secrets = secret::seal_anew(&mut graph, sealed, &key);
        (graph, secrets)
    })
    .await?;
    let save = WorkflowSave {
        workspace_id,
        id,
        name: name.unwrap_or_else(|| copy_name(&original.name)),
        description: original.description,
        active: Some(false),
        graph,
        secrets: secrets?,
        by: None,
        now,
    };
    Ok(store.create_workflow(save).await?)
}

const LONGEST_NAME: usize = 200;

fn copy_name(name: &str) -> String {
    format!("Copy of {name}").chars().take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests;
