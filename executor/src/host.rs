//! What a node may ask of the world. A new method here needs two nodes that use it.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Time;

pub trait Host: Send + Sync + 'static {
    /// The wall clock. Time-outs do not use it.
    fn now(&self) -> Time;

    /// Sends one request through the network guard and reads the response to its cap.
    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, HttpError>>;

    /// Starts another workflow, and gives its execution's id once that is accepted. The same caller and path give
    /// the same execution.
    fn start_child(&self, child: Child) -> BoxFuture<'_, Result<Uuid, ChildError>>;

    /// Asks the executions that this one waits for, and those they wait for, to end: all of them, or the one that was
    /// called at a path.
    fn cancel_children<'a>(&'a self, execution: Uuid, path: Option<&'a str>) -> BoxFuture<'a, ()>;
}

/// A workflow to start from within another's execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    pub workspace_id: i64,
    /// The execution that calls, and the path of its node.
    pub parent: Uuid,
    pub path: String,
    /// How many calls lead to it, itself included.
    pub depth: u32,
    pub workflow: Uuid,
    pub input: Map<String, Value>,
    /// Whether the parent waits for its end.
    pub wait: bool,
    /// When the parent's time is up.
    pub deadline: Option<Time>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum ChildError {
    /// It cannot be started: a stable word, and why.
    #[error("{1}")]
    Refused(Cow<'static, str>, String),
    /// A later try may work.
    #[error("{0}")]
    Unavailable(String),
}

#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Upper case, such as `GET`.
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// For the whole call, redirects and reading of the body included.
    pub timeout: Duration,
    /// How many redirects are followed; each is checked as the first address is.
    pub redirects: u32,
    /// The most bytes of response body.
    pub max_size: usize,
}

#[derive(Debug, Clone)]
pub struct HttpResponse {
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// The request can never be sent as it is: a bad address, header or method.
    #[error("{0}")]
    Invalid(String),
    /// The network guard refuses the target.
    #[error("{0}")]
    Refused(String),
    /// Name resolution, connection or transfer failed; a later try may work.
    #[error("{0}")]
    Network(String),
    #[error("no whole response within {0:?}")]
    Timeout(Duration),
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
}
