//! The floor: a bare poem handler that writes the rows Flowmatic writes and gives the answers Flowmatic gives, and does
//! nothing else. It runs as a process of its own, `load floor <settings>`, on a copy of a database that Flowmatic made.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use poem::http::header::{CONNECTION, CONTENT_LENGTH, DATE};
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use poem::listener::TcpListener;
use poem::{Endpoint, Request, Response};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sea_orm::sqlx::{
    self, AssertSqlSafe, ColumnIndex, ConnectOptions as _, Connection as _, Decode, Encode, Postgres, Row,
    Type,
};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::generator::Answer;

/// What it gets as its argument, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    pub listen: SocketAddr,
    /// `sqlite://<path>` or `postgres://…`.
    pub database_url: String,
    /// One execution of this workflow must be there: its row is what is written again and again.
    pub workflow_id: Uuid,
    pub way: Way,
    /// What Flowmatic answered to that execution.
    pub answer: Answer,
}

/// How a batch of rows is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// A statement for each row.
    RowByRow,
    /// Statements of many rows, in a few fixed sizes, so that they stay prepared.
    MultiRow,
    /// One statement that takes its rows as arrays; PostgreSQL only.
    Arrays,
}

/// Rows that may wait to be written.
const QUEUE: usize = 8192;
const BATCH_ROWS: usize = 1024;
/// How many rows one statement of [`Way::MultiRow`] has: as many of the largest as fit, then of the next.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

pub async fn run(settings: Settings) -> anyhow::Result<()> {
    let (mut database, template) = Database::open(&settings).await?;
    let (queue, mut queued) = mpsc::channel::<Queued>(QUEUE);
    let door = Door {
        queue,
        answer: Prepared::new(settings.answer, template.id)?,
    };
    let writing = tokio::spawn(async move {
        let mut batch = Vec::with_capacity(BATCH_ROWS);
        while queued.recv_many(&mut batch, BATCH_ROWS).await > 0 {
            database.write(&template, settings.way, &batch).await?;
            for queued in batch.drain(..) {
                // A caller who hung up does not wait.
                let _ = queued.written.send(());
            }
        }
        Ok::<_, sqlx::Error>(())
    });
    let serving = tokio::spawn(poem::Server::new(TcpListener::bind(settings.listen)).run(door));
    tokio::select! {
        served = serving => served?.context("cannot serve"),
        written = writing => written?.context("cannot write"),
    }
}

/// Answers every `POST` once its row is on disk, and everything else at once.
struct Door {
    queue: mpsc::Sender<Queued>,
    answer: Prepared,
}

struct Queued {
    id: Uuid,
    time: i64,
    payload: String,
    written: oneshot::Sender<()>,
}

impl Endpoint for Door {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        if request.method() != Method::POST {
            return Ok(StatusCode::OK.into());
        }
        let payload = request.take_body().into_string().await?;
        let id = Uuid::now_v7();
        let time = Utc::now().timestamp_millis();
        let (written, wait) = oneshot::channel();
        let queued = Queued {
            id,
            time,
            payload,
            written,
        };
        let sent = self.queue.send(queued).await.is_ok();
        if sent && wait.await.is_ok() {
            return Ok(self.answer.of(id));
        }
        Ok(StatusCode::SERVICE_UNAVAILABLE.into())
    }
}

/// Flowmatic's answer with the id of another execution.
struct Prepared {
    status: StatusCode,
    headers: HeaderMap,
    /// The id stands between these.
    parts: Vec<String>,
}

