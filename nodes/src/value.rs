//! What nodes ask of JSON values.

use flowmatic_executor::expression::Template;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What is wrong with a condition: a text without an expression always holds.
pub fn check_condition(condition: &Value) -> Option<String> {
    let text = condition
        .as_str()
        .filter(|text| !text.is_empty() && !Template::is_template(text))?;
    Some(format!(
        "`{text}` has no expression and so always holds; write one such as `{{{{gt total 50}}}}`"
    ))
}

/// Reads a field that is there, so that a `null` in it differs from a missing field.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check_condition;

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
}
