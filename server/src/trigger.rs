//! The doors: each verifies who calls, builds the context and has the execution accepted.

pub mod resume;
pub mod webhook;

mod body;
mod verify;
