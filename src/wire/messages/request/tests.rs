#![expect(
    clippy::needless_pass_by_value,
    reason = "`json!` at the place of a call reads better than a reference to it"
)]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::*;
use crate::wire::{
    chat::ChatRequest,
    heard::{Heard, What},
};

mod laws;

/// A request with these fields.
fn body(fields: Value) -> Bytes {
    let mut body = json!({
        "model": "m", "max_tokens": 100,
        "messages": [{"role": "user", "content": "Where do storks sleep?"}],
    });
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    Bytes::from(body.to_string())
}

fn inbound(fields: Value) -> Result<Inbound, Invalid> {
    read(&body(fields), &HeaderMap::new())
}

/// What is made of a request with these fields, all but what every request has.
fn chat(fields: Value) -> Value {
    let Translated {
        mut chat,
        only,
        advice,
        ..
    } = inbound(fields)
        .unwrap_or_else(|invalid| panic!("{invalid}"))
        .translated;
    let as_chat = Bytes::from(Value::Object(chat.clone()).to_string());
    ChatRequest::parse(as_chat, &mut Controls::default()).unwrap();
    assert_eq!(chat.remove("model"), Some(json!("m")));
    assert_eq!(chat.remove("max_tokens"), Some(json!(100)));
    if !only.is_empty() {
        let only = only
            .iter()
            .map(|only| format!("{}: {}", only.param, only.lacks));
        chat.insert("(only)".to_owned(), only.collect());
    }
    if !advice.is_empty() {
        chat.insert("(advice)".to_owned(), json!(advice));
    }
    Value::Object(chat)
}

/// The same of the messages alone.
fn messages(messages: Value) -> Value {
    let mut chat = chat(json!({ "messages": messages }));
    match chat.as_object_mut().unwrap() {
        fields if fields.len() == 1 => fields.remove("messages").unwrap(),
        _ => chat,
    }
}

/// Why a request is refused.
fn refused(fields: Value) -> String {
    let Invalid { message, param } = inbound(fields).unwrap_err();
    format!("{}: {message}", param.unwrap_or_default())
}

#[test]
fn a_plain_question() {
    insta::assert_json_snapshot!(chat(json!({})));
}

#[test]
fn a_conversation_of_a_coding_agent() {
    insta::assert_json_snapshot!(chat(json!({
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=1a2b3;"},
            {"type": "text", "text": "You help with code.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "Be brief."},
        ],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "<reminder>Nothing.</reminder>"},
                {"type": "text", "text": "Which files are there?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "List ", "signature": "c2ln"},
                {"type": "thinking", "thinking": "them.", "signature": ""},
                {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                {"type": "text", "text": ""},
                {"type": "text", "text": "I'll look."},
                {"type": "tool_use", "id": "toolu_1", "name": "ls", "input": {"path": "."}, "caller": {"type": "direct"}},
                {"type": "tool_use", "id": "toolu_2", "name": "ls", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "text", "text": "Go on."},
                {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "content": "no such directory"},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                    {"type": "text", "text": "a.rs"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}},
                    {"type": "tool_reference", "tool_name": "grep"},
                ]},
            ]},
            {"role": "assistant", "content": "{"},
        ],
        "tools": [
            {"name": "ls", "description": "Lists files.", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}, "eager_input_streaming": true},
            {"type": "custom", "name": "grep", "input_schema": {"type": "object", "properties": {}, "additionalProperties": false}, "strict": true, "defer_loading": true, "cache_control": {"type": "ephemeral"}},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 10_000},
        "temperature": 1, "stream": true, "betas": ["b"],
        "metadata": {"user_id": "user_1_session_2"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "stop_sequences": ["\n\nHuman:"], "top_k": 5, "service_tier": "auto",
    })));
}

#[test]
fn everything_that_can_be_shown() {
    let source = |source: Value| json!({"type": "document", "source": source, "title": "Birds", "context": "From 1911."});
    insta::assert_json_snapshot!(messages(json!([{"role": "user", "content": [
        {"type": "image", "source": {"type": "url", "url": "https://example.org/stork.png"}},
        source(json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="})),
        source(json!({"type": "text", "media_type": "text/plain", "data": "Storks."})),
        source(json!({"type": "url", "url": "https://example.org/birds.pdf"})),
        source(json!({"type": "content", "content": "Cranes."})),
        source(json!({"type": "content", "content": [
            {"type": "text", "text": "Herons."},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}},
        ]})),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Ibises."}, "citations": {"enabled": false}},
        {"type": "search_result", "source": "https://example.org", "title": "Nests", "content": [
            {"type": "text", "text": "On roofs."}, {"type": "text", "text": "On poles."},
        ]},
    ]}])));
}

