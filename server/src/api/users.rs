//! `/api/v1/users`: the people of the workspace.

use flowmatic_openapi::{Invitation, Page, Role, User, UserDeleted, UserInvite, UserUpdate};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::{ApiResponse, OpenApi};

use super::cursor::Cursor;
use super::error::ApiError;
use super::payload::Json;
use super::{Tag, fifty};
use crate::app::App;
use crate::auth::{
    Auth, INVITATION_LIFETIME, INVITATION_PREFIX, Principal, TokenHash, may, new_token, scopes_of,
};
use crate::store::{Changed, NewInvitation, NewUser, UserChange};

pub(super) struct Users;

#[derive(ApiResponse)]
enum Invited {
    /// The link, which is shown here and never again
    #[oai(status = 201)]
    Created(Json<Invitation>),
}

#[OpenApi(prefix_path = "/api/v1/users", tag = "Tag::Users")]
impl Users {
    /// List the people of the workspace
    ///
    /// The newest first.
    #[oai(path = "/", method = "get", operation_id = "listUsers")]
    async fn list(
        &self,
        auth: Auth<may::AdministerWorkspace>,
        app: Data<&App>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<Cursor>>,
        /// The most people on the page.
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<i32>,
    ) -> Result<Json<Page<User>>, ApiError> {
        let limit = u32::try_from(limit.0).unwrap_or_default();
        let users = app.store.users(auth.workspace_id, cursor.as_deref(), limit);
        Ok(Json(users.await?))
    }

    /// Invite a person
    ///
    /// The answer has a link for that person: who opens it chooses a password and is logged in. It works once, for 7 days.
    /// Nobody can give a role that may do more than they may. 409 `EMAIL_TAKEN` where somebody has the e-mail.
    #[oai(path = "/", method = "post", operation_id = "inviteUser")]
    async fn invite(
        &self,
        auth: Auth<may::AdministerWorkspace>,
        app: Data<&App>,
        body: Json<UserInvite>,
    ) -> Result<Invited, ApiError> {
        let UserInvite { email, name, role } = body.0;
        may_give(&auth, role)?;
        let new = NewUser {
            workspace_id: auth.workspace_id,
            email,
            name,
            role,
        };
        let link = Link::new(&app);
        let user = app.store.invite_user(new, link.invitation, app.now()).await?;
        let user = user.ok_or_else(ApiError::email_taken)?;
        Ok(link.to(user))
    }

    /// Get a person
    #[oai(path = "/:id", method = "get", operation_id = "getUser")]
    async fn get(
        &self,
        auth: Auth<may::AdministerWorkspace>,
        app: Data<&App>,
        id: Path<i64>,
    ) -> Result<Json<User>, ApiError> {
        let user = app.store.user(auth.workspace_id, id.0).await?;
        user.map(Json).ok_or_else(|| unknown(id.0))
    }

    /// Make a new link for a person
    ///
    /// In place of one that was lost or has expired, or for somebody who has forgotten the password: until the link is
    /// used, the password stays as it is. 409 where the person is kept out.
    #[oai(path = "/:id/invite", method = "post", operation_id = "renewInvitation")]
    async fn renew(
        &self,
        auth: Auth<may::AdministerWorkspace>,
        app: Data<&App>,
        id: Path<i64>,
    ) -> Result<Invited, ApiError> {
        let user = may_manage(&app, &auth, id.0).await?;
        let link = Link::new(&app);
        let renewed = app
            .store
            .renew_invitation(auth.workspace_id, id.0, link.invitation);
        if !renewed.await? {
            return Err(ApiError::conflict("this person is kept out; let them in first"));
        }
        Ok(link.to(user))
    }

    /// Change a person
    ///
    /// Their role, their name, or whether they are kept out; what is left out stays. It counts at once, for sessions that
    /// are open, too. Nobody can give or take a role that may do more than they may. 409 `LAST_OWNER` where no owner would be left
    /// who can log in.
    #[oai(path = "/:id", method = "patch", operation_id = "updateUser")]
    async fn update(
        &self,
        auth: Auth<may::AdministerWorkspace>,
        app: Data<&App>,
        id: Path<i64>,
        body: Json<UserUpdate>,
    ) -> Result<Json<User>, ApiError> {
        let UserUpdate { role, name, disabled } = body.0;
        if let Some(role) = role {
            may_give(&auth, role)?;
        }
        if role.is_some() || disabled.is_some() {
            may_manage(&app, &auth, id.0).await?;
        }
        let change = UserChange { role, name, disabled };
        let changed = app.store.update_user(auth.workspace_id, id.0, change).await?;
        app.auth.forget();
        done(changed, id.0).map(Json)
    }

    /// Remove a person
    ///
    /// Their sessions and their link end. What they made stays, API keys too: delete those that they know. 409
    /// `LAST_OWNER` where no owner would be left who can log in.
    #[oai(path = "/:id", method = "delete", operation_id = "deleteUser")]
    async fn delete(
        &self,
        auth: Auth<may::AdministerWorkspace>,
        app: Data<&App>,
        id: Path<i64>,
    ) -> Result<Json<UserDeleted>, ApiError> {
        may_manage(&app, &auth, id.0).await?;
        let changed = app.store.delete_user(auth.workspace_id, id.0).await?;
        app.auth.forget();
        let user = done(changed, id.0)?;
        Ok(Json(UserDeleted {
            id: user.id,
            deleted: true,
        }))
    }
}

/// A new link, whose token is kept as a hash.
struct Link {
    url: String,
    invitation: NewInvitation,
}

impl Link {
    fn new(app: &App) -> Self {
        let token = new_token(INVITATION_PREFIX);
        Self {
            // A fragment reaches no log on the way.
            url: format!("{}/join#token={token}", app.base_url),
            invitation: NewInvitation {
                token: TokenHash::of(&token),
                expires_at: app.now() + INVITATION_LIFETIME,
            },
        }
    }

    fn to(self, user: User) -> Invited {
        Invited::Created(Json(Invitation {
            user,
            invite_url: self.url,
            expires_at: self.invitation.expires_at,
        }))
    }
}

/// Refuses to give what the giver lacks.
fn may_give(giver: &Principal, role: Role) -> Result<(), ApiError> {
    match scopes_of(role).into_iter().find(|scope| !giver.may(*scope)) {
        None => Ok(()),
        Some(scope) => Err(ApiError::forbidden(format!(
            "whoever makes somebody {} must have the scope `{}`",
            role.as_str(),
            scope.as_str()
        ))),
    }
}

/// The person, whose role the caller might have given.
async fn may_manage(app: &App, caller: &Principal, id: i64) -> Result<User, ApiError> {
    let user = app.store.user(caller.workspace_id, id).await?;
    let user = user.ok_or_else(|| unknown(id))?;
    may_give(caller, user.role)?;
    Ok(user)
}

fn done(changed: Changed, id: i64) -> Result<User, ApiError> {
    match changed {
        Changed::Done(user) => Ok(user),
        Changed::Unknown => Err(unknown(id)),
        Changed::LastOwner => Err(ApiError::last_owner()),
    }
}

fn unknown(id: i64) -> ApiError {
    ApiError::not_found("user", id)
}
