//! A person who can log in.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub workspace_id: i64,
    /// In lower case.
    pub email: String,
    /// Empty until they have chosen a password.
    pub password_hash: String,
    pub role: String,
    pub created_at: i64,
    pub name: Option<String>,
    pub disabled: bool,
    pub last_seen_at: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
