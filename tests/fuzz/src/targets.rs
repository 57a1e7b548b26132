//! What is tried with any bytes: it panics where something does not hold. The fuzzer looks for bytes that do it, and
//! `executor/tests/corpus.rs` tries those of the corpus.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Timelike};
use chrono_tz::Tz;
use flowmatic_executor::expression::Template;
use flowmatic_executor::journal::{MemoryJournal, StepRecord};
use flowmatic_executor::testing::{TestHost, identity};
use flowmatic_executor::{
    Catalogue, Context, Engine, Limits, Payload, Plan, Role, Secrets, Start, Time, Version, json,
};
use flowmatic_nodes::trigger::schedule::timetable::Timetable;
use flowmatic_openapi::{ExecutionMode, Graph};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use uuid::Uuid;

/// A graph as a client may send it: all mistakes are found, each at its place; without any, it runs to an end.
pub fn graph(bytes: &[u8]) {
    let Some(graph) = read_graph(bytes) else { return };
    let again = Graph::parse_from_json(graph.to_json());
    assert_eq!(again.ok().as_ref(), Some(&graph), "what is written is read again");
    match Plan::compile(&graph, catalogue()) {
        Ok(plan) => run(plan),
        Err(problems) => {
            let count = problems.len();
            assert!((1..=1_001).contains(&count), "{count} problems");
            for problem in problems {
                assert!(!problem.message.is_empty(), "{problem:?}");
                assert!(is_there(&graph, &problem.pointer), "{problem:?}");
            }
        }
    }
}

fn read_graph(bytes: &[u8]) -> Option<Graph> {
    let value = json::parse(bytes).ok()?;
    Graph::parse_from_json(Some(value)).ok()
}

fn catalogue() -> &'static Arc<Catalogue> {
    static CATALOGUE: OnceLock<Arc<Catalogue>> = OnceLock::new();
    CATALOGUE.get_or_init(|| Arc::new(flowmatic_nodes::catalogue()))
}

/// Whether a pointer leads into the graph, as far as the node or the edge.
fn is_there(graph: &Graph, pointer: &str) -> bool {
    let mut place = pointer.split('/').skip(1);
    let is_graph = place.next() == Some("graph");
    let count = match place.next() {
        Some("nodes") => graph.nodes.len(),
        Some("edges") => graph.edges.len(),
        _ => return is_graph,
    };
    let fits = |index: &str| index.parse().is_ok_and(|index: usize| index < count);
    is_graph && place.next().is_none_or(fits)
}

