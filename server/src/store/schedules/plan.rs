//! What becomes of a schedule at a moment: a pure function.

use chrono::TimeDelta;
use flowmatic_nodes::trigger::schedule::timetable::Timetable;
use flowmatic_nodes::trigger::schedule::{Missed, Overlap};
use flowmatic_openapi::{SkipReason, Time};

/// How many times are made up for, and how many may wait for their turn.
pub(super) const MOST: usize = 1_000;
/// A time that fires this late is not missed: the server was busy, or has just been started anew.
const ON_TIME: TimeDelta = TimeDelta::seconds(10);

/// What a schedule is, and how it stands.
pub(super) struct Standing<'a> {
    pub timetable: &'a Timetable,
    pub missed: Missed,
    pub overlap: Overlap,
    pub next_due: Option<Time>,
    /// Whether an execution that it started has not ended.
    pub is_under_way: bool,
    /// Times whose turn has not come, the oldest first.
    pub waiting: &'a [Time],
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Times that start an execution each, the oldest first. Those that waited are among them.
    pub start: Vec<Time>,
    /// Times that wait for their turn from now on.
    pub wait: Vec<Time>,
    /// The newest time that starts nothing.
    pub skipped: Option<(Time, SkipReason)>,
    pub next_due: Option<Time>,
}

pub(super) fn plan(standing: &Standing<'_>, now: Time) -> Plan {
    let (due, skipped) = due(standing, now);
    let mut plan = Plan {
        skipped: skipped.map(|at| (at, SkipReason::Missed)),
        next_due: match standing.next_due {
            Some(next_due) if next_due <= now => standing.timetable.next(now),
            other => other,
        },
        ..Plan::default()
    };
    match standing.overlap {
        Overlap::Allow => plan.start = due,
        Overlap::Skip => {
            let mut due = due.into_iter();
            if !standing.is_under_way {
                plan.start.extend(due.next());
            }
            if let Some(newest) = due.next_back() {
                plan.skipped = Some((newest, SkipReason::Overlap));
            }
        }
        Overlap::Queue => {
            let mut waited = standing.waiting.len();
            let mut due = due.into_iter();
            if !standing.is_under_way {
                let first = match standing.waiting.first() {
                    Some(first) => {
                        waited -= 1;
                        Some(*first)
                    }
                    None => due.next(),
                };
                plan.start.extend(first);
            }
            plan.wait.extend(due.by_ref().take(MOST.saturating_sub(waited)));
            if let Some(newest) = due.next_back() {
                plan.skipped = Some((newest, SkipReason::QueueFull));
            }
        }
    }
    plan
}

/// The times that fire now, the oldest first, and the newest of those that are left out as missed.
fn due(standing: &Standing<'_>, now: Time) -> (Vec<Time>, Option<Time>) {
    let timetable = standing.timetable;
    let Some(oldest) = standing.next_due.filter(|next_due| *next_due <= now) else {
        return (Vec::new(), None);
    };
    if now - oldest <= ON_TIME {
        return (timetable.newest(oldest, now, MOST), None);
    }
    match standing.missed {
        Missed::RunOnce => (timetable.newest(oldest, now, 1), None),
        Missed::RunAll => {
            let due = timetable.newest(oldest, now, MOST);
            let before = |first: &Time| *first - TimeDelta::milliseconds(1);
            let left_out = due
                .first()
                .and_then(|first| timetable.newest(oldest, before(first), 1).pop());
            (due, left_out)
        }
        Missed::Skip => {
            // Those that are due just now were not missed.
            let mut missed = timetable.newest(oldest, now, MOST);
            let on_time = missed.split_off(missed.partition_point(|time| now - *time > ON_TIME));
            (on_time, missed.pop())
        }
    }
}

#[cfg(test)]
mod tests {
    use flowmatic_openapi::Duration;

    use super::*;

