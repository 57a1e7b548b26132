//! Webhooks that start workflows: what there are, and what a caller of `/api/webhooks/{webhookId}` gets back.

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::{ExecutionStatus, Json, JsonObject, Time};

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

/// A webhook trigger: a way into a workflow over HTTP.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct IncomingWebhook {
    /// The id of its trigger.
    pub id: Uuid,
    pub webhook_id: Uuid,
    /// Where callers send their requests.
    pub url: String,
    pub workflow_id: Uuid,
    pub workflow_name: String,
    /// The key of the trigger's node.
    pub node: String,
    /// What that node is called.
    pub name: String,
    /// The HTTP methods it takes; none where its draft has mistakes.
    pub methods: Vec<String>,
    pub auth: IncomingAuth,
    /// Whether it takes calls: the published version has it, and the workflow's triggers are on.
    pub live: bool,
    /// Whether the published version does not have it. Then the draft is shown, else what is published.
    pub draft_only: bool,
    /// The newest call that started an execution, if that is among the workflow's newest 1,000 executions.
    pub last_call: Option<LastCall>,
}

/// How callers prove who they are, as a sender must be set up.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct IncomingAuth {
    /// `none`, `hmac`, `token` or `basic`; more will come.
    #[oai(rename = "type")]
    pub kind: String,
    /// The header that carries the signature or credential.
    pub header: Option<String>,
    /// Of `hmac`: the hash function.
    pub algorithm: Option<String>,
    /// Of `hmac`: how the signature's bytes are written, `hex` or `base64`.
    pub encoding: Option<String>,
    /// Of `hmac`: the text before the signature.
    pub prefix: Option<String>,
    /// Of `basic`: the name.
    pub username: Option<String>,
    /// Whether a secret is kept for it.
    pub has_secret: bool,
}

/// A call that started an execution.
#[derive(Debug, Clone, PartialEq, Object)]
pub struct LastCall {
    #[oai(serialize_with = "crate::time::write")]
    pub at: Time,
    pub execution_id: Uuid,
    pub status: ExecutionStatus,
}

/// A call to make of a webhook.
#[derive(Debug, Clone, Default, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub struct WebhookTest {
    /// The first that the webhook takes, where it is missing.
    #[oai(validator(max_length = 20, pattern = "^[A-Z]+$"))]
    pub method: Option<String>,
    /// Header values by name: texts, numbers or booleans. What the webhook's `auth` asks for is added, unless it is here.
    #[oai(default)]
    pub headers: JsonObject,
    /// Query values by name: texts, numbers or booleans.
    #[oai(default)]
    pub query: JsonObject,
    /// Sent as JSON; a text as it is, where `headers` name a `Content-Type` other than JSON. Missing or null: no body.
    pub body: Option<Json>,
}

/// What the webhook answered.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct WebhookTestResult {
    pub status: u16,
    pub headers: JsonObject,
    /// The value of a JSON body, any other as text.
    pub body: Json,
    /// How `body` is to be read.
    pub body_as: BodyAs,
    pub duration_ms: i64,
    /// The execution that the call started, or one that a call before had started.
    pub execution_id: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum BodyAs {
    Json,
    Text,
    Base64,
}
