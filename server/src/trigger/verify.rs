//! Who is calling? Decided over the exact bytes, in constant time, before anything is parsed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flowmatic_executor::Secrets;
use flowmatic_nodes::trigger::webhook::{Algorithm, Auth, Basic, Encoding, Hmac, Token};
use hmac::{KeyInit, Mac};
use poem::http::{HeaderMap, HeaderName, HeaderValue};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

/// What a caller is told who is not let in, and nothing more.
pub const REFUSED: &str = "the signature or credential of this webhook is missing or wrong";

/// Whether the call proves what the trigger asks for. A trigger whose secret is gone lets nobody in.
pub fn is_genuine(auth: &Auth, secrets: &Secrets, headers: &HeaderMap, body: &[u8]) -> bool {
    match auth {
        Auth::None => true,
        Auth::Hmac(hmac) => {
            secret(secrets, &hmac.secret_ref).is_some_and(|key| signed(hmac, key, headers, body))
        }
        Auth::Token(token) => secret(secrets, &token.secret_ref).is_some_and(|secret| {
            sent(headers, &token.header).is_some_and(|sent| equal(sent.as_bytes(), secret.as_bytes()))
        }),
        Auth::Basic(basic) => {
            secret(secrets, &basic.secret_ref).is_some_and(|password| named(basic, password, headers))
        }
    }
}

/// Adds to a call what the trigger asks for, unless the call has that header already.
pub fn prove(auth: &Auth, secrets: &Secrets, headers: &mut HeaderMap, body: &[u8]) {
    let (name, value) = match auth {
        Auth::None => return,
        Auth::Hmac(hmac) => {
            let signature = |key: &str| {
                let digest = digest(hmac.algorithm, key.as_bytes(), body);
                let written = match hmac.encoding {
                    Encoding::Hex => hex::encode(digest),
                    Encoding::Base64 => STANDARD.encode(digest),
                };
                format!("{}{written}", hmac.prefix())
            };
            (&*hmac.header, secret(secrets, &hmac.secret_ref).map(signature))
        }
        Auth::Token(token) => {
            let secret = secret(secrets, &token.secret_ref);
            (&*token.header, secret.map(str::to_owned))
        }
        Auth::Basic(basic) => {
            let credential = |password: &str| {
                let pair = format!("{}:{password}", basic.username);
                format!("Basic {}", STANDARD.encode(pair))
            };
            (
                "authorization",
                secret(secrets, &basic.secret_ref).map(credential),
            )
        }
    };
    let (Ok(name), Some(value)) = (HeaderName::try_from(name), value) else {
        return;
    };
    // A secret may have letters that a sender could not put into a header either.
    if let (false, Ok(value)) = (headers.contains_key(&name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

/// The header that carries a credential in the clear, which no journal may hold.
pub fn credential_header(auth: &Auth) -> Option<&str> {
    match auth {
        Auth::None | Auth::Hmac(_) => None,
        Auth::Token(Token { header, .. }) => Some(header),
        Auth::Basic(_) => Some("authorization"),
    }
}

fn secret<'a>(secrets: &'a Secrets, reference: &Option<String>) -> Option<&'a str> {
    reference
        .as_deref()
        .and_then(|reference| secrets.get(reference))
        .filter(|secret| !secret.is_empty())
}

fn sent<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn signed(hmac: &Hmac, key: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(signature) = sent(headers, &hmac.header) else {
        return false;
    };
    // The bare digest is taken as well, as senders of this scheme differ in the prefix alone.
    let digits = signature
        .trim()
        .strip_prefix(hmac.prefix())
        .unwrap_or(signature.trim());
    let decoded = match hmac.encoding {
        Encoding::Hex => hex::decode(digits).ok(),
        Encoding::Base64 => STANDARD.decode(digits).ok(),
    };
    decoded.is_some_and(|decoded| equal(&decoded, &digest(hmac.algorithm, key.as_bytes(), body)))
}

fn digest(algorithm: Algorithm, key: &[u8], body: &[u8]) -> Vec<u8> {
    fn of<M: Mac + KeyInit>(key: &[u8], body: &[u8]) -> Vec<u8> {
        // HMAC takes keys of any length (RFC 2104).
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of any length is taken");
        mac.update(body);
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        Algorithm::Sha256 => of::<hmac::Hmac<Sha256>>(key, body),
        Algorithm::Sha1 => of::<hmac::Hmac<Sha1>>(key, body),
        Algorithm::Sha512 => of::<hmac::Hmac<Sha512>>(key, body),
    }
}

fn named(basic: &Basic, password: &str, headers: &HeaderMap) -> bool {
    let decoded = sent(headers, "authorization")
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, digits)| STANDARD.decode(digits.trim()).ok());
    let Some(decoded) = decoded else { return false };
    let colon = decoded
        .iter()
        .position(|byte| *byte == b':')
        .unwrap_or(decoded.len());
    let (name, given) = decoded.split_at(colon);
    // Both halves are always compared.
    let name = equal(name, basic.username.as_bytes());
    let given = equal(given.get(1..).unwrap_or_default(), password.as_bytes());
    name & given
}

