//! What a node is, and how it is registered.
//!
//! A node is a struct: its fields are its parameters, their comments its documentation. A field of type
//! [`Param<T>`] also accepts an expression and arrives evaluated; of a field of type [`Lent<T>`] the node asks for the
//! value; a field of type [`Expression`] arrives compiled and is evaluated by the node, as often as it likes.

use std::borrow::Cow;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Time;
use crate::context::{Context, FUEL, Locals, View};
use crate::expression::{EvaluateError, Template};
use crate::graph::{Compiled, Deferred};
use crate::host::{ChildError, Host, HttpError, HttpRequest, HttpResponse};

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
    /// Tells the engine what to do next (see [`Then`]): to wait, or to call another workflow.
    Control,
    /// Tells the engine to run what is inside it again and again.
    Loop,
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
    /// What the engine is to do before the node is over. There is no value then: what comes of it is the output.
    pub then: Option<Then>,
}

/// What a node has the engine do.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    Each(Each),
    While(While),
    Wait(Wait),
    Call(Call),
}

/// Run what is inside the node once for each of these.
#[derive(Debug, Clone, PartialEq)]
pub struct Each {
    /// What `_item` is, by iteration.
    pub items: Vec<Value>,
    /// Iterations under way at a time, from 1.
    pub concurrency: usize,
    /// An iteration that fails is noted in the output; else it fails the node.
    pub goes_on: bool,
}

/// Run what is inside the node as long as a condition holds.
#[derive(Debug, Clone, PartialEq)]
pub struct While {
    /// Sees `_item`, what came of the iteration before, and `_index`.
    pub condition: Expression,
    pub max_iterations: usize,
    /// What `_item` is at first.
    pub initial: Value,
}

/// Go on at a time, or when a signal comes.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// When it is over by itself: it leaves by the port `timeout` where it waits for a signal, else by its first.
    pub until: Option<Time>,
    /// It waits for a signal.
    pub signal: bool,
    /// What people and programs who look at the execution are told of it.
    pub about: Value,
}

/// Start another workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub workflow: uuid::Uuid,
    pub input: Map<String, Value>,
    /// Whether the node is over only when the other execution is.
    pub wait: bool,
}

impl Output {
    /// Has the engine do something before the node is over.
    pub fn then(then: Then) -> Self {
        Self {
            then: Some(then),
            ..Self::default()
        }
    }

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
            ..Self::default()
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

impl From<ChildError> for NodeError {
    fn from(error: ChildError) -> Self {
        match error {
            ChildError::Refused(code, message) => Self::terminal(code, message),
            ChildError::Unavailable(message) => Self::retryable("unavailable", message),
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

/// A parameter that the node looks at where it stands: of a list in the body there is no copy.
///
/// In the graph it is a value or a template, as a [`Param`]; here it is its place in the plan.
#[derive(Debug, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Lent<T> {
    place: usize,
    #[serde(skip)]
    kind: PhantomData<T>,
}

/// Marks the schema of a [`Lent`] parameter.
pub(crate) const LENT: &str = "x-lent";

impl<T: JsonSchema> JsonSchema for Lent<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Lent_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Param::<T>::json_schema(generator);
        schema.insert(LENT.to_owned(), Value::Bool(true));
        schema
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

    /// The value of a parameter. Fails as [`NodeContext::evaluate`] does, and with the code `parameters` where it
    /// is no list.
    pub fn list<T>(&self, parameter: &Lent<Vec<T>>) -> Result<Cow<'_, [Value]>, NodeError> {
        let deferred = self.deferred(parameter.place)?;
        match self.fueled(&[], |view| deferred.compiled.look(view))? {
            Cow::Borrowed(Value::Array(items)) => Ok(Cow::Borrowed(items)),
            Cow::Owned(Value::Array(items)) => Ok(Cow::Owned(items)),
            _ => {
                let message = format!("the parameter `{}` is no list", deferred.name);
                Err(NodeError::terminal("parameters", message))
            }
        }
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
        match &self.deferred(expression.0)?.compiled {
            Compiled::Template(template) => Ok(template),
            _ => Err(NodeError::terminal("internal", "the parameter is no expression")),
        }
    }

    fn deferred(&self, place: usize) -> Result<&Deferred, NodeError> {
        self.context.plan().nodes[self.node]
            .deferred
            .get(place)
            .ok_or_else(|| NodeError::terminal("internal", "the parameter is not in the plan"))
    }

    /// `<execution>/<node path>`: the same over attempts and crashes, and different for every other call.
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.context.execution(), self.context.path(self.node))
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
