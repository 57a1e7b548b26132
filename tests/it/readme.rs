//! The first five minutes of `README.md`, done as they stand there.

use std::os::unix::fs::symlink;
use std::path::Path;

use flowmatic_tests::{PATIENCE, TestApp, binary};
use serde_json::{Deserializer, Value};
use tokio::process::Command;

use crate::workflow::Answered;

/// The blocks of this language between the title and the next one.
fn blocks(readme: &str, language: &str) -> Vec<String> {
    let (_, section) = readme.split_once("\n## Five minutes\n").expect("the section");
    let section = section.split("\n## ").next().expect("its text");
    let fence = format!("```{language}\n");
    let starts = section.split(&fence).skip(1);
    starts
        .map(|block| block.split("```").next().expect("its text").to_owned())
        .collect()
}

/// Each is a JSON value.
fn values(text: &str) -> Vec<Value> {
    let values = Deserializer::from_str(text).into_iter();
    values
        .map(|value| value.unwrap_or_else(|error| panic!("{error}: {text}")))
        .collect()
}

#[tokio::test]
async fn the_first_five_minutes_go_as_the_readme_says() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md");
    let mut commands = blocks(&readme, "sh");
    assert_eq!(commands.remove(0), "cargo run --release\n");
    let app = TestApp::start().await;
    let link = says_what_the_readme_says(&app, &blocks(&readme, "text")[0]);
    assert_eq!(Answered::of(app.request("GET", &link)).await.status, 200);

    let data = app.data_dir();
    let folder = data.parent().expect("the folder in which the server was started");
    let release = folder.join("target/release");
    std::fs::create_dir_all(&release).expect("the folder is ours");
    symlink(binary().expect("it runs"), release.join("flowmatic")).expect("there is no other");
    let address = app.url().trim_start_matches("http://");
    let script = commands.join("\necho '# next'\n");
    assert!(script.contains("localhost:8080"), "{script}");
    let mut bash = Command::new("bash");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLOWMATIC_") {
            bash.env_remove(name);
        }
    }
    bash.args([
        "-euo",
        "pipefail",
        "-c",
        &script.replace("localhost:8080", address),
    ])
    .current_dir(folder)
    .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, bash.output()).await;
    let output = output.expect("the commands end").expect("bash runs");
    let printed = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{printed}\n{errors}"
    );

    let printed: Vec<&str> = printed.split("# next\n").collect();
    let [key, created, called, read] = printed.as_slice() else {
        panic!("make a key, create, call, read back: {printed:?}");
    };
    assert_eq!((*key, *created), ("", ""), "these print nothing");
    let workflow = std::fs::read_to_string(folder.join("workflow.json")).expect("it was written");
    let workflow: Value = serde_json::from_str(&workflow).expect("JSON");
    assert_eq!(workflow["active"], true, "{workflow}");
    let hook = workflow["triggers"][0]["url"].as_str().expect("a webhook");
    assert!(hook.starts_with(app.url()), "{hook}");

    let shown = commands[2].lines().filter_map(|line| line.strip_prefix("# "));
    let shown: Vec<Value> = shown.flat_map(values).collect();
    assert_eq!(shown.len(), 1, "the answer stands under the call");
    assert_eq!(values(called), shown);

    let [listed, whole] = &values(read)[..] else {
        panic!("the last execution, and all of it: {read}");
    };
    assert_eq!(listed["id"], whole["id"]);
    for execution in [listed, whole] {
        assert_eq!(execution["status"], "COMPLETED", "{execution}");
    }
    let steps = whole["steps"].as_array().expect("steps");
    let keys: Vec<&Value> = steps.iter().map(|step| &step["node"]).collect();
    assert_eq!(keys, ["big", "reply"], "{whole}");
    for step in steps {
        assert!(!step["input"].is_null() && !step["output"].is_null(), "{step}");
    }
}

/// Compares the first start with the README, whose `…` stands for anything. Gives the path of the link. The log is
/// kept to warnings, of which there are none.
fn says_what_the_readme_says(app: &TestApp, shown: &str) -> String {
    // The one thing that is not as it would be in the README's folder.
    let flag = format!(" --data-dir '{}'", app.data_dir().display());
    let output = app.output().replace(&flag, "");
    let printed: Vec<&str> = output.lines().filter(|line| !line.starts_with("---")).collect();
    let shown = shown.replace("http://127.0.0.1:8080", app.url());
    let shown: Vec<&str> = shown.lines().collect();
    assert_eq!((printed.len(), shown.len()), (3, 3), "{output}");
    for (printed, shown) in printed.iter().zip(&shown) {
        let (start, end) = shown.split_once('…').unwrap_or((shown, ""));
        let is_same = match shown.contains('…') {
            true => printed.starts_with(start) && printed.ends_with(end),
            false => printed == shown,
        };
        assert!(is_same, "`{printed}` is not `{shown}`");
    }
    assert!(printed[0].contains(app.url()), "{output}");
    let (_, link) = printed[1].split_once(app.url()).expect("the one-time link");
    link.to_owned()
}
