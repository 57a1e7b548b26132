//! Rate limits, by the generic cell rate algorithm: one number a key says when its whole limit is there again.

use std::time::Duration;

use flowmatic_executor::graph::start::RateTerms;

use super::super::StoreError;
use super::{Turn, at};

impl Turn {
    /// Takes one of the limit, or says how long there is none.
    pub(super) async fn exceeds(&self, rate: &RateTerms) -> Result<Option<Duration>, StoreError> {
        let key = || [self.workflow_id.into(), rate.key.clone().into()];
        let sql = "SELECT full_at FROM rate_limits WHERE workflow_id = $1 AND key = $2";
        let full_at = match self.query(sql, key()).await? {
            Some(row) => Some(at(&row, 0)?),
            None => None,
        };
        match take(full_at, self.now.saturating_mul(1_000), rate) {
            Err(wait) => Ok(Some(wait)),
            Ok(full_at) => {
                let sql = "INSERT INTO rate_limits (workflow_id, key, full_at) VALUES ($1, $2, $3) \
                           ON CONFLICT (workflow_id, key) DO UPDATE SET full_at = EXCLUDED.full_at";
                self.execute(sql, key().into_iter().chain([full_at.into()]))
                    .await?;
                Ok(None)
            }
        }
    }
}

/// When the whole limit is there again if one is taken now, or how long none is there. Moments are microseconds.
fn take(full_at: Option<i64>, now: i64, rate: &RateTerms) -> Result<i64, Duration> {
    let period = i64::try_from(rate.period.as_micros()).unwrap_or(i64::MAX);
    let each = period / i64::from(rate.limit.max(1));
    // What lies further away than two periods was taken of a limit with a longer one, or before the clock was set back:
    // it counts no more.
    let full_at = full_at.filter(|full_at| full_at.saturating_sub(now) <= period.saturating_mul(2));
    let full_at = full_at.unwrap_or(now).max(now);
    let next = full_at.saturating_add(each);
    match next - now - each * i64::from(rate.limit) {
        beyond @ 1.. => Err(Duration::from_micros(beyond.unsigned_abs())),
        _ => Ok(next),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use flowmatic_executor::graph::start::RateTerms;

    use super::take;

    const SECOND: i64 = 1_000_000;

    fn rate(limit: u32, seconds: u64) -> RateTerms {
        RateTerms {
            key: String::new(),
            limit,
            period: Duration::from_secs(seconds),
        }
    }

    /// How many are let in of this many at once.
    fn burst(full_at: &mut Option<i64>, now: i64, count: u32, rate: &RateTerms) -> u32 {
        let mut taken = 0;
        for _ in 0..count {
            if let Ok(next) = take(*full_at, now, rate) {
                *full_at = Some(next);
                taken += 1;
            }
        }
        taken
    }

    #[test]
    fn lets_the_limit_in_at_once_and_then_evenly() {
        let rate = rate(10, 60);
        let mut full_at = None;
        assert_eq!(burst(&mut full_at, 0, 100, &rate), 10);
        assert_eq!(take(full_at, 0, &rate), Err(Duration::from_secs(6)));
        assert_eq!(take(full_at, 2 * SECOND, &rate), Err(Duration::from_secs(4)));
        assert_eq!(burst(&mut full_at, 6 * SECOND, 100, &rate), 1);
        assert_eq!(burst(&mut full_at, 36 * SECOND, 100, &rate), 5);
        assert_eq!(burst(&mut full_at, 600 * SECOND, 100, &rate), 10);
    }

    #[test]
    fn the_wait_it_names_is_enough() {
        for (limit, seconds) in [(1, 1), (3, 1), (7, 60), (100_000, 1), (1, 30 * 86_400)] {
            let rate = rate(limit, seconds);
            let mut full_at = None;
            assert_eq!(burst(&mut full_at, 0, limit + 5, &rate), limit);
            let wait = take(full_at, 0, &rate).expect_err("it is used up");
            let then = i64::try_from(wait.as_micros()).expect("a short while");
            assert!(take(full_at, then, &rate).is_ok());
            assert!(take(full_at, then - 1, &rate).is_err());
        }
    }

    #[test]
    fn a_clock_set_back_and_a_shorter_period_shut_nobody_out_for_long() {
        let rate = rate(2, 60);
        assert_eq!(burst(&mut Some(10_000 * SECOND), 0, 100, &rate), 2);
        // The wait that is told is true, and at most a period more.
        let full_at = Some(120 * SECOND);
        assert_eq!(take(full_at, 0, &rate), Err(Duration::from_secs(90)));
        assert_eq!(take(full_at, 30 * SECOND, &rate), Err(Duration::from_secs(60)));
        assert!(take(full_at, 90 * SECOND, &rate).is_ok());
    }

    #[test]
    fn a_smaller_limit_counts_from_the_next_call_on() {
        let mut full_at = None;
        assert_eq!(burst(&mut full_at, 0, 6, &rate(10, 60)), 6);
        assert_eq!(burst(&mut full_at, 0, 100, &rate(2, 60)), 0);
        assert_eq!(burst(&mut full_at, 0, 100, &rate(20, 60)), 8);
    }
}
