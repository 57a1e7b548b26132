//! Copies, exports and imports of workflows.

use flowmatic_tests::{Database, Receiver, TestApp};
use serde_json::{Value, json};

use crate::workflow::{
    Answered, LOOPBACK, call, create, hook, hooked, id, on_both_databases, path, reply, row, webhook_path,
};

on_both_databases! {
    takes_a_workflow_from_one_server_to_another
    lets_workflows_of_a_file_name_each_other
    imports_all_or_nothing
    duplicates_what_goes_on_working_alone
}

const IMPORT: &str = "/api/v1/workflows/import";
const EXPORT: &str = "/api/v1/workflows/export";
const NOBODY: &str = "0198c0de-0000-7000-8000-000000000000";

async fn start(database: Database) -> TestApp {
    TestApp::builder()
        .database(database)
        .flags(&LOOPBACK)
        .start()
        .await
}

async fn export(app: &TestApp, path: &str) -> Value {
    let (status, file) = app.api("GET", path, Value::Null).await;
    assert_eq!(status, 200, "{file}");
    file
}

async fn import(app: &TestApp, file: &Value) -> Value {
    let (status, report) = app.api("POST", IMPORT, file.clone()).await;
    assert_eq!(status, 201, "{report}");
    report
}

/// A file of these workflows.
fn file(workflows: Value) -> Value {
    json!({"flowmatic": {"format": 1}, "workflows": workflows})
}

async fn count(app: &TestApp) -> usize {
    let (_, list) = app.api("GET", "/api/v1/workflows?limit=100", Value::Null).await;
    list["data"].as_array().map_or(0, Vec::len)
}

fn pointers(problems: &Value) -> Vec<&str> {
    let problems = problems.as_array().expect("a list");
    problems
        .iter()
        .map(|problem| problem["pointer"].as_str().expect("a pointer"))
        .collect()
}

/// A workflow that calls this address with a secret, asks its own callers for one, and has an expression with one.
async fn secretive(app: &TestApp, url: &str) -> Value {
    let mut ask = call("ask", url);
    ask["parameters"]["auth"] = json!({"type": "bearer", "secret": "outgoing secret"});
    let guarded = hook(json!({"auth": {"type": "token", "secret": "incoming secret"}}));
    let mut workflow = row(&[guarded, ask, reply(json!({"body": {"done": true}}))]);
    workflow["name"] = json!("Secretive");
    workflow["description"] = json!("It knows\nthings");
    let created = create(app, workflow).await;
    let mut graph = created["graph"].clone();
    let reference = graph["nodes"][1]["parameters"]["auth"]["secret_ref"].clone();
    let reference = reference.as_str().expect("a reference");
    graph["nodes"][1]["parameters"]["headers"] = json!({"X-Own": format!("{{{{secret \"{reference}\"}}}}")});
    let save = json!({
        "name": "Secretive", "description": "It knows\nthings", "graph": graph, "revision": 1, "active": true
    });
    let (status, saved) = app.api("PUT", &path(&created), save).await;
    assert_eq!(status, 200, "{saved}");
    saved
}

