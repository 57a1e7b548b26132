//! What nodes get of the world: the clock, the guarded network, other workflows.

use std::sync::Weak;

use flowmatic_executor::{Child, ChildError, Host, HttpError, HttpRequest, HttpResponse, Time};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio_util::task::AbortOnDropHandle;
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
        let stopping = || ChildError::Unavailable("the server is stopping".to_owned());
        let Some(dispatch) = self.dispatch.upgrade() else {
            return ready(Err(stopping())).boxed();
        };
        // A task of its own: while it holds the database's connection, the execution that calls may be waiting for that
        // connection, and would not get on with the call.
        let start = tokio::spawn(async move { dispatch.start_child(child).await });
        let start = AbortOnDropHandle::new(start);
        async move { start.await.unwrap_or_else(|_| Err(stopping())) }.boxed()
    }

    fn cancel_children<'a>(&'a self, execution: Uuid, path: Option<&'a str>) -> BoxFuture<'a, ()> {
        async move {
            if let Some(dispatch) = self.dispatch.upgrade() {
                dispatch.cancel_children(execution, path).await;
            }
        }
        .boxed()
    }
}
