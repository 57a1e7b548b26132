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

/// Cuts off what is beyond a page, and gives the cursor of the next one where there is more.
pub(crate) fn cut<T>(rows: &mut Vec<T>, limit: u32, id: impl Fn(&T) -> Uuid) -> Option<String> {
    let limit = limit as usize;
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| more).map(|last| encode(id(last)))
}