async fn takes_a_workflow_from_one_server_to_another(database: Database) {
    let receiver = Receiver::start().await;
    let (here, there) = (start(database).await, start(database).await);
    let original = secretive(&here, receiver.url()).await;
    let exported = export(&here, &format!("{}/export", path(&original))).await;
    assert_eq!(
        exported["flowmatic"],
        json!({"format": 1, "version": env!("CARGO_PKG_VERSION")})
    );
    let text = exported.to_string();
    assert!(!text.contains("secret_ref"), "{text}");
    for secret in ["outgoing", "incoming"] {
        assert!(!text.contains(secret), "{text}");
    }
    let workflow = &exported["workflows"][0];
    for field in ["id", "name", "description"] {
        assert_eq!(workflow[field], original[field], "{field}");
    }
    assert_eq!(workflow["graph"]["edges"], original["graph"]["edges"]);

    let report = import(&there, &exported).await;
    let imported = &report["workflows"][0];
    let made = &imported["workflow"];
    assert_eq!(imported["from"], original["id"]);
    assert_eq!(
        (
            &made["name"],
            &made["description"],
            &made["active"],
            &made["revision"]
        ),
        (
            &original["name"],
            &original["description"],
            &json!(false),
            &json!(1)
        )
    );
    assert_ne!(made["id"], original["id"]);
    let nodes = "/workflows/0/graph/nodes";
    assert_eq!(
        pointers(&imported["secrets"]),
        [
            format!("{nodes}/0/parameters/auth/secret"),
            format!("{nodes}/1/parameters/auth/secret"),
            format!("{nodes}/1/parameters/headers/X-Own"),
        ]
    );
    assert_eq!(imported["secrets"][1]["node"], "ask");
    assert_eq!(imported["problems"], json!([]), "each is told once: {imported}");
    let trigger = &made["triggers"][0];
    assert_ne!(trigger["webhook_id"], original["triggers"][0]["webhook_id"]);
    assert_eq!(
        trigger["url"],
        format!("{}{}", there.url(), webhook_path(made)),
        "{trigger}"
    );
    let secret = trigger["secret"].as_str().expect("it was made");

    // It is whole once the secrets are given.
    let (_, mut draft) = there.api("GET", &path(made), Value::Null).await;
    let publish = format!("{}/publish", path(made));
    assert_eq!(there.api("POST", &publish, Value::Null).await.0, 422);
    let parameters = &mut draft["graph"]["nodes"][1]["parameters"];
    parameters["auth"]["secret"] = json!("another secret");
    parameters["headers"] = json!({});
    let save = json!({"name": "W", "graph": draft["graph"], "revision": 1, "active": true});
    let (status, saved) = there.api("PUT", &path(made), save).await;
    assert_eq!(status, 200, "{saved}");
    let request = there.request("POST", &webhook_path(made));
    let answered = Answered::of(request.header("X-Webhook-Token", secret)).await;
    assert_eq!((answered.status, answered.json()), (200, json!({"done": true})));
    assert_eq!(
        receiver.received()[0].headers["authorization"],
        "Bearer another secret"
    );
}

/// A workflow with this id in its file, which names another one as that for its errors, and one in a call.
fn naming(own: &str, errors: &str, called: &str) -> Value {
    let call = json!({"key": "call", "type": "flow.call", "parameters": {"workflow": called}});
    let mut graph = hooked(&[call])["graph"].clone();
    graph["settings"] = json!({"error_workflow": errors});
    json!({"id": own, "name": own, "graph": graph})
}

async fn lets_workflows_of_a_file_name_each_other(database: Database) {
    let app = start(database).await;
    let here = create(&app, row(&[hook(json!({}))])).await;
    let [a, b] = [
        "0198c0de-0000-7000-8000-00000000000a",
        "0198c0de-0000-7000-8000-00000000000b",
    ];
    let two = file(json!([naming(a, b, a), naming(b, id(&here), NOBODY)]));
    let report = import(&app, &two).await;
    let ids: Vec<String> = (0..2)
        .map(|index| id(&report["workflows"][index]["workflow"]).to_owned())
        .collect();
    let named = async |index: usize| {
        let (_, workflow) = app
            .api("GET", &format!("/api/v1/workflows/{}", ids[index]), Value::Null)
            .await;
        let call = workflow["graph"]["nodes"][1]["parameters"]["workflow"].clone();
        (workflow["graph"]["settings"]["error_workflow"].clone(), call)
    };
    assert_eq!(named(0).await, (json!(ids[1]), json!(ids[0])));
    assert_eq!(named(1).await, (here["id"].clone(), json!(NOBODY)));
    let problems = &report["workflows"][1]["problems"];
    let stranger = problems.as_array().and_then(|problems| {
        let of_call =
            |problem: &&Value| problem["pointer"] == "/workflows/1/graph/nodes/1/parameters/workflow";
        problems.iter().find(of_call)
    });
    let message = stranger.expect("it is told")["message"].as_str().expect("words");
    assert!(message.contains(NOBODY), "{message}");

    // Out again and in again: the same, under other ids.
    let query = format!("{EXPORT}?id={}&id={}", ids[0], ids[1]);
    let exported = export(&app, &query).await;
    assert_eq!(
        pointers_of_references(&exported),
        [
            (json!(ids[1]), json!(ids[0])),
            (here["id"].clone(), json!(NOBODY))
        ]
    );
    let report = import(&app, &exported).await;
    assert_eq!(report["workflows"][0]["from"], json!(ids[0]));
    assert_ne!(report["workflows"][0]["workflow"]["id"], json!(ids[0]));
}

fn pointers_of_references(file: &Value) -> Vec<(Value, Value)> {
    let workflows = file["workflows"].as_array().expect("a list");
    let named = workflows.iter().map(|workflow| {
        let graph = &workflow["graph"];
        let call = graph["nodes"][1]["parameters"]["workflow"].clone();
        (graph["settings"]["error_workflow"].clone(), call)
    });
    named.collect()
}

