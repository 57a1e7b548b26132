//! `flowmatic workflows`: beside a running server, and without one.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use flowmatic_tests::{Database, Receiver, TestApp, binary, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::workflow::{call, create, hook, hooked, id, on_both_databases, path, reply, row};

on_both_databases! {
    exports_and_imports_beside_a_running_server
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command printed, which has ended well.
fn printed(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

async fn exports_and_imports_beside_a_running_server(database: Database) {
    let app = TestApp::builder().database(database).start().await;
    let nothing = app.run(&["workflows", "export", "--all"]).await;
    assert!(
        !nothing.status.success() && text(&nothing.stderr).contains("no workflows"),
        "{}",
        text(&nothing.stderr)
    );
    let auth = json!({"auth": {"type": "token", "secret": "hidden"}});
    let first = create(&app, row(&[hook(auth), reply(json!({"body": "first"}))])).await;
    let second = create(&app, json!({"name": "Second", "graph": {"nodes": []}})).await;
    let file = app.data_dir().join("workflows.json");
    let file = file.to_str().expect("a path");

    let all = printed(&app.run(&["workflows", "export", "--all"]).await);
    let names: Vec<&Value> = all["workflows"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["Test", "Second"]);
    assert!(!all.to_string().contains("hidden") && !all.to_string().contains("secret_ref"));
    let one = app
        .run(&["workflows", "export", id(&first), "--output", file])
        .await;
    assert!(
        one.status.success() && one.stdout.is_empty(),
        "{}",
        text(&one.stderr)
    );
    // The same as over HTTP, the same each time, and readable.
    let (_, over_http) = app
        .api("GET", &format!("{}/export", path(&first)), Value::Null)
        .await;
    let written = std::fs::read_to_string(file).expect("it was written");
    assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), over_http);
    assert!(written.contains("\n  \"workflows\"") && written.ends_with("}\n"));
    let again = app.run(&["workflows", "export", id(&first)]).await;
    assert_eq!(text(&again.stdout), written);

    let report = printed(&app.run(&["workflows", "import", file]).await);
    let imported = &report["workflows"][0];
    assert_eq!(
        (&imported["from"], &imported["workflow"]["active"]),
        (&first["id"], &json!(false))
    );
    // The secret that was made for it is one that the server can read.
    let (status, published) = app
        .api(
            "POST",
            &format!("{}/publish", path(&imported["workflow"])),
            Value::Null,
        )
        .await;
    assert_eq!(status, 200, "{published}");
    let trigger = &imported["workflow"]["triggers"][0];
    let url = trigger["url"].as_str().expect("an address");
    let (_, hook) = url.split_once("/api/").expect("of a webhook");
    let secret = trigger["secret"].as_str().expect("it is shown");
    let request = app.request("POST", &format!("/api/{hook}"));
    let answered = request.header("X-Webhook-Token", secret).send().await;
    assert_eq!(answered.expect("an answer").status().as_u16(), 200);

    for (arguments, about) in [
        (vec!["export"], "--all"),
        (vec!["export", "--all", id(&second)], "cannot be used with"),
        (vec!["export", "x"], "invalid value"),
        (
            vec!["export", "0198c0de-0000-7000-8000-000000000000"],
            "there is no workflow",
        ),
        (vec!["import", "/nowhere.json"], "cannot read `/nowhere.json`"),
        (vec!["import"], "FILE"),
        (vec!["dance"], "dance"),
    ] {
        let arguments: Vec<&str> = ["workflows"].into_iter().chain(arguments).collect();
        let output = app.run(&arguments).await;
        let told = text(&output.stderr);
        assert!(
            !output.status.success() && told.contains(about),
            "{arguments:?}: {told}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    // What is wrong is told with its place, and nothing is made.
    let broken = json!({"flowmatic": {"format": 1}, "workflows": [
        {"name": "Good", "graph": {"nodes": []}},
        {"name": "Bad", "graph": {"nodes": [{"key": "a", "type": "x", "timeout": "soon"}]}},
        {"name": "", "graph": {"nodes": []}}
    ]});
    std::fs::write(file, broken.to_string()).expect("the folder is ours");
    let output = app.run(&["workflows", "import", file]).await;
    let told = text(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{told}");
    assert!(told.contains("has 2 mistakes"), "{told}");
    for place in [
        "\n  /workflows/1/graph/nodes/0/timeout: ",
        "\n  /workflows/2/name: ",
    ] {
        assert!(told.contains(place), "{told}");
    }
    let (_, list) = app.api("GET", "/api/v1/workflows", Value::Null).await;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn imports_nothing_under_a_key_that_no_server_knows() {
    let mut app = TestApp::start().await;
    app.kill();
    std::fs::remove_file(app.data_dir().join("secret.key")).expect("a key was made");
    let file = app.data_dir().join("file.json");
    let good = json!({"flowmatic": {"format": 1}, "workflows": [{"name": "W", "graph": {"nodes": []}}]});
    std::fs::write(&file, good.to_string()).expect("the folder is ours");
    let output = app
        .run(&["workflows", "import", file.to_str().expect("a path")])
        .await;
    let told = text(&output.stderr);
    assert!(!output.status.success() && told.contains("secret.key"), "{told}");
}

/// A folder with files to run, without any server.
struct Runs(TempDir);

impl Runs {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn file(&self, name: &str, content: &Value) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content.to_string()).expect("the folder is ours");
        path
    }

    fn command(&self, file: &PathBuf, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary().expect("it is built"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FLOWMATIC_") {
                command.env_remove(name);
            }
        }
        // The temporary folder of the run is in this one, so that a test can see that it goes.
        command
            .args(["workflows", "run"])
            .arg(file)
            .args(arguments)
            .env("TMPDIR", self.0.path())
            .env("FLOWMATIC_LOG", "warn")
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    async fn run(&self, file: &PathBuf, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command(file, arguments);
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .expect("no panic")
            .expect("the binary runs");
        let code = output.status.code().expect("it ended by itself");
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn folders(&self) -> usize {
        let entries = std::fs::read_dir(self.0.path()).expect("it is there");
        entries
            .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_dir()))
            .count()
    }
}

fn adds() -> Value {
    row(&[
        json!({"key": "click", "type": "trigger.manual"}),
        json!({"key": "sum", "type": "data.set", "parameters": {"fields": {"total": "{{add a b}}"}}}),
    ])
}

#[tokio::test]
async fn runs_a_file_once_and_prints_its_result() {
    let runs = Runs::new();
    let input = ["--input", r#"{"a": 1, "b": 2}"#];
    let workflow = adds();
    let export = json!({"flowmatic": {"format": 1}, "workflows": [
        {"name": "W", "graph": workflow["graph"]}
    ]});
    for (name, content) in [
        ("workflow", &workflow),
        ("export", &export),
        ("graph", &workflow["graph"]),
    ] {
        let file = runs.file(name, content);
        let (code, printed, told) = runs.run(&file, &input).await;
        assert_eq!((code, told.as_str()), (0, ""), "{name}");
        let result: Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!(result, json!({"total": 3}), "{name}");
    }
    let file = runs.file("w", &workflow);
    let (code, printed, _) = runs.run(&file, &[&input[..], &["--steps"]].concat()).await;
    let execution: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(
        (code, &execution["status"], &execution["steps"][0]["node"]),
        (0, &json!("COMPLETED"), &json!("sum")),
        "{execution}"
    );
    assert_eq!(execution["input"], json!({"a": 1, "b": 2}));
    assert_eq!(runs.folders(), 0, "it leaves nothing behind");
    // The templates that come with Flowmatic run as they are.
    let template = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../nodes/templates/order-intake.json"
    );
    let (code, printed, told) = runs
        .run(&template.into(), &["--input", r#"{"data": {"amount": 99}}"#])
        .await;
    assert_eq!((code, told.as_str()), (0, ""));
    let result: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(result["body"], json!({"ok": true, "total": 99}));
}

#[tokio::test]
async fn runs_effects_with_the_secrets_in_its_file() {
    let (runs, receiver) = (Runs::new(), Receiver::start().await);
    let mut ask = call("ask", receiver.url());
    ask["parameters"]["auth"] = json!({"type": "bearer", "secret": "in the file"});
    let file = runs.file("w", &hooked(&[ask]));
    let (code, _, told) = runs.run(&file, &["--allow-network", "127.0.0.0/8"]).await;
    assert_eq!((code, told.as_str()), (0, ""));
    assert_eq!(
        receiver.received()[0].headers["authorization"],
        "Bearer in the file"
    );
    // The network is guarded here, too.
    let (code, _, told) = runs.run(&file, &[]).await;
    assert!(code == 1 && told.contains("target_refused"), "{code}: {told}");
    assert_eq!(receiver.received().len(), 1);
}

/// Answers while this test waits for the command.
#[tokio::test(flavor = "multi_thread")]
async fn its_exit_code_says_how_it_ended() {
    let runs = Runs::new();
    let manual = json!({"key": "click", "type": "trigger.manual"});
    let stop =
        json!({"key": "stop", "type": "flow.stop", "parameters": {"message": "no stock", "code": "stock"}});
    let failing = runs.file("failing", &row(&[manual.clone(), stop]));
    let (code, printed, told) = runs.run(&failing, &[]).await;
    assert_eq!((code, printed.as_str()), (1, ""));
    for word in ["FAILED", "`stop`", "no stock", "`stock`"] {
        assert!(told.contains(word), "{told}");
    }
    let (code, printed, _) = runs.run(&failing, &["--steps"]).await;
    let execution: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((code, &execution["error"]["code"]), (1, &json!("stock")));

    let receiver = Receiver::start().await;
    receiver.hold();
    let mut slow = row(&[manual, call("ask", receiver.url())]);
    let loopback = ["--allow-network", "127.0.0.0/8"];
    let cancelled = runs.file("slow", &slow);
    slow["graph"]["settings"] = json!({"timeout": "50ms"});
    let late = runs.file("late", &slow);
    let (code, _, told) = runs.run(&late, &loopback).await;
    assert!(code == 3 && told.contains("TIMED_OUT"), "{code}: {told}");

    // Told to end, it cancels the execution, waits for what is in flight and leaves nothing behind.
    let mut command = runs.command(&cancelled, &loopback);
    let before = receiver.received().len();
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    eventually("the call", async || {
        (receiver.received().len() > before).then_some(())
    })
    .await;
    let kill = format!("kill -TERM {}", child.id());
    let killed = Command::new("sh").args(["-c", &kill]).status();
    assert!(killed.expect("sh runs").success());
    let mut told = BufReader::new(child.stderr.take().expect("it is ours"));
    let mut line = String::new();
    told.read_line(&mut line).expect("it can be read");
    assert!(line.starts_with("told to end"), "{line}");
    receiver.release();
    told.read_to_string(&mut line).expect("it can be read");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(4), "{line}");
    assert_eq!(runs.folders(), 0, "it leaves nothing behind");
}

#[tokio::test]
async fn says_why_a_file_cannot_be_run() {
    let runs = Runs::new();
    let check = async |content: &Value, arguments: &[&str], about: &[&str]| {
        let (code, printed, told) = runs.run(&runs.file("w", content), arguments).await;
        assert_eq!((code, printed.as_str()), (2, ""), "{content}: {told}");
        for word in about {
            assert!(told.contains(word), "{content}: {told}");
        }
    };
    let adds = adds();
    check(&json!(5), &[], &["has a mistake"]).await;
    check(&json!({"nodes": [{"key": 1}]}), &[], &["/nodes/0"]).await;
    check(&json!({"graph": {"nodes": [], "moon": 1}}), &[], &["/graph: "]).await;
    check(&json!({"flowmatic": {"format": 9}}), &[], &["format 9", "update"]).await;
    let two = json!({"name": "W", "graph": adds["graph"]});
    let two = json!({"flowmatic": {"format": 1}, "workflows": [two, two]});
    check(&two, &[], &["holds 2 workflows"]).await;
    let teleport = json!({"name": "W", "graph": row(&[hook(json!({})), json!({"key": "odd", "type": "flow.teleport"})])["graph"]});
    check(&teleport, &[], &["/graph/nodes/1/type (node `odd`)"]).await;
    let inside = json!({"flowmatic": {"format": 1}, "workflows": [teleport]});
    check(&inside, &[], &["/workflows/0/graph/nodes/1/type"]).await;
    let kept = json!({"auth": {"type": "token", "secret_ref": "0198c0de-0000-7000-8000-000000000000"}});
    check(
        &hooked(&[])["graph"].clone(),
        &["--trigger", "other"],
        &["no such trigger"],
    )
    .await;
    check(&row(&[hook(kept)]), &[], &["a server keeps this secret"]).await;
    let doors = json!({"nodes": [hook(json!({})), {"key": "other", "type": "trigger.webhook"}]});
    check(&doors, &[], &["several triggers", "--trigger"]).await;
    for input in ["5", "{", "[]", ""] {
        check(&adds, &["--input", input], &["--input"]).await;
    }
    let (code, _, told) = runs.run(&"/nowhere.json".into(), &[]).await;
    assert!(code == 2 && told.contains("/nowhere.json"), "{code}: {told}");
    assert_eq!(runs.folders(), 0, "it leaves nothing behind");
}
