//! What a helper is given: its arguments, evaluated when it asks for them and paid for by their size.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::evaluate::{Evaluation, Failure, Frame, MAX_TEXT, Outcome, kind, too_long};
use super::syntax::Call;

/// The arguments of one call, counted from 0. Asking twice evaluates twice.
#[derive(Clone, Copy)]
pub struct Arguments<'f, 's> {
    pub evaluation: Evaluation<'f, 's>,
    pub call: &'s Call,
    pub frame: &'f Frame<'s>,
}

impl<'s> Arguments<'_, 's> {
    pub fn count(self) -> usize {
        self.call.arguments.len()
    }

    pub fn has(self, at: usize) -> bool {
        at < self.count()
    }

    /// The value as it is; null where an optional argument is not given.
    pub fn value(self, at: usize) -> Outcome<'s> {
        match self.call.arguments.get(at) {
            Some(argument) => self.evaluation.value(argument, self.frame),
            None => Ok(Cow::Owned(Value::Null)),
        }
    }

    pub fn text(self, at: usize) -> Result<Cow<'s, str>, Failure> {
        let text = match self.value(at)? {
            Cow::Borrowed(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Cow::Owned(Value::String(text)) => Cow::Owned(text),
            other => return Err(self.wrong(at, "a text", &other)),
        };
        self.evaluation.charge_bytes(text.len())?;
        Ok(text)
    }

    /// The text that any value prints as.
    pub fn printed(self, at: usize) -> Result<Cow<'s, str>, Failure> {
        let value = self.value(at)?;
        if value.is_string() {
            return match value {
                Cow::Borrowed(value) => Ok(Cow::Borrowed(value.as_str().unwrap_or_default())),
                Cow::Owned(value) => Ok(Cow::Owned(value.as_str().unwrap_or_default().to_owned())),
            };
        }
        let mut text = String::new();
        self.evaluation.print(&value, &mut text)?;
        Ok(Cow::Owned(text))
    }

    pub fn list(self, at: usize) -> Result<Cow<'s, [Value]>, Failure> {
        match self.value(at)? {
            Cow::Borrowed(Value::Array(items)) => Ok(Cow::Borrowed(items.as_slice())),
            Cow::Owned(Value::Array(items)) => Ok(Cow::Owned(items)),
            other => Err(self.wrong(at, "an array", &other)),
        }
    }

    pub fn object(self, at: usize) -> Result<Cow<'s, Map<String, Value>>, Failure> {
        match self.value(at)? {
            Cow::Borrowed(Value::Object(fields)) => Ok(Cow::Borrowed(fields)),
            Cow::Owned(Value::Object(fields)) => Ok(Cow::Owned(fields)),
            other => Err(self.wrong(at, "an object", &other)),
        }
    }

    pub fn integer(self, at: usize) -> Result<i64, Failure> {
        let value = self.value(at)?;
        let whole = value
            .as_f64()
            .filter(|number| number.fract() == 0.0 && number.abs() < 9e15);
        value
            .as_i64()
            .or(whole.map(|number| number as i64))
            .ok_or_else(|| self.wrong(at, "a whole number", &value))
    }

    pub fn wrong(self, at: usize, wanted: &str, value: &Value) -> Failure {
        let name = self.call.helper.name;
        let mut message = format!(
            "`{name}` needs {wanted} as argument {}, not {}",
            at + 1,
            match value {
                Value::Number(number) => format!("`{number}`"),
                other => kind(other).to_owned(),
            }
        );
        if wanted == "a number" && value.is_string() {
            message.push_str("; `(number ...)` makes one");
        }
        Failure::new(message)
    }

    /// A refusal that begins with the helper's name.
    pub fn refuse<T>(self, reason: impl std::fmt::Display) -> Result<T, Failure> {
        Err(Failure::new(format!("`{}` {reason}", self.call.helper.name)))
    }

    /// The result when it is a text.
    pub fn give(self, text: impl Into<String>) -> Outcome<'s> {
        let text = text.into();
        if text.len() > MAX_TEXT {
            return Err(too_long());
        }
        self.evaluation.charge_bytes(text.len())?;
        Ok(Cow::Owned(Value::String(text)))
    }
}

/// A word from data as a message may show it.
pub fn excerpt(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        format!("{short}...")
    } else {
        short
    }
}
