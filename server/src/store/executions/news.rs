//! What there is to tell of executions that are followed while they run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flowmatic_executor::journal::{Call, Record, StepRecord};
use flowmatic_openapi::ExecutionSummary;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::super::entity::checkpoint;
use super::{Column, Entity, ExecutionFilter, OPEN, Store, StoreError, SummaryRow, Time, millis, parse};

/// What was written of an execution since somebody looked last.
#[derive(Debug, Clone)]
pub struct News {
    pub summary: ExecutionSummary,
    /// All of them where the execution is over, else those of the checkpoints that are new.
    pub steps: Vec<StepRecord>,
    /// The newest checkpoint that was read.
    pub sequence: i32,
    /// What is under way, as the newest checkpoint has it.
    pub calls: BTreeMap<Arc<str>, Call>,
}

impl Store {
    /// What is new since the checkpoint `after`, up to the checkpoint `up_to` where one is named; `None` where there
    /// is no such execution.
    pub async fn news(
        &self,
        workspace_id: i64,
        id: Uuid,
        after: i32,
        up_to: Option<i32>,
        now: Time,
    ) -> Result<Option<News>, StoreError> {
        let reader = self.reader();
        let of_workspace = Entity::find_by_id(id).filter(Column::WorkspaceId.eq(workspace_id));
        let Some(row) = of_workspace
            .into_partial_model::<SummaryRow>()
            .one(&reader)
            .await?
        else {
            return Ok(None);
        };
        let mut news = News {
            summary: row.summary(now)?,
            steps: Vec::new(),
            sequence: after,
            calls: BTreeMap::new(),
        };
        if news.summary.status.is_final() {
            let steps: Option<Option<String>> = Entity::find_by_id(id)
                .select_only()
                .column(Column::Steps)
                .into_tuple()
                .one(&reader)
                .await?;
            if let Some(steps) = steps.flatten() {
                news.steps = parse("steps", &steps)?;
            }
            return Ok(Some(news));
        }
        // If it ends between the two queries nothing is found here, and whoever follows hears of the end.
        let records: Vec<(i32, String)> = checkpoint::Entity::find()
            .select_only()
            .columns([checkpoint::Column::Sequence, checkpoint::Column::Record])
            .filter(checkpoint::Column::ExecutionId.eq(id))
            .filter(checkpoint::Column::Sequence.gt(after))
            .filter(Condition::all().add_option(up_to.map(|up_to| checkpoint::Column::Sequence.lte(up_to))))
            .order_by_asc(checkpoint::Column::Sequence)
            .into_tuple()
            .all(&reader)
            .await?;
        for (sequence, record) in records {
            let record: Record = parse("a checkpoint", &record)?;
            news.steps.extend(record.steps);
            news.sequence = sequence;
            news.calls = record.calls;
        }
        Ok(Some(news))
    }

    /// The executions among the newest `most` of a workflow, or of all, that are open, or ended since a moment: the oldest
    /// first. Tells too whether there are more than it looked at.
    pub async fn recent(
        &self,
        workspace_id: i64,
        workflow_id: Option<Uuid>,
        since: Time,
        most: u64,
    ) -> Result<(Vec<Uuid>, bool), StoreError> {
        let list = ExecutionFilter {
            workflow_id,
            ..ExecutionFilter::default()
        };
        let newest: Vec<(Uuid, Option<i64>)> = list
            .select(workspace_id, since)
            .select_only()
            .columns([Column::Id, Column::FinishedAt])
            .limit(most + 1)
            .into_tuple()
            .all(&self.reader())
            .await?;
        let has_more = newest.len() as u64 > most;
        let recent = newest
            .into_iter()
            .rev()
            .filter(|(_, ended)| ended.is_none_or(|ended| ended >= millis(since)))
            .map(|(id, _)| id);
        Ok((recent.collect(), has_more))
    }

    /// Up to `most` executions of a workflow, or of all, that are not over, the oldest first.
    pub async fn open_of(
        &self,
        workspace_id: i64,
        workflow_id: Option<Uuid>,
        most: u64,
    ) -> Result<Vec<Uuid>, StoreError> {
        let reader = self.reader();
        let of_workflow = workflow_id.map(|id| match reader.get_database_backend() {
            // It would walk through all that the workflow ever ran.
            DbBackend::Sqlite => Expr::cust_with_values("+workflow_id = ?", [id]),
            _ => Column::WorkflowId.eq(id),
        });
        Ok(Entity::find()
            .select_only()
            .column(Column::Id)
            .filter(Expr::cust(OPEN))
            .filter(Condition::all().add_option(of_workflow))
            .filter(Expr::col(Column::WorkspaceId).add(0).eq(workspace_id))
            .order_by_asc(Column::Id)
            .limit(most)
            .into_tuple()
            .all(&reader)
            .await?)
    }

    /// Those of these executions that are over, or gone.
    pub async fn over_among(&self, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
        let open = self.open_among(ids).await?;
        Ok(ids.iter().copied().filter(|id| !open.contains_key(id)).collect())
    }

    /// Those of these executions that are not over, and whether each waits.
    pub async fn open_among(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, bool>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let open: Vec<(Uuid, String)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::Status])
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Expr::cust(OPEN))
            .into_tuple()
            .all(&self.reader())
            .await?;
        Ok(open
            .into_iter()
            .map(|(id, status)| (id, status == "WAITING"))
            .collect())
    }
}
