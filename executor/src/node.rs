//! What a node is, and how it is registered.
//!
//! A node is a struct: its fields are its parameters, their comments its documentation. A field of type
//! [`Param<T>`] also accepts an expression and arrives evaluated; a field of type [`Expression`] arrives
//! compiled and is evaluated by the node, as often as it likes.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Time;
use crate::context::{Context, FUEL, Locals, View};
use crate::expression::{EvaluateError, Template};
use crate::host::{Host, HttpError, HttpRequest, HttpResponse};

/// One type of the catalogue.
pub trait Node: DeserializeOwned + JsonSchema + Send + 'static {
    const ABOUT: About;

    /// Does the node's work. A trigger's `run` is never called.
    ///
    /// A pure node reads nothing but its parameters and the context. An effect is told by
    /// [`NodeContext::idempotency_key`] which call it is: the key stays the same over attempts and crashes.
    fn run(self, context: NodeContext) -> impl Future<Output = Result<Output, NodeError>> + Send;

    /// The ports that these parameters add to those of `ABOUT`.
    fn ports(_parameters: &Map<String, Value>) -> Vec<String> {
        Vec::new()
    }

    /// Whether a node with these parameters leaves by one port at a time.
    fn exclusive_ports(_parameters: &Map<String, Value>) -> bool {
        true
    }

    /// What the schema cannot say of the parameters: each a JSON pointer into them, and a message.
    fn check(_parameters: &Map<String, Value>) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// What a node says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// `group.verb`, such as `flow.if`.
    pub kind: &'static str,
    pub title: &'static str,
    /// One line for the palette, without a full stop.
    pub summary: &'static str,
    /// Markdown: what it does, what it gives, what fails it.
    pub documentation: &'static str,
    /// An SVG image of 24 by 24, drawn with `currentColor`.
    pub icon: &'static str,
    pub role: Role,
    /// Name and description; an edge without a port leaves by the first.
    pub ports: &'static [(&'static str, &'static str)],
    /// JSON text: `{"parameters": {...}, "context": {...}, "output": ...}`; a test runs it, unless it is a trigger.
    pub example: &'static str,
}

impl About {
    /// The part of the type before the dot.
    pub fn group(&self) -> &'static str {
        self.kind.split_once('.').map_or(self.kind, |(group, _)| group)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Starts executions; what it waits for is a door of the server.
    Trigger,
    Pure,
    Effect,
}

/// The port of a node that has only one.
pub const OUT: &[(&str, &str)] = &[("out", "When it is done")];

/// What a node gives back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Output {
    pub value: Value,
    /// The ports to leave by; the first one where `None`.
    pub ports: Option<Vec<String>>,
    /// An answer for the caller who waits.
    pub answer: Option<Answer>,
}

impl Output {
    pub fn value(value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            ..Self::default()
        }
    }

    /// Leaves by this port alone.
    pub fn port(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::ports(vec![name.into()], value)
    }

    /// Leaves by these ports alone.
    pub fn ports(names: Vec<String>, value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            ports: Some(names),
            answer: None,
        }
    }
}

/// What the caller of a synchronous trigger gets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: bytes::Bytes,
}

/// Why a node failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct NodeError {
    pub class: ErrorClass,
    /// A stable word to branch on, of at most 256 bytes.
    pub code: Cow<'static, str>,
    /// At most 4 KiB.
    pub message: String,
    /// What else is known, such as the response of a failed request; becomes `error.data`.
    pub data: Option<Box<Value>>,
    /// The least wait before another attempt, as the other side asked.
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Another attempt may succeed.
    Retryable,
    Terminal,
    Timeout,
}

/// How long an error's message and its code may be, in bytes; what is longer is cut.
const MAX_MESSAGE: usize = 4 * 1024;
const MAX_CODE: usize = 256;

/// A text of at most so many bytes, which ends with `…` where it was cut.
fn cut(mut text: String, most: usize) -> String {
    const ELLIPSIS: char = '…';
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - ELLIPSIS.len_utf8()));
        text.push(ELLIPSIS);
    }
    text
}

impl NodeError {
    pub fn terminal(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let code = match code.into() {
            Cow::Owned(code) => Cow::Owned(cut(code, MAX_CODE)),
            code => code,
        };
        Self {
            class: ErrorClass::Terminal,
            code,
            message: cut(message.into(), MAX_MESSAGE),
            data: None,
            retry_after: None,
        }
    }

    pub fn retryable(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            class: ErrorClass::Retryable,
            ..Self::terminal(code, message)
        }
    }
}

impl From<HttpError> for NodeError {
    fn from(error: HttpError) -> Self {
        let message = error.to_string();
        match error {
            HttpError::Invalid(_) => Self::terminal("invalid_request", message),
            HttpError::Refused(_) => Self::terminal("target_refused", message),
            HttpError::Network(_) => Self::retryable("network", message),
            HttpError::TooLarge(_) => Self::terminal("response_too_large", message),
            HttpError::Timeout(_) => Self {
                class: ErrorClass::Timeout,
                ..Self::terminal("timeout", message)
            },
        }
    }
}

