//! `trigger.manual`: a click, or a call of the API, starts an execution.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manual {
    /// A JSON schema of an object: the form that is filled in before the start. Missing: free JSON.
    pub input: Option<Map<String, Value>>,
}

impl Node for Manual {
    const ABOUT: About = About {
        kind: "trigger.manual",
        title: "Manual start",
        summary: "Start by a click or a call of the API",
        documentation: "Starts an execution when a person clicks *Run*, or a program calls the workflow's \
            `execute` endpoint. With `input`, a JSON schema of an object, the builder shows a form with its \
            fields.\n\n\
            The fields of the input stand at the top level of the context: `{{email}}`.",
        icon: include_str!("../../icons/trigger.manual.svg"),
        role: Role::Trigger,
        ports: OUT,
        example: r#"{
            "parameters": {"input": {
                "type": "object",
                "properties": {"email": {"type": "string", "title": "Who to invite"}},
                "required": ["email"]
            }},
            "context": {"email": "ana@acme.example"}
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Err(NodeError::terminal("internal", "a trigger was run as a step"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::Manual;

    #[test]
    fn needs_no_form() {
        let manual: Manual = from_value(json!({})).expect("valid");
        assert_eq!(manual.input, None);
        assert!(from_value::<Manual>(json!({"input": []})).is_err());
    }
}
