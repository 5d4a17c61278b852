//! What Ollama is sent, by capability.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use super::{Asking, model, saying, sent, with};
use crate::provider::ollama::{known::Facts, request::Defaults};

const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn weather() -> Value {
    json!({"type": "function", "function": {
        "name": "weather", "description": "The weather of a place", "strict": true,
        "parameters": {
            "type": "object", "additionalProperties": false, "required": ["place"],
            "properties": {
                "place": {"type": "string", "description": "A town"},
                "days": {"type": ["integer", "null"], "minimum": 1},
            },
        },
    }})
}

fn call(id: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}})
}

#[test]
fn a_plain_question() {
    assert_json_snapshot!(sent(&with(json!({}))));
}

#[test]
fn a_conversation_with_instructions_in_the_middle() {
    assert_json_snapshot!(
        sent(&saying(json!([
            {"role": "system", "content": "Be terse."},
            {"role": "developer", "content": [{"type": "text", "text": "Speak of crabs."}]},
            {"role": "user", "content": "Name one."},
            {"role": "assistant", "content": "The hermit crab."},
            {"role": "system", "content": "Now be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Another?"}, {"type": "text", "text": ""},
                {"type": "text", "text": "A big one."}]},
            {"role": "user", "content": "Please."},
        ])))["messages"]
    );
}

#[test]
fn a_conversation_that_the_assistant_begins_and_continues() {
    assert_json_snapshot!(
        sent(&saying(json!([
            {"role": "assistant", "content": "Welcome!"},
            {"role": "user", "content": "Count to three."},
            {"role": "assistant", "content": "One, two,", "refusal": null},
        ])))["messages"]
    );
}

#[test]
fn messages_without_content_are_left_out() {
    assert_json_snapshot!(
        sent(&saying(json!([
            {"role": "system", "content": ""},
            {"role": "user", "content": [{"type": "text", "text": ""}]},
            {"role": "assistant", "content": null},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "refusal": "I won't."},
            {"role": "system", "content": ""},
        ])))["messages"]
    );
}

#[test]
fn tools_with_parallel_calls_and_their_results() {
    let mut body = saying(json!([
        {"role": "user", "content": "Weather in Oslo and Rome?"},
        {"role": "assistant", "content": null, "tool_calls": [
            call("call_a", "{\"place\": \"Oslo\", \"days\": 2}"), call("call_b", "{\"place\": \"Rome\"}"),
        ]},
        {"role": "tool", "tool_call_id": "call_b", "content": "sun"},
        {"role": "tool", "tool_call_id": "call_a", "content": [{"type": "text", "text": ""}]},
        {"role": "assistant", "content": "", "tool_calls": [call("call_c", "Oslo"), call("call_d", "")]},
        {"role": "tool", "tool_call_id": "call_c", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_d", "content": "?"},
    ]));
    body["tools"] = json!([weather(), {"type": "function", "function": {"name": "noop"}}]);
    assert_json_snapshot!(sent(&body));
}

#[test]
fn a_choice_of_tools() {
    let tools = json!([weather()]);
    for (choice, left) in [(json!("auto"), 1), (Value::Null, 1), (json!("none"), 0)] {
        let sent = sent(&with(json!({"tools": tools, "tool_choice": choice})));
        let count = sent
            .get("tools")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        assert_eq!(count, left, "{choice}");
    }
}

#[test]
fn two_hundred_tools() {
    let tools: Vec<Value> = (0..200)
        .map(|number| {
            let mut tool = weather();
            tool["function"]["name"] = json!(format!("tool_{number}"));
            tool
        })
        .collect();
    let sent = sent(&with(json!({"tools": tools})));
    assert_eq!(sent["tools"].as_array().unwrap().len(), 200);
    assert_eq!(sent["tools"][199]["function"]["name"], "tool_199");
    assert_eq!(sent["options"]["num_ctx"], 32_768);
}

#[test]
fn forms_of_the_answer() {
    let of = |format: Value| sent(&with(json!({"response_format": format})))["format"].clone();
    assert_eq!(of(json!({"type": "text"})), Value::Null);
    assert_eq!(of(json!({"type": "json_object"})), "json");
    assert_json_snapshot!(of(json!({"type": "json_schema", "json_schema": {
        "name": "crab", "strict": true, "schema": {
            "type": "object", "additionalProperties": false, "required": ["name", "legs"],
            "properties": {
                "name": {"$ref": "#/$defs/name"},
                "legs": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
                "seen": {"type": "string", "format": "date-time"},
                "more": {"$ref": "#/$defs/name", "description": "what else it is called"},
            },
            "$defs": {"name": {"type": "string", "maxLength": 80}},
        },
    }})));
}

#[test]
fn images() {
    let data = format!("data:image/png;base64,{PIXEL}");
    assert_json_snapshot!(
        sent(&saying(json!([{"role": "user", "content": [
            {"type": "text", "text": "What is"},
            {"type": "image_url", "image_url": {"url": data, "detail": "high"}},
            {"type": "text", "text": "this, and"},
            {"type": "image_url", "image_url": {"url": format!("data:image/jpeg;base64,{}", PIXEL.trim_end_matches('='))}},
            {"type": "text", "text": "that?"},
        ]}])))["messages"]
    );
}

#[test]
fn how_words_are_chosen() {
    assert_json_snapshot!(
        sent(&with(json!({
            "temperature": 0.25, "top_p": 0.9, "presence_penalty": 0.5, "frequency_penalty": -0.5, "seed": -7,
            "max_completion_tokens": 300, "max_tokens": 5, "stop": ["END", "\n"],
            "top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1, "repeat_last_n": 64, "mirostat": 0,
            "user": "u-1", "metadata": {"a": "b"}, "store": true, "stream": true,
            "stream_options": {"include_usage": true},
        })))["options"]
    );
    assert_eq!(
        sent(&with(json!({"stop": "END", "max_tokens": 1})))["options"],
        json!({"stop": ["END"], "num_predict": 1, "num_ctx": 4096})
    );
}

#[test]
fn options_of_ollamas_own() {
    assert_json_snapshot!(sent(&with(json!({
        "temperature": 0.25, "top_k": 3, "keep_alive": "10m", "think": "high", "truncate": true,
        "options": {"temperature": 0.75, "num_ctx": 12_000, "num_gpu": 1, "stop": null},
    }))));
}

#[test]
fn logprobs() {
    let of = |fields: Value| {
        let sent = sent(&with(fields));
        (sent["logprobs"].clone(), sent["top_logprobs"].clone())
    };
    assert_eq!(of(json!({})), (Value::Null, Value::Null));
    assert_eq!(of(json!({"logprobs": true})), (json!(true), Value::Null));
    assert_eq!(
        of(json!({"logprobs": true, "top_logprobs": 3})),
        (json!(true), json!(3))
    );
}

#[test]
fn effort() {
    let of = |name: &'static str, facts: Facts, effort: &str| {
        let asking = Asking {
            model: name,
            facts,
            ..Asking::default()
        };
        asking.sent(&with(json!({"reasoning_effort": effort})))["think"].clone()
    };
    let efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
    let levels = ["low", "low", "low", "medium", "high", "high", "high"];
    for (effort, level) in efforts.into_iter().zip(levels) {
        assert_eq!(of("gpt-oss:20b", Facts::default(), effort), level);
        assert_eq!(of("qwen3", Facts::default(), effort), effort != "none");
        let thinks = model(&["completion", "thinking"], 40_000);
        assert_eq!(of("qwen3", thinks, effort), effort != "none");
    }
    assert_eq!(sent(&with(json!({}))).get("think"), None);
    let both = sent(&with(json!({"reasoning_effort": "high", "think": false})));
    assert_eq!(both["think"], false);
}

