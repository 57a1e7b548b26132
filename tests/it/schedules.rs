//! `/api/v1/schedules`, and what schedules start. Every change of the clock, downtime and overlap is tried by a clock
//! that is driven, in `server/src/store/schedules` and `nodes/src/trigger/schedule`.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use flowmatic_tests::{Answer, Database, Receiver, TestApp, eventually};
use serde_json::{Value, json};

use crate::workflow::{LOOPBACK, call, create, hook, id, on_both_databases, path, row};

on_both_databases! {
    starts_an_execution_at_each_time
    pauses_resumes_and_runs_now
    starts_each_time_once_whatever_dies
    skips_and_queues_what_overlaps
}

const SCHEDULES: &str = "/api/v1/schedules";

async fn start(database: Database) -> TestApp {
    TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await
}

/// A schedule trigger with the key `clock`.
fn clock(parameters: Value) -> Value {
    json!({"key": "clock", "type": "trigger.schedule", "parameters": parameters})
}

/// Keeps the time that was due.
fn note() -> Value {
    json!({"key": "note", "type": "data.set", "parameters": {"fields": {
        "due": "{{_schedule.scheduledAt}}", "begun": "{{_schedule.firedAt}}"
    }}})
}

async fn act(app: &TestApp, schedule: &Value, action: &str) -> (u16, Value) {
    let path = format!("{SCHEDULES}/{}/{action}", id(schedule));
    app.api("POST", &path, Value::Null).await
}

/// The schedules of a workflow.
async fn schedules(app: &TestApp, workflow: &Value) -> Vec<Value> {
    let path = format!("{SCHEDULES}?workflow_id={}", id(workflow));
    let (status, page) = app.api("GET", &path, Value::Null).await;
    assert_eq!((status, &page["next_cursor"]), (200, &Value::Null), "{page}");
    page["data"].as_array().expect("a list").clone()
}

async fn schedule(app: &TestApp, workflow: &Value) -> Value {
    let mut schedules = schedules(app, workflow).await;
    assert_eq!(schedules.len(), 1, "{schedules:?}");
    schedules.remove(0)
}

/// Executions that a schedule has started and that have ended, the oldest first.
async fn ended(app: &TestApp, workflow: &Value) -> Vec<Value> {
    let query = format!(
        "workflow_id={}&mode=schedule&status=COMPLETED&limit=100",
        id(workflow)
    );
    let (status, page) = app
        .api("GET", &format!("/api/v1/executions?{query}"), Value::Null)
        .await;
    assert_eq!(status, 200, "{page}");
    let mut executions = page["data"].as_array().expect("a list").clone();
    executions.reverse();
    executions
}

/// Waits until so many have ended.
async fn until_ended(app: &TestApp, workflow: &Value, count: usize) -> Vec<Value> {
    eventually(&format!("{count} executions of a schedule to end"), async || {
        let ended = ended(app, workflow).await;
        (ended.len() >= count).then_some(ended)
    })
    .await
}

