//! `trigger.webhook`: an HTTP call starts an execution. The server reads this struct and keeps the door.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::header::check_name;
pub use crate::method::Method;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The HTTP methods that are taken; any other is answered with 405.
    #[serde(default = "default_methods")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub methods: Vec<Method>,
    /// How a caller proves who it is. Missing: everybody who knows the address may call.
    #[serde(default)]
    pub auth: Auth,
}

/// How a caller proves who it is. Where a secret is needed and none is given, the server makes one and shows it
/// once.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// Everybody who knows the address may call.
    #[default]
    None,
    /// The caller signs the exact bytes of the body with a shared secret.
    Hmac(Hmac),
    /// The caller sends a shared secret in a header.
    Token(Token),
    /// The caller sends a name and a password (HTTP Basic, RFC 7617).
    Basic(Basic),
}

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hmac {
    /// The shared secret, 1 to 1024 characters. Taken in a save, kept encrypted and never shown again.
    #[schemars(length(min = 1, max = 1024))]
    pub secret: Option<String>,
    /// The id of the kept secret; the server writes it in place of `secret`.
    pub secret_ref: Option<String>,
    /// The header that carries the signature.
    #[serde(default = "default_signature_header")]
    pub header: String,
    /// The hash function of the HMAC (RFC 2104).
    #[serde(default)]
    pub algorithm: Algorithm,
    /// How the bytes of the signature are written.
    #[serde(default)]
    pub encoding: Encoding,
    /// The text before the signature. Missing: the algorithm and `=`, such as `sha256=`, for `hex`, and
    /// nothing for `base64`.
    pub prefix: Option<String>,
}

