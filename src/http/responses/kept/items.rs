//! The input of a kept response as a list of items, a page at a time.
//!
//! What clients send in short is listed in full, as OpenAI does: a message has a type, a status and
//! parts, and every item has an id. Pure. Invariant: the ids of one input differ from each other and are
//! the same each time, so that paging ends and misses nothing.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

/// Which items are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page<'a> {
    /// So many at most.
    pub(super) limit: usize,
    pub(super) order: Order,
    /// Those behind the item of this id, in this order.
    pub(super) after: Option<&'a str>,
}

/// Which item comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

/// Why there is no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlisted {
    /// No item has the id of `after`.
    UnknownAfter,
    /// The input is no array of objects.
    NoItems,
}

/// What has to be known of each item before the page is known.
#[derive(Deserialize)]
struct Head {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// A page of `input`, as the list object of OpenAI. `hash` makes the ids of items that have none; it has to tell
/// any two texts apart.
pub(super) fn list(
    input: &[u8],
    page: &Page<'_>,
    hash: impl Fn(&[u8]) -> [u8; 32],
) -> Result<Value, Unlisted> {
    let items: Vec<&RawValue> = serde_json::from_slice(input).map_err(|_| Unlisted::NoItems)?;
    let ids = ids(&items, hash)?;
    let mut named: Vec<(&String, &&RawValue)> = ids.iter().zip(&items).collect();
    if page.order == Order::NewestFirst {
        named.reverse();
    }
    let first = match page.after {
        None => 0,
        Some(after) => {
            let found = named.iter().position(|(id, _)| *id == after);
            found.ok_or(Unlisted::UnknownAfter)? + 1
        }
    };
    let wanted = named.into_iter().skip(first).take(page.limit);
    let wanted: Vec<(&String, &&RawValue)> = wanted.collect();
    let data = wanted.iter().map(|(id, item)| in_full(id, item));
    let data = data.collect::<Result<Vec<Value>, Unlisted>>()?;
    Ok(json!({
        "object": "list",
        "data": data,
        "first_id": wanted.first().map(|(id, _)| id),
        "last_id": wanted.last().map(|(id, _)| id),
        "has_more": first + wanted.len() < items.len(),
    }))
}

/// The ids of all items: their own, or where these are missing or there for the second time, ones that
/// follow from place and content.
fn ids(items: &[&RawValue], hash: impl Fn(&[u8]) -> [u8; 32]) -> Result<Vec<String>, Unlisted> {
    let mut taken = HashSet::new();
    let mut ids = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let head: Head = serde_json::from_str(item.get()).map_err(|_| Unlisted::NoItems)?;
        let own = head.id.filter(|id| !id.is_empty() && !taken.contains(id));
        let id = own.unwrap_or_else(|| {
            let text = format!("{at} {item}");
            let hash = blake3::Hash::from_bytes(hash(text.as_bytes())).to_hex();
            let prefix = match head.kind.as_deref() {
                None | Some("message") => "msg",
                Some("reasoning") => "rs",
                Some("function_call") => "fc",
                Some("function_call_output") => "fco",
                Some(_) => "item",
            };
            let short: String = hash.chars().take(40).collect();
            format!("{prefix}_{short}")
        });
        taken.insert(id.clone());
        ids.push(id);
    }
    Ok(ids)
}

/// An item with what clients may leave out.
fn in_full(id: &str, item: &RawValue) -> Result<Value, Unlisted> {
    let item: Map<String, Value> =
        serde_json::from_str(item.get()).map_err(|_| Unlisted::NoItems)?;
    let kind = match item.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        _ => "message".to_owned(),
    };
    let by_assistant = item.get("role").is_some_and(|role| role == "assistant");
    let mut full = Map::new();
    full.insert("id".to_owned(), id.into());
    full.insert("type".to_owned(), kind.as_str().into());
    for (name, value) in item {
        let value = match (kind.as_str(), name.as_str(), value) {
            (_, "id" | "type", _) => continue,
            // Clients may say that they don't know.
            (_, "status", Value::Null) => continue,
            ("message", "content", content) => parts(content, by_assistant),
            (_, _, value) => value,
        };
        full.insert(name, value);
    }
    if ["message", "function_call", "function_call_output"].contains(&kind.as_str()) {
        full.entry("status").or_insert("completed".into());
    }
    Ok(full.into())
}

/// The content of a message as parts.
fn parts(content: Value, by_assistant: bool) -> Value {
    let text = |text: String| match by_assistant {
        true => json!({"type": "output_text", "text": text, "annotations": []}),
        false => json!({"type": "input_text", "text": text}),
    };
    match content {
        Value::String(content) => Value::Array(vec![text(content)]),
        Value::Array(parts) => parts.into_iter().map(part_in_full).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) => other,
    }
}

