//! Before everybody else: the request in their dialect, the answer in Anthropic's.

use serde_json::{Value, json};

use super::{MODEL, asking, events, post, told};
use crate::support::{
    answer::{Answer, chunk, completion, event},
    client::Reply,
    gateway::{Gateway, Setup, model},
    gemini::Gemini,
    ollama::Ollama,
    upstream::Upstream,
    with,
};

/// The second request of a coding agent.
fn agent() -> Value {
    json!({
        "model": MODEL,
        "max_tokens": 3000,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=1;"},
            {"type": "text", "text": "You help with code.", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is in the picture that `draw` makes?"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "I have to look.", "signature": ""},
                {"type": "text", "text": "I'll draw it."},
                {"type": "tool_use", "id": "toolu_1", "name": "draw", "input": {"width": 1}},
                {"type": "tool_use", "id": "toolu_2", "name": "draw", "input": {"width": 2}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}},
                ]},
                {"type": "tool_result", "tool_use_id": "toolu_2", "content": "too wide", "is_error": true},
                {"type": "text", "text": "And now?", "cache_control": {"type": "ephemeral"}},
            ]},
        ],
        "tools": [{"name": "draw", "description": "Draws.", "input_schema": {
            "type": "object", "properties": {"width": {"type": "integer"}}, "required": ["width"],
        }}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "metadata": {"user_id": "u"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "temperature": 1,
    })
}

async fn agent_asks(gateway: &Gateway, more: Value) -> Reply {
    let body = with(agent(), more);
    let reply = post(gateway, &body)
        .header("anthropic-beta", "context-management-2025-06-27")
        .send()
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

#[tokio::test]
async fn what_openai_is_sent() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let reply = agent_asks(&gateway, json!({})).await;
    insta::assert_json_snapshot!(upstream.only().json());
    insta::assert_json_snapshot!(reply.json());
    assert!(!upstream.only().headers.contains_key("anthropic-beta"));
}

#[tokio::test]
async fn what_gemini_is_sent() {
    let google = Gemini::start().await;
    let model = model(MODEL, &["google/gemini-2.5-flash"]);
    let gateway = Setup::new(&(google.section("google") + &model))
        .start()
        .await;
    let reply = agent_asks(&gateway, json!({})).await;
    insta::assert_json_snapshot!(google.received()[0].body);
    assert_eq!(
        reply.json()["content"],
        json!([{"type": "text", "text": "answer 1"}])
    );
    let reply = agent_asks(&gateway, json!({"stream": true, "max_tokens": 2999})).await;
    assert_eq!(
        told(&events(&reply))["content"],
        json!([{"type": "text", "text": "answer 2"}])
    );
}

#[tokio::test]
async fn what_ollama_is_sent() {
    let ollama = Ollama::start().await;
    ollama.show(json!({"capabilities": ["completion", "tools", "vision", "thinking"]}));
    let provider = format!(
        "[[providers]]\nname = \"local\"\nkind = \"ollama\"\nbase_url = \"{}\"\nretry = {{ attempts = 0 }}\n",
        ollama.base_url()
    );
    let gateway = Setup::new(&(provider + &model(MODEL, &["local/crab:7b"])))
        .start()
        .await;
    let reply = agent_asks(&gateway, json!({"top_k": 3})).await;
    insta::assert_json_snapshot!(ollama.received()[0]);
    assert_eq!(
        reply.json()["content"],
        json!([{"type": "text", "text": "answer 1"}])
    );
    let reply = agent_asks(&gateway, json!({"stream": true})).await;
    assert_eq!(
        told(&events(&reply))["content"],
        json!([{"type": "text", "text": "answer 2"}])
    );
}

