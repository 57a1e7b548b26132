//! Workflows: drafts, published versions and the triggers that lead to them.

mod deletion;
mod list;
mod triggers;
mod versions;

use std::collections::HashSet;

use flowmatic_openapi::{Graph, Time, Workflow};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use uuid::Uuid;

pub(crate) use self::deletion::RESTORABLE;
pub use self::list::WorkflowFilter;
use self::list::changed_among;
use self::triggers::{TRIGGER_GROUP, listed, save_triggers, triggers_of};
use super::authors::{Authors, author_text};
use super::entity::{trigger, version, workflow};
use super::schedules;
use super::secrets::{self, SealedSecret};
use super::start_control::places;
use super::{Store, StoreError, millis, time};
use crate::auth::Caller;

/// A draft to be written.
#[derive(Debug)]
pub struct WorkflowSave {
    pub workspace_id: i64,
    pub id: Uuid,
    pub name: String,
    pub description: Option<String>,
    /// `true` publishes and switches on, `false` switches off, `None` leaves what is live.
    pub active: Option<bool>,
    pub graph: Graph,
    pub secrets: Vec<SealedSecret>,
    /// Who saves, where that is somebody whom the API knows.
    pub by: Option<Caller>,
    pub now: Time,
}

/// What became of a workflow whose triggers were to be switched on.
#[derive(Debug)]
pub enum Activated {
    Workflow(Box<Workflow>),
    /// It has no version that could run.
    NeverPublished,
}

/// Where the calls of a webhook go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookTarget {
    pub workspace_id: i64,
    pub workflow_id: Uuid,
    pub trigger_id: Uuid,
    /// The key of the trigger's node.
    pub node: String,
    pub active: bool,
    /// The published version.
    pub version: Option<i32>,
}

impl Store {
    pub async fn create_workflow(&self, save: WorkflowSave) -> Result<Workflow, StoreError> {
        let transaction = self.begin().await?;
        let workflow = insert(&transaction, save).await?;
        self.commit_live(transaction).await?;
        Ok(workflow)
    }

    /// Creates all of them or none.
    pub async fn create_workflows(&self, saves: Vec<WorkflowSave>) -> Result<Vec<Workflow>, StoreError> {
        let transaction = self.begin().await?;
        let mut workflows = Vec::with_capacity(saves.len());
        for save in saves {
            workflows.push(insert(&transaction, save).await?);
        }
        self.commit_live(transaction).await?;
        Ok(workflows)
    }

    /// Writes a draft over the revision it was made from; `None` where there is another one by now, or the
    /// workflow is gone.
    pub async fn update_workflow(
        &self,
        save: WorkflowSave,
        revision: i64,
    ) -> Result<Option<Workflow>, StoreError> {
        let transaction = self.begin().await?;
        let graph = text_of(&save.graph);
        let updated = workflow::Entity::update_many()
            .col_expr(workflow::Column::Name, save.name.into())
            .col_expr(workflow::Column::Description, save.description.into())
            .col_expr(workflow::Column::Graph, graph.into())
            .col_expr(workflow::Column::UpdatedAt, millis(save.now).into())
            .col_expr(workflow::Column::UpdatedBy, save.by.map(author_text).into())
            .col_expr(workflow::Column::Revision, (revision + 1).into())
            .filter(workflow::Column::Id.eq(save.id))
            .filter(workflow::Column::WorkspaceId.eq(save.workspace_id))
            .filter(workflow::Column::Revision.eq(revision))
            .filter(workflow::Column::DeletedAt.is_null())
            .exec(&transaction)
            .await?;
        if updated.rows_affected == 0 {
            return Ok(None);
        }
        secrets::insert(&transaction, save.workspace_id, save.secrets, save.now).await?;
        let triggers = save_triggers(&transaction, save.id, &save.graph).await?;
        let mut row = row(&transaction, save.workspace_id, save.id)
            .await?
            .ok_or_else(|| StoreError::Internal(format!("workflow {} is gone", save.id)))?;
        if let Some(active) = save.active {
            if active {
                row.version = Some(publish(&transaction, &row, save.by, save.now).await?);
            }
            row.active = active;
            set_live(&transaction, &row, save.now).await?;
        }
        let workflow = shown(&transaction, row, save.graph, triggers).await?;
        self.commit_live(transaction).await?;
        Ok(Some(workflow))
    }

