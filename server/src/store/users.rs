//! People.

use flowmatic_openapi::{Page, Role, Time, User, Workspace};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};
use uuid::Uuid;

use super::entity::{invitation, user, workspace};
use super::sessions::end_sessions;
use super::{Store, StoreError, cursor, millis, time};
use crate::auth::TokenHash;

/// A person with what a log-in is checked against.
#[derive(Debug, Clone)]
pub struct UserWithPassword {
    pub user: User,
    /// `None` until they have chosen one.
    pub password_hash: Option<String>,
}

/// A person to be invited.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub workspace_id: i64,
    pub email: String,
    pub name: Option<String>,
    pub role: Role,
}

/// What stands for an invitation's link.
#[derive(Debug, Clone, Copy)]
pub struct NewInvitation {
    pub token: TokenHash,
    pub expires_at: Time,
}

/// What is to be changed of a person. An empty name takes theirs away.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub role: Option<Role>,
    pub name: Option<String>,
    pub disabled: Option<bool>,
}

/// What has become of a change to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    Done(User),
    /// There is no such person in the workspace.
    Unknown,
    /// Nobody would be left who may do everything.
    LastOwner,
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

    /// Whether an owner can log in.
    pub async fn has_owner(&self) -> Result<bool, StoreError> {
        Ok(owners().count(&self.reader()).await? > 0)
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
        if owners().count(&transaction).await? > 0 {
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

    /// The newest first. `cursor` is the `next_cursor` of the page before.
    pub async fn users(
        &self,
        workspace_id: i64,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<User>, StoreError> {
        let mut query = user::Entity::find()
            .filter(user::Column::WorkspaceId.eq(workspace_id))
            .order_by_desc(user::Column::Id)
            .limit(u64::from(limit) + 1);
        if let Some(cursor) = cursor {
            // A number beyond those that a column holds is nobody's: all are below it.
            let before = i64::try_from(cursor::decode(cursor)?.as_u128()).unwrap_or(i64::MAX);
            query = query.filter(user::Column::Id.lt(before));
        }
        let mut rows = query.all(&self.reader()).await?;
        let next_cursor = cursor::cut(&mut rows, limit, |row| {
            Uuid::from_u128(u128::from(row.id.unsigned_abs()))
        });
        let users = rows.into_iter().map(user_of).collect::<Result<_, _>>()?;
        Ok(Page::new(users, next_cursor))
    }

    pub async fn user(&self, workspace_id: i64, id: i64) -> Result<Option<User>, StoreError> {
        let row = row(&self.reader(), workspace_id, id).await?;
        row.map(user_of).transpose()
    }

    pub async fn user_with_password(
        &self,
        workspace_id: i64,
        id: i64,
    ) -> Result<Option<UserWithPassword>, StoreError> {
        let row = row(&self.reader(), workspace_id, id).await?;
        row.map(with_password).transpose()
    }

    pub async fn user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>, StoreError> {
        let row = user::Entity::find()
            .filter(user::Column::Email.eq(email.to_lowercase()))
            .one(&self.reader())
            .await?;
        row.map(with_password).transpose()
    }

    /// Makes a person who has yet to choose a password; `None` where the e-mail is somebody's.
    pub async fn invite_user(
        &self,
        new: NewUser,
        invitation: NewInvitation,
        now: Time,
    ) -> Result<Option<User>, StoreError> {
        let transaction = self.begin().await?;
        let row = user::ActiveModel {
            workspace_id: Set(new.workspace_id),
            email: Set(new.email.to_lowercase()),
            password_hash: Set(String::new()),
            role: Set(new.role.as_str().to_owned()),
            created_at: Set(millis(now)),
            name: Set(named(new.name)),
            ..Default::default()
        };
        let row = match row.insert(&transaction).await.map_err(StoreError::from) {
            Ok(row) => row,
            Err(StoreError::Conflict(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        save_invitation(&transaction, row.id, invitation).await?;
        transaction.commit().await?;
        user_of(row).map(Some)
    }

    /// Puts a new link in place of a person's last one; `false` where there is no such person, or they are kept out.
    pub async fn renew_invitation(
        &self,
        workspace_id: i64,
        id: i64,
        invitation: NewInvitation,
    ) -> Result<bool, StoreError> {
        let transaction = self.begin().await?;
        let found = locked(&transaction, workspace_id, id).await?;
        if found.is_none_or(|row| row.disabled) {
            return Ok(false);
        }
        save_invitation(&transaction, id, invitation).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Whose link this is, while it can be used.
    pub async fn invited(&self, token: TokenHash, now: Time) -> Result<Option<User>, StoreError> {
        let reader = self.reader();
        let Some(invitation) = open_invitation(token, now).one(&reader).await? else {
            return Ok(None);
        };
        let row = user::Entity::find_by_id(invitation.user_id).one(&reader).await?;
        row.map(user_of).transpose()
    }

    /// Uses a link up: the person has this password from now on, and is logged in nowhere. `None` where it cannot be
    /// used any more.
    pub async fn join(
        &self,
        token: TokenHash,
        password_hash: &str,
        name: Option<String>,
        now: Time,
    ) -> Result<Option<User>, StoreError> {
        let transaction = self.begin().await?;
        let Some(invitation) = open_invitation(token, now).one(&transaction).await? else {
            return Ok(None);
        };
        let used = invitation::Entity::delete_many()
            .filter(invitation::Column::TokenHash.eq(token.0.to_vec()))
            .exec(&transaction)
            .await?;
        let row = user::Entity::find_by_id(invitation.user_id)
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let Some(row) = row.filter(|row| used.rows_affected > 0 && !row.disabled) else {
            return Ok(None);
        };
        end_sessions(&transaction, row.id, None).await?;
        let mut row: user::ActiveModel = row.into();
        row.password_hash = Set(password_hash.to_owned());
        if let Some(name) = named(name) {
            row.name = Set(Some(name));
        }
        let row = row.update(&transaction).await?;
        transaction.commit().await?;
        user_of(row).map(Some)
    }

    /// Changes a person. Whoever is kept out from now on is logged in nowhere, and has no link.
    pub async fn update_user(
        &self,
        workspace_id: i64,
        id: i64,
        change: UserChange,
    ) -> Result<Changed, StoreError> {
        let transaction = self.begin().await?;
        let Some(before) = locked(&transaction, workspace_id, id).await? else {
            return Ok(Changed::Unknown);
        };
        let mut row: user::ActiveModel = before.clone().into();
        if let Some(role) = change.role {
            row.role = Set(role.as_str().to_owned());
        }
        if let Some(name) = change.name {
            row.name = Set(named(Some(name)));
        }
        if let Some(disabled) = change.disabled {
            row.disabled = Set(disabled);
        }
        let after = match row.is_changed() {
            true => row.update(&transaction).await?,
            false => before.clone(),
        };
        if is_owner(&before) && !is_owner(&after) && !is_owned(&transaction, workspace_id).await? {
            return Ok(Changed::LastOwner);
        }
        if after.disabled {
            end_sessions(&transaction, id, None).await?;
            delete_invitation(&transaction, id).await?;
        }
        transaction.commit().await?;
        user_of(after).map(Changed::Done)
    }

    /// Removes a person, with their sessions and their link.
    pub async fn delete_user(&self, workspace_id: i64, id: i64) -> Result<Changed, StoreError> {
        let transaction = self.begin().await?;
        let Some(row) = locked(&transaction, workspace_id, id).await? else {
            return Ok(Changed::Unknown);
        };
        // They have sessions and a link by foreign keys.
        user::Entity::delete_by_id(id).exec(&transaction).await?;
        if is_owner(&row) && !is_owned(&transaction, workspace_id).await? {
            return Ok(Changed::LastOwner);
        }
        transaction.commit().await?;
        user_of(row).map(Changed::Done)
    }

    /// Changes what a person is called and logs in with; `None` where the e-mail is somebody else's.
    pub async fn update_profile(
        &self,
        id: i64,
        name: Option<String>,
        email: Option<String>,
    ) -> Result<Option<()>, StoreError> {
        let mut update = user::Entity::update_many().filter(user::Column::Id.eq(id));
        if name.is_none() && email.is_none() {
            return Ok(Some(()));
        }
        if let Some(name) = name {
            update = update.col_expr(user::Column::Name, Expr::value(named(Some(name))));
        }
        if let Some(email) = email {
            update = update.col_expr(user::Column::Email, Expr::value(email.to_lowercase()));
        }
        match update.exec(&self.writer()).await.map_err(StoreError::from) {
            Ok(_) => Ok(Some(())),
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a person another password, and ends all their sessions but this one, and their link.
    pub async fn set_password(
        &self,
        id: i64,
        password_hash: &str,
        session: TokenHash,
    ) -> Result<(), StoreError> {
        let transaction = self.begin().await?;
        user::Entity::update_many()
            .col_expr(user::Column::PasswordHash, Expr::value(password_hash))
            .filter(user::Column::Id.eq(id))
            .exec(&transaction)
            .await?;
        end_sessions(&transaction, id, Some(session)).await?;
        delete_invitation(&transaction, id).await?;
        Ok(transaction.commit().await?)
    }

    pub async fn delete_ended_invitations(&self, now: Time) -> Result<(), StoreError> {
        invitation::Entity::delete_many()
            .filter(invitation::Column::ExpiresAt.lte(millis(now)))
            .exec(&self.writer())
            .await?;
        Ok(())
    }
}

async fn row(
    connection: &impl ConnectionTrait,
    workspace_id: i64,
    id: i64,
) -> Result<Option<user::Model>, StoreError> {
    let row = user::Entity::find_by_id(id).filter(user::Column::WorkspaceId.eq(workspace_id));
    Ok(row.one(connection).await?)
}

/// The same, while nobody else changes people of the workspace.
async fn locked(
    transaction: &impl ConnectionTrait,
    workspace_id: i64,
    id: i64,
) -> Result<Option<user::Model>, StoreError> {
    workspace::Entity::find_by_id(workspace_id)
        .lock_exclusive()
        .one(transaction)
        .await?;
    row(transaction, workspace_id, id).await
}

/// Owners who can log in.
fn owners() -> Select<user::Entity> {
    user::Entity::find()
        .filter(user::Column::Role.eq(Role::Owner.as_str()))
        .filter(user::Column::Disabled.eq(false))
        .filter(user::Column::PasswordHash.ne(""))
}

fn is_owner(row: &user::Model) -> bool {
    row.role == Role::Owner.as_str() && !row.disabled && !row.password_hash.is_empty()
}

async fn is_owned(connection: &impl ConnectionTrait, workspace_id: i64) -> Result<bool, StoreError> {
    let of_workspace = owners().filter(user::Column::WorkspaceId.eq(workspace_id));
    Ok(of_workspace.count(connection).await? > 0)
}

fn open_invitation(token: TokenHash, now: Time) -> Select<invitation::Entity> {
    invitation::Entity::find()
        .filter(invitation::Column::TokenHash.eq(token.0.to_vec()))
        .filter(invitation::Column::ExpiresAt.gt(millis(now)))
}

async fn save_invitation(
    connection: &impl ConnectionTrait,
    user_id: i64,
    new: NewInvitation,
) -> Result<(), StoreError> {
    delete_invitation(connection, user_id).await?;
    let row = invitation::ActiveModel {
        user_id: Set(user_id),
        token_hash: Set(new.token.0.to_vec()),
        expires_at: Set(millis(new.expires_at)),
    };
    invitation::Entity::insert(row)
        .exec_without_returning(connection)
        .await?;
    Ok(())
}

async fn delete_invitation(connection: &impl ConnectionTrait, user_id: i64) -> Result<(), StoreError> {
    invitation::Entity::delete_by_id(user_id).exec(connection).await?;
    Ok(())
}

/// A name, where there is more to it than blanks.
fn named(name: Option<String>) -> Option<String> {
    name.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

fn with_password(row: user::Model) -> Result<UserWithPassword, StoreError> {
    let password_hash = Some(row.password_hash.clone()).filter(|hash| !hash.is_empty());
    Ok(UserWithPassword {
        user: user_of(row)?,
        password_hash,
    })
}

pub(super) fn user_of(row: user::Model) -> Result<User, StoreError> {
    let role = Role::parse(&row.role).ok_or_else(|| {
        StoreError::Internal(format!("user {} has the unknown role `{}`", row.id, row.role))
    })?;
    Ok(User {
        id: row.id,
        email: row.email,
        name: row.name,
        role,
        created_at: time(row.created_at),
        last_seen_at: row.last_seen_at.map(time),
        invited: row.password_hash.is_empty(),
        disabled: row.disabled,
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

#[cfg(test)]
mod tests;
