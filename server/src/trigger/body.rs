//! Bodies of any kind, read into one JSON value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flowmatic_executor::json::{self, JsonError};
use serde_json::{Map, Value, json};

/// A body, parsed once.
#[derive(Debug, PartialEq, Default)]
pub struct Body {
    /// Null where there was none.
    pub value: Value,
    /// JSON text of `value`: of a JSON body the bytes that came.
    pub text: String,
    /// The files of a multipart form: `{field, name, contentType, size, content}`, the content in base64.
    pub files: Vec<Value>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub enum BodyError {
    #[error("the body says it is JSON: {0}")]
    Json(#[from] JsonError),
    #[error("the body says it is text, and is not valid UTF-8")]
    Text,
    #[error("the body says it is a multipart form: {0}")]
    Multipart(String),
    #[error("the form has more than {MAX_FIELDS} fields")]
    TooManyFields,
}

const MAX_FIELDS: usize = 1_000;

/// Reads a body by its content type: JSON (`application/json`, `…+json`), forms, multipart, text; anything
/// else becomes base64. An empty body of any type is none.
pub async fn read(content_type: Option<&str>, bytes: Bytes) -> Result<Body, BodyError> {
    if bytes.is_empty() {
        return Ok(Body {
            text: "null".to_owned(),
            ..Body::default()
        });
    }
    let kind = content_type.unwrap_or("application/octet-stream");
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let value = match essence.as_str() {
        "application/json" => return read_json(&bytes),
        json if json.ends_with("+json") => return read_json(&bytes),
        "application/x-www-form-urlencoded" => read_pairs(&bytes)?,
        "multipart/form-data" => return read_multipart(kind, bytes).await,
        xml if xml.starts_with("text/") || xml == "application/xml" || xml.ends_with("+xml") => {
            Value::String(String::from_utf8(bytes.into()).map_err(|_| BodyError::Text)?)
        }
        _ => Value::String(STANDARD.encode(&bytes)),
    };
    Ok(Body {
        text: value.to_string(),
        value,
        files: Vec::new(),
    })
}

fn read_json(bytes: &[u8]) -> Result<Body, BodyError> {
    // A byte order mark may be ignored (RFC 8259, section 8.1).
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value = json::parse(bytes)?;
    // What parses as JSON is UTF-8.
    Ok(Body {
        value,
        text: String::from_utf8_lossy(bytes).into_owned(),
        files: Vec::new(),
    })
}

/// Reads `a=1&b=2`; a name that comes again makes a list.
pub fn read_pairs(bytes: &[u8]) -> Result<Value, BodyError> {
    let mut fields = Map::new();
    for (count, (name, value)) in url::form_urlencoded::parse(bytes).enumerate() {
        if count == MAX_FIELDS {
            return Err(BodyError::TooManyFields);
        }
        add(&mut fields, name.into_owned(), Value::String(value.into_owned()));
    }
    Ok(Value::Object(fields))
}

fn add(fields: &mut Map<String, Value>, name: String, value: Value) {
    match fields.get_mut(&name) {
        None => {
            fields.insert(name, value);
        }
        Some(Value::Array(values)) => values.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

async fn read_multipart(content_type: &str, bytes: Bytes) -> Result<Body, BodyError> {
    let wrong = |error: multer::Error| BodyError::Multipart(error.to_string());
    let boundary = multer::parse_boundary(content_type).map_err(wrong)?;
    let whole = futures_util::stream::once(async { Ok::<_, std::convert::Infallible>(bytes) });
    let mut form = multer::Multipart::new(whole, boundary);
    let (mut fields, mut files) = (Map::new(), Vec::new());
    let mut count = 0;
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        count += 1;
        if count > MAX_FIELDS {
            return Err(BodyError::TooManyFields);
        }
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(str::to_owned);
        let kind = field.content_type().map(ToString::to_string);
        let content = field.bytes().await.map_err(wrong)?;
        match (file, std::str::from_utf8(&content)) {
            (None, Ok(text)) => add(&mut fields, name, Value::from(text)),
            (file, _) => files.push(json!({
                "field": name,
                "name": file,
                "contentType": kind,
                "size": content.len(),
                "content": STANDARD.encode(&content),
            })),
        }
    }
    let value = Value::Object(fields);
    Ok(Body {
        text: value.to_string(),
        value,
        files,
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use flowmatic_executor::json::JsonError;
    use serde_json::{Value, json};

    use super::{BodyError, read};

    async fn check(content_type: Option<&str>, bytes: &'static [u8], expected: Value) {
        let body = read(content_type, Bytes::from_static(bytes))
            .await
            .expect("readable");
        assert_eq!(body.value, expected);
        assert_eq!(
            serde_json::from_str::<Value>(&body.text).expect("the text is JSON"),
            body.value
        );
    }

    #[tokio::test]
    async fn reads_json_and_keeps_its_bytes() {
        let bytes = br#"{ "b": 1,  "a": [] }"#;
        check(
            Some("application/json; charset=utf-8"),
            bytes,
            json!({"b": 1, "a": []}),
        )
        .await;
        let body = read(Some("application/vnd.api+json"), Bytes::from_static(bytes))
            .await
            .expect("readable");
        assert_eq!(body.text.as_bytes(), bytes);
        check(Some("application/json"), b"\xef\xbb\xbf[1]", json!([1])).await;
    }

    #[tokio::test]
    async fn reads_forms() {
        let form = Some("application/x-www-form-urlencoded");
        check(form, b"a=1&b=x+y&a=%C3%A9", json!({"a": ["1", "é"], "b": "x y"})).await;
    }

    #[tokio::test]
    async fn reads_multipart_with_files() {
        let bytes = b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X\r\nContent-Disposition: \
            form-data; name=\"f\"; filename=\"f.bin\"\r\nContent-Type: image/png\r\n\r\n\x00\xff\r\n--X--\r\n";
        let body = read(Some("multipart/form-data; boundary=X"), Bytes::from_static(bytes))
            .await
            .expect("readable");
        assert_eq!(body.value, json!({"a": "1"}));
        let file =
            json!({"field": "f", "name": "f.bin", "contentType": "image/png", "size": 2, "content": "AP8="});
        assert_eq!(body.files, [file]);
    }

    #[tokio::test]
    async fn reads_text_and_bytes() {
        check(Some("text/plain"), b"hello", json!("hello")).await;
        check(Some("application/xml"), b"<a/>", json!("<a/>")).await;
        check(Some("image/png"), b"\x00\xff", json!("AP8=")).await;
        check(None, b"hi", json!("aGk=")).await;
        check(Some("application/json"), b"", Value::Null).await;
    }

    #[tokio::test]
    async fn refuses_what_is_not_what_it_says() {
        let read = |kind, bytes| read(Some(kind), Bytes::from_static(bytes));
        assert!(matches!(
            read("application/json", b"{").await,
            Err(BodyError::Json(JsonError::Syntax(_)))
        ));
        assert_eq!(read("text/plain", b"\xff").await, Err(BodyError::Text));
        assert!(matches!(
            read("multipart/form-data", b"x").await,
            Err(BodyError::Multipart(_))
        ));
        assert!(matches!(
            read("multipart/form-data; boundary=X", b"x").await,
            Err(BodyError::Multipart(_))
        ));
    }
}
