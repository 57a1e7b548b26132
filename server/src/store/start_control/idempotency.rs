//! Idempotency keys: which execution a key has started.

use super::super::StoreError;
use super::super::executions::stored_status;
use super::{Admitted, Once, Turn, at, to_millis};

impl Turn {
    /// What a call gets whose key was used before. A key outlives its execution where that is removed before it expires.
    pub(super) async fn known(&self, once: &Once) -> Result<Option<Admitted>, StoreError> {
        let sql = "SELECT k.execution_id, k.body_hash, EXISTS (SELECT 1 FROM debounces d \
                   WHERE d.execution_id = k.execution_id), CASE WHEN EXISTS (SELECT 1 FROM executions e \
                   WHERE e.id = k.execution_id) THEN NULL ELSE k.removed_as END \
                   FROM idempotency_keys k WHERE k.workflow_id = $1 AND k.key = $2 AND k.expires_at > $3";
        let values = [self.workflow_id.into(), once.key.clone().into(), self.now.into()];
        let Some(row) = self.query(sql, values).await? else {
            return Ok(None);
        };
        let execution = at(&row, 0)?;
        let body_hash: Option<Vec<u8>> = at(&row, 1)?;
        let is_other = body_hash
            .zip(once.body_hash.as_ref())
            .is_some_and(|(first, now)| first != *now);
        let removed_as: Option<String> = at(&row, 3)?;
        Ok(Some(match is_other {
            true => Admitted::KeyReused { execution },
            false => Admitted::Replayed {
                execution,
                is_debounced: at(&row, 2)?,
                removed_as: removed_as
                    .map(|name| stored_status(execution, &name))
                    .transpose()?,
            },
        }))
    }

    pub(super) async fn remember(&self, once: &Once, execution: uuid::Uuid) -> Result<(), StoreError> {
        let sql = "INSERT INTO idempotency_keys (workflow_id, key, execution_id, expires_at, body_hash) \
                   VALUES ($1, $2, $3, $4, $5) ON CONFLICT (workflow_id, key) DO UPDATE SET \
                   execution_id = EXCLUDED.execution_id, expires_at = EXCLUDED.expires_at, \
                   body_hash = EXCLUDED.body_hash, removed_as = NULL";
        let values = [
            self.workflow_id.into(),
            once.key.clone().into(),
            execution.into(),
            self.now.saturating_add(to_millis(once.ttl)).into(),
            once.body_hash.clone().into(),
        ];
        self.execute(sql, values).await?;
        Ok(())
    }
}
