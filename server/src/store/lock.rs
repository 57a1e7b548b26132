//! One server per database.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use fs4::{FileExt, TryLockError};
use sea_orm::sqlx::{self, Connection, PgConnection};

use super::{Database, Store, StoreError};

/// Held by a running server; dropping it lets another one start. It also goes when the process dies.
#[derive(Debug)]
#[must_use = "the lock is released when it is dropped"]
pub struct ServerLock {
    _files: Vec<File>,
    session: Option<Session>,
    name: String,
}

/// A connection whose session holds the advisory lock.
#[derive(Debug)]
struct Session {
    url: String,
    connection: PgConnection,
    /// The process of the database that serves it, and since when.
    process: i32,
    since: String,
}

/// How often the lock's session is looked after, and how long that may take.
const KEEP_EVERY: Duration = Duration::from_secs(2);
const KEEP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a session of the database takes to end, more or less.
const ENDING: Duration = Duration::from_millis(100);

/// The advisory lock's number: `flowmati` in ASCII.
const ADVISORY_LOCK: i64 = 0x666c_6f77_6d61_7469;

impl ServerLock {
    pub(super) async fn take(store: &Store) -> Result<Self, StoreError> {
        match store.database() {
            Database::Sqlite { file, .. } => {
                let mut files = vec![lock_folder(store.data_dir(), store.name())?];
                // A database kept elsewhere must not be served from two data directories either.
                if let Some(folder) = file.parent()
                    && folder.canonicalize().ok() != store.data_dir().canonicalize().ok()
                {
                    files.push(lock_folder(folder, store.name())?);
                }
                Ok(Self {
                    _files: files,
                    session: None,
                    name: store.name().to_owned(),
                })
            }
            Database::Postgres { url, .. } => {
                let session = Session::open(url).await?.ok_or_else(|| refused(store.name()))?;
                Ok(Self {
                    _files: Vec::new(),
                    session: Some(session),
                    name: store.name().to_owned(),
                })
            }
        }
    }

    /// Keeps the lock, and takes it again after the database was gone. Resolves when another server has taken
    /// it meanwhile: this one must end.
    pub async fn lost(&mut self) -> StoreError {
        let Some(session) = &mut self.session else {
            // A file stays locked.
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(KEEP_EVERY).await;
            if matches!(
                tokio::time::timeout(KEEP_TIMEOUT, session.connection.ping()).await,
                Ok(Ok(()))
            ) {
                continue;
            }
            match tokio::time::timeout(KEEP_TIMEOUT, session.again()).await {
                Ok(Ok(Some(again))) => {
                    *session = again;
                    tracing::info!("the lock of the one server is held again");
                }
                Ok(Ok(None)) => {
                    return StoreError::Conflict(format!("another server has taken `{}` over", self.name));
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the lock of the one server is lost; taking it again")
                }
                Err(_) => {
                    tracing::warn!("the database does not answer; the lock of the one server may be lost")
                }
            }
        }
    }
}

impl Session {
    /// None where another session has the lock.
    async fn open(url: &str) -> Result<Option<Self>, sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        let (taken, process, since): (bool, i32, String) = sqlx::query_as(
            "SELECT pg_try_advisory_lock($1), pid, backend_start::text FROM pg_stat_activity \
             WHERE pid = pg_backend_pid()",
        )
        .bind(ADVISORY_LOCK)
        .fetch_one(&mut connection)
        .await?;
        Ok(taken.then(|| Self {
            url: url.to_owned(),
            connection,
            process,
            since,
        }))
    }

    /// A new one in its place, once this one has surely ended: the database may not have noticed yet.
    async fn again(&self) -> Result<Option<Self>, sqlx::Error> {
        let mut admin = PgConnection::connect(&self.url).await?;
        loop {
            let found = sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2",
            )
            .bind(self.process)
            .bind(&self.since)
            .fetch_optional(&mut admin)
            .await?;
            if found.is_none() {
                break;
            }
            tokio::time::sleep(ENDING).await;
        }
        admin.close().await?;
        Self::open(&self.url).await
    }
}

fn lock_folder(folder: &Path, name: &str) -> Result<File, StoreError> {
    let path = folder.join("server.lock");
    let failed = |error: std::io::Error| {
        StoreError::Unavailable(format!(
            "the lock file `{}` cannot be taken: {error}",
            path.display()
        ))
    };
    super::make_private_folder(folder).map_err(failed)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(refused(name)),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn refused(name: &str) -> StoreError {
    StoreError::Conflict(format!("another server is running on `{name}`; stop it first"))
}
