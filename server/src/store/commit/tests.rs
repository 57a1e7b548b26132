//! One suite for every journal, and what only the group-commit writer does.

use std::sync::Arc;

use flowmatic_executor::journal::MemoryJournal;
use flowmatic_executor::{Accept, Checkpoint, Finish, Journal, JournalError, Recovered, Time};
use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, sqlx};
use uuid::Uuid;

use super::batch::Witness;
use super::{Backend, CommitWriter, QUEUE, QUEUE_KEPT_FOR_RUNNING, Told};
use crate::store::entity::checkpoint;
use crate::store::testing::{TestStore, postgres, sqlite, stores};
use crate::store::{Database, Durability, OpenExecution, StoreError, Whose};

fn at(millis: i64) -> Time {
    Time::from_timestamp_millis(1_790_000_000_000 + millis).expect("a moment")
}

fn accept(id: Uuid) -> Accept {
    Accept {
        id,
        workspace_id: 1,
        workflow_id: Uuid::nil(),
        version: 1,
        mode: ExecutionMode::Webhook,
        trigger: "hook".to_owned(),
        payload: r#"{"amount":60}"#.to_owned(),
        meta: r#"{"_webhook":{}}"#.to_owned(),
        retry_of: None,
        held: false,
        accepted_at: at(0),
    }
}

fn checkpoint(id: Uuid, epoch: i32, sequence: i32) -> Checkpoint {
    Checkpoint {
        id,
        epoch,
        sequence,
        record: format!(r#"{{"at":"2026-09-21T14:13:20Z","steps":[],"attempts":{{"n":{sequence}}}}}"#),
    }
}

fn finish(id: Uuid, epoch: i32) -> Finish {
    Finish {
        id,
        epoch,
        status: ExecutionStatus::Completed,
        error: None,
        result: Some("reply".to_owned()),
        steps: "[]".to_owned(),
        finished_at: at(5),
        tells: None,
        error_workflow: None,
    }
}

/// Where nobody listens.
fn told() -> Told {
    tokio::sync::mpsc::unbounded_channel().0
}

/// A journal under test, and the way a process that starts after a crash takes up an execution.
enum Subject {
    Memory(Arc<MemoryJournal>),
    Stored(TestStore, Arc<CommitWriter>),
}

impl Subject {
    async fn all() -> Vec<Self> {
        let mut all = vec![Self::Memory(MemoryJournal::new())];
        for test in stores().await {
            // The test ends before the task does; dropping the writer ends it.
            let (writer, _task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told());
            all.push(Self::Stored(test, writer));
        }
        all
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Stored(test, _) => test.name,
        }
    }

    fn journal(&self) -> &dyn Journal {
        match self {
            Self::Memory(journal) => &**journal,
            Self::Stored(_, writer) => &**writer,
        }
    }

    async fn claim(&self, id: Uuid) -> Option<Recovered> {
        match self {
            Self::Memory(journal) => journal.claim(id),
            Self::Stored(test, _) => {
                let open = test
                    .store
                    .open_executions(Whose::NotOf(Uuid::now_v7()), 100)
                    .await
                    .expect("it can be read");
                let open = open.into_iter().find(|open| open.id == id)?;
                test.store
                    .claim(open, Uuid::now_v7(), at(1000))
                    .await
                    .expect("it can be claimed")
            }
        }
    }
}

#[tokio::test]
async fn remembers_what_was_accepted() {
    for subject in Subject::all().await {
        let id = Uuid::now_v7();
        let original = Accept {
            retry_of: Some(Uuid::now_v7()),
            ..accept(id)
        };
        subject
            .journal()
            .accept(original.clone(), None)
            .await
            .unwrap_or_else(|_| panic!("{}", subject.name()));
        let found = subject
            .claim(id)
            .await
            .unwrap_or_else(|| panic!("{}", subject.name()));
        assert_eq!(
            format!("{:?}", found.accept),
            format!("{original:?}"),
            "{}",
            subject.name()
        );
        assert_eq!(
            (found.epoch, found.recoveries, found.checkpoints.len()),
            (1, 1, 0)
        );
        assert!(!found.cancel_requested);
    }
}

#[tokio::test]
async fn takes_an_execution_that_is_already_over() {
    for subject in Subject::all().await {
        let id = Uuid::now_v7();
        subject
            .journal()
            .accept(accept(id), Some(finish(id, 0)))
            .await
            .unwrap_or_else(|_| panic!("{}", subject.name()));
        assert!(subject.claim(id).await.is_none(), "{}", subject.name());
        let again = subject.journal().finish(finish(id, 0)).await;
        assert_eq!(again, Err(JournalError::Lost), "{}", subject.name());
    }
}

