//! Parse, choose the role, done.

use clap::Parser;
use flowmatic::config::{Command, Role};
use flowmatic::{role, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let command = Command::parse();
    telemetry::log(&command.config)?;
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider was installed twice"))?;
    match command.role.unwrap_or(Role::Serve) {
        Role::Serve => role::serve::run(command.config).await,
        Role::Migrate => role::migrate::run(command.config).await,
        Role::Openapi => role::openapi::run(),
        Role::Keys(keys) => role::keys::run(command.config, keys).await,
    }
}
