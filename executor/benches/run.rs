//! How many executions one core runs: webhook, set with three expressions, if, set, filter; a body of 1 KB.
//!
//! `finished outcome` is the engine alone, from a parsed payload to the outcome. `with parse and serialization`
//! also parses the body and makes the bytes of the journal's row. The aims: 100,000 and 50,000 a second.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowmatic_executor::testing::TestHost;
use flowmatic_executor::{
    Accept, Checkpoint, Engine, Finish, Journal, Limits, Park, Payload, Plan, Secrets, Start, Ticket, Time,
    Version, Waiting, json,
};
use flowmatic_openapi::{ExecutionMode, Graph};
use poem_openapi::types::ParseFromJSON;
use serde_json::{Map, Value};
use uuid::Uuid;

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps nothing.
struct Nowhere;

impl Journal for Nowhere {
    fn accept(&self, accept: Accept, finish: Option<Finish>) -> Ticket {
        black_box((accept, finish));
        Ticket::settled(Ok(()))
    }

    fn checkpoint(&self, checkpoint: Checkpoint) -> Ticket {
        black_box(checkpoint);
        Ticket::settled(Ok(()))
    }

    fn park(&self, _: Park) -> Ticket {
        Ticket::settled(Ok(()))
    }

    fn finish(&self, finish: Finish) -> Ticket {
        black_box(finish);
        Ticket::settled(Ok(()))
    }
}

fn version() -> Arc<Version> {
    let graph = serde_json::json!({
        "nodes": [
            {"key": "hook", "type": "trigger.webhook"},
            {"key": "order", "type": "data.set", "parameters": {"fields": {
                "id": "{{data.id}}", "total": "{{multiply data.amount 1.25}}",
                "label": "{{data.name}} owes {{data.amount}} {{data.currency}}"
            }}},
            {"key": "big", "type": "flow.if", "parameters": {"condition": "{{gt _nodes.order.total 50}}"}},
            {"key": "note", "type": "data.set", "parameters": {"fields": {"big": true, "of": "{{_nodes.order.label}}"}}},
            {"key": "many", "type": "data.filter", "parameters": {
                "items": "{{data.items}}", "where": "{{gt _item.count 1}}"
            }}
        ],
        "edges": [
            {"from": "hook", "to": "order"}, {"from": "order", "to": "big"},
            {"from": "big", "port": "true", "to": "note"}, {"from": "note", "to": "many"}
        ]
    });
    let graph = Graph::parse_from_json(Some(graph)).expect("a graph");
    let plan = Plan::compile(&graph, &flowmatic_nodes::catalogue()).expect("a graph without mistakes");
    Arc::new(Version {
        workspace_id: 1,
        workflow_id: Uuid::now_v7(),
        number: 1,
        plan: Arc::new(plan),
        secrets: Arc::new(Secrets::default()),
    })
}

fn body() -> String {
    let items: Vec<Value> = (0..8)
        .map(|item| serde_json::json!({"sku": format!("sku-{item:08}"), "count": item, "price": 12.5, "note": "a gift"}))
        .collect();
    let data = serde_json::json!({
        "id": 4711, "amount": 99.5, "currency": "EUR", "name": "Ada Lovelace", "items": items,
        "address": {"street": "12 St James's Square", "city": "London", "postcode": "SW1Y 4JH", "country": "GB"},
        "comment": "Please ring twice; the bell is old, and the dog is friendly, but the door is heavy. ".repeat(2)
    });
    serde_json::json!({"event": "order.created", "data": data}).to_string()
}

fn executions(criterion: &mut Criterion) {
    let catalogue = Arc::new(flowmatic_nodes::catalogue());
    let engine = Engine::new(
        catalogue,
        Arc::new(TestHost::default()),
        Arc::new(Nowhere),
        Limits::default(),
    );
    let (version, text) = (version(), body());
    let parsed = json::parse(text.as_bytes()).expect("JSON");
    let start = |body: Value, text: String| {
        let started = engine.start(Start {
            id: Uuid::now_v7(),
            version: version.clone(),
            trigger: 0,
            mode: ExecutionMode::Webhook,
            payload: Payload {
                body,
                engine: Map::new(),
            },
            body: text,
            meta: String::new(),
            retry_of: None,
            accepted_at: Time::UNIX_EPOCH,
        });
        let started = started.expect("there is room");
        assert!(matches!(started.outcome, Waiting::Over(_)));
        started
    };
    let mut group = criterion.benchmark_group("five pure nodes");
    group.throughput(Throughput::Elements(1));
    group.bench_function("finished outcome", |bencher| {
        bencher.iter_batched(
            || (parsed.clone(), String::new()),
            |(body, text)| start(body, text),
            // Few, or new memory is what is measured.
            criterion::BatchSize::NumIterations(64),
        );
    });
    group.bench_function("with parse and serialization", |bencher| {
        bencher.iter(|| {
            let body = json::parse(text.as_bytes()).expect("JSON");
            start(body, text.clone())
        });
    });
    group.finish();
}

criterion_group!(benches, executions);
criterion_main!(benches);
