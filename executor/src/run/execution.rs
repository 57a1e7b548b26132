//! One execution: performs actions, calls nodes, feeds decisions back.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use flowmatic_openapi::{ExecutionMode, ExecutionStatus, OnCrash, OnError};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ledger::Ledger;
use super::{Engine, Outcome};
use crate::Time;
use crate::context::{Context, Identity, Payload};
use crate::graph::{ERROR_PORT, PlanNode, Version};
use crate::journal::{Call, Checkpoint, ErrorRecord, Finish, JournalError, StepRecord, StepState, Ticket};
use crate::json;
use crate::node::{Answer, ErrorClass, NodeContext, NodeError, Output, Role};
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
    accepted_at: Time,
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

/// A node that came back.
struct Landing {
    node: usize,
    attempt: u32,
    /// What `now` was for its expressions.
    now: Time,
    started_at: Time,
    result: Result<Output, NodeError>,
}

impl Run {
    pub(super) fn new(
        engine: Arc<Engine>,
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
            cancel: CancellationToken::new(),
            engine,
        }
    }

    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Takes time off the deadline that passed before this process took the execution up.
    pub(super) fn has_run_for(&mut self, elapsed: Duration) {
        self.deadline = self.deadline.checked_sub(elapsed).unwrap_or_else(Instant::now);
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
    pub(super) async fn drive(mut self) {
        let id = self.id;
        let engine = self.engine.clone();
        self.drive_to_end().await;
        engine.leave(id);
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
                self.land(landing);
                // What else has come back meanwhile shares the checkpoint.
                while let Some(Some(landing)) = self.flights.next().now_or_never() {
                    self.land(landing);
                }
            }
            () = self.cancel.cancelled(), if is_whole => self.cancelled(),
            () = tokio::time::sleep_until(self.deadline), if is_whole => {
                let message = "the execution took longer than its time-out";
                self.break_off(ExecutionStatus::TimedOut, "timeout", message);
                self.flights.clear();
            }
        }
        true
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
        self.broken.get_or_insert((status, error));
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
                self.flights
                    .push(fly(landing, Duration::ZERO, timeout, future).boxed());
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
    fn call(&self, node: usize, now: Time) -> BoxFuture<'static, Result<Output, NodeError>> {
        let plan = &self.version.plan.nodes[node];
        let called = catch_unwind(AssertUnwindSafe(|| {
            let view = self.context.view(node, now, &[]);
            let parameters = plan.parameters.evaluate(&view).map_err(|error| {
                NodeError::terminal("expression", format!("node `{}`: {error}", plan.name))
            })?;
            let context = NodeContext {
                context: self.context.clone(),
                host: self.engine.host.clone(),
                node,
                key: plan.key.clone(),
                now,
            };
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

    /// Makes the accept durable, and all that was decided since the last record where an effect is among it.
    /// Tells whether the execution is still this process's.
    async fn make_durable(&mut self) -> bool {
        if let Some((ticket, told)) = self.accepting.take() {
            let accepted = ticket.await;
            let is_accepted = accepted.is_ok();
            // A caller who hung up is no one to tell.
            let _ = told.send(accepted);
            if !is_accepted {
                return false;
            }
        }
        self.mark_once_only();
        if !self.ledger.dirty {
            return true;
        }
        let (sequence, record) = self.ledger.checkpoint(self.now);
        let (id, epoch) = (self.id, self.epoch);
        let checkpoint = Checkpoint {
            id,
            epoch,
            sequence,
            record,
        };
        write(&self.engine, id, |engine| {
            engine.journal.checkpoint(checkpoint.clone())
        })
        .await
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

    /// Notes the effects about to fly that a crash must not repeat.
    fn mark_once_only(&mut self) {
        for node in self.effects.iter().take(self.room()) {
            let plan = &self.version.plan.nodes[*node];
            if plan.on_crash == OnCrash::Fail && !self.ledger.calls.contains_key(&plan.key) {
                self.ledger.calls.insert(
                    plan.key.clone(),
                    Call {
                        now: self.now,
                        failed: 0,
                        once: true,
                    },
                );
                self.ledger.dirty = true;
            }
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
            self.fly(node, attempt, now, Duration::ZERO);
        }
    }

    fn fly(&mut self, node: usize, attempt: u32, now: Time, delay: Duration) {
        let landing = (node, attempt, now, self.engine.host.now());
        let flight = fly(landing, delay, self.timeout(node), self.call(node, now));
        let fault = self.engine.limits.fault;
        self.flights
            .push(flight.inspect(move |_| fault("after_effect")).boxed());
    }

    /// Takes in an effect that came back.
    fn land(&mut self, landing: Landing) {
        let version = self.version.clone();
        let plan = &version.plan.nodes[landing.node];
        self.ledger.dirty = true;
        self.now = self.engine.host.now();
        if let (Err(error), true) = (&landing.result, self.broken.is_none())
            && let Some(wait) = self.retry_wait(plan, error, landing.attempt)
            && let Some(call) = self.ledger.calls.get_mut(&plan.key)
        {
            call.failed = landing.attempt;
            self.fly(landing.node, landing.attempt + 1, landing.now, wait);
            return;
        }
        self.ledger.calls.remove(&plan.key);
        self.take(landing);
    }

    /// How long to wait before another attempt, where there is to be one.
    fn retry_wait(&self, plan: &PlanNode, error: &NodeError, attempt: u32) -> Option<Duration> {
        let retry = plan.retry.as_ref()?;
        let may_pass = matches!(error.class, ErrorClass::Retryable | ErrorClass::Timeout);
        if !may_pass || attempt >= retry.max_attempts {
            return None;
        }
        let initial = Duration::from(retry.initial).as_secs_f64();
        let longest = Duration::from(retry.max).as_secs_f64();
        let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
        let whole = (initial * retry.factor.powi(exponent)).min(longest);
        let share = whole * retry.jitter * chance(self.id, &plan.key, attempt);
        let wait = Duration::try_from_secs_f64(whole - share).unwrap_or(Duration::ZERO);
        Some(wait.max(error.retry_after.unwrap_or_default()))
    }

    /// Decides a node by what came back.
    fn take(&mut self, landing: Landing) {
        let Landing {
            node,
            attempt,
            now,
            started_at,
            result,
        } = landing;
        let version = self.version.clone();
        let plan = &version.plan.nodes[node];
        let record = StepRecord {
            attempts: attempt,
            started_at: Some(started_at),
            finished_at: Some(self.engine.host.now()),
            now: (now != self.accepted_at).then_some(now),
            ..step(plan, StepState::Completed)
        };
        let failed = match result {
            Ok(output) => self.complete(node, plan, record, output).err(),
            Err(error) => Some(Box::new((record, error))),
        };
        if let Some(failed) = failed {
            let (record, error) = *failed;
            self.fail(node, plan, record, error);
        }
    }

    /// Gives the record back where the output cannot be taken.
    fn complete(
        &mut self,
        node: usize,
        plan: &PlanNode,
        record: StepRecord,
        output: Output,
    ) -> Result<(), Box<(StepRecord, NodeError)>> {
        let ports = match &output.ports {
            None => (0..plan.ports.len().min(1)).collect(),
            Some(names) => {
                let places = names
                    .iter()
                    .map(|name| plan.ports.iter().position(|port| port == name));
                let Some(places) = places.collect::<Option<Vec<usize>>>() else {
                    let message = format!("it left by a port it does not have, of {names:?}");
                    return Err(Box::new((record, NodeError::terminal("internal", message))));
                };
                places
            }
        };
        if !json::is_shallow(&output.value) {
            let message = format!("its output nests deeper than {} levels", json::MAX_DEPTH);
            return Err(Box::new((
                record,
                NodeError::terminal("output_too_deep", message),
            )));
        }
        let is_first_answer = output.answer.is_some() && !self.has_answered;
        let record = StepRecord {
            ports: output.ports,
            output: output.value,
            answered: is_first_answer,
            ..record
        };
        let (most, most_in_all) = (self.engine.limits.max_output, self.engine.limits.max_outputs);
        let value = self.ledger.add(record, self.context.secrets(), most, most_in_all).map_err(|refused| {
            let (record, size) = *refused;
            let message = format!(
                "its output has {size} bytes; one output may have {most}, and all of an execution {most_in_all}"
            );
            Box::new((record, NodeError::terminal("output_too_large", message)))
        })?;
        self.context.set_output(node, value);
        if is_first_answer {
            self.answer = output.answer;
        }
        self.note_result(node, is_first_answer);
        self.apply(Decision::Leave { node, ports });
        Ok(())
    }

    /// The first answer is the result, or else the output of the step that ended last.
    pub(super) fn note_result(&mut self, node: usize, is_answer: bool) {
        if !self.has_answered {
            self.result = Some(node);
            self.has_answered = is_answer;
        }
    }

    fn fail(&mut self, node: usize, plan: &PlanNode, record: StepRecord, error: NodeError) {
        let mut handled = serde_json::json!({"code": error.code, "message": error.message});
        if let Some(data) = error.data {
            handled["data"] = *data;
        }
        let (ports, output) = match plan.on_error {
            OnError::Fail => (None, Value::Null),
            OnError::Continue => (plan.ports.first(), serde_json::json!({"error": handled})),
            OnError::Branch => (
                plan.ports.iter().find(|port| *port == ERROR_PORT),
                serde_json::json!({"error": handled}),
            ),
        };
        let told = ErrorRecord {
            code: error.code.into_owned(),
            message: error.message,
            node: Some(plan.key.to_string()),
        };
        let record = StepRecord {
            status: StepState::Failed,
            answered: false,
            ports: Some(ports.into_iter().cloned().collect()),
            output,
            error: Some(told.clone()),
            ..record
        };
        let value = self.record_without_bound(record);
        if plan.on_error == OnError::Fail {
            self.broken.get_or_insert((ExecutionStatus::Failed, told));
        } else {
            let ports = plan
                .ports
                .iter()
                .position(|port| Some(port) == ports)
                .into_iter()
                .collect();
            self.context.set_output(node, value);
            self.apply(Decision::Leave { node, ports });
        }
    }

    /// Records what is small by nature: a skip, an error with at most one response.
    fn record_without_bound(&mut self, record: StepRecord) -> Value {
        self.ledger
            .add(record, self.context.secrets(), usize::MAX, usize::MAX)
            .unwrap_or_default()
    }

    /// What the journal is told of the end, and the caller.
    pub(super) fn end(&mut self) -> (Finish, Outcome) {
        for node in self
            .ready
            .drain(..)
            .chain(self.effects.drain(..))
            .collect::<Vec<usize>>()
        {
            self.record_without_bound(step(&self.version.plan.nodes[node], StepState::Cancelled));
        }
        let (status, error) = match self.broken.take() {
            None => (ExecutionStatus::Completed, None),
            Some((status, error)) => (status, Some(error)),
        };
        let finish = Finish {
            id: self.id,
            epoch: self.epoch,
            status,
            // Serializing a struct of strings cannot fail.
            error: error.as_ref().and_then(|error| serde_json::to_string(error).ok()),
            result: self
                .result
                .map(|node| self.version.plan.nodes[node].key.to_string()),
            steps: self.ledger.steps(),
            finished_at: self.engine.host.now(),
        };
        let outcome = match self.answer.take() {
            Some(answer) => Outcome::Answered(answer),
            None => Outcome::Ended { status, error },
        };
        (finish, outcome)
    }
}

/// A call with its wait before and its time-out, panics contained.
async fn fly(
    (node, attempt, now, started_at): (usize, u32, Time, Time),
    delay: Duration,
    timeout: Duration,
    call: BoxFuture<'static, Result<Output, NodeError>>,
) -> Landing {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let call = AssertUnwindSafe(call).catch_unwind();
    let result = match tokio::time::timeout(timeout, call).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(&*panic)),
        Err(_) => Err(NodeError {
            class: ErrorClass::Timeout,
            ..NodeError::terminal("timeout", format!("it took longer than {timeout:?}"))
        }),
    };
    Landing {
        node,
        attempt,
        now,
        started_at,
        result,
    }
}

/// Writes until the journal has taken it. Tells whether the execution is still this process's.
async fn write(engine: &Engine, execution: Uuid, write: impl Fn(&Engine) -> Ticket) -> bool {
    let (mut wait, longest) = JOURNAL_WAIT;
    loop {
        match write(engine).await {
            Ok(()) => return true,
            Err(JournalError::Lost) => {
                tracing::warn!(%execution, "another process has taken the execution over");
                return false;
            }
            Err(JournalError::Rejected(error)) => {
                tracing::error!(%execution, error, "the journal refuses a record");
                return false;
            }
            Err(JournalError::Unavailable(error)) => {
                tracing::warn!(%execution, error, "the journal is not available; trying again");
            }
        }
        tokio::select! {
            () = engine.abandon.cancelled() => return false,
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(longest),
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

fn panicked(panic: &(dyn Any + Send)) -> NodeError {
    let said = panic
        .downcast_ref::<&str>()
        .map(|it| (*it).to_owned())
        .or_else(|| panic.downcast_ref().cloned());
    NodeError::terminal(
        "panic",
        format!(
            "the node panicked: {}",
            said.unwrap_or_else(|| "no message".to_owned())
        ),
    )
}

/// A number from 0 to 1 that a replay draws again.
fn chance(execution: Uuid, key: &str, attempt: u32) -> f64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{execution}/{key}/{attempt}"));
    let drawn = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(drawn) / f64::from(u32::MAX)
}

fn step(plan: &PlanNode, status: StepState) -> StepRecord {
    StepRecord {
        node: plan.key.clone(),
        status,
        ports: None,
        output: Value::Null,
        error: None,
        reason: None,
        answered: false,
        attempts: 0,
        started_at: None,
        finished_at: None,
        now: None,
    }
}
