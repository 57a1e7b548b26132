use std::sync::atomic::{AtomicI64, Ordering};

use flowmatic_executor::{Accept, Finish, Journal};
use flowmatic_openapi::{ExecutionMode, ExecutionStatus, Graph};
use poem_openapi::types::ParseFromJSON;
use serde_json::{Value, json};

use super::*;
use crate::store::testing::{TestStore, stores};
use crate::store::{CommitWriter, ExecutionFilter, TimerKind, WorkflowSave};

const DAY: i64 = 86_400_000;

/// A test has a process of its own, and drives its clock.
static NOW: AtomicI64 = AtomicI64::new(1_790_000_000_000);

fn clock() -> Time {
    at(0)
}

/// So long after what the clock shows.
fn at(millis: i64) -> Time {
    Time::from_timestamp_millis(NOW.load(Ordering::SeqCst) + millis).expect("a moment")
}

fn advance(millis: i64) {
    NOW.fetch_add(millis, Ordering::SeqCst);
}

fn pruner(store: &Store) -> Pruner {
    let limits = Limits {
        retention: Duration::from_secs(30 * 86_400),
        executions: 10_000,
    };
    Pruner::new(store.clone(), limits, clock, CancellationToken::new())
}

/// Has the pruner look once, and tells when it looks again.
async fn look(test: &TestStore, pruner: &mut Pruner) -> Duration {
    test.store.plan_prune(clock()).await.expect(test.name);
    // Whenever it is due.
    advance(2 * 60_000);
    let due = test.store.claim_timers(clock(), 10).await.expect(test.name);
    assert_eq!(due.len(), 1, "{}", test.name);
    assert_eq!(due[0].kind, TimerKind::Prune, "{}", test.name);
    pruner.fire(due[0]).await;
    let next = test.store.next_timer(clock()).await.expect(test.name);
    (next.expect("it is dated anew") - clock())
        .to_std()
        .unwrap_or_default()
}

async fn workflow(test: &TestStore, settings: Value) -> Uuid {
    let graph = json!({
        "nodes": [{"key": "hook", "type": "trigger.webhook"}], "edges": [], "settings": settings
    });
    let save = WorkflowSave {
        workspace_id: 1,
        id: Uuid::now_v7(),
        name: "Kept".to_owned(),
        description: None,
        active: Some(true),
        graph: Graph::parse_from_json(Some(graph)).expect("a graph"),
        secrets: Vec::new(),
        by: None,
        now: clock(),
    };
    test.store.create_workflow(save).await.expect(test.name).id
}

/// An id of that moment, as the doors make them.
fn id(at: Time) -> Uuid {
    let bytes = Uuid::new_v4().into_bytes();
    let millis = u64::try_from(at.timestamp_millis()).expect("after the epoch");
    uuid::Builder::from_unix_timestamp_millis(millis, bytes[..10].try_into().expect("ten bytes")).into_uuid()
}

/// Executions of a workflow that began and ended at these times, from now; the oldest first.
async fn executions(test: &TestStore, workflow: Uuid, times: &[(i64, Option<i64>)]) -> Vec<Uuid> {
    executions_of(test, workflow, times, "{}").await
}

async fn executions_of(
    test: &TestStore,
    workflow: Uuid,
    times: &[(i64, Option<i64>)],
    payload: &str,
) -> Vec<Uuid> {
    let told = tokio::sync::mpsc::unbounded_channel().0;
    let (writer, task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told);
    let mut tickets = Vec::new();
    let mut ids = Vec::new();
    for (begun, ended) in times {
        let accept = Accept {
            id: id(at(*begun)),
            workspace_id: 1,
            workflow_id: workflow,
            version: 1,
            mode: ExecutionMode::Webhook,
            trigger: "hook".to_owned(),
            payload: payload.to_owned(),
            meta: "{}".to_owned(),
            retry_of: None,
            held: false,
            accepted_at: at(*begun),
        };
        ids.push(accept.id);
        let finish = ended.map(|ended| Finish {
            id: accept.id,
            epoch: 0,
            status: ExecutionStatus::Completed,
            error: None,
            result: None,
            steps: "[]".to_owned(),
            finished_at: at(ended),
            tells: None,
            error_workflow: None,
        });
        tickets.push(writer.accept(accept, finish));
        if tickets.len() == 1_000 {
            for ticket in tickets.drain(..) {
                ticket.await.expect(test.name);
            }
        }
    }
    for ticket in tickets {
        ticket.await.expect(test.name);
    }
    writer.close();
    task.await.expect("it ends by itself");
    ids
}

