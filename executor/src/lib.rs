//! Runs graphs. The life of an execution, in ten lines:
//!
//! 1. A door (webhook, click) loads a [`Version`]: a graph compiled once into a [`Plan`] ([`graph`]).
//! 2. It hands [`Engine::start`] an id, the version and a [`Payload`].
//! 3. [`schedule`] says what to do first: a pure function from plan, state and decision to actions.
//! 4. [`run`] performs the actions: it evaluates parameters ([`expression`]) over the layers of the
//!    [`context`] and calls the [`node`]; what comes back is the next decision.
//! 5. Pure nodes run at once. Before the first effect, the accept is durable ([`journal`]).
//! 6. When effects have ended, a checkpoint makes durable all that was decided, before anything follows from it.
//! 7. The first Response node answers the caller, once all before it is durable.
//! 8. When nothing is left to run, one write makes status, steps and result durable.
//! 9. A process that dies leaves rows behind; [`Engine::resume`] replays their checkpoints and goes on.
//! 10. After three recoveries without progress an execution ends as `crash_loop`.
//!
//! Invariants:
//! * this crate names no node, no SQL and no HTTP server; the world is [`Host`], durability is [`Journal`];
//! * planning never runs anything, and finds every mistake before anything runs;
//! * a panic in a node fails that node, never the process;
//! * a replay of the same journal gives the same bytes: `now` and `uuid` derive from it.

pub mod catalogue;
pub mod context;
pub mod expression;
pub mod graph;
pub mod host;
pub mod journal;
pub mod json;
pub mod node;
pub mod observe;
pub mod run;
pub mod schedule;
pub mod testing;

pub use catalogue::{Catalogue, Entry};
pub use context::{Context, Payload, ResumeUrl, Secrets, View};
pub use graph::{Plan, Version};
pub use host::{Child, ChildError, Host, HttpError, HttpRequest, HttpResponse};
pub use journal::{Accept, Checkpoint, Finish, Journal, JournalError, Park, Recovered, Signal, Ticket};
pub use node::{
    About, Answer, Call, Each, ErrorClass, Expression, Lent, Node, NodeContext, NodeError, Output, Param,
    Role, Then, Wait, While,
};
pub use observe::{Observer, StepProgress, UnderWay, Written};
pub use run::{Engine, Limits, Outcome, Start, Started, Waiting};

/// A moment in UTC.
pub type Time = chrono::DateTime<chrono::Utc>;
