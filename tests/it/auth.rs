//! `/api/v1/auth`: who may do what.

use std::collections::HashMap;

use flowmatic_tests::{Database, TestApp};
use serde_json::{Value, json};

use crate::database::Rows;
use crate::workflow::{Answered, create, hook, id, on_both_databases, path, row};

on_both_databases! {
    makes_the_owner_once
    sets_the_owner_up_without_the_link
    logs_in_and_out
    slows_down_who_guesses_passwords
    asks_every_operation_for_a_key_and_its_scope
    keeps_workspaces_apart
}

pub const PASSWORD: &str = "correct horse battery";

pub async fn start(database: Database) -> TestApp {
    TestApp::builder().database(database).start().await
}

pub async fn start_with_owner(database: Database) -> TestApp {
    let builder = TestApp::builder().database(database);
    let builder = builder.env("FLOWMATIC_OWNER_EMAIL", "Ana@acme.example");
    builder.env("FLOWMATIC_OWNER_PASSWORD", PASSWORD).start().await
}

pub async fn post(app: &TestApp, path: &str, body: Value) -> Answered {
    Answered::of(app.request("POST", path).json(&body)).await
}

pub async fn log_in(app: &TestApp, email: &str, password: &str) -> Answered {
    post(
        app,
        "/api/v1/auth/login",
        json!({"email": email, "password": password}),
    )
    .await
}

pub async fn me(app: &TestApp, token: &str) -> Answered {
    Answered::of(app.request("GET", "/api/v1/auth/me").bearer_auth(token)).await
}

/// The token of the set-up link that the server printed.
pub fn setup_token(app: &TestApp) -> String {
    let output = app.output();
    let (_, rest) = output.split_once("/setup#token=").expect("the link is printed");
    rest.split_whitespace().next().expect("a token").to_owned()
}

async fn makes_the_owner_once(database: Database) {
    let mut app = start(database).await;
    let setup = |token: &str| json!({"token": token, "email": "ana@acme.example", "password": PASSWORD});
    let token = setup_token(&app);
    let wrong = post(&app, "/api/v1/auth/setup", setup("wrong")).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (403, "FORBIDDEN"));
    let mut weak = setup(&token);
    weak["password"] = json!("short");
    assert_eq!(post(&app, "/api/v1/auth/setup", weak).await.status, 400);
    let made = post(&app, "/api/v1/auth/setup", setup(&token)).await;
    assert_eq!(made.status, 201);
    let session = made.json();
    assert_eq!(
        (&session["user"]["email"], &session["user"]["role"]),
        (&json!("ana@acme.example"), &json!("owner"))
    );
    assert_eq!(
        me(&app, session["token"].as_str().expect("a token")).await.status,
        200
    );
    for token in [token.as_str(), "wrong"] {
        let again = post(&app, "/api/v1/auth/setup", setup(token)).await;
        assert_eq!((again.status, again.error().as_str()), (409, "CONFLICT"));
    }
    let before = app.output().matches("/setup#token=").count();
    app.restart().await;
    assert_eq!(
        app.output().matches("/setup#token=").count(),
        before,
        "the link was printed again"
    );
}

async fn sets_the_owner_up_without_the_link(database: Database) {
    let mut app = start_with_owner(database).await;
    assert!(!app.output().contains("/setup#token="), "{}", app.output());
    assert_eq!(log_in(&app, "ana@acme.example", PASSWORD).await.status, 200);
    app.restart().await;
    assert_eq!(log_in(&app, "ana@acme.example", PASSWORD).await.status, 200);
}

