//! Secrets stay out of the journal: where a step's output or error repeats one, it is written over.
//!
//! The running execution goes on with the output as it is. One that is taken up after a crash makes the outputs of
//! pure nodes again; of an effect it sees what was written.

use serde_json::Value;

use crate::context::Secrets;
use crate::journal::{ErrorRecord, StepRecord};

pub(super) const REDACTED: &str = "[redacted]";

/// Writes over the secrets in a step's output, and gives it back as it was where it had any.
pub(super) fn redact(step: &mut StepRecord, secrets: &Secrets) -> Option<Value> {
    let redacted = redacted_value(&step.output, secrets)?;
    Some(std::mem::replace(&mut step.output, redacted))
}

/// A value with its secrets written over.
pub(super) fn redacted(value: &Value, secrets: &Secrets) -> Value {
    redacted_value(value, secrets).unwrap_or_else(|| value.clone())
}

/// Writes over the secrets in an error.
pub(super) fn redact_error(error: &mut ErrorRecord, secrets: &Secrets) {
    for text in [&mut error.code, &mut error.message] {
        if let Some(redacted) = redacted_text(text, secrets) {
            *text = redacted;
        }
    }
}

/// `None` where there is nothing to write over.
fn redacted_value(value: &Value, secrets: &Secrets) -> Option<Value> {
    match value {
        Value::String(text) => redacted_text(text, secrets).map(Value::String),
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
            let changed: Vec<(Option<String>, Option<Value>)> = fields
                .iter()
                .map(|(name, field)| (redacted_text(name, secrets), redacted_value(field, secrets)))
                .collect();
            let is_changed = changed
                .iter()
                .any(|(name, field)| name.is_some() || field.is_some());
            is_changed.then(|| {
                let pairs = fields.iter().zip(changed);
                pairs
                    .map(|((name, field), (new_name, new_field))| {
                        (
                            new_name.unwrap_or_else(|| name.clone()),
                            new_field.unwrap_or_else(|| field.clone()),
                        )
                    })
                    .collect()
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Whether something in it was written over.
pub(super) fn is_redacted(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(REDACTED),
        Value::Array(items) => items.iter().any(is_redacted),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, field)| name.contains(REDACTED) || is_redacted(field)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn redacted_text(text: &str, secrets: &Secrets) -> Option<String> {
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
        let expected = json!({"[redacted]": 1, "list": ["x", "Bearer [redacted]"], "deep": {"key": "[redacted][redacted]"}});
        assert_eq!(redacted_value(&value, &secrets), Some(expected));
        assert_eq!(redacted_value(&json!({"a": [1, "x", null]}), &secrets), None);
    }
}
