//! A batch on PostgreSQL.

use std::time::Instant;

use sea_orm::sqlx::{self, AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::{HANGS_ON_IT, REMEMBER, Removed};
use crate::fault;
use crate::store::executions::OPEN;
use crate::store::timers::{CLAIM_MS, DueTimer};
use crate::store::{StoreError, Time, millis};

pub(super) async fn remove(
    pool: &PgPool,
    claim: &mut DueTimer,
    ids: &[Uuid],
    now: Time,
) -> Result<Option<Removed>, StoreError> {
    let mut transaction = pool.begin().await?;
    let begun = Instant::now();
    // What a crash brings back is removed again.
    sqlx::raw_sql("SET LOCAL synchronous_commit = off")
        .execute(&mut *transaction)
        .await?;
    let until = millis(now) + CLAIM_MS;
    let claimed = sqlx::query("UPDATE timers SET claimed_until = $1 WHERE id = $2 AND claimed_until = $3")
        .bind(until)
        .bind(claim.id)
        .bind(claim.claimed_until)
        .execute(&mut *transaction)
        .await?;
    if claimed.rows_affected() == 0 {
        return Ok(None);
    }
    // The statement is the constant, and so are the names below.
    let remember = AssertSqlSafe(format!("{REMEMBER} = ANY($1)"));
    sqlx::query(remember).bind(ids).execute(&mut *transaction).await?;
    // What somebody is just looking at waits for the next time, not for this one.
    let remove = format!(
        "DELETE FROM executions WHERE id IN (SELECT id FROM executions WHERE id = ANY($1) AND NOT ({OPEN}) \
         FOR UPDATE SKIP LOCKED) RETURNING id"
    );
    let removed: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(remove))
        .bind(ids)
        .fetch_all(&mut *transaction)
        .await?;
    for (table, column) in HANGS_ON_IT {
        let sql = AssertSqlSafe(format!("DELETE FROM {table} WHERE {column} = ANY($1)"));
        sqlx::query(sql).bind(&removed).execute(&mut *transaction).await?;
    }
    fault::point("before_prune_commit");
    transaction.commit().await?;
    claim.claimed_until = until;
    Ok(Some(Removed {
        executions: removed.len() as u64,
        held: begun.elapsed(),
    }))
}
