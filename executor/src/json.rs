//! JSON from outside: bounded in depth, exact in its integers.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 128;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("not JSON: {0}")]
    Syntax(String),
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("the integer at byte {0} is beyond 64 bits; send it as a string")]
    BigInteger(usize),
}

/// Parses a whole JSON text. Of a key that appears twice, the last value stands.
///
/// Refuses nesting beyond [`MAX_DEPTH`] and integers beyond 64 bits, which a double would change.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    scan(text)?;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    // `scan` has bounded the depth.
    deserializer.disable_recursion_limit();
    let value =
        Value::deserialize(&mut deserializer).map_err(|error| JsonError::Syntax(error.to_string()))?;
    deserializer
        .end()
        .map_err(|error| JsonError::Syntax(error.to_string()))?;
    Ok(value)
}

/// Reads JSON text that this system wrote itself, whose depth was bounded then.
pub fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.disable_recursion_limit();
    let value = T::deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The JSON pointer (RFC 6901) to a place.
pub fn pointer<'a>(path: impl IntoIterator<Item = &'a str>) -> String {
    path.into_iter()
        .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
        .collect()
}

/// Whether a value nests no deeper than [`MAX_DEPTH`].
pub fn is_shallow(value: &Value) -> bool {
    fn fits(value: &Value, levels: usize) -> bool {
        match value {
            Value::Array(items) => levels > 0 && items.iter().all(|item| fits(item, levels - 1)),
            Value::Object(fields) => levels > 0 && fields.values().all(|field| fits(field, levels - 1)),
            _ => true,
        }
    }
    fits(value, MAX_DEPTH)
}

/// Finds what serde_json would let pass, in one walk over the bytes outside of strings.
fn scan(text: &[u8]) -> Result<(), JsonError> {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => {
                at += 1;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(JsonError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                let start = at;
                while at < text.len() && matches!(text[at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
                    at += 1;
                }
                if !fits(&text[start..at]) {
                    return Err(JsonError::BigInteger(start));
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn fits(number: &[u8]) -> bool {
    if number.len() < 19 || number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return true;
    }
    // Only ASCII digits and signs get here, so this is UTF-8; what is no number is the parser's to refuse.
    let text = String::from_utf8_lossy(number);
    text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{JsonError, MAX_DEPTH, parse, pointer};

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(pointer(["headers", "a/b~c"]), "/headers/a~1b~0c");
    }

    #[test]
    fn keeps_key_order_and_the_last_of_two_equal_keys() {
        let value = parse(br#"{"b": 1, "a": 2, "b": 3}"#).expect("valid");
        assert_eq!(value.to_string(), r#"{"b":3,"a":2}"#);
    }

    #[test]
    fn bounds_the_depth() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(JsonError::TooDeep));
        assert_eq!(parse(&vec![b'['; 100_000]), Err(JsonError::TooDeep));
        assert!(parse(br#""[[[[""#).is_ok());
    }

    #[test]
    fn refuses_integers_that_would_change() {
        assert_eq!(parse(b"18446744073709551615"), Ok(json!(u64::MAX)));
        assert_eq!(parse(b"-9223372036854775808"), Ok(json!(i64::MIN)));
        assert_eq!(
            parse(br#"{"id": 18446744073709551616}"#),
            Err(JsonError::BigInteger(7))
        );
        assert!(parse(br#""18446744073709551616""#).is_ok());
        assert!(parse(b"1.8446744073709551616e30").is_ok());
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in [
            &b""[..],
            b"{",
            b"[1,]",
            b"1 2",
            b"\"\xff\"",
            b"\"",
            b"nul",
            b"--1",
            b"\"\\",
        ] {
            assert!(matches!(parse(text), Err(JsonError::Syntax(_))), "{text:?}");
        }
    }
}
