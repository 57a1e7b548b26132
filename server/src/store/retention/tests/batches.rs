use super::*;

#[tokio::test]
async fn batches_are_bounded_in_rows_and_in_bytes() {
    for fixture in Fixture::all().await {
        let name = fixture.test.name;
        let mut ids = Vec::new();
        for place in 0..BATCH_ROWS + 10 {
            ids.push(fixture.over(i64::try_from(place).expect("a few"), 1_000).await);
        }
        let store = &fixture.test.store;
        let first = store
            .removable(fixture.workflow, at(HOUR), Uuid::nil())
            .await
            .expect(name);
        assert_eq!(first.ids, ids[..BATCH_ROWS], "{name}");
        let rest = store
            .removable(fixture.workflow, at(HOUR), first.next.expect("there is more"))
            .await
            .expect(name);
        assert_eq!(
            (rest.ids.as_slice(), rest.next),
            (&ids[BATCH_ROWS..], None),
            "{name}"
        );

        // Of those that are large, as many as fit; of one that is larger than all, itself.
        let workflow = Uuid::now_v7();
        let fixture = Fixture { workflow, ..fixture };
        let bytes = usize::try_from(BATCH_BYTES).expect("a few");
        let mut large = Vec::new();
        for (begun, size) in [(0, bytes / 2), (1, bytes / 3), (2, bytes * 2), (3, 10)] {
            let mut accept = fixture.accept(begun);
            accept.payload = "x".repeat(size);
            let finish = finish(accept.id, 10);
            large.push(fixture.write(accept, Some(finish)).await);
        }
        let (mut from, mut batches) = (Some(Uuid::nil()), Vec::new());
        while let Some(next) = from {
            let batch = fixture
                .test
                .store
                .removable(workflow, at(HOUR), next)
                .await
                .expect(name);
            batches.push(batch.ids);
            from = batch.next;
        }
        let expected = [large[..2].to_vec(), vec![large[2]], vec![large[3]]];
        assert_eq!(batches, expected, "{name}");
    }
}

#[tokio::test]
async fn only_one_process_removes_at_a_time() {
    for fixture in Fixture::all().await {
        let name = fixture.test.name;
        let other = Store::open(fixture.test.options.clone()).await.expect(name);
        let mut ids = Vec::new();
        for begun in 0..20 {
            ids.push(fixture.over(begun, 100).await);
        }
        let store = &fixture.test.store;
        let mut claim = fixture.claim().await;
        // The other one finds nothing to claim, as long as this one is at it.
        assert_eq!(
            other.claim_timers(at(29_000), 10).await.expect(name),
            [],
            "{name}"
        );
        let removed = store
            .remove_executions(&mut claim, &ids[..5], at(29_000))
            .await
            .expect(name);
        assert_eq!(removed.map(|removed| removed.executions), Some(5), "{name}");
        assert_eq!(
            other.claim_timers(at(31_000), 10).await.expect(name),
            [],
            "{name}: it was kept"
        );
        // This one hangs, and the other one takes over.
        let taken = other.claim_timers(at(60_000), 10).await.expect(name);
        let mut taken = taken[0];
        let lost = store
            .remove_executions(&mut claim, &ids[5..10], at(60_001))
            .await
            .expect(name);
        assert_eq!(lost, None, "{name}");
        assert!(
            !store.keep_claim(&mut claim, at(60_001)).await.expect(name),
            "{name}"
        );
        let removed = other
            .remove_executions(&mut taken, &ids, at(60_002))
            .await
            .expect(name);
        assert_eq!(removed.map(|removed| removed.executions), Some(15), "{name}");
        // Who has lost the claim does not date the timer.
        store.date_timer(&claim, at(0)).await.expect(name);
        assert_eq!(
            store.claim_timers(at(60_003), 10).await.expect(name),
            [],
            "{name}"
        );
        other.date_timer(&taken, at(61_000)).await.expect(name);
        assert_eq!(
            store.claim_timers(at(61_000), 10).await.expect(name).len(),
            1,
            "{name}"
        );
    }
}

#[tokio::test]
async fn leaves_what_somebody_has_locked() {
    let test = crate::store::testing::postgres().await;
    let told = tokio::sync::mpsc::unbounded_channel().0;
    let (writer, task) = CommitWriter::start(test.store.clone(), Uuid::now_v7(), told);
    let fixture = Fixture {
        test,
        writer,
        workflow: Uuid::now_v7(),
        _task: task,
    };
    let ids = [fixture.over(0, 10).await, fixture.over(1, 10).await];
    let locked = fixture.test.store.begin().await.expect("a transaction");
    let lock = "SELECT id FROM executions WHERE started_at = 1790000000001 FOR UPDATE";
    locked.execute_unprepared(lock).await.expect("it is locked");
    assert_eq!(fixture.remove(&ids).await, 1, "the other one is not waited for");
    locked.rollback().await.expect("it is free");
    assert_eq!(fixture.remove(&ids).await, 1);
}

#[tokio::test]
async fn removes_nothing_while_a_commit_is_asked_after() {
    for fixture in Fixture::all().await {
        let id = fixture.over(0, 10).await;
        let mut claim = fixture.claim().await;
        let store = &fixture.test.store;
        let settling = store.settle();
        let refused = store.remove_executions(&mut claim, &[id], at(0)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        drop(settling);
        let removed = store.remove_executions(&mut claim, &[id], at(0)).await;
        assert!(removed.expect(fixture.test.name).is_some());
    }
}
