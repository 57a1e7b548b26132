use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::*;

/// A server on a loopback address that answers every connection with the same bytes, then closes it.
struct Origin {
    url: String,
    connections: Arc<AtomicUsize>,
    /// The head and body of each request, as they came.
    requests: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

#[derive(Clone)]
enum Answer {
    Whole(Vec<u8>),
    /// The beginning, then the same bytes for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// The beginning, then silence.
    Stuck(Vec<u8>),
}

impl Origin {
    async fn start(ip: &str, answer: Answer) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let connections = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (count, seen) = (connections.clone(), requests.clone());
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(stream, answer.clone(), seen.clone()));
            }
        });
        Self {
            url,
            connections,
            requests,
            task: task.abort_handle(),
        }
    }

    async fn answering(answer: &str) -> Self {
        Self::start("127.0.0.1", Answer::Whole(answer.as_bytes().to_vec())).await
    }

    async fn redirecting(status: u16, target: &str) -> Self {
        Self::answering(&redirect(status, target)).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic holds the lock").clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, answer: Answer, seen: Arc<Mutex<Vec<String>>>) -> io::Result<()> {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        request.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    seen.lock().expect("no panic holds the lock").push(request);
    match answer {
        Answer::Whole(bytes) => stream.write_all(&bytes).await?,
        Answer::Endless(start, rest) => {
            stream.write_all(&start).await?;
            loop {
                stream.write_all(&rest).await?;
            }
        }
        Answer::Stuck(start) => {
            stream.write_all(&start).await?;
            // The client is the one to hang up.
            while stream.read(&mut buffer).await? > 0 {}
        }
    }
    stream.shutdown().await
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse().ok());
    body.len() >= length.unwrap_or(0)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

fn redirect(status: u16, target: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

fn guard(allow: &[&str]) -> Guard {
    guard_with(allow, |_| Err(io::Error::other("tests ask no name server")))
}

fn guard_with(
    allow: &[&str],
    lookup: impl Fn(&str) -> io::Result<Vec<&'static str>> + Send + Sync + 'static,
) -> Guard {
    // A second test in the same process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let allow = allow
        .iter()
        .map(|range| range.parse().expect("a network"))
        .collect();
    let lookup: Lookup = Box::new(move |name| {
        let answer = lookup(&name).map(|ips| {
            ips.into_iter()
                .map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0))
                .collect()
        });
        Box::pin(async move { answer })
    });
    Guard::with_lookup(allow, lookup).expect("a client")
}

const LOOPBACK: &[&str] = &["127.0.0.0/8"];

fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: vec![],
        body: Bytes::new(),
        timeout: Duration::from_secs(10),
        redirects: 5,
        max_size: 1 << 20,
    }
}

fn post(url: &str, headers: &[(&str, &str)], body: &'static str) -> HttpRequest {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    HttpRequest {
        method: "POST".into(),
        headers,
        body: Bytes::from_static(body.as_bytes()),
        ..get(url)
    }
}

