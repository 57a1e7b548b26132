//! `flowmatic workflows`: export and import work beside a running server, `run` without one.

mod run;

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use chrono::Utc;
use flowmatic_openapi::{Problem, WorkflowFile};
use poem_openapi::types::ToJSON;
use uuid::Uuid;

use crate::app::base_url;
use crate::config::{Config, Workflows};
use crate::portable::{self, Import, ImportError};

/// The largest file that a command reads or writes.
const LARGEST_FILE: usize = 64 << 20;

pub async fn run(config: Config, command: Workflows) -> anyhow::Result<ExitCode> {
    match command {
        Workflows::Export { ids, all, output } => export(config, ids, all, output.as_deref()).await?,
        Workflows::Import { file } => import(config, &file).await?,
        Workflows::Run(run) => return Ok(run::run(config, run).await),
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(config: Config, ids: Vec<Uuid>, all: bool, output: Option<&Path>) -> anyhow::Result<()> {
    let (store, workspace_id) = super::open_beside(&config).await?;
    let ids = match all {
        true => store.workflow_ids(workspace_id).await?,
        false => ids,
    };
    let file = portable::export(&store, workspace_id, &ids, LARGEST_FILE).await?;
    store.close().await;
    let text = pretty(&file);
    match output {
        None => print(&text),
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
        }
    }
}

async fn import(config: Config, path: &Path) -> anyhow::Result<()> {
    let file = read_file(path)?;
    let (store, workspace_id) = super::open_beside(&config).await?;
    let import = Import {
        store: &store,
        // A running server may have another one than this would make.
        secret_key: &super::open_secrets(&store, &config, false).await?,
        catalogue: &Arc::new(flowmatic_nodes::catalogue()),
        workspace_id,
        now: Utc::now(),
    };
    let mut report = match import.run(file).await {
        Err(ImportError::Mistakes(problems)) => return Err(mistaken(path, &problems)),
        imported => imported.context("nothing was imported")?,
    };
    store.close().await;
    let base_url = base_url(config.public_url.as_ref(), config.listen);
    for trigger in report
        .workflows
        .iter_mut()
        .flat_map(|it| &mut it.workflow.triggers)
    {
        let url = |id: Uuid| format!("{base_url}/api/webhooks/{id}");
        trigger.url = trigger.webhook_id.map(url);
    }
    print(&pretty(&report))
}

fn read_file(path: &Path) -> anyhow::Result<WorkflowFile> {
    let text = read_text(path)?;
    portable::read(&text).map_err(|problems| mistaken(path, &problems))
}

/// Reads a file, or standard input, to its bound.
fn read_text(path: &Path) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let bound = LARGEST_FILE as u64 + 1;
    let mut text = Vec::new();
    let read = match path == Path::new("-") {
        true => std::io::stdin().take(bound).read_to_end(&mut text),
        false => std::fs::File::open(path).and_then(|file| file.take(bound).read_to_end(&mut text)),
    };
    read.with_context(|| format!("cannot read `{shown}`"))?;
    ensure!(
        text.len() <= LARGEST_FILE,
        "`{shown}` is larger than {} MiB: bring fewer workflows at a time",
        LARGEST_FILE >> 20
    );
    Ok(text)
}

/// All that is wrong with a file, a line each.
fn mistaken(path: &Path, problems: &[Problem]) -> anyhow::Error {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let place = match (problem.pointer.as_str(), &problem.node) {
                ("", _) => String::new(),
                (pointer, None) => format!("{pointer}: "),
                (pointer, Some(node)) => format!("{pointer} (node `{node}`): "),
            };
            format!("\n  {place}{}", problem.message)
        })
        .collect();
    let mistakes = match lines.len() {
        1 => "a mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    anyhow::anyhow!("`{}` has {mistakes}:{}", path.display(), lines.concat())
}

fn pretty(value: &impl ToJSON) -> String {
    format!("{:#}\n", value.to_json().unwrap_or_default())
}

fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(()),
        Err(error) => bail!("cannot write to stdout: {error}"),
    }
}
