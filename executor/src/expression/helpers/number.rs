//! Arithmetic. Integers stay integers where the result is one, and never wrap.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::logic::compare;
use super::{Helper, MANY, helper};
use crate::expression::arguments::{Arguments, excerpt};
use crate::expression::evaluate::{Failure, Outcome};

pub const HELPERS: &[Helper] = &[
    helper("add", "a b...", (2, MANY), "the sum", |call| {
        fold(call, i128::checked_add, |a, b| a + b)
    }),
    helper(
        "subtract",
        "a b...",
        (2, MANY),
        "the first less the others",
        |call| fold(call, i128::checked_sub, |a, b| a - b),
    ),
    helper("multiply", "a b...", (2, MANY), "the product", |call| {
        fold(call, i128::checked_mul, |a, b| a * b)
    }),
    helper(
        "divide",
        "a b",
        (2, 2),
        "the quotient, an integer where it is exact",
        |call| {
            let (a, b) = (number(call, 0)?, number(call, 1)?);
            quotient(call, a, b)
        },
    ),
    helper(
        "modulo",
        "a b",
        (2, 2),
        "the remainder, with the sign of `a`",
        |call| {
            let (a, b) = (number(call, 0)?, number(call, 1)?);
            match (a, b) {
                (_, b) if b.float() == 0.0 => call.refuse("cannot divide by zero"),
                (Num::Integer(a), Num::Integer(b)) => give(call, Num::Integer(a % b)),
                (a, b) => give(call, Num::Float(a.float() % b.float())),
            }
        },
    ),
    helper(
        "abs",
        "a",
        (1, 1),
        "the number without its sign",
        |call| match number(call, 0)? {
            Num::Integer(a) => give(call, Num::Integer(a.abs())),
            Num::Float(a) => give(call, Num::Float(a.abs())),
        },
    ),
    helper(
        "round",
        "a digits?",
        (1, 2),
        "the nearest number with so many digits after the point, 0 if not given",
        round,
    ),
    helper(
        "floor",
        "a",
        (1, 1),
        "the greatest integer that is not greater",
        |call| whole(call, f64::floor),
    ),
    helper(
        "ceil",
        "a",
        (1, 1),
        "the least integer that is not less",
        |call| whole(call, f64::ceil),
    ),
    helper(
        "min",
        "a b...",
        (1, MANY),
        "the least of some numbers, or of the numbers of an array",
        |call| best(call, |order| order.is_lt()),
    ),
    helper(
        "max",
        "a b...",
        (1, MANY),
        "the greatest of some numbers, or of the numbers of an array",
        |call| best(call, |order| order.is_gt()),
    ),
    helper("sum", "array", (1, 1), "the sum of an array's numbers", |call| {
        let total = total(call)?;
        give(call, total)
    }),
    helper("avg", "array", (1, 1), "the mean of an array's numbers", |call| {
        let count = call.list(0)?.len();
        if count == 0 {
            return call.refuse("needs at least one number");
        }
        let total = total(call)?;
        quotient(call, total, Num::Integer(count as i128))
    }),
    helper(
        "number",
        "value",
        (1, 1),
        "the number that a text spells; a boolean gives 1 or 0",
        |call| {
            let value = call.value(0)?;
            match &*value {
                Value::Number(_) => Ok(value),
                Value::Bool(yes) => Ok(Cow::Owned(u8::from(*yes).into())),
                Value::String(text) => parse(call, text.trim()),
                other => Err(call.wrong(0, "a text", other)),
            }
        },
    ),
];

#[derive(Debug, Clone, Copy)]
enum Num {
    /// Within 64 bits, signed or not, when it comes from a value.
    Integer(i128),
    Float(f64),
}

impl Num {
    fn of(value: &Value) -> Option<Self> {
        let number = value.as_number()?;
        number
            .as_i128()
            .map(Self::Integer)
            .or_else(|| number.as_f64().map(Self::Float))
    }

