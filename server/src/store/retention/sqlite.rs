//! A batch on SQLite: all its statements go to SQLite's thread at once, which nobody else can write on meanwhile.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use futures_util::TryStreamExt;
use sea_orm::sqlx::{self, AssertSqlSafe, Executor, SqlitePool};
use uuid::Uuid;

use super::{HANGS_ON_IT, REMEMBER, Removed};
use crate::fault;
use crate::store::executions::OPEN;
use crate::store::timers::{CLAIM_MS, DueTimer};
use crate::store::{StoreError, Time, millis};

/// The ids come as a list in JSON, so that it is one text whatever their number.
const IDS: &str = "(SELECT unhex(value) FROM json_each(?))";

static REMOVE: LazyLock<Arc<str>> = LazyLock::new(|| {
    let mut sql = format!(
        "UPDATE timers SET claimed_until = ? WHERE id = ? AND claimed_until = ?; \
         {REMEMBER} IN {IDS}; \
         DELETE FROM executions WHERE id IN {IDS} AND NOT ({OPEN}) \
         AND EXISTS (SELECT 1 FROM timers WHERE id = ? AND claimed_until = ?);"
    );
    for (table, column) in HANGS_ON_IT {
        let execution = column.rsplit(' ').next().unwrap_or(column);
        sql += &format!(
            "DELETE FROM {table} WHERE {column} IN {IDS} \
             AND NOT EXISTS (SELECT 1 FROM executions WHERE id = {execution});"
        );
    }
    sql.into()
});

pub(super) async fn remove(
    pool: &SqlitePool,
    claim: &mut DueTimer,
    ids: &[Uuid],
    now: Time,
) -> Result<Option<Removed>, StoreError> {
    let texts: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.simple())).collect();
    let list = format!("[{}]", texts.join(","));
    let until = millis(now) + CLAIM_MS;
    let mut query = sqlx::query(AssertSqlSafe(REMOVE.clone()))
        .bind(until)
        .bind(claim.id)
        .bind(claim.claimed_until)
        .bind(list.clone())
        .bind(list.clone())
        .bind(claim.id)
        .bind(until);
    for _ in HANGS_ON_IT {
        query = query.bind(list.clone());
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let begun = Instant::now();
    let mut changed = Vec::with_capacity(3 + HANGS_ON_IT.len());
    {
        let mut results = transaction.execute_many(query);
        while let Some(result) = results.try_next().await? {
            changed.push(result.rows_affected());
        }
    }
    let [claimed, _, executions, ..] = changed[..] else {
        return Err(StoreError::Internal("a statement did not answer".to_owned()));
    };
    if claimed == 0 {
        return Ok(None);
    }
    fault::point("before_prune_commit");
    transaction.commit().await?;
    claim.claimed_until = until;
    Ok(Some(Removed {
        executions,
        held: begun.elapsed(),
    }))
}
