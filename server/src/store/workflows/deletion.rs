//! Workflows that are deleted, and come back.
//!
//! A deleted workflow keeps its rows: for the executions that name it, and to be restored with the same ids. What is
//! due to be removed for good is in `retention/deleted.rs`.

use chrono::TimeDelta;
use flowmatic_openapi::{Time, Workflow};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::super::entity::workflow;
use super::super::{Store, StoreError, millis, schedules};
use super::locked;

/// How long a deleted workflow can be restored.
pub(crate) const RESTORABLE: TimeDelta = TimeDelta::days(30);

impl Store {
    /// Deletes a workflow: its triggers start nothing from now on. Whether there was one.
    pub async fn delete_workflow(&self, workspace_id: i64, id: Uuid, now: Time) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        let Some(mut row) = locked(&transaction, workspace_id, id).await? else {
            return Ok(false);
        };
        workflow::Entity::update_many()
            .col_expr(workflow::Column::DeletedAt, Some(millis(now)).into())
            .col_expr(workflow::Column::WasActive, Expr::col(workflow::Column::Active))
            .col_expr(workflow::Column::Active, false.into())
            .filter(workflow::Column::Id.eq(id))
            .exec(&transaction)
            .await?;
        row.active = false;
        schedules::follow(&transaction, &row, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Takes a deletion back: ids, triggers and schedules are those from before, and on if they were. One that is not
    /// deleted stays as it is; `None` where there is no such workflow, or it was deleted too long ago.
    pub async fn restore_workflow(
        &self,
        workspace_id: i64,
        id: Uuid,
        now: Time,
    ) -> Result<Option<Workflow>, StoreError> {
        let transaction = self.begin().await?;
        if let Some(row) = locked(&transaction, workspace_id, id).await? {
            transaction.commit().await?;
            return self.with_triggers(row).await.map(Some);
        }
        let deleted = workflow::Entity::find_by_id(id)
            .filter(workflow::Column::WorkspaceId.eq(workspace_id))
            .filter(is_restorable(now))
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let Some(mut row) = deleted else {
            return Ok(None);
        };
        row.active = std::mem::take(&mut row.was_active);
        row.deleted_at = None;
        workflow::Entity::update_many()
            .col_expr(workflow::Column::DeletedAt, row.deleted_at.into())
            .col_expr(workflow::Column::Active, row.active.into())
            .col_expr(workflow::Column::WasActive, row.was_active.into())
            .filter(workflow::Column::Id.eq(id))
            .exec(&transaction)
            .await?;
        schedules::follow(&transaction, &row, now).await?;
        self.commit_live(transaction).await?;
        self.with_triggers(row).await.map(Some)
    }
}

/// Deleted, and not too long ago.
pub(super) fn is_restorable(now: Time) -> Expr {
    workflow::Column::DeletedAt.gte(millis(now - RESTORABLE))
}

#[cfg(test)]
mod tests {
    use flowmatic_openapi::{Graph, WorkflowStatus};

    use super::super::{WorkflowFilter, WorkflowSave};
    use super::*;
    use crate::store::testing::stores;

    fn day(day: i64) -> Time {
        Time::from_timestamp(1_790_000_000 + day * 86_400, 0).expect("a moment")
    }

    #[tokio::test]
    async fn comes_back_within_thirty_days() {
        for test in stores().await {
            let (store, id) = (&test.store, Uuid::now_v7());
            let save = WorkflowSave {
                workspace_id: 1,
                id,
                name: "Deleted".to_owned(),
                description: None,
                active: Some(true),
                graph: Graph::default(),
                secrets: Vec::new(),
                by: None,
                now: day(0),
            };
            store.create_workflow(save).await.expect(test.name);
            let listed = async |status, now| {
                let filter = WorkflowFilter {
                    status,
                    limit: 10,
                    ..WorkflowFilter::default()
                };
                store.workflows(1, filter, now).await.expect(test.name).data.len()
            };
            let deleted = Some(WorkflowStatus::Deleted);
            for is_active in [true, false] {
                assert!(store.delete_workflow(1, id, day(1)).await.expect(test.name));
                assert!(!store.delete_workflow(1, id, day(2)).await.expect(test.name));
                assert_eq!(
                    (listed(None, day(2)).await, listed(deleted, day(31)).await),
                    (0, 1)
                );
                assert_eq!(listed(deleted, day(32)).await, 0, "{}", test.name);
                assert!(
                    store
                        .restore_workflow(1, id, day(32))
                        .await
                        .expect(test.name)
                        .is_none()
                );
                assert!(
                    store
                        .restore_workflow(2, id, day(31))
                        .await
                        .expect(test.name)
                        .is_none()
                );
                for _ in 0..2 {
                    let restored = store.restore_workflow(1, id, day(31)).await.expect(test.name);
                    let restored = restored.expect("it is there");
                    assert_eq!((restored.id, restored.active), (id, is_active), "{}", test.name);
                    assert_eq!((restored.version, restored.revision), (Some(1), 1));
                }
                assert_eq!(
                    (listed(None, day(2)).await, listed(deleted, day(2)).await),
                    (1, 0)
                );
                store.deactivate_workflow(1, id, day(2)).await.expect(test.name);
            }
        }
    }
}
