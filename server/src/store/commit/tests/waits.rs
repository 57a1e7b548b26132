//! What waits leaves memory, and is found by what it waits for.

use flowmatic_executor::journal::MemoryJournal;
use flowmatic_executor::{Finish, JournalError, Park, Recovered, Signal};
use serde_json::json;
use uuid::Uuid;

use super::{Subject, accept, at, checkpoint, finish};
use crate::store::{DueTimer, Signalled, TimerKind};

fn park(id: Uuid, epoch: i32) -> Park {
    Park {
        id,
        epoch,
        checkpoint: Some(checkpoint(id, epoch, 1)),
        wake_at: Some(at(60_000)),
        signals: 0,
    }
}

fn signal(path: &str) -> Signal {
    Signal {
        path: path.to_owned(),
        payload: json!({"n": 1}),
    }
}

impl Subject {
    async fn accepted(&self) -> Uuid {
        let id = Uuid::now_v7();
        self.journal().accept(accept(id), None).await.expect("accepted");
        id
    }

    async fn parked(&self) -> Uuid {
        let id = self.accepted().await;
        self.journal().park(park(id, 0)).await.expect("parked");
        id
    }

    async fn signal(&self, id: Uuid, signal: &Signal) -> bool {
        match self {
            Self::Memory(journal) => journal.signal(id, signal.clone()),
            Self::Stored(test, _) => {
                let signalled = test.store.signal(id, signal, at(1)).await.expect("it is kept");
                signalled == Signalled::Taken
            }
        }
    }

    /// Only one that is to be taken up, as the server sees it.
    async fn taken_up(&self, id: Uuid) -> Option<Recovered> {
        match self {
            Self::Memory(journal) => is_due(journal, id).then(|| journal.claim(id))?,
            Self::Stored(..) => self.claim(id).await,
        }
    }

    /// Its timers whose time has come.
    async fn due(&self) -> Vec<DueTimer> {
        match self {
            Self::Memory(_) => Vec::new(),
            Self::Stored(test, _) => test.store.claim_timers(at(60_000), 100).await.expect("claimed"),
        }
    }
}

fn is_due(journal: &MemoryJournal, id: Uuid) -> bool {
    let row = journal.row(id).expect("accepted");
    row.finish.is_none()
        && row
            .parked
            .is_none_or(|wake_at| wake_at.is_some_and(|at| at < super::at(0)))
}

#[tokio::test]
async fn what_is_parked_is_nobodys_until_a_signal_comes() {
    for subject in Subject::all().await {
        let name = subject.name();
        let id = subject.parked().await;
        assert!(subject.taken_up(id).await.is_none(), "{name}");
        let late = subject.journal().park(park(id, 7)).await;
        assert_eq!(late, Err(JournalError::Lost), "{name}");
        assert!(subject.signal(id, &signal("w")).await, "{name}");
        assert!(!subject.signal(id, &signal("w")).await, "{name}: twice");
        let found = subject.taken_up(id).await.unwrap_or_else(|| panic!("{name}"));
        assert!(found.was_at_rest, "{name}");
        assert_eq!(found.signals, [signal("w")], "{name}");
        assert_eq!((found.recoveries, found.checkpoints.len()), (0, 1), "{name}");
        // What woke it needs no other alarm.
        assert_eq!(subject.due().await, [], "{name}");
    }
}

#[tokio::test]
async fn a_signal_that_came_before_has_it_taken_up_at_once() {
    for subject in Subject::all().await {
        let id = subject.accepted().await;
        assert!(subject.signal(id, &signal("w")).await, "{}", subject.name());
        subject.journal().park(park(id, 0)).await.expect("parked");
        assert!(subject.taken_up(id).await.is_some(), "{}", subject.name());
        let id = subject.accepted().await;
        assert!(subject.signal(id, &signal("w")).await);
        let seen = Park {
            signals: 1,
            ..park(id, 0)
        };
        subject.journal().park(seen).await.expect("parked");
        assert!(subject.taken_up(id).await.is_none(), "{}", subject.name());
    }
}

#[tokio::test]
async fn a_timer_wakes_what_is_parked_once() {
    for subject in Subject::all().await {
        let Subject::Stored(test, _) = &subject else {
            continue;
        };
        let id = subject.parked().await;
        let due = subject.due().await;
        let told: Vec<_> = due
            .iter()
            .map(|timer| (timer.kind, timer.subject, timer.due_at))
            .collect();
        assert_eq!(told, [(TimerKind::Wake, id, at(60_000))], "{}", subject.name());
        assert_eq!(test.store.wake_executions(&due).await.expect("woken"), [id]);
        assert!(test.store.wake_executions(&due).await.expect("woken").is_empty());
        assert!(subject.claim(id).await.is_some(), "{}", subject.name());
    }
}

#[tokio::test]
async fn an_end_tells_who_waits_for_it() {
    for subject in Subject::all().await {
        let name = subject.name();
        let (parent, child) = (subject.parked().await, subject.accepted().await);
        let end = Finish {
            tells: Some((
                parent,
                "call".to_owned(),
                json!({"status": "COMPLETED"}).to_string(),
            )),
            ..finish(child, 0)
        };
        subject.journal().finish(end).await.expect("finished");
        let found = subject.taken_up(parent).await.unwrap_or_else(|| panic!("{name}"));
        let told = Signal {
            path: "call".to_owned(),
            payload: json!({"status": "COMPLETED"}),
        };
        assert_eq!(found.signals, [told], "{name}");
    }
}

#[tokio::test]
async fn a_failure_is_followed_once() {
    for subject in Subject::all().await {
        let Subject::Stored(test, _) = &subject else {
            continue;
        };
        let id = Uuid::now_v7();
        let end = Finish {
            error_workflow: Some(Uuid::nil()),
            ..finish(id, 0)
        };
        // Accepted and over in one write, as what is pure.
        subject
            .journal()
            .accept(accept(id), Some(end))
            .await
            .expect("accepted");
        let due = subject.due().await;
        assert_eq!(due.len(), 1, "{}", subject.name());
        assert_eq!((due[0].kind, due[0].subject), (TimerKind::Failure, id));
        let follows = accept(Uuid::now_v7());
        let follow = async || {
            test.store
                .follow_failure(due[0], Some(&follows))
                .await
                .expect("it can be read")
        };
        assert!(follow().await, "{}", subject.name());
        assert!(!follow().await, "{}", subject.name());
        assert!(subject.claim(follows.id).await.is_some(), "{}", subject.name());
    }
}

#[tokio::test]
async fn signals_for_what_is_over_or_unknown_are_told_apart() {
    for subject in Subject::all().await {
        let Subject::Stored(test, _) = &subject else {
            continue;
        };
        let id = subject.accepted().await;
        subject.journal().finish(finish(id, 0)).await.expect("finished");
        let told = async |id| {
            test.store
                .signal(id, &signal("w"), at(1))
                .await
                .expect("it can be read")
        };
        assert_eq!(told(id).await, Signalled::Over, "{}", subject.name());
        assert_eq!(
            told(Uuid::now_v7()).await,
            Signalled::Unknown,
            "{}",
            subject.name()
        );
    }
}
