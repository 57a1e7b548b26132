//! What holds for every operation, walked by the description.

use chrono::Utc;
use flowmatic_openapi::{ApiKeyCreate, Scope};
use poem::http::{HeaderMap, Method, StatusCode, header};
use poem::{Endpoint, Request, Response};
use serde_json::{Value, json};

use super::description::making::description;
use super::{description, endpoint, keys};
use crate::app::App;
use crate::store::testing::{TestStore, sqlite};
use crate::testing::app;

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
        let store = sqlite().await;
        let app = app(&store.store, 100, Utc::now);
        let endpoint = Box::new(poem::endpoint::ToDynEndpoint(endpoint(app.clone())));
        Self {
            app,
            endpoint,
            _store: store,
        }
    }

    /// Makes a key with every scope, of the first workspace, or of another one.
    async fn key(&self, other: bool) -> String {
        let workspace = match other {
            true => self.app.store.create_workspace("Other").await,
            false => self.app.store.first_workspace().await,
        };
        let workspace = workspace.expect("a workspace");
        let create = ApiKeyCreate {
            name: "test".to_owned(),
            scopes: Scope::ALL.to_vec(),
            expires_at: None,
        };
        let key = keys::make(&self.app.store, workspace, create, None, Utc::now());
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

#[test]
fn the_committed_description_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json");
    let current = format!("{:#}\n", description());
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
fn all_paths_are_served() {
    for (_, path, _) in operations() {
        let is_below = |prefix: &&str| {
            path.strip_prefix(*prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        assert!(description::PREFIXES.iter().any(is_below), "{path}");
    }
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
async fn hides_what_belongs_to_another_workspace() {
    let api = TestApi::start().await;
    let mine = api.key(false).await;
    let theirs = api.key(true).await;
    let graph = json!({"nodes": [
        {"key": "start", "type": "trigger.manual"},
        {"key": "daily", "type": "trigger.schedule", "parameters": {"cron": "0 9 * * *"}},
        {"key": "set", "type": "data.set", "parameters": {"fields": {"a": 1}}},
        {"key": "hook", "type": "trigger.webhook"},
    ], "edges": [{"from": "start", "to": "set"}]});
    let create = json!({"name": "mine", "active": true, "graph": graph});
    let workflow = api
        .call("post", "/api/v1/workflows", Some(&mine), Some(&create))
        .await;
    assert_eq!(workflow.status, StatusCode::CREATED, "{}", workflow.body);
    let schedule = workflow.body["triggers"][1]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let webhook = workflow.body["triggers"][2]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
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
            "schedules" => &schedule,
            "webhooks" => &webhook,
            "keys" => &key,
            _ => continue,
        };
        if path.contains("{id}") {
            let body = (method == "put").then_some(&save);
            let path = path.replace("{id}", id).replace("{number}", "1");
            let path = match path.ends_with("/step") {
                true => path + "?path=set",
                false => path,
            };
            let answer = api.call(&method, &path, Some(&theirs), body).await;
            assert_eq!(
                answer.status,
                StatusCode::NOT_FOUND,
                "{method} {path}: {}",
                answer.body
            );
            assert_eq!(answer.code(), "NOT_FOUND");
        } else if method == "get" {
            let path = match path.ends_with("/events") {
                true => path + "?max_seconds=1",
                false => path,
            };
            let answer = api.call(&method, &path, Some(&theirs), None).await;
            let listed = answer.body.to_string();
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
