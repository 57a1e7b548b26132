//! API keys; only their hashes are kept.

use std::collections::HashMap;

use flowmatic_openapi::{ApiKey, Page, Scope, Time};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::authors::{Authors, author_text};
use super::entity::api_key;
use super::{Store, StoreError, cursor, millis, time};
use crate::auth::{Caller, Principal, TokenHash};

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewKey {
    pub workspace_id: i64,
    pub name: String,
    pub prefix: String,
    pub hash: TokenHash,
    pub scopes: Vec<Scope>,
    pub expires_at: Option<Time>,
    pub created_by: Option<Caller>,
}

impl Store {
    pub async fn create_key(&self, key: NewKey, now: Time) -> Result<ApiKey, StoreError> {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let row = api_key::ActiveModel {
            id: Set(Uuid::now_v7()),
            workspace_id: Set(key.workspace_id),
            name: Set(key.name),
            prefix: Set(key.prefix),
            hash: Set(key.hash.0.to_vec()),
            scopes: Set(serde_json::Value::from(scopes).to_string()),
            created_at: Set(millis(now)),
            last_used_at: Set(None),
            expires_at: Set(key.expires_at.map(millis)),
            created_by: Set(key.created_by.map(author_text)),
        };
        let row = api_key::Entity::insert(row)
            .exec_with_returning(&self.writer())
            .await?;
        self.with_maker(row).await
    }

    pub async fn key_by_hash(&self, hash: TokenHash) -> Result<Option<Principal>, StoreError> {
        let row = api_key::Entity::find()
            .filter(api_key::Column::Hash.eq(hash.0.to_vec()))
            .one(&self.reader())
            .await?;
        row.map(|row| {
            Ok(Principal {
                workspace_id: row.workspace_id,
                caller: Caller::Key(row.id),
                scopes: scopes_of(&row)?,
                expires_at: row.expires_at.map(time),
            })
        })
        .transpose()
    }

    pub async fn key(&self, workspace_id: i64, id: Uuid) -> Result<Option<ApiKey>, StoreError> {
        let row = api_key::Entity::find_by_id(id)
            .filter(api_key::Column::WorkspaceId.eq(workspace_id))
            .one(&self.reader())
            .await?;
        match row {
            Some(row) => self.with_maker(row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The newest first. `cursor` is the `next_cursor` of the page before.
    pub async fn keys(
        &self,
        workspace_id: i64,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<ApiKey>, StoreError> {
        let mut query = api_key::Entity::find()
            .filter(api_key::Column::WorkspaceId.eq(workspace_id))
            .order_by_desc(api_key::Column::Id)
            .limit(u64::from(limit) + 1);
        if let Some(cursor) = cursor {
            query = query.filter(api_key::Column::Id.lt(cursor::decode(cursor)?));
        }
        let reader = self.reader();
        let mut rows = query.all(&reader).await?;
        let next_cursor = cursor::cut(&mut rows, limit, |row| row.id);
        let makers = rows.iter().map(|row| row.created_by.as_deref());
        let authors = Authors::of(&reader, workspace_id, makers).await?;
        let keys = rows.into_iter().map(|row| key_of(row, &authors));
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(Page::new(keys, next_cursor))
    }

    async fn with_maker(&self, row: api_key::Model) -> Result<ApiKey, StoreError> {
        let maker = [row.created_by.as_deref()];
        let authors = Authors::of(&self.reader(), row.workspace_id, maker).await?;
        key_of(row, &authors)
    }

    /// Whether there was such a key.
    pub async fn delete_key(&self, workspace_id: i64, id: Uuid) -> Result<bool, StoreError> {
        let deleted = api_key::Entity::delete_many()
            .filter(api_key::Column::Id.eq(id))
            .filter(api_key::Column::WorkspaceId.eq(workspace_id))
            .exec(&self.writer())
            .await?;
        Ok(deleted.rows_affected > 0)
    }

    /// Writes down when keys were last used.
    pub async fn touch_keys(&self, used: HashMap<Uuid, Time>) -> Result<(), StoreError> {
        let writer = self.writer();
        for (id, at) in used {
            api_key::Entity::update_many()
                .col_expr(api_key::Column::LastUsedAt, millis(at).into())
                .filter(api_key::Column::Id.eq(id))
                .exec(&writer)
                .await?;
        }
        Ok(())
    }
}

fn scopes_of(row: &api_key::Model) -> Result<Vec<Scope>, StoreError> {
    let names: Vec<String> = serde_json::from_str(&row.scopes)
        .map_err(|error| StoreError::Internal(format!("key {} has broken scopes: {error}", row.id)))?;
    // A scope that a later version has added and this one does not know gives nothing here.
    Ok(names.iter().filter_map(|name| Scope::parse(name)).collect())
}

fn key_of(row: api_key::Model, authors: &Authors) -> Result<ApiKey, StoreError> {
    Ok(ApiKey {
        scopes: scopes_of(&row)?,
        id: row.id,
        name: row.name,
        prefix: row.prefix,
        created_at: time(row.created_at),
        last_used_at: row.last_used_at.map(time),
        expires_at: row.expires_at.map(time),
        created_by: authors.get(row.created_by.as_deref()),
    })
}
