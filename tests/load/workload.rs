//! What is run: a workflow of five nodes, once as it is and once with a node at its end that answers the caller.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::database::Place;
use crate::generator::{self, Answer};

/// What the caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The word that its execution is on disk.
    Asynchronous,
    /// What a Response node says.
    Synchronous,
}

/// A workflow of the seed.
pub struct Workload {
    pub workflow_id: String,
    webhook_id: String,
    /// What Flowmatic answered to the one call that is in the seed.
    pub answer: Answer,
}

/// Data that Flowmatic made: both workflows, each with one execution.
pub struct Seed {
    pub place: Place,
    asynchronous: Workload,
    synchronous: Workload,
}

const BODY_BYTES: usize = 1024;

impl Workload {
    pub fn request(&self, address: SocketAddr) -> Vec<u8> {
        request(address, &self.webhook_id)
    }
}

impl Seed {
    pub async fn make(database: Database) -> anyhow::Result<Self> {
        let mut app = TestApp::builder().database(database).try_start().await?;
        let asynchronous = workload(&app, Call::Asynchronous, json!({})).await?;
        let synchronous = workload(&app, Call::Synchronous, json!({})).await?;
        let status = app.terminate().await;
        ensure!(
            status.success(),
            "the server ended with {status}\n{}",
            app.output()
        );
        let place = Place::copy_of(&app.data_dir(), app.database_url()).await?;
        let count = place.count().await?;
        ensure!(
            count.finished() == 2,
            "two executions should have ended: {count:?}"
        );
        Ok(Self {
            place,
            asynchronous,
            synchronous,
        })
    }

    pub fn workload(&self, call: Call) -> &Workload {
        match call {
            Call::Asynchronous => &self.asynchronous,
            Call::Synchronous => &self.synchronous,
        }
    }
}

/// A workflow on a server that runs, and its first execution.
pub async fn workload(app: &TestApp, call: Call, settings: Value) -> anyhow::Result<Workload> {
    let mut graph = graph(call);
    graph["settings"] = settings;
    let workflow = json!({"name": format!("{call:?}"), "active": true, "graph": graph});
    let (status, created) = app.api("POST", "/api/v1/workflows", workflow).await;
    ensure!(status == 201, "the workflow is refused with {status}: {created}");
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let workflow_id = text(&created["id"]).context("a workflow has an id")?;
    let webhook_id = text(&created["triggers"][0]["webhook_id"]).context("the workflow has a webhook")?;
    let address = app.url().trim_start_matches("http://").parse()?;
    let answer = generator::ask(address, &request(address, &webhook_id)).await?;
    ensure!(answer.status == 200, "the webhook answers {answer:?}");
    let listed = app
        .api(
            "GET",
            &format!("/api/v1/executions?workflow_id={workflow_id}"),
            Value::Null,
        )
        .await
        .1;
    let execution = text(&listed["data"][0]["id"]).with_context(|| format!("no execution in {listed}"))?;
    app.wait_for(&execution, &["COMPLETED"]).await;
    Ok(Workload {
        workflow_id,
        webhook_id,
        answer,
    })
}

fn graph(call: Call) -> Value {
    let mut nodes = json!([
        {"key": "hook", "type": "trigger.webhook", "parameters": {"methods": ["POST"]}},
        {"key": "order", "type": "data.set", "parameters": {"fields": {
            "title": "Order {{data.id}} of {{data.customer.name}}",
            "country": "{{upper data.customer.country}}",
            "gross": "{{multiply data.amount 1.19}}",
        }}},
        {"key": "big", "type": "flow.if", "parameters": {"condition": "{{gt data.amount 50}}"}},
        {"key": "mark", "type": "data.set", "parameters": {"fields": {"priority": "high"}}},
        {"key": "dear", "type": "data.filter", "parameters": {"items": "{{data.items}}", "where": "{{gt _item.price 10}}"}},
    ]);
    let mut edges = json!([
        {"from": "hook", "to": "order"},
        {"from": "order", "to": "big"},
        {"from": "big", "port": "true", "to": "mark"},
        {"from": "mark", "to": "dear"},
    ]);
    if call == Call::Synchronous
        && let (Value::Array(nodes), Value::Array(edges)) = (&mut nodes, &mut edges)
    {
        let body = json!({"ok": true, "order": "{{_nodes.order}}", "items": "{{_nodes.dear}}"});
        nodes.push(json!({"key": "reply", "type": "flow.response", "parameters": {"body": body}}));
        edges.push(json!({"from": "dear", "to": "reply"}));
    }
    json!({"nodes": nodes, "edges": edges})
}

fn request(address: SocketAddr, webhook_id: &str) -> Vec<u8> {
    let body = body();
    format!(
        "POST /api/webhooks/{webhook_id} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// An order, filled up to the right length.
fn body() -> String {
    let items: Vec<Value> = (1..=8)
        .map(|number| json!({"sku": format!("SKU-{number:05}"), "quantity": number, "price": 3.25 * f64::from(number)}))
        .collect();
    let order = |note: &str| {
        json!({"event": "order.created", "data": {
            "id": 48_151,
            "amount": 99.5,
            "customer": {"name": "Ada Lovelace", "email": "ada@example.com", "country": "gb"},
            "items": items,
            "note": note,
        }})
        .to_string()
    };
    let room = BODY_BYTES.saturating_sub(order("").len());
    order(&"x".repeat(room))
}
