//! What requests mean.

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::wire::{
    ask::{Ask, Cannot, Unable},
    chat::{ChatRequest, Invalid},
    controls::Controls,
    responses::{History, Inbound, Request},
};

fn read(body: &Value, history: Option<&History>) -> Result<Inbound, Invalid> {
    let request = Request::read(Bytes::from(body.to_string()))?;
    request.understand(history, HeaderMap::new(), &|_| true)
}

#[track_caller]
#[expect(
    clippy::needless_pass_by_value,
    reason = "what `json!` makes is handed over"
)]
fn understood(body: Value) -> Inbound {
    read(&body, None).unwrap()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "what `json!` makes is handed over"
)]
fn asking(input: Value) -> Value {
    json!({"model": "m", "input": input})
}

#[test]
fn all_of_a_request() {
    let inbound = understood(json!({
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"role": "developer", "content": "Speak plainly."},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "What is on it?", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0=", "detail": "high"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"},
                {"type": "input_file", "file_url": "https://host/b.pdf"},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "look"}, {"type": "summary_text", "text": "then ask"}], "encrypted_content": null},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Oslo\"}", "status": "completed"},
            {"type": "function_call", "call_id": "call_2", "name": "clock", "arguments": "{}"},
            {"role": "user", "content": "and hurry"},
            {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
            {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "noon"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "I won't."}]},
            {"role": "user", "content": "why?"},
        ],
        "tools": [
            {"type": "function", "name": "weather", "description": "of a city", "parameters": {"type": "object", "properties": {}}, "strict": true},
            {"type": "function", "name": "clock", "parameters": null, "strict": null},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "clock"}]},
        "parallel_tool_calls": false,
        "text": {"format": {"type": "json_schema", "name": "reply", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "max_output_tokens": 99, "temperature": 0.5, "top_p": 0.9,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"], "top_logprobs": 2,
        "truncation": "auto", "metadata": {"a": "b"}, "user": "u", "safety_identifier": "s",
        "prompt_cache_key": "k", "service_tier": "flex", "store": false,
        "stream": true, "stream_options": {"include_obfuscation": false},
        "conversation": null, "background": false, "max_tool_calls": null,
        "task_type": "chat",
    }));
    assert_eq!(inbound.translated.only, []);
    assert!(inbound.is_stream && !inbound.store);
    insta::assert_json_snapshot!("chat", inbound.translated.chat);
    insta::assert_json_snapshot!("echo", inbound.echo.0);
    let mut controls = Controls::default();
    let request = ChatRequest::translated(inbound.translated, &mut controls).unwrap();
    assert_eq!(controls.trim_messages, Some(true));
    let sent = &request.native().unwrap().body;
    let sent: Value = serde_json::from_slice(sent).unwrap();
    assert!(sent.get("task_type").is_none() && sent["input"].as_array().unwrap().len() == 11);
}

#[test]
fn what_says_nothing_leaves_no_trace() {
    let plain = understood(asking(json!("Hi"))).translated.chat;
    let spelt_out = understood(json!({
        "model": "m", "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "instructions": null, "tools": [], "tool_choice": "auto", "parallel_tool_calls": true, "stream": false,
        "text": {"format": {"type": "text"}, "verbosity": "medium"}, "reasoning": {"summary": "auto", "effort": null},
        "truncation": "disabled", "store": true, "metadata": {}, "top_logprobs": 0, "include": [],
    }));
    assert_eq!(spelt_out.translated.only, []);
    assert_eq!(spelt_out.translated.chat, plain);
    assert_eq!(
        Value::Object(plain),
        json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    );
}

