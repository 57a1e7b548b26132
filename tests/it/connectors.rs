//! `/api/v1/connectors`: the catalogue of nodes.

use flowmatic_tests::TestApp;
use serde_json::{Value, json};

use crate::workflow::{create, hooked};

#[tokio::test]
async fn lists_every_type_of_nodes_with_all_that_a_form_needs() {
    let app = TestApp::start().await;
    let (status, list) = app.api("GET", "/api/v1/connectors", Value::Null).await;
    assert_eq!(
        (status, &list["success"], &list["next_cursor"]),
        (200, &json!(true), &Value::Null)
    );
    let connectors = list["data"].as_array().expect("a list");
    let types: Vec<&str> = connectors
        .iter()
        .map(|it| it["type"].as_str().expect("a type"))
        .collect();
    for known in [
        "trigger.webhook",
        "trigger.manual",
        "trigger.schedule",
        "flow.if",
        "flow.switch",
        "flow.response",
        "flow.stop",
        "data.set",
        "data.template",
        "data.filter",
        "http.request",
    ] {
        assert!(types.contains(&known), "`{known}` is not in {types:?}");
    }
    for connector in connectors {
        let kind = connector["type"].as_str().expect("a type");
        for field in ["title", "group", "summary", "documentation"] {
            assert!(
                connector[field].as_str().is_some_and(|text| !text.is_empty()),
                "{kind}: {field}"
            );
        }
        assert!(
            connector["icon"]
                .as_str()
                .is_some_and(|icon| icon.starts_with("<svg")),
            "{kind}"
        );
        assert!(
            kind.starts_with(connector["group"].as_str().expect("a group")),
            "{kind}"
        );
        assert_eq!(connector["parameters"]["type"], "object", "{kind}");
        assert_eq!(connector["example"]["node"]["type"], kind);
        let path = format!("/api/v1/connectors/{kind}");
        assert_eq!(app.api("GET", &path, Value::Null).await, (200, connector.clone()));
    }
    for unknown in ["flow.teleport", "flow", "%00", "a%2fb"] {
        let (status, answer) = app
            .api("GET", &format!("/api/v1/connectors/{unknown}"), Value::Null)
            .await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (404, &json!("NOT_FOUND")),
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn gives_examples_that_can_be_published() {
    let app = TestApp::start().await;
    let called = create(&app, hooked(&[])).await;
    let (_, list) = app.api("GET", "/api/v1/connectors", Value::Null).await;
    for connector in list["data"].as_array().expect("a list") {
        let mut node = connector["example"]["node"].clone();
        if let Some(workflow) = node["parameters"].get_mut("workflow") {
            // The example's own is nobody's.
            *workflow = called["id"].clone();
        }
        let node = &node;
        let inside = connector["example"]["inside"].as_array();
        let start = json!({"key": "start", "type": "trigger.manual"});
        let nodes: Vec<&Value> = [&start, node]
            .into_iter()
            .chain(inside.into_iter().flatten())
            .collect();
        let graph = match connector["role"].as_str() {
            Some("trigger") => json!({"nodes": [node]}),
            _ => json!({
                "nodes": nodes,
                "edges": [{"from": "start", "to": node["key"]}]
            }),
        };
        let checked = app
            .api("POST", "/api/v1/workflows/validate", json!({"graph": graph}))
            .await;
        assert_eq!(checked, (200, json!({"valid": true, "problems": []})), "{node}");
    }
}