#[test]
fn thoughts_go_back() {
    assert_json_snapshot!(
        sent(&saying(json!([
            {"role": "user", "content": "Hm?"},
            {"role": "assistant", "reasoning_content": "They hum.", "content": "Yes?"},
            {"role": "user", "content": "Hm!"},
            {"role": "assistant", "content": "Well.", "thinking_blocks": [
                {"type": "thinking", "thinking": "Again.", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
            ]},
            {"role": "user", "content": "So?"},
        ])))["messages"]
    );
}

#[test]
fn how_long_models_stay() {
    let asking = |keep_alive: &str| Asking {
        defaults: Defaults {
            keep_alive: Some(keep_alive.to_owned()),
            num_ctx: None,
        },
        ..Asking::default()
    };
    let of = |keep_alive: &str, fields: Value| {
        asking(keep_alive).sent(&with(fields))["keep_alive"].clone()
    };
    assert_eq!(of("10m", json!({})), "10m");
    assert_eq!(of("-1", json!({})), -1);
    assert_eq!(of("10m", json!({"keep_alive": 0})), 0);
    assert_eq!(of("10m", json!({"keep_alive": "-1"})), -1);
    assert_eq!(sent(&with(json!({}))).get("keep_alive"), None);
}

#[test]
fn windows() {
    let of =
        |asking: &Asking, fields: Value| asking.sent(&with(fields))["options"]["num_ctx"].clone();
    let unknown = Asking::default();
    let long = json!([{"role": "user", "content": "The crab walks sideways. ".repeat(1000)}]);
    assert_eq!(of(&unknown, json!({})), 4096);
    assert_eq!(of(&unknown, json!({"max_tokens": 5000})), 8192);
    assert_eq!(of(&unknown, json!({"messages": long})), 16_384);
    assert_eq!(of(&unknown, json!({"reasoning_effort": "low"})), 16_384);
    let knowing = |longest, capabilities: &[&str]| Asking {
        facts: model(capabilities, longest),
        ..Asking::default()
    };
    assert_eq!(of(&knowing(2048, &[]), json!({})), 2048);
    assert_eq!(
        of(&knowing(6000, &[]), json!({"max_tokens": 1_000_000})),
        6000
    );
    let thinking = knowing(40_960, &["thinking"]);
    assert_eq!(of(&thinking, json!({})), 16_384);
    assert_eq!(of(&thinking, json!({"think": false})), 4096);
    let image = json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PIXEL}")}}]}]);
    assert_eq!(of(&unknown, json!({"messages": image})), 8192);
    let fixed = Asking {
        defaults: Defaults {
            keep_alive: None,
            num_ctx: Some(10_000),
        },
        ..knowing(2048, &[])
    };
    assert_eq!(of(&fixed, json!({})), 10_000);
    assert_eq!(of(&fixed, json!({"num_ctx": 5000})), 5000);
    assert_eq!(
        of(&fixed, json!({"num_ctx": 5000, "options": {"num_ctx": 7}})),
        7
    );
}

#[test]
fn what_says_what_holds_anyhow_is_no_error() {
    let sent = sent(&with(
        json!({"functions": [], "function_call": "none", "verbosity": "medium"}),
    ));
    assert!(sent.get("verbosity").is_none());
}
