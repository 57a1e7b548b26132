//! What a caller of `/api/webhooks/{webhookId}` gets back.

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::ExecutionStatus;

/// The answer to a call whose workflow gives none of its own.
#[derive(Debug, Clone, Object)]
#[oai(rename_all = "camelCase")]
pub struct TriggerAnswer {
    pub status: TriggerAnswerStatus,
    pub message: String,
    pub webhook_id: Uuid,
    pub workflow_id: Uuid,
    pub execution_id: Uuid,
    pub execution_status: ExecutionStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum TriggerAnswerStatus {
    Success,
    Error,
}