    fn at(second: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + second, 0).expect("a moment")
    }

    /// Every minute.
    fn timetable() -> Timetable {
        Timetable::interval(Duration::from_millis(60_000), at(0)).expect("not too often")
    }

    fn decide(missed: Missed, overlap: Overlap, is_under_way: bool, waiting: &[Time], now: i64) -> Plan {
        let timetable = timetable();
        let standing = Standing {
            timetable: &timetable,
            missed,
            overlap,
            next_due: Some(at(60)),
            is_under_way,
            waiting,
        };
        plan(&standing, at(now))
    }

    fn times(minutes: impl IntoIterator<Item = i64>) -> Vec<Time> {
        minutes.into_iter().map(|minute| at(60 * minute)).collect()
    }

    #[test]
    fn fires_what_is_due_and_dates_the_next() {
        for missed in [Missed::Skip, Missed::RunOnce, Missed::RunAll] {
            let plan = decide(missed, Overlap::Allow, false, &[], 60);
            assert_eq!(
                (plan.start, plan.next_due),
                (times([1]), Some(at(120))),
                "{missed:?}"
            );
            let early = decide(missed, Overlap::Allow, false, &[], 59);
            assert_eq!(
                (early.start, early.next_due),
                (times([]), Some(at(60))),
                "{missed:?}"
            );
            let late = decide(missed, Overlap::Allow, false, &[], 70);
            assert_eq!((late.start, late.skipped), (times([1]), None), "{missed:?}");
        }
    }

    #[test]
    fn what_is_a_little_late_was_not_missed() {
        let often = Timetable::interval(Duration::from_millis(2_000), at(0)).expect("not too often");
        let standing = Standing {
            timetable: &often,
            missed: Missed::Skip,
            overlap: Overlap::Allow,
            next_due: Some(at(2)),
            is_under_way: false,
            waiting: &[],
        };
        let plan = plan(&standing, at(21));
        let on_time: Vec<Time> = [12, 14, 16, 18, 20].into_iter().map(at).collect();
        assert_eq!(
            (plan.start, plan.skipped),
            (on_time, Some((at(10), SkipReason::Missed)))
        );
    }

    #[test]
    fn makes_up_for_what_was_missed_as_it_is_told_to() {
        let missed = |missed, now| decide(missed, Overlap::Allow, false, &[], now);
        // Down from before minute 1 until 30 seconds after minute 5.
        let none = missed(Missed::Skip, 330);
        assert_eq!(
            (none.start, none.skipped, none.next_due),
            (times([]), Some((at(300), SkipReason::Missed)), Some(at(360)))
        );
        let once = missed(Missed::RunOnce, 330);
        assert_eq!(
            (once.start, once.skipped, once.next_due),
            (times([5]), None, Some(at(360)))
        );
        let all = missed(Missed::RunAll, 330);
        assert_eq!(
            (all.start, all.skipped, all.next_due),
            (times(1..=5), None, Some(at(360)))
        );
    }

    #[test]
    fn does_not_skip_what_is_due_just_now() {
        let plan = decide(Missed::Skip, Overlap::Allow, false, &[], 305);
        assert_eq!(
            (plan.start, plan.skipped),
            (times([5]), Some((at(240), SkipReason::Missed)))
        );
    }

    #[test]
    fn fires_all_that_a_busy_moment_has_held_up() {
        let timetable = Timetable::interval(Duration::from_millis(1_000), at(0)).expect("not too often");
        for missed in [Missed::Skip, Missed::RunOnce, Missed::RunAll] {
            let standing = Standing {
                timetable: &timetable,
                missed,
                overlap: Overlap::Allow,
                next_due: Some(at(1)),
                is_under_way: false,
                waiting: &[],
            };
            assert_eq!(
                plan(&standing, at(10)).start,
                (1..=10).map(at).collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn makes_up_for_a_bounded_number() {
        let most = i64::try_from(MOST).expect("small");
        let plan = decide(Missed::RunAll, Overlap::Allow, false, &[], 60 * 5_000);
        assert_eq!(plan.start, times(5_001 - most..=5_000));
        assert_eq!(plan.skipped, Some((at(60 * (5_000 - most)), SkipReason::Missed)));
    }

    #[test]
    fn a_schedule_that_skips_overlaps_starts_one_at_a_time() {
        let plan = decide(Missed::RunOnce, Overlap::Skip, true, &[], 60);
        assert_eq!(
            (plan.start, plan.skipped, plan.next_due),
            (times([]), Some((at(60), SkipReason::Overlap)), Some(at(120)))
        );
        let free = decide(Missed::RunOnce, Overlap::Skip, false, &[], 60);
        assert_eq!((free.start, free.skipped), (times([1]), None));
        let all = decide(Missed::RunAll, Overlap::Skip, false, &[], 330);
        assert_eq!(
            (all.start, all.skipped),
            (times([1]), Some((at(300), SkipReason::Overlap)))
        );
    }

    #[test]
    fn a_queue_starts_the_next_when_the_one_before_has_ended() {
        let queue = |is_under_way, waiting: &[Time], now| {
            let plan = decide(Missed::RunAll, Overlap::Queue, is_under_way, waiting, now);
            assert_eq!(plan.skipped, None);
            (plan.start, plan.wait)
        };
        assert_eq!(queue(false, &[], 60), (times([1]), times([])));
        assert_eq!(queue(true, &[], 60), (times([]), times([1])));
        assert_eq!(queue(false, &[], 330), (times([1]), times(2..=5)));
        assert_eq!(queue(true, &times([-1, 0]), 59), (times([]), times([])));
        assert_eq!(queue(false, &times([-1, 0]), 59), (times([-1]), times([])));
        assert_eq!(queue(false, &times([-1, 0]), 60), (times([-1]), times([1])));
    }

    #[test]
    fn a_full_queue_leaves_out_what_comes() {
        let most = i64::try_from(MOST).expect("small");
        let full = times(1 - most..=0);
        let plan = decide(Missed::RunAll, Overlap::Queue, true, &full, 60);
        assert_eq!(
            (plan.start, plan.wait, plan.skipped),
            (times([]), times([]), Some((at(60), SkipReason::QueueFull)))
        );
        let free = decide(Missed::RunAll, Overlap::Queue, false, &full, 60);
        assert_eq!((free.start, free.wait), (times([1 - most]), times([1])));
    }
}
