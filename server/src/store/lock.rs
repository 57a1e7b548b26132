//! One server per database.

use std::fs::{self, File};
use std::path::Path;

use fs4::{FileExt, TryLockError};
use sea_orm::sqlx::{self, Connection, PgConnection};

use super::{Database, Store, StoreError};

/// Held by a running server; dropping it lets another one start. It also goes when the process dies.
#[derive(Debug)]
#[must_use = "the lock is released when it is dropped"]
pub struct ServerLock {
    _files: Vec<File>,
    /// Its session holds the advisory lock.
    _session: Option<PgConnection>,
}

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
                    _session: None,
                })
            }
            Database::Postgres { url, .. } => {
                let mut session = PgConnection::connect(url).await?;
                let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                    .bind(ADVISORY_LOCK)
                    .fetch_one(&mut session)
                    .await?;
                if !taken {
                    return Err(refused(store.name()));
                }
                Ok(Self {
                    _files: Vec::new(),
                    _session: Some(session),
                })
            }
        }
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
    fs::create_dir_all(folder).map_err(failed)?;
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
