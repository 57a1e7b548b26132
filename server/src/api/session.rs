//! `/api/v1/auth`: set-up, log-in, log-out and who one is.

use flowmatic_openapi::{AuthState, Login, Me, ProfileUpdate, Session, Setup, User, UserJoin};
use poem::Request;
use poem::http::header;
use poem::web::Data;
use poem_openapi::{ApiResponse, Object, OpenApi};

use super::Tag;
use super::error::ApiError;
use super::payload::Json;
use crate::app::App;
use crate::auth::cookie::AnswerCookie;
use crate::auth::{Auth, Caller, Principal, SESSION_LIFETIME, SESSION_PREFIX, TokenHash, may, new_token};
use crate::store::NewSession;

mod own;
pub(super) use own::Own;

/// The most characters that are kept of what a browser calls itself.
const MOST_USER_AGENT: usize = 300;

pub(super) struct Sessions;

#[derive(ApiResponse)]
enum SetUp {
    /// The owner is made and logged in
    #[oai(status = 201)]
    Created(Json<Session>),
}

#[derive(ApiResponse)]
enum Joined {
    /// The person has a password and is logged in
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
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let right = app.auth.passwords.verify(login.password, hash).await?;
        match user.filter(|_| right) {
            Some(known) if known.user.disabled => Err(ApiError::disabled()),
            Some(known) => Ok(Json(start(&app, request, known.user, login.cookie).await?)),
            None => Err(ApiError::unauthorized("the e-mail or the password is wrong")),
        }
    }

    /// Join
    ///
    /// With the token of an invitation's link, which works once: chooses the person's password and logs in. Where they had
    /// a password, their other sessions end. With `"cookie": true` as in a log-in. 403 `INVALID_LINK` where the link cannot
    /// be used any more.
    #[oai(path = "/join", method = "post", operation_id = "join")]
    async fn join(
        &self,
        request: &Request,
        app: Data<&App>,
        body: Json<UserJoin>,
    ) -> Result<Joined, ApiError> {
        let join = body.0;
        if join.cookie {
            app.cookie.check_log_in(request)?;
        }
        app.auth.count_attempt(request)?;
        let token = TokenHash::of(&join.token);
        let invited = app.store.invited(token, app.now()).await?;
        invited.ok_or_else(ApiError::invalid_link)?;
        let hash = app.auth.passwords.hash(join.password).await?;
        let user = app.store.join(token, &hash, join.name, app.now()).await?;
        let user = user.ok_or_else(ApiError::invalid_link)?;
        app.auth.forget();
        Ok(Joined::Created(Json(
            start(&app, request, user, join.cookie).await?,
        )))
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
        Ok(Json(who_is(&app, &auth).await?))
    }

    /// Change one's own profile
    ///
    /// What is left out stays. For sessions: an API key has no profile. 409 `EMAIL_TAKEN` where somebody else has the
    /// e-mail.
    #[oai(path = "/me", method = "patch", operation_id = "updateMe")]
    async fn update(
        &self,
        auth: Auth<may::Enter>,
        app: Data<&App>,
        body: Json<ProfileUpdate>,
    ) -> Result<Json<Me>, ApiError> {
        let id = auth.person()?;
        let ProfileUpdate { name, email } = body.0;
        let changed = app.store.update_profile(id, name, email).await?;
        changed.ok_or_else(ApiError::email_taken)?;
        Ok(Json(who_is(&app, &auth).await?))
    }
}

async fn who_is(app: &App, auth: &Principal) -> Result<Me, ApiError> {
    let gone = || ApiError::unauthorized("the token is not valid, was revoked or has expired");
    let workspace_id = auth.workspace_id;
    let workspace = app.store.workspace(workspace_id).await?.ok_or_else(gone)?;
    let (user, key) = match auth.caller {
        Caller::User { id, .. } => {
            let user = app.store.user(workspace_id, id).await?;
            (Some(user.ok_or_else(gone)?), None)
        }
        Caller::Key(id) => {
            let key = app.store.key(workspace_id, id).await?;
            (None, Some(key.ok_or_else(gone)?))
        }
    };
    Ok(Me {
        user,
        key,
        workspace,
        scopes: auth.scopes.clone(),
    })
}

/// Begins a session, whose token is in the answer or in its cookie.
async fn start(app: &App, request: &Request, mut user: User, in_cookie: bool) -> Result<Session, ApiError> {
    let token = new_token(SESSION_PREFIX);
    let now = app.now();
    let expires_at = now + SESSION_LIFETIME;
    let address = request.remote_addr().as_socket_addr();
    let user_agent = request.header(header::USER_AGENT);
    let new = NewSession {
        user_id: user.id,
        token: TokenHash::of(&token),
        expires_at,
        ip: address.map(|address| address.ip().to_string()),
        user_agent: user_agent.map(|name| name.chars().take(MOST_USER_AGENT).collect()),
    };
    app.store.create_session(new, now).await?;
    user.last_seen_at = Some(now);
    if in_cookie {
        AnswerCookie::set(request, app.cookie.set(&token));
    }
    Ok(Session {
        token: (!in_cookie).then_some(token),
        expires_at,
        user,
    })
}
