//! What was accepted is on disk, when it is said to be; and a disk or a database that fails for a while loses nothing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flowmatic_tests::{Answer, Database, Postgres, Receiver, TestApp, eventually, skip};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::Rows;
use crate::workflow::{LOOPBACK, call, create, hooked, on_both_databases, reply, webhook_id, webhook_path};

on_both_databases! {
    a_full_disk_refuses_calls_and_loses_nothing
    a_database_of_a_newer_version_is_left_alone
}

async fn echo(app: &TestApp) -> String {
    webhook_id(&create(app, hooked(&[reply(json!({"body": {"n": "{{n}}"}}))])).await)
}

/// The figure of this name at `/metrics`.
pub async fn metric(app: &TestApp, name: &str) -> usize {
    let (_, text) = app.api("GET", "/metrics", Value::Null).await;
    let text = text.as_str().expect("text").to_owned();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or("0");
    value
        .parse()
        .unwrap_or_else(|error| panic!("{name} is {value}: {error}"))
}

const COMMITS: &str = "flowmatic_commits_total";
const CALLS: usize = 40;

#[tokio::test]
async fn sqlite_keeps_a_log_and_syncs_it_at_each_commit() {
    let Some(trace) = Trace::new() else { return };
    let app = TestApp::builder().wrapper(&trace.command()).start().await;
    let hook = echo(&app).await;
    let (commits, syncs) = (metric(&app, COMMITS).await, trace.syncs());
    for n in 0..CALLS {
        assert_eq!(app.webhook(&hook, &json!({"n": n})).await, (200, json!({"n": n})));
    }
    let (commits, syncs) = (metric(&app, COMMITS).await - commits, trace.syncs() - syncs);
    assert_eq!(commits, CALLS, "one call at a time: a commit each");
    assert!(syncs >= commits, "{syncs} syncs for {commits} commits");

    let before = metric(&app, COMMITS).await;
    let calls = (0..512).map(|n| {
        let (app, hook) = (&app, &hook);
        async move { assert_eq!(app.webhook(hook, &json!({"n": n})).await.0, 200) }
    });
    join_all(calls).await;
    let commits = metric(&app, COMMITS).await - before;
    assert!(commits < 512, "{commits} commits for 512 executions at a time");

    let rows = Rows::open(&app).await;
    let mode = rows.query("PRAGMA journal_mode").await;
    assert_eq!(mode[0].try_get_by_index::<String>(0).expect("text"), "wal");
    rows.close().await;
}

/// Writes down each sync of a server.
struct Trace {
    folder: tempfile::TempDir,
}

impl Trace {
    /// None where `strace` is missing or must not look.
    fn new() -> Option<Self> {
        let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status();
        if !works.is_ok_and(|status| status.success()) {
            skip("`strace` does not work here; syncs are not counted");
            return None;
        }
        Some(Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        })
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("syncs")
    }

    fn command(&self) -> [&'static str; 9] {
        // `-D`: the server stays our child, and the tracer is its grandchild.
        let file = Box::leak(self.file().display().to_string().into_boxed_str());
        [
            "strace",
            "-D",
            "-f",
            "-qq",
            "-e",
            "trace=fsync,fdatasync",
            "-o",
            file,
            "--",
        ]
    }

    fn syncs(&self) -> usize {
        let text = std::fs::read_to_string(self.file()).expect("the tracer writes it");
        text.lines().filter(|line| line.contains("sync(")).count()
    }
}

#[tokio::test]
async fn postgres_syncs_its_log_at_each_commit() {
    let cluster = Postgres::start().await;
    let url = cluster.database().await;
    let app = TestApp::builder()
        .env("FLOWMATIC_DATABASE_URL", &url)
        .start()
        .await;
    let hook = echo(&app).await;
    let admin = sea_orm::Database::connect(&url)
        .await
        .expect("the database answers");
    let before = (metric(&app, COMMITS).await, wal_syncs(&admin).await);
    for n in 0..CALLS {
        assert_eq!(app.webhook(&hook, &json!({"n": n})).await, (200, json!({"n": n})));
    }
    let commits = metric(&app, COMMITS).await - before.0;
    assert_eq!(commits, CALLS);
    // The figures of a session are passed on now and then, at most a second late.
    eventually("a sync for each commit", async || {
        (wal_syncs(&admin).await - before.1 >= i64::try_from(commits).ok()?).then_some(())
    })
    .await;
    admin.close().await.expect("the connection closes");
}

async fn wal_syncs(connection: &DatabaseConnection) -> i64 {
    // Since PostgreSQL 18 the figure stands elsewhere.
    let statement = |sql: &str| Statement::from_string(connection.get_database_backend(), sql);
    let old = connection
        .query_one_raw(statement("SELECT wal_sync FROM pg_stat_wal"))
        .await;
    let row = match old {
        Ok(row) => row,
        Err(_) => {
            let new = "SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'";
            connection
                .query_one_raw(statement(new))
                .await
                .expect("the figures of the log")
        }
    };
    row.expect("a row").try_get_by_index(0).expect("a number")
}

