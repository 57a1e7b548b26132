//! What every node owes. A failure here tells what to add, and where.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowmatic_executor::catalogue::Registered;
use flowmatic_executor::journal::{StepRecord, StepState};
use flowmatic_executor::testing::{TestHost, execute, run};
use flowmatic_executor::{About, Node, Plan, Role};
use flowmatic_openapi::Graph;
use poem_openapi::types::ParseFromJSON;
use serde_json::{Map, Value, json};

use crate::catalogue;

/// Runs the example in a node's `ABOUT`. It gives the `output` that stands there, or fails where none does.
pub(crate) async fn runs_its_example<N: Node>() {
    runs_its_example_on::<N>(TestHost::default()).await;
}

/// The same on a host that answers. How long that takes, `duration_ms`, is another figure each time.
pub(crate) async fn runs_its_example_on<N: Node>(host: TestHost) {
    let mut example = example(&N::ABOUT);
    let parameters = example["parameters"].clone();
    let result = run::<N>(parameters, example["context"].clone(), Arc::new(host)).await;
    if let (Ok(output), Some(expected)) = (&result, example.get_mut("output"))
        && let (Some(given), Some(shown)) = (output.value.get("duration_ms"), expected.get_mut("duration_ms"))
    {
        assert!(given.is_u64() && shown.is_u64(), "{given} and {shown}");
        *shown = given.clone();
    }
    match example.get("output") {
        Some(expected) => assert_eq!(result.map(|output| output.value).as_ref(), Ok(expected)),
        None => assert!(
            result.is_err(),
            "the example has no `output`, yet the node did not fail"
        ),
    }
}

/// Runs the example of a node that has the engine do something: alone in a graph, with the nodes of its `inside`.
pub(crate) async fn runs_its_example_in_a_graph(kind: &str) {
    let catalogue = catalogue();
    let node = catalogue.get(kind).expect("it is in the catalogue");
    let mut example = example(node.about);
    let mut part = |name: &str| example.remove(name).unwrap_or_default();
    let (parameters, inside) = (part("parameters"), part("inside"));
    runs_in_a_graph(kind, parameters, inside, part("context"), part("output")).await;
}

/// A node with these parameters, alone in a graph but for the nodes `inside` it, gives this output.
pub(crate) async fn runs_in_a_graph(
    kind: &str,
    parameters: Value,
    inside: Value,
    context: Value,
    expected: Value,
) {
    let step = step_in_a_graph(kind, parameters, inside, context).await;
    assert_eq!(step.status, StepState::Completed, "{:?}", step.error);
    assert_eq!(step.output, expected);
}

/// As [`runs_in_a_graph`], with an error of this code.
pub(crate) async fn fails_in_a_graph(
    kind: &str,
    parameters: Value,
    inside: Value,
    context: Value,
    code: &str,
) {
    let step = step_in_a_graph(kind, parameters, inside, context).await;
    assert_eq!(step.error.map(|error| error.code).as_deref(), Some(code));
}

async fn step_in_a_graph(kind: &str, parameters: Value, inside: Value, context: Value) -> StepRecord {
    let graph = Graph::parse_from_json(Some(in_a_graph(kind, parameters, inside)))
        .unwrap_or_else(|error| panic!("`{kind}`: {}", error.into_message()));
    let steps = execute(catalogue(), &graph, context, Arc::new(TestHost::default())).await;
    let steps = steps.unwrap_or_else(|error| panic!("`{kind}`: {error}"));
    let step = steps.into_iter().find(|step| &*step.node == SHOWN);
    step.unwrap_or_else(|| panic!("`{kind}` was not decided"))
}

/// The key of the node that is shown.
const SHOWN: &str = "shown";

/// A graph that shows a node.
fn in_a_graph(kind: &str, parameters: Value, inside: Value) -> Value {
    let mut nodes = vec![
        json!({"key": "start", "type": "trigger.manual"}),
        json!({"key": SHOWN, "type": kind, "parameters": parameters}),
    ];
    for inner in inside.as_array().into_iter().flatten() {
        let mut inner = inner.clone();
        inner["parent"] = json!(SHOWN);
        nodes.push(inner);
    }
    json!({"nodes": nodes, "edges": [{"from": "start", "to": SHOWN}]})
}

