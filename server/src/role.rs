//! What the binary can be: a server, or a short-lived command beside one.

use anyhow::Context;

use crate::config::Config;
use crate::store::{Store, StoreOptions};

pub mod keys;
pub mod migrate;
pub mod openapi;
pub mod serve;

mod http;

async fn open(config: &Config) -> anyhow::Result<Store> {
    let options = StoreOptions {
        database_url: config.database_url.clone(),
        data_dir: config.data_dir.clone(),
    };
    Store::open(options).await.context("cannot open the database")
}
