//! Whatever is sent: what is read of it is a chat request.

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Inbound, read, read_to_count};
use super::inbound;
use crate::wire::{chat::ChatRequest, controls::Controls};

/// Anything that JSON can say, with words that mean something here.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "type",
        "text",
        "role",
        "user",
        "assistant",
        "content",
        "tool_use",
        "tool_result",
        "id",
        "a",
        "tool_use_id",
        "name",
        "input",
        "source",
        "base64",
        "media_type",
        "data",
        "image",
        "document",
        "thinking",
        "signature",
        "image/png",
        "AAAA",
        "input_schema",
        "",
        "any",
        "tool",
        "messages",
        "url",
        "title",
        "is_error",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

/// A turn that may be right.
fn any_turn() -> impl Strategy<Value = Value> {
    let id = prop::sample::select(vec!["a", "b", "c"]);
    let block = prop_oneof![
        Just(json!({"type": "text", "text": "Where?"})),
        Just(json!({"type": "text", "text": ""})),
        Just(json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
        Just(
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}})
        ),
        id.clone()
            .prop_map(|id| json!({"type": "tool_use", "id": id, "name": "f", "input": {}})),
        id.prop_map(|id| json!({"type": "tool_result", "tool_use_id": id, "content": "x"})),
        any_json(),
    ];
    let role = prop::sample::select(vec!["user", "assistant"]);
    (role, prop::collection::vec(block, 0..4))
        .prop_map(|(role, content)| json!({"role": role, "content": content}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_read_is_a_chat_request_whose_results_answer_calls(turns in prop::collection::vec(any_turn(), 0..6), tools in any_json(), more in any_json()) {
        let read = inbound(json!({"messages": turns, "tools": tools, "system": more, "novel": more}));
        let Ok(Inbound { translated, .. }) = read else { return Ok(()) };
        let mut open: Vec<Value> = Vec::new();
        for message in translated.chat["messages"].as_array().unwrap() {
            if message["role"] == "tool" {
                let place = open.iter().position(|id| *id == message["tool_call_id"]);
                prop_assert!(place.is_some());
                open.remove(place.unwrap());
                continue;
            }
            prop_assert!(open.is_empty());
            let calls = message.get("tool_calls").and_then(Value::as_array);
            open.extend(calls.into_iter().flatten().map(|call| call["id"].clone()));
        }
        prop_assert!(open.is_empty());
        let body = Bytes::from(Value::Object(translated.chat).to_string());
        prop_assert!(ChatRequest::parse(body, &mut Controls::default()).is_ok());
    }
}

#[test]
fn a_count_needs_no_longest_answer() {
    let body = Bytes::from_static(br#"{"model":"m","messages":[{"role":"user","content":"?"}]}"#);
    assert!(read(&body, &HeaderMap::new()).is_err());
    let chat = read_to_count(&body, &HeaderMap::new()).unwrap().chat;
    assert!(!chat.contains_key("max_tokens"));
}