#[tokio::test]
async fn a_stream_of_thoughts_words_and_calls_at_once() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let call = |index: u64, fields: Value| {
        let call = with(json!({"index": index}), fields);
        event(&chunk(&json!({"tool_calls": [call]}), None))
    };
    let begins = |index: u64| {
        let function = json!({"name": "draw", "arguments": ""});
        call(
            index,
            json!({"id": format!("call_{index}"), "type": "function", "function": function}),
        )
    };
    let goes_on = |index: u64, text: &str| call(index, json!({"function": {"arguments": text}}));
    let says = |delta: Value| event(&chunk(&delta, None));
    let usage = json!({
        "prompt_tokens": 30, "completion_tokens": 9, "total_tokens": 39,
        "prompt_tokens_details": {"cached_tokens": 10}, "completion_tokens_details": {"reasoning_tokens": 4},
    });
    let mut last = chunk(&json!({}), None);
    last["choices"] = json!([]);
    let stream = [
        says(json!({"role": "assistant", "content": ""})),
        says(json!({"reasoning_content": "Two "})),
        says(json!({"reasoning_content": "pictures."})),
        says(json!({"content": "I'll "})),
        says(json!({"content": "draw."})),
        begins(0),
        goes_on(0, "{\"width\""),
        begins(1),
        goes_on(1, "{\"width\":"),
        goes_on(0, ":1}"),
        goes_on(1, "2}"),
        event(&chunk(&json!({}), Some("tool_calls"))),
        event(&with(last, json!({"usage": usage}))),
        "data: [DONE]\n\n".to_owned(),
    ];
    upstream.script(Answer::events(stream.concat()));
    let reply = agent_asks(&gateway, json!({"stream": true})).await;
    let events = events(&reply);
    let first = told(&events);
    insta::assert_json_snapshot!(first);
    gateway.app.settle().await;

    // The same from the cache, as a stream and whole, is the same message under another id.
    for (stream, way) in [(true, "exact"), (false, "exact")] {
        let reply = agent_asks(&gateway, json!({ "stream": stream })).await;
        assert_eq!(reply.way(), way);
        let again = if stream {
            told(&super::events(&reply))
        } else {
            reply.json()
        };
        for field in ["content", "stop_reason", "usage", "model", "role", "type"] {
            assert_eq!(again[field], first[field], "{field}");
        }
        assert!(again["id"].as_str().unwrap().starts_with("msg_"));
    }
    assert_eq!(
        upstream.only().json()["stream_options"],
        json!({"include_usage": true})
    );
}

#[tokio::test]
async fn thoughts_are_told_to_those_who_asked_for_them() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let mut answer = completion("On one leg.", 1);
    answer["choices"][0]["message"]["reasoning_content"] = json!("Legs.");
    for thinking in [false, true] {
        upstream.script(Answer::json(&answer));
        let more = if thinking {
            json!({"thinking": {"type": "adaptive"}})
        } else {
            json!({})
        };
        let reply = post(&gateway, &with(asking("How do storks sleep?"), more))
            .send()
            .await;
        let content = reply.json()["content"].clone();
        let kinds: Vec<&Value> = content
            .as_array()
            .unwrap()
            .iter()
            .map(|block| &block["type"])
            .collect();
        let expect: &[&str] = if thinking {
            &["thinking", "text"]
        } else {
            &["text"]
        };
        assert_eq!(kinds, expect);
    }
}

#[tokio::test]
async fn how_it_ends() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    for (finish, expect) in [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("tool_calls", "end_turn"),
        ("novel", "end_turn"),
    ] {
        let mut answer = completion("On one leg.", 1);
        answer["choices"][0]["finish_reason"] = json!(finish);
        upstream.script(Answer::json(&answer));
        let reply = post(&gateway, &asking(&format!("How do storks sleep? {finish}")))
            .send()
            .await;
        assert_eq!(reply.json()["stop_reason"], expect, "{finish}");
    }
}

#[tokio::test]
async fn what_only_anthropic_has_is_refused_or_left_out() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let tools = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    let body = with(asking("What is new?"), json!({"tools": tools}));
    let reply = post(&gateway, &body).send().await;
    assert_eq!((reply.status, upstream.calls()), (400, 0));
    let message = reply.error()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("tools[0].type")
            && message.contains("has no built-in tool `web_search_20250305`"),
        "{message}"
    );
    let reply = post(&gateway, &with(body, json!({"drop_unsupported": true})))
        .send()
        .await;
    assert_eq!((reply.status, upstream.calls()), (200, 1));
    assert!(upstream.only().json().get("tools").is_none());
}
