//! Arrays.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::Value;

use super::logic::{compare, equal};
use super::{Helper, MANY, helper};
use crate::expression::arguments::Arguments;
use crate::expression::evaluate::{Failure, Outcome};

pub const HELPERS: &[Helper] = &[
    helper(
        "list",
        "a b...",
        (1, MANY),
        "the array of some values; `[]` is the empty one",
        |call| {
            let items = (0..call.count()).map(|at| call.evaluation.own(call.value(at)?));
            give(items.collect::<Result<_, _>>()?)
        },
    ),
    helper(
        "range",
        "from to",
        (2, 2),
        "the integers from the first up to, not including, the second",
        |call| {
            let (from, to) = (call.integer(0)?, call.integer(1)?);
            call.evaluation
                .charge(usize::try_from(to.saturating_sub(from)).unwrap_or(0))?;
            give((from..to).map(Value::from).collect())
        },
    ),
    helper(
        "first",
        "array",
        (1, 1),
        "the first value, null where there is none",
        |call| place(call, |length| length.min(1).checked_sub(1)),
    ),
    helper(
        "last",
        "array",
        (1, 1),
        "the last value, null where there is none",
        |call| place(call, |length| length.checked_sub(1)),
    ),
    helper(
        "at",
        "array place",
        (2, 2),
        "the value at a place, null where there is none; a negative place counts from the end",
        |call| {
            let index = call.integer(1)?;
            place_at(call, |length| {
                let index = if index < 0 {
                    index.checked_add_unsigned(length as u64)?
                } else {
                    index
                };
                usize::try_from(index).ok()
            })
        },
    ),
    helper(
        "index_of",
        "array value",
        (2, 2),
        "the place of the first such value, -1 where there is none",
        |call| {
            let (items, value) = (call.list(0)?, call.value(1)?);
            for (index, item) in items.iter().enumerate() {
                if equal(call.evaluation, item, &value)? {
                    return Ok(Cow::Owned(index.into()));
                }
            }
            Ok(Cow::Owned((-1).into()))
        },
    ),
    helper("reverse", "array", (1, 1), "the array backwards", |call| {
        let mut items = owned(call, 0)?;
        items.reverse();
        give(items)
    }),
    helper(
        "sort",
        "array field?",
        (1, 2),
        "the array in order, least first: of numbers, of texts, or by a field of objects",
        sort,
    ),
    helper(
        "unique",
        "array",
        (1, 1),
        "the array without the values that came before",
        |call| {
            let items = owned(call, 0)?;
            let mut seen = HashSet::with_capacity(items.len());
            let first: Vec<bool> = items.iter().map(|item| seen.insert(item)).collect();
            let kept = items.iter().zip(first).filter(|(_, first)| *first);
            give(kept.map(|(item, _)| item.clone()).collect())
        },
    ),
    helper(
        "flatten",
        "array",
        (1, 1),
        "the array with the values of the arrays in it, one level deep",
        |call| {
            let mut flat = Vec::new();
            for item in owned(call, 0)? {
                match item {
                    Value::Array(items) => flat.extend(items),
                    item => flat.push(item),
                }
            }
            give(flat)
        },
    ),
    helper(
        "pluck",
        "array field",
        (2, 2),
        "the array of one field of each object, null where it has none",
        |call| {
            let (items, field) = (call.list(0)?, call.text(1)?);
            let values = items.iter().map(|item| {
                let value = item.get(&*field).unwrap_or(&Value::Null);
                call.evaluation.own(Cow::Borrowed(value))
            });
            give(values.collect::<Result<_, _>>()?)
        },
    ),
];

pub fn give<'s>(items: Vec<Value>) -> Outcome<'s> {
    Ok(Cow::Owned(Value::Array(items)))
}

/// The places from and to within a length; a negative one counts from the end.
pub fn range(from: i64, to: i64, length: usize) -> (usize, usize) {
    let place = |place: i64| {
        let place = if place < 0 {
            place.saturating_add_unsigned(length as u64)
        } else {
            place
        };
        usize::try_from(place).unwrap_or(0).min(length)
    };
    let from = place(from);
    (from, place(to).max(from))
}

fn owned(call: Arguments<'_, '_>, at: usize) -> Result<Vec<Value>, Failure> {
    let items = call.list(at)?;
    items
        .iter()
        .try_for_each(|item| call.evaluation.charge_value(item))?;
    Ok(items.into_owned())
}

fn place<'s>(call: Arguments<'_, 's>, index: fn(usize) -> Option<usize>) -> Outcome<'s> {
    place_at(call, index)
}

fn place_at<'s>(call: Arguments<'_, 's>, index: impl FnOnce(usize) -> Option<usize>) -> Outcome<'s> {
    let found = match call.list(0)? {
        Cow::Borrowed(items) => index(items.len())
            .and_then(|index| items.get(index))
            .map(Cow::Borrowed),
        Cow::Owned(mut items) => index(items.len())
            .filter(|index| *index < items.len())
            .map(|index| Cow::Owned(items.swap_remove(index))),
    };
    Ok(found.unwrap_or(Cow::Owned(Value::Null)))
}

fn sort<'s>(call: Arguments<'_, 's>) -> Outcome<'s> {
    let mut items = owned(call, 0)?;
    // Each value is compared about as often as the length has binary digits.
    for _ in 0..usize::BITS - items.len().leading_zeros() {
        items
            .iter()
            .try_for_each(|item| call.evaluation.charge_value(item))?;
    }
    let field = if call.has(1) { Some(call.text(1)?) } else { None };
    let key = |item: &Value| match &field {
        Some(field) => item.get(&**field).cloned().unwrap_or(Value::Null),
        None => item.clone(),
    };
    let keys: Vec<Value> = items.iter().map(key).collect();
    let Some(first) = keys.first() else {
        return give(items);
    };
    if keys.iter().any(|key| compare(first, key).is_none()) {
        return call.refuse("needs numbers only or texts only");
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|one, other| compare(&keys[*one], &keys[*other]).unwrap_or(Ordering::Equal));
    give(order.into_iter().map(|at| items[at].take()).collect())
}
