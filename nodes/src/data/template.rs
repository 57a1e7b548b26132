//! `data.template`: fills in a text.

use flowmatic_executor::json;
use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Expression, Node, NodeContext, NodeError, Output, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The text with expressions in it, such as `Hello {{name}}`.
    pub text: Expression,
    /// What the text is.
    #[serde(default, rename = "as")]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Plain text; values are inserted as they are.
    #[default]
    Text,
    /// JSON: the filled-in text is parsed, and the output is its value.
    Json,
    /// HTML: what `{{...}}` inserts is escaped, what `{{{...}}}` inserts is not.
    Html,
}

impl Node for Template {
    const ABOUT: About = About {
        kind: "data.template",
        title: "Template",
        summary: "Fill in a text, JSON or HTML",
        documentation: "Fills in the expressions of a text; `{{#each}}` and `{{#if}}` work too. As `html`, what is \
            inserted is escaped, so that values from outside cannot add tags. As `json`, the filled-in text is \
            parsed and the output is its value.\n\n\
            A text that is no JSON fails the node with `not_json`.",
        icon: include_str!("../../icons/data.template.svg"),
        role: Role::Pure,
        ports: OUT,
        example: r#"{
            "parameters": {"text": "{{#each items}}{{name}}: {{count}}\n{{/each}}"},
            "context": {"items": [{"name": "Pen", "count": 2}, {"name": "Ink", "count": 1}]},
            "output": "Pen: 2\nInk: 1\n"
        }"#,
    };

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let value = match self.format {
            Format::Html => Value::String(context.render_html(self.text)?),
            Format::Text => text(context.evaluate(self.text, &[])?.into_owned()),
            Format::Json => parse(context.evaluate(self.text, &[])?.into_owned())?,
        };
        Ok(Output::value(value))
    }
}

/// A text that is exactly one expression arrives with its JSON type.
fn text(value: Value) -> Value {
    match value {
        Value::String(_) => value,
        Value::Null => Value::String(String::new()),
        other => Value::String(other.to_string()),
    }
}

fn parse(value: Value) -> Result<Value, NodeError> {
    let Value::String(text) = value else {
        return Ok(value);
    };
    json::parse(text.as_bytes()).map_err(|error| {
        NodeError::terminal(
            "not_json",
            format!("the filled-in text is not usable as JSON: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowmatic_executor::testing::{TestHost, check, run};
    use serde_json::json;

    use super::Template;
    use crate::tidy::runs_its_example;

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example::<Template>().await;
    }

    #[tokio::test]
    async fn text_stays_text() {
        let context = json!({"name": "<Ana>", "n": 1, "list": [1], "nothing": null});
        for (text, expected) in [
            ("Hello {{name}}", "Hello <Ana>"),
            ("{{n}}", "1"),
            ("{{list}}", "[1]"),
            ("{{nothing}}", ""),
            ("no expression", "no expression"),
        ] {
            check::<Template>(json!({"text": text}), context.clone(), json!(expected)).await;
        }
    }

    #[tokio::test]
    async fn html_is_escaped() {
        let parameters = json!({"as": "html", "text": "<p>{{name}}</p>{{{name}}}"});
        let expected = json!("<p>&lt;b&gt;</p><b>");
        check::<Template>(parameters, json!({"name": "<b>"}), expected).await;
    }

    #[tokio::test]
    async fn json_becomes_a_value() {
        let context = json!({"n": 1, "value": {"a": 1}, "bad": "{"});
        let parameters = json!({"as": "json", "text": "{\"n\": {{n}} }"});
        check::<Template>(parameters, context.clone(), json!({"n": 1})).await;
        let parameters = json!({"as": "json", "text": "{{value}}"});
        check::<Template>(parameters, context.clone(), json!({"a": 1})).await;
        let parameters = json!({"as": "json", "text": "{{bad}}"});
        let result = run::<Template>(parameters, context, Arc::new(TestHost::default())).await;
        assert_eq!(result.expect_err("no JSON").code, "not_json");
    }
}
