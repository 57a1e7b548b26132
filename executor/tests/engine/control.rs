//! Nodes for tests that have the engine do something.

use std::time::Duration;

use flowmatic_executor::node::{self, OUT};
use flowmatic_executor::{About, Expression, Lent, Node, NodeContext, NodeError, Output, Role, Then};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::world::about;

#[derive(Deserialize, JsonSchema)]
pub struct Each {
    items: Lent<Vec<Value>>,
    #[serde(default)]
    concurrency: usize,
    #[serde(default)]
    goes_on: bool,
}

impl Node for Each {
    about!("test.each", Loop, OUT);

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::then(Then::Each(node::Each {
            items: context.list(&self.items)?.into_owned(),
            concurrency: self.concurrency,
            goes_on: self.goes_on,
        })))
    }
}

#[derive(Deserialize, JsonSchema)]
pub struct While {
    condition: Expression,
    most: usize,
    #[serde(default)]
    initial: Value,
}

impl Node for While {
    about!("test.while", Loop, OUT);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::then(Then::While(node::While {
            condition: self.condition,
            max_iterations: self.most,
            initial: self.initial,
        })))
    }
}

#[derive(Deserialize, JsonSchema)]
pub struct Wait {
    /// Without it, only a signal ends the wait.
    seconds: Option<u64>,
    #[serde(default)]
    signal: bool,
}

impl Node for Wait {
    about!("test.wait", Control, &[("out", ""), ("timeout", "")]);

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let until = self
            .seconds
            .map(|seconds| context.now() + Duration::from_secs(seconds));
        Ok(Output::then(Then::Wait(node::Wait {
            until,
            signal: self.signal,
            about: Value::Null,
        })))
    }
}

#[derive(Deserialize, JsonSchema)]
pub struct Call {
    #[serde(default)]
    input: Map<String, Value>,
    wait: bool,
}

impl Node for Call {
    about!("test.child", Control, OUT);

    async fn run(self, _: NodeContext) -> Result<Output, NodeError> {
        Ok(Output::then(Then::Call(node::Call {
            workflow: Uuid::nil(),
            input: self.input,
            wait: self.wait,
        })))
    }
}
