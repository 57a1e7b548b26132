//! The network guard: every outgoing HTTP request that a user can steer goes through [`Guard::send`].
//!
//! An address is checked before anything connects to it. A literal in the URL is checked as it is read; a name is
//! resolved inside the connector, which then connects to just those addresses that were checked, so an answer that
//! changes between the check and the connection gains nothing. A pooled connection was checked when it was made.

mod address;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::iter::successors;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use flowmatic_executor::{HttpError, HttpRequest, HttpResponse};
use futures_util::future::BoxFuture;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Shorter than most time-outs, so that an address that swallows packets is told from a slow answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTIONS_PER_HOST: usize = 32;

/// These frame the message, so the connection alone may write them: two requests of different users that share a
/// connection must not be able to disturb each other.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub struct Guard {
    client: reqwest::Client,
    vetting: Arc<Vetting>,
}

impl Guard {
    /// `allow` opens ranges that are refused otherwise. A rustls crypto provider must be installed already.
    pub fn new(allow: Vec<IpNet>) -> anyhow::Result<Self> {
        Self::with_lookup(allow, Box::new(|name| Box::pin(system_lookup(name))))
    }

    fn with_lookup(allow: Vec<IpNet>, lookup: Lookup) -> anyhow::Result<Self> {
        let vetting = Arc::new(Vetting { allow, lookup });
        let client = reqwest::Client::builder()
            .user_agent(concat!("Flowmatic/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Resolver(vetting.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            // Another crate may switch these features on; bodies are handed on as they came all the same.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
            .build()
            .context("cannot prepare outgoing connections; are the system's root certificates installed?")?;
        Ok(Self { client, vetting })
    }

    /// Sends the request, follows its redirects and reads the body, all within `request.timeout`. With
    /// `redirects: 0` a redirect is a response like any other.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let timeout = request.timeout;
        match tokio::time::timeout(timeout, Box::pin(self.follow(request))).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout(timeout)),
        }
    }

    async fn follow(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (redirects, max_size) = (request.redirects, request.max_size);
        let mut hop = Hop::first(request)?;
        for _ in 0..=redirects {
            self.vetting.check(&hop.url)?;
            let response = self
                .client
                .request(hop.method.clone(), hop.url.clone())
                .headers(hop.headers.clone())
                .body(hop.body.clone())
                .send()
                .await
                .map_err(|error| explain(&hop.url, error))?;
            match location(&response) {
                Some(location) if redirects > 0 => hop = hop.next(response.status(), location)?,
                _ => return read(response, &hop.url, max_size).await,
            }
        }
        Err(HttpError::Refused(format!(
            "more than {redirects} redirects; the last leads to {}",
            host(&hop.url)
        )))
    }
}

/// One request on the way through redirects.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl Hop {
    fn first(request: HttpRequest) -> Result<Self, HttpError> {
        let method = Method::from_bytes(request.method.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT)
            .ok_or_else(|| {
                HttpError::Invalid(format!("`{}` is not a method that can be sent", request.method))
            })?;
        let url = Url::parse(&request.url)
            .map_err(|error| HttpError::Invalid(format!("the URL cannot be read: {error}")))?;
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| HttpError::Invalid(format!("`{name}` is not a header name")))?;
            if FRAMING.contains(&name.as_str()) {
                let text = format!("header `{name}` is written by the connection itself; leave it out");
                return Err(HttpError::Invalid(text));
            }
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
                HttpError::Invalid(format!("the value of header `{name}` has control characters"))
            })?;
            headers
                .try_append(name, value)
                .map_err(|_| HttpError::Invalid("the request has too many headers".into()))?;
        }
        Ok(Self {
            method,
            url,
            headers,
            body: request.body,
        })
    }

    /// What the redirect asks for (RFC 9110, section 15.4), without what the new origin must not see.
    fn next(mut self, status: StatusCode, location: &HeaderValue) -> Result<Self, HttpError> {
        let url = str::from_utf8(location.as_bytes())
            .ok()
            .and_then(|location| self.url.join(location).ok())
            .ok_or_else(|| HttpError::Refused(format!("{} redirects to no readable URL", host(&self.url))))?;
        if self.url.scheme() == "https" && url.scheme() == "http" {
            let text = format!(
                "{} redirects from https to http, at {}",
                host(&self.url),
                host(&url)
            );
            return Err(HttpError::Refused(text));
        }
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.retain_headers(|name| !name.starts_with("content-"));
        }
        if self.url.origin() != url.origin() {
            self.retain_headers(|name| name != header::HOST.as_str() && !names_secret(name));
        }
        self.url = url;
        Ok(self)
    }

    fn retain_headers(&mut self, keep: impl Fn(&str) -> bool) {
        let gone: Vec<HeaderName> = self
            .headers
            .keys()
            .filter(|name| !keep(name.as_str()))
            .cloned()
            .collect();
        for name in gone {
            self.headers.remove(name);
        }
    }
}