#[tokio::test]
async fn refuses_an_id_that_exists() {
    for subject in Subject::all().await {
        let id = Uuid::now_v7();
        subject
            .journal()
            .accept(accept(id), None)
            .await
            .unwrap_or_else(|_| panic!("{}", subject.name()));
        let again = subject.journal().accept(accept(id), None).await;
        assert!(
            matches!(again, Err(JournalError::Rejected(_))),
            "{}: {again:?}",
            subject.name()
        );
    }
}

#[tokio::test]
async fn keeps_checkpoints_in_order() {
    for subject in Subject::all().await {
        let id = Uuid::now_v7();
        // Handed over at once: they may meet in one batch.
        let tickets = [
            subject.journal().accept(accept(id), None),
            subject.journal().checkpoint(checkpoint(id, 0, 1)),
            subject.journal().checkpoint(checkpoint(id, 0, 2)),
        ];
        for ticket in tickets {
            ticket.await.unwrap_or_else(|_| panic!("{}", subject.name()));
        }
        let found = subject
            .claim(id)
            .await
            .unwrap_or_else(|| panic!("{}", subject.name()));
        let expected = [1, 2].map(|sequence| checkpoint(id, 0, sequence).record);
        assert_eq!(found.checkpoints, expected, "{}", subject.name());
    }
}

#[tokio::test]
async fn a_finish_ends_an_execution_and_its_checkpoints() {
    for subject in Subject::all().await {
        let id = Uuid::now_v7();
        let tickets = [
            subject.journal().accept(accept(id), None),
            subject.journal().checkpoint(checkpoint(id, 0, 1)),
            subject.journal().finish(finish(id, 0)),
        ];
        for ticket in tickets {
            ticket.await.unwrap_or_else(|_| panic!("{}", subject.name()));
        }
        assert!(subject.claim(id).await.is_none(), "{}", subject.name());
        let late = subject.journal().checkpoint(checkpoint(id, 0, 2)).await;
        assert_eq!(late, Err(JournalError::Lost), "{}", subject.name());
        if let Subject::Stored(test, _) = &subject {
            let left = checkpoint::Entity::find().count(&test.store.reader()).await;
            assert_eq!(left.expect("it can be read"), 0, "{}", subject.name());
        }
    }
}

#[tokio::test]
async fn a_process_that_lost_an_execution_cannot_write() {
    for subject in Subject::all().await {
        let id = Uuid::now_v7();
        subject
            .journal()
            .accept(accept(id), None)
            .await
            .unwrap_or_else(|_| panic!("{}", subject.name()));
        let claimed = subject
            .claim(id)
            .await
            .unwrap_or_else(|| panic!("{}", subject.name()));
        let late = subject.journal().checkpoint(checkpoint(id, 0, 1)).await;
        assert_eq!(late, Err(JournalError::Lost), "{}", subject.name());
        let late = subject.journal().finish(finish(id, 0)).await;
        assert_eq!(late, Err(JournalError::Lost), "{}", subject.name());
        let epoch = claimed.epoch;
        subject
            .journal()
            .checkpoint(checkpoint(id, epoch, 1))
            .await
            .unwrap_or_else(|_| panic!("{}", subject.name()));
        subject
            .journal()
            .finish(finish(id, epoch))
            .await
            .unwrap_or_else(|_| panic!("{}", subject.name()));
    }
}

#[tokio::test]
async fn counts_recoveries_without_progress() {
    for subject in Subject::all().await {
        let id = Uuid::now_v7();
        subject
            .journal()
            .accept(accept(id), None)
            .await
            .unwrap_or_else(|_| panic!("{}", subject.name()));
        let mut seen = Vec::new();
        for sequence in [None, None, Some(1), None, Some(2)] {
            let claimed = subject
                .claim(id)
                .await
                .unwrap_or_else(|| panic!("{}", subject.name()));
            seen.push((claimed.epoch, claimed.recoveries));
            if let Some(sequence) = sequence {
                let write = subject
                    .journal()
                    .checkpoint(checkpoint(id, claimed.epoch, sequence));
                write.await.unwrap_or_else(|_| panic!("{}", subject.name()));
            }
        }
        assert_eq!(
            seen,
            [(1, 1), (2, 2), (3, 3), (4, 1), (5, 2)],
            "{}",
            subject.name()
        );
    }
}

