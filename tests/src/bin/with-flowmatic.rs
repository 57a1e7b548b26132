//! `with-flowmatic COMMAND…` runs a command beside a fresh server, which it finds by `FLOWMATIC_URL` and may call with
//! `FLOWMATIC_KEY`. For checks that are not written in Rust.

use std::process::{Command, ExitCode};

use anyhow::Context as _;
use flowmatic_tests::TestApp;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().context("name the command to run")?;
    let app = TestApp::builder().try_start().await?;
    let status = Command::new(&command)
        .args(arguments)
        .env("FLOWMATIC_URL", app.url())
        .env("FLOWMATIC_KEY", app.key().await)
        .status()
        .with_context(|| format!("cannot run `{}`", command.display()))?;
    if !status.success() {
        eprintln!("{}", app.output());
    }
    // A command that a signal ended has no code.
    Ok(ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
    ))
}
