//! Log-ins; only the hashes of their tokens are kept.

use std::collections::HashMap;

use flowmatic_openapi::{SessionSummary, Time};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::{session, user};
use super::users::user_of;
use super::{Store, StoreError, millis, time};
use crate::auth::{Caller, Principal, TokenHash, scopes_of};

/// The most sessions of a person: of more, those go that were not used for longest.
const MOST_SESSIONS: u64 = 100;

/// A log-in to be stored.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub user_id: i64,
    pub token: TokenHash,
    pub expires_at: Time,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

impl Store {
    pub async fn create_session(&self, new: NewSession, now: Time) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        let of_user = session::Column::UserId.eq(new.user_id);
        let too_many: Vec<Vec<u8>> = session::Entity::find()
            .select_only()
            .column(session::Column::TokenHash)
            .filter(of_user)
            .order_by_desc(session::Column::LastUsedAt)
            .offset(MOST_SESSIONS - 1)
            .limit(MOST_SESSIONS)
            .into_tuple()
            .all(&transaction)
            .await?;
        if !too_many.is_empty() {
            session::Entity::delete_many()
                .filter(session::Column::TokenHash.is_in(too_many))
                .exec(&transaction)
                .await?;
        }
        let row = session::ActiveModel {
            token_hash: Set(new.token.0.to_vec()),
            user_id: Set(new.user_id),
            created_at: Set(millis(now)),
            expires_at: Set(millis(new.expires_at)),
            last_used_at: Set(millis(now)),
            ip: Set(new.ip),
            user_agent: Set(new.user_agent),
        };
        session::Entity::insert(row)
            .exec_without_returning(&transaction)
            .await?;
        see(&transaction, new.user_id, now).await?;
        Ok(transaction.commit().await?)
    }

    /// Who is behind a session that has not ended.
    pub async fn session_by_hash(
        &self,
        token: TokenHash,
        now: Time,
    ) -> Result<Option<Principal>, StoreError> {
        let reader = self.reader();
        let session = session::Entity::find_by_id(token.0.to_vec()).one(&reader).await?;
        let Some(session) = session.filter(|session| session.expires_at > millis(now)) else {
            return Ok(None);
        };
        let user = user::Entity::find_by_id(session.user_id).one(&reader).await?;
        let Some(user) = user.filter(|user| !user.disabled) else {
            return Ok(None);
        };
        let workspace_id = user.workspace_id;
        let user = user_of(user)?;
        Ok(Some(Principal {
            workspace_id,
            caller: Caller::User { id: user.id },
            scopes: scopes_of(user.role),
            expires_at: Some(time(session.expires_at)),
        }))
    }

    /// Those of a person that have not ended, the last used first.
    pub async fn sessions(
        &self,
        user_id: i64,
        current: TokenHash,
        now: Time,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let rows = session::Entity::find()
            .filter(session::Column::UserId.eq(user_id))
            .filter(session::Column::ExpiresAt.gt(millis(now)))
            .order_by_desc(session::Column::LastUsedAt)
            .limit(MOST_SESSIONS)
            .all(&self.reader())
            .await?;
        let shown = rows.into_iter().map(|row| SessionSummary {
            id: id_of(&row.token_hash),
            created_at: time(row.created_at),
            last_used_at: time(row.last_used_at),
            expires_at: time(row.expires_at),
            ip: row.ip,
            user_agent: row.user_agent,
            current: row.token_hash == current.0,
        });
        Ok(shown.collect())
    }

    /// Ends one of a person's sessions; `None` where there is none of this id.
    pub async fn delete_session_of(&self, user_id: i64, id: Uuid) -> Result<Option<TokenHash>, StoreError> {
        let hashes: Vec<Vec<u8>> = session::Entity::find()
            .select_only()
            .column(session::Column::TokenHash)
            .filter(session::Column::UserId.eq(user_id))
            .into_tuple()
            .all(&self.reader())
            .await?;
        let found = hashes.into_iter().find(|hash| id_of(hash) == id);
        let Some(token) = found.and_then(|hash| hash.try_into().ok()).map(TokenHash) else {
            return Ok(None);
        };
        self.delete_session(token).await?;
        Ok(Some(token))
    }

    pub async fn delete_session(&self, token: TokenHash) -> Result<(), StoreError> {
        session::Entity::delete_by_id(token.0.to_vec())
            .exec(&self.writer())
            .await?;
        Ok(())
    }

    pub async fn delete_ended_sessions(&self, now: Time) -> Result<(), StoreError> {
        session::Entity::delete_many()
            .filter(session::Column::ExpiresAt.lte(millis(now)))
            .exec(&self.writer())
            .await?;
        Ok(())
    }

    /// Whether there still is such a session.
    pub async fn lengthen_session(&self, token: TokenHash, expires_at: Time) -> Result<bool, StoreError> {
        let lengthened = session::Entity::update_many()
            .col_expr(session::Column::ExpiresAt, millis(expires_at).into())
            .filter(session::Column::TokenHash.eq(token.0.to_vec()))
            .exec(&self.writer())
            .await?;
        Ok(lengthened.rows_affected > 0)
    }

    /// Writes down when sessions, of these people, were last used.
    pub async fn touch_sessions(&self, used: HashMap<TokenHash, (i64, Time)>) -> Result<(), StoreError> {
        if used.is_empty() {
            return Ok(());
        }
        let transaction = self.begin().await?;
        let mut seen: HashMap<i64, Time> = HashMap::new();
        for (token, (user_id, at)) in used {
            session::Entity::update_many()
                .col_expr(session::Column::LastUsedAt, millis(at).into())
                .filter(session::Column::TokenHash.eq(token.0.to_vec()))
                .exec(&transaction)
                .await?;
            let last = seen.entry(user_id).or_insert(at);
            *last = at.max(*last);
        }
        for (user_id, at) in seen {
            see(&transaction, user_id, at).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Ends the sessions of a person, all but one where one is to stay.
pub(super) async fn end_sessions(
    connection: &impl ConnectionTrait,
    user_id: i64,
    but: Option<TokenHash>,
) -> Result<(), StoreError> {
    let mut ended = session::Entity::delete_many().filter(session::Column::UserId.eq(user_id));
    if let Some(kept) = but {
        ended = ended.filter(session::Column::TokenHash.ne(kept.0.to_vec()));
    }
    ended.exec(connection).await?;
    Ok(())
}

async fn see(connection: &impl ConnectionTrait, user_id: i64, at: Time) -> Result<(), StoreError> {
    user::Entity::update_many()
        .col_expr(user::Column::LastSeenAt, millis(at).into())
        .filter(user::Column::Id.eq(user_id))
        .exec(connection)
        .await?;
    Ok(())
}

/// What names a session: half of its token's hash, from which nobody gets back to the token.
fn id_of(token_hash: &[u8]) -> Uuid {
    let half = token_hash.first_chunk().copied().unwrap_or_default();
    uuid::Builder::from_random_bytes(half).into_uuid()
}
