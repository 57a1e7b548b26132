//! `/api/v1/auth`: set-up, log-in, log-out and who one is.

use flowmatic_openapi::{AuthState, Login, Me, Session, Setup, User};
use poem::Request;
use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::Tag;
use super::error::ApiError;
use super::payload::Json;
use crate::app::App;
use crate::auth::cookie::AnswerCookie;
use crate::auth::{Auth, Caller, SESSION_LIFETIME, SESSION_PREFIX, TokenHash, may, new_token};

pub(super) struct Sessions;

#[derive(ApiResponse)]
enum SetUp {
    /// The owner is made and logged in
    #[oai(status = 201)]
    Created(Json<Session>),
}

/// A session that has ended.
#[derive(Debug, Object)]
struct LoggedOut {
    success: bool,
}

#[OpenApi(prefix_path = "/api/v1/auth", tag = "Tag::Auth")]
impl Sessions {
    /// Whether the server is set up
    #[oai(path = "/state", method = "get", operation_id = "getAuthState")]
    async fn state(&self, app: Data<&App>) -> Result<Json<AuthState>, ApiError> {
        let has_owner = app.store.has_owner().await?;
        Ok(Json(AuthState { has_owner }))
    }

    /// Make the owner
    ///
    /// With the token of the one-time link that the server prints while there is no owner. With `"cookie": true` as in a
    /// log-in.
    #[oai(path = "/setup", method = "post", operation_id = "setUp")]
    async fn set_up(&self, request: &Request, app: Data<&App>, body: Json<Setup>) -> Result<SetUp, ApiError> {
        let setup = body.0;
        if setup.cookie {
            app.cookie.check_log_in(request)?;
        }
        app.auth.count_log_in(request, "")?;
        if app.store.has_owner().await? {
            return Err(ApiError::conflict("there is an owner already; log in"));
        }
        let work = async {
            let hash = app.auth.passwords.hash(setup.password).await?;
            let owner = app.store.create_owner(&setup.email, &hash, app.now()).await?;
            owner.ok_or_else(|| ApiError::conflict("there is an owner already; log in"))
        };
        let owner = app
            .spend_setup_token(&setup.token, work)
            .await
            .ok_or_else(|| ApiError::forbidden("the link is not the one the server printed last"))??;
        Ok(SetUp::Created(Json(
            start(&app, request, owner, setup.cookie).await?,
        )))
    }

    /// Log in
    ///
    /// The session lasts 14 days. With `"cookie": true`, which is for pages of this server, its token is in no answer but
    /// in a cookie that no script can read. Such a session is lengthened when it is used in its second half. Its changes
    /// must come from pages of this server, by `Sec-Fetch-Site` or, where that is missing, `Origin`; else they are refused
    /// with 403 `CROSS_SITE`. A bearer's token goes before a cookie.
    #[oai(path = "/login", method = "post", operation_id = "logIn")]
    async fn log_in(
        &self,
        request: &Request,
        app: Data<&App>,
        body: Json<Login>,
    ) -> Result<Json<Session>, ApiError> {
        let login = body.0;
        if login.cookie {
            app.cookie.check_log_in(request)?;
        }
        let email = login.email.to_lowercase();
        app.auth.count_log_in(request, &email)?;
        let user = app.store.user_by_email(&email).await?;
        let hash = user.as_ref().map(|user| user.password_hash.clone());
        let right = app.auth.passwords.verify(login.password, hash).await?;
        match user.filter(|_| right) {
            Some(known) => Ok(Json(start(&app, request, known.user, login.cookie).await?)),
            None => Err(ApiError::unauthorized("the e-mail or the password is wrong")),
        }
    }

    /// Log out
    ///
    /// Ends the session that is calling, and clears its cookie. An API key has no session to end: delete the key instead.
    #[oai(path = "/logout", method = "post", operation_id = "logOut")]
    async fn log_out(
        &self,
        auth: Auth<may::Enter>,
        request: &Request,
        app: Data<&App>,
    ) -> Result<Json<LoggedOut>, ApiError> {
        if let Caller::User { .. } = auth.caller {
            app.store.delete_session(auth.token).await?;
            app.auth.forget();
        }
        if auth.by_cookie {
            AnswerCookie::set(request, app.cookie.clear());
        }
        Ok(Json(LoggedOut { success: true }))
    }

    /// Who is calling
    #[oai(path = "/me", method = "get", operation_id = "getMe")]
    async fn me(&self, auth: Auth<may::Enter>, app: Data<&App>) -> Result<Json<Me>, ApiError> {
        let gone = || ApiError::unauthorized("the token is not valid, was revoked or has expired");
        let workspace = app.store.workspace(auth.workspace_id).await?.ok_or_else(gone)?;
        let (user, key) = match auth.caller {
            Caller::User { id, .. } => (Some(app.store.user(id).await?.ok_or_else(gone)?), None),
            Caller::Key(id) => (
                None,
                Some(app.store.key(auth.workspace_id, id).await?.ok_or_else(gone)?),
            ),
        };
        Ok(Json(Me {
            user,
            key,
            workspace,
            scopes: auth.scopes.clone(),
        }))
    }
}

/// Begins a session, whose token is in the answer or in its cookie.
async fn start(app: &App, request: &Request, user: User, in_cookie: bool) -> Result<Session, ApiError> {
    let token = new_token(SESSION_PREFIX);
    let now = app.now();
    let expires_at = now + SESSION_LIFETIME;
    app.store
        .create_session(user.id, TokenHash::of(&token), now, expires_at)
        .await?;
    if in_cookie {
        AnswerCookie::set(request, app.cookie.set(&token));
    }
    Ok(Session {
        token: (!in_cookie).then_some(token),
        expires_at,
        user,
    })
}
