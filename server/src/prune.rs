//! Removes old executions, a small batch at a time, and gives their space back. When it looks is a timer, by which one
//! process does so at a time.
//!
//! Laws:
//! * what is written at once is bounded, in rows and in bytes, and after it comes a rest several times as long;
//! * what it costs to find that nothing is old is a small part of the time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use flowmatic_openapi::Time;
use metrics::{counter, histogram};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{DueTimer, History, Kept, RESTORABLE, Spare, Store, StoreError, after};

/// What has just ended stays for whoever asks for it, whatever the limits.
const FRESH: Duration = Duration::from_secs(10);
/// Workflows that are looked at in one query.
const PAGE: u32 = 200;
/// Batches of one workflow before the next one's turn.
const TURN: usize = 50;
/// After a batch it rests this many times as long as the batch took.
const REST: u32 = 3;
const SHORTEST_REST: Duration = Duration::from_millis(2);
/// Between looks: the shortest while there is much to remove, the longest where there is nothing.
const LOOK: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// What is much to remove in one pass.
const MUCH: u64 = 1_000;
/// Looking in vain takes at most this part of the time.
const LOOK_SHARE: u32 = 20;
/// How long a pass waits that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// Executions of a workflow are counted again though none was added since: some that had begun before may have ended.
const COUNT_AGAIN: Duration = Duration::from_secs(600);
/// A claim is kept when this much of it is gone.
const KEEP_CLAIM: Duration = Duration::from_secs(10);
/// Workflows that are remembered.
const KNOWN: usize = 100_000;
/// Pages of an SQLite file that go back at a time: so many as take about this long, and how long that may go on in one
/// pass.
const PAGES: u64 = 256;
const STEP: Duration = Duration::from_millis(8);
const GIVING_BACK: Duration = Duration::from_secs(10);
/// What must look through all that is left (a vacuum of PostgreSQL's, the rewriting of a small SQLite file) takes at
/// most a fifth of the time.
const THOROUGH_REST: u32 = 4;
/// How long a deleted workflow is kept at least: a little longer than it can be restored.
const DELETED: Duration = Duration::from_secs(RESTORABLE.num_seconds().unsigned_abs() + 3_600);
/// Deleted workflows that are forgotten in one pass.
const FORGOTTEN: u32 = 50;

/// What holds where a workflow says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub retention: Duration,
    pub executions: u32,
}

pub struct Pruner {
    store: Store,
    limits: Limits,
    clock: fn() -> Time,
    stop: CancellationToken,
    known: HashMap<Uuid, Known>,
    /// Until the next look, if nothing is due before.
    interval: Duration,
    /// Since the last vacuum.
    removed: u64,
    /// When the next one may be.
    thorough_at: Instant,
    /// Pages of an SQLite file that went back at the last time.
    step: u64,
}

/// What was seen of a workflow.
struct Known {
    version: Option<i32>,
    kept: Kept,
    /// The newest execution when they were last counted.
    counted: Option<(Uuid, Instant)>,
}

/// One look at all workflows.
struct Pass {
    claim: DueTimer,
    kept_at: Instant,
    removed: u64,
    /// Whether it left something that can be done at once.
    more: bool,
    /// When there may be more to remove, as far as is known.
    next: Option<Time>,
    /// How long it took to look.
    looked: Duration,
}

/// Why a pass ends early.
enum Stop {
    /// The server is ending.
    Told,
    /// Another process is at it.
    Lost,
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Pass {
    fn again_at(&mut self, time: Time) {
        self.next = Some(self.next.map_or(time, |earliest| earliest.min(time)));
    }
}

impl Pruner {
    pub fn new(store: Store, limits: Limits, clock: fn() -> Time, stop: CancellationToken) -> Self {
        Self {
            store,
            limits,
            clock,
            stop,
            known: HashMap::new(),
            interval: LOOK[0],
            removed: 0,
            thorough_at: Instant::now(),
            step: PAGES,
        }
    }

    /// Makes a pass whenever the timer is due, until told to stop.
    pub async fn run(mut self, mut due: Receiver<DueTimer>) {
        while let Err(error) = self.store.plan_prune((self.clock)()).await {
            tracing::warn!(%error, "old executions cannot be removed; trying again");
            if self.rest(AGAIN).await.is_err() {
                return;
            }
        }
        let stop = self.stop.clone();
        while let Some(Some(timer)) = stop.run_until_cancelled(due.recv()).await {
            self.fire(timer).await;
        }
    }