fn example(about: &About) -> Map<String, Value> {
    serde_json::from_str(about.example)
        .unwrap_or_else(|error| panic!("`{}`: make `example` a JSON object: {error}", about.kind))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("add the file {}: {error}", path.display()))
}

/// Names in a folder, and whether each is a folder.
fn list(folder: &Path) -> Vec<(PathBuf, bool)> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let entry = entries.map(|entry| entry.expect("a folder can be read to its end").path());
    entry.map(|path| (path.clone(), path.is_dir())).collect()
}

fn stem(path: &Path) -> &str {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .expect("names of source files are UTF-8")
}

/// `src/<group>/<verb>.rs` as `<group>.<verb>`.
fn node_files() -> Vec<(String, PathBuf)> {
    let groups = list(&folder("src"))
        .into_iter()
        .filter(|(_, is_folder)| *is_folder);
    let files = groups.flat_map(|(group, _)| {
        let files = list(&group).into_iter().filter(|(_, is_folder)| !is_folder);
        files.map(move |(file, _)| (format!("{}.{}", stem(&group), stem(&file)), file))
    });
    files.collect()
}

fn for_each(check: impl Fn(&Registered)) {
    let catalogue = catalogue();
    assert!(catalogue.iter().count() > 0);
    catalogue.iter().for_each(check);
}

#[test]
fn every_file_is_a_registered_node() {
    let catalogue = catalogue();
    for (kind, file) in node_files() {
        assert!(
            catalogue.get(&kind).is_some(),
            "{} is no node of the catalogue: set its `ABOUT.kind` to `{kind}`, then add `pub mod` and \
             `Entry::of::<...>()` to src/lib.rs; a part of a node belongs into that node's folder",
            file.display()
        );
    }
    let kinds: BTreeSet<String> = node_files().into_iter().map(|(kind, _)| kind).collect();
    for_each(|node| {
        let kind = node.about.kind;
        assert!(
            kinds.contains(kind),
            "`{kind}` must stand in src/{}.rs: type and path are one",
            kind.replace('.', "/")
        );
    });
}

#[test]
fn every_node_has_tests_and_runs_its_example() {
    let catalogue = catalogue();
    for (kind, file) in node_files() {
        let mut source = read(&file);
        let tests = file.with_extension("").join("tests.rs");
        if tests.exists() {
            source += &read(&tests);
        }
        let shown = file.display();
        assert!(
            source.contains("#[cfg(test)]"),
            "{shown}: add `#[cfg(test)] mod tests` with the node's tests"
        );
        // A trigger is not run; its example is tried in a graph, as every other is.
        let is_trigger = catalogue
            .get(&kind)
            .is_some_and(|node| node.about.role == Role::Trigger);
        assert!(
            is_trigger || source.contains("runs_its_example"),
            "{shown}: add a test with `runs_its_example::<...>().await`"
        );
    }
}

#[test]
fn every_node_has_an_icon() {
    for_each(|node| {
        let kind = node.about.kind;
        let icon = read(&folder("icons").join(format!("{kind}.svg")));
        assert_eq!(
            icon, node.about.icon,
            "`{kind}`: set `icon` to `include_str!(\"../../icons/{kind}.svg\")`"
        );
        for part in [
            "width=\"24\"",
            "height=\"24\"",
            "viewBox=\"0 0 24 24\"",
            "stroke=\"currentColor\"",
        ] {
            assert!(
                icon.contains(part),
                "icons/{kind}.svg: add {part} to its `svg` element"
            );
        }
        assert!(!icon.contains("<script"), "icons/{kind}.svg: remove the script");
    });
    let catalogue = catalogue();
    for (path, _) in list(&folder("icons")) {
        assert!(
            catalogue.get(stem(&path)).is_some(),
            "{}: no node has this icon; remove it",
            path.display()
        );
    }
}

