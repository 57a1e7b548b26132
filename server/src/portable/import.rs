//! Drafts from a file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use flowmatic_executor::{Catalogue, Plan};
use flowmatic_openapi::{
    ImportReport, ImportedWorkflow, Problem, Time, Workflow, WorkflowFile, WorkflowSummary,
};
use uuid::Uuid;

use super::file::within;
use super::{reference, secret};
use crate::api::draft::{self, Draft};
use crate::secret::SecretKey;
use crate::store::{Store, StoreError, WorkflowSave};

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Pointers begin in the file.
    #[error("the file has mistakes")]
    Mistakes(Vec<Problem>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the graphs could not be checked: {0}")]
    Check(#[from] tokio::task::JoinError),
}

/// Where an import goes, and what it needs.
pub struct Import<'a> {
    pub store: &'a Store,
    pub secret_key: &'a SecretKey,
    pub catalogue: &'a Arc<Catalogue>,
    pub workspace_id: i64,
    pub now: Time,
}

/// The most that is told of one workflow, of each kind.
const MOST_TOLD: usize = 100;

impl Import<'_> {
    /// Makes a draft of each workflow of a file, or of none.
    pub async fn run(&self, file: WorkflowFile) -> Result<ImportReport, ImportError> {
        let mut arrivals = self.prepare(file)?;
        self.refuse_strange_references(&arrivals).await?;
        for arrival in &mut arrivals {
            self.study(arrival).await?;
        }
        self.ask_for_secrets(&mut arrivals).await?;
        self.tell_of_strangers(&mut arrivals).await?;
        self.write(arrivals).await
    }

    fn prepare(&self, file: WorkflowFile) -> Result<Vec<Arrival>, ImportError> {
        let fresh: Vec<Uuid> = file.workflows.iter().map(|_| Uuid::now_v7()).collect();
        let ids: HashMap<Uuid, Uuid> = file
            .workflows
            .iter()
            .zip(&fresh)
            .filter_map(|(workflow, id)| Some((workflow.id?, *id)))
            .collect();
        let mut mistakes = Vec::new();
        let mut arrivals = Vec::new();
        for (index, (mut workflow, id)) in file.workflows.into_iter().zip(fresh).enumerate() {
            reference::point_anew(&mut workflow.graph, &ids);
            match draft::prepare(workflow.graph, None, self.secret_key) {
                Ok(draft) => {
                    mistakes.extend(within(index, draft::check_size(&draft.graph)));
                    arrivals.push(Arrival {
                        id,
                        from: workflow.id,
                        name: workflow.name,
                        description: workflow.description,
                        draft,
                        named: Vec::new(),
                        secrets: Vec::new(),
                        problems: Vec::new(),
                    });
                }
                Err(problems) => mistakes.extend(within(index, problems)),
            }
        }
        match mistakes.is_empty() {
            true => Ok(arrivals),
            false => Err(ImportError::Mistakes(mistakes)),
        }
    }

    /// References to secrets that somebody wrote into the file, and that are not here.
    async fn refuse_strange_references(&self, arrivals: &[Arrival]) -> Result<(), ImportError> {
        let foreign = arrivals.iter().flat_map(|arrival| &arrival.draft.foreign);
        let known = self.known_secrets(foreign.map(|(id, _)| *id).collect()).await?;
        let unknown = arrivals.iter().enumerate().flat_map(|(index, arrival)| {
            let foreign = arrival.draft.foreign.iter();
            let unknown = foreign.filter(|(id, _)| !known.contains(id));
            within(index, unknown.map(|(_, problem)| problem.clone()))
        });
        let unknown: Vec<Problem> = unknown.collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(ImportError::Mistakes(unknown)),
        }
    }

    /// Finds what keeps a graph from being published, and the secrets that it names. A large one takes a while.
    async fn study(&self, arrival: &mut Arrival) -> Result<(), ImportError> {
        let (graph, catalogue) = (arrival.draft.graph.clone(), self.catalogue.clone());
        let studying = tokio::task::spawn_blocking(move || {
            let problems = Plan::compile(&graph, &catalogue).err().unwrap_or_default();
            (problems, secret::named(&graph))
        });
        (arrival.problems, arrival.named) = studying.await?;
        Ok(())
    }

    /// Notes where each workflow needs a secret that the file could not bring along.
    async fn ask_for_secrets(&self, arrivals: &mut [Arrival]) -> Result<(), StoreError> {
        let named = arrivals.iter().flat_map(|arrival| &arrival.named);
        let mut known = self.known_secrets(named.map(|named| named.id).collect()).await?;
        let written = arrivals.iter().flat_map(|arrival| &arrival.draft.secrets);
        known.extend(written.map(|sealed| sealed.id));
        for arrival in arrivals {
            arrival.secrets = secret::needed(&arrival.draft);
            let named = std::mem::take(&mut arrival.named).into_iter();
            let strange = named.filter(|named| !known.contains(&named.id));
            arrival.secrets.extend(strange.map(secret::Named::into_problem));
            arrival.secrets.truncate(MOST_TOLD);
            // Each mistake once.
            let asked: HashSet<&str> = arrival.secrets.iter().map(|it| it.pointer.as_str()).collect();
            arrival.problems.retain(|it| !asked.contains(it.pointer.as_str()));
        }
        Ok(())
    }

    async fn known_secrets(&self, ids: HashSet<Uuid>) -> Result<HashSet<Uuid>, StoreError> {
        let ids: Vec<Uuid> = ids.into_iter().collect();
        self.store.known_secrets(self.workspace_id, &ids).await
    }

    /// Notes workflows that are named and are neither in the file nor here.
    async fn tell_of_strangers(&self, arrivals: &mut [Arrival]) -> Result<(), StoreError> {
        let named = |arrival: &Arrival| reference::all(&arrival.draft.graph);
        let ids: HashSet<Uuid> = arrivals.iter().flat_map(named).map(|named| named.id).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut known = self.store.known_workflows(self.workspace_id, &ids).await?;
        known.extend(arrivals.iter().map(|arrival| arrival.id));
        for arrival in arrivals {
            let strange = named(arrival)
                .into_iter()
                .filter(|named| !known.contains(&named.id));
            let strange = strange.map(reference::Reference::into_problem);
            arrival.problems.extend(strange.take(MOST_TOLD));
        }
        Ok(())
    }

    async fn write(&self, arrivals: Vec<Arrival>) -> Result<ImportReport, ImportError> {
        let mut saves = Vec::new();
        let mut told = Vec::new();
        for arrival in arrivals {
            let draft = arrival.draft;
            saves.push(WorkflowSave {
                workspace_id: self.workspace_id,
                id: arrival.id,
                name: arrival.name,
                description: arrival.description,
                active: Some(false),
                graph: draft.graph,
                secrets: draft.secrets,
                by: None,
                now: self.now,
            });
            told.push((arrival.from, draft.made, arrival.secrets, arrival.problems));
        }
        let made = self.store.create_workflows(saves).await?;
        let workflows = made.into_iter().zip(told).enumerate();
        let workflows =
            workflows.map(
                |(index, (workflow, (from, made, secrets, problems)))| ImportedWorkflow {
                    from,
                    workflow: summary(workflow, made),
                    secrets: within(index, secrets).collect(),
                    problems: within(index, problems).collect(),
                },
            );
        Ok(ImportReport {
            workflows: workflows.collect(),
        })
    }
}

/// A workflow of a file that is about to be written.
struct Arrival {
    id: Uuid,
    from: Option<Uuid>,
    name: String,
    description: Option<String>,
    draft: Draft,
    /// The secrets that its graph names.
    named: Vec<secret::Named>,
    /// Where it needs a secret.
    secrets: Vec<Problem>,
    /// What else keeps it from being published.
    problems: Vec<Problem>,
}

/// All but the graph, with the secrets that were just made.
fn summary(mut workflow: Workflow, mut made: HashMap<String, String>) -> WorkflowSummary {
    for trigger in &mut workflow.triggers {
        trigger.secret = made.remove(&trigger.node);
    }
    WorkflowSummary {
        id: workflow.id,
        name: workflow.name,
        description: workflow.description,
        active: workflow.active,
        revision: workflow.revision,
        version: workflow.version,
        has_changes: workflow.has_changes,
        triggers: workflow.triggers,
        last_execution: None,
        created_at: workflow.created_at,
        updated_at: workflow.updated_at,
        deleted_at: None,
    }
}
