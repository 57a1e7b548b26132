//! Parameters: checked against their schema, their templates compiled.

use std::borrow::Cow;

use flowmatic_openapi::Problem;
use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::catalogue::Registered;
use crate::context::View;
use crate::expression::{EvaluateError, Template};
use crate::json;

/// Parameters with their templates compiled.
#[derive(Debug)]
pub(crate) enum Compiled {
    Constant(Value),
    Template(Template),
    Object(Vec<(String, Compiled)>),
    Array(Vec<Compiled>),
}

impl Default for Compiled {
    fn default() -> Self {
        Self::Constant(Value::Object(Map::new()))
    }
}

/// A parameter that the node evaluates itself.
#[derive(Debug)]
pub struct Deferred {
    pub(crate) name: String,
    /// As the graph has it, where it is an expression.
    text: Option<String>,
    pub(crate) compiled: Compiled,
}

impl Deferred {
    /// What it was for people who look at a step: an expression's text, any other's value.
    pub(crate) fn shown(&self, view: &View<'_>) -> Result<Value, EvaluateError> {
        match &self.text {
            Some(text) => Ok(Value::from(text.clone())),
            None => self.compiled.evaluate(view),
        }
    }
}

impl Compiled {
    /// The value, without a copy where there is one already.
    pub(crate) fn look<'a>(&'a self, view: &View<'a>) -> Result<Cow<'a, Value>, EvaluateError> {
        match self {
            Self::Constant(value) => Ok(Cow::Borrowed(value)),
            Self::Template(template) => template.evaluate(view),
            Self::Object(_) | Self::Array(_) => self.evaluate(view).map(Cow::Owned),
        }
    }

    pub(crate) fn evaluate(&self, view: &View<'_>) -> Result<Value, EvaluateError> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Template(template) => template.evaluate_owned(view)?,
            Self::Object(fields) => {
                let mut object = Map::with_capacity(fields.len());
                for (name, field) in fields {
                    object.insert(name.clone(), field.evaluate(view)?);
                }
                Value::Object(object)
            }
            Self::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| item.evaluate(view))
                    .collect::<Result<_, _>>()?,
            ),
        })
    }
}

/// The parameters of one node, compiled, and what was found on the way.
pub(super) struct Compilation<'a> {
    pub(super) deferred: Vec<Deferred>,
    pub(super) problems: Vec<Problem>,
    /// Keys of nodes that templates name, each with the pointer of the template.
    pub(super) mentions: Vec<(String, String)>,
    pub(super) secrets: Vec<String>,
    node: &'a str,
}

impl<'a> Compilation<'a> {
    pub(super) fn new(node: &'a str) -> Self {
        Self {
            deferred: Vec::new(),
            problems: Vec::new(),
            mentions: Vec::new(),
            secrets: Vec::new(),
            node,
        }
    }