#[test]
fn what_only_anthropic_has_is_named() {
    insta::assert_json_snapshot!(chat(json!({
        "messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Storks."}, "citations": {"enabled": true}},
                {"type": "container_upload", "file_id": "file_2"},
            ]},
            {"role": "assistant", "content": [
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "storks"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
                {"type": "text", "text": "Found.", "citations": [{"type": "web_search_result_location"}]},
                {"type": "tool_use", "id": "toolu_1", "name": "click", "input": {}, "toolset_name": "browser"},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}]},
            {"role": "system", "content": "Now in verse.", "clear_at": "never"},
        ],
        "tools": [
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
            {"type": "mcp_toolset", "mcp_server_name": "s"},
            {"name": "f", "input_schema": {"type": "object"}, "allowed_callers": ["code_execution_20250825"], "mood": 1},
        ],
        "tool_choice": {"type": "tool", "name": "web_search"},
        "mcp_servers": [{"url": "https://example.org"}], "container": {"skills": []}, "inference_geo": "eu", "thread": {"type": "create"}, "novel": true,
        "nothing": null, "thinking": {"type": "dreaming"}, "output_config": {"effort": "extreme", "task_budget": {}, "mood": 1},
    })));
}

#[test]
fn how_it_is_to_think() {
    let effort = |fields: Value| chat(fields).get("reasoning_effort").cloned();
    let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
    for (fields, expect) in [
        (json!({}), None),
        (budget(1024), Some("low")),
        (budget(4096), Some("low")),
        (budget(4097), Some("medium")),
        (budget(16_384), Some("medium")),
        (budget(u64::MAX), Some("high")),
        (json!({"thinking": {"type": "adaptive"}}), Some("medium")),
        (
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
            Some("max"),
        ),
        (
            json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}),
            None,
        ),
        (json!({"thinking": {"type": "between_tools"}}), None),
        (
            json!({"thinking": null, "output_config": {"effort": "low"}}),
            Some("low"),
        ),
    ] {
        assert_eq!(
            effort(fields.clone()),
            expect.map(|word| json!(word)),
            "{fields}"
        );
    }
}

#[test]
fn which_tool_and_which_form() {
    let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
    let choice = |choice: Value| {
        let chat = chat(json!({"tools": tools, "tool_choice": choice}));
        (
            chat.get("tool_choice").cloned(),
            chat.get("parallel_tool_calls").cloned(),
        )
    };
    assert_eq!(choice(json!({"type": "auto"})), (None, None));
    assert_eq!(choice(json!({"type": "none"})), (Some(json!("none")), None));
    assert_eq!(
        choice(json!({"type": "any", "disable_parallel_tool_use": true})),
        (Some(json!("required")), Some(json!(false)))
    );
    assert_eq!(
        choice(json!({"type": "tool", "name": "f", "disable_parallel_tool_use": false})),
        (
            Some(json!({"type": "function", "function": {"name": "f"}})),
            None
        )
    );
    let format = |schema: Value| {
        let format = json!({"type": "json_schema", "schema": schema});
        let old = chat(json!({"output_format": format}));
        assert_eq!(old, chat(json!({"output_config": {"format": format}})));
        old["response_format"]["json_schema"].clone()
    };
    let strict = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    assert_eq!(
        format(strict.clone()),
        json!({"name": "answer", "schema": strict, "strict": true})
    );
    let loose = json!({"type": "object", "properties": {"a": strict, "b": {}}, "required": ["a"], "additionalProperties": false});
    assert_eq!(format(loose)["strict"], false);
}

#[test]
fn long_names_of_tools_are_short_in_a_chat() {
    let name = format!("mcp__{}", "n".repeat(100));
    let read = inbound(json!({
        "tools": [{"name": name, "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": name},
        "messages": [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": name, "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]},
        ],
    }));
    let mut read = read.unwrap();
    let chat = Value::Object(read.translated.chat);
    let short = chat["tools"][0]["function"]["name"].as_str().unwrap();
    assert_eq!(short.len(), 64);
    assert_eq!(chat["tool_choice"]["function"]["name"], short);
    assert_eq!(
        chat["messages"][1]["tool_calls"][0]["function"]["name"],
        short
    );
    assert_eq!(
        chat["messages"][2],
        json!({"role": "tool", "tool_call_id": "a", "content": ""})
    );
    read.writer.hear(Heard::Say {
        choice: 0,
        what: What::Call {
            call: 0,
            id: "b".to_owned(),
            name: short.to_owned(),
            extra: Map::new(),
        },
    });
    let message: Value = serde_json::from_slice(&read.writer.whole()).unwrap();
    assert_eq!(message["content"][0]["name"], name);
}

