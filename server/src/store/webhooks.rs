//! Incoming webhooks: the triggers that are called over HTTP, as what is published has them, else the draft.

use std::collections::HashMap;

use flowmatic_nodes::trigger::webhook::{Auth, Webhook};
use flowmatic_openapi::{IncomingAuth, IncomingWebhook, LastCall, Page, Time};
use sea_orm::sea_query::Query;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::entity::{trigger, version, workflow};
use super::{Store, StoreError, cursor};

/// Which webhooks a list shows.
#[derive(Debug, Default)]
pub struct WebhookFilter {
    /// Part of the workflow's or the node's name or of its key, or how one of its ids begins; in whatever case.
    pub search: Option<String>,
    pub workflow_id: Option<Uuid>,
    /// Whether it takes calls.
    pub live: Option<bool>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
    pub limit: u32,
}

const KIND: &str = "trigger.webhook";
/// Triggers that are looked at for one page: then it is shorter, and the next one goes on.
const MOST: usize = 2_000;
/// Executions of a workflow among which the last call is looked for.
const NEWEST: u32 = 1_000;

impl Store {
    /// Those of the newest triggers first. Their addresses are left to who knows them.
    pub async fn incoming_webhooks(
        &self,
        workspace_id: i64,
        filter: WebhookFilter,
        now: Time,
    ) -> Result<Page<IncomingWebhook>, StoreError> {
        let limit = filter.limit as usize;
        let mut last = filter.cursor.as_deref().map(cursor::decode).transpose()?;
        let (mut found, mut looked_at) = (Vec::new(), 0);
        loop {
            let of_page = Condition::all()
                .add_option(filter.workflow_id.map(|id| trigger::Column::WorkflowId.eq(id)))
                .add_option(last.map(|last| trigger::Column::Id.lt(last)));
            let rows = self.webhook_rows(workspace_id, of_page, limit).await?;
            let is_end = rows.len() < limit;
            looked_at += rows.len();
            last = rows.last().map(|row| row.id).or(last);
            found.extend(
                self.described(rows)
                    .await?
                    .into_iter()
                    .filter(|webhook| filter.has(webhook)),
            );
            if found.len() > limit {
                let next_cursor = cursor::cut(&mut found, filter.limit, |webhook| webhook.id);
                return Ok(Page::new(
                    self.with_last_calls(workspace_id, found, now).await?,
                    next_cursor,
                ));
            }
            if is_end || looked_at >= MOST {
                let next_cursor = last.filter(|_| !is_end).map(cursor::encode);
                return Ok(Page::new(
                    self.with_last_calls(workspace_id, found, now).await?,
                    next_cursor,
                ));
            }
        }
    }

    pub async fn incoming_webhook(
        &self,
        workspace_id: i64,
        id: Uuid,
        now: Time,
    ) -> Result<Option<IncomingWebhook>, StoreError> {
        let is_it = Condition::all().add(trigger::Column::Id.eq(id));
        let rows = self.webhook_rows(workspace_id, is_it, 1).await?;
        let found = self.described(rows).await?;
        Ok(self.with_last_calls(workspace_id, found, now).await?.pop())
    }

    /// The rows of triggers that are webhooks, or were, the newest first.
    async fn webhook_rows(
        &self,
        workspace_id: i64,
        condition: Condition,
        limit: usize,
    ) -> Result<Vec<trigger::Model>, StoreError> {
        let of_workspace = Query::select()
            .column(workflow::Column::Id)
            .from(workflow::Entity)
            .and_where(workflow::Column::WorkspaceId.eq(workspace_id))
            .and_where(workflow::Column::DeletedAt.is_null())
            .take();
        Ok(trigger::Entity::find()
            .filter(condition)
            .filter(trigger::Column::WebhookId.is_not_null())
            .filter(trigger::Column::WorkflowId.in_subquery(of_workspace))
            .order_by_desc(trigger::Column::Id)
            .limit(limit as u64)
            .all(&self.reader())
            .await?)
    }

