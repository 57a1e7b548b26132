//! When a caller may no longer do what it has begun: answers that go on for long ask again.

use std::time::Duration;

use tokio::time::sleep;

use super::{Auth, CACHE_LIFETIME, Caller, Needs};
use crate::app::App;

/// Between two questions, whatever the clock says.
const LEAST_WAIT: Duration = Duration::from_secs(1);

impl<N: Needs> Auth<N> {
    /// Resolves when the token is good no more, or not for what the operation needs: at once where this process is
    /// told; where another one is, within twice [`CACHE_LIFETIME`].
    pub fn lapses(&self, app: &App) -> impl Future<Output = ()> + Send + use<N> {
        let (app, token, principal) = (app.clone(), self.token, self.principal.clone());
        let mut forgotten = app.auth.forgotten.subscribe();
        async move {
            let is_key = matches!(principal.caller, Caller::Key(_));
            let mut expires_at = principal.expires_at;
            // It may have ended between the check and now.
            loop {
                let now = app.now();
                match app.auth.find(&app, is_key, token, now).await {
                    Ok(Some(found))
                        if found.expires_at.is_none_or(|end| end > now)
                            && N::SCOPE.is_none_or(|scope| found.may(scope)) =>
                    {
                        expires_at = found.expires_at;
                    }
                    Ok(_) => return,
                    Err(_) if expires_at.is_some_and(|end| end <= now) => return,
                    // Nobody knows; it is asked again.
                    Err(error) => tracing::warn!(%error, "whether a stream may go on could not be learned"),
                }
                let until_expired = expires_at.map(|end| (end - now).to_std().unwrap_or_default());
                let wait = until_expired.unwrap_or(CACHE_LIFETIME);
                tokio::select! {
                    () = sleep(wait.clamp(LEAST_WAIT, CACHE_LIFETIME)) => {}
                    // The app, which tells, is held here.
                    _ = forgotten.changed() => {}
                }
            }
        }
    }
}
