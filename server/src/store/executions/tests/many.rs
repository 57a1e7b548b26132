//! Executions with which something is done at once, and how they are found.

use super::*;
use crate::store::Purpose;

async fn found(fixture: &Fixture, purpose: Purpose, filter: ExecutionFilter) -> Vec<Uuid> {
    let store = &fixture.test.store;
    let found = store
        .executions_to(purpose, WORKSPACE, filter, None, 100, at(0))
        .await;
    found.expect(fixture.test.name).0
}

#[tokio::test]
async fn finds_what_can_be_retried_or_cancelled() {
    use ExecutionStatus::{Cancelled, Completed, Failed, Queued, Running, TimedOut};
    for fixture in Fixture::all().await {
        let statuses = [Some(Failed), OVER, None, Some(TimedOut), None, Some(Cancelled)];
        let ids = fixture.accept(&statuses).await;
        let mut retry = accept(60_000);
        retry.retry_of = Some(ids[3]);
        fixture
            .writer
            .accept(retry.clone(), Some(finish(retry.id, Failed)))
            .await
            .expect("written");
        fixture
            .test
            .store
            .request_cancels(&ids[4..5], at(0))
            .await
            .expect("asked");
        for (purpose, statuses, expected) in [
            (Purpose::Retry, &[][..], &[retry.id, ids[5], ids[0]][..]),
            (
                Purpose::Retry,
                &[Completed, Failed, Running],
                &[retry.id, ids[1], ids[0]],
            ),
            (Purpose::RetryFailed, &[Completed, Failed], &[retry.id, ids[0]]),
            (Purpose::RetryFailed, &[Completed], &[]),
            (Purpose::Cancel, &[], &[ids[2]]),
            (Purpose::Cancel, &[Running, Failed], &[ids[2]]),
            (Purpose::Cancel, &[Queued], &[]),
        ] {
            let filter = ExecutionFilter {
                statuses: statuses.to_vec(),
                ..ExecutionFilter::default()
            };
            let found = found(&fixture, purpose, filter).await;
            assert_eq!(found, expected, "{}: {purpose:?} {statuses:?}", fixture.test.name);
        }
        let of = ExecutionFilter {
            retry_of: Some(ids[3]),
            ..ExecutionFilter::default()
        };
        assert_eq!(fixture.list(of, at(0)).await, [retry.id], "{}", fixture.test.name);
    }
}

#[tokio::test]
async fn goes_on_behind_a_cursor_whatever_was_retried_meanwhile() {
    for fixture in Fixture::all().await {
        let ids = fixture.accept(&[Some(ExecutionStatus::Failed); 3]).await;
        let next = async |cursor: Option<String>| {
            let store = &fixture.test.store;
            let filter = ExecutionFilter::default();
            let found = store.executions_to(Purpose::Retry, WORKSPACE, filter, cursor.as_deref(), 2, at(0));
            found.await.expect(fixture.test.name)
        };
        let (first, cursor) = next(None).await;
        assert_eq!(first, [ids[2], ids[1]], "{}", fixture.test.name);
        let mut retry = accept(60_000);
        retry.retry_of = Some(ids[2]);
        let failed = finish(retry.id, ExecutionStatus::Failed);
        fixture.writer.accept(retry, Some(failed)).await.expect("written");
        assert_eq!(next(cursor).await, (vec![ids[0]], None), "{}", fixture.test.name);
    }
}

#[tokio::test]
async fn finds_an_execution_by_how_its_id_begins() {
    for fixture in Fixture::all().await {
        let ids = fixture.accept(&[OVER; 3]).await;
        let list = async |text: &str| {
            let filter = ExecutionFilter {
                search: Some(text.to_owned()),
                ..ExecutionFilter::default()
            };
            fixture.list(filter, at(0)).await
        };
        let whole = ids[1].to_string();
        for text in [
            &*whole,
            &whole.to_uppercase(),
            &whole.replace('-', ""),
            &whole[..35],
            &format!(" {whole} "),
        ] {
            assert_eq!(list(text).await, [ids[1]], "{}: {text}", fixture.test.name);
        }
        // These begin with the time, which is the same hour.
        assert_eq!(list(&whole[..6]).await.len(), 3, "{}", fixture.test.name);
        for text in ["ffff", "order", "", &format!("{whole}0"), "019a%"] {
            let found = list(text).await;
            assert!(
                found.is_empty() || text.is_empty(),
                "{}: {text}",
                fixture.test.name
            );
        }
        let of_version = |number| ExecutionFilter {
            version: Some(number),
            ..ExecutionFilter::default()
        };
        assert_eq!(fixture.list(of_version(3), at(0)).await.len(), 3);
        assert_eq!(fixture.list(of_version(4), at(0)).await.len(), 0);
    }
}

#[tokio::test]
async fn finds_them_by_an_index() {
    use ExecutionStatus::{Failed, TimedOut};
    for (filter, index) in [
        (
            ExecutionFilter {
                workflow_id: Some(Uuid::nil()),
                statuses: vec![Failed, TimedOut],
                ..ExecutionFilter::default()
            },
            "executions_failures",
        ),
        (
            ExecutionFilter {
                retry_of: Some(Uuid::nil()),
                ..ExecutionFilter::default()
            },
            "executions_retries",
        ),
        (
            ExecutionFilter {
                search: Some("01a2".to_owned()),
                ..ExecutionFilter::default()
            },
            "executions_workspace (workspace_id=? AND id>? AND id<?)",
        ),
    ] {
        let list = filter.select(WORKSPACE, at(0)).limit(51);
        let plan = planned(|backend| list.build(backend)).await;
        assert!(plan.contains(index), "{index}: {plan}");
        let retry = filter.select(WORKSPACE, at(0)).filter(Purpose::Retry.condition());
        let plan = planned(|backend| retry.build(backend)).await;
        assert!(
            plan.contains("retries USING COVERING INDEX executions_retries"),
            "{plan}"
        );
    }
}
