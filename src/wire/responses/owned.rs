//! What OpenAI keeps and finds again by its id alone, for whoever has the key.
//!
//! The gateway's clients share that key. Invariant: an id leads a request to what OpenAI keeps only if it was told to
//! the same client before.

use serde_json::{Map, Value};

use super::id;
use crate::wire::chat::Invalid;

/// An item that is taken for one of the gateway's own, which is told to no provider.
const NOBODYS: &str = "rs_refrain_unknown";

/// Sees to the ids in `items`, which stand at `input`. Thoughts that are only an id stay here; whatever they belong
/// to goes without its id, since OpenAI wants both or neither.
///
/// # Errors
/// [`Invalid`] for an item that is nothing without what its id leads to.
pub(super) fn items(items: &mut [Value], is_own: &dyn Fn(&str) -> bool) -> Result<(), Invalid> {
    let mut has_lost = false;
    for (place, item) in items.iter_mut().enumerate() {
        if id::is_ours(item) {
            continue;
        }
        let Some(fields) = item.as_object_mut() else {
            continue;
        };
        let kind = fields.get("type").and_then(Value::as_str);
        let kind = kind.unwrap_or(if fields.contains_key("role") {
            "message"
        } else {
            "item_reference"
        });
        let known = |name: &str| fields.get(name).and_then(Value::as_str).is_none_or(is_own);
        match kind {
            "reasoning" => {
                let is_sealed = fields
                    .get("encrypted_content")
                    .is_some_and(Value::is_string);
                if !is_sealed && !known("id") {
                    fields.insert("id".to_owned(), NOBODYS.into());
                    has_lost = true;
                }
            }
            "message" | "function_call" | "custom_tool_call" => {}
            kind if kind == "item_reference" || kind.ends_with("_call") => {
                for name in ["id", "container_id"] {
                    if !known(name) {
                        return Err(unknown(format!("input[{place}].{name}")));
                    }
                }
            }
            _ => {}
        }
    }
    if has_lost {
        for fields in items.iter_mut().filter_map(Value::as_object_mut) {
            if fields.get("type").is_none_or(|kind| kind != "reasoning") {
                fields.shift_remove("id");
            }
        }
    }
    Ok(())
}

/// Checks the places that `tools` are to work in.
///
/// # Errors
/// [`Invalid`] for one that was not told to this client.
pub(super) fn tools(tools: &Value, is_own: &dyn Fn(&str) -> bool) -> Result<(), Invalid> {
    for (place, tool) in tools.as_array().into_iter().flatten().enumerate() {
        let named = [
            ("container", tool.get("container")),
            (
                "environment.container_id",
                tool.get("environment")
                    .and_then(|it| it.get("container_id")),
            ),
        ];
        for (name, value) in named {
            if value.and_then(Value::as_str).is_some_and(|id| !is_own(id)) {
                return Err(unknown(format!("tools[{place}].{name}")));
            }
        }
    }
    Ok(())
}

fn unknown(at: String) -> Invalid {
    let message = format!(
        "`{at}` leads to nothing that this gateway knows to be yours: it was not told to this key, or a while ago; \
         send the item itself, continue by `previous_response_id`, or have a new container made"
    );
    Invalid::at(at, message)
}

/// The ids in a response by which OpenAI finds things again.
#[must_use]
pub fn ids(response: &[u8]) -> Vec<String> {
    let response: Map<String, Value> = serde_json::from_slice(response).unwrap_or_default();
    let items = response.get("output").and_then(Value::as_array);
    let named = items.into_iter().flatten().flat_map(|item| {
        let ids = ["id", "container_id"].map(|name| item.get(name).and_then(Value::as_str));
        ids.into_iter().flatten()
    });
    named.map(str::to_owned).collect()
}
