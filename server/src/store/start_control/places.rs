//! Concurrency: who has a place, and who waits for one.

use flowmatic_executor::Recovered;
use flowmatic_executor::graph::start::{ConcurrencyTerms, Terms};
use flowmatic_openapi::WhenFull;
use sea_orm::{ConnectionTrait, Statement, Value};
use serde::Deserialize;
use uuid::Uuid;

use super::super::executions::{OPEN, cancel};
use super::super::{Store, StoreError, Time, time};
use super::{Admission, Admitted, DROPPED, DROPPED_MESSAGE, Turn, at, error_text};

// `waits` is compared with a constant everywhere: SQLite would not look in the index for `NOT waits`.

/// Keys that are looked after at a time.
const KEYS: usize = 1_000;
/// Executions that are let go in one transaction.
const LET_GO: usize = 200;
/// How many a call ends that wait, and that run, at most: there are more where the settings were others before.
const SUPERSEDED: usize = 1_000;

impl Store {
    /// Gives the place of an execution that has ended, or that is about to wait, to those who wait for it. Tells
    /// whether one may be taken up now.
    pub async fn pass_place_on(&self, execution: Uuid, now: Time) -> Result<bool, StoreError> {
        let reader = self.reader();
        // Most often nobody waits, or no place is free: then nothing is written.
        let sql = format!(
            "SELECT p.workflow_id, p.key FROM places p WHERE p.execution_id = $1 AND \
             (SELECT COUNT(*) FROM places t JOIN executions e ON e.id = t.execution_id \
             WHERE t.workflow_id = p.workflow_id AND t.key = p.key AND t.waits = FALSE AND e.{OPEN}) < \
             (SELECT w.most FROM places w \
             WHERE w.workflow_id = p.workflow_id AND w.key = p.key AND w.waits = TRUE \
             ORDER BY w.priority DESC, w.execution_id LIMIT 1)"
        );
        let values: [Value; 1] = [execution.into()];
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
        match reader.query_one_raw(statement).await? {
            None => Ok(false),
            Some(row) => self.fill_places(at(&row, 0)?, at(&row, 1)?, now).await,
        }
    }

    /// Finds places that are free though somebody waits, as after a crash. Tells whether one may be taken up now.
    pub async fn fill_free_places(&self, now: Time) -> Result<bool, StoreError> {
        let reader = self.reader();
        let sql = format!(
            "SELECT s.workflow_id, s.key FROM places s WHERE s.waits = TRUE GROUP BY s.workflow_id, s.key \
             HAVING (SELECT COUNT(*) FROM places r JOIN executions e ON e.id = r.execution_id \
             WHERE r.workflow_id = s.workflow_id AND r.key = s.key AND r.waits = FALSE AND e.{OPEN}) < MAX(s.most) \
             LIMIT {KEYS}"
        );
        let statement = Statement::from_string(reader.get_database_backend(), sql);
        let mut released = false;
        for row in reader.query_all_raw(statement).await? {
            released |= self.fill_places(at(&row, 0)?, at(&row, 1)?, now).await?;
        }
        Ok(released)
    }

    async fn fill_places(&self, workflow_id: Uuid, key: String, now: Time) -> Result<bool, StoreError> {
        let mut any = false;
        loop {
            let mut turn = Turn::begin(self, [workflow_id], now).await?;
            let released = turn.fill(&key).await?;
            turn.transaction.commit().await?;
            any |= !released.is_empty();
            if released.len() < LET_GO {
                return Ok(any);
            }
        }
    }
}

impl Store {
    /// Decides of an execution that its process has just claimed, unless that is done: it begins, waits for a place,
    /// belonging to nobody, or is to end, which is left to its process. None where it was cancelled.
    pub async fn admit_claimed(
        &self,
        recovered: &Recovered,
        terms: &Terms,
        owner: Uuid,
        now: Time,
    ) -> Result<Option<Admission>, StoreError> {
        let (id, workflow_id) = (recovered.accept.id, recovered.accept.workflow_id);
        let mut turn = Turn::begin(self, [workflow_id], now).await?;
        let hold = format!(
            "UPDATE executions SET admitted = TRUE, on_hold = TRUE, owner = NULL, priority = $4 \
             WHERE id = $1 AND owner = $2 AND epoch = $3 AND NOT admitted AND NOT cancel_requested AND {OPEN}"
        );
        let values = [
            id.into(),
            owner.into(),
            recovered.epoch.into(),
            terms.priority.into(),
        ];
        if turn.execute(&hold, values).await? == 0 {
            let outcome = turn.standing(recovered, owner).await?;
            return Ok(outcome.map(|outcome| turn.admission(outcome)));
        }
        // Of one that is to end nothing is written: if its process dies before that, it is decided of anew.
        if let Some(rate) = &terms.rate_limit
            && let Some(wait) = turn.exceeds(rate).await?
        {
            return Ok(Some(turn.admission(Admitted::RateLimited { wait })));
        }
        let outcome = match &terms.concurrency {
            Some(concurrency) => turn.enter(id, concurrency, terms.priority).await?,
            None => {
                turn.let_go(id).await?;
                Admitted::Started
            }
        };
        match outcome {
            Admitted::Started => turn.own(id, owner).await?,
            Admitted::Dropped => return Ok(Some(turn.admission(outcome))),
            _ => {}
        }
        let admission = turn.admission(outcome);
        turn.transaction.commit().await?;
        Ok(Some(admission))
    }

