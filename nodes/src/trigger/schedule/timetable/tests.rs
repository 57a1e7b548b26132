//! The times of a decade against an independent computation, which walks through all its minutes.

use std::time::Instant;

use chrono::{Datelike, Days, NaiveDate, Offset, TimeDelta, TimeZone, Weekday};
use chrono_tz::Tz;
use flowmatic_openapi::{Duration, Time};

use super::Timetable;

fn at(text: &str) -> Time {
    text.parse().expect("a moment")
}

fn cron(pattern: &str, zone: Tz) -> Timetable {
    Timetable::cron(pattern, zone).expect(pattern)
}

/// The next times, as the clock of the zone shows them.
fn shown(pattern: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
    let timetable = cron(pattern, zone);
    let mut last = at(after);
    let times = std::iter::repeat_with(|| {
        last = timetable.next(last).expect("there is another");
        last.with_timezone(&zone).format("%d %H:%M:%S %:z").to_string()
    });
    times.take(count).collect()
}

#[test]
fn a_time_that_the_clock_skips_is_due_at_the_skip() {
    let berlin = |pattern| shown(pattern, Tz::Europe__Berlin, "2026-03-28T20:00:00Z", 2);
    assert_eq!(berlin("30 2 * * *"), ["29 03:00:00 +02:00", "30 02:30:00 +02:00"]);
    assert_eq!(
        berlin("0,30 2 * * *"),
        ["29 03:00:00 +02:00", "30 02:00:00 +02:00"]
    );
    assert_eq!(
        berlin("0 2,14 * * *"),
        ["29 03:00:00 +02:00", "29 14:00:00 +02:00"]
    );
    assert_eq!(
        berlin("0 2-3 * * *"),
        ["29 03:00:00 +02:00", "30 02:00:00 +02:00"]
    );
    assert_eq!(
        berlin("30 * * * *")[..2],
        ["28 21:30:00 +01:00", "28 22:30:00 +01:00"]
    );
    let hourly = shown("30 * * * *", Tz::Europe__Berlin, "2026-03-29T00:00:00Z", 2);
    assert_eq!(hourly, ["29 01:30:00 +01:00", "29 03:30:00 +02:00"]);
    // Half an hour is skipped.
    let lord_howe = shown("15 2 * * *", Tz::Australia__Lord_Howe, "2026-10-03T00:00:00Z", 2);
    assert_eq!(lord_howe, ["04 02:30:00 +11:00", "05 02:15:00 +11:00"]);
}

#[test]
fn a_time_that_the_clock_shows_twice_is_due_once() {
    let berlin = |pattern, after| shown(pattern, Tz::Europe__Berlin, after, 3);
    assert_eq!(
        berlin("30 2 * * *", "2026-10-24T20:00:00Z"),
        ["25 02:30:00 +02:00", "26 02:30:00 +01:00", "27 02:30:00 +01:00"]
    );
    // From within the hour that comes again.
    assert_eq!(
        berlin("45 2 * * *", "2026-10-25T01:30:00Z")[0],
        "26 02:45:00 +01:00"
    );
    assert_eq!(
        berlin("*/30 * * * *", "2026-10-25T00:00:00Z"),
        ["25 02:30:00 +02:00", "25 02:00:00 +01:00", "25 02:30:00 +01:00"],
        "a pattern that names every hour goes on"
    );
    let lord_howe = shown(
        "*/15 * * * *",
        Tz::Australia__Lord_Howe,
        "2026-04-04T14:30:00Z",
        4,
    );
    assert_eq!(
        lord_howe,
        [
            "05 01:45:00 +11:00",
            "05 01:30:00 +10:30",
            "05 01:45:00 +10:30",
            "05 02:00:00 +10:30"
        ]
    );
}

#[test]
fn a_day_that_a_zone_skips_is_due_at_the_skip() {
    let apia = shown("0 9 30 12 *", Tz::Pacific__Apia, "2011-12-01T00:00:00Z", 2);
    assert_eq!(apia, ["31 00:00:00 +14:00", "30 09:00:00 +14:00"]);
}

#[test]
fn a_pattern_with_seconds_and_one_from_between_two_seconds() {
    let utc = |pattern, after| shown(pattern, Tz::UTC, after, 2);
    assert_eq!(
        utc("*/20 * * * * *", "2026-01-01T00:00:00.500Z"),
        ["01 00:00:20 +00:00", "01 00:00:40 +00:00"]
    );
    assert_eq!(
        utc("10 0 0 * * *", "2026-01-01T00:00:09.999Z"),
        ["01 00:00:10 +00:00", "02 00:00:10 +00:00"]
    );
    assert_eq!(
        utc("0 0 29 2 MON", "2026-01-01T00:00:00Z")[0],
        "02 00:00:00 +00:00"
    );
    assert_eq!(
        utc("0 0 13 * +FRI", "2026-03-01T00:00:00Z"),
        ["13 00:00:00 +00:00", "13 00:00:00 +00:00"]
    );
    assert_eq!(
        utc("0 0 L * *", "2026-02-01T00:00:00Z"),
        ["28 00:00:00 +00:00", "31 00:00:00 +00:00"]
    );
}

