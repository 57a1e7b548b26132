//! What people see and change of themselves: password and sessions.

use flowmatic_openapi::{Deleted, Page, PasswordChange, SessionSummary};
use poem::Request;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use uuid::Uuid;

use super::super::Tag;
use super::super::error::ApiError;
use super::super::payload::Json;
use crate::app::App;
use crate::auth::cookie::AnswerCookie;
use crate::auth::{Auth, may};

pub(in super::super) struct Own;

/// A password that was changed.
#[derive(Debug, Object)]
struct PasswordChanged {
    success: bool,
}

#[OpenApi(prefix_path = "/api/v1/auth", tag = "Tag::Auth")]
impl Own {
    /// Change one's own password
    ///
    /// All other sessions of the person end. 403 `WRONG_PASSWORD` where the current one is another; attempts are counted
    /// as those to log in.
    #[oai(path = "/password", method = "post", operation_id = "changePassword")]
    async fn change_password(
        &self,
        auth: Auth<may::Enter>,
        request: &Request,
        app: Data<&App>,
        body: Json<PasswordChange>,
    ) -> Result<Json<PasswordChanged>, ApiError> {
        let id = auth.person()?;
        let PasswordChange { current, new } = body.0;
        let known = app.store.user_with_password(auth.workspace_id, id).await?;
        let known = known.ok_or_else(ApiError::wrong_password)?;
        app.auth.count_log_in(request, &known.user.email)?;
        let passwords = &app.auth.passwords;
        if !passwords.verify(current, known.password_hash).await? {
            return Err(ApiError::wrong_password());
        }
        let hash = passwords.hash(new).await?;
        app.store.set_password(id, &hash, auth.token).await?;
        app.auth.forget();
        Ok(Json(PasswordChanged { success: true }))
    }

    /// List one's own sessions
    ///
    /// All that are open, on one page, the last used first.
    #[oai(path = "/sessions", method = "get", operation_id = "listSessions")]
    async fn sessions(
        &self,
        auth: Auth<may::Enter>,
        app: Data<&App>,
    ) -> Result<Json<Page<SessionSummary>>, ApiError> {
        let now = app.now();
        let mut sessions = app.store.sessions(auth.person()?, auth.token, now).await?;
        if let Some(at) = sessions.iter().position(|session| session.current) {
            // When it was used is not written down yet.
            sessions[..=at].rotate_right(1);
            sessions[0].last_used_at = now;
        }
        Ok(Json(Page::new(sessions, None)))
    }

    /// End one of one's own sessions
    ///
    /// It is refused from now on. The one that is calling may end itself, too.
    #[oai(path = "/sessions/:id", method = "delete", operation_id = "endSession")]
    async fn end_session(
        &self,
        auth: Auth<may::Enter>,
        request: &Request,
        app: Data<&App>,
        id: Path<Uuid>,
    ) -> Result<Json<Deleted>, ApiError> {
        let ended = app.store.delete_session_of(auth.person()?, id.0).await?;
        let ended = ended.ok_or_else(|| ApiError::not_found("session", id.0))?;
        app.auth.forget();
        if auth.by_cookie && ended == auth.token {
            AnswerCookie::set(request, app.cookie.clear());
        }
        Ok(Json(Deleted {
            id: id.0,
            deleted: true,
        }))
    }
}
