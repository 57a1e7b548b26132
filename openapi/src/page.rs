//! Lists, a page at a time.

use poem_openapi::Object;
use poem_openapi::types::{ParseFromJSON, ToJSON, Type};

/// A page of a list. `next_cursor` fetches the next one and is null on the last; pages stay stable while
/// rows are inserted.
#[derive(Debug, Clone, Object)]
pub struct Page<T: Type + ParseFromJSON + ToJSON + Send + Sync> {
    #[oai(default = "yes")]
    pub success: bool,
    pub data: Vec<T>,
    #[oai(skip_serializing_if_is_none = false)]
    pub next_cursor: Option<String>,
}

fn yes() -> bool {
    true
}

impl<T: Type + ParseFromJSON + ToJSON + Send + Sync> Page<T> {
    pub fn new(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self {
            success: true,
            data,
            next_cursor,
        }
    }
}

/// What was deleted.
#[derive(Debug, Clone, Object)]
pub struct Deleted {
    pub id: uuid::Uuid,
    pub deleted: bool,
}
