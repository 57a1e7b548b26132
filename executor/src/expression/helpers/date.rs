//! Moments. Each is written by RFC 3339 in UTC with milliseconds, such as `2026-03-01T09:30:00.000Z`.
//!
//! Where a moment is wanted, RFC 3339 with any offset, `YYYY-MM-DD` (its midnight in UTC) and Unix seconds, or
//! milliseconds from 100 000 000 000 on, will do. A zone is an IANA name such as `Europe/Berlin`.

use std::borrow::Cow;
use std::fmt::Write;

use chrono::{
    DateTime, Days, LocalResult, MappedLocalTime, Months, NaiveDate, NaiveDateTime, SecondsFormat, TimeDelta,
    TimeZone,
};
use chrono_tz::Tz;
use serde_json::Value;

use super::{Helper, helper};
use crate::Time;
use crate::expression::arguments::{Arguments, excerpt};
use crate::expression::evaluate::{Failure, Outcome};

pub const HELPERS: &[Helper] = &[
    helper("now", "", (0, 0), "the moment at which the step began", |call| {
        give(call, call.evaluation.view.now)
    }),
    helper(
        "parse_date",
        "text format? zone?",
        (1, 3),
        "the moment that a text spells, by a strftime format and in a zone",
        parse_date,
    ),
    helper(
        "format_date",
        "moment format? zone?",
        (1, 3),
        "the moment as text by a strftime format such as `%d.%m.%Y %H:%M`, in a zone",
        format_date,
    ),
    helper(
        "add_time",
        "moment amount unit zone?",
        (3, 4),
        "the moment moved by so many `seconds` ... `years`; days and longer keep the zone's clock",
        add_time,
    ),
    helper(
        "date_diff",
        "from to unit",
        (3, 3),
        "the whole `milliseconds` ... `weeks` from one moment to the other",
        |call| {
            let between = moment(call, 1)?.signed_duration_since(moment(call, 0)?);
            let Some(unit) = milliseconds(&call.text(2)?) else {
                return call
                    .refuse("counts `milliseconds`, `seconds`, `minutes`, `hours`, `days` or `weeks`");
            };
            Ok(Cow::Owned((between.num_milliseconds() / unit).into()))
        },
    ),
];

fn give<'s>(call: Arguments<'_, 's>, moment: Time) -> Outcome<'s> {
    call.give(moment.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn moment(call: Arguments<'_, '_>, at: usize) -> Result<Time, Failure> {
    let value = call.value(at)?;
    let found = match &*value {
        Value::String(text) => read(text),
        Value::Number(number) => number.as_i64().and_then(|number| {
            if number.abs() < 100_000_000_000 {
                DateTime::from_timestamp(number, 0)
            } else {
                DateTime::from_timestamp_millis(number)
            }
        }),
        other => return Err(call.wrong(at, "a moment", other)),
    };
    found.ok_or_else(|| {
        Failure::new(format!(
            "`{}` cannot read `{}` as a moment; write it as `2026-03-01T09:30:00Z`",
            call.call.helper.name,
            excerpt(value.as_str().unwrap_or("the number"))
        ))
    })
}

fn read(text: &str) -> Option<Time> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_time(chrono::NaiveTime::MIN).and_utc())
}

fn zone(call: Arguments<'_, '_>, at: usize) -> Result<Tz, Failure> {
    if !call.has(at) {
        return Ok(Tz::UTC);
    }
    let name = call.text(at)?;
    name.parse().or_else(|_| {
        call.refuse(format_args!(
            "knows no zone `{}`; zones are named as `Europe/Berlin`",
            excerpt(&name)
        ))
    })
}

/// A strftime format, short enough that no result of it is long.
fn format<'s>(call: Arguments<'_, 's>, at: usize) -> Result<Cow<'s, str>, Failure> {
    let format = call.text(at)?;
    if format.len() > 200 {
        return call.refuse("takes a format of at most 200 bytes");
    }
    Ok(format)
}

