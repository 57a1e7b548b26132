//! People and their sessions.

use flowmatic_openapi::{Role, Time, User, Workspace};
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};

use super::entity::{session, user, workspace};
use super::{Store, StoreError, millis, time};
use crate::auth::{Caller, Principal, TokenHash, scopes_of};

/// A person with what a log-in is checked against.
#[derive(Debug, Clone)]
pub struct UserWithPassword {
    pub user: User,
    pub password_hash: String,
}

impl Store {
    /// The workspace that exists from the first start.
    pub async fn first_workspace(&self) -> Result<i64, StoreError> {
        let first = workspace::Entity::find()
            .order_by_asc(workspace::Column::Id)
            .one(&self.reader())
            .await?;
        first
            .map(|row| row.id)
            .ok_or_else(|| StoreError::Internal("there is no workspace; run `flowmatic migrate`".to_owned()))
    }

    pub async fn workspace(&self, id: i64) -> Result<Option<Workspace>, StoreError> {
        let row = workspace::Entity::find_by_id(id).one(&self.reader()).await?;
        Ok(row.map(|row| Workspace {
            id: row.id,
            name: row.name,
        }))
    }

    pub async fn has_owner(&self) -> Result<bool, StoreError> {
        let owners = user::Entity::find().filter(user::Column::Role.eq(Role::Owner.as_str()));
        Ok(owners.count(&self.reader()).await? > 0)
    }

    /// Makes the owner of the first workspace; `None` where there is an owner already.
    pub async fn create_owner(
        &self,
        email: &str,
        password_hash: &str,
        now: Time,
    ) -> Result<Option<User>, StoreError> {
        let workspace_id = self.first_workspace().await?;
        let transaction = self.begin().await?;
        let owners = user::Entity::find().filter(user::Column::Role.eq(Role::Owner.as_str()));
        if owners.count(&transaction).await? > 0 {
            return Ok(None);
        }
        let row = user::ActiveModel {
            workspace_id: Set(workspace_id),
            email: Set(email.to_lowercase()),
            password_hash: Set(password_hash.to_owned()),
            role: Set(Role::Owner.as_str().to_owned()),
            created_at: Set(millis(now)),
            ..Default::default()
        };
        let row = row.insert(&transaction).await?;
        transaction.commit().await?;
        user_of(row).map(Some)
    }

    pub async fn user(&self, id: i64) -> Result<Option<User>, StoreError> {
        let row = user::Entity::find_by_id(id).one(&self.reader()).await?;
        row.map(user_of).transpose()
    }

    pub async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>, StoreError> {
        let row = user::Entity::find()
            .filter(user::Column::Email.eq(email.to_lowercase()))
            .one(&self.reader())
            .await?;
        row.map(|row| {
            let password_hash = row.password_hash.clone();
            Ok(UserWithPassword {
                user: user_of(row)?,
                password_hash,
            })
        })
        .transpose()
    }

    pub async fn create_session(
        &self,
        user_id: i64,
        token: TokenHash,
        now: Time,
        expires_at: Time,
    ) -> Result<(), StoreError> {
        let row = session::ActiveModel {
            token_hash: Set(token.0.to_vec()),
            user_id: Set(user_id),
            created_at: Set(millis(now)),
            expires_at: Set(millis(expires_at)),
        };
        session::Entity::insert(row)
            .exec_without_returning(&self.writer())
            .await?;
        Ok(())
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
        let Some(user) = user::Entity::find_by_id(session.user_id).one(&reader).await? else {
            return Ok(None);
        };
        let workspace_id = user.workspace_id;
        let user = user_of(user)?;
        Ok(Some(Principal {
            workspace_id,
            caller: Caller::User {
                id: user.id,
                session_expires_at: time(session.expires_at),
            },
            scopes: scopes_of(user.role),
        }))
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
}

fn user_of(row: user::Model) -> Result<User, StoreError> {
    let role = Role::parse(&row.role).ok_or_else(|| {
        StoreError::Internal(format!("user {} has the unknown role `{}`", row.id, row.role))
    })?;
    Ok(User {
        id: row.id,
        email: row.email,
        role,
    })
}

#[cfg(test)]
impl Store {
    /// Makes another workspace, for tests of what must stay apart.
    pub(crate) async fn create_workspace(&self, name: &str) -> Result<i64, StoreError> {
        let row = workspace::ActiveModel {
            name: Set(name.to_owned()),
            created_at: Set(0),
            ..Default::default()
        };
        Ok(row.insert(&self.writer()).await?.id)
    }
}
