//! How the description shows the door for callers from outside. The door itself takes raw requests of any content type
//! and stands beside the service; these operations are described, never served.

use flowmatic_openapi::{Json as AnyJson, TriggerAnswer};
use poem_openapi::param::{Header, Path};
use poem_openapi::{ApiResponse, OpenApi};
use uuid::Uuid;

use super::super::super::Tag;
use super::super::super::error::ApiError;
use super::super::super::payload::{Json, OptionalJson};

pub(super) struct Door;

#[derive(ApiResponse)]
#[expect(dead_code, reason = "the door answers in its own way; this describes it")]
enum Answer {
    /// The execution is on disk. Where the workflow has a Response node, its status, headers and body are the
    /// answer instead. A call that the workflow's start control has dropped is an execution that is `CANCELLED`.
    #[oai(status = 200)]
    Done(
        Json<TriggerAnswer>,
        /// `true` where a call before has started the execution, under the same idempotency key.
        #[oai(header = "Idempotency-Replayed")]
        Option<bool>,
    ),
    /// The workflow did not answer within `--sync-timeout` and goes on, or the execution is `QUEUED` by the workflow's
    /// start control; `Location` is the execution.
    #[oai(status = 202)]
    GoesOn(
        Json<TriggerAnswer>,
        #[oai(header = "Location")] String,
        /// `true` where a call before has started the execution, under the same idempotency key.
        #[oai(header = "Idempotency-Replayed")]
        Option<bool>,
    ),
}

#[OpenApi(prefix_path = "/api/webhooks", tag = "Tag::Webhooks")]
impl Door {
    /// Trigger a workflow (GET)
    ///
    /// The fields of the query are the fields that the workflow sees. No bearer token is needed; where the
    /// trigger has `auth`, the call must prove itself as it says.
    #[oai(path = "/:webhookId", method = "get", operation_id = "callWebhookByGet")]
    async fn get(
        &self,
        #[oai(name = "webhookId")] id: Path<Uuid>,
        /// Starts one execution for all calls that have the same key, where the workflow's start control says so.
        #[oai(
            name = "Idempotency-Key",
            validator(min_length = 1, max_length = 256, pattern = r"^[!-~]([ -~]*[!-~])?$")
        )]
        _idempotency_key: Header<Option<String>>,
    ) -> Result<Answer, ApiError> {
        Err(ApiError::not_found("webhook", id.0))
    }

    /// Trigger a workflow (POST)
    ///
    /// Any content type will do: JSON, form, multipart, text, binary. The fields of the body are the fields that
    /// the workflow sees. No bearer token is needed; where the trigger has `auth`, the call must prove itself as
    /// it says, by default with `X-Webhook-Signature: sha256=<hex HMAC of the exact body>`.
    #[oai(path = "/:webhookId", method = "post", operation_id = "callWebhookByPost")]
    async fn post(
        &self,
        #[oai(name = "webhookId")] id: Path<Uuid>,
        /// Starts one execution for all calls that have the same key, where the workflow's start control says so.
        #[oai(
            name = "Idempotency-Key",
            validator(min_length = 1, max_length = 256, pattern = r"^[!-~]([ -~]*[!-~])?$")
        )]
        _idempotency_key: Header<Option<String>>,
        _body: OptionalJson<AnyJson>,
    ) -> Result<Answer, ApiError> {
        Err(ApiError::not_found("webhook", id.0))
    }
}
