//! Answers in fewer bytes: JSON by gzip, for callers that take it.

use hyper::body::Body as _;
use poem::http::{HeaderMap, HeaderValue, header};
use poem::web::{Compress, CompressionAlgo, CompressionLevel};
use poem::{IntoResponse, Response};

/// What is smaller fits into a packet as it is.
const LEAST_BYTES: u64 = 1024;

/// Whether a caller takes gzip (RFC 9110, section 12.5.3).
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).into_iter();
    let codings = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let mut named = codings.map(|coding| coding.split_once(';').unwrap_or((coding, "")));
    named.any(|(name, weight)| {
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        let is_refused = weight.is_some_and(|weight| weight.is_ok_and(|weight| weight <= 0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

/// The answer by gzip, where that is taken and worth it. A stream stays as it is: what it tells is told at once.
pub(super) fn compressed(mut response: Response, is_taken: bool) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let (_, body) = hyper::Response::from(Response::from(response.take_body())).into_parts();
    let bytes = body.size_hint().exact();
    response.set_body(body);
    if bytes.is_none_or(|bytes| bytes <= LEAST_BYTES) {
        return response;
    }
    let vary = HeaderValue::from_static("Accept-Encoding");
    response.headers_mut().append(header::VARY, vary);
    if !is_taken {
        return response;
    }
    Compress::new(response, CompressionAlgo::GZIP)
        .with_quality(CompressionLevel::Fastest)
        .into_response()
}

#[cfg(test)]
mod tests {
    use poem::http::{HeaderMap, HeaderValue, header};

    use super::is_taken;

    #[test]
    fn is_for_those_who_take_it() {
        for (header, expected) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.2", true),
            ("gzip;q=0, identity", false),
            ("gzip; q=0.000", false),
            ("identity", false),
            ("x-gzip2", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(header));
            assert_eq!(is_taken(&headers), expected, "{header}");
        }
        assert!(!is_taken(&HeaderMap::new()));
    }
}
