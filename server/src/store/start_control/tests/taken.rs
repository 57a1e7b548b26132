//! Places: who has one, who waits, and who goes without.

use super::*;

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
async fn an_execution_that_nobody_called_for_takes_its_place_when_it_is_taken_up() {
    for test in stores().await {
        let terms = places(1, WhenFull::Queue);
        let started = [0, 1].map(|at| start(at, &Terms::default()));
        let mut claimed = Vec::new();
        for start in &started {
            admit(&test.store, start).await;
            test.store
                .leave(start.accept.id, OWNER)
                .await
                .expect("it is there");
            let open = OpenExecution {
                id: start.accept.id,
                epoch: 0,
                recoveries: 0,
            };
            let recovered = test
                .store
                .claim(open, OWNER, moment(2))
                .await
                .expect("it can be asked");
            claimed.push(recovered.expect("it is free"));
        }
        let take = async |place: usize, terms: &Terms| {
            let taken = test
                .store
                .take_place(&claimed[place], terms, OWNER, moment(2))
                .await;
            taken.map(|admission| admission.outcome)
        };
        let [first, second] = [claimed[0].accept.id, claimed[1].accept.id];
        assert_eq!(take(0, &terms).await, Ok(Admitted::Started), "{}", test.name);
        assert_eq!(take(0, &terms).await, Ok(Admitted::Started), "it has it already");
        let full = places(1, WhenFull::Drop);
        assert_eq!(take(1, &full).await, Ok(Admitted::Dropped), "its process ends it");
        assert_eq!(take(1, &terms).await, Ok(Admitted::Queued));
        let rows = rows(&test.store).await;
        let owners: Vec<_> = rows.iter().map(|row| (row.owner, row.on_hold)).collect();
        assert_eq!(owners, [(Some(OWNER), false), (None, true)], "{}", test.name);
        end(&test.store, first).await;
        assert_eq!(test.store.pass_place_on(first, moment(3)).await, Ok(true));
        assert_eq!(free(&test.store).await, [second], "{}", test.name);
    }
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
