//! `flowmatic workflows run`: one execution over a database of its own, which goes with it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::Utc;
use flowmatic_executor::{Plan, json};
use flowmatic_openapi::{
    Execution, ExecutionMode, ExecutionStatus, Graph, JsonObject, Problem, WorkflowFile,
};
use poem_openapi::types::ToJSON;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{mistaken, pretty, print, read_text};
use crate::api::{draft, payload, workflows};
use crate::config::{Config, Run};
use crate::dispatch::{Dispatch, StepData};
use crate::guard::Guard;
use crate::portable;
use crate::role::{serve, spawn_upkeep};
use crate::secret::SecretKey;
use crate::store::{Store, StoreOptions, WorkflowSave};
use crate::trigger::resume;

/// How often it is looked whether the execution has ended: soon at first, then less and less.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LATEST_LOOK: Duration = Duration::from_millis(250);

pub async fn run(config: Config, run: Run) -> ExitCode {
    let print_steps = run.steps;
    let told = match execute(config, run).await {
        Ok(execution) => tell(&execution, print_steps).map(|()| code_of(execution.status)),
        Err(error) => Err(error),
    };
    told.unwrap_or_else(|error| {
        eprintln!("Error: {error:?}");
        ExitCode::from(2)
    })
}

fn code_of(status: ExecutionStatus) -> ExitCode {
    match status {
        ExecutionStatus::Completed => ExitCode::SUCCESS,
        ExecutionStatus::TimedOut => ExitCode::from(3),
        ExecutionStatus::Cancelled => ExitCode::from(4),
        _ => ExitCode::FAILURE,
    }
}

fn tell(execution: &Execution, print_steps: bool) -> anyhow::Result<()> {
    if let Some(error) = &execution.error {
        let place = error.node.as_ref().map(|node| format!(" at node `{node}`"));
        eprintln!(
            "{}{}: {} (`{}`)",
            execution.status.as_str(),
            place.unwrap_or_default(),
            error.message,
            error.code
        );
    }
    if print_steps {
        return print(&pretty(execution));
    }
    match execution.status {
        ExecutionStatus::Completed => {
            print(&format!("{:#}\n", execution.result.to_json().unwrap_or_default()))
        }
        _ => Ok(()),
    }
}

async fn execute(config: Config, run: Run) -> anyhow::Result<Execution> {
    let input = match json::parse(run.input.as_bytes()).context("`--input` cannot be read")? {
        Value::Object(input) => JsonObject(input),
        _ => anyhow::bail!("`--input` is no JSON object; write such as '{{\"amount\": 5}}'"),
    };
    let graph = Drawn::read(&run.file)?;
    // From here on there is something to clear away.
    let told = serve::stop_signal()?;
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let place = Place::open(&config, folder.path()).await?;
    let workflow_id = place.publish(&run.file, graph).await?;
    let ended = place
        .execute(workflow_id, run.trigger.as_deref(), input, told)
        .await;
    place.close().await;
    ended
}

/// A graph in a file, and where in it.
struct Drawn {
    graph: Graph,
    /// The pointer of what holds `graph`.
    pointer: &'static str,
}

impl Drawn {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let mistakes = |problems: Vec<Problem>| mistaken(path, &problems);
        let text = read_text(path)?;
        let value = json::parse(&text).with_context(|| format!("cannot read `{}`", path.display()))?;
        if value.get("flowmatic").is_some() {
            let WorkflowFile { mut workflows, .. } = portable::read(&text).map_err(mistakes)?;
            ensure!(
                workflows.len() == 1,
                "`{}` holds {} workflows: export the one to run by its id",
                path.display(),
                workflows.len()
            );
            return Ok(Self {
                graph: workflows.remove(0).graph,
                pointer: "/workflows/0",
            });
        }
        let (value, pointer) = match value {
            Value::Object(mut fields) if fields.contains_key("graph") => {
                (fields.shift_remove("graph").unwrap_or_default(), "/graph")
            }
            whole => (whole, ""),
        };
        let graph = payload::read_value(value).map_err(|problems| {
            let within = |problem: Problem| Problem {
                pointer: format!("{pointer}{}", problem.pointer),
                ..problem
            };
            mistakes(problems.into_iter().map(within).collect())
        })?;
        Ok(Self { graph, pointer: "" })
    }
}