    fn float(self) -> f64 {
        match self {
            Self::Integer(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

fn number(call: Arguments<'_, '_>, at: usize) -> Result<Num, Failure> {
    let value = call.value(at)?;
    Num::of(&value).ok_or_else(|| call.wrong(at, "a number", &value))
}

fn give<'s>(call: Arguments<'_, 's>, number: Num) -> Outcome<'s> {
    let number = match number {
        Num::Integer(number) => Number::from_i128(number).filter(|number| !number.is_f64()),
        Num::Float(number) => Number::from_f64(number),
    };
    match number {
        Some(number) => Ok(Cow::Owned(Value::Number(number))),
        None => call.refuse("gives a number that is too large"),
    }
}

type OfIntegers = fn(i128, i128) -> Option<i128>;
type OfFloats = fn(f64, f64) -> f64;

fn fold<'s>(call: Arguments<'_, 's>, integers: OfIntegers, floats: OfFloats) -> Outcome<'s> {
    let mut result = number(call, 0)?;
    for at in 1..call.count() {
        result = combine(call, result, number(call, at)?, integers, floats)?;
    }
    give(call, result)
}

fn combine(
    call: Arguments<'_, '_>,
    a: Num,
    b: Num,
    integers: OfIntegers,
    floats: OfFloats,
) -> Result<Num, Failure> {
    match (a, b) {
        (Num::Integer(a), Num::Integer(b)) => match integers(a, b) {
            Some(result) => Ok(Num::Integer(result)),
            None => call.refuse("gives a number that is too large"),
        },
        (a, b) => Ok(Num::Float(floats(a.float(), b.float()))),
    }
}

fn quotient<'s>(call: Arguments<'_, 's>, a: Num, b: Num) -> Outcome<'s> {
    match (a, b) {
        (_, b) if b.float() == 0.0 => call.refuse("cannot divide by zero"),
        (Num::Integer(a), Num::Integer(b)) if a % b == 0 => give(call, Num::Integer(a / b)),
        (a, b) => give(call, Num::Float(a.float() / b.float())),
    }
}

fn whole<'s>(call: Arguments<'_, 's>, how: fn(f64) -> f64) -> Outcome<'s> {
    match number(call, 0)? {
        Num::Float(number) => give(call, integer_if_it_fits(how(number))),
        integer => give(call, integer),
    }
}

fn integer_if_it_fits(number: f64) -> Num {
    // Beyond 2^53 a double counts no single steps, and may not fit.
    if number.abs() < 9_007_199_254_740_992.0 {
        Num::Integer(number as i128)
    } else {
        Num::Float(number)
    }
}

fn round<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    let digits = if call.has(1) { call.integer(1)? } else { 0 };
    if !(0..=15).contains(&digits) {
        return call.refuse("takes 0 to 15 digits");
    }
    match number(call, 0)? {
        Num::Float(number) if digits > 0 => {
            let scale = 10f64.powi(digits as i32);
            let rounded = (number * scale).round() / scale;
            // So large a number has no digits after the point.
            give(
                call,
                Num::Float(if rounded.is_finite() { rounded } else { number }),
            )
        }
        _ => whole(call, f64::round),
    }
}

fn best<'s>(call: Arguments<'_, 's>, better: fn(std::cmp::Ordering) -> bool) -> Outcome<'s> {
    let mut best: Option<Value> = None;
    let mut consider = |at: usize, value: &Value| {
        call.evaluation.charge(1)?;
        if !value.is_number() {
            return Err(call.wrong(at, "a number", value));
        }
        let wins = best
            .as_ref()
            .is_none_or(|best| compare(value, best).is_some_and(better));
        if wins {
            best = Some(value.clone());
        }
        Ok(())
    };
    for at in 0..call.count() {
        match &*call.value(at)? {
            Value::Array(items) => items.iter().try_for_each(|item| consider(at, item))?,
            value => consider(at, value)?,
        }
    }
    match best {
        Some(best) => Ok(Cow::Owned(best)),
        None => call.refuse("needs at least one number"),
    }
}

fn total(call: Arguments<'_, '_>) -> Result<Num, Failure> {
    let mut total = Num::Integer(0);
    for item in call.list(0)?.iter() {
        call.evaluation.charge(1)?;
        let item = Num::of(item).ok_or_else(|| call.wrong(0, "an array of numbers", item))?;
        total = combine(call, total, item, i128::checked_add, |a, b| a + b)?;
    }
    Ok(total)
}

fn parse<'s>(call: Arguments<'_, 's>, text: &str) -> Outcome<'s> {
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Cow::Owned(number.into()));
    }
    if let Ok(number) = text.parse::<u64>() {
        return Ok(Cow::Owned(number.into()));
    }
    // A double would change an integer beyond 64 bits, and Rust reads `inf` and `nan`.
    let digits = text.trim_start_matches(['-', '+']);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.starts_with(|c: char| c.is_alphabetic()) {
        return call.refuse(format_args!("cannot read `{}` as a number", excerpt(text)));
    }
    match text.parse::<f64>().ok().and_then(Number::from_f64) {
        Some(number) => Ok(Cow::Owned(number.into())),
        None => call.refuse(format_args!("cannot read `{}` as a number", excerpt(text))),
    }
}
