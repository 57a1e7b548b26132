//! Taking up what another process left: leases and claims.

use std::collections::HashMap;

use flowmatic_executor::{Accept, Recovered, Signal};
use flowmatic_openapi::ExecutionStatus;
use sea_orm::sea_query::{Expr, ExprTrait, Order};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select, Statement, Value,
};
use uuid::Uuid;

use super::super::entity::checkpoint;
use super::super::entity::execution::{Column, Entity, Model};
use super::super::signals::signals_of;
use super::super::{Store, StoreError, Time, millis, time};
use super::{LEASE_MS, OPEN, mode};

/// An execution that is not over, as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenExecution {
    pub id: Uuid,
    /// A claim succeeds only if it is still this one.
    pub epoch: i32,
    /// How often it was taken up without progress.
    pub recoveries: i32,
}

/// Whose open executions are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// Those of other processes, and of none.
    NotOf(Uuid),
    /// Those that wait for room.
    Nobodys,
    Somebodys,
}

/// As in the partial index: SQLite uses it only for a condition that reads the same, and where no other index fits.
const FREE: &str = "status = 'QUEUED' AND owner IS NULL AND NOT on_hold";

impl Whose {
    /// By priority and age; of those that somebody has or had, the ones that were recovered most often come before.
    pub(super) fn select(self) -> Select<Entity> {
        // What waits is taken up when it is woken, what is held back when it is let go.
        let ought_to_run = || {
            Condition::all()
                .add(Expr::cust(OPEN))
                .add(Column::Status.eq(ExecutionStatus::Queued.as_str()))
                .add(Expr::cust("NOT on_hold"))
        };
        let (condition, recovered_first) = match self {
            Self::NotOf(owner) => {
                let others = Condition::any()
                    .add(Column::Owner.is_null())
                    .add(Column::Owner.ne(owner));
                (ought_to_run().add(others), true)
            }
            Self::Somebodys => (ought_to_run().add(Column::Owner.is_not_null()), true),
            Self::Nobodys => (Condition::all().add(Expr::cust(FREE)), false),
        };
        Entity::find()
            .select_only()
            .columns([Column::Id, Column::Epoch, Column::Recoveries])
            .filter(condition)
            .apply_if(recovered_first.then_some(()), |query, ()| {
                query.order_by(Column::Recoveries, Order::Desc)
            })
            .order_by(Column::Priority, Order::Desc)
            .order_by(Column::Id, Order::Asc)
    }
}

impl Store {
    /// Executions that ought to run, the most urgent first. A claimed one changes hands, so the next page is asked for
    /// in the same way.
    pub async fn open_executions(&self, whose: Whose, limit: u32) -> Result<Vec<OpenExecution>, StoreError> {
        let rows: Vec<(Uuid, i32, i32)> = whose
            .select()
            .limit(u64::from(limit))
            .into_tuple()
            .all(&self.reader())
            .await?;
        Ok(rows
            .into_iter()
            .map(|(id, epoch, recoveries)| OpenExecution {
                id,
                epoch,
                recoveries,
            })
            .collect())
    }

    /// Makes an execution this process's own, and counts the recovery durably before anything of it runs.
    /// None if it ended or someone else was faster. One that never had an owner waited for room: taking it
    /// up is no recovery.
    pub async fn claim(
        &self,
        open: OpenExecution,
        owner: Uuid,
        now: Time,
    ) -> Result<Option<Recovered>, StoreError> {
        let transaction = self.begin().await?;
        let backend = transaction.get_database_backend();
        // A checkpoint may be under way: the next statement must count it.
        let lock = match backend {
            DbBackend::Postgres => "FOR UPDATE",
            _ => "",
        };
        let owner_before = format!("SELECT owner FROM executions WHERE id = $1 {lock}");
        let owner_before = Statement::from_sql_and_values(backend, owner_before, [open.id.into()]);
        let Some(before) = transaction.query_one_raw(owner_before).await? else {
            return Ok(None);
        };
        let before: Option<Uuid> = before.try_get("", "owner")?;
        let count = "(SELECT COUNT(*) FROM checkpoints WHERE execution_id = $1)";
        let held_until = held_until("$5", count);
        let sql = format!(
            "UPDATE executions SET epoch = epoch + 1, owner = $3, lease_until = $4, progress = {count}, \
             held_until = {held_until}, \
             recoveries = CASE WHEN owner IS NULL THEN recoveries WHEN {count} > progress THEN 1 \
             ELSE recoveries + 1 END \
             WHERE id = $1 AND epoch = $2 AND NOT on_hold AND {OPEN} AND status = 'QUEUED' RETURNING *"
        );
        let lease_until = millis(now) + LEASE_MS;
        let values: [Value; 5] = [
            open.id.into(),
            open.epoch.into(),
            owner.into(),
            lease_until.into(),
            millis(now).into(),
        ];
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let Some(row) = transaction.query_one_raw(statement).await? else {
            return Ok(None);
        };
        let row = Model::from_query_result(&row, "")?;
        let checkpoints = self.checkpoints(&transaction, row.id).await?;
        let mut signals = signals_of(&transaction, &[row.id]).await?;
        transaction.commit().await?;
        let signals = signals.remove(&row.id).unwrap_or_default();
        recovered(row, checkpoints, before.is_none(), signals).map(Some)
    }

