//! `data.set`: makes an object of fields.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Param, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The fields by name; a value may be any JSON with expressions inside. Or one expression that gives an
    /// object.
    pub fields: Param<Map<String, Value>>,
}

impl Node for Set {
    const ABOUT: About = About {
        kind: "data.set",
        title: "Set fields",
        summary: "Name values for the nodes that follow",
        documentation: "Makes an object of the fields and gives it as its output: `{{_nodes.<key>.<field>}}`. A \
            value that is exactly one expression keeps its JSON type; with text around it, it becomes text. A \
            field without a name fails the node with `field_name`.",
        icon: include_str!("../../icons/data.set.svg"),
        role: Role::Pure,
        ports: OUT,
        example: r#"{
            "parameters": {"fields": {"customer": "{{order.email}}", "total": "{{order.total}}", "currency": "EUR"}},
            "context": {"order": {"email": "ana@acme.example", "total": 99.5}},
            "output": {"customer": "ana@acme.example", "total": 99.5, "currency": "EUR"}
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        let Param(fields) = self.fields;
        if has_nameless_field(&fields) {
            return Err(NodeError::terminal("field_name", "a field has no name"));
        }
        Ok(Output::value(fields))
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let fields = parameters.get("fields").and_then(Value::as_object);
        if fields.is_some_and(has_nameless_field) {
            return vec![("/fields".to_owned(), "a field has no name".to_owned())];
        }
        Vec::new()
    }
}

fn has_nameless_field(fields: &Map<String, Value>) -> bool {
    fields.keys().any(|name| name.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowmatic_executor::Node;
    use flowmatic_executor::testing::{TestHost, check, run};
    use serde_json::json;

    use super::Set;
    use crate::tidy::runs_its_example;

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example::<Set>().await;
    }

    #[tokio::test]
    async fn keeps_types_and_order() {
        check::<Set>(
            json!({"fields": {"b": "{{n}}", "a": ["{{n}}", "{{n}}!"], "c": {"d": "{{list}}"}, "e": null}}),
            json!({"n": 1, "list": [true]}),
            json!({"b": 1, "a": [1, "1!"], "c": {"d": [true]}, "e": null}),
        )
        .await;
    }

    #[tokio::test]
    async fn takes_an_expression_that_gives_an_object() {
        check::<Set>(
            json!({"fields": "{{order}}"}),
            json!({"order": {"id": 7}}),
            json!({"id": 7}),
        )
        .await;
        let context = json!({"order": {"": 7}});
        let result = run::<Set>(
            json!({"fields": "{{order}}"}),
            context,
            Arc::new(TestHost::default()),
        )
        .await;
        assert_eq!(result.expect_err("a field without a name").code, "field_name");
    }

    #[test]
    fn a_field_needs_a_name() {
        let parameters = json!({"fields": {"": 1}});
        let problems = Set::check(parameters.as_object().expect("an object"));
        assert_eq!(
            problems,
            [("/fields".to_owned(), "a field has no name".to_owned())]
        );
    }
}
