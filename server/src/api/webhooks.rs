//! `/api/v1/webhooks`: the webhooks that start workflows, and calls to try them.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowmatic_executor::json;
use flowmatic_openapi::{
    BodyAs, IncomingWebhook, Json as AnyJson, JsonObject, Page, Problem, WebhookTest, WebhookTestResult,
};
use poem::http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use poem::web::Data;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::cursor::Cursor;
use super::error::ApiError;
use super::payload::{Json, OptionalJson};
use super::{Tag, door, fifty};
use crate::app::App;
use crate::auth::{Auth, may};
use crate::store::WebhookFilter;
use crate::trigger::verify;
use crate::trigger::webhook::Caused;

/// Headers, and parameters of a query, of a call.
const MOST_FIELDS: usize = 100;

pub(super) struct Incoming;

#[OpenApi(prefix_path = "/api/v1/webhooks", tag = "Tag::Webhooks")]
impl Incoming {
    /// List incoming webhooks
    ///
    /// The webhook triggers of all workflows, those of the newest triggers first: as the published version has them, else
    /// as the draft does. A page may have fewer than `limit`, with more to come.
    #[oai(path = "/", method = "get", operation_id = "listWebhooks")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn list(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        /// Part of the name of the workflow or the node, or how an id begins; in whatever case.
        #[oai(validator(max_length = 200, pattern = r"^[^\x00]*$"))]
        search: Query<Option<String>>,
        workflow_id: Query<Option<Uuid>>,
        /// Only those that take calls, or do not.
        active: Query<Option<bool>>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<Cursor>>,
        /// The most webhooks on the page.
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<i32>,
    ) -> Result<Json<Page<IncomingWebhook>>, ApiError> {
        let filter = WebhookFilter {
            search: search.0,
            workflow_id: workflow_id.0,
            live: active.0,
            cursor: cursor.as_deref().map(str::to_owned),
            limit: u32::try_from(limit.0).unwrap_or_default(),
        };
        let found = app.store.incoming_webhooks(auth.workspace_id, filter, app.now());
        let mut page = found.await?;
        for webhook in &mut page.data {
            webhook.url = app.webhook_url(webhook.webhook_id);
        }
        Ok(Json(page))
    }

    /// Get an incoming webhook
    #[oai(path = "/:id", method = "get", operation_id = "getWebhook")]
    async fn get(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<IncomingWebhook>, ApiError> {
        Ok(Json(find(&app, auth.workspace_id, id.0).await?))
    }

    /// Try an incoming webhook
    ///
    /// Makes a call of it, with the signature or credential that it asks for, and gives the answer that its caller would
    /// get, whatever that is. It starts an execution of the published version as any call does; a webhook that takes no
    /// calls is refused with 409.
    #[oai(path = "/:id/test", method = "post", operation_id = "testWebhook")]
    async fn test(
        &self,
        auth: Auth<may::ExecuteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        body: OptionalJson<WebhookTest>,
    ) -> Result<Json<WebhookTestResult>, ApiError> {
        let webhook = find(&app, auth.workspace_id, id.0).await?;
        let Some(route) = app.dispatch.route(webhook.webhook_id).await? else {
            let message = "the webhook takes no calls; publish its workflow, or switch that on";
            return Err(ApiError::conflict(message));
        };
        let WebhookTest {
            method,
            headers,
            query,
            body,
        } = body.0;
        let method = method.or_else(|| webhook.methods.into_iter().next());
        let method =
            Method::from_bytes(method.unwrap_or_default().as_bytes()).map_err(ApiError::bad_request)?;
        let mut headers = headers_of(&headers)?;
        let bytes = body_of(body, &mut headers);
        verify::prove(&route.webhook.auth, &route.version.secrets, &mut headers, &bytes);
        let uri = uri_of(webhook.webhook_id, &query)?;
        let mut request = Request::builder().method(method).uri(uri).body(bytes);
        *request.headers_mut() = headers;
        let begun = Instant::now();
        let id = webhook.webhook_id.to_string();
        let response = door(&app).answer(&id, request).await;
        let duration_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(Json(result_of(response, duration_ms).await?))
    }
}

