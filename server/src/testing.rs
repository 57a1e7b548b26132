//! A server's parts for tests inside this crate, without its loops and its port.

use std::sync::Arc;

use clap::Parser;
use flowmatic_openapi::Time;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::app::{App, Parts};
use crate::config::Command;
use crate::dispatch::Dispatch;
use crate::guard::Guard;
use crate::secret::SecretKey;
use crate::store::Store;
use crate::trigger::resume;

pub(crate) fn app(store: &Store, max_running: usize, clock: fn() -> Time) -> App {
    // Another test of this process may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Command::try_parse_from(["flowmatic"])
        .expect("the defaults parse")
        .config;
    let secret_key = SecretKey::open(Some(&"ab".repeat(32)), ".".as_ref(), true).expect("a good key");
    let catalogue = Arc::new(flowmatic_nodes::catalogue());
    let guard = Guard::new(Vec::new()).expect("a guard");
    let base_url = "http://localhost:8080".to_owned();
    let dispatch = Dispatch::new(
        store.clone(),
        secret_key.clone(),
        catalogue.clone(),
        guard,
        max_running,
        resume::url(&base_url, &secret_key),
    );
    App::new(Parts {
        config,
        store: store.clone(),
        catalogue,
        dispatch,
        secret_key,
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        base_url,
        setup: true,
        clock,
    })
}