    /// Publishes the draft of this revision and switches its triggers on; `None` where there is another one
    /// by now, or the workflow is gone.
    pub async fn publish_workflow(
        &self,
        workspace_id: i64,
        id: Uuid,
        revision: i64,
        by: Caller,
        now: Time,
    ) -> Result<Option<Workflow>, StoreError> {
        let transaction = self.begin().await?;
        let draft = row(&transaction, workspace_id, id).await?;
        let Some(mut row) = draft.filter(|row| row.revision == revision) else {
            return Ok(None);
        };
        row.version = Some(publish(&transaction, &row, Some(by), now).await?);
        row.active = true;
        if !set_live(&transaction, &row, now).await? {
            return Ok(None);
        }
        self.commit_live(transaction).await?;
        self.with_triggers(row).await.map(Some)
    }

    /// Switches the triggers of a workflow's published version on; `None` where there is no such workflow.
    pub async fn activate_workflow(
        &self,
        workspace_id: i64,
        id: Uuid,
        now: Time,
    ) -> Result<Option<Activated>, StoreError> {
        let transaction = self.begin().await?;
        let Some(mut row) = locked(&transaction, workspace_id, id).await? else {
            return Ok(None);
        };
        if row.version.is_none() {
            return Ok(Some(Activated::NeverPublished));
        }
        if !std::mem::replace(&mut row.active, true) {
            set_live(&transaction, &row, now).await?;
        }
        self.commit_live(transaction).await?;
        let workflow = self.with_triggers(row).await?;
        Ok(Some(Activated::Workflow(Box::new(workflow))))
    }

    /// Switches a workflow's triggers off; `None` where there is no such workflow.
    pub async fn deactivate_workflow(
        &self,
        workspace_id: i64,
        id: Uuid,
        now: Time,
    ) -> Result<Option<Workflow>, StoreError> {
        let transaction = self.begin().await?;
        let Some(mut row) = locked(&transaction, workspace_id, id).await? else {
            return Ok(None);
        };
        row.active = false;
        set_live(&transaction, &row, now).await?;
        self.commit_live(transaction).await?;
        self.with_triggers(row).await.map(Some)
    }

    /// What is live now may be due before all that was.
    async fn commit_live(&self, transaction: DatabaseTransaction) -> Result<(), StoreError> {
        transaction.commit().await?;
        self.timer_written(i64::MIN);
        Ok(())
    }

