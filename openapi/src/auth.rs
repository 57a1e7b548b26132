//! People, sessions and API keys.

use std::ops::RangeInclusive;

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::{Author, Time, User};

/// The least and the most characters of a password.
pub const PASSWORD_LENGTH: RangeInclusive<usize> = 10..=200;

/// The least and the most characters of a key's name.
pub const KEY_NAME_LENGTH: RangeInclusive<usize> = 1..=200;

/// What a key or a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Enum)]
pub enum Scope {
    #[oai(rename = "workflows:read")]
    WorkflowsRead,
    #[oai(rename = "workflows:write")]
    WorkflowsWrite,
    #[oai(rename = "workflows:execute")]
    WorkflowsExecute,
    #[oai(rename = "executions:read")]
    ExecutionsRead,
    #[oai(rename = "executions:write")]
    ExecutionsWrite,
    #[oai(rename = "credentials:manage")]
    CredentialsManage,
    #[oai(rename = "jobs:read")]
    JobsRead,
    #[oai(rename = "jobs:write")]
    JobsWrite,
    #[oai(rename = "leads:read")]
    LeadsRead,
    #[oai(rename = "leads:write")]
    LeadsWrite,
    #[oai(rename = "leads:export")]
    LeadsExport,
    #[oai(rename = "audits:read")]
    AuditsRead,
    #[oai(rename = "audits:write")]
    AuditsWrite,
    #[oai(rename = "monitors:read")]
    MonitorsRead,
    #[oai(rename = "monitors:write")]
    MonitorsWrite,
    #[oai(rename = "webhooks:manage")]
    WebhooksManage,
    #[oai(rename = "keys:manage")]
    KeysManage,
    #[oai(rename = "workspace:admin")]
    WorkspaceAdmin,
}

impl Scope {
    pub const ALL: [Self; 18] = [
        Self::WorkflowsRead,
        Self::WorkflowsWrite,
        Self::WorkflowsExecute,
        Self::ExecutionsRead,
        Self::ExecutionsWrite,
        Self::CredentialsManage,
        Self::JobsRead,
        Self::JobsWrite,
        Self::LeadsRead,
        Self::LeadsWrite,
        Self::LeadsExport,
        Self::AuditsRead,
        Self::AuditsWrite,
        Self::MonitorsRead,
        Self::MonitorsWrite,
        Self::WebhooksManage,
        Self::KeysManage,
        Self::WorkspaceAdmin,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WorkflowsRead => "workflows:read",
            Self::WorkflowsWrite => "workflows:write",
            Self::WorkflowsExecute => "workflows:execute",
            Self::ExecutionsRead => "executions:read",
            Self::ExecutionsWrite => "executions:write",
            Self::CredentialsManage => "credentials:manage",
            Self::JobsRead => "jobs:read",
            Self::JobsWrite => "jobs:write",
            Self::LeadsRead => "leads:read",
            Self::LeadsWrite => "leads:write",
            Self::LeadsExport => "leads:export",
            Self::AuditsRead => "audits:read",
            Self::AuditsWrite => "audits:write",
            Self::MonitorsRead => "monitors:read",
            Self::MonitorsWrite => "monitors:write",
            Self::WebhooksManage => "webhooks:manage",
            Self::KeysManage => "keys:manage",
            Self::WorkspaceAdmin => "workspace:admin",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum Role {
    Owner,
    Editor,
    Viewer,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Owner, Self::Editor, Self::Viewer];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Makes the owner, with the token of the one-time link that the first start prints.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct Setup {
    pub token: String,
    #[oai(validator(min_length = 3, max_length = 254, pattern = r"^[^@\s\x00]+@[^@\s\x00]+$"))]
    pub email: String,
    #[oai(validator(min_length = 10, max_length = 200))]
    pub password: String,
    /// Whether the token goes into a cookie, for pages of this server, in place of the answer.
    #[oai(default)]
    pub cookie: bool,
}

#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct Login {
    #[oai(validator(max_length = 254, pattern = r"^[^\x00]*$"))]
    pub email: String,
    #[oai(validator(max_length = 200))]
    pub password: String,
    /// Whether the token goes into a cookie, for pages of this server, in place of the answer.
    #[oai(default)]
    pub cookie: bool,
}

/// A session. Its token goes into `Authorization: Bearer`, or is in a cookie.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Session {
    /// Missing where a cookie has it.
    pub token: Option<String>,
    #[oai(serialize_with = "crate::time::write")]
    pub expires_at: Time,
    pub user: User,
}

