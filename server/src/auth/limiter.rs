//! What slows guessers down.

use std::hash::Hash;
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::api::error::ApiError;

/// Above this number of callers, limits that are full again are forgotten.
const MOST_KEYS: usize = 10_000;

/// So many a minute for each key, and so many at once.
pub struct Limiter<K: Hash + Eq + Clone>(DefaultKeyedRateLimiter<K>);

impl<K: Hash + Eq + Clone> Limiter<K> {
    pub fn new(a_minute: u32, at_once: u32) -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(number(a_minute)).allow_burst(number(at_once));
        Self(RateLimiter::keyed(quota))
    }

    pub fn take(&self, key: &K) -> Result<(), ApiError> {
        if self.0.len() > MOST_KEYS {
            self.0.retain_recent();
        }
        self.0.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ApiError::too_many_requests(wait.as_secs() + 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Limiter;

    #[test]
    fn slows_down_after_a_burst() {
        let limiter = Limiter::new(10, 3);
        for _ in 0..3 {
            assert!(limiter.take(&"a").is_ok());
        }
        assert!(limiter.take(&"a").is_err());
        assert!(limiter.take(&"b").is_ok());
    }
}
