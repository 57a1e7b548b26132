//! What nobody sends who means well. It is refused, or fails what it is part of; the server lives, and others are
//! served.

use flowmatic_tests::TestApp;
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::workflow::{create, hooked, reply, webhook_id, webhook_path};

fn template(text: &str) -> Value {
    json!({"key": "text", "type": "data.template", "parameters": {"text": text}})
}

async fn is_well(app: &TestApp) {
    let (status, body) = app.api("GET", "/healthz", Value::Null).await;
    assert_eq!(status, 200, "{body}");
}

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + inner + &close.repeat(depth)
}

/// Templates that broke or hung the library that parses them, and others like them.
fn hostile_templates() -> Vec<String> {
    vec![
        r#"{{#*inline "q"}}a{{> q}}{{/inline}}{{> q}}"#.to_owned(),
        "{{> other}}".to_owned(),
        "{{#> other}}{{/other}}".to_owned(),
        "{{* decorate}}".to_owned(),
        "{{{{raw}}}} {{x}} {{{{/raw}}}}".to_owned(),
        nested("{{#if a}}", "x", "{{/if}}", 400),
        nested("{{#each a}}", "x", "{{/each}}", 3_000),
        format!("{{{{#if a}}}}x{}{{{{/if}}}}", "{{else if a}}x".repeat(400)),
        format!("{{{{{}a{}}}}}", "(len ".repeat(400), ")".repeat(400)),
        format!("{{{{json {}1{}}}}}", "[".repeat(400), "]".repeat(400)),
        format!("{{{{a{}}}}}", ".b".repeat(40_000)),
        "{{a}}".repeat(3_000),
        "x".repeat(64 * 1024) + "{{a}}",
        "{{".repeat(10_000),
        "\\".repeat(10_000) + "{{a}}",
        "{{#if a}}".repeat(30),
        "{{!-- ".to_owned(),
        "{{\u{0}}}".to_owned(),
        "{{a".to_owned() + &" ".repeat(60_000),
    ]
}

#[tokio::test]
async fn hostile_templates_are_refused_with_their_place() {
    let app = TestApp::start().await;
    for text in hostile_templates() {
        let shown: String = text.chars().take(60).collect();
        let (status, body) = app
            .api("POST", "/api/v1/workflows", hooked(&[template(&text)]))
            .await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (422, &json!("INVALID_GRAPH")),
            "{shown}: {body}"
        );
        assert_eq!(
            body["error"]["details"][0]["pointer"], "/graph/nodes/1/parameters/text",
            "{shown}: {body}"
        );
        assert_eq!(body["error"]["details"][0]["node"], "text", "{shown}: {body}");
    }
    is_well(&app).await;
}

#[tokio::test]
async fn a_hostile_template_is_refused_wherever_it_stands() {
    let app = TestApp::start().await;
    let text = nested("{{#if a}}", "x", "{{/if}}", 400);
    let place =
        |kind: &str, parameters: Value| json!({"key": "node", "type": kind, "parameters": parameters});
    for (node, pointer) in [
        (place("flow.if", json!({"condition": text})), "condition"),
        (
            place("data.set", json!({"fields": {"a": [1, {"b": text}]}})),
            "fields/a/1/b",
        ),
        (
            place("flow.response", json!({"headers": {"x-a": text}})),
            "headers/x-a",
        ),
        (place("http.request", json!({"url": text})), "url"),
        (place("data.filter", json!({"items": [], "where": text})), "where"),
    ] {
        let (status, body) = app.api("POST", "/api/v1/workflows", hooked(&[node])).await;
        assert_eq!(status, 422, "{body}");
        let expected = format!("/graph/nodes/1/parameters/{pointer}");
        assert_eq!(body["error"]["details"][0]["pointer"], expected, "{body}");
    }
}

#[tokio::test]
async fn a_draft_may_hold_a_hostile_template_that_is_then_not_published() {
    let app = TestApp::start().await;
    let mut workflow = hooked(&[template(&nested("{{#if a}}", "x", "{{/if}}", 400))]);
    workflow["active"] = json!(false);
    let created = create(&app, workflow.clone()).await;
    let path = format!("/api/v1/workflows/{}", created["id"].as_str().expect("an id"));
    let (status, body) = app.api("POST", &format!("{path}/publish"), json!({})).await;
    assert_eq!(status, 422, "{body}");
    let (status, body) = app
        .api(
            "POST",
            "/api/v1/workflows/validate",
            json!({"graph": workflow["graph"]}),
        )
        .await;
    assert_eq!((status, &body["valid"]), (200, &json!(false)), "{body}");
    let (status, _) = app.webhook(&webhook_id(&created), &json!({})).await;
    assert_eq!(status, 404);
}

