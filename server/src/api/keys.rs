//! `/api/v1/keys`.

use chrono::TimeDelta;
use flowmatic_openapi::{ApiKey, ApiKeyCreate, ApiKeyCreated, Deleted, Page, Problem, Time};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::{ApiResponse, OpenApi};
use uuid::Uuid;

use super::cursor::Cursor;
use super::error::ApiError;
use super::payload::Json;
use super::{Tag, fifty};
use crate::app::App;
use crate::auth::{Auth, Caller, KEY_PREFIX, TokenHash, may, new_token, shown_prefix};
use crate::store::{NewKey, Store, StoreError};

pub(super) struct Keys;

/// How far ahead a key may expire.
const LONGEST: TimeDelta = TimeDelta::days(3_660);

#[derive(ApiResponse)]
enum Created {
    /// The new key, which is shown here and never again
    #[oai(status = 201)]
    Created(Json<ApiKeyCreated>),
}

#[OpenApi(prefix_path = "/api/v1/keys", tag = "Tag::Keys")]
impl Keys {
    /// List API keys
    ///
    /// The newest first; never the keys themselves.
    #[oai(path = "/", method = "get", operation_id = "listKeys")]
    async fn list(
        &self,
        auth: Auth<may::ManageKeys>,
        app: Data<&App>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<Cursor>>,
        /// The most keys on the page.
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<i32>,
    ) -> Result<Json<Page<ApiKey>>, ApiError> {
        let limit = u32::try_from(limit.0).unwrap_or_default();
        Ok(Json(
            app.store
                .keys(auth.workspace_id, cursor.as_deref(), limit)
                .await?,
        ))
    }

    /// Create an API key
    ///
    /// It can have no scope that its maker lacks. One that has expired is answered with 401 `KEY_EXPIRED`.
    #[oai(path = "/", method = "post", operation_id = "createKey")]
    async fn create(
        &self,
        auth: Auth<may::ManageKeys>,
        app: Data<&App>,
        body: Json<ApiKeyCreate>,
    ) -> Result<Created, ApiError> {
        let create = body.0;
        if let Some(scope) = create.scopes.iter().find(|scope| !auth.may(**scope)) {
            let message = format!(
                "a key cannot have the scope `{}`, which its maker lacks",
                scope.as_str()
            );
            return Err(ApiError::forbidden(message));
        }
        let now = app.now();
        let lasts = create.expires_at.map(|end| end - now);
        if lasts.is_some_and(|lasts| lasts <= TimeDelta::zero() || lasts > LONGEST) {
            return Err(wrong_end("the time is not within the next ten years"));
        }
        // A person's session ends, and their keys do not; what a key makes ends with it.
        let maker_ends = match auth.caller {
            Caller::Key(_) => auth.expires_at,
            Caller::User { .. } => None,
        };
        if maker_ends.is_some_and(|last| create.expires_at.is_none_or(|end| end > last)) {
            return Err(wrong_end("a key cannot outlive the key that makes it"));
        }
        let key = make(&app.store, auth.workspace_id, create, Some(auth.caller), now).await?;
        Ok(Created::Created(Json(key)))
    }

    /// Revoke an API key
    ///
    /// It is refused from now on.
    #[oai(path = "/:id", method = "delete", operation_id = "deleteKey")]
    async fn delete(
        &self,
        auth: Auth<may::ManageKeys>,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Deleted>, ApiError> {
        if !app.store.delete_key(auth.workspace_id, id.0).await? {
            return Err(ApiError::not_found("key", id.0));
        }
        app.auth.forget();
        Ok(Json(Deleted {
            id: id.0,
            deleted: true,
        }))
    }
}

fn wrong_end(message: &str) -> ApiError {
    let problem = Problem {
        pointer: "/expires_at".to_owned(),
        node: None,
        message: message.to_owned(),
    };
    let message = format!("{}: {message}", problem.pointer);
    ApiError::unprocessable(message, vec![problem])
}

/// Makes a key and stores its hash.
pub async fn make(
    store: &Store,
    workspace_id: i64,
    create: ApiKeyCreate,
    created_by: Option<Caller>,
    now: Time,
) -> Result<ApiKeyCreated, StoreError> {
    let mut scopes = create.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let key = new_token(KEY_PREFIX);
    let new = NewKey {
        workspace_id,
        name: create.name,
        prefix: shown_prefix(&key).to_owned(),
        hash: TokenHash::of(&key),
        scopes,
        expires_at: create.expires_at,
        created_by,
    };
    let stored = store.create_key(new, now).await?;
    Ok(ApiKeyCreated {
        id: stored.id,
        name: stored.name,
        prefix: stored.prefix,
        scopes: stored.scopes,
        created_at: stored.created_at,
        expires_at: stored.expires_at,
        created_by: stored.created_by,
        key,
    })
}
