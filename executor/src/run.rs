//! Performs what [`crate::schedule`] decides: the only place with I/O.
pub struct Engine;
pub struct Limits;
pub struct Outcome;
pub struct Start;
pub struct Started;
