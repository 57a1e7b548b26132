//! A temporary PostgreSQL cluster, with a fresh database for whoever asks.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

/// The address of a running cluster, for a role that may create databases.
const ADDRESS: &str = "FLOWMATIC_TEST_POSTGRES";

/// Starts a cluster and prints its address; `tests/run` uses it too.
const SCRIPT: &str = include_str!("postgres.sh");

pub struct Postgres {
    url: Url,
    supervisor: Option<Supervisor>,
}

struct Supervisor {
    /// It ends when its standard input is closed.
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Postgres {
    /// The cluster that `tests/run` started for all tests, or else one of this process.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED
            .get_or_init(async || match std::env::var(ADDRESS) {
                Ok(address) => {
                    let url = address
                        .parse()
                        .unwrap_or_else(|error| panic!("{ADDRESS}: {error}"));
                    Self {
                        url,
                        supervisor: None,
                    }
                }
                Err(_) => Self::start().await,
            })
            .await
    }

    /// A cluster of its own, for tests that stop or break it.
    pub async fn start() -> Self {
        tokio::task::spawn_blocking(Self::start_blocking)
            .await
            .expect("starting a cluster does not panic")
    }

    fn start_blocking() -> Self {
        let mut supervisor = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What ends the group of this test must leave the supervisor the time to clean up.
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let mut line = String::new();
        let stdout = supervisor.stdout.take().expect("stdout is piped");
        let mut output = BufReader::new(stdout);
        output
            .read_line(&mut line)
            .expect("the supervisor's output is text");
        let url = line
            .trim()
            .parse()
            .expect("a PostgreSQL cluster; the text above says what is missing");
        Self {
            url,
            supervisor: Some(Supervisor {
                child: supervisor,
                output,
            }),
        }
    }

    /// Ends the cluster as a crash does. Only for a cluster of one's own.
    pub fn stop(&mut self) {
        self.tell("stop");
    }

    /// Starts it again, at the same address.
    pub fn start_again(&mut self) {
        self.tell("start");
    }

    fn tell(&mut self, command: &str) {
        let supervisor = self.supervisor.as_mut().expect("a cluster of the test's own");
        let input = supervisor.child.stdin.as_mut().expect("it is open until the end");
        writeln!(input, "{command}").expect("the supervisor listens");
        let mut line = String::new();
        supervisor
            .output
            .read_line(&mut line)
            .expect("the supervisor's output is text");
        assert_eq!(line.trim(), command, "PostgreSQL does not {command}");
    }

    /// The address of a new and empty database.
    pub async fn database(&self) -> String {
        let name = name();
        self.create(&name, &[format!("CREATE DATABASE {name}")]).await
    }

    /// The same, with its files in this empty folder, which becomes the cluster's. Its log of changes is elsewhere.
    pub async fn database_in(&self, folder: &Path) -> String {
        let name = name();
        let chown = Command::new("chown").arg("postgres").arg(folder).status();
        assert!(
            chown.expect("chown runs").success(),
            "only root can give a folder away"
        );
        let place = format!("CREATE TABLESPACE {name} LOCATION '{}'", folder.display());
        let create = format!("CREATE DATABASE {name} TABLESPACE {name}");
        self.create(&name, &[place, create]).await
    }

    async fn create(&self, name: &str, statements: &[String]) -> String {
        let admin = sea_orm::Database::connect(self.url.as_str())
            .await
            .expect("the cluster answers");
        drop_abandoned(&admin).await;
        for statement in statements {
            let done = admin.execute_unprepared(statement).await;
            done.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        admin.close().await.expect("the connection closes");
        let mut url = self.url.clone();
        url.set_path(name);
        url.into()
    }
}

/// A new database's name, which tells the process that it is for.
fn name() -> String {
    format!("{PREFIX}{}_{}", std::process::id(), Uuid::new_v4().simple())
}

const PREFIX: &str = "test_";

/// Drops the databases of processes that are gone: each takes 8 MB.
async fn drop_abandoned(admin: &DatabaseConnection) {
    let backend = admin.get_database_backend();
    let sql = format!("SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%'");
    let rows = admin.query_all_raw(Statement::from_string(backend, sql)).await;
    for row in rows.expect("the cluster answers") {
        let name: String = row.try_get_by_index(0).expect("a name");
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('_').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // Another test may be dropping it at this moment.
            let _ = admin
                .execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                .await;
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(Supervisor { mut child, .. }) = self.supervisor.take() {
            drop(child.stdin.take());
            // Nothing is left to do for a supervisor that is gone.
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::Database;

    use super::*;

    async fn text(connection: &DatabaseConnection, query: &str) -> String {
        let statement = Statement::from_string(connection.get_database_backend(), query);
        let row = connection
            .query_one_raw(statement)
            .await
            .expect("the query runs")
            .expect("a row");
        row.try_get_by_index(0).expect("a text")
    }

    #[tokio::test]
    async fn gives_each_caller_an_empty_database_that_syncs() {
        let cluster = Postgres::shared().await;
        let (one, two) = (cluster.database().await, cluster.database().await);
        assert_ne!(one, two);
        for url in [one, two] {
            let connection = Database::connect(url).await.expect("the database answers");
            connection
                .execute_unprepared("CREATE TABLE same (id int)")
                .await
                .expect("no such table yet");
            assert_eq!(text(&connection, "SHOW fsync").await, "on");
            assert_eq!(text(&connection, "SHOW synchronous_commit").await, "on");
        }
    }

    #[tokio::test]
    async fn a_cluster_ends_with_its_owner() {
        let cluster = Postgres::start().await;
        let url = cluster.database().await;
        let connection = Database::connect(&url).await.expect("the database answers");
        let folder = text(&connection, "SHOW data_directory").await;
        connection.close().await.expect("the connection closes");
        let port = cluster.url.port().expect("a cluster has a port of its own");
        tokio::task::spawn_blocking(move || drop(cluster))
            .await
            .expect("no panic");
        assert!(
            std::net::TcpStream::connect(("127.0.0.1", port)).is_err(),
            "the server still listens"
        );
        assert!(!Path::new(&folder).exists(), "{folder} is left");
    }
}
