//! `flow.switch`: goes one of many ways, or several of them.

use std::collections::HashSet;

use flowmatic_executor::expression::{Template, is_equal, is_truthy};
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Param, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::value::{check_condition, present};

/// The port for what no case takes.
const DEFAULT: &str = "default";

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// What the cases with `equals` compare.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Param<Value>")]
    pub value: Option<Param<Value>>,
    /// The ways to go, in the order they are tried; each has `equals` or `when`.
    #[schemars(length(min = 1, max = 100))]
    pub cases: Vec<Case>,
    /// Whether to go all the ways that match; otherwise the first alone.
    #[serde(default)]
    pub many: bool,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The name of the port, different for each case; not `default` and not `error`.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Matches if `value` is this. `1` and `1.0` are the same, `1` and `"1"` are not.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Param<Value>")]
    pub equals: Option<Param<Value>>,
    /// Matches unless this is `false`, `null`, `0`, `""`, `[]` or `{}`.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Param<Value>")]
    pub when: Option<Param<Value>>,
}

impl Node for Switch {
    const ABOUT: About = About {
        kind: "flow.switch",
        title: "Switch",
        summary: "Go one of many ways",
        documentation: "Tries its cases in order and leaves by the port of the first that matches, or by `default` \
            if none does. A case matches by `equals`, which is compared with `value`, or by a condition of its \
            own, `when`.\n\n\
            With `many` it leaves by the ports of all cases that match. The output is the name of the port; \
            with `many` it is the list of the names of the cases that matched.",
        icon: include_str!("../../icons/flow.switch.svg"),
        role: Role::Pure,
        ports: &[],
        example: r#"{
            "parameters": {
                "value": "{{country}}",
                "cases": [
                    {"name": "home", "equals": "DE"},
                    {"name": "large", "when": "{{gt total 1000}}"}
                ]
            },
            "context": {"country": "FR", "total": 2500},
            "output": "large"
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        let value = self.value.as_deref();
        let mut matched = self
            .cases
            .into_iter()
            .filter(|case| case.matches(value))
            .map(|case| case.name);
        if !self.many {
            let name = matched.next().unwrap_or_else(|| DEFAULT.to_owned());
            return Ok(Output::port(name.clone(), name));
        }
        let names: Vec<String> = matched.collect();
        Ok(match names.as_slice() {
            [] => Output::port(DEFAULT, names),
            _ => Output::ports(names.clone(), names),
        })
    }

    fn ports(parameters: &Map<String, Value>) -> Vec<String> {
        let cases = parameters.get("cases").and_then(Value::as_array);
        let names = cases
            .into_iter()
            .flatten()
            .filter_map(|case| case["name"].as_str());
        names.chain([DEFAULT]).map(str::to_owned).collect()
    }

    fn exclusive_ports(parameters: &Map<String, Value>) -> bool {
        parameters.get("many").and_then(Value::as_bool) != Some(true)
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut names = HashSet::new();
        let cases = parameters.get("cases").and_then(Value::as_array);
        for (index, case) in cases.into_iter().flatten().enumerate() {
            let mut problem = |field: &str, message: String| {
                problems.push((format!("/cases/{index}{field}"), message));
            };
            let name = case["name"].as_str().unwrap_or_default();
            if name.trim().is_empty() {
                problem("/name", "the case has no name".to_owned());
            } else if [DEFAULT, "error"].contains(&name) {
                problem(
                    "/name",
                    format!("`{name}` is a port that cases cannot have; choose another name"),
                );
            } else if Template::is_template(name) {
                problem("/name", format!("the name `{name}` cannot be an expression"));
            } else if !names.insert(name) {
                problem("/name", format!("two cases have the name `{name}`"));
            }
            if let Some(message) = case.get("when").and_then(check_condition) {
                problem("/when", message);
            }
            match (case.get("equals"), case.get("when")) {
                (Some(_), None) if !parameters.contains_key("value") => {
                    problem("/equals", "there is no `value` to compare with".to_owned());
                }
                (None, None) => problem("", format!("case `{name}` needs `equals` or `when`")),
                (Some(_), Some(_)) => problem(
                    "",
                    format!("case `{name}` has both `equals` and `when`; keep one"),
                ),
                _ => {}
            }
        }
        problems
    }
}

impl Case {
    fn matches(&self, value: Option<&Value>) -> bool {
        match (&self.equals, value) {
            (Some(equals), Some(value)) => is_equal(equals, value),
            _ => self.when.as_deref().is_some_and(is_truthy),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowmatic_executor::Node;
    use flowmatic_executor::testing::{TestHost, run};
    use serde_json::{Value, json};

    use super::Switch;
    use crate::tidy::runs_its_example;

    async fn check(parameters: Value, context: Value, ports: &[&str], value: Value) {
        let output = run::<Switch>(parameters, context, Arc::new(TestHost::default()))
            .await
            .expect("it decides");
        assert_eq!(
            output.ports,
            Some(ports.iter().map(|port| (*port).to_owned()).collect())
        );
        assert_eq!(output.value, value);
    }

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example::<Switch>().await;
    }

    #[tokio::test]
    async fn takes_the_first_case_that_matches() {
        let parameters = json!({"value": "{{kind}}", "cases": [
            {"name": "one", "equals": 1.0},
            {"name": "also", "equals": 1},
            {"name": "none", "equals": null},
        ]});
        check(parameters.clone(), json!({"kind": 1}), &["one"], json!("one")).await;
        check(
            parameters.clone(),
            json!({"kind": null}),
            &["none"],
            json!("none"),
        )
        .await;
        check(parameters, json!({"kind": "1"}), &["default"], json!("default")).await;
    }

    #[tokio::test]
    async fn goes_all_ways_that_match() {
        let parameters = json!({"many": true, "cases": [
            {"name": "mail", "when": "{{mail}}"},
            {"name": "never", "when": "{{never}}"},
            {"name": "call", "when": true},
        ]});
        check(
            parameters,
            json!({"mail": 1, "never": null}),
            &["mail", "call"],
            json!(["mail", "call"]),
        )
        .await;
        let parameters = json!({"many": true, "cases": [{"name": "a", "when": "{{a}}"}]});
        check(parameters, json!({"a": false}), &["default"], json!([])).await;
    }

    #[test]
    fn has_a_port_per_case_and_a_default() {
        let parameters = json!({"cases": [{"name": "b"}, {"name": "a"}]});
        assert_eq!(
            Switch::ports(parameters.as_object().expect("an object")),
            ["b", "a", "default"]
        );
    }

    #[test]
    fn names_what_is_wrong_with_a_case() {
        let parameters = json!({"cases": [
            {"name": "a", "when": 1},
            {"name": "a", "when": 1},
            {"name": "default", "when": 1},
            {"name": " ", "when": 1},
            {"name": "{{a}}", "when": 1},
            {"name": "b"},
            {"name": "c", "when": 1, "equals": 2},
            {"name": "d", "equals": null},
            {"name": "e", "when": "total > 50"},
        ]});
        let problems = Switch::check(parameters.as_object().expect("an object"));
        let pointers: Vec<_> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/cases/1/name",
                "/cases/2/name",
                "/cases/3/name",
                "/cases/4/name",
                "/cases/5",
                "/cases/6",
                "/cases/7/equals",
                "/cases/8/when"
            ]
        );
    }
}