async fn imports_all_or_nothing(database: Database) {
    let app = start(database).await;
    let good = json!({"name": "Good", "graph": row(&[hook(json!({"auth": {"type": "hmac"}}))])["graph"]});
    let with_auth =
        |auth: Value| json!({"name": "Bad", "graph": row(&[hook(json!({"auth": auth}))])["graph"]});
    let long = json!({"type": "hmac", "secret": "x".repeat(1_025)});
    for (auth, field) in [
        (json!({"type": "hmac", "secret": 5}), "secret"),
        (long, "secret"),
        (json!({"type": "hmac", "secret_ref": "mine"}), "secret_ref"),
        (json!({"type": "hmac", "secret_ref": NOBODY}), "secret_ref"),
    ] {
        let two = file(json!([good, with_auth(auth.clone())]));
        let (status, refused) = app.api("POST", IMPORT, two).await;
        assert_eq!(status, 422, "{auth}: {refused}");
        let pointer = format!("/workflows/1/graph/nodes/0/parameters/auth/{field}");
        assert_eq!(pointers(&refused["error"]["details"]), [pointer], "{refused}");
    }
    assert_eq!(count(&app).await, 0);
    // Drafts may have mistakes, which are told.
    let odd = json!({"name": "Odd", "graph": {"nodes": [{"key": "odd", "type": "flow.teleport"}]}});
    let report = import(&app, &file(json!([good, odd]))).await;
    let problems = [0, 1].map(|index| pointers(&report["workflows"][index]["problems"]));
    assert_eq!(problems, [vec![], vec!["/workflows/1/graph/nodes/0/type"]]);
    assert_eq!(count(&app).await, 2);
    // A secret that somebody wrote into the file is taken in, as in a save.
    let auth = json!({"type": "token", "secret": "by hand"});
    let report = import(&app, &file(json!([with_auth(auth)]))).await;
    assert_eq!(report["workflows"][0]["secrets"], json!([]), "{report}");
    let made = &report["workflows"][0]["workflow"];
    assert_eq!(
        app.api("POST", &format!("{}/publish", path(made)), Value::Null)
            .await
            .0,
        200
    );
    let request = app.request("POST", &webhook_path(made));
    assert_eq!(
        Answered::of(request.header("X-Webhook-Token", "by hand"))
            .await
            .status,
        200
    );
}

async fn duplicates_what_goes_on_working_alone(database: Database) {
    let receiver = Receiver::start().await;
    let app = start(database).await;
    let original = secretive(&app, receiver.url()).await;
    let duplicate = format!("{}/duplicate", path(&original));
    let key = app.key().await;
    let answered = Answered::of(app.request("POST", &duplicate).bearer_auth(key)).await;
    let copy = answered.json();
    assert_eq!(
        (answered.status, answered.header("location")),
        (201, path(&copy).as_str()),
        "{copy}"
    );
    assert_eq!(
        (&copy["name"], &copy["description"]),
        (&json!("Copy of Secretive"), &original["description"])
    );
    assert_eq!(
        (&copy["active"], &copy["revision"], copy.get("version")),
        (&json!(false), &json!(1), None)
    );
    for field in ["id", "webhook_id"] {
        assert_ne!(copy["triggers"][0][field], original["triggers"][0][field]);
    }
    assert_eq!(copy["triggers"][0].get("secret"), None, "none was made: {copy}");
    // None of the original's references is in the copy.
    for node in [0, 1] {
        let reference = original["graph"]["nodes"][node]["parameters"]["auth"]["secret_ref"].as_str();
        let reference = reference.expect("a reference");
        assert!(!copy.to_string().contains(reference), "{copy}");
    }
    assert_eq!(app.api("DELETE", &path(&original), Value::Null).await.0, 200);
    let publish = format!("{}/publish", path(&copy));
    let (status, published) = app.api("POST", &publish, Value::Null).await;
    assert_eq!(status, 200, "{published}");
    let request = app.request("POST", &webhook_path(&copy));
    let answered = Answered::of(request.header("X-Webhook-Token", "incoming secret")).await;
    assert_eq!((answered.status, answered.json()), (200, json!({"done": true})));
    let headers = &receiver.received()[0].headers;
    assert_eq!(headers["authorization"], "Bearer outgoing secret");
    assert_eq!(headers["x-own"], "outgoing secret");

    let (status, named) = app
        .api(
            "POST",
            &format!("{}/duplicate", path(&copy)),
            json!({"name": "Third"}),
        )
        .await;
    assert_eq!((status, &named["name"]), (201, &json!("Third")));
    for (body, expected) in [
        (json!({"name": ""}), 400),
        (json!({"name": "x".repeat(201)}), 400),
        (json!({"colour": "red"}), 400),
    ] {
        assert_eq!(app.api("POST", &duplicate, body).await.0, expected);
    }
    assert_eq!(
        app.api("POST", &duplicate, Value::Null).await.0,
        404,
        "it was deleted"
    );
    // A long name is cut where a name ends, between characters.
    let long = create(&app, json!({"name": "ß".repeat(200), "graph": {"nodes": []}})).await;
    let (_, copy) = app
        .api("POST", &format!("{}/duplicate", path(&long)), Value::Null)
        .await;
    let name = copy["name"].as_str().expect("a name");
    assert_eq!(name, format!("Copy of {}", "ß".repeat(192)));
}

