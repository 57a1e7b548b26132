//! `flow.call`: runs another workflow.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Param, Role, Then};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The id of the workflow; its published version runs.
    pub workflow: Param<String>,
    /// The fields that it sees at the top level of its context.
    #[serde(default)]
    pub input: Param<Map<String, Value>>,
    /// Whether the node is over only when the other execution is.
    #[serde(default = "default_wait")]
    pub wait: bool,
}

fn default_wait() -> bool {
    true
}

impl Node for Call {
    const ABOUT: About = About {
        kind: "flow.call",
        title: "Call a workflow",
        summary: "Run another workflow, and use what it gives",
        documentation: "Starts the published version of another workflow at its `trigger.workflow`, or at its \
            `trigger.manual` where it has none, with `input` as its fields. The version is the one that is live when the \
            call is made. After a crash the same call finds the same execution.\n\n\
            The output is `{execution_id, result}`: the first answer of a Response node there, else the output of the step \
            that ended last. With `wait: false` it is `{execution_id}` at once. If the other execution fails, the node fails \
            with `child_failed`, whose `data` has `execution_id`, `status` and `error`. A workflow that is gone, not \
            published or has no such trigger fails it with `not_found`, calls more than 16 deep with `call_depth`. A cancel \
            of this execution cancels what it waits for, and the other one has no more time than is left to this one.",
        icon: include_str!("../../icons/flow.call.svg"),
        role: Role::Control,
        ports: OUT,
        example: r#"{
            "parameters": {
                "workflow": "0191d7f8-1f00-7000-8000-000000000001", "input": {"email": "{{order.email}}"}, "wait": false
            },
            "context": {"order": {"email": "ana@acme.example"}},
            "output": {"execution_id": "00000000-0000-0000-0000-000000000000"}
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        let workflow = Uuid::try_parse(&self.workflow)
            .map_err(|_| NodeError::terminal("parameters", no_id(&self.workflow)))?;
        Ok(Output::then(Then::Call(flowmatic_executor::Call {
            workflow,
            input: self.input.0,
            wait: self.wait,
        })))
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let text = parameters.get("workflow").and_then(Value::as_str);
        let wrong = text.filter(|text| !text.contains("{{") && Uuid::try_parse(text).is_err());
        wrong
            .map(|text| ("/workflow".to_owned(), no_id(text)))
            .into_iter()
            .collect()
    }
}

fn no_id(text: &str) -> String {
    format!("`{text}` is no id of a workflow")
}

#[cfg(test)]
mod tests {
    use flowmatic_executor::Node;
    use serde_json::json;

    use super::Call;
    use crate::tidy::{fails_in_a_graph, runs_its_example_in_a_graph};

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example_in_a_graph("flow.call").await;
    }

    #[tokio::test]
    async fn refuses_what_is_no_id() {
        let fields = json!({"workflow": "orders"});
        let problems = Call::check(fields.as_object().expect("an object"));
        assert_eq!(
            problems,
            [(
                "/workflow".to_owned(),
                "`orders` is no id of a workflow".to_owned()
            )]
        );
        let parameters = json!({"workflow": "{{name}}"});
        fails_in_a_graph(
            "flow.call",
            parameters,
            json!([]),
            json!({"name": "orders"}),
            "parameters",
        )
        .await;
    }
}
