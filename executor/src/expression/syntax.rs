//! Our own syntax tree, compiled from the library's: paths split, scopes counted, helpers found.

use handlebars::template::{BlockParam, HelperTemplate, Parameter, Subexpression, TemplateElement};
use handlebars::{Path as LibraryPath, PathSeg};
use serde_json::Value;

use super::helpers::{self, Helper};
use super::{CompileError, Mistakes};

#[derive(Debug)]
pub enum Part {
    Text(Box<str>),
    Print {
        expression: Expression,
        /// Written with three braces: never escaped.
        raw: bool,
    },
    Block(Box<Block>),
}

#[derive(Debug)]
pub struct Block {
    pub kind: BlockKind,
    pub subject: Expression,
    pub body: Vec<Part>,
    pub otherwise: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    If,
    Unless,
    Each,
    With,
}

#[derive(Debug)]
pub enum Expression {
    Path(Path),
    Literal(Value),
    Call(Box<Call>),
}

#[derive(Debug)]
pub struct Call {
    pub helper: &'static Helper,
    pub arguments: Box<[Expression]>,
    /// In the order of their names: the library keeps no other.
    pub named: Box<[(String, Expression)]>,
}

#[derive(Debug)]
pub struct Path {
    /// As it is written.
    pub text: Box<str>,
    pub start: Start,
    pub segments: Box<[Segment]>,
}

/// Where a path begins. Scopes are those of `each` and `with`, counted from the innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At a name of the top level; without segments, it is the whole context.
    Top,
    /// At a field of the innermost scope's value, or an engine's name.
    Scope,
    /// At the value of a scope.
    Value(usize),
    /// At the output of the node that the first segment names.
    Node,
    /// It is one of the names of a scope's loop.
    Loop(usize, Loop),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    Index,
    Key,
    First,
    Last,
}

#[derive(Debug)]
pub struct Segment {
    pub key: Box<str>,
    pub index: Option<usize>,
}

/// What a template is, and whom it reads.
#[derive(Debug, Default)]
pub struct CompiledTemplate {
    pub parts: Vec<Part>,
    pub nodes: Vec<String>,
    pub secrets: Vec<String>,
}

pub fn compile(elements: &[TemplateElement]) -> Result<CompiledTemplate, Mistakes> {
    let mut compiler = Compiler::default();
    let parts = compiler.parts(elements);
    if !compiler.errors.is_empty() {
        return Err(Mistakes {
            errors: compiler.errors,
            nodes: compiler.nodes,
        });
    }
    Ok(CompiledTemplate {
        parts,
        nodes: compiler.nodes,
        secrets: compiler.secrets,
    })
}

#[derive(Default)]
struct Compiler {
    nodes: Vec<String>,
    secrets: Vec<String>,
    /// At most one of each expression.
    errors: Vec<CompileError>,
    /// The innermost last.
    scopes: Vec<Scope>,
}

struct Scope {
    /// Whether this block or one around it is an `each`.
    looping: bool,
    value_name: Option<String>,
    key_name: Option<String>,
}

fn refuse<T>(message: impl Into<String>) -> Result<T, CompileError> {
    Err(CompileError(message.into()))
}

impl Compiler {
    /// What is wrong in one part keeps nobody from looking at the next.
    fn parts(&mut self, elements: &[TemplateElement]) -> Vec<Part> {
        let mut parts = Vec::with_capacity(elements.len());
        for element in elements {
            match self.part(element) {
                Ok(part) => parts.extend(part),
                Err(error) => self.errors.push(error),
            }
        }
        parts
    }

    /// None where there is nothing to print.
    fn part(&mut self, element: &TemplateElement) -> Result<Option<Part>, CompileError> {
        Ok(Some(match element {
            TemplateElement::RawString(text) if text.is_empty() => return Ok(None),
            TemplateElement::RawString(text) => Part::Text(text.as_str().into()),
            TemplateElement::Expression(call) => Part::Print {
                expression: self.call(call)?,
                raw: false,
            },
            TemplateElement::HtmlExpression(call) => Part::Print {
                expression: self.call(call)?,
                raw: true,
            },
            TemplateElement::HelperBlock(block) => Part::Block(self.block(block)?.into()),
            TemplateElement::Comment(_) => return Ok(None),
            _ => return refuse("partials and decorators are not supported"),
        }))
    }

