//! Retries: what is done once of them, and those that begin with what was decided before.

use std::time::Duration;

use flowmatic_executor::Accept;
use flowmatic_executor::journal::Record;
use flowmatic_openapi::RetryFrom;
use uuid::Uuid;

use super::super::watchers::What;
use super::super::{Store, StoreError, children};
use super::{Admitted, Once, Turn};

/// How long a retry is known again.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 60 * 60);

impl Once {
    /// One retry of an execution for all that ask for it under this key.
    pub fn of_retry(execution: Uuid, from: RetryFrom, key: &str) -> Self {
        let word = match from {
            RetryFrom::Start => "start",
            RetryFrom::Failed => "failed",
        };
        Self {
            // No header can have the first character: what callers of the workflow name are other keys.
            key: format!("\u{1f}retry {execution} {key}"),
            body_hash: Some(word.into()),
            ttl: KNOWN_FOR,
        }
    }
}

impl Store {
    /// Accepts an execution that begins with what another one had decided; nobody runs it yet. Where it was accepted
    /// before, nothing is written, and that one is told of.
    pub async fn accept_with(
        &self,
        accept: &Accept,
        decided: &Record,
        once: Option<&Once>,
    ) -> Result<Option<Admitted>, StoreError> {
        let record =
            serde_json::to_string(decided).map_err(|error| StoreError::Internal(error.to_string()))?;
        let turn = Turn::begin(self, [accept.workflow_id], accept.accepted_at).await?;
        if let Some(once) = once {
            if let Some(known) = turn.known(once).await? {
                return Ok(Some(known));
            }
            turn.remember(once, accept.id).await?;
        }
        children::accept(&turn.transaction, accept).await?;
        let insert = "INSERT INTO checkpoints (execution_id, sequence, record) VALUES ($1, 1, $2)";
        turn.execute(insert, [accept.id.into(), record.into()]).await?;
        turn.transaction.commit().await?;
        self.watchers()
            .tell(accept.id, accept.workflow_id, &What::Accepted);
        Ok(None)
    }
}
