//! One execution: performs actions, calls nodes, feeds decisions back.

mod again;
mod durable;
mod effects;
mod flight;
mod landing;
mod live;
mod loops;
mod scopes;
mod waits;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
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
use self::flight::{Landing, fly, panicked};
use self::landing::{Called, Source, step};
use self::loops::Loop;
pub(super) use self::scopes::{At, TOP};
use self::scopes::{Scope, ScopeId, Scopes, node_of};
pub use self::waits::MAX_CALLS;
use self::waits::Waiting;
use super::caller::Caller;
use super::ledger::Ledger;
use super::{Engine, Handle, Outcome, Place};
use crate::Time;
use crate::context::{Context, Identity, Payload};
use crate::graph::Version;
use crate::journal::{ErrorRecord, JournalError, Ticket};
use crate::node::{self, Answer, NodeContext, NodeError, Output, Role};
use crate::observe::{UnderWay, Written};
use crate::schedule::Decision;

/// How many nodes run before the accept is handed to the journal.
const AHEAD: usize = 64;
/// The waits between tries of a write that the journal could not take.
const JOURNAL_WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

pub(super) struct Run {
    pub(super) engine: Arc<Engine>,
    id: Uuid,
    pub(super) epoch: i32,
    version: Arc<Version>,
    mode: ExecutionMode,
    caller: Caller,
    pub(super) scopes: Scopes,
    pub(super) loops: HashMap<At, Loop>,
    pub(super) ledger: Ledger,
    pub(super) accepted_at: Time,
    /// From when its time-out counts.
    pub(super) timed_from: Time,
    /// When this process began to run it.
    pub(super) taken_up_at: Time,
    /// The time of the journal's last record, or of the next one where an effect has come back.
    pub(super) now: Time,
    pub(super) ready: VecDeque<At>,
    /// Iterations that are over and that their loops do not know of yet.
    over: VecDeque<ScopeId>,
    /// Effects that wait until what comes before them is durable.
    effects: VecDeque<At>,
    /// Calls of other workflows that are about to be made.
    calling: HashMap<At, (Called, node::Call)>,
    /// Calls that are being made, and whether their ends are waited for.
    starting: HashMap<At, bool>,
    /// Calls that were left out: what they called is to end.
    left_calls: Vec<Arc<str>>,
    /// An execution was called whose end was to be waited for.
    has_called: bool,
    /// Effects that were in flight when a process died: these run again whatever has happened around them.
    pub(super) insisting: HashSet<At>,
    /// Effects that were in flight then and must not be called twice.
    crashed: Vec<At>,
    flights: FuturesUnordered<BoxFuture<'static, Landing>>,
    /// What ends the flights of an iteration that nobody waits for any more.
    tokens: HashMap<ScopeId, CancellationToken>,
    pub(super) waits: BTreeMap<At, Waiting>,
    /// What has come from outside, by path.
    pub(super) signals: BTreeMap<String, Value>,
    /// Its accept is on disk.
    pub(super) is_accepted: bool,
    accepting: Option<(Ticket, oneshot::Sender<Result<(), JournalError>>)>,
    waiter: Option<oneshot::Sender<Outcome>>,
    answer: Option<Answer>,
    has_answered: bool,
    /// The step whose output is the execution's result: its path, and where the output is.
    result: Option<(Arc<str>, Source)>,
    /// Nothing is left to run.
    is_over: bool,
    /// Why it ends before all is done.
    pub(super) broken: Option<(ExecutionStatus, ErrorRecord)>,
    /// It was parked, and no process died.
    pub(super) was_at_rest: bool,
    deadline: Instant,
    /// Something that takes time has begun.
    has_told: bool,
    /// What has begun, and was not told of yet.
    untold: Vec<UnderWay>,
    handle: Arc<Handle>,
}