    /// A pass, and the date of the next one.
    async fn fire(&mut self, timer: DueTimer) {
        let mut pass = Pass {
            claim: timer,
            kept_at: Instant::now(),
            removed: 0,
            more: false,
            next: None,
            looked: Duration::ZERO,
        };
        let wait = match self.pass(&mut pass).await {
            Ok(()) => self.next(&pass),
            Err(Stop::Lost) => return,
            // Whoever goes on may begin at once.
            Err(Stop::Told) => Duration::ZERO,
            Err(Stop::Failed(error)) => {
                tracing::warn!(%error, "old executions could not be removed; trying again");
                AGAIN
            }
        };
        let due_at = (self.clock)() + wait;
        if let Err(error) = self.store.date_timer(&pass.claim, due_at).await {
            tracing::warn!(%error, "the next removal of old executions waits until the claim on it is over");
        }
    }

    /// How long until the next look.
    fn next(&mut self, pass: &Pass) -> Duration {
        if pass.more {
            return Duration::ZERO;
        }
        let [shortest, longest] = LOOK;
        self.interval = match pass.removed {
            MUCH.. => shortest,
            1.. => self.interval,
            0 => longest.min(self.interval * 2),
        };
        let until_next = pass
            .next
            .map(|next| (next - (self.clock)()).to_std().unwrap_or_default());
        let wait = until_next.map_or(self.interval, |next| next.clamp(shortest, self.interval));
        match pass.removed {
            0 => wait.max(pass.looked * LOOK_SHARE),
            _ => wait,
        }
    }

    async fn pass(&mut self, pass: &mut Pass) -> Result<(), Stop> {
        if self.known.len() > KNOWN {
            self.known.clear();
        }
        let mut from = Uuid::nil();
        loop {
            self.keep_claim(pass).await?;
            let looked = Instant::now();
            let page = self.store.histories(from, PAGE).await?;
            pass.looked += looked.elapsed();
            for history in &page {
                self.prune(history, pass).await?;
            }
            match page.last().filter(|_| page.len() == PAGE as usize) {
                Some(last) => from = after(last.workflow_id),
                None => break,
            }
        }
        self.forget_deleted(pass).await?;
        self.give_space_back(pass).await
    }

    /// Removes what is beyond the limits of a workflow.
    async fn prune(&mut self, history: &History, pass: &mut Pass) -> Result<(), Stop> {
        let Some(begun) = history.begun else {
            return Ok(());
        };
        let looked = Instant::now();
        let now = (self.clock)();
        let retention = self.limits_of(history).await?.retention;
        let by_age = now - retention;
        let by_count = self.beyond_count(history).await?;
        pass.looked += looked.elapsed();
        let ended_before = by_count
            .map_or(by_age, |by_count| by_count.max(by_age))
            .min(now - FRESH);
        if begun < ended_before {
            self.remove(history.workflow_id, ended_before, pass).await?;
        }
        let next = match by_count {
            // What was beyond it and fresh is so no longer.
            Some(_) => now + FRESH,
            None => begun + retention,
        };
        if next > now {
            pass.again_at(next);
        }
        Ok(())
    }

    async fn limits_of(&mut self, history: &History) -> Result<Limits, StoreError> {
        let id = history.workflow_id;
        let kept = match self.known.get(&id) {
            Some(known) if known.version == history.version => known.kept,
            _ => {
                let kept = match history.version {
                    Some(number) => self.store.kept_by(id, number).await?,
                    None => Kept::default(),
                };
                let known = Known {
                    version: history.version,
                    kept,
                    counted: None,
                };
                self.known.insert(id, known);
                kept
            }
        };
        Ok(Limits {
            retention: kept.retention.unwrap_or(self.limits.retention),
            executions: kept.executions.unwrap_or(self.limits.executions),
        })
    }

    /// When the oldest of those ended that the count keeps, where there are more.
    async fn beyond_count(&mut self, history: &History) -> Result<Option<Time>, StoreError> {
        let most = self.limits_of(history).await?.executions;
        let Some(known) = self.known.get_mut(&history.workflow_id) else {
            return Ok(None);
        };
        if known
            .counted
            .is_some_and(|(newest, at)| newest == history.newest && at.elapsed() < COUNT_AGAIN)
        {
            return Ok(None);
        }
        let beyond = self.store.end_of_newest(history.workflow_id, most).await?;
        // Where there are more than are kept, they are counted again when the rest is removed.
        known.counted = beyond.is_none().then(|| (history.newest, Instant::now()));
        Ok(beyond)
    }

