//! Runs a compiled template over borrowed values, and counts what it costs.

use std::borrow::Cow;
use std::fmt::Write;
use std::io;

use serde_json::Value;

use super::EvaluateError;
use super::arguments::Arguments;
use super::syntax::{Block, BlockKind, Call, Expression, Loop, Part, Path, Segment, Start};
use crate::context::{Context, Name, View};

/// How long a text may get, in bytes.
pub const MAX_TEXT: usize = 1024 * 1024;

pub type Outcome<'s> = Result<Cow<'s, Value>, Failure>;

/// Why an expression has no value.
#[derive(Debug)]
pub struct Failure {
    pub message: String,
    /// Whether a path is missing, which `default` gets over.
    pub missing: bool,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            missing: false,
        }
    }

    pub fn missing(path: &str) -> Self {
        Self {
            message: format!("there is no `{path}`"),
            missing: true,
        }
    }
}

impl From<Failure> for EvaluateError {
    fn from(failure: Failure) -> Self {
        Self(failure.message)
    }
}

/// The value that names stand for inside a block; the outermost has none.
#[derive(Debug)]
pub struct Frame<'s> {
    outer: Option<&'s Frame<'s>>,
    value: Option<&'s Value>,
    index: usize,
    /// Of an object's field.
    key: Option<&'s str>,
    last: bool,
}

pub static TOP: Frame<'static> = Frame {
    outer: None,
    value: None,
    index: 0,
    key: None,
    last: false,
};

impl<'s> Frame<'s> {
    fn at<'f>(&'f self, level: usize) -> &'f Frame<'s>
    where
        's: 'f,
    {
        (0..level).fold(self, |frame, _| frame.outer.unwrap_or(frame))
    }
}

/// One evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'v, 's> {
    pub view: &'v View<'s>,
}

