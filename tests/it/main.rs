//! The tests of the whole: each drives the real server as somebody outside does. `tests/README.md` says where a new
//! one goes.

mod auth;
mod bad_input;
mod bulk;
mod calls;
mod commands;
mod connectors;
mod crash;
mod database;
mod durability;
mod executions;
mod limits;
mod lists;
mod live;
mod loops;
mod openapi;
mod pages;
mod poison;
mod portability;
mod raw;
mod readme;
mod restore;
mod retention;
mod retries;
mod schedules;
mod shutdown;
mod start_control;
mod templates;
mod tidy;
mod versions;
mod waits;
mod webhooks;
mod workflow;
mod workflow_commands;
mod workflows;