fn moment(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no moment"));
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The time at which an execution was due, as its step `note` has kept it.
async fn due(app: &TestApp, execution: &Value) -> DateTime<Utc> {
    let path = format!("/api/v1/executions/{}", id(execution));
    let (_, execution) = app.api("GET", &path, Value::Null).await;
    moment(&execution["steps"][0]["output"]["due"])
}

async fn starts_an_execution_at_each_time(database: Database) {
    let app = start(database).await;
    let workflow = create(&app, row(&[clock(json!({"every": "1s"})), note()])).await;
    let ended = until_ended(&app, &workflow, 3).await;
    let (mut times, mut late) = (BTreeSet::new(), Vec::new());
    for execution in &ended {
        assert_eq!(
            (&execution["mode"], &execution["trigger"]),
            (&json!("schedule"), &json!("clock"))
        );
        let (due, begun) = (due(&app, execution).await, moment(&execution["started_at"]));
        assert!(due <= begun && due.timestamp_subsec_millis() == 0, "{execution}");
        late.push((begun - due).num_milliseconds());
        times.insert(due);
    }
    println!("{database:?}: executions began {late:?} ms after their times");
    assert_eq!(times.len(), ended.len(), "each time has one: {times:?}");

    let shown = schedule(&app, &workflow).await;
    assert_eq!(shown["id"], workflow["triggers"][0]["id"]);
    assert_eq!(
        (
            &shown["workflow_id"],
            &shown["workflow_name"],
            &shown["version"],
            &shown["node"]
        ),
        (&workflow["id"], &json!("Test"), &json!(1), &json!("clock"))
    );
    assert_eq!(
        (
            &shown["every"],
            &shown["parameters"],
            &shown["active"],
            &shown["paused"]
        ),
        (&json!("1s"), &json!({"every": "1s"}), &json!(true), &json!(false))
    );
    assert_eq!(
        moment(&shown["next_at"]) - moment(&shown["last_at"]),
        TimeDelta::seconds(1)
    );
    assert_eq!(shown["last_execution"]["workflow_id"], workflow["id"], "{shown}");
    let (status, got) = app
        .api("GET", &format!("{SCHEDULES}/{}", id(&shown)), Value::Null)
        .await;
    assert_eq!((status, &got["id"]), (200, &shown["id"]));

    let (status, off) = app
        .api("POST", &format!("{}/deactivate", path(&workflow)), Value::Null)
        .await;
    assert_eq!((status, &off["active"]), (200, &json!(false)));
    let shown = schedule(&app, &workflow).await;
    assert_eq!(
        (&shown["active"], shown.get("next_at")),
        (&json!(false), None),
        "{shown}"
    );
    let (status, _) = app.api("DELETE", &path(&workflow), Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(schedules(&app, &workflow).await, [] as [Value; 0]);
    let (status, body) = act(&app, &shown, "run").await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (404, &json!("NOT_FOUND")),
        "{body}"
    );
}

async fn pauses_resumes_and_runs_now(database: Database) {
    let app = start(database).await;
    let daily = clock(json!({"cron": "0 9 * * *", "timezone": "Asia/Kolkata"}));
    let workflow = create(&app, row(&[daily, note()])).await;
    let shown = schedule(&app, &workflow).await;
    assert_eq!(
        (&shown["cron"], &shown["timezone"]),
        (&json!("0 9 * * *"), &json!("Asia/Kolkata"))
    );
    let next = moment(&shown["next_at"]);
    assert_eq!(next.format("%H:%M:%S").to_string(), "03:30:00");
    let (status, paused) = act(&app, &shown, "pause").await;
    assert_eq!(
        (status, &paused["paused"], paused.get("next_at")),
        (200, &json!(true), None)
    );
    assert_eq!(
        act(&app, &shown, "pause").await,
        (200, paused),
        "again changes nothing"
    );

    // By hand it starts all the same, and sees a time.
    let (status, started) = act(&app, &shown, "run").await;
    assert_eq!((status, &started["mode"]), (202, &json!("manual")), "{started}");
    app.wait_for(id(&started), &["COMPLETED"]).await;
    let now = due(&app, &started).await;
    assert!(now <= moment(&started["started_at"]), "{started}");
    let executed = app
        .api("POST", &format!("{}/execute", path(&workflow)), Value::Null)
        .await;
    assert_eq!(executed.0, 202, "{}", executed.1);
    app.wait_for(id(&executed.1), &["COMPLETED"]).await;
    let shown = schedule(&app, &workflow).await;
    assert_eq!(
        (shown.get("last_at"), shown.get("last_execution")),
        (None, None),
        "{shown}"
    );

    let (status, resumed) = act(&app, &shown, "resume").await;
    assert_eq!((status, &resumed["paused"]), (200, &json!(false)));
    assert!(moment(&resumed["next_at"]) >= next, "{resumed}");
    for action in ["pause", "resume", "run"] {
        let unknown = json!({"id": workflow["id"]});
        let (status, body) = act(&app, &unknown, action).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (404, &json!("NOT_FOUND")),
            "{action}"
        );
    }
}

async fn starts_each_time_once_whatever_dies(database: Database) {
    for point in ["before_schedule_commit:2", "after_schedule_commit:2"] {
        let mut app = TestApp::builder().database(database).fault(point).start().await;
        let every_second = clock(json!({"every": "1s", "missed": "run_all"}));
        let workflow = create(&app, row(&[every_second, note()])).await;
        app.wait_for_exit().await;
        app.restart().await;
        eventually("four times in a row, and none missing", async || {
            let mut times = BTreeSet::new();
            for execution in &ended(&app, &workflow).await {
                let due = due(&app, execution).await;
                assert!(times.insert(due), "{point}: {due} has started twice");
            }
            let (first, last) = (times.first()?, times.last()?);
            let seconds = (*last - *first).num_seconds() + 1;
            (times.len() >= 4 && usize::try_from(seconds) == Ok(times.len())).then_some(())
        })
        .await;
    }
}

