use std::sync::Arc;

use flowmatic_executor::{Accept, Checkpoint, Finish, Journal, Signal};
use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use sea_orm::DbBackend;
use serde_json::json;
use tokio::task::JoinHandle;

use super::*;
use crate::store::testing::{TestStore, stores};
use crate::store::{CommitWriter, NewChild};

mod batches;
mod workflows;

const HOUR: i64 = 3_600_000;
const NONE: [Uuid; 0] = [];

fn at(millis: i64) -> Time {
    Time::from_timestamp_millis(1_790_000_000_000 + millis).expect("a moment")
}

/// An id of that moment, as the doors make them.
fn id(millis: i64) -> Uuid {
    let bytes = Uuid::new_v4().into_bytes();
    let millis = u64::try_from(at(millis).timestamp_millis()).expect("after the epoch");
    uuid::Builder::from_unix_timestamp_millis(millis, bytes[..10].try_into().expect("ten bytes")).into_uuid()
}

struct Fixture {
    test: TestStore,
    writer: Arc<CommitWriter>,
    workflow: Uuid,
    _task: JoinHandle<()>,
}

impl Fixture {
    async fn all() -> Vec<Self> {
        let start = |test: TestStore| {
            let told = tokio::sync::mpsc::unbounded_channel().0;
            let (writer, task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told);
            Self {
                test,
                writer,
                workflow: Uuid::now_v7(),
                _task: task,
            }
        };
        stores().await.into_iter().map(start).collect()
    }

    fn accept(&self, begun: i64) -> Accept {
        Accept {
            id: id(begun),
            workspace_id: 1,
            workflow_id: self.workflow,
            version: 1,
            mode: ExecutionMode::Webhook,
            trigger: "hook".to_owned(),
            payload: "{}".to_owned(),
            meta: "{}".to_owned(),
            retry_of: None,
            held: false,
            accepted_at: at(begun),
        }
    }

    async fn write(&self, accept: Accept, finish: Option<Finish>) -> Uuid {
        let id = accept.id;
        self.writer.accept(accept, finish).await.expect(self.test.name);
        id
    }

    /// One that began and ended at these times.
    async fn over(&self, begun: i64, ended: i64) -> Uuid {
        let accept = self.accept(begun);
        let finish = finish(accept.id, ended);
        self.write(accept, Some(finish)).await
    }

    async fn open(&self, begun: i64) -> Uuid {
        self.write(self.accept(begun), None).await
    }

    async fn removable(&self, ended_before: i64) -> Vec<Uuid> {
        let found = self
            .test
            .store
            .removable(self.workflow, at(ended_before), Uuid::nil())
            .await;
        found.expect(self.test.name).ids
    }

    /// The claimed timer of the removal.
    async fn claim(&self) -> DueTimer {
        self.test.store.plan_prune(at(0)).await.expect(self.test.name);
        let due = self
            .test
            .store
            .claim_timers(at(0), 10)
            .await
            .expect(self.test.name);
        let prune = due.iter().find(|timer| timer.kind == TimerKind::Prune);
        *prune.expect(self.test.name)
    }

    async fn remove(&self, ids: &[Uuid]) -> u64 {
        let mut claim = self.claim().await;
        let removed = self
            .test
            .store
            .remove_executions(&mut claim, ids, at(0))
            .await
            .expect(self.test.name)
            .expect("the claim counts");
        self.test
            .store
            .date_timer(&claim, at(0))
            .await
            .expect(self.test.name);
        removed.executions
    }

    async fn count(&self, table: &str) -> i64 {
        let reader = self.test.store.reader();
        let sql = format!("SELECT COUNT(*) AS count FROM {table}");
        let row = reader
            .query_one_raw(Statement::from_string(reader.get_database_backend(), sql))
            .await;
        let row = row.expect(self.test.name).expect("a count");
        row.try_get("", "count").expect("a number")
    }

