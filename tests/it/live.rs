//! Server-sent events: what happens in executions, as those learn who watch.

use flowmatic_tests::{Answer, Database, Receiver, TestApp, eventually};
use reqwest::Response;
use serde_json::{Value, json};

use crate::durability::metric;
use crate::workflow::{Answered, LOOPBACK, call, create, hooked, id, on_both_databases, row, webhook_id};

on_both_databases! {
    tells_each_thing_as_it_happens_and_goes_on_after_any_event
    misses_and_repeats_no_step_over_a_crash
    tells_of_all_executions_of_a_workflow
    tells_what_begins_and_ends_in_a_workspace
    tells_what_waits_and_goes_on
    streams_end_with_the_right_to_see_them
}

/// A stream that is read.
struct Stream {
    response: Response,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

impl Event {
    fn step(&self) -> &Value {
        &self.data["step"]
    }

    /// What happened to which step.
    fn what(&self) -> (&str, &str) {
        (&self.kind, self.step()["path"].as_str().unwrap_or_default())
    }
}

impl Stream {
    async fn open(app: &TestApp, path: &str, after: Option<&str>) -> Self {
        Self::open_as(app, app.key().await, path, after).await
    }

    async fn open_as(app: &TestApp, key: &str, path: &str, after: Option<&str>) -> Self {
        let mut request = app.request("GET", path).bearer_auth(key);
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = String::new();
        Self { response, text }
    }

    /// None at the end, be it in order or not.
    async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.text += std::str::from_utf8(&chunk).expect("events are ASCII here");
        }
    }

    async fn expect(&mut self, what: (&str, &str)) -> Event {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.what(), what, "{event:?}");
        event
    }

    /// All that comes until the end.
    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// None of a comment.
fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let data: Value = serde_json::from_str(field("data")?).expect("data is JSON");
    let event = Event {
        id: field("id").unwrap_or_default().to_owned(),
        kind: field("event").expect("it says its kind").to_owned(),
        data,
    };
    assert_eq!(event.data["event"], event.kind.as_str());
    assert_eq!(event.data["id"].as_str().unwrap_or_default(), event.id);
    Some(event)
}

fn events_of(execution: &str) -> String {
    format!("/api/v1/executions/{execution}/events")
}

