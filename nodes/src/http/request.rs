//! `http.request`: calls another server.

use std::time::{Duration, Instant, SystemTime};

use flowmatic_executor::expression::Template;
use flowmatic_executor::json::pointer;
use flowmatic_executor::node::OUT;
use flowmatic_executor::{
    About, ErrorClass, HttpRequest, HttpResponse, Node, NodeContext, NodeError, Output, Param, Role,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::header;
use crate::method::Method;
use crate::text::Texts;

mod auth;
mod limits;
mod receive;
mod send;

pub use auth::Auth;
pub use limits::{Size, Timeout};
pub use receive::ReceiveAs;
pub use send::SendAs;

const USER_AGENT: &str = concat!("Flowmatic/", env!("CARGO_PKG_VERSION"));
/// How much of an answer's headers the output has, in bytes of names and values.
const MAX_HEADERS: usize = 64 * 1024;
/// How much of an answer's body an error keeps, in bytes.
const MAX_KEPT_BODY: usize = 64 * 1024;
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The HTTP method.
    #[serde(default)]
    pub method: Method,
    /// The address, with `http://` or `https://`.
    pub url: Param<String>,
    /// What is added to the address's query, by name; null leaves a name out.
    #[serde(default)]
    pub query: Texts,
    /// Headers by name; null leaves a header out. `User-Agent` and `Idempotency-Key` have values of their own
    /// where they are missing here.
    #[serde(default)]
    pub headers: Texts,
    /// What is sent; its shape is told by `send_as`. Missing or null: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Param<Value>")]
    pub body: Option<Param<Value>>,
    /// How the body becomes bytes.
    #[serde(default)]
    pub send_as: SendAs,
    /// How the call proves who sends it.
    #[serde(default)]
    pub auth: Auth,
    /// How long the whole call may take, such as `2s`; from `1ms` to `5m`. The node's own time-out, where it has
    /// one, bounds the attempt as well.
    #[serde(default)]
    pub timeout: Timeout,
    /// How many redirects are followed, from 0 to 20.
    #[serde(default = "default_redirects")]
    #[schemars(range(min = 0, max = 20))]
    pub redirects: u32,
    /// How the bytes of the answer become the output's `body`.
    #[serde(default)]
    pub receive_as: ReceiveAs,
    /// The largest answer that is read: bytes as a number, or such as `64KiB`; at most `512KiB`.
    #[serde(default)]
    pub max_size: Size,
    /// Whether a status of 400 or more fails the node.
    #[serde(default = "default_fail_on_status")]
    pub fail_on_status: bool,
}

fn default_redirects() -> u32 {
    5
}

fn default_fail_on_status() -> bool {
    true
}

impl Node for Request {
    const ABOUT: About = About {
        kind: "http.request",
        title: "HTTP request",
        summary: "Call another server",
        documentation: "Sends one request and gives `{status, headers, body, duration_ms}`. The names of headers \
            are in lower case; a header that came twice is one text, joined by `, `. Headers beyond 64 KiB in \
            all are left out. `receive_as` says what \
            `body` is; by default JSON is parsed, text stays text, and anything else is text in Base64.\n\n\
            Private and local addresses are refused, unless the operator allows them. Each call carries an \
            `Idempotency-Key` that stays the same over retries and crashes, and so do the bytes of the body: a \
            server that heeds the key does the work once.\n\n\
            An answer of the largest `max_size` fits into the 1 MiB of an output, as Base64 too. Text counts as \
            JSON writes it: a quote or a line break takes two bytes, a control character six.\n\n\
            A status of 400 or more fails the node with `http_status`, and the answer is the error's `data`, \
            its body cut at 64 KiB with `truncated: true` beside it; 408, 425, 429, 500, 502, 503 and 504 may be retried, no sooner than `Retry-After` asks. Other codes \
            are `network` and `timeout` (may be retried), `target_refused`, `response_too_large`, \
            `invalid_request`, `invalid_header`, `invalid_body`, `not_json` and `not_text`.",
        icon: include_str!("../../icons/http.request.svg"),
        role: Role::Effect,
        ports: OUT,
        example: r#"{
            "parameters": {
                "method": "POST",
                "url": "https://api.example.com/customers",
                "body": {"email": "{{order.email}}"},
                "timeout": "10s"
            },
            "context": {"order": {"email": "ana@acme.example"}},
            "output": {
                "status": 201,
                "headers": {"content-type": "application/json"},
                "body": {"id": 42, "email": "ana@acme.example"},
                "duration_ms": 87
            }
        }"#,
    };

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let url = self.address()?;
        let shown = without_private_parts(&url);
        let request = self.prepare(url, &context)?;
        let started = Instant::now();
        let response = context.http(request).await?;
        let duration = started.elapsed();
        if self.fail_on_status && response.status >= 400 {
            let message = format!(
                "`{} {shown}` answered with status `{}`",
                self.method.as_str(),
                response.status
            );
            let retry_after = retry_after(&response, context.now().into());
            return Err(status_error(response, message, retry_after, duration));
        }
        match self.receive_as.decode(&response) {
            Ok(body) => Ok(Output::value(output(&response, body, duration))),
            Err((code, problem)) => {
                let message = format!("the answer of `{} {shown}` {problem}", self.method.as_str());
                Err(NodeError {
                    data: Some(Box::new(kept(response, duration))),
                    ..NodeError::terminal(code, message)
                })
            }
        }
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let mut problems = header::check_names(parameters);
        let mut problem = |pointer: &str, message: String| problems.push((pointer.to_owned(), message));
        let field = |name: &str| parameters.get(name).unwrap_or(&Value::Null);
        if let Some(url) = field("url").as_str().filter(|url| !Template::is_template(url))
            && let Err(message) = parse_url(url)
        {
            problem("/url", message);
        }
        if let Err(message) = limits::check::<Timeout>(parameters.get("timeout")) {
            problem("/timeout", message);
        }
        if let Err(message) = limits::check::<Size>(parameters.get("max_size")) {
            problem("/max_size", message);
        }
        for (pointer, message) in auth::check(field("auth")) {
            problem(pointer, message);
        }
        let headers = field("headers").as_object();
        for name in headers.into_iter().flat_map(Map::keys) {
            let pointer = pointer(["headers", name.as_str()]);
            if name.eq_ignore_ascii_case("host") {
                problem(
                    &pointer,
                    "header `host` is taken from the address; remove it".to_owned(),
                );
            } else if name.eq_ignore_ascii_case("content-type") && field("send_as") == "multipart" {
                problem(
                    &pointer,
                    format!("header `{name}` is set by `send_as`; remove it"),
                );
            } else if auth::header_name(field("auth")).is_some_and(|auth| auth.eq_ignore_ascii_case(name)) {
                problem(&pointer, format!("header `{name}` is set by `auth`; remove it"));
            }
        }
        problems
    }
}

