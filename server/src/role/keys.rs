//! `flowmatic keys`: works beside a running server, with or without an owner.

use anyhow::{Context, ensure};
use chrono::Utc;

use crate::api::keys;
use crate::config::{Config, Keys};

/// The longest name of a key, as in the API.
const LONGEST_NAME: usize = 200;

pub async fn run(config: Config, command: Keys) -> anyhow::Result<()> {
    let Keys::Create { name, scopes } = command;
    ensure!(
        (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.contains('\0'),
        "`--name` takes 1 to {LONGEST_NAME} characters"
    );
    let scopes = scopes.into_iter().flat_map(|scopes| scopes.0).collect();
    let store = super::open(&config).await?;
    // Makes the tables where this comes before the first start.
    store.migrate().await.context("cannot migrate the database")?;
    let workspace = store.first_workspace().await?;
    let key = keys::make(&store, workspace, name, scopes, Utc::now())
        .await
        .context("cannot store the key")?;
    println!("{}", key.key);
    store.close().await;
    Ok(())
}
