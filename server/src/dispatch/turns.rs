//! Whose turn it is: starts that wait to be decided share a transaction, as writes do in the group commit.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{Mutex, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Dispatch, StartError, now};
use crate::store::{Admission, Admitted, NewStart, StoreError};

/// Starts that wait for their turn.
pub(super) struct Turns {
    queue: Sender<Undecided>,
    queued: Mutex<Option<Receiver<Undecided>>>,
}

struct Undecided {
    start: NewStart,
    answer: Answer,
}

type Answer = oneshot::Sender<Result<(NewStart, Admitted), StoreError>>;

const QUEUE: usize = 256;
/// Starts of one transaction.
const BATCH: usize = 64;
/// How long a start waits for room in the queue.
const PATIENCE: Duration = Duration::from_secs(10);

impl Default for Turns {
    fn default() -> Self {
        let (queue, queued) = mpsc::channel(QUEUE);
        Self {
            queue,
            queued: Mutex::new(Some(queued)),
        }
    }
}

impl Turns {
    /// Gives the start back with what was decided of it, which is on disk.
    pub async fn decide(&self, start: NewStart) -> Result<(NewStart, Admitted), StartError> {
        let (answer, decided) = oneshot::channel();
        let undecided = Undecided { start, answer };
        let unavailable = |message: &str| StartError::Unavailable(message.to_owned());
        self.queue
            .send_timeout(undecided, PATIENCE)
            .await
            .map_err(|_| unavailable("more calls come than can be decided"))?;
        // Once in the queue it is decided, or dropped with the queue.
        match decided.await {
            Ok(decided) => Ok(decided?),
            Err(_) => Err(unavailable("the server is shutting down")),
        }
    }
}

impl Dispatch {
    /// Decides starts, until told to stop: those that still wait then are not accepted.
    pub async fn decide_starts(self: Arc<Self>, stop: CancellationToken) {
        let Some(mut queued) = self.control.turns.queued.lock().await.take() else {
            return;
        };
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = queued.recv_many(&mut batch, BATCH) => {}
            }
            let (mut starts, answers): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|undecided| (undecided.start, undecided.answer))
                .unzip();
            for start in &mut starts {
                start.accept.accepted_at = now();
                self.gate
                    .expect(start.accept.id, start.terms.concurrency.is_some());
            }
            match self.store.admit(&starts, self.owner).await {
                // What is out of order now is so for all; anything else is the fault of some start.
                Err(error) if starts.len() > 1 && !matches!(error, StoreError::Unavailable(_)) => {
                    for (start, answer) in starts.into_iter().zip(answers) {
                        let decided = self.store.admit(std::slice::from_ref(&start), self.owner).await;
                        self.tell(vec![start], vec![answer], decided);
                    }
                }
                decided => self.tell(starts, answers, decided),
            }
        }
    }

    /// Does what follows from the decisions in their order, and tells those who wait.
    fn tell(
        self: &Arc<Self>,
        starts: Vec<NewStart>,
        answers: Vec<Answer>,
        decided: Result<Vec<Admission>, StoreError>,
    ) {
        let admissions = match decided {
            Ok(admissions) => admissions,
            Err(error) => {
                for (start, answer) in starts.into_iter().zip(answers) {
                    self.gate.forget(start.accept.id);
                    // A caller who hung up is no one to tell.
                    let _ = answer.send(Err(error.clone()));
                }
                return;
            }
        };
        for ((start, answer), admission) in starts.into_iter().zip(answers).zip(admissions) {
            let id = start.accept.id;
            if admission.outcome != Admitted::Started {
                self.gate.forget(id);
            }
            if admission.outcome == Admitted::Queued {
                // A place may have become free while this was written.
                self.gate.freed(id);
            }
            self.carry_out(&admission.cancelled, admission.released);
            if answer.send(Ok((start, admission.outcome))).is_err() {
                // Nobody begins it: who looks for what ought to run and does not takes it up.
                self.gate.forget(id);
            }
        }
    }
}
