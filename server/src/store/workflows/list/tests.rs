use flowmatic_openapi::Graph;
use sea_orm::QueryTrait;

use super::super::WorkflowSave;
use super::*;
use crate::store::testing::{TestStore, planned, stores};

const WORKSPACE: i64 = 1;

fn at(second: i64) -> Time {
    Time::from_timestamp(1_790_000_000 + second, 0).expect("a moment")
}

/// Makes one workflow a second with these names, without nodes.
async fn create(test: &TestStore, names: &[&str]) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for (second, name) in (0..).zip(names) {
        let save = save(Uuid::now_v7(), name, at(second));
        ids.push(test.store.create_workflow(save).await.expect(test.name).id);
    }
    ids
}

fn save(id: Uuid, name: &str, now: Time) -> WorkflowSave {
    WorkflowSave {
        workspace_id: WORKSPACE,
        id,
        name: name.to_owned(),
        description: None,
        active: None,
        graph: Graph::default(),
        secrets: Vec::new(),
        by: None,
        now,
    }
}

/// The names of each page of two; `between` is done after the first.
async fn pages(
    test: &TestStore,
    sort: WorkflowSort,
    ascending: bool,
    between: impl AsyncFnOnce(),
) -> Vec<String> {
    let (mut names, mut cursor, mut between) = (Vec::new(), None, Some(between));
    loop {
        let filter = WorkflowFilter {
            sort,
            ascending,
            cursor,
            limit: 2,
            ..WorkflowFilter::default()
        };
        let page = test
            .store
            .workflows(WORKSPACE, filter, at(0))
            .await
            .expect(test.name);
        names.extend(page.data.into_iter().map(|workflow| workflow.name));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return names;
        }
        if let Some(between) = between.take() {
            between().await;
        }
    }
}

#[tokio::test]
async fn pages_in_each_order_stay_while_workflows_are_saved() {
    for test in stores().await {
        let ids = create(&test, &["b", "A", "a", "B", "c"]).await;
        let nothing = async || {};
        let by_age = pages(&test, WorkflowSort::CreatedAt, true, nothing).await;
        assert_eq!(by_age, ["b", "A", "a", "B", "c"], "{}", test.name);
        let by_name = pages(&test, WorkflowSort::Name, true, nothing).await;
        assert_eq!(by_name, ["A", "a", "b", "B", "c"], "{}", test.name);
        let by_name = pages(&test, WorkflowSort::Name, false, nothing).await;
        assert_eq!(by_name, ["c", "B", "b", "a", "A"], "{}", test.name);
        // What is saved while somebody pages is before all that he has seen.
        let saved = async || {
            let later = save(ids[3], "B", at(60));
            let saved = test.store.update_workflow(later, 1).await;
            assert!(saved.expect(test.name).is_some());
        };
        let by_save = pages(&test, WorkflowSort::UpdatedAt, false, saved).await;
        assert_eq!(by_save, ["c", "B", "a", "A", "b"], "{}", test.name);
        let by_save = pages(&test, WorkflowSort::UpdatedAt, true, nothing).await;
        assert_eq!(by_save, ["b", "A", "a", "c", "B"], "{}", test.name);
    }
}

#[tokio::test]
async fn a_cursor_is_of_one_order() {
    for test in stores().await {
        create(&test, &["one", "two", "three"]).await;
        let list = async |sort, cursor| {
            let filter = WorkflowFilter {
                sort,
                cursor,
                limit: 1,
                ..WorkflowFilter::default()
            };
            test.store.workflows(WORKSPACE, filter, at(0)).await
        };
        let sorts = [
            WorkflowSort::CreatedAt,
            WorkflowSort::UpdatedAt,
            WorkflowSort::Name,
        ];
        for sort in sorts {
            let cursor = list(sort, None).await.expect(test.name).next_cursor;
            assert!(cursor.is_some());
            for other in sorts {
                let page = list(other, cursor.clone()).await;
                assert_eq!(page.is_ok(), other == sort, "{}: {sort:?} {other:?}", test.name);
            }
        }
        for broken in ["", "AAAA", "…", &"A".repeat(1_000)] {
            let page = list(WorkflowSort::Name, Some(broken.to_owned())).await;
            assert_eq!(page.map(|_| ()), Err(StoreError::BadCursor), "{broken}");
        }
    }
}

#[tokio::test]
async fn lists_by_an_index() {
    for (sort, index) in [
        (WorkflowSort::CreatedAt, "workflows_workspace"),
        (WorkflowSort::UpdatedAt, "workflows_updated"),
        (WorkflowSort::Name, "workflows_name"),
    ] {
        for ascending in [true, false] {
            let filter = WorkflowFilter {
                sort,
                ascending,
                limit: 50,
                ..WorkflowFilter::default()
            };
            let plan =
                planned(|backend| filter.select(WORKSPACE, at(0)).expect("no cursor").build(backend)).await;
            assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
    let plan = planned(|backend| newest_of(&[Uuid::nil()]).build(backend)).await;
    assert!(plan.contains("executions_workflow"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    assert!(!plan.contains("SCAN executions"), "{plan}");
}
