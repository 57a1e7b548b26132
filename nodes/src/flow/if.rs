//! `flow.if`: goes one of two ways.

use flowmatic_executor::expression::is_truthy;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Param, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::value::check_condition;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct If {
    /// What decides, such as `{{gt order.total 50}}`. All values count as true but `false`, `null`, `0`, `""`,
    /// `[]` and `{}`.
    pub condition: Param<Value>,
}

impl Node for If {
    const ABOUT: About = About {
        kind: "flow.if",
        title: "If",
        summary: "Go one of two ways",
        documentation: "Leaves by the port `true` or `false`, as the condition says. All values count as true but \
            `false`, `null`, `0`, `\"\"`, `[]` and `{}`.\n\n\
            The output is `true` or `false`. A path that is missing in the condition fails the node; \
            `{{default order.total 0}}` says what to take instead.",
        icon: include_str!("../../icons/flow.if.svg"),
        role: Role::Pure,
        ports: &[
            ("true", "When the condition holds"),
            ("false", "When it does not"),
        ],
        example: r#"{
            "parameters": {"condition": "{{gt data.amount 50}}"},
            "context": {"data": {"amount": 99.5}},
            "output": true
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        let holds = is_truthy(&self.condition);
        Ok(Output::port(holds.to_string(), holds))
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let problem = parameters.get("condition").and_then(check_condition);
        problem
            .map(|problem| ("/condition".to_owned(), problem))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowmatic_executor::Node;
    use flowmatic_executor::testing::{TestHost, run};
    use serde_json::{Value, json};

    use super::If;
    use crate::tidy::runs_its_example;

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example::<If>().await;
    }

    #[tokio::test]
    async fn leaves_by_the_port_the_condition_names() {
        for (condition, port) in [
            (json!("{{gt total 50}}"), "true"),
            (json!("{{gt total 100}}"), "false"),
            (json!("{{total}}"), "true"),
            (json!("{{none}}"), "false"),
            (json!("{{text}}"), "true"),
            (json!(false), "false"),
            (Value::Null, "false"),
        ] {
            let context = json!({"total": 99.5, "none": [], "text": "false"});
            let parameters = json!({"condition": condition});
            let output = run::<If>(parameters, context, Arc::new(TestHost::default()))
                .await
                .expect("it decides");
            assert_eq!(output.ports, Some(vec![port.to_owned()]), "{condition}");
            assert_eq!(output.value, json!(port == "true"));
        }
    }

    #[test]
    fn a_condition_is_an_expression() {
        let parameters = json!({"condition": "total > 50"});
        let problems = If::check(parameters.as_object().expect("an object"));
        assert_eq!(problems[0].0, "/condition");
    }
}
