//! Reading single values, with where they stand.

use serde_json::{Map, Value};

use crate::wire::{chat::Invalid, native::Only};

/// A value of the wrong kind.
pub(super) fn expected(at: &str, wanted: &str, got: &Value) -> Invalid {
    let got = match got {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.is_empty() => "an empty string".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    Invalid::at(at, format!("`{at}` must be {wanted}, but is {got}"))
}

/// A field that nobody here has heard of.
pub(super) fn unknown(param: &str) -> Only {
    Only {
        param: param.to_owned(),
        lacks: "has nothing like it".to_owned(),
    }
}

/// The fields of an object that may be left out.
pub(super) fn maybe_object<'v>(
    at: &str,
    value: Option<&'v Value>,
) -> Result<Option<&'v Map<String, Value>>, Invalid> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(fields)) => Ok(Some(fields)),
        Some(other) => Err(expected(at, "an object", other)),
    }
}

/// The fields of an object.
pub(super) fn object<'v>(at: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Invalid> {
    value
        .as_object()
        .ok_or_else(|| expected(at, "an object", value))
}

/// A text that may be left out.
pub(super) fn maybe_text<'v>(
    at: &str,
    value: Option<&'v Value>,
) -> Result<Option<&'v str>, Invalid> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(expected(at, "a string", other)),
    }
}

/// The text in a field of the object at `at`.
pub(super) fn text_at<'v>(
    at: &str,
    fields: &'v Map<String, Value>,
    name: &str,
) -> Result<&'v str, Invalid> {
    let value = fields.get(name).unwrap_or(&Value::Null);
    value
        .as_str()
        .ok_or_else(|| expected(&format!("{at}.{name}"), "a string", value))
}

/// What the object at `at` says that it is.
pub(super) fn type_of<'v>(at: &str, value: &'v Value) -> Result<&'v str, Invalid> {
    text_at(at, object(at, value)?, "type")
}

/// The items of an array.
pub(super) fn array<'v>(at: &str, value: &'v Value) -> Result<&'v [Value], Invalid> {
    let items = value.as_array().map(Vec::as_slice);
    items.ok_or_else(|| expected(at, "an array", value))
}

/// Texts, none of them empty.
pub(super) fn texts_at<'v>(at: &str, value: &'v Value) -> Result<Vec<&'v str>, Invalid> {
    let texts = array(at, value)?.iter().enumerate().map(|(place, text)| {
        let text_of = text.as_str().filter(|text| !text.is_empty());
        text_of.ok_or_else(|| {
            expected(
                &format!("{at}[{place}]"),
                "a string that is not empty",
                text,
            )
        })
    });
    texts.collect()
}

/// True or false; false if it is left out.
pub(super) fn flag(at: &str, value: Option<&Value>) -> Result<bool, Invalid> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(expected(at, "true or false", other)),
    }
}
