//! One execution: performs actions, calls nodes, feeds decisions back.

mod durable;
mod flight;
mod landing;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) use self::durable::write;
use self::flight::{Backoff, Landing, fly, panicked, wait_before_retry};
use self::landing::step;
use super::ledger::Ledger;
use super::{Engine, Outcome, Place};
use crate::Time;
use crate::context::{Context, Identity, Payload};
use crate::graph::{PlanNode, Version};
use crate::journal::{Call, ErrorRecord, JournalError, StepRecord, StepState, Ticket};
use crate::node::{Answer, NodeContext, NodeError, Output, Role};
use crate::schedule::{Action, Decision, State, decide};

/// How many nodes run before the accept is handed to the journal.
const AHEAD: usize = 64;
/// The waits between tries of a write that the journal could not take.
const JOURNAL_WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

pub(super) struct Run {
    engine: Arc<Engine>,
    id: Uuid,
    pub(super) epoch: i32,
    version: Arc<Version>,
    pub(super) context: Arc<Context>,
    pub(super) state: State,
    pub(super) ledger: Ledger,
    pub(super) accepted_at: Time,
    /// The time of the journal's last record, or of the next one where an effect has come back.
    pub(super) now: Time,
    ready: VecDeque<usize>,
    /// Effects that wait until what comes before them is durable.
    effects: VecDeque<usize>,
    flights: FuturesUnordered<BoxFuture<'static, Landing>>,
    accepting: Option<(Ticket, oneshot::Sender<Result<(), JournalError>>)>,
    waiter: Option<oneshot::Sender<Outcome>>,
    answer: Option<Answer>,
    has_answered: bool,
    /// The node whose output is the execution's result.
    result: Option<usize>,
    /// Nothing is left to run.
    is_over: bool,
    /// Why it ends before all is done.
    pub(super) broken: Option<(ExecutionStatus, ErrorRecord)>,
    deadline: Instant,
    cancel: CancellationToken,
}

impl Run {
    pub(super) fn new(
        engine: Arc<Engine>,
        cancel: CancellationToken,
        id: Uuid,
        version: Arc<Version>,
        mode: ExecutionMode,
        payload: Payload,
        accepted_at: Time,
    ) -> Self {
        let identity = identity(id, &version, mode, accepted_at);
        let timeout = version.plan.timeout.unwrap_or(engine.limits.execution_timeout);
        Self {
            id,
            epoch: 0,
            context: Arc::new(Context::new(
                identity,
                version.plan.clone(),
                version.secrets.clone(),
                payload,
            )),
            state: State::new(&version.plan),
            version,
            ledger: Ledger::default(),
            accepted_at,
            now: accepted_at,
            ready: VecDeque::new(),
            effects: VecDeque::new(),
            flights: FuturesUnordered::new(),
            accepting: None,
            waiter: None,
            answer: None,
            has_answered: false,
            result: None,
            is_over: false,
            broken: None,
            deadline: Instant::now() + timeout,
            cancel,
            engine,
        }
    }

    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub(super) fn accepting(
        &mut self,
        ticket: Ticket,
        told: oneshot::Sender<Result<(), JournalError>>,
        waiter: oneshot::Sender<Outcome>,
    ) {
        self.accepting = Some((ticket, told));
        self.waiter = Some(waiter);
    }

    pub(super) fn begin(&mut self, trigger: usize) {
        self.apply(Decision::Start { trigger });
    }

    /// Runs pure nodes while nothing else is called for. Tells whether the execution is over.
    pub(super) fn run_ahead(&mut self) -> bool {
        self.advance(AHEAD);
        self.has_ended()
    }

    /// Runs the execution to its end, or until another process has it.
    pub(super) async fn drive(mut self, place: Place) {
        self.drive_to_end().await;
        drop(place);
    }

    async fn drive_to_end(&mut self) {
        loop {
            self.advance(AHEAD);
            if self.has_ended() {
                break;
            }
            if self.cancel.is_cancelled() {
                self.cancelled();
            }
            if self.broken.is_none() {
                if !self.make_durable().await {
                    return;
                }
                self.give_answer();
                self.launch();
            }
            if self.flights.is_empty() {
                // More pure nodes wait than one turn runs.
                tokio::task::yield_now().await;
                continue;
            }
            if !self.wait().await {
                return;
            }
        }
        if self.accepting.is_some() && !self.make_durable().await {
            return;
        }
        let (finish, outcome) = self.end();
        if write(&self.engine, self.id, |engine| {
            engine.journal.finish(finish.clone())
        })
        .await
            && let Some(waiter) = self.waiter.take()
        {
            // A caller who hung up is no one to tell.
            let _ = waiter.send(outcome);
        }
    }

