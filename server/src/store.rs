//! Where everything lasting is kept: SQLite for one machine, PostgreSQL for several. Only here are SQL and
//! sea-orm named; the functions take and return the types of `flowmatic_openapi` and `flowmatic_executor`.
//!
//! Invariants:
//! * what is answered as written is on disk: SQLite runs `synchronous=FULL`, PostgreSQL
//!   `synchronous_commit=on` ([`Store::durability`] reads both back);
//! * SQLite has one writer; checkpoints of its log run beside it, never in a commit;
//! * a final status never changes, and a journal write of an older epoch changes nothing;
//! * times are milliseconds since the epoch, JSON is text, on both databases.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sea_orm::sqlx::{PgPool, SqlitePool};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, SqlxPostgresConnector,
    SqlxSqliteConnector, TransactionOptions, TransactionTrait,
};

mod children;
pub use children::NewChild;
mod commit;
pub use commit::{CommitWriter, Told};
mod executions;
pub use executions::{ExecutionFilter, Mark, News, OpenExecution, Progress, Purpose, StoredExecution, Whose};
mod start_control;
pub(crate) use start_control::DROPPED_MESSAGE;
pub use start_control::{Admission, Admitted, DROPPED, NewStart, Once};
mod error;
pub use error::StoreError;
mod lock;
pub use lock::ServerLock;
mod sqlite;
pub use sqlite::SqliteCheckpoints;
mod postgres;

mod keys;
mod names;
mod retention;
mod schedules;
mod secrets;
mod signals;
mod space;
pub(crate) mod timers;
mod users;
pub mod watchers;
mod webhooks;
mod workflows;
pub use keys::NewKey;
pub(crate) use retention::after;
pub use retention::{History, Kept, Removable, Removed};
pub use schedules::ScheduleFilter;
pub use secrets::SealedSecret;
pub use signals::Signalled;
pub use space::Spare;
pub use timers::{DueTimer, TimerKind};
pub use users::UserWithPassword;
pub use watchers::Watchers;
pub use webhooks::WebhookFilter;
pub(crate) use workflows::RESTORABLE;
pub use workflows::{Activated, WebhookTarget, WorkflowFilter, WorkflowSave};

pub(crate) mod cursor;
pub(crate) mod entity;
mod migration;

#[cfg(test)]
pub(crate) mod testing;

/// A moment in UTC.
pub type Time = flowmatic_openapi::Time;

/// Which database, and where this installation keeps its files.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `sqlite://<path>` or `postgres://…`; without one `flowmatic.db` in the data directory.
    pub database_url: Option<String>,
    pub data_dir: PathBuf,
}

/// The database of an installation. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    data_dir: PathBuf,
    /// As a person would name it, without a password.
    name: String,
    bell: timers::Bell,
    /// Commits of unknown outcome whose rows are looked for.
    settling: AtomicUsize,
    watchers: Arc<Watchers>,
    labels: names::Labels,
}

#[derive(Debug)]
pub(crate) enum Database {
    Sqlite {
        /// One connection: writers queue here rather than in SQLite's busy loop.
        writer: SqlitePool,
        readers: SqlitePool,
        file: PathBuf,
        /// Stops when the last clone of the store goes.
        checkpoints: SqliteCheckpoints,
    },
    Postgres {
        pool: PgPool,
        url: String,
    },
}

/// What the database says of its own durability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Durability {
    /// `synchronous` is 2 for FULL.
    Sqlite { journal_mode: String, synchronous: i64 },
    Postgres {
        synchronous_commit: String,
        fsync: String,
    },
}

/// The database in the data folder.
pub const SQLITE_FILE: &str = "flowmatic.db";

/// Makes a folder that nobody else on the machine can look into; one that is there stays as it is.
pub fn make_private_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