    fn block(&mut self, block: &HelperTemplate) -> Result<Block, CompileError> {
        let name = block.name.as_name().unwrap_or_default();
        let kind = match name {
            "if" => BlockKind::If,
            "unless" => BlockKind::Unless,
            "each" => BlockKind::Each,
            "with" => BlockKind::With,
            _ => {
                return refuse(format!(
                    "there is no block `{name}`; the blocks are `if`, `unless`, `each` and `with`"
                ));
            }
        };
        let [subject] = block.params.as_slice() else {
            return refuse(format!(
                "the block `{name}` takes 1 value, not {}; a call in it needs parentheses",
                block.params.len()
            ));
        };
        if !block.hash.is_empty() {
            return refuse(format!("the block `{name}` takes no named values"));
        }
        let subject = self.expression(subject)?;
        let scope = match (kind, &block.block_param) {
            (BlockKind::If | BlockKind::Unless, None) => None,
            (BlockKind::Each, params) => Some(Scope::new(true, params.as_ref())),
            (BlockKind::With, None | Some(BlockParam::Single(_))) => {
                let looping = self.scopes.last().is_some_and(|scope| scope.looping);
                Some(Scope::new(looping, block.block_param.as_ref()))
            }
            _ => return refuse(format!("the block `{name}` gives no such names with `as`")),
        };
        let inner = scope.is_some();
        self.scopes.extend(scope);
        let body = self.branch(block.template.as_ref());
        if inner {
            self.scopes.pop();
        }
        Ok(Block {
            kind,
            subject,
            body,
            otherwise: self.branch(block.inverse.as_ref()),
        })
    }

    fn branch(&mut self, template: Option<&handlebars::Template>) -> Vec<Part> {
        template.map_or_else(Vec::new, |template| self.parts(&template.elements))
    }

    fn expression(&mut self, parameter: &Parameter) -> Result<Expression, CompileError> {
        match parameter {
            Parameter::Path(path) => Ok(Expression::Path(self.path(path)?)),
            Parameter::Literal(value) => Ok(Expression::Literal(value.clone())),
            Parameter::Subexpression(call) => self.subexpression(call),
            _ => refuse("a name cannot stand here"),
        }
    }

    fn subexpression(&mut self, call: &Subexpression) -> Result<Expression, CompileError> {
        match call.as_element() {
            TemplateElement::Expression(call) => self.call(call),
            _ => refuse("a block cannot stand in parentheses"),
        }
    }