async fn start(app: &TestApp, workflow: &Value) -> String {
    let (status, answer) = app.webhook(&webhook_id(workflow), &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    answer["executionId"].as_str().expect("an id").to_owned()
}

fn kept(key: &str) -> Value {
    json!({"key": key, "type": "data.set", "parameters": {"fields": {"x": 1}}})
}

async fn tells_each_thing_as_it_happens_and_goes_on_after_any_event(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    receiver.answer_once(Answer::status(503));
    let app = TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await;
    let mut send = call("send", receiver.url());
    send["retry"] = json!({"max_attempts": 2, "initial": "10ms"});
    send["name"] = json!("Send it");
    let wait =
        json!({"key": "wait", "type": "flow.wait", "parameters": {"resume": "webhook", "timeout": "1h"}});
    let url = json!({"key": "url", "type": "data.set", "parameters": {"fields": {"url": "{{_execution.resumeUrl}}"}}});
    let workflow = create(&app, hooked(&[send, url, wait, kept("after")])).await;
    let execution = start(&app, &workflow).await;
    receiver.wait_for(1).await;

    // Somebody who comes when it is under way learns how far it is.
    let path = events_of(&execution);
    let mut stream = Stream::open(&app, &path, None).await;
    let began = stream.expect(("execution.started", "")).await;
    assert_eq!(began.data["execution"]["id"], execution.as_str());
    assert_eq!(began.data["workflow_id"], workflow["id"]);
    let sending = stream.expect(("step.started", "send")).await;
    assert_eq!(
        (&sending.step()["attempts"], &sending.step()["name"]),
        (&json!(1), &json!("Send it"))
    );
    assert_eq!(sending.id, "");
    receiver.release();
    let retried = stream.expect(("step.retried", "send")).await;
    assert_eq!(retried.step()["error"]["code"], "http_status");
    assert!(retried.step()["due_at"].is_string(), "{retried:?}");
    let again = stream.expect(("step.started", "send")).await;
    assert_eq!(again.step()["attempts"], 2);
    let sent = stream.expect(("step.finished", "send")).await;
    assert_eq!(
        (&sent.step()["status"], sent.id.as_str()),
        (&json!("completed"), "1")
    );
    assert_eq!(sent.step()["attempts"], 2);
    let mut next = stream.next().await.expect("the stream goes on");
    if next.kind == "step.finished" {
        next = stream.next().await.expect("the stream goes on");
    }
    assert_eq!(next.what(), ("step.waiting", "wait"), "{next:?}");
    assert!(next.step()["due_at"].is_string(), "{next:?}");

    // And one who comes while it waits on disk, too.
    app.wait_for(&execution, &["WAITING"]).await;
    let mut late = Stream::open(&app, &path, Some("2")).await;
    late.expect(("step.waiting", "wait")).await;
    let waiting = app.wait_for(&execution, &["WAITING"]).await;
    let resume = waiting["steps"][1]["output"]["url"].as_str().expect("an address");
    let resume = resume.strip_prefix(app.url()).expect("of this server");
    Answered::of(app.request("POST", resume).json(&json!({}))).await;
    for stream in [stream, late] {
        let rest = stream.rest().await;
        let what: Vec<_> = rest.iter().map(Event::what).collect();
        assert_eq!(
            what,
            [
                ("step.finished", "wait"),
                ("step.finished", "after"),
                ("execution.ended", "")
            ],
        );
        let ids: Vec<&str> = rest.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, ["3", "4", "end"]);
        assert_eq!(rest[2].data["execution"]["status"], "COMPLETED");
    }

    // Afterwards all can be told again, from wherever one was.
    let whole = Stream::open(&app, &path, None).await.rest().await;
    let ids: Vec<&str> = whole.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4", "end"]);
    let part = Stream::open(&app, &path, Some("3")).await.rest().await;
    assert_eq!(part.len(), 2, "{part:?}");
    let request = app.request("GET", &path).header("Last-Event-ID", "end");
    let over = Answered::of(request.bearer_auth(app.key().await)).await;
    assert_eq!((over.status, over.body.len()), (204, 0));
}

async fn misses_and_repeats_no_step_over_a_crash(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let mut app = TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await;
    let calls: Vec<Value> = (0..6)
        .map(|at| call(&format!("call{at}"), receiver.url()))
        .collect();
    let workflow = create(&app, hooked(&calls)).await;
    let execution = start(&app, &workflow).await;
    let path = events_of(&execution);
    let mut stream = Stream::open(&app, &path, None).await;
    let mut finished: Vec<(String, String)> = Vec::new();
    let mut last = None;
    receiver.release();
    while finished.len() < 2 {
        let event = stream.next().await.expect("the stream goes on");
        if event.kind == "step.finished" {
            finished.push((event.id.clone(), event.what().1.to_owned()));
            last = Some(event.id);
        }
    }
    app.kill();
    for event in stream.rest().await {
        if event.kind == "step.finished" {
            finished.push((event.id.clone(), event.what().1.to_owned()));
            last = Some(event.id);
        }
    }
    app.restart().await;
    let rest = Stream::open(&app, &path, last.as_deref()).await.rest().await;
    assert_eq!(
        rest.last().map(|event| event.kind.as_str()),
        Some("execution.ended")
    );
    let after = rest.into_iter().filter(|event| event.kind == "step.finished");
    finished.extend(after.map(|event| (event.id.clone(), event.what().1.to_owned())));
    let all: Vec<(String, String)> = (0..6)
        .map(|at| ((at + 1).to_string(), format!("call{at}")))
        .collect();
    assert_eq!(finished, all);
}