    async fn execute(&self, sql: &str) {
        let writer = self.test.store.writer();
        writer.execute_unprepared(sql).await.expect(self.test.name);
    }
}

fn finish(id: Uuid, ended: i64) -> Finish {
    Finish {
        id,
        epoch: 0,
        status: ExecutionStatus::Completed,
        error: None,
        result: None,
        steps: "[]".to_owned(),
        finished_at: at(ended),
        tells: None,
        error_workflow: None,
    }
}

#[tokio::test]
async fn finds_what_ended_before_a_time() {
    for fixture in Fixture::all().await {
        let old = fixture.over(0, 10).await;
        let slow = fixture.over(1, 5_000).await;
        fixture.open(2).await;
        let next = fixture.over(3, 2_000).await;
        let of_another = Fixture {
            workflow: Uuid::now_v7(),
            ..fixture
        };
        of_another.over(0, 10).await;
        let fixture = Fixture {
            workflow: fixture.workflow,
            ..of_another
        };
        assert_eq!(fixture.removable(10).await, NONE, "{}", fixture.test.name);
        assert_eq!(fixture.removable(11).await, [old], "{}", fixture.test.name);
        assert_eq!(
            fixture.removable(3_000).await,
            [old, next],
            "{}",
            fixture.test.name
        );
        assert_eq!(
            fixture.removable(HOUR).await,
            [old, slow, next],
            "{}",
            fixture.test.name
        );
    }
}

#[tokio::test]
async fn never_removes_what_has_not_ended() {
    for fixture in Fixture::all().await {
        let queued = fixture.open(0).await;
        let waiting = fixture.open(1).await;
        let held = fixture
            .write(
                Accept {
                    held: true,
                    ..fixture.accept(2)
                },
                None,
            )
            .await;
        fixture
            .execute("UPDATE executions SET status = 'WAITING' WHERE started_at = 1790000000001")
            .await;
        assert_eq!(fixture.removable(HOUR).await, NONE, "{}", fixture.test.name);
        // Whoever asks, and whatever they look like.
        fixture.execute("UPDATE executions SET finished_at = 5").await;
        assert_eq!(fixture.removable(HOUR).await, NONE, "{}", fixture.test.name);
        assert_eq!(
            fixture.remove(&[queued, waiting, held]).await,
            0,
            "{}",
            fixture.test.name
        );
        assert_eq!(fixture.count("executions").await, 3, "{}", fixture.test.name);
    }
}

#[tokio::test]
async fn keeps_what_others_need() {
    for fixture in Fixture::all().await {
        let store = &fixture.test.store;
        // Its error workflow is not started yet.
        let failed = fixture.accept(0);
        let failure = Finish {
            status: ExecutionStatus::Failed,
            error_workflow: Some(Uuid::now_v7()),
            ..finish(failed.id, 10)
        };
        let failed = fixture.write(failed, Some(failure)).await;
        // Its caller waits.
        let caller = fixture.open(1).await;
        let mut called = Vec::new();
        for waits in [true, false] {
            let child = NewChild {
                parent: caller,
                path: format!("call-{waits}"),
                waits,
                accept: fixture.accept(2),
            };
            let id = store.start_child(&child).await.expect(fixture.test.name);
            let id = id.expect("its caller is open");
            fixture
                .writer
                .finish(finish(id, 20))
                .await
                .expect(fixture.test.name);
            called.push(id);
        }
        assert_eq!(
            fixture.removable(HOUR).await,
            [called[1]],
            "{}",
            fixture.test.name
        );

        let due = store.claim_timers(at(HOUR), 10).await.expect(fixture.test.name);
        assert!(store.follow_failure(due[0], None).await.expect(fixture.test.name));
        fixture
            .writer
            .finish(finish(caller, 30))
            .await
            .expect(fixture.test.name);
        let mut expected = [failed, caller, called[0], called[1]];
        expected.sort();
        assert_eq!(fixture.removable(HOUR).await, expected, "{}", fixture.test.name);
    }
}

