//! What executions are known by: the names of their workflows and triggers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use flowmatic_openapi::ExecutionSummary;
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use serde::Deserialize;
use uuid::Uuid;

use super::entity::{version, workflow};
use super::{Store, StoreError};
use crate::cache::Cache;

/// The triggers of versions, which never change.
pub(super) type Labels = Cache<(Uuid, i32), Arc<HashMap<String, Label>>>;

/// What a trigger's node is.
#[derive(Debug)]
pub(super) struct Label {
    kind: String,
    name: String,
}

const CACHED: usize = 1_000;

pub(super) fn labels() -> Labels {
    Cache::new(CACHED)
}

impl Store {
    /// Says of executions what their workflows and triggers are called.
    pub async fn name_executions<'a>(
        &self,
        executions: impl IntoIterator<Item = &'a mut ExecutionSummary>,
    ) -> Result<(), StoreError> {
        let executions: Vec<&mut ExecutionSummary> = executions.into_iter().collect();
        if executions.is_empty() {
            return Ok(());
        }
        let workflows: HashSet<Uuid> = executions.iter().map(|one| one.workflow_id).collect();
        let names: Vec<(Uuid, String, Option<i64>)> = workflow::Entity::find()
            .select_only()
            .columns([
                workflow::Column::Id,
                workflow::Column::Name,
                workflow::Column::DeletedAt,
            ])
            .filter(workflow::Column::Id.is_in(workflows))
            .into_tuple()
            .all(&self.reader())
            .await?;
        let names: HashMap<Uuid, (String, bool)> = names
            .into_iter()
            .map(|(id, name, deleted_at)| (id, (name, deleted_at.is_some())))
            .collect();
        let versions: HashSet<(Uuid, i32)> = executions
            .iter()
            .map(|one| (one.workflow_id, one.version))
            .collect();
        let labels = self.labels(versions).await?;
        for execution in executions {
            if let Some((name, is_deleted)) = names.get(&execution.workflow_id) {
                execution.workflow_name = Some(name.clone());
                execution.workflow_deleted = is_deleted.then_some(true);
            }
            let labels = labels.get(&(execution.workflow_id, execution.version));
            if let Some(label) = labels.and_then(|labels| labels.get(&execution.trigger)) {
                execution.trigger_type = Some(label.kind.clone());
                execution.trigger_name = Some(label.name.clone());
            }
        }
        Ok(())
    }

    /// The triggers of these versions, by their keys.
    async fn labels(
        &self,
        versions: HashSet<(Uuid, i32)>,
    ) -> Result<HashMap<(Uuid, i32), Arc<HashMap<String, Label>>>, StoreError> {
        let cache = &self.0.labels;
        let mut found = HashMap::new();
        let mut unknown = Condition::any();
        for version in versions {
            match cache.get(&version) {
                Some(labels) => {
                    found.insert(version, labels);
                }
                None => {
                    let (workflow_id, number) = version;
                    let is_it = version::Column::WorkflowId.eq(workflow_id);
                    unknown = unknown.add(is_it.and(version::Column::Number.eq(number)));
                }
            }
        }
        if unknown.is_empty() {
            return Ok(found);
        }
        let rows: Vec<(Uuid, i32, String)> = version::Entity::find()
            .select_only()
            .columns([
                version::Column::WorkflowId,
                version::Column::Number,
                version::Column::Graph,
            ])
            .filter(unknown)
            .into_tuple()
            .all(&self.reader())
            .await?;
        for (workflow_id, number, graph) in rows {
            let labels = Arc::new(labels_of(workflow_id, number, &graph));
            cache.insert(cache.generation(), (workflow_id, number), labels.clone());
            found.insert((workflow_id, number), labels);
        }
        Ok(found)
    }
}

/// Those of a graph, without reading the rest of it into memory.
fn labels_of(workflow_id: Uuid, number: i32, graph: &str) -> HashMap<String, Label> {
    #[derive(Deserialize)]
    struct Graph {
        nodes: Vec<Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        key: String,
        #[serde(rename = "type")]
        kind: String,
        name: Option<String>,
    }
    let graph: Graph = match flowmatic_executor::json::read(graph) {
        Ok(graph) => graph,
        Err(error) => {
            tracing::error!(workflow = %workflow_id, number, %error, "a version cannot be read");
            return HashMap::new();
        }
    };
    let triggers = graph
        .nodes
        .into_iter()
        .filter(|node| node.kind.starts_with("trigger."));
    triggers
        .map(|node| {
            let name = node.name.unwrap_or_else(|| node.key.clone());
            (
                node.key,
                Label {
                    kind: node.kind,
                    name,
                },
            )
        })
        .collect()
}
