//! How much there is.

use std::path::{Path, PathBuf};

use flowmatic_openapi::{Counts, DatabaseKind, Disk, Time};
use sea_orm::sqlx;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Statement, Value};

use super::entity::workflow;
use super::executions::OPEN;
use super::{Database, Store, StoreError, millis};

/// The most executions that are counted: there may be millions on disk.
const MOST_COUNTED: i64 = 100_000;

impl Store {
    pub fn kind(&self) -> DatabaseKind {
        match self.database() {
            Database::Sqlite { .. } => DatabaseKind::Sqlite,
            Database::Postgres { .. } => DatabaseKind::Postgres,
        }
    }

    pub async fn counts(&self, workspace_id: i64, now: Time) -> Result<Counts, StoreError> {
        let reader = self.reader();
        let workflows = || {
            workflow::Entity::find()
                .filter(workflow::Column::WorkspaceId.eq(workspace_id))
                .filter(workflow::Column::DeletedAt.is_null())
        };
        let count = |found: u64| i64::try_from(found).unwrap_or(i64::MAX);
        let active = workflows().filter(workflow::Column::Active.eq(true));
        let mut counts = Counts {
            workflows: count(workflows().count(&reader).await?),
            active_workflows: count(active.count(&reader).await?),
            ..Counts::default()
        };
        // A sum keeps the databases from the index of all the workspace's executions: that of the open ones is meant.
        let sql = format!(
            "SELECT kind, COUNT(*) AS many FROM (SELECT CASE WHEN status = 'WAITING' THEN 'waiting' \
             WHEN owner IS NOT NULL AND lease_until > $2 THEN 'running' ELSE 'queued' END AS kind \
             FROM executions WHERE workspace_id + 0 = $1 AND {OPEN} LIMIT {MOST_COUNTED}) AS counted GROUP BY kind"
        );
        let values: [Value; 2] = [workspace_id.into(), millis(now).into()];
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
        for row in reader.query_all_raw(statement).await? {
            let (kind, many): (String, i64) = (row.try_get("", "kind")?, row.try_get("", "many")?);
            match kind.as_str() {
                "waiting" => counts.executions_waiting = many,
                "running" => counts.executions_running = many,
                _ => counts.executions_queued = many,
            }
        }
        Ok(counts)
    }

    /// The room that the database takes, and what is left beside it.
    pub async fn disk(&self) -> Result<Disk, StoreError> {
        match self.database() {
            Database::Sqlite { file, .. } => {
                let file = file.clone();
                tokio::task::spawn_blocking(move || of_file(&file))
                    .await
                    .map_err(|error| StoreError::Internal(error.to_string()))
            }
            Database::Postgres { pool, .. } => {
                let sql = "SELECT pg_database_size(current_database())";
                Ok(Disk {
                    database_bytes: sqlx::query_scalar(sql).fetch_one(pool).await?,
                    free_bytes: None,
                })
            }
        }
    }
}

fn of_file(file: &Path) -> Disk {
    let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let bytes = size(file) + size(&PathBuf::from(log));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let free = fs4::available_space(folder.unwrap_or(Path::new("."))).ok();
    Disk {
        database_bytes: i64::try_from(bytes).unwrap_or(i64::MAX),
        free_bytes: free.and_then(|free| i64::try_from(free).ok()),
    }
}