impl Run {
    pub(super) fn new(
        engine: Arc<Engine>,
        handle: Arc<Handle>,
        id: Uuid,
        version: Arc<Version>,
        mode: ExecutionMode,
        payload: Payload,
        accepted_at: Time,
    ) -> Self {
        let identity = identity(&engine, id, &version, mode, accepted_at);
        let timeout = version.plan.timeout.unwrap_or(engine.limits.execution_timeout);
        let caller = Caller::of(&payload, mode);
        let context = Context::new(identity, version.plan.clone(), version.secrets.clone(), payload);
        Self {
            id,
            epoch: 0,
            scopes: Scopes::new(Scope::new(Arc::new(context), None)),
            loops: HashMap::new(),
            version,
            mode,
            caller,
            ledger: Ledger::default(),
            accepted_at,
            timed_from: accepted_at,
            taken_up_at: accepted_at,
            now: accepted_at,
            ready: VecDeque::new(),
            over: VecDeque::new(),
            effects: VecDeque::new(),
            calling: HashMap::new(),
            starting: HashMap::new(),
            left_calls: Vec::new(),
            has_called: false,
            insisting: HashSet::new(),
            crashed: Vec::new(),
            flights: FuturesUnordered::new(),
            tokens: HashMap::new(),
            waits: BTreeMap::new(),
            signals: BTreeMap::new(),
            is_accepted: false,
            accepting: None,
            waiter: None,
            answer: None,
            has_answered: false,
            result: None,
            is_over: false,
            broken: None,
            was_at_rest: false,
            deadline: Instant::now() + timeout,
            has_told: false,
            untold: Vec::new(),
            handle,
            engine,
        }
    }

    pub(super) fn handle(&self) -> Arc<Handle> {
        self.handle.clone()
    }

    pub(super) fn top(&self) -> &Arc<Context> {
        &self.scopes.top().context
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
        self.apply(TOP, Decision::Start { trigger });
    }

