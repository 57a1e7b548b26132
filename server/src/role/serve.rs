//! `flowmatic serve`: everything in one process.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::Utc;
use flowmatic_openapi::PASSWORD_LENGTH;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::http;
use crate::app::{App, Parts, base_url};
use crate::config::{Config, DATA_DIR};
use crate::dispatch::Dispatch;
use crate::guard::Guard;
use crate::housekeeping::{Housekeeping, write_use};
use crate::prune::{Limits, Pruner};
use crate::store::Store;
use crate::trigger::resume;
use crate::{api, auth, telemetry};

/// How long the end may take in all.
const END: Duration = Duration::from_millis(29_500);
/// How long answers that are under way may take after the executions have come to rest.
const ANSWERS_GRACE: Duration = Duration::from_secs(4);
/// Bytes of a database that a start writes anew.
const QUICKLY_REWRITTEN: u64 = 256 * 1024 * 1024;

pub async fn run(config: Config) -> anyhow::Result<()> {
    let store = super::open(&config).await?;
    let mut lock = store.lock_server().await?;
    store.migrate().await.context("cannot migrate the database")?;
    make_shrinkable(&store).await?;
    make_configured_owner(&store, &config).await?;
    let listener =
        http::listen(config.listen).with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let secret_key = super::open_secrets(&store, &config, true).await?;
    let catalogue = Arc::new(flowmatic_nodes::catalogue());
    let guard = Guard::new(config.allow_network.clone())?;
    let base_url = base_url(config.public_url.as_ref(), address);
    let max_running = usize::try_from(config.max_running)?;
    let dispatch = Dispatch::new(
        store.clone(),
        secret_key.clone(),
        catalogue.clone(),
        guard,
        max_running,
        resume::url(&base_url, &secret_key),
    );
    let app = App::new(Parts {
        secret_key,
        catalogue,
        dispatch,
        metrics: telemetry::metrics()?,
        base_url,
        setup: !store.has_owner().await?,
        clock: Utc::now,
        config,
        store,
    });
    let told = stop_signal()?;
    let draining = CancellationToken::new();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(http::serve(
        listener,
        api::endpoint(app.clone()),
        stop.clone(),
        app.config.request_timeout,
        ANSWERS_GRACE,
    ));
    let tasks = TaskTracker::new();
    let (prunes, due) = mpsc::channel(1);
    super::spawn_upkeep(&app.store, &app.dispatch, prunes, &tasks, &draining, &stop);
    let limits = Limits {
        retention: app.config.retention,
        executions: app.config.keep_executions,
    };
    let pruner = Pruner::new(app.store.clone(), limits, Utc::now, draining.clone());
    tasks.spawn(pruner.run(due));
    tasks.close();
    let housekeeping = Housekeeping::start(&app).await?;
    greet(&app, address).await?;

    let lost = tokio::select! {
        () = told => None,
        lost = lock.lost() => Some(lost),
    };
    match &lost {
        None => tracing::info!("shutting down: what runs may go on for a while, nothing new is taken"),
        Some(error) => tracing::error!(%error, "shutting down: this server may no longer write"),
    }
    app.drain();
    draining.cancel();
    let ended = async {
        // Until it has come to rest, callers are still told that the server is going.
        app.dispatch.drain().await;
        stop.cancel();
        serving.await.context("the listener failed")?;
        tasks.wait().await;
        housekeeping.stop().await;
        write_use(&app).await;
        app.store.close().await;
        anyhow::Ok(())
    };
    match tokio::time::timeout(END, ended).await {
        Ok(ended) => ended?,
        Err(_) => tracing::warn!("the end is cut short; what is open is taken up at the next start"),
    }
    drop(lock);
    lost.map_or(Ok(()), |error| Err(error.into()))
}

/// Tells a person where to go; the first line always has the address.
async fn greet(app: &App, address: std::net::SocketAddr) -> anyhow::Result<()> {
    let mut lines = format!("Flowmatic is listening on http://{address}\n");
    if let Some(link) = app.setup_link().await {
        lines += &format!("Make the owner here: {link}\n");
        let flags = data_flags(&app.config);
        lines +=
            &format!("Then: flowmatic{flags} keys create --name me --scope '*', and follow the README\n");
    }
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(lines.as_bytes())
        .and_then(|()| stdout.flush())
        .context("cannot write to stdout")
}

/// What a command beside this server needs to find its data.
fn data_flags(config: &Config) -> String {
    if config.database_url.is_some() {
        // The URL may hold a password: it is not repeated.
        " --database-url …".to_owned()
    } else if config.data_dir == Path::new(DATA_DIR) {
        String::new()
    } else {
        format!(" --data-dir '{}'", config.data_dir.display())
    }
}

/// Sees to it that an SQLite file can become smaller, where that takes no longer than a start may.
async fn make_shrinkable(store: &Store) -> anyhow::Result<()> {
    match store.unshrinkable().await? {
        None => Ok(()),
        Some(size) if size <= QUICKLY_REWRITTEN => {
            store.rewrite().await.context("cannot write the database anew")
        }
        Some(_) => {
            tracing::warn!(
                database = store.name(),
                "the file cannot give space back, since another program has made it; stop the server and run \
                 `flowmatic migrate` to write it anew"
            );
            Ok(())
        }
    }
}

/// Sets the server up without the link, where an owner is configured and none was made.
async fn make_configured_owner(store: &Store, config: &Config) -> anyhow::Result<()> {
    let (Some(email), Some(password)) = (&config.owner_email, &config.owner_password) else {
        return Ok(());
    };
    if store.has_owner().await? {
        return Ok(());
    }
    ensure!(
        email.contains('@') && !email.contains(char::is_whitespace),
        "`--owner-email {email}` is not an e-mail address"
    );
    ensure!(
        PASSWORD_LENGTH.contains(&password.chars().count()),
        "`--owner-password` takes {} to {} characters",
        PASSWORD_LENGTH.start(),
        PASSWORD_LENGTH.end()
    );
    let password = password.clone();
    let hash = tokio::task::spawn_blocking(move || auth::hash_password(&password)).await??;
    store.create_owner(email, &hash, Utc::now()).await?;
    Ok(())
}

/// Resolves when the process is told to end.
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
