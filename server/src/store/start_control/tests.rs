//! What is decided when many start at once, on both databases and from two processes.

mod taken;

use std::time::Duration;

use flowmatic_executor::graph::start::{ConcurrencyTerms, DebounceTerms, RateTerms, Terms};
use flowmatic_openapi::{ExecutionMode, WhenFull};
use futures_util::future::join_all;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::*;
use crate::store::entity::execution::{Column, Entity, Model};
use crate::store::testing::{TestStore, stores};
use crate::store::{DueTimer, OpenExecution, TimerKind, Whose};

const CALLS: usize = 100;
const WORKFLOW: Uuid = Uuid::from_u128(7);
const OWNER: Uuid = Uuid::from_u128(1);

fn moment(millis: i64) -> Time {
    Time::from_timestamp_millis(1_790_000_000_000 + millis).expect("a moment")
}

fn start(at: i64, terms: &Terms) -> NewStart {
    let accept = Accept {
        id: Uuid::now_v7(),
        workspace_id: 1,
        workflow_id: WORKFLOW,
        version: 1,
        mode: ExecutionMode::Webhook,
        trigger: "hook".to_owned(),
        payload: format!(r#"{{"at":{at}}}"#),
        meta: "{}".to_owned(),
        retry_of: None,
        held: false,
        accepted_at: moment(at),
    };
    NewStart {
        accept,
        terms: terms.clone(),
        once: None,
    }
}

fn once(body: &str) -> Once {
    Once {
        key: "order-7".to_owned(),
        body_hash: Some(body.as_bytes().to_vec()),
        ttl: Duration::from_secs(60),
    }
}

fn places(limit: u32, when_full: WhenFull) -> Terms {
    Terms {
        concurrency: Some(ConcurrencyTerms {
            key: "acme".to_owned(),
            limit,
            when_full,
        }),
        ..Terms::default()
    }
}

fn debounced(max_wait: Option<Duration>) -> Terms {
    Terms {
        debounce: Some(DebounceTerms {
            key: "acme".to_owned(),
            period: Duration::from_secs(5),
            max_wait,
        }),
        ..Terms::default()
    }
}

async fn admit(store: &Store, start: &NewStart) -> Admitted {
    let admissions = store.admit(std::slice::from_ref(start), OWNER).await;
    admissions.expect("it is decided").remove(0).outcome
}

/// Admits all at once through two stores on one database, each by itself or a few together.
async fn at_once(test: &TestStore, starts: &[NewStart]) -> Vec<Admitted> {
    let other = Store::open(test.options.clone()).await.expect("a second one");
    let admissions = starts.chunks(3).enumerate().map(|(place, starts)| {
        let store = if place % 2 == 0 { &test.store } else { &other };
        store.admit(starts, OWNER)
    });
    let decided = join_all(admissions).await;
    other.close().await;
    let admissions = decided
        .into_iter()
        .flat_map(|decided| decided.expect("they are decided"));
    admissions.map(|admission| admission.outcome).collect()
}

fn count(admitted: &[Admitted], is_it: impl Fn(&Admitted) -> bool) -> usize {
    admitted.iter().filter(|admitted| is_it(admitted)).count()
}

async fn rows(store: &Store) -> Vec<Model> {
    let rows = Entity::find().order_by_asc(Column::Id).all(&store.reader()).await;
    rows.expect("they can be read")
}

async fn free(store: &Store) -> Vec<Uuid> {
    let open = store
        .open_executions(Whose::Nobodys, 1_000)
        .await
        .expect("they can be read");
    open.into_iter().map(|open: OpenExecution| open.id).collect()
}

/// The timers that are due at that moment.
async fn due(store: &Store, at: i64) -> Vec<DueTimer> {
    store
        .claim_timers(moment(at), 10)
        .await
        .expect("they can be claimed")
}

/// As the journal ends it.
async fn end(store: &Store, id: Uuid) {
    set_status(store, id, "COMPLETED").await;
}

async fn set_status(store: &Store, id: Uuid, status: &str) {
    let change = execution::ActiveModel {
        id: Set(id),
        status: Set(status.to_owned()),
        ..Default::default()
    };
    Entity::update(change)
        .exec(&store.writer())
        .await
        .expect("it is there");
}

#[tokio::test]
async fn one_of_many_calls_with_a_key_starts() {
    for test in stores().await {
        let starts: Vec<NewStart> = (0..CALLS)
            .map(|_| NewStart {
                once: Some(once("a")),
                ..start(0, &Terms::default())
            })
            .collect();
        let admitted = at_once(&test, &starts).await;
        let first = starts
            .iter()
            .zip(&admitted)
            .find(|(_, admitted)| **admitted == Admitted::Started)
            .map(|(start, _)| start.accept.id)
            .expect(test.name);
        let again = Admitted::Replayed {
            execution: first,
            is_debounced: false,
            removed_as: None,
        };
        assert_eq!(count(&admitted, |it| *it == again), CALLS - 1, "{}", test.name);
        let rows = rows(&test.store).await;
        assert_eq!(rows.len(), 1, "{}", test.name);
        assert_eq!(
            (rows[0].id, rows[0].owner, rows[0].on_hold),
            (first, Some(OWNER), false)
        );
    }
}

#[tokio::test]
async fn a_key_is_bound_to_its_body_and_its_time() {
    for test in stores().await {
        let with = |at: i64, body: &str| NewStart {
            once: Some(once(body)),
            ..start(at, &Terms::default())
        };
        let first = with(0, "a");
        assert_eq!(admit(&test.store, &first).await, Admitted::Started);
        let execution = first.accept.id;
        assert_eq!(
            admit(&test.store, &with(1, "b")).await,
            Admitted::KeyReused { execution },
            "{}",
            test.name
        );
        let is_debounced = false;
        let again = Admitted::Replayed {
            execution,
            is_debounced,
            removed_as: None,
        };
        assert_eq!(admit(&test.store, &with(59_999, "a")).await, again);
        assert_eq!(admit(&test.store, &with(60_000, "b")).await, Admitted::Started);
    }
}

#[tokio::test]
async fn lets_no_more_in_than_the_limit() {
    for test in stores().await {
        let rate = RateTerms {
            key: "acme".to_owned(),
            limit: 10,
            period: Duration::from_secs(60),
        };
        let terms = Terms {
            rate_limit: Some(rate),
            ..Terms::default()
        };
        let starts: Vec<NewStart> = (0..CALLS).map(|_| start(0, &terms)).collect();
        let admitted = at_once(&test, &starts).await;
        assert_eq!(
            count(&admitted, |it| *it == Admitted::Started),
            10,
            "{}",
            test.name
        );
        let wait = Duration::from_secs(6);
        assert_eq!(
            count(&admitted, |it| *it == Admitted::RateLimited { wait }),
            CALLS - 10
        );
        assert_eq!(rows(&test.store).await.len(), 10);

        // A refused call has used neither the limit nor its key.
        let refused = NewStart {
            once: Some(once("a")),
            ..start(5_999, &terms)
        };
        assert!(matches!(
            admit(&test.store, &refused).await,
            Admitted::RateLimited { .. }
        ));
        let later = NewStart {
            once: Some(once("b")),
            ..start(6_000, &terms)
        };
        assert_eq!(admit(&test.store, &later).await, Admitted::Started);
    }
}

#[tokio::test]
async fn many_calls_are_debounced_into_one() {
    for test in stores().await {
        let terms = debounced(None);
        let starts: Vec<NewStart> = (0..CALLS).map(|_| start(0, &terms)).collect();
        let admitted = at_once(&test, &starts).await;
        let Admitted::Debounced { execution } = admitted[0] else {
            panic!("{}: {:?}", test.name, admitted[0]);
        };
        assert_eq!(
            count(&admitted, |it| *it == Admitted::Debounced { execution }),
            CALLS
        );
        let last = start(3_000, &terms);
        assert_eq!(admit(&test.store, &last).await, Admitted::Debounced { execution });

        let rows = rows(&test.store).await;
        assert_eq!(
            (rows.len(), rows[0].payload.as_str()),
            (1, r#"{"at":3000}"#),
            "{}",
            test.name
        );
        assert!(free(&test.store).await.is_empty(), "it is held back");
        assert_eq!(due(&test.store, 7_999).await, []);
        let timers = due(&test.store, 8_000).await;
        let fires: Vec<_> = timers.iter().map(|timer| (timer.kind, timer.subject)).collect();
        assert_eq!(fires, [(TimerKind::Debounce, execution)], "{}", test.name);
        let ends = (0..10).map(|_| test.store.end_debounce(&timers[0], moment(8_000)));
        let released = join_all(ends).await;
        let released = released.iter().filter(|begun| {
            begun
                .as_ref()
                .is_ok_and(|it| it.as_ref().is_some_and(|it| it.released))
        });
        assert_eq!(released.count(), 1, "{}: it begins once", test.name);
        assert_eq!(free(&test.store).await, [execution]);
        assert_eq!(test.store.next_timer(moment(100_000)).await, Ok(None));
    }
}

#[tokio::test]
async fn a_debounced_start_waits_no_longer_than_it_may() {
    for test in stores().await {
        let terms = debounced(Some(Duration::from_secs(12)));
        for at in [0, 4_000, 8_000, 11_000] {
            admit(&test.store, &start(at, &terms)).await;
        }
        assert_eq!(due(&test.store, 11_999).await, []);
        let timers = due(&test.store, 12_000).await;
        // A call that comes in between is taken in, and its timer counts.
        let late = admit(&test.store, &start(12_000, &terms)).await;
        let execution = timers[0].subject;
        assert_eq!(late, Admitted::Debounced { execution });
        assert_eq!(
            test.store.end_debounce(&timers[0], moment(12_000)).await,
            Ok(None)
        );
        let timers = due(&test.store, 12_000).await;
        let begun = test.store.end_debounce(&timers[0], moment(12_000)).await;
        assert!(
            begun.is_ok_and(|begun| begun.is_some_and(|begun| begun.released)),
            "{}",
            test.name
        );
    }
}

#[tokio::test]
async fn a_debounced_start_that_is_cancelled_does_not_begin() {
    for test in stores().await {
        let terms = debounced(None);
        let (first, second) = (start(0, &terms), start(1_000, &terms));
        let cancel = async |start: &NewStart| {
            let status = test.store.request_cancel(1, start.accept.id, moment(1)).await;
            assert!(status.is_ok_and(|status| status.is_some_and(|status| status.is_final())));
        };
        admit(&test.store, &first).await;
        cancel(&first).await;
        let execution = second.accept.id;
        assert_eq!(
            admit(&test.store, &second).await,
            Admitted::Debounced { execution }
        );
        cancel(&second).await;
        let timers = due(&test.store, 6_000).await;
        assert_eq!(timers.len(), 1, "{}: the first one's went with it", test.name);
        assert_eq!(test.store.end_debounce(&timers[0], moment(6_000)).await, Ok(None));
        assert_eq!(test.store.next_timer(moment(100_000)).await, Ok(None));
        assert!(free(&test.store).await.is_empty());
    }
}

#[tokio::test]
async fn a_debounced_start_goes_on_to_its_place() {
    for test in stores().await {
        let whole = Terms {
            concurrency: places(1, WhenFull::Drop).concurrency,
            ..debounced(None)
        };
        let runs = start(0, &places(1, WhenFull::Drop));
        assert_eq!(admit(&test.store, &runs).await, Admitted::Started);
        let late = start(0, &whole);
        admit(&test.store, &late).await;
        let timers = due(&test.store, 5_000).await;
        let begun = test.store.end_debounce(&timers[0], moment(5_000)).await;
        assert!(begun.is_ok_and(|begun| begun.is_some_and(|it| it.outcome == Admitted::Dropped)));
        let rows = rows(&test.store).await;
        let dropped = rows
            .iter()
            .find(|row| row.id == late.accept.id)
            .expect("it is there");
        assert_eq!(dropped.status, "CANCELLED", "{}", test.name);
    }
}

#[tokio::test]
async fn keys_and_workflows_have_nothing_to_do_with_each_other() {
    for test in stores().await {
        let terms = places(1, WhenFull::Drop);
        let first = start(0, &terms);
        let mut other_key = start(0, &terms);
        other_key.terms.concurrency.as_mut().expect("it has one").key = "else".to_owned();
        let mut other_workflow = start(0, &terms);
        other_workflow.accept.workflow_id = Uuid::from_u128(8);
        for start in [&first, &other_key, &other_workflow] {
            assert_eq!(
                admit(&test.store, start).await,
                Admitted::Started,
                "{}",
                test.name
            );
        }
    }
}

#[tokio::test]
async fn forgets_what_it_need_not_remember() {
    for test in stores().await {
        let terms = Terms {
            rate_limit: Some(RateTerms {
                key: String::new(),
                limit: 1,
                period: Duration::from_secs(60),
            }),
            ..places(1, WhenFull::Drop)
        };
        let first = NewStart {
            once: Some(once("a")),
            ..start(0, &terms)
        };
        assert_eq!(admit(&test.store, &first).await, Admitted::Started);
        let left = async || {
            let mut left = Vec::new();
            for table in ["idempotency_keys", "rate_limits", "places"] {
                let writer = test.store.writer();
                let sql = format!("SELECT COUNT(*) FROM {table}");
                let statement = Statement::from_string(writer.get_database_backend(), sql);
                let row = writer
                    .query_one_raw(statement)
                    .await
                    .expect("it is read")
                    .expect("a row");
                left.push(at::<i64>(&row, 0).expect("a number"));
            }
            left
        };
        test.store
            .tidy_start_control(moment(59_999))
            .await
            .expect(test.name);
        assert_eq!(left().await, [1, 1, 1], "{}", test.name);
        end(&test.store, first.accept.id).await;
        test.store
            .tidy_start_control(moment(60_000))
            .await
            .expect(test.name);
        assert_eq!(left().await, [0, 0, 0], "{}", test.name);
    }
}
