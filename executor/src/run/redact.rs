//! Secrets stay out of the journal: where a step's output or error repeats one, it is written over.
//!
//! The running execution goes on with the output as it is; one that is taken up after a crash sees what was
//! written.

use serde_json::Value;

use crate::context::Secrets;
use crate::journal::StepRecord;

pub(super) const REDACTED: &str = "[redacted]";

/// Writes over the secrets in a record, and gives its output back as it was where that had any.
pub(super) fn redact(step: &mut StepRecord, secrets: &Secrets) -> Option<Value> {
    if let Some(error) = &mut step.error {
        error.message =
            redacted(&error.message, secrets).unwrap_or_else(|| std::mem::take(&mut error.message));
    }
    let redacted = redacted_value(&step.output, secrets)?;
    Some(std::mem::replace(&mut step.output, redacted))
}

/// `None` where there is nothing to write over.
fn redacted_value(value: &Value, secrets: &Secrets) -> Option<Value> {
    match value {
        Value::String(text) => redacted(text, secrets).map(Value::String),
        Value::Array(items) => {
            let changed: Vec<Option<Value>> =
                items.iter().map(|item| redacted_value(item, secrets)).collect();
            let items = changed.iter().any(Option::is_some).then(|| {
                let pairs = items.iter().zip(changed);
                pairs
                    .map(|(item, changed)| changed.unwrap_or_else(|| item.clone()))
                    .collect()
            });
            items.map(Value::Array)
        }
        Value::Object(fields) => {
            let mut changed = None;
            for (name, field) in fields {
                if let Some(field) = redacted_value(field, secrets) {
                    changed
                        .get_or_insert_with(|| fields.clone())
                        .insert(name.clone(), field);
                }
            }
            changed.map(Value::Object)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn redacted(text: &str, secrets: &Secrets) -> Option<String> {
    let mut changed = None;
    for secret in secrets.values().filter(|secret| !secret.is_empty()) {
        let seen = changed.as_deref().unwrap_or(text);
        if seen.contains(secret) {
            changed = Some(seen.replace(secret, REDACTED));
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::redacted_value;
    use crate::context::Secrets;

    #[test]
    fn writes_over_secrets_in_values_and_leaves_the_rest() {
        let secrets = Secrets::new(HashMap::from([("a".to_owned(), "s3cret".to_owned())]));
        let value = json!({"s3cret": 1, "list": ["x", "Bearer s3cret"], "deep": {"key": "s3crets3cret"}});
        let expected =
            json!({"s3cret": 1, "list": ["x", "Bearer [redacted]"], "deep": {"key": "[redacted][redacted]"}});
        assert_eq!(redacted_value(&value, &secrets), Some(expected));
        assert_eq!(redacted_value(&json!({"a": [1, "x", null]}), &secrets), None);
    }
}