impl<'s> Evaluation<'_, 's> {
    /// Takes fuel for work done or about to be.
    #[inline]
    pub fn charge(self, units: usize) -> Result<(), Failure> {
        let left = self.view.fuel.get() as usize;
        self.view.fuel.set(left.saturating_sub(units) as u32);
        if units > left { Err(exhausted()) } else { Ok(()) }
    }

    /// Takes fuel for so many bytes.
    pub fn charge_bytes(self, bytes: usize) -> Result<(), Failure> {
        self.charge(bytes / 64)
    }

    /// Takes fuel for a whole value, as a copy of it costs.
    pub fn charge_value(self, value: &Value) -> Result<(), Failure> {
        self.charge(1)?;
        match value {
            Value::String(text) => self.charge_bytes(text.len()),
            Value::Array(items) => items.iter().try_for_each(|item| self.charge_value(item)),
            Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
                self.charge_bytes(key.len() + 64)?;
                self.charge_value(value)
            }),
            _ => Ok(()),
        }
    }

    pub fn own(self, value: Cow<'_, Value>) -> Result<Value, Failure> {
        if let Cow::Borrowed(value) = value {
            self.charge_value(value)?;
        }
        Ok(value.into_owned())
    }

    #[inline]
    pub fn value(self, expression: &'s Expression, frame: &Frame<'s>) -> Outcome<'s> {
        self.charge(1)?;
        match expression {
            Expression::Path(path) => self.path(path, frame),
            Expression::Literal(value) => Ok(Cow::Borrowed(value)),
            Expression::Call(call) => self.call(call, frame),
        }
    }

    fn call(self, call: &'s Call, frame: &Frame<'s>) -> Outcome<'s> {
        (call.helper.run)(Arguments {
            evaluation: self,
            call,
            frame,
        })
    }

    #[inline]
    fn path(self, path: &'s Path, frame: &Frame<'s>) -> Outcome<'s> {
        let segments = &*path.segments;
        let found = match path.start {
            Start::Top => return self.top(path),
            Start::Node => self.node(segments),
            Start::Value(level) => {
                let frame = frame.at(level);
                frame.value.and_then(|value| walk(value, segments))
            }
            Start::Scope => match frame.value.and_then(|value| step(value, &segments[0])) {
                Some(value) => walk(value, &segments[1..]),
                None if self.view.is_engine_name(&segments[0].key) => return self.top(path),
                None => None,
            },
            Start::Loop(level, name) => {
                let frame = frame.at(level);
                return Ok(Cow::Owned(match (name, frame.key) {
                    (Loop::Key, Some(key)) => key.into(),
                    (Loop::Key | Loop::Index, _) => frame.index.into(),
                    (Loop::First, _) => (frame.index == 0).into(),
                    (Loop::Last, _) => frame.last.into(),
                }));
            }
        };
        found.map_or_else(|| Err(missing(path)), |value| Ok(Cow::Borrowed(value)))
    }

    /// From a name of the top level on.
    fn top(self, path: &'s Path) -> Outcome<'s> {
        let Some((first, rest)) = path.segments.split_first() else {
            let whole = self.view.whole();
            self.charge_value(&whole)?;
            return Ok(Cow::Owned(whole));
        };
        let found = match (self.view.name(&first.key), rest) {
            (Name::Value(value), _) => walk(value, rest),
            (Name::Webhook(fields), []) => {
                let webhook = Value::Object(self.view.webhook(fields));
                self.charge_value(&webhook)?;
                return Ok(Cow::Owned(webhook));
            }
            (Name::Webhook(_), [second, rest @ ..]) if &*second.key == "body" => walk(self.view.body(), rest),
            (Name::Webhook(fields), [second, rest @ ..]) => {
                fields.get(&*second.key).and_then(|value| walk(value, rest))
            }
            (Name::Index(index), []) => return Ok(Cow::Owned(index.into())),
            (Name::Loop(context), _) => {
                let found = of_loop(context, rest).ok_or_else(|| missing(path))?;
                if let Cow::Owned(value) = &found {
                    self.charge_value(value)?;
                }
                return Ok(found);
            }
            (Name::Index(_) | Name::Nodes | Name::Missing, _) => None,
        };
        found.map_or_else(|| Err(missing(path)), |value| Ok(Cow::Borrowed(value)))
    }

    fn node(self, segments: &[Segment]) -> Option<&'s Value> {
        match self.view.name("_nodes") {
            Name::Nodes => walk(self.view.node_output(&segments[0].key)?, &segments[1..]),
            Name::Value(value) => walk(value, segments),
            _ => None,
        }
    }

    pub fn render(
        self,
        parts: &'s [Part],
        frame: &Frame<'s>,
        html: bool,
        out: &mut String,
    ) -> Result<(), Failure> {
        for part in parts {
            match part {
                Part::Text(text) => self.push(out, text)?,
                Part::Print { expression, raw } => {
                    let value = self.value(expression, frame)?;
                    if html && !raw {
                        let mut text = String::new();
                        self.print(&value, &mut text)?;
                        self.push(out, &handlebars::html_escape(&text))?;
                    } else {
                        self.print(&value, out)?;
                    }
                }
                Part::Block(block) => self.block(block, frame, html, out)?,
            }
        }
        Ok(())
    }

    fn block(self, block: &'s Block, frame: &Frame<'s>, html: bool, out: &mut String) -> Result<(), Failure> {
        let subject = self.value(&block.subject, frame)?;
        let holds = is_truthy(&subject);
        match block.kind {
            BlockKind::If if holds => self.render(&block.body, frame, html, out),
            BlockKind::Unless if !holds => self.render(&block.body, frame, html, out),
            BlockKind::With if holds => {
                let inner = Frame {
                    outer: Some(frame),
                    value: Some(&subject),
                    ..*frame
                };
                self.render(&block.body, &inner, html, out)
            }
            BlockKind::Each if holds => self.each(block, &subject, frame, html, out),
            _ => self.render(&block.otherwise, frame, html, out),
        }
    }

    fn each(
        self,
        block: &Block,
        subject: &Value,
        frame: &Frame<'_>,
        html: bool,
        out: &mut String,
    ) -> Result<(), Failure> {
        let item = |index, count, key, value| Frame {
            outer: Some(frame),
            value: Some(value),
            index,
            key,
            last: index + 1 == count,
        };
        match subject {
            Value::Array(items) => items.iter().enumerate().try_for_each(|(index, value)| {
                self.charge(1)?;
                self.render(&block.body, &item(index, items.len(), None, value), html, out)
            }),
            Value::Object(fields) => fields.iter().enumerate().try_for_each(|(index, (key, value))| {
                self.charge(1)?;
                self.render(
                    &block.body,
                    &item(index, fields.len(), Some(key.as_str()), value),
                    html,
                    out,
                )
            }),
            _ => Err(Failure::new(format!(
                "`each` needs an array or an object, not {}",
                kind(subject)
            ))),
        }
    }

    /// Writes a value as text: null as nothing, arrays and objects as JSON.
    pub fn print(self, value: &Value, out: &mut String) -> Result<(), Failure> {
        match value {
            Value::Null => Ok(()),
            Value::String(text) => self.push(out, text),
            Value::Bool(true) => self.push(out, "true"),
            Value::Bool(false) => self.push(out, "false"),
            Value::Number(number) => {
                // Writing to a `String` does not fail.
                let _ = write!(out, "{number}");
                self.charge(1)
            }
            Value::Array(_) | Value::Object(_) => self.print_json(value, false, out),
        }
    }

    pub fn print_json(self, value: &Value, pretty: bool, out: &mut String) -> Result<(), Failure> {
        let before = out.len();
        let writer = Bounded(out);
        let written = if pretty {
            serde_json::to_writer_pretty(writer, value)
        } else {
            serde_json::to_writer(writer, value)
        };
        written.map_err(|_| too_long())?;
        self.charge_bytes(out.len() - before)
    }

    pub fn push(self, out: &mut String, text: &str) -> Result<(), Failure> {
        self.charge_bytes(text.len())?;
        if out.len() + text.len() > MAX_TEXT {
            return Err(too_long());
        }
        out.push_str(text);
        Ok(())
    }
}

