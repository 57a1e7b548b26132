//! Workflows for the tests.

use flowmatic_tests::TestApp;
use serde_json::Value;

/// Creates a workflow and gives it back as the API shows it.
pub async fn create(app: &TestApp, workflow: Value) -> Value {
    let (status, created) = app.api("POST", "/api/v1/workflows", workflow).await;
    assert_eq!(status, 201, "{created}");
    created
}

/// The path of its first webhook.
pub fn webhook_path(workflow: &Value) -> String {
    format!("/api/webhooks/{}", webhook_id(workflow))
}

pub fn webhook_id(workflow: &Value) -> String {
    workflow["triggers"][0]["webhook_id"]
        .as_str()
        .expect("it has a webhook")
        .to_owned()
}
