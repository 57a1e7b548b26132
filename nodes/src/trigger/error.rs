//! `trigger.error`: the failure of another workflow's execution starts one.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Role};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failure {}

impl Node for Failure {
    const ABOUT: About = About {
        kind: "trigger.error",
        title: "Failure of a workflow",
        summary: "Start when an execution of another workflow fails",
        documentation: "Starts an execution, exactly once, when one of a workflow fails or runs out of time whose \
            settings name this workflow as their `error_workflow`. A crash loop counts as a failure; a cancel does not.\n\n\
            `_error` tells what happened: `code`, `message`, `node`, `executionId`, `workflowId`, `version` and `status`. \
            If the execution that it starts fails too, nothing follows from that.",
        icon: include_str!("../../icons/trigger.error.svg"),
        role: Role::Trigger,
        ports: OUT,
        example: r#"{
            "parameters": {},
            "context": {"_error": {
                "code": "http_status", "message": "the answer was 404", "node": "call", "status": "FAILED", "version": 3,
                "executionId": "0191d7f8-1f00-7000-8000-000000000001",
                "workflowId": "0191d7f8-1f00-7000-8000-000000000002"
            }}
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Err(NodeError::terminal("internal", "a trigger was run as a step"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::Failure;

    #[test]
    fn has_no_parameters() {
        assert!(from_value::<Failure>(json!({})).is_ok());
        assert!(from_value::<Failure>(json!({"workflow": "all"})).is_err());
    }
}