    /// Whether start control has decided of an execution.
    pub async fn is_admitted(&self, execution: Uuid) -> Result<bool, StoreError> {
        let reader = self.reader();
        let sql = "SELECT admitted FROM executions WHERE id = $1";
        let values: [Value; 1] = [execution.into()];
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
        match reader.query_one_raw(statement).await? {
            Some(row) => at(&row, 0),
            None => Ok(false),
        }
    }
}

impl Turn {
    /// What was decided before of an execution that a process has claimed, perhaps by a commit that nobody heard of.
    async fn standing(&self, recovered: &Recovered, owner: Uuid) -> Result<Option<Admitted>, StoreError> {
        let sql = format!(
            "SELECT cancel_requested FROM executions WHERE id = $1 AND owner = $2 AND epoch = $3 AND {OPEN}"
        );
        let values = [recovered.accept.id.into(), owner.into(), recovered.epoch.into()];
        Ok(match self.query(&sql, values).await? {
            Some(row) => (!at::<bool>(&row, 0)?).then_some(Admitted::Started),
            // It waits, or somebody else has it.
            None => Some(Admitted::Queued),
        })
    }

    /// Has an execution, whose row is there and held back, take a place, wait for one or end.
    pub(super) async fn enter(
        &mut self,
        execution: Uuid,
        concurrency: &ConcurrencyTerms,
        priority: i32,
    ) -> Result<Admitted, StoreError> {
        let key = &concurrency.key;
        match concurrency.when_full {
            WhenFull::Queue => {}
            WhenFull::Drop => {
                let is_first = self.next(key).await?.is_none_or(|next| !next.is_open);
                if !is_first || self.taken(key).await? >= i64::from(concurrency.limit) {
                    self.end_held(execution, DROPPED, DROPPED_MESSAGE).await?;
                    return Ok(Admitted::Dropped);
                }
            }
            WhenFull::CancelRunning => self.make_room(concurrency).await?,
        }
        // Those who wait have the newest limit, also where this one is an old version's.
        let sql = "INSERT INTO places (execution_id, workflow_id, key, waits, priority, most) \
                   VALUES ($1, $2, $3, TRUE, $4, COALESCE((SELECT w.most FROM places w \
                   WHERE w.workflow_id = $2 AND w.key = $3 AND w.waits = TRUE LIMIT 1), $5))";
        let most = i32::try_from(concurrency.limit).unwrap_or(i32::MAX);
        let values = [
            execution.into(),
            self.workflow_id.into(),
            key.clone().into(),
            priority.into(),
            most.into(),
        ];
        self.execute(sql, values).await?;
        let filled = self.fill(key).await?;
        self.released |= filled.iter().any(|filled| *filled != execution);
        Ok(match filled.contains(&execution) {
            true => Admitted::Started,
            false => Admitted::Queued,
        })
    }

    /// Gives free places to those who wait, the highest priority first, then the oldest; what has ended is forgotten.
    async fn fill(&mut self, key: &str) -> Result<Vec<Uuid>, StoreError> {
        let sql = format!(
            "DELETE FROM places WHERE workflow_id = $1 AND key = $2 AND waits = FALSE \
             AND NOT EXISTS (SELECT 1 FROM executions WHERE id = execution_id AND {OPEN})"
        );
        self.execute(&sql, [self.workflow_id.into(), key.into()]).await?;
        let mut taken = self.taken(key).await?;
        let mut released = Vec::new();
        while released.len() < LET_GO
            && let Some(next) = self.next(key).await?
        {
            if next.is_open && taken >= i64::from(next.most) {
                break;
            }
            // One may be cancelled in the meantime.
            if !(next.is_open && self.let_go(next.execution).await?) {
                let forget = "DELETE FROM places WHERE execution_id = $1";
                self.execute(forget, [next.execution.into()]).await?;
                continue;
            }
            let take = "UPDATE places SET waits = FALSE WHERE execution_id = $1";
            self.execute(take, [next.execution.into()]).await?;
            taken += 1;
            released.push(next.execution);
        }
        Ok(released)
    }

