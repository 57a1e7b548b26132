//! Published versions: what there is of them, and the way back to one.

use flowmatic_openapi::{Graph, Page, Time, Version, VersionSummary, Workflow};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::super::authors::{Authors, author_text};
use super::super::entity::{version, workflow};
use super::super::{Store, StoreError, cursor, millis, time};
use super::triggers::save_triggers;
use super::{broken, graph_of, row, shown};
use crate::auth::Caller;

impl Store {
    /// The newest first; `None` where there is no such workflow.
    pub async fn versions(
        &self,
        workspace_id: i64,
        workflow_id: Uuid,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Option<Page<VersionSummary>>, StoreError> {
        let reader = self.reader();
        let Some(workflow) = row(&reader, workspace_id, workflow_id).await? else {
            return Ok(None);
        };
        let mut query = version::Entity::find()
            .filter(version::Column::WorkflowId.eq(workflow_id))
            .order_by_desc(version::Column::Number)
            .limit(u64::from(limit) + 1);
        if let Some(cursor) = cursor {
            // A number beyond those that a column holds is that of no version: all are below it.
            let before = i32::try_from(cursor::decode(cursor)?.as_u128()).unwrap_or(i32::MAX);
            query = query.filter(version::Column::Number.lt(before));
        }
        let mut rows = query.all(&reader).await?;
        let next_cursor = cursor::cut(&mut rows, limit, |row| {
            Uuid::from_u128(u128::from(row.number.unsigned_abs()))
        });
        let makers = rows.iter().map(|row| row.published_by.as_deref());
        let authors = Authors::of(&reader, workspace_id, makers).await?;
        let versions = rows
            .into_iter()
            .map(|row| {
                Ok(VersionSummary {
                    workflow_id,
                    number: row.number,
                    published_at: time(row.created_at),
                    published_by: authors.get(row.published_by.as_deref()),
                    node_count: node_count(&row)?,
                    live: workflow.version == Some(row.number),
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Some(Page::new(versions, next_cursor)))
    }

    /// One version, with its graph; `None` where there is none, or no such workflow.
    pub async fn published(
        &self,
        workspace_id: i64,
        workflow_id: Uuid,
        number: i32,
    ) -> Result<Option<Version>, StoreError> {
        let reader = self.reader();
        let Some(workflow) = row(&reader, workspace_id, workflow_id).await? else {
            return Ok(None);
        };
        let found = version::Entity::find_by_id((workflow_id, number))
            .one(&reader)
            .await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let row = found;
        let authors = Authors::of(&reader, workspace_id, [row.published_by.as_deref()]).await?;
        let graph = graph_of(workflow_id, &row.graph)?;
        Ok(Some(Version {
            workflow_id,
            number: row.number,
            published_at: time(row.created_at),
            published_by: authors.get(row.published_by.as_deref()),
            node_count: i32::try_from(graph.nodes.len()).unwrap_or(i32::MAX),
            live: workflow.version == Some(row.number),
            graph,
        }))
    }

    /// Puts a graph into the draft of this revision, and leaves the rest of the workflow as it is; `None` where
    /// there is another revision by now, or the workflow is gone. Nothing that is live changes.
    pub async fn restore_draft(
        &self,
        workspace_id: i64,
        id: Uuid,
        graph: Graph,
        revision: i64,
        by: Caller,
        now: Time,
    ) -> Result<Option<Workflow>, StoreError> {
        let transaction = self.begin().await?;
        let updated = workflow::Entity::update_many()
            .col_expr(workflow::Column::Graph, super::text_of(&graph).into())
            .col_expr(workflow::Column::UpdatedAt, millis(now).into())
            .col_expr(workflow::Column::UpdatedBy, author_text(by).into())
            .col_expr(workflow::Column::Revision, (revision + 1).into())
            .filter(workflow::Column::Id.eq(id))
            .filter(workflow::Column::WorkspaceId.eq(workspace_id))
            .filter(workflow::Column::Revision.eq(revision))
            .filter(workflow::Column::DeletedAt.is_null())
            .exec(&transaction)
            .await?;
        if updated.rows_affected == 0 {
            return Ok(None);
        }
        let triggers = save_triggers(&transaction, id, &graph).await?;
        let row = row(&transaction, workspace_id, id)
            .await?
            .ok_or_else(|| StoreError::Internal(format!("workflow {id} is gone")))?;
        let workflow = shown(&transaction, row, graph, triggers).await?;
        transaction.commit().await?;
        Ok(Some(workflow))
    }
}

/// Without reading the graph into memory.
fn node_count(version: &version::Model) -> Result<i32, StoreError> {
    #[derive(Deserialize)]
    struct Nodes {
        nodes: Vec<IgnoredAny>,
    }
    let graph: Nodes =
        flowmatic_executor::json::read(&version.graph).map_err(|error| broken(version.workflow_id, error))?;
    Ok(i32::try_from(graph.nodes.len()).unwrap_or(i32::MAX))
}