#[derive(Debug, Clone, Object)]
pub struct Workspace {
    pub id: i64,
    pub name: String,
}

/// Who is calling, and what they may do.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Me {
    /// Missing where an API key is calling.
    pub user: Option<User>,
    /// Missing where a session is calling.
    pub key: Option<ApiKey>,
    pub workspace: Workspace,
    pub scopes: Vec<Scope>,
}

/// An API key as it can be read back: never the key itself.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ApiKey {
    pub id: Uuid,
    pub name: String,
    /// Its first characters, to tell keys apart.
    pub prefix: String,
    pub scopes: Vec<Scope>,
    #[oai(serialize_with = "crate::time::write")]
    pub created_at: Time,
    #[oai(serialize_with = "crate::time::write")]
    pub last_used_at: Option<Time>,
    /// From then on it is refused; missing where it lasts until it is revoked.
    #[oai(serialize_with = "crate::time::write")]
    pub expires_at: Option<Time>,
    /// Missing where it was made on the server's machine, or is older than this field.
    pub created_by: Option<Author>,
}

#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields)]
pub struct ApiKeyCreate {
    #[oai(validator(min_length = 1, max_length = 200, pattern = r"^[^\x00]*$"))]
    pub name: String,
    #[oai(validator(min_items = 1, max_items = 50))]
    pub scopes: Vec<Scope>,
    /// From then on it is refused: a time to come, of the next ten years. Left out: it lasts until it is revoked.
    pub expires_at: Option<Time>,
}

/// A new API key. `key` is shown here and never again.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ApiKeyCreated {
    pub id: Uuid,
    pub name: String,
    pub prefix: String,
    pub scopes: Vec<Scope>,
    #[oai(serialize_with = "crate::time::write")]
    pub created_at: Time,
    #[oai(serialize_with = "crate::time::write")]
    pub expires_at: Option<Time>,
    pub created_by: Option<Author>,
    pub key: String,
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ParseFromJSON;
    use serde_json::{Value, json};

    use super::{ApiKeyCreate, KEY_NAME_LENGTH, Login, PASSWORD_LENGTH, Setup};
    use crate::{PasswordChange, UserJoin};

    fn is_valid<T: ParseFromJSON>(value: Value) -> bool {
        T::parse_from_json(Some(value)).is_ok()
    }

    /// What is one character shorter or longer than these is refused.
    fn check(least: usize, most: usize, is_valid: impl Fn(&str) -> bool) {
        for (length, expected) in [(least, true), (most, true), (least - 1, false), (most + 1, false)] {
            assert_eq!(is_valid(&"ä".repeat(length)), expected, "{length}");
        }
    }

    #[test]
    fn the_validators_have_the_published_lengths() {
        check(*PASSWORD_LENGTH.start(), *PASSWORD_LENGTH.end(), |password| {
            is_valid::<Setup>(json!({"token": "t", "email": "ada@acme.example", "password": password}))
        });
        check(*PASSWORD_LENGTH.start(), *PASSWORD_LENGTH.end(), |password| {
            is_valid::<UserJoin>(json!({"token": "t", "password": password}))
        });
        check(*PASSWORD_LENGTH.start(), *PASSWORD_LENGTH.end(), |password| {
            is_valid::<PasswordChange>(json!({"current": "c", "new": password}))
        });
        let login = |length: usize| is_valid::<Login>(json!({"email": "", "password": "ä".repeat(length)}));
        assert!(login(*PASSWORD_LENGTH.end()) && !login(PASSWORD_LENGTH.end() + 1));
        check(*KEY_NAME_LENGTH.start(), *KEY_NAME_LENGTH.end(), |name| {
            is_valid::<ApiKeyCreate>(json!({"name": name, "scopes": ["keys:manage"]}))
        });
    }
}
