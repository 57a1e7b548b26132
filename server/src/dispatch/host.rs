//! What nodes get of the world: the clock and the guarded network.

use flowmatic_executor::{Host, HttpError, HttpRequest, HttpResponse, Time};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::guard::Guard;

pub struct ServerHost {
    guard: Guard,
}

impl ServerHost {
    pub fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

impl Host for ServerHost {
    fn now(&self) -> Time {
        super::now()
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, HttpError>> {
        self.guard.send(request).boxed()
    }
}
