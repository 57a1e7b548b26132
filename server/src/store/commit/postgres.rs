//! A batch on PostgreSQL: one statement a table, its rows as arrays.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use flowmatic_executor::{Finish, Park};
use sea_orm::sqlx::{self, AssertSqlSafe, Connection, PgConnection, PgPool};
use uuid::Uuid;

use super::Failure;
use super::batch::{Batch, Landed, New, Witness};
use crate::store::executions::{LEASE_MS, OPEN};
use crate::store::{StoreError, millis};

/// The writer's own connection: a busy pool does not hold it up.
pub(super) struct Session {
    connection: PgConnection,
    process: i32,
}

const INSERT: &str = "INSERT INTO executions (id, workspace_id, workflow_id, version, mode, trigger_node, status, \
     owner, lease_until, retry_of, started_at, finished_at, error, result, meta, payload, steps) \
     SELECT id, workspace_id, workflow_id, version, mode, trigger_node, status, owner, lease_until, retry_of, \
     started_at, finished_at, error, result, meta, payload, steps \
     FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::text[], \
     $9::bigint[], $10::uuid[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[], \
     $17::text[]) AS new (owner, id, workspace_id, workflow_id, version, mode, trigger_node, status, lease_until, \
     retry_of, started_at, finished_at, error, result, meta, payload, steps)";

/// The rows are locked first, so that a claim comes wholly before or wholly after. One that is there already was
/// committed without an answer, and is the same.
static CHECKPOINT: LazyLock<Arc<str>> = LazyLock::new(|| {
    format!(
        "WITH held AS (SELECT id, epoch FROM executions WHERE id = ANY($1) AND {OPEN} ORDER BY id \
         FOR NO KEY UPDATE) \
         INSERT INTO checkpoints (execution_id, sequence, record) \
         SELECT new.id, new.sequence, new.record \
         FROM UNNEST($1::uuid[], $2::int[], $3::int[], $4::text[]) AS new (id, epoch, sequence, record) \
         JOIN held ON held.id = new.id AND held.epoch = new.epoch \
         ON CONFLICT (execution_id, sequence) DO UPDATE SET record = EXCLUDED.record \
         RETURNING execution_id, sequence"
    )
    .into()
});

static FINISH: LazyLock<Arc<str>> = LazyLock::new(|| {
    format!(
        "UPDATE executions SET status = new.status, finished_at = new.finished_at, error = new.error, \
         result = new.result, steps = new.steps \
         FROM UNNEST($1::uuid[], $2::int[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[]) \
         AS new (id, epoch, status, finished_at, error, result, steps) \
         WHERE executions.id = new.id AND executions.epoch = new.epoch AND executions.{OPEN} \
         RETURNING executions.id"
    )
    .into()
});

