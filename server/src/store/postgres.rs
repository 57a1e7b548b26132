//! PostgreSQL: one pool.

use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions, Connection, PgConnection, PgPool};

use super::{Database, Durability, StoreError};

const CONNECTIONS: u32 = 10;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn open(url: &str) -> Result<(Database, String), StoreError> {
    let options = PgConnectOptions::from_str(url)
        // The URL may hold a password: it is not repeated.
        .map_err(|error| StoreError::Internal(format!("the database URL is wrong: {error}")))?
        .application_name("flowmatic")
        // A role's or a database's own setting must not make an answered commit one that may be lost.
        .options([("synchronous_commit", "on")])
        .disable_statement_logging();
    let name = format!(
        "postgres://{}:{}/{}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or(options.get_username())
    );
    let named = |error: sqlx::Error| match StoreError::from(error) {
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("`{name}`: {why}")),
        other => other,
    };
    // A pool would say only that no connection came in time.
    let first = PgConnection::connect_with(&options);
    let first = tokio::time::timeout(ACQUIRE_TIMEOUT, first)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut));
    first.map_err(named)?.close().await.map_err(named)?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(named)?;
    let durability = durability(&pool).await?;
    if let Durability::Postgres { fsync, .. } = &durability
        && fsync != "on"
    {
        tracing::warn!(
            database = name,
            "PostgreSQL runs with fsync off: a power failure can lose or break data"
        );
    }
    let database = Database::Postgres {
        pool,
        url: url.to_owned(),
    };
    Ok((database, name))
}

pub(super) async fn durability(pool: &PgPool) -> Result<Durability, StoreError> {
    Ok(Durability::Postgres {
        synchronous_commit: sqlx::query_scalar("SHOW synchronous_commit")
            .fetch_one(pool)
            .await?,
        fsync: sqlx::query_scalar("SHOW fsync").fetch_one(pool).await?,
    })
}