#[tokio::test]
async fn answers_the_writes_of_many_at_once() {
    for subject in Subject::all().await {
        let ids: Vec<Uuid> = (0..200).map(|_| Uuid::now_v7()).collect();
        let accepts: Vec<_> = ids
            .iter()
            .map(|id| subject.journal().accept(accept(*id), None))
            .collect();
        for ticket in accepts {
            ticket.await.unwrap_or_else(|_| panic!("{}", subject.name()));
        }
        // Every third one writes under an epoch it does not have.
        let epoch = |place: usize| i32::from(place.is_multiple_of(3));
        let checkpoints: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(place, id)| subject.journal().checkpoint(checkpoint(*id, epoch(place), 1)))
            .collect();
        let finishes: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(place, id)| subject.journal().finish(finish(*id, epoch(place))))
            .collect();
        for (place, ticket) in checkpoints
            .into_iter()
            .enumerate()
            .chain(finishes.into_iter().enumerate())
        {
            let expected = if epoch(place) == 0 {
                Ok(())
            } else {
                Err(JournalError::Lost)
            };
            assert_eq!(ticket.await, expected, "{} {place}", subject.name());
        }
    }
}

#[tokio::test]
async fn a_bad_write_hurts_its_own_caller_only() {
    for subject in Subject::all().await {
        let [taken, good, running] = [(); 3].map(|()| Uuid::now_v7());
        for id in [taken, running] {
            subject
                .journal()
                .accept(accept(id), None)
                .await
                .unwrap_or_else(|_| panic!("{}", subject.name()));
        }
        let tickets = [
            subject.journal().accept(accept(taken), None),
            subject.journal().accept(accept(good), None),
            subject.journal().checkpoint(checkpoint(running, 0, 1)),
            subject.journal().finish(finish(running, 0)),
        ];
        let mut outcomes = Vec::new();
        for ticket in tickets {
            outcomes.push(ticket.await);
        }
        assert!(
            matches!(outcomes[0], Err(JournalError::Rejected(_))),
            "{}",
            subject.name()
        );
        assert_eq!(outcomes[1..], [Ok(()), Ok(()), Ok(())], "{}", subject.name());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let test = sqlite().await;
    let (writer, _task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told());
    let connection = test.store.writer();
    let limit = async |pages: u32| {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        connection
            .execute_unprepared(&pragma)
            .await
            .expect("it can be set");
    };
    // It cannot go below what is used.
    limit(1).await;
    let large = || Accept {
        payload: "x".repeat(64 * 1024),
        ..accept(Uuid::now_v7())
    };
    let [first, second] = [writer.accept(large(), None), writer.accept(large(), None)];
    for refused in [first.await, second.await] {
        match refused {
            Err(JournalError::Unavailable(why)) => assert!(why.starts_with("the disk is full"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
    limit(1_000_000).await;
    writer.accept(large(), None).await.expect("there is room again");
    // SQLite gave up that connection; the next one must be as durable.
    let durability = test.store.durability().await.expect("it can be read");
    assert!(matches!(durability, Durability::Sqlite { synchronous: 2, .. }));
    let transaction = test.store.begin().await.expect("others can write too");
    transaction.commit().await.expect("it is committed");
}

#[tokio::test]
async fn a_full_queue_refuses_new_executions_first() {
    let test = sqlite().await;
    let (writer, _task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told());
    // The task does not run before this test waits.
    let taken: Vec<_> = (0..QUEUE)
        .map(|_| writer.accept(accept(Uuid::now_v7()), None))
        .collect();
    let finish = writer.finish(finish(Uuid::now_v7(), 0));
    let mut refused = 0;
    for ticket in taken {
        match ticket.await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(
                    error,
                    JournalError::Unavailable("the write queue is full".to_owned())
                );
                refused += 1;
            }
        }
    }
    assert_eq!(refused, QUEUE_KEPT_FOR_RUNNING - 1);
    assert_eq!(finish.await, Err(JournalError::Lost), "it was taken");
}

#[tokio::test]
async fn writes_all_it_took_before_it_ends() {
    for test in stores().await {
        let (writer, task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told());
        let tickets: Vec<_> = (0..50)
            .map(|_| writer.accept(accept(Uuid::now_v7()), None))
            .collect();
        writer.close();
        let late = writer.accept(accept(Uuid::now_v7()), None).await;
        assert_eq!(
            late,
            Err(JournalError::Unavailable("the server is stopping".to_owned()))
        );
        task.await.expect("it ends by itself");
        for ticket in tickets {
            ticket.await.expect(test.name);
        }
    }
}

#[tokio::test]
async fn a_closed_database_is_unavailable() {
    let test = sqlite().await;
    let (writer, _task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told());
    test.store.close().await;
    let refused = writer.accept(accept(Uuid::now_v7()), None).await;
    assert!(
        matches!(refused, Err(JournalError::Unavailable(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn goes_on_after_its_session_was_ended() {
    let test = postgres().await;
    let (writer, _task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told());
    writer
        .accept(accept(Uuid::now_v7()), None)
        .await
        .expect("it is written");
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let connection = test.store.writer();
    connection
        .execute_unprepared(others)
        .await
        .expect("they can be ended");
    let lost = writer.accept(accept(Uuid::now_v7()), None).await;
    assert!(matches!(lost, Err(JournalError::Unavailable(_))), "{lost:?}");
    writer
        .accept(accept(Uuid::now_v7()), None)
        .await
        .expect("it is written");
}

#[tokio::test]
async fn finds_out_what_became_of_a_commit() {
    let lost = StoreError::Unavailable("the connection was lost".to_owned());
    for test in stores().await {
        let owner = Uuid::now_v7();
        let (writer, _task) = CommitWriter::start(test.store.clone(), owner, told());
        let [ended, running, unknown] = [(); 3].map(|()| Uuid::now_v7());
        for id in [ended, running] {
            writer.accept(accept(id), None).await.expect(test.name);
        }
        writer
            .checkpoint(checkpoint(running, 0, 1))
            .await
            .expect(test.name);
        writer.finish(finish(ended, 0)).await.expect(test.name);
        let backend = Backend {
            store: test.store.clone(),
            owner,
            session: None,
        };
        let other = Finish {
            status: ExecutionStatus::Failed,
            ..finish(ended, 0)
        };
        for (witness, expected) in [
            (Witness::Execution(running), true),
            (Witness::Execution(unknown), false),
            (Witness::Checkpoint(&checkpoint(running, 0, 1)), true),
            (Witness::Checkpoint(&checkpoint(running, 0, 2)), false),
            (Witness::Finish(&finish(ended, 0)), true),
            (Witness::Finish(&finish(running, 0)), false),
            (Witness::Finish(&other), false),
        ] {
            assert_eq!(
                backend.landed(&witness, None, &lost).await,
                expected,
                "{}",
                test.name
            );
        }
    }
}

#[tokio::test]
async fn asks_after_a_commit_only_when_its_session_is_gone() {
    let test = postgres().await;
    let Database::Postgres { pool, .. } = test.store.database() else {
        unreachable!("it was asked for");
    };
    let mut session = pool.acquire().await.expect("a session");
    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *session)
        .await
        .expect("a number");
    let witness = Witness::Execution(Uuid::now_v7());
    let early = super::postgres::find(pool, &witness, Some(process)).await;
    assert!(matches!(early, Err(StoreError::Unavailable(_))), "{early:?}");
    let backend = Backend {
        store: test.store.clone(),
        owner: Uuid::now_v7(),
        session: None,
    };
    let lost = StoreError::Unavailable("the connection was lost".to_owned());
    assert!(!backend.landed(&witness, Some(process), &lost).await);
    sqlx::query("SELECT 1")
        .execute(&mut *session)
        .await
        .expect_err("it was ended");
}

#[tokio::test]
async fn a_claim_of_what_another_has_claimed_fails() {
    for test in stores().await {
        let (writer, _task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told());
        let id = Uuid::now_v7();
        writer.accept(accept(id), None).await.expect(test.name);
        let seen = OpenExecution {
            id,
            epoch: 0,
            recoveries: 0,
        };
        let [first, second] = [(); 2].map(|()| test.store.claim(seen, Uuid::now_v7(), at(0)));
        let (first, second) = tokio::join!(first, second);
        let claimed = [first, second].map(|claim| claim.expect(test.name).is_some());
        assert_ne!(claimed[0], claimed[1], "{}", test.name);
    }
}

#[tokio::test]
async fn what_is_held_belongs_to_nobody_and_taking_it_up_is_no_recovery() {
    for test in stores().await {
        let owner = Uuid::now_v7();
        let (writer, _task) = CommitWriter::start(test.store.clone(), owner, told());
        let [running, waiting] = [(); 2].map(|()| Uuid::now_v7());
        writer.accept(accept(running), None).await.expect(test.name);
        let held = Accept {
            held: true,
            ..accept(waiting)
        };
        writer.accept(held, None).await.expect(test.name);
        let open = test
            .store
            .open_executions(Whose::NotOf(owner), 10)
            .await
            .expect(test.name);
        let [open] = open.try_into().expect("one of them is its own");
        let claimed = test
            .store
            .claim(open, owner, at(0))
            .await
            .expect(test.name)
            .expect(test.name);
        assert_eq!(
            (claimed.accept.id, claimed.recoveries),
            (waiting, 0),
            "{}",
            test.name
        );
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_committed_without_an_answer_is_written_again() {
    for test in stores().await {
        let (writer, _task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told());
        let id = Uuid::now_v7();
        writer.accept(accept(id), None).await.expect(test.name);
        for _ in 0..2 {
            writer.checkpoint(checkpoint(id, 0, 1)).await.expect(test.name);
        }
        let rows = checkpoint::Entity::find()
            .all(&test.store.reader())
            .await
            .expect(test.name);
        assert_eq!(rows.len(), 1, "{}", test.name);
    }
}

mod waits;
