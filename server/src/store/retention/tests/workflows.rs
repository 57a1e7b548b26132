use flowmatic_openapi::Graph;
use poem_openapi::types::ParseFromJSON;
use serde_json::Value as Json;

use super::*;
use crate::store::WorkflowSave;

fn save(settings: Json) -> WorkflowSave {
    let graph = json!({
        "nodes": [{"key": "hook", "type": "trigger.webhook"}], "edges": [], "settings": settings
    });
    WorkflowSave {
        workspace_id: 1,
        id: Uuid::now_v7(),
        name: "Kept".to_owned(),
        description: None,
        active: Some(true),
        graph: Graph::parse_from_json(Some(graph)).expect("a graph"),
        secrets: Vec::new(),
        by: None,
        now: at(0),
    }
}

#[tokio::test]
async fn tells_which_the_newest_ends_are() {
    for fixture in Fixture::all().await {
        // They end in another order than they began.
        for (begun, ended) in [(0, 500), (1, 100), (2, 300), (3, 200), (4, 400)] {
            fixture.over(begun, ended).await;
        }
        fixture.open(5).await;
        for (most, expected) in [
            (1, Some(500)),
            (2, Some(400)),
            (4, Some(200)),
            (5, None),
            (9, None),
        ] {
            let found = fixture.test.store.end_of_newest(fixture.workflow, most).await;
            assert_eq!(
                found.expect(fixture.test.name),
                expected.map(at),
                "{}: {most}",
                fixture.test.name
            );
        }
    }
}

#[tokio::test]
async fn goes_from_workflow_to_workflow() {
    for mut fixture in Fixture::all().await {
        let name = fixture.test.name;
        let mut workflows: Vec<Uuid> = (0..7).map(|_| Uuid::new_v4()).collect();
        workflows.sort();
        let mut newest = Vec::new();
        for workflow in &workflows {
            fixture.workflow = *workflow;
            fixture.open(0).await;
            for begun in [1, 2] {
                fixture.over(begun, 10).await;
            }
            newest.push(fixture.open(3).await);
        }
        fixture.workflow = workflows[3];
        let store = &fixture.test.store;
        for id in fixture.removable(HOUR).await {
            assert_eq!(fixture.remove(&[id]).await, 1, "{name}");
        }
        let (mut from, mut found) = (Uuid::nil(), Vec::new());
        loop {
            let page = store.histories(from, 3).await.expect(name);
            let Some(last) = page.last() else { break };
            from = after(last.workflow_id);
            assert!(page.len() <= 3, "{name}");
            found.extend(page);
        }
        let expected: Vec<History> = workflows
            .iter()
            .zip(newest)
            .map(|(workflow, newest)| History {
                workflow_id: *workflow,
                version: None,
                newest,
                begun: (*workflow != workflows[3]).then(|| at(1)),
            })
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn reads_what_a_version_says() {
    for fixture in Fixture::all().await {
        let store = &fixture.test.store;
        for (settings, retention, executions) in [
            (json!({}), None, None),
            (json!({"retention": "14d"}), Some(14 * 86_400), None),
            (
                json!({"retention": "1m", "keep_executions": 7}),
                Some(60),
                Some(7),
            ),
            // As it could be published before there were bounds.
            (json!({"retention": "1ms"}), Some(10), None),
            (json!({"retention": "9999d"}), Some(3_650 * 86_400), None),
        ] {
            let workflow = store
                .create_workflow(save(settings))
                .await
                .expect(fixture.test.name);
            let kept = store.kept_by(workflow.id, 1).await.expect(fixture.test.name);
            let retention = retention.map(Duration::from_secs);
            assert_eq!(
                kept,
                Kept {
                    retention,
                    executions
                },
                "{}",
                fixture.test.name
            );
            assert_eq!(
                store.kept_by(workflow.id, 2).await.expect(fixture.test.name),
                Kept::default()
            );
        }
    }
}

#[tokio::test]
async fn forgets_deleted_workflows_when_nothing_is_left_of_them() {
    for mut fixture in Fixture::all().await {
        let name = fixture.test.name;
        let store = fixture.test.store.clone();
        let workflow = store.create_workflow(save(json!({}))).await.expect(name).id;
        let other = store.create_workflow(save(json!({}))).await.expect(name).id;
        fixture.workflow = workflow;
        for number in 2..40 {
            let version = version::ActiveModel::from(version::Model {
                workflow_id: workflow,
                number,
                created_at: 0,
                graph: "{}".to_owned(),
                published_by: None,
            });
            version::Entity::insert(version)
                .exec_without_returning(&store.writer())
                .await
                .expect(name);
        }
        let execution = fixture.over(0, 10).await;
        let forgettable = async |time| store.forgettable_workflows(at(time), 10).await.expect(name);
        assert_eq!(forgettable(HOUR).await, NONE, "{name}: it is in use");
        store.delete_workflow(1, workflow, at(1_000)).await.expect(name);
        assert_eq!(forgettable(HOUR).await, NONE, "{name}: it has an execution");
        assert_eq!(fixture.remove(&[execution]).await, 1, "{name}");
        assert_eq!(forgettable(1_000).await, NONE, "{name}: it was deleted just now");
        assert_eq!(forgettable(HOUR).await, [workflow], "{name}");

        let mut steps = 1;
        while !store.forget_workflow(workflow).await.expect(name) {
            steps += 1;
        }
        assert_eq!(steps, 3, "{name}: 39 versions, 16 at a time");
        assert_eq!(forgettable(HOUR).await, NONE, "{name}");
        for (table, left) in [("workflows", 1), ("versions", 1), ("triggers", 1)] {
            assert_eq!(fixture.count(table).await, left, "{name}: {table}");
        }
        // One that is not deleted stays, whoever asks.
        assert!(store.forget_workflow(other).await.expect(name));
        assert_eq!(fixture.count("workflows").await, 1, "{name}");
        assert_eq!(fixture.count("versions").await, 1, "{name}");
    }
}
