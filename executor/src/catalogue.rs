//! The types of nodes that there are.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use crate::node::{About, EXPRESSION_FORMAT, LENT, Node, NodeContext, NodeError, Output};

type CheckFn = fn(&Map<String, Value>) -> Vec<(String, String)>;
type RunFn = fn(Value, NodeContext) -> BoxFuture<'static, Result<Output, NodeError>>;

/// A node with its type erased: a line of the catalogue.
pub struct Entry {
    pub about: &'static About,
    schema: fn() -> Value,
    run: RunFn,
    ports: fn(&Map<String, Value>) -> Vec<String>,
    exclusive_ports: fn(&Map<String, Value>) -> bool,
    check: CheckFn,
}

impl Entry {
    pub const fn of<N: Node>() -> Self {
        Self {
            about: const { &N::ABOUT },
            schema: || schemars::schema_for!(N).to_value(),
            run: |parameters, context| match serde_json::from_value::<N>(parameters) {
                Ok(node) => node.run(context).boxed(),
                Err(error) => {
                    let message = format!("a parameter has a value of the wrong kind: {error}");
                    futures_util::future::ready(Err(NodeError::terminal("parameters", message))).boxed()
                }
            },
            ports: N::ports,
            exclusive_ports: N::exclusive_ports,
            check: N::check,
        }
    }
}

/// The types of nodes there are.
pub struct Catalogue {
    entries: Vec<Registered>,
    by_kind: HashMap<&'static str, usize>,
}

/// An entry with what is made of its schema once.
pub struct Registered {
    pub about: &'static About,
    /// The JSON schema of the parameters.
    pub schema: Value,
    /// The top-level parameters that the node evaluates itself, and whether each is an [`Expression`].
    pub(crate) deferred: HashMap<String, bool>,
    /// Made when it is first asked for: at rest they would be the largest thing in memory.
    validator: OnceLock<jsonschema::Validator>,
    entry: Entry,
}

impl Registered {
    pub fn run(
        &self,
        parameters: Value,
        context: NodeContext,
    ) -> BoxFuture<'static, Result<Output, NodeError>> {
        (self.entry.run)(parameters, context)
    }

    /// What checks parameters by the schema.
    ///
    /// # Panics
    /// When the schema is no JSON schema: a mistake in the node's code, which the tests of the catalogue find.
    pub fn validator(&self) -> &jsonschema::Validator {
        self.validator.get_or_init(|| {
            jsonschema::validator_for(&self.schema)
                .unwrap_or_else(|error| panic!("the schema of `{}` is wrong: {error}", self.about.kind))
        })
    }

    pub fn check(&self, parameters: &Map<String, Value>) -> Vec<(String, String)> {
        (self.entry.check)(parameters)
    }

    pub fn exclusive_ports(&self, parameters: &Map<String, Value>) -> bool {
        (self.entry.exclusive_ports)(parameters)
    }

    /// All ports that a node with these parameters has, the first one first.
    pub fn ports(&self, parameters: &Map<String, Value>) -> Vec<Cow<'static, str>> {
        let own = (self.entry.ports)(parameters).into_iter().map(Cow::Owned);
        let fixed = self.about.ports.iter().map(|(name, _)| Cow::Borrowed(*name));
        fixed.chain(own).collect()
    }

    /// Whether parameters add ports.
    pub fn has_dynamic_ports(&self) -> bool {
        self.about.ports.is_empty() || !(self.entry.ports)(&Map::new()).is_empty()
    }
}

impl Catalogue {
    /// # Panics
    /// When two entries share a type: a mistake in the catalogue's code, which its tests find.
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut by_kind = HashMap::new();
        let entries: Vec<Registered> = entries
            .into_iter()
            .enumerate()
            .map(|(index, entry)| {
                let taken = by_kind.insert(entry.about.kind, index);
                assert!(taken.is_none(), "two nodes have the type `{}`", entry.about.kind);
                let schema = (entry.schema)();
                let deferred = schema["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, field)| (name, field["format"] == EXPRESSION_FORMAT, field[LENT] == true))
                    .filter(|(_, is_expression, is_lent)| *is_expression || *is_lent)
                    .map(|(name, is_expression, _)| (name.clone(), is_expression))
                    .collect();
                Registered {
                    about: entry.about,
                    schema,
                    deferred,
                    validator: OnceLock::new(),
                    entry,
                }
            })
            .collect();
        Self { entries, by_kind }
    }

    pub fn get(&self, kind: &str) -> Option<&Registered> {
        self.by_kind.get(kind).map(|index| &self.entries[*index])
    }

    pub(crate) fn index(&self, kind: &str) -> Option<usize> {
        self.by_kind.get(kind).copied()
    }

    pub(crate) fn at(&self, index: usize) -> &Registered {
        &self.entries[index]
    }

    /// In the order they were registered.
    pub fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::NodeError;

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let error = NodeError::retryable("c".repeat(1_000), "ä".repeat(5_000));
        assert_eq!(error.message.len(), 4_095);
        assert!(error.message.ends_with("ä…"));
        assert_eq!(error.code.len(), 256);
        let whole = "ä".repeat(2_048);
        assert_eq!(NodeError::terminal("c", whole.clone()).message, whole);
    }
}
