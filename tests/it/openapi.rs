//! `/api/openapi.json` and `flowmatic openapi`.

use flowmatic_tests::TestApp;
use serde_json::Value;

use crate::workflow::Answered;

#[tokio::test]
async fn serves_and_prints_the_description_that_is_committed() {
    let app = TestApp::start().await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json");
    let committed = std::fs::read_to_string(path).expect("the committed description");
    let answered = Answered::of(app.request("GET", "/api/openapi.json")).await;
    assert_eq!(
        (answered.status, answered.header("content-type")),
        (200, "application/json")
    );
    let description: Value = serde_json::from_str(&committed).expect("JSON");
    assert_eq!(answered.json(), description);
    let output = app.run(&["openapi"]).await;
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), committed);
}

#[tokio::test]
async fn has_every_path_of_the_documentation() {
    let app = TestApp::start().await;
    let description = Answered::of(app.request("GET", "/api/openapi.json")).await.json();
    for (method, path) in [
        ("get", "/api/v1/workflows"),
        ("post", "/api/v1/workflows"),
        ("get", "/api/v1/workflows/{id}"),
        ("put", "/api/v1/workflows/{id}"),
        ("delete", "/api/v1/workflows/{id}"),
        ("post", "/api/v1/workflows/{id}/execute"),
        ("get", "/api/v1/executions"),
        ("get", "/api/v1/executions/{id}"),
        ("get", "/api/v1/connectors"),
        ("get", "/api/v1/auth/me"),
        ("patch", "/api/v1/auth/me"),
        ("post", "/api/webhooks/{webhookId}"),
        ("get", "/api/webhooks/{webhookId}"),
    ] {
        assert!(description["paths"][path][method].is_object(), "{method} {path}");
    }
}