#[tokio::test]
async fn removes_all_that_hangs_on_an_execution() {
    for fixture in Fixture::all().await {
        let store = &fixture.test.store;
        let name = fixture.test.name;
        for gone in [true, false] {
            let id = fixture.open(i64::from(gone)).await;
            let checkpoint = Checkpoint {
                id,
                epoch: 0,
                sequence: 1,
                record: r#"{"steps":[]}"#.to_owned(),
            };
            fixture.writer.checkpoint(checkpoint).await.expect(name);
            let signal = Signal {
                path: "wait".to_owned(),
                payload: json!({}),
            };
            store.signal(id, &signal, at(0)).await.expect(name);
            let child = NewChild {
                parent: id,
                path: "call".to_owned(),
                waits: false,
                accept: fixture.accept(HOUR),
            };
            store.start_child(&child).await.expect(name);
            let transaction = store.begin().await.expect(name);
            timers::set(&transaction, TimerKind::Wake, &[(id, millis(at(HOUR)))])
                .await
                .expect(name);
            transaction.commit().await.expect(name);
            if gone {
                // Cancelled without a process: its checkpoints are left for whoever reads it.
                fixture.execute("UPDATE executions SET status = 'CANCELLED', finished_at = 5 WHERE started_at = 1790000000001").await;
                assert_eq!(fixture.removable(HOUR).await, [id], "{name}");
                assert_eq!(fixture.remove(&[id]).await, 1, "{name}");
                assert_eq!(
                    store.get_execution(1, id, at(0)).await.expect(name).map(|_| ()),
                    None
                );
            }
        }
        for (table, left) in [
            ("checkpoints", 1),
            ("signals", 1),
            ("children", 1),
            ("timers WHERE kind = 'wake'", 1),
            // The other one, and both that were called.
            ("executions", 3),
        ] {
            assert_eq!(fixture.count(table).await, left, "{name}: {table}");
        }
    }
}

#[tokio::test]
async fn looks_for_old_executions_without_their_rows() {
    for fixture in Fixture::all().await {
        let name = fixture.test.name;
        let transaction = fixture.test.store.begin().await.expect(name);
        let backend = transaction.get_database_backend();
        let explain = async |sql: &str| -> String {
            let sql = match backend {
                DbBackend::Postgres => {
                    // An empty table is read as a whole otherwise.
                    let never = "SET LOCAL enable_seqscan = off";
                    transaction.execute_unprepared(never).await.expect(name);
                    format!("EXPLAIN {sql}")
                }
                _ => format!("EXPLAIN QUERY PLAN {sql}"),
            };
            let rows = transaction
                .query_all_raw(Statement::from_string(backend, sql))
                .await
                .expect(name);
            let column = match backend {
                DbBackend::Postgres => "QUERY PLAN",
                _ => "detail",
            };
            let lines: Vec<String> = rows
                .iter()
                .map(|row| row.try_get("", column).expect("text"))
                .collect();
            lines.join("\n")
        };
        let nil = match backend {
            DbBackend::Postgres => "'00000000-0000-0000-0000-000000000000'::uuid",
            _ => "x'00000000000000000000000000000000'",
        };
        let removable = removable_sql().replace("$4", "5").replace("$5", "256");
        let removable = ["$1", "$2", "$3"]
            .iter()
            .fold(removable, |sql, place| sql.replace(place, nil));
        let plan = explain(&removable).await;
        assert!(plan.contains("executions_workflow"), "{plan}");
        for scan in ["SCAN executions", "Seq Scan", "TEMP B-TREE", "Sort"] {
            assert!(!plan.contains(scan), "{plan}");
        }
        let deleted = "SELECT id FROM workflows WHERE deleted_at < 5 LIMIT 5";
        let plan = explain(deleted).await;
        assert!(plan.contains("workflows_deleted"), "{plan}");
    }
}