impl Prepared {
    fn new(answer: Answer, id: Uuid) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        for (name, value) in answer.headers {
            headers.append(HeaderName::from_str(&name)?, HeaderValue::try_from(value)?);
        }
        // The HTTP library writes these by itself.
        for name in [DATE, CONTENT_LENGTH, CONNECTION] {
            headers.remove(name);
        }
        Ok(Self {
            status: StatusCode::from_u16(answer.status)?,
            headers,
            parts: answer.body.split(&id.to_string()).map(str::to_owned).collect(),
        })
    }

    fn of(&self, id: Uuid) -> Response {
        let mut response = Response::builder()
            .status(self.status)
            .body(self.parts.join(&id.to_string()));
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// What Flowmatic wrote for one execution, in the columns that it writes.
#[derive(Debug, Clone)]
struct Template {
    id: Uuid,
    workspace_id: i64,
    workflow_id: Uuid,
    version: i32,
    mode: String,
    trigger_node: String,
    status: String,
    owner: Option<Uuid>,
    lease_until: i64,
    retry_of: Option<Uuid>,
    started_at: i64,
    error: Option<String>,
    result: Option<String>,
    meta: String,
    steps: Option<String>,
}

const COLUMNS: &str = "id, workspace_id, workflow_id, version, mode, trigger_node, status, owner, lease_until, \
                       retry_of, started_at, finished_at, error, result, meta, payload, steps";
const TYPES: [&str; 17] = [
    "uuid", "bigint", "uuid", "int", "text", "text", "text", "uuid", "bigint", "uuid", "bigint", "bigint",
    "text", "text", "text", "text", "text",
];

impl Template {
    fn read<'r, R: Row>(row: &'r R) -> sqlx::Result<Self>
    where
        &'r str: ColumnIndex<R>,
        Uuid: Decode<'r, R::Database> + Type<R::Database>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
        i32: Decode<'r, R::Database> + Type<R::Database>,
        String: Decode<'r, R::Database> + Type<R::Database>,
        Option<Uuid>: Decode<'r, R::Database> + Type<R::Database>,
        Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    {
        Ok(Self {
            id: row.try_get("id")?,
            workspace_id: row.try_get("workspace_id")?,
            workflow_id: row.try_get("workflow_id")?,
            version: row.try_get("version")?,
            mode: row.try_get("mode")?,
            trigger_node: row.try_get("trigger_node")?,
            status: row.try_get("status")?,
            owner: row.try_get("owner")?,
            lease_until: row.try_get("lease_until")?,
            retry_of: row.try_get("retry_of")?,
            started_at: row.try_get("started_at")?,
            error: row.try_get("error")?,
            result: row.try_get("result")?,
            meta: row.try_get("meta")?,
            steps: row.try_get("steps")?,
        })
    }

    /// How long Flowmatic holds a new execution.
    fn lease(&self) -> i64 {
        self.lease_until - self.started_at
    }
}

enum Database {
    Sqlite(SqliteConnection, Statements),
    Postgres(PgConnection, Statements),
}

/// By how many rows they write.
type Statements = HashMap<usize, Arc<str>>;

impl Database {
    async fn open(settings: &Settings) -> anyhow::Result<(Self, Template)> {
        let select = |parameter: &str| {
            AssertSqlSafe(format!(
                "SELECT {COLUMNS} FROM executions WHERE workflow_id = {parameter}"
            ))
        };
        let missing = "the workflow has no execution";
        if settings.database_url.starts_with("sqlite:") {
            let mut connection = open_sqlite(&settings.database_url).await?;
            let row: Option<SqliteRow> = sqlx::query(select("?"))
                .bind(settings.workflow_id)
                .fetch_optional(&mut connection)
                .await?;
            let template = Template::read(&row.context(missing)?)?;
            Ok((Self::Sqlite(connection, statements(|_| "?".to_owned())), template))
        } else {
            let options =
                PgConnectOptions::from_str(&settings.database_url)?.options([("synchronous_commit", "on")]);
            let mut connection = options.disable_statement_logging().connect().await?;
            let row: Option<PgRow> = sqlx::query(select("$1"))
                .bind(settings.workflow_id)
                .fetch_optional(&mut connection)
                .await?;
            let template = Template::read(&row.context(missing)?)?;
            Ok((
                Self::Postgres(connection, statements(|number| format!("${number}"))),
                template,
            ))
        }
    }

    async fn write(&mut self, template: &Template, way: Way, batch: &[Queued]) -> sqlx::Result<()> {
        match self {
            Self::Sqlite(connection, statements) => {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                for rows in chunks(batch, way) {
                    let query = sqlx::query(AssertSqlSafe(statements[&rows.len()].clone()));
                    let query = rows.iter().fold(query, |query, row| bind(query, template, row));
                    query.execute(&mut *transaction).await?;
                }
                transaction.commit().await
            }
            Self::Postgres(connection, statements) => {
                let mut transaction = connection.begin().await?;
                if way == Way::Arrays {
                    let query = sqlx::query(AssertSqlSafe(ARRAYS.clone()));
                    bind_arrays(query, template, batch)
                        .execute(&mut *transaction)
                        .await?;
                } else {
                    for rows in chunks(batch, way) {
                        let query = sqlx::query(AssertSqlSafe(statements[&rows.len()].clone()));
                        let query = rows.iter().fold(query, |query, row| bind(query, template, row));
                        query.execute(&mut *transaction).await?;
                    }
                }
                transaction.commit().await
            }
        }
    }
}

/// Its settings, and the write-back of its log beside the writer, are those of `server/src/store/sqlite.rs`.
async fn open_sqlite(url: &str) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::from_str(url)?
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", LOG_BYTES.to_string())
        .pragma("wal_autocheckpoint", "0")
        .disable_statement_logging();
    let connection = options.connect().await?;
    tokio::spawn(async {
        if let Err(error) = write_back(options).await {
            eprintln!("the log is not written back: {error}");
        }
    });
    Ok(connection)
}

const LOG_BYTES: i64 = 64 * 1024 * 1024;
const PAGE_BYTES: i64 = 4096;
const WRITE_BACK_INTERVAL: Duration = Duration::from_secs(1);

