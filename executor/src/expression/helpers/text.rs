//! Texts. A place in a text is counted in characters, from 0.

use std::borrow::Cow;

use serde_json::Value;

use super::list::range;
use super::logic::{equal, yes};
use super::{Helper, MANY, helper};
use crate::expression::arguments::Arguments;
use crate::expression::evaluate::{Failure, MAX_TEXT, Outcome, kind, too_long};

pub const HELPERS: &[Helper] = &[
    helper(
        "string",
        "value",
        (1, 1),
        "the text that a value prints as",
        |call| {
            let text = call.printed(0)?;
            call.give(text)
        },
    ),
    helper("upper", "text", (1, 1), "the text in upper case", |call| {
        let text = call.text(0)?;
        call.give(text.to_uppercase())
    }),
    helper("lower", "text", (1, 1), "the text in lower case", |call| {
        let text = call.text(0)?;
        call.give(text.to_lowercase())
    }),
    helper(
        "capitalize",
        "text",
        (1, 1),
        "the text with its first letter in upper case",
        |call| {
            let text = call.text(0)?;
            let mut chars = text.chars();
            let first = chars.next().into_iter().flat_map(char::to_uppercase);
            let capital: String = first.collect();
            call.give(capital + chars.as_str())
        },
    ),
    helper(
        "trim",
        "text",
        (1, 1),
        "the text without white space at its ends",
        |call| {
            let text = call.text(0)?;
            call.give(text.trim())
        },
    ),
    helper(
        "replace",
        "text from to",
        (3, 3),
        "the text with every `from` replaced",
        |call| {
            let (text, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
            if from.is_empty() {
                return call.refuse("needs something to replace, not an empty text");
            }
            let matches = text.matches(&*from).count();
            if text.len() + matches.saturating_mul(to.len()) > MAX_TEXT + matches * from.len() {
                return Err(too_long());
            }
            call.give(text.replace(&*from, &to))
        },
    ),
    helper("repeat", "text times", (2, 2), "the text so many times", |call| {
        let (text, times) = (call.text(0)?, call.integer(1)?);
        let times = usize::try_from(times).unwrap_or(0);
        if text.len().saturating_mul(times) > MAX_TEXT {
            return Err(too_long());
        }
        call.give(text.repeat(times))
    }),
    helper(
        "split",
        "text separator",
        (2, 2),
        "the array of the parts between separators, or of the characters",
        |call| {
            let (text, separator) = (call.text(0)?, call.text(1)?);
            let mut parts = Vec::new();
            let mut push = |part: &str| {
                call.evaluation.charge(2)?;
                parts.push(Value::from(part));
                Ok::<_, Failure>(())
            };
            if separator.is_empty() {
                let mut buffer = [0; 4];
                text.chars()
                    .try_for_each(|character| push(character.encode_utf8(&mut buffer)))?;
            } else {
                text.split(&*separator).try_for_each(push)?;
            }
            Ok(Cow::Owned(Value::Array(parts)))
        },
    ),
    helper(
        "join",
        "array separator?",
        (1, 2),
        "the text of an array's values, with a separator between",
        |call| {
            let items = call.list(0)?;
            let separator = if call.has(1) {
                call.text(1)?
            } else {
                Cow::Borrowed("")
            };
            let mut text = String::new();
            for (index, item) in items.iter().enumerate() {
                call.evaluation.charge(1)?;
                if index > 0 {
                    call.evaluation.push(&mut text, &separator)?;
                }
                call.evaluation.print(item, &mut text)?;
            }
            Ok(Cow::Owned(text.into()))
        },
    ),
    helper(
        "concat",
        "a b...",
        (1, MANY),
        "the arrays one after the other, or else the values as one text",
        |call| {
            let first = call.value(0)?;
            if !first.is_array() {
                let mut text = String::new();
                call.evaluation.print(&first, &mut text)?;
                for at in 1..call.count() {
                    call.evaluation.print(&*call.value(at)?, &mut text)?;
                }
                return Ok(Cow::Owned(text.into()));
            }
            let Value::Array(mut items) = call.evaluation.own(first)? else {
                return call.refuse("needs arrays");
            };
            for at in 1..call.count() {
                for item in call.list(at)?.iter() {
                    items.push(call.evaluation.own(Cow::Borrowed(item))?);
                }
            }
            Ok(Cow::Owned(items.into()))
        },
    ),
    helper(
        "slice",
        "value from to?",
        (2, 3),
        "the part of a text or array from a place up to another; a negative place counts from the end",
        slice,
    ),
    helper(
        "truncate",
        "text length ending?",
        (2, 3),
        "at most so many characters, with the ending where it was cut",
        |call| {
            let (text, most) = (call.text(0)?, call.integer(1)?);
            let most = usize::try_from(most).unwrap_or(0);
            if text.chars().count() <= most {
                return call.give(text);
            }
            let ending = if call.has(2) {
                call.text(2)?
            } else {
                Cow::Borrowed("")
            };
            let kept: String = text
                .chars()
                .take(most.saturating_sub(ending.chars().count()))
                .collect();
            let ending: String = ending.chars().take(most).collect();
            call.give(kept + &ending)
        },
    ),
    helper(
        "contains",
        "whole part",
        (2, 2),
        "whether a text has a part, or an array a value",
        contains,
    ),
    helper(
        "includes",
        "whole part",
        (2, 2),
        "the same as `contains`",
        contains,
    ),
    helper(
        "starts_with",
        "text start",
        (2, 2),
        "whether a text begins so",
        |call| {
            let text = call.text(0)?;
            Ok(yes(text.starts_with(&*call.text(1)?)))
        },
    ),
    helper(
        "ends_with",
        "text end",
        (2, 2),
        "whether a text ends so",
        |call| {
            let text = call.text(0)?;
            Ok(yes(text.ends_with(&*call.text(1)?)))
        },
    ),
    helper(
        "pad_start",
        "value length with?",
        (2, 3),
        "the text made so long, filled from the left with spaces or else",
        |call| {
            let (text, fill) = padding(call)?;
            call.give(fill + &text)
        },
    ),
    helper(
        "pad_end",
        "value length with?",
        (2, 3),
        "the text made so long, filled from the right",
        |call| {
            let (text, fill) = padding(call)?;
            call.give(text.into_owned() + &fill)
        },
    ),
    helper(
        "length",
        "value",
        (1, 1),
        "how many characters, values or fields there are",
        length,
    ),
    helper("len", "value", (1, 1), "the same as `length`", length),
];

fn slice<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    let value = call.value(0)?;
    let from = call.integer(1)?;
    let to = if call.has(2) { call.integer(2)? } else { i64::MAX };
    match &*value {
        Value::String(text) => {
            call.evaluation.charge_bytes(text.len())?;
            let (from, to) = range(from, to, text.chars().count());
            call.give(text.chars().skip(from).take(to - from).collect::<String>())
        }
        Value::Array(items) => {
            let (from, to) = range(from, to, items.len());
            let part = items[from..to]
                .iter()
                .map(|item| call.evaluation.own(Cow::Borrowed(item)));
            Ok(Cow::Owned(Value::Array(part.collect::<Result<_, _>>()?)))
        }
        other => Err(call.wrong(0, "a text or an array", other)),
    }
}

