//! The tests of the whole: each drives the real server as somebody outside does. `tests/README.md` says where a new
//! one goes.

mod bad_input;
mod crash;
mod database;
mod durability;
mod limits;
mod poison;
mod raw;
mod tidy;
mod webhooks;
mod workflow;
