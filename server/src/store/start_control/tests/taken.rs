//! Places: who has one, who waits, and who goes without.

use flowmatic_executor::Recovered;
use flowmatic_openapi::ExecutionStatus;
use futures_util::FutureExt;

use super::*;
use crate::store::{NewChild, children};

#[tokio::test]
async fn those_beyond_the_places_queue_and_follow_by_priority_and_age() {
    for test in stores().await {
        let starts: Vec<NewStart> = (0..CALLS)
            .map(|place| {
                let priority = i32::from(place % 10 == 0);
                start(
                    0,
                    &Terms {
                        priority,
                        ..places(3, WhenFull::Queue)
                    },
                )
            })
            .collect();
        let admitted = at_once(&test, &starts).await;
        assert_eq!(
            count(&admitted, |it| *it == Admitted::Started),
            3,
            "{}",
            test.name
        );
        assert_eq!(count(&admitted, |it| *it == Admitted::Queued), CALLS - 3);
        assert!(free(&test.store).await.is_empty(), "they are held back");

        let of = |wanted: Admitted| {
            let pairs = starts.iter().zip(&admitted);
            let found = pairs.filter(move |(_, admitted)| **admitted == wanted);
            found.map(|(start, _)| (-start.terms.priority, start.accept.id))
        };
        let mut expected: Vec<(i32, Uuid)> = of(Admitted::Queued).collect();
        expected.sort_unstable();
        let mut running: Vec<Uuid> = of(Admitted::Started).map(|(_, id)| id).collect();
        let mut followed = Vec::new();
        while let Some(ended) = running.pop() {
            end(&test.store, ended).await;
            // However often it is told.
            let passes = (0..3).map(|_| test.store.pass_place_on(ended, moment(1)));
            let passed = join_all(passes).await;
            let passed = passed.iter().filter(|passed| **passed == Ok(true)).count();
            assert_eq!(passed, usize::from(followed.len() < CALLS - 3), "{}", test.name);
            for id in free(&test.store).await {
                test.store
                    .claim(
                        OpenExecution {
                            id,
                            epoch: 0,
                            recoveries: 0,
                        },
                        OWNER,
                        moment(1),
                    )
                    .await
                    .expect("it can be claimed")
                    .expect("it is free");
                followed.push(id);
                running.insert(0, id);
            }
        }
        let expected: Vec<Uuid> = expected.into_iter().map(|(_, id)| id).collect();
        assert_eq!(followed, expected, "{}", test.name);
    }
}

#[tokio::test]
async fn a_place_is_found_that_nobody_has_told_of() {
    for test in stores().await {
        let terms = places(1, WhenFull::Queue);
        let [first, second, third] = [0; 3].map(|at| start(at, &terms));
        assert_eq!(admit(&test.store, &first).await, Admitted::Started);
        assert_eq!(admit(&test.store, &second).await, Admitted::Queued);
        assert_eq!(admit(&test.store, &third).await, Admitted::Queued);
        assert_eq!(test.store.fill_free_places(moment(1)).await, Ok(false));
        // One that waits is cancelled, and the process dies before it tells of the end.
        let cancelled = test.store.request_cancel(1, second.accept.id, moment(1)).await;
        assert!(cancelled.is_ok_and(|status| status.is_some_and(|status| status.is_final())));
        end(&test.store, first.accept.id).await;
        assert_eq!(
            test.store.fill_free_places(moment(1)).await,
            Ok(true),
            "{}",
            test.name
        );
        assert_eq!(free(&test.store).await, [third.accept.id]);
    }
}

