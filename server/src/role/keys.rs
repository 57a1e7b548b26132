//! `flowmatic keys`: works beside a running server, with or without an owner.

use anyhow::{Context, ensure};
use chrono::Utc;
use flowmatic_openapi::{ApiKeyCreate, KEY_NAME_LENGTH};

use crate::api::keys;
use crate::config::{Config, Keys};

pub async fn run(config: Config, command: Keys) -> anyhow::Result<()> {
    let Keys::Create { name, scopes } = command;
    ensure!(
        KEY_NAME_LENGTH.contains(&name.chars().count()) && !name.contains('\0'),
        "`--name` takes {} to {} characters",
        KEY_NAME_LENGTH.start(),
        KEY_NAME_LENGTH.end()
    );
    let scopes = scopes.into_iter().flat_map(|scopes| scopes.0).collect();
    let (store, workspace) = super::open_beside(&config).await?;
    let create = ApiKeyCreate {
        name,
        scopes,
        expires_at: None,
    };
    let key = keys::make(&store, workspace, create, None, Utc::now())
        .await
        .context("cannot store the key")?;
    println!("{}", key.key);
    store.close().await;
    Ok(())
}
