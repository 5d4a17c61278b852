//! Values of the expected type, or what is wrong with them.

use serde_json::{Map, Value};

use crate::wire::chat::Invalid;

pub(super) fn wrong(at: &str, wanted: &str, got: &Value) -> Invalid {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    Invalid::at(
        at,
        format!("invalid type for `{at}`: expected {wanted}, but got {got}"),
    )
}

pub(super) fn text<'v>(at: &str, value: &'v Value) -> Result<&'v str, Invalid> {
    value.as_str().ok_or_else(|| wrong(at, "a string", value))
}

pub(super) fn flag(at: &str, value: &Value) -> Result<bool, Invalid> {
    value
        .as_bool()
        .ok_or_else(|| wrong(at, "true or false", value))
}

pub(super) fn object<'v>(at: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Invalid> {
    value
        .as_object()
        .ok_or_else(|| wrong(at, "an object", value))
}

pub(super) fn list<'v>(at: &str, value: &'v Value) -> Result<&'v [Value], Invalid> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| wrong(at, "an array", value))
}

/// A whole number in this range.
pub(super) fn count(at: &str, value: &Value, least: u64, most: u64) -> Result<u64, Invalid> {
    let Value::Number(number) = value else {
        return Err(wrong(at, "a whole number", value));
    };
    let count = number
        .as_u64()
        .filter(|count| (least..=most).contains(count));
    count.ok_or_else(|| {
        let rule = format!("a whole number from {least} to {most}");
        Invalid::at(at, format!("`{at}` is {number}; it must be {rule}"))
    })
}

/// A field that is not `null`.
pub(super) fn given<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    fields.get(name).filter(|value| !value.is_null())
}

/// A field that has to be a string.
pub(super) fn needed<'v>(
    fields: &'v Map<String, Value>,
    at: &str,
    name: &str,
) -> Result<&'v str, Invalid> {
    let place = format!("{at}.{name}");
    match given(fields, name) {
        Some(value) => text(&place, value),
        None => Err(Invalid::at(
            &place,
            format!("`{at}` has no `{name}`; it needs one, a string"),
        )),
    }
}

/// What a client wrote, short enough to be quoted.
pub(super) fn quoted(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}
