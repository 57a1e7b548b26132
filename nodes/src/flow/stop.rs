//! `flow.stop`: fails the execution on purpose.

use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Param, Role};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::text::Text;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Why, for the person who reads of the failure; cut at 4 KiB.
    pub message: Param<Text>,
    /// A stable word for programs, such as `out_of_stock`; cut at 256 bytes. Missing: `stopped`.
    pub code: Option<Param<Text>>,
}

impl Node for Stop {
    const ABOUT: About = About {
        kind: "flow.stop",
        title: "Stop with an error",
        summary: "Fail the execution with a message",
        documentation: "Fails with the message and the code that it is given; the error is terminal, so no retry \
            follows. The execution ends as FAILED, unless the node itself has `on_error` set.",
        icon: include_str!("../../icons/flow.stop.svg"),
        role: Role::Pure,
        ports: &[("out", "After the failure, where `on_error` is `continue`")],
        example: r#"{
            "parameters": {"message": "order {{order.id}} has no items", "code": "empty_order"},
            "context": {"order": {"id": 7}}
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        let Param(Text(message)) = self.message;
        let code = self.code.map_or("stopped".to_owned(), |Param(Text(code))| code);
        Err(NodeError::terminal(code, message))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowmatic_executor::NodeError;
    use flowmatic_executor::testing::{TestHost, run};
    use serde_json::{Value, json};

    use super::Stop;
    use crate::tidy::runs_its_example;

    async fn check(parameters: Value, code: &'static str, message: &str) {
        let context = json!({"order": {"id": 7, "problem": "no_items"}});
        let result = run::<Stop>(parameters, context, Arc::new(TestHost::default())).await;
        assert_eq!(result, Err(NodeError::terminal(code, message)));
    }

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example::<Stop>().await;
    }

    #[tokio::test]
    async fn fails_with_its_message_and_code() {
        check(json!({"message": "order {{order.id}}"}), "stopped", "order 7").await;
        check(
            json!({"message": "{{order.id}}", "code": "{{order.problem}}"}),
            "no_items",
            "7",
        )
        .await;
    }

    #[tokio::test]
    async fn a_long_message_is_cut() {
        let parameters = json!({"message": "{{repeat \"x\" 1000000}}", "code": "{{repeat \"x\" 1000000}}"});
        let result = run::<Stop>(parameters, json!({}), Arc::new(TestHost::default())).await;
        let error = result.expect_err("it stops");
        assert_eq!((error.message.len(), error.code.len()), (4_096, 256));
    }
}
