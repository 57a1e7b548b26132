use std::sync::Arc;

use flowmatic_executor::{Accept, Checkpoint, Finish, Journal};
use sea_orm::{QueryTrait, Select, Set};
use tokio::task::JoinHandle;

use super::*;
use crate::store::entity::execution;
use crate::store::testing::{TestStore, planned, stores};
use crate::store::{CommitWriter, OpenExecution, Whose};

mod many;

const WORKSPACE: i64 = 1;

fn at(millis: i64) -> Time {
    Time::from_timestamp_millis(1_790_000_000_000 + millis).expect("a moment")
}

/// An id of that moment, as the doors make them.
fn id(millis: i64) -> Uuid {
    let bytes = Uuid::new_v4().into_bytes();
    let millis = u64::try_from(at(millis).timestamp_millis()).expect("after the epoch");
    uuid::Builder::from_unix_timestamp_millis(millis, bytes[..10].try_into().expect("ten bytes")).into_uuid()
}

fn accept(millis: i64) -> Accept {
    Accept {
        id: id(millis),
        workspace_id: WORKSPACE,
        workflow_id: Uuid::nil(),
        version: 3,
        mode: ExecutionMode::Webhook,
        trigger: "hook".to_owned(),
        payload: r#"{"amount":60}"#.to_owned(),
        meta: "{}".to_owned(),
        retry_of: None,
        held: false,
        accepted_at: at(millis),
    }
}

fn finish(id: Uuid, status: ExecutionStatus) -> Finish {
    Finish {
        id,
        epoch: 0,
        status,
        error: Some(r#"{"code":"timeout","message":"it took too long","node":"fetch"}"#.to_owned())
            .filter(|_| status != ExecutionStatus::Completed),
        result: Some("reply".to_owned()),
        steps: r#"[{"node":"hook","status":"completed"}]"#.to_owned(),
        finished_at: at(10_000),
        tells: None,
        error_workflow: None,
    }
}

struct Fixture {
    test: TestStore,
    owner: Uuid,
    writer: Arc<CommitWriter>,
    _task: JoinHandle<()>,
}

impl Fixture {
    async fn all() -> Vec<Self> {
        let start = |test: TestStore| {
            let owner = Uuid::now_v7();
            let (writer, task) = CommitWriter::start(
                test.store.clone(),
                owner,
                tokio::sync::mpsc::unbounded_channel().0,
            );
            Self {
                test,
                owner,
                writer,
                _task: task,
            }
        };
        stores().await.into_iter().map(start).collect()
    }

    /// Accepts one a second, the first at 0; those with a status are over.
    async fn accept(&self, statuses: &[Option<ExecutionStatus>]) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for (second, status) in (0..).zip(statuses) {
            let accept = accept(second * 1000);
            ids.push(accept.id);
            let finish = status.map(|status| finish(accept.id, status));
            self.writer.accept(accept, finish).await.expect(self.test.name);
        }
        ids
    }

    async fn list(&self, filter: ExecutionFilter, now: Time) -> Vec<Uuid> {
        let page = self
            .test
            .store
            .list_executions(WORKSPACE, &filter, None, 100, now)
            .await;
        page.expect(self.test.name)
            .data
            .into_iter()
            .map(|summary| summary.id)
            .collect()
    }

    async fn leave(&self, id: Uuid) {
        let change = execution::ActiveModel {
            id: Set(id),
            owner: Set(None),
            ..Default::default()
        };
        Entity::update(change)
            .exec(&self.test.store.writer())
            .await
            .expect(self.test.name);
    }
}

const OVER: Option<ExecutionStatus> = Some(ExecutionStatus::Completed);