/// Templates that would run, or grow, nearly without end on the list `a`.
const ENDLESS: [&str; 7] = [
    "{{#each a}}{{#each @root.a}}{{#each @root.a}}{{#if false}}x{{/if}}{{/each}}{{/each}}{{/each}}",
    "{{#each a}}{{#each @root.a}}{{#each @root.a}}{{/each}}{{/each}}{{/each}}",
    "{{#each a}}{{#each @root.a}}{{json @root}}{{/each}}{{/each}}",
    "{{#each a}}{{#with (json @root)}}{{#if (contains this \"~\")}}x{{/if}}{{/with}}{{/each}}",
    "{{pad_start \"x\" 1000000000}}",
    "{{#each a}}{{#if (contains @root.a \"nothing\")}}x{{/if}}{{/each}}",
    "{{#each a}}{{#with (sort @root.a)}}{{/with}}{{/each}}",
];

/// Conditions that are short for one item of the list `a`, or nearly so, and endless for all of them.
const ENDLESS_CONDITIONS: [&str; 3] = [
    "{{length (range 0 900000)}}",
    "{{contains a \"nothing\"}}",
    "{{length (json @root)}}",
];

fn filter(condition: &str) -> Value {
    json!({"key": "text", "type": "data.filter", "parameters": {"items": "{{a}}", "where": condition}})
}

#[tokio::test]
async fn an_endless_template_fails_its_execution_and_delays_nobody() {
    let app = TestApp::start().await;
    let innocent = create(&app, hooked(&[reply(json!({"body": {"ok": "{{n}}"}}))])).await;
    let innocent = webhook_id(&innocent);
    let list: Vec<u32> = (0..20_000).collect();
    let templates = ENDLESS.map(|text| (text, template(text)));
    let filters = ENDLESS_CONDITIONS.map(|text| (text, filter(text)));
    for (text, node) in templates.into_iter().chain(filters) {
        let (status, workflow) = app
            .api(
                "POST",
                "/api/v1/workflows",
                hooked(&[node, reply(json!({"body": "x"}))]),
            )
            .await;
        if status == 422 {
            // It names a helper that there is not.
            panic!("{text}: {workflow}");
        }
        let (hook, body) = (webhook_id(&workflow), json!({"a": list}));
        let calls = futures_util::future::join_all((0..4).map(|_| app.webhook(&hook, &body)));
        let others = async {
            for n in 0..20 {
                let answer = app.webhook(&innocent, &json!({"n": n})).await;
                assert_eq!(answer, (200, json!({"ok": n})), "{text}");
            }
        };
        let (calls, ()) = tokio::join!(calls, others);
        for (status, answer) in calls {
            assert_eq!(
                (status, &answer["executionStatus"]),
                (500, &json!("FAILED")),
                "{text}: {answer}"
            );
            let id = answer["executionId"].as_str().expect("an id");
            let execution = app.wait_for(id, &["FAILED"]).await;
            assert_eq!(execution["error"]["code"], "expression", "{text}: {execution}");
        }
    }
}

