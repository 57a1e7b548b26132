//! JSON in and out: bodies bounded in size, time and depth, and mistakes that point at their place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flowmatic_executor::json;
use flowmatic_openapi::{Duration as Span, Problem, Time};
use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use poem::error::ReadBodyError;
use poem::http::header;
use poem::{IntoResponse, Request, RequestBody, Response, Result};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{
    MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchemaRef, Registry,
};
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions};
use serde_json::{Value, json};
use uuid::Uuid;

use super::description;
use super::error::{ApiError, plain};
use crate::app::App;
use crate::config::Config;

/// The most mistakes that one answer lists.
pub const MOST_PROBLEMS: usize = 50;
/// The longest text that an answer says again, in bytes.
const SHOWN: usize = 64;
/// The longest list that a body may have.
const MOST_ITEMS: usize = 5_000;

/// A JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// A JSON body that may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionalJson<T>(pub T);

impl<T: Type> Payload for Json<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn check_content_type(content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(Self::CONTENT_TYPE)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: ParseFromJSON> ParsePayload for Json<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = read(request, body).await?;
        Ok(Self(parse(&bytes)?))
    }
}

poem_openapi::impl_apirequest_for_payload!(Json<T>, T: ParseFromJSON);

impl<'a, T: ParseFromJSON + Default> ApiExtractor<'a> for OptionalJson<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        <Json<T> as ApiExtractor>::request_meta().map(|meta| MetaRequest {
            required: false,
            ..meta
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        if request.content_type().is_none() {
            return match read(request, body).await?.as_ref() {
                [] => Ok(Self(T::default())),
                _ => Err(poem_openapi::error::ContentTypeError::ExpectContentType.into()),
            };
        }
        let Json(value) = <Json<T> as ApiExtractor>::from_request(request, body, options).await?;
        Ok(Self(value))
    }
}

impl<T: ToJSON> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let body = self.0.to_json().unwrap_or_default().to_string();
        Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
    }
}

impl<T: ToJSON> ApiResponse for Json<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Done",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: Self::CONTENT_TYPE,
                    schema: Self::schema_ref(),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

async fn read(request: &Request, body: &mut RequestBody) -> Result<bytes::Bytes> {
    read_up_to(request, body, 0).await
}

/// Reads the bytes of a body that may be as large as `--max-body`, or as large as this where that is more.
pub async fn read_up_to(request: &Request, body: &mut RequestBody, limit: usize) -> Result<bytes::Bytes> {
    let app = request
        .data::<App>()
        .ok_or_else(|| ApiError::internal("a route without the app"))?;
    let Config {
        max_body,
        request_timeout,
        ..
    } = app.config;
    Ok(read_within(
        request.header(header::CONTENT_LENGTH),
        body.take()?,
        max_body.max(limit),
        request_timeout,
    )
    .await?)
}

/// Reads the bytes of a body of whatever type, bounded in size and time.
pub async fn read_body(
    request: &mut Request,
    limit: usize,
    time: Duration,
) -> std::result::Result<bytes::Bytes, ApiError> {
    let body = request.take_body();
    read_within(request.header(header::CONTENT_LENGTH), body, limit, time).await
}

async fn read_within(
    length: Option<&str>,
    body: poem::Body,
    limit: usize,
    time: Duration,
) -> std::result::Result<bytes::Bytes, ApiError> {
    let announced = length.and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(ApiError::too_large(limit));
    }
    match tokio::time::timeout(time, body.into_bytes_limit(limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(ReadBodyError::PayloadTooLarge)) => Err(ApiError::too_large(limit)),
        Ok(Err(_)) => Err(ApiError::bad_request("the body ended before it was whole")),
        Err(_) => Err(ApiError::bad_request(format!(
            "the body did not come within {time:?}"
        ))),
    }
}

/// Parses a body; says where each mistake is.
fn parse<T: ParseFromJSON>(bytes: &[u8]) -> Result<T, ApiError> {
    let value = json::parse(bytes).map_err(|error| malformed(whole(error.to_string())))?;
    read_value(value).map_err(malformed)
}

/// Reads a value of a type that bodies are made of.
///
/// The framework's parsers take a number for a text, and name no place. So the description, which is made of the
/// same types, has the first word.
pub fn read_value<T: ParseFromJSON>(value: Value) -> Result<T, Vec<Problem>> {
    let problems = check::<T>(&value);
    if !problems.is_empty() {
        return Err(problems);
    }
    T::parse_from_json(Some(value)).map_err(|error| whole(plain(error.message())))
}

/// A problem that nobody can point at.
fn whole(message: String) -> Vec<Problem> {
    vec![Problem {
        pointer: String::new(),
        node: None,
        message,
    }]
}

/// The answer to a body with these mistakes, of which there is one at least.
pub fn malformed(problems: Vec<Problem>) -> ApiError {
    let first = &problems[0];
    let place = if first.pointer.is_empty() {
        "the body"
    } else {
        &first.pointer
    };
    ApiError::malformed(format!("{place}: {}", first.message), problems)
}

