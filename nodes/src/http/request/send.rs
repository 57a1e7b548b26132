//! How a body becomes bytes. The same parameters give the same bytes on every attempt.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowmatic_executor::NodeError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::header::check_values;
use crate::text::Text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SendAs {
    /// Any JSON value, as `application/json`.
    #[default]
    Json,
    /// An object of texts, as `application/x-www-form-urlencoded`. A list repeats its name, null leaves it out.
    Form,
    /// An object, as `multipart/form-data`. A file is `{"filename": "a.txt", "content_type": "text/plain"}` with
    /// either `text` or `base64`; a list repeats its name, null leaves it out.
    Multipart,
    /// A text as it is, or bytes as `{"base64": "..."}`.
    Raw,
}

impl SendAs {
    /// The content type and the bytes. `key` names the call and is the same over its attempts.
    pub(super) fn encode(self, body: &Value, key: &str) -> Result<(String, Bytes), NodeError> {
        match self {
            Self::Json => Ok(("application/json".to_owned(), Bytes::from(body.to_string()))),
            Self::Form => form(fields(body, "form")?),
            Self::Multipart => multipart(fields(body, "multipart")?, key),
            Self::Raw => raw(body),
        }
    }
}

fn invalid(message: impl Into<String>) -> NodeError {
    NodeError::terminal("invalid_body", message)
}

fn fields<'a>(body: &'a Value, send_as: &str) -> Result<&'a Map<String, Value>, NodeError> {
    let message = || invalid(format!("a body that is sent as `{send_as}` must be an object"));
    body.as_object().ok_or_else(message)
}

/// The values of each name: a list gives several, null none.
fn pairs(fields: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    fields.iter().flat_map(|(name, value)| {
        let values = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        values
            .iter()
            .filter(|value| !value.is_null())
            .map(|value| (name.as_str(), value))
    })
}

fn text(name: &str, value: &Value) -> Result<String, NodeError> {
    match Text::try_from(value.clone()) {
        Ok(Text(text)) => Ok(text),
        Err(error) => Err(invalid(format!("field `{name}` of the body: {error}"))),
    }
}

fn form(fields: &Map<String, Value>) -> Result<(String, Bytes), NodeError> {
    let pairs = pairs(fields).map(|(name, value)| Ok((name, text(name, value)?)));
    let pairs = pairs.collect::<Result<Vec<_>, NodeError>>()?;
    let encoded = serde_urlencoded::to_string(pairs).map_err(|error| invalid(error.to_string()))?;
    Ok((
        "application/x-www-form-urlencoded".to_owned(),
        Bytes::from(encoded),
    ))
}

fn raw(body: &Value) -> Result<(String, Bytes), NodeError> {
    match body {
        Value::String(text) => Ok(("text/plain; charset=utf-8".to_owned(), Bytes::from(text.clone()))),
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("base64") => {
            let bytes = decode_base64("body", &fields["base64"])?;
            Ok(("application/octet-stream".to_owned(), Bytes::from(bytes)))
        }
        _ => Err(invalid(
            "a body that is sent as `raw` must be a text or `{\"base64\": ...}`",
        )),
    }
}

fn decode_base64(name: &str, value: &Value) -> Result<Vec<u8>, NodeError> {
    let text = value.as_str().unwrap_or_default();
    STANDARD
        .decode(text)
        .map_err(|error| invalid(format!("`{name}` is not Base64: {error}")))
}

/// One part of a multipart body.
struct Part {
    head: String,
    content: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    filename: String,
    content_type: Option<String>,
    text: Option<String>,
    base64: Option<Value>,
}

