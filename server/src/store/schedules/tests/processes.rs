//! Whole servers, but for their ports: nothing fires twice, and all that fires runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use sea_orm::Statement;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::app::App;
use crate::store::testing::{TestStore, postgres};
use crate::testing::app;
use crate::timer;

/// A server's loop over a store of its own.
struct Process {
    app: App,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Process {
    async fn start(test: &TestStore, max_running: usize) -> Self {
        let store = Store::open(test.options.clone()).await.expect("another process");
        let app = app(&store, max_running, clock);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (store, dispatch) = (app.store.clone(), app.dispatch.clone());
        let (prunes, _) = tokio::sync::mpsc::channel(1);
        tasks.spawn(timer::run(store, dispatch, clock, prunes, stop.clone()));
        tasks.spawn(app.dispatch.clone().refill(stop.clone()));
        tasks.close();
        Self { app, stop, tasks }
    }

    /// Has the loop look at the clock.
    fn look(&self) {
        self.app.store.timer_written(i64::MIN);
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.wait().await;
        self.app.dispatch.drain().await;
    }
}

/// How many executions have this status.
async fn count(store: &Store, status: &str) -> usize {
    let reader = store.reader();
    let statement = Statement::from_sql_and_values(
        reader.get_database_backend(),
        "SELECT COUNT(*) AS found FROM executions WHERE status = $1",
        [status.into()],
    );
    let row = reader.query_one_raw(statement).await.expect("it can be read");
    let found: i64 = row.expect("a row").try_get("", "found").expect("a number");
    usize::try_from(found).expect("not negative")
}

async fn until_completed(store: &Store, expected: usize) {
    while count(store, "COMPLETED").await < expected {
        tokio::task::yield_now().await;
    }
}

/// How often each time of each trigger has started.
async fn starts(store: &Store) -> BTreeMap<(Uuid, String, i64), usize> {
    let executions = execution::Entity::find().all(&store.reader()).await;
    let mut starts = BTreeMap::new();
    for execution in executions.expect("they can be read") {
        let time = (
            execution.workflow_id,
            execution.trigger_node,
            scheduled(&execution.meta),
        );
        *starts.entry(time).or_default() += 1;
    }
    starts
}

#[tokio::test]
async fn two_processes_start_each_time_once() {
    const SCHEDULES: usize = 40;
    const SECONDS: i64 = 25;
    let test = postgres().await;
    SECOND.set(0);
    publish(&test.store, &vec![json!({"cron": "* * * * * *"}); SCHEDULES]).await;
    let processes = [
        Process::start(&test, 1_000).await,
        Process::start(&test, 1_000).await,
    ];
    let mut due = 0;
    for second in 1..=SECONDS {
        SECOND.set(second);
        processes.iter().for_each(Process::look);
        due += SCHEDULES;
        // Now and then time passes while they are at work.
        if second % 3 == 0 {
            until_completed(&test.store, due).await;
        }
    }
    until_completed(&test.store, due).await;
    for process in processes {
        process.end().await;
    }
    let starts = starts(&test.store).await;
    assert_eq!(starts.len(), due, "every time of every schedule");
    assert!(starts.values().all(|count| *count == 1), "{starts:?}");
}

#[tokio::test]
async fn a_thousand_schedules_of_one_second_all_fire() {
    const SCHEDULES: usize = 1_000;
    const WORKFLOWS: usize = 20;
    for test in stores().await {
        SECOND.set(0);
        for _ in 0..WORKFLOWS {
            publish(
                &test.store,
                &vec![json!({"cron": "0 * * * *"}); SCHEDULES / WORKFLOWS],
            )
            .await;
        }
        // They do not fit into memory at once.
        let process = Process::start(&test, SCHEDULES / 2).await;
        let begun = Instant::now();
        SECOND.set(3_600);
        process.look();
        until_completed(&test.store, SCHEDULES).await;
        println!(
            "{}: {SCHEDULES} schedules of one second ended in {:?}",
            test.name,
            begun.elapsed()
        );
        process.end().await;
        let starts = starts(&test.store).await;
        assert_eq!(starts.len(), SCHEDULES, "{}", test.name);
        assert!(starts.values().all(|count| *count == 1), "{}", test.name);
    }
}

#[tokio::test]
async fn what_fired_before_a_crash_runs_after_it() {
    for test in stores().await {
        SECOND.set(0);
        publish(&test.store, &[every("10s", json!({}))]).await;
        SECOND.set(10);
        // The process dies before it takes them up.
        assert_eq!(fire(&test.store).await, [10]);
        let process = Process::start(&test, 100).await;
        let recovery: Arc<_> = process.app.dispatch.clone();
        recovery.recover(CancellationToken::new()).await;
        until_completed(&test.store, 1).await;
        process.end().await;
        assert_eq!(starts(&test.store).await.len(), 1, "{}", test.name);
    }
}

#[tokio::test]
async fn one_schedule_that_cannot_fire_holds_up_no_other() {
    for test in stores().await {
        SECOND.set(0);
        publish(&test.store, &vec![every("10s", json!({})); 3]).await;
        let writer = test.store.writer();
        let sql = "UPDATE schedules SET parameters = '{}' WHERE node = 'schedule-1'";
        let statement = Statement::from_string(writer.get_database_backend(), sql);
        writer.execute_raw(statement).await.expect("it can be broken");
        let process = Process::start(&test, 100).await;
        SECOND.set(10);
        process.look();
        until_completed(&test.store, 2).await;
        process.end().await;
        let nodes: Vec<String> = starts(&test.store)
            .await
            .into_keys()
            .map(|(_, node, _)| node)
            .collect();
        assert_eq!(nodes, ["schedule-0", "schedule-2"], "{}", test.name);
    }
}
