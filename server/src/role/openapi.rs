//! `flowmatic openapi`: prints the description, as it is committed and served.

use std::io::Write;

use anyhow::Context;

use crate::api::description;

pub fn run() -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(description::TEXT.as_bytes())
        .context("cannot write to stdout")
}
