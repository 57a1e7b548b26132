//! People: who they are.

use poem_openapi::Object;

use crate::Role;

#[derive(Debug, Clone, Object)]
pub struct User {
    pub id: i64,
    pub email: String,
    pub role: Role,
}

/// Whether the server is set up.
#[derive(Debug, Clone, Object)]
pub struct AuthState {
    /// Whether somebody has made the owner. Until then the link that the server prints at its start does it.
    pub has_owner: bool,
}
