//! What one transaction carries, and who waits for it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use flowmatic_executor::{Accept, Checkpoint, Finish, JournalError, Park};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::fault;

pub(super) type Answer = oneshot::Sender<Result<(), JournalError>>;

pub(super) enum Write {
    Accept(Accept, Option<Finish>),
    Checkpoint(Checkpoint),
    Park(Park),
    Finish(Finish),
}

impl Write {
    /// Roughly what it holds in memory.
    pub(super) fn bytes(&self) -> usize {
        const ROW: usize = 512;
        let of_finish = |finish: &Finish| finish.steps.len() + finish.error.as_ref().map_or(0, String::len);
        ROW + match self {
            Self::Accept(accept, finish) => {
                accept.payload.len() + accept.meta.len() + finish.as_ref().map_or(0, of_finish)
            }
            Self::Checkpoint(checkpoint) => checkpoint.record.len(),
            Self::Park(park) => park
                .checkpoint
                .as_ref()
                .map_or(0, |checkpoint| checkpoint.record.len()),
            Self::Finish(finish) => of_finish(finish),
        }
    }
}

pub(super) struct Queued {
    pub write: Write,
    pub answer: Answer,
}

/// Its rows are written in this order: accepts, checkpoints, parks, finishes. An execution's writes come in that
/// order too; one that does not must wait for the next batch.
#[derive(Default)]
pub(super) struct Batch {
    pub accepts: Vec<New>,
    pub checkpoints: Vec<Checkpoint>,
    pub parks: Vec<Park>,
    pub finishes: Vec<Finish>,
    /// None for the checkpoint of a park.
    checkpoint_answers: Vec<Option<Answer>>,
    park_answers: Vec<Answer>,
    finish_answers: Vec<Answer>,
    met: HashMap<Uuid, Met>,
    writes: usize,
    bytes: usize,
}

/// A new row. An accept and a finish that meet in one batch are one.
pub(super) struct New {
    pub accept: Accept,
    pub finish: Option<Finish>,
    answers: [Option<Answer>; 2],
}

/// How far an execution has come in a batch.
enum Met {
    /// Its place among the accepts.
    Accepted(usize),
    Checkpointed,
    Finished,
}

/// Which writes found their execution open and of their epoch. Accepts always land.
pub(super) struct Landed {
    pub checkpoints: Vec<bool>,
    pub parks: Vec<bool>,
    pub finishes: Vec<bool>,
}