/// Lists what of a value is not as the description says, as far as anybody reads.
pub fn check<T: Type>(value: &Value) -> Vec<Problem> {
    let MetaSchemaRef::Reference(name) = T::schema_ref() else {
        return Vec::new();
    };
    let Some(validator) = validator(&name) else {
        return Vec::new();
    };
    if validator.is_valid(value) {
        return Vec::new();
    }
    validator
        .iter_errors(&excerpt(value))
        .flat_map(|error| explain(&error))
        .take(MOST_PROBLEMS)
        .collect()
}

/// Of a value that may be of several types, what is wrong with it as the one that it is of.
fn explain(error: &ValidationError<'_>) -> Vec<Problem> {
    let problem = |message: &str| Problem {
        pointer: error.instance_path().to_string(),
        node: None,
        message: plain(message),
    };
    let context = match error.kind() {
        ValidationErrorKind::AnyOf { context } => context,
        ValidationErrorKind::Pattern { pattern } if pattern == Span::PATTERN => {
            let text = error.instance().as_str().filter(|text| text.len() <= SHOWN);
            let read = text.and_then(|text| text.parse::<Span>().err());
            return vec![problem(
                &read.unwrap_or_else(|| "the value is not a duration".to_owned()),
            )];
        }
        _ => return vec![problem(&error.masked_with("the value").to_string())],
    };
    let wrong_type = |branch: &[ValidationError<'_>]| {
        branch.iter().find_map(|error| match error.kind() {
            ValidationErrorKind::Type {
                kind: TypeKind::Single(kind),
            } => Some(format!("\"{kind}\"")),
            _ => None,
        })
    };
    match context.iter().find(|branch| wrong_type(branch).is_none()) {
        Some(branch) => branch.iter().flat_map(explain).collect(),
        None => {
            let types: Vec<String> = context.iter().filter_map(|branch| wrong_type(branch)).collect();
            vec![problem(&format!(
                "the value is not of type {}",
                types.join(" or ")
            ))]
        }
    }
}

/// What checks values by a schema of the description, made when it is first asked for; None where there is no such schema.
fn validator(name: &str) -> Option<Arc<jsonschema::Validator>> {
    static MADE: Mutex<BTreeMap<String, Option<Arc<jsonschema::Validator>>>> = Mutex::new(BTreeMap::new());
    // Where making one panics, it is not there.
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(validator) = made.get(name) {
        return validator.clone();
    }
    let components = description::components();
    let is_there = !components["schemas"][name].is_null();
    let validator = is_there.then(|| {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-04/schema#",
            "$ref": format!("#/components/schemas/{name}"),
            "components": components,
        });
        // As the types read them.
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .with_format("uuid", |text: &str| Uuid::try_parse(text).is_ok())
            .with_format("date-time", |text: &str| text.parse::<Time>().is_ok())
            .build(&schema)
            .expect("the description is made of schemas");
        Arc::new(validator)
    });
    made.insert(name.to_owned(), validator.clone());
    validator
}

/// What of a value is enough to tell its mistakes: the validator makes an error of every wrong item before it gives
/// the first. A field that is null counts as left out.
fn excerpt(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, field)| !field.is_null());
            Value::Object(
                given
                    .map(|(name, field)| (name.clone(), excerpt(field)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().take(MOST_ITEMS + 1).map(excerpt).collect()),
        value => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use flowmatic_openapi::Graph;
    use serde_json::{Value, json};

    use super::{MOST_ITEMS, MOST_PROBLEMS, check};

    #[test]
    fn no_list_may_be_longer_than_what_is_looked_at() {
        fn longest(value: &Value) -> u64 {
            let own = value["maxItems"].as_u64().unwrap_or(0);
            let parts: Vec<&Value> = match value {
                Value::Object(fields) => fields.values().collect(),
                Value::Array(items) => items.iter().collect(),
                _ => Vec::new(),
            };
            parts.into_iter().map(longest).max().unwrap_or(0).max(own)
        }
        assert_eq!(longest(&super::description::components()), MOST_ITEMS as u64);
    }

    #[test]
    fn says_of_a_value_of_several_types_what_is_wrong_with_it() {
        for (priority, message) in [
            (json!(1001), "the value is greater than the maximum of 1000.0"),
            (
                json!("x".repeat(1001)),
                "the value is longer than 1000 characters",
            ),
            (json!({}), r#"the value is not of type "integer" or "string""#),
            (json!(1.5), r#"the value is not of type "integer" or "string""#),
        ] {
            let problems =
                check::<Graph>(&json!({"nodes": [], "settings": {"start": {"priority": priority}}}));
            let told: Vec<(&str, &str)> = problems
                .iter()
                .map(|problem| (&*problem.pointer, &*problem.message))
                .collect();
            assert_eq!(told, [("/settings/start/priority", message)]);
        }
    }

    #[test]
    fn lists_as_many_mistakes_as_anybody_reads() {
        let problems = check::<Graph>(&json!({"nodes": vec![json!(0); 100_000]}));
        assert_eq!(problems.len(), MOST_PROBLEMS);
        assert!(problems.iter().any(|problem| problem.pointer == "/nodes"));
        assert!(problems.iter().any(|problem| problem.pointer == "/nodes/1"));
    }
}
