//! `flow.while`: runs what is inside it as long as a condition holds.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Expression, Node, NodeContext, NodeError, Output, Param, Role, Then};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::value::check_condition;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct While {
    /// Asked before each iteration; it sees `_item`, what came of the iteration before, and `_index`, from 0.
    pub condition: Expression,
    /// The most iterations, from 1 to 100000. If the condition holds after them, the loop fails.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_iterations: usize,
    /// What `_item` is at first.
    #[serde(default)]
    #[schemars(with = "Param<Value>")]
    pub initial: Param<Value>,
}

impl Node for While {
    const ABOUT: About = About {
        kind: "flow.while",
        title: "While",
        summary: "Do something as long as a condition holds",
        documentation: "Runs the nodes inside it (those that have it as their `parent`) again and again, as long as \
            `condition` holds before each iteration. They see `_item`, what came of the iteration before (`initial` at \
            first), `_index` from 0, and `_loop` with `first` and `parent`. What comes of an iteration is the output of \
            the node that it ended at, by key where it ended at several.\n\n\
            The output is `{count, results}`, with one result for each iteration. If the condition still holds after \
            `max_iterations`, the node fails with `loop_limit`; an iteration that fails fails it with its own code.",
        icon: include_str!("../../icons/flow.while.svg"),
        role: Role::Loop,
        ports: OUT,
        example: r#"{
            "parameters": {"condition": "{{lt _item.total 100}}", "max_iterations": 50, "initial": {"total": 30}},
            "inside": [{"key": "double", "type": "data.set", "parameters": {
                "fields": {"total": "{{multiply _item.total 2}}"}
            }}],
            "context": {},
            "output": {"count": 2, "results": [{"total": 60}, {"total": 120}]}
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::then(Then::While(flowmatic_executor::While {
            condition: self.condition,
            max_iterations: self.max_iterations,
            initial: self.initial.0,
        })))
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
    use serde_json::json;

    use crate::tidy::{fails_in_a_graph, runs_in_a_graph, runs_its_example_in_a_graph};

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example_in_a_graph("flow.while").await;
    }

    #[tokio::test]
    async fn fails_where_the_condition_never_ends() {
        let inside = json!([{"key": "n", "type": "data.set", "parameters": {"fields": {}}}]);
        let forever = json!({"condition": "{{eq 1 1}}", "max_iterations": 5});
        fails_in_a_graph("flow.while", forever, inside.clone(), json!({}), "loop_limit").await;
        let wrong = json!({"condition": "{{nothing.there}}", "max_iterations": 5});
        fails_in_a_graph("flow.while", wrong, inside, json!({}), "expression").await;
    }

    #[tokio::test]
    async fn may_run_not_at_all() {
        runs_in_a_graph(
            "flow.while",
            json!({"condition": "{{_item}}", "max_iterations": 5}),
            json!([{"key": "n", "type": "data.set", "parameters": {"fields": {}}}]),
            json!({}),
            json!({"count": 0, "results": []}),
        )
        .await;
    }
}
