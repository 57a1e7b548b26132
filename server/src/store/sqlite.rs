//! SQLite: one writer, several readers, and a task that writes the log back beside them.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio_util::sync::CancellationToken;

use super::{Database, Durability, StoreError};

const READERS: u32 = 4;
const PAGE_BYTES: u64 = 4096;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);
/// Below this the log is not worth a checkpoint.
const CHECKPOINT_BYTES: u64 = 1000 * PAGE_BYTES;
/// Above this the log is written back whole and cut off, which holds up the writer for a moment.
const TRUNCATE_BYTES: u64 = 64 * 1024 * 1024;

/// The file that a `sqlite://` URL names.
pub(super) fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let wrong = |why: String| StoreError::Internal(format!("the database URL `{url}` is wrong: {why}"));
    if !url.starts_with("sqlite:") {
        return Err(wrong(
            "it must begin with `sqlite://` or `postgres://`".to_owned(),
        ));
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|error| wrong(error.to_string()))?;
    let path = options.get_filename();
    if url.contains(":memory:") || url.contains("mode=memory") || path.as_os_str().is_empty() {
        return Err(wrong(
            "it must name a file, such as `sqlite:///var/lib/flowmatic/flowmatic.db`".to_owned(),
        ));
    }
    Ok(path.to_owned())
}

pub(super) async fn open(file: &Path) -> Result<(Database, String), StoreError> {
    let name = file.display().to_string();
    if let Some(folder) = file.parent() {
        super::make_private_folder(folder).map_err(|error| {
            StoreError::Unavailable(format!(
                "the folder `{}` cannot be made: {error}",
                folder.display()
            ))
        })?;
    }
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", TRUNCATE_BYTES.to_string())
        .pragma("wal_autocheckpoint", "0")
        .disable_statement_logging();
    // These are written into a new file: the first counts only before its first table is made, or in a `VACUUM`.
    let writer_options = options
        .clone()
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        // It is a file, not a network: a connection that was good is good.
        .test_before_acquire(false)
        // A full disk makes SQLite roll back by itself; sqlx goes on to count a transaction that is no more,
        // and every later one would fail. The ping waits for a rollback that is under way.
        .after_release(|connection, _| {
            Box::pin(async {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(writer_options)
        .await
        .map_err(|error| match StoreError::from(error) {
            StoreError::Unavailable(why) => StoreError::Unavailable(format!("`{name}`: {why}")),
            other => other,
        })?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone().read_only(true).create_if_missing(false));
    let checkpoints = SqliteCheckpoints::start(options, file);
    let database = Database::Sqlite {
        writer,
        readers,
        file: file.to_owned(),
        checkpoints,
    };
    Ok((database, name))
}

pub(super) async fn durability(writer: &SqlitePool) -> Result<Durability, StoreError> {
    Ok(Durability::Sqlite {
        journal_mode: sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(writer)
            .await?,
        synchronous: sqlx::query_scalar("PRAGMA synchronous").fetch_one(writer).await?,
    })
}

/// Takes so many pages off the end of the file; those in use change places with free ones.
pub(super) async fn give_back(writer: &SqlitePool, pages: u64) -> Result<(), StoreError> {
    let sql = AssertSqlSafe(format!("PRAGMA incremental_vacuum({pages})"));
    sqlx::query(sql).execute(writer).await?;
    Ok(())
}

/// Writes the log back into the database file, on its own connection, until it is dropped.
#[derive(Debug)]
pub struct SqliteCheckpoints {
    stop: CancellationToken,
    asked: Arc<AtomicBool>,
}

impl SqliteCheckpoints {
    fn start(options: SqliteConnectOptions, file: &Path) -> Self {
        let stop = CancellationToken::new();
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let asked = Arc::<AtomicBool>::default();
        let run = run(options, log.into(), asked.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(run));
        Self { stop, asked }
    }

    /// Has the log written back and cut off, however short it is.
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for SqliteCheckpoints {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(options: SqliteConnectOptions, log: PathBuf, asked: Arc<AtomicBool>) {
    let mut connection = None;
    loop {
        tokio::time::sleep(CHECKPOINT_INTERVAL).await;
        let size = tokio::fs::metadata(&log).await.map_or(0, |file| file.len());
        let is_asked = asked.swap(false, Ordering::Relaxed);
        if !is_asked && size < CHECKPOINT_BYTES {
            continue;
        }
        if let Err(error) = checkpoint(&mut connection, &options, is_asked).await {
            tracing::warn!(%error, "the log of the database could not be written back; it is tried again");
            connection = None;
        }
    }
}

async fn checkpoint(
    connection: &mut Option<SqliteConnection>,
    options: &SqliteConnectOptions,
    cut_off: bool,
) -> Result<(), sqlx::Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(SqliteConnection::connect_with(options).await?),
    };
    // Most is written back while the writer goes on, so that the last part holds it up only briefly.
    let (_, pages, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)")
        .fetch_one(&mut *connection)
        .await?;
    if cut_off || u64::try_from(pages).unwrap_or_default() * PAGE_BYTES > TRUNCATE_BYTES {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;
    use crate::store::testing::sqlite;

    #[tokio::test]
    async fn writes_the_log_back_beside_the_writer() {
        let test = sqlite().await;
        let Database::Sqlite {
            writer,
            readers,
            file,
            ..
        } = test.store.database()
        else {
            unreachable!("it was asked for");
        };
        let log_frames = async || -> (i64, i64, i64) {
            let pragma = sqlx::query_as("PRAGMA wal_checkpoint(NOOP)");
            pragma.fetch_one(writer).await.expect("it can be asked")
        };
        let (_, pages, written) = log_frames().await;
        assert!(pages > written, "the writer leaves it alone: {pages} {written}");
        let options = SqliteConnectOptions::new().filename(file);
        checkpoint(&mut None, &options, false)
            .await
            .expect("it can be written back");
        let (_, pages, written) = log_frames().await;
        assert_eq!(pages, written);
        let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM executions")
            .fetch_one(readers)
            .await
            .expect("it can be read");
        assert_eq!(tables, 0);
    }

    #[tokio::test]
    async fn can_give_space_back() {
        let test = sqlite().await;
        let writer = test.store.writer();
        let sql = "PRAGMA auto_vacuum".to_owned();
        let statement = sea_orm::Statement::from_string(writer.get_database_backend(), sql);
        let row = writer
            .query_one_raw(statement)
            .await
            .expect("it can be read")
            .expect("a row");
        // 2 is INCREMENTAL.
        assert_eq!(row.try_get_by_index(0), Ok(2));
    }
}