impl Hmac {
    /// The text before the signature.
    pub fn prefix(&self) -> &str {
        match (&self.prefix, self.encoding, self.algorithm) {
            (Some(prefix), ..) => prefix,
            (None, Encoding::Base64, _) => "",
            (None, Encoding::Hex, Algorithm::Sha1) => "sha1=",
            (None, Encoding::Hex, Algorithm::Sha256) => "sha256=",
            (None, Encoding::Hex, Algorithm::Sha512) => "sha512=",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    #[default]
    Sha256,
    Sha1,
    Sha512,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The shared secret, 1 to 1024 characters. Taken in a save, kept encrypted and never shown again.
    #[schemars(length(min = 1, max = 1024))]
    pub secret: Option<String>,
    /// The id of the kept secret; the server writes it in place of `secret`.
    pub secret_ref: Option<String>,
    /// The header that carries the secret.
    #[serde(default = "default_token_header")]
    pub header: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// The name, without a colon.
    #[schemars(length(min = 1, max = 255), regex(pattern = "^[^:]*$"))]
    pub username: String,
    /// The password, 1 to 1024 characters. Taken in a save, kept encrypted and never shown again.
    #[schemars(length(min = 1, max = 1024))]
    pub secret: Option<String>,
    /// The id of the kept password; the server writes it in place of `secret`.
    pub secret_ref: Option<String>,
}

fn default_methods() -> Vec<Method> {
    vec![Method::Get, Method::Post]
}

fn default_signature_header() -> String {
    "X-Webhook-Signature".to_owned()
}

fn default_token_header() -> String {
    "X-Webhook-Token".to_owned()
}

impl Node for Webhook {
    const ABOUT: About = About {
        kind: "trigger.webhook",
        title: "Webhook",
        summary: "Start when an address is called over HTTP",
        documentation: "Gives the workflow an address. Each call of it starts an execution, and a 2xx answer means \
            that the execution is on disk. The answer is that of the first *Respond* node, or else a short \
            JSON object that names the execution.\n\n\
            The fields of the body (or of the query, where there is no body) stand at the top level of the \
            context: `{{order.id}}`. The call itself is `_webhook`: `headers` in lower case, `query`, `method`, \
            `path`, `body`, `ip`, `contentType`, `files`, `receivedAt`.\n\n\
            With `auth` of type `hmac` the caller signs the exact bytes of the body; without further settings \
            the header reads `X-Webhook-Signature: sha256=<hex>`. A call that does not prove itself is answered \
            with 401, and its body is never parsed.",
        icon: include_str!("../../icons/trigger.webhook.svg"),
        role: Role::Trigger,
        ports: OUT,
        example: r#"{
            "parameters": {"methods": ["POST"], "auth": {"type": "hmac", "secret": "a long random text"}},
            "context": {"event": "order.created", "data": {"amount": 99.5}}
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Err(NodeError::terminal("internal", "a trigger was run as a step"))
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let header = parameters.get("auth").and_then(|auth| auth["header"].as_str());
        let problem = header.and_then(check_name);
        problem
            .map(|problem| ("/auth/header".to_owned(), problem))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use flowmatic_executor::Node;
    use serde_json::{Value, from_value, json};

    use super::{Algorithm, Auth, Encoding, Method, Webhook};

    fn read(parameters: Value) -> Webhook {
        from_value(parameters).expect("valid parameters")
    }

    #[test]
    fn takes_get_and_post_from_everybody_by_default() {
        let webhook = read(json!({}));
        assert_eq!(webhook.methods, [Method::Get, Method::Post]);
        assert_eq!(webhook.auth, Auth::None);
    }

    #[test]
    fn a_signature_needs_no_more_than_its_type() {
        let Auth::Hmac(hmac) = read(json!({"auth": {"type": "hmac"}})).auth else {
            panic!("not an hmac");
        };
        assert_eq!(
            (hmac.header.as_str(), hmac.prefix()),
            ("X-Webhook-Signature", "sha256=")
        );
        assert_eq!(
            (hmac.algorithm, hmac.encoding),
            (Algorithm::Sha256, Encoding::Hex)
        );
    }

    #[test]
    fn the_prefix_follows_algorithm_and_encoding() {
        for (fields, prefix) in [
            (json!({"type": "hmac", "algorithm": "sha1"}), "sha1="),
            (json!({"type": "hmac", "algorithm": "sha512"}), "sha512="),
            (json!({"type": "hmac", "encoding": "base64"}), ""),
            (json!({"type": "hmac", "prefix": ""}), ""),
            (
                json!({"type": "hmac", "encoding": "base64", "prefix": "v1,"}),
                "v1,",
            ),
        ] {
            let Auth::Hmac(hmac) = read(json!({"auth": fields})).auth else {
                panic!("not an hmac");
            };
            assert_eq!(hmac.prefix(), prefix);
        }
    }

    #[test]
    fn reads_the_other_proofs() {
        let Auth::Token(token) = read(json!({"auth": {"type": "token", "secret_ref": "r"}})).auth else {
            panic!("not a token");
        };
        assert_eq!(
            (token.header.as_str(), token.secret_ref.as_deref()),
            ("X-Webhook-Token", Some("r"))
        );
        let Auth::Basic(basic) =
            read(json!({"auth": {"type": "basic", "username": "u", "secret": "s"}})).auth
        else {
            panic!("not basic");
        };
        assert_eq!(
            (basic.username.as_str(), basic.secret.as_deref()),
            ("u", Some("s"))
        );
    }

    #[test]
    fn the_schema_refuses_what_cannot_work() {
        let schema = schemars::schema_for!(Webhook).to_value();
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        for parameters in [
            json!({"methods": []}),
            json!({"methods": ["GET", "GET"]}),
            json!({"methods": ["TRACE"]}),
            json!({"auth": {"type": "magic"}}),
            json!({"auth": {"type": "none", "secret": "s"}}),
            json!({"auth": {"type": "hmac", "secret": ""}}),
            json!({"auth": {"type": "hmac", "secret": "s".repeat(1025)}}),
            json!({"auth": {"type": "hmac", "salt": "s"}}),
            json!({"auth": {"type": "basic", "secret": "s"}}),
            json!({"auth": {"type": "basic", "username": "a:b"}}),
            json!({"path": "/orders"}),
        ] {
            assert!(!validator.is_valid(&parameters), "{parameters}");
        }
        for parameters in [
            json!({"auth": {"type": "none"}}),
            json!({"auth": {"type": "hmac", "secret": "s"}}),
            json!({"auth": {"type": "token", "secret_ref": "r", "header": "X-Key"}}),
        ] {
            assert!(validator.is_valid(&parameters), "{parameters}");
        }
    }

    #[test]
    fn a_header_must_have_a_name_that_can_be_sent() {
        let check = |header: &str| {
            let parameters = json!({"auth": {"type": "token", "header": header}});
            Webhook::check(parameters.as_object().expect("an object"))
        };
        assert_eq!(check("X-Key"), []);
        assert_eq!(check("no name")[0].0, "/auth/header");
    }
}
