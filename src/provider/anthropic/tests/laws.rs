//! What holds for all answers and conversations.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{super::read::Reading, answer, sent_to, streamed, whole};
use crate::provider::dialect::Reader;

/// What a model says: blocks as they stand in a whole answer.
fn blocks() -> impl Strategy<Value = Vec<Value>> {
    let block = prop_oneof![
        "\\PC{1,20}".prop_map(|text| json!({"type": "text", "text": text})),
        ("\\PC{0,20}", "[a-zA-Z0-9+/]{1,9}").prop_map(|(thinking, signature)| {
            json!({"type": "thinking", "thinking": thinking, "signature": signature})
        }),
        "[a-zA-Z0-9+/]{1,9}".prop_map(|data| json!({"type": "redacted_thinking", "data": data})),
        (
            "[a-zA-Z_]{1,9}",
            prop::collection::btree_map("[a-z]{1,3}", "\\PC{0,9}", 0..3)
        )
            .prop_map(|(name, input)| json!({"type": "tool_use", "name": name, "input": input})),
    ];
    prop::collection::vec(block, 0..8).prop_map(|mut blocks| {
        for (place, block) in blocks.iter_mut().enumerate() {
            if block["type"] == "tool_use" {
                block["id"] = json!(format!("toolu_{place}"));
            }
        }
        blocks
    })
}

fn message(content: &[Value], stop: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content,
        "stop_reason": stop, "usage": {"input_tokens": 3, "output_tokens": 7},
    })
}

/// `text` in pieces of these lengths, in turn.
fn cut(text: &str, lengths: &[usize]) -> Vec<String> {
    let mut letters = text.chars().peekable();
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if letters.peek().is_none() {
            break;
        }
        pieces.push(letters.by_ref().take(*length).collect());
    }
    pieces
}

/// The stream that tells `content`.
fn stream(content: &[Value], stop: &str, lengths: &[usize]) -> Vec<Value> {
    let mut events = vec![json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
        "stop_reason": null, "usage": {"input_tokens": 3, "output_tokens": 1},
    }})];
    for (index, block) in content.iter().enumerate() {
        let kind = block["type"].as_str().unwrap();
        let mut start = block.clone();
        let (field, delta, piece, text) = match kind {
            "text" => (
                "text",
                "text_delta",
                "text",
                block["text"].as_str().unwrap().to_owned(),
            ),
            "thinking" => {
                start["signature"] = json!("");
                (
                    "thinking",
                    "thinking_delta",
                    "thinking",
                    block["thinking"].as_str().unwrap().to_owned(),
                )
            }
            "tool_use" => {
                start["input"] = json!({});
                (
                    "",
                    "input_json_delta",
                    "partial_json",
                    block["input"].to_string(),
                )
            }
            _ => ("", "", "", String::new()),
        };
        if !field.is_empty() {
            start[field] = json!("");
        }
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        for text in cut(&text, lengths) {
            let mut delta = json!({"type": delta});
            delta[piece] = json!(text);
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
            events.push(json!({"type": "ping"}));
        }
        if kind == "thinking" {
            let delta = json!({"type": "signature_delta", "signature": block["signature"]});
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let usage = json!({"input_tokens": 3, "output_tokens": 7});
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}));
    events.push(json!({"type": "message_stop"}));
    events
}

/// An assistant's message of a client, with everything that both sides have.
fn said() -> impl Strategy<Value = Value> {
    let thought = prop_oneof![
        ("\\PC{0,20}", "[a-zA-Z0-9+/]{1,9}").prop_map(|(thinking, signature)| {
            json!({"type": "thinking", "thinking": thinking, "signature": signature})
        }),
        "[a-zA-Z0-9+/]{1,9}".prop_map(|data| json!({"type": "redacted_thinking", "data": data})),
    ];
    let call = (
        "[a-zA-Z_-]{1,9}",
        prop::collection::btree_map("[a-z]{1,3}", "\\PC{0,9}", 0..3),
    );
    let text = "\\PC{0,20}[a-z]";
    let calls = prop::collection::vec(call, 0..4);
    let parts = (text, calls, prop::collection::vec(thought, 0..3));
    parts.prop_map(|(text, calls, thoughts)| {
        let calls = calls.into_iter().enumerate().map(|(place, (name, input))| {
            let arguments = json!(input).to_string();
            let function = json!({"name": name, "arguments": arguments});
            json!({"id": format!("call_{place}"), "type": "function", "function": function})
        });
        let calls: Vec<Value> = calls.collect();
        let mut message = json!({"role": "assistant", "content": text});
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        if !thoughts.is_empty() {
            message["thinking_blocks"] = json!(thoughts);
        }
        message
    })
}

