//! The server: doors in, the API, the store, and what ties them together.
//!
//! Invariants:
//! * [`store`] alone names sea-orm and SQL; its functions take and return the types of `flowmatic_openapi`;
//! * [`api::error`] alone knows statuses;
//! * every operation of the API takes an [`auth::Auth`] of the scope it needs, or is listed as open;
//! * a 2xx from a trigger means that the execution is on disk;
//! * a secret leaves [`secret`] only to run, and is never printed.

pub mod app;
pub mod config;
pub mod role;

pub mod api;
pub mod trigger;

mod cache;
pub mod dispatch;
mod fault;
mod housekeeping;
pub mod live;
pub mod portable;
pub mod prune;
pub mod store;
pub mod timer;

pub mod auth;
pub mod guard;
pub mod secret;
pub mod telemetry;

#[cfg(test)]
mod testing;
