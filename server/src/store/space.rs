//! Space that removed rows leave: SQLite gives its free pages back to the file system, in small steps; PostgreSQL makes
//! room for new rows, and gives back what is free at the end of a table.

use sea_orm::sqlx::{self, Connection, PgConnection, SqlitePool};

use super::{Database, Store, StoreError, sqlite};

/// Free pages that are kept for what comes: a ninth of those in use, and this many at least.
const KEPT_PAGES: u64 = 1024;
/// Of a file with at most so many pages in use and at least so many free ones, what is in use is written anew: that
/// takes a fifth of a second. Each free page that goes by itself is looked for among all free ones.
const FEW_PAGES: u64 = 16_384;
const MANY_FREE: u64 = 8_192;
/// Rows whose removal is worth a look through a table on PostgreSQL; at rest, less is.
const VACUUM_ROWS: u64 = 50_000;
const VACUUM_ROWS_AT_REST: u64 = 1_000;
/// As much of a table as must be waste for that, where it is larger.
const VACUUM_SHARE: u64 = 10;

/// What an SQLite file should give back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spare {
    Nothing,
    /// So many pages.
    Pages(u64),
    /// All but what is in use, which is little.
    Most,
}

impl Store {
    /// What an SQLite file has more than it should keep; while many rows come and go, it keeps more.
    pub async fn spare_space(&self, at_rest: bool) -> Result<Spare, StoreError> {
        let Database::Sqlite { readers, .. } = self.database() else {
            return Ok(Spare::Nothing);
        };
        let (pages, free) = (
            pragma(readers, "PRAGMA page_count").await?,
            pragma(readers, "PRAGMA freelist_count").await?,
        );
        let used = pages.saturating_sub(free);
        let kept = (used / 9).max(KEPT_PAGES);
        // Else what is given back at one moment would be taken again at the next.
        let is_worth_it = at_rest || free > (used / 3).max(KEPT_PAGES * 4);
        Ok(match free.saturating_sub(kept) {
            0 => Spare::Nothing,
            _ if !is_worth_it => Spare::Nothing,
            _ if used <= FEW_PAGES && free > used.max(MANY_FREE) => Spare::Most,
            spare => Spare::Pages(spare),
        })
    }

    /// Gives so many free pages back, in one transaction.
    pub async fn give_back_pages(&self, pages: u64) -> Result<(), StoreError> {
        let Database::Sqlite {
            writer, checkpoints, ..
        } = self.database()
        else {
            return Ok(());
        };
        sqlite::give_back(writer, pages).await?;
        // The file itself becomes shorter when the log is written back.
        checkpoints.ask();
        Ok(())
    }

    /// Whether the rows removed since the last time are worth a vacuum of PostgreSQL's; autovacuum may look too rarely
    /// to keep the table small.
    pub async fn is_vacuum_due(&self, removed: u64, at_rest: bool) -> Result<bool, StoreError> {
        let Database::Postgres { pool, .. } = self.database() else {
            return Ok(false);
        };
        let least = match at_rest {
            true => VACUUM_ROWS_AT_REST,
            false => VACUUM_ROWS,
        };
        if removed < least {
            return Ok(false);
        }
        let sql = "SELECT GREATEST(reltuples, 0)::bigint FROM pg_class WHERE oid = 'executions'::regclass";
        let rows: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
        Ok(removed >= rows.unsigned_abs() / VACUUM_SHARE)
    }

    /// Makes the room of removed executions free for new ones, on a connection of its own: it rests now and then, and
    /// steps aside for whoever wants the table for himself.
    pub async fn vacuum(&self) -> Result<(), StoreError> {
        let Database::Postgres { pool, .. } = self.database() else {
            return Ok(());
        };
        let mut connection = PgConnection::connect_with(&pool.connect_options()).await?;
        for sql in [
            "SET vacuum_cost_delay = 2",
            "SET vacuum_cost_limit = 1000",
            "VACUUM (SKIP_LOCKED) executions",
        ] {
            sqlx::raw_sql(sql).execute(&mut connection).await?;
        }
        Ok(connection.close().await?)
    }

    /// Whether an SQLite file can give nothing back, since it was made by another program (restored from a dump, as
    /// it were), and how large it is.
    pub async fn unshrinkable(&self) -> Result<Option<u64>, StoreError> {
        const INCREMENTAL: u64 = 2;
        let Database::Sqlite { writer, .. } = self.database() else {
            return Ok(None);
        };
        // The readers would say what was when they connected.
        if pragma(writer, "PRAGMA auto_vacuum").await? == INCREMENTAL {
            return Ok(None);
        }
        let (pages, size) = (
            pragma(writer, "PRAGMA page_count").await?,
            pragma(writer, "PRAGMA page_size").await?,
        );
        Ok(Some(pages * size))
    }

    /// Writes an SQLite file anew, without its free pages and so that it can give space back. Nothing else can be
    /// written meanwhile.
    pub async fn rewrite(&self) -> Result<(), StoreError> {
        match self.database() {
            Database::Sqlite {
                writer, checkpoints, ..
            } => {
                sqlx::raw_sql("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")
                    .execute(writer)
                    .await?;
                checkpoints.ask();
                Ok(())
            }
            Database::Postgres { .. } => Ok(()),
        }
    }
}

async fn pragma(pool: &SqlitePool, sql: &'static str) -> Result<u64, StoreError> {
    let value: i64 = sqlx::query_scalar(sql).fetch_one(pool).await?;
    Ok(value.unsigned_abs())
}

#[cfg(test)]
mod tests;
