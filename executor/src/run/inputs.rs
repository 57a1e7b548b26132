//! What the steps of an execution were given, for people who look at it: their parameters, evaluated again.

use std::collections::HashMap;
use std::sync::Arc;

use flowmatic_openapi::ExecutionMode;
use futures_util::FutureExt;
use serde_json::Value;
use uuid::Uuid;

use super::Engine;
use super::execution::identity;
use super::redact::REDACTED;
use crate::Time;
use crate::context::{Context, Iteration, Payload, Secrets};
use crate::graph::{Plan, Version};
use crate::journal::{StepRecord, StepState};
use crate::node::{NodeContext, Then};

/// Bytes of JSON of all inputs that are made again; of what comes after, none is.
const MOST_INPUTS: usize = 16 << 20;

impl Engine {
    /// What each step was given that is `asked` for, over the recorded outputs. Secrets are redacted. `None` for a step
    /// that was not called, and where they are too large to be shown. It may take seconds.
    #[expect(clippy::too_many_arguments, reason = "each is a part of what happened")]
    pub fn inputs(
        &self,
        version: &Version,
        execution: Uuid,
        mode: ExecutionMode,
        payload: Payload,
        accepted_at: Time,
        steps: &[StepRecord],
        asked: impl Fn(&StepRecord) -> bool,
    ) -> Vec<Option<Value>> {
        let secrets = version
            .plan
            .secrets
            .iter()
            .map(|name| (name.clone(), REDACTED.to_owned()))
            .collect();
        let top = Context::new(
            identity(self, execution, version, mode, accepted_at),
            version.plan.clone(),
            Arc::new(Secrets::new(secrets)),
            payload,
        );
        let mut again = Again {
            engine: self,
            accepted_at,
            steps: HashMap::new(),
            contexts: HashMap::new(),
            loops: HashMap::new(),
        };
        for step in steps.iter().filter(|step| !step.node.ends_with(']')) {
            let (scope, key) = split(&step.node);
            again.steps.entry(scope).or_default().insert(key, step);
        }
        again.open("", Arc::new(top));
        let mut room = MOST_INPUTS;
        steps
            .iter()
            .map(|step| {
                step.started_at.filter(|_| asked(step))?;
                let (scope, key) = split(&step.node);
                let context = again.context(scope)?;
                let node = *context.plan().keys.get(key)?;
                let view = context.view(node, step.now.unwrap_or(accepted_at), &[]);
                let plan = &context.plan().nodes[node];
                let mut input = plan.parameters.evaluate(&view).ok()?;
                for deferred in &plan.deferred {
                    input[&deferred.name] = deferred.shown(&view).ok()?;
                }
                room = room.saturating_sub(input.to_string().len());
                (room > 0).then_some(input)
            })
            .collect()
    }
}

/// The iteration that a path is in, such as `each[3]`, empty at the top; and the node's key.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

struct Again<'a> {
    engine: &'a Engine,
    accepted_at: Time,
    /// By iteration and key.
    steps: HashMap<&'a str, HashMap<&'a str, &'a StepRecord>>,
    contexts: HashMap<&'a str, Option<Arc<Context>>>,
    /// What each loop was told to do, by its path.
    loops: HashMap<&'a str, Option<Then>>,
}

impl<'a> Again<'a> {
    fn open(&mut self, scope: &'a str, context: Arc<Context>) {
        for (key, step) in self.steps.get(scope).into_iter().flatten() {
            if let Some(node) = context.plan().keys.get(*key) {
                context.set_output(*node, step.output.clone());
            }
        }
        self.contexts.insert(scope, Some(context));
    }

    fn context(&mut self, scope: &'a str) -> Option<Arc<Context>> {
        if let Some(known) = self.contexts.get(scope) {
            return known.clone();
        }
        // Of one that cannot be made, no other try is made.
        self.contexts.insert(scope, None);
        let (path, index) = scope.strip_suffix(']')?.rsplit_once('[')?;
        let index: usize = index.parse().ok()?;
        let (outer, key) = split(path);
        let around = self.context(outer)?;
        let node = *around.plan().keys.get(key)?;
        let item = self.item(path, &around, node, index)?;
        let context = Arc::new(around.iteration(node, item)?);
        self.open(scope, context.clone());
        Some(context)
    }

    /// What an iteration was about.
    fn item(&mut self, path: &'a str, around: &Arc<Context>, node: usize, index: usize) -> Option<Iteration> {
        if !self.loops.contains_key(path) {
            let then = self.then(path, around, node);
            self.loops.insert(path, then);
        }
        let (count, item) = match self.loops.get(path)?.as_ref()? {
            Then::Each(each) => (Some(each.items.len()), each.items.get(index)?.clone()),
            Then::While(repeat) if index == 0 => (None, repeat.initial.clone()),
            Then::While(_) => {
                let plan = around.plan().nodes[node].body.clone()?;
                (None, self.result(&plan, &format!("{path}[{}]", index - 1)))
            }
            Then::Wait(_) | Then::Call(_) => return None,
        };
        Some(Iteration { index, count, item })
    }

    fn then(&self, path: &str, around: &Arc<Context>, node: usize) -> Option<Then> {
        let (scope, key) = split(path);
        let step = self.steps.get(scope).and_then(|steps| steps.get(key));
        let now = step.and_then(|step| step.now).unwrap_or(self.accepted_at);
        let plan = &around.plan().nodes[node];
        let parameters = plan.parameters.evaluate(&around.view(node, now, &[])).ok()?;
        let context = NodeContext::new(around.clone(), self.engine.host.clone(), node, now);
        let called = self.engine.catalogue.at(plan.entry).run(parameters, context);
        called.now_or_never()?.ok()?.then
    }

    /// What an iteration gave, told from its steps.
    fn result(&self, plan: &Plan, scope: &str) -> Value {
        let Some(steps) = self.steps.get(scope) else {
            return Value::Null;
        };
        let leads_on = |node: usize, step: &StepRecord| {
            let plan_node = &plan.nodes[node];
            let leaves_by = |port: usize| match &step.ports {
                None => port == 0,
                Some(names) => names.contains(&plan_node.ports[port]),
            };
            plan_node
                .outgoing
                .iter()
                .any(|edge| leaves_by(plan.edges[*edge].port))
        };
        let ends: Vec<(&str, &Value)> = (0..plan.nodes.len())
            .filter_map(|node| Some((node, *steps.get(&*plan.nodes[node].key)?)))
            .filter(|(_, step)| matches!(step.status, StepState::Completed | StepState::Failed))
            .filter(|(node, step)| !leads_on(*node, step))
            .map(|(_, step)| (&*step.node, &step.output))
            .collect();
        match ends[..] {
            [] => Value::Null,
            [(_, output)] => output.clone(),
            _ => {
                let keyed = |(path, output): &(&str, &Value)| (split(path).1.to_owned(), (*output).clone());
                Value::Object(ends.iter().map(keyed).collect())
            }
        }
    }
}