/// RFC 7578.
fn multipart(fields: &Map<String, Value>, key: &str) -> Result<(String, Bytes), NodeError> {
    let parts = pairs(fields)
        .map(|(name, value)| part(name, value))
        .collect::<Result<Vec<_>, _>>()?;
    let boundary = boundary(&parts, key);
    let mut body = Vec::new();
    for Part { head, content } in parts {
        body.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(&content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok((
        format!("multipart/form-data; boundary={boundary}"),
        Bytes::from(body),
    ))
}

fn part(name: &str, value: &Value) -> Result<Part, NodeError> {
    let disposition = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
    if !value.is_object() {
        return Ok(Part {
            head: disposition,
            content: text(name, value)?.into_bytes(),
        });
    }
    let file =
        File::deserialize(value).map_err(|error| invalid(format!("file `{name}` of the body: {error}")))?;
    let content = match (file.text, file.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => decode_base64(name, &base64)?,
        _ => {
            return Err(invalid(format!(
                "file `{name}` of the body needs either `text` or `base64`"
            )));
        }
    };
    let content_type = file
        .content_type
        .unwrap_or_else(|| "application/octet-stream".to_owned());
    check_values(&[("content-type".to_owned(), content_type.clone())])?;
    let filename = quoted(&file.filename);
    let head = format!("{disposition}; filename=\"{filename}\"\r\nContent-Type: {content_type}");
    Ok(Part { head, content })
}

/// As HTML's form submission writes names.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// Derives from the call, so that each attempt has the same, and is in none of the parts.
fn boundary(parts: &[Part], key: &str) -> String {
    let mut boundary = Uuid::new_v5(&Uuid::NAMESPACE_OID, key.as_bytes());
    loop {
        let text = boundary.simple().to_string();
        let taken = |part: &Part| {
            part.content
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        if !parts.iter().any(taken) {
            return text;
        }
        boundary = Uuid::new_v5(&boundary, key.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::SendAs;

    fn encode(send_as: SendAs, body: Value) -> Result<(String, String), String> {
        let (content_type, bytes) = send_as
            .encode(&body, "execution/node")
            .map_err(|error| error.message)?;
        Ok((content_type, String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn check(send_as: SendAs, body: Value, content_type: &str, bytes: &str) {
        assert_eq!(
            encode(send_as, body),
            Ok((content_type.to_owned(), bytes.to_owned()))
        );
    }

    #[test]
    fn json_keeps_the_order_of_keys() {
        check(
            SendAs::Json,
            json!({"b": 1, "a": "x"}),
            "application/json",
            r#"{"b":1,"a":"x"}"#,
        );
        check(SendAs::Json, json!("x"), "application/json", "\"x\"");
    }

    #[test]
    fn a_form_repeats_lists_and_leaves_nulls_out() {
        let body = json!({"b": "x y&z", "list": [1, true], "none": null});
        check(
            SendAs::Form,
            body,
            "application/x-www-form-urlencoded",
            "b=x+y%26z&list=1&list=true",
        );
        assert!(encode(SendAs::Form, json!({"a": {"b": 1}})).is_err());
        assert!(encode(SendAs::Form, json!("a=1")).is_err());
    }

    #[test]
    fn raw_is_text_or_bytes() {
        check(SendAs::Raw, json!("<a/>"), "text/plain; charset=utf-8", "<a/>");
        check(
            SendAs::Raw,
            json!({"base64": "SGk="}),
            "application/octet-stream",
            "Hi",
        );
        assert!(encode(SendAs::Raw, json!({"base64": "?"})).is_err());
        assert!(encode(SendAs::Raw, json!({"a": 1})).is_err());
    }

    #[test]
    fn multipart_has_fields_and_files() {
        let file = json!({"filename": "a\"\r\n.txt", "content_type": "text/plain", "text": "Hi"});
        let body = json!({"name": "Ana", "file": file, "blob": {"filename": "b", "base64": "SGk="}});
        let (content_type, bytes) = encode(SendAs::Multipart, body.clone()).expect("valid");
        let boundary = content_type
            .strip_prefix("multipart/form-data; boundary=")
            .expect("a boundary");
        let expected = [
            "--B",
            "Content-Disposition: form-data; name=\"name\"",
            "",
            "Ana",
            "--B",
            "Content-Disposition: form-data; name=\"file\"; filename=\"a%22%0D%0A.txt\"",
            "Content-Type: text/plain",
            "",
            "Hi",
            "--B",
            "Content-Disposition: form-data; name=\"blob\"; filename=\"b\"",
            "Content-Type: application/octet-stream",
            "",
            "Hi",
            "--B--",
            "",
        ];
        assert_eq!(
            bytes,
            expected.join("\r\n").replace("--B", &format!("--{boundary}"))
        );
        assert_eq!(
            encode(SendAs::Multipart, body),
            Ok((content_type, bytes)),
            "each attempt sends the same"
        );
    }

    #[test]
    fn no_content_can_end_its_part() {
        let (content_type, _) = encode(SendAs::Multipart, json!({"a": "x"})).expect("valid");
        let (_, boundary) = content_type.rsplit_once('=').expect("a boundary");
        let (other, _) = encode(SendAs::Multipart, json!({"a": format!("--{boundary}--")})).expect("valid");
        assert_ne!(content_type, other);
    }

    #[test]
    fn a_file_needs_one_content_and_a_clean_type() {
        for file in [
            json!({"filename": "a"}),
            json!({"filename": "a", "text": "a", "base64": "YQ=="}),
            json!({"filename": "a", "text": "a", "content_type": "a\r\nb: c"}),
            json!({"text": "a"}),
        ] {
            assert!(
                encode(SendAs::Multipart, json!({"file": file})).is_err(),
                "{file}"
            );
        }
    }
}