async fn skips_and_queues_what_overlaps(database: Database) {
    let receiver = Receiver::start().await;
    receiver.answer(Answer::json(&json!({})));
    receiver.hold();
    let app = start(database).await;
    let [skips, queues] = ["skip", "queue"].map(|overlap| {
        row(&[
            clock(json!({"every": "1s", "overlap": overlap})),
            note(),
            call("ask", receiver.url()),
        ])
    });
    let (skips, queues) = (create(&app, skips).await, create(&app, queues).await);
    let skipped = eventually("a time to be left out", async || {
        let shown = schedule(&app, &skips).await;
        shown.get("last_skipped").is_some().then_some(shown)
    })
    .await;
    assert_eq!(skipped["last_skipped"]["reason"], "overlap", "{skipped}");
    assert!(
        moment(&skipped["last_skipped"]["at"]) > moment(&skipped["last_at"]),
        "{skipped}"
    );
    eventually("two times to wait", async || {
        let shown = schedule(&app, &queues).await;
        (shown["waiting"].as_i64() >= Some(2)).then_some(())
    })
    .await;
    assert_eq!(receiver.received().len(), 2, "one of each is under way");
    receiver.release();
    let ended = until_ended(&app, &queues, 3).await;
    let mut times = Vec::new();
    for pair in ended.windows(2) {
        assert!(
            moment(&pair[0]["finished_at"]) <= moment(&pair[1]["started_at"]),
            "{pair:?}"
        );
    }
    for execution in &ended {
        times.push(due(&app, execution).await);
    }
    let first = times[0];
    for (place, due) in (0..).zip(&times) {
        assert_eq!(*due, first + TimeDelta::seconds(place), "in turn: {times:?}");
    }
}

#[tokio::test]
async fn previews_the_next_times() {
    let app = TestApp::start().await;
    let preview = async |parameters: Value| {
        let path = format!("{SCHEDULES}/preview");
        app.api("POST", &path, parameters).await
    };
    let (status, shown) = preview(json!({"cron": "30 9 * * MON-FRI", "timezone": "America/New_York"})).await;
    assert_eq!(
        (status, &shown["timezone"]),
        (200, &json!("America/New_York")),
        "{shown}"
    );
    assert_eq!(
        shown["description"], "At 09:30, on Monday, Tuesday, Wednesday, Thursday, and Friday.",
        "{shown}"
    );
    let next = shown["next"].as_array().expect("a list");
    assert_eq!(next.len(), 10);
    for pair in next.windows(2) {
        assert!(moment(&pair[0]["at"]) < moment(&pair[1]["at"]), "{shown}");
    }
    for time in next {
        let local = time["local"].as_str().expect("a time");
        assert!(
            local.contains("T09:30:00-0") && moment(&time["local"]) == moment(&time["at"]),
            "{time}"
        );
    }
    let (status, shown) = preview(json!({"every": "36h", "anchor": "2026-01-01T08:00:00+01:00"})).await;
    assert_eq!((status, shown.get("description")), (200, None), "{shown}");
    let next = &shown["next"];
    assert_eq!(
        moment(&next[1]["at"]) - moment(&next[0]["at"]),
        TimeDelta::hours(36),
        "{shown}"
    );
    assert!(
        next[0]["local"]
            .as_str()
            .is_some_and(|local| local.ends_with("+00:00")),
        "{shown}"
    );
}

#[tokio::test]
async fn refuses_what_is_no_schedule() {
    let app = TestApp::start().await;
    let long = "1,".repeat(200);
    for (parameters, pointer, part) in [
        (json!({}), "", "give `cron`"),
        (json!({"cron": "0 0 30 2 *"}), "/cron", "never due"),
        (json!({"cron": "every day"}), "/cron", "has 2 fields"),
        (json!({"cron": "0 24 * * *"}), "/cron", "`24` is no hour"),
        (json!({"cron": long}), "/cron", ""),
        (json!({"cron": 5}), "/cron", ""),
        (
            json!({"cron": "* * * * *", "timezone": "Mars/Olympus"}),
            "/timezone",
            "`Mars/Olympus`",
        ),
        (json!({"every": "500ms"}), "/every", "the least interval"),
        (json!({"every": "soon"}), "/every", ""),
        (json!({"every": "1h", "missed": "never"}), "/missed", ""),
        (json!({"every": "1h", "then": "stop"}), "", "then"),
    ] {
        let (status, body) = app
            .api("POST", &format!("{SCHEDULES}/preview"), parameters.clone())
            .await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (422, &json!("UNPROCESSABLE")),
            "{body}"
        );
        let detail = &body["error"]["details"][0];
        assert_eq!(detail["pointer"], pointer, "{parameters}: {body}");
        assert!(
            detail["message"].as_str().is_some_and(|text| text.contains(part)),
            "{body}"
        );

        let workflow = row(&[clock(parameters.clone()), note()]);
        let (status, body) = app.api("POST", "/api/v1/workflows", workflow).await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (422, &json!("INVALID_GRAPH")),
            "{body}"
        );
        let expected = format!("/graph/nodes/0/parameters{pointer}");
        assert_eq!(
            body["error"]["details"][0]["pointer"], expected,
            "{parameters}: {body}"
        );
        assert_eq!(body["error"]["details"][0]["node"], "clock", "{body}");
    }
    let (status, body) = app
        .api("POST", &format!("{SCHEDULES}/preview"), json!(["0 9 * * *"]))
        .await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (400, &json!("BAD_REQUEST")),
        "{body}"
    );
    let hooked = create(&app, row(&[hook(json!({})), note()])).await;
    assert_eq!(
        schedules(&app, &hooked).await,
        [] as [Value; 0],
        "a webhook is no schedule"
    );
}