    /// A time-out that the workflow or its caller set goes on while it is parked.
    pub(super) fn resume_deadline(&mut self) {
        if let Some(deadline) = self.wall_deadline().filter(|_| self.was_at_rest) {
            self.deadline = Instant::now() + (deadline - self.engine.host.now()).to_std().unwrap_or_default();
        }
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
            self.cancel_left().await;
            if self.fail_crashed() {
                continue;
            }
            if self.handle.cancel.is_cancelled() {
                if !self.is_over {
                    self.cancelled();
                }
                self.give_up_retries();
            }
            if self.has_ended() {
                break;
            }
            if self.broken.is_none() {
                if !self.make_durable().await {
                    return;
                }
                self.give_answer();
                self.launch();
                if self.may_rest() {
                    self.take_signals();
                    if self.may_rest() {
                        self.park().await;
                        return;
                    }
                    continue;
                }
            }
            if self.broken.is_none() && !self.is_idle() {
                // More pure nodes wait than one turn runs.
                tokio::task::yield_now().await;
                while let Some(Some(landing)) = self.flights.next().now_or_never() {
                    self.land(landing);
                }
                continue;
            }
            if !self.wait().await {
                return;
            }
        }
        if self.accepting.is_some() && !self.make_durable().await {
            return;
        }
        if self.leaves_children() {
            self.engine.host.cancel_children(self.id, None).await;
        }
        let (finish, outcome) = self.end();
        if write(&self.engine, self.id, |engine| {
            engine.journal.finish(finish.clone())
        })
        .await
        {
            self.tell_written(Written::Finish);
            if let Some(waiter) = self.waiter.take() {
                // A caller who hung up is no one to tell.
                let _ = waiter.send(outcome);
            }
        }
    }

    /// Waits until something happens. Tells whether the execution is still this process's.
    async fn wait(&mut self) -> bool {
        let is_whole = self.broken.is_none();
        let (engine, handle) = (self.engine.clone(), self.handle.clone());
        // What ends early lets attempts under way come back, and waits for nothing else.
        let due = self.next_due().filter(|_| is_whole);
        let due = due.map_or(self.deadline, |due| due.instant.min(self.deadline));
        let has_waits = is_whole && !self.waits.is_empty();
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
            () = handle.cancel.cancelled(), if is_whole => self.cancelled(),
            () = handle.signalled.notified(), if is_whole => self.take_signals(),
            () = hung_up(&mut self.waiter), if has_waits => self.waiter = None,
            () = tokio::time::sleep_until(due) => {
                if Instant::now() >= self.deadline {
                    let message = "the execution took longer than its time-out";
                    self.break_off(ExecutionStatus::TimedOut, "timeout", message);
                    self.give_up_retries();
                    self.flights.clear();
                    self.waits.clear();
                } else {
                    self.wake();
                }
            }
        }
        true
    }

    fn has_ended(&self) -> bool {
        self.flights.is_empty() && (self.is_over || self.broken.is_some())
    }

    /// Whether nothing is left to do here and now.
    fn is_idle(&self) -> bool {
        let can_launch = !self.effects.is_empty() && self.room() > 0;
        self.ready.is_empty() && self.over.is_empty() && !can_launch
    }

    fn cancelled(&mut self) {
        self.break_off(
            ExecutionStatus::Cancelled,
            "cancelled",
            "the execution was cancelled",
        );
    }

    pub(super) fn break_off(&mut self, status: ExecutionStatus, code: &str, message: &str) {
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
        self.handle.cancel.cancel();
    }

    fn advance(&mut self, most: usize) {
        for _ in 0..most {
            if self.broken.is_some() {
                return;
            }
            if let Some(scope) = self.over.pop_front() {
                self.close(scope);
                continue;
            }
            let Some(at) = self.ready.pop_front() else {
                return;
            };
            if self.is_stopped(at.scope) && !self.insisting.contains(&at) {
                self.leave_out(at, None);
                continue;
            }
            let Some(plan) = self.plan_of(at) else { continue };
            match node_of(&plan, at).role {
                Role::Effect => self.effects.push_back(at),
                Role::Pure | Role::Trigger | Role::Control | Role::Loop => self.run_pure(at),
            }
        }
    }

    /// Has the iterations that are over tell their loops so.
    pub(super) fn close_all(&mut self) {
        while let Some(scope) = self.over.pop_front() {
            self.close(scope);
        }
    }

    fn run_pure(&mut self, at: At) {
        let begun = self.path(at).and_then(|path| self.ledger.calls.get(&path));
        let called = Called {
            attempt: 1,
            now: begun.map_or(self.now, |call| call.now),
            started_at: self.engine.host.now(),
        };
        let mut future = self.call(at, called.now);
        let result = match catch_unwind(AssertUnwindSafe(|| (&mut future).now_or_never())) {
            Ok(Some(result)) => result,
            Ok(None) => {
                let flight = fly(at, called, self.timeout(at), self.token(at.scope), future);
                self.flights.push(flight.boxed());
                return;
            }
            Err(panic) => Err(panicked(&*panic)),
        };
        self.take(Landing {
            at,
            called,
            result,
            is_dropped: false,
        });
    }

    /// Evaluates a node's parameters and makes the call, which does nothing until it is polled.
    pub(super) fn call(&self, at: At, now: Time) -> BoxFuture<'static, Result<Output, NodeError>> {
        let Some(scope) = self.scopes.get(at.scope) else {
            let gone = NodeError::terminal("internal", "its iteration is over");
            return futures_util::future::ready(Err(gone)).boxed();
        };
        let context = scope.context.clone();
        let called = catch_unwind(AssertUnwindSafe(|| {
            let plan = node_of(context.plan(), at);
            let view = context.view(at.node, now, &[]);
            let parameters = plan.parameters.evaluate(&view).map_err(|error| {
                NodeError::terminal("expression", format!("node `{}`: {error}", plan.name))
            })?;
            let node = self.engine.catalogue.at(plan.entry);
            let context = NodeContext::new(context.clone(), self.engine.host.clone(), at.node, now);
            Ok(node.run(parameters, context))
        }));
        match called {
            Ok(Ok(future)) => future,
            Ok(Err(error)) => futures_util::future::ready(Err(error)).boxed(),
            Err(panic) => futures_util::future::ready(Err(panicked(&*panic))).boxed(),
        }
    }

    fn timeout(&self, at: At) -> Duration {
        let own = self.plan_of(at).and_then(|plan| node_of(&plan, at).timeout);
        own.unwrap_or(self.engine.limits.node_timeout)
    }

    /// What ends the flights of an iteration; at the top there is none.
    fn token(&mut self, scope: ScopeId) -> Option<CancellationToken> {
        (scope != TOP).then(|| self.tokens.entry(scope).or_default().clone())
    }

    fn drop_flights(&mut self, scope: ScopeId) {
        if let Some(token) = self.tokens.remove(&scope) {
            token.cancel();
        }
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
}

/// Resolves when the caller who waits for an answer goes.
async fn hung_up(waiter: &mut Option<oneshot::Sender<Outcome>>) {
    match waiter {
        Some(waiter) => waiter.closed().await,
        None => std::future::pending().await,
    }
}

pub(super) fn identity(
    engine: &Engine,
    id: Uuid,
    version: &Version,
    mode: ExecutionMode,
    started_at: Time,
) -> Identity {
    Identity {
        resume_url: engine.limits.resume_url.clone(),
        id,
        workflow_id: version.workflow_id,
        version: version.number,
        mode,
        started_at,
    }
}
