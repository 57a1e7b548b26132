//! Keeps schedules in step with the workflow they belong to.

use std::collections::HashMap;

use flowmatic_nodes::trigger::schedule::{KIND, Overlap};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::super::entity::{firing, schedule, trigger, version, workflow};
use super::super::timers::{self, TimerKind};
use super::super::{StoreError, Time};
use super::{next_due, parameters, set_timers};

/// To be called where `active` or `version` of a workflow was written; one that is deleted is not active.
///
/// A schedule that is published again as it is keeps its times. One that is new, changed or switched on goes on with
/// the first time from now on. What waits for its turn is dropped where a schedule is switched off, or queues no more.
pub(in crate::store) async fn follow(
    transaction: &impl ConnectionTrait,
    workflow: &workflow::Model,
    now: Time,
) -> Result<(), StoreError> {
    let mut known = rows_of(transaction, workflow.id).await?;
    if !workflow.active {
        for row in &mut known {
            row.active = false;
            row.next_due = None;
        }
        let triggers: Vec<Uuid> = known.iter().map(|row| row.trigger_id).collect();
        drop_waiting(transaction, &triggers).await?;
        return write(transaction, known, now).await;
    }
    let nodes = published(transaction, workflow).await?;
    let mut triggers = triggers_of(transaction, workflow.id).await?;
    let mut rows = Vec::with_capacity(nodes.len());
    let mut queue_no_more = Vec::new();
    for (node, text) in nodes {
        let Some(trigger_id) = triggers.remove(&node) else {
            let lost = format!("the trigger `{node}` of workflow {} has no row", workflow.id);
            return Err(StoreError::Internal(lost));
        };
        let place = known.iter().position(|row| row.trigger_id == trigger_id);
        let before = place.map(|place| known.swap_remove(place));
        let is_same = before
            .as_ref()
            .is_some_and(|before| before.active && before.parameters == text);
        let mut row = before.unwrap_or(schedule::Model {
            trigger_id,
            workspace_id: workflow.workspace_id,
            workflow_id: workflow.id,
            version: 0,
            node: String::new(),
            active: false,
            paused: false,
            next_due: None,
            last_due: None,
            last_execution: None,
            skipped_due: None,
            skipped_reason: None,
            parameters: String::new(),
        });
        row.version = workflow.version.unwrap_or_default();
        row.node = node;
        row.active = true;
        row.parameters = text;
        if !is_same {
            let (schedule, timetable) = parameters(&row)?;
            if schedule.overlap != Overlap::Queue {
                queue_no_more.push(trigger_id);
            }
            row.next_due = match row.paused {
                true => None,
                false => next_due(&timetable, row.last_due, now),
            };
        }
        rows.push(row);
    }
    let gone: Vec<Uuid> = known.into_iter().map(|row| row.trigger_id).collect();
    delete(transaction, &gone).await?;
    drop_waiting(transaction, &queue_no_more).await?;
    write(transaction, rows, now).await
}

/// Locked, so that nothing fires meanwhile.
async fn rows_of(
    transaction: &impl ConnectionTrait,
    workflow_id: Uuid,
) -> Result<Vec<schedule::Model>, StoreError> {
    Ok(schedule::Entity::find()
        .filter(schedule::Column::WorkflowId.eq(workflow_id))
        .order_by_asc(schedule::Column::TriggerId)
        .lock_exclusive()
        .all(transaction)
        .await?)
}

/// Key and parameters of each schedule of the live version, without reading the rest of the graph into memory.
async fn published(
    transaction: &impl ConnectionTrait,
    workflow: &workflow::Model,
) -> Result<Vec<(String, String)>, StoreError> {
    #[derive(Deserialize)]
    struct Graph<'a> {
        #[serde(borrow)]
        nodes: Vec<Node<'a>>,
    }
    #[derive(Deserialize)]
    struct Node<'a> {
        key: String,
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        disabled: bool,
        #[serde(borrow)]
        parameters: Option<&'a RawValue>,
    }
    let number = workflow.version.unwrap_or_default();
    let live = version::Entity::find_by_id((workflow.id, number))
        .one(transaction)
        .await?;
    let Some(live) = live else {
        return Ok(Vec::new());
    };
    let broken = |error: serde_json::Error| {
        StoreError::Internal(format!(
            "version {number} of workflow {} is broken: {error}",
            workflow.id
        ))
    };
    let graph: Graph = serde_json::from_str(&live.graph).map_err(broken)?;
    let schedules = graph
        .nodes
        .into_iter()
        .filter(|node| node.kind == KIND && !node.disabled);
    Ok(schedules
        .map(|node| (node.key, node.parameters.map_or("{}", RawValue::get).to_owned()))
        .collect())
}

/// The ids of a workflow's triggers, by node.
async fn triggers_of(
    transaction: &impl ConnectionTrait,
    workflow_id: Uuid,
) -> Result<HashMap<String, Uuid>, StoreError> {
    let triggers: Vec<(String, Uuid)> = trigger::Entity::find()
        .select_only()
        .columns([trigger::Column::Node, trigger::Column::Id])
        .filter(trigger::Column::WorkflowId.eq(workflow_id))
        .into_tuple()
        .all(transaction)
        .await?;
    Ok(triggers.into_iter().collect())
}

/// Rows of one statement, whose values the databases bound.
const ROWS: usize = 500;

async fn write(
    transaction: &impl ConnectionTrait,
    mut rows: Vec<schedule::Model>,
    now: Time,
) -> Result<(), StoreError> {
    rows.sort_by_key(|row| row.trigger_id);
    for rows in rows.chunks(ROWS) {
        upsert(transaction, rows).await?;
        set_timers(transaction, rows, now).await?;
    }
    Ok(())
}

/// Writes rows that are new, or locked by this transaction.
pub(super) async fn upsert(
    transaction: &impl ConnectionTrait,
    rows: &[schedule::Model],
) -> Result<(), StoreError> {
    use schedule::Column;
    let over = OnConflict::column(Column::TriggerId)
        .update_columns([
            Column::Version,
            Column::Node,
            Column::Active,
            Column::NextDue,
            Column::LastDue,
            Column::LastExecution,
            Column::SkippedDue,
            Column::SkippedReason,
            Column::Parameters,
        ])
        .to_owned();
    let rows = rows.iter().cloned().map(schedule::ActiveModel::from);
    schedule::Entity::insert_many(rows)
        .on_conflict(over)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

async fn delete(transaction: &impl ConnectionTrait, triggers: &[Uuid]) -> Result<(), StoreError> {
    for triggers in triggers.chunks(ROWS) {
        // Their firings go with them.
        schedule::Entity::delete_many()
            .filter(schedule::Column::TriggerId.is_in(triggers.iter().copied()))
            .exec(transaction)
            .await?;
        timers::remove(transaction, TimerKind::Schedule, triggers).await?;
    }
    Ok(())
}

async fn drop_waiting(transaction: &impl ConnectionTrait, triggers: &[Uuid]) -> Result<(), StoreError> {
    for triggers in triggers.chunks(ROWS) {
        firing::Entity::delete_many()
            .filter(firing::Column::TriggerId.is_in(triggers.iter().copied()))
            .filter(firing::Column::ExecutionId.is_null())
            .exec(transaction)
            .await?;
    }
    Ok(())
}
