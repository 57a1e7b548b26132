//! Objects.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::list::give as give_list;
use super::{Helper, MANY, helper};
use crate::expression::arguments::{Arguments, excerpt};
use crate::expression::evaluate::{Failure, Outcome};

pub const HELPERS: &[Helper] = &[
    helper(
        "object",
        "name=value...",
        (0, 0),
        "the object of some values by their names, in the names' order; `{}` is the empty one",
        |call| {
            let fields = call.call.named.iter().map(|(name, value)| {
                let value = call.evaluation.value(value, call.frame)?;
                Ok((name.clone(), call.evaluation.own(value)?))
            });
            give(fields.collect::<Result<_, Failure>>()?)
        },
    ),
    helper(
        "lookup",
        "value key",
        (2, 2),
        "the field or the array's value that a key names; missing is an error",
        |call| {
            let key = call.value(1)?;
            let index = || {
                key.as_u64()
                    .map(|index| index as usize)
                    .or_else(|| key.as_str()?.parse().ok())
            };
            let found = match call.value(0)? {
                Cow::Borrowed(Value::Array(items)) => {
                    index().and_then(|index| items.get(index)).map(Cow::Borrowed)
                }
                Cow::Borrowed(Value::Object(fields)) => {
                    key.as_str().and_then(|key| fields.get(key)).map(Cow::Borrowed)
                }
                Cow::Owned(Value::Array(mut items)) => index()
                    .and_then(|index| items.get_mut(index))
                    .map(|item| Cow::Owned(item.take())),
                Cow::Owned(Value::Object(mut fields)) => key
                    .as_str()
                    .and_then(|key| fields.get_mut(key))
                    .map(|value| Cow::Owned(value.take())),
                _ => None,
            };
            found.ok_or_else(|| match &*key {
                Value::String(key) => Failure::missing(&excerpt(key)),
                Value::Number(key) => Failure::missing(&key.to_string()),
                other => call.wrong(1, "a text or a number", other),
            })
        },
    ),
    helper(
        "keys",
        "object",
        (1, 1),
        "the array of an object's names",
        |call| {
            let fields = call.object(0)?;
            let keys = fields.keys().map(|key| {
                call.evaluation.charge_bytes(key.len() + 64)?;
                Ok(Value::from(key.as_str()))
            });
            give_list(keys.collect::<Result<_, Failure>>()?)
        },
    ),
    helper(
        "values",
        "object",
        (1, 1),
        "the array of an object's values",
        |call| {
            let fields = call.object(0)?;
            let values = fields
                .values()
                .map(|value| call.evaluation.own(Cow::Borrowed(value)));
            give_list(values.collect::<Result<_, _>>()?)
        },
    ),
    helper(
        "pick",
        "object name...",
        (2, MANY),
        "the object with these fields only",
        |call| select(call, |named| named),
    ),
    helper(
        "omit",
        "object name...",
        (2, MANY),
        "the object without these fields",
        |call| select(call, |named| !named),
    ),
    helper(
        "merge",
        "object other...",
        (1, MANY),
        "the fields of all objects; of a name that several have, the last value",
        |call| {
            let mut merged = Map::new();
            for at in 0..call.count() {
                for (key, value) in call.object(at)?.iter() {
                    call.evaluation.charge_bytes(key.len() + 64)?;
                    merged.insert(key.clone(), call.evaluation.own(Cow::Borrowed(value))?);
                }
            }
            give(merged)
        },
    ),
];

fn give<'s>(fields: Map<String, Value>) -> Outcome<'s> {
    Ok(Cow::Owned(Value::Object(fields)))
}

fn select<'s>(call: Arguments<'_, 's>, keep: fn(bool) -> bool) -> Outcome<'s> {
    let fields = call.object(0)?;
    let names = (1..call.count()).map(|at| call.text(at));
    let names: Vec<Cow<'_, str>> = names.collect::<Result<_, _>>()?;
    let mut selected = Map::new();
    for (key, value) in fields.iter() {
        call.evaluation.charge(names.len())?;
        call.evaluation.charge_bytes(key.len() + 64)?;
        if keep(names.iter().any(|name| name == key)) {
            selected.insert(key.clone(), call.evaluation.own(Cow::Borrowed(value))?);
        }
    }
    give(selected)
}