    /// Waits until something happens. Tells whether the execution is still this process's.
    async fn wait(&mut self) -> bool {
        let is_whole = self.broken.is_none();
        let engine = self.engine.clone();
        tokio::select! {
            biased;
            () = engine.abandon.cancelled() => return false,
            Some(landing) = self.flights.next() => {
                // What else has come back meanwhile shares the checkpoint.
                self.land_all(vec![landing]);
            }
            () = self.cancel.cancelled(), if is_whole => self.cancelled(),
            () = tokio::time::sleep_until(self.deadline) => {
                let message = "the execution took longer than its time-out";
                self.break_off(ExecutionStatus::TimedOut, "timeout", message);
                self.land_all(Vec::new());
                self.flights.clear();
            }
        }
        true
    }

    /// Takes in all that has come back; what waited for another attempt has, once that is not to be. No other
    /// attempt begins before the journal knows of the one that failed.
    fn land_all(&mut self, mut landed: Vec<Landing>) {
        while let Some(Some(landing)) = self.flights.next().now_or_never() {
            landed.push(landing);
        }
        for landing in landed {
            self.land(landing);
        }
    }

    fn has_ended(&self) -> bool {
        self.flights.is_empty() && (self.is_over || self.broken.is_some())
    }

    fn cancelled(&mut self) {
        self.break_off(
            ExecutionStatus::Cancelled,
            "cancelled",
            "the execution was cancelled",
        );
    }

    fn break_off(&mut self, status: ExecutionStatus, code: &str, message: &str) {
        let error = ErrorRecord {
            code: code.to_owned(),
            message: message.to_owned(),
            node: None,
        };
        self.end_early(status, error);
    }

    /// Nothing follows what is in flight, and nothing is tried again. The first reason counts.
    pub(super) fn end_early(&mut self, status: ExecutionStatus, error: ErrorRecord) {
        self.broken.get_or_insert((status, error));
        self.cancel.cancel();
    }

    /// Feeds a decision to the schedule and takes up what follows.
    pub(super) fn apply(&mut self, decision: Decision) {
        for action in decide(&self.version.plan, &mut self.state, decision) {
            match action {
                Action::Run(node) => self.ready.push_back(node),
                Action::End => self.is_over = true,
                Action::Skip { node, reason } => {
                    self.context.set_output(node, Value::Null);
                    self.record_without_bound(StepRecord {
                        reason: Some(reason),
                        ..step(&self.version.plan.nodes[node], StepState::Skipped)
                    });
                }
            }
        }
    }

    /// Takes over what a journal holds, once its decisions are applied.
    pub(super) fn replayed(&mut self, ledger: Ledger) {
        self.ledger = ledger;
        let state = &self.state;
        self.ready.retain(|node| !state.is_decided(*node));
        let plan = self.version.plan.clone();
        for (key, call) in self.ledger.calls.clone() {
            let Some(node) = plan.keys.get(&*key).copied().filter(|_| call.once) else {
                continue;
            };
            self.ready.retain(|ready| *ready != node);
            self.ledger.calls.remove(&key);
            self.ledger.dirty = true;
            let error = NodeError::terminal(
                "crashed",
                "the process died while it ran, and it must not run twice",
            );
            let (now, started_at) = (call.now, self.now);
            self.take(Landing {
                node,
                attempt: call.failed + 1,
                now,
                started_at,
                result: Err(error),
            });
        }
    }

    fn advance(&mut self, most: usize) {
        for _ in 0..most {
            if self.broken.is_some() {
                return;
            }
            let Some(node) = self.ready.pop_front() else {
                return;
            };
            match self.version.plan.nodes[node].role {
                Role::Effect => self.effects.push_back(node),
                Role::Pure | Role::Trigger => self.run_pure(node),
            }
        }
    }