#[tokio::test]
async fn json_that_nests_without_end_is_malformed() {
    let app = TestApp::start().await;
    let workflow = create(&app, hooked(&[reply(json!({"body": "x"}))])).await;
    let deep = 100_000;
    for body in [
        "[".repeat(deep),
        nested("[", "", "]", deep),
        nested("{\"a\":", "1", "}", deep),
        format!("{{\"name\": \"x\", \"graph\": {}}}", nested("[", "", "]", deep)),
        nested("[", "", "]", 129),
    ] {
        for (path, key) in [
            ("/api/v1/workflows", app.key().await),
            ("/api/v1/auth/login", ""),
            (webhook_path(&workflow).as_str(), ""),
        ] {
            let request = app
                .request("POST", path)
                .bearer_auth(key)
                .header("content-type", "application/json");
            let response = request.body(body.clone()).send().await.expect("an answer");
            assert_eq!(response.status().as_u16(), 400, "{path}");
        }
    }
    let (status, _) = app.webhook(&webhook_id(&workflow), &json!([[[1]]])).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_malformed() {
    let app = TestApp::start().await;
    let workflow = create(&app, hooked(&[reply(json!({"body": "{{_webhook.headers}}"}))])).await;
    let hook = webhook_path(&workflow);
    let bad: &[u8] = b"{\"name\": \"\xff\xfe\"}";
    for (path, kind) in [
        ("/api/v1/workflows", "application/json"),
        (&hook, "application/json"),
        (&hook, "text/plain"),
    ] {
        let request = app
            .request("POST", path)
            .bearer_auth(app.key().await)
            .header("content-type", kind);
        let response = request.body(bad).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), 400, "{path} as {kind}");
    }
    // A lone surrogate is no character either.
    let request = app
        .request("POST", &hook)
        .header("content-type", "application/json");
    let response = request
        .body(r#"{"a": "\ud800"}"#)
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status().as_u16(), 400);
    // Headers may hold such bytes (RFC 9110, section 5.5), and so may a query, once decoded.
    let mut raw = Raw::open(&app).await;
    raw.send(format!("POST {hook}?q=%ff HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-odd: ").as_bytes())
        .await;
    raw.send(b"\xff\xfe\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(raw.status().await, Some(200));
}

#[tokio::test]
async fn the_last_of_duplicate_keys_stands() {
    let app = TestApp::start().await;
    let workflow = create(
        &app,
        hooked(&[reply(json!({"body": {"a": "{{a}}", "b": "{{b.c}}"}}))]),
    )
    .await;
    let request = app
        .request("POST", &webhook_path(&workflow))
        .header("content-type", "application/json");
    let body = r#"{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}"#;
    let response = request.body(body).send().await.expect("an answer");
    let answer: Value = response.json().await.expect("JSON");
    assert_eq!(answer, json!({"a": 3, "b": 2}));
    let request = app
        .request("POST", "/api/v1/workflows")
        .bearer_auth(app.key().await);
    let body = format!(
        r#"{{"name": "first", "graph": {}, "name": "last"}}"#,
        hooked(&[])["graph"]
    );
    let response = request
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .expect("an answer");
    let created: Value = response.json().await.expect("JSON");
    assert_eq!(created["name"], "last", "{created}");
}

#[tokio::test]
async fn an_output_of_two_mebibytes_fails_its_node() {
    let app = TestApp::start().await;
    let fields = json!({"a": "{{big}}", "b": "{{big}}", "c": "{{big}}"});
    let workflow = create(
        &app,
        hooked(&[json!({"key": "copy", "type": "data.set", "parameters": {"fields": fields}})]),
    )
    .await;
    let big = "x".repeat(700 * 1024);
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({"big": big})).await;
    assert_eq!(status, 200, "{answer}");
    let execution = app
        .wait_for(answer["executionId"].as_str().expect("an id"), &["FAILED"])
        .await;
    assert_eq!(
        execution["error"]["code"], "output_too_large",
        "{}",
        execution["error"]
    );
    assert_eq!(execution["error"]["node"], "copy");
}

#[tokio::test]
async fn outputs_of_seventeen_mebibytes_together_fail_the_last_node() {
    let app = TestApp::start().await;
    let nodes: Vec<Value> = (0..24)
        .map(|at| json!({"key": format!("n{at}"), "type": "data.set", "parameters": {"fields": {"a": "{{big}}"}}}))
        .collect();
    let workflow = create(&app, hooked(&nodes)).await;
    let big = "x".repeat(900 * 1024);
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({"big": big})).await;
    assert_eq!(status, 200, "{answer}");
    let execution = app
        .wait_for(answer["executionId"].as_str().expect("an id"), &["FAILED"])
        .await;
    assert_eq!(
        execution["error"]["code"], "output_too_large",
        "{}",
        execution["error"]
    );
    assert_eq!(execution["error"]["node"], "n18");
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large_however_it_comes() {
    let app = TestApp::builder().flags(&["--max-body", "1KiB"]).start().await;
    let workflow = create(&app, hooked(&[])).await;
    let hook = webhook_path(&workflow);
    let head =
        format!("POST {hook} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/plain\r\n");
    for rest in [
        format!("content-length: 1025\r\n\r\n{}", "x".repeat(1025)),
        format!("content-length: 9999999999999\r\n\r\n{}", "x".repeat(100)),
        format!(
            "transfer-encoding: chunked\r\n\r\n401\r\n{}\r\n0\r\n\r\n",
            "x".repeat(1025)
        ),
        format!(
            "transfer-encoding: chunked\r\n\r\n{}",
            "400\r\n".to_owned() + &"x".repeat(1024) + "\r\n1\r\nx\r\n0\r\n\r\n"
        ),
    ] {
        let mut raw = Raw::open(&app).await;
        raw.send(head.as_bytes()).await;
        raw.send(rest.as_bytes()).await;
        assert_eq!(raw.status().await, Some(413), "{}", &rest[..40]);
    }
    let request = app.request("POST", &hook).header("content-type", "text/plain");
    assert_eq!(
        request
            .body("x".repeat(1024))
            .send()
            .await
            .expect("an answer")
            .status()
            .as_u16(),
        200
    );
}

