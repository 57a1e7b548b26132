//! What answers cost on the way: gzip, and what a caller need not get again.

use flowmatic_tests::TestApp;
use serde_json::json;

use crate::workflow::{Answered, create, hooked};

#[tokio::test]
async fn sends_json_by_gzip_to_those_who_take_it() {
    let app = TestApp::start().await;
    let key = app.key().await;
    let ask = async |method: &str, path: &str, encoding: &str| {
        let request = app.request(method, path).bearer_auth(key);
        Answered::of(request.header("accept-encoding", encoding)).await
    };
    for path in ["/api/v1/connectors", "/api/openapi.json"] {
        let plain = ask("GET", path, "identity").await;
        let small = ask("GET", path, "gzip, br").await;
        assert_eq!(
            (plain.header("content-encoding"), plain.header("vary")),
            ("", "Accept-Encoding")
        );
        assert_eq!(
            (small.header("content-encoding"), small.header("vary")),
            ("gzip", "Accept-Encoding")
        );
        assert!(small.body.len() * 2 < plain.body.len(), "{path}");
        assert_eq!(small.body.first_chunk(), Some(&[0x1f, 0x8b]), "{path}");
        assert_eq!(small.header("etag"), plain.header("etag"));
    }
    let little = ask("GET", "/api/v1/auth/state", "gzip").await;
    assert_eq!(
        (little.header("content-encoding"), little.json()),
        ("", json!({"has_owner": false}))
    );
    // A stream tells at once what there is to tell.
    let workflow = create(&app, hooked(&[])).await;
    let events = format!(
        "/api/v1/workflows/{}/events?max_seconds=1",
        workflow["id"].as_str().expect("an id")
    );
    let stream = ask("GET", &events, "gzip").await;
    assert_eq!((stream.status, stream.header("content-encoding")), (200, ""));
}

#[tokio::test]
async fn does_not_send_again_what_stays_as_it_is() {
    let app = TestApp::start().await;
    let key = app.key().await;
    let ask = async |path: &str, known: &str| {
        let request = app.request("GET", path).bearer_auth(key);
        Answered::of(request.header("if-none-match", known)).await
    };
    for path in ["/api/v1/connectors", "/api/openapi.json"] {
        let first = ask(path, "\"another\"").await;
        let etag = first.header("etag");
        assert!(first.status == 200 && etag.starts_with("W/\""), "{etag}");
        assert!(first.header("cache-control").contains("no-cache"), "{path}");
        let again = ask(path, etag).await;
        assert_eq!(
            (again.status, again.body.len(), again.header("etag")),
            (304, 0, etag),
            "{path}"
        );
    }
    let refused = app
        .request("GET", "/api/v1/connectors")
        .header("if-none-match", "*");
    assert_eq!(Answered::of(refused).await.status, 401, "the token comes first");
}
