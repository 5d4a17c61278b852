//! Events, and what is in them.

use serde_json::{Map, Value, json};

use super::items::Item;
use crate::wire::{chat::write_json, error_body::ErrorObject};

/// Writes the event that an error is, under this number.
pub(super) fn write_error(out: &mut Vec<u8>, number: u64, error: &ErrorObject) {
    let fields = json!({
        "code": error.code, "message": error.message, "param": error.param,
    });
    write_event(out, "error", number, fields);
}

/// Writes the event `kind` under this number.
pub(super) fn write_event(out: &mut Vec<u8>, kind: &str, number: u64, fields: Value) {
    let mut event = Map::from_iter([
        ("type".to_owned(), json!(kind)),
        ("sequence_number".to_owned(), json!(number)),
    ]);
    if let Value::Object(fields) = fields {
        event.extend(fields);
    }
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write_json(out, &event);
    out.extend_from_slice(b"\n\n");
}

/// `fields` of an event, with the item that it is about.
pub(super) fn about(item: &Item, fields: Value) -> Value {
    let mut about = Map::from_iter([
        ("item_id".to_owned(), json!(item.id)),
        ("output_index".to_owned(), json!(item.place)),
    ]);
    if let Value::Object(fields) = fields {
        about.extend(fields);
    }
    Value::Object(about)
}

/// The probabilities of a token; bytes that are not told are none.
pub(super) fn probability(mut token: Value) -> Value {
    let bytes = |token: &mut Value| {
        if let Some(fields) = token.as_object_mut()
            && fields.get("bytes").is_none_or(Value::is_null)
        {
            fields.insert("bytes".to_owned(), json!([]));
        }
    };
    bytes(&mut token);
    if let Some(fields) = token.as_object_mut() {
        let others = fields.entry("top_logprobs").or_insert(Value::Null);
        match others.as_array_mut() {
            Some(list) => list.iter_mut().for_each(bytes),
            None => *others = json!([]),
        }
    }
    token
}

/// A reference as a response has it: chat answers nest its fields under its type.
pub(super) fn flat(annotation: Value) -> Value {
    let Value::Object(mut fields) = annotation else {
        return annotation;
    };
    let kind = fields
        .get("type")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let inner = kind.and_then(|kind| fields.shift_remove(&kind));
    if let Some(Value::Object(inner)) = inner {
        fields.extend(inner);
    }
    Value::Object(fields)
}
