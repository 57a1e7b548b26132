//! The rows of trigger nodes: the addresses that outlive drafts and versions.

use std::collections::{HashMap, HashSet};

use flowmatic_executor::graph::is_key;
use flowmatic_openapi::{Graph, Trigger};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Deserialize;
use uuid::Uuid;

use super::super::StoreError;
use super::super::entity::{trigger, workflow};
use super::broken;

/// What begins the type of a node that starts executions.
pub(super) const TRIGGER_GROUP: &str = "trigger.";
const WEBHOOK: &str = "trigger.webhook";

/// Gives each trigger node of the graph its row; those of other nodes stay, for when the nodes come back.
pub(super) async fn save_triggers(
    transaction: &impl ConnectionTrait,
    workflow_id: Uuid,
    graph: &Graph,
) -> Result<Vec<trigger::Model>, StoreError> {
    let mut rows = triggers_of(transaction, &[workflow_id])
        .await?
        .remove(&workflow_id)
        .unwrap_or_default();
    let mut seen = HashSet::new();
    for node in &graph.nodes {
        // Nodes whose key cannot be published have no triggers.
        if !node.kind.starts_with(TRIGGER_GROUP) || !is_key(&node.key) || !seen.insert(&node.key) {
            continue;
        }
        let is_webhook = node.kind == WEBHOOK;
        match rows.iter_mut().find(|row| row.node == node.key) {
            None => {
                let row = trigger::Model {
                    id: Uuid::now_v7(),
                    workflow_id,
                    node: node.key.clone(),
                    kind: node.kind.clone(),
                    webhook_id: is_webhook.then(Uuid::now_v7),
                };
                trigger::Entity::insert(trigger::ActiveModel::from(row.clone()))
                    .exec_without_returning(transaction)
                    .await?;
                rows.push(row);
            }
            Some(row) if row.kind != node.kind => {
                row.kind.clone_from(&node.kind);
                if is_webhook {
                    row.webhook_id.get_or_insert_with(Uuid::now_v7);
                }
                trigger::Entity::update_many()
                    .col_expr(trigger::Column::Kind, row.kind.clone().into())
                    .col_expr(trigger::Column::WebhookId, row.webhook_id.into())
                    .filter(trigger::Column::Id.eq(row.id))
                    .exec(transaction)
                    .await?;
            }
            Some(_) => {}
        }
    }
    Ok(rows)
}

pub(super) async fn triggers_of(
    connection: &impl ConnectionTrait,
    workflows: &[Uuid],
) -> Result<HashMap<Uuid, Vec<trigger::Model>>, StoreError> {
    let rows = trigger::Entity::find()
        .filter(trigger::Column::WorkflowId.is_in(workflows.iter().copied()))
        .all(connection)
        .await?;
    let mut triggers: HashMap<Uuid, Vec<trigger::Model>> = HashMap::new();
    for row in rows {
        triggers.entry(row.workflow_id).or_default().push(row);
    }
    Ok(triggers)
}

/// The triggers of these nodes, in the order of the nodes.
pub(super) fn listed(nodes: &[(String, String)], triggers: Vec<trigger::Model>) -> Vec<Trigger> {
    let mut by_node: HashMap<String, trigger::Model> =
        triggers.into_iter().map(|row| (row.node.clone(), row)).collect();
    nodes
        .iter()
        .filter_map(|(key, kind)| {
            let row = by_node.remove(key)?;
            Some(Trigger {
                id: row.id,
                node: row.node,
                webhook_id: row.webhook_id.filter(|_| kind == WEBHOOK),
                kind: kind.clone(),
                url: None,
                secret: None,
            })
        })
        .collect()
}

/// Key and type of each trigger node, without reading the rest of the graph into memory.
pub(super) fn trigger_nodes(row: &workflow::Model) -> Result<Vec<(String, String)>, StoreError> {
    #[derive(Deserialize)]
    struct Nodes {
        nodes: Vec<Node>,
    }
    #[derive(Deserialize)]
    struct Node {
        key: String,
        #[serde(rename = "type")]
        kind: String,
    }
    let graph: Nodes = serde_json::from_str(&row.graph).map_err(|error| broken(row.id, error))?;
    let nodes = graph.nodes.into_iter().map(|node| (node.key, node.kind));
    Ok(nodes
        .filter(|(_, kind)| kind.starts_with(TRIGGER_GROUP))
        .collect())
}