#[cold]
fn exhausted() -> Failure {
    Failure::new("the step's expressions do too much work: they visit too many values")
}

#[cold]
pub fn too_long() -> Failure {
    Failure::new(format!("the text gets longer than {MAX_TEXT} bytes"))
}

#[cold]
fn missing(path: &Path) -> Failure {
    Failure::missing(&path.text)
}

fn walk<'v>(value: &'v Value, segments: &[Segment]) -> Option<&'v Value> {
    segments.iter().try_fold(value, step)
}

/// `_loop` and what is under it: what is around an iteration may be large, and is not copied.
fn of_loop<'v>(context: &'v Context, segments: &[Segment]) -> Option<Cow<'v, Value>> {
    let Some((first, rest)) = segments.split_first() else {
        return Some(Cow::Owned(context.loop_value()));
    };
    let iteration = context.current()?;
    let value = match (&*first.key, context.around(), rest) {
        ("count", _, []) => iteration.count.into(),
        ("first", _, []) => iteration.is_first().into(),
        ("last", _, []) => iteration.is_last().into(),
        ("parent", None, []) => Value::Null,
        ("parent", Some(around), []) => around.names(),
        ("parent", Some(around), [name, rest @ ..]) => match (&*name.key, rest) {
            ("_item", _) => return walk(&around.current()?.item, rest).map(Cow::Borrowed),
            ("_index", []) => around.current()?.index.into(),
            ("_loop", _) => return of_loop(around, rest),
            _ => return None,
        },
        _ => return None,
    };
    Some(Cow::Owned(value))
}

fn step<'v>(value: &'v Value, segment: &Segment) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => fields.get(&*segment.key),
        Value::Array(items) => items.get(segment.index?),
        _ => None,
    }
}

/// Whether a value counts as true: all do but `false`, `null`, `0`, `""`, `[]` and `{}`.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// A value's kind with its article.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Writes no more than a text may hold.
struct Bounded<'o>(&'o mut String);

impl io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // serde_json writes whole characters.
        self.0
            .push_str(std::str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
