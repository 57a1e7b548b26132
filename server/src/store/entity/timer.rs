//! Something that is due at a time to come.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "timers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// A `TimerKind`.
    pub kind: String,
    /// Whose timer it is; each has one of a kind.
    pub subject: Uuid,
    pub due_at: i64,
    /// Until then a process is at work on it.
    pub claimed_until: Option<i64>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
