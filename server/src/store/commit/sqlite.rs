//! A batch on SQLite. Its statements exist in a few fixed sizes, so that they stay prepared; several
//! statements go to SQLite's thread at once, since the way there costs more than a row.

use std::sync::{Arc, LazyLock};

use flowmatic_executor::Finish;
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

static PARK: LazyLock<Statements> = LazyLock::new(|| {
    repeated(&format!(
        "UPDATE executions SET owner = NULL, recoveries = 0, status = CASE WHEN cancel_requested OR \
         (SELECT COUNT(*) FROM signals WHERE execution_id = ?) > ? THEN 'QUEUED' ELSE 'WAITING' END \
         WHERE id = ? AND epoch = ? AND {OPEN};"
    ))
});

static WAKE: LazyLock<Arc<str>> = LazyLock::new(|| {
    "INSERT INTO timers (id, kind, subject, due_at) SELECT ?, 'wake', ?, ? \
     WHERE EXISTS (SELECT 1 FROM executions WHERE id = ? AND status = 'WAITING') \
     ON CONFLICT (kind, subject) DO UPDATE SET due_at = excluded.due_at, claimed_until = NULL"
        .into()
});

static SIGNAL: LazyLock<Arc<str>> = LazyLock::new(|| {
    format!(
        "INSERT INTO signals (execution_id, path, payload, created_at) SELECT ?, ?, ?, ? \
         WHERE EXISTS (SELECT 1 FROM executions WHERE id = ? AND {OPEN}) ON CONFLICT (execution_id, path) DO NOTHING"
    )
    .into()
});

static AWAKEN: LazyLock<Arc<str>> =
    LazyLock::new(|| "UPDATE executions SET status = 'QUEUED' WHERE id = ? AND status = 'WAITING'".into());

static FAILURE: LazyLock<Arc<str>> = LazyLock::new(|| {
    "INSERT INTO timers (id, kind, subject, due_at) VALUES (?, 'failure', ?, ?) \
     ON CONFLICT (kind, subject) DO NOTHING"
        .into()
});

/// What others are to learn of an end, in its transaction.
async fn tell(connection: &mut SqliteConnection, finish: &Finish) -> Result<(), sqlx::Error> {
    if let Some((execution, path, payload)) = &finish.tells {
        let signal = call(&SIGNAL)
            .bind(*execution)
            .bind(path.clone())
            .bind(payload.clone())
            .bind(millis(finish.finished_at))
            .bind(*execution);
        connection.execute(signal).await?;
        connection.execute(call(&AWAKEN).bind(*execution)).await?;
    }
    if finish.error_workflow.is_some() {
        let failure = call(&FAILURE)
            .bind(Uuid::now_v7())
            .bind(finish.id)
            .bind(millis(finish.finished_at));
        connection.execute(failure).await?;
    }
    Ok(())
}

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
    let parks = run(&mut transaction, &PARK, &batch.parks, |query, park| {
        query
            .bind(park.id)
            .bind(i64::try_from(park.signals).unwrap_or(i64::MAX))
            .bind(park.id)
            .bind(park.epoch)
    })
    .await?;
    let landed = Landed {
        checkpoints,
        parks,
        finishes,
    };
    for (park, due_at) in batch.parks.iter().filter_map(|park| Some((park, park.wake_at?))) {
        let wake = call(&WAKE)
            .bind(Uuid::now_v7())
            .bind(park.id)
            .bind(millis(due_at))
            .bind(park.id);
        transaction.execute(wake).await?;
    }
    for finish in batch.ended(&landed) {
        tell(&mut transaction, finish).await?;
    }
    batch.pass_before_commit();
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
