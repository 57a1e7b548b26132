//! What the binary can be: a server, or a short-lived command beside one.

use std::sync::Arc;

use anyhow::{Context, ensure};
use chrono::Utc;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::secret::SecretKey;
use crate::store::{DueTimer, SQLITE_FILE, Store, StoreOptions};
use crate::timer;

pub mod keys;
pub mod migrate;
pub mod openapi;
pub mod serve;
pub mod workflows;

mod http;

async fn open(config: &Config) -> anyhow::Result<Store> {
    let options = StoreOptions {
        database_url: config.database_url.clone(),
        data_dir: config.data_dir.clone(),
    };
    Store::open(options).await.context("cannot open the database")
}

/// For commands that work beside a running server: the database that it has made, and its workspace.
async fn open_beside(config: &Config) -> anyhow::Result<(Store, i64)> {
    ensure!(
        config.database_url.is_some() || config.data_dir.join(SQLITE_FILE).exists(),
        "there is no database in `{}`: start the server first, or give its `--data-dir`",
        config.data_dir.display()
    );
    let store = open(config).await?;
    // An older server may have made it.
    store.migrate().await.context("cannot migrate the database")?;
    let workspace = store.first_workspace().await?;
    Ok((store, workspace))
}

/// The key that the secrets in the database are sealed under; any other is refused. One is made only where there are
/// no secrets yet, if it may be.
async fn open_secrets(store: &Store, config: &Config, may_make: bool) -> anyhow::Result<SecretKey> {
    let sealed = store.any_secret().await?;
    let may_make = may_make && sealed.is_none();
    let key = SecretKey::open(config.secret_key.as_deref(), &config.data_dir, may_make)?;
    if let Some((id, text)) = sealed {
        key.unseal(id, &text).context(
            "the secrets in this database cannot be read; start with the key they were sealed with",
        )?;
    }
    Ok(key)
}

/// What lets executions go on by themselves, beside a server and a single run alike. `prunes` gets the timer by which
/// old executions are removed, where there is one.
fn spawn_upkeep(
    store: &Store,
    dispatch: &Arc<Dispatch>,
    prunes: Sender<DueTimer>,
    tasks: &TaskTracker,
    draining: &CancellationToken,
    stop: &CancellationToken,
) {
    let (recovering, stopped) = (dispatch.clone(), draining.clone());
    tasks.spawn(async move {
        recovering.clone().recover(stopped.clone()).await;
        recovering.sweep(stopped).await;
    });
    tasks.spawn(dispatch.clone().refill(draining.clone()));
    tasks.spawn(dispatch.clone().decide_starts(draining.clone()));
    tasks.spawn(dispatch.clone().pass_places_on(draining.clone()));
    tasks.spawn(dispatch.clone().pass_on_told(stop.clone()));
    tasks.spawn(timer::run(
        store.clone(),
        dispatch.clone(),
        Utc::now,
        prunes,
        draining.clone(),
    ));
    tasks.spawn(dispatch.clone().keep_leases(stop.clone()));
}
