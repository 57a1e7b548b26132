//! What is done now and then. tokio-cron-scheduler ticks, in this process only; what must happen, and once across
//! processes, is a timer (`crate::timer`).

use std::sync::Arc;

use anyhow::Context;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::task::TaskTracker;

use crate::app::App;

/// What is done at a time.
struct Chore {
    /// A cron pattern with a second, in UTC. No interval: the scheduler stops one that falls behind the clock.
    at: &'static str,
    run: fn(App) -> BoxFuture<'static, ()>,
}

/// They must stay few: the scheduler drops what is due at once beyond the length of its channel, 200.
const CHORES: [Chore; 2] = [
    Chore {
        at: "*/5 * * * * *",
        run: |app| Box::pin(async move { app.metrics.run_upkeep() }),
    },
    Chore {
        at: "0 * * * * *",
        run: |app| Box::pin(clean(app)),
    },
];

/// The chores of a server, until it is dropped or stopped.
pub struct Housekeeping {
    scheduler: JobScheduler,
    /// Chores that are under way.
    tasks: TaskTracker,
}

impl Housekeeping {
    pub async fn start(app: &App) -> anyhow::Result<Self> {
        Self::with(app, &CHORES).await
    }

    async fn with(app: &App, chores: &[Chore]) -> anyhow::Result<Self> {
        let tasks = TaskTracker::new();
        let scheduler = JobScheduler::new().await.context("no scheduler for chores")?;
        for chore in chores {
            let app = app.clone();
            let tasks = tasks.clone();
            let free = Arc::new(Semaphore::new(1));
            let run = chore.run;
            let job = Job::new_async(chore.at, move |_, _| {
                // The scheduler does not wait for the one before.
                let place = free.clone().try_acquire_owned();
                let chore = (!tasks.is_closed()).then(|| tasks.track_future(run(app.clone())));
                Box::pin(async move {
                    if let (Ok(_place), Some(chore)) = (place, chore) {
                        chore.await;
                    }
                })
            });
            let job = job.with_context(|| format!("`{}` is no time for a chore", chore.at))?;
            scheduler.add(job).await.context("a chore cannot be added")?;
        }
        scheduler.start().await.context("chores cannot be started")?;
        Ok(Self { scheduler, tasks })
    }

    /// Begins nothing more, and waits for what is under way.
    pub async fn stop(mut self) {
        self.tasks.close();
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "the scheduler of chores did not end well");
        }
        self.tasks.wait().await;
    }
}

async fn clean(app: App) {
    write_use(&app).await;
    if let Err(error) = app.store.delete_ended_sessions(app.now()).await {
        tracing::warn!(%error, "ended sessions could not be deleted");
    }
    if let Err(error) = app.store.delete_ended_invitations(app.now()).await {
        tracing::warn!(%error, "ended invitations could not be deleted");
    }
    if let Err(error) = app.store.tidy_start_control(app.now()).await {
        tracing::warn!(%error, "what start control need not remember could not be deleted");
    }
}

/// Writes down when keys and sessions were last used.
pub async fn write_use(app: &App) {
    let used = app.auth.take_used();
    if let Err(error) = app.store.touch_keys(used.keys).await {
        tracing::warn!(%error, "when keys were last used could not be written");
    }
    if let Err(error) = app.store.touch_sessions(used.sessions).await {
        tracing::warn!(%error, "when sessions were last used could not be written");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chrono::Utc;
    use tokio::sync::Notify;

    use super::{Chore, Housekeeping};
    use crate::store::testing::sqlite;
    use crate::testing::app;

    static SHORT: AtomicUsize = AtomicUsize::new(0);
    static LONG: AtomicUsize = AtomicUsize::new(0);
    static TICKED: Notify = Notify::const_new();
    static GO_ON: Notify = Notify::const_new();

    const CHORES: [Chore; 2] = [
        Chore {
            at: "* * * * * *",
            run: |_| {
                Box::pin(async {
                    SHORT.fetch_add(1, Ordering::SeqCst);
                    TICKED.notify_one();
                })
            },
        },
        Chore {
            at: "* * * * * *",
            run: |_| {
                Box::pin(async {
                    LONG.fetch_add(1, Ordering::SeqCst);
                    GO_ON.notified().await;
                })
            },
        },
    ];

    #[tokio::test]
    async fn does_each_chore_at_its_times_and_none_twice_at_once() {
        let test = sqlite().await;
        let app = app(&test.store, 100, Utc::now);
        let housekeeping = Housekeeping::with(&app, &CHORES).await.expect("it starts");
        while SHORT.load(Ordering::SeqCst) < 3 {
            TICKED.notified().await;
        }
        assert_eq!(LONG.load(Ordering::SeqCst), 1, "the first has not ended");
        GO_ON.notify_one();
        housekeeping.stop().await;
    }
}
