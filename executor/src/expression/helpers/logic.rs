//! Comparison, logic and choice.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::convert::Infallible;

use serde_json::{Number, Value};

use super::{Helper, MANY, helper};
use crate::expression::arguments::Arguments;
use crate::expression::evaluate::{Evaluation, Failure, is_truthy, kind};

pub const HELPERS: &[Helper] = &[
    helper("eq", "a b", (2, 2), "whether two values are equal", |call| {
        equal_arguments(call).map(yes)
    }),
    helper("ne", "a b", (2, 2), "whether two values differ", |call| {
        equal_arguments(call).map(|equal| yes(!equal))
    }),
    helper(
        "gt",
        "a b",
        (2, 2),
        "whether `a` is greater, of two numbers or texts",
        |call| ordered(call).map(|order| yes(order.is_gt())),
    ),
    helper("gte", "a b", (2, 2), "whether `a` is greater or equal", |call| {
        ordered(call).map(|order| yes(order.is_ge()))
    }),
    helper(
        "lt",
        "a b",
        (2, 2),
        "whether `a` is less, of two numbers or texts",
        |call| ordered(call).map(|order| yes(order.is_lt())),
    ),
    helper("lte", "a b", (2, 2), "whether `a` is less or equal", |call| {
        ordered(call).map(|order| yes(order.is_le()))
    }),
    helper(
        "and",
        "a b...",
        (1, MANY),
        "whether all hold, up to the first that does not",
        |call| {
            for at in 0..call.count() {
                if !is_truthy(&*call.value(at)?) {
                    return Ok(yes(false));
                }
            }
            Ok(yes(true))
        },
    ),
    helper(
        "or",
        "a b...",
        (1, MANY),
        "whether one holds, up to the first that does",
        |call| {
            for at in 0..call.count() {
                if is_truthy(&*call.value(at)?) {
                    return Ok(yes(true));
                }
            }
            Ok(yes(false))
        },
    ),
    helper("not", "a", (1, 1), "whether a value does not hold", |call| {
        Ok(yes(!is_truthy(&*call.value(0)?)))
    }),
    helper(
        "if",
        "condition then else?",
        (2, 3),
        "one of two values; the other is not looked at",
        |call| {
            let holds = is_truthy(&*call.value(0)?);
            call.value(if holds { 1 } else { 2 })
        },
    ),
    helper(
        "default",
        "value other...",
        (2, MANY),
        "the first value that is neither missing nor null, or else the last",
        |call| {
            let last = call.count() - 1;
            for at in 0..last {
                match call.value(at) {
                    Ok(value) if !value.is_null() => return Ok(value),
                    Err(failure) if !failure.missing => return Err(failure),
                    _ => {}
                }
            }
            call.value(last)
        },
    ),
    helper(
        "boolean",
        "value",
        (1, 1),
        "`true` or `false`, also from `yes`, `no`, `on`, `off`, `1` and `0`",
        |call| {
            let value = call.value(0)?;
            let Some(text) = value.as_str() else {
                return Ok(yes(is_truthy(&value)));
            };
            match text {
                "true" | "yes" | "on" | "1" => Ok(yes(true)),
                "false" | "no" | "off" | "0" | "" => Ok(yes(false)),
                _ => call.refuse("needs a text such as `true` or `no`"),
            }
        },
    ),
];

pub fn yes<'s>(value: bool) -> Cow<'s, Value> {
    Cow::Owned(Value::Bool(value))
}

fn equal_arguments(call: Arguments<'_, '_>) -> Result<bool, Failure> {
    equal(call.evaluation, &*call.value(0)?, &*call.value(1)?)
}

/// Whether two values are the same, for fuel.
pub fn equal(evaluation: Evaluation<'_, '_>, one: &Value, other: &Value) -> Result<bool, Failure> {
    compare_all(one, other, |units| evaluation.charge(units))
}

/// Whether two values are the same. `1` and `1.0` are; `1` and `"1"` are not.
pub fn is_equal(one: &Value, other: &Value) -> bool {
    let Ok(equal) = compare_all(one, other, |_| Ok::<(), Infallible>(()));
    equal
}

fn compare_all<E>(
    one: &Value,
    other: &Value,
    charge: impl Copy + Fn(usize) -> Result<(), E>,
) -> Result<bool, E> {
    charge(1)?;
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Ok(compare_numbers(one, other).is_eq()),
        (Value::String(one), Value::String(other)) => {
            charge(one.len().min(other.len()) / 64)?;
            Ok(one == other)
        }
        (Value::Array(one), Value::Array(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (one, other) in one.iter().zip(other) {
                if !compare_all(one, other, charge)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(one), Value::Object(other)) => {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (key, value) in one {
                charge(key.len() / 64)?;
                match other.get(key) {
                    Some(found) if compare_all(value, found, charge)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        _ => Ok(one == other),
    }
}

fn ordered(call: Arguments<'_, '_>) -> Result<Ordering, Failure> {
    let (one, other) = (call.value(0)?, call.value(1)?);
    match compare(&one, &other) {
        Some(order) => {
            let length = |value: &Value| value.as_str().map_or(0, str::len);
            call.evaluation.charge_bytes(length(&one).min(length(&other)))?;
            Ok(order)
        }
        None => call.refuse(format_args!(
            "compares two numbers or two texts, not {} and {}",
            kind(&one),
            kind(&other)
        )),
    }
}

/// Numbers by what they count, texts by their code points; other kinds have no order.
pub fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Some(compare_numbers(one, other)),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

fn compare_numbers(one: &Number, other: &Number) -> Ordering {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => one.cmp(&other),
        // JSON has no number that is not one.
        _ => one
            .as_f64()
            .partial_cmp(&other.as_f64())
            .unwrap_or(Ordering::Equal),
    }
}
