//! Parameters that are text in the end, and may be given as a number or a boolean.

use std::borrow::Cow;

use flowmatic_executor::Param;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// Text. `{{order.total}}` keeps its JSON type, so a number or a boolean is taken too and written as in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub String);

impl TryFrom<Value> for Text {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Ok(Self(text)),
            Value::Number(_) | Value::Bool(_) => Ok(Self(value.to_string())),
            Value::Null => Err("expected text, found null".to_owned()),
            Value::Array(_) => Err("expected text, found a list".to_owned()),
            Value::Object(_) => Err("expected text, found an object".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// Names and their texts, in the order they were written. A name whose value is null is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(pub Vec<(String, String)>);

impl TryFrom<Map<String, Value>> for Texts {
    type Error = String;

    fn try_from(fields: Map<String, Value>) -> Result<Self, String> {
        fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| match Text::try_from(value) {
                Ok(Text(text)) => Ok((name, text)),
                Err(error) => Err(format!("`{name}`: {error}")),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<Option<Param<Text>>>();
        json_schema!({"type": "object", "additionalProperties": text, "maxProperties": 1000})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::{Text, Texts};

    #[test]
    fn takes_numbers_and_booleans_as_text() {
        for (value, text) in [(json!("a"), "a"), (json!(1.5), "1.5"), (json!(true), "true")] {
            assert_eq!(from_value::<Text>(value).expect("text"), Text(text.to_owned()));
        }
        let error = from_value::<Text>(json!([])).expect_err("a list is no text");
        assert_eq!(error.to_string(), "expected text, found a list");
    }

    #[test]
    fn keeps_the_order_and_leaves_nulls_out() {
        let texts: Texts = from_value(json!({"b": 1, "none": null, "a": "x"})).expect("texts");
        assert_eq!(
            texts.0,
            [("b".to_owned(), "1".to_owned()), ("a".to_owned(), "x".to_owned())]
        );
        let error = from_value::<Texts>(json!({"a": {}})).expect_err("an object is no text");
        assert_eq!(error.to_string(), "`a`: expected text, found an object");
    }
}
