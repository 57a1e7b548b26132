//! What the tests in `tests/it` start: the real binary ([`TestApp`]), databases for it ([`Postgres`]) and somebody
//! for it to call ([`Receiver`]).
//!
//! Invariants:
//! * a test owns all that it starts: folder, port, database; none depends on another or on their order;
//! * every wait has an end, and says what it waited for;
//! * nothing outlives the process that started it, however that process ends;
//! * no test speaks to anything outside this machine.

mod app;
mod postgres;
mod receiver;

use std::time::{Duration, Instant};

pub use app::{Database, TestApp, TestAppBuilder, binary, client};
pub use postgres::Postgres;
pub use receiver::{Answer, Received, Receiver};

/// How long a test waits for what must happen. Long, since it is spent only by a test that fails, and machines are
/// busy at times.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Says aloud that a test is left out for want of something. `tests/run` installs all that is wanted, so there it fails.
pub fn skip(why: &str) {
    assert!(std::env::var_os("FLOWMATIC_TEST_ALL").is_none(), "{why}");
    println!("SKIPPED: {why}");
}

/// Asks again and again until there is a result, and panics with `what` after [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(result) = ask().await {
            return result;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
