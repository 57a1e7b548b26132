//! The tests of the whole: each drives the real server as somebody outside does. `tests/README.md` says where a new
//! one goes.

mod crash;
mod database;
mod webhooks;
mod workflow;
