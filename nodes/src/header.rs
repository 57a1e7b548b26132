//! Header names and values that a user may set.

use flowmatic_executor::NodeError;
use flowmatic_executor::json::pointer;
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// Headers that belong to one connection (RFC 9110 section 7.6.1) or to the framing of a message.
const RESERVED: [&str; 10] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What is wrong with the names in the parameter `headers`, each with its JSON pointer.
pub fn check_names(parameters: &Map<String, Value>) -> Vec<(String, String)> {
    let Some(headers) = parameters.get("headers").and_then(Value::as_object) else {
        return Vec::new();
    };
    let names: Vec<&String> = headers.keys().collect();
    names
        .iter()
        .enumerate()
        .filter_map(|(index, name)| {
            let problem = check_name(name).or_else(|| {
                let repeated = names[..index]
                    .iter()
                    .any(|earlier| earlier.eq_ignore_ascii_case(name));
                repeated.then(|| format!("header `{name}` is given twice"))
            })?;
            Some((pointer(["headers", name.as_str()]), problem))
        })
        .collect()
}

/// What is wrong with a header's name.
pub fn check_name(name: &str) -> Option<String> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Some(format!(
            "`{name}` is not a header name: write letters, digits and `-`"
        ));
    }
    let reserved = RESERVED
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(name));
    reserved.then(|| format!("header `{name}` is set by the server; remove it"))
}

/// Refuses values with line breaks and other control characters. A value is not shown: it may be a secret.
pub fn check_values(headers: &[(String, String)]) -> Result<(), NodeError> {
    match headers
        .iter()
        .find(|(_, value)| HeaderValue::from_str(value).is_err())
    {
        None => Ok(()),
        Some((name, _)) => Err(NodeError::terminal(
            "invalid_header",
            format!("header `{name}`: the value has a line break or another control character"),
        )),
    }
}

/// The value of the first header of this name, in whatever case.
pub fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{check_names, check_values};

    #[test]
    fn names_what_is_wrong_with_a_name() {
        let parameters =
            json!({"headers": {"a/b": "1", "X-A": "1", "x-a": "2", "Transfer-Encoding": "chunked"}});
        let problems = check_names(parameters.as_object().expect("an object"));
        let pointers: Vec<_> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/headers/a~1b", "/headers/x-a", "/headers/Transfer-Encoding"]
        );
    }

    #[test]
    fn a_value_cannot_start_another_header() {
        let headers = |value: &str| [("x".to_owned(), value.to_owned())];
        assert!(check_values(&headers("a b; c=\"d\"")).is_ok());
        for value in ["a\r\nset-cookie: b", "a\nb", "a\0"] {
            let error = check_values(&headers(value)).expect_err("a control character");
            assert_eq!(error.code, "invalid_header");
        }
    }
}
