//! Schedules on both databases, by a clock that the tests drive.

mod processes;

use std::cell::Cell;
use std::collections::HashSet;

use flowmatic_openapi::{Graph, Schedule, ScheduleSkip, SkipReason, Workflow};
use poem_openapi::types::ParseFromJSON;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::auth::Caller;
use crate::store::testing::stores;
use crate::store::{DueTimer, WorkflowSave};

thread_local! {
    /// Seconds since [`at`] of 0; a test and all that it spawns run on one thread.
    static SECOND: Cell<i64> = const { Cell::new(0) };
}

fn at(second: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + second, 0).expect("a moment")
}

const NOTHING: [i64; 0] = [];

fn clock() -> Time {
    at(SECOND.get())
}

/// A workflow of these schedules, each with a key of its own, and a step that sets a field.
fn graph(schedules: &[Value]) -> Graph {
    let mut nodes = vec![json!({"key": "set", "type": "data.set", "parameters": {"fields": {"a": 1}}})];
    let mut edges = Vec::new();
    for (place, parameters) in schedules.iter().enumerate() {
        let key = format!("schedule-{place}");
        edges.push(json!({"from": key, "to": "set"}));
        nodes.push(json!({"key": key, "type": "trigger.schedule", "parameters": parameters}));
    }
    Graph::parse_from_json(Some(json!({"nodes": nodes, "edges": edges}))).expect("a graph")
}

fn save(id: Uuid, schedules: &[Value], active: Option<bool>) -> WorkflowSave {
    WorkflowSave {
        workspace_id: 1,
        id,
        name: "Clockwork".to_owned(),
        description: None,
        active,
        graph: graph(schedules),
        secrets: Vec::new(),
        by: None,
        now: clock(),
    }
}

async fn publish(store: &Store, schedules: &[Value]) -> Workflow {
    let save = save(Uuid::now_v7(), schedules, Some(true));
    store.create_workflow(save).await.expect("it can be published")
}

async fn all(store: &Store) -> Vec<Schedule> {
    let filter = ScheduleFilter {
        limit: 100,
        ..ScheduleFilter::default()
    };
    let mut page = store
        .schedules(1, filter, clock())
        .await
        .expect("they can be read");
    page.data.sort_by(|one, other| one.node.cmp(&other.node));
    page.data
}

