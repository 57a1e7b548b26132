//! When a schedule is due: cron in a time zone, or a true interval. No clock, no state.
//!
//! croner reads the pattern and walks the calendar. What a change of the clock means is decided here, by whether the
//! pattern names every hour of the day:
//! * one that does (`*/15 * * * *`) is due whenever the clock shows such a time: twice where the clock goes back over
//!   it, and not at all where the clock skips it;
//! * any other (`30 2 * * *`, `0 9-17 * * *`) is due once for each time that it names: the first time that the clock
//!   shows it, or, where the clock skips it, at the moment of the skip. Times that fall on one moment are one.

use std::collections::VecDeque;

use chrono::{Datelike, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, Weekday};
use flowmatic_openapi::{Duration, Time};

/// The times at which a schedule is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable(Rule);

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Cron { cron: Box<Cron>, zone: Tz },
    Interval { every_ms: i64, anchor_ms: i64 },
}

/// The least time between two starts by an interval.
const LEAST_INTERVAL: Duration = Duration::from_millis(1_000);
/// More than any clock was ever moved.
const WIDEST_CHANGE: TimeDelta = TimeDelta::hours(26);
/// What the names of a pattern's fields are, with the second that may be left out.
const FIELDS: [&str; 6] = ["second", "minute", "hour", "day of the month", "month", "weekday"];

/// The longest step of each field.
const STEPS: [u32; 6] = [59, 59, 23, 30, 11, 6];

impl Timetable {
    /// A cron pattern of 5 fields, or of 6 with the second before them. Fails where it is none.
    pub fn cron(pattern: &str, zone: Tz) -> Result<Self, String> {
        let fields: Vec<&str> = pattern.split_whitespace().collect();
        if !(5..=6).contains(&fields.len()) {
            return Err(format!(
                "`{pattern}` has {}: write 5 (minute, hour, day of the month, month, weekday), or 6 with the second \
                 before them",
                match fields.len() {
                    1 => "1 field".to_owned(),
                    count => format!("{count} fields"),
                }
            ));
        }
        let cron = parse(&fields).map_err(|error| {
            mistake(&fields).unwrap_or_else(|| format!("`{pattern}` is no cron pattern: {error}"))
        })?;
        if !comes(&cron) {
            return Err(format!("`{pattern}` is never due: there is no such day"));
        }
        Ok(Self(Rule::Cron {
            cron: Box::new(cron),
            zone,
        }))
    }

    /// Every so many seconds, counted from `anchor`; nothing is due before it. Fails where these are no whole ones.
    pub fn interval(every: Duration, anchor: Time) -> Result<Self, String> {
        if every < LEAST_INTERVAL {
            return Err(format!(
                "`{every}` is too often: the least interval is `{LEAST_INTERVAL}`"
            ));
        }
        if !every.as_millis().is_multiple_of(1_000) {
            return Err(format!("`{every}` is no whole number of seconds"));
        }
        let every_ms = i64::try_from(every.as_millis()).map_err(|error| error.to_string())?;
        let anchor_ms = anchor.timestamp_millis();
        Ok(Self(Rule::Interval { every_ms, anchor_ms }))
    }

    /// The zone that people read its times in.
    pub fn zone(&self) -> Tz {
        match self.0 {
            Rule::Cron { zone, .. } => zone,
            Rule::Interval { .. } => Tz::UTC,
        }
    }

    /// In plain English; none of an interval, which says it all itself.
    pub fn description(&self) -> Option<String> {
        match &self.0 {
            Rule::Cron { cron, .. } => Some(cron.describe()),
            Rule::Interval { .. } => None,
        }
    }

    /// The first time after this moment; none where the calendar ends before.
    pub fn next(&self, after: Time) -> Option<Time> {
        match &self.0 {
            Rule::Cron { cron, zone } if names_every_hour(cron) => {
                let mut last = after.with_timezone(zone);
                loop {
                    last = cron.find_next_occurrence(&last, false).ok()?;
                    let found = last.with_timezone(&Utc);
                    if found > after {
                        return Some(found);
                    }
                }
            }
            Rule::Cron { cron, zone } => {
                let mut wall = after.with_timezone(zone).naive_local();
                loop {
                    wall = cron.find_next_occurrence(&wall, false).ok()?;
                    let found = moment(*zone, wall)?;
                    if found > after {
                        return Some(found);
                    }
                }
            }
            Rule::Interval { every_ms, anchor_ms } => {
                let passed = (after.timestamp_millis() - anchor_ms).div_euclid(*every_ms);
                let turn = std::cmp::max(passed + 1, 0);
                Time::from_timestamp_millis(anchor_ms.checked_add(turn.checked_mul(*every_ms)?)?)
            }
        }
    }

