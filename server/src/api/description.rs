//! The OpenAPI description as it is published: the committed one, which the tests make anew from the types. So nothing of
//! it is in memory before somebody asks.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use flowmatic_openapi::JsonObject;
use poem::http::{Method, header};
use poem::{IntoResponse, Response};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use serde::Deserialize;
use serde_json::Value;

use super::error::ApiError;

#[cfg(test)]
pub(super) mod making;

/// As JSON.
pub const TEXT: &str = include_str!("../../../openapi/openapi.json");

/// What the paths begin with.
pub(super) const PREFIXES: [&str; 4] = ["/api", "/healthz", "/metrics", "/readyz"];

/// As an answer.
pub(super) struct Published;

impl Payload for Published {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        JsonObject::schema_ref()
    }

    fn register(registry: &mut Registry) {
        JsonObject::register(registry);
    }
}

impl IntoResponse for Published {
    fn into_response(self) -> Response {
        Response::builder()
            .header(header::CONTENT_TYPE, Self::CONTENT_TYPE)
            .body(TEXT)
    }
}

/// Operations by their paths and methods.
#[derive(Deserialize)]
struct Operations {
    paths: BTreeMap<String, BTreeMap<String, Operation>>,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    r#in: String,
}

/// Its components, which schemas refer to.
pub(super) fn components() -> Value {
    #[derive(Deserialize)]
    struct Described {
        components: Value,
    }
    read::<Described>().components
}

fn read<'a, T: Deserialize<'a>>() -> T {
    serde_json::from_str(TEXT).expect("a test makes it")
}

/// The methods that a path takes, for `Allow`; `None` where there is no such path.
pub(super) fn allowed(path: &str) -> Option<String> {
    let methods = methods_of(path)?;
    let mut allow: Vec<String> = methods.keys().map(|method| method.to_uppercase()).collect();
    if allow.iter().any(|method| method == "GET") {
        allow.push("HEAD".to_owned());
    }
    Some(allow.join(", "))
}

/// What is wrong with a query: a parameter that its operation does not have would be left out of account in silence.
pub(super) fn check_query(method: &Method, path: &str, query: &str) -> Result<(), ApiError> {
    let Some(methods) = methods_of(path) else {
        return Ok(());
    };
    let method = match method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_lowercase(),
    };
    let Some(operation) = methods.get(&method) else {
        return Ok(());
    };
    let in_query = operation
        .parameters
        .iter()
        .filter(|parameter| parameter.r#in == "query");
    let known: Vec<&str> = in_query.map(|parameter| parameter.name.as_str()).collect();
    let mut names = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    match names.find(|name| !known.contains(&&**name)) {
        None => Ok(()),
        Some(name) if known.is_empty() => Err(ApiError::bad_request(format!(
            "there is no query parameter `{name}` here, nor any other"
        ))),
        Some(name) => Err(ApiError::bad_request(format!(
            "there is no query parameter `{name}`; there are `{}`",
            known.join("`, `")
        ))),
    }
}

/// The operations of a path, by their methods. Of two templates that fit, the one with fewer variables is meant.
fn methods_of(path: &str) -> Option<&'static BTreeMap<String, Operation>> {
    static OPERATIONS: OnceLock<Operations> = OnceLock::new();
    let Operations { paths } = OPERATIONS.get_or_init(read);
    let fitting = paths.iter().filter(|(template, _)| matches(template, path));
    let (_, methods) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
    Some(methods)
}

fn matches(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let fits = template.split('/').all(|part| {
        segments
            .next()
            .is_some_and(|segment| part.starts_with('{') || part == segment)
    });
    fits && segments.next().is_none()
}
