//! `flowmatic migrate`: brings the database to this version's schema.

use anyhow::Context;

use crate::config::Config;

pub async fn run(config: Config) -> anyhow::Result<()> {
    let store = super::open(&config).await?;
    store.migrate().await.context("cannot migrate the database")?;
    if store.unshrinkable().await?.is_some() {
        let _lock = store
            .lock_server()
            .await
            .context("the file cannot give space back, and is written anew only without a server")?;
        store.rewrite().await.context("cannot write the database anew")?;
    }
    println!("`{}` is up to date", store.name());
    store.close().await;
    Ok(())
}
