//! Every second change is one of the JSON: after changes of bytes it hardly ever is JSON still.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| flowmatic_fuzz::graph(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = change(&data[..size], seed).filter(|text| seed.is_multiple_of(2) && text.len() <= max_size);
    let Some(text) = changed else {
        return fuzzer_mutate(data, size, max_size);
    };
    data[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
});

/// A copy of one of its values takes the place of another one, or is put into it; or a value is taken away, or a
/// text changed.
fn change(text: &[u8], seed: u32) -> Option<String> {
    let mut json: Value = serde_json::from_slice(text).ok()?;
    let mut random = StdRng::seed_from_u64(seed.into());
    let mut places = Vec::new();
    list(&json, String::new(), &mut places);
    let mut any = || places[random.random_range(0..places.len())].clone();
    let (from, to) = (any(), any());
    let copy = json.pointer(&from)?.clone();
    let name = from.rsplit('/').next().unwrap_or_default();
    match (random.random_range(0..4), json.pointer_mut(&to)?) {
        (0, Value::Array(items)) => items.insert(random.random_range(0..=items.len()), copy),
        (0, Value::Object(fields)) => {
            fields.insert(name.to_owned(), copy);
        }
        (1, Value::Array(items)) if !items.is_empty() => {
            items.remove(random.random_range(0..items.len()));
        }
        (1, Value::Object(fields)) if !fields.is_empty() => {
            let key = fields.keys().nth(random.random_range(0..fields.len())).cloned();
            fields.remove(&key?);
        }
        (0 | 1, Value::String(text)) => {
            let mut bytes = text.clone().into_bytes();
            let length = bytes.len();
            bytes.resize(length + 16, 0);
            let length = fuzzer_mutate(&mut bytes, length, length + 16);
            *text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        }
        (_, place) => *place = copy,
    }
    Some(json.to_string())
}

/// The pointers to all values.
fn list(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                list(item, format!("{at}/{index}"), places);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                list(field, format!("{at}/{key}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}
