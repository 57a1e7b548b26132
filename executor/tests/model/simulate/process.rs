//! Processes, their writes and deaths, and the clock.

use flowmatic_openapi::ExecutionStatus;

use super::steps::Failure;
use super::waits::Wait;
use super::{Called, EXECUTION_TIMEOUT_MS, MAX_RECOVERIES, Model, SHORT_MS, State, Tie, scope};
use crate::told::{Life, Signal, Told};

pub(super) enum Stop {
    Tie,
    /// The process is dead.
    Death,
    /// It has left memory.
    Rest,
}

enum Event {
    Lands(String),
    Wakes(String),
    Signal(usize),
    Cancel,
    Deadline,
}

impl Model<'_> {
    pub(super) fn run(mut self) -> Result<Told, Tie> {
        self.begin();
        loop {
            let lived = self.live();
            if self.is_finished {
                return Ok(self.told());
            }
            let was_at_rest = self.rests_until.is_some();
            match lived {
                Err(Stop::Tie) => return Err(Tie),
                Err(Stop::Death) => {
                    self.lives.pop_front();
                    self.written = 0;
                    if !was_at_rest {
                        self.pass(self.now + self.case.outage);
                    }
                }
                Ok(()) | Err(Stop::Rest) => {}
            }
            if was_at_rest {
                self.rest()?;
            }
            self.take_up(was_at_rest);
        }
    }

    fn begin(&mut self) {
        self.deadline = self.now + self.own_timeout().unwrap_or(EXECUTION_TIMEOUT_MS);
        self.enter_top();
    }

    fn own_timeout(&self) -> Option<u64> {
        let timeout = self.case.graph.settings.timeout;
        timeout.map(|timeout| timeout.as_millis())
    }

    /// One process: to the end, to its death, or until the execution leaves memory.
    fn live(&mut self) -> Result<(), Stop> {
        if !self.state.is_accepted {
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
            if std::mem::take(&mut self.cancel_is_known) && !self.is_done() {
                self.cancel();
            }
            if self.is_over() {
                break;
            }
            if self.state.broken.is_none() {
                self.make_durable()?;
                self.is_awaited &= !self.state.has_answered;
                self.launch();
                if self.state.has_news || !self.is_idle() {
                    continue;
                }
                let may_rest = self.may_rest();
                let late = std::mem::take(&mut self.late);
                let has_learnt = !late.is_empty();
                for signal in late {
                    self.learn(signal);
                }
                if may_rest && self.may_rest() {
                    return self.park();
                }
                if has_learnt {
                    continue;
                }
            }
            self.next_event()?;
        }
        if !self.state.is_accepted {
            self.make_durable()?;
        }
        self.finish()
    }

    fn make_durable(&mut self) -> Result<(), Stop> {
        if !self.state.is_accepted {
            self.state.is_accepted = true;
            self.write(None)?;
        }
        for path in self.state.effects.clone() {
            let is_stopped = self.is_stopped(scope(&path));
            if self.crash_fails(&path) && !is_stopped && !self.state.called.contains_key(&path) {
                let once = Called {
                    once: true,
                    ..Called::default()
                };
                self.state.called.insert(path, once);
                self.state.has_news = true;
            }
        }
        if std::mem::take(&mut self.state.has_news) {
            self.write(Some(self.state.clone()))?;
        }
        Ok(())
    }

    fn may_rest(&self) -> bool {
        let next = self.state.waits.values().filter_map(Wait::until).min();
        let own_deadline = self.own_timeout().map(|_| self.deadline);
        let is_soon = next
            .into_iter()
            .chain(own_deadline)
            .any(|at| at <= self.now + SHORT_MS);
        let is_idle = self.is_idle() && self.state.flights.is_empty() && self.state.broken.is_none();
        is_idle && !self.state.waits.is_empty() && !is_soon && !self.is_awaited
    }

    /// It leaves memory, in one write.
    fn park(&mut self) -> Result<(), Stop> {
        let next = self.state.waits.values().filter_map(Wait::until);
        let until = next.chain(self.own_timeout()).min();
        let (written, life) = (self.written, self.life());
        if written < life.writes {
            self.rests_until = Some(until.unwrap_or(u64::MAX));
        }
        self.state.has_news = false;
        self.write(Some(self.state.clone()))?;
        Err(Stop::Rest)
    }

    fn finish(&mut self) -> Result<(), Stop> {
        self.end();
        self.has_cancelled_children |= self.state.broken.is_some() && self.leaves_children();
        self.is_finished = self.written < self.life().writes;
        self.write(None)
    }

    fn life(&self) -> Life {
        self.lives.front().copied().unwrap_or(Life::WHOLE)
    }

    /// One write, which leaves this in the journal.
    fn write(&mut self, kept: Option<State>) -> Result<(), Stop> {
        let life = self.life();
        if self.written == life.writes {
            return Err(Stop::Death);
        }
        self.written += 1;
        self.writes.push(self.now);
        if kept.is_some() {
            self.kept = kept;
            self.recoveries = 0;
        }
        if self.written == life.writes && !life.hears {
            return Err(Stop::Death);
        }
        Ok(())
    }

    /// Time passes in which nobody runs it; signals come all the same.
    fn pass(&mut self, until: u64) {
        self.now = self.now.max(until);
        let now = self.now;
        let (mut come, coming): (Vec<Signal>, _) = std::mem::take(&mut self.coming)
            .into_iter()
            .partition(|signal| signal.at <= now);
        self.coming = coming;
        come.sort_by_key(|signal| signal.at);
        for signal in come {
            self.comes(&signal);
        }
    }

    /// A signal is there from now on. A second one for the same path is none.
    fn comes(&mut self, signal: &Signal) -> bool {
        let is_new = self.come.iter().all(|known| known.path != signal.path);
        if is_new {
            self.come.push(signal.clone());
        }
        is_new
    }

    /// Until its time comes, or a signal, or a cancel.
    fn rest(&mut self) -> Result<(), Tie> {
        let wake_at = self.rests_until.take().unwrap_or(u64::MAX);
        let cancel_at = self.case.cancel_at.filter(|at| *at > self.now);
        let is_new = |signal: &&Signal| self.come.iter().all(|known| known.path != signal.path);
        let signals = self.coming.iter().filter(is_new).map(|signal| signal.at);
        let mut next: Vec<u64> = signals.chain(cancel_at).chain([wake_at]).collect();
        next.sort_unstable();
        if next.get(1) == Some(&next[0]) {
            return Err(Tie);
        }
        self.pass(next[0]);
        Ok(())
    }

    /// A process takes it up where the journal ends.
    fn take_up(&mut self, was_at_rest: bool) {
        self.is_awaited = false;
        self.signals.clear();
        self.late = self.come.clone();
        self.recoveries += u32::from(!was_at_rest);
        match self.kept.clone() {
            None => {
                self.state = State::default();
                self.begin();
            }
            Some(kept) => {
                self.state = kept;
                let own = self.own_timeout().filter(|_| was_at_rest);
                let anew = self.now + self.own_timeout().unwrap_or(EXECUTION_TIMEOUT_MS);
                self.deadline = own.unwrap_or(anew).max(self.now);
                self.restart(was_at_rest);
                self.crashed = self
                    .state
                    .called
                    .keys()
                    .filter(|path| self.state.called[*path].once)
                    .cloned()
                    .collect();
                let crashed = &self.crashed;
                self.state.effects.retain(|effect| !crashed.contains(effect));
            }
        }
        self.state.is_accepted = true;
        if self.recoveries >= MAX_RECOVERIES {
            self.break_off(ExecutionStatus::Failed, "crash_loop", None);
        } else {
            self.cancel_is_known = self.case.cancel_at.is_some_and(|at| at <= self.now);
        }
    }

    /// What must not be called twice fails when all else is under way again. Tells whether there was any.
    fn fail_crashed(&mut self) -> bool {
        if self.state.broken.is_some() {
            return false;
        }
        let crashed = std::mem::take(&mut self.crashed);
        for path in &crashed {
            let failed = self.state.called.remove(path).map_or(0, |called| called.failed);
            self.state.has_news = true;
            self.fail(path, failed + 1, Failure::for_good("crashed"));
        }
        !crashed.is_empty()
    }

    fn next_event(&mut self) -> Result<(), Stop> {
        let mut events = vec![(self.deadline, Event::Deadline)];
        for (path, flight) in &self.state.flights {
            events.push((flight.ends_at, Event::Lands(path.clone())));
        }
        if self.state.broken.is_none() {
            for (path, wait) in &self.state.waits {
                events.extend(wait.until().map(|until| (until, Event::Wakes(path.clone()))));
            }
            for (place, signal) in self.coming.iter().enumerate() {
                events.push((signal.at, Event::Signal(place)));
            }
            let cancel_at = self.case.cancel_at.filter(|at| *at > self.now);
            events.extend(cancel_at.map(|at| (at, Event::Cancel)));
        }
        events.sort_by_key(|(at, _)| *at);
        if events
            .windows(2)
            .any(|pair| pair[0].0 == pair[1].0 && pair[0].0 <= events[0].0.max(self.now))
        {
            return Err(Stop::Tie);
        }
        if self.deadline <= self.now {
            self.cut_off();
            return Ok(());
        }
        let overdue = events.iter().filter(|(at, _)| *at <= self.now).count();
        self.now = self.now.max(events[0].0);
        // What is overdue ends in the order in which it was due, all in one turn.
        for (_, event) in events.into_iter().take(overdue.max(1)) {
            if overdue == 0 || self.state.broken.is_none() {
                self.happen(event);
            }
        }
        self.land_at_once();
        Ok(())
    }

    fn learn(&mut self, signal: Signal) {
        self.signals.insert(signal.path.clone(), signal.payload);
        self.look_for_signal(&signal.path);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Lands(path) => self.land(&path),
            Event::Wakes(path) => self.wake(&path),
            Event::Signal(place) => {
                let signal = self.coming.swap_remove(place);
                if self.comes(&signal) {
                    self.learn(signal);
                }
            }
            Event::Cancel => self.cancel(),
            Event::Deadline => self.cut_off(),
        }
    }
}