    /// `name`, `path.to.it` or `helper argument ...`.
    fn call(&mut self, call: &HelperTemplate) -> Result<Expression, CompileError> {
        let alone = call.params.is_empty() && call.hash.is_empty();
        let name = match &call.name {
            Parameter::Name(name) => name,
            Parameter::Path(path) if alone => {
                let path = self.path(path)?;
                return Ok(match helpers::find(&path.text) {
                    // Any other helper needs arguments: its name alone is a field's.
                    Some(helper) if helper.least == 0 => Expression::Call(Box::new(Call {
                        helper,
                        arguments: Box::default(),
                        named: Box::default(),
                    })),
                    _ => Expression::Path(path),
                });
            }
            Parameter::Subexpression(inner) if alone => return self.subexpression(inner),
            _ => return refuse("only a helper takes arguments"),
        };
        let Some(helper) = helpers::find(name) else {
            return Err(helpers::unknown(name));
        };
        helper.check_count(call.params.len(), call.hash.len())?;
        if helper.name == "secret" {
            self.secret(&call.params[0])?;
        }
        let arguments = call
            .params
            .iter()
            .map(|parameter| self.expression(parameter))
            .collect::<Result<_, _>>()?;
        let mut named = call
            .hash
            .iter()
            .map(|(name, parameter)| Ok((name.clone(), self.expression(parameter)?)))
            .collect::<Result<Vec<_>, CompileError>>()?;
        named.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Expression::Call(Box::new(Call {
            helper,
            arguments,
            named: named.into(),
        })))
    }

    fn secret(&mut self, name: &Parameter) -> Result<(), CompileError> {
        let Parameter::Literal(Value::String(name)) = name else {
            return refuse(
                "`secret` needs a reference as a text in quotes, so that the graph knows which it reads",
            );
        };
        if !self.secrets.contains(name) {
            self.secrets.push(name.clone());
        }
        Ok(())
    }

    fn path(&mut self, path: &LibraryPath) -> Result<Path, CompileError> {
        match path {
            LibraryPath::Local((level, name, text)) => self.local(*level, name, text),
            LibraryPath::Relative((segments, text)) => {
                let keys = segments.iter().filter_map(|segment| match segment {
                    PathSeg::Named(key) => Some(key.as_str()),
                    _ => None,
                });
                self.relative(keys.collect(), text)
            }
        }
    }

    fn local(&self, level: usize, name: &str, text: &str) -> Result<Path, CompileError> {
        let start = match name {
            "root" if level == 0 => Start::Top,
            "index" | "key" | "first" | "last" => {
                let scope = self.scopes.iter().rev().nth(level);
                if !scope.is_some_and(|scope| scope.looping) {
                    return refuse(format!("`{text}` stands outside of a block `each`"));
                }
                let name = match name {
                    "index" => Loop::Index,
                    "key" => Loop::Key,
                    "first" => Loop::First,
                    _ => Loop::Last,
                };
                Start::Loop(level, name)
            }
            _ => {
                return refuse(format!(
                    "there is no `{text}`; there are `@root`, and in `each` `@index`, `@key`, `@first` and `@last`"
                ));
            }
        };
        if !text.ends_with(name) || text.ends_with(&format!(".{name}")) {
            return refuse(format!("`{text}` has no fields"));
        }
        Ok(Path {
            text: text.into(),
            start,
            segments: Box::default(),
        })
    }

    fn relative(&mut self, keys: Vec<&str>, text: &str) -> Result<Path, CompileError> {
        let separators = ['.', '/'];
        let here = ["this.", "this/", "./"]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix));
        let mut rest = here.unwrap_or(text);
        let root = rest
            .strip_prefix("@root")
            .and_then(|rest| rest.strip_prefix(separators));
        rest = root.unwrap_or(rest);
        let mut up = 0;
        while let Some(outer) = rest
            .strip_prefix("..")
            .and_then(|rest| rest.strip_prefix(separators))
        {
            up += 1;
            rest = outer;
        }
        if up > self.scopes.len() || (up > 0 && root.is_some()) {
            return refuse(format!("`{text}` leads out of the template"));
        }
        let top = root.is_some() || up == self.scopes.len();
        let plain = here.is_none() && up == 0 && !keys.is_empty();
        let mut keys = keys.as_slice();
        let start = match self.block_param(keys, plain && root.is_none()) {
            Some(start) => {
                keys = &keys[1..];
                start
            }
            None if (top || plain) && keys.first() == Some(&"_nodes") => {
                keys = &keys[1..];
                self.node(keys, text)?;
                Start::Node
            }
            None if top => Start::Top,
            None if plain => Start::Scope,
            None => Start::Value(up),
        };
        if matches!(start, Start::Loop(..)) && !keys.is_empty() {
            return refuse(format!("`{text}` has no fields"));
        }
        let segments = keys.iter().map(|key| Segment {
            key: (*key).into(),
            index: key.parse().ok(),
        });
        Ok(Path {
            text: text.into(),
            start,
            segments: segments.collect(),
        })
    }

    /// What a name given with `as |value key|` stands for.
    fn block_param(&self, keys: &[&str], plain: bool) -> Option<Start> {
        let name = keys.first().filter(|_| plain)?;
        let mut scopes = self.scopes.iter().rev().enumerate();
        scopes.find_map(|(level, scope)| {
            if scope.value_name.as_deref() == Some(name) {
                Some(Start::Value(level))
            } else if scope.key_name.as_deref() == Some(name) {
                Some(Start::Loop(level, Loop::Key))
            } else {
                None
            }
        })
    }

    fn node(&mut self, keys: &[&str], text: &str) -> Result<(), CompileError> {
        let Some(key) = keys.first() else {
            return refuse(format!(
                "`{text}` needs the key of a node after it, as in `_nodes.fetch`: the graph must know which nodes are read"
            ));
        };
        if !self.nodes.iter().any(|node| node == key) {
            self.nodes.push((*key).to_owned());
        }
        Ok(())
    }
}

impl Scope {
    fn new(looping: bool, params: Option<&BlockParam>) -> Self {
        let name = |parameter: &Parameter| parameter.as_name().map(str::to_owned);
        let (value_name, key_name) = match params {
            Some(BlockParam::Single(value)) => (name(value), None),
            Some(BlockParam::Pair((value, key))) => (name(value), name(key)),
            _ => (None, None),
        };
        Self {
            looping,
            value_name,
            key_name,
        }
    }
}
