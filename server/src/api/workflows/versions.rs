//! `/api/v1/workflows/{id}/versions`.

use std::borrow::Cow;
use std::collections::HashMap;

use flowmatic_openapi::{Page, Version, VersionDiff, VersionRestore, VersionSummary, Workflow};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};
use uuid::Uuid;

use super::super::cursor::Cursor;
use super::super::error::ApiError;
use super::super::payload::{Json, OptionalJson};
use super::super::{Tag, fifty};
use super::{diff, find, shown, stale};
use crate::app::App;
use crate::auth::{Auth, may};

pub(in crate::api) struct Versions;

#[OpenApi(prefix_path = "/api/v1/workflows", tag = "Tag::Workflows")]
impl Versions {
    /// List a workflow's versions
    ///
    /// The newest first, without their graphs.
    #[oai(path = "/:id/versions", method = "get", operation_id = "listVersions")]
    async fn list(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        /// The `next_cursor` of the page before.
        cursor: Query<Option<Cursor>>,
        /// The most versions on the page.
        #[oai(default = "fifty", validator(minimum(value = "1"), maximum(value = "100")))]
        limit: Query<i32>,
    ) -> Result<Json<Page<VersionSummary>>, ApiError> {
        let limit = u32::try_from(limit.0).unwrap_or_default();
        let page = app
            .store
            .versions(auth.workspace_id, id.0, cursor.as_deref(), limit)
            .await?;
        page.map(Json)
            .ok_or_else(|| ApiError::not_found("workflow", id.0))
    }

    /// Get a version
    ///
    /// With its graph. Of secrets it has the references alone.
    #[oai(path = "/:id/versions/:number", method = "get", operation_id = "getVersion")]
    async fn get(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        #[oai(validator(minimum(value = "1")))] number: Path<i32>,
    ) -> Result<Json<Version>, ApiError> {
        Ok(Json(published(&app, auth.workspace_id, id.0, number.0).await?))
    }

    /// Restore a version
    ///
    /// Puts its graph into the draft, which is one more save: `revision` is raised, and what is live stays live
    /// until it is published. Triggers keep their ids, and secrets are those that the version went live with.
    #[oai(
        path = "/:id/versions/:number/restore",
        method = "post",
        operation_id = "restoreVersion"
    )]
    async fn restore(
        &self,
        auth: Auth<may::WriteWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        #[oai(validator(minimum(value = "1")))] number: Path<i32>,
        body: OptionalJson<VersionRestore>,
    ) -> Result<Json<Workflow>, ApiError> {
        let draft = find(&app, auth.workspace_id, id.0).await?;
        if body.0.revision.is_some_and(|revision| revision != draft.revision) {
            return Err(stale(&draft));
        }
        let version = published(&app, auth.workspace_id, id.0, number.0).await?;
        let restored = app
            .store
            .restore_draft(
                auth.workspace_id,
                id.0,
                version.graph,
                draft.revision,
                auth.caller,
                app.now(),
            )
            .await?;
        let Some(workflow) = restored else {
            return Err(stale(&find(&app, auth.workspace_id, id.0).await?));
        };
        app.dispatch.forget_routes();
        Ok(Json(shown(&app, workflow, HashMap::new())))
    }

    /// Compare a version
    ///
    /// Says what the draft, or another version, has that this one has not, and the other way round.
    #[oai(
        path = "/:id/versions/:number/diff",
        method = "get",
        operation_id = "diffVersion"
    )]
    async fn diff(
        &self,
        auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        id: Path<Uuid>,
        #[oai(validator(minimum(value = "1")))] number: Path<i32>,
        /// The number of the other version, or `draft`.
        #[oai(default = "Against::draft")]
        against: Query<Against>,
    ) -> Result<Json<VersionDiff>, ApiError> {
        let before = published(&app, auth.workspace_id, id.0, number.0).await?.graph;
        let (name, after) = match against.0 {
            Against::Draft => {
                let workflow = find(&app, auth.workspace_id, id.0).await?;
                ("draft".to_owned(), workflow.graph)
            }
            Against::Version(other) => {
                let version = published(&app, auth.workspace_id, id.0, other).await?;
                (other.to_string(), version.graph)
            }
        };
        // Two large graphs take a while.
        let found = tokio::task::spawn_blocking(move || diff::diff(&before, &after))
            .await
            .map_err(ApiError::internal)?;
        Ok(Json(VersionDiff {
            version: number.0,
            against: name,
            same: found.is_empty(),
            nodes: found.nodes,
            edges: found.edges,
            settings: found.settings,
        }))
    }
}

async fn published(app: &App, workspace_id: i64, id: Uuid, number: i32) -> Result<Version, ApiError> {
    if let Some(version) = app.store.published(workspace_id, id, number).await? {
        return Ok(version);
    }
    find(app, workspace_id, id).await?;
    Err(ApiError::not_found("version", number))
}

/// What a version is compared with.
#[derive(Debug, PartialEq, Eq)]
enum Against {
    Draft,
    Version(i32),
}

impl Against {
    fn draft() -> Self {
        Self::Draft
    }
}

impl Type for Against {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string(draft or a version)".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            // Nine digits, so that every one of them is a number that a version can have.
            pattern: Some("^(draft|[1-9][0-9]{0,8})$".to_owned()),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl poem_openapi::types::ToJSON for Against {
    fn to_json(&self) -> Option<serde_json::Value> {
        Some(match self {
            Self::Draft => "draft".into(),
            Self::Version(number) => number.to_string().into(),
        })
    }
}

impl ParseFromParameter for Against {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let is_number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits && (1..=9).contains(&text.len()) && !text.starts_with('0')
        };
        match value {
            "draft" => Ok(Self::Draft),
            text if is_number(text) => text.parse().map(Self::Version).map_err(ParseError::custom),
            _ => Err(ParseError::custom("write the number of a version, or `draft`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ParseFromParameter;

    use super::Against;

    #[test]
    fn takes_a_number_or_the_draft() {
        let parse = |text: &str| Against::parse_from_parameter(text).ok();
        assert_eq!(parse("draft"), Some(Against::Draft));
        assert_eq!(parse("7"), Some(Against::Version(7)));
        assert_eq!(parse("999999999"), Some(Against::Version(999_999_999)));
        for wrong in ["", "0", "07", "-1", "+1", "1.0", "Draft", "1000000000", "7 "] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
