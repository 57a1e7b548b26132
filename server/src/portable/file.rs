//! Files as they are read: what is not as it should be is told with its place.

use std::collections::HashSet;

use flowmatic_executor::json;
use flowmatic_openapi::{FileHead, PortableWorkflow, Problem, WorkflowFile};
use serde_json::Value;

use super::{FORMAT, MOST_WORKFLOWS};
use crate::api::payload;

/// Reads a file; says where each mistake is.
pub fn read(text: &[u8]) -> Result<WorkflowFile, Vec<Problem>> {
    let value = json::parse(text).map_err(|error| vec![problem("", error)])?;
    // First of all, since what a newer format has is unknown here and would be told as mistakes.
    refuse_format(&value)?;
    check_parts(&value)?;
    let file: WorkflowFile = payload::read_value(value)?;
    let mut seen = HashSet::new();
    let twice: Vec<Problem> = file
        .workflows
        .iter()
        .enumerate()
        .filter_map(|(index, workflow)| Some((index, workflow.id?)))
        .filter(|(_, id)| !seen.insert(*id))
        .map(|(index, _)| {
            let pointer = format!("/workflows/{index}/id");
            problem(&pointer, "another workflow of the file has this id")
        })
        .collect();
    if twice.is_empty() { Ok(file) } else { Err(twice) }
}

/// Checks part by part, and stops where nobody reads on: of all that can be wrong with a large file at once, there
/// would be a list many times as large.
fn check_parts(value: &Value) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    if let Some(head) = value.get("flowmatic") {
        problems.extend(placed("/flowmatic".to_owned(), payload::check::<FileHead>(head)));
    }
    let workflows = value.get("workflows").and_then(Value::as_array);
    let workflows = workflows.map(Vec::as_slice).unwrap_or_default();
    if workflows.len() > MOST_WORKFLOWS {
        let message = format!("a file holds at most {MOST_WORKFLOWS} workflows");
        problems.push(problem("/workflows", message));
        return Err(problems);
    }
    for (index, workflow) in workflows.iter().enumerate() {
        if problems.len() >= payload::MOST_PROBLEMS {
            break;
        }
        let found = payload::check::<PortableWorkflow>(workflow);
        problems.extend(within(index, found));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

fn refuse_format(value: &Value) -> Result<(), Vec<Problem>> {
    let Some(head) = value.get("flowmatic") else {
        let message = "this is no export of Flowmatic: it begins with `{\"flowmatic\": {\"format\": 1}, \"workflows\": […]}`";
        return Err(vec![problem("/flowmatic", message)]);
    };
    match head["format"].as_u64() {
        Some(format) if format > u64::from(FORMAT.unsigned_abs()) => {
            let writer = head["version"].as_str().map_or_else(
                || "a newer Flowmatic".to_owned(),
                |version| format!("Flowmatic {version:.40}"),
            );
            let message = format!(
                "the file is of format {format}, written by {writer}; this server ({}) reads format {FORMAT}: update it first",
                env!("CARGO_PKG_VERSION")
            );
            Err(vec![problem("/flowmatic/format", message)])
        }
        _ => Ok(()),
    }
}

fn problem(pointer: &str, message: impl std::fmt::Display) -> Problem {
    Problem {
        pointer: pointer.to_owned(),
        node: None,
        message: message.to_string(),
    }
}

/// Problems of a workflow, placed in its file.
pub(super) fn within(
    index: usize,
    problems: impl IntoIterator<Item = Problem>,
) -> impl Iterator<Item = Problem> {
    placed(format!("/workflows/{index}"), problems)
}

/// Problems of what is at this place.
fn placed(place: String, problems: impl IntoIterator<Item = Problem>) -> impl Iterator<Item = Problem> {
    problems.into_iter().map(move |problem| Problem {
        pointer: format!("{place}{}", problem.pointer),
        ..problem
    })
}
