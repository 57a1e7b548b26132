//! The doors: each verifies who calls, or that it is time, builds the context and has the execution accepted.

pub mod resume;
pub mod schedule;
pub mod webhook;

mod body;
pub(crate) mod verify;
