//! Executions a second through the group-commit writer: accept and finish as one row of 1 KB payload and
//! 1.5 KB steps, 64 and 1000 callers that each wait for their ticket; then accept, checkpoint and finish as
//! three writes. It runs on SQLite in the temporary folder, and on `FLOWMATIC_TEST_POSTGRES` if that is set.
//! Run with `cargo bench -p flowmatic --bench commit`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowmatic::store::{CommitWriter, Store, StoreOptions};
use flowmatic_executor::{Accept, Checkpoint, Finish, Journal, Time};
use flowmatic_openapi::{ExecutionMode, ExecutionStatus};
use tokio::runtime::Runtime;
use uuid::Uuid;

const ROUND: u64 = 20_000;

fn commit(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime starts");
    let mut databases = vec![("sqlite", None)];
    if let Ok(url) = std::env::var("FLOWMATIC_TEST_POSTGRES") {
        databases.push(("postgres", Some(url)));
    }
    for (name, database_url) in databases {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let data_dir = folder.path().to_owned();
        let (store, writer, task) = runtime.block_on(async {
            let store = Store::open(StoreOptions {
                database_url,
                data_dir,
            })
            .await
            .expect("it opens");
            store.migrate().await.expect("it has its tables");
            let (writer, task) = CommitWriter::start(
                store.clone(),
                Uuid::now_v7(),
                tokio::sync::mpsc::unbounded_channel().0,
            );
            (store, writer, task)
        });
        let mut group = criterion.benchmark_group(name);
        group
            .throughput(Throughput::Elements(ROUND))
            .sample_size(10)
            .measurement_time(Duration::from_secs(20));
        for callers in [64, 1000] {
            for (kind, whole) in [("accept_and_finish", true), ("three_writes", false)] {
                group.bench_function(format!("{kind}/{callers}"), |bencher| {
                    bencher.to_async(&runtime).iter_custom(async |rounds| {
                        let mut time = Duration::ZERO;
                        for _ in 0..rounds {
                            let begun = Instant::now();
                            round(&writer, callers, whole).await;
                            time += begun.elapsed();
                        }
                        time
                    });
                });
            }
        }
        group.finish();
        runtime.block_on(async {
            writer.close();
            task.await.expect("it ends by itself");
            store.close().await;
        });
    }
}

async fn round(writer: &Arc<CommitWriter>, callers: u64, whole: bool) {
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let writer = writer.clone();
            let share = ROUND / callers + u64::from(caller < ROUND % callers);
            tokio::spawn(async move {
                for _ in 0..share {
                    execution(&writer, whole).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no write fails");
    }
}

async fn execution(writer: &CommitWriter, whole: bool) {
    let id = Uuid::now_v7();
    let now = Time::default();
    let accept = Accept {
        id,
        workspace_id: 1,
        workflow_id: Uuid::nil(),
        version: 1,
        mode: ExecutionMode::Webhook,
        trigger: "hook".to_owned(),
        payload: "p".repeat(1024),
        meta: "m".repeat(300),
        retry_of: None,
        held: false,
        accepted_at: now,
    };
    let finish = Finish {
        id,
        epoch: 0,
        status: ExecutionStatus::Completed,
        error: None,
        result: Some("reply".to_owned()),
        steps: "s".repeat(1536),
        finished_at: now,
        tells: None,
        error_workflow: None,
    };
    if whole {
        return writer.accept(accept, Some(finish)).await.expect("it is written");
    }
    let checkpoint = Checkpoint {
        id,
        epoch: 0,
        sequence: 1,
        record: "r".repeat(700),
    };
    writer.accept(accept, None).await.expect("it is written");
    writer.checkpoint(checkpoint).await.expect("it is written");
    writer.finish(finish).await.expect("it is written");
}

criterion_group!(benches, commit);
criterion_main!(benches);
