//! `flow.merge`: makes one list of several.

use flowmatic_executor::node::OUT;
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Param, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// How.
    #[serde(default)]
    pub mode: Mode,
    /// The lists, from 2 to 10; null, as a skipped node gives it, counts as an empty one.
    #[schemars(length(min = 2, max = 10))]
    pub lists: Vec<Param<Option<Vec<Value>>>>,
    /// With `by_key`: the field that tells which items belong together.
    pub key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The items of the first list, then those of the next.
    #[default]
    Append,
    /// The first items of all lists as one object, then the second ones; as long as the longest list.
    Zip,
    /// Objects with the same value in `key` as one object; others stay as they are.
    ByKey,
}

impl Node for Merge {
    const ABOUT: About = About {
        kind: "flow.merge",
        title: "Merge",
        summary: "Make one list of several",
        documentation: "Makes one list of the given ones, which branches before it made. It is a node for data only: when \
            it runs is told by its `join`, as for every node.\n\n\
            `append` puts the lists one after the other. `zip` makes one object of the items at the same place, `by_key` one \
            of all objects with the same value in the field `key`; where two have a field, the later list's stands. Items \
            that come in one list only stay. The order is that of the first appearance. An item that is no object fails \
            `zip` and `by_key` with `parameters`.",
        icon: include_str!("../../icons/flow.merge.svg"),
        role: Role::Pure,
        ports: OUT,
        example: r#"{
            "parameters": {"mode": "by_key", "key": "id", "lists": ["{{people}}", "{{scores}}"]},
            "context": {
                "people": [{"id": 1, "name": "Ana"}, {"id": 2, "name": "Bo"}],
                "scores": [{"id": 2, "score": 9}, {"id": 3, "score": 4}]
            },
            "output": [{"id": 1, "name": "Ana"}, {"id": 2, "name": "Bo", "score": 9}, {"id": 3, "score": 4}]
        }"#,
    };

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        let lists = self.lists.into_iter().map(|list| list.0.unwrap_or_default());
        let merged = match (self.mode, self.key) {
            (Mode::Append, _) => lists.flatten().collect(),
            (Mode::Zip, _) => zip(lists)?,
            (Mode::ByKey, key) => by_key(lists, &key.unwrap_or_default())?,
        };
        Ok(Output::value(merged))
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let is_by_key = parameters.get("mode").and_then(Value::as_str) == Some("by_key");
        let has_key = parameters.get("key").is_some_and(|key| !key.is_null());
        let message = match (is_by_key, has_key) {
            (true, false) => "name the field that tells which items belong together",
            (false, true) => "it is for the mode `by_key`",
            _ => return Vec::new(),
        };
        vec![("/key".to_owned(), message.to_owned())]
    }
}

fn object(item: Value) -> Result<Map<String, Value>, NodeError> {
    match item {
        Value::Object(fields) => Ok(fields),
        _ => Err(NodeError::terminal(
            "parameters",
            "an item of the lists is no object",
        )),
    }
}

fn zip(lists: impl Iterator<Item = Vec<Value>>) -> Result<Vec<Value>, NodeError> {
    let mut merged: Vec<Map<String, Value>> = Vec::new();
    for list in lists {
        for (place, item) in list.into_iter().enumerate() {
            if place == merged.len() {
                merged.push(Map::new());
            }
            merged[place].extend(object(item)?);
        }
    }
    Ok(merged.into_iter().map(Value::Object).collect())
}

fn by_key(lists: impl Iterator<Item = Vec<Value>>, key: &str) -> Result<Vec<Value>, NodeError> {
    let mut merged: Vec<Map<String, Value>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for item in lists.flatten() {
        let item = object(item)?;
        // An item without the field belongs to no other.
        let place = match item.get(key) {
            Some(value) => *places.entry(value.to_string()).or_insert(merged.len()),
            None => merged.len(),
        };
        match merged.get_mut(place) {
            Some(known) => known.extend(item),
            None => merged.push(item),
        }
    }
    Ok(merged.into_iter().map(Value::Object).collect())
}

#[cfg(test)]
mod tests {
    use flowmatic_executor::Node;
    use flowmatic_executor::testing::check;
    use serde_json::{Value, json};

    use super::Merge;
    use crate::tidy::runs_its_example;

    #[tokio::test]
    async fn its_example_holds() {
        runs_its_example::<Merge>().await;
    }

    #[tokio::test]
    async fn appends_and_zips() {
        let context = json!({"a": [{"x": 1}, {"x": 2}], "b": [{"y": 3}], "none": null});
        let lists = json!(["{{a}}", "{{b}}", "{{none}}"]);
        check::<Merge>(
            json!({"lists": lists}),
            context.clone(),
            json!([{"x": 1}, {"x": 2}, {"y": 3}]),
        )
        .await;
        let zipped = json!([{"x": 1, "y": 3}, {"x": 2}]);
        check::<Merge>(json!({"mode": "zip", "lists": lists}), context, zipped).await;
    }

    #[test]
    fn asks_for_a_key_where_it_needs_one() {
        let problems = |parameters: Value| Merge::check(parameters.as_object().expect("an object")).len();
        assert_eq!(problems(json!({"mode": "by_key"})), 1);
        assert_eq!(problems(json!({"key": "id"})), 1);
        assert_eq!(problems(json!({"mode": "by_key", "key": "id"})), 0);
    }
}