impl Request {
    fn address(&self) -> Result<Url, NodeError> {
        let mut url =
            parse_url(&self.url).map_err(|message| NodeError::terminal("invalid_request", message))?;
        if !self.query.0.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query.0);
        }
        Ok(url)
    }

    fn prepare(&self, url: Url, context: &NodeContext) -> Result<HttpRequest, NodeError> {
        header::check_values(&self.headers.0)?;
        let key = context.idempotency_key();
        let mut headers = self.headers.0.clone();
        let mut add_missing = |name: &str, value: String| {
            if header::find(&headers, name).is_none() {
                headers.push((name.to_owned(), value));
            }
        };
        let body = match self.body.as_deref() {
            None | Some(Value::Null) => Default::default(),
            Some(body) => {
                let (content_type, bytes) = self.send_as.encode(body, &key)?;
                add_missing("content-type", content_type);
                bytes
            }
        };
        add_missing("user-agent", USER_AGENT.to_owned());
        add_missing("idempotency-key", key);
        headers.extend(self.auth.header(context)?);
        Ok(HttpRequest {
            method: self.method.as_str().to_owned(),
            url: url.into(),
            headers,
            body,
            timeout: self.timeout.into(),
            redirects: self.redirects,
            max_size: self.max_size.bytes(),
        })
    }
}

fn parse_url(text: &str) -> Result<Url, String> {
    // The text is not shown: it may hold a password.
    let url = Url::parse(text).map_err(|error| format!("the url cannot be read: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        scheme => Err(format!(
            "the url begins with `{scheme}:`; use `https:` or `http:`"
        )),
    }
}

/// The address as errors show it: user, query and fragment may hold secrets.
fn without_private_parts(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn output(response: &HttpResponse, body: Value, duration: Duration) -> Value {
    let mut headers = Map::new();
    let mut room = MAX_HEADERS;
    for (name, value) in &response.headers {
        let Some(left) = room.checked_sub(name.len() + value.len()) else {
            continue;
        };
        room = left;
        match headers.get_mut(name) {
            Some(Value::String(joined)) => {
                joined.push_str(", ");
                joined.push_str(value);
            }
            _ => {
                headers.insert(name.clone(), json!(value));
            }
        }
    }
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    json!({"status": response.status, "headers": headers, "body": body, "duration_ms": duration_ms})
}

/// The answer as an error keeps it: a long body is cut, and so is no JSON any more.
fn kept(mut response: HttpResponse, duration: Duration) -> Value {
    let is_long = response.body.len() > MAX_KEPT_BODY;
    if is_long {
        // Not within a character, where it is text.
        let end = match std::str::from_utf8(&response.body[..MAX_KEPT_BODY]) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => MAX_KEPT_BODY,
        };
        response.body.truncate(end);
    }
    let mut kept = output(&response, receive::auto(&response), duration);
    if is_long {
        kept["truncated"] = Value::Bool(true);
    }
    kept
}

fn status_error(
    response: HttpResponse,
    message: String,
    retry_after: Option<Duration>,
    duration: Duration,
) -> NodeError {
    let retryable = matches!(response.status, 408 | 425 | 429 | 500 | 502 | 503 | 504);
    NodeError {
        class: if retryable {
            ErrorClass::Retryable
        } else {
            ErrorClass::Terminal
        },
        data: Some(Box::new(kept(response, duration))),
        retry_after: retry_after.filter(|_| retryable),
        ..NodeError::terminal("http_status", message)
    }
}

/// What `Retry-After` asks for (RFC 9110 section 10.2.3), at most a day. A date counts from the answer's own
/// `Date`, since the two come from one clock.
fn retry_after(response: &HttpResponse, now: SystemTime) -> Option<Duration> {
    let value = header::find(&response.headers, "retry-after")?.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that do not fit ask for more than a day.
        value.parse().map_or(MAX_RETRY_AFTER, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        let date = header::find(&response.headers, "date");
        let from = date
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .unwrap_or(now);
        until.duration_since(from).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests;
