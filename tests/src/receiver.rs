//! Somebody for the server to call: records every request and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use poem::http::{HeaderMap, StatusCode};
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Request, Response, Server};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::eventually;

/// An HTTP server on a free port of 127.0.0.1. It ends when it is dropped.
pub struct Receiver {
    url: String,
    state: Arc<Mutex<State>>,
    /// Whether answers are held back.
    held: watch::Sender<bool>,
    task: AbortHandle,
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// How long the answer is held back.
    pub delay: Duration,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    /// For the next requests, before `always`.
    once: VecDeque<Answer>,
    always: Answer,
}

impl Receiver {
    /// Answers 200 until told otherwise.
    pub async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .expect("a free port");
        let address = acceptor.local_addr().remove(0);
        let address = address.as_socket_addr().expect("a TCP listener").to_owned();
        let state = Arc::new(Mutex::new(State::default()));
        let (held, holding) = watch::channel(false);
        let shared = state.clone();
        let endpoint = poem::endpoint::make(move |request| answer(shared.clone(), holding.clone(), request));
        let task = tokio::spawn(Server::new_with_acceptor(acceptor).run(endpoint)).abort_handle();
        Self {
            url: format!("http://{address}"),
            state,
            held,
            task,
        }
    }

    /// Without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on.
    pub fn answer(&self, answer: Answer) {
        self.state().always = answer;
    }

    /// To one request more, after those that were told before.
    pub fn answer_once(&self, answer: Answer) {
        self.state().once.push_back(answer);
    }

    /// Records requests and answers none, until [`Receiver::release`].
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Answers what it holds, and from now on at once.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// In the order they came.
    pub fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Waits until there are so many requests.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        eventually(&format!("{count} requests at {}", self.url), async || {
            Some(self.received()).filter(|received| received.len() >= count)
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Received {
    /// The header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("the body is not JSON: {error}"))
    }
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    pub fn json(body: &serde_json::Value) -> Self {
        let headers = vec![("content-type".into(), "application/json".into())];
        Self {
            headers,
            body: body.to_string().into(),
            ..Self::default()
        }
    }

    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            status: 200,
            headers: vec![],
            body: Bytes::new(),
            delay: Duration::ZERO,
        }
    }
}

async fn answer(state: Arc<Mutex<State>>, mut held: watch::Receiver<bool>, mut request: Request) -> Response {
    let received = Received {
        method: request.method().to_string(),
        path: request.original_uri().to_string(),
        headers: request.headers().clone(),
        body: request.take_body().into_bytes().await.unwrap_or_default(),
    };
    let answer = {
        let mut state = lock(&state);
        state.received.push(received);
        state.once.pop_front().unwrap_or_else(|| state.always.clone())
    };
    // The sender is gone when the test is over.
    let _ = held.wait_for(|held| !held).await;
    tokio::time::sleep(answer.delay).await;
    let status = StatusCode::from_u16(answer.status).expect("a test answers with a valid status");
    let mut response = Response::builder().status(status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(answer.body)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics with the lock held")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::client;

    #[tokio::test]
    async fn records_requests_as_they_come() {
        let receiver = Receiver::start().await;
        let url = format!("{}/any/path?x=%20y", receiver.url());
        let request = client().put(url).header("X-Mine", "yes").body("{ \"a\" : 1 }");
        assert_eq!(request.send().await.expect("an answer").status(), 200);
        let received = &receiver.wait_for(1).await[0];
        assert_eq!(
            (received.method.as_str(), received.path.as_str()),
            ("PUT", "/any/path?x=%20y")
        );
        assert_eq!(
            (received.header("x-mine"), received.header("x-other")),
            ("yes", "")
        );
        assert_eq!(&received.body[..], b"{ \"a\" : 1 }");
        assert_eq!(received.json(), json!({"a": 1}));
    }

    #[tokio::test]
    async fn answers_as_it_is_told() {
        let receiver = Receiver::start().await;
        receiver.answer_once(Answer::status(503));
        receiver.answer_once(Answer::json(&json!({"ok": true})).after(Duration::from_millis(30)));
        receiver.answer(Answer::status(410));
        let mut statuses = vec![];
        for _ in 0..4 {
            let response = client().get(receiver.url()).send().await.expect("an answer");
            statuses.push(response.status().as_u16());
        }
        assert_eq!(statuses, [503, 200, 410, 410]);
        assert_eq!(receiver.received().len(), 4);
    }

    #[tokio::test]
    async fn holds_answers_until_it_lets_them_go() {
        let receiver = Receiver::start().await;
        receiver.hold();
        let call = tokio::spawn(client().get(receiver.url()).send());
        receiver.wait_for(1).await;
        assert!(!call.is_finished());
        receiver.release();
        let response = call.await.expect("no panic").expect("an answer");
        assert_eq!(response.status(), 200);
    }
}