impl Store {
    /// Connects, and refuses a database of a newer version. Its tables are made by [`Store::migrate`].
    pub async fn open(options: StoreOptions) -> Result<Self, StoreError> {
        let (database, name) = match &options.database_url {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                postgres::open(url).await?
            }
            Some(url) => sqlite::open(&sqlite::path_of(url)?).await?,
            None => sqlite::open(&options.data_dir.join(SQLITE_FILE)).await?,
        };
        let store = Self(Arc::new(Inner {
            database,
            data_dir: options.data_dir,
            name,
            bell: timers::Bell::default(),
            settling: AtomicUsize::new(0),
            watchers: Arc::default(),
            labels: names::labels(),
        }));
        migration::refuse_newer(&store).await?;
        Ok(store)
    }

    /// Brings the tables up to date; does nothing when they are.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        migration::migrate(self).await
    }

    /// Makes this process the only server of the database until the lock is dropped. Administrative
    /// commands work beside it and take no lock.
    pub async fn lock_server(&self) -> Result<ServerLock, StoreError> {
        ServerLock::take(self).await
    }

    /// Reads back what makes a commit last.
    pub async fn durability(&self) -> Result<Durability, StoreError> {
        match &self.0.database {
            Database::Sqlite { writer, .. } => sqlite::durability(writer).await,
            Database::Postgres { pool, .. } => postgres::durability(pool).await,
        }
    }

    /// Fails when the database cannot be reached.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.reader().ping().await?)
    }

    /// Waits for what is under way and closes the connections.
    pub async fn close(&self) {
        match &self.0.database {
            Database::Sqlite {
                writer,
                readers,
                checkpoints,
                ..
            } => {
                checkpoints.stop();
                readers.close().await;
                // The last connection to close writes the log back into the file.
                writer.close().await;
            }
            Database::Postgres { pool, .. } => pool.close().await,
        }
    }

    /// For queries: it cannot write, and sees every commit that was answered before.
    pub(crate) fn reader(&self) -> DatabaseConnection {
        match &self.0.database {
            Database::Sqlite { readers, .. } => SqlxSqliteConnector::from_sqlx_sqlite_pool(readers.clone()),
            Database::Postgres { pool, .. } => SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
        }
    }

    /// For changes. On SQLite everyone waits for its one connection: keep transactions short.
    pub(crate) fn writer(&self) -> DatabaseConnection {
        match &self.0.database {
            Database::Sqlite { writer, .. } => SqlxSqliteConnector::from_sqlx_sqlite_pool(writer.clone()),
            Database::Postgres { pool, .. } => SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
        }
    }

    /// A transaction for changes. It takes the write lock at once, so that what it reads first is still true
    /// when it writes. Dropped without a commit, it is rolled back.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(self.writer().begin_with_options(options).await?)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    fn bell(&self) -> &timers::Bell {
        &self.0.bell
    }

    /// While this is held no execution is removed.
    fn settle(&self) -> Settling<'_> {
        self.0.settling.fetch_add(1, Ordering::SeqCst);
        Settling(&self.0.settling)
    }

    fn is_settling(&self) -> bool {
        self.0.settling.load(Ordering::SeqCst) > 0
    }

    /// Those who watch executions of this process.
    pub fn watchers(&self) -> &Arc<Watchers> {
        &self.0.watchers
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.0.data_dir
    }

    /// The database as a person would name it.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

struct Settling<'a>(&'a AtomicUsize);

impl Drop for Settling<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How a moment is stored.
pub(crate) fn millis(time: Time) -> i64 {
    time.timestamp_millis()
}

/// A stored moment. What lies outside the calendar becomes the epoch.
pub(crate) fn time(millis: i64) -> Time {
    Time::from_timestamp_millis(millis).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, EntityTrait};

    use super::testing::{postgres, sqlite, stores};
    use super::*;

    #[tokio::test]
    async fn commits_last() {
        let test = sqlite().await;
        let durability = test.store.durability().await.expect("it can be read");
        let journal_mode = "wal".to_owned();
        assert_eq!(
            durability,
            Durability::Sqlite {
                journal_mode,
                synchronous: 2
            }
        );

        let test = postgres().await;
        match test.store.durability().await.expect("it can be read") {
            Durability::Postgres {
                synchronous_commit, ..
            } => assert_eq!(synchronous_commit, "on"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn makes_the_first_workspace_once() {
        for test in stores().await {
            test.store.migrate().await.expect("a second time does nothing");
            let found = entity::workspace::Entity::find()
                .all(&test.store.reader())
                .await
                .expect("it can be read");
            assert_eq!(found.len(), 1, "{}", test.name);
            assert_eq!(
                (found[0].id, found[0].name.as_str()),
                (1, "Workspace"),
                "{}",
                test.name
            );
        }
    }

    #[tokio::test]
    async fn refuses_a_database_of_a_newer_version() {
        for test in stores().await {
            let newer =
                "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20270101_000001_later', 0)";
            let writer = test.store.writer();
            writer.execute_unprepared(newer).await.expect("it can be written");
            let refused = Store::open(test.options.clone()).await.expect_err(test.name);
            assert_eq!(
                refused.to_string(),
                "the database was written by a newer Flowmatic (it has `m20270101_000001_later`); \
                 start that version or restore a backup"
            );
        }
    }

    #[tokio::test]
    async fn refuses_a_second_server() {
        for test in stores().await {
            let second = Store::open(test.options.clone())
                .await
                .expect("administration goes on");
            let lock = test.store.lock_server().await.expect(test.name);
            let refused = second.lock_server().await.expect_err(test.name).to_string();
            let name = second.name();
            assert_eq!(
                refused,
                format!("another server is running on `{name}`; stop it first")
            );
            drop(lock);
        }
    }

    #[tokio::test]
    async fn lets_another_server_start_after_the_first() {
        let test = sqlite().await;
        drop(test.store.lock_server().await.expect("the first"));
        let _second = test.store.lock_server().await.expect("the second");
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let test = sqlite().await;
        let refused = test
            .store
            .reader()
            .execute_unprepared("DELETE FROM workspaces")
            .await;
        assert!(matches!(
            refused.map_err(StoreError::from),
            Err(StoreError::Unavailable(_))
        ));
    }

    #[tokio::test]
    async fn keeps_values_unique() {
        for test in stores().await {
            let twice = "INSERT INTO workspaces (id, name, created_at) VALUES (1, 'again', 0)";
            let refused = test.store.writer().execute_unprepared(twice).await;
            assert!(
                matches!(refused.map_err(StoreError::from), Err(StoreError::Conflict(_))),
                "{}",
                test.name
            );
        }
    }

    #[test]
    fn refuses_a_database_that_is_not_a_file() {
        for url in ["sqlite::memory:", "sqlite://", "mysql://root@localhost/flowmatic"] {
            assert!(sqlite::path_of(url).is_err(), "{url}");
        }
        let path = sqlite::path_of("sqlite:///var/lib/flowmatic.db").expect("a file");
        assert_eq!(path, Path::new("/var/lib/flowmatic.db"));
    }
}