#[tokio::test]
async fn lists_the_newest_first_a_page_at_a_time() {
    for fixture in Fixture::all().await {
        let mut expected = fixture.accept(&[OVER; 5]).await;
        expected.reverse();
        let (mut found, mut sizes, mut cursor) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let filter = ExecutionFilter::default();
            let store = &fixture.test.store;
            let page = store
                .list_executions(WORKSPACE, &filter, cursor.as_deref(), 2, at(0))
                .await;
            let page = page.expect(fixture.test.name);
            sizes.push(page.data.len());
            found.extend(page.data.iter().map(|summary| summary.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            // What comes in between does not move the pages.
            fixture
                .writer
                .accept(accept(60_000), None)
                .await
                .expect(fixture.test.name);
        }
        assert_eq!(found, expected, "{}", fixture.test.name);
        assert_eq!(sizes, [2, 2, 1], "{}", fixture.test.name);
    }
}

#[tokio::test]
async fn refuses_a_cursor_it_did_not_give() {
    for fixture in Fixture::all().await {
        for cursor in ["", "abc", "…", "AAAA"] {
            let filter = ExecutionFilter::default();
            let page = fixture
                .test
                .store
                .list_executions(WORKSPACE, &filter, Some(cursor), 2, at(0))
                .await;
            assert_eq!(page.expect_err(cursor), StoreError::BadCursor);
        }
    }
}

#[tokio::test]
async fn filters_by_status_as_it_is_shown() {
    use ExecutionStatus::*;
    for fixture in Fixture::all().await {
        let ids = fixture
            .accept(&[None, OVER, Some(Failed), Some(TimedOut), None])
            .await;
        fixture.leave(ids[4]).await;
        let lapsed = at(LEASE_MS + 4000);
        for (statuses, now, expected) in [
            (&[Queued][..], at(0), &[4][..]),
            (&[Running], at(0), &[0]),
            (&[Running], lapsed, &[]),
            (&[Queued, Waiting], lapsed, &[4, 0]),
            (&[Queued, Running], at(0), &[4, 0]),
            (&[Failed, TimedOut], at(0), &[3, 2]),
            (&[Failed, Running], at(0), &[2, 0]),
            (&[Completed], at(0), &[1]),
            (&[Cancelled], at(0), &[]),
            (&[], at(0), &[4, 3, 2, 1, 0]),
        ] {
            let filter = ExecutionFilter {
                statuses: statuses.to_vec(),
                ..ExecutionFilter::default()
            };
            let expected: Vec<Uuid> = expected.iter().map(|place| ids[*place]).collect();
            assert_eq!(
                fixture.list(filter, now).await,
                expected,
                "{} {statuses:?}",
                fixture.test.name
            );
        }
    }
}

#[tokio::test]
async fn filters_by_time_workflow_and_mode() {
    for fixture in Fixture::all().await {
        let ids = fixture.accept(&[OVER; 4]).await;
        let all = ExecutionFilter::default;
        let between = ExecutionFilter {
            started_after: Some(at(1000)),
            started_before: Some(at(3000)),
            ..all()
        };
        assert_eq!(
            fixture.list(between, at(0)).await,
            [ids[2], ids[1]],
            "{}",
            fixture.test.name
        );
        for other in [
            ExecutionFilter {
                mode: Some(ExecutionMode::Manual),
                ..all()
            },
            ExecutionFilter {
                trigger: Some("click".to_owned()),
                ..all()
            },
            ExecutionFilter {
                workflow_id: Some(Uuid::max()),
                ..all()
            },
            ExecutionFilter {
                started_before: Some(at(0)),
                ..all()
            },
            ExecutionFilter {
                started_after: Some(at(3001)),
                ..all()
            },
        ] {
            assert!(
                fixture.list(other, at(0)).await.is_empty(),
                "{}",
                fixture.test.name
            );
        }
        let same = ExecutionFilter {
            mode: Some(ExecutionMode::Webhook),
            trigger: Some("hook".to_owned()),
            workflow_id: Some(Uuid::nil()),
            ..all()
        };
        assert_eq!(fixture.list(same, at(0)).await.len(), 4, "{}", fixture.test.name);
    }
}

#[tokio::test]
async fn lists_by_an_index() {
    use ExecutionStatus::{Failed, Queued, Running};
    for (filter, index) in [
        (ExecutionFilter::default(), "executions_workspace"),
        (
            ExecutionFilter {
                workflow_id: Some(Uuid::nil()),
                ..Default::default()
            },
            "executions_workflow",
        ),
        (
            ExecutionFilter {
                statuses: vec![Failed],
                ..Default::default()
            },
            "executions_unsuccessful",
        ),
        (
            ExecutionFilter {
                statuses: vec![Queued, Running],
                ..Default::default()
            },
            "executions_open",
        ),
    ] {
        is_planned_by(index, &filter.select(WORKSPACE, at(0)).limit(51)).await;
    }
}

#[tokio::test]
async fn finds_what_may_be_taken_up_among_many_that_are_held_back_by_an_index() {
    is_planned_by("executions_free", &Whose::Nobodys.select().limit(51)).await;
}

/// It reads this index alone, in its order.
async fn is_planned_by(index: &str, list: &Select<Entity>) {
    let plan = planned(|backend| list.build(backend)).await;
    assert!(plan.contains(index), "{index}: {plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{index}: {plan}");
}

#[tokio::test]
async fn reads_an_execution_in_its_own_workspace_only() {
    for fixture in Fixture::all().await {
        let store = &fixture.test.store;
        let id = fixture.accept(&[Some(ExecutionStatus::TimedOut)]).await[0];
        let found = store
            .get_execution(WORKSPACE, id, at(0))
            .await
            .expect("it can be read")
            .expect("it is there");
        assert_eq!(found.summary.status, ExecutionStatus::TimedOut);
        assert_eq!(
            (found.summary.version, found.summary.trigger.as_str()),
            (3, "hook")
        );
        assert_eq!(
            (found.summary.started_at, found.summary.duration_ms),
            (at(0), Some(10_000))
        );
        let error = found.summary.error.expect("it has one");
        assert_eq!(
            (error.code.as_str(), error.node.as_deref()),
            ("timeout", Some("fetch"))
        );
        assert_eq!(
            (found.payload.as_str(), found.result.as_deref()),
            (r#"{"amount":60}"#, Some("reply"))
        );
        assert_eq!(found.steps.len(), 1);
        assert!(
            store
                .get_execution(2, id, at(0))
                .await
                .expect("it can be read")
                .is_none()
        );
        assert!(
            store
                .get_execution(WORKSPACE, Uuid::nil(), at(0))
                .await
                .expect("it can be read")
                .is_none()
        );
    }
}

#[tokio::test]
async fn shows_the_steps_of_a_running_execution() {
    for fixture in Fixture::all().await {
        let id = fixture.accept(&[None]).await[0];
        for (sequence, node) in [(1, "hook"), (2, "fetch")] {
            let steps = format!(r#"[{{"node":"{node}","status":"completed"}}]"#);
            let record = format!(r#"{{"at":"2026-09-21T14:13:20Z","steps":{steps}}}"#);
            let checkpoint = Checkpoint {
                id,
                epoch: 0,
                sequence,
                record,
            };
            fixture
                .writer
                .checkpoint(checkpoint)
                .await
                .expect(fixture.test.name);
        }
        let found = fixture.test.store.get_execution(WORKSPACE, id, at(0)).await;
        let found = found.expect("it can be read").expect("it is there");
        assert_eq!(found.summary.status, ExecutionStatus::Running);
        let nodes: Vec<&str> = found.steps.iter().map(|step| &*step.node).collect();
        assert_eq!(nodes, ["hook", "fetch"], "{}", fixture.test.name);
    }
}

#[tokio::test]
async fn cancels_what_is_not_over() {
    use ExecutionStatus::*;
    for fixture in Fixture::all().await {
        let store = &fixture.test.store;
        let ids = fixture.accept(&[None, OVER, None, None]).await;
        fixture.leave(ids[2]).await;
        let lapsed = at(LEASE_MS + 3000);
        for (id, workspace, now, expected) in [
            (ids[0], WORKSPACE, at(0), Some(Running)),
            (ids[1], WORKSPACE, at(0), Some(Completed)),
            (ids[2], WORKSPACE, at(0), Some(Cancelled)),
            (ids[3], WORKSPACE, lapsed, Some(Cancelled)),
            (ids[0], 2, at(0), None),
            (Uuid::nil(), WORKSPACE, at(0), None),
        ] {
            let status = store
                .request_cancel(workspace, id, now)
                .await
                .expect("it can be asked");
            assert_eq!(status, expected, "{}", fixture.test.name);
        }
        let read = async |id| {
            store
                .get_execution(WORKSPACE, id, at(0))
                .await
                .expect("it can be read")
                .expect("there")
        };
        assert!(read(ids[0]).await.cancel_requested);
        assert!(!read(ids[1]).await.cancel_requested);
        assert_eq!(read(ids[2]).await.summary.finished_at, Some(at(0)));
        // The process that believed to run it can no longer end it in another way.
        assert!(fixture.writer.finish(finish(ids[3], Completed)).await.is_err());
        let open = store
            .open_executions(Whose::NotOf(Uuid::nil()), 10)
            .await
            .expect("it can be read");
        assert_eq!(
            open,
            [OpenExecution {
                id: ids[0],
                epoch: 0,
                recoveries: 0
            }]
        );
        let claimed = store
            .claim(open[0], Uuid::nil(), at(0))
            .await
            .expect("it can be claimed");
        assert!(claimed.expect("it is open").cancel_requested);
    }
}

#[tokio::test]
async fn finds_what_another_process_left() {
    for fixture in Fixture::all().await {
        let store = &fixture.test.store;
        let ids = fixture.accept(&[None, OVER, None, None]).await;
        let open = async |whose| {
            let open = store.open_executions(whose, 10).await.expect("it can be read");
            open.into_iter().map(|open| open.id).collect::<Vec<_>>()
        };
        let [dead, successor] = [fixture.owner, Uuid::now_v7()];
        fixture.leave(ids[2]).await;
        assert_eq!(open(Whose::NotOf(dead)).await, [ids[2]]);
        assert_eq!(open(Whose::NotOf(successor)).await, [ids[0], ids[2], ids[3]]);
        assert_eq!(open(Whose::Nobodys).await, [ids[2]]);
        assert_eq!(open(Whose::Somebodys).await, [ids[0], ids[3]]);
        // What was recovered most often comes first.
        let seen = OpenExecution {
            id: ids[3],
            epoch: 0,
            recoveries: 0,
        };
        store
            .claim(seen, Uuid::now_v7(), at(0))
            .await
            .expect("it can be claimed")
            .expect("it is open");
        assert_eq!(open(Whose::NotOf(successor)).await, [ids[3], ids[0], ids[2]]);
        assert!(
            store
                .claim(seen, successor, at(0))
                .await
                .expect("it can be asked")
                .is_none(),
            "another was faster"
        );
    }
}

#[tokio::test]
async fn taking_up_what_waited_for_room_is_no_recovery() {
    for fixture in Fixture::all().await {
        let id = fixture.accept(&[None]).await[0];
        fixture.leave(id).await;
        let open = OpenExecution {
            id,
            epoch: 0,
            recoveries: 0,
        };
        let claimed = fixture
            .test
            .store
            .claim(open, fixture.owner, at(0))
            .await
            .expect("it can be claimed");
        let claimed = claimed.expect("it is open");
        assert_eq!(
            (claimed.epoch, claimed.recoveries),
            (1, 0),
            "{}",
            fixture.test.name
        );
    }
}

#[tokio::test]
async fn renews_the_leases_of_its_own() {
    for fixture in Fixture::all().await {
        let store = &fixture.test.store;
        let ids = fixture.accept(&[None, OVER, None]).await;
        let later = at(LEASE_MS + 5000);
        assert_eq!(store.renew_leases(Uuid::nil(), later).await, Ok(0));
        assert_eq!(store.renew_leases(fixture.owner, later).await, Ok(2));
        let running = ExecutionFilter {
            statuses: vec![ExecutionStatus::Running],
            ..ExecutionFilter::default()
        };
        assert_eq!(
            fixture.list(running, later).await,
            [ids[2], ids[0]],
            "{}",
            fixture.test.name
        );
    }
}