async fn logs_in_and_out(database: Database) {
    let app = start_with_owner(database).await;
    let answered = log_in(&app, "ANA@acme.example", PASSWORD).await;
    let session = answered.json();
    assert_eq!(answered.status, 200, "{session}");
    let token = session["token"].as_str().expect("a token");
    assert!(!session.to_string().contains(PASSWORD) && !session.to_string().contains("argon2"));
    let shown = me(&app, token).await.json();
    assert_eq!(
        (&shown["user"]["id"], shown.get("key")),
        (&session["user"]["id"], None),
        "{shown}"
    );
    assert_eq!(shown["scopes"].as_array().map(Vec::len), Some(18));
    let list = app.request("GET", "/api/v1/workflows").bearer_auth(token);
    assert_eq!(Answered::of(list).await.status, 200);
    for (email, password) in [
        ("ana@acme.example", "wrong"),
        ("bob@acme.example", PASSWORD),
        ("", ""),
    ] {
        let refused = log_in(&app, email, password).await;
        assert_eq!(
            (refused.status, refused.error().as_str()),
            (401, "UNAUTHORIZED"),
            "{email}"
        );
    }
    let log_out = app.request("POST", "/api/v1/auth/logout").bearer_auth(token);
    assert_eq!(Answered::of(log_out).await.json(), json!({"success": true}));
    assert_eq!(me(&app, token).await.status, 401);

    let key = app.key().await;
    let shown = me(&app, key).await.json();
    assert_eq!(
        (shown.get("user"), &shown["key"]["name"]),
        (None, &json!("test")),
        "{shown}"
    );
    let log_out = app.request("POST", "/api/v1/auth/logout").bearer_auth(key);
    assert_eq!(Answered::of(log_out).await.status, 200);
    assert_eq!(me(&app, key).await.status, 200, "a key has no session to end");
}

async fn slows_down_who_guesses_passwords(database: Database) {
    let app = start_with_owner(database).await;
    let mut refused = None;
    for _ in 0..30 {
        let answered = log_in(&app, "ana@acme.example", "wrong").await;
        if answered.status != 401 {
            refused = Some(answered);
            break;
        }
    }
    let refused = refused.expect("thirty guesses in a row are taken");
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (429, "TOO_MANY_REQUESTS")
    );
    assert!(
        refused
            .header("retry-after")
            .parse::<u32>()
            .is_ok_and(|wait| (1..=60).contains(&wait))
    );
    assert_eq!(
        log_in(&app, "ana@acme.example", PASSWORD).await.status,
        429,
        "a right guess is no better"
    );
}

/// One of each resource, and a key of another workspace.
struct World {
    app: TestApp,
    ids: HashMap<&'static str, String>,
    stranger: String,
    description: Value,
}

impl World {
    async fn new(database: Database) -> Self {
        let app = start(database).await;
        let workflow = create(&app, row(&[hook(json!({}))])).await;
        let (_, execution) = app
            .api("POST", &format!("{}/execute", path(&workflow)), Value::Null)
            .await;
        let yearly =
            json!({"key": "yearly", "type": "trigger.schedule", "parameters": {"cron": "0 0 1 1 *"}});
        let yearly = create(&app, row(&[yearly])).await;
        let invite = json!({"email": "bob@acme.example", "role": "viewer"});
        let (_, invited) = app.api("POST", "/api/v1/users", invite).await;
        let (_, me) = app.api("GET", "/api/v1/auth/me", Value::Null).await;
        let ids = HashMap::from([
            ("workflows", id(&workflow).to_owned()),
            ("schedules", id(&yearly["triggers"][0]).to_owned()),
            ("webhooks", id(&workflow["triggers"][0]).to_owned()),
            ("executions", id(&execution).to_owned()),
            ("keys", id(&me["key"]).to_owned()),
            ("connectors", "data.set".to_owned()),
            ("users", invited["user"]["id"].to_string()),
            // No key has a session: whichever it is, it is nobody's.
            ("auth", id(&execution).to_owned()),
        ]);
        app.wait_for(&ids["executions"], &["COMPLETED"]).await;
        let output = app
            .run(&["keys", "create", "--name", "stranger", "--scope", "*"])
            .await;
        let stranger = String::from_utf8(output.stdout).expect("a key").trim().to_owned();
        // There is no way to make a second workspace yet but this one.
        let rows = Rows::open(&app).await;
        rows.query("INSERT INTO workspaces (name, created_at) VALUES ('Other', 0)")
            .await;
        rows.query(
            "UPDATE api_keys SET workspace_id = (SELECT max(id) FROM workspaces) WHERE name = 'stranger'",
        )
        .await;
        rows.close().await;
        let description = Answered::of(app.request("GET", "/api/openapi.json")).await.json();
        Self {
            app,
            ids,
            stranger,
            description,
        }
    }

