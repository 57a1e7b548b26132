//! The catalogue of nodes. A node is one file: `src/<group>/<verb>.rs` is the type `<group>.<verb>`; files deeper
//! down are parts of it.
//!
//! Invariants:
//! * [`catalogue`] is the only registration: a node is a `mod` line and an `Entry` line in this file;
//! * a node reads the world through its [`NodeContext`] alone: no socket, no file, no clock, no environment;
//! * a node's parameter struct is its schema, its form, its validation and its documentation;
//! * given the same parameters and context, a node sends the same bytes on every attempt;
//! * no error shows a secret.
//!
//! [`NodeContext`]: flowmatic_executor::NodeContext

use flowmatic_executor::{Catalogue, Entry};

pub mod trigger {
    //! What starts an execution.
    pub mod error;
    pub mod manual;
    pub mod schedule;
    pub mod webhook;
    pub mod workflow;
}
pub mod flow {
    //! Which way an execution goes, and how it ends.
    pub mod call;
    pub mod for_each;
    pub mod r#if;
    pub mod merge;
    pub mod response;
    pub mod stop;
    pub mod switch;
    pub mod wait;
    pub mod r#while;
}
pub mod data {
    //! Values from values.
    pub mod filter;
    pub mod set;
    pub mod template;
}
pub mod http {
    //! Calls of other servers.
    pub mod request;
}

pub mod method;

mod header;
mod text;
mod value;

#[cfg(test)]
mod tidy;

/// All nodes, in the order of the palette.
pub fn catalogue() -> Catalogue {
    Catalogue::new(vec![
        Entry::of::<trigger::webhook::Webhook>(),
        Entry::of::<trigger::manual::Manual>(),
        Entry::of::<trigger::workflow::Workflow>(),
        Entry::of::<trigger::error::Failure>(),
        Entry::of::<trigger::schedule::Schedule>(),
        Entry::of::<flow::r#if::If>(),
        Entry::of::<flow::switch::Switch>(),
        Entry::of::<flow::for_each::ForEach>(),
        Entry::of::<flow::r#while::While>(),
        Entry::of::<flow::wait::Wait>(),
        Entry::of::<flow::call::Call>(),
        Entry::of::<flow::merge::Merge>(),
        Entry::of::<flow::response::Response>(),
        Entry::of::<flow::stop::Stop>(),
        Entry::of::<data::set::Set>(),
        Entry::of::<data::template::Template>(),
        Entry::of::<data::filter::Filter>(),
        Entry::of::<http::request::Request>(),
    ])
}
