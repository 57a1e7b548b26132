//! `data.filter`: keeps some items of a list.

use flowmatic_executor::expression::is_truthy;
use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Expression, Lent, Node, NodeContext, NodeError, Output, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::value::check_condition;

const MAX_ITEMS: usize = 100_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The list, of at most 100000 items.
    pub items: Lent<Vec<Value>>,
    /// The condition that an item must meet; it sees the item as `_item` and its place, from 0, as `_index`.
    #[serde(rename = "where")]
    pub condition: Expression,
}

impl Node for Filter {
    const ABOUT: About = About {
        kind: "data.filter",
        title: "Filter",
        summary: "Keep the items that meet a condition",
        documentation: "Evaluates `where` for each item of the list and keeps those for which it holds, in their \
            order. The expression sees the item as `_item` and its place, from 0, as `_index`; all else of the \
            context is there too. Values that do not hold are `false`, `null`, `0`, `\"\"`, `[]` and `{}`.\n\n\
            The output is the list of the kept items. A path that an item lacks fails the node; \
            `{{default _item.price 0}}` says what to take instead. A list of more than 100000 items fails it \
            with `too_many_items`.\n\n\
            A condition may compare some fields of each of so many items. One that walks a long list for each \
            item does too much work, and fails the node with `expression`.",
        icon: include_str!("../../icons/data.filter.svg"),
        role: Role::Pure,
        ports: OUT,
        example: r#"{
            "parameters": {"items": "{{lines}}", "where": "{{gt _item.price 10}}"},
            "context": {"lines": [{"name": "Pen", "price": 3}, {"name": "Desk", "price": 250}]},
            "output": [{"name": "Desk", "price": 250}]
        }"#,
    };

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let items = context.list(&self.items)?;
        if items.len() > MAX_ITEMS {
            let message = format!(
                "the list has `{}` items; at most {MAX_ITEMS} can be filtered",
                items.len()
            );
            return Err(NodeError::terminal("too_many_items", message));
        }
        let mut kept = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let index = Value::from(index);
            let locals = [("_item", item), ("_index", &index)];
            if is_truthy(&*context.evaluate(self.condition, &locals)?) {
                kept.push(item.clone());
            }
        }
        Ok(Output::value(kept))
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let problem = parameters.get("where").and_then(check_condition);
        problem
            .map(|problem| ("/where".to_owned(), problem))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flowmatic_executor::Node;
    use flowmatic_executor::testing::{TestHost, check, run};
    use serde_json::{Value, json};

    use super::Filter;
    use crate::tidy::runs_its_example;

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example::<Filter>().await;
    }

    #[tokio::test]
    async fn sees_the_item_its_place_and_the_context() {
        let context = json!({"items": [5, 1, 7, 9], "least": 5});
        for (condition, expected) in [
            ("{{gte _item least}}", json!([5, 7, 9])),
            ("{{_index}}", json!([1, 7, 9])),
            ("{{lt _index 2}}", json!([5, 1])),
        ] {
            let parameters = json!({"items": "{{items}}", "where": condition});
            check::<Filter>(parameters, context.clone(), expected).await;
        }
        check::<Filter>(json!({"items": [], "where": "{{_item}}"}), json!({}), json!([])).await;
        check::<Filter>(
            json!({"items": [0, [], "a"], "where": "{{_item}}"}),
            json!({}),
            json!(["a"]),
        )
        .await;
    }

    #[tokio::test]
    async fn refuses_what_is_no_list_and_what_is_too_long() {
        for (items, code) in [
            (json!({}), "parameters"),
            (json!(vec![1; 100_001]), "too_many_items"),
        ] {
            let parameters = json!({"items": "{{items}}", "where": "{{_item}}"});
            let result =
                run::<Filter>(parameters, json!({"items": items}), Arc::new(TestHost::default())).await;
            assert_eq!(result.expect_err("refused").code, code);
        }
    }

    #[tokio::test]
    async fn a_missing_path_fails() {
        let parameters = json!({"items": [{"a": 1}, {}], "where": "{{_item.a}}"});
        let result = run::<Filter>(parameters, Value::Null, Arc::new(TestHost::default())).await;
        assert_eq!(result.expect_err("a missing path").code, "expression");
    }

    #[tokio::test]
    async fn an_ordinary_condition_is_met_by_all_items_that_a_list_may_have() {
        let items: Vec<Value> = (0..100_000)
            .map(|index| json!({"price": index, "tags": ["a", "b"], "name": "Desk"}))
            .collect();
        let condition =
            "{{and (gte _item.price 10) (contains _item.tags \"b\") (ne (lower _item.name) \"pen\")}}";
        let parameters = json!({"items": "{{items}}", "where": condition});
        let result = run::<Filter>(parameters, json!({"items": items}), Arc::new(TestHost::default())).await;
        let kept = result.expect("it is filtered").value;
        assert_eq!(kept.as_array().map(Vec::len), Some(99_990));
    }

    #[tokio::test]
    async fn all_conditions_together_do_a_bounded_work() {
        let context = json!({"items": vec![0; 100_000], "long": vec![0; 10_000]});
        for condition in [
            "{{length (range 0 900000)}}",
            "{{contains long 1}}",
            "{{#each long}}{{#each @root.long}}{{/each}}{{/each}}",
            "{{length (list @root)}}",
        ] {
            let parameters = json!({"items": "{{items}}", "where": condition});
            let result = run::<Filter>(parameters, context.clone(), Arc::new(TestHost::default())).await;
            let error = result.expect_err(condition);
            assert_eq!(error.code, "expression", "{condition}");
            assert!(error.message.contains("too much work"), "{condition}: {error}");
        }
        // What an item's condition gives is looked at, not copied.
        check::<Filter>(
            json!({"items": "{{items}}", "where": "{{not long}}"}),
            context,
            json!([]),
        )
        .await;
    }

    #[test]
    fn the_condition_is_an_expression() {
        let parameters = json!({"items": [], "where": "_item.price > 10"});
        let problems = Filter::check(parameters.as_object().expect("an object"));
        assert_eq!(problems[0].0, "/where");
    }
}
