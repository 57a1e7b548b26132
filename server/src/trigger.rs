//! The doors: each verifies who calls, builds the context and has the execution accepted.

pub mod webhook;

mod body;
mod verify;
