//! An execution. Its rows are written by `commit.rs` and claimed in `executions.rs`.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "executions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub workspace_id: i64,
    pub workflow_id: Uuid,
    pub version: i32,
    pub mode: String,
    pub trigger_node: String,
    /// QUEUED, WAITING or a final one; RUNNING is a QUEUED one with a live lease.
    pub status: String,
    /// The process that runs it.
    pub owner: Option<Uuid>,
    pub lease_until: i64,
    /// Raised by each claim; a journal write of an older one changes nothing.
    pub epoch: i32,
    /// How often it was taken up without progress.
    pub recoveries: i32,
    /// The number of checkpoints at the last claim.
    pub progress: i32,
    pub cancel_requested: bool,
    pub retry_of: Option<Uuid>,
    pub started_at: i64,
    pub finished_at: Option<i64>,
    /// JSON text of an `ErrorRecord`.
    pub error: Option<String>,
    /// The key of the node whose output is the result.
    pub result: Option<String>,
    /// JSON text.
    pub meta: String,
    /// JSON text of the body.
    pub payload: String,
    /// JSON text of a list of `StepRecord`; missing while it is open.
    pub steps: Option<String>,
    /// Start control holds it back: nobody takes it up.
    pub on_hold: bool,
    /// Start control has decided of it.
    pub admitted: bool,
    /// When start control let it go, in milliseconds since 1970; missing where it was never held back.
    pub held_until: Option<i64>,
    /// Of those that wait to be taken up, the higher first.
    pub priority: i32,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