async fn a_full_disk_refuses_calls_and_loses_nothing(database: Database) {
    // An empty database of PostgreSQL alone takes 8 MiB.
    let Some(disk) = SmallDisk::mount("32m") else {
        return;
    };
    let receiver = Receiver::start().await;
    let mut cluster = None;
    let url = match database {
        Database::Sqlite => format!("sqlite://{}", disk.path().join("flowmatic.db").display()),
        Database::Postgres => {
            let folder = disk.path().join("postgres");
            std::fs::create_dir(&folder).expect("the disk is ours");
            cluster.insert(Postgres::start().await).database_in(&folder).await
        }
    };
    let app = TestApp::builder()
        .env("FLOWMATIC_DATABASE_URL", &url)
        .flags(&LOOPBACK)
        .start()
        .await;
    let hook = echo(&app).await;
    let call = call("call", receiver.url());
    let calling = webhook_id(&create(&app, hooked(&[call])).await);

    // These are on their way while the disk fills up.
    receiver.answer(Answer::status(200).after(Duration::from_secs(2)));
    let mut accepted = HashSet::new();
    for _ in 0..10 {
        let (status, answer) = app.webhook(&calling, &json!({})).await;
        assert_eq!(status, 200, "{answer}");
        accepted.insert(answer["executionId"].as_str().expect("an id").to_owned());
    }
    receiver.wait_for(10).await;
    disk.fill();
    // PostgreSQL would store less of what repeats.
    let big: String = (0..2048).map(|_| Uuid::new_v4().simple().to_string()).collect();
    let mut refused = 0;
    for _ in 0..100 {
        let path = format!("/api/webhooks/{calling}");
        let response = app
            .request("POST", &path)
            .json(&json!({"big": big}))
            .send()
            .await
            .expect("an answer");
        match response.status().as_u16() {
            200 => {
                let answer: Value = response.json().await.expect("JSON");
                accepted.insert(answer["executionId"].as_str().expect("an id").to_owned());
            }
            503 => {
                refused += 1;
                assert!(response.headers().contains_key("retry-after"));
            }
            other => panic!("{other}: {}", response.text().await.expect("text")),
        }
    }
    assert!(refused > 0, "the disk never was full");
    let (status, _) = app.api("GET", "/healthz", Value::Null).await;
    assert_eq!(status, 200);

    receiver.answer(Answer::status(200));
    disk.free();
    eventually("calls to be taken again", async || {
        let (status, answer) = app.webhook(&hook, &json!({"n": 1})).await;
        assert!(matches!(status, 200 | 503), "{status}: {answer}");
        (status == 200).then_some(())
    })
    .await;
    for id in &accepted {
        app.wait_for(id, &["COMPLETED"]).await;
    }
    let admin = sea_orm::Database::connect(&url)
        .await
        .expect("the database opens");
    let sql = "SELECT count(*) FROM executions WHERE payload = '' OR meta = '' OR (status != 'QUEUED') != (steps IS NOT NULL)";
    let halves = admin
        .query_one_raw(Statement::from_string(admin.get_database_backend(), sql))
        .await;
    let halves: i64 = halves
        .expect("the query is right")
        .expect("a row")
        .try_get_by_index(0)
        .expect("a number");
    assert_eq!(halves, 0, "executions that are half there");
    admin.close().await.expect("the connection closes");
}

/// A file system of its own in memory.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where it cannot be mounted.
    fn mount(size: &str) -> Option<Self> {
        // Not $TMPDIR, which may be a folder that the owner of a cluster cannot reach.
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "flowmatic-test"])
            .arg(folder.path())
            .output();
        let why = match mounted {
            Ok(output) if output.status.success() => return Some(Self(folder)),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        skip(&format!("no small disk: {why}"));
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// To the last byte.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.path().join("filler")).expect("the disk is ours");
        for size in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.path().join("filler")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still be about to end.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let app = TestApp::builder()
        .wrapper(&["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"])
        .env("FLOWMATIC_LOG", "trace")
        .start()
        .await;
    let hook = echo(&app).await;
    let answer = app.webhook(&hook, &json!({"n": 1})).await;
    assert_eq!(answer, (200, json!({"n": 1})));
}

