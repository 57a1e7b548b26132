//! Makes the description: what the framework says of the types, completed.

mod door;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use flowmatic_openapi::Scope;
use poem_openapi::OpenApiService;
use serde_json::{Map, Value, json};

use self::door::Door;
use super::super::SERVED;
use crate::auth::ANY_TOKEN;

/// The operations that need no token.
const OPEN: [&str; 10] = [
    "getAuthState",
    "join",
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

/// The whole of it, with the raw webhook door and the scope of each operation.
///
/// # Panics
/// Where an operation is neither guarded nor listed as open: a mistake in this crate's code.
pub(in crate::api) fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        let service = OpenApiService::new((SERVED, Door), "Flowmatic", env!("CARGO_PKG_VERSION"))
            .description("Workflow automation: webhooks in, durable runs, answers out.")
            .license(poem_openapi::LicenseObject::new("MIT OR Apache-2.0"))
            .server("/");
        let raw: Value = serde_json::from_str(&service.spec()).expect("the framework writes JSON");
        finish(raw)
    })
}

/// Completes a description: the scope of each operation in words, one security scheme, and `null` where it may
/// stand.
fn finish(mut description: Value) -> Value {
    for operation in operations(&mut description) {
        guard(operation);
        tell_of_failed_workflows(operation);
    }
    description["components"]["securitySchemes"] = json!({
        BEARER: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (`fm_…`), or the token of a session (`fs_…`). Pages of the server itself may have \
                the session in a cookie instead: see the log-in."
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
fn request_schemas(description: &Value) -> BTreeSet<String> {
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
