//! The client's own words, for providers that speak the interface.

use bytes::Bytes;
use serde_json::{Value, value::RawValue};

use super::id;
use crate::wire::{chat::write_json, strict::TopLevel};

/// The body for such a provider, of the client's bytes without the gateway's own fields. What an earlier
/// response stands for is written out (`history`), and ids that were made here are left out of the items
/// `new`. Only what has to change does.
pub(super) fn body(raw: &Bytes, history: Option<&[Value]>, new: &[Value]) -> Bytes {
    if history.is_none() && !new.iter().any(id::is_ours) {
        return raw.clone();
    }
    let Ok(TopLevel::<&RawValue>(fields)) = serde_json::from_slice(raw) else {
        return raw.clone();
    };
    let input = input(history.unwrap_or_default(), new);
    let stays =
        |name: &str| name != "input" && (history.is_none() || name != "previous_response_id");
    let old = fields.iter().filter(|(name, _)| stays(name));
    let old = old.map(|(name, value)| (name.as_str(), value.get().as_bytes()));
    object(old.chain([("input", &*input)])).into()
}

/// An object of these fields, whose values are written already.
pub(super) fn object<'f>(fields: impl Iterator<Item = (&'f str, &'f [u8])>) -> Vec<u8> {
    let mut bytes = vec![b'{'];
    for (name, value) in fields {
        if bytes.len() > 1 {
            bytes.push(b',');
        }
        write_json(&mut bytes, name);
        bytes.push(b':');
        bytes.extend_from_slice(value);
    }
    bytes.push(b'}');
    bytes
}

fn input(history: &[Value], new: &[Value]) -> Vec<u8> {
    let items: Vec<Value> = history.iter().chain(new).filter_map(outgoing).collect();
    let mut bytes = Vec::new();
    write_json(&mut bytes, &items);
    bytes
}

/// An item as a provider gets it: nobody but the gateway knows the ids that it made, and thoughts without their
/// maker's seal are of no use to anybody who asks for it.
pub(super) fn outgoing(item: &Value) -> Option<Value> {
    if !id::is_ours(item) {
        return Some(item.clone());
    }
    let is_thought = item.get("type").is_some_and(|kind| kind == "reasoning");
    let is_sealed = item.get("encrypted_content").is_some_and(Value::is_string);
    if is_thought && !is_sealed {
        return None;
    }
    let mut item = item.clone();
    if let Some(fields) = item.as_object_mut() {
        fields.shift_remove("id");
    }
    Some(item)
}