    /// The newest times within `from..=until`, the oldest of them first.
    pub fn newest(&self, from: Time, until: Time, most: usize) -> Vec<Time> {
        let least = TimeDelta::milliseconds(1);
        let mut reach = TimeDelta::minutes(1);
        loop {
            // An interval, and what is due often, is found near the end.
            let start = std::cmp::max(from - least, until - reach);
            let mut found = VecDeque::new();
            let mut last = start;
            while let Some(next) = self.next(last).filter(|next| *next <= until) {
                if found.len() == most {
                    found.pop_front();
                }
                found.push_back(next);
                last = next;
            }
            if found.len() >= most || start < from {
                return found.into();
            }
            reach = reach * 2;
        }
    }
}

fn names_every_hour(cron: &Cron) -> bool {
    cron.pattern.hours.values().len() == 24
}

/// The moment at which the clock of a zone first shows this time, or skips it.
fn moment(zone: Tz, wall: NaiveDateTime) -> Option<Time> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => Some(moment.with_timezone(&Utc)),
        LocalResult::None => {
            // The clock shows less before the skip and more from it on: it is between these seconds.
            let is_past = |second: i64| {
                let moment = Time::from_timestamp(second, 0)?;
                Some(moment.with_timezone(&zone).naive_local() > wall)
            };
            let near = wall.and_utc();
            let mut before = (near - WIDEST_CHANGE).timestamp();
            let mut past = (near + WIDEST_CHANGE).timestamp();
            while past - before > 1 {
                let middle = before + (past - before) / 2;
                match is_past(middle)? {
                    true => past = middle,
                    false => before = middle,
                }
            }
            Time::from_timestamp(past, 0)
        }
    }
}

fn parse(fields: &[&str]) -> Result<Cron, String> {
    // The library takes a list of nothing, which is never due and takes long to be found so.
    if fields.iter().any(|field| field.split(',').any(str::is_empty)) {
        return Err("a list has something between its commas".to_owned());
    }
    // The library takes the first time of a step that leads out of its field.
    let most = &STEPS[STEPS.len() - fields.len()..];
    let steps = fields.iter().zip(most).flat_map(|(field, most)| {
        let steps = field
            .split(',')
            .filter_map(|part| part.split_once('/')?.1.parse().ok());
        steps.filter(move |step: &u32| step > most)
    });
    if let Some(step) = steps.into_iter().next() {
        return Err(format!("a step of {step} leads out of it"));
    }
    CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build()
        .parse(&fields.join(" "))
        .map_err(|error| words(&error))
}

/// Whether a pattern is ever due. Within these years each day of the year falls on each weekday; the library itself
/// would search through three thousand.
fn comes(cron: &Cron) -> bool {
    let days = NaiveDate::from_ymd_opt(2000, 1, 1)
        .into_iter()
        .flat_map(|first| first.iter_days());
    let mut days = days.take_while(|day| day.year() <= 2040);
    days.any(|day| {
        let (year, month) = (day.year(), day.month());
        let weekday = Weekday::from_days_from_sunday(day.weekday().num_days_from_sunday());
        matches!(
            (
                cron.pattern.month_match(month),
                cron.pattern.day_match(year, month, day.day(), weekday)
            ),
            (Ok(true), Ok(true))
        )
    })
}

/// The first field that is wrong by itself.
fn mistake(fields: &[&str]) -> Option<String> {
    let names = &FIELDS[FIELDS.len() - fields.len()..];
    let mut mistakes = fields
        .iter()
        .zip(names)
        .enumerate()
        .filter_map(|(place, (field, name))| {
            let mut alone = vec!["*"; fields.len()];
            alone[place] = field;
            let error = parse(&alone).err()?;
            Some(format!("`{field}` is no {name} of a cron pattern: {error}"))
        });
    mistakes.next()
}

/// What the library says, without the names of its types.
fn words(error: &CronError) -> String {
    let text = match error {
        CronError::ComponentError(text)
        | CronError::InvalidPattern(text)
        | CronError::IllegalCharacters(text) => text.clone(),
        other => other.to_string(),
    };
    let text = text.trim_start_matches("CronPattern ").trim_end_matches('.');
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
