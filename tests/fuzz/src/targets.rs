//! What is tried with any bytes: it panics where something does not hold. Small corpora are replayed by
//! `executor/tests/corpus.rs`; the fuzzer looks for more.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Timelike};
use chrono_tz::Tz;
use flowmatic_executor::expression::Template;
use flowmatic_executor::journal::MemoryJournal;
use flowmatic_executor::testing::{TestHost, identity};
use flowmatic_executor::{
    Catalogue, Context, Engine, Limits, Payload, Plan, Role, Secrets, Start, Time, Version, json,
};
use flowmatic_nodes::trigger::schedule::timetable::Timetable;
use flowmatic_openapi::{ExecutionMode, Graph};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A graph as a client may send it: all mistakes are found, each at its place; without any, it runs to an end.
pub fn graph(bytes: &[u8]) {
    static CATALOGUE: OnceLock<Arc<Catalogue>> = OnceLock::new();
    let catalogue = CATALOGUE.get_or_init(|| Arc::new(flowmatic_nodes::catalogue()));
    let Some(graph) = json::parse(bytes)
        .ok()
        .and_then(|value| Graph::parse_from_json(Some(value)).ok())
    else {
        return;
    };
    let again =
        Graph::parse_from_json(graph.to_json()).expect("what was read is written so that it can be read");
    assert_eq!(graph, again);
    match Plan::compile(&graph, catalogue) {
        Ok(plan) => run(plan, catalogue),
        Err(problems) => {
            assert!(
                (1..=1_001).contains(&problems.len()),
                "{} problems",
                problems.len()
            );
            for problem in problems {
                assert!(!problem.message.is_empty(), "{problem:?}");
                let mut place = problem.pointer.split('/').skip(1);
                assert_eq!(place.next(), Some("graph"), "{problem:?}");
                let all = match place.next() {
                    Some("nodes") => graph.nodes.len(),
                    Some("edges") => graph.edges.len(),
                    _ => continue,
                };
                let is_there = place
                    .next()
                    .is_none_or(|index| index.parse().is_ok_and(|index: usize| index < all));
                assert!(is_there, "{problem:?}");
            }
        }
    }
}

/// Loops are left out: how often they go round is theirs to say.
fn run(plan: Plan, catalogue: &Arc<Catalogue>) {
    if plan.nodes.iter().any(|node| node.role == Role::Loop) {
        return;
    }
    let version = Arc::new(Version {
        workspace_id: 1,
        workflow_id: Uuid::nil(),
        number: 1,
        plan: Arc::new(plan),
        secrets: Arc::new(Secrets::default()),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let journal = MemoryJournal::new();
        let host = Arc::new(TestHost::default());
        let engine = Engine::new(catalogue.clone(), host, journal.clone(), Limits::default());
        for trigger in version.plan.triggers() {
            let start = Start {
                id: Uuid::from_u128(trigger as u128),
                version: version.clone(),
                trigger,
                mode: ExecutionMode::Manual,
                payload: payload(),
                body: "{}".to_owned(),
                meta: "{}".to_owned(),
                retry_of: None,
                accepted_at: Time::UNIX_EPOCH,
            };
            engine.start(start).expect("it is not draining");
        }
        // By the paused clock a day costs nothing.
        engine.drain(Duration::from_secs(24 * 3_600)).await;
        for trigger in version.plan.triggers() {
            let row = journal
                .row(Uuid::from_u128(trigger as u128))
                .expect("it is accepted");
            assert!(
                row.finish.is_some() || row.parked.is_some(),
                "it goes on for a day"
            );
        }
    });
}

/// A template: it is compiled or refused, and gives the same each time.
pub fn expression(bytes: &[u8]) {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    let context = CONTEXT.get_or_init(context);
    let Some(template) = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| Template::compile(text).ok())
    else {
        return;
    };
    let view = || context.view(0, Time::UNIX_EPOCH, &[]);
    let value = template.evaluate_owned(&view());
    assert_eq!(value, template.evaluate_owned(&view()));
    assert!(value.is_ok_and(|value| json::is_shallow(&value)) || template.evaluate(&view()).is_err());
    let _ = template.render_html(&view());
}

fn payload() -> Payload {
    let body = r#"{
        "n": 5, "text": "Grüße, <b>Welt</b>", "none": null, "yes": true, "list": [3, "b", {"x": 1}, [1.5]],
        "people": [{"name": "Ana", "age": 31}, {"name": "Bo"}], "at": "2027-03-28T01:30:00Z", "deep": {"a": {"b": {"c": 1}}}
    }"#;
    Payload {
        body: json::parse(body.as_bytes()).expect("JSON"),
        engine: Map::from_iter([("_webhook".to_owned(), serde_json::json!({"method": "POST"}))]),
    }
}

fn context() -> Context {
    let identity = identity(Uuid::nil());
    Context::new(
        identity,
        Arc::new(Plan::default()),
        Arc::new(Secrets::default()),
        payload(),
    )
}

/// Three lines: a cron pattern, a zone, a moment. What is due after it comes in order, and is found again backwards.
pub fn cron(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    let (pattern, zone, at) = (line(), line().parse::<Tz>(), DateTime::parse_from_rfc3339(line()));
    let zone = zone.unwrap_or(Tz::Europe__Berlin);
    let Ok(timetable) = Timetable::cron(pattern, zone) else {
        return;
    };
    assert!(timetable.description().is_some_and(|words| !words.is_empty()));
    let at = at.map_or(Time::UNIX_EPOCH, |at| at.to_utc());
    let mut due: Vec<Time> = Vec::new();
    while due.len() < 5 {
        let last = due.last().copied().unwrap_or(at);
        let Some(next) = timetable.next(last) else { break };
        assert!(next > last && next.nanosecond() == 0, "{next} after {last}");
        due.push(next);
    }
    if let (Some(first), Some(last)) = (due.first(), due.last()) {
        assert_eq!(timetable.newest(*first, *last, 10), due);
        assert_eq!(
            timetable.newest(*first, *last, 2),
            due[due.len().saturating_sub(2)..]
        );
    }
}
