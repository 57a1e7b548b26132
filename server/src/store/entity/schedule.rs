//! A schedule: a trigger of a live version that starts executions at times of its own.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub trigger_id: Uuid,
    pub workspace_id: i64,
    pub workflow_id: Uuid,
    /// The live version, which the others are of.
    pub version: i32,
    pub node: String,
    /// Whether the workflow's triggers are on.
    pub active: bool,
    pub paused: bool,
    /// Missing while it is off or paused, and after its last time.
    pub next_due: Option<i64>,
    /// The newest time that started an execution, or waits for its turn.
    pub last_due: Option<i64>,
    pub last_execution: Option<Uuid>,
    /// The newest time that was left out, and a `SkipReason`.
    pub skipped_due: Option<i64>,
    pub skipped_reason: Option<String>,
    /// JSON text.
    pub parameters: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
