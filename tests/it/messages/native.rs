//! Before Anthropic: the client's words go out as they are, and the provider's come back as they are.

use serde_json::{Value, json};

use super::{asking, before_claude, post};
use crate::support::{
    answer::Answer,
    anthropic::{Anthropic, events_of, message},
    asking as asking_chat, with,
};

fn rich() -> Value {
    json!({
        "model": "gpt-test",
        "max_tokens": 2000,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": "A stork?"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Long legs.", "signature": "c2ln"},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at":  1.50}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "yes"}]},
                {"type": "text", "text": "Well?", "cache_control": {"type": "ephemeral"}},
            ]},
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": "u"},
        "context_management": {"edits": []},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    })
}

#[tokio::test]
async fn words_pass_in_both_directions() {
    let anthropic = Anthropic::start().await;
    let beta = "headers = { anthropic-beta = \"files-1, both\" }\nprompt_caching = true";
    let gateway = before_claude(&anthropic, beta).await;
    let content = json!([
        {"type": "thinking", "thinking": "", "signature": "c2ln"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}, "novel": 1},
        {"type": "text", "text": "Yes.", "citations": null},
    ]);
    let answer = with(
        message(&content, "end_turn"),
        json!({"container": {"id": "c"}, "novel": [1.50]}),
    );
    anthropic.script(Answer::json(&answer));
    let reply = post(
        &gateway,
        &with(rich(), json!({"refrain": {"namespace": "n"}})),
    )
    .header("anthropic-beta", "context-1,both")
    .header("anthropic-dangerous-direct-browser-access", "true")
    .send()
    .await;
    assert_eq!(
        (reply.status, reply.text()),
        (200, answer.to_string().as_str())
    );
    assert_eq!(reply.way(), "miss");
    let received = anthropic.received();
    let sent = received[0].json();
    assert_eq!(sent, with(rich(), json!({"model": "claude-sonnet-4-5"})));
    let headers = &received[0].headers;
    assert_eq!(headers["anthropic-beta"], "files-1,both,context-1");
    assert_eq!(headers["anthropic-version"], "2023-06-01");
    assert!(!headers.contains_key("anthropic-dangerous-direct-browser-access"));
}

#[tokio::test]
async fn a_stream_passes_byte_by_byte() {
    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    let content = json!([
        {"type": "thinking", "thinking": "Long legs.", "signature": "c2ln"},
        {"type": "text", "text": "I'll look."},
        {"type": "tool_use", "id": "toolu_01AB", "name": "look", "input": {"at": "nest"}},
    ]);
    let stream = events_of(&content, "tool_use").concat();
    anthropic.script(Answer::events(stream.clone()));
    let tools = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    let body = with(asking("A stork?"), json!({"stream": true, "tools": tools}));
    let reply = post(&gateway, &body).send().await;
    assert_eq!((reply.status, reply.text()), (200, stream.as_str()));
    assert_eq!(
        anthropic.last(),
        with(body, json!({"model": "claude-sonnet-4-5"}))
    );
}

#[tokio::test]
async fn tools_of_anthropic_s_own_are_not_kept() {
    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    // This fake knows no such tool; what counts is that it was asked.
    let tools = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    let body = with(asking("What is new?"), json!({"tools": tools}));
    let reply = post(&gateway, &body).send().await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("x-refrain-cache-reason"), "untranslated");
    assert_eq!(reply.error()["type"], "invalid_request_error");
}

#[tokio::test]
async fn an_answer_to_anthropic_s_words_is_one_for_chats() {
    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    let first = post(&gateway, &asking("Where do storks sleep?"))
        .send()
        .await;
    assert_eq!(
        (first.status, first.way()),
        (200, "miss"),
        "{}",
        first.text()
    );
    gateway.app.settle().await;
    let chat = with(
        asking_chat("Where do storks sleep?"),
        json!({"max_tokens": 100}),
    );
    let second = gateway.ask(&chat).send().await;
    assert_eq!(
        (second.way(), second.said().as_str()),
        ("exact", "answer 1")
    );
}

#[tokio::test]
async fn thoughts_of_other_models_are_not_shown_to_anthropic() {
    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    let thought = json!({"type": "thinking", "thinking": "\"signature\":\"\"", "signature": "s"});
    let turns = |thought: Value| {
        json!({"messages": [
            {"role": "user", "content": "A stork?"},
            {"role": "assistant", "content": [thought, {"type": "text", "text": "Yes."}]},
            {"role": "user", "content": "Sure?"},
        ]})
    };
    let more = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 3000});
    let own = with(with(asking(""), turns(thought)), more.clone());
    let others = with(
        with(
            asking(""),
            turns(json!({"type": "thinking", "thinking": "Legs.", "signature": ""})),
        ),
        more,
    );
    for (body, blocks) in [(own, 2), (others, 1)] {
        let reply = post(&gateway, &body).send().await;
        assert_eq!(
            (reply.status, &reply.json()["type"]),
            (200, &json!("message"))
        );
        assert_eq!(
            anthropic.last()["messages"][1]["content"]
                .as_array()
                .unwrap()
                .len(),
            blocks
        );
    }
}

#[tokio::test]
async fn anthropic_s_own_tools_are_seen_at_work() {
    let anthropic = Anthropic::start().await;
    let gateway = before_claude(&anthropic, "").await;
    let searched =
        json!([{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}]);
    let events = events_of(&searched, "pause_turn");
    // It breaks while it searches: what was seen is not taken back.
    let work = events[..events.len() - 2].concat();
    anthropic.script(Answer::events(work.clone()));
    let body = with(asking("What is new?"), json!({"stream": true}));
    let reply = post(&gateway, &body).send().await;
    let told = reply.text().strip_prefix(&work).unwrap();
    assert!(told.starts_with("event: error\n"), "{told}");
    assert_eq!(reply.status, 200);
}
