//! Logs to stderr, so that stdout is for what was asked for; metrics for `/metrics`.

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Config, LogFormat};

/// Starts logging, once in a process.
pub fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log)
        .with_context(|| format!("`--log {}` is not a filter", config.log))?
        // Of these the store says itself what matters.
        .add_directive("sqlx=error".parse().context("a fixed directive")?)
        .add_directive("sea_orm_migration=warn".parse().context("a fixed directive")?)
        .add_directive("tokio_cron_scheduler=warn".parse().context("a fixed directive")?);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Of a log that cannot be written (a full disk, a closed pipe) it would tell on stderr, and panic there.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .finish()
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init(),
    }
    .context("the log was started twice")
}

/// Makes the recorder behind `/metrics`, once in a process.
pub fn metrics() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets(&[
            0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
        ])
        .context("fixed buckets")?
        .install_recorder()
        .context("the metrics recorder was installed twice")
}