/// Whether the name of a header says that its value is for one origin only: `Authorization`, `Cookie`, `X-Api-Key`,
/// `X-Auth-Token`, `Idempotency-Key`, a signature.
fn names_secret(name: &str) -> bool {
    [
        "auth",
        "cookie",
        "credential",
        "key",
        "secret",
        "signature",
        "token",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// Where a redirect leads.
fn location(response: &reqwest::Response) -> Option<&HeaderValue> {
    match response.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => response.headers().get(header::LOCATION),
        _ => None,
    }
}

async fn read(
    mut response: reqwest::Response,
    url: &Url,
    max_size: usize,
) -> Result<HttpResponse, HttpError> {
    if response
        .content_length()
        .is_some_and(|length| length > max_size as u64)
    {
        return Err(HttpError::TooLarge(max_size));
    }
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.as_str().to_owned(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(url, error))? {
        if chunk.len() > max_size - body.len() {
            return Err(HttpError::TooLarge(max_size));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse {
        status,
        headers,
        body: body.into(),
    })
}

/// Says what went wrong without the addresses that the system's own texts may hold.
fn explain(url: &Url, error: reqwest::Error) -> HttpError {
    let host = host(url);
    if error.is_builder() {
        return HttpError::Invalid(format!("the URL for {host} cannot be sent"));
    }
    for cause in causes(&error) {
        if let Some(verdict) = cause.downcast_ref::<HttpError>() {
            return verdict.clone();
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return HttpError::Network(format!("no secure connection to {host}: {tls}"));
        }
        if let Some(io) = cause
            .downcast_ref::<io::Error>()
            .filter(|io| io.get_ref().is_none())
        {
            return HttpError::Network(format!("the connection to {host} failed: {}", io.kind()));
        }
    }
    if error.is_connect() {
        return HttpError::Network(format!("no connection to {host}"));
    }
    HttpError::Network(format!("{host} broke off or gave no valid HTTP response"))
}

/// What stands behind an error. An [`io::Error`] hides from `source` what it wraps.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(error.source(), |cause: &&'a (dyn Error + 'static)| {
        let cause: &'a (dyn Error + 'static) = *cause;
        match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}

/// The host and port as the URL has them, for people to read.
fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("`{host}:{port}`"),
        (Some(host), None) => format!("`{host}`"),
        (None, _) => "the target".to_owned(),
    }
}

type Lookup = Box<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

async fn system_lookup(name: String) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

/// Decides what may be connected to.
struct Vetting {
    allow: Vec<IpNet>,
    lookup: Lookup,
}

impl Vetting {
    /// What can be seen from the URL alone. The names in it are for [`Vetting::addresses`].
    fn check(&self, url: &Url) -> Result<(), HttpError> {
        if !matches!(url.scheme(), "http" | "https") {
            let text = format!("scheme `{}` is not supported; use http or https", url.scheme());
            return Err(HttpError::Invalid(text));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let text = "a URL must not hold a user name or password; send them in a header".to_owned();
            return Err(HttpError::Invalid(text));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(HttpError::Invalid("the URL names no host".into())),
        };
        if self.permits(literal) {
            Ok(())
        } else {
            Err(refused(&literal.to_string()))
        }
    }

    /// The addresses of a name that may be connected to. One forbidden answer spoils all: nobody mixes public and
    /// private addresses under one name in good faith.
    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, HttpError> {
        if let Some(mut addresses) = well_known(name) {
            addresses.retain(|address| self.permits(*address));
            if addresses.is_empty() {
                return Err(refused(name));
            }
            return Ok(addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0))
                .collect());
        }
        let addresses = (self.lookup)(name.to_owned())
            .await
            .map_err(|_| HttpError::Network(format!("the name `{name}` cannot be resolved")))?;
        if addresses.is_empty() {
            return Err(HttpError::Network(format!("the name `{name}` has no address")));
        }
        if addresses.iter().any(|address| !self.permits(address.ip())) {
            return Err(refused(name));
        }
        Ok(addresses)
    }

    fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address::is_public(address) || self.allow.iter().any(|range| range.contains(&address))
    }
}

/// Names whose meaning is fixed. They are not looked up, and only what `allow` opens of their addresses is used.
fn well_known(name: &str) -> Option<Vec<IpAddr>> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    // RFC 6761, section 6.3.
    if name == "localhost" || name.ends_with(".localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    if name == "metadata.google.internal" || name == "metadata.goog" {
        let v6 = Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254);
        return Some(vec![Ipv4Addr::new(169, 254, 169, 254).into(), v6.into()]);
    }
    None
}

fn refused(target: &str) -> HttpError {
    HttpError::Refused(format!(
        "target `{target}` is not allowed: it is not on the public internet; \
         whoever runs this server can open its network with `--allow-network`"
    ))
}

struct Resolver(Arc<Vetting>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let vetting = self.0.clone();
        Box::pin(async move {
            let addresses = vetting.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