fn contains<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    match &*call.value(0)? {
        Value::String(text) => {
            call.evaluation.charge_bytes(text.len())?;
            Ok(yes(text.contains(&*call.text(1)?)))
        }
        Value::Array(items) => {
            let part = call.value(1)?;
            for item in items {
                if equal(call.evaluation, item, &part)? {
                    return Ok(yes(true));
                }
            }
            Ok(yes(false))
        }
        other => Err(call.wrong(0, "a text or an array", other)),
    }
}

/// The text, and what fills it up.
fn padding<'s>(call: Arguments<'_, 's>) -> Result<(Cow<'s, str>, String), Failure> {
    let text = call.printed(0)?;
    call.evaluation.charge_bytes(text.len())?;
    let length = usize::try_from(call.integer(1)?).unwrap_or(0);
    let with = if call.has(2) {
        call.text(2)?
    } else {
        Cow::Borrowed(" ")
    };
    if length > MAX_TEXT {
        return Err(too_long());
    }
    if with.is_empty() {
        return call.refuse("needs something to fill with, not an empty text");
    }
    let lacking = length.saturating_sub(text.chars().count());
    call.evaluation.charge_bytes(lacking)?;
    Ok((text, with.chars().cycle().take(lacking).collect()))
}

fn length<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    let value = call.value(0)?;
    let length = match &*value {
        Value::String(text) => {
            call.evaluation.charge_bytes(text.len())?;
            text.chars().count()
        }
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        other => {
            return call.refuse(format_args!(
                "counts a text, an array or an object, not {}",
                kind(other)
            ));
        }
    };
    Ok(Cow::Owned(length.into()))
}
