//! Published versions: what there is of them, and the way back to one.

use std::collections::{HashMap, HashSet};

use flowmatic_openapi::{Author, AuthorKind, Graph, Page, Time, Version, VersionSummary, Workflow};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

use super::super::entity::{api_key, user, version, workflow};
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
        let authors = authors(&reader, workspace_id, &rows).await?;
        let versions = rows
            .into_iter()
            .map(|row| {
                Ok(VersionSummary {
                    workflow_id,
                    number: row.number,
                    published_at: time(row.created_at),
                    published_by: author(&authors, &row),
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
        let found = [found];
        let authors = authors(&reader, workspace_id, &found).await?;
        let [row] = found;
        let graph = graph_of(workflow_id, &row.graph)?;
        Ok(Some(Version {
            workflow_id,
            number: row.number,
            published_at: time(row.created_at),
            published_by: author(&authors, &row),
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
        now: Time,
    ) -> Result<Option<Workflow>, StoreError> {
        let transaction = self.begin().await?;
        let updated = workflow::Entity::update_many()
            .col_expr(workflow::Column::Graph, super::text_of(&graph).into())
            .col_expr(workflow::Column::UpdatedAt, millis(now).into())
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

/// Who publishes, as a row keeps it.
pub(super) fn author_text(caller: Caller) -> String {
    match caller {
        Caller::User { id, .. } => format!("user:{id}"),
        Caller::Key(id) => format!("key:{id}"),
    }
}

/// The names of those who published these versions, by what the rows keep of them.
async fn authors(
    connection: &impl ConnectionTrait,
    workspace_id: i64,
    versions: &[version::Model],
) -> Result<HashMap<String, String>, StoreError> {
    let texts: HashSet<&str> = versions
        .iter()
        .filter_map(|version| version.published_by.as_deref())
        .collect();
    let ids = |kind: &str| -> Vec<&str> {
        let of_kind = texts.iter().filter_map(|text| text.strip_prefix(kind));
        of_kind.collect()
    };
    let users: Vec<i64> = ids("user:").iter().filter_map(|id| id.parse().ok()).collect();
    let keys: Vec<Uuid> = ids("key:")
        .iter()
        .filter_map(|id| Uuid::try_parse(id).ok())
        .collect();
    let users: Vec<(i64, String)> = user::Entity::find()
        .select_only()
        .columns([user::Column::Id, user::Column::Email])
        .filter(user::Column::WorkspaceId.eq(workspace_id))
        .filter(user::Column::Id.is_in(users))
        .into_tuple()
        .all(connection)
        .await?;
    let keys: Vec<(Uuid, String)> = api_key::Entity::find()
        .select_only()
        .columns([api_key::Column::Id, api_key::Column::Name])
        .filter(api_key::Column::WorkspaceId.eq(workspace_id))
        .filter(api_key::Column::Id.is_in(keys))
        .into_tuple()
        .all(connection)
        .await?;
    let users = users.into_iter().map(|(id, email)| (format!("user:{id}"), email));
    let keys = keys.into_iter().map(|(id, name)| (format!("key:{id}"), name));
    Ok(users.chain(keys).collect())
}

fn author(names: &HashMap<String, String>, version: &version::Model) -> Option<Author> {
    let text = version.published_by.as_deref()?;
    let (kind, id) = text.split_once(':')?;
    let kind = match kind {
        "user" => AuthorKind::User,
        "key" => AuthorKind::Key,
        _ => return None,
    };
    Some(Author {
        kind,
        id: id.to_owned(),
        name: names.get(text).cloned(),
    })
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
