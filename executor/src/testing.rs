//! `check`: what a node's author writes tests with.

use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::Time;
use crate::host::{Host, HttpError, HttpRequest, HttpResponse};
use crate::node::{Node, NodeError, Output};

/// Runs a node with these parameters, templates included, over this context, as the engine would.
///
/// `context` is an object: its fields are the body's, but for `_webhook` and other engine names.
pub async fn run<N: Node>(
    parameters: Value,
    context: Value,
    host: std::sync::Arc<dyn Host>,
) -> Result<Output, NodeError> {
    let _ = (parameters, context, host);
    unimplemented!()
}

/// Asserts what a node gives for these parameters over this context.
pub async fn check<N: Node>(parameters: Value, context: Value, expected: Value) {
    let output = run::<N>(parameters, context, std::sync::Arc::new(TestHost::default())).await;
    assert_eq!(output.map(|output| output.value), Ok(expected));
}

/// A host with a fixed clock, whose HTTP calls are recorded and answered by a function.
pub struct TestHost {
    pub now: Time,
    pub requests: Mutex<Vec<HttpRequest>>,
    pub answer: fn(&HttpRequest) -> Result<HttpResponse, HttpError>,
}

impl Default for TestHost {
    fn default() -> Self {
        Self {
            now: Time::UNIX_EPOCH,
            requests: Mutex::default(),
            answer: |_| Err(HttpError::Network("there is no network in this test".to_owned())),
        }
    }
}

impl Host for TestHost {
    fn now(&self) -> Time {
        self.now
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, HttpError>> {
        let answer = (self.answer)(&request);
        self.requests
            .lock()
            .expect("no test panics with this lock")
            .push(request);
        futures_util::future::ready(answer).boxed()
    }
}
