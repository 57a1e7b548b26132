//! The cookie that has the session of a page of this server, so that no script can read it.
//!
//! A browser sends it along with whatever asks for this host, so a change must also show that a page of this server
//! asks for it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use poem::Request;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

use super::{SESSION_LIFETIME, SESSION_PREFIX};
use crate::api::error::ApiError;

const NAME: &str = "flowmatic_session";
/// Browsers take a cookie of such a name from the host itself only, by TLS and for all paths
/// (draft-ietf-httpbis-rfc6265bis, section 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How this server's cookie is written.
#[derive(Debug)]
pub struct SessionCookie {
    name: String,
    /// All but name and value.
    attributes: String,
    /// Scheme, host and port, as browsers name them.
    origin: String,
}

impl SessionCookie {
    /// Of a server that is reached at this address. Cookies do not tell ports apart, so the name does.
    pub fn new(base_url: &str) -> Self {
        let url = Url::parse(base_url).ok();
        let is_secure = url.as_ref().is_some_and(|url| url.scheme() == "https");
        let port = url.as_ref().and_then(Url::port);
        let port = port.map_or_else(String::new, |port| format!("_{port}"));
        let (prefix, path, secure) = match &url {
            Some(_) if is_secure => (HOST_PREFIX, String::new(), "; Secure"),
            // Not for the addresses that callers from outside use: what they send along is kept.
            Some(url) => ("", format!("{}/api/v1", url.path().trim_end_matches('/')), ""),
            None => ("", "/api/v1".to_owned(), ""),
        };
        let path = if path.is_empty() { "/" } else { &path };
        Self {
            name: format!("{prefix}{NAME}{port}"),
            attributes: format!("Path={path}; HttpOnly; SameSite=Strict{secure}"),
            origin: url.map_or_else(String::new, |url| url.origin().ascii_serialization()),
        }
    }

    /// Keeps the token as long as its session lasts.
    pub fn set(&self, token: &str) -> String {
        let (name, attributes) = (&self.name, &self.attributes);
        format!(
            "{name}={token}; {attributes}; Max-Age={}",
            SESSION_LIFETIME.as_secs()
        )
    }

    pub fn clear(&self) -> String {
        format!("{}=; {}; Max-Age=0", self.name, self.attributes)
    }

    /// The session's token, where the request has the cookie.
    pub fn token<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let values = headers.get_all(header::COOKIE).into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == self.name && value.starts_with(SESSION_PREFIX))
            .map(|(_, token)| token)
    }

    /// Refuses a change that is not surely asked for by a page of this server.
    pub fn check_change(&self, request: &Request) -> Result<(), ApiError> {
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
        match self.is_ours(request) {
            Some(true) => Ok(()),
            _ if !changes => Ok(()),
            Some(false) | None => Err(ApiError::cross_site()),
        }
    }

    /// Refuses to set the cookie for a page of another server; what is no browser does not say who asks.
    pub fn check_log_in(&self, request: &Request) -> Result<(), ApiError> {
        match self.is_ours(request) {
            Some(false) => Err(ApiError::cross_site()),
            Some(true) | None => Ok(()),
        }
    }

    /// Whether a page of this server asks; browsers say so, the older ones and those without TLS by `Origin` alone.
    fn is_ours(&self, request: &Request) -> Option<bool> {
        if let Some(site) = request.header(SEC_FETCH_SITE) {
            return Some(site == "same-origin");
        }
        let origin = request.headers().get(header::ORIGIN)?;
        let Some((_, authority)) = origin.to_str().ok().and_then(|origin| origin.split_once("://")) else {
            return Some(false);
        };
        Some(origin == self.origin.as_str() || request.header(header::HOST) == Some(authority))
    }
}

/// The cookie that the answer to a request sets, by whoever knows; the last word counts.
#[derive(Debug, Clone, Default)]
pub struct AnswerCookie(Arc<Mutex<Option<String>>>);

impl AnswerCookie {
    pub fn set(request: &Request, cookie: String) {
        if let Some(Self(place)) = request.data::<Self>() {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(cookie);
        }
    }

    pub fn take(&self) -> Option<HeaderValue> {
        let cookie = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        HeaderValue::try_from(cookie).ok()
    }
}

/// Whether a cookie of this name is, or may be taken for, that of a session. One without a name, `=session=…`, is sent
/// back as if its value began with one (RFC 6265bis).
fn is_session(name: &str) -> bool {
    let name = name.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
    let bare = name.strip_prefix(HOST_PREFIX).unwrap_or(name);
    bare.starts_with(NAME)
}