    /// How many have a place.
    async fn taken(&self, key: &str) -> Result<i64, StoreError> {
        let sql = format!(
            "SELECT COUNT(*) FROM places p JOIN executions e ON e.id = p.execution_id \
             WHERE p.workflow_id = $1 AND p.key = $2 AND p.waits = FALSE AND e.{OPEN}"
        );
        match self.query(&sql, [self.workflow_id.into(), key.into()]).await? {
            Some(row) => at(&row, 0),
            None => Ok(0),
        }
    }

    /// Who is the next to get a place.
    async fn next(&self, key: &str) -> Result<Option<Next>, StoreError> {
        let sql = format!(
            "SELECT p.execution_id, p.most, EXISTS (SELECT 1 FROM executions WHERE id = p.execution_id AND {OPEN}) \
             FROM places p WHERE p.workflow_id = $1 AND p.key = $2 AND p.waits = TRUE \
             ORDER BY p.priority DESC, p.execution_id LIMIT 1"
        );
        let row = self.query(&sql, [self.workflow_id.into(), key.into()]).await?;
        let next = row.map(|row| {
            Ok(Next {
                execution: at(&row, 0)?,
                most: at(&row, 1)?,
                is_open: at(&row, 2)?,
            })
        });
        next.transpose()
    }

    /// Has the newest stay, as many as leave a place for a newcomer; those before end, whether they wait or have a place.
    async fn make_room(&mut self, concurrency: &ConcurrencyTerms) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT p.execution_id, p.waits FROM places p JOIN executions e ON e.id = p.execution_id \
             WHERE p.workflow_id = $1 AND p.key = $2 AND e.{OPEN} \
             ORDER BY p.execution_id DESC LIMIT {SUPERSEDED} OFFSET $3"
        );
        let stay = i64::from(concurrency.limit) - 1;
        let values = [
            self.workflow_id.into(),
            concurrency.key.clone().into(),
            stay.into(),
        ];
        let statement = self.statement(&sql, values);
        for row in self.transaction.query_all_raw(statement).await? {
            let (execution, waits): (Uuid, bool) = (at(&row, 0)?, at(&row, 1)?);
            self.supersede(execution).await?;
            if waits {
                let sql = "DELETE FROM places WHERE execution_id = $1";
                self.execute(sql, [execution.into()]).await?;
            } else {
                self.cancelled.push(execution);
            }
        }
        Ok(())
    }

    /// Asks an execution to end for the sake of a later one. One that nobody runs is over at once, or is taken up to
    /// end well.
    async fn supersede(&mut self, execution: Uuid) -> Result<(), StoreError> {
        cancel(&self.transaction, execution, time(self.now)).await?;
        let error = error_text("cancelled", "a later call has taken its place");
        let sql = "UPDATE executions SET error = $2 WHERE id = $1 AND status = 'CANCELLED'";
        self.execute(sql, [execution.into(), error.into()]).await?;
        self.released = true;
        Ok(())
    }
}

/// Has those who wait go by the limit of a version that is published now; all may go where it has none.
pub(in crate::store) async fn follow(
    transaction: &impl ConnectionTrait,
    workflow_id: Uuid,
    graph: &str,
) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Graph {
        settings: Option<Settings>,
    }
    #[derive(Deserialize)]
    struct Settings {
        start: Option<Start>,
    }
    #[derive(Deserialize)]
    struct Start {
        concurrency: Option<Concurrency>,
    }
    #[derive(Deserialize)]
    struct Concurrency {
        limit: u32,
    }
    let graph: Graph = flowmatic_executor::json::read(graph)
        .map_err(|error| StoreError::Internal(format!("a published graph cannot be read: {error}")))?;
    let start = graph.settings.and_then(|settings| settings.start);
    let limit = start
        .and_then(|start| start.concurrency)
        .map_or(u32::MAX, |concurrency| concurrency.limit);
    let sql = "UPDATE places SET most = $2 WHERE workflow_id = $1 AND waits = TRUE AND most <> $2";
    let most = i32::try_from(limit).unwrap_or(i32::MAX);
    let values: [Value; 2] = [workflow_id.into(), most.into()];
    let backend = transaction.get_database_backend();
    transaction
        .execute_raw(Statement::from_sql_and_values(backend, sql, values))
        .await?;
    Ok(())
}

/// The first who waits.
struct Next {
    execution: Uuid,
    /// How many places there are for it.
    most: i32,
    is_open: bool,
}
