//! The OpenAPI description: what the framework makes of the types, completed.

use std::collections::BTreeSet;

use flowmatic_openapi::Scope;
use poem::http::Method;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use crate::auth::ANY_TOKEN;

/// The operations that need no token.
const OPEN: [&str; 8] = [
    "logIn",
    "setUp",
    "getHealth",
    "getReadiness",
    "getMetrics",
    "getDescription",
    "callWebhookByGet",
    "callWebhookByPost",
];

const BEARER: &str = "bearer";

/// Completes a description: the scope of each operation in words, one security scheme, and `null` where it may
/// stand.
pub(super) fn finish(mut description: Value) -> Value {
    for operation in operations(&mut description) {
        guard(operation);
        tell_of_failed_workflows(operation);
    }
    description["components"]["securitySchemes"] = json!({
        BEARER: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`fm_…`), or the token of a session (`fs_…`)."
        }
    });
    for schema in description["components"]["schemas"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut)
    {
        simplify(schema);
        if let Some(cursor) = schema.pointer_mut("/properties/next_cursor") {
            cursor["nullable"] = Value::from(true);
        }
    }
    for name in request_schemas(&description) {
        let schema = &mut description["components"]["schemas"][name];
        allow_null(schema);
        if schema.get("properties").is_some() {
            // All types of bodies refuse fields that they do not know.
            schema["additionalProperties"] = Value::from(false);
        }
    }
    description
}

/// Leaves out what makes generators of clients give a type up: a default that is an object or a list, which says no
/// more than that the field may be left out, and a part beside a reference that only repeats its description.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields
                .get("default")
                .is_some_and(|default| default.is_object() || default.is_array())
            {
                fields.shift_remove("default");
            }
            if let Some(Value::Array(parts)) = fields.get_mut("allOf") {
                let repeats = |name: &String| name == "description" || name == "default";
                parts.retain(|part| part.as_object().is_none_or(|part| !part.keys().all(repeats)));
            }
            for (name, field) in fields {
                match field {
                    // Names of fields, of whatever kind, are no words of a schema.
                    Value::Object(named) if name == "properties" => {
                        named.values_mut().for_each(simplify);
                    }
                    field => simplify(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}

fn operations(description: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    description["paths"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut)
}

/// Turns the scope that an `Auth` has left in place of its scheme into words.
fn guard(operation: &mut Map<String, Value>) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let needs = operation
        .get("security")
        .and_then(|security| security.get(0)?.as_object()?.keys().next().cloned());
    let Some(needs) = needs else {
        assert!(
            OPEN.contains(&id.as_str()),
            "operation `{id}` is open to everybody; give it an `Auth`"
        );
        operation.insert("security".to_owned(), json!([]));
        return;
    };
    let words = match Scope::parse(&needs) {
        Some(scope) => format!("Needs the scope `{}`.", scope.as_str()),
        None if needs == ANY_TOKEN => "Needs any valid token.".to_owned(),
        None => panic!("operation `{id}` needs `{needs}`, which is no scope"),
    };
    let description = match operation.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text}\n\n{words}"),
        None => words,
    };
    operation.insert("description".to_owned(), Value::from(description));
    operation.insert("security".to_owned(), json!([{BEARER: []}]));
}

/// A webhook whose workflow fails before it answers has the status of a mistake, and a body of its own.
fn tell_of_failed_workflows(operation: &mut Map<String, Value>) {
    let is_webhook = operation["operationId"]
        .as_str()
        .is_some_and(|id| id.starts_with("callWebhook"));
    let Some(response) = operation["responses"].get_mut("500").filter(|_| is_webhook) else {
        return;
    };
    let bodies =
        ["ErrorBody", "TriggerAnswer"].map(|name| json!({"$ref": format!("#/components/schemas/{name}")}));
    response["description"] = Value::from(
        "The workflow failed before it answered: the body is a `TriggerAnswer` and names the execution. Or a mistake of \
         the server's.",
    );
    for content in response["content"]
        .as_object_mut()
        .into_iter()
        .flat_map(Map::values_mut)
    {
        content["schema"] = json!({"anyOf": bodies});
    }
}

/// The schemas that request bodies are made of.
pub(super) fn request_schemas(description: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let bodies = description["paths"]
        .as_object()
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_object)
        .flat_map(Map::values)
        .filter_map(|operation| operation.get("requestBody"));
    for body in bodies {
        collect(body, &description["components"]["schemas"], &mut found);
    }
    found
}

fn collect(value: &Value, schemas: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str).and_then(schema_name)
                && found.insert(name.to_owned())
            {
                collect(&schemas[name], schemas, found);
            }
            fields.values().for_each(|field| collect(field, schemas, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, schemas, found)),
        _ => {}
    }
}

fn schema_name(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/")
}

/// A field that may be left out may also be null.
fn allow_null(schema: &mut Value) {
    let required: Vec<String> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, property) in properties {
        if required.contains(name) {
            continue;
        }
        let Some(fields) = property.as_object_mut() else {
            continue;
        };
        if let Some(reference) = fields.remove("$ref") {
            fields.insert("allOf".to_owned(), json!([{"$ref": reference}]));
        }
        if !fields.is_empty() {
            fields.insert("nullable".to_owned(), Value::from(true));
        }
    }
}

/// What the paths begin with: `/api`, `/healthz` and so on.
pub(super) fn prefixes() -> BTreeSet<String> {
    let paths = super::description()["paths"].as_object();
    let first = |path: &String| path.split('/').nth(1).map(|segment| format!("/{segment}"));
    paths.into_iter().flat_map(Map::keys).filter_map(first).collect()
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
    let known: Vec<&str> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query")
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
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
fn methods_of(path: &str) -> Option<&'static Map<String, Value>> {
    let paths = super::description()["paths"].as_object()?;
    let fitting = paths.iter().filter(|(template, _)| matches(template, path));
    let (_, methods) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
    methods.as_object()
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

/// As text, the way it is committed.
pub fn text() -> String {
    format!("{:#}\n", super::description())
}