#[tokio::test]
async fn refuses_what_is_no_export() {
    let app = TestApp::start().await;
    let workflow = |name: Value| json!({"name": name, "graph": {"nodes": []}});
    let head = json!({"format": 1});
    let node = |node: Value| file(json!([{"name": "W", "graph": {"nodes": [node]}}]));
    let mut twice = workflow(json!("Twice"));
    twice["id"] = json!(NOBODY);
    let mut colour = file(json!([workflow(json!("W"))]));
    colour["colour"] = json!("red");
    for (body, pointer) in [
        (json!({}), "/flowmatic"),
        (json!([]), "/flowmatic"),
        (json!("text"), "/flowmatic"),
        (workflow(json!("a workflow alone")), "/flowmatic"),
        (json!({"flowmatic": 1, "workflows": []}), "/flowmatic"),
        (
            json!({"flowmatic": {"format": "1"}, "workflows": [workflow(json!("W"))]}),
            "/flowmatic/format",
        ),
        (
            json!({"flowmatic": {"format": 0}, "workflows": [workflow(json!("W"))]}),
            "/flowmatic/format",
        ),
        (
            json!({"flowmatic": {}, "workflows": [workflow(json!("W"))]}),
            "/flowmatic",
        ),
        (
            json!({"flowmatic": {"format": 1, "moon": 1}, "workflows": [workflow(json!("W"))]}),
            "/flowmatic",
        ),
        (json!({"flowmatic": head}), ""),
        (json!({"flowmatic": head, "workflows": {}}), "/workflows"),
        (file(json!([])), "/workflows"),
        (file(json!([1])), "/workflows/0"),
        (file(json!(vec![workflow(json!("W")); 1_001])), "/workflows"),
        (file(json!([{"name": "W"}])), "/workflows/0"),
        (
            file(json!([workflow(json!("W")), workflow(json!(5))])),
            "/workflows/1/name",
        ),
        (file(json!([workflow(json!(""))])), "/workflows/0/name"),
        (file(json!([twice, twice])), "/workflows/1/id"),
        (colour, ""),
        (node(json!({"key": "a"})), "/workflows/0/graph/nodes/0"),
        (
            node(json!({"key": "a", "type": "x", "wings": 2})),
            "/workflows/0/graph/nodes/0",
        ),
        (
            node(json!({"key": "a", "type": "x", "position": {"x": "left"}})),
            "/workflows/0/graph/nodes/0/position/x",
        ),
        (
            node(json!({"key": "a", "type": "x", "retry": {"max_attempts": 0}})),
            "/workflows/0/graph/nodes/0/retry/max_attempts",
        ),
    ] {
        let answered = app.api("POST", IMPORT, body.clone()).await;
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!(answered.0, 400, "{shown}: {}", answered.1);
        let details = &answered.1["error"]["details"];
        assert!(pointers(details).contains(&pointer), "{shown}: {details}");
    }
    for text in [
        "",
        "{",
        "not json",
        "{\"flowmatic\": {\"format\": 1}, \"workflows\": [1e",
        &"[".repeat(100_000),
    ] {
        let request = app
            .request("POST", IMPORT)
            .bearer_auth(app.key().await)
            .header("content-type", "application/json")
            .body(text.to_owned());
        let answered = Answered::of(request).await;
        assert_eq!((answered.status, answered.error().as_str()), (400, "BAD_REQUEST"));
    }
    assert_eq!(count(&app).await, 0);
}

