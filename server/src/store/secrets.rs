//! Encrypted values. A row is never changed, so that a published version keeps the one it went live with.

use std::collections::{HashMap, HashSet};

use flowmatic_openapi::Time;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::entity::secret;
use super::{Store, StoreError, millis};

/// A secret to be stored, encrypted for its id.
#[derive(Debug, Clone)]
pub struct SealedSecret {
    pub id: Uuid,
    pub ciphertext: Vec<u8>,
}

/// Ids in one query.
const CHUNK: usize = 500;

impl Store {
    /// The encrypted texts of those of these secrets that the workspace has.
    pub async fn secrets(
        &self,
        workspace_id: i64,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<u8>>, StoreError> {
        let mut found = HashMap::new();
        for ids in ids.chunks(CHUNK) {
            let rows = secret::Entity::find()
                .filter(secret::Column::WorkspaceId.eq(workspace_id))
                .filter(secret::Column::Id.is_in(ids.iter().copied()))
                .all(&self.reader())
                .await?;
            found.extend(rows.into_iter().map(|row| (row.id, row.ciphertext)));
        }
        Ok(found)
    }

    /// One secret, if there are any.
    pub async fn any_secret(&self) -> Result<Option<(Uuid, Vec<u8>)>, StoreError> {
        let row = secret::Entity::find().one(&self.reader()).await?;
        Ok(row.map(|row| (row.id, row.ciphertext)))
    }

    /// Which of these secrets the workspace has.
    pub async fn known_secrets(&self, workspace_id: i64, ids: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        let mut found = HashSet::new();
        for ids in ids.chunks(CHUNK) {
            let rows: Vec<Uuid> = secret::Entity::find()
                .select_only()
                .column(secret::Column::Id)
                .filter(secret::Column::WorkspaceId.eq(workspace_id))
                .filter(secret::Column::Id.is_in(ids.iter().copied()))
                .into_tuple()
                .all(&self.reader())
                .await?;
            found.extend(rows);
        }
        Ok(found)
    }
}

/// Writes secrets within the transaction of what refers to them.
pub(super) async fn insert(
    transaction: &impl ConnectionTrait,
    workspace_id: i64,
    secrets: Vec<SealedSecret>,
    now: Time,
) -> Result<(), StoreError> {
    let rows: Vec<secret::ActiveModel> = secrets
        .into_iter()
        .map(|sealed| secret::ActiveModel {
            id: Set(sealed.id),
            workspace_id: Set(workspace_id),
            ciphertext: Set(sealed.ciphertext),
            created_at: Set(millis(now)),
        })
        .collect();
    for rows in rows.chunks(CHUNK) {
        secret::Entity::insert_many(rows.to_vec())
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}