/// Any event, most of them out of place.
fn event() -> impl Strategy<Value = Value> {
    let index = 0..3_u64;
    let block = prop_oneof![
        Just(json!({"type": "text"})),
        Just(json!({"type": "thinking", "signature": "s"})),
        Just(json!({"type": "tool_use", "id": "", "name": "look", "input": {"a": 1}})),
        Just(json!({"type": "mystery", "input": []})),
        Just(json!({"type": "redacted_thinking"})),
    ];
    let delta = prop_oneof![
        Just(json!({"type": "text_delta", "text": "a"})),
        Just(json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        Just(json!({"type": "thinking_delta", "thinking": "a"})),
        Just(json!({"type": "signature_delta", "signature": "a"})),
        Just(json!({"type": "mystery"})),
    ];
    prop_oneof![
        Just(json!({"type": "message_start", "message": {"usage": null}})),
        (index.clone(), block).prop_map(|(index, block)| {
            json!({"type": "content_block_start", "index": index, "content_block": block})
        }),
        (index.clone(), delta).prop_map(|(index, delta)| {
            json!({"type": "content_block_delta", "index": index, "delta": delta})
        }),
        index.prop_map(|index| json!({"type": "content_block_stop", "index": index})),
        Just(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})),
        Just(json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": u64::MAX}})),
        Just(json!({"type": "message_stop"})),
        Just(json!({"type": "ping"})),
    ]
}

proptest! {
    #[test]
    fn a_stream_tells_what_the_whole_does(
        content in blocks(),
        lengths in prop::collection::vec(1_usize..9, 1..9),
        called in any::<bool>(),
    ) {
        let stop = if called { "tool_use" } else { "end_turn" };
        let whole = answer(whole(Some("json"), &message(&content, stop)).unwrap());
        let streamed = answer(streamed(Some("json"), &stream(&content, stop, &lengths)).unwrap());
        prop_assert_eq!(streamed, whole);
    }

    #[test]
    fn a_stream_that_breaks_off_is_no_answer(
        content in blocks(),
        lengths in prop::collection::vec(1_usize..9, 1..9),
        at in any::<prop::sample::Index>(),
    ) {
        let events = stream(&content, "end_turn", &lengths);
        prop_assert!(streamed(None, &events[..at.index(events.len())]).is_err());
    }

    #[test]
    fn there_and_back_nothing_is_lost(said in said()) {
        let calls = said["tool_calls"].as_array().cloned().unwrap_or_default();
        let results = calls.iter().map(|call| {
            json!({"role": "tool", "tool_call_id": call["id"], "content": "yes"})
        });
        let mut messages = vec![json!({"role": "user", "content": "Stork?"}), said.clone()];
        messages.extend(results);
        messages.push(json!({"role": "user", "content": "And?"}));
        // A model that thinks by itself, so that thoughts go back to it.
        let sent = sent_to("claude-opus-5", json!({"messages": messages}));
        let content = sent["messages"][1]["content"].as_array().unwrap();
        let back = answer(whole(None, &message(content, "tool_use")).unwrap());
        let mut message: Map<String, Value> = back["choices"][0]["message"].as_object().unwrap().clone();
        message.remove("refusal");
        message.remove("reasoning_content");
        prop_assert_eq!(Value::Object(message), said);
    }

    #[test]
    fn nothing_that_comes_is_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut told = Vec::new();
        drop(Reading::new(None).whole(&bytes, &mut told));
        drop(Reading::new(None).event(&bytes, &mut told));
    }

    #[test]
    fn events_in_any_order_are_an_answer_or_none(events in prop::collection::vec(event(), 0..14)) {
        if streamed(None, &events).is_ok() {
            let ends = events.iter().rev().find(|event| event["type"] != "ping").unwrap();
            prop_assert_eq!(&ends["type"], "message_stop");
        }
    }
}