    pub async fn workflow(&self, workspace_id: i64, id: Uuid) -> Result<Option<Workflow>, StoreError> {
        match row(&self.reader(), workspace_id, id).await? {
            Some(row) => self.with_triggers(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The ids of all workflows, the oldest first.
    pub async fn workflow_ids(&self, workspace_id: i64) -> Result<Vec<Uuid>, StoreError> {
        Ok(workflow::Entity::find()
            .select_only()
            .column(workflow::Column::Id)
            .filter(workflow::Column::WorkspaceId.eq(workspace_id))
            .filter(workflow::Column::DeletedAt.is_null())
            .order_by_asc(workflow::Column::Id)
            .into_tuple()
            .all(&self.reader())
            .await?)
    }

    /// Which of these workflows the workspace has.
    pub async fn known_workflows(
        &self,
        workspace_id: i64,
        ids: &[Uuid],
    ) -> Result<HashSet<Uuid>, StoreError> {
        let mut found = HashSet::new();
        for ids in ids.chunks(CHUNK) {
            let rows: Vec<Uuid> = workflow::Entity::find()
                .select_only()
                .column(workflow::Column::Id)
                .filter(workflow::Column::WorkspaceId.eq(workspace_id))
                .filter(workflow::Column::DeletedAt.is_null())
                .filter(workflow::Column::Id.is_in(ids.iter().copied()))
                .into_tuple()
                .all(&self.reader())
                .await?;
            found.extend(rows);
        }
        Ok(found)
    }

    /// A published graph and the workspace it belongs to; those of deleted workflows too, for the
    /// executions that still run.
    pub async fn version(&self, workflow_id: Uuid, number: i32) -> Result<Option<(i64, Graph)>, StoreError> {
        let reader = self.reader();
        let Some(version) = version::Entity::find_by_id((workflow_id, number))
            .one(&reader)
            .await?
        else {
            return Ok(None);
        };
        let workspace_id: Option<i64> = workflow::Entity::find_by_id(workflow_id)
            .select_only()
            .column(workflow::Column::WorkspaceId)
            .into_tuple()
            .one(&reader)
            .await?;
        let graph = graph_of(workflow_id, &version.graph)?;
        Ok(workspace_id.map(|workspace_id| (workspace_id, graph)))
    }

    /// The number of the version that runs when a workflow is called; `None` where there is no such workflow, or none of
    /// its versions was published.
    pub async fn live_version(
        &self,
        workspace_id: i64,
        workflow_id: Uuid,
    ) -> Result<Option<i32>, StoreError> {
        let version: Option<Option<i32>> = workflow::Entity::find_by_id(workflow_id)
            .select_only()
            .column(workflow::Column::Version)
            .filter(workflow::Column::WorkspaceId.eq(workspace_id))
            .filter(workflow::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&self.reader())
            .await?;
        Ok(version.flatten())
    }

    /// Where the calls of a webhook go, for as long as its workflow is not deleted.
    pub async fn webhook(&self, webhook_id: Uuid) -> Result<Option<WebhookTarget>, StoreError> {
        let reader = self.reader();
        let Some(trigger) = trigger::Entity::find()
            .filter(trigger::Column::WebhookId.eq(webhook_id))
            .one(&reader)
            .await?
        else {
            return Ok(None);
        };
        let live: Option<(i64, bool, Option<i32>)> = workflow::Entity::find_by_id(trigger.workflow_id)
            .select_only()
            .columns([
                workflow::Column::WorkspaceId,
                workflow::Column::Active,
                workflow::Column::Version,
            ])
            .filter(workflow::Column::DeletedAt.is_null())
            .into_tuple()
            .one(&reader)
            .await?;
        Ok(live.map(|(workspace_id, active, version)| WebhookTarget {
            workspace_id,
            workflow_id: trigger.workflow_id,
            trigger_id: trigger.id,
            node: trigger.node,
            active,
            version,
        }))
    }

    async fn with_triggers(&self, row: workflow::Model) -> Result<Workflow, StoreError> {
        let graph = graph_of(row.id, &row.graph)?;
        let reader = self.reader();
        let triggers = triggers_of(&reader, &[row.id]).await?.remove(&row.id);
        shown(&reader, row, graph, triggers.unwrap_or_default()).await
    }
}

/// Ids in one query.
const CHUNK: usize = 500;

/// Writes a new workflow, and publishes it where it is to be active.
async fn insert(transaction: &impl ConnectionTrait, save: WorkflowSave) -> Result<Workflow, StoreError> {
    let graph = text_of(&save.graph);
    let at = millis(save.now);
    let row = workflow::ActiveModel {
        id: Set(save.id),
        workspace_id: Set(save.workspace_id),
        name: Set(save.name),
        description: Set(save.description),
        active: Set(false),
        revision: Set(1),
        version: Set(None),
        created_at: Set(at),
        updated_at: Set(at),
        deleted_at: Set(None),
        graph: Set(graph),
        was_active: Set(false),
        updated_by: Set(save.by.map(author_text)),
    };
    let mut row = workflow::Entity::insert(row)
        .exec_with_returning(transaction)
        .await?;
    secrets::insert(transaction, save.workspace_id, save.secrets, save.now).await?;
    let triggers = save_triggers(transaction, save.id, &save.graph).await?;
    if save.active == Some(true) {
        row.version = Some(publish(transaction, &row, save.by, save.now).await?);
        row.active = true;
        set_live(transaction, &row, save.now).await?;
    }
    shown(transaction, row, save.graph, triggers).await
}

async fn row(
    connection: &impl ConnectionTrait,
    workspace_id: i64,
    id: Uuid,
) -> Result<Option<workflow::Model>, StoreError> {
    Ok(select(workspace_id, id).one(connection).await?)
}

/// As it stays until the transaction ends.
async fn locked(
    transaction: &impl ConnectionTrait,
    workspace_id: i64,
    id: Uuid,
) -> Result<Option<workflow::Model>, StoreError> {
    Ok(select(workspace_id, id).lock_exclusive().one(transaction).await?)
}

fn select(workspace_id: i64, id: Uuid) -> Select<workflow::Entity> {
    workflow::Entity::find_by_id(id)
        .filter(workflow::Column::WorkspaceId.eq(workspace_id))
        .filter(workflow::Column::DeletedAt.is_null())
}

/// Makes a version of the draft, or finds that the newest one is the same; gives its number.
async fn publish(
    transaction: &impl ConnectionTrait,
    row: &workflow::Model,
    by: Option<Caller>,
    now: Time,
) -> Result<i32, StoreError> {
    let newest = version::Entity::find()
        .filter(version::Column::WorkflowId.eq(row.id))
        .order_by_desc(version::Column::Number)
        .one(transaction)
        .await?;
    let number = match newest {
        Some(newest) if newest.graph == row.graph => return Ok(newest.number),
        Some(newest) => newest.number + 1,
        None => 1,
    };
    let version = version::ActiveModel {
        workflow_id: Set(row.id),
        number: Set(number),
        created_at: Set(millis(now)),
        graph: Set(row.graph.clone()),
        published_by: Set(by.map(author_text)),
    };
    version::Entity::insert(version)
        .exec_without_returning(transaction)
        .await?;
    places::follow(transaction, row.id, &row.graph).await?;
    Ok(number)
}

/// Writes `active` and `version`, which the workflow's schedules follow; `false` where the revision is another one by
/// now.
async fn set_live(
    transaction: &impl ConnectionTrait,
    row: &workflow::Model,
    now: Time,
) -> Result<bool, StoreError> {
    let updated = workflow::Entity::update_many()
        .col_expr(workflow::Column::Active, row.active.into())
        .col_expr(workflow::Column::Version, row.version.into())
        .filter(workflow::Column::Id.eq(row.id))
        .filter(workflow::Column::Revision.eq(row.revision))
        .filter(workflow::Column::DeletedAt.is_null())
        .exec(transaction)
        .await?;
    if updated.rows_affected == 0 {
        return Ok(false);
    }
    schedules::follow(transaction, row, now).await?;
    Ok(true)
}

/// A workflow as it stands in the database.
async fn shown(
    connection: &impl ConnectionTrait,
    row: workflow::Model,
    graph: Graph,
    triggers: Vec<trigger::Model>,
) -> Result<Workflow, StoreError> {
    let saver = row.updated_by.as_deref();
    let updated_by = Authors::of(connection, row.workspace_id, [saver])
        .await?
        .get(saver);
    let has_changes = row.version.is_some() && !changed_among(connection, &[row.id]).await?.is_empty();
    let nodes: Vec<(String, String)> = graph
        .nodes
        .iter()
        .filter(|node| node.kind.starts_with(TRIGGER_GROUP))
        .map(|node| (node.key.clone(), node.kind.clone()))
        .collect();
    Ok(Workflow {
        triggers: listed(&nodes, triggers),
        graph,
        id: row.id,
        name: row.name,
        description: row.description,
        active: row.active,
        revision: row.revision,
        version: row.version,
        has_changes,
        created_at: time(row.created_at),
        updated_at: time(row.updated_at),
        updated_by,
    })
}

fn text_of(graph: &Graph) -> String {
    graph.to_json().unwrap_or_default().to_string()
}

fn graph_of(workflow_id: Uuid, text: &str) -> Result<Graph, StoreError> {
    let value =
        flowmatic_executor::json::parse(text.as_bytes()).map_err(|error| broken(workflow_id, error))?;
    Graph::parse_from_json(Some(value)).map_err(|error| broken(workflow_id, error.message()))
}

fn broken(workflow_id: Uuid, error: impl std::fmt::Display) -> StoreError {
    StoreError::Internal(format!(
        "the stored graph of workflow {workflow_id} is broken: {error}"
    ))
}