/// Where the execution runs.
struct Place {
    store: Store,
    secret_key: SecretKey,
    dispatch: Arc<Dispatch>,
    workspace_id: i64,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Place {
    async fn open(config: &Config, folder: &Path) -> anyhow::Result<Self> {
        let options = StoreOptions {
            database_url: None,
            data_dir: folder.to_owned(),
        };
        let store = Store::open(options)
            .await
            .context("cannot make a temporary database")?;
        store.migrate().await?;
        let secret_key = SecretKey::open(None, folder, true)?;
        let guard = Guard::new(config.allow_network.clone())?;
        let dispatch = Dispatch::new(
            store.clone(),
            secret_key.clone(),
            Arc::new(flowmatic_nodes::catalogue()),
            guard,
            usize::try_from(config.max_running)?,
            // Nobody listens there: a wait for somebody ends by its time-out, or not at all.
            resume::url("http://localhost", &secret_key),
        );
        Ok(Self {
            workspace_id: store.first_workspace().await?,
            store,
            secret_key,
            dispatch,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Makes a version of the graph that only a start by hand runs.
    async fn publish(&self, path: &Path, drawn: Drawn) -> anyhow::Result<Uuid> {
        let mistakes = |problems: Vec<Problem>| {
            let within = |problem: Problem| Problem {
                pointer: format!("{}{}", drawn.pointer, problem.pointer),
                ..problem
            };
            let problems: Vec<Problem> = problems.into_iter().map(within).collect();
            mistaken(path, &problems)
        };
        let draft = draft::prepare(drawn.graph, None, &self.secret_key).map_err(mistakes)?;
        if !draft.foreign.is_empty() {
            let kept = |(_, problem): (Uuid, Problem)| Problem {
                message: "a server keeps this secret: write `secret` with the secret itself in its place"
                    .to_owned(),
                ..problem
            };
            return Err(mistakes(draft.foreign.into_iter().map(kept).collect()));
        }
        Plan::compile(&draft.graph, &flowmatic_nodes::catalogue()).map_err(mistakes)?;
        let mut graph = draft.graph;
        // There are no other starts to be kept apart from.
        graph.settings.start = None;
        let save = WorkflowSave {
            workspace_id: self.workspace_id,
            id: Uuid::now_v7(),
            name: "Run".to_owned(),
            description: None,
            active: Some(true),
            graph,
            secrets: draft.secrets,
            by: None,
            now: Utc::now(),
        };
        let workflow = self.store.create_workflow(save).await?;
        self.store
            .deactivate_workflow(self.workspace_id, workflow.id, Utc::now())
            .await?;
        Ok(workflow.id)
    }

    async fn execute(
        &self,
        workflow_id: Uuid,
        trigger: Option<&str>,
        input: JsonObject,
        told: impl Future<Output = ()>,
    ) -> anyhow::Result<Execution> {
        let version = self.dispatch.version(workflow_id, 1).await?;
        let version = version.context("the workflow was not kept")?;
        let trigger = workflows::trigger_of(&version.plan, trigger)
            .map_err(|error| anyhow::anyhow!("{error}; `--trigger` says which one"))?;
        // Its database goes with it: nothing in there becomes old.
        let (prunes, _) = mpsc::channel(1);
        let (tasks, stop) = (&self.tasks, &self.stop);
        spawn_upkeep(&self.store, &self.dispatch, prunes, tasks, stop, stop);
        let started = self
            .dispatch
            .execute(
                self.workspace_id,
                workflow_id,
                1,
                trigger,
                ExecutionMode::Manual,
                input,
                None,
            )
            .await?
            .execution;
        tokio::select! {
            ended = self.end(started.id) => return ended,
            () = told => {}
        }
        let told_again = serve::stop_signal()?;
        self.store
            .request_cancel(self.workspace_id, started.id, Utc::now())
            .await?;
        self.dispatch.cancel(&[started.id]);
        eprintln!("told to end: nothing new is begun, and what is in flight is awaited");
        tokio::select! {
            ended = self.end(started.id) => ended,
            () = told_again => anyhow::bail!("told to end again: what is in flight is left to itself"),
        }
    }

    /// The execution once it has ended, as the API shows it.
    async fn end(&self, id: Uuid) -> anyhow::Result<Execution> {
        let mut look = FIRST_LOOK;
        loop {
            let stored = self
                .store
                .get_execution(self.workspace_id, id, Utc::now())
                .await?;
            let stored = stored.context("the execution is gone")?;
            if stored.summary.status.is_final() {
                return Ok(self.dispatch.show(stored, StepData::OfAll).await?);
            }
            tokio::time::sleep(look).await;
            look = (look * 2).min(LATEST_LOOK);
        }
    }

    async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.dispatch.drain().await;
        self.tasks.wait().await;
        self.store.close().await;
    }
}
