//! The cursor of a list, as a query brings it.

use std::borrow::Cow;
use std::ops::Deref;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, Type};

/// The `next_cursor` of the page before: 16 bytes in URL-safe Base64 without padding.
#[derive(Debug)]
pub struct Cursor(String);

impl Deref for Cursor {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Type for Cursor {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string(cursor)".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            pattern: Some("^[A-Za-z0-9_-]{21}[AQgw]$".to_owned()),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

/// The `next_cursor` of a list that can be ordered by several fields: it holds a value of that field.
#[derive(Debug)]
pub struct LongCursor(String);

/// The longest one holds a name of 200 characters.
const LONGEST: usize = 1_100;

impl Deref for LongCursor {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Type for LongCursor {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string(long-cursor)".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            pattern: Some("^[A-Za-z0-9_-]{22,}$".to_owned()),
            max_length: Some(LONGEST),
            ..MetaSchema::new("string")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromParameter for LongCursor {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        match URL_SAFE_NO_PAD.decode(value) {
            Ok(bytes) if bytes.len() >= 16 && value.len() <= LONGEST => Ok(Self(value.to_owned())),
            _ => Err(ParseError::custom("it is no `next_cursor` of such a list")),
        }
    }
}

impl ParseFromParameter for Cursor {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        match URL_SAFE_NO_PAD.decode(value) {
            Ok(bytes) if bytes.len() == 16 => Ok(Self(value.to_owned())),
            _ => Err(ParseError::custom("it is no `next_cursor` of such a list")),
        }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ParseFromParameter;

    use super::Cursor;

    #[test]
    fn takes_sixteen_bytes() {
        let digits = "A".repeat(21);
        for last in ["A", "Q", "g", "w"] {
            assert!(Cursor::parse_from_parameter(&(digits.clone() + last)).is_ok());
        }
        for wrong in [
            "",
            "x",
            &digits,
            &(digits.clone() + "B"),
            &(digits.clone() + "A="),
            &"A".repeat(23),
        ] {
            assert!(Cursor::parse_from_parameter(wrong).is_err(), "{wrong}");
        }
    }
}
