//! Who made what: a row keeps `user:<id>` or `key:<id>`, and people read names.

use std::collections::{HashMap, HashSet};

use flowmatic_openapi::{Author, AuthorKind};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::StoreError;
use super::entity::{api_key, user};
use crate::auth::Caller;

/// The names of those who made some rows.
pub(super) struct Authors(HashMap<String, String>);

/// What a row keeps of its maker.
pub(super) fn author_text(caller: Caller) -> String {
    match caller {
        Caller::User { id, .. } => format!("user:{id}"),
        Caller::Key(id) => format!("key:{id}"),
    }
}

impl Authors {
    /// Looks up the makers of rows of the workspace, by what these keep.
    pub(super) async fn of(
        connection: &impl ConnectionTrait,
        workspace_id: i64,
        texts: impl IntoIterator<Item = Option<&str>>,
    ) -> Result<Self, StoreError> {
        let texts: HashSet<&str> = texts.into_iter().flatten().collect();
        let ids = |kind: &str| -> Vec<&str> {
            let of_kind = texts.iter().filter_map(|text| text.strip_prefix(kind));
            of_kind.collect()
        };
        let users: Vec<i64> = ids("user:").iter().filter_map(|id| id.parse().ok()).collect();
        let keys: Vec<Uuid> = ids("key:")
            .iter()
            .filter_map(|id| Uuid::try_parse(id).ok())
            .collect();
        let mut names = HashMap::new();
        if !users.is_empty() {
            let users: Vec<(i64, String)> = user::Entity::find()
                .select_only()
                .columns([user::Column::Id, user::Column::Email])
                .filter(user::Column::WorkspaceId.eq(workspace_id))
                .filter(user::Column::Id.is_in(users))
                .into_tuple()
                .all(connection)
                .await?;
            names.extend(users.into_iter().map(|(id, email)| (format!("user:{id}"), email)));
        }
        if !keys.is_empty() {
            let keys: Vec<(Uuid, String)> = api_key::Entity::find()
                .select_only()
                .columns([api_key::Column::Id, api_key::Column::Name])
                .filter(api_key::Column::WorkspaceId.eq(workspace_id))
                .filter(api_key::Column::Id.is_in(keys))
                .into_tuple()
                .all(connection)
                .await?;
            names.extend(keys.into_iter().map(|(id, name)| (format!("key:{id}"), name)));
        }
        Ok(Self(names))
    }

    /// Whom this stands for; without a name where they are gone.
    pub(super) fn get(&self, text: Option<&str>) -> Option<Author> {
        let text = text?;
        let (kind, id) = text.split_once(':')?;
        let kind = match kind {
            "user" => AuthorKind::User,
            "key" => AuthorKind::Key,
            _ => return None,
        };
        Some(Author {
            kind,
            id: id.to_owned(),
            name: self.0.get(text).cloned(),
        })
    }
}
