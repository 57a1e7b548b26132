//! A time of a schedule that fired: there is one row of each, so that none fires twice. Those whose executions have
//! ended are removed, but for the newest.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "firings")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub trigger_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub due_at: i64,
    /// Missing while it waits for its turn.
    pub execution_id: Option<Uuid>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
