//! What becomes of the records of executions that start control knows.

use std::collections::BTreeMap;

use flowmatic_executor::journal::{Record, StepRecord};
use flowmatic_executor::{Signal, Time};
use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use futures_util::FutureExt;
use serde_json::json;

use super::*;
use crate::store::Signalled;
use crate::store::testing::{TestStore, sqlite};

const ID: Uuid = Uuid::from_u128(7);

async fn gate() -> (Gate, mpsc::Receiver<Uuid>, TestStore) {
    let test = sqlite().await;
    let owner = Uuid::now_v7();
    // The test ends before the task does.
    let (tell, _told) = mpsc::unbounded_channel();
    let (writer, _task) = CommitWriter::start(test.store.clone(), owner, tell);
    let (gate, freed) = Gate::new(writer, test.store.clone(), owner);
    (gate, freed, test)
}

fn accept() -> Accept {
    Accept {
        id: ID,
        workspace_id: 1,
        workflow_id: Uuid::nil(),
        version: 1,
        mode: ExecutionMode::Webhook,
        trigger: "hook".to_owned(),
        payload: "{}".to_owned(),
        meta: "{}".to_owned(),
        retry_of: None,
        held: false,
        accepted_at: Time::UNIX_EPOCH,
    }
}

fn finish() -> Finish {
    Finish {
        id: ID,
        epoch: 0,
        status: ExecutionStatus::Completed,
        error: None,
        result: None,
        steps: "[]".to_owned(),
        finished_at: Time::UNIX_EPOCH,
        tells: None,
        error_workflow: None,
    }
}

/// A park that has seen all signals.
fn park(epoch: i32) -> Park {
    Park {
        id: ID,
        epoch,
        checkpoint: None,
        wake_at: None,
        signals: 10,
    }
}

async fn status(test: &TestStore) -> Option<ExecutionStatus> {
    let found = test.store.get_execution(1, ID, Time::UNIX_EPOCH).await;
    found.expect("it can be read").map(|stored| stored.summary.status)
}

#[tokio::test]
async fn passes_what_it_does_not_know() {
    let (gate, mut freed, test) = gate().await;
    assert_eq!(gate.accept(accept(), None).await, Ok(()));
    assert!(status(&test).await.is_some());
    assert_eq!(gate.finish(finish()).await, Ok(()));
    assert_eq!(status(&test).await, Some(ExecutionStatus::Completed));
    assert!(freed.try_recv().is_err() && gate.0.lock().is_empty());
}

#[tokio::test]
async fn writes_no_accept_twice_and_tells_of_a_free_place() {
    let (gate, mut freed, test) = gate().await;
    gate.expect(ID, true);
    assert!(gate.expects(ID));
    assert_eq!(gate.accept(accept(), None).await, Ok(()));
    assert_eq!((status(&test).await, gate.expects(ID)), (None, false));
    // The journal has the row from elsewhere.
    assert_eq!(gate.0.writer.accept(accept(), None).await, Ok(()));
    assert_eq!(gate.finish(finish()).await, Ok(()));
    assert_eq!((freed.recv().await, gate.0.lock().is_empty()), (Some(ID), true));
}

#[tokio::test]
async fn ends_at_once_what_is_over_at_once() {
    let (gate, mut freed, test) = gate().await;
    assert_eq!(gate.0.writer.accept(accept(), None).await, Ok(()));
    gate.expect(ID, true);
    let mut watch = test.store.watchers().watch(ID).expect("there is room");
    let accepted = gate.accept(accept(), Some(finish()));
    assert!(gate.expects(ID), "it is open, and does not run");
    assert_eq!(accepted.await, Ok(()));
    assert_eq!(status(&test).await, Some(ExecutionStatus::Completed));
    assert_eq!((freed.recv().await, gate.expects(ID)), (Some(ID), false));
    let heard = watch.next().now_or_never().flatten();
    assert!(heard.is_some_and(|heard| matches!(heard.what, What::Ended)));
}

#[tokio::test]
async fn leaves_to_others_what_has_no_room() {
    let (gate, _freed, test) = gate().await;
    assert_eq!(gate.0.writer.accept(accept(), None).await, Ok(()));
    gate.expect(ID, false);
    let held = Accept {
        held: true,
        ..accept()
    };
    assert_eq!(gate.accept(held, None).await, Ok(()));
    assert_eq!(status(&test).await, Some(ExecutionStatus::Queued));
    let free = test.store.open_executions(crate::store::Whose::Nobodys, 10).await;
    assert_eq!(free.map(|free| free.len()), Ok(1));
}

