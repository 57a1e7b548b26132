//! A workflow and its draft.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "workflows")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub workspace_id: i64,
    pub name: String,
    pub description: Option<String>,
    pub active: bool,
    pub revision: i64,
    /// The published one.
    pub version: Option<i32>,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
    /// JSON text.
    pub graph: String,
    /// Of a deleted one: whether its triggers were on.
    pub was_active: bool,
    /// Who saved the draft, as `Authors` reads it.
    pub updated_by: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