#[test]
fn an_interval_is_the_same_whatever_a_clock_does() {
    let times = |every: &str, anchor: &str, after: &str| {
        let timetable =
            Timetable::interval(every.parse().expect("a duration"), at(anchor)).expect("not too often");
        timetable.next(at(after)).expect("there is one")
    };
    assert_eq!(
        times("13h", "2026-03-28T00:00:00Z", "2026-03-28T00:00:00Z"),
        at("2026-03-28T13:00:00Z")
    );
    assert_eq!(
        times("13h", "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"),
        at("2026-03-30T04:00:00Z")
    );
    assert_eq!(
        times("1d", "2026-03-28T09:00:00Z", "2026-03-01T00:00:00Z"),
        at("2026-03-28T09:00:00Z")
    );
    assert_eq!(
        times("6h", "1970-01-01T00:00:00Z", "2026-03-28T01:00:00Z"),
        at("2026-03-28T06:00:00Z")
    );
    assert_eq!(
        times("9999d", "9999-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        at("9999-01-01T00:00:00Z")
    );
}

#[test]
fn the_newest_times_are_the_last_of_all() {
    let (from, until) = (at("2026-03-20T00:00:00Z"), at("2026-04-02T07:00:00Z"));
    let every = |text: &str| {
        let every = text.parse::<Duration>().expect("a duration");
        Timetable::interval(every, at("2026-03-25T00:00:00Z")).expect("not too often")
    };
    let patterns = [
        "30 2 * * *",
        "*/15 * * * *",
        "0 9 1 * *",
        "* 9 * * *",
        "0 0 1 1 *",
        "0 7 2 4 *",
        "0 0 20 3 *",
    ];
    let timetables = patterns
        .map(|pattern| cron(pattern, Tz::Europe__Berlin))
        .into_iter();
    for timetable in timetables.chain(["1h", "7d", "31d"].map(every)) {
        let mut all = Vec::new();
        let mut last = from - TimeDelta::milliseconds(1);
        while let Some(next) = timetable.next(last).filter(|next| *next <= until) {
            all.push(next);
            last = next;
        }
        for most in [1, 2, 10, 1_000, 100_000] {
            let newest = &all[all.len().saturating_sub(most)..];
            assert_eq!(
                timetable.newest(from, until, most),
                newest,
                "{timetable:?} {most}"
            );
        }
    }
}

#[test]
fn speaks_english() {
    let said = |pattern| cron(pattern, Tz::UTC).description();
    assert_eq!(
        said("30 9 * * MON-FRI").as_deref(),
        Some("At 09:30, on Monday, Tuesday, Wednesday, Thursday, and Friday.")
    );
    let interval =
        Timetable::interval(Duration::from_millis(1_000), Time::UNIX_EPOCH).expect("not too often");
    assert_eq!(interval.description(), None);
}

/// A pattern, and the same said in Rust: the day, and the time in minutes of it.
struct Case {
    pattern: &'static str,
    is_hourly: bool,
    day: fn(NaiveDate) -> bool,
    minute: fn(u32, u32) -> bool,
}

const CASES: [Case; 9] = [
    Case {
        pattern: "30 2 * * *",
        is_hourly: false,
        day: |_| true,
        minute: |hour, minute| (hour, minute) == (2, 30),
    },
    Case {
        pattern: "0 0 * * *",
        is_hourly: false,
        day: |_| true,
        minute: |hour, minute| (hour, minute) == (0, 0),
    },
    Case {
        pattern: "10,40 1-3 * * *",
        is_hourly: false,
        day: |_| true,
        minute: |hour, minute| (1..=3).contains(&hour) && [10, 40].contains(&minute),
    },
    Case {
        pattern: "0 */2 * * *",
        is_hourly: false,
        day: |_| true,
        minute: |hour, minute| hour % 2 == 0 && minute == 0,
    },
    Case {
        pattern: "45 1 * * SUN",
        is_hourly: false,
        day: |day| day.weekday() == Weekday::Sun,
        minute: |hour, minute| (hour, minute) == (1, 45),
    },
    Case {
        pattern: "0 9 L * *",
        is_hourly: false,
        day: |day| (day + Days::new(1)).day() == 1,
        minute: |hour, minute| (hour, minute) == (9, 0),
    },
    Case {
        pattern: "0 12 30 * FRI",
        is_hourly: false,
        day: |day| day.day() == 30 || day.weekday() == Weekday::Fri,
        minute: |hour, minute| (hour, minute) == (12, 0),
    },
    Case {
        pattern: "17 * * * SAT,SUN,MON",
        is_hourly: true,
        day: |day| [Weekday::Sat, Weekday::Sun, Weekday::Mon].contains(&day.weekday()),
        minute: |_, minute| minute == 17,
    },
    Case {
        pattern: "*/20 * * * SUN",
        is_hourly: true,
        day: |day| day.weekday() == Weekday::Sun,
        minute: |_, minute| minute % 20 == 0,
    },
];

const DECADE: [&str; 2] = ["2010-01-01T00:00:00Z", "2020-01-01T00:00:00Z"];
const MINUTES_OF_DAY: i64 = 1_440;
/// Clocks change at quarters of an hour.
const QUARTER: i64 = 15;

/// What a clock shows at each minute of the decade, in minutes since 1970.
fn walls(zone: Tz) -> Vec<i64> {
    let [first, end] = DECADE.map(|text| at(text).timestamp() / 60);
    let quarters = (first..end).step_by(usize::try_from(QUARTER).expect("small"));
    let walls = quarters.flat_map(|quarter| {
        let moment = Time::from_timestamp(quarter * 60, 0).expect("a moment");
        let offset = zone
            .offset_from_utc_datetime(&moment.naive_utc())
            .fix()
            .local_minus_utc();
        (quarter..quarter + QUARTER).map(move |minute| minute + i64::from(offset) / 60)
    });
    walls.collect()
}

/// The minutes of the decade at which a case is due, by the rules as they are documented.
fn expected(case: &Case, walls: &[i64]) -> Vec<i64> {
    let first = at(DECADE[0]).timestamp() / 60;
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");
    let from = walls[0] / MINUTES_OF_DAY;
    let to = walls[walls.len() - 1] / MINUTES_OF_DAY;
    let days: Vec<bool> = (from..=to)
        .map(|day| (case.day)(epoch + TimeDelta::days(day)))
        .collect();
    let minutes: Vec<bool> = (0..1_440)
        .map(|minute| (case.minute)(minute / 60, minute % 60))
        .collect();
    let fits = |wall: i64| {
        let (day, minute) = (wall / MINUTES_OF_DAY - from, wall % MINUTES_OF_DAY);
        minutes[usize::try_from(minute).expect("of a day")]
            && days[usize::try_from(day).expect("in the decade")]
    };
    // The latest time that the clock has shown.
    let mut latest = walls[0] - 1;
    let mut due = Vec::new();
    for (minute, wall) in (first..).zip(walls) {
        let is_due = if case.is_hourly || *wall == latest + 1 {
            fits(*wall)
        } else {
            // What the clock has skipped, and nothing that it shows again.
            (latest + 1..=*wall).any(fits)
        };
        if is_due {
            due.push(minute);
        }
        latest = std::cmp::max(latest, *wall);
    }
    due
}

fn agrees_over_a_decade(zone: Tz) {
    let begun = Instant::now();
    let walls = walls(zone);
    let changes = walls.windows(2).filter(|pair| pair[1] - pair[0] != 1).count();
    let [first, end] = DECADE.map(at);
    let mut count = 0;
    for case in &CASES {
        let timetable = cron(case.pattern, zone);
        let mut last = first - TimeDelta::minutes(1);
        for minute in expected(case, &walls) {
            let next = timetable.next(last).expect("there is another");
            let expected = Time::from_timestamp(minute * 60, 0).expect("a moment");
            assert_eq!(next, expected, "`{}` in {zone} after {last}", case.pattern);
            last = next;
            count += 1;
        }
        let beyond = timetable.next(last).expect("there is another");
        assert!(beyond >= end, "`{}` in {zone} after {last}", case.pattern);
    }
    println!(
        "{zone}: {count} times, {changes} changes of the clock, in {:?}",
        begun.elapsed()
    );
}

macro_rules! decades {
    ($($name:ident: $zone:expr,)*) => {
        $(#[test]
        fn $name() {
            agrees_over_a_decade($zone);
        })*
    };
}

decades! {
    a_decade_in_berlin: Tz::Europe__Berlin,
    a_decade_in_new_york: Tz::America__New_York,
    // Moves by half an hour.
    a_decade_in_lord_howe: Tz::Australia__Lord_Howe,
    // Stops and resumes summer time around Ramadan, then does without winter time.
    a_decade_in_casablanca: Tz::Africa__Casablanca,
    // Half an hour beside UTC, and never moved.
    a_decade_in_kolkata: Tz::Asia__Kolkata,
    // Skipped 30 December 2011.
    a_decade_in_apia: Tz::Pacific__Apia,
    // Moved at midnight.
    a_decade_in_sao_paulo: Tz::America__Sao_Paulo,
}
