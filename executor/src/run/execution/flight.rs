//! One call of a node, on its way.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Time;
use crate::graph::PlanNode;
use crate::node::{ErrorClass, NodeError, Output};

/// A node that came back.
pub(super) struct Landing {
    pub(super) node: usize,
    pub(super) attempt: u32,
    /// What `now` was for its expressions.
    pub(super) now: Time,
    pub(super) started_at: Time,
    pub(super) result: Result<Output, NodeError>,
}

/// A wait before another attempt.
pub(super) struct Backoff {
    pub(super) wait: Duration,
    /// When the attempt before began, and how it failed.
    pub(super) failed: Box<(Time, NodeError)>,
    /// Ends the wait: that attempt was the last.
    pub(super) ended: CancellationToken,
}

/// A call with its wait before and its time-out, panics contained.
pub(super) async fn fly(
    (node, attempt, now, started_at): (usize, u32, Time, Time),
    backoff: Option<Backoff>,
    timeout: Duration,
    call: BoxFuture<'static, Result<Output, NodeError>>,
) -> Landing {
    if let Some(Backoff { wait, failed, ended }) = backoff {
        tokio::select! {
            () = ended.cancelled() => {
                let (started_at, error) = *failed;
                return Landing { node, attempt: attempt - 1, now, started_at, result: Err(error) };
            }
            () = tokio::time::sleep(wait) => {}
        }
    }
    let call = AssertUnwindSafe(call).catch_unwind();
    let result = match tokio::time::timeout(timeout, call).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(panicked(&*panic)),
        Err(_) => Err(NodeError {
            class: ErrorClass::Timeout,
            ..NodeError::terminal("timeout", format!("it took longer than {timeout:?}"))
        }),
    };
    Landing {
        node,
        attempt,
        now,
        started_at,
        result,
    }
}

/// How long to wait before another attempt, where there is to be one.
pub(super) fn wait_before_retry(
    execution: Uuid,
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
    let share = whole * retry.jitter * chance(execution, &plan.key, attempt);
    let wait = Duration::try_from_secs_f64(whole - share).unwrap_or(Duration::ZERO);
    Some(wait.max(error.retry_after.unwrap_or_default()))
}

/// A number from 0 to 1 that a replay draws again.
fn chance(execution: Uuid, key: &str, attempt: u32) -> f64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{execution}/{key}/{attempt}"));
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
