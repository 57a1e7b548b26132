//! People: who they are, how they come in, and where they are logged in.

use poem_openapi::Object;
use uuid::Uuid;

use crate::{Role, Time};

/// A person of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct User {
    pub id: i64,
    /// In lower case.
    pub email: String,
    /// What others call them.
    pub name: Option<String>,
    pub role: Role,
    #[oai(serialize_with = "crate::time::write")]
    pub created_at: Time,
    /// To the minute; missing where they never were.
    #[oai(serialize_with = "crate::time::write")]
    pub last_seen_at: Option<Time>,
    /// Whether they have yet to open their link and choose a password.
    pub invited: bool,
    /// Whether they are kept out.
    pub disabled: bool,
}

/// Brings a person into the workspace.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct UserInvite {
    #[oai(validator(min_length = 3, max_length = 254, pattern = r"^[^@\s\x00]+@[^@\s\x00]+$"))]
    pub email: String,
    #[oai(validator(max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: Option<String>,
    pub role: Role,
}

/// A link by which a person chooses a password, once. It is shown here and never again.
#[derive(Debug, Clone, Object)]
pub struct Invitation {
    pub user: User,
    /// For that person alone: who has it becomes them.
    pub invite_url: String,
    #[oai(serialize_with = "crate::time::write")]
    pub expires_at: Time,
}

/// What is to be changed of a person; the rest stays.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct UserUpdate {
    pub role: Option<Role>,
    /// An empty one takes the name away.
    #[oai(validator(max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: Option<String>,
    /// Whether they are kept out: their sessions and their link end. Their API keys go on.
    pub disabled: Option<bool>,
}

/// A person who is gone.
#[derive(Debug, Clone, Object)]
pub struct UserDeleted {
    pub id: i64,
    pub deleted: bool,
}

/// Chooses a password, with the token of an invitation's link.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct UserJoin {
    #[oai(validator(max_length = 200))]
    pub token: String,
    #[oai(validator(min_length = 10, max_length = 200))]
    pub password: String,
    /// In place of the one that the invitation gave.
    #[oai(validator(max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: Option<String>,
    /// Whether the token goes into a cookie, for pages of this server, in place of the answer.
    #[oai(default)]
    pub cookie: bool,
}

/// What people may change of themselves; the rest stays.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct ProfileUpdate {
    /// An empty one takes the name away.
    #[oai(validator(max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: Option<String>,
    /// What they log in with from now on.
    #[oai(validator(min_length = 3, max_length = 254, pattern = r"^[^@\s\x00]+@[^@\s\x00]+$"))]
    pub email: Option<String>,
}

#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct PasswordChange {
    #[oai(validator(max_length = 200))]
    pub current: String,
    #[oai(validator(min_length = 10, max_length = 200))]
    pub new: String,
}

/// A session as it can be read back: never its token.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SessionSummary {
    pub id: Uuid,
    #[oai(serialize_with = "crate::time::write")]
    pub created_at: Time,
    /// To the minute.
    #[oai(serialize_with = "crate::time::write")]
    pub last_used_at: Time,
    #[oai(serialize_with = "crate::time::write")]
    pub expires_at: Time,
    /// Whence it began; missing where it is not known.
    pub ip: Option<String>,
    /// What it began with, as that program calls itself.
    pub user_agent: Option<String>,
    /// Whether it is the one that is calling.
    pub current: bool,
}

/// Whether the server is set up.
#[derive(Debug, Clone, Object)]
pub struct AuthState {
    /// Whether somebody has made the owner. Until then the link that the server prints at its start does it.
    pub has_owner: bool,
}