async fn tells_of_all_executions_of_a_workflow(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let workflow = create(&app, hooked(&[kept("one")])).await;
    let wait = json!({"key": "wait", "type": "flow.wait", "parameters": {"duration": "10ms"}});
    let waiting = create(&app, hooked(&[wait])).await;
    let other = create(&app, hooked(&[kept("two")])).await;
    let before = start(&app, &workflow).await;
    app.wait_for(&before, &["COMPLETED"]).await;
    let path = format!("/api/v1/workflows/{}/events", id(&workflow));
    let mut stream = Stream::open(&app, &path, None).await;
    start(&app, &other).await;
    let first = start(&app, &workflow).await;
    let mut last = String::new();
    for what in [
        ("execution.started", ""),
        ("step.finished", "one"),
        ("execution.ended", ""),
    ] {
        let event = stream.expect(what).await;
        assert_eq!(event.data["execution_id"], first.as_str());
        last = event.id;
    }
    drop(stream);

    // Also of what waits before anything of it is on disk.
    let waits = format!("/api/v1/workflows/{}/events", id(&waiting));
    let mut stream = Stream::open(&app, &waits, None).await;
    start(&app, &waiting).await;
    stream.expect(("execution.started", "")).await;
    while stream.next().await.expect("the stream goes on").kind != "execution.ended" {}
    drop(stream);

    // What happens while nobody listens is told when somebody comes back.
    let second = start(&app, &workflow).await;
    app.wait_for(&second, &["COMPLETED"]).await;
    let mut stream = Stream::open(&app, &path, Some(&last)).await;
    loop {
        let event = stream.next().await.expect("the stream goes on");
        assert_ne!(event.kind, "events.missed");
        if event.kind == "execution.ended" && event.data["execution_id"] == second.as_str() {
            break;
        }
    }
}

async fn tells_what_begins_and_ends_in_a_workspace(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let wait = json!({"key": "wait", "type": "flow.wait", "parameters": {"duration": "1h"}});
    let (quick, slow) = (
        create(&app, hooked(&[kept("one")])).await,
        create(&app, hooked(&[wait])).await,
    );
    let before = start(&app, &slow).await;
    app.wait_for(&before, &["WAITING"]).await;
    let mut all = Stream::open(&app, ALL, None).await;
    let mut ends = Stream::open(&app, &format!("{ALL}?status=CANCELLED,FAILED"), None).await;
    let of_quick = format!("{ALL}?workflow_id={}", id(&quick));
    let mut of_quick = Stream::open(&app, &of_quick, None).await;

    let first = start(&app, &slow).await;
    let began = all.expect(("execution.started", "")).await;
    let told = &began.data["execution"];
    assert_eq!(
        (&began.data["execution_id"], &told["id"]),
        (&json!(first), &json!(first))
    );
    assert_eq!(
        (
            &told["workflow_name"],
            &told["trigger_type"],
            &began.data["workflow_id"]
        ),
        (&json!("Test"), &json!("trigger.webhook"), &slow["id"])
    );
    // Those that began before are told of when they end, by whatever way.
    for execution in [&first, &before] {
        let cancel = format!("/api/v1/executions/{execution}/cancel");
        assert_eq!(app.api("POST", &cancel, Value::Null).await.0, 200);
        for stream in [&mut all, &mut ends] {
            let ended = stream.expect(("execution.ended", "")).await;
            assert_eq!(ended.data["execution_id"], execution.as_str());
            assert_eq!(ended.data["execution"]["status"], "CANCELLED");
        }
    }
    let second = start(&app, &quick).await;
    let mut last = String::new();
    for stream in [&mut all, &mut of_quick] {
        let mut event = stream.next().await.expect("the stream goes on");
        if event.kind == "execution.started" {
            event = stream.next().await.expect("the stream goes on");
        }
        assert_eq!(event.what(), ("execution.ended", ""));
        assert_eq!(event.data["execution_id"], second.as_str());
        last = event.id;
    }

    // What happens while nobody listens is told when somebody comes back.
    drop((all, of_quick));
    let third = start(&app, &quick).await;
    app.wait_for(&third, &["COMPLETED"]).await;
    let mut stream = Stream::open(&app, ALL, Some(&last)).await;
    loop {
        let event = stream.next().await.expect("the stream goes on");
        assert_ne!(event.kind, "events.missed");
        if event.data["execution_id"] == third.as_str() {
            assert_eq!(event.kind, "execution.ended");
            break;
        }
    }
}