impl Session {
    pub(super) async fn open(pool: &PgPool) -> Result<Self, StoreError> {
        let mut connection = PgConnection::connect_with(&pool.connect_options()).await?;
        let process = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut connection)
            .await?;
        Ok(Self { connection, process })
    }

    /// The server's process that serves it.
    pub(super) fn process(&self) -> i32 {
        self.process
    }

    pub(super) async fn write(&mut self, owner: Uuid, batch: &Batch) -> Result<Landed, Failure> {
        let mut transaction = self.connection.begin().await?;
        if !batch.accepts.is_empty() {
            insert(&mut transaction, owner, &batch.accepts).await?;
        }
        let mut landed = Landed {
            checkpoints: Vec::new(),
            parks: Vec::new(),
            finishes: Vec::new(),
        };
        if !batch.checkpoints.is_empty() {
            let rows = &batch.checkpoints;
            let written: Vec<(Uuid, i32)> = sqlx::query_as(AssertSqlSafe(CHECKPOINT.clone()))
                .bind(column(rows, |row| row.id))
                .bind(column(rows, |row| row.epoch))
                .bind(column(rows, |row| row.sequence))
                .bind(column(rows, |row| &*row.record))
                .fetch_all(&mut *transaction)
                .await?;
            let written: HashSet<_> = written.into_iter().collect();
            landed.checkpoints = column(rows, |row| written.contains(&(row.id, row.sequence)));
        }
        for park in &batch.parks {
            landed.parks.push(self::park(&mut transaction, park).await?);
        }
        if !batch.finishes.is_empty() {
            let rows = &batch.finishes;
            let written: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(FINISH.clone()))
                .bind(column(rows, |row| row.id))
                .bind(column(rows, |row| row.epoch))
                .bind(column(rows, |row| row.status.as_str()))
                .bind(column(rows, |row| millis(row.finished_at)))
                .bind(column(rows, |row| row.error.as_deref()))
                .bind(column(rows, |row| row.result.as_deref()))
                .bind(column(rows, |row| &*row.steps))
                .fetch_all(&mut *transaction)
                .await?;
            sqlx::query("DELETE FROM checkpoints WHERE execution_id = ANY($1)")
                .bind(&written)
                .execute(&mut *transaction)
                .await?;
            let written: HashSet<_> = written.into_iter().collect();
            landed.finishes = column(rows, |row| written.contains(&row.id));
        }
        for finish in batch.ended(&landed) {
            tell(&mut transaction, finish).await?;
        }
        batch.pass_before_commit();
        match transaction.commit().await {
            Ok(()) => Ok(landed),
            Err(error) => Err(Failure::Uncertain(landed, error.into())),
        }
    }
}

/// Tells whether the execution was still of this epoch. Its row is locked first, so that a signal comes wholly before
/// or wholly after.
async fn park(connection: &mut PgConnection, park: &Park) -> Result<bool, sqlx::Error> {
    sqlx::query("SELECT id FROM executions WHERE id = $1 FOR UPDATE")
        .bind(park.id)
        .execute(&mut *connection)
        .await?;
    let status: Option<String> = sqlx::query_scalar(AssertSqlSafe(PARK.clone()))
        .bind(park.id)
        .bind(park.epoch)
        .bind(i64::try_from(park.signals).unwrap_or(i64::MAX))
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(due_at) = park.wake_at
        && status.as_deref() == Some("WAITING")
    {
        sqlx::query(
            "INSERT INTO timers (id, kind, subject, due_at) VALUES ($1, 'wake', $2, $3) \
             ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, claimed_until = NULL",
        )
        .bind(Uuid::now_v7())
        .bind(park.id)
        .bind(millis(due_at))
        .execute(connection)
        .await?;
    }
    Ok(status.is_some())
}

static PARK: LazyLock<Arc<str>> = LazyLock::new(|| {
    format!(
        "UPDATE executions SET owner = NULL, recoveries = 0, status = CASE WHEN cancel_requested OR \
         (SELECT COUNT(*) FROM signals WHERE execution_id = $1) > $3 THEN 'QUEUED' ELSE 'WAITING' END \
         WHERE id = $1 AND epoch = $2 AND {OPEN} RETURNING status"
    )
    .into()
});

/// What others are to learn of an end, in its transaction.
async fn tell(connection: &mut PgConnection, finish: &Finish) -> Result<(), sqlx::Error> {
    if let Some((execution, path, payload)) = &finish.tells {
        let status: Option<String> = sqlx::query_scalar(AssertSqlSafe(WAITING.clone()))
            .bind(*execution)
            .fetch_optional(&mut *connection)
            .await?;
        if status.is_some() {
            sqlx::query(
                "INSERT INTO signals (execution_id, path, payload, created_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (execution_id, path) DO NOTHING",
            )
            .bind(*execution)
            .bind(path)
            .bind(payload)
            .bind(millis(finish.finished_at))
            .execute(&mut *connection)
            .await?;
            sqlx::query("UPDATE executions SET status = 'QUEUED' WHERE id = $1 AND status = 'WAITING'")
                .bind(*execution)
                .execute(&mut *connection)
                .await?;
        }
    }
    if finish.error_workflow.is_some() {
        sqlx::query(
            "INSERT INTO timers (id, kind, subject, due_at) VALUES ($1, 'failure', $2, $3) \
             ON CONFLICT (kind, subject) DO NOTHING",
        )
        .bind(Uuid::now_v7())
        .bind(finish.id)
        .bind(millis(finish.finished_at))
        .execute(connection)
        .await?;
    }
    Ok(())
}