    async fn remove(&mut self, workflow: Uuid, ended_before: Time, pass: &mut Pass) -> Result<(), Stop> {
        let mut from = Uuid::nil();
        for _ in 0..TURN {
            self.keep_claim(pass).await?;
            let looked = Instant::now();
            let batch = self.store.removable(workflow, ended_before, from).await?;
            pass.looked += looked.elapsed();
            if !batch.ids.is_empty() {
                let now = (self.clock)();
                let done = self
                    .store
                    .remove_executions(&mut pass.claim, &batch.ids, now)
                    .await?;
                let done = done.ok_or(Stop::Lost)?;
                pass.kept_at = Instant::now();
                pass.removed += done.executions;
                self.removed += done.executions;
                counter!("flowmatic_pruned_executions_total").increment(done.executions);
                histogram!("flowmatic_prune_seconds").record(done.held);
                self.rest(done.held * REST).await?;
            }
            match batch.next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
        // What somebody has locked is not hurried.
        pass.more |= pass.removed > 0;
        Ok(())
    }

    async fn forget_deleted(&mut self, pass: &mut Pass) -> Result<(), Stop> {
        let kept = self.limits.retention.max(DELETED);
        let deleted_before = (self.clock)() - kept;
        let ids = self
            .store
            .forgettable_workflows(deleted_before, FORGOTTEN)
            .await?;
        pass.more |= ids.len() == FORGOTTEN as usize;
        for id in ids {
            loop {
                self.keep_claim(pass).await?;
                let begun = Instant::now();
                let is_gone = self.store.forget_workflow(id).await?;
                self.rest(begun.elapsed() * REST).await?;
                if is_gone {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn give_space_back(&mut self, pass: &mut Pass) -> Result<(), Stop> {
        if pass.more {
            // What is removed next is free as well.
            return Ok(());
        }
        let at_rest = pass.removed == 0;
        let store = self.store.clone();
        match store.spare_space(at_rest).await? {
            Spare::Nothing => {}
            Spare::Pages(pages) => self.give_back_pages(pages, pass).await?,
            Spare::Most => self.thoroughly(store.rewrite(), pass).await?,
        }
        if store.is_vacuum_due(self.removed, at_rest).await? {
            self.thoroughly(store.vacuum(), pass).await?;
        }
        Ok(())
    }

    /// Does what takes long, unless that was done not long ago: then it is looked after again.
    async fn thoroughly(
        &mut self,
        work: impl Future<Output = Result<(), StoreError>>,
        pass: &mut Pass,
    ) -> Result<(), Stop> {
        let begun = Instant::now();
        if begun < self.thorough_at {
            pass.again_at((self.clock)() + (self.thorough_at - begun));
            return Ok(());
        }
        let stop = self.stop.clone();
        stop.run_until_cancelled(work).await.ok_or(Stop::Told)??;
        self.removed = 0;
        self.thorough_at = Instant::now() + begun.elapsed() * THOROUGH_REST;
        Ok(())
    }

    async fn give_back_pages(&mut self, pages: u64, pass: &mut Pass) -> Result<(), Stop> {
        let begun = Instant::now();
        let mut left = pages;
        while left > 0 {
            if begun.elapsed() > GIVING_BACK {
                pass.more = true;
                return Ok(());
            }
            self.keep_claim(pass).await?;
            let step = left.min(self.step);
            let begun = Instant::now();
            self.store.give_back_pages(step).await?;
            let took = begun.elapsed();
            left -= step;
            self.step = match took {
                long if long > STEP => (self.step / 2).max(1),
                short if short < STEP / 3 => (self.step * 2).min(PAGES),
                _ => self.step,
            };
            self.rest(took * REST).await?;
        }
        Ok(())
    }

    async fn keep_claim(&self, pass: &mut Pass) -> Result<(), Stop> {
        if self.stop.is_cancelled() {
            return Err(Stop::Told);
        }
        if pass.kept_at.elapsed() < KEEP_CLAIM {
            return Ok(());
        }
        if !self.store.keep_claim(&mut pass.claim, (self.clock)()).await? {
            return Err(Stop::Lost);
        }
        pass.kept_at = Instant::now();
        Ok(())
    }

    async fn rest(&self, time: Duration) -> Result<(), Stop> {
        let rest = tokio::time::sleep(time.max(SHORTEST_REST));
        let rested = self.stop.run_until_cancelled(rest).await;
        rested.ok_or(Stop::Told)
    }
}

#[cfg(test)]
mod tests;