    /// Method, path and description of each operation that asks for a token; the paths lead to what there is.
    fn operations(&self) -> Vec<(String, String, &Value)> {
        let mut operations = Vec::new();
        for (path, methods) in self.description["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                if operation["security"] == json!([]) {
                    continue;
                }
                let resource = path.split('/').nth(3).expect("/api/v1/<resource>");
                let path = match path.split_once('{') {
                    None => path.clone(),
                    Some((before, rest)) => {
                        let id = self.ids.get(resource);
                        let id = id.unwrap_or_else(|| panic!("make one of `{resource}` in this test"));
                        let after = rest.split_once('}').expect("its end").1;
                        // What is made is published, as version 1.
                        let after = after.replace("{number}", "1");
                        // A step is named in the query.
                        let query = if after == "/step" { "?path=hook" } else { "" };
                        format!("{before}{id}{after}{query}")
                    }
                };
                operations.push((method.to_uppercase(), path, operation));
            }
        }
        assert!(
            operations.len() >= 20,
            "only {} operations were found",
            operations.len()
        );
        operations
    }

    async fn call(&self, method: &str, path: &str, key: Option<&str>, body: Option<Value>) -> Answered {
        let mut request = self.app.request(method, path);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answered::of(request).await
    }

    /// All that the rightful owner sees.
    async fn seen(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in ["workflows", "executions", "schedules", "users"] {
            let path = format!("/api/v1/{path}/{}", self.ids[path]);
            let (status, body) = self.app.api("GET", &path, Value::Null).await;
            assert_eq!(status, 200, "{path}");
            seen.push(body);
        }
        for path in ["/api/v1/workflows", "/api/v1/executions", "/api/v1/schedules"] {
            seen.push(self.app.api("GET", path, Value::Null).await.1);
        }
        seen
    }
}