fn part_in_full(mut part: Value) -> Value {
    if let Value::Object(fields) = &mut part {
        match fields.get("type").and_then(Value::as_str) {
            Some("output_text") => {
                fields.entry("annotations").or_insert(json!([]));
            }
            Some("input_image") => {
                fields.entry("detail").or_insert("auto".into());
            }
            _ => {}
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(text: &[u8]) -> [u8; 32] {
        blake3::hash(text).into()
    }

    fn page(limit: usize, order: Order, after: Option<&str>) -> Page<'_> {
        Page {
            limit,
            order,
            after,
        }
    }

    fn listed(input: &Value) -> Value {
        let page = page(100, Order::OldestFirst, None);
        list(input.to_string().as_bytes(), &page, hash).unwrap()
    }

    #[test]
    fn short_forms_are_listed_in_full() {
        let input = json!([
            {"role": "user", "content": "Which way is north?"},
            {"type": "message", "role": "assistant", "content": "Up.", "status": null},
            {"role": "user", "content": [
                {"type": "input_text", "text": "And on this map?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
            ]},
            {"id": "msg_theirs", "type": "message", "role": "assistant", "status": "incomplete",
             "content": [{"type": "output_text", "text": "Left"}]},
            {"type": "function_call", "call_id": "c1", "name": "turn", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "done"},
            {"id": "rs_1", "type": "reasoning", "summary": []},
            {"type": "item_reference", "id": "x"},
        ]);
        insta::assert_json_snapshot!(listed(&input));
    }

    #[test]
    fn an_empty_input_is_an_empty_list() {
        let expected = json!({
            "object": "list", "data": [], "first_id": null, "last_id": null, "has_more": false
        });
        assert_eq!(listed(&json!([])), expected);
    }

    #[test]
    fn no_list_of_items_is_none() {
        let page = page(20, Order::OldestFirst, None);
        for input in [
            "",
            "{}",
            "\"hello\"",
            "[1]",
            "[[]]",
            "[{\"id\":5}]",
            "[{}",
            "null",
        ] {
            let listed = list(input.as_bytes(), &page, hash);
            assert_eq!(listed, Err(Unlisted::NoItems), "{input}");
        }
    }

    #[test]
    fn an_item_keeps_its_id_when_the_conversation_goes_on() {
        let mut input = vec![json!({"role": "user", "content": "a"})];
        let before = listed(&json!(input));
        input.push(json!({"role": "user", "content": "a"}));
        let after = listed(&json!(input));
        assert_eq!(before["data"][0], after["data"][0]);
        assert_ne!(after["data"][0]["id"], after["data"][1]["id"]);
    }

    #[test]
    fn behind_an_unknown_id_is_nothing() {
        let input = json!([{"id": "a", "role": "user", "content": "x"}]).to_string();
        let page = page(20, Order::OldestFirst, Some("b"));
        let listed = list(input.as_bytes(), &page, hash);
        assert_eq!(listed, Err(Unlisted::UnknownAfter));
    }

    proptest! {
        /// Whatever ids clients have given, some twice.
        #[test]
        fn pages_make_up_the_whole_once(
            ids in prop::collection::vec(prop::option::of("[a-c]?"), 0..12),
            limit in 1..5_usize,
            is_newest_first: bool,
        ) {
            let items = ids.iter().enumerate().map(|(at, id)| {
                let mut item = json!({"role": "user", "content": at.to_string()});
                if let Some(id) = id {
                    item["id"] = id.as_str().into();
                }
                item
            });
            let input = json!(items.collect::<Vec<_>>()).to_string();
            let order = if is_newest_first { Order::NewestFirst } else { Order::OldestFirst };
            let (mut seen, mut after) = (Vec::new(), None::<String>);
            loop {
                let asked = page(limit, order, after.as_deref());
                let page = list(input.as_bytes(), &asked, hash).unwrap();
                for item in page["data"].as_array().unwrap() {
                    seen.push(item["content"][0]["text"].as_str().unwrap().parse::<usize>().unwrap());
                }
                prop_assert!(seen.len() <= ids.len());
                if page["has_more"] == false {
                    break;
                }
                after = page["last_id"].as_str().map(str::to_owned);
            }
            if is_newest_first {
                seen.reverse();
            }
            prop_assert_eq!(seen, (0..ids.len()).collect::<Vec<_>>());
        }
    }
}
