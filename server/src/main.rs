//! Parse, choose the role, done.

use std::process::ExitCode;

use clap::Parser;
use flowmatic::config::{Command, Role};
use flowmatic::{role, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    // The allocator asks for huge pages: an idle server would hold several times what it uses.
    // Where the system does not know the question, it costs memory only.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    start()
}

#[tokio::main]
async fn start() -> anyhow::Result<ExitCode> {
    let command = Command::parse();
    telemetry::log(&command.config)?;
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider was installed twice"))?;
    match command.role.unwrap_or(Role::Serve) {
        Role::Serve => role::serve::run(command.config).await?,
        Role::Migrate => role::migrate::run(command.config).await?,
        Role::Openapi => role::openapi::run()?,
        Role::Keys(keys) => role::keys::run(command.config, keys).await?,
        Role::Workflows(workflows) => return role::workflows::run(command.config, workflows).await,
    }
    Ok(ExitCode::SUCCESS)
}