async fn find(app: &App, workspace_id: i64, id: Uuid) -> Result<IncomingWebhook, ApiError> {
    let webhook = app.store.incoming_webhook(workspace_id, id, app.now()).await?;
    let mut webhook = webhook.ok_or_else(|| ApiError::not_found("webhook", id))?;
    webhook.url = app.webhook_url(webhook.webhook_id);
    Ok(webhook)
}

/// Texts by name, at a place of the body.
fn texts<'a>(place: &str, fields: &'a JsonObject) -> Result<Vec<(&'a str, String)>, ApiError> {
    if fields.0.len() > MOST_FIELDS {
        return Err(wrong(place, &format!("there are more than {MOST_FIELDS}")));
    }
    let text = |(name, value): (&'a String, &Value)| match value {
        Value::String(text) => Ok((name.as_str(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.as_str(), value.to_string())),
        _ => Err(wrong(
            &(place.to_owned() + &json::pointer([name.as_str()])),
            "it is no text, number or boolean",
        )),
    };
    fields.0.iter().map(text).collect()
}

fn wrong(pointer: &str, message: &str) -> ApiError {
    let problem = Problem {
        pointer: pointer.to_owned(),
        node: None,
        message: message.to_owned(),
    };
    ApiError::malformed(format!("{pointer}: {message}"), vec![problem])
}

fn headers_of(fields: &JsonObject) -> Result<HeaderMap, ApiError> {
    let mut headers = HeaderMap::new();
    for (name, value) in texts("/headers", fields)? {
        let no_header = |_| wrong(&format!("/headers{}", json::pointer([name])), "it is no header");
        let header = HeaderName::try_from(name).map_err(|_| no_header(()))?;
        let value = HeaderValue::try_from(value).map_err(|_| no_header(()))?;
        // How a body is sent is not the caller's business here.
        if header != CONTENT_LENGTH && header != TRANSFER_ENCODING {
            headers.insert(header, value);
        }
    }
    Ok(headers)
}

/// The bytes of a body, whose type is JSON unless a header says otherwise.
fn body_of(body: Option<AnyJson>, headers: &mut HeaderMap) -> Vec<u8> {
    let Some(AnyJson(value)) = body.filter(|body| !body.0.is_null()) else {
        return Vec::new();
    };
    let kind = headers
        .get(CONTENT_TYPE)
        .map(|kind| kind.to_str().unwrap_or_default().to_ascii_lowercase());
    match (value, kind) {
        (Value::String(text), Some(kind)) if !kind.contains("json") => text.into_bytes(),
        (value, kind) => {
            if kind.is_none() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            value.to_string().into_bytes()
        }
    }
}

fn uri_of(webhook_id: Uuid, query: &JsonObject) -> Result<Uri, ApiError> {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(texts("/query", query)?);
    let uri = match pairs.finish() {
        query if query.is_empty() => format!("/api/webhooks/{webhook_id}"),
        query => format!("/api/webhooks/{webhook_id}?{query}"),
    };
    uri.parse().map_err(|_| wrong("/query", "it is too long"))
}

async fn result_of(response: Response, duration_ms: i64) -> Result<WebhookTestResult, ApiError> {
    let execution_id = response.extensions().get::<Caused>().map(|caused| caused.0);
    let (parts, body) = response.into_parts();
    let mut headers = Map::new();
    for name in parts.headers.keys() {
        let values = parts.headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        headers.insert(name.to_string(), values.join(", ").into());
    }
    let bytes = body.into_vec().await.map_err(ApiError::internal)?;
    let kind = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    let value = if is_json { json::parse(&bytes).ok() } else { None };
    let (body, body_as) = match (value, String::from_utf8(bytes)) {
        (Some(value), _) => (value, BodyAs::Json),
        (None, Ok(text)) => (Value::String(text), BodyAs::Text),
        (None, Err(error)) => (STANDARD.encode(error.as_bytes()).into(), BodyAs::Base64),
    };
    Ok(WebhookTestResult {
        status: parts.status.as_u16(),
        headers: JsonObject(headers),
        body: AnyJson(body),
        body_as,
        duration_ms,
        execution_id,
    })
}