    /// Makes executions this process's own that belong to nobody and are to run: those of these that are such, in
    /// the order of their ids.
    pub async fn claim_held(
        &self,
        ids: &[Uuid],
        owner: Uuid,
        now: Time,
    ) -> Result<Vec<Recovered>, StoreError> {
        let transaction = self.begin().await?;
        let count = "(SELECT COUNT(*) FROM checkpoints WHERE execution_id = executions.id)";
        let mut rows = Entity::update_many()
            .col_expr(Column::Epoch, Expr::col(Column::Epoch).add(1))
            .col_expr(Column::Owner, Some(owner).into())
            .col_expr(Column::LeaseUntil, (millis(now) + LEASE_MS).into())
            .col_expr(Column::Progress, Expr::cust(count))
            .col_expr(
                Column::HeldUntil,
                Expr::cust(held_until(&millis(now).to_string(), count)),
            )
            .filter(Column::Id.is_in(ids.iter().copied()))
            .filter(Column::Owner.is_null())
            .filter(Expr::cust(OPEN))
            .filter(Column::Status.eq("QUEUED"))
            .filter(Expr::cust("NOT on_hold"))
            .exec_with_returning(&transaction)
            .await?;
        rows.sort_by_key(|row| row.id);
        let records: Vec<(Uuid, String)> = checkpoint::Entity::find()
            .select_only()
            .columns([checkpoint::Column::ExecutionId, checkpoint::Column::Record])
            .filter(checkpoint::Column::ExecutionId.is_in(rows.iter().map(|row| row.id)))
            .order_by_asc(checkpoint::Column::Sequence)
            .into_tuple()
            .all(&transaction)
            .await?;
        let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
        let mut signals = signals_of(&transaction, &ids).await?;
        transaction.commit().await?;
        let mut checkpoints: HashMap<Uuid, Vec<String>> = HashMap::new();
        for (id, record) in records {
            checkpoints.entry(id).or_default().push(record);
        }
        let claimed = rows.into_iter().map(|row| {
            let checkpoints = checkpoints.remove(&row.id).unwrap_or_default();
            let signals = signals.remove(&row.id).unwrap_or_default();
            recovered(row, checkpoints, true, signals)
        });
        claimed.collect()
    }

    /// Takes back the recovery that was counted when this process took the execution up.
    pub async fn absolve(&self, execution: Uuid, owner: Uuid) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::Recoveries, Expr::cust("recoveries - 1"))
            .filter(Expr::cust(OPEN))
            .filter(Column::Id.eq(execution))
            .filter(Column::Owner.eq(owner))
            .filter(Column::Recoveries.gt(0))
            .exec(&self.writer())
            .await?;
        Ok(())
    }

    /// Leaves one that a process was to run, and has not begun, to whoever has room for it.
    pub async fn leave(&self, execution: Uuid, owner: Uuid) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::Owner, Expr::value(None::<Uuid>))
            .filter(Expr::cust(OPEN))
            .filter(Column::Id.eq(execution))
            .filter(Column::Owner.eq(owner))
            .filter(Column::Epoch.eq(0))
            .exec(&self.writer())
            .await?;
        Ok(())
    }

    /// Leaves what a process ran to whoever takes it up, which is then no recovery. What has begun keeps its time.
    pub async fn release(&self, owner: Uuid) -> Result<u64, StoreError> {
        let result = Entity::update_many()
            .col_expr(Column::Owner, Expr::value(None::<Uuid>))
            .col_expr(Column::HeldUntil, Expr::cust("COALESCE(held_until, started_at)"))
            .filter(Expr::cust(OPEN))
            .filter(Column::Status.eq("QUEUED"))
            .filter(Column::Owner.eq(owner))
            .exec(&self.writer())
            .await?;
        Ok(result.rows_affected)
    }

    /// Keeps what a process runs its own for another while; returns how many these are.
    pub async fn renew_leases(&self, owner: Uuid, now: Time) -> Result<u64, StoreError> {
        let result = Entity::update_many()
            .col_expr(Column::LeaseUntil, Expr::value(millis(now) + LEASE_MS))
            .filter(Expr::cust(OPEN))
            .filter(Column::Status.eq("QUEUED"))
            .filter(Column::Owner.eq(owner))
            .exec(&self.writer())
            .await?;
        Ok(result.rows_affected)
    }
}

/// One that had to wait for room, or for somebody to take it up, begins when that is over.
fn held_until(now: &str, checkpoints: &str) -> String {
    format!(
        "CASE WHEN owner IS NULL AND epoch = 0 AND held_until IS NULL AND {checkpoints} = 0 THEN {now} \
         ELSE held_until END"
    )
}

fn recovered(
    row: Model,
    checkpoints: Vec<String>,
    was_at_rest: bool,
    signals: Vec<Signal>,
) -> Result<Recovered, StoreError> {
    Ok(Recovered {
        epoch: row.epoch,
        recoveries: row.recoveries,
        checkpoints,
        cancel_requested: row.cancel_requested,
        was_at_rest,
        signals,
        held_until: row.held_until.map(time),
        accept: Accept {
            id: row.id,
            workspace_id: row.workspace_id,
            workflow_id: row.workflow_id,
            version: row.version,
            mode: mode(&row.mode)?,
            trigger: row.trigger_node,
            payload: row.payload,
            meta: row.meta,
            retry_of: row.retry_of,
            held: false,
            accepted_at: time(row.started_at),
        },
    })
}
