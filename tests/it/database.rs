//! What stands in the database of a server that is not running.

use std::collections::{HashMap, HashSet};

use flowmatic_tests::TestApp;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use serde_json::Value;
use uuid::Uuid;

pub struct Rows(DatabaseConnection);

impl Rows {
    pub async fn open(app: &TestApp) -> Self {
        let url = match app.database_url() {
            Some(url) => url.to_owned(),
            None => format!("sqlite://{}", app.data_dir().join("flowmatic.db").display()),
        };
        Self(Database::connect(url).await.expect("the database can be opened"))
    }

    pub async fn close(self) {
        self.0.close().await.expect("the database can be closed");
    }

    pub async fn query(&self, sql: &str) -> Vec<sea_orm::QueryResult> {
        let statement = Statement::from_string(self.0.get_database_backend(), sql);
        self.0.query_all_raw(statement).await.expect("the query is right")
    }

    /// The status of each execution.
    pub async fn statuses(&self) -> HashMap<String, String> {
        let rows = self.query("SELECT id, status FROM executions").await;
        rows.iter()
            .map(|row| (id(row, "id"), row.try_get("", "status").expect("text")))
            .collect()
    }

    /// The executions of a workflow.
    pub async fn executions_of(&self, workflow: &str) -> HashSet<String> {
        let rows = self.query("SELECT id, workflow_id FROM executions").await;
        let rows = rows.iter().filter(|row| id(row, "workflow_id") == workflow);
        rows.map(|row| id(row, "id")).collect()
    }

    /// The idempotency keys of all effects that are recorded, in checkpoints and in ended executions.
    pub async fn recorded_effects(&self) -> HashSet<String> {
        let mut keys = HashSet::new();
        for row in self.query("SELECT execution_id, record FROM checkpoints").await {
            let record: String = row.try_get("", "record").expect("text");
            let record: Value = serde_json::from_str(&record).expect("a record is JSON");
            add(&mut keys, &id(&row, "execution_id"), &record["steps"]);
        }
        for row in self
            .query("SELECT id, steps FROM executions WHERE steps IS NOT NULL")
            .await
        {
            let steps: String = row.try_get("", "steps").expect("text");
            add(
                &mut keys,
                &id(&row, "id"),
                &serde_json::from_str(&steps).expect("steps are JSON"),
            );
        }
        keys
    }
}

fn add(keys: &mut HashSet<String>, execution: &str, steps: &Value) {
    for step in steps.as_array().into_iter().flatten() {
        let node = step["node"].as_str().expect("a step names its node");
        if step["started_at"].is_number() {
            keys.insert(format!("{execution}/{node}"));
        }
    }
}

fn id(row: &sea_orm::QueryResult, column: &str) -> String {
    row.try_get::<Uuid>("", column).expect("an id").to_string()
}
