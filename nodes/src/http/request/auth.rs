//! How a call proves who sends it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flowmatic_executor::{NodeContext, NodeError, Param};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::header;
use crate::text::Text;

/// How a call proves who sends it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// A name and a password (HTTP Basic, RFC 7617).
    Basic(Basic),
    /// `Authorization: Bearer <secret>` (RFC 6750).
    Bearer(Bearer),
    /// The secret in a header of its own.
    Header(Header),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The name, without a colon.
    pub username: Param<Text>,
    /// The password, 1 to 1024 characters. Taken in a save, kept encrypted and never shown again.
    #[schemars(length(min = 1, max = 1024))]
    pub secret: Option<String>,
    /// The id of the kept password; the server writes it in place of `secret`.
    pub secret_ref: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bearer {
    /// The token, 1 to 1024 characters. Taken in a save, kept encrypted and never shown again.
    #[schemars(length(min = 1, max = 1024))]
    pub secret: Option<String>,
    /// The id of the kept token; the server writes it in place of `secret`.
    pub secret_ref: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The header's name, such as `X-Api-Key`.
    pub name: String,
    /// The header's value, 1 to 1024 characters. Taken in a save, kept encrypted and never shown again.
    #[schemars(length(min = 1, max = 1024))]
    pub secret: Option<String>,
    /// The id of the kept value; the server writes it in place of `secret`.
    pub secret_ref: Option<String>,
}

impl Auth {
    /// The header that proves it.
    pub(super) fn header(&self, context: &NodeContext) -> Result<Option<(String, String)>, NodeError> {
        let (name, value) = match self {
            Self::None => return Ok(None),
            Self::Basic(Basic {
                username: Param(Text(username)),
                secret_ref,
                ..
            }) => ("Authorization", basic(username, secret(context, secret_ref)?)?),
            Self::Bearer(Bearer { secret_ref, .. }) => (
                "Authorization",
                format!("Bearer {}", secret(context, secret_ref)?),
            ),
            Self::Header(Header { name, secret_ref, .. }) => {
                (name.as_str(), secret(context, secret_ref)?.to_owned())
            }
        };
        let header = (name.to_owned(), value);
        header::check_values(std::slice::from_ref(&header))?;
        Ok(Some(header))
    }
}

fn secret<'a>(context: &'a NodeContext, reference: &Option<String>) -> Result<&'a str, NodeError> {
    match reference {
        Some(reference) => context.secret(reference),
        None => Err(NodeError::terminal(
            "secret_missing",
            "`auth` has no secret; save the node with one",
        )),
    }
}

fn basic(username: &str, password: &str) -> Result<String, NodeError> {
    if username.contains(':') {
        let message = "the username in `auth` has a colon, which HTTP Basic cannot send";
        return Err(NodeError::terminal("invalid_request", message));
    }
    Ok(format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    ))
}

/// The name of the header that these parameters set.
pub(super) fn header_name(auth: &Value) -> Option<&str> {
    match auth["type"].as_str()? {
        "basic" | "bearer" => Some("authorization"),
        "header" => auth["name"].as_str(),
        _ => None,
    }
}

pub(super) fn check(auth: &Value) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let has_secret = ["secret", "secret_ref"]
        .iter()
        .any(|field| auth[*field].is_string());
    if matches!(auth["type"].as_str(), Some("basic" | "bearer" | "header")) && !has_secret {
        problems.push(("/auth/secret", "`auth` needs a `secret`".to_owned()));
    }
    if let Some(problem) = auth["name"].as_str().and_then(header::check_name) {
        problems.push(("/auth/name", problem));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{basic, check};

    #[test]
    fn basic_is_base64_of_name_and_password() {
        // The example of RFC 7617 section 2.
        let value = basic("Aladdin", "open sesame").expect("it can be sent");
        assert_eq!(value, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let error = basic("a:b", "open sesame").expect_err("a colon");
        assert!(!error.message.contains("sesame"), "{error}");
    }

    #[test]
    fn a_secret_is_needed() {
        assert_eq!(check(&Value::Null), []);
        assert_eq!(check(&json!({"type": "none"})), []);
        assert_eq!(check(&json!({"type": "bearer", "secret_ref": "r"})), []);
        assert_eq!(check(&json!({"type": "bearer"}))[0].0, "/auth/secret");
        assert_eq!(
            check(&json!({"type": "header", "secret": "s", "name": "a b"}))[0].0,
            "/auth/name"
        );
    }
}
