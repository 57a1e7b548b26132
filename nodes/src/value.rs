//! What nodes ask of JSON values.

use flowmatic_executor::expression::Template;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Whether a value counts as true: all do but `false`, `null`, `0`, `""`, `[]` and `{}`.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(value) => value.as_f64() != Some(0.0),
        Value::String(value) => !value.is_empty(),
        Value::Array(value) => !value.is_empty(),
        Value::Object(value) => !value.is_empty(),
    }
}

/// What is wrong with a condition: a text without an expression always holds.
pub fn check_condition(condition: &Value) -> Option<String> {
    let text = condition
        .as_str()
        .filter(|text| !text.is_empty() && !Template::is_template(text))?;
    Some(format!(
        "`{text}` has no expression and so always holds; write one such as `{{{{gt total 50}}}}`"
    ))
}

/// Whether two values are the same. `1` and `1.0` are; `1` and `"1"` are not.
pub fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => {
            left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, left)| right.get(name).is_some_and(|right| is_equal(left, right)))
        }
        _ => left == right,
    }
}

/// Reads a field that is there, so that a `null` in it differs from a missing field.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The JSON pointer (RFC 6901) to a place.
pub fn pointer<'a>(path: impl IntoIterator<Item = &'a str>) -> String {
    path.into_iter()
        .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{check_condition, is_equal, is_truthy, pointer};

    #[test]
    fn six_values_are_falsy() {
        for value in [
            json!(false),
            Value::Null,
            json!(0),
            json!(0.0),
            json!(-0.0),
            json!(""),
            json!([]),
            json!({}),
        ] {
            assert!(!is_truthy(&value), "{value}");
        }
        for value in [
            json!(true),
            json!(-1),
            json!(0.1),
            json!("0"),
            json!("false"),
            json!([0]),
            json!({"a": null}),
        ] {
            assert!(is_truthy(&value), "{value}");
        }
    }

    #[test]
    fn a_condition_without_an_expression_is_a_mistake() {
        assert!(
            check_condition(&json!("total > 50"))
                .expect("a problem")
                .ends_with("`{{gt total 50}}`")
        );
        for fine in [json!("{{total}}"), json!(true), json!("")] {
            assert_eq!(check_condition(&fine), None);
        }
    }

    #[test]
    fn numbers_are_equal_by_what_they_count() {
        assert!(is_equal(&json!({"a": [1, 2.0]}), &json!({"a": [1.0, 2]})));
        assert!(is_equal(&json!({"a": 1, "b": 2}), &json!({"b": 2, "a": 1})));
        assert!(!is_equal(&json!(1), &json!("1")));
        assert!(!is_equal(&json!(u64::MAX), &json!(u64::MAX - 1)));
        assert!(!is_equal(&json!({"a": 1}), &json!({"b": 1})));
        assert!(!is_equal(&json!([1]), &json!([1, 2])));
        assert!(!is_equal(&Value::Null, &json!(false)));
    }

    #[test]
    fn pointers_are_escaped() {
        assert_eq!(pointer(["headers", "a/b~c"]), "/headers/a~1b~0c");
    }
}
