//! What is sent, and what becomes of an answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flowmatic_executor::testing::{TestHost, run_with_secrets};
use flowmatic_executor::{ErrorClass, HttpError, HttpRequest, HttpResponse, Node, NodeError, Secrets};
use serde_json::{Value, json};

use super::{Request, retry_after};
use crate::tidy::runs_its_example_on;

type Reply = fn(&HttpRequest) -> Result<HttpResponse, HttpError>;

const EMPTY: Reply = |_| Ok(response(204, &[], ""));

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    HttpResponse {
        status,
        headers,
        body: body.to_owned().into(),
    }
}

/// Runs the node and gives its output, without `duration_ms`, and what it sent.
async fn call(parameters: Value, answer: Reply) -> (Result<Value, NodeError>, Vec<HttpRequest>) {
    let host = Arc::new(TestHost {
        answer,
        ..TestHost::default()
    });
    let context = json!({"order": {"id": 7, "email": "ana@acme.example"}});
    let secrets = [("r", "s3cret"), ("line break", "s3cret\r\nx: y")];
    let secrets = secrets.map(|(reference, secret)| (reference.to_owned(), secret.to_owned()));
    let secrets = Secrets::new(HashMap::from(secrets));
    let result = run_with_secrets::<Request>(parameters, context, secrets, host.clone()).await;
    let value = result.map(|output| {
        let mut value = output.value;
        let fields = value.as_object_mut().expect("an object");
        assert!(
            fields
                .remove("duration_ms")
                .is_some_and(|duration| duration.is_u64())
        );
        value
    });
    let requests = host
        .requests
        .lock()
        .expect("no test panics with this lock")
        .clone();
    (value, requests)
}

async fn sent(parameters: Value) -> HttpRequest {
    let (result, mut requests) = call(parameters, EMPTY).await;
    result.expect("it is sent");
    requests.pop().expect("one request")
}

async fn failure(parameters: Value, answer: Reply) -> NodeError {
    call(parameters, answer).await.0.expect_err("it fails")
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Vec<&'a str> {
    let headers = request
        .headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name));
    headers.map(|(_, value)| value.as_str()).collect()
}

#[tokio::test]
async fn its_example_holds() {
    let host = TestHost {
        answer: |request| {
            assert_eq!(
                (request.method.as_str(), request.url.as_str()),
                ("POST", "https://api.example.com/customers")
            );
            let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
            assert_eq!(request.timeout, Duration::from_secs(10));
            let body = json!({"id": 42, "email": sent["email"]});
            Ok(response(
                201,
                &[("content-type", "application/json")],
                &body.to_string(),
            ))
        },
        ..TestHost::default()
    };
    runs_its_example_on::<Request>(host).await;
}

#[tokio::test]
async fn a_get_needs_an_address_alone() {
    let request = sent(json!({"url": "https://api.example.com/orders"})).await;
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("GET", "https://api.example.com/orders")
    );
    assert_eq!(
        (request.timeout, request.redirects, request.max_size),
        (Duration::from_secs(30), 5, 512 << 10)
    );
    assert!(request.body.is_empty());
    assert!(header(&request, "content-type").is_empty());
    assert_eq!(header(&request, "user-agent"), [super::USER_AGENT]);
    assert_eq!(header(&request, "idempotency-key").len(), 1);
}