async fn write_back(options: SqliteConnectOptions) -> sqlx::Result<()> {
    let mut connection = options.connect().await?;
    loop {
        tokio::time::sleep(WRITE_BACK_INTERVAL).await;
        let (_, pages, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_one(&mut connection)
            .await?;
        if pages * PAGE_BYTES > LOG_BYTES {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .execute(&mut connection)
                .await?;
        }
    }
}

/// The pieces of a batch that one statement writes.
fn chunks(mut batch: &[Queued], way: Way) -> impl Iterator<Item = &[Queued]> {
    let sizes = if way == Way::MultiRow { &SIZES[..] } else { &[1] };
    std::iter::from_fn(move || {
        let size = sizes.iter().find(|size| **size <= batch.len())?;
        let (rows, rest) = batch.split_at(*size);
        batch = rest;
        Some(rows)
    })
}

/// `parameter` is the name of the so many-th parameter, from 1.
fn statements(parameter: fn(usize) -> String) -> Statements {
    let statement = |size: usize| -> Arc<str> {
        let row = |row: usize| {
            let first = row * TYPES.len() + 1;
            let parameters: Vec<_> = (first..first + TYPES.len()).map(parameter).collect();
            format!("({})", parameters.join(", "))
        };
        let rows: Vec<_> = (0..size).map(row).collect();
        format!("INSERT INTO executions ({COLUMNS}) VALUES {}", rows.join(", ")).into()
    };
    SIZES.map(|size| (size, statement(size))).into()
}

static ARRAYS: LazyLock<Arc<str>> = LazyLock::new(|| {
    let arrays = TYPES
        .iter()
        .enumerate()
        .map(|(place, kind)| format!("${}::{kind}[]", place + 1));
    let arrays: Vec<_> = arrays.collect();
    format!(
        "INSERT INTO executions ({COLUMNS}) SELECT * FROM UNNEST({})",
        arrays.join(", ")
    )
    .into()
});

type Call<'q, D> = Query<'q, D, <D as sqlx::Database>::Arguments>;

fn bind<'q, D>(query: Call<'q, D>, template: &'q Template, row: &'q Queued) -> Call<'q, D>
where
    D: sqlx::Database,
    Uuid: Encode<'q, D> + Type<D>,
    i64: Encode<'q, D> + Type<D>,
    i32: Encode<'q, D> + Type<D>,
    &'q str: Encode<'q, D> + Type<D>,
    Option<Uuid>: Encode<'q, D>,
    Option<&'q str>: Encode<'q, D>,
{
    query
        .bind(row.id)
        .bind(template.workspace_id)
        .bind(template.workflow_id)
        .bind(template.version)
        .bind(&*template.mode)
        .bind(&*template.trigger_node)
        .bind(&*template.status)
        .bind(template.owner)
        .bind(row.time + template.lease())
        .bind(template.retry_of)
        .bind(row.time)
        .bind(row.time)
        .bind(template.error.as_deref())
        .bind(template.result.as_deref())
        .bind(&*template.meta)
        .bind(&*row.payload)
        .bind(template.steps.as_deref())
}

fn bind_arrays<'q>(
    query: Call<'q, Postgres>,
    template: &'q Template,
    batch: &'q [Queued],
) -> Call<'q, Postgres> {
    let times: Vec<i64> = batch.iter().map(|row| row.time).collect();
    let leases: Vec<i64> = batch.iter().map(|row| row.time + template.lease()).collect();
    let ids: Vec<Uuid> = batch.iter().map(|row| row.id).collect();
    let payloads: Vec<&str> = batch.iter().map(|row| &*row.payload).collect();
    let all = batch.len();
    query
        .bind(ids)
        .bind(vec![template.workspace_id; all])
        .bind(vec![template.workflow_id; all])
        .bind(vec![template.version; all])
        .bind(vec![&*template.mode; all])
        .bind(vec![&*template.trigger_node; all])
        .bind(vec![&*template.status; all])
        .bind(vec![template.owner; all])
        .bind(leases)
        .bind(vec![template.retry_of; all])
        .bind(times.clone())
        .bind(times)
        .bind(vec![template.error.as_deref(); all])
        .bind(vec![template.result.as_deref(); all])
        .bind(vec![&*template.meta; all])
        .bind(payloads)
        .bind(vec![template.steps.as_deref(); all])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_a_batch_into_the_sizes_that_are_prepared() {
        let queued = || Queued {
            id: Uuid::nil(),
            time: 0,
            payload: String::new(),
            written: oneshot::channel().0,
        };
        for (way, rows, expected) in [
            (Way::MultiRow, 0, vec![]),
            (Way::MultiRow, 7, vec![4, 2, 1]),
            (Way::MultiRow, 130, vec![64, 64, 2]),
            (Way::RowByRow, 3, vec![1, 1, 1]),
        ] {
            let batch: Vec<_> = (0..rows).map(|_| queued()).collect();
            let sizes: Vec<_> = chunks(&batch, way).map(<[Queued]>::len).collect();
            assert_eq!(sizes, expected, "{way:?} of {rows}");
        }
    }
}