#[tokio::test]
async fn remembers_a_cancel_that_comes_early() {
    let (gate, _freed, _test) = gate().await;
    assert!(!gate.cancel_early(ID), "it is not expected");
    gate.expect(ID, false);
    assert!(gate.cancel_early(ID));
    assert_eq!(gate.accept(accept(), None).await, Ok(()));
    assert!(!gate.cancel_early(ID), "the engine has it");
    assert!(gate.take_cancelled(ID) && !gate.take_cancelled(ID));
    assert!(gate.0.lock().is_empty());
}

#[tokio::test]
async fn an_execution_that_waits_keeps_its_place_until_it_ends() {
    let (gate, mut freed, test) = gate().await;
    assert_eq!(gate.0.writer.accept(accept(), None).await, Ok(()));
    gate.expect(ID, true);
    assert_eq!(gate.accept(accept(), None).await, Ok(()));
    assert_eq!(gate.park(park(0)).await, Ok(()));
    assert_eq!(status(&test).await, Some(ExecutionStatus::Waiting));
    // It needs no memory while it waits, and nobody is given its place.
    assert!(gate.0.lock().is_empty() && freed.try_recv().is_err());

    // It is woken, and taken up where it was left.
    let epoch = wake_and_claim(&test, gate.0.owner).await;
    gate.has_place(ID);
    assert_eq!(gate.park(park(epoch)).await, Ok(()));

    // So it is by another process, after whose end the place is free.
    let owner = Uuid::now_v7();
    let (tell, _told) = mpsc::unbounded_channel();
    let (writer, _task) = CommitWriter::start(test.store.clone(), owner, tell);
    let (other, mut freed_there) = Gate::new(writer, test.store.clone(), owner);
    let epoch = wake_and_claim(&test, owner).await;
    other.has_place(ID);
    // The first one knows nothing of it, and writes nothing any more.
    assert_eq!(gate.finish(finish()).await, Err(JournalError::Lost));
    let end = Finish { epoch, ..finish() };
    assert_eq!(other.finish(end).await, Ok(()));
    assert_eq!(status(&test).await, Some(ExecutionStatus::Completed));
    assert_eq!(
        (freed_there.recv().await, other.0.lock().is_empty()),
        (Some(ID), true)
    );
    assert!(freed.try_recv().is_err());
}

#[tokio::test]
async fn a_place_is_free_where_another_process_has_ended_its_execution() {
    let (gate, mut freed, test) = gate().await;
    assert_eq!(gate.0.writer.accept(accept(), None).await, Ok(()));
    gate.expect(ID, true);
    assert_eq!(gate.accept(accept(), None).await, Ok(()));
    let open = test
        .store
        .open_executions(crate::store::Whose::Somebodys, 10)
        .await
        .expect("it is read");
    let claimed = test.store.claim(open[0], Uuid::now_v7(), Time::UNIX_EPOCH).await;
    assert!(claimed.is_ok_and(|claimed| claimed.is_some()));
    assert_eq!(gate.finish(finish()).await, Err(JournalError::Lost));
    // Whoever looks finds it taken; one look too many does no harm.
    assert_eq!((freed.recv().await, gate.0.lock().is_empty()), (Some(ID), true));
}

#[tokio::test]
async fn tells_of_answers_alone() {
    let (gate, _freed, test) = gate().await;
    let mut watched = gate.watch(ID);
    assert_eq!(gate.accept(accept(), None).await, Ok(()));
    let answered = StepRecord {
        answered: true,
        ..serde_json::from_value(json!({"node": "reply", "status": "completed"})).expect("a step")
    };
    for (sequence, steps) in [(1, Vec::new()), (2, vec![answered])] {
        let record = Record {
            at: Time::UNIX_EPOCH,
            steps,
            calls: BTreeMap::default(),
        };
        let checkpoint = Checkpoint {
            id: ID,
            epoch: 0,
            sequence,
            record: serde_json::to_string(&record).expect("it is JSON"),
        };
        assert_eq!(gate.checkpoint(checkpoint).await, Ok(()));
        let has_told = watched.changed().now_or_never().is_some();
        assert_eq!(has_told, sequence == 2);
    }
    drop(test);
}

async fn wake_and_claim(test: &TestStore, owner: Uuid) -> i32 {
    let signal = Signal {
        path: Uuid::now_v7().to_string(),
        payload: json!({}),
    };
    let signalled = test.store.signal(ID, &signal, Time::UNIX_EPOCH).await;
    assert_eq!(signalled, Ok(Signalled::Taken));
    let claimed = test.store.claim_held(&[ID], owner, Time::UNIX_EPOCH).await;
    claimed.expect("it is free")[0].epoch
}

#[tokio::test]
async fn tells_who_watches() {
    let (gate, _freed, _test) = gate().await;
    let mut watched = gate.watch(ID);
    assert_eq!(gate.accept(accept(), None).await, Ok(()));
    assert_eq!(gate.finish(finish()).await, Ok(()));
    watched.changed().await;
    drop(watched);
    assert!(gate.0.lock().is_empty());
}
