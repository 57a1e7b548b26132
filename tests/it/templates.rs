//! `nodes/templates`: each is a workflow that works.

use std::path::Path;

use flowmatic_tests::TestApp;
use serde_json::{Value, json};

use crate::workflow::{create, id, webhook_id};

/// What each template is called with, and what it answers.
fn example(template: &str) -> (Value, Value) {
    match template {
        "order-intake" => (
            json!({"data": {"amount": 99.5, "currency": "USD"}}),
            json!({"ok": true, "total": 99.5}),
        ),
        other => panic!("say here what the template `{other}` is called with"),
    }
}

#[tokio::test]
async fn every_template_can_be_created_called_and_completed() {
    let app = TestApp::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nodes/templates");
    let mut templates = 0;
    for file in std::fs::read_dir(folder).expect("the folder of templates") {
        let file = file.expect("an entry").path();
        let name = file.file_stem().and_then(|name| name.to_str()).expect("a name");
        let text = std::fs::read_to_string(&file).expect("a text");
        let mut template: Value = serde_json::from_str(&text).expect("JSON");
        template["active"] = json!(true);
        let workflow = create(&app, template).await;
        let (body, expected) = example(name);
        let answer = app.webhook(&webhook_id(&workflow), &body).await;
        assert_eq!(answer, (200, expected), "{name}");
        let list = format!("/api/v1/executions?workflow_id={}", id(&workflow));
        let (_, executions) = app.api("GET", &list, Value::Null).await;
        app.wait_for(id(&executions["data"][0]), &["COMPLETED"]).await;
        templates += 1;
    }
    assert!(templates > 0);
}