async fn asks_every_operation_for_a_key_and_its_scope(database: Database) {
    let world = World::new(database).await;
    let before = world.seen().await;
    let (_, mine) = world.app.api("GET", "/api/v1/auth/me", Value::Null).await;
    let all: Vec<&str> = mine["scopes"]
        .as_array()
        .expect("scopes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let mut without: HashMap<String, String> = HashMap::new();
    for (method, path, operation) in world.operations() {
        for key in [None, Some(""), Some("wrong"), Some("fm_wrong"), Some("fs_wrong")] {
            let answered = world.call(&method, &path, key, None).await;
            assert_eq!(
                (answered.status, answered.error().as_str()),
                (401, "UNAUTHORIZED"),
                "{method} {path}"
            );
            assert!(
                answered.header("www-authenticate").starts_with("Bearer"),
                "{method} {path}"
            );
        }
        let text = operation["description"].as_str().expect("a description");
        let Some((_, scope)) = text.rsplit_once("Needs the scope `") else {
            assert!(
                text.contains("Needs any valid token"),
                "{method} {path} says of no scope: {text}"
            );
            continue;
        };
        let scope = scope.trim_end_matches("`.");
        if !without.contains_key(scope) {
            let scopes: Vec<&str> = all.iter().copied().filter(|other| *other != scope).collect();
            let body = json!({"name": "less", "scopes": scopes});
            let (status, key) = world.app.api("POST", "/api/v1/keys", body).await;
            assert_eq!(status, 201, "{key}");
            without.insert(scope.to_owned(), key["key"].as_str().expect("a key").to_owned());
        }
        let answered = world.call(&method, &path, Some(&without[scope]), None).await;
        assert_eq!(
            (answered.status, answered.error().as_str()),
            (403, "FORBIDDEN"),
            "{method} {path}"
        );
    }
    assert_eq!(
        world.seen().await,
        before,
        "who was refused has changed something"
    );
}

async fn keeps_workspaces_apart(database: Database) {
    let world = World::new(database).await;
    let before = world.seen().await;
    let graph = json!({"nodes": []});
    for (method, path, operation) in world.operations() {
        let body = match operation["operationId"].as_str().expect("an id") {
            "updateWorkflow" => {
                Some(json!({"name": "Stolen", "graph": graph, "revision": 1, "active": true}))
            }
            "updateUser" => Some(json!({"name": "Stolen", "role": "owner", "disabled": true})),
            "testWebhook" => Some(json!({"method": "POST"})),
            // These make or check something of the caller's own.
            "createWorkflow" | "importWorkflows" | "validateGraph" | "previewSchedule" | "createKey"
            | "inviteUser" | "getMe" | "updateMe" | "changePassword" | "listSessions" | "endSession"
            | "logOut" => {
                continue;
            }
            // A stream of what begins from now on, and nothing does.
            "watchExecutions" => continue,
            "retryExecutions" | "cancelExecutions" => {
                let body = json!({"ids": [world.ids["executions"]]});
                let answered = world
                    .call(&method, &path, Some(&world.stranger), Some(body))
                    .await;
                let told = answered.json();
                assert_eq!(
                    (&told["done"], &told["failed"][0]["error"]["code"]),
                    (&json!([]), &json!("NOT_FOUND")),
                    "{method} {path}"
                );
                continue;
            }
            // A list, in a shape of its own.
            "exportWorkflows" => {
                let answered = world.call(&method, &path, Some(&world.stranger), None).await;
                let file = answered.json();
                assert!(
                    !file.to_string().contains(world.ids["workflows"].as_str()),
                    "{file}"
                );
                continue;
            }
            // The catalogue is the same for all.
            "listConnectors" | "getConnector" | "getAbout" => continue,
            _ => None,
        };
        let answered = world.call(&method, &path, Some(&world.stranger), body).await;
        if path.ends_with(|end: char| end.is_ascii_hexdigit()) && path.contains('-')
            || path.matches('/').count() > 3
        {
            assert_eq!(
                (answered.status, answered.error().as_str()),
                (404, "NOT_FOUND"),
                "{method} {path}"
            );
        } else {
            let list = answered.json();
            assert_eq!(answered.status, 200, "{method} {path}: {list}");
            let rows = list["data"].as_array().expect("a list");
            assert!(
                rows.iter().all(|row| row["name"] == "stranger"),
                "{method} {path}: {list}"
            );
        }
    }
    assert_eq!(world.seen().await, before, "a stranger has changed something");
    let (_, mine) = world.app.api("GET", "/api/v1/auth/me", Value::Null).await;
    let theirs = me(&world.app, &world.stranger).await.json();
    assert_ne!(mine["workspace"]["id"], theirs["workspace"]["id"]);
    // Nor can a stranger use a secret by naming it.
    let auth = json!({"type": "token", "secret": "mine"});
    let mine = create(&world.app, row(&[hook(json!({"auth": auth}))])).await;
    let reference = &mine["graph"]["nodes"][0]["parameters"]["auth"]["secret_ref"];
    assert!(reference.is_string(), "{mine}");
    let named = row(&[hook(json!({"auth": {"type": "token", "secret_ref": reference}}))]);
    let answered = world
        .call("POST", "/api/v1/workflows", Some(&world.stranger), Some(named))
        .await;
    assert_eq!(
        (answered.status, answered.error().as_str()),
        (422, "INVALID_GRAPH")
    );
}

#[tokio::test]
async fn names_every_request() {
    let app = TestApp::start().await;
    let ask = async |id: &str| {
        let request = app.request("GET", "/healthz").header("X-Request-Id", id);
        Answered::of(request).await.header("x-request-id").to_owned()
    };
    assert_eq!(ask("my-request.1_A").await, "my-request.1_A");
    let long = "x".repeat(65);
    for odd in ["", "a b", "<script>", "é", long.as_str()] {
        let made = ask(odd).await;
        assert_ne!(made, odd);
        assert_eq!(made.len(), 36, "{odd}");
    }
    assert_ne!(ask("").await, ask("").await);
}

#[tokio::test]
async fn tells_every_mistake_with_one_body() {
    let app = TestApp::start().await;
    let key = app.key().await;
    let check = async |method: &str, path: &str, content_type: &str, body: &str, status: u16, code: &str| {
        let request = app
            .request(method, path)
            .bearer_auth(key)
            .header("content-type", content_type);
        let answered = Answered::of(request.body(body.to_owned())).await;
        assert_eq!(
            (answered.status, answered.error().as_str()),
            (status, code),
            "{method} {path}"
        );
        answered
    };
    const JSON: &str = "application/json";
    for unknown in [
        "/nowhere",
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/workflows",
        "/api/v1/workflows/",
        "//",
        "/%00",
    ] {
        check("GET", unknown, JSON, "", 404, "NOT_FOUND").await;
    }
    let answered = check("PATCH", "/api/v1/workflows", JSON, "", 405, "METHOD_NOT_ALLOWED").await;
    for method in ["GET", "POST"] {
        assert!(
            answered.header("allow").contains(method),
            "{}",
            answered.header("allow")
        );
    }
    check(
        "POST",
        "/api/v1/connectors",
        JSON,
        "{}",
        405,
        "METHOD_NOT_ALLOWED",
    )
    .await;
    for other in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "nonsense",
    ] {
        check(
            "POST",
            "/api/v1/workflows",
            other,
            "{}",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        )
        .await;
    }
    for broken in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "\u{feff}",
        "{\"name\": \"a\", \"graph\": {\"nodes\": []}} x",
    ] {
        check("POST", "/api/v1/workflows", JSON, broken, 400, "BAD_REQUEST").await;
    }
    for wrong in [
        "/api/v1/workflows/not-an-id",
        "/api/v1/workflows?limit=101",
        "/api/v1/executions?cursor=x",
    ] {
        check("GET", wrong, JSON, "", 400, "BAD_REQUEST").await;
    }
    let big = json!({"name": "x".repeat(1 << 20)}).to_string();
    check("POST", "/api/v1/workflows", JSON, &big, 413, "TOO_LARGE").await;
    // What is wrong with a part says where it stands.
    const NODE: &str = "/graph/nodes/0";
    const TYPE: &str = "/graph/nodes/0/type";
    for (body, status, code, pointer) in [
        ("[]", 400, "BAD_REQUEST", ""),
        (
            r#"{"name": "x", "graph": {"nodes": [{"key": "a", "type": "b", "label": "c"}]}}"#,
            400,
            "BAD_REQUEST",
            NODE,
        ),
        (
            r#"{"name": "x", "graph": {"nodes": [{"key": "a", "type": 5}]}}"#,
            400,
            "BAD_REQUEST",
            TYPE,
        ),
        (
            r#"{"name": "x", "active": true, "graph": {"nodes": [{"key": "a", "type": "nope"}]}}"#,
            422,
            "INVALID_GRAPH",
            TYPE,
        ),
    ] {
        let answered = check("POST", "/api/v1/workflows", JSON, body, status, code).await;
        let first = &answered.json()["error"]["details"][0]["pointer"];
        assert_eq!(first, pointer, "{body}");
    }
}