    /// Those of these triggers that are there, in the published version or in the draft.
    async fn described(&self, rows: Vec<trigger::Model>) -> Result<Vec<IncomingWebhook>, StoreError> {
        let reader = self.reader();
        let workflows = rows.iter().map(|row| row.workflow_id);
        let workflows: HashMap<Uuid, workflow::Model> = workflow::Entity::find()
            .filter(workflow::Column::Id.is_in(workflows))
            .all(&reader)
            .await?
            .into_iter()
            .map(|workflow| (workflow.id, workflow))
            .collect();
        let published = workflows.values().filter_map(|workflow| {
            let is_its = version::Column::WorkflowId.eq(workflow.id);
            Some(is_its.and(version::Column::Number.eq(workflow.version?)))
        });
        let published = published.fold(Condition::any(), Condition::add);
        let published: HashMap<Uuid, String> = match published.is_empty() {
            true => HashMap::new(),
            false => version::Entity::find()
                .filter(published)
                .all(&reader)
                .await?
                .into_iter()
                .map(|version| (version.workflow_id, version.graph))
                .collect(),
        };
        let (mut drafts, mut live) = (HashMap::new(), HashMap::new());
        for (id, workflow) in &workflows {
            drafts.insert(*id, hooks_of(*id, &workflow.graph)?);
            if let Some(graph) = published.get(id) {
                live.insert(*id, hooks_of(*id, graph)?);
            }
        }
        let described = rows.into_iter().filter_map(|row| {
            let workflow = workflows.get(&row.workflow_id)?;
            let published = live.get(&row.workflow_id).and_then(|hooks| hooks.get(&row.node));
            let published = published.filter(|hook| !hook.disabled);
            let drafted = drafts
                .get(&row.workflow_id)
                .and_then(|hooks| hooks.get(&row.node));
            Some(
                published
                    .or(drafted)?
                    .described(&row, workflow, published.is_some()),
            )
        });
        Ok(described.flatten().collect())
    }

    async fn with_last_calls(
        &self,
        workspace_id: i64,
        mut webhooks: Vec<IncomingWebhook>,
        now: Time,
    ) -> Result<Vec<IncomingWebhook>, StoreError> {
        if webhooks.is_empty() {
            return Ok(webhooks);
        }
        let reader = self.reader();
        let values = webhooks.iter().map(|webhook| webhook.id.into());
        let statement = Statement::from_sql_and_values(
            reader.get_database_backend(),
            last_calls_sql(webhooks.len()),
            values,
        );
        let mut last: HashMap<Uuid, Uuid> = HashMap::new();
        for row in reader.query_all_raw(statement).await? {
            if let Some(execution) = row.try_get("", "execution_id")? {
                last.insert(row.try_get("", "id")?, execution);
            }
        }
        let ids: Vec<Uuid> = last.values().copied().collect();
        let executions = self.summaries(workspace_id, &ids, now).await?;
        for webhook in &mut webhooks {
            let execution = last.get(&webhook.id).and_then(|id| executions.get(id));
            webhook.last_call = execution.map(|execution| LastCall {
                at: execution.started_at,
                execution_id: execution.id,
                status: execution.status,
            });
        }
        Ok(webhooks)
    }
}

impl WebhookFilter {
    fn has(&self, webhook: &IncomingWebhook) -> bool {
        let is_meant = self.search.as_ref().is_none_or(|search| {
            let search = search.to_lowercase();
            let names = [&webhook.workflow_name, &webhook.name, &webhook.node];
            names.iter().any(|name| name.to_lowercase().contains(&search))
                || [webhook.id, webhook.webhook_id, webhook.workflow_id]
                    .iter()
                    .any(|id| id.to_string().starts_with(&search))
        });
        is_meant && self.live.is_none_or(|live| webhook.live == live)
    }
}

/// A node that is a webhook.
#[derive(Deserialize)]
struct Hook<'a> {
    key: String,
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    #[serde(default)]
    disabled: bool,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