#[test]
fn the_clients_words_stay_as_they_are() {
    let body = "{ \"input\" : \"Hi\", \"model\": \"m\", \"temperature\": 1.0 }";
    let inbound = Request::read(Bytes::from_static(body.as_bytes()))
        .and_then(|request| request.understand(None, HeaderMap::new(), &|_| false))
        .unwrap();
    assert_eq!(inbound.translated.native.body, body);
    // Ids that were made here are nobody else's.
    let mut ours = asking(json!([
        {"type": "reasoning", "id": "rs_refrain0_x", "summary": []},
        {"type": "message", "id": "msg_refrain1_x", "role": "assistant", "content": "a"},
        {"type": "message", "id": "msg_68", "role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]));
    ours["refrain"] = json!({"cache": {"ttl": 5}});
    let sent = understood(ours).translated.native.body;
    assert_eq!(
        sent,
        r#"{"model":"m","input":[{"type":"message","role":"assistant","content":"a"},{"type":"message","id":"msg_68","role":"assistant","content":"b"},{"role":"user","content":"c"}]}"#
    );
}

#[test]
fn an_earlier_response_is_written_out() {
    let history = History::read(
        br#"[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}]"#,
        br#"{"id":"resp_1","output":[{"type":"reasoning","id":"rs_refrain0_1","summary":[{"type":"summary_text","text":"hm"}]},{"type":"message","id":"msg_refrain1_1","role":"assistant","content":[{"type":"output_text","text":"Hello"}]}]}"#,
    )
    .unwrap();
    let body = json!({"model": "m", "previous_response_id": "resp_1", "input": "And?", "instructions": "New."});
    let inbound = read(&body, Some(&history)).unwrap();
    assert_eq!(
        inbound.translated.chat["messages"],
        json!([
            {"role": "system", "content": "New."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "And?"},
        ])
    );
    assert_eq!(
        inbound.translated.native.body,
        r#"{"model":"m","instructions":"New.","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello"}]},{"type":"message","role":"user","content":[{"type":"input_text","text":"And?"}]}]}"#
    );
    assert_eq!(inbound.input.len(), 3);
    assert_eq!(inbound.echo.0["previous_response_id"], "resp_1");
    // Nothing new need be said.
    let again = json!({"model": "m", "previous_response_id": "resp_1"});
    assert!(read(&again, Some(&history)).is_ok());
    for (input, response) in [("{}", "{\"output\":[]}"), ("[]", "{}"), ("", "")] {
        assert_eq!(History::read(input.as_bytes(), response.as_bytes()), None);
    }
}

#[test]
fn what_only_openai_has_is_named() {
    let inbound = understood(json!({
        "model": "m",
        "input": [
            {"role": "user", "content": [
                {"type": "input_image", "file_id": "file-1"},
                {"type": "input_image", "image_url": "https://host/a.png", "detail": "original"},
                {"type": "input_video", "x": 1},
                {"type": "input_text", "text": "x", "vendor": 1},
            ], "vendor": true},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "function_call_output", "call_id": "call_of_a_reference", "output": "x"},
            {"type": "item_reference", "id": "msg_1"},
            {"id": "msg_2"},
        ],
        "tools": [{"type": "web_search"}, {"type": "custom", "name": "c"}, {"type": "function", "name": "f", "defer_loading": true}],
        "tool_choice": {"type": "mcp", "server_label": "s"},
        "include": ["something.new"], "prompt": {"id": "pmpt_1"}, "max_tool_calls": 3, "vendor_x": 1,
        "text": {"tone": "warm"}, "reasoning": {"mode": "pro"}, "stream_options": {"y": 1},
    }));
    let only = inbound.translated.only.iter();
    let named: Vec<String> = only
        .map(|only| format!("{}: {}", only.param, only.lacks))
        .collect();
    insta::assert_snapshot!(named.join("\n"));
}

#[test]
fn bad_requests_name_the_clients_field() {
    let cases = [
        json!({"model": "m"}),
        asking(json!("")),
        asking(json!([])),
        asking(json!(7)),
        asking(json!(["Hi"])),
        asking(json!([{"content": "x"}])),
        asking(json!([{"role": "robot", "content": "x"}])),
        asking(json!([{"role": "user"}])),
        asking(json!([{"role": "user", "content": []}])),
        asking(json!([{"role": "user", "content": "  "}])),
        asking(json!([{"role": "user", "content": [{"type": "text", "text": "x"}]}])),
        asking(json!([{"role": "user", "content": [{"type": "input_text"}]}])),
        asking(
            json!([{"role": "user", "content": [{"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "x.png"}]}]),
        ),
        asking(json!([{"role": "user", "content": [{"type": "input_image"}]}])),
        asking(json!([{"role": "user", "content": [{"type": "input_file", "filename": "a"}]}])),
        asking(json!([{"type": "function_call", "name": "f", "arguments": "{}"}])),
        asking(
            json!([{"role": "user", "content": "x"}, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]),
        ),
        asking(json!([{"type": "function_call_output", "call_id": "c", "output": "x"}])),
        asking(json!([{"type": "reasoning", "id": "rs_1", "summary": "x"}])),
        asking(json!([{"type": "reasoning", "id": "rs_1", "summary": []}])),
        json!({"model": "m", "input": "x", "background": true}),
        json!({"model": "m", "input": "x", "conversation": "conv_1"}),
        json!({"model": "m", "input": "x", "previous_response_id": ""}),
        json!({"model": "m", "input": "x", "previous_response_id": 7}),
        json!({"model": "m", "input": "x", "max_output_tokens": 0}),
        json!({"model": "m", "input": "x", "max_output_tokens": "many"}),
        json!({"model": "m", "input": "x", "top_logprobs": 21}),
        json!({"model": "m", "input": "x", "truncation": "some"}),
        json!({"model": "m", "input": "x", "tools": {}}),
        json!({"model": "m", "input": "x", "tools": [{"type": "function", "function": {"name": "f"}}]}),
        json!({"model": "m", "input": "x", "tool_choice": "any"}),
        json!({"model": "m", "input": "x", "text": {"format": {"type": "xml"}}}),
        json!({"model": "m", "input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}),
        json!({"model": "m", "input": "x", "stream": "yes"}),
        json!({"model": "m", "input": "x", "store": 1}),
        json!({"model": "m", "input": "x", "include": "all"}),
        json!({"model": "m", "input": "x", "metadata": []}),
    ];
    let report = cases.iter().map(|body| {
        let invalid = read(body, None).unwrap_err();
        let param = invalid.param.as_deref().unwrap_or("-");
        format!("{param}: {invalid}")
    });
    insta::assert_snapshot!(report.collect::<Vec<_>>().join("\n"));
    let twice = Bytes::from_static(br#"{"model":"m","input":"a","input":"b"}"#);
    assert!(Request::read(twice).is_err());
}

#[test]
fn what_is_wrong_with_the_meaning_names_no_field_of_another_interface() {
    let refused = |body: Value, field: &str, value: Value| {
        let mut translated = understood(body).translated;
        translated.chat.insert(field.to_owned(), value);
        let refused = ChatRequest::translated(translated, &mut Controls::default()).unwrap_err();
        (refused.param, refused.message)
    };
    let blank = json!([{"role": "user", "content": " "}]);
    let (param, message) = refused(asking(json!("Hi")), "messages", blank);
    assert_eq!(param, None);
    assert!(
        message.starts_with("as a chat request, the last message has no text"),
        "{message}"
    );
    // A field that both have goes by its name.
    let mut asked = asking(json!("Hi"));
    asked["temperature"] = json!(1);
    let (param, message) = refused(asked, "temperature", json!(7));
    assert_eq!(param.as_deref(), Some("temperature"));
    assert!(!message.starts_with("as a chat"), "{message}");
    // A control is where the client wrote it.
    let (param, _) = refused(asking(json!("Hi")), "refrain", json!({"ttl": -1}));
    assert_eq!(param.as_deref(), Some("refrain.ttl"));
}

#[test]
fn a_provider_of_another_dialect_names_no_field_of_chat() {
    let image = "data:image/png;base64,iVdata:";
    let body =
        asking(json!([{"role": "user", "content": [{"type": "input_image", "image_url": image}]}]));
    let request = ChatRequest::translated(understood(body).translated, &mut Controls::default());
    let request = request.unwrap();
    let refused = Ask::read(&request, &mut Cannot::new("p", false)).unwrap_err();
    let Unable::Invalid(refused) = refused.as_sent(&request) else {
        panic!("it is no fault of the provider");
    };
    assert_eq!(refused.param, None);
    assert!(
        refused
            .message
            .starts_with("as a chat request, `messages[0]"),
        "{}",
        refused.message
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "message",
        "user",
        "assistant",
        "function_call",
        "function_call_output",
        "reasoning",
        "input_text",
        "output_text",
        "refusal",
        "input_image",
        "c",
        "",
        "\u{1F980}",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "role",
        "content",
        "text",
        "call_id",
        "name",
        "arguments",
        "output",
        "summary",
        "id",
        "refusal",
        "image_url",
        "tools",
        "format",
        "x",
    ]);
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics(input in any_json(), field in any_json(), name in "tools|tool_choice|text|reasoning|include|x") {
        let mut body = asking(input);
        body[name.as_str()] = field;
        if let Ok(inbound) = read(&body, None) {
            // What was understood has messages, and its own words stay JSON.
            prop_assert!(inbound.translated.chat["messages"].is_array());
            let sent: Result<Value, _> = serde_json::from_slice(&inbound.translated.native.body);
            prop_assert!(sent.is_ok());
        }
    }
}

fn of_a_stranger(body: &Value) -> Result<Inbound, Invalid> {
    let request = Request::read(Bytes::from(body.to_string()))?;
    request.understand(None, HeaderMap::new(), &|_| false)
}

#[test]
fn an_id_leads_nobody_to_what_others_left() {
    for (item, at) in [
        (
            json!({"type": "item_reference", "id": "msg_1"}),
            "input[0].id",
        ),
        (json!({"id": "msg_1"}), "input[0].id"),
        (
            json!({"type": "image_generation_call", "id": "ig_1"}),
            "input[0].id",
        ),
        (
            json!({"type": "code_interpreter_call", "container_id": "cntr_1", "code": "1"}),
            "input[0].container_id",
        ),
    ] {
        let body = asking(json!([item, {"role": "user", "content": "Go on."}]));
        let error = of_a_stranger(&body).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(at), "{item}");
        assert!(read(&body, None).is_ok(), "{item}");
    }
    for (tool, at) in [
        (
            json!({"type": "code_interpreter", "container": "cntr_1"}),
            "tools[0].container",
        ),
        (
            json!({"type": "shell", "environment": {"type": "container_reference", "container_id": "cntr_1"}}),
            "tools[0].environment.container_id",
        ),
    ] {
        let mut body = asking(json!("Go on."));
        body["tools"] = json!([tool]);
        assert_eq!(of_a_stranger(&body).unwrap_err().param.as_deref(), Some(at));
        assert!(read(&body, None).is_ok(), "{tool}");
    }
    let mut fresh = asking(json!("Go on."));
    fresh["tools"] = json!([{"type": "code_interpreter", "container": {"type": "auto"}}]);
    assert!(of_a_stranger(&fresh).is_ok());
}

#[test]
fn thoughts_of_others_stay_here() {
    let turns = |thought: Value| {
        asking(json!([
            {"role": "user", "content": "Look."}, thought,
            {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "t", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "3"},
        ]))
    };
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]});
    let inbound = of_a_stranger(&turns(thought.clone())).unwrap();
    assert_eq!(
        inbound.translated.chat["messages"][1]["reasoning_content"],
        "hm"
    );
    assert_eq!(
        inbound.translated.native.body,
        r#"{"model":"m","input":[{"role":"user","content":"Look."},{"type":"function_call","call_id":"c","name":"t","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"3"}]}"#
    );
    assert!(!inbound.input.iter().any(|item| item["id"] == "rs_1"));
    // Nothing changes for who was told it, and of what needs nobody's memory.
    let sealed =
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2Vh"});
    for (body, is_own) in [(turns(thought), true), (turns(sealed), false)] {
        let request = Request::read(Bytes::from(body.to_string())).unwrap();
        let inbound = request
            .understand(None, HeaderMap::new(), &|_| is_own)
            .unwrap();
        assert_eq!(inbound.translated.native.body, body.to_string());
    }
}

#[test]
fn a_tool_may_have_nothing_to_say() {
    let read = understood(json!({
        "model": "m",
        "input": [
            {"role": "user", "content": "Clear it."},
            {"type": "function_call", "call_id": "c", "name": "clear", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": []},
        ],
        "client_metadata": {"installation": "x"},
    }));
    assert_eq!(
        read.translated.chat["messages"][2],
        json!({"role": "tool", "tool_call_id": "c", "content": ""})
    );
    assert!(read.translated.only.is_empty());
}
