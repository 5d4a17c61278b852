//! A body that has to be a JSON object.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{chat::Invalid, strict::Strict};

/// The fields of a body.
///
/// # Errors
/// When it is empty, not UTF-8, not JSON, has a name twice, or is no object.
pub(super) fn read(raw: &Bytes) -> Result<Map<String, Value>, Invalid> {
    let invalid = |message: String| Invalid {
        message,
        param: None,
    };
    let text = std::str::from_utf8(raw).map_err(|error| {
        let at = error.valid_up_to();
        invalid(format!("the body is not UTF-8 (first bad byte at {at})"))
    })?;
    if text.trim_ascii().is_empty() {
        return Err(invalid("the body is empty; send JSON".into()));
    }
    let Strict(body) = serde_json::from_str(text)
        .map_err(|error| invalid(format!("the body can't be read as JSON: {error}")))?;
    match body {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(invalid("the body must be a JSON object".into()))
        }
    }
}
