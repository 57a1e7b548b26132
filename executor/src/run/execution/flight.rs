//! One call of a node, on its way.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::landing::Called;
use super::scopes::At;
use crate::graph::PlanNode;
use crate::node::{ErrorClass, NodeError, Output};

/// A node that came back.
pub(in crate::run) struct Landing {
    pub(super) at: At,
    pub(super) called: Called,
    pub(super) result: Result<Output, NodeError>,
    /// Nobody waits for it any more, and what becomes of it is not known.
    pub(super) is_dropped: bool,
}

/// A call with its time-out, panics contained.
pub(super) async fn fly(
    at: At,
    called: Called,
    timeout: Duration,
    dropped: Option<CancellationToken>,
    call: BoxFuture<'static, Result<Output, NodeError>>,
) -> Landing {
    let call = tokio::time::timeout(timeout, AssertUnwindSafe(call).catch_unwind());
    let dropped = async move {
        match dropped {
            Some(dropped) => dropped.cancelled_owned().await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = call => Some(ended),
        () = dropped => None,
    };
    let is_dropped = ended.is_none();
    let result = match ended {
        Some(Ok(Ok(result))) => result,
        Some(Ok(Err(panic))) => Err(panicked(&*panic)),
        Some(Err(_)) | None => Err(NodeError {
            class: ErrorClass::Timeout,
            ..NodeError::terminal("timeout", format!("it took longer than {timeout:?}"))
        }),
    };
    Landing {
        at,
        called,
        result,
        is_dropped,
    }
}

/// How long to wait before another attempt, where there is to be one.
pub(super) fn wait_before_retry(
    execution: Uuid,
    path: &str,
    plan: &PlanNode,
    error: &NodeError,
    attempt: u32,
) -> Option<Duration> {
    let retry = plan.retry.as_ref()?;
    let may_pass = matches!(error.class, ErrorClass::Retryable | ErrorClass::Timeout);
    if !may_pass || attempt >= retry.max_attempts {
        return None;
    }
    let initial = Duration::from(retry.initial).as_secs_f64();
    let longest = Duration::from(retry.max).as_secs_f64();
    let exponent = i32::try_from(attempt - 1).unwrap_or(i32::MAX);
    let whole = (initial * retry.factor.powi(exponent)).min(longest);
    let share = whole * retry.jitter * chance(execution, path, attempt);
    let wait = Duration::try_from_secs_f64(whole - share).unwrap_or(Duration::ZERO);
    let wait = wait.max(error.retry_after.unwrap_or_default());
    // The journal counts in milliseconds, and another process is to wait as long.
    let whole = wait.as_nanos().div_ceil(1_000_000);
    Some(Duration::from_millis(u64::try_from(whole).unwrap_or(u64::MAX)))
}

/// A number from 0 to 1 that a replay draws again.
fn chance(execution: Uuid, path: &str, attempt: u32) -> f64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{execution}/{path}/{attempt}"));
    let drawn = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    f64::from(drawn) / f64::from(u32::MAX)
}

/// What a caught panic said, as the node's error.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> NodeError {
    let said = panic
        .downcast_ref::<&str>()
        .map(|it| (*it).to_owned())
        .or_else(|| panic.downcast_ref().cloned());
    NodeError::terminal(
        "panic",
        format!(
            "the node panicked: {}",
            said.unwrap_or_else(|| "no message".to_owned())
        ),
    )
}