#[tokio::test]
async fn asks_for_an_update_where_a_file_is_newer() {
    let app = TestApp::start().await;
    // All of it may be unknown here: what is told is what helps.
    let newer = json!({
        "flowmatic": {"format": 2, "version": "7.1.0", "sealed": true},
        "workflows": [{"title": "W", "canvas": {}}], "folders": []
    });
    let (status, refused) = app.api("POST", IMPORT, newer).await;
    assert_eq!(status, 400);
    let details = &refused["error"]["details"];
    assert_eq!(pointers(details), ["/flowmatic/format"]);
    let message = details[0]["message"].as_str().expect("words");
    for word in ["format 2", "Flowmatic 7.1.0", "format 1", "update"] {
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn refuses_a_file_of_fifty_megabytes_and_lives() {
    let app = TestApp::start().await;
    let notes = "x".repeat(10_000);
    let node = |index: usize| json!({"key": format!("n{index}"), "type": "data.set", "notes": notes});
    let nodes: Vec<Value> = (0..100).map(node).collect();
    let workflow = json!({"name": "Large", "graph": {"nodes": nodes}});
    let large = |count: usize| file(json!(vec![workflow.clone(); count]));
    let before = app.resident_kib();
    let key = app.key().await;
    // Whoever is refused at the head may find the connection closed while it still writes.
    let request = app.request("POST", IMPORT).bearer_auth(key).json(&large(50));
    if let Ok(answered) = request.send().await {
        assert_eq!(answered.status().as_u16(), 413);
        let told = answered.text().await.unwrap_or_default();
        assert!(told.contains("larger than 8388608 bytes"), "{told}");
    }
    assert!(app.resident_kib() < before + 64 * 1024, "it was read into memory");
    assert_eq!(count(&app).await, 0);
    // One that is larger than any other body may be is taken whole.
    let report = import(&app, &large(7)).await;
    assert_eq!(report["workflows"].as_array().map(Vec::len), Some(7));
    assert_eq!(count(&app).await, 7);
    // The graph that nobody may save cannot come in by a file either.
    let nodes: Vec<Value> = (0..120).map(node).collect();
    let too_large = json!({"name": "Too large", "graph": {"nodes": nodes}});
    let (status, refused) = app.api("POST", IMPORT, file(json!([workflow, too_large]))).await;
    assert_eq!(status, 422, "{refused}");
    assert_eq!(pointers(&refused["error"]["details"]), ["/workflows/1/graph"]);
    assert_eq!(count(&app).await, 7);
    // And what would make a larger file does not go out as one.
    import(&app, &large(2)).await;
    let (status, refused) = app.api("GET", EXPORT, Value::Null).await;
    assert_eq!(status, 422, "{refused}");
    let message = refused["error"]["message"].as_str().expect("words");
    assert!(message.contains("8 MiB"), "{message}");
}

#[tokio::test]
async fn exports_those_that_are_asked_for() {
    let app = TestApp::start().await;
    let (status, refused) = app.api("GET", EXPORT, Value::Null).await;
    assert_eq!(status, 422, "{refused}");
    let mut ids = Vec::new();
    for name in ["first", "second", "third"] {
        let made = create(&app, json!({"name": name, "graph": {"nodes": []}})).await;
        ids.push(id(&made).to_owned());
    }
    let names = async |query: &str| {
        let file = export(&app, &format!("{EXPORT}{query}")).await;
        let workflows = file["workflows"].as_array().expect("a list").clone();
        let names = workflows.iter().map(|workflow| workflow["name"].clone());
        Value::from(names.collect::<Vec<Value>>())
    };
    assert_eq!(names("").await, json!(["first", "second", "third"]));
    let [first, _, third] = &ids[..] else {
        panic!("three")
    };
    let some = format!("?id={third}&id={first}&id={third}");
    assert_eq!(names(&some).await, json!(["third", "first"]));
    let unknown = format!("{EXPORT}?id={first}&id={NOBODY}");
    let (status, refused) = app.api("GET", &unknown, Value::Null).await;
    assert_eq!(status, 404);
    assert!(refused.to_string().contains(NOBODY), "{refused}");
    for query in ["id=x", "ids=x", &"id=x&".repeat(101)] {
        let (status, _) = app.api("GET", &format!("{EXPORT}?{query}"), Value::Null).await;
        assert_eq!(status, 400, "{query}");
    }
    let many = format!("id={first}&").repeat(101);
    assert_eq!(
        app.api("GET", &format!("{EXPORT}?{many}"), Value::Null).await.0,
        400
    );
    assert_eq!(app.api("DELETE", EXPORT, Value::Null).await.0, 405);
    assert_eq!(
        app.api("GET", &format!("/api/v1/workflows/{NOBODY}/export"), Value::Null)
            .await
            .0,
        404
    );
}