async fn tells_what_waits_and_goes_on(database: Database) {
    let receiver = Receiver::start().await;
    receiver.hold();
    let app = TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await;
    let url = json!({"key": "url", "type": "data.set", "parameters": {"fields": {"url": "{{_execution.resumeUrl}}"}}});
    let wait = json!({"key": "wait", "type": "flow.wait", "parameters": {"resume": "webhook"}});
    let nodes = [
        url,
        call("first", receiver.url()),
        wait,
        call("second", receiver.url()),
    ];
    let workflow = create(&app, hooked(&nodes)).await;
    let mut all = Stream::open(&app, ALL, None).await;
    let execution = start(&app, &workflow).await;
    let mut next = async || {
        let event = all.next().await.expect("the stream goes on");
        assert_eq!(event.data["execution_id"], execution.as_str());
        let status = event.data["execution"]["status"]
            .as_str()
            .expect("a status")
            .to_owned();
        (event.kind, status)
    };
    let told = |kind: &str, status: &str| (kind.to_owned(), status.to_owned());
    assert_eq!(next().await, told("execution.started", "RUNNING"));
    receiver.release();
    assert_eq!(next().await, told("execution.changed", "WAITING"));
    receiver.hold();
    let (_, stands) = app
        .api("GET", &format!("{EXECUTIONS}/{execution}"), Value::Null)
        .await;
    let steps = stands["steps"].as_array().expect("steps");
    let url = steps.iter().find(|step| step["path"] == "url").expect("the step");
    let url = url["output"]["url"].as_str().expect("an address");
    let resume = url.strip_prefix(app.url()).expect("an address of this server");
    assert_eq!(Answered::of(app.request("POST", resume)).await.status, 200);
    assert_eq!(next().await, told("execution.changed", "RUNNING"));
    receiver.release();
    assert_eq!(next().await, told("execution.ended", "COMPLETED"));
}

async fn streams_end_with_the_right_to_see_them(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let workflow = create(&app, hooked(&[kept("one")])).await;
    let (_, made) = app
        .api(
            "POST",
            "/api/v1/keys",
            json!({"name": "Reader", "scopes": ["executions:read"]}),
        )
        .await;
    let key = made["key"].as_str().expect("it is shown").to_owned();
    let of_workflow = format!("/api/v1/workflows/{}/events", id(&workflow));
    let mut streams = Vec::new();
    for path in [ALL, &of_workflow] {
        streams.push(Stream::open_as(&app, &key, path, None).await);
    }
    let mut other = Stream::open(&app, ALL, None).await;
    start(&app, &workflow).await;
    for stream in &mut streams {
        assert!(stream.next().await.is_some());
    }
    let revoke = format!("/api/v1/keys/{}", id(&made));
    assert_eq!(app.api("DELETE", &revoke, Value::Null).await.0, 200);
    for stream in streams {
        stream.rest().await;
    }
    // What others opened goes on.
    let after = start(&app, &workflow).await;
    while other.next().await.expect("the stream goes on").data["execution_id"] != after.as_str() {}
}

const EXECUTIONS: &str = "/api/v1/executions";
const ALL: &str = "/api/v1/executions/events";

