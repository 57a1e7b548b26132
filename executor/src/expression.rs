//! Expressions: Handlebars' syntax, parsed by the library, run by our own evaluator over borrowed values.
//!
//! **Paths.** `data.amount`, `_webhook.headers.user-agent`, `data.[odd key]`, `items.0.id` or `items.[0].id`.
//! A path that is missing, or that goes through null or a scalar, is an error; `{{default a.b "x"}}` gets over
//! it. Null is a value and prints as nothing.
//!
//! **Blocks.** `if`, `unless`, `each` (arrays and objects) and `with`, each with `else` and `else if`. Falsy
//! are `false`, null, 0, `""`, `[]` and `{}`. Inside of `each` and `with` a name is a field of the current value
//! and of nothing else, but for the names that begin with `_` and those of the moment, which are seen where the
//! value has no such field. The outer value is `../`, the top level `@root`; `as |value key|` names both. An
//! `each` has `@index`, `@key`, `@first` and `@last`.
//!
//! **Helpers** are listed in [`helpers`]. One that takes no arguments (`now`, `uuid`) is called by its name
//! alone; a field of that name is `this.now`. As an argument it stands in parentheses.
//!
//! **Bounds.** [`bounds`] refuses what nests too deep or is too long, before the parser sees it; fuel
//! ([`crate::context::FUEL`]) bounds the time, and [`evaluate::MAX_TEXT`] the text.

mod arguments;
mod bounds;
mod evaluate;
pub mod helpers;
mod syntax;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod tests;

pub use evaluate::is_truthy;
pub use helpers::is_equal;

use std::borrow::Cow;

use serde_json::Value;

use crate::context::View;
use crate::json::{MAX_DEPTH, is_shallow};
use evaluate::{Evaluation, TOP};
use syntax::{CompiledTemplate, Expression, Part};

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    compiled: CompiledTemplate,
    /// How long its text gets, roughly.
    length: usize,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(pub String);

/// What is wrong in a template.
#[derive(Debug, Clone, PartialEq)]
pub struct Mistakes {
    pub errors: Vec<CompileError>,
    /// The keys of the nodes that it names all the same.
    pub nodes: Vec<String>,
}

impl From<CompileError> for Mistakes {
    fn from(error: CompileError) -> Self {
        Self {
            errors: vec![error],
            nodes: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluateError(pub String);

impl Template {
    /// Whether a text has anything to evaluate.
    pub fn is_template(text: &str) -> bool {
        text.contains("{{")
    }

    /// Fails with all that is wrong, at most one mistake of each expression.
    pub fn compile(text: &str) -> Result<Self, Mistakes> {
        bounds::check(text)?;
        let parsed = handlebars::Template::compile(text).map_err(|error| {
            let place = error
                .pos()
                .map(|(line, column)| format!(" (line {line}, column {column})"));
            CompileError(format!(
                "not a template{}: {}",
                place.unwrap_or_default(),
                error.reason()
            ))
        })?;
        let compiled = syntax::compile(&parsed.elements)?;
        Ok(Self {
            compiled,
            length: text.len() + 32,
        })
    }

    /// The keys of the nodes it names as `_nodes.<key>`.
    pub fn nodes(&self) -> &[String] {
        &self.compiled.nodes
    }

    /// The references it gives to the helper `secret`.
    pub fn secrets(&self) -> &[String] {
        &self.compiled.secrets
    }

    /// The value: with its JSON type where the template is exactly one expression, else text.
    pub fn evaluate<'a>(&'a self, view: &View<'a>) -> Result<Cow<'a, Value>, EvaluateError> {
        match self.sole_expression() {
            Some(expression) => {
                let value = Evaluation { view }.value(expression, &TOP)?;
                match value {
                    // Who copies, prints or drops it recurses, as with JSON from outside.
                    Cow::Owned(value) if !is_shallow(&value) => Err(EvaluateError(format!(
                        "the value nests deeper than {MAX_DEPTH} levels"
                    ))),
                    value => Ok(value),
                }
            }
            None => Ok(Cow::Owned(Value::String(self.render(view, false)?))),
        }
    }

    /// The same for who keeps it: a copy of what is there already costs fuel as well.
    pub fn evaluate_owned(&self, view: &View<'_>) -> Result<Value, EvaluateError> {
        let value = self.evaluate(view)?;
        Ok(Evaluation { view }.own(value)?)
    }

    /// The text, with what the expressions give escaped for HTML (`{{{x}}}` is not).
    pub fn render_html(&self, view: &View<'_>) -> Result<String, EvaluateError> {
        self.render(view, true)
    }

    fn sole_expression(&self) -> Option<&Expression> {
        match self.compiled.parts.as_slice() {
            [Part::Print { expression, .. }] => Some(expression),
            _ => None,
        }
    }

    fn render(&self, view: &View<'_>, html: bool) -> Result<String, EvaluateError> {
        let mut text = String::with_capacity(self.length);
        Evaluation { view }.render(&self.compiled.parts, &TOP, html, &mut text)?;
        Ok(text)
    }
}
