//! Flowmatic's vocabulary: every type that crosses the wire, once.
//!
//! Invariants:
//! * types and their validation only: no I/O, no clock, no ids made here;
//! * names are those of the wire (snake_case in `/api/v1`), so that a column, a JSON key and a field agree;
//! * the committed `openapi.json` beside this crate is generated from these types and checked in the tests.

mod json;
pub use json::{Json, JsonObject};
mod duration;
pub use duration::Duration;
mod time;
pub use time::Time;

mod workflow;
pub use workflow::*;
mod start;
pub use start::*;
mod version;
pub use version::*;
mod portable;
pub use portable::*;
mod execution;
pub use execution::*;
mod bulk;
pub use bulk::*;
mod event;
pub use event::*;
mod schedule;
pub use schedule::*;
mod connector;
pub use connector::*;
mod auth;
pub use auth::*;
mod page;
pub use page::*;
mod problem;
pub use problem::*;
mod webhook;
pub use webhook::*;