/// A row that is there if and only if its transaction was committed.
pub(super) enum Witness<'a> {
    Execution(Uuid),
    Checkpoint(&'a Checkpoint),
    Finish(&'a Finish),
}

impl Batch {
    /// Gives back what belongs into the next batch.
    pub(super) fn push(&mut self, queued: Queued) -> ControlFlow<Queued> {
        let id = match &queued.write {
            Write::Accept(accept, _) => accept.id,
            Write::Checkpoint(checkpoint) => checkpoint.id,
            Write::Park(park) => park.id,
            Write::Finish(finish) => finish.id,
        };
        match (&queued.write, self.met.get(&id)) {
            (_, None)
            | (
                Write::Checkpoint(_) | Write::Park(_) | Write::Finish(_),
                Some(Met::Accepted(_) | Met::Checkpointed),
            ) => {}
            (Write::Accept(..), Some(_)) | (_, Some(Met::Finished)) => return ControlFlow::Break(queued),
        }
        self.writes += 1;
        self.bytes += queued.write.bytes();
        let Queued { write, answer } = queued;
        match write {
            Write::Accept(accept, finish) => {
                let met = match finish {
                    Some(_) => Met::Finished,
                    None => Met::Accepted(self.accepts.len()),
                };
                self.met.insert(id, met);
                self.accepts.push(New {
                    accept,
                    finish,
                    answers: [Some(answer), None],
                });
            }
            Write::Checkpoint(checkpoint) => {
                self.met.insert(id, Met::Checkpointed);
                self.checkpoints.push(checkpoint);
                self.checkpoint_answers.push(Some(answer));
            }
            Write::Park(mut park) => {
                // Nothing of this execution may follow in this batch: another process may have it by then.
                self.met.insert(id, Met::Finished);
                if let Some(checkpoint) = park.checkpoint.take() {
                    self.checkpoints.push(checkpoint);
                    self.checkpoint_answers.push(None);
                }
                self.parks.push(park);
                self.park_answers.push(answer);
            }
            Write::Finish(finish) => match self.met.insert(id, Met::Finished) {
                Some(Met::Accepted(place)) if finish.epoch == 0 => {
                    let new = &mut self.accepts[place];
                    new.finish = Some(finish);
                    new.answers[1] = Some(answer);
                }
                _ => {
                    self.finishes.push(finish);
                    self.finish_answers.push(answer);
                }
            },
        }
        ControlFlow::Continue(())
    }

    /// How many writes it carries.
    pub(super) fn len(&self) -> usize {
        self.writes
    }

    pub(super) fn rows(&self) -> usize {
        self.accepts.len() + self.checkpoints.len() + self.parks.len() + self.finishes.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn answer(self, landed: &Landed) {
        let outcome = |landed: &bool| if *landed { Ok(()) } else { Err(JournalError::Lost) };
        for answer in self.accepts.into_iter().flat_map(|new| new.answers).flatten() {
            // Nobody waits any more: the write stands all the same.
            let _ = answer.send(Ok(()));
        }
        for (answer, landed) in self.checkpoint_answers.into_iter().zip(&landed.checkpoints) {
            if let Some(answer) = answer {
                let _ = answer.send(outcome(landed));
            }
        }
        for (answer, landed) in self.park_answers.into_iter().zip(&landed.parks) {
            let _ = answer.send(outcome(landed));
        }
        for (answer, landed) in self.finish_answers.into_iter().zip(&landed.finishes) {
            let _ = answer.send(outcome(landed));
        }
    }

    pub(super) fn refuse(self, error: &JournalError) {
        let answers = self.accepts.into_iter().flat_map(|new| new.answers).flatten();
        let answers = answers.chain(self.checkpoint_answers.into_iter().flatten());
        for answer in answers.chain(self.park_answers).chain(self.finish_answers) {
            // Nobody waits any more, and nothing was written.
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// Its rows, each by itself, in order.
    pub(super) fn split(self) -> impl Iterator<Item = Self> {
        let accepts = self.accepts.into_iter().map(|new| Self {
            accepts: vec![new],
            ..Self::default()
        });
        let checkpoints = self.checkpoints.into_iter().zip(self.checkpoint_answers);
        let checkpoints = checkpoints.map(|(checkpoint, answer)| Self {
            checkpoints: vec![checkpoint],
            checkpoint_answers: vec![answer],
            ..Self::default()
        });
        let parks = self.parks.into_iter().zip(self.park_answers);
        let parks = parks.map(|(park, answer)| Self {
            parks: vec![park],
            park_answers: vec![answer],
            ..Self::default()
        });
        let finishes = self.finishes.into_iter().zip(self.finish_answers);
        let finishes = finishes.map(|(finish, answer)| Self {
            finishes: vec![finish],
            finish_answers: vec![answer],
            ..Self::default()
        });
        accepts.chain(checkpoints).chain(parks).chain(finishes)
    }

    /// The ends that landed.
    pub(super) fn ended<'a>(&'a self, landed: &'a Landed) -> impl Iterator<Item = &'a Finish> {
        let at_once = self.accepts.iter().filter_map(|new| new.finish.as_ref());
        let later = self.finishes.iter().zip(&landed.finishes);
        at_once.chain(later.filter(|(_, landed)| **landed).map(|(finish, _)| finish))
    }

    /// One that landed; none if nothing did.
    pub(super) fn witness(&self, landed: &Landed) -> Option<Witness<'_>> {
        let of_accepts = self.accepts.first().map(|new| Witness::Execution(new.accept.id));
        let checkpoints = self.checkpoints.iter().zip(&landed.checkpoints);
        let mut finishes = self.finishes.iter().zip(&landed.finishes);
        // A finish deletes its checkpoints, so it is asked after first.
        of_accepts
            .or_else(|| {
                finishes
                    .find(|(_, landed)| **landed)
                    .map(|(finish, _)| Witness::Finish(finish))
            })
            .or_else(|| {
                let mut landed = checkpoints.filter(|(_, landed)| **landed);
                landed
                    .next()
                    .map(|(checkpoint, _)| Witness::Checkpoint(checkpoint))
            })
    }

    pub(super) fn pass_before_commit(&self) {
        self.pass([
            "before_accept_commit",
            "before_checkpoint_commit",
            "before_finish_commit",
        ]);
    }

    pub(super) fn pass_after_commit(&self) {
        self.pass([
            "after_accept_commit",
            "after_checkpoint_commit",
            "after_finish_commit",
        ]);
    }

    fn pass(&self, [accept, checkpoint, finish]: [&str; 3]) {
        if !self.accepts.is_empty() {
            fault::point(accept);
        }
        if !self.checkpoints.is_empty() {
            fault::point(checkpoint);
        }
        if !self.finishes.is_empty() || self.accepts.iter().any(|new| new.finish.is_some()) {
            fault::point(finish);
        }
    }
}
