//! Empty stores for tests: each test runs on SQLite and on PostgreSQL.

use std::str::FromStr;

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Store, StoreOptions};

pub(crate) struct TestStore {
    /// `sqlite` or `postgres`, for messages.
    pub name: &'static str,
    pub store: Store,
    pub options: StoreOptions,
    /// Removed with the test.
    _folder: TempDir,
}

/// One of each, with all tables.
pub(crate) async fn stores() -> Vec<TestStore> {
    vec![sqlite().await, postgres().await]
}

pub(crate) async fn sqlite() -> TestStore {
    open("sqlite", None).await
}

/// A fresh database on the server of `FLOWMATIC_TEST_POSTGRES`.
pub(crate) async fn postgres() -> TestStore {
    let url = std::env::var("FLOWMATIC_TEST_POSTGRES")
        .expect("no PostgreSQL to test on: start one with tests/run or set FLOWMATIC_TEST_POSTGRES");
    let options = PgConnectOptions::from_str(&url).expect("FLOWMATIC_TEST_POSTGRES is a postgres:// URL");
    let mut admin = PgConnection::connect_with(&options)
        .await
        .expect("the server of FLOWMATIC_TEST_POSTGRES answers");
    let database = format!("store_{}", Uuid::now_v7().simple());
    admin
        .execute(AssertSqlSafe(format!("CREATE DATABASE {database}")))
        .await
        .expect("a database can be made");
    let mut url = url::Url::parse(&url).expect("it was parsed before");
    url.set_path(&database);
    open("postgres", Some(url.into())).await
}

async fn open(name: &'static str, database_url: Option<String>) -> TestStore {
    let folder = TempDir::new().expect("a folder can be made");
    let options = StoreOptions {
        database_url,
        data_dir: folder.path().to_owned(),
    };
    let store = Store::open(options.clone()).await.expect("the database opens");
    store.migrate().await.expect("the tables can be made");
    TestStore {
        name,
        store,
        options,
        _folder: folder,
    }
}

/// How SQLite goes about a query over all tables.
pub(crate) async fn planned(query: impl FnOnce(DbBackend) -> Statement) -> String {
    let test = sqlite().await;
    let reader = test.store.reader();
    let query = query(reader.get_database_backend());
    let plan = Statement {
        sql: format!("EXPLAIN QUERY PLAN {}", query.sql),
        ..query
    };
    let rows = reader.query_all_raw(plan).await.expect("it can be planned");
    let steps: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", "detail").expect("a text"))
        .collect();
    steps.join("; ")
}
