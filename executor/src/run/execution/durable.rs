//! What must be in the journal before anything else happens.

use flowmatic_openapi::OnCrash;
use uuid::Uuid;

use super::scopes::{At, node_of};
use super::{Engine, JOURNAL_WAIT, Run};
use crate::journal::{Call, Checkpoint, JournalError, Ticket};
use crate::node::Role;
use crate::observe::Written;

impl Run {
    /// Makes the accept durable, and all that was decided since the last record where an effect is among it.
    /// Tells whether the execution is still this process's.
    pub(super) async fn make_durable(&mut self) -> bool {
        if let Some((ticket, told)) = self.accepting.take() {
            let accepted = ticket.await;
            let is_accepted = accepted.is_ok();
            // A caller who hung up is no one to tell.
            let _ = told.send(accepted);
            if !is_accepted {
                return false;
            }
            self.is_accepted = true;
            self.tell_accepted();
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
        let is_written = write(&self.engine, id, |engine| {
            engine.journal.checkpoint(checkpoint.clone())
        })
        .await;
        if is_written {
            self.tell_written(Written::Checkpoint { sequence });
        }
        is_written
    }

    /// Notes the effects about to fly that a crash must not repeat.
    fn mark_once_only(&mut self) {
        let about_to_fly: Vec<At> = self.effects.iter().take(self.room()).copied().collect();
        for at in about_to_fly {
            let (Some(plan), Some(path)) = (self.plan_of(at), self.path(at)) else {
                continue;
            };
            if self.is_stopped(at.scope) {
                continue;
            }
            // Another workflow is started once, however often that is asked for.
            let node = node_of(&plan, at);
            let is_once = node.on_crash == OnCrash::Fail && node.role == Role::Effect;
            if is_once && !self.ledger.calls.contains_key(&path) {
                let call = Call {
                    once: true,
                    ..Call::at(self.now)
                };
                self.ledger.calls.insert(path, call);
                self.ledger.dirty = true;
            }
        }
    }
}

/// Writes until the journal has taken it. Tells whether the execution is still this process's.
pub(in crate::run) async fn write(
    engine: &Engine,
    execution: Uuid,
    write: impl Fn(&Engine) -> Ticket,
) -> bool {
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
