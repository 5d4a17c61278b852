//! Answers, whole and streamed, and what is none.

use serde_json::{Value, json};

use super::{answer, streamed, whole};
use crate::wire::said::Telling;

fn message(content: Value, stop: &str) -> Value {
    json!({
        "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": content, "stop_reason": stop, "stop_sequence": null,
        "usage": {
            "input_tokens": 20, "output_tokens": 9, "cache_read_input_tokens": 300,
            "cache_creation_input_tokens": 40, "cache_creation": {"ephemeral_5m_input_tokens": 40},
            "output_tokens_details": {"thinking_tokens": 5}, "service_tier": "standard",
        },
    })
}

fn rich() -> Value {
    json!([
        {"type": "thinking", "thinking": "Long legs, red beak.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "c2VjcmV0"},
        {"type": "text", "text": "Perhaps a stork.", "citations": null},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "stork"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "text", "text": " I'll look."},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "nest"}},
        {"type": "tool_use", "id": "toolu_2", "name": "hear", "input": null},
    ])
}

fn rich_stream() -> Vec<Value> {
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    vec![
        json!({"type": "message_start", "message": {
            "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 20, "output_tokens": 1, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 40},
        }}),
        start(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        json!({"type": "ping"}),
        delta(
            0,
            json!({"type": "thinking_delta", "thinking": "Long legs, "}),
        ),
        delta(
            0,
            json!({"type": "thinking_delta", "thinking": "red beak."}),
        ),
        delta(0, json!({"type": "signature_delta", "signature": "c2ln"})),
        stop(0),
        start(1, json!({"type": "redacted_thinking", "data": "c2VjcmV0"})),
        stop(1),
        start(2, json!({"type": "text", "text": ""})),
        delta(2, json!({"type": "text_delta", "text": "Perhaps "})),
        delta(2, json!({"type": "text_delta", "text": "a stork."})),
        delta(
            2,
            json!({"type": "citations_delta", "citation": {"type": "char_location"}}),
        ),
        stop(2),
        start(
            3,
            json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        ),
        delta(
            3,
            json!({"type": "input_json_delta", "partial_json": "{\"query\":\"stork\"}"}),
        ),
        stop(3),
        start(
            4,
            json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}),
        ),
        stop(4),
        json!({"type": "something_new", "index": 9}),
        start(5, json!({"type": "text", "text": ""})),
        delta(5, json!({"type": "text_delta", "text": " I'll look."})),
        stop(5),
        start(
            6,
            json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}),
        ),
        delta(6, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(
            6,
            json!({"type": "input_json_delta", "partial_json": "{\"at\":"}),
        ),
        delta(
            6,
            json!({"type": "input_json_delta", "partial_json": "\"nest\"}"}),
        ),
        stop(6),
        start(
            7,
            json!({"type": "tool_use", "id": "toolu_2", "name": "hear", "input": {}}),
        ),
        stop(7),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {
            "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5},
        }}),
        json!({"type": "message_stop"}),
    ]
}

#[test]
fn a_whole_answer() {
    insta::assert_json_snapshot!(answer(whole(None, &message(rich(), "tool_use")).unwrap()));
}

#[test]
fn a_stream_tells_the_same() {
    let told = streamed(None, &rich_stream()).unwrap();
    assert_eq!(
        answer(told.clone()),
        answer(whole(None, &message(rich(), "tool_use")).unwrap())
    );
    let mut telling = Telling::new("own".to_owned(), "any", 1_600_000_000, true);
    told.into_iter().for_each(|event| telling.tell(event));
    telling.end();
    insta::assert_snapshot!(String::from_utf8(telling.take()).unwrap());
}

#[test]
fn why_it_ends() {
    let text = json!([{"type": "text", "text": "A stork."}]);
    let reasons = [
        "end_turn",
        "stop_sequence",
        "pause_turn",
        "max_tokens",
        "model_context_window_exceeded",
        "refusal",
        "tool_use",
        "compaction",
    ];
    let lines = reasons.map(|reason| {
        let answer = answer(whole(None, &message(text.clone(), reason)).unwrap());
        format!("{reason}: {}", answer["choices"][0]["finish_reason"])
    });
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_refusal_says_why() {
    let mut refused = message(json!([]), "refusal");
    refused["stop_details"] =
        json!({"type": "refusal", "category": "bio", "explanation": "Not this."});
    insta::assert_json_snapshot!(answer(whole(None, &refused).unwrap())["choices"]);
    let empty = message(json!([]), "end_turn");
    insta::assert_json_snapshot!(answer(whole(None, &empty).unwrap())["choices"]);
}

#[test]
fn an_answer_in_place_of_a_call() {
    let call =
        json!([{"type": "tool_use", "id": "toolu_1", "name": "json", "input": {"name": "stork"}}]);
    let told = whole(Some("json"), &message(call, "tool_use")).unwrap();
    let choice = &answer(told)["choices"][0];
    assert_eq!(choice["message"]["content"], r#"{"name":"stork"}"#);
    assert_eq!(choice["finish_reason"], "stop");
    assert!(choice["message"].get("tool_calls").is_none());
    let stream: Vec<Value> = rich_stream()
        .into_iter()
        .filter(|event| matches!(event.get("index").and_then(Value::as_u64), None | Some(6)))
        .collect();
    let choice = &answer(streamed(Some("look"), &stream).unwrap())["choices"][0];
    assert_eq!(choice["message"]["content"], r#"{"at":"nest"}"#);
    assert_eq!(choice["finish_reason"], "stop");
}

#[test]
fn what_is_no_answer() {
    let stream = rich_stream();
    let only = |wanted: &[usize]| {
        let events: Vec<Value> = wanted.iter().map(|place| stream[*place].clone()).collect();
        streamed(None, &events).unwrap_err()
    };
    let last = stream.len() - 1;
    let error =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let mut cut_off = stream[..5].to_vec();
    cut_off.push(error.clone());
    let mut after = stream.clone();
    after.push(stream[1].clone());
    let mut unfinished = message(rich(), "end_turn");
    unfinished["stop_reason"] = Value::Null;
    let lines = [
        streamed(None, &stream[..last]).unwrap_err(),
        streamed(None, &[]).unwrap_err(),
        only(&[last]),
        only(&[1]),
        only(&[0, 3]),
        only(&[0, 0]),
        only(&[0, 1, 10]),
        only(&[0, 1, 8]),
        only(&[0, 1, 1]),
        only(&[0, last]),
        streamed(
            None,
            &[
                stream[0].clone(),
                stream[1].clone(),
                stream[last - 1].clone(),
                stream[last].clone(),
            ],
        )
        .unwrap_err(),
        streamed(None, &cut_off).unwrap_err(),
        streamed(None, &after).unwrap_err(),
        streamed(None, &[json!("text")]).unwrap_err(),
        whole(None, &error).unwrap_err(),
        whole(None, &unfinished).unwrap_err(),
        whole(None, &json!({})).unwrap_err(),
        whole(None, &json!({"content": "text", "stop_reason": "end_turn"})).unwrap_err(),
        whole(None, &Value::Null).unwrap_err(),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_call_of_no_tool_is_no_answer() {
    let call = json!({"type": "tool_use", "id": "a", "name": "", "input": {}});
    let why = whole(None, &message(json!([call]), "tool_use")).unwrap_err();
    assert_eq!(why, "unreadable: a `tool_use` without a name");
}