/// A parameter that may be written as an expression and arrives evaluated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Param<T>(pub T);

impl<T> Deref for Param<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: JsonSchema> JsonSchema for Param<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Param_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({
            "anyOf": [value, {"type": "string", "pattern": r"\{\{", "title": "expression"}]
        })
    }
}

/// A parameter that the node evaluates itself, each time over names of its own such as `_item`.
///
/// In the graph it is a template's text; here it is the place of the compiled template in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Expression(pub(crate) usize);

/// Marks the schema of an [`Expression`], which the plan compiles and does not evaluate.
pub(crate) const EXPRESSION_FORMAT: &str = "expression";

impl JsonSchema for Expression {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": EXPRESSION_FORMAT, "minLength": 1})
    }
}

/// What a running node may touch.
pub struct NodeContext {
    context: Arc<Context>,
    host: Arc<dyn Host>,
    /// The node's place in the plan.
    node: usize,
    now: Time,
    /// What is left for all evaluations of the step.
    fuel: AtomicU32,
}

/// What each evaluation adds to the fuel of its step, so that a condition may be evaluated for each item of a
/// long list.
const FUEL_PER_EVALUATION: u32 = 50;

impl NodeContext {
    pub(crate) fn new(context: Arc<Context>, host: Arc<dyn Host>, node: usize, now: Time) -> Self {
        Self {
            context,
            host,
            node,
            now,
            fuel: AtomicU32::new(FUEL),
        }
    }

    /// Evaluates an expression over the context and these names of the node's own.
    ///
    /// All evaluations of a step share the fuel of one ([`FUEL`]), and each adds a little to it: many small ones
    /// are fine, many large ones are not. Fails with the code `expression` where the fuel is used up, a path is
    /// missing or a helper refuses its arguments.
    pub fn evaluate<'a>(
        &'a self,
        expression: Expression,
        locals: Locals<'a>,
    ) -> Result<Cow<'a, Value>, NodeError> {
        let template = self.template(expression)?;
        self.fueled(locals, |view| template.evaluate(view))
    }

    /// The text of an expression, with what is inserted escaped for HTML.
    pub fn render_html(&self, expression: Expression) -> Result<String, NodeError> {
        let template = self.template(expression)?;
        self.fueled(&[], |view| template.render_html(view))
    }

    fn fueled<'a, T>(
        &'a self,
        locals: Locals<'a>,
        evaluate: impl FnOnce(&View<'a>) -> Result<T, EvaluateError>,
    ) -> Result<T, NodeError> {
        let mut view = self.context.view(self.node, self.now, locals);
        let fuel = self.fuel.load(Ordering::Relaxed);
        view.fuel = Cell::new(fuel.saturating_add(FUEL_PER_EVALUATION));
        let result = evaluate(&view);
        self.fuel.store(view.fuel.get(), Ordering::Relaxed);
        result.map_err(|error| NodeError::terminal("expression", error.to_string()))
    }

    fn template(&self, expression: Expression) -> Result<&Template, NodeError> {
        self.context.plan().nodes[self.node]
            .expressions
            .get(expression.0)
            .ok_or_else(|| NodeError::terminal("internal", "the expression is not in the plan"))
    }

    /// `<execution>/<node path>`: the same over attempts and crashes, and different for every other call.
    pub fn idempotency_key(&self) -> String {
        let key = &self.context.plan().nodes[self.node].key;
        format!("{}/{key}", self.context.execution())
    }

    /// The time of the journal's last record, so that a replay sees the same.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The secret that a `secret_ref` of this node's parameters names.
    pub fn secret(&self, reference: &str) -> Result<&str, NodeError> {
        self.context
            .secrets()
            .get(reference)
            .ok_or_else(|| NodeError::terminal("secret_missing", format!("there is no secret `{reference}`")))
    }

    /// Sends a request through the network guard.
    pub async fn http(&self, request: HttpRequest) -> Result<HttpResponse, NodeError> {
        Ok(self.host.http(request).await?)
    }
}

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
    /// The top-level parameters that the node evaluates itself.
    pub(crate) expressions: Vec<String>,
    pub(crate) validator: jsonschema::Validator,
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
    /// When two entries share a type or a schema is no JSON schema: a mistake in the catalogue's code, which
    /// its tests find.
    pub fn new(entries: Vec<Entry>) -> Self {
        let mut by_kind = HashMap::new();
        let entries: Vec<Registered> = entries
            .into_iter()
            .enumerate()
            .map(|(index, entry)| {
                let taken = by_kind.insert(entry.about.kind, index);
                assert!(taken.is_none(), "two nodes have the type `{}`", entry.about.kind);
                let schema = (entry.schema)();
                let validator = jsonschema::validator_for(&schema)
                    .unwrap_or_else(|error| panic!("the schema of `{}` is wrong: {error}", entry.about.kind));
                let expressions = schema["properties"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(_, field)| field["format"] == EXPRESSION_FORMAT)
                    .map(|(name, _)| name.clone())
                    .collect();
                Registered {
                    about: entry.about,
                    schema,
                    expressions,
                    validator,
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
