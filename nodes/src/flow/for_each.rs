//! `flow.for_each`: runs what is inside it once for each item of a list.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Each, Lent, Node, NodeContext, NodeError, Output, Role, Then};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

const MAX_ITEMS: usize = 100_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForEach {
    /// The list, of at most 100000 items.
    pub items: Lent<Vec<Value>>,
    /// How many items are worked on at a time, from 1 to 64.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: usize,
    /// Hand the items out in lists of up to so many, from 1 to 10000: `_item` is such a list then. Missing: each item
    /// by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_size: Option<usize>,
    /// What an item that fails means for the others.
    #[serde(default)]
    pub on_item_error: OnItemError,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnItemError {
    /// No other item begins, and the loop fails.
    #[default]
    Stop,
    /// The others are worked on; the failed one is listed in `errors`, and is null in `results`.
    Continue,
}

fn default_concurrency() -> usize {
    1
}

impl Node for ForEach {
    const ABOUT: About = About {
        kind: "flow.for_each",
        title: "For each",
        summary: "Do something for each item of a list",
        documentation: "Runs the nodes inside it (those that have it as their `parent`) once for each item. They see \
            the item as `_item`, its place from 0 as `_index`, and `_loop` with `count`, `first`, `last` and `parent`, \
            which holds the same names of the loop around this one. Nodes inside that nothing leads to begin; an \
            edge never crosses the border of the loop.\n\n\
            The output is `{results, errors, count}`. `results` has one value for each item, in the order of the \
            list: the output of the node that the item ended at, by key where it ended at several, null where at \
            none. After the loop only that is seen, as `_nodes.<key>.results`.\n\n\
            With `on_item_error: stop` the first failed item fails the loop, with that item's code; what is under way \
            is brought to its end, and nothing new begins. With `continue` the others go on, and `errors` lists \
            `{index, error}`. A value that is no list fails it with `parameters`, a list of more than 100000 items \
            with `too_many_items`. Each finished step is on disk before what follows from it: after a crash the loop \
            goes on where it was.",
        icon: include_str!("../../icons/flow.for_each.svg"),
        role: Role::Loop,
        ports: OUT,
        example: r#"{
            "parameters": {"items": "{{order.lines}}", "concurrency": 4},
            "inside": [{"key": "price", "type": "data.set", "parameters": {
                "fields": {"name": "{{_item.name}}", "total": "{{multiply _item.price _item.count}}"}
            }}],
            "context": {"order": {"lines": [
                {"name": "Pen", "price": 3, "count": 10}, {"name": "Desk", "price": 250, "count": 1}
            ]}},
            "output": {
                "results": [{"name": "Pen", "total": 30}, {"name": "Desk", "total": 250}],
                "errors": [],
                "count": 2
            }
        }"#,
    };

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let items = context.list(&self.items)?;
        if items.len() > MAX_ITEMS {
            let message = format!(
                "the list has `{}` items; a loop takes at most {MAX_ITEMS}",
                items.len()
            );
            return Err(NodeError::terminal("too_many_items", message));
        }
        let items = match self.batch_size {
            None => items.into_owned(),
            Some(size) => items.chunks(size).map(|items| items.to_vec().into()).collect(),
        };
        Ok(Output::then(Then::Each(Each {
            items,
            concurrency: self.concurrency,
            goes_on: self.on_item_error == OnItemError::Continue,
        })))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::tidy::{fails_in_a_graph, runs_in_a_graph, runs_its_example_in_a_graph};

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example_in_a_graph("flow.for_each").await;
    }

    #[tokio::test]
    async fn hands_items_out_in_batches() {
        let inside =
            json!([{"key": "n", "type": "data.set", "parameters": {"fields": {"n": "{{length _item}}"}}}]);
        runs_in_a_graph(
            "flow.for_each",
            json!({"items": "{{list}}", "batch_size": 2}),
            inside,
            json!({"list": [1, 2, 3, 4, 5]}),
            json!({"results": [{"n": 2}, {"n": 2}, {"n": 1}], "errors": [], "count": 3}),
        )
        .await;
    }

    #[tokio::test]
    async fn lists_the_items_that_failed() {
        let inside = json!([{"key": "s", "type": "flow.stop", "parameters": {"message": "no {{_item}}", "code": "no"}}]);
        runs_in_a_graph(
            "flow.for_each",
            json!({"items": ["a"], "on_item_error": "continue"}),
            inside.clone(),
            json!({}),
            json!({
                "results": [null],
                "errors": [{"index": 0, "error": {"code": "no", "message": "no a", "node": "shown[0]/s"}}],
                "count": 1
            }),
        )
        .await;
        fails_in_a_graph("flow.for_each", json!({"items": ["a"]}), inside, json!({}), "no").await;
    }

    #[tokio::test]
    async fn refuses_what_is_no_list_and_what_is_too_long() {
        let inside = json!([{"key": "n", "type": "data.set", "parameters": {"fields": {}}}]);
        let items = json!({"items": "{{list}}"});
        for (list, code) in [
            (json!("abc"), "parameters"),
            (json!(null), "parameters"),
            (json!(vec![0; 100_001]), "too_many_items"),
        ] {
            let context = json!({"list": list});
            fails_in_a_graph("flow.for_each", items.clone(), inside.clone(), context, code).await;
        }
    }
}
