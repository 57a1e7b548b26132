//! Executions that others start: by a call, by a failure, by a retry.

use std::collections::HashMap;

use flowmatic_executor::Accept;
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use uuid::Uuid;

use super::executions::{LEASE_MS, OPEN};
use super::timers::{self, TimerKind};
use super::{Store, StoreError, millis};

/// A new execution that another one calls.
#[derive(Debug, Clone)]
pub struct NewChild {
    pub parent: Uuid,
    /// The path of the node that calls.
    pub path: String,
    pub waits: bool,
    pub accept: Accept,
}

impl Store {
    /// The execution that a node called, made where it has not called yet; none where the one that calls is over.
    /// Nobody runs a new one yet.
    pub async fn start_child(&self, child: &NewChild) -> Result<Option<Uuid>, StoreError> {
        let transaction = self.begin().await?;
        let backend = transaction.get_database_backend();
        let lock = match backend {
            DbBackend::Postgres => "FOR SHARE",
            _ => "",
        };
        let find = format!("SELECT 1 FROM executions WHERE id = $1 AND {OPEN} {lock}");
        let find = Statement::from_sql_and_values(backend, find, [child.parent.into()]);
        if transaction.query_one_raw(find).await?.is_none() {
            return Ok(None);
        }
        let insert = "INSERT INTO children (parent_id, path, child_id, waits) VALUES ($1, $2, $3, $4) \
                      ON CONFLICT (parent_id, path) DO NOTHING";
        let values: [Value; 4] = [
            child.parent.into(),
            child.path.as_str().into(),
            child.accept.id.into(),
            child.waits.into(),
        ];
        let inserted = transaction
            .execute_raw(Statement::from_sql_and_values(backend, insert, values))
            .await?;
        if inserted.rows_affected() == 0 {
            let find = "SELECT child_id FROM children WHERE parent_id = $1 AND path = $2";
            let values: [Value; 2] = [child.parent.into(), child.path.as_str().into()];
            let row = transaction
                .query_one_raw(Statement::from_sql_and_values(backend, find, values))
                .await?;
            let row = row.ok_or_else(|| StoreError::Internal("a called execution is gone".to_owned()))?;
            return Ok(Some(row.try_get("", "child_id")?));
        }
        accept(&transaction, &child.accept).await?;
        transaction.commit().await?;
        Ok(Some(child.accept.id))
    }

    /// The executions that one called and waits for, or the one of a path, as far as they are not over, with their
    /// workspaces.
    pub async fn open_children(
        &self,
        parent: Uuid,
        path: Option<&str>,
    ) -> Result<Vec<(i64, Uuid)>, StoreError> {
        // On SQLite behind a call that is being written.
        let writer = self.writer();
        let find = format!(
            "SELECT executions.workspace_id, executions.id FROM children JOIN executions ON executions.id = child_id \
             WHERE parent_id = $1 AND (path = $2 OR CAST($2 AS TEXT) IS NULL) AND waits AND executions.{OPEN}"
        );
        let values: [Value; 2] = [parent.into(), path.into()];
        let find = Statement::from_sql_and_values(writer.get_database_backend(), find, values);
        let rows = writer.query_all_raw(find).await?;
        rows.into_iter()
            .map(|row| Ok((row.try_get("", "workspace_id")?, row.try_get("", "id")?)))
            .collect()
    }

    /// The executions that one has called, by the path of the step.
    pub async fn children(&self, parent: Uuid) -> Result<HashMap<String, Uuid>, StoreError> {
        let reader = self.reader();
        let sql = "SELECT path, child_id FROM children WHERE parent_id = $1";
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, [parent.into()]);
        let rows = reader.query_all_raw(statement).await?;
        rows.into_iter()
            .map(|row| Ok((row.try_get("", "path")?, row.try_get("", "child_id")?)))
            .collect()
    }

    /// Starts what follows from the failure of an execution, if its timer is still this process's; without `accept`
    /// nothing follows.
    pub async fn follow_failure(
        &self,
        timer: timers::DueTimer,
        accept: Option<&Accept>,
    ) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        if timers::hold(&transaction, &[timer]).await?.is_empty() {
            return Ok(false);
        }
        if let Some(accept) = accept {
            self::accept(&transaction, accept).await?;
        }
        timers::remove(&transaction, TimerKind::Failure, &[timer.subject]).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Writes a new execution that nobody runs yet.
pub(crate) async fn accept(transaction: &impl ConnectionTrait, accept: &Accept) -> Result<(), StoreError> {
    let insert = "INSERT INTO executions (id, workspace_id, workflow_id, version, mode, trigger_node, status, \
                  lease_until, retry_of, started_at, meta, payload) \
                  VALUES ($1, $2, $3, $4, $5, $6, 'QUEUED', $7, $8, $9, $10, $11)";
    let values: [Value; 11] = [
        accept.id.into(),
        accept.workspace_id.into(),
        accept.workflow_id.into(),
        accept.version.into(),
        accept.mode.as_str().into(),
        accept.trigger.as_str().into(),
        (millis(accept.accepted_at) + LEASE_MS).into(),
        accept.retry_of.into(),
        millis(accept.accepted_at).into(),
        accept.meta.as_str().into(),
        accept.payload.as_str().into(),
    ];
    let backend = transaction.get_database_backend();
    transaction
        .execute_raw(Statement::from_sql_and_values(backend, insert, values))
        .await?;
    Ok(())
}
