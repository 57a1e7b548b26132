//! What cargo cannot check: who may name what, what may not be left lying about, and that documents keep up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the workspace")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Rust files under these folders, by their path from the root, without comments.
fn sources(folders: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut left: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = left.pop() {
        for entry in
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.expect("a folder can be read to its end").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(root())
                    .expect("it is below")
                    .display()
                    .to_string();
                let lines = read(&name);
                let code: Vec<&str> = lines
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    .collect();
                found.insert(name, code.join("\n"));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

/// Nothing in these sources may hold any of the words, save for the files that begin with one of `except`.
fn nobody_says(words: &[&str], folders: &[&str], except: &[&str], instead: &str) {
    for (path, code) in sources(folders) {
        if except.iter().any(|start| path.starts_with(start)) {
            continue;
        }
        for word in words {
            assert!(!code.contains(word), "{path} says `{word}`: {instead}");
        }
    }
}

#[test]
fn only_the_store_knows_the_database() {
    let words = ["sea_orm", "sqlx"];
    let instead = "ask the store, by a function that takes and gives the types of openapi";
    nobody_says(&words, &["executor", "nodes", "openapi"], &[], instead);
    // The log says what the store's library may say there.
    let except = [
        "server/src/store/",
        "server/src/store.rs",
        "server/src/telemetry.rs",
        "server/benches/",
    ];
    nobody_says(&words, &["server"], &except, instead);
}

#[test]
fn only_the_errors_know_statuses() {
    let except = [
        "server/src/api/error.rs",
        "server/src/api/tests.rs",
        // It speaks to other servers, which answer with statuses of theirs.
        "server/src/guard",
        // The page is no part of the API: a file, or none.
        "server/src/api/pages.rs",
    ];
    let instead = "add what is meant to server/src/api/error.rs";
    nobody_says(
        &["StatusCode", "from_u16", ".with_status("],
        &["server/src"],
        &except,
        instead,
    );
}

#[test]
fn the_executor_knows_no_server_no_database_and_no_network() {
    for krate in ["executor", "openapi"] {
        let manifest = read(&format!("{krate}/Cargo.toml"));
        let normal = manifest.split("[dev-dependencies]").next().expect("a first part");
        for name in [
            "poem",
            "sea-orm",
            "sqlx",
            "reqwest",
            "hyper",
            "flowmatic-nodes",
            "flowmatic",
        ] {
            let is_named = normal
                .lines()
                .any(|line| line.split(['.', ' ', '=']).next() == Some(name));
            // The vocabulary is described by poem-openapi, which brings poem with it; nothing else of it is used.
            assert!(!is_named, "{krate}/Cargo.toml names `{name}`");
        }
    }
}

#[test]
fn nothing_is_left_undone() {
    let folders = ["openapi", "executor", "nodes", "server", "tests"];
    // In two parts, or this file would be the first to say them.
    let words = [
        concat!("to", "do!("),
        concat!("db", "g!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
    ];
    nobody_says(&words, &folders, &[], "do it, or leave it out");
    for (path, code) in sources(&folders) {
        for (at, line) in code.lines().enumerate() {
            let is_allowed =
                line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(");
            assert!(
                !is_allowed || line.contains("reason"),
                "{path}: a reason is missing at `{}` ({at})",
                line.trim()
            );
        }
    }
}

/// Longer than most, and why.
const LONG_FILES: [(&str, &str); 4] = [
    ("executor/src/expression/tests.rs", "a table of cases"),
    ("server/src/guard/tests.rs", "a table of addresses and attacks"),
    ("server/src/store/commit/tests.rs", "a table of cases"),
    ("server/src/store/executions/tests.rs", "a table of cases"),
];

#[test]
fn files_are_short_or_say_why_not() {
    const LINES: usize = 500;
    for path in sources(&["openapi", "executor", "nodes", "server", "tests"]).into_keys() {
        let lines = read(&path).lines().count();
        let is_known = LONG_FILES.iter().any(|(known, _)| *known == path);
        assert!(
            lines <= LINES || is_known || lines <= 600 && path.contains("test"),
            "{path} has {lines} lines: do two ideas share it? If not, give the reason in tests/it/tidy.rs"
        );
    }
}

#[test]
fn every_folder_is_introduced() {
    for folder in ["openapi", "executor", "nodes", "server", "web", "tests"] {
        let text = read(&format!("{folder}/README.md"));
        assert!(text.starts_with("# "), "{folder}/README.md begins with a title");
    }
}

/// The names of all tests: functions with an attribute that makes them one, and those that a macro does it for.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for code in sources(&["openapi", "executor", "nodes", "server", "tests"]).into_values() {
        let mut is_test = false;
        for line in code.lines().map(str::trim) {
            let function = line.strip_prefix("async fn ").or(line.strip_prefix("fn "));
            if line.starts_with("#[") {
                is_test |= line.contains("test");
            } else if let Some(name) = function.and_then(|rest| rest.split('(').next()) {
                found.extend(std::mem::take(&mut is_test).then(|| name.to_owned()));
            }
        }
        let lists = code.split("on_both_databases! {").skip(1);
        let names = lists.filter_map(|rest| rest.split('}').next());
        found.extend(names.flat_map(str::split_whitespace).map(str::to_owned));
    }
    found
}

#[test]
fn every_row_of_the_semantics_names_a_test_that_shows_it() {
    let (text, tests) = (read("executor/README.md"), tests());
    let (_, section) = text
        .split_once("\n## Semantics\n")
        .expect("there is such a section");
    let section = section.split("\n## ").next().expect("a first part");
    let mut rows = 0;
    for line in section
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let row = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |"));
        let Some((rule, shown_by)) = row.and_then(|row| row.rsplit_once(" | ")) else {
            assert!(
                line.starts_with("|---"),
                "only headings and rows are sentences of the semantics: {line}"
            );
            continue;
        };
        if shown_by == "shown by" {
            continue;
        }
        let names: Vec<&str> = shown_by
            .split('`')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        assert!(!names.is_empty(), "no test shows: {rule}");
        for name in names {
            assert!(
                tests.contains(name),
                "there is no test `{name}`, which is to show: {rule}"
            );
        }
        rows += 1;
    }
    assert!(rows > 50, "{rows} rows");
}

/// The versions of each package in `Cargo.lock`.
fn locked() -> BTreeMap<String, Vec<String>> {
    let text = read("Cargo.lock");
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in text.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.expect("each package has it").trim_matches('"').to_owned()
        };
        packages.entry(field("name")).or_default().push(field("version"));
    }
    packages
}

#[test]
fn there_is_one_of_each_large_library_and_one_tls() {
    let locked = locked();
    for name in [
        "hyper",
        "reqwest",
        "rustls",
        "tokio",
        "poem",
        "sqlx-core",
        "http",
        "serde_json",
    ] {
        let versions = locked.get(name).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
    for name in ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys"] {
        assert!(
            !locked.contains_key(name),
            "{name} came in; `cargo tree --invert {name}` says by whom"
        );
    }
}

#[test]
fn every_flag_is_documented() {
    let binary = flowmatic_tests::binary().expect("it is built");
    let output = Command::new(binary).arg("--help").output().expect("it runs");
    let help = String::from_utf8(output.stdout).expect("text");
    let documents = read("server/README.md");
    let mut flags: Vec<&str> = help
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .filter(|word| !["--help", "--version"].contains(word))
        .collect();
    flags.sort_unstable();
    flags.dedup();
    assert!(flags.len() > 10, "{help}");
    for flag in flags {
        assert!(
            documents.contains(flag),
            "server/README.md does not speak of `{flag}`"
        );
    }
}