#[tokio::test]
async fn a_loop_is_told_of_item_by_item() {
    let app = TestApp::start().await;
    let mut inner = kept("n");
    inner["parent"] = json!("each");
    let each = json!({"key": "each", "type": "flow.for_each", "parameters": {"items": [1, 2]}});
    let mut workflow = hooked(&[each]);
    workflow["graph"]["nodes"]
        .as_array_mut()
        .expect("nodes")
        .push(inner);
    let execution = start(&app, &create(&app, workflow).await).await;
    let events = Stream::open(&app, &events_of(&execution), None)
        .await
        .rest()
        .await;
    let paths: Vec<&str> = events.iter().map(|event| event.what().1).collect();
    assert_eq!(
        paths,
        ["", "each[0]/n", "each[0]", "each[1]/n", "each[1]", "each", ""]
    );
    assert_eq!(events[1].step()["node"], "n");
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused() {
    let app = TestApp::start().await;
    let workflow = create(
        &app,
        row(&[json!({"key": "start", "type": "trigger.manual"}), kept("one")]),
    )
    .await;
    let of_workflow = format!("/api/v1/workflows/{}/events", id(&workflow));
    let nobody = uuid::Uuid::now_v7();
    let ask = async |path: &str, after: &str| {
        let request = app.request("GET", path).bearer_auth(app.key().await);
        Answered::of(request.header("Last-Event-ID", after)).await
    };
    for (path, after, status) in [
        (events_of(&nobody.to_string()), "1", 404),
        (format!("/api/v1/workflows/{nobody}/events"), "1", 404),
        (of_workflow.clone(), "yesterday", 400),
        (of_workflow.clone(), "-1", 400),
        (of_workflow.clone(), "9223372036854775807", 400),
        (format!("{of_workflow}?max_seconds=0"), "1", 400),
        (format!("{of_workflow}?max_seconds=601"), "1", 400),
        (format!("{of_workflow}?for=ever"), "1", 400),
        (ALL.to_owned(), "end", 400),
        (format!("{ALL}?status=ODD"), "1", 400),
        (format!("{ALL}?max_seconds=601"), "1", 400),
    ] {
        let answer = ask(&path, after).await;
        assert_eq!(answer.status, status, "{path} {after}: {}", answer.error());
    }
    let bounded = Stream::open(&app, &format!("{of_workflow}?max_seconds=1"), None).await;
    assert!(bounded.rest().await.is_empty());
}

#[tokio::test]
async fn streams_end_with_the_server() {
    let mut app = TestApp::start().await;
    let workflow = create(&app, hooked(&[kept("one")])).await;
    let path = format!("/api/v1/workflows/{}/events", id(&workflow));
    let stream = Stream::open(&app, &path, None).await;
    let (status, rest) = tokio::join!(app.terminate(), stream.rest());
    assert!(status.success() && rest.is_empty(), "{status} {rest:?}");
    assert!(!app.output().contains("cut off"), "{}", app.output());
}

const STREAMS: &str = "flowmatic_event_streams";

#[tokio::test]
async fn a_reader_who_does_not_keep_up_is_cut_off_and_holds_nothing_up() {
    let app = TestApp::builder()
        .flags(&["--request-timeout", "1s"])
        .start()
        .await;
    let long = json!({"key": "long", "type": "data.set", "name": "n".repeat(200), "parameters": {"fields": {"x": 1}}});
    let workflow = create(&app, hooked(&[long])).await;
    let path = format!("/api/v1/workflows/{}/events", id(&workflow));
    let stream = Stream::open(&app, &path, None).await;
    assert_eq!(metric(&app, STREAMS).await, 1);
    eventually("the reader to be cut off", async || {
        for _ in 0..200 {
            start(&app, &workflow).await;
        }
        (metric(&app, STREAMS).await == 0).then_some(())
    })
    .await;
    drop(stream);
}