fn equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use flowmatic_executor::Secrets;
    use flowmatic_nodes::trigger::webhook::Webhook;
    use poem::http::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::{Value, json};

    use super::{is_genuine, prove};

    fn check(auth: Value, secret: &str, header: (&str, &str), body: &str) -> bool {
        let webhook: Webhook = serde_json::from_value(json!({"auth": auth})).expect("valid parameters");
        let secrets = Secrets::new(HashMap::from([("ref".to_owned(), secret.to_owned())]));
        let name = HeaderName::from_bytes(header.0.as_bytes()).expect("a header name");
        let headers =
            HeaderMap::from_iter([(name, HeaderValue::from_str(header.1).expect("a header value"))]);
        is_genuine(&webhook.auth, &secrets, &headers, body.as_bytes())
    }

    // The vector that docs.github.com publishes under "Validating webhook deliveries".
    const DIGEST: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const KEY: &str = "It's a Secret to Everybody";

    #[test]
    fn takes_a_published_signature_and_no_other() {
        let auth = json!({"type": "hmac", "secret_ref": "ref"});
        let good = format!("sha256={DIGEST}");
        let check = |value: &str, body: &str| check(auth.clone(), KEY, ("X-Webhook-Signature", value), body);
        assert!(check(&good, "Hello, World!"));
        assert!(check(DIGEST, "Hello, World!"));
        assert!(check(
            &good.to_uppercase().replace("SHA256", "sha256"),
            "Hello, World!"
        ));
        assert!(!check(&good, "Hello, World?"));
        for wrong in [
            "",
            "sha256=",
            "sha256=zz",
            "sha1=757107ea",
            &good[..good.len() - 2],
            "sha256=é",
        ] {
            assert!(!check(wrong, "Hello, World!"), "{wrong}");
        }
    }

    #[test]
    fn takes_other_headers_algorithms_and_encodings() {
        let auth = json!({
            "type": "hmac", "secret_ref": "ref", "header": "X-Shop-Hmac", "encoding": "base64"
        });
        let digest = "dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=";
        assert!(check(auth, KEY, ("x-shop-hmac", digest), "Hello, World!"));
        // RFC 2202, test case 2.
        let auth = json!({"type": "hmac", "secret_ref": "ref", "algorithm": "sha1"});
        let digest = "sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        assert!(check(
            auth,
            "Jefe",
            ("X-Webhook-Signature", digest),
            "what do ya want for nothing?"
        ));
    }

    #[test]
    fn takes_a_token_and_no_other() {
        let auth = json!({"type": "token", "secret_ref": "ref", "header": "X-Key"});
        assert!(check(auth.clone(), "s3cret", ("x-key", "s3cret"), ""));
        assert!(!check(auth.clone(), "s3cret", ("x-key", "s3cre"), ""));
        assert!(!check(auth, "s3cret", ("x-other", "s3cret"), ""));
    }

    #[test]
    fn takes_a_name_with_its_password_and_no_other() {
        let auth = json!({"type": "basic", "username": "Aladdin", "secret_ref": "ref"});
        let check = |value: &str| check(auth.clone(), "open sesame", ("Authorization", value), "");
        // RFC 7617, section 2.
        assert!(check("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        assert!(check("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
        for wrong in [
            "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic QWxhZGRpbg==",
            "Basic !",
            "Bearer x",
            "",
        ] {
            assert!(!check(wrong), "{wrong}");
        }
    }

    #[test]
    fn proves_what_it_asks_for() {
        for auth in [
            json!({"type": "hmac", "secret_ref": "ref"}),
            json!({"type": "hmac", "secret_ref": "ref", "algorithm": "sha512", "encoding": "base64", "prefix": "v1="}),
            json!({"type": "token", "secret_ref": "ref", "header": "X-Key"}),
            json!({"type": "basic", "username": "Ada", "secret_ref": "ref"}),
        ] {
            let webhook: Webhook = serde_json::from_value(json!({"auth": auth})).expect("valid parameters");
            let secrets = Secrets::new(HashMap::from([("ref".to_owned(), "s3cret".to_owned())]));
            let mut headers = HeaderMap::new();
            prove(&webhook.auth, &secrets, &mut headers, b"body");
            assert!(is_genuine(&webhook.auth, &secrets, &headers, b"body"), "{auth}");
            let (name, _) = headers.iter().next().expect("a header");
            let wrong = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("mine"))]);
            let mut kept = wrong.clone();
            prove(&webhook.auth, &secrets, &mut kept, b"body");
            assert_eq!(kept, wrong, "{auth}");
        }
    }

    #[test]
    fn lets_nobody_in_where_the_secret_is_gone() {
        for auth in [
            json!({"type": "token", "secret_ref": "other"}),
            json!({"type": "hmac"}),
            json!({"type": "basic", "username": ""}),
        ] {
            assert!(!check(auth, "s", ("X-Webhook-Token", ""), ""));
        }
    }
}
