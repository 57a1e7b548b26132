//! How the bytes of an answer become a value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flowmatic_executor::{HttpResponse, json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::header;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveAs {
    /// As the content type says: JSON as its value, text as text, all else as text in Base64; nothing as null.
    #[default]
    Auto,
    /// JSON, whatever the content type says; nothing as null.
    Json,
    /// Text in UTF-8.
    Text,
    /// Any bytes, as text in Base64 (RFC 4648 section 4).
    Base64,
}

impl ReceiveAs {
    /// The value, or the code of the error and what is wrong with the answer.
    pub(super) fn decode(self, response: &HttpResponse) -> Result<Value, (&'static str, String)> {
        match self {
            Self::Auto => Ok(auto(response)),
            Self::Json if response.body.is_empty() => Ok(Value::Null),
            Self::Json => json::parse(&response.body)
                .map_err(|error| ("not_json", format!("is not usable as JSON: {error}"))),
            Self::Text => text(&response.body).ok_or_else(|| ("not_text", "is not text in UTF-8".to_owned())),
            Self::Base64 => Ok(base64(&response.body)),
        }
    }
}

/// Never fails: what is not what its content type says is text if it is UTF-8, else Base64.
pub(super) fn auto(response: &HttpResponse) -> Value {
    let content_type = header::find(&response.headers, "content-type").unwrap_or_default();
    let kind = kind(content_type);
    match kind {
        _ if response.body.is_empty() => Some(Value::Null),
        Kind::Json => json::parse(&response.body).ok().or_else(|| text(&response.body)),
        Kind::Text => text(&response.body),
        Kind::Bytes => None,
    }
    .unwrap_or_else(|| base64(&response.body))
}

enum Kind {
    Json,
    Text,
    Bytes,
}

fn kind(content_type: &str) -> Kind {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let (group, name) = essence.split_once('/').unwrap_or_default();
    // RFC 6839: `problem+json` is JSON.
    match (group, name.rsplit('+').next().unwrap_or_default()) {
        (_, "json") => Kind::Json,
        ("text", _) => Kind::Text,
        (_, "xml" | "html" | "xhtml" | "yaml" | "javascript" | "x-ndjson") => Kind::Text,
        (_, "x-www-form-urlencoded") => Kind::Text,
        _ => Kind::Bytes,
    }
}

fn text(bytes: &[u8]) -> Option<Value> {
    std::str::from_utf8(bytes).ok().map(Value::from)
}

fn base64(bytes: &[u8]) -> Value {
    Value::from(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use flowmatic_executor::HttpResponse;
    use serde_json::{Value, json};

    use super::ReceiveAs;

    fn decode(receive_as: ReceiveAs, content_type: &str, body: &'static [u8]) -> Result<Value, &'static str> {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        let response = HttpResponse {
            status: 200,
            headers,
            body: body.into(),
        };
        receive_as.decode(&response).map_err(|(code, _)| code)
    }

    #[test]
    fn auto_goes_by_the_content_type() {
        for (content_type, body, value) in [
            ("application/json", &b"{\"a\": 1}"[..], json!({"a": 1})),
            ("Application/Problem+JSON; charset=utf-8", b"[1]", json!([1])),
            ("text/html; charset=utf-8", b"<p>", json!("<p>")),
            ("image/svg+xml", b"<svg/>", json!("<svg/>")),
            ("application/x-www-form-urlencoded", b"a=1", json!("a=1")),
            ("image/png", b"Hi", json!("SGk=")),
            ("", b"Hi", json!("SGk=")),
            ("application/json", b"", Value::Null),
            ("application/json", b"<p>", json!("<p>")),
            ("text/plain", b"\xff", json!("/w==")),
        ] {
            assert_eq!(
                decode(ReceiveAs::Auto, content_type, body),
                Ok(value),
                "{content_type}"
            );
        }
    }

    #[test]
    fn a_named_form_is_kept_or_refused() {
        assert_eq!(decode(ReceiveAs::Json, "text/plain", b"1"), Ok(json!(1)));
        assert_eq!(decode(ReceiveAs::Json, "text/plain", b""), Ok(Value::Null));
        assert_eq!(decode(ReceiveAs::Json, "application/json", b"{"), Err("not_json"));
        assert_eq!(decode(ReceiveAs::Text, "image/png", b"Hi"), Ok(json!("Hi")));
        assert_eq!(decode(ReceiveAs::Text, "text/plain", b"\xff"), Err("not_text"));
        assert_eq!(
            decode(ReceiveAs::Base64, "application/json", b"{}"),
            Ok(json!("e30="))
        );
    }
}
