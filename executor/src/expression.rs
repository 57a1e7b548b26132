//! Expressions: Handlebars' syntax, parsed by the library, run by our own evaluator.

use std::borrow::Cow;

use serde_json::Value;

use crate::context::View;

/// A compiled template.
#[derive(Debug)]
pub struct Template {}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(pub String);

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluateError(pub String);

impl Template {
    /// Whether a text has anything to evaluate.
    pub fn is_template(text: &str) -> bool {
        text.contains("{{")
    }

    pub fn compile(_text: &str) -> Result<Self, CompileError> {
        Ok(Self {})
    }

    /// The keys of the nodes it names as `_nodes.<key>`.
    pub fn nodes(&self) -> &[String] {
        &[]
    }

    /// The names it gives to the helper `secret`.
    pub fn secrets(&self) -> &[String] {
        &[]
    }

    /// The value: with its JSON type where the template is exactly one expression, else text.
    pub fn evaluate<'a>(&'a self, _view: &View<'a>) -> Result<Cow<'a, Value>, EvaluateError> {
        Ok(Cow::Owned(Value::Null))
    }

    /// The text, with what the expressions give escaped for HTML (`{{{x}}}` is not).
    pub fn render_html(&self, _view: &View<'_>) -> Result<String, EvaluateError> {
        Ok(String::new())
    }
}