fn parse_date<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    if !call.has(1) {
        return give(call, moment(call, 0)?);
    }
    let (text, format, zone) = (call.text(0)?, format(call, 1)?, zone(call, 2)?);
    if let Ok(moment) = DateTime::parse_from_str(&text, &format) {
        return give(call, moment.to_utc());
    }
    let local = NaiveDateTime::parse_from_str(&text, &format).or_else(|_| {
        NaiveDate::parse_from_str(&text, &format).map(|day| day.and_time(chrono::NaiveTime::MIN))
    });
    match local.ok().and_then(|local| in_zone(zone, local)) {
        Some(moment) => give(call, moment),
        None => call.refuse(format_args!(
            "cannot read `{}` by the format `{}`",
            excerpt(&text),
            excerpt(&format)
        )),
    }
}

/// The moment at which a zone's clocks show this: the earlier of two, and an hour later where they skip it.
fn in_zone(zone: Tz, local: NaiveDateTime) -> Option<Time> {
    match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(moment) | MappedLocalTime::Ambiguous(moment, _) => Some(moment.to_utc()),
        LocalResult::None => {
            let later = local.checked_add_signed(TimeDelta::hours(1))?;
            zone.from_local_datetime(&later)
                .earliest()
                .map(|moment| moment.to_utc())
        }
    }
}

fn format_date<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    let local = moment(call, 0)?.with_timezone(&zone(call, 2)?);
    if !call.has(1) {
        return give(call, local.to_utc());
    }
    let format = format(call, 1)?;
    let mut text = String::new();
    match write!(text, "{}", local.format(&format)) {
        Ok(()) => call.give(text),
        Err(_) => call.refuse(format_args!("cannot use the format `{}`", excerpt(&format))),
    }
}

fn milliseconds(unit: &str) -> Option<i64> {
    Some(match unit {
        "millisecond" | "milliseconds" => 1,
        "second" | "seconds" => 1_000,
        "minute" | "minutes" => 60_000,
        "hour" | "hours" => 3_600_000,
        "day" | "days" => 86_400_000,
        "week" | "weeks" => 604_800_000,
        _ => return None,
    })
}

fn add_time<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    let (from, amount, unit, zone) = (moment(call, 0)?, call.integer(1)?, call.text(2)?, zone(call, 3)?);
    let calendar = match &*unit {
        "day" | "days" => shift_days(from, amount, zone),
        "week" | "weeks" => amount
            .checked_mul(7)
            .and_then(|days| shift_days(from, days, zone)),
        "month" | "months" => shift_months(from, amount, zone),
        "year" | "years" => amount
            .checked_mul(12)
            .and_then(|months| shift_months(from, months, zone)),
        unit => match milliseconds(unit) {
            Some(unit) => amount
                .checked_mul(unit)
                .and_then(TimeDelta::try_milliseconds)
                .and_then(|delta| from.checked_add_signed(delta)),
            None => {
                return call.refuse(format_args!(
                    "knows no unit `{}`; units are `milliseconds`, `seconds`, `minutes`, `hours`, `days`, `weeks`, `months` and `years`",
                    excerpt(unit)
                ));
            }
        },
    };
    match calendar {
        Some(moment) => give(call, moment),
        None => call.refuse("leads beyond the calendar"),
    }
}

fn shift_days(from: Time, days: i64, zone: Tz) -> Option<Time> {
    let local = from.with_timezone(&zone).naive_local();
    let count = Days::new(days.unsigned_abs());
    let moved = if days < 0 {
        local.checked_sub_days(count)
    } else {
        local.checked_add_days(count)
    };
    in_zone(zone, moved?)
}

fn shift_months(from: Time, months: i64, zone: Tz) -> Option<Time> {
    let local = from.with_timezone(&zone).naive_local();
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let moved = if months < 0 {
        local.checked_sub_months(count)
    } else {
        local.checked_add_months(count)
    };
    in_zone(zone, moved?)
}