#[tokio::test]
async fn a_database_that_restarts_is_used_again() {
    let mut cluster = Postgres::start().await;
    let url = cluster.database().await;
    let receiver = Receiver::start().await;
    let app = TestApp::builder()
        .env("FLOWMATIC_DATABASE_URL", &url)
        .flags(&LOOPBACK)
        .start()
        .await;
    let hook = echo(&app).await;
    let call = call("call", receiver.url());
    let calling = webhook_id(&create(&app, hooked(&[call])).await);
    receiver.answer(Answer::status(200).after(Duration::from_secs(2)));
    let mut accepted = Vec::new();
    for _ in 0..10 {
        let (status, answer) = app.webhook(&calling, &json!({})).await;
        assert_eq!(status, 200, "{answer}");
        accepted.push(answer["executionId"].as_str().expect("an id").to_owned());
    }
    receiver.wait_for(10).await;

    cluster.stop();
    for path in [
        format!("/api/webhooks/{hook}"),
        format!("/api/webhooks/{calling}"),
    ] {
        let response = app
            .request("POST", &path)
            .json(&json!({"n": 1}))
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status().as_u16(), 503);
        assert!(response.headers().contains_key("retry-after"));
    }
    let ready = app.request("GET", "/readyz").send().await.expect("an answer");
    assert_eq!(ready.status().as_u16(), 503);
    let alive = app.request("GET", "/healthz").send().await.expect("an answer");
    assert_eq!(alive.status().as_u16(), 200);
    cluster.start_again();
    eventually("calls to be taken again", async || {
        let (status, answer) = app.webhook(&hook, &json!({"n": 1})).await;
        assert!(matches!(status, 200 | 503), "{status}: {answer}");
        (status == 200).then_some(())
    })
    .await;
    for id in &accepted {
        app.wait_for(id, &["COMPLETED"]).await;
    }
    // It is still the only one.
    eventually("the lock of the one server to be held again", async || {
        let admin = sea_orm::Database::connect(&url)
            .await
            .expect("the database answers");
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
        let locks = admin
            .query_one_raw(Statement::from_string(admin.get_database_backend(), sql))
            .await;
        let locks: i64 = locks
            .expect("the query is right")
            .expect("a row")
            .try_get_by_index(0)
            .expect("a number");
        admin.close().await.expect("the connection closes");
        (locks == 1).then_some(())
    })
    .await;
    let second = TestApp::builder()
        .env("FLOWMATIC_DATABASE_URL", &url)
        .try_start()
        .await;
    let error = format!("{:?}", second.err().expect("it is refused"));
    assert!(error.contains("another server is running on"), "{error}");
}

#[tokio::test]
async fn a_server_whose_database_was_taken_over_ends() {
    let cluster = Postgres::start().await;
    let url = cluster.database().await;
    let mut app = TestApp::builder()
        .env("FLOWMATIC_DATABASE_URL", &url)
        .start()
        .await;
    // Another server's session takes the lock in the moment in which this one's is gone.
    let mut options = sea_orm::ConnectOptions::new(&url);
    options.max_connections(1);
    let other = sea_orm::Database::connect(options)
        .await
        .expect("the database answers");
    let take = "DO $$ DECLARE it record; BEGIN
        SELECT pid, (classid::bigint << 32) | objid::bigint AS key INTO it
            FROM pg_locks WHERE locktype = 'advisory' AND granted;
        PERFORM pg_terminate_backend(it.pid);
        PERFORM pg_advisory_lock(it.key);
    END $$";
    other.execute_unprepared(take).await.expect("the lock is taken");
    let status = app.wait_for_exit().await;
    assert!(!status.success(), "{status}");
    let output = app.output();
    assert!(output.contains("another server has taken"), "{output}");
    other.close().await.expect("the connection closes");
}

async fn a_database_of_a_newer_version_is_left_alone(database: Database) {
    let mut app = TestApp::builder().database(database).start().await;
    assert!(app.terminate().await.success());
    let rows = Rows::open(&app).await;
    rows.query("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_later', 0) RETURNING version")
        .await;
    let applied = rows.query("SELECT version FROM seaql_migrations").await.len();
    rows.close().await;
    for arguments in [
        ["serve"].as_slice(),
        &["migrate"],
        &["keys", "create", "--name", "x", "--scope", "*"],
    ] {
        let output = app.run(arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(
            said.contains("written by a newer Flowmatic (it has `m20990101_000001_later`)"),
            "{said}"
        );
    }
    let rows = Rows::open(&app).await;
    let after = rows.query("SELECT version FROM seaql_migrations").await.len();
    assert_eq!(after, applied);
    rows.close().await;
}

#[tokio::test]
async fn a_flood_of_large_bodies_is_served_or_refused_and_bounded_in_memory() {
    let app = TestApp::start().await;
    let workflow = create(&app, hooked(&[])).await;
    let path = webhook_path(&workflow);
    let body = json!({"big": "x".repeat(1_000_000)}).to_string();
    let calls = (0..300).map(|_| async {
        let request = app
            .request("POST", &path)
            .header("content-type", "application/json");
        request
            .body(body.clone())
            .send()
            .await
            .expect("an answer")
            .status()
            .as_u16()
    });
    let statuses = join_all(calls).await;
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 503)),
        "{statuses:?}"
    );
    let resident = app.resident_kib();
    println!("after the flood the server has {resident} KiB");
    assert!(resident < 1024 * 1024, "the server has grown to {resident} KiB");
}