    fn run_pure(&mut self, node: usize) {
        let started_at = self.engine.host.now();
        let now = self.now;
        let mut future = self.call(node, now);
        let result = match catch_unwind(AssertUnwindSafe(|| (&mut future).now_or_never())) {
            Ok(Some(result)) => result,
            Ok(None) => {
                let timeout = self.timeout(node);
                let landing = (node, 1, now, started_at);
                self.flights.push(fly(landing, None, timeout, future).boxed());
                return;
            }
            Err(panic) => Err(panicked(&*panic)),
        };
        self.take(Landing {
            node,
            attempt: 1,
            now,
            started_at,
            result,
        });
    }

    /// Evaluates a node's parameters and makes the call, which does nothing until it is polled.
    pub(super) fn call(&self, node: usize, now: Time) -> BoxFuture<'static, Result<Output, NodeError>> {
        let plan = &self.version.plan.nodes[node];
        let called = catch_unwind(AssertUnwindSafe(|| {
            let view = self.context.view(node, now, &[]);
            let parameters = plan.parameters.evaluate(&view).map_err(|error| {
                NodeError::terminal("expression", format!("node `{}`: {error}", plan.name))
            })?;
            let context = NodeContext::new(self.context.clone(), self.engine.host.clone(), node, now);
            Ok(self.engine.catalogue.at(plan.entry).run(parameters, context))
        }));
        match called {
            Ok(Ok(future)) => future,
            Ok(Err(error)) => futures_util::future::ready(Err(error)).boxed(),
            Err(panic) => futures_util::future::ready(Err(panicked(&*panic))).boxed(),
        }
    }

    fn timeout(&self, node: usize) -> Duration {
        self.version.plan.nodes[node]
            .timeout
            .unwrap_or(self.engine.limits.node_timeout)
    }

    fn give_answer(&mut self) {
        if self.answer.is_some()
            && let Some(waiter) = self.waiter.take()
            && let Some(answer) = self.answer.take()
        {
            // A caller who hung up is no one to tell.
            let _ = waiter.send(Outcome::Answered(answer));
        }
    }

    fn room(&self) -> usize {
        self.engine.limits.max_effects.saturating_sub(self.flights.len())
    }

    fn launch(&mut self) {
        for _ in 0..self.room() {
            let Some(node) = self.effects.pop_front() else {
                return;
            };
            let call = Call {
                now: self.now,
                failed: 0,
                once: false,
            };
            let call = self
                .ledger
                .calls
                .entry(self.version.plan.nodes[node].key.clone())
                .or_insert(call);
            let (attempt, now) = (call.failed + 1, call.now);
            self.fly(node, attempt, now, None);
        }
    }

    fn fly(&mut self, node: usize, attempt: u32, now: Time, backoff: Option<Backoff>) {
        let landing = (node, attempt, now, self.engine.host.now());
        let flight = fly(landing, backoff, self.timeout(node), self.call(node, now));
        let fault = self.engine.limits.fault;
        self.flights
            .push(flight.inspect(move |_| fault("after_effect")).boxed());
    }

    /// Lets a failed effect fly once more, where it may. Gives back what has landed for good.
    fn retry(&mut self, plan: &PlanNode, landing: Landing) -> Option<Landing> {
        let Landing {
            node,
            attempt,
            now,
            result: Err(error),
            ..
        } = landing
        else {
            return Some(landing);
        };
        let wait = match self.cancel.is_cancelled() {
            false => wait_before_retry(self.id, plan, &error, attempt),
            true => None,
        };
        let Some((wait, call)) = wait.zip(self.ledger.calls.get_mut(&plan.key)) else {
            return Some(Landing {
                result: Err(error),
                ..landing
            });
        };
        call.failed = attempt;
        let backoff = Backoff {
            wait,
            failed: Box::new((landing.started_at, error)),
            ended: self.cancel.clone(),
        };
        self.fly(node, attempt + 1, now, Some(backoff));
        None
    }

    /// Takes in an effect that came back.
    fn land(&mut self, landing: Landing) {
        if self.cancel.is_cancelled() {
            // Else the end of a wait would pass for a failure.
            self.cancelled();
        }
        let version = self.version.clone();
        let plan = &version.plan.nodes[landing.node];
        self.ledger.dirty = true;
        self.now = self.engine.host.now();
        if let Some(landing) = self.retry(plan, landing) {
            self.ledger.calls.remove(&plan.key);
            self.take(landing);
        }
    }
}

pub(super) fn identity(id: Uuid, version: &Version, mode: ExecutionMode, started_at: Time) -> Identity {
    Identity {
        id,
        workflow_id: version.workflow_id,
        version: version.number,
        mode,
        started_at,
    }
}