/// From each of its triggers in turn, on a clock that jumps to when something is due.
fn run(plan: Plan) {
    let version = Arc::new(Version {
        workspace_id: 1,
        workflow_id: Uuid::nil(),
        number: 1,
        plan: Arc::new(plan),
        secrets: Arc::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing but memory");
    for trigger in version.plan.triggers() {
        runtime.block_on(execute(version.clone(), trigger));
    }
}

async fn execute(version: Arc<Version>, trigger: usize) {
    let (host, journal) = (Arc::new(TestHost::default()), MemoryJournal::new());
    let engine = Engine::new(catalogue().clone(), host, journal.clone(), Limits::default());
    let id = Uuid::nil();
    let started = engine.start(Start {
        id,
        version: version.clone(),
        trigger,
        mode: ExecutionMode::Manual,
        payload: payload(),
        body: "{}".to_owned(),
        meta: "{}".to_owned(),
        retry_of: None,
        accepted_at: Time::UNIX_EPOCH,
    });
    assert!(started.is_ok(), "nothing keeps it from starting");
    if version.plan.nodes.iter().any(|node| node.role == Role::Loop) {
        // How often it goes round is for the graph to say: some turns are enough here.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        return;
    }
    engine.drain(Duration::from_secs(24 * 3_600)).await;
    let row = journal.row(id).expect("it is accepted");
    assert!(
        row.finish.is_some() || row.parked.is_some(),
        "it goes on for a day"
    );
    let steps = row.finish.map_or_else(|| "[]".to_owned(), |finish| finish.steps);
    let steps: Vec<StepRecord> = json::read(&steps).expect("what is recorded is read again");
    for error in steps.iter().filter_map(|step| step.error.as_ref()) {
        assert!(!["panic", "internal"].contains(&error.code.as_str()), "{error:?}");
    }
}

/// A template: it is compiled or refused, and gives the same each time.
pub fn expression(bytes: &[u8]) {
    static CONTEXT: OnceLock<Context> = OnceLock::new();
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let template = match Template::compile(text) {
        Ok(template) => template,
        Err(mistakes) => return assert!(!mistakes.errors.is_empty(), "a reason"),
    };
    let context = CONTEXT.get_or_init(context);
    let item = serde_json::json!({"price": 12.5, "tags": ["new", null]});
    let locals = [("_item", &item)];
    let view = || context.view(2, Time::UNIX_EPOCH, &locals);
    let value = template.evaluate_owned(&view());
    assert_eq!(value, template.evaluate_owned(&view()));
    assert!(value.as_ref().map_or(true, json::is_shallow), "{value:?}");
    let page = template.render_html(&view()).unwrap_or_default();
    assert!(page.len() <= 1 << 20, "{} bytes", page.len());
}

/// What the last of three nodes sees.
fn context() -> Context {
    let graph = br#"{
        "nodes": [
            {"key": "hook", "type": "trigger.webhook"},
            {"key": "fetch", "type": "data.set", "parameters": {"fields": {}}, "save_as": "saved"},
            {"key": "here", "type": "data.set", "parameters": {"fields": {}}}
        ],
        "edges": [{"from": "hook", "to": "fetch"}, {"from": "fetch", "to": "here"}],
        "settings": {"vars": {"region": "eu"}}
    }"#;
    let graph = read_graph(graph).expect("it is a graph");
    let plan = Plan::compile(&graph, catalogue()).expect("it has no mistake");
    let secrets = Secrets::new([("token".to_owned(), "s3cret".to_owned())].into());
    let context = Context::new(
        identity(Uuid::nil()),
        Arc::new(plan),
        Arc::new(secrets),
        payload(),
    );
    context.set_output(1, serde_json::json!({"status": 200, "items": [1, 2]}));
    context
}

fn payload() -> Payload {
    let body = serde_json::json!({
        "n": 5, "zero": 0, "amount": 99.5, "yes": true, "none": null, "name": "Ada", "html": "<b>Grüße & \"mehr\"</b>",
        "odd key": "odd", "at": "2027-03-28T01:30:00Z", "empty": [], "words": ["b", "a", "b"], "grid": [[1, 2], [3]],
        "items": [{"id": 3, "tag": "c"}, {"id": 1, "tag": "a"}, {"id": 2, "tag": "b"}], "map": {"one": 1, "two": 2},
    });
    let webhook = serde_json::json!({"method": "POST", "headers": {"user-agent": "curl"}});
    Payload {
        body,
        engine: [("_webhook".to_owned(), webhook)].into_iter().collect(),
    }
}

/// Three lines: a cron pattern, a zone, a moment. What is due after it comes in order, and is found again from
/// anywhere before it and backwards.
pub fn cron(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    let (pattern, zone, at) = (line(), line().parse::<Tz>(), DateTime::parse_from_rfc3339(line()));
    // A longer one is refused before it is looked at.
    if pattern.chars().count() > 200 {
        return;
    }
    let timetable = match Timetable::cron(pattern, zone.unwrap_or(Tz::Europe__Berlin)) {
        Ok(timetable) => timetable,
        Err(message) => return assert!(!message.is_empty(), "a reason"),
    };
    assert!(timetable.description().is_some_and(|words| !words.is_empty()));
    let at = at.map_or(Time::UNIX_EPOCH, |at| at.to_utc());
    let mut due: Vec<Time> = Vec::new();
    while due.len() < 5 {
        let last = due.last().copied().unwrap_or(at);
        let Some(next) = timetable.next(last) else { break };
        assert!(next > last && next.nanosecond() == 0, "{next} after {last}");
        let between = last + (next - last) / 2;
        assert_eq!(timetable.next(between), Some(next), "after {between}");
        due.push(next);
    }
    if let (Some(first), Some(last)) = (due.first(), due.last()) {
        assert_eq!(timetable.newest(*first, *last, 10), due);
        let newest = due[due.len().saturating_sub(2)..].to_vec();
        assert_eq!(timetable.newest(*first, *last, 2), newest);
    }
}