/// What a `Cookie` header says beside the session, which is nobody else's business.
pub fn without_session(cookies: Cow<'_, str>) -> Cow<'_, str> {
    if !cookies.contains(NAME) {
        return cookies;
    }
    let others: Vec<&str> = cookies.split(';').filter(|pair| !is_session(pair)).collect();
    Cow::Owned(others.join(";").trim_start().to_owned())
}

/// Whether a `Set-Cookie` header would put another session in place of a person's own.
pub fn sets_session(header: &str) -> bool {
    is_session(header)
}

#[cfg(test)]
mod tests {
    use poem::Request;
    use poem::http::{HeaderMap, HeaderValue, Method, header};

    use super::{SessionCookie, sets_session, without_session};

    #[test]
    fn is_named_and_bound_by_the_address() {
        for (address, expected) in [
            (
                "http://127.0.0.1:8080",
                "flowmatic_session_8080=fs_1; Path=/api/v1; HttpOnly; SameSite=Strict; Max-Age=1209600",
            ),
            (
                "http://flows.lan",
                "flowmatic_session=fs_1; Path=/api/v1; HttpOnly; SameSite=Strict; Max-Age=1209600",
            ),
            (
                "http://lan/flows",
                "flowmatic_session=fs_1; Path=/flows/api/v1; HttpOnly; SameSite=Strict; Max-Age=1209600",
            ),
            (
                "https://flows.example.com",
                "__Host-flowmatic_session=fs_1; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=1209600",
            ),
            (
                "https://flows.example.com:8443",
                "__Host-flowmatic_session_8443=fs_1; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=1209600",
            ),
        ] {
            assert_eq!(SessionCookie::new(address).set("fs_1"), expected);
        }
        let cleared = SessionCookie::new("http://localhost").clear();
        assert_eq!(
            cleared,
            "flowmatic_session=; Path=/api/v1; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }

    #[test]
    fn is_found_among_others() {
        let cookie = SessionCookie::new("http://localhost:8080");
        for (sent, expected) in [
            ("flowmatic_session_8080=fs_1", Some("fs_1")),
            ("a=b; flowmatic_session_8080=fs_1; c", Some("fs_1")),
            (
                "flowmatic_session_8080=; flowmatic_session_8080=fs_2",
                Some("fs_2"),
            ),
            ("flowmatic_session=fs_1", None),
            ("flowmatic_session_8080=fm_1", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(sent));
            assert_eq!(cookie.token(&headers), expected, "{sent}");
        }
    }

    #[test]
    fn counts_for_changes_from_our_own_pages_only() {
        let cookie = SessionCookie::new("https://flows.example.com");
        const SITE: &str = "sec-fetch-site";
        for (headers, changes, logs_in) in [
            (vec![(SITE, "same-origin")], true, true),
            (vec![(SITE, "same-site")], false, false),
            (
                vec![(SITE, "cross-site"), ("origin", "https://flows.example.com")],
                false,
                false,
            ),
            (vec![(SITE, "none")], false, false),
            (vec![("origin", "https://flows.example.com")], true, true),
            (
                vec![("origin", "http://10.0.0.1:8080"), ("host", "10.0.0.1:8080")],
                true,
                true,
            ),
            (
                vec![("origin", "http://10.0.0.1:3000"), ("host", "10.0.0.1:8080")],
                false,
                false,
            ),
            (vec![("origin", "null"), ("host", "null")], false, false),
            (vec![], false, true),
        ] {
            let request = |method: Method| {
                let builder = headers.iter().fold(Request::builder(), |builder, (name, value)| {
                    builder.header(*name, *value)
                });
                builder.method(method).finish()
            };
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(
                    cookie.check_change(&request(method)).is_ok(),
                    changes,
                    "{headers:?}"
                );
            }
            assert!(cookie.check_change(&request(Method::GET)).is_ok());
            assert_eq!(
                cookie.check_log_in(&request(Method::POST)).is_ok(),
                logs_in,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn is_kept_from_workflows() {
        for (sent, left) in [
            ("a=b; c=d", "a=b; c=d"),
            ("flowmatic_session=fs_1", ""),
            ("a=b; __Host-flowmatic_session=fs_1; c=d", "a=b; c=d"),
            ("flowmatic_session_8080=fs_1; c=d", "c=d"),
        ] {
            assert_eq!(without_session(sent.into()), left);
        }
        assert!(sets_session("flowmatic_session_8080=fs_1; Path=/") && !sets_session("session=1"));
        assert!(
            sets_session(" = flowmatic_session_8080=fs_1") && sets_session("==__Host-flowmatic_session=1")
        );
    }
}
