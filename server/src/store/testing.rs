//! Empty stores for tests: each test runs on SQLite and on PostgreSQL.

use std::str::FromStr;

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Store, StoreOptions, migration};

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

/// One of each, with the tables as they were after so many migrations.
pub(crate) async fn older_stores(migrations: u32) -> Vec<TestStore> {
    let older = vec![
        open("sqlite", None).await,
        open("postgres", Some(postgres_url().await)).await,
    ];
    for test in &older {
        let made = migration::migrate_to(&test.store, migrations).await;
        made.expect("the tables can be made");
    }
    older
}

pub(crate) async fn sqlite() -> TestStore {
    migrated(open("sqlite", None).await).await
}

pub(crate) async fn postgres() -> TestStore {
    migrated(open("postgres", Some(postgres_url().await)).await).await
}

async fn migrated(test: TestStore) -> TestStore {
    test.store.migrate().await.expect("the tables can be made");
    test
}

/// A fresh database on the server of `FLOWMATIC_TEST_POSTGRES`.
async fn postgres_url() -> String {
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
    url.into()
}

async fn open(name: &'static str, database_url: Option<String>) -> TestStore {
    let folder = TempDir::new().expect("a folder can be made");
    let options = StoreOptions {
        database_url,
        data_dir: folder.path().to_owned(),
    };
    let store = Store::open(options.clone()).await.expect("the database opens");
    TestStore {
        name,
        store,
        options,
        _folder: folder,
    }
}