/// Those of a graph, by their keys, without reading the rest of it into memory.
fn hooks_of(workflow_id: Uuid, graph: &str) -> Result<HashMap<String, Hook<'_>>, StoreError> {
    #[derive(Deserialize)]
    struct Graph<'a> {
        #[serde(borrow)]
        nodes: Vec<Hook<'a>>,
    }
    let graph: Graph = serde_json::from_str(graph).map_err(|error| {
        StoreError::Internal(format!("a graph of workflow {workflow_id} is broken: {error}"))
    })?;
    let hooks = graph.nodes.into_iter().filter(|node| node.kind == KIND);
    Ok(hooks.map(|hook| (hook.key.clone(), hook)).collect())
}

impl Hook<'_> {
    fn described(
        &self,
        row: &trigger::Model,
        workflow: &workflow::Model,
        is_published: bool,
    ) -> Option<IncomingWebhook> {
        let parameters = self.parameters.map_or("{}", RawValue::get);
        // A draft may have mistakes.
        let webhook: Option<Webhook> = serde_json::from_str(parameters).ok();
        let methods = webhook.iter().flat_map(|webhook| &webhook.methods);
        Some(IncomingWebhook {
            id: row.id,
            webhook_id: row.webhook_id?,
            url: String::new(),
            workflow_id: workflow.id,
            workflow_name: workflow.name.clone(),
            node: row.node.clone(),
            name: self.name.clone().unwrap_or_else(|| row.node.clone()),
            methods: methods.map(|method| method.as_str().to_owned()).collect(),
            auth: auth_of(webhook.map(|webhook| webhook.auth).unwrap_or_default()),
            live: is_published && workflow.active,
            draft_only: !is_published,
            last_call: None,
        })
    }
}

fn auth_of(auth: Auth) -> IncomingAuth {
    let of_kind = |kind: &str, secret_ref: Option<String>| IncomingAuth {
        kind: kind.to_owned(),
        header: None,
        algorithm: None,
        encoding: None,
        prefix: None,
        username: None,
        has_secret: secret_ref.is_some(),
    };
    match auth {
        Auth::None => of_kind("none", None),
        Auth::Hmac(hmac) => IncomingAuth {
            prefix: Some(hmac.prefix().to_owned()),
            header: Some(hmac.header),
            algorithm: word(hmac.algorithm),
            encoding: word(hmac.encoding),
            ..of_kind("hmac", hmac.secret_ref)
        },
        Auth::Token(token) => IncomingAuth {
            header: Some(token.header),
            ..of_kind("token", token.secret_ref)
        },
        Auth::Basic(basic) => IncomingAuth {
            header: Some("Authorization".to_owned()),
            username: Some(basic.username),
            ..of_kind("basic", basic.secret_ref)
        },
    }
}

/// How a parameter names it.
fn word(value: impl Serialize) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    value.as_str().map(str::to_owned)
}

/// The newest call of each of so many triggers. The index leads through the newest executions of their workflows, and
/// the first that is a call ends the search.
fn last_calls_sql(triggers: usize) -> String {
    let places: Vec<String> = (1..=triggers).map(|place| format!("${place}")).collect();
    format!(
        "SELECT triggers.id AS id, (SELECT newest.id FROM \
         (SELECT e.id AS id, e.mode AS mode, e.trigger_node AS trigger_node FROM executions AS e \
         WHERE e.workflow_id = triggers.workflow_id ORDER BY e.id DESC LIMIT {NEWEST}) AS newest \
         WHERE newest.mode = 'webhook' AND newest.trigger_node = triggers.node LIMIT 1) AS execution_id \
         FROM triggers WHERE triggers.id IN ({})",
        places.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::planned;

    #[tokio::test]
    async fn finds_the_last_call_by_an_index() {
        let plan = planned(|backend| {
            Statement::from_sql_and_values(backend, last_calls_sql(1), [Uuid::nil().into()])
        });
        let plan = plan.await;
        assert!(plan.contains("executions_workflow (workflow_id=?)"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
