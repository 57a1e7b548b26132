//! What a node may ask of the world. A new method here needs two nodes that use it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::Time;

pub trait Host: Send + Sync + 'static {
    /// The wall clock. Time-outs do not use it.
    fn now(&self) -> Time;

    /// Sends one request through the network guard and reads the response to its cap.
    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, HttpError>>;
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
