//! `flowmatic migrate`: brings the database to this version's schema.

use anyhow::Context;

use crate::config::Config;

pub async fn run(config: Config) -> anyhow::Result<()> {
    let store = super::open(&config).await?;
    store.migrate().await.context("cannot migrate the database")?;
    println!("`{}` is up to date", store.name());
    store.close().await;
    Ok(())
}
