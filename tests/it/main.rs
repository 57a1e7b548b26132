//! The tests of the whole: each drives the real server as somebody outside does. `tests/README.md` says where a new
//! one goes.

mod auth;
mod commands;
mod connectors;
mod crash;
mod database;
mod executions;
mod openapi;
mod pages;
mod shutdown;
mod templates;
mod webhooks;
mod workflow;
mod workflows;