static WAITING: LazyLock<Arc<str>> =
    LazyLock::new(|| format!("SELECT status FROM executions WHERE id = $1 AND {OPEN} FOR UPDATE").into());

/// Asks when the transaction of `process` is over for certain: not before that process is gone.
pub(super) async fn find(
    pool: &PgPool,
    witness: &Witness<'_>,
    process: Option<i32>,
) -> Result<bool, StoreError> {
    let over: bool = sqlx::query_scalar(
        "SELECT COUNT(pg_terminate_backend(pid)) = 0 FROM pg_stat_activity WHERE pid = $1",
    )
    .bind(process)
    .fetch_one(pool)
    .await?;
    if !over {
        return Err(StoreError::Unavailable(
            "its session has not ended yet".to_owned(),
        ));
    }
    let query = match witness {
        Witness::Execution(id) => sqlx::query_scalar("SELECT 1 FROM executions WHERE id = $1").bind(*id),
        Witness::Checkpoint(checkpoint) => sqlx::query_scalar(
            "SELECT 1 FROM checkpoints WHERE execution_id = $1 AND sequence = $2 AND record = $3",
        )
        .bind(checkpoint.id)
        .bind(checkpoint.sequence)
        .bind(&*checkpoint.record),
        Witness::Finish(finish) => {
            sqlx::query_scalar("SELECT 1 FROM executions WHERE id = $1 AND status = $2 AND finished_at = $3")
                .bind(finish.id)
                .bind(finish.status.as_str())
                .bind(millis(finish.finished_at))
        }
    };
    let found: Option<i32> = query.fetch_optional(pool).await?;
    Ok(found.is_some())
}

async fn insert(connection: &mut PgConnection, owner: Uuid, rows: &[New]) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT)
        .bind(column(rows, |row| (!row.accept.held).then_some(owner)))
        .bind(column(rows, |row| row.accept.id))
        .bind(column(rows, |row| row.accept.workspace_id))
        .bind(column(rows, |row| row.accept.workflow_id))
        .bind(column(rows, |row| row.accept.version))
        .bind(column(rows, |row| row.accept.mode.as_str()))
        .bind(column(rows, |row| &*row.accept.trigger))
        .bind(column(rows, |row| {
            row.finish
                .as_ref()
                .map_or("QUEUED", |finish| finish.status.as_str())
        }))
        .bind(column(rows, |row| millis(row.accept.accepted_at) + LEASE_MS))
        .bind(column(rows, |row| row.accept.retry_of))
        .bind(column(rows, |row| millis(row.accept.accepted_at)))
        .bind(column(rows, |row| {
            row.finish.as_ref().map(|finish| millis(finish.finished_at))
        }))
        .bind(column(rows, |row| {
            row.finish.as_ref().and_then(|finish| finish.error.as_deref())
        }))
        .bind(column(rows, |row| {
            row.finish.as_ref().and_then(|finish| finish.result.as_deref())
        }))
        .bind(column(rows, |row| &*row.accept.meta))
        .bind(column(rows, |row| &*row.accept.payload))
        .bind(column(rows, |row| {
            row.finish.as_ref().map(|finish| &*finish.steps)
        }))
        .execute(connection)
        .await?;
    Ok(())
}

fn column<'a, T, V>(rows: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    rows.iter().map(value).collect()
}
