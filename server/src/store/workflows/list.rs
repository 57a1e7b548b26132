//! Lists of workflows, in several orders.
//!
//! A cursor is the id of the last workflow of a page and, where the order is not that of the ids, the value that it was
//! ordered by: what is saved meanwhile moves, and the pages stay where they are.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flowmatic_openapi::{LastExecution, Page, Time, WorkflowSort, WorkflowStatus, WorkflowSummary};
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Func, IntoIden, LikeExpr, Order, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Statement,
};
use uuid::Uuid;

use super::super::entity::{execution, workflow};
use super::super::executions::SummaryRow;
use super::super::{Store, StoreError, time};
use super::deletion::is_restorable;
use super::triggers::{listed, trigger_nodes, triggers_of};

/// Which workflows a list shows, and in which order.
#[derive(Debug, Default)]
pub struct WorkflowFilter {
    /// Part of the name, in whatever case.
    pub search: Option<String>,
    pub active: Option<bool>,
    pub status: Option<WorkflowStatus>,
    pub sort: WorkflowSort,
    pub ascending: bool,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    pub limit: u32,
}

impl Store {
    pub async fn workflows(
        &self,
        workspace_id: i64,
        filter: WorkflowFilter,
        now: Time,
    ) -> Result<Page<WorkflowSummary>, StoreError> {
        let reader = self.reader();
        let mut rows = filter.select(workspace_id, now)?.all(&reader).await?;
        let limit = filter.limit as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| has_more);
        let next_cursor = last.map(|last| encode(filter.sort, last));
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let mut triggers = triggers_of(&reader, &ids).await?;
        let published = rows.iter().filter(|row| row.version.is_some());
        let published: Vec<Uuid> = published.map(|row| row.id).collect();
        let changed = changed_among(&reader, &published).await?;
        let mut last_executions = last_executions(&reader, &ids, now).await?;
        let workflows = rows
            .into_iter()
            .map(|row| {
                let nodes = trigger_nodes(&row)?;
                let triggers = triggers.remove(&row.id).unwrap_or_default();
                Ok(WorkflowSummary {
                    triggers: listed(&nodes, triggers),
                    has_changes: changed.contains(&row.id),
                    last_execution: last_executions.remove(&row.id),
                    id: row.id,
                    name: row.name,
                    description: row.description,
                    active: row.active,
                    revision: row.revision,
                    version: row.version,
                    created_at: time(row.created_at),
                    updated_at: time(row.updated_at),
                    deleted_at: row.deleted_at.map(time),
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Page::new(workflows, next_cursor))
    }
}

impl WorkflowFilter {
    fn select(&self, workspace_id: i64, now: Time) -> Result<Select<workflow::Entity>, StoreError> {
        let mut query = workflow::Entity::find()
            .filter(workflow::Column::WorkspaceId.eq(workspace_id))
            .filter(match self.status {
                Some(WorkflowStatus::Deleted) => is_restorable(now),
                _ => workflow::Column::DeletedAt.is_null(),
            })
            .limit(u64::from(self.limit) + 1);
        if let Some(cursor) = &self.cursor {
            query = query.filter(self.after(cursor)?);
        }
        let order = if self.ascending { Order::Asc } else { Order::Desc };
        if let Some(key) = sort_key(self.sort) {
            query = query.order_by(key, order.clone());
        }
        // Ids begin with the time they were made at.
        query = query.order_by(workflow::Column::Id, order);
        if let Some(active) = self.active {
            query = query.filter(workflow::Column::Active.eq(active));
        }
        let is_published = || workflow::Column::Version.is_not_null();
        query = match self.status {
            None | Some(WorkflowStatus::Deleted) => query,
            Some(WorkflowStatus::Published) => {
                query.filter(is_published().and(workflow::Column::Active.eq(true)))
            }
            Some(WorkflowStatus::Off) => query.filter(is_published().and(workflow::Column::Active.eq(false))),
            Some(WorkflowStatus::Draft) => query.filter(workflow::Column::Version.is_null()),
        };
        if let Some(search) = &self.search {
            let like = |part: &str| {
                let part = part.replace('!', "!!").replace('%', "!%").replace('_', "!_");
                LikeExpr::new(format!("%{part}%")).escape('!')
            };
            let name = || Expr::col(workflow::Column::Name);
            let lower = Expr::expr(Func::lower(name())).like(like(&search.to_lowercase()));
            // SQLite lowers ASCII letters alone: what is beyond is found as it is written.
            query = query.filter(Cond::any().add(lower).add(name().like(like(search))));
        }
        Ok(query)
    }

    /// What comes after a cursor.
    fn after(&self, cursor: &str) -> Result<Expr, StoreError> {
        let (id, value) = decode(self.sort, cursor)?;
        let (here, there) = match sort_key(self.sort).zip(value) {
            None => (Expr::col(workflow::Column::Id), Expr::val(id)),
            Some((key, value)) => (
                Expr::tuple([key, Expr::col(workflow::Column::Id)]),
                Expr::tuple([value, Expr::val(id)]),
            ),
        };
        Ok(if self.ascending {
            here.gt(there)
        } else {
            here.lt(there)
        })
    }
}

/// What comes before the id in an order; nothing where that is all.
fn sort_key(sort: WorkflowSort) -> Option<Expr> {
    match sort {
        WorkflowSort::CreatedAt => None,
        WorkflowSort::UpdatedAt => Some(Expr::col(workflow::Column::UpdatedAt)),
        // As the index has it.
        WorkflowSort::Name => Some(Func::lower(Expr::col(workflow::Column::Name)).into()),
    }
}

fn encode(sort: WorkflowSort, last: &workflow::Model) -> String {
    let mut bytes = last.id.as_bytes().to_vec();
    match sort {
        WorkflowSort::CreatedAt => {}
        WorkflowSort::UpdatedAt => {
            bytes.push(BY_TIME);
            bytes.extend(last.updated_at.to_be_bytes());
        }
        WorkflowSort::Name => {
            bytes.push(BY_NAME);
            bytes.extend(last.name.as_bytes());
        }
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

const BY_TIME: u8 = b't';
const BY_NAME: u8 = b'n';

/// The id and the value of a cursor, which must be one of this order.
fn decode(sort: WorkflowSort, cursor: &str) -> Result<(Uuid, Option<Expr>), StoreError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| StoreError::BadCursor)?;
    let (id, rest) = bytes.split_at_checked(16).ok_or(StoreError::BadCursor)?;
    let id = Uuid::from_slice(id).map_err(|_| StoreError::BadCursor)?;
    let value = match (sort, rest) {
        (WorkflowSort::CreatedAt, []) => None,
        (WorkflowSort::UpdatedAt, [BY_TIME, time @ ..]) => {
            let time = time.try_into().map_err(|_| StoreError::BadCursor)?;
            Some(Expr::val(i64::from_be_bytes(time)))
        }
        (WorkflowSort::Name, [BY_NAME, name @ ..]) => {
            let name = std::str::from_utf8(name).map_err(|_| StoreError::BadCursor)?;
            if name.contains('\0') {
                return Err(StoreError::BadCursor);
            }
            Some(Func::lower(Expr::val(name)).into())
        }
        _ => return Err(StoreError::BadCursor),
    };
    Ok((id, value))
}

/// Those of these workflows whose draft is another than the published version.
pub(super) async fn changed_among(
    connection: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<HashSet<Uuid>, StoreError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let places: Vec<String> = (1..=ids.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "SELECT workflows.id AS id FROM workflows \
         JOIN versions ON versions.workflow_id = workflows.id AND versions.number = workflows.version \
         WHERE workflows.id IN ({}) AND versions.graph <> workflows.graph",
        places.join(", ")
    );
    let values = ids.iter().map(|id| (*id).into());
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    let rows = connection.query_all_raw(statement).await?;
    rows.into_iter().map(|row| Ok(row.try_get("", "id")?)).collect()
}

/// The newest execution of each of these workflows.
async fn last_executions(
    connection: &impl ConnectionTrait,
    workflows: &[Uuid],
    now: Time,
) -> Result<HashMap<Uuid, LastExecution>, StoreError> {
    let rows = newest_of(workflows)
        .into_partial_model::<SummaryRow>()
        .all(connection)
        .await?;
    let mut last = HashMap::new();
    for row in rows {
        let summary = row.summary(now)?;
        last.insert(
            summary.workflow_id,
            LastExecution {
                id: summary.id,
                status: summary.status,
                mode: summary.mode,
                started_at: summary.started_at,
                finished_at: summary.finished_at,
                duration_ms: summary.duration_ms,
            },
        );
    }
    Ok(last)
}

/// From each workflow the index leads to its newest execution at once.
fn newest_of(workflows: &[Uuid]) -> Select<execution::Entity> {
    let its = Alias::new("its").into_iden();
    let newest = Query::select()
        .column((its.clone(), execution::Column::Id))
        .from_as(execution::Entity, its.clone())
        .and_where(
            Expr::col((its.clone(), execution::Column::WorkflowId))
                .equals((workflow::Entity, workflow::Column::Id)),
        )
        .order_by((its, execution::Column::Id), Order::Desc)
        .limit(1)
        .take();
    let of_each = Query::select()
        .expr(Expr::from(newest))
        .from(workflow::Entity)
        .and_where(Expr::col((workflow::Entity, workflow::Column::Id)).is_in(workflows.iter().copied()))
        .take();
    execution::Entity::find()
        .filter(Expr::col((execution::Entity, execution::Column::Id)).in_subquery(of_each))
}

#[cfg(test)]
mod tests;
