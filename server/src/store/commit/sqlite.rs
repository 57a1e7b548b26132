//! A batch on SQLite. Its statements exist in a few fixed sizes, so that they stay prepared; several
//! statements go to SQLite's thread at once, since the way there costs more than a row.

use std::sync::{Arc, LazyLock};

use futures_util::TryStreamExt;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::SqliteArguments;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, Sqlite, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::Failure;
use super::batch::{Batch, Landed, New, Witness};
use crate::store::executions::{LEASE_MS, OPEN};
use crate::store::{StoreError, millis};

/// How many rows one call carries: as many of the largest as fit, then of the next.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// The SQL of a call, by size.
type Statements = [Arc<str>; SIZES.len()];

static INSERT: LazyLock<Statements> = LazyLock::new(|| {
    SIZES.map(|rows| {
        let row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        format!(
            "INSERT INTO executions (id, workspace_id, workflow_id, version, mode, trigger_node, status, owner, \
             lease_until, retry_of, started_at, finished_at, error, result, meta, payload, steps) VALUES {}",
            vec![row; rows].join(", ")
        )
        .into()
    })
});

/// One that is there already was committed without an answer, and is the same.
static CHECKPOINT: LazyLock<Statements> = LazyLock::new(|| {
    repeated(&format!(
        "INSERT INTO checkpoints (execution_id, sequence, record) SELECT ?, ?, ? \
         WHERE EXISTS (SELECT 1 FROM executions WHERE id = ? AND epoch = ? AND {OPEN}) \
         ON CONFLICT (execution_id, sequence) DO UPDATE SET record = EXCLUDED.record;"
    ))
});

static FINISH: LazyLock<Statements> = LazyLock::new(|| {
    repeated(&format!(
        "UPDATE executions SET status = ?, finished_at = ?, error = ?, result = ?, steps = ? \
         WHERE id = ? AND epoch = ? AND {OPEN};"
    ))
});

/// The checkpoints of what has ended.
static CLEAN: LazyLock<Statements> = LazyLock::new(|| {
    repeated(&format!(
        "DELETE FROM checkpoints WHERE execution_id = ? \
         AND NOT EXISTS (SELECT 1 FROM executions WHERE id = execution_id AND {OPEN});"
    ))
});

fn repeated(statement: &str) -> Statements {
    SIZES.map(|rows| statement.repeat(rows).into())
}

pub(super) async fn write(pool: &SqlitePool, owner: Uuid, batch: &Batch) -> Result<Landed, Failure> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    insert(&mut transaction, owner, &batch.accepts).await?;
    let checkpoints = run(
        &mut transaction,
        &CHECKPOINT,
        &batch.checkpoints,
        |query, checkpoint| {
            query
                .bind(checkpoint.id)
                .bind(checkpoint.sequence)
                .bind(&*checkpoint.record)
                .bind(checkpoint.id)
                .bind(checkpoint.epoch)
        },
    )
    .await?;
    let finishes = run(&mut transaction, &FINISH, &batch.finishes, |query, finish| {
        query
            .bind(finish.status.as_str())
            .bind(millis(finish.finished_at))
            .bind(finish.error.as_deref())
            .bind(finish.result.as_deref())
            .bind(&*finish.steps)
            .bind(finish.id)
            .bind(finish.epoch)
    })
    .await?;
    run(&mut transaction, &CLEAN, &batch.finishes, |query, finish| {
        query.bind(finish.id)
    })
    .await?;
    batch.pass_before_commit();
    let landed = Landed {
        checkpoints,
        finishes,
    };
    match transaction.commit().await {
        Ok(()) => Ok(landed),
        // The frame that makes a commit is written last: with no room for it, nothing is committed.
        Err(error) if is_full(&error) => Err(error.into()),
        Err(error) => Err(Failure::Uncertain(landed, error.into())),
    }
}

fn is_full(error: &sqlx::Error) -> bool {
    const SQLITE_FULL: &str = "13";
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == SQLITE_FULL)
}

pub(super) async fn find(pool: &SqlitePool, witness: &Witness<'_>) -> Result<bool, StoreError> {
    let query = match witness {
        Witness::Execution(id) => sqlx::query_scalar("SELECT 1 FROM executions WHERE id = ?").bind(*id),
        Witness::Checkpoint(checkpoint) => sqlx::query_scalar(
            "SELECT 1 FROM checkpoints WHERE execution_id = ? AND sequence = ? AND record = ?",
        )
        .bind(checkpoint.id)
        .bind(checkpoint.sequence)
        .bind(&*checkpoint.record),
        Witness::Finish(finish) => {
            sqlx::query_scalar("SELECT 1 FROM executions WHERE id = ? AND status = ? AND finished_at = ?")
                .bind(finish.id)
                .bind(finish.status.as_str())
                .bind(millis(finish.finished_at))
        }
    };
    let found: Option<i32> = query.fetch_optional(pool).await?;
    Ok(found.is_some())
}

type Call = Query<'static, Sqlite, SqliteArguments>;

fn call(sql: &Arc<str>) -> Call {
    // It is made of the constants above; what comes from outside is bound.
    sqlx::query(AssertSqlSafe(sql.clone()))
}

async fn insert(connection: &mut SqliteConnection, owner: Uuid, rows: &[New]) -> Result<(), sqlx::Error> {
    for (chunk, sql) in chunks(rows, &INSERT) {
        let query = chunk.iter().fold(call(sql), |query, New { accept, finish, .. }| {
            let finish = finish.as_ref();
            query
                .bind(accept.id)
                .bind(accept.workspace_id)
                .bind(accept.workflow_id)
                .bind(accept.version)
                .bind(accept.mode.as_str())
                .bind(&*accept.trigger)
                .bind(finish.map_or("QUEUED", |finish| finish.status.as_str()))
                .bind((!accept.held).then_some(owner))
                .bind(millis(accept.accepted_at) + LEASE_MS)
                .bind(accept.retry_of)
                .bind(millis(accept.accepted_at))
                .bind(finish.map(|finish| millis(finish.finished_at)))
                .bind(finish.and_then(|finish| finish.error.as_deref()))
                .bind(finish.and_then(|finish| finish.result.as_deref()))
                .bind(&*accept.meta)
                .bind(&*accept.payload)
                .bind(finish.map(|finish| &*finish.steps))
        });
        connection.execute(query).await?;
    }
    Ok(())
}

/// One statement a row; says which of them changed something.
async fn run<T>(
    connection: &mut SqliteConnection,
    statements: &'static Statements,
    rows: &[T],
    bind: impl Fn(Call, &T) -> Call,
) -> Result<Vec<bool>, sqlx::Error> {
    let mut changed = Vec::with_capacity(rows.len());
    for (chunk, sql) in chunks(rows, statements) {
        let query = chunk.iter().fold(call(sql), &bind);
        let mut results = connection.execute_many(query);
        while let Some(result) = results.try_next().await? {
            changed.push(result.rows_affected() > 0);
        }
    }
    Ok(changed)
}

fn chunks<'a, T>(
    mut rows: &'a [T],
    statements: &'static Statements,
) -> impl Iterator<Item = (&'a [T], &'static Arc<str>)> {
    std::iter::from_fn(move || {
        let size = SIZES.iter().position(|size| *size <= rows.len())?;
        let (chunk, rest) = rows.split_at(SIZES[size]);
        rows = rest;
        Some((chunk, &statements[size]))
    })
}