async fn only(store: &Store) -> Schedule {
    let mut all = all(store).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Fires what is due at the clock's time; gives the seconds of the times that started.
async fn fire(store: &Store) -> Vec<i64> {
    let due = store
        .claim_timers(clock(), 1_000)
        .await
        .expect("they can be claimed");
    fire_these(store, &due).await
}

async fn fire_these(store: &Store, due: &[DueTimer]) -> Vec<i64> {
    let started = store.fire_schedules(due, clock()).await.expect("they fire");
    let executions = execution::Entity::find()
        .filter(execution::Column::Id.is_in(started.iter().copied()))
        .order_by_asc(execution::Column::Id)
        .all(&store.reader())
        .await
        .expect("they can be read");
    assert_eq!(executions.len(), started.len());
    let seconds = executions.iter().map(|execution| {
        assert_eq!(
            (execution.mode.as_str(), execution.status.as_str()),
            ("schedule", "QUEUED")
        );
        assert_eq!((execution.owner, execution.started_at), (None, millis(clock())));
        scheduled(&execution.meta)
    });
    seconds.collect()
}

/// The second at which an execution was due.
fn scheduled(meta: &str) -> i64 {
    let meta: Value = serde_json::from_str(meta).expect("JSON");
    let moment: Time = meta["_schedule"]["scheduledAt"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a moment");
    (moment - at(0)).num_seconds()
}

/// Ends all executions that are open.
async fn end_all(store: &Store) {
    let writer = store.writer();
    let sql = "UPDATE executions SET status = 'COMPLETED' WHERE status = 'QUEUED'";
    let statement = Statement::from_string(writer.get_database_backend(), sql);
    writer.execute_raw(statement).await.expect("they end");
}

fn every(interval: &str, more: Value) -> Value {
    let mut parameters = json!({"every": interval, "anchor": at(0).to_rfc3339()});
    let fields = parameters.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("an object").clone());
    parameters
}

#[tokio::test]
async fn a_schedule_follows_its_workflow() {
    for test in stores().await {
        let store = &test.store;
        SECOND.set(5);
        let hourly = json!({"cron": "0 * * * *", "timezone": "Europe/Berlin"});
        let workflow = publish(store, &[hourly.clone(), every("10s", json!({}))]).await;
        let shown = all(store).await;
        assert_eq!(shown.len(), 2, "{}", test.name);
        let (first, second) = (&shown[0], &shown[1]);
        assert_eq!(
            (first.cron.as_deref(), first.timezone.as_deref(), first.every),
            (Some("0 * * * *"), Some("Europe/Berlin"), None)
        );
        assert_eq!(
            (first.workflow_name.as_str(), first.version, first.active),
            ("Clockwork", 1, true)
        );
        assert_eq!(second.next_at, Some(at(10)), "{}", test.name);
        assert_eq!(workflow.triggers[1].id, second.id);

        // Published again later: what is the same keeps its times, what was changed begins anew.
        SECOND.set(12);
        let changed = save(
            workflow.id,
            &[every("7s", json!({})), every("10s", json!({}))],
            Some(true),
        );
        store
            .update_workflow(changed, 1)
            .await
            .expect("saved")
            .expect("it is there");
        let shown = all(store).await;
        assert_eq!(
            (shown[0].next_at, shown[1].next_at, shown[1].version),
            (Some(at(14)), Some(at(10)), 2),
            "{}",
            test.name
        );
        // A draft changes nothing; a node that is gone takes its schedule with it.
        let draft = save(workflow.id, &[], None);
        store
            .update_workflow(draft, 2)
            .await
            .expect("saved")
            .expect("it is there");
        assert_eq!(all(store).await.len(), 2);
        let fewer = save(workflow.id, &[every("7s", json!({}))], Some(true));
        store
            .update_workflow(fewer, 3)
            .await
            .expect("saved")
            .expect("it is there");
        assert_eq!(only(store).await.next_at, Some(at(14)));

        let off = store
            .deactivate_workflow(1, workflow.id, clock())
            .await
            .expect("switched");
        assert!(off.is_some());
        let shown = only(store).await;
        assert_eq!((shown.active, shown.next_at), (false, None), "{}", test.name);
        SECOND.set(100);
        assert_eq!(fire(store).await, NOTHING, "{}: it is off", test.name);
        store
            .publish_workflow(1, workflow.id, 4, Caller::Key(Uuid::nil()), clock())
            .await
            .expect("published")
            .expect("it is there");
        assert_eq!(
            only(store).await.next_at,
            Some(at(105)),
            "{}: nothing is made up for",
            test.name
        );
        assert!(
            store
                .delete_workflow(1, workflow.id, clock())
                .await
                .expect("deleted")
        );
        assert_eq!(all(store).await.len(), 0);
        SECOND.set(200);
        assert_eq!(fire(store).await, NOTHING, "{}: it is gone", test.name);
    }
}

#[tokio::test]
async fn each_time_fires_once() {
    for test in stores().await {
        let store = &test.store;
        SECOND.set(0);
        publish(store, &[every("10s", json!({}))]).await;
        SECOND.set(9);
        assert_eq!(fire(store).await, NOTHING);
        SECOND.set(10);
        let claimed = store.claim_timers(clock(), 10).await.expect("claimed");
        assert_eq!(fire_these(store, &claimed).await, [10], "{}", test.name);
        assert_eq!(
            fire_these(store, &claimed).await,
            NOTHING,
            "{}: its claim is over",
            test.name
        );
        assert_eq!(fire(store).await, NOTHING, "{}", test.name);
        let shown = only(store).await;
        assert_eq!(
            (shown.last_at, shown.next_at),
            (Some(at(10)), Some(at(20))),
            "{}",
            test.name
        );
        let last = shown.last_execution.expect("it started one");
        assert_eq!((last.trigger.as_str(), last.version), ("schedule-0", 1));
        SECOND.set(20);
        assert_eq!(fire(store).await, [20], "{}", test.name);
    }
}

#[tokio::test]
async fn a_clock_that_is_put_back_fires_nothing_again() {
    for test in stores().await {
        let store = &test.store;
        SECOND.set(0);
        let workflow = publish(store, &[every("10s", json!({}))]).await;
        SECOND.set(20);
        assert_eq!(fire(store).await, [10, 20], "{}", test.name);
        SECOND.set(15);
        assert_eq!(fire(store).await, NOTHING, "{}", test.name);
        // Not even where it is published with other parameters.
        let changed = save(
            workflow.id,
            &[every("10s", json!({"overlap": "allow"}))],
            Some(true),
        );
        store
            .update_workflow(changed, 1)
            .await
            .expect("saved")
            .expect("it is there");
        assert_eq!(only(store).await.next_at, Some(at(30)), "{}", test.name);
    }
}

#[tokio::test]
async fn after_a_downtime_each_policy_makes_up_for_what_it_says() {
    for test in stores().await {
        let store = &test.store;
        SECOND.set(0);
        let policies = ["skip", "run_once", "run_all"];
        publish(
            store,
            &policies.map(|missed| every("60s", json!({"missed": missed}))),
        )
        .await;
        SECOND.set(330);
        let mut started = fire(store).await;
        started.sort_unstable();
        assert_eq!(started, [60, 120, 180, 240, 300, 300], "{}", test.name);
        let shown = all(store).await;
        let skipped: Vec<_> = shown
            .iter()
            .map(|schedule| schedule.last_skipped.clone())
            .collect();
        let at_300 = ScheduleSkip {
            at: at(300),
            reason: SkipReason::Missed,
        };
        assert_eq!(skipped, [Some(at_300), None, None], "{}", test.name);
        assert!(shown.iter().all(|schedule| schedule.next_at == Some(at(360))));
    }
}

#[tokio::test]
async fn a_schedule_that_skips_overlaps_says_so() {
    for test in stores().await {
        let store = &test.store;
        SECOND.set(0);
        publish(store, &[every("10s", json!({"overlap": "skip"}))]).await;
        SECOND.set(10);
        assert_eq!(fire(store).await, [10]);
        SECOND.set(20);
        assert_eq!(
            fire(store).await,
            NOTHING,
            "{}: the first has not ended",
            test.name
        );
        let shown = only(store).await;
        let skipped = shown.last_skipped.expect("it says so");
        assert_eq!(
            (skipped.at, skipped.reason),
            (at(20), SkipReason::Overlap),
            "{}",
            test.name
        );
        assert_eq!(
            (shown.last_at, shown.next_at),
            (Some(at(10)), Some(at(30))),
            "{}",
            test.name
        );
        end_all(store).await;
        SECOND.set(30);
        assert_eq!(fire(store).await, [30], "{}", test.name);
    }
}

#[tokio::test]
async fn a_queue_starts_one_after_the_other() {
    for test in stores().await {
        let store = &test.store;
        SECOND.set(0);
        let queue = every("10s", json!({"overlap": "queue", "missed": "run_all"}));
        let workflow = publish(store, &[queue]).await;
        SECOND.set(10);
        assert_eq!(fire(store).await, [10]);
        SECOND.set(30);
        assert_eq!(fire(store).await, NOTHING);
        let shown = only(store).await;
        assert_eq!((shown.waiting, shown.next_at), (2, Some(at(40))), "{}", test.name);
        SECOND.set(31);
        assert_eq!(
            fire(store).await,
            NOTHING,
            "{}: the first has not ended",
            test.name
        );
        end_all(store).await;
        SECOND.set(32);
        assert_eq!(fire(store).await, [20], "{}", test.name);
        SECOND.set(33);
        assert_eq!(fire(store).await, NOTHING, "{}: one at a time", test.name);
        end_all(store).await;
        SECOND.set(40);
        assert_eq!(fire(store).await, [30], "{}", test.name);
        assert_eq!(only(store).await.waiting, 1, "{}", test.name);
        // Paused, it waits; resumed, it goes on; switched off, it drops what waits.
        let id = only(store).await.id;
        end_all(store).await;
        store
            .pause_schedule(1, id, true, clock())
            .await
            .expect("paused")
            .expect("it is there");
        SECOND.set(45);
        assert_eq!(fire(store).await, NOTHING);
        store
            .pause_schedule(1, id, false, clock())
            .await
            .expect("resumed")
            .expect("it is there");
        assert_eq!(fire(store).await, [40], "{}", test.name);
        SECOND.set(60);
        assert_eq!(fire(store).await, NOTHING);
        assert_eq!(only(store).await.waiting, 2, "{}", test.name);
        store
            .deactivate_workflow(1, workflow.id, clock())
            .await
            .expect("off")
            .expect("it is there");
        assert_eq!(only(store).await.waiting, 0, "{}", test.name);
        end_all(store).await;
        SECOND.set(70);
        assert_eq!(fire(store).await, NOTHING, "{}", test.name);
    }
}

#[tokio::test]
async fn a_paused_schedule_starts_nothing_and_goes_on_from_when_it_is_resumed() {
    for test in stores().await {
        let store = &test.store;
        SECOND.set(0);
        let workflow = publish(store, &[every("10s", json!({"missed": "run_all"}))]).await;
        let id = only(store).await.id;
        let paused = store
            .pause_schedule(1, id, true, clock())
            .await
            .expect("paused")
            .expect("it is there");
        assert_eq!((paused.paused, paused.next_at), (true, None), "{}", test.name);
        SECOND.set(50);
        assert_eq!(fire(store).await, NOTHING, "{}", test.name);
        // It stays paused, whatever is published.
        let changed = save(workflow.id, &[every("15s", json!({}))], Some(true));
        store
            .update_workflow(changed, 1)
            .await
            .expect("saved")
            .expect("it is there");
        let shown = only(store).await;
        assert_eq!((shown.paused, shown.next_at), (true, None), "{}", test.name);
        let resumed = store
            .pause_schedule(1, id, false, clock())
            .await
            .expect("resumed")
            .expect("it is there");
        assert_eq!(
            (resumed.paused, resumed.next_at),
            (false, Some(at(60))),
            "{}",
            test.name
        );
        assert_eq!(
            fire(store).await,
            NOTHING,
            "{}: nothing is made up for",
            test.name
        );
        SECOND.set(60);
        assert_eq!(fire(store).await, [60], "{}", test.name);
        let foreign = store
            .pause_schedule(2, id, true, clock())
            .await
            .expect("it can be asked");
        assert!(foreign.is_none(), "{}", test.name);
    }
}

#[tokio::test]
async fn lists_a_page_at_a_time() {
    for test in stores().await {
        let store = &test.store;
        SECOND.set(0);
        let workflow = publish(store, &vec![every("1h", json!({})); 5]).await;
        publish(store, &[every("2h", json!({}))]).await;
        let mut seen = HashSet::new();
        let mut cursor = None;
        loop {
            let filter = ScheduleFilter {
                workflow_id: Some(workflow.id),
                cursor,
                limit: 2,
            };
            let page = store.schedules(1, filter, clock()).await.expect("a page");
            assert!(page.data.len() <= 2);
            seen.extend(page.data.into_iter().map(|schedule| schedule.node));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 5, "{}", test.name);
        assert_eq!(all(store).await.len(), 6, "{}", test.name);
    }
}
