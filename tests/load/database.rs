//! The data a server runs on. Each run gets a copy of the same seed, so that none runs on what another left.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flowmatic_tests::Database;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

/// A data folder with its database.
pub struct Place {
    folder: TempDir,
    /// None is SQLite in the folder.
    postgres: Option<Url>,
}

/// How many executions there are.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    pub all: u64,
    /// Those that have not ended.
    pub open: u64,
}

impl Count {
    pub fn finished(self) -> u64 {
        self.all - self.open
    }
}

impl Place {
    /// Takes a copy of the data of a server that has ended.
    pub async fn copy_of(data_dir: &Path, database_url: Option<&str>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        copy_files(data_dir, folder.path())?;
        let postgres = match database_url {
            None => None,
            Some(url) => Some(copy_database(&url.parse()?).await?),
        };
        Ok(Self { folder, postgres })
    }

    pub async fn copy(&self) -> anyhow::Result<Self> {
        Self::copy_of(self.data_dir(), self.postgres.as_ref().map(Url::as_str)).await
    }

    /// Deletes it; the servers on it must have ended. A copy on PostgreSQL that is dropped instead stays.
    pub async fn remove(self) -> anyhow::Result<()> {
        if let Some(url) = &self.postgres {
            let sql = format!("DROP DATABASE {} WITH (FORCE)", name_of(url)?);
            run_beside(url, sql).await?;
        }
        self.folder
            .close()
            .context("a temporary folder cannot be deleted")
    }

    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    pub fn kind(&self) -> Database {
        match self.postgres {
            None => Database::Sqlite,
            Some(_) => Database::Postgres,
        }
    }

    /// As `--database-url` takes it.
    pub fn url(&self) -> String {
        match &self.postgres {
            None => format!("sqlite://{}", self.sqlite_file().display()),
            Some(url) => url.to_string(),
        }
    }

    pub async fn count(&self) -> anyhow::Result<Count> {
        count(&self.url()).await
    }

    /// The bytes on disk: of SQLite the file with its log, of PostgreSQL the database without the cluster's log.
    pub async fn size(&self) -> anyhow::Result<u64> {
        match &self.postgres {
            None => {
                let file = self.sqlite_file();
                let mut log = file.clone().into_os_string();
                log.push("-wal");
                // The last server may have taken its log away.
                let log = fs::metadata(log).map_or(0, |log| log.len());
                Ok(fs::metadata(file)?.len() + log)
            }
            Some(url) => {
                let mut connection = PgConnection::connect(url.as_str()).await?;
                let size: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())")
                    .fetch_one(&mut connection)
                    .await?;
                Ok(size.try_into()?)
            }
        }
    }

    /// The id of PostgreSQL's first process, the parent of all others; None on SQLite.
    pub async fn postgres_process(&self) -> anyhow::Result<Option<u32>> {
        let Some(url) = &self.postgres else {
            return Ok(None);
        };
        let mut connection = PgConnection::connect(url.as_str()).await?;
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut connection)
            .await?;
        let status = fs::read_to_string(format!("/proc/{backend}/status"))
            .context("PostgreSQL must run on this machine")?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        Ok(Some(parent.context("a process has a parent")?.trim().parse()?))
    }

    fn sqlite_file(&self) -> PathBuf {
        self.folder.path().join("flowmatic.db")
    }
}

/// Counts what has ended, then what there is; in this order nothing is missed that ends in between.
pub async fn count(url: &str) -> anyhow::Result<Count> {
    let open = number(
        url,
        "SELECT count(*) FROM executions WHERE status IN ('QUEUED', 'WAITING')",
    )
    .await?;
    let all = number(url, "SELECT count(*) FROM executions").await?;
    Ok(Count { all, open })
}

/// How many executions have left memory to wait.
pub async fn waiting(url: &str) -> anyhow::Result<u64> {
    number(url, "SELECT count(*) FROM executions WHERE status = 'WAITING'").await
}

/// What a query counts, on a connection of its own.
async fn number(url: &str, sql: &'static str) -> anyhow::Result<u64> {
    let counted: i64 = match url.strip_prefix("sqlite://") {
        Some(file) => {
            let options = SqliteConnectOptions::new().filename(file).read_only(true);
            let mut connection = options.disable_statement_logging().connect().await?;
            sqlx::query_scalar(sql).fetch_one(&mut connection).await?
        }
        None => {
            let mut connection = PgConnection::connect(url).await?;
            sqlx::query_scalar(sql).fetch_one(&mut connection).await?
        }
    };
    Ok(counted.try_into()?)
}

/// A loopback address that nobody listens on.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?)
}

fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    let entries = fs::read_dir(from).with_context(|| format!("cannot read `{}`", from.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))
                .with_context(|| format!("cannot copy `{}`", entry.path().display()))?;
        }
    }
    Ok(())
}

async fn copy_database(url: &Url) -> anyhow::Result<Url> {
    let name = format!("load_{}", Uuid::new_v4().simple());
    run_beside(url, format!("CREATE DATABASE {name} TEMPLATE {}", name_of(url)?)).await?;
    let mut copy = url.clone();
    copy.set_path(&name);
    Ok(copy)
}

/// Runs a statement about a database on a connection to another one.
async fn run_beside(url: &Url, sql: String) -> anyhow::Result<()> {
    let mut beside = url.clone();
    beside.set_path("postgres");
    let mut connection = PgConnection::connect(beside.as_str()).await?;
    // The names in it are made by this program and by the test harness.
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

fn name_of(url: &Url) -> anyhow::Result<&str> {
    let name = url.path().trim_start_matches('/');
    anyhow::ensure!(
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
        "`{name}` is no plain name of a database"
    );
    Ok(name)
}
