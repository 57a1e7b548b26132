//! Processes, their writes and deaths, and the clock.

use std::convert::Infallible;

use flowmatic_openapi::{ExecutionStatus, OnCrash};

use super::{Doing, EXECUTION_TIMEOUT_MS, MAX_RECOVERIES, Model, SHORT_MS, State, Tie, scope};
use crate::told::{Life, Told, Write};
use crate::world::Failure;

/// Why a process runs an execution no more.
enum Stop {
    Tie,
    Death,
    /// It has left memory.
    Left,
}

enum Event {
    Lands(String),
    Wakes(String),
    Signal,
    /// A called execution is not waited for in memory any longer.
    Tires,
    Cancel,
    Deadline,
}

impl Model<'_> {
    pub(super) fn run(mut self) -> Result<Told, Tie> {
        self.life = self.next_life();
        self.begin(None);
        loop {
            let Err(stop) = self.live();
            if matches!(stop, Stop::Death) {
                self.life = self.next_life();
            }
            let kept = self.kept.as_mut();
            let (is_finished, rests_until) =
                kept.map_or((false, None), |kept| (kept.is_finished, kept.rests_until.take()));
            match (stop, rests_until) {
                (Stop::Tie, _) => return Err(Tie),
                _ if is_finished => return Ok(self.told()),
                (_, Some(wake_at)) => self.rest(wake_at)?,
                (_, None) => self.now += self.case.outage,
            }
            self.take_up(rests_until.is_some());
        }
    }

    fn next_life(&mut self) -> Life {
        self.lives.pop_front().unwrap_or(Life::WHOLE)
    }

    fn begin(&mut self, kept: Option<State>) {
        match kept {
            Some(kept) => self.state = kept,
            None => {
                self.state = State::default();
                self.enter_top();
            }
        }
        self.deadline = self.now + self.own_timeout().unwrap_or(EXECUTION_TIMEOUT_MS);
    }

    fn own_timeout(&self) -> Option<u64> {
        let timeout = self.case.graph.settings.timeout;
        timeout.map(|timeout| timeout.as_millis())
    }

    /// One process: to the end, to its death, or until the execution leaves memory.
    fn live(&mut self) -> Result<Infallible, Stop> {
        if !self.is_accepted {
            self.settle();
            if self.is_over() {
                // Accepted and finished in one write.
                return self.finish();
            }
        }
        loop {
            self.settle();
            if self.fail_crashed() {
                continue;
            }
            if std::mem::take(&mut self.cancel_is_known) && self.is_busy("") {
                self.break_off(ExecutionStatus::Cancelled, "cancelled", None);
            }
            if self.is_over() {
                if !self.is_accepted {
                    self.make_durable()?;
                }
                return self.finish();
            }
            if self.state.broken.is_none() {
                self.make_durable()?;
                self.is_awaited &= !self.state.has_answered;
                self.launch();
                if self.state.has_news || !self.is_idle() {
                    continue;
                }
                let (could_rest, has_learnt) = (self.may_rest(), self.learn());
                if could_rest && self.may_rest() {
                    return self.park();
                }
                if has_learnt {
                    continue;
                }
            }
            self.next_event()?;
        }
    }

    fn make_durable(&mut self) -> Result<(), Stop> {
        if !std::mem::replace(&mut self.is_accepted, true) {
            self.write(Write::Accept, None)?;
        }
        for path in self.state.effects.clone() {
            let is_new = matches!(self.state.doing.get(&path), Some(Doing::Queued));
            if is_new && self.crash_fails(&path) && !self.is_stopped(scope(&path)) {
                self.state.doing.insert(path, Doing::Again { failed: 0, due: 0 });
                self.state.has_news = true;
            }
        }
        if std::mem::take(&mut self.state.has_news) {
            self.write(Write::Checkpoint, self.state.clone())?;
        }
        Ok(())
    }

    fn crash_fails(&self, path: &str) -> bool {
        let node = self.node(path);
        node.on_crash == Some(OnCrash::Fail) && node.kind == "test.work"
    }

    /// Whether nothing is left but waits that are not over soon, and nobody waits for an answer.
    fn may_rest(&self) -> bool {
        let own_deadline = self.own_timeout().map(|_| self.deadline);
        let mut next = self.waits().map(|(_, until)| until).chain(own_deadline);
        let is_soon = next.any(|at| at <= self.now + SHORT_MS) || self.tires_at().is_some();
        let is_still = self.is_idle() && !self.is_in_flight() && !self.is_over();
        is_still && !is_soon && !self.is_awaited
    }

    /// What goes on by itself, and when.
    fn waits(&self) -> impl Iterator<Item = (&String, u64)> {
        let doing = self.state.doing.iter();
        doing.filter_map(|(path, doing)| Some((path, doing.until()?)))
    }

    /// Until when called executions are waited for in memory.
    fn tires_at(&self) -> Option<u64> {
        let doing = self.state.doing.values();
        let soon = doing.filter_map(|doing| match doing {
            Doing::Child { soon } => Some(*soon),
            _ => None,
        });
        soon.filter(|soon| *soon > self.now).max()
    }

    /// It leaves memory.
    fn park(&mut self) -> Result<Infallible, Stop> {
        let next = self
            .waits()
            .map(|(_, until)| until)
            .chain(self.own_timeout())
            .min();
        let parked = State {
            rests_until: Some(next.unwrap_or(u64::MAX)),
            ..self.state.clone()
        };
        self.write(Write::Park, parked)?;
        Err(Stop::Left)
    }

    fn finish(&mut self) -> Result<Infallible, Stop> {
        self.leave_all_out();
        let leaves_children = self.children.values().any(|end| *end > self.now);
        self.has_cancelled_children |= self.state.broken.is_some() && leaves_children;
        let finished = State {
            is_finished: true,
            ..self.state.clone()
        };
        self.write(Write::Finish, finished)?;
        Err(Stop::Left)
    }

    /// One write, after which the journal holds this.
    fn write(&mut self, what: Write, kept: impl Into<Option<State>>) -> Result<(), Stop> {
        self.life.writes = self.life.writes.checked_sub(1).ok_or(Stop::Death)?;
        self.writes.push((what, self.now));
        if let Some(kept) = kept.into() {
            self.kept = Some(State {
                has_news: false,
                ..kept
            });
            self.recoveries = 0;
        }
        match self.life.writes > 0 || self.life.hears {
            true => Ok(()),
            false => Err(Stop::Death),
        }
    }

    /// Until its time comes, or a signal, or a cancel.
    fn rest(&mut self, wake_at: u64) -> Result<(), Tie> {
        let others = self
            .signals
            .iter()
            .map(|signal| signal.at)
            .chain(self.case.cancel_at);
        let mut next: Vec<u64> = others.filter(|at| *at > self.now).chain([wake_at]).collect();
        next.sort_unstable();
        self.now = self.now.max(next[0]);
        if next.get(1) == Some(&next[0]) {
            return Err(Tie);
        }
        Ok(())
    }

    /// A process takes it up where the journal ends.
    fn take_up(&mut self, was_at_rest: bool) {
        self.is_awaited = false;
        self.is_accepted = true;
        self.known.clear();
        self.begin(self.kept.clone());
        self.restart(was_at_rest);
        self.recoveries += u32::from(!was_at_rest);
        if self.recoveries >= MAX_RECOVERIES {
            self.break_off(ExecutionStatus::Failed, "crash_loop", None);
        } else {
            self.cancel_is_known = self.case.cancel_at.is_some_and(|at| at <= self.now);
        }
    }

    /// What was under way begins again. Time-outs begin anew where a process died, and else go on.
    fn restart(&mut self, was_at_rest: bool) {
        if let Some(timeout) = self.own_timeout().filter(|_| was_at_rest) {
            self.deadline = timeout.max(self.now);
        }
        for (path, doing) in self.state.doing.clone() {
            let (failed, due) = match doing {
                Doing::Attempt { attempt, .. } => (attempt - 1, 0),
                Doing::Backoff { attempt, until, .. } => (attempt - 1, until),
                Doing::Child { .. } => (0, 0),
                Doing::Loop(one) if one.until.is_some() && !was_at_rest => {
                    let timeout = self.node(&path).timeout;
                    let until = timeout.map(|timeout| self.now + timeout.as_millis());
                    self.looped(&path, |one| one.until = until);
                    continue;
                }
                _ => continue,
            };
            self.state.effects.push(path.clone());
            self.state.doing.insert(path, Doing::Again { failed, due });
        }
        let State { effects, doing, .. } = &self.state;
        let begun = effects
            .iter()
            .filter(|path| matches!(doing[*path], Doing::Again { .. }));
        self.crashed = begun.filter(|path| self.crash_fails(path)).cloned().collect();
        self.crashed.sort();
        self.state.effects.retain(|path| !self.crashed.contains(path));
    }

    /// What must not be called twice fails when all else is under way again. Tells whether there was any.
    fn fail_crashed(&mut self) -> bool {
        if self.state.broken.is_some() || !self.state.ready.is_empty() || !self.state.over.is_empty() {
            return false;
        }
        let crashed = std::mem::take(&mut self.crashed);
        for path in &crashed {
            if let Some(Doing::Again { failed, .. }) = self.state.doing.get(path) {
                let attempts = failed + 1;
                self.state.has_news = true;
                self.fail(path, attempts, Failure::for_good("crashed"));
            }
        }
        !crashed.is_empty()
    }

    fn next_event(&mut self) -> Result<(), Stop> {
        if self.deadline <= self.now {
            self.cut_off();
            return Ok(());
        }
        let mut events = vec![(self.deadline, Event::Deadline)];
        for (path, doing) in &self.state.doing {
            if let Doing::Attempt { ends_at, .. } = doing {
                events.push((*ends_at, Event::Lands(path.clone())));
            }
        }
        if self.state.broken.is_none() {
            let is_to_come = |at: &u64| *at > self.now;
            let signals = self.signals.iter().map(|signal| signal.at).filter(is_to_come);
            let cancel = self.case.cancel_at.filter(is_to_come);
            events.extend(
                self.waits()
                    .map(|(path, until)| (until, Event::Wakes(path.clone()))),
            );
            events.extend(signals.map(|at| (at, Event::Signal)));
            events.extend(self.tires_at().map(|at| (at, Event::Tires)));
            events.extend(cancel.map(|at| (at, Event::Cancel)));
        }
        events.sort_by_key(|(at, _)| *at);
        // What is overdue ends in the order in which it was due, all in one turn.
        let overdue = events.iter().filter(|(at, _)| *at <= self.now).count();
        self.now = self.now.max(events[0].0);
        let mut pairs = events.windows(2).map(|pair| (pair[0].0, pair[1].0));
        if pairs.any(|(one, next)| one == next && one <= self.now) {
            return Err(Stop::Tie);
        }
        for (_, event) in events.into_iter().take(overdue.max(1)) {
            if overdue == 0 || self.state.broken.is_none() {
                self.happen(event);
            }
        }
        self.land_at_once();
        Ok(())
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Lands(path) => self.land(&path),
            Event::Wakes(path) => self.wake(&path),
            Event::Signal => drop(self.learn()),
            Event::Tires => {}
            Event::Cancel => self.break_off(ExecutionStatus::Cancelled, "cancelled", None),
            Event::Deadline => self.cut_off(),
        }
    }

    /// Takes in what has come from outside. Tells whether there was any.
    fn learn(&mut self) -> bool {
        let has_come =
            |signal: &&crate::told::Signal| signal.at <= self.now && !self.known.contains(&signal.path);
        let mut come: Vec<(u64, String)> = self
            .signals
            .iter()
            .filter(has_come)
            .map(|signal| (signal.at, signal.path.clone()))
            .collect();
        come.sort();
        for (_, path) in &come {
            self.known.insert(path.clone());
            self.look_for_signal(path);
        }
        !come.is_empty()
    }
}