#[tokio::test]
async fn sends_query_headers_and_body() {
    let request = sent(json!({
        "method": "POST",
        "url": "https://api.example.com/orders/{{order.id}}?a=1",
        "query": {"q": "x y", "n": "{{order.id}}", "none": null},
        "headers": {"Idempotency-Key": "mine", "X-Id": "{{order.id}}"},
        "body": {"email": "{{order.email}}"},
        "timeout": "2s",
        "redirects": 0,
        "max_size": "64KiB",
    }))
    .await;
    assert_eq!(request.url, "https://api.example.com/orders/7?a=1&q=x+y&n=7");
    assert_eq!(header(&request, "idempotency-key"), ["mine"]);
    assert_eq!(header(&request, "x-id"), ["7"]);
    assert_eq!(header(&request, "content-type"), ["application/json"]);
    assert_eq!(&request.body[..], br#"{"email":"ana@acme.example"}"#);
    assert_eq!(
        (request.timeout, request.redirects, request.max_size),
        (Duration::from_secs(2), 0, 65_536)
    );
}

#[tokio::test]
async fn proves_who_sends_it() {
    for (auth, name, value) in [
        (
            json!({"type": "basic", "username": "u", "secret_ref": "r"}),
            "authorization",
            "Basic dTpzM2NyZXQ=",
        ),
        (
            json!({"type": "bearer", "secret_ref": "r"}),
            "authorization",
            "Bearer s3cret",
        ),
        (
            json!({"type": "header", "name": "X-Api-Key", "secret_ref": "r"}),
            "x-api-key",
            "s3cret",
        ),
    ] {
        let request = sent(json!({"url": "https://api.example.com", "auth": auth})).await;
        assert_eq!(header(&request, name), [value]);
    }
    for (reference, code) in [("lost", "secret_missing"), ("line break", "invalid_header")] {
        let auth = json!({"type": "bearer", "secret_ref": reference});
        let error = failure(json!({"url": "https://api.example.com", "auth": auth}), EMPTY).await;
        assert_eq!(error.code, code);
        assert!(!error.message.contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn gives_the_answer() {
    let answer: Reply = |_| {
        let headers = [
            ("content-type", "application/json"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ];
        Ok(response(200, &headers, r#"{"id": 42}"#))
    };
    let (result, _) = call(json!({"url": "https://api.example.com"}), answer).await;
    let headers = json!({"content-type": "application/json", "set-cookie": "a=1, b=2"});
    assert_eq!(
        result,
        Ok(json!({"status": 200, "headers": headers, "body": {"id": 42}}))
    );
}

#[tokio::test]
async fn a_bad_status_fails_and_keeps_the_answer() {
    let answer: Reply = |_| Ok(response(404, &[("content-type", "text/plain")], "gone"));
    let url = "https://user:password@api.example.com/a?key=secret#b";
    let error = failure(json!({"url": url, "receive_as": "json"}), answer).await;
    assert_eq!(
        (error.class, error.code.as_ref()),
        (ErrorClass::Terminal, "http_status")
    );
    assert_eq!(
        error.message,
        "`GET https://api.example.com/a` answered with status `404`"
    );
    assert_eq!(error.data.expect("the answer")["body"], "gone");
    let (result, _) = call(json!({"url": url, "fail_on_status": false}), answer).await;
    assert_eq!(result.expect("an answer")["status"], 404);
}

#[tokio::test]
async fn the_largest_answer_fits_into_an_output() {
    let answer: Reply = |request| {
        let body = "\0".repeat(request.max_size);
        let value = "\"".repeat(5_000);
        let names: Vec<String> = (0..60).map(|index| format!("x-{index}")).collect();
        let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        Ok(response(200, &headers, &body))
    };
    let (result, _) = call(json!({"url": "https://api.example.com"}), answer).await;
    let output = result.expect("an answer");
    assert!(output.to_string().len() < 1 << 20);
    assert_eq!(output["headers"].as_object().map(serde_json::Map::len), Some(13));
}

#[tokio::test]
async fn an_error_keeps_the_beginning_of_a_long_answer() {
    const TEXT: &str = "text/plain";
    let text: Reply = |_| {
        let body = "x".to_owned() + &"ä".repeat(300_000);
        Ok(response(500, &[("content-type", TEXT)], &body))
    };
    let bytes: Reply = |_| Ok(response(500, &[], &"x".repeat(300_000)));
    let parsed: Reply = |_| {
        let body = json!(vec![1; 300_000]).to_string();
        Ok(response(200, &[("content-type", "application/json")], &body))
    };
    let url = "https://api.example.com";
    for (parameters, answer, length) in [
        (json!({"url": url}), text, 65_535),
        (json!({"url": url}), bytes, 87_384),
        (json!({"url": url, "receive_as": "json"}), text, 65_535),
    ] {
        let data = failure(parameters, answer).await.data.expect("the answer");
        assert_eq!(data["body"].as_str().map(str::len), Some(length));
        assert_eq!(data["truncated"], true);
    }
    let (result, _) = call(json!({"url": url}), parsed).await;
    assert_eq!(
        result.expect("it is no error")["body"].as_array().map(Vec::len),
        Some(300_000)
    );
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says() {
    let answer: Reply = |_| Ok(response(503, &[("retry-after", "120")], ""));
    let error = failure(json!({"url": "https://api.example.com"}), answer).await;
    assert_eq!(error.class, ErrorClass::Retryable);
    assert_eq!(error.retry_after, Some(Duration::from_secs(120)));
    let answer: Reply = |_| Ok(response(400, &[("retry-after", "120")], ""));
    let error = failure(json!({"url": "https://api.example.com"}), answer).await;
    assert_eq!((error.class, error.retry_after), (ErrorClass::Terminal, None));
}

#[tokio::test]
async fn an_answer_of_another_kind_fails_and_is_kept() {
    let answer: Reply = |_| Ok(response(200, &[("content-type", "text/html")], "<p>"));
    let error = failure(
        json!({"url": "https://api.example.com", "receive_as": "json"}),
        answer,
    )
    .await;
    assert_eq!(error.code, "not_json");
    assert!(
        error
            .message
            .starts_with("the answer of `GET https://api.example.com/` is not"),
        "{error}"
    );
    assert_eq!(error.data.expect("the answer")["body"], "<p>");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    for (parameters, code) in [
        (json!({"url": "{{order.email}}"}), "invalid_request"),
        (json!({"url": "ftp:{{order.email}}"}), "invalid_request"),
        (
            json!({"url": "https://a.example", "headers": {"x": "{{order.id}}\n"}}),
            "invalid_header",
        ),
        (
            json!({"url": "https://a.example", "send_as": "form", "body": "{{order.id}}"}),
            "invalid_body",
        ),
    ] {
        let (result, requests) = call(parameters, EMPTY).await;
        assert_eq!(result.expect_err("it fails").code, code);
        assert!(requests.is_empty());
    }
}

#[test]
fn retry_after_is_seconds_or_a_date_and_at_most_a_day() {
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:27:00 GMT").expect("a date");
    let check = |headers: &[(&str, &str)], now: SystemTime| {
        retry_after(&response(503, headers, ""), now).map(|wait| wait.as_secs())
    };
    assert_eq!(check(&[("retry-after", "5")], now), Some(5));
    assert_eq!(check(&[("retry-after", date)], now), Some(60));
    assert_eq!(
        check(
            &[("retry-after", date), ("date", "Wed, 21 Oct 2015 07:27:50 GMT")],
            now
        ),
        Some(10)
    );
    assert_eq!(
        check(
            &[("retry-after", date), ("date", "Wed, 21 Oct 2015 07:29:00 GMT")],
            now
        ),
        Some(0)
    );
    assert_eq!(
        check(&[("retry-after", "99999999999999999999999")], now),
        Some(86_400)
    );
    assert_eq!(
        check(&[("retry-after", date)], SystemTime::UNIX_EPOCH),
        Some(86_400)
    );
    assert_eq!(check(&[("retry-after", "-5")], now), None);
    assert_eq!(check(&[("retry-after", "soon")], now), None);
    assert_eq!(check(&[("retry-after", "")], now), None);
    assert_eq!(check(&[], now), None);
}

#[test]
fn mistakes_are_found_before_a_run() {
    for (parameters, pointer) in [
        (json!({"url": "api.example.com"}), "/url"),
        (json!({"url": "file:///etc/passwd"}), "/url"),
        (json!({"timeout": "301s"}), "/timeout"),
        (json!({"max_size": "1MiB"}), "/max_size"),
        (json!({"auth": {"type": "bearer"}}), "/auth/secret"),
        (json!({"headers": {"Host": "a"}}), "/headers/Host"),
        (
            json!({"headers": {"Content-Length": "1"}}),
            "/headers/Content-Length",
        ),
        (
            json!({"headers": {"Content-Type": "a/b"}, "send_as": "multipart"}),
            "/headers/Content-Type",
        ),
        (
            json!({"headers": {"authorization": "a"}, "auth": {"type": "bearer", "secret": "s"}}),
            "/headers/authorization",
        ),
    ] {
        let problems = Request::check(parameters.as_object().expect("an object"));
        let pointers: Vec<_> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, [pointer], "{parameters}");
    }
    let fine = json!({"url": "{{order.url}}", "headers": {"Content-Type": "text/csv"}, "timeout": "1m", "max_size": 10});
    assert_eq!(Request::check(fine.as_object().expect("an object")), []);
}