#[test]
fn what_is_wrong_is_said_in_the_clients_own_terms() {
    let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x"}]});
    let ask = json!({"role": "user", "content": "?"});
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    let image = |source: Value| user(json!([{"type": "image", "source": source}]));
    let refusals: Vec<String> = [
        json!({"model": null}),
        json!({"model": ""}),
        json!({"max_tokens": null}),
        json!({"max_tokens": 0}),
        json!({"max_tokens": "9"}),
        json!({"messages": null}),
        json!({"messages": []}),
        json!({"messages": {}}),
        json!({"messages": [7]}),
        json!({"messages": [{"content": "x"}]}),
        json!({"messages": [{"role": "tool", "content": "x"}]}),
        json!({"messages": [{"role": "system", "content": "x"}]}),
        user(json!("")),
        user(json!(" \n")),
        user(json!([])),
        user(json!(null)),
        user(json!([{"text": "x"}])),
        user(json!([{"type": "text"}])),
        image(json!(null)),
        image(json!({"type": "base64", "media_type": "png", "data": "AA=="})),
        image(json!({"type": "base64", "media_type": "image/png", "data": "%"})),
        image(json!({"type": "base64", "media_type": "image/png", "data": ""})),
        image(json!({"type": "url"})),
        json!({"messages": [ask, result]}),
        json!({"messages": [ask, call, ask]}),
        json!({"messages": [ask, call]}),
        json!({"messages": [ask, call, result, result]}),
        json!({"messages": [ask, call, call, result]}),
        json!({"messages": [ask, call, ask, {"role": "assistant", "content": "y"}, result]}),
        json!({"system": 7}),
        json!({"tools": {}}),
        json!({"tools": [{"input_schema": {}}]}),
        json!({"tools": [{"name": "a b", "input_schema": {}}]}),
        json!({"tools": [{"name": "a"}]}),
        json!({"tools": [{"name": "a", "input_schema": {}}, {"name": "a", "input_schema": {}}]}),
        json!({"tool_choice": {"type": "any"}}),
        json!({"tools": [{"name": "a", "input_schema": {}}], "tool_choice": {"type": "tool", "name": "b"}}),
        json!({"tools": [{"name": "a", "input_schema": {}}], "tool_choice": {"type": "some"}}),
        json!({"thinking": {"type": "enabled"}}),
        json!({"thinking": true}),
        json!({"temperature": "hot"}),
        json!({"top_k": -1}),
        json!({"stop_sequences": "x"}),
        json!({"stop_sequences": [""]}),
        json!({"metadata": {"user_id": 7}}),
        json!({"stream": "yes"}),
        json!({"output_config": {"format": {"type": "json_schema"}}}),
    ]
    .into_iter()
    .map(refused)
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn versions_and_betas() {
    let with = |name: &'static str, values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.insert("x-api-key", HeaderValue::from_static("secret"));
        read(&body(json!({})), &headers)
    };
    for version in ["2026-10-21", "2023-06-01", "2023-01-01"] {
        assert!(with("anthropic-version", &[version]).is_ok(), "{version}");
    }
    for version in ["", "2024-01-01", "2023-06-01, 2023-06-01"] {
        let invalid = with("anthropic-version", &[version]).unwrap_err();
        assert_eq!(
            invalid.param.as_deref(),
            Some("anthropic-version"),
            "{version}"
        );
    }
    let native = with("anthropic-beta", &["a,b", "c"])
        .unwrap()
        .translated
        .native;
    assert_eq!(native.headers.len(), 2);
    assert!(native.headers.keys().all(|name| name == "anthropic-beta"));
}

#[test]
fn the_gateways_own_words_are_taken_out_of_the_clients() {
    let plain = body(json!({"top_p": 0.10}));
    let read_of = |body: &Bytes| read(body, &HeaderMap::new()).unwrap().translated;
    assert_eq!(read_of(&plain).native.body, plain);
    let raw = Bytes::from_static(
        br#"{"refrain":{"tag":"x"}, "model":"m","max_tokens":1.0e1,"cache":{"no-cache":true},"messages":[{"role":"user","content":"\u0041"}],"prefer_fast":true}"#,
    );
    let translated = read(&raw, &HeaderMap::new());
    assert!(translated.is_err(), "a float is no number of tokens");
    let raw = Bytes::from(
        String::from_utf8(raw.to_vec())
            .unwrap()
            .replace("1.0e1", "10"),
    );
    let translated = read_of(&raw);
    assert_eq!(
        translated.native.body,
        r#"{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"\u0041"}]}"#
    );
    for name in ["refrain", "cache", "prefer_fast"] {
        assert!(translated.chat.contains_key(name), "{name}");
    }
    let other = read_of(&body(json!({"cache": {"mine": 1}})));
    assert_eq!(other.only[0].param, "cache");
}

#[test]
fn what_others_left_at_anthropic_is_not_to_be_had() {
    for (fields, at) in [
        (json!({"container": "container_01"}), "container"),
        (
            json!({"container": {"id": "container_01", "skills": []}}),
            "container",
        ),
        (
            json!({"thread": {"type": "continue", "previous_message_id": "msg_1"}}),
            "thread",
        ),
    ] {
        let refused = refused(fields.clone());
        assert!(refused.starts_with(at), "{fields}: {refused}");
    }
    for fields in [
        json!({"container": {"skills": [{"type": "anthropic", "skill_id": "xlsx"}]}}),
        json!({"thread": {"type": "create"}}),
    ] {
        assert_eq!(inbound(fields).unwrap().translated.only.len(), 1);
    }
}