    pub(super) fn problem(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem {
            pointer: pointer.into(),
            node: Some(self.node.to_owned()),
            message: message.into(),
        });
    }

    /// Checks the parameters against what their node says of them.
    pub(super) fn check(&mut self, parameters: &Map<String, Value>, entry: &Registered, pointer: &str) {
        let whole = Value::Object(parameters.clone());
        for error in entry.validator().iter_errors(&whole) {
            for (place, message) in explain(&error) {
                self.problem(format!("{pointer}{place}"), message);
            }
        }
        if self.problems.is_empty() {
            for (place, message) in entry.check(parameters) {
                self.problem(format!("{pointer}{place}"), message);
            }
        }
    }

    pub(super) fn compile(
        &mut self,
        parameters: &Map<String, Value>,
        entry: &Registered,
        pointer: &str,
    ) -> Compiled {
        let mut fields = Vec::with_capacity(parameters.len());
        for (name, value) in parameters {
            self.note_secrets(value);
            let place = format!("{pointer}{}", json::pointer([name.as_str()]));
            let field = match entry.deferred.get(name) {
                None => Some(self.value(value, &place)),
                Some(is_expression) => self.defer(name, value, *is_expression, &place),
            };
            fields.extend(field.map(|field| (name.clone(), field)));
        }
        fold(fields)
    }

    /// Leaves a parameter to the node, which is given its place. None where its template is wrong.
    fn defer(&mut self, name: &str, value: &Value, is_expression: bool, pointer: &str) -> Option<Compiled> {
        let text = value.as_str().filter(|_| is_expression);
        let compiled = match text {
            Some(text) => Compiled::Template(self.template(text, pointer)?),
            None => self.value(value, pointer),
        };
        self.deferred.push(Deferred {
            name: name.to_owned(),
            text: text.map(str::to_owned),
            compiled,
        });
        Some(Compiled::Constant(Value::from(self.deferred.len() - 1)))
    }

    fn value(&mut self, value: &Value, pointer: &str) -> Compiled {
        match value {
            Value::String(text) if Template::is_template(text) => match self.template(text, pointer) {
                Some(template) => Compiled::Template(template),
                None => Compiled::Constant(Value::Null),
            },
            Value::Object(fields) => fold(
                fields
                    .iter()
                    .map(|(name, value)| {
                        (
                            name.clone(),
                            self.value(value, &format!("{pointer}{}", json::pointer([name.as_str()]))),
                        )
                    })
                    .collect(),
            ),
            Value::Array(items) => {
                let items: Vec<Compiled> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.value(item, &format!("{pointer}/{index}")))
                    .collect();
                if items.iter().all(|item| matches!(item, Compiled::Constant(_))) {
                    Compiled::Constant(value.clone())
                } else {
                    Compiled::Array(items)
                }
            }
            value => Compiled::Constant(value.clone()),
        }
    }

    /// Notes each `secret_ref` in a value.
    pub(super) fn note_secrets(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field {
                        Value::String(reference) if name == "secret_ref" => {
                            self.secrets.push(reference.clone())
                        }
                        field => self.note_secrets(field),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.note_secrets(item)),
            _ => {}
        }
    }

    fn template(&mut self, text: &str, pointer: &str) -> Option<Template> {
        match Template::compile(text) {
            Ok(template) => {
                let mentions = template
                    .nodes()
                    .iter()
                    .map(|key| (key.clone(), pointer.to_owned()));
                self.mentions.extend(mentions);
                for reference in template.secrets() {
                    if !is_reference(reference) {
                        self.problem(
                            pointer,
                            format!(
                                "`{reference}` is no secret: give the id that a saved node has as its `secret_ref`"
                            ),
                        );
                    }
                }
                self.secrets.extend(template.secrets().iter().cloned());
                Some(template)
            }
            Err(mistakes) => {
                for error in mistakes.errors {
                    self.problem(pointer, error.to_string());
                }
                let mentions = mistakes.nodes.into_iter().map(|key| (key, pointer.to_owned()));
                self.mentions.extend(mentions);
                None
            }
        }
    }
}

/// Whether a text can be the reference of a secret: a UUID as the server writes it.
fn is_reference(text: &str) -> bool {
    Uuid::try_parse(text).is_ok_and(|id| id.to_string() == text)
}

/// An object of constants is a constant.
fn fold(fields: Vec<(String, Compiled)>) -> Compiled {
    if !fields
        .iter()
        .all(|(_, field)| matches!(field, Compiled::Constant(_)))
    {
        return Compiled::Object(fields);
    }
    let constants = fields.into_iter().filter_map(|(name, field)| match field {
        Compiled::Constant(value) => Some((name, value)),
        _ => None,
    });
    Compiled::Constant(Value::Object(constants.collect()))
}

/// Places and messages of a schema's complaint. Of a value that may also be written as an expression, only
/// what is wrong with the value itself is told.
fn explain(error: &ValidationError<'_>) -> Vec<(String, String)> {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } if !context.is_empty() => {
            let plain = context.iter().min_by_key(|branch| {
                let is_expression = branch
                    .iter()
                    .any(|error| error.schema_path().as_str().contains("pattern"));
                (is_expression, branch.len())
            });
            plain.into_iter().flatten().flat_map(explain).collect()
        }
        _ => vec![(error.instance_path().as_str().to_owned(), error.to_string())],
    }
}
