//! `flow.response`: answers the caller of a webhook.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Answer, Node, NodeContext, NodeError, Output, Param, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::header;
use crate::text::Texts;
use crate::value::present;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The HTTP status, from 200 to 599.
    #[serde(default)]
    pub status: Param<Status>,
    /// Headers by name. A `Content-Type` here wins over the one that `as` gives; null leaves a header out.
    #[serde(default)]
    pub headers: Texts,
    /// What the caller gets. Missing: nothing.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Param<Value>")]
    pub body: Option<Param<Value>>,
    /// How the body becomes bytes.
    #[serde(default, rename = "as")]
    pub format: Format,
}

/// An HTTP status that ends a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "u16")]
#[schemars(inline, extend("minimum" = 200, "maximum" = 599))]
pub struct Status(u16);

impl Default for Status {
    fn default() -> Self {
        Self(200)
    }
}

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        match status {
            200..=599 => Ok(Self(status)),
            _ => Err(format!("the status `{status}` is not between 200 and 599")),
        }
    }
}

impl Status {
    /// RFC 9110 gives these no content.
    fn has_body(self) -> bool {
        !matches!(self.0, 204 | 205 | 304)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text as `text/plain; charset=utf-8`, null as nothing, all else as JSON.
    #[default]
    Auto,
    /// JSON, a text in quotes: `application/json`.
    Json,
    /// Text as it is, null as nothing, all else written as JSON: `text/plain; charset=utf-8`.
    Text,
    /// A text in Base64 (RFC 4648 section 4), sent as the bytes it stands for: `application/octet-stream`.
    Base64,
}

impl Node for Response {
    const ABOUT: About = About {
        kind: "flow.response",
        title: "Respond",
        summary: "Answer the caller of the webhook",
        documentation: "Answers the caller who waits, once all that came before it is on disk; the execution then \
            goes on. The first node of this type that is reached answers, the others do nothing.\n\n\
            `as` says how the body becomes bytes. By default a text is sent as plain text, null as an empty \
            body, and anything else as JSON. A status of 204, 205 or 304 has no body.\n\n\
            The output is `{status, headers, body}`. A header value with a line break fails the node with \
            `invalid_header`, a body that is not Base64 under `as: base64` with `not_base64`.",
        icon: include_str!("../../icons/flow.response.svg"),
        role: Role::Pure,
        ports: OUT,
        example: r#"{
            "parameters": {
                "status": 201,
                "headers": {"Location": "/orders/{{order.id}}"},
                "body": {"ok": true, "total": "{{order.total}}"}
            },
            "context": {"order": {"id": 7, "total": 99.5}},
            "output": {
                "status": 201,
                "headers": {"Location": "/orders/7"},
                "body": {"ok": true, "total": 99.5}
            }
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        self.output()
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        header::check_names(parameters)
    }
}

impl Response {
    /// What it gives for these parameters: the same at every call.
    pub fn output(self) -> Result<Output, NodeError> {
        header::check_values(&self.headers.0)?;
        let status = *self.status;
        let body = self.body.map(|Param(body)| body);
        let (content_type, bytes) = match &body {
            Some(body) if status.has_body() => self.format.encode(body)?,
            _ => (None, Bytes::new()),
        };
        let fields: Map<String, Value> = self
            .headers
            .0
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let mut headers = self.headers.0;
        if let Some(content_type) = content_type
            && header::find(&headers, "content-type").is_none()
        {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        Ok(Output {
            value: json!({"status": status, "headers": fields, "body": body}),
            answer: Some(Answer {
                status: status.0,
                headers,
                body: bytes,
            }),
            ..Output::default()
        })
    }
}

impl Format {
    /// The content type and the bytes of a body.
    fn encode(self, body: &Value) -> Result<(Option<&'static str>, Bytes), NodeError> {
        const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
        Ok(match (self, body) {
            (Self::Auto | Self::Text | Self::Base64, Value::Null) => (None, Bytes::new()),
            (Self::Auto | Self::Text, Value::String(text)) => (TEXT, Bytes::from(text.clone())),
            (Self::Text, value) => (TEXT, Bytes::from(value.to_string())),
            (Self::Auto | Self::Json, value) => (Some("application/json"), Bytes::from(value.to_string())),
            (Self::Base64, Value::String(text)) => {
                let bytes = STANDARD.decode(text).map_err(|error| {
                    NodeError::terminal("not_base64", format!("the body is not Base64: {error}"))
                })?;
                (Some("application/octet-stream"), Bytes::from(bytes))
            }
            (Self::Base64, _) => {
                return Err(NodeError::terminal(
                    "not_base64",
                    "the body is not a text in Base64",
                ));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowmatic_executor::testing::{TestHost, run};
    use flowmatic_executor::{Answer, NodeError};
    use serde_json::{Value, json};

    use super::Response;
    use crate::tidy::runs_its_example;

    async fn answer(parameters: Value) -> Result<Answer, NodeError> {
        let context = json!({"total": 99.5, "name": "Ana", "line_break": "a\r\nb: c"});
        let output = run::<Response>(parameters, context, Arc::new(TestHost::default())).await?;
        Ok(output.answer.expect("a response answers"))
    }

    async fn check(parameters: Value, content_type: &str, body: &str) {
        let answer = answer(parameters.clone()).await.expect("it answers");
        let given = answer
            .headers
            .iter()
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
            .join(",");
        assert_eq!(
            (given.as_str(), &answer.body[..]),
            (content_type, body.as_bytes()),
            "{parameters}"
        );
    }

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example::<Response>().await;
    }

    #[tokio::test]
    async fn a_body_says_itself_what_it_is() {
        let text = "text/plain; charset=utf-8";
        check(json!({}), "", "").await;
        check(json!({"body": null}), "", "").await;
        check(json!({"body": "Hello {{name}}"}), text, "Hello Ana").await;
        check(json!({"body": "{{total}}"}), "application/json", "99.5").await;
        check(
            json!({"body": {"total": "{{total}}"}}),
            "application/json",
            r#"{"total":99.5}"#,
        )
        .await;
    }

    #[tokio::test]
    async fn a_format_can_be_named() {
        let text = "text/plain; charset=utf-8";
        check(
            json!({"as": "json", "body": "{{name}}"}),
            "application/json",
            "\"Ana\"",
        )
        .await;
        check(json!({"as": "json", "body": null}), "application/json", "null").await;
        check(json!({"as": "text", "body": [1]}), text, "[1]").await;
        check(
            json!({"as": "base64", "body": "SGk="}),
            "application/octet-stream",
            "Hi",
        )
        .await;
        let error = answer(json!({"as": "base64", "body": "?"}))
            .await
            .expect_err("no Base64");
        assert_eq!(error.code, "not_base64");
    }

    #[tokio::test]
    async fn a_given_content_type_wins() {
        let parameters = json!({"headers": {"Content-Type": "text/html"}, "body": "<p>"});
        check(parameters, "text/html", "<p>").await;
    }

    #[tokio::test]
    async fn some_statuses_have_no_body() {
        for status in [204, 205, 304] {
            let answer = answer(json!({"status": status, "body": {"a": 1}}))
                .await
                .expect("it answers");
            assert_eq!(
                answer,
                Answer {
                    status,
                    ..Answer::default()
                }
            );
        }
    }

    #[tokio::test]
    async fn a_value_from_outside_cannot_add_a_header() {
        let error = answer(json!({"headers": {"X-A": "{{line_break}}"}}))
            .await
            .expect_err("a line break");
        assert_eq!(error.code, "invalid_header");
    }

    #[test]
    fn the_status_ends_a_call() {
        let schema = schemars::schema_for!(Response).to_value();
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        for (status, valid) in [
            (json!(200), true),
            (json!(599), true),
            (json!("{{status}}"), true),
            (json!(101), false),
            (json!(600), false),
            (json!("200"), false),
        ] {
            assert_eq!(validator.is_valid(&json!({"status": status})), valid, "{status}");
        }
    }
}