#[test]
fn every_node_is_documented() {
    for_each(|node| {
        let About {
            kind,
            title,
            summary,
            documentation,
            ports,
            ..
        } = node.about;
        assert!(!title.is_empty(), "`{kind}`: give it a title");
        assert!(
            !summary.is_empty() && !summary.ends_with('.'),
            "`{kind}`: `summary` is one line without a full stop"
        );
        let sentences = documentation
            .split_whitespace()
            .filter(|word| word.ends_with('.'))
            .count();
        assert!(
            sentences >= 2,
            "`{kind}`: say in two sentences or more what it does, what it gives, what fails it"
        );
        for (port, description) in *ports {
            assert!(!description.is_empty(), "`{kind}`: describe the port `{port}`");
        }
        let problems = undescribed(&node.schema, "");
        assert!(
            problems.is_empty(),
            "`{kind}`: write a `///` comment at the parameters {problems:?}"
        );
        assert_eq!(
            node.schema["additionalProperties"],
            Value::Bool(false),
            "`{kind}`: add `#[serde(deny_unknown_fields)]` to its struct"
        );
    });
}

/// The properties in a schema, at whatever depth, that nothing describes.
fn undescribed(schema: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    match schema {
        Value::Object(fields) => {
            for (name, property) in fields
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                let is_tag = property.get("const").is_some();
                if !is_tag && property["description"].as_str().is_none_or(str::is_empty) {
                    found.push(format!("{path}/{name}"));
                }
            }
            for (name, value) in fields {
                found.extend(undescribed(value, &format!("{path}/{name}")));
            }
        }
        Value::Array(values) => found.extend(values.iter().flat_map(|value| undescribed(value, path))),
        _ => {}
    }
    found
}

#[test]
fn every_example_is_valid() {
    for_each(|node| {
        let kind = node.about.kind;
        let example = example(node.about);
        for name in example.keys() {
            let known = ["parameters", "inside", "context", "output"].contains(&name.as_str());
            assert!(known, "`{kind}`: `{name}` has no place in an example");
        }
        check_parameters(node, &example["parameters"], "its example");
        assert!(
            example["context"].is_object(),
            "`{kind}`: give the example a `context` object"
        );
    });
}

#[test]
fn every_example_compiles_in_a_graph() {
    let catalogue = catalogue();
    for_each(|node| {
        let kind = node.about.kind;
        let mut example = example(node.about);
        let parameters = example.remove("parameters").unwrap_or_default();
        let graph = match node.about.role {
            Role::Trigger => json!({"nodes": [{"key": SHOWN, "type": kind, "parameters": parameters}]}),
            _ => in_a_graph(kind, parameters, example.remove("inside").unwrap_or_default()),
        };
        let graph = Graph::parse_from_json(Some(graph))
            .unwrap_or_else(|error| panic!("`{kind}`: {}", error.into_message()));
        if let Err(problems) = Plan::compile(&graph, &catalogue) {
            panic!("`{kind}`: its example has no place in a graph: {problems:?}");
        }
    });
}

fn check_parameters(node: &Registered, parameters: &Value, place: &str) {
    let kind = node.about.kind;
    if let Err(error) = node.validator().validate(parameters) {
        panic!(
            "`{kind}`: the parameters of {place} do not fit its schema: {error} at {}",
            error.instance_path()
        );
    }
    let fields = parameters.as_object().expect("the schema asks for an object");
    assert_eq!(
        node.check(fields),
        [],
        "`{kind}`: the parameters of {place} have problems"
    );
}

#[test]
fn every_template_fits_the_catalogue() {
    let catalogue = catalogue();
    for (path, _) in list(&folder("templates")) {
        let shown = path.display().to_string();
        let workflow: Value =
            serde_json::from_str(&read(&path)).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert!(workflow["name"].is_string(), "{shown}: give it a name");
        let graph = Graph::parse_from_json(Some(workflow["graph"].clone()))
            .unwrap_or_else(|error| panic!("{shown}: {}", error.into_message()));
        for node in &graph.nodes {
            let entry = catalogue
                .get(&node.kind)
                .unwrap_or_else(|| panic!("{shown}: there is no `{}`", node.kind));
            check_parameters(entry, &Value::Object(node.parameters.0.clone()), &shown);
        }
        for edge in &graph.edges {
            for key in [&edge.from, &edge.to] {
                assert!(
                    graph.nodes.iter().any(|node| node.key == *key),
                    "{shown}: no node has the key `{key}`"
                );
            }
        }
    }
}
