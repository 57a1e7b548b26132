//! What the parts of the server share, wired once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flowmatic_executor::Catalogue;
use flowmatic_openapi::{Time, Trigger};
use metrics_exporter_prometheus::PrometheusHandle;
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use crate::auth::cookie::SessionCookie;
use crate::auth::{self, Checks};
use crate::config::Config;
use crate::dispatch::Dispatch;
use crate::secret::SecretKey;
use crate::store::Store;

/// A handle on what is shared; clones are cheap.
#[derive(Clone)]
pub struct App(Arc<Shared>);

pub struct Shared {
    pub config: Config,
    pub store: Store,
    pub catalogue: Arc<Catalogue>,
    pub dispatch: Arc<Dispatch>,
    pub secret_key: SecretKey,
    pub auth: Checks,
    pub cookie: SessionCookie,
    pub metrics: PrometheusHandle,
    /// Where callers reach this server, without a slash at the end.
    pub base_url: String,
    /// The token of the set-up link, until there is an owner.
    setup: Mutex<Option<String>>,
    draining: AtomicBool,
    pub started_at: Time,
    clock: fn() -> Time,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What an [`App`] is made of.
pub struct Parts {
    pub config: Config,
    pub store: Store,
    pub catalogue: Arc<Catalogue>,
    pub dispatch: Arc<Dispatch>,
    pub secret_key: SecretKey,
    pub metrics: PrometheusHandle,
    pub base_url: String,
    /// Whether someone may make the owner over HTTP.
    pub setup: bool,
    pub clock: fn() -> Time,
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            config: parts.config,
            store: parts.store,
            catalogue: parts.catalogue,
            dispatch: parts.dispatch,
            secret_key: parts.secret_key,
            auth: Checks::default(),
            cookie: SessionCookie::new(&parts.base_url),
            metrics: parts.metrics,
            base_url: parts.base_url,
            setup: Mutex::new(parts.setup.then(|| auth::new_token(""))),
            draining: AtomicBool::new(false),
            started_at: (parts.clock)(),
            clock: parts.clock,
        }))
    }
}

impl Shared {
    /// The wall clock.
    pub fn now(&self) -> Time {
        (self.clock)()
    }

    /// Whether the server is about to end and takes no new work.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Where a webhook is called.
    pub fn webhook_url(&self, webhook_id: Uuid) -> String {
        format!("{}/api/webhooks/{webhook_id}", self.base_url)
    }

    /// Says of each webhook where it is called.
    pub fn with_urls(&self, triggers: &mut [Trigger]) {
        for trigger in triggers {
            trigger.url = trigger.webhook_id.map(|id| self.webhook_url(id));
        }
    }

    /// The one-time link that makes the owner, while there is none.
    pub async fn setup_link(&self) -> Option<String> {
        let token = self.setup.lock().await;
        token
            .as_ref()
            .map(|token| format!("{}/setup#token={token}", self.base_url))
    }

    /// Does what the one-time token is for, one caller at a time; the token is spent once that has succeeded.
    /// `None` where the token is another one.
    pub async fn spend_setup_token<T, E>(
        &self,
        token: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Option<Result<T, E>> {
        let mut expected = self.setup.lock().await;
        let is_it = expected
            .as_ref()
            .is_some_and(|expected| bool::from(expected.as_bytes().ct_eq(token.as_bytes())));
        if !is_it {
            return None;
        }
        let done = work.await;
        if done.is_ok() {
            *expected = None;
        }
        Some(done)
    }
}

/// The address that people and other systems are told, without a slash at the end.
pub fn base_url(public_url: Option<&Url>, address: std::net::SocketAddr) -> String {
    match public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        // Every address of this machine: the one that surely works from here.
        None if address.ip().is_unspecified() => format!("http://localhost:{}", address.port()),
        None => format!("http://{address}"),
    }
}
