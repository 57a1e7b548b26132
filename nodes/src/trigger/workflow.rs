//! `trigger.workflow`: another workflow's `flow.call` starts an execution.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Role};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workflow {}

impl Node for Workflow {
    const ABOUT: About = About {
        kind: "trigger.workflow",
        title: "Called by a workflow",
        summary: "Start when another workflow calls this one",
        documentation: "Starts an execution when the node `flow.call` of another workflow names this one. The fields of \
            its `input` stand at the top level of the context: `{{email}}`.\n\n\
            `_call` tells who called: `executionId`, the `path` of the node there, and how many calls led here as `depth`. \
            What the caller gets is the first answer of a Response node, else the output of the step that ended last.",
        icon: include_str!("../../icons/trigger.workflow.svg"),
        role: Role::Trigger,
        ports: OUT,
        example: r#"{"parameters": {}, "context": {"email": "ana@acme.example"}}"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Err(NodeError::terminal("internal", "a trigger was run as a step"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::Workflow;

    #[test]
    fn has_no_parameters() {
        assert!(from_value::<Workflow>(json!({})).is_ok());
        assert!(from_value::<Workflow>(json!({"input": {}})).is_err());
    }
}
