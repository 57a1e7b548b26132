//! The header by which a caller says that two calls are one.

use flowmatic_executor::graph::start::MAX_START_KEY;
use poem::http::HeaderMap;

use super::error::ApiError;

pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The key that a call has, if it has one.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default().trim();
    if values.next().is_some() || !(1..=MAX_START_KEY).contains(&key.len()) {
        return Err(ApiError::bad_request(format!(
            "the header `{IDEMPOTENCY_KEY}` takes one key of 1 to {MAX_START_KEY} ASCII characters"
        )));
    }
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use poem::http::{HeaderMap, HeaderValue};

    use super::{IDEMPOTENCY_KEY, key};

    fn read(values: &[&[u8]]) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a header's value");
            headers.append(IDEMPOTENCY_KEY, value);
        }
        key(&headers).map_err(|_| ())
    }

    #[test]
    fn reads_one_key() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"order 7 "]), Ok(Some("order 7".to_owned())));
        assert_eq!(read(&[&[b'x'; 256]]), Ok(Some("x".repeat(256))));
        for wrong in [
            &[&b""[..]][..],
            &[b" "],
            &[&[b'x'; 257]],
            &["ü".as_bytes()],
            &[b"a", b"a"],
        ] {
            assert_eq!(read(wrong), Err(()), "{wrong:?}");
        }
    }
}
