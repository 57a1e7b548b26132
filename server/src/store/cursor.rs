//! Cursors of lists that are ordered by id: opaque to clients, the last id of a page to us.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::StoreError;

pub(crate) fn encode(last: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

pub(crate) fn decode(cursor: &str) -> Result<Uuid, StoreError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| StoreError::BadCursor)?;
    Uuid::from_slice(&bytes).map_err(|_| StoreError::BadCursor)
}
