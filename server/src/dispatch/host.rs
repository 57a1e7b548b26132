//! What nodes get of the world: the clock, the guarded network, other workflows.

use std::sync::Weak;

use flowmatic_executor::{Child, ChildError, Host, HttpError, HttpRequest, HttpResponse, Time};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::Dispatch;
use crate::guard::Guard;

pub(super) struct ServerHost {
    guard: Guard,
    /// Gone when the process ends.
    dispatch: Weak<Dispatch>,
}

impl ServerHost {
    pub(super) fn new(guard: Guard, dispatch: Weak<Dispatch>) -> Self {
        Self { guard, dispatch }
    }
}

impl Host for ServerHost {
    fn now(&self) -> Time {
        super::now()
    }

    fn http(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, HttpError>> {
        self.guard.send(request).boxed()
    }

    fn start_child(&self, child: Child) -> BoxFuture<'_, Result<Uuid, ChildError>> {
        async move {
            match self.dispatch.upgrade() {
                Some(dispatch) => dispatch.start_child(child).await,
                None => Err(ChildError::Unavailable("the server is stopping".to_owned())),
            }
        }
        .boxed()
    }

    fn cancel_children(&self, execution: Uuid) -> BoxFuture<'_, ()> {
        async move {
            if let Some(dispatch) = self.dispatch.upgrade() {
                dispatch.cancel_children(execution).await;
            }
        }
        .boxed()
    }
}