#[tokio::test]
async fn those_beyond_the_places_are_dropped() {
    for test in stores().await {
        let terms = places(3, WhenFull::Drop);
        let starts: Vec<NewStart> = (0..CALLS).map(|_| start(0, &terms)).collect();
        let admitted = at_once(&test, &starts).await;
        assert_eq!(
            count(&admitted, |it| *it == Admitted::Started),
            3,
            "{}",
            test.name
        );
        assert_eq!(count(&admitted, |it| *it == Admitted::Dropped), CALLS - 3);
        let reader = test.store.reader();
        let dropped = Entity::find()
            .filter(Column::Status.eq("CANCELLED"))
            .filter(Column::Error.contains(r#""code":"dropped""#))
            .filter(Column::FinishedAt.is_not_null())
            .count(&reader);
        assert_eq!(dropped.await, Ok(CALLS as u64 - 3), "{}", test.name);
    }
}

#[tokio::test]
async fn the_last_call_takes_the_place_of_all_before() {
    for test in stores().await {
        let terms = places(1, WhenFull::CancelRunning);
        let starts: Vec<NewStart> = (0..CALLS).map(|_| start(0, &terms)).collect();
        let admitted = at_once(&test, &starts).await;
        assert_eq!(
            count(&admitted, |it| *it == Admitted::Started),
            1,
            "{}",
            test.name
        );
        let rows = rows(&test.store).await;
        let runs: Vec<&Model> = rows.iter().filter(|row| row.owner == Some(OWNER)).collect();
        assert_eq!(runs.len(), 1, "{}", test.name);
        assert!(runs[0].cancel_requested && runs[0].status == "QUEUED");
        let waits: Vec<&Model> = rows
            .iter()
            .filter(|row| row.on_hold && row.status == "QUEUED")
            .collect();
        assert_eq!(waits.len(), 1, "{}", test.name);
        let over = rows.iter().filter(|row| row.status == "CANCELLED").count();
        assert_eq!(over, CALLS - 2, "{}", test.name);
        end(&test.store, runs[0].id).await;
        assert_eq!(test.store.pass_place_on(runs[0].id, moment(1)).await, Ok(true));
        assert_eq!(free(&test.store).await, [waits[0].id]);
    }
}

#[tokio::test]
async fn the_newest_keep_their_places_and_their_turns() {
    for test in stores().await {
        let terms = places(3, WhenFull::CancelRunning);
        let starts: Vec<NewStart> = (0..6).map(|at| start(at, &terms)).collect();
        for start in &starts {
            admit(&test.store, start).await;
        }
        let rows = rows(&test.store).await;
        let stays: Vec<bool> = starts
            .iter()
            .map(|start| {
                rows.iter()
                    .any(|row| row.id == start.accept.id && !row.cancel_requested)
            })
            .collect();
        assert_eq!(stays, [false, false, false, true, true, true], "{}", test.name);
    }
}

#[tokio::test]
async fn an_execution_that_nobody_called_for_takes_its_place_when_it_is_taken_up() {
    for test in stores().await {
        let terms = places(1, WhenFull::Queue);
        let claimed = claimed(&test.store, 2).await;
        let take = async |place: usize, terms: &Terms| decide(&test.store, &claimed[place], terms, 2).await;
        let [first, second] = [claimed[0].accept.id, claimed[1].accept.id];
        assert_eq!(take(0, &terms).await, Some(Admitted::Started), "{}", test.name);
        assert_eq!(
            take(0, &terms).await,
            Some(Admitted::Started),
            "it has it already"
        );
        let full = places(1, WhenFull::Drop);
        assert_eq!(
            take(1, &full).await,
            Some(Admitted::Dropped),
            "its process ends it"
        );
        assert_eq!(take(1, &terms).await, Some(Admitted::Queued));
        assert_eq!(take(1, &terms).await, Some(Admitted::Queued), "it waits already");
        let rows = rows(&test.store).await;
        let owners: Vec<_> = rows.iter().map(|row| (row.owner, row.on_hold)).collect();
        assert_eq!(owners, [(Some(OWNER), false), (None, true)], "{}", test.name);
        end(&test.store, first).await;
        assert_eq!(test.store.pass_place_on(first, moment(3)).await, Ok(true));
        assert_eq!(free(&test.store).await, [second], "{}", test.name);
    }
}

#[tokio::test]
async fn an_execution_that_nobody_called_for_counts_once_for_the_limit() {
    for test in stores().await {
        let terms = Terms {
            rate_limit: Some(RateTerms {
                key: String::new(),
                limit: 1,
                period: Duration::from_secs(60),
            }),
            ..Terms::default()
        };
        let claimed = claimed(&test.store, 2).await;
        assert_eq!(
            decide(&test.store, &claimed[0], &terms, 2).await,
            Some(Admitted::Started)
        );
        // As after a commit that nobody heard of, and after a crash.
        let again = decide(&test.store, &claimed[0], &terms, 3).await;
        assert_eq!(again, Some(Admitted::Started), "{}", test.name);
        assert_eq!(
            test.store.is_admitted(claimed[0].accept.id).await,
            Ok(true),
            "{}",
            test.name
        );
        let wait = Duration::from_secs(60);
        for at in [2, 2] {
            let beyond = decide(&test.store, &claimed[1], &terms, at).await;
            assert_eq!(beyond, Some(Admitted::RateLimited { wait }), "{}", test.name);
        }
        // Its process died before it had ended it.
        let later = decide(&test.store, &claimed[1], &terms, 60_002).await;
        assert_eq!(later, Some(Admitted::Started), "{}", test.name);
    }
}

#[tokio::test]
async fn what_was_cancelled_before_it_was_decided_ends() {
    for test in stores().await {
        let claimed = claimed(&test.store, 1).await;
        let id = claimed[0].accept.id;
        let running = test.store.request_cancel(1, id, moment(2)).await;
        assert_eq!(running, Ok(Some(ExecutionStatus::Running)), "{}", test.name);
        let terms = places(1, WhenFull::Queue);
        assert_eq!(decide(&test.store, &claimed[0], &terms, 2).await, None);
        assert_eq!(test.store.is_admitted(id).await, Ok(false), "{}", test.name);
    }
}

#[tokio::test]
async fn one_that_waits_for_a_signal_keeps_its_place() {
    for test in stores().await {
        let terms = places(1, WhenFull::Queue);
        let [first, second] = [0; 2].map(|at| start(at, &terms));
        assert_eq!(admit(&test.store, &first).await, Admitted::Started);
        assert_eq!(admit(&test.store, &second).await, Admitted::Queued);
        set_status(&test.store, first.accept.id, "WAITING").await;
        assert_eq!(
            test.store.pass_place_on(first.accept.id, moment(1)).await,
            Ok(false)
        );
        assert_eq!(
            test.store.fill_free_places(moment(1)).await,
            Ok(false),
            "{}",
            test.name
        );
        end(&test.store, first.accept.id).await;
        assert_eq!(
            test.store.pass_place_on(first.accept.id, moment(1)).await,
            Ok(true)
        );
        assert_eq!(free(&test.store).await, [second.accept.id]);
    }
}

#[tokio::test]
async fn the_time_out_of_one_that_was_held_back_counts_from_its_release() {
    for test in stores().await {
        let terms = places(1, WhenFull::Queue);
        let [first, second] = [0; 2].map(|at| start(at, &terms));
        admit(&test.store, &first).await;
        admit(&test.store, &second).await;
        end(&test.store, first.accept.id).await;
        assert_eq!(test.store.fill_free_places(moment(7_000)).await, Ok(true));
        let claimed = test
            .store
            .claim_held(&[second.accept.id], OWNER, moment(9_000))
            .await
            .expect("it is free");
        assert_eq!(claimed[0].held_until, Some(moment(7_000)), "{}", test.name);
        assert_eq!(claimed[0].accept.accepted_at, moment(0));
    }
}

#[tokio::test]
async fn those_who_watch_hear_of_each_new_execution() {
    let test = crate::store::testing::sqlite().await;
    let mut watch = test.store.watchers().watch(WORKFLOW).expect("there is room");
    let first = NewStart {
        once: Some(once("a")),
        ..start(0, &places(1, WhenFull::Drop))
    };
    let again = NewStart {
        once: Some(once("a")),
        ..start(0, &places(1, WhenFull::Drop))
    };
    let [dropped, debounced, taken_in] = [
        start(0, &places(1, WhenFull::Drop)),
        start(0, &debounced(None)),
        start(0, &debounced(None)),
    ];
    for start in [&first, &again, &dropped, &debounced, &taken_in] {
        admit(&test.store, start).await;
    }
    let mut heard = Vec::new();
    while let Some(Some(news)) = watch.next().now_or_never() {
        heard.push((news.execution, matches!(news.what, What::Ended)));
    }
    let [first, dropped, debounced] = [first, dropped, debounced].map(|start| start.accept.id);
    assert_eq!(
        heard,
        [
            (first, false),
            (dropped, false),
            (dropped, true),
            (debounced, false)
        ]
    );
}

#[tokio::test]
async fn another_one_waits_for_a_called_execution_that_is_superseded_and_learns_of_it() {
    for test in stores().await {
        let terms = places(1, WhenFull::CancelRunning);
        let first = start(0, &terms);
        admit(&test.store, &first).await;
        let child = NewChild {
            parent: first.accept.id,
            path: "call".to_owned(),
            waits: true,
            accept: start(0, &terms).accept,
        };
        let id = test.store.start_child(&child).await.expect("it is called");
        let id = id.expect("its caller is open");
        let claimed = test
            .store
            .claim_held(&[id], OWNER, moment(1))
            .await
            .expect("it is free");
        assert_eq!(
            decide(&test.store, &claimed[0], &terms, 1).await,
            Some(Admitted::Queued)
        );
        assert_eq!(admit(&test.store, &start(2, &terms)).await, Admitted::Queued);
        // Whoever takes it up ends it, and tells.
        assert_eq!(free(&test.store).await, [id], "{}", test.name);
        let claimed = test
            .store
            .claim_held(&[id], OWNER, moment(3))
            .await
            .expect("it is free");
        assert!(claimed[0].cancel_requested, "{}", test.name);
    }
}

/// Executions as schedules write them, claimed.
async fn claimed(store: &Store, count: usize) -> Vec<Recovered> {
    let mut claimed = Vec::new();
    for _ in 0..count {
        let accept = start(0, &Terms::default()).accept;
        children::accept(&store.writer(), &accept)
            .await
            .expect("it is new");
        let held = store.claim_held(&[accept.id], OWNER, moment(1)).await;
        claimed.extend(held.expect("it is free"));
    }
    claimed
}

async fn decide(store: &Store, recovered: &Recovered, terms: &Terms, at: i64) -> Option<Admitted> {
    let admission = store.admit_claimed(recovered, terms, OWNER, moment(at)).await;
    admission
        .expect("it is decided")
        .map(|admission| admission.outcome)
}

#[tokio::test]
async fn says_of_each_what_follows_for_others() {
    for test in stores().await {
        let terms = places(1, WhenFull::CancelRunning);
        let other = Terms::default();
        let starts = [
            start(0, &terms),
            start(0, &other),
            start(0, &terms),
            start(0, &terms),
        ];
        let admissions = test.store.admit(&starts, OWNER).await.expect("they are decided");
        let first = starts[0].accept.id;
        let told: Vec<(&Admitted, &[Uuid])> = admissions
            .iter()
            .map(|admission| (&admission.outcome, &admission.cancelled[..]))
            .collect();
        let expected: [(&Admitted, &[Uuid]); 4] = [
            (&Admitted::Started, &[]),
            (&Admitted::Started, &[]),
            (&Admitted::Queued, &[first]),
            (&Admitted::Queued, &[first]),
        ];
        assert_eq!(told, expected, "{}", test.name);
    }
}