#[tokio::test]
async fn a_thousand_nodes_run_and_one_more_is_refused() {
    let app = TestApp::start().await;
    let nodes = |count: usize| -> Vec<Value> {
        let key = |at: usize| format!("n{at}");
        (1..count)
            .map(|at| json!({"key": key(at), "type": "data.set", "parameters": {"fields": {"a": at}}}))
            .collect()
    };
    let workflow = create(&app, hooked(&nodes(1000))).await;
    let (status, answer) = app.webhook(&webhook_id(&workflow), &json!({})).await;
    assert_eq!(status, 200, "{answer}");
    app.wait_for(answer["executionId"].as_str().expect("an id"), &["COMPLETED"])
        .await;
    let (status, body) = app.api("POST", "/api/v1/workflows", hooked(&nodes(1001))).await;
    assert_eq!(
        (status, &body["error"]["details"][0]["pointer"]),
        (400, &json!("/graph/nodes")),
        "{body}"
    );
    let mut wide = hooked(&nodes(100));
    let edge = json!({"from": "n1", "to": "n2"});
    wide["graph"]["edges"] = json!(vec![edge; 5001]);
    let (status, body) = app.api("POST", "/api/v1/workflows", wide).await;
    assert_eq!(
        (status, &body["error"]["details"][0]["pointer"]),
        (400, &json!("/graph/edges")),
        "{body}"
    );
}

