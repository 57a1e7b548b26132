//! What can go wrong in a store, by what the caller can do about it.

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, sqlx};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written and nothing can be now: the disk is full, the database locked, stopped or not
    /// to be reached. Trying again later helps.
    #[error("{0}")]
    Unavailable(String),
    /// Another row stands in the way: a unique value is taken, or a row it needs is gone.
    #[error("{0}")]
    Conflict(String),
    /// The cursor of a list was not made by this store.
    #[error("the cursor is not one that this list has given")]
    BadCursor,
    #[error("{0}")]
    Internal(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&sqlx::Error> for StoreError {
    fn from(error: &sqlx::Error) -> Self {
        use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
        match error {
            sqlx::Error::Database(refusal) => of_database(refusal.as_ref()),
            PoolTimedOut => {
                Self::Unavailable("the database is busy: no connection became free in time".into())
            }
            Io(_) | Tls(_) | Protocol(_) | PoolClosed | WorkerCrashed => {
                Self::Unavailable(format!("the database cannot be reached: {error}"))
            }
            _ => Self::Internal(error.to_string()),
        }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::Conn(RuntimeErr::SqlxError(inner))
            | DbErr::Exec(RuntimeErr::SqlxError(inner))
            | DbErr::Query(RuntimeErr::SqlxError(inner)) => Self::from(inner.as_ref()),
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Self::from(sqlx::Error::PoolTimedOut),
            DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => Self::from(sqlx::Error::PoolClosed),
            _ => Self::Internal(error.to_string()),
        }
    }
}

fn of_database(error: &(dyn sqlx::error::DatabaseError + 'static)) -> StoreError {
    let message = error.message().to_owned();
    let code = error.code().unwrap_or_default();
    // A row too many for SQLite reads `1555`, for PostgreSQL `23505`: five characters are an SQLSTATE.
    let class = match error.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
        Some(_) => of_sqlite(&code),
        None => of_postgres(&code),
    };
    match class {
        Class::Unavailable(what) => StoreError::Unavailable(format!("{what}: {message}")),
        Class::Conflict => StoreError::Conflict(message),
        Class::Internal => StoreError::Internal(message),
    }
}

enum Class {
    Unavailable(&'static str),
    Conflict,
    Internal,
}

/// By <https://www.sqlite.org/rescode.html>; the low byte of an extended code is the primary one.
fn of_sqlite(code: &str) -> Class {
    let code: i64 = code.parse().unwrap_or_default();
    match code & 0xff {
        5 | 6 => Class::Unavailable("the database is locked"),
        8 => Class::Unavailable("the database cannot be written"),
        10 => Class::Unavailable("the disk failed"),
        13 => Class::Unavailable("the disk is full"),
        14 => Class::Unavailable("the database file cannot be opened"),
        // Foreign key, primary key, unique, row id.
        19 if matches!(code, 787 | 1555 | 2067 | 2579) => Class::Conflict,
        _ => Class::Internal,
    }
}

/// By <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(code: &str) -> Class {
    match code {
        "23503" | "23505" => return Class::Conflict,
        "25006" => return Class::Unavailable("the database cannot be written"),
        "55P03" | "40001" | "40P01" => return Class::Unavailable("the database is locked"),
        _ => {}
    }
    match code.get(..2) {
        Some("53") => Class::Unavailable("the database is out of space or connections"),
        Some("57" | "08" | "58") => Class::Unavailable("the database cannot be reached"),
        _ => Class::Internal,
    }
}
