//! `ETag` and `If-None-Match`, for what stays as it is while a server runs.

use sha2::{Digest, Sha256};

/// What stands for this text. A weak one: the bytes may be those of gzip.
pub(super) fn of(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    format!("W/\"{}\"", hex::encode(hash.get(..16).unwrap_or_default()))
}

/// Whether a caller has it already (RFC 9110, section 13.1.2).
pub(super) fn is_known(if_none_match: Option<&str>, etag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = if_none_match.unwrap_or_default();
    known.trim() == "*" || known.split(',').any(|tag| bare(tag) == bare(etag))
}

#[cfg(test)]
mod tests {
    use super::{is_known, of};

    #[test]
    fn knows_its_own() {
        let tag = of("text");
        assert_ne!(tag, of("another"));
        for known in [
            tag.as_str(),
            tag.trim_start_matches("W/"),
            "*",
            &format!("\"a\", {tag}"),
        ] {
            assert!(is_known(Some(known), &tag), "{known}");
        }
        for unknown in [None, Some(""), Some("\"a\""), Some("W/\"\"")] {
            assert!(!is_known(unknown, &tag), "{unknown:?}");
        }
    }
}
