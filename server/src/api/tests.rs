//! What holds for every operation, walked by the description.

use std::sync::Arc;

use chrono::Utc;
use clap::Parser;
use flowmatic_openapi::Scope;
use metrics_exporter_prometheus::PrometheusBuilder;
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{description, endpoint, keys};
use crate::app::{App, Parts};
use crate::config::Command;
use crate::dispatch::{Dispatch, ServerHost};
use crate::guard::Guard;
use crate::secret::SecretKey;
use crate::store::testing::{TestStore, sqlite};

struct TestApi {
    app: App,
    endpoint: Box<dyn poem::endpoint::DynEndpoint<Output = Response>>,
    _store: TestStore,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl TestApi {
    async fn start() -> Self {
        // Another test of this process may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = sqlite().await;
        let config = Command::try_parse_from(["flowmatic"])
            .expect("the defaults parse")
            .config;
        let secret_key = SecretKey::open(Some(&"ab".repeat(32)), ".".as_ref(), true).expect("a good key");
        let catalogue = Arc::new(flowmatic_nodes::catalogue());
        let host = ServerHost::new(Guard::new(Vec::new()).expect("a guard"));
        let dispatch = Dispatch::new(
            store.store.clone(),
            secret_key.clone(),
            catalogue.clone(),
            host,
            100,
        );
        let app = App::new(Parts {
            config,
            store: store.store.clone(),
            catalogue,
            dispatch,
            secret_key,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
            base_url: "http://localhost:8080".to_owned(),
            setup: true,
            clock: Utc::now,
        });
        let endpoint = Box::new(poem::endpoint::ToDynEndpoint(endpoint(app.clone())));
        Self {
            app,
            endpoint,
            _store: store,
        }
    }

    /// Makes a key of the first workspace, or of another one.
    async fn key(&self, other: bool, scopes: &[Scope]) -> String {
        let workspace = match other {
            true => self.app.store.create_workspace("Other").await,
            false => self.app.store.first_workspace().await,
        };
        let workspace = workspace.expect("a workspace");
        let key = keys::make(
            &self.app.store,
            workspace,
            "test".to_owned(),
            scopes.to_vec(),
            Utc::now(),
        );
        key.await.expect("a key").key
    }

    async fn call(&self, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> Answer {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method"))
            .uri_str(path);
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = match body {
            Some(body) => request.content_type("application/json").body(body.to_string()),
            None => request.finish(),
        };
        self.send(request).await
    }

    async fn send(&self, request: Request) -> Answer {
        let response = self
            .endpoint
            .call(request)
            .await
            .expect("every error is an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().into_bytes().await.expect("a body");
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }
}

impl Answer {
    /// The error's code, where the answer is the one error body.
    fn code(&self) -> &str {
        assert_eq!(self.body["success"], json!(false), "{}", self.body);
        assert_eq!(
            self.body["error"]["request_id"].as_str(),
            self.headers["x-request-id"].to_str().ok()
        );
        assert!(self.body["error"]["details"].is_array());
        self.body["error"]["code"].as_str().expect("a code")
    }
}

/// Method, path and operation of all that the service answers.
fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = description()["paths"].as_object().expect("paths");
    paths
        .iter()
        .filter(|(path, _)| !path.starts_with("/api/webhooks"))
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods
                .iter()
                .map(|(method, operation)| (method.clone(), path.clone(), operation))
        })
        .collect()
}

fn is_open(operation: &Value) -> bool {
    operation["security"] == json!([])
}

/// The scope that an operation's description names; `None` where any token will do.
fn scope(operation: &Value) -> Option<Scope> {
    let text = operation["description"].as_str().expect("a description");
    let (_, name) = text.rsplit_once("Needs the scope `")?;
    Scope::parse(name.strip_suffix("`.").expect("the end of the text"))
}

#[test]
fn the_committed_description_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json");
    let current = description::text();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &current).expect("openapi.json can be written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == current,
        "openapi/openapi.json is stale; UPDATE=1 cargo test rewrites it"
    );
}

#[test]
fn every_operation_is_documented() {
    let mut ids = std::collections::HashSet::new();
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(
            !id.is_empty() && ids.insert(id),
            "{method} {path} has no operation id of its own"
        );
        assert!(operation["summary"].is_string(), "{id} has no summary");
        assert!(
            operation["tags"].as_array().is_some_and(|tags| tags.len() == 1),
            "{id} has no tag"
        );
        for status in ["400", "401", "403", "404", "429", "500", "503"] {
            assert!(
                operation["responses"][status].is_object(),
                "{id} does not say {status}"
            );
        }
    }
}

#[tokio::test]
async fn asks_every_caller_for_a_token_and_its_scope() {
    let api = TestApi::start().await;
    for (method, path, operation) in operations() {
        let path = path
            .replace("{id}", &Uuid::now_v7().to_string())
            .replace("{type}", "flow.if");
        if is_open(operation) {
            continue;
        }
        for key in [None, Some("fm_wrong"), Some("wrong")] {
            let answer = api.call(&method, &path, key, None).await;
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{method} {path} with {key:?}"
            );
            assert_eq!(answer.code(), "UNAUTHORIZED");
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer");
        }
        if let Some(scope) = scope(operation) {
            let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
            let key = api.key(false, &others).await;
            let answer = api.call(&method, &path, Some(&key), None).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
            assert_eq!(answer.code(), "FORBIDDEN");
        }
    }
}