/// What is left of a workflow, the oldest first.
async fn left(test: &TestStore, workflow: Uuid) -> Vec<Uuid> {
    let filter = ExecutionFilter {
        workflow_id: Some(workflow),
        ..ExecutionFilter::default()
    };
    let page = test
        .store
        .list_executions(1, &filter, None, 100_000, clock())
        .await
        .expect(test.name);
    let mut ids: Vec<Uuid> = page.data.into_iter().map(|summary| summary.id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn removes_what_is_older_than_the_workflow_or_the_server_says() {
    for test in stores().await {
        let short = workflow(&test, json!({"retention": "1d"})).await;
        let default = workflow(&test, json!({})).await;
        let times: Vec<_> = [40, 29, 2, 0]
            .map(|days| (-days * DAY, Some(1 - days * DAY)))
            .to_vec();
        let of_short = executions(&test, short, &times).await;
        let of_default = executions(&test, default, &times).await;
        let mut pruner = pruner(&test.store);
        look(&test, &mut pruner).await;
        assert_eq!(left(&test, short).await, of_short[3..], "{}", test.name);
        assert_eq!(left(&test, default).await, of_default[1..], "{}", test.name);
        // The next one is due by its age.
        advance(DAY);
        look(&test, &mut pruner).await;
        assert_eq!(left(&test, short).await, of_short[4..], "{}", test.name);
        assert_eq!(left(&test, default).await, of_default[2..], "{}", test.name);
    }
}

#[tokio::test]
async fn keeps_those_that_ended_last() {
    for test in stores().await {
        let workflow = workflow(&test, json!({"keep_executions": 3})).await;
        // The first one began long before the others, and ended last; one has not ended.
        let times = [
            (-9_000, Some(-1_000)),
            (-8_000, Some(-7_500)),
            (-7_000, None),
            (-6_000, Some(-5_000)),
            (-5_000, Some(-4_000)),
            (-4_000, Some(-3_000)),
        ];
        let ids = executions(&test, workflow, &times).await;
        look(&test, &mut pruner(&test.store)).await;
        assert_eq!(
            left(&test, workflow).await,
            [ids[0], ids[2], ids[4], ids[5]],
            "{}",
            test.name
        );
    }
}

#[tokio::test]
async fn what_waits_or_ended_late_hides_nothing() {
    for test in stores().await {
        let workflow = workflow(&test, json!({"retention": "1h"})).await;
        let mut times = vec![(-3 * DAY, None), (-2 * DAY, Some(0))];
        times.extend([(-DAY, Some(-DAY + 5)), (-DAY + 1, Some(-DAY + 6))]);
        let ids = executions(&test, workflow, &times).await;
        look(&test, &mut pruner(&test.store)).await;
        assert_eq!(left(&test, workflow).await, ids[..2], "{}", test.name);
    }
}

#[tokio::test]
async fn leaves_what_has_just_ended_to_whoever_asks_for_it() {
    for test in stores().await {
        let workflow = workflow(&test, json!({"keep_executions": 1})).await;
        // By the time of the look they are just so old.
        let soon = 2 * 60_000;
        let times = [
            (soon - 20_000, Some(soon - 10_001)),
            (soon - 19_000, Some(soon - 10_000)),
            (soon - 18_000, Some(soon - 500)),
        ];
        let ids = executions(&test, workflow, &times).await;
        let mut pruner = pruner(&test.store);
        let next = look(&test, &mut pruner).await;
        assert_eq!(left(&test, workflow).await, ids[1..], "{}", test.name);
        assert!(next <= FRESH, "{}: {next:?}", test.name);
        look(&test, &mut pruner).await;
        assert_eq!(left(&test, workflow).await, ids[2..], "{}", test.name);
    }
}

#[tokio::test]
async fn takes_up_what_a_new_version_says() {
    for test in stores().await {
        let id = workflow(&test, json!({})).await;
        let times: Vec<_> = (0..5).map(|place| (-DAY + place, Some(-DAY + place))).collect();
        let ids = executions(&test, id, &times).await;
        let mut pruner = pruner(&test.store);
        look(&test, &mut pruner).await;
        assert_eq!(left(&test, id).await, ids, "{}", test.name);
        let graph = json!({
            "nodes": [{"key": "hook", "type": "trigger.webhook"}], "edges": [],
            "settings": {"keep_executions": 2}
        });
        let save = WorkflowSave {
            workspace_id: 1,
            id,
            name: "Kept".to_owned(),
            description: None,
            active: Some(true),
            graph: Graph::parse_from_json(Some(graph)).expect("a graph"),
            secrets: Vec::new(),
            by: None,
            now: clock(),
        };
        test.store
            .update_workflow(save, 1)
            .await
            .expect(test.name)
            .expect("it is there");
        look(&test, &mut pruner).await;
        assert_eq!(left(&test, id).await, ids[3..], "{}", test.name);
    }
}

#[tokio::test]
async fn a_long_backlog_lets_other_workflows_have_their_turn() {
    for test in stores().await {
        let mut workflows = [Uuid::nil(); 2];
        for workflow in &mut workflows {
            *workflow = self::workflow(&test, json!({"keep_executions": 1})).await;
        }
        workflows.sort();
        let [first, second] = workflows;
        let turn = i64::try_from(TURN * 256).expect("a few");
        let many: Vec<_> = (0..turn + 100)
            .map(|place| (-DAY + place, Some(-DAY + place)))
            .collect();
        executions(&test, first, &many).await;
        let few = executions(&test, second, &many[..10]).await;
        let mut pruner = pruner(&test.store);
        let next = look(&test, &mut pruner).await;
        assert_eq!(left(&test, first).await.len(), 100, "{}", test.name);
        assert_eq!(left(&test, second).await, few[9..], "{}", test.name);
        assert_eq!(next, Duration::ZERO, "{}", test.name);
        look(&test, &mut pruner).await;
        assert_eq!(left(&test, first).await.len(), 1, "{}", test.name);
    }
}

#[tokio::test]
async fn looks_less_often_while_there_is_nothing() {
    for test in stores().await {
        let mut pruner = pruner(&test.store);
        let mut intervals = Vec::new();
        for _ in 0..8 {
            intervals.push(look(&test, &mut pruner).await.as_secs());
        }
        assert_eq!(intervals, [2, 4, 8, 16, 32, 60, 60, 60], "{}", test.name);
        let workflow = workflow(&test, json!({"retention": "10s"})).await;
        let many: Vec<_> = (0..2_000)
            .map(|place| (-DAY + place, Some(-DAY + place)))
            .collect();
        executions(&test, workflow, &many).await;
        assert_eq!(look(&test, &mut pruner).await, LOOK[0], "{}", test.name);
        assert!(left(&test, workflow).await.is_empty(), "{}", test.name);
        // What is to come is known.
        look(&test, &mut pruner).await;
        advance(60_000);
        let soon = 2 * 60_000;
        executions(&test, workflow, &[(soon, Some(soon))]).await;
        let wait = look(&test, &mut pruner).await;
        assert!(wait <= Duration::from_secs(10), "{}: {wait:?}", test.name);
    }
}

#[tokio::test]
async fn forgets_what_was_deleted() {
    for test in stores().await {
        let workflow = workflow(&test, json!({"retention": "1h"})).await;
        executions(&test, workflow, &[(-DAY, Some(-DAY))]).await;
        let mut pruner = pruner(&test.store);
        test.store
            .delete_workflow(1, workflow, clock())
            .await
            .expect(test.name);
        look(&test, &mut pruner).await;
        assert!(
            left(&test, workflow).await.is_empty(),
            "{}: by the limits it had",
            test.name
        );
        assert!(test.store.version(workflow, 1).await.expect(test.name).is_some());
        advance(31 * DAY);
        look(&test, &mut pruner).await;
        assert!(test.store.version(workflow, 1).await.expect(test.name).is_none());
    }
}

#[tokio::test]
async fn ends_between_batches_when_it_is_told_to() {
    for test in stores().await {
        let workflow = workflow(&test, json!({"retention": "1h"})).await;
        let many: Vec<_> = (0..600).map(|place| (-DAY + place, Some(-DAY + place))).collect();
        executions(&test, workflow, &many).await;
        let mut pruner = pruner(&test.store);
        pruner.stop.cancel();
        let next = look(&test, &mut pruner).await;
        assert_eq!(next, Duration::ZERO, "{}: whoever comes next goes on", test.name);
        assert_eq!(left(&test, workflow).await.len(), 600, "{}", test.name);
    }
}

#[tokio::test]
async fn gives_the_room_back_of_what_it_removed() {
    let test = crate::store::testing::sqlite().await;
    let workflow = workflow(&test, json!({"retention": "1h"})).await;
    let many: Vec<_> = (0..60_000)
        .map(|place| (-DAY + place, Some(-DAY + place)))
        .collect();
    executions_of(&test, workflow, &many, &"x".repeat(3_500)).await;
    let mut pruner = pruner(&test.store);
    while look(&test, &mut pruner).await.is_zero() {}
    look(&test, &mut pruner).await;
    assert!(left(&test, workflow).await.is_empty());
    assert_eq!(test.store.spare_space(true).await, Ok(Spare::Nothing));
}