#[tokio::test]
async fn names_are_bounded() {
    let app = TestApp::start().await;
    let long = "n".repeat(100_000);
    let with = |pointer: &str| {
        let mut workflow = hooked(&[template("x")]);
        workflow["graph"]["nodes"][1]["name"] = json!("Text");
        workflow["graph"]["nodes"][1]["notes"] = json!("");
        workflow["graph"]["nodes"][1]["save_as"] = json!("saved");
        workflow["graph"]["edges"][0]["port"] = json!("out");
        workflow["description"] = json!("");
        *workflow.pointer_mut(pointer).expect("it is there") = json!(long);
        workflow
    };
    for (pointer, status) in [
        ("/name", 400),
        ("/description", 400),
        ("/graph/nodes/1/name", 400),
        ("/graph/nodes/1/notes", 400),
        ("/graph/nodes/1/key", 422),
        ("/graph/nodes/1/type", 422),
        ("/graph/nodes/1/save_as", 422),
        ("/graph/edges/0/port", 422),
        ("/graph/edges/0/to", 422),
    ] {
        let (code, body) = app.api("POST", "/api/v1/workflows", with(pointer)).await;
        assert_eq!(code, status, "{pointer}: {body}");
        let details = body["error"]["details"].as_array().expect("a list");
        assert!(
            details.iter().any(|detail| detail["pointer"] == pointer),
            "{pointer}: {body}"
        );
    }
    let path = format!("/api/v1/workflows?search={long}");
    let (status, _) = app.api("GET", &path[..10_000], Value::Null).await;
    assert_eq!(status, 400);
    for path in [
        format!("/api/v1/workflows/{}", &long[..10_000]),
        format!("/{}", &long[..10_000]),
    ] {
        let (status, _) = app.api("GET", &path, Value::Null).await;
        assert!(matches!(status, 400 | 404), "{status}");
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let app = TestApp::start().await;
    let long = "x".repeat(100_000);
    let many: String = (0..300).map(|at| format!("x-{at}: 1\r\n")).collect();
    for (head, expected) in [
        (
            format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n"),
            [431, 400],
        ),
        (
            format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
            [431, 400],
        ),
        (format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"), [414, 431]),
        (
            format!("GET /healthz HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {long}\r\n\r\n"),
            [431, 400],
        ),
    ] {
        let mut raw = Raw::open(&app).await;
        raw.send(head.as_bytes()).await;
        // Of a head that is refused, the rest is not read: the answer may be lost with the connection.
        if let Some(status) = raw.status().await {
            assert!(expected.contains(&status), "{status}: {}", &head[..60]);
        }
    }
    is_well(&app).await;
}

#[tokio::test]
async fn what_is_no_http_gets_no_further_than_its_connection() {
    let app = TestApp::start().await;
    let workflow = create(&app, hooked(&[])).await;
    let hook = webhook_path(&workflow);
    let post = format!("POST {hook} HTTP/1.1\r\nhost: x\r\n");
    let broken = [
        "\r\n\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET /healthz\r\n\r\n".to_owned(),
        "GET /healthz HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}".to_owned(),
        format!("{} /healthz HTTP/1.1\r\nhost: x\r\n\r\n", "M".repeat(10_000)),
        "GET /\u{0} HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx y: 1\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.1\r\nhost: x\r\nx: \u{0}\r\n\r\n".to_owned(),
        format!("{post}content-length: -1\r\n\r\nx"),
        format!("{post}content-length: x\r\n\r\nx"),
        format!("{post}content-length: 1\r\ncontent-length: 2\r\n\r\nx"),
        format!("{post}transfer-encoding: chunked\r\n\r\nzz\r\n"),
        format!("{post}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\nx"),
        format!("{post}transfer-encoding: gzip\r\n\r\nx"),
    ];
    for text in &broken {
        let mut raw = Raw::open(&app).await;
        raw.send(text.as_bytes()).await;
        raw.end().await;
        let status = raw.status().await;
        assert!(
            status.is_none_or(|status| (400..600).contains(&status)),
            "{status:?}: {text:?}"
        );
    }
    // Bytes by chance, the same in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in (1..=64).map(|step| step * 37) {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()[3]
            })
            .collect();
        for start in [
            "",
            "GET /",
            &post,
            &format!("{post}content-type: application/json\r\ncontent-length: 64\r\n\r\n"),
        ] {
            let mut raw = Raw::open(&app).await;
            raw.send(start.as_bytes()).await;
            raw.send(&bytes).await;
            raw.send(b"\r\n\r\n").await;
            raw.end().await;
            let status = raw.status().await;
            assert!(
                status.is_none_or(|status| (400..500).contains(&status)),
                "{status:?} after {start:?}"
            );
        }
    }
    is_well(&app).await;
}

#[tokio::test]
async fn a_request_with_two_lengths_is_not_smuggled() {
    let app = TestApp::start().await;
    let workflow = create(&app, hooked(&[])).await;
    let mut raw = Raw::open(&app).await;
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\n", webhook_path(&workflow));
    raw.send(format!("{head}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes())
        .await;
    raw.end().await;
    let answers = String::from_utf8_lossy(&raw.rest().await).into_owned();
    assert!(answers.matches("HTTP/1.1 ").count() <= 1, "{answers}");
}

#[tokio::test]
async fn odd_paths_lead_nowhere() {
    let app = TestApp::start().await;
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/api/webhooks/",
        "/api/webhooks/not-an-id",
        "/api/webhooks/00000000-0000-0000-0000-000000000000",
        "/api/webhooks/%00",
        "/api/v1/workflows/%ff",
        "/%",
        "*",
    ] {
        let mut raw = Raw::open(&app).await;
        raw.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .await;
        let answer = String::from_utf8_lossy(&raw.rest().await).into_owned();
        let status = crate::raw::status(answer.as_bytes()).expect("an answer");
        assert!(
            matches!(status, 400 | 401 | 404) || (status == 200 && answer.contains("<html")),
            "{path}: {answer}"
        );
        assert!(!answer.contains("root:"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_query_parameter_that_is_not_there_is_refused() {
    let app = TestApp::start().await;
    for (path, about) in [
        ("/api/v1/executions?workflow=1", "`workflow_id`"),
        ("/api/v1/workflows?limit=5&foo=1", "`foo`"),
        ("/api/v1/auth/me?x", "`x`"),
    ] {
        let (status, answer) = app.api("GET", path, Value::Null).await;
        assert_eq!(status, 400, "{path}: {answer}");
        let message = answer["error"]["message"].as_str().expect("a message");
        assert!(message.contains(about), "{path}: {message}");
    }
}
