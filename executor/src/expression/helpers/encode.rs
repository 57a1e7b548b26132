//! JSON, encodings, hashes, and what identifies or is secret.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{Helper, helper};
use crate::expression::arguments::{Arguments, excerpt};
use crate::expression::evaluate::{Failure, Outcome, is_truthy};

pub const HELPERS: &[Helper] = &[
    helper(
        "json",
        "value pretty?",
        (1, 2),
        "the value as JSON text; on several lines where `pretty` is true",
        |call| {
            let value = call.value(0)?;
            let mut text = String::new();
            call.evaluation
                .print_json(&value, is_truthy(&*call.value(1)?), &mut text)?;
            Ok(Cow::Owned(text.into()))
        },
    ),
    helper(
        "parse_json",
        "text",
        (1, 1),
        "the value that a JSON text spells",
        |call| {
            let text = call.text(0)?;
            // Each value of the result takes a byte at least.
            call.evaluation.charge(text.len() / 4)?;
            match crate::json::parse(text.as_bytes()) {
                Ok(value) => Ok(Cow::Owned(value)),
                Err(error) => call.refuse(format_args!("cannot read the text: {error}")),
            }
        },
    ),
    helper(
        "base64_encode",
        "text",
        (1, 1),
        "the text's UTF-8 in Base64",
        |call| {
            let text = call.text(0)?;
            call.give(STANDARD.encode(text.as_bytes()))
        },
    ),
    helper(
        "base64url_encode",
        "text",
        (1, 1),
        "the text's UTF-8 in URL-safe Base64 without padding",
        |call| {
            let text = call.text(0)?;
            call.give(URL_SAFE_NO_PAD.encode(text.as_bytes()))
        },
    ),
    helper(
        "base64_decode",
        "text",
        (1, 1),
        "the text that Base64 holds, URL-safe or not, padded or not",
        |call| {
            let text = call.text(0)?;
            let plain: String = text
                .trim_end_matches('=')
                .chars()
                .map(|character| match character {
                    '+' => '-',
                    '/' => '_',
                    other => other,
                })
                .collect();
            decoded(call, URL_SAFE_NO_PAD.decode(plain).ok(), "Base64")
        },
    ),
    helper(
        "hex_encode",
        "text",
        (1, 1),
        "the text's UTF-8 in hexadecimal",
        |call| {
            let text = call.text(0)?;
            call.give(hex::encode(text.as_bytes()))
        },
    ),
    helper(
        "hex_decode",
        "text",
        (1, 1),
        "the text that hexadecimal holds",
        |call| {
            let text = call.text(0)?;
            decoded(call, hex::decode(text.as_bytes()).ok(), "hexadecimal")
        },
    ),
    helper(
        "url_encode",
        "text",
        (1, 1),
        "the text as a part of a URL",
        |call| {
            let text = call.printed(0)?;
            call.evaluation.charge_bytes(text.len())?;
            let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            call.give(encoded.replace('+', "%20"))
        },
    ),
    helper(
        "url_decode",
        "text",
        (1, 1),
        "the text that a part of a URL holds",
        url_decode,
    ),
    helper(
        "hash",
        "algorithm text",
        (2, 2),
        "the digest in hexadecimal by `md5`, `sha1`, `sha256` or `sha512`",
        |call| {
            let (algorithm, text) = (call.text(0)?, call.text(1)?);
            let bytes = text.as_bytes();
            call.give(match &*algorithm {
                "md5" => hex::encode(Md5::digest(bytes)),
                "sha1" => hex::encode(Sha1::digest(bytes)),
                "sha256" => hex::encode(Sha256::digest(bytes)),
                "sha512" => hex::encode(Sha512::digest(bytes)),
                other => return unknown_algorithm(call, other),
            })
        },
    ),
    helper(
        "hmac",
        "algorithm key text encoding?",
        (3, 4),
        "the HMAC by `md5`, `sha1`, `sha256` or `sha512`, in `hex` or `base64`",
        |call| {
            let (algorithm, key, text) = (call.text(0)?, call.text(1)?, call.text(2)?);
            let (key, text) = (key.as_bytes(), text.as_bytes());
            let code = match &*algorithm {
                "md5" => authenticate::<Hmac<Md5>>(key, text),
                "sha1" => authenticate::<Hmac<Sha1>>(key, text),
                "sha256" => authenticate::<Hmac<Sha256>>(key, text),
                "sha512" => authenticate::<Hmac<Sha512>>(key, text),
                other => return unknown_algorithm(call, other),
            };
            let encoding = if call.has(3) {
                call.text(3)?
            } else {
                Cow::Borrowed("hex")
            };
            match &*encoding {
                "hex" => call.give(hex::encode(code)),
                "base64" => call.give(STANDARD.encode(code)),
                _ => call.refuse("gives `hex` or `base64`"),
            }
        },
    ),
    helper(
        "uuid",
        "",
        (0, 0),
        "a UUID, another one at each call, and the same when the step is replayed",
        uuid,
    ),
    helper(
        "secret",
        "reference",
        (1, 1),
        "the secret that a node of the workspace keeps, by the id that the saved node has as its `secret_ref`",
        |call| {
            let name = call.text(0)?;
            match call.evaluation.view.context.secrets().get(&name) {
                Some(secret) => call.give(secret),
                None => Err(Failure::new(format!("there is no secret `{}`", excerpt(&name)))),
            }
        },
    ),
];

fn decoded<'s>(call: Arguments<'_, 's>, bytes: Option<Vec<u8>>, what: &str) -> Outcome<'s> {
    match bytes.map(String::from_utf8) {
        Some(Ok(text)) => call.give(text),
        Some(Err(_)) => call.refuse("gives bytes that are no text"),
        None => call.refuse(format_args!("needs {what}")),
    }
}

fn unknown_algorithm<T>(call: Arguments<'_, '_>, name: &str) -> Result<T, Failure> {
    call.refuse(format_args!(
        "knows `md5`, `sha1`, `sha256` and `sha512`, not `{}`",
        excerpt(name)
    ))
}

fn authenticate<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length (RFC 2104), so this does not fail.
    <M as KeyInit>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

/// Percent-decoding (RFC 3986); `+` stays.
fn url_decode<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    let text = call.text(0)?;
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| hex::decode(digits).ok());
        let Some(byte) = byte else {
            return call.refuse("needs two hexadecimal digits after each `%`");
        };
        bytes.extend(byte);
        bytes.extend(&part.as_bytes()[2..]);
    }
    decoded(call, Some(bytes), "")
}

/// Shaped as version 4 (RFC 9562), but made from what a replay has too: the execution, the node, the names of
/// the moment, and how many came before.
fn uuid<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    let view = call.evaluation.view;
    let number = view.calls.replace(view.calls.get().wrapping_add(1));
    let mut digest = Sha256::new();
    digest.update(view.context.execution().as_bytes());
    // There is none under a single expression.
    if view.node < view.context.plan().nodes.len() {
        digest.update(view.context.path(view.node).as_bytes());
    }
    digest.update(number.to_be_bytes());
    for (name, value) in view.locals {
        let mut text = String::new();
        call.evaluation.print_json(value, false, &mut text)?;
        digest.update(name.as_bytes());
        digest.update(text.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    let id = ::uuid::Builder::from_random_bytes(bytes).into_uuid();
    call.give(id.to_string())
}
