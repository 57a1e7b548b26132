//! Takes up executions that were written without an owner: by a timer, or by what wakes those that wait.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::recovery::until_available;
use super::{Dispatch, now};

/// Executions claimed in one transaction.
const AT_ONCE: usize = 500;

impl Dispatch {
    /// Takes these executions up, as far as there is room in memory and nobody else has; the others wait for room. It
    /// returns once they run, not when they end. To be called after the commit that made them QUEUED and nobody's.
    pub async fn take_up_held(self: &Arc<Self>, ids: &[Uuid], stop: &CancellationToken) {
        for ids in ids.chunks(AT_ONCE) {
            if stop.is_cancelled() {
                // The next process takes them up.
                return;
            }
            let fitting = std::cmp::min(self.engine.room(), ids.len());
            if fitting < ids.len() {
                self.engine.hold();
            }
            // One that is in memory already is at work.
            let places = ids[..fitting]
                .iter()
                .filter_map(|id| Some((*id, self.engine.reserve(*id)?)));
            let mut places: Vec<_> = places.collect();
            let reserved: Vec<Uuid> = places.iter().map(|(id, _)| *id).collect();
            if reserved.is_empty() {
                continue;
            }
            let claim = || self.store.claim_held(&reserved, self.owner, now());
            let claimed = match until_available(stop, claim).await {
                None => return,
                Some(Ok(claimed)) => claimed,
                Some(Err(error)) => {
                    tracing::error!(%error, "executions cannot be taken up; trying again one by one");
                    self.engine.hold();
                    continue;
                }
            };
            for recovered in claimed {
                let place = places.iter().position(|(id, _)| *id == recovered.accept.id);
                if let Some(place) = place {
                    let (_, place) = places.swap_remove(place);
                    self.go_on(place, recovered, stop).await;
                }
            }
        }
    }
}
