//! Workflows for the tests, and what callers get of them.

use bytes::Bytes;
use flowmatic_tests::TestApp;
use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// Runs each of these functions as a test on SQLite and as one on PostgreSQL.
macro_rules! on_both_databases {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(flowmatic_tests::Database::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(flowmatic_tests::Database::Postgres).await;
            })*
        }
    };
}
pub(crate) use on_both_databases;

/// Lets a server call a [`flowmatic_tests::Receiver`].
pub const LOOPBACK: [&str; 2] = ["--allow-network", "127.0.0.0/8"];

/// Creates a workflow and gives it back as the API shows it.
pub async fn create(app: &TestApp, workflow: Value) -> Value {
    let (status, created) = app.api("POST", "/api/v1/workflows", workflow).await;
    assert_eq!(status, 201, "{created}");
    created
}

/// The path of its first webhook.
pub fn webhook_path(workflow: &Value) -> String {
    format!("/api/webhooks/{}", webhook_id(workflow))
}

pub fn webhook_id(workflow: &Value) -> String {
    let id = &workflow["triggers"][0]["webhook_id"];
    id.as_str().expect("it has a webhook").to_owned()
}

/// The path of a workflow.
pub fn path(workflow: &Value) -> String {
    format!("/api/v1/workflows/{}", id(workflow))
}

pub fn id(resource: &Value) -> &str {
    resource["id"].as_str().expect("it has an id")
}

/// An active workflow: these nodes in a row.
pub fn row(nodes: &[Value]) -> Value {
    let keys: Vec<&Value> = nodes.iter().map(|node| &node["key"]).collect();
    let edges: Vec<Value> = keys
        .windows(2)
        .map(|pair| json!({"from": pair[0], "to": pair[1]}))
        .collect();
    json!({"name": "Test", "active": true, "graph": {"nodes": nodes, "edges": edges}})
}

/// As [`row`], with a webhook trigger before these nodes.
pub fn hooked(nodes: &[Value]) -> Value {
    row(&[&[hook(json!({}))], nodes].concat())
}

/// A webhook trigger with the key `hook`.
pub fn hook(parameters: Value) -> Value {
    json!({"key": "hook", "type": "trigger.webhook", "parameters": parameters})
}

/// A Response node with the key `reply`.
pub fn reply(parameters: Value) -> Value {
    json!({"key": "reply", "type": "flow.response", "parameters": parameters})
}

/// A POST to this address.
pub fn call(key: &str, url: &str) -> Value {
    json!({"key": key, "type": "http.request", "parameters": {"method": "POST", "url": url}})
}

/// An answer with all that is in it.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answered {
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.expect("the answer is whole"),
        }
    }

    /// The header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }

    /// The code of the one error body, which it must be.
    pub fn error(&self) -> String {
        let body = self.json();
        assert_eq!(self.header("content-type"), "application/json", "{body}");
        let fields: Vec<&String> = body.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["success", "error"], "{body}");
        assert_eq!(body["success"], false, "{body}");
        let error = &body["error"];
        let fields: Vec<&String> = error.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["code", "message", "details", "request_id"], "{body}");
        assert_eq!(error["request_id"], self.header("x-request-id"), "{body}");
        error["code"].as_str().expect("a code is text").to_owned()
    }
}