#[track_caller]
fn assert_refused(result: Result<HttpResponse, HttpError>) -> String {
    match result {
        Err(HttpError::Refused(text)) => text,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[track_caller]
fn assert_invalid(result: Result<HttpResponse, HttpError>) -> String {
    match result {
        Err(HttpError::Invalid(text)) => text,
        other => panic!("expected an invalid request, got {other:?}"),
    }
}

#[track_caller]
fn assert_network(result: Result<HttpResponse, HttpError>) -> String {
    match result {
        Err(HttpError::Network(text)) => text,
        other => panic!("expected a network error, got {other:?}"),
    }
}

#[tokio::test]
async fn refuses_loopback_without_connecting() {
    let origin = Origin::answering(OK).await;
    assert_refused(guard(&[]).send(get(&origin.url)).await);
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn refuses_every_spelling_without_connecting() {
    let origin = Origin::answering(OK).await;
    let port = origin.url.rsplit_once(':').expect("a port").1;
    let guard = guard(&[]);
    for host in [
        "127.1",
        "127.0.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "017700000001",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "0",
        "0.0.0.0",
        "169.254.169.254",
        "0xa9fea9fe",
        "100.64.0.1",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "[::7f00:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:0:7f00:1]",
        "[::5efe:7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[fec0::1]",
        "[fd00:ec2::254]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "any.localhost",
        "metadata.google.internal",
        "metadata.google.internal.",
    ] {
        let text = assert_refused(guard.send(get(&format!("http://{host}:{port}/"))).await);
        assert!(text.contains("is not allowed"), "{host}: {text}");
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn sends_where_the_operator_allows() {
    let origin = Origin::answering(
        "HTTP/1.1 201 Created\r\nX-One: 1\r\nx-two: zwei\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
    )
    .await;
    let response = guard(LOOPBACK)
        .send(post(&origin.url, &[("X-Mine", "yes")], "body"))
        .await
        .expect("an answer");
    assert_eq!(response.status, 201);
    assert_eq!(
        response.headers[..2],
        [("x-one".into(), "1".into()), ("x-two".into(), "zwei".into())]
    );
    assert_eq!(&response.body[..], b"ok");
    let request = &origin.requests()[0];
    assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-mine: yes\r\n"), "{request}");
    assert!(request.contains("content-length: 4\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nbody"), "{request}");
}

#[tokio::test]
async fn a_mapped_address_needs_its_ipv4_range_open() {
    let origin = Origin::answering(OK).await;
    let url = origin.url.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    assert_refused(guard(&["127.0.0.2/32", "::/0"]).send(get(&url)).await);
    assert_eq!(origin.connections(), 0);
    assert!(guard(LOOPBACK).send(get(&url)).await.is_ok());
}

#[tokio::test]
async fn localhost_is_what_is_open_of_loopback() {
    let origin = Origin::answering(OK).await;
    let url = origin.url.replace("127.0.0.1", "api.localhost");
    assert_refused(
        guard(&["::1/128"])
            .send(get(&url.replace("api.localhost", "127.0.0.1")))
            .await,
    );
    assert!(guard(LOOPBACK).send(get(&url)).await.is_ok());
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn resolves_names_and_checks_every_answer() {
    let origin = Origin::answering(OK).await;
    let url = |name: &str| origin.url.replace("127.0.0.1", name);
    let guard = guard_with(&["127.0.0.1/32"], |name| match name {
        "open.test" => Ok(vec!["127.0.0.1"]),
        "private.test" => Ok(vec!["10.1.2.3"]),
        "mixed.test" => Ok(vec!["127.0.0.1", "10.1.2.3"]),
        "six.test" => Ok(vec!["127.0.0.1", "::1"]),
        "empty.test" => Ok(vec![]),
        _ => Err(io::Error::other("10.9.9.9 says no")),
    });
    assert!(guard.send(get(&url("open.test"))).await.is_ok());
    assert_eq!(origin.connections(), 1);
    for name in ["private.test", "mixed.test", "six.test"] {
        let text = assert_refused(guard.send(get(&url(name))).await);
        assert!(text.contains(name) && !text.contains("10."), "{text}");
    }
    for name in ["empty.test", "missing.test"] {
        let text = assert_network(guard.send(get(&url(name))).await);
        assert!(text.contains(name) && !text.contains("10."), "{text}");
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn checks_a_name_anew_at_each_connection() {
    let origin = Origin::answering(OK).await;
    let asked = AtomicUsize::new(0);
    let guard = guard_with(&["127.0.0.1/32"], move |_| {
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec!["127.0.0.1"]),
            _ => Ok(vec!["127.0.0.2"]),
        }
    });
    let url = origin.url.replace("127.0.0.1", "rebinding.test");
    assert!(guard.send(get(&url)).await.is_ok());
    assert_refused(guard.send(get(&url)).await);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn refuses_what_cannot_be_sent() {
    let guard = guard(LOOPBACK);
    for url in [
        "",
        "/path",
        "http://",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://1.2.3.4.5/",
    ] {
        assert_invalid(guard.send(get(url)).await);
    }
    for url in [
        "http://user@127.0.0.1/",
        "http://user:secret@127.0.0.1/",
        "http://:secret@127.0.0.1/",
    ] {
        let text = assert_invalid(guard.send(get(url)).await);
        assert!(!text.contains("secret"), "{text}");
    }
    for method in ["", "GET /", "CONNECT"] {
        assert_invalid(
            guard
                .send(HttpRequest {
                    method: method.into(),
                    ..get("http://127.0.0.1/")
                })
                .await,
        );
    }
    for (name, value) in [
        ("Content-Length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("two words", "x"),
        ("X-Value", "a\r\nX-Other: b"),
    ] {
        let text = assert_invalid(guard.send(post("http://127.0.0.1/", &[(name, value)], "")).await);
        assert!(text.contains(&format!("`{}`", name.to_lowercase())), "{text}");
    }
}

#[tokio::test]
async fn says_what_failed_without_an_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let port = listener.local_addr().expect("a bound address").port();
    drop(listener);
    let guard = guard_with(LOOPBACK, |_| Ok(vec!["127.0.0.1"]));
    let text = assert_network(guard.send(get(&format!("http://closed.test:{port}/"))).await);
    assert_eq!(
        text,
        format!("the connection to `closed.test:{port}` failed: connection refused")
    );

    let origin = Origin::answering("SSH-2.0-OpenSSH_9.2\r\n").await;
    let url = origin.url.replace("127.0.0.1", "other.test");
    let text = assert_network(guard.send(get(&url)).await);
    assert!(text.contains("no valid HTTP response"), "{text}");

    let plain = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let url = format!(
        "https://other.test:{}/",
        plain.local_addr().expect("a bound address").port()
    );
    let answer = async {
        let (mut stream, _) = plain.accept().await.expect("a connection");
        stream
            .write_all(b"220 mail.test ESMTP\r\n")
            .await
            .expect("a listening client");
        stream
    };
    let (result, _stream) = tokio::join!(guard.send(get(&url)), answer);
    let text = assert_network(result);
    assert!(text.starts_with("no secure connection to `other.test"), "{text}");
}

#[tokio::test]
async fn follows_redirects() {
    let last = Origin::answering(OK).await;
    let middle = Origin::redirecting(302, &last.url).await;
    let first = Origin::redirecting(301, &format!("{}/middle?x=1", middle.url)).await;
    let response = guard(LOOPBACK).send(get(&first.url)).await.expect("an answer");
    assert_eq!(&response.body[..], b"hello");
    assert!(middle.requests()[0].starts_with("GET /middle?x=1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn with_no_redirects_the_redirect_is_the_response() {
    let origin = Origin::redirecting(302, "http://169.254.169.254/latest/meta-data").await;
    let request = HttpRequest {
        redirects: 0,
        ..get(&origin.url)
    };
    assert_eq!(
        guard(LOOPBACK).send(request).await.expect("an answer").status,
        302
    );
}

#[tokio::test]
async fn checks_the_target_of_a_redirect() {
    let inside = Origin::answering(OK).await;
    let guard = guard_with(&["127.0.0.2/32"], |_| Ok(vec!["127.0.0.1"]));
    let port = inside.url.rsplit_once(':').expect("a port").1;
    for target in [
        inside.url.clone(),
        format!("//127.0.0.1:{port}/"),
        format!("http://named.test:{port}/"),
        "http://169.254.169.254/latest/meta-data".into(),
    ] {
        let answer = Answer::Whole(redirect(307, &target).into_bytes());
        let outside = Origin::start("127.0.0.2", answer).await;
        assert_refused(guard.send(get(&outside.url)).await);
        assert_eq!(outside.connections(), 1);
    }
    for target in [
        format!("http://user@127.0.0.1:{port}/"),
        "file:///etc/passwd".into(),
    ] {
        let answer = Answer::Whole(redirect(302, &target).into_bytes());
        let outside = Origin::start("127.0.0.2", answer).await;
        assert_invalid(guard.send(get(&outside.url)).await);
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let origin = Origin::redirecting(307, "/again").await;
    let text = assert_refused(guard(LOOPBACK).send(get(&origin.url)).await);
    assert!(text.starts_with("more than 5 redirects"), "{text}");
    assert_eq!(origin.connections(), 6);
}

/// What `sent` becomes by one redirect to the same origin, or to another.
async fn redirected(status: u16, same_origin: bool, method: &str) -> String {
    let other = Origin::answering(OK).await;
    let target = if same_origin { "/next" } else { &other.url };
    let origin = Origin::redirecting(status, target).await;
    let headers = [
        ("Authorization", "Bearer a"),
        ("Cookie", "b=c"),
        ("X-Api-Key", "d"),
        ("Idempotency-Key", "e"),
        ("Host", "f.test"),
        ("Accept", "g/h"),
        ("Content-Type", "text/plain"),
    ];
    let request = HttpRequest {
        method: method.into(),
        redirects: 1,
        ..post(&origin.url, &headers, "content")
    };
    // The same origin redirects for ever.
    let result = guard(LOOPBACK).send(request).await;
    assert_eq!(result.is_ok(), !same_origin);
    let mut requests = if same_origin {
        origin.requests()
    } else {
        other.requests()
    };
    requests.pop().expect("a request after the redirect")
}

#[tokio::test]
async fn a_redirect_keeps_or_drops_the_body_by_its_status() {
    for (status, before, after) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ] {
        let request = redirected(status, true, before).await;
        assert!(
            request.starts_with(&format!("{after} /next ")),
            "{status} of {before}: {request}"
        );
        let keeps = after != "GET";
        assert_eq!(
            request.ends_with("\r\n\r\ncontent"),
            keeps,
            "{status} of {before}: {request}"
        );
        assert_eq!(
            request.contains("content-type: "),
            keeps,
            "{status} of {before}: {request}"
        );
    }
}

#[tokio::test]
async fn secrets_stay_with_their_origin() {
    let secrets = [
        "authorization: ",
        "cookie: ",
        "x-api-key: ",
        "idempotency-key: ",
        "f.test",
    ];
    let same = redirected(307, true, "POST").await;
    let other = redirected(307, false, "POST").await;
    for secret in secrets {
        assert!(same.contains(secret), "{secret} is missing: {same}");
        assert!(!other.contains(secret), "{secret} leaks: {other}");
    }
    assert!(other.contains("accept: g/h\r\n"), "{other}");
    assert!(other.ends_with("\r\n\r\ncontent"), "{other}");
}

#[test]
fn a_redirect_from_https_to_http_is_refused() {
    let hop = Hop::first(get("https://shop.test/")).expect("a valid request");
    let location = HeaderValue::from_static("http://shop.test/");
    assert!(matches!(
        hop.next(StatusCode::FOUND, &location),
        Err(HttpError::Refused(_))
    ));
}

#[tokio::test]
async fn cuts_an_endless_body() {
    let head = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let plain = Origin::start("127.0.0.1", Answer::Endless(head, vec![b'x'; 65536])).await;
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunked = Origin::start("127.0.0.1", Answer::Endless(head, b"4\r\nabcd\r\n".repeat(1000))).await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000001\r\n\r\n".to_vec();
    let announced = Origin::start("127.0.0.1", Answer::Stuck(head)).await;
    for origin in [plain, chunked, announced] {
        let request = HttpRequest {
            max_size: 1_000_000,
            ..get(&origin.url)
        };
        let result = guard(LOOPBACK).send(request).await;
        assert!(
            matches!(result, Err(HttpError::TooLarge(1_000_000))),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn a_body_of_just_the_cap_is_read() {
    let origin = Origin::answering(OK).await;
    let request = |max_size| HttpRequest {
        max_size,
        ..get(&origin.url)
    };
    assert!(guard(LOOPBACK).send(request(5)).await.is_ok());
    assert!(matches!(
        guard(LOOPBACK).send(request(4)).await,
        Err(HttpError::TooLarge(4))
    ));
}

#[tokio::test]
async fn one_deadline_holds_for_all() {
    let silent = Origin::start("127.0.0.1", Answer::Stuck(vec![])).await;
    let half_head = Origin::start("127.0.0.1", Answer::Stuck(b"HTTP/1.1 200 OK\r\nx-a: ".to_vec())).await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec();
    let half_body = Origin::start("127.0.0.1", Answer::Stuck(head)).await;
    let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100);
    let interims = Origin::start("127.0.0.1", Answer::Endless(vec![], interim)).await;
    let behind_redirect = Origin::redirecting(302, &silent.url).await;
    for origin in [&silent, &half_head, &half_body, &interims, &behind_redirect] {
        let timeout = Duration::from_millis(150);
        let result = guard(LOOPBACK)
            .send(HttpRequest {
                timeout,
                ..get(&origin.url)
            })
            .await;
        assert!(matches!(result, Err(HttpError::Timeout(_))), "{result:?}");
    }
}

#[tokio::test]
async fn bounds_the_header() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let endless = Answer::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'y'; 65536]);
    for origin in [
        Origin::answering(&many).await,
        Origin::start("127.0.0.1", endless).await,
    ] {
        assert_network(guard(LOOPBACK).send(get(&origin.url)).await);
    }
}

#[tokio::test]
async fn hands_on_a_compressed_body_as_it_came() {
    let origin = Origin::answering(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 6\r\nconnection: close\r\n\r\nzipped",
    )
    .await;
    let response = guard(LOOPBACK).send(get(&origin.url)).await.expect("an answer");
    assert_eq!(&response.body[..], b"zipped");
    assert!(!origin.requests()[0].contains("accept-encoding"));
}
