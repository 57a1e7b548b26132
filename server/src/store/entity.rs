//! The rows, one module a table. They never leave the store.

pub mod api_key;
pub mod checkpoint;
pub mod execution;
pub mod firing;
pub mod invitation;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod timer;
pub mod trigger;
pub mod user;
pub mod version;
pub mod workflow;
pub mod workspace;