#[tokio::test]
async fn hides_what_belongs_to_another_workspace() {
    let api = TestApi::start().await;
    let mine = api.key(false, &Scope::ALL).await;
    let theirs = api.key(true, &Scope::ALL).await;
    let graph = json!({"nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "set", "type": "data.set", "parameters": {"fields": {"a": 1}}},
    ], "edges": [{"from": "start", "to": "set"}]});
    let create = json!({"name": "mine", "active": true, "graph": graph});
    let workflow = api
        .call("post", "/api/v1/workflows", Some(&mine), Some(&create))
        .await;
    assert_eq!(workflow.status, StatusCode::CREATED, "{}", workflow.body);
    let workflow = workflow.body["id"].as_str().expect("an id").to_owned();
    let execution = api
        .call(
            "post",
            &format!("/api/v1/workflows/{workflow}/execute"),
            Some(&mine),
            None,
        )
        .await;
    assert_eq!(execution.status, StatusCode::ACCEPTED, "{}", execution.body);
    let execution = execution.body["id"].as_str().expect("an id").to_owned();
    let keys = api.call("get", "/api/v1/keys", Some(&mine), None).await;
    let key = keys.body["data"][0]["id"].as_str().expect("an id").to_owned();

    let save = json!({"name": "theirs", "graph": graph, "revision": 1});
    for (method, path, operation) in operations() {
        let resource = path.split('/').nth(3).unwrap_or_default();
        let id = match resource {
            "workflows" => &workflow,
            "executions" => &execution,
            "keys" => &key,
            _ => continue,
        };
        if path.contains("{id}") {
            let body = (method == "put").then_some(&save);
            let answer = api
                .call(&method, &path.replace("{id}", id), Some(&theirs), body)
                .await;
            assert_eq!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{method} {path}: {}",
                answer.body
            );
            assert_eq!(answer.code(), "NOT_FOUND");
        } else if method == "get" {
            let answer = api.call(&method, &path, Some(&theirs), None).await;
            let listed = answer.body["data"].to_string();
            assert!(
                !listed.contains(id.as_str()),
                "{} lists {id}",
                operation["operationId"]
            );
        }
    }
    let kept = api
        .call("get", &format!("/api/v1/workflows/{workflow}"), Some(&mine), None)
        .await;
    assert_eq!(
        (kept.status, kept.body["name"].as_str()),
        (StatusCode::OK, Some("mine"))
    );
}

#[tokio::test]
async fn gives_every_error_the_same_body() {
    let api = TestApi::start().await;
    let key = api.key(false, &Scope::ALL).await;
    let key = Some(key.as_str());
    let workflows = "/api/v1/workflows";
    let big = json!({"name": "x".repeat(1 << 20)});
    let unknown = json!({"name": "x", "graph": {"nodes": [{"key": "a", "type": "b", "label": "c"}]}});
    let wrong = json!({"name": "x", "graph": {"nodes": [{"key": "a", "type": 5}]}});
    let broken = json!({"name": "x", "active": true, "graph": {"nodes": [{"key": "a", "type": "nope"}]}});
    // Method, path and body; status, code and the first pointer.
    type Case<'a> = (&'a str, &'a str, Option<&'a Value>, u16, &'a str, Option<&'a str>);
    let cases: [Case<'_>; 11] = [
        ("get", "/api/v1/nothing", None, 404, "NOT_FOUND", None),
        (
            "get",
            "/api/v1/workflows/not-an-id",
            None,
            400,
            "BAD_REQUEST",
            None,
        ),
        (
            "get",
            "/api/v1/workflows?limit=101",
            None,
            400,
            "BAD_REQUEST",
            None,
        ),
        (
            "get",
            "/api/v1/executions?cursor=x",
            None,
            400,
            "BAD_REQUEST",
            None,
        ),
        ("patch", workflows, None, 405, "METHOD_NOT_ALLOWED", None),
        ("post", workflows, None, 415, "UNSUPPORTED_MEDIA_TYPE", None),
        ("post", workflows, Some(&big), 413, "TOO_LARGE", None),
        (
            "post",
            workflows,
            Some(&unknown),
            400,
            "BAD_REQUEST",
            Some("/graph/nodes/0"),
        ),
        (
            "post",
            workflows,
            Some(&wrong),
            400,
            "BAD_REQUEST",
            Some("/graph/nodes/0/type"),
        ),
        (
            "post",
            workflows,
            Some(&broken),
            422,
            "INVALID_GRAPH",
            Some("/graph/nodes/0/type"),
        ),
        ("post", workflows, Some(&json!([])), 400, "BAD_REQUEST", Some("")),
    ];
    for (method, path, body, status, code, pointer) in cases {
        let answer = api.call(method, path, key, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{method} {path}"
        );
        let first = answer.body["error"]["details"][0]["pointer"].as_str();
        assert_eq!(first, pointer, "{}", answer.body);
    }
    let answer = api.call("patch", workflows, key, None).await;
    assert_eq!(answer.headers[header::ALLOW], "GET, POST, HEAD");
}

#[tokio::test]
async fn names_each_request() {
    let api = TestApi::start().await;
    let id = async |given: &str| {
        let request = Request::builder()
            .uri_str("/healthz")
            .header("X-Request-Id", given)
            .finish();
        let answer = api.send(request).await;
        answer.headers["x-request-id"].to_str().expect("text").to_owned()
    };
    assert_eq!(id("job-5_a.b").await, "job-5_a.b");
    for strange in ["", "a b", "<script>", &"x".repeat(65)] {
        assert!(Uuid::try_parse(&id(strange).await).is_ok(), "{strange}");
    }
}
