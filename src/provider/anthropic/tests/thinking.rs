//! Thinking, and how words are chosen.

use serde_json::{Value, json};

use super::{lenient, refused, sent_to};

/// What of a request is about thinking and the choice of words.
fn thinking(mut sent: Value) -> Value {
    let fields = sent.as_object_mut().unwrap();
    fields.retain(|field, _| !matches!(field.as_str(), "messages" | "model" | "tools"));
    sent
}

fn with_effort(model: &str, effort: &str) -> String {
    let sent = lenient(model, json!({"reasoning_effort": effort}));
    format!("{model}, {effort}: {}", thinking(sent))
}

#[test]
fn every_effort_for_every_kind_of_model() {
    let models = [
        "claude-3-5-haiku-latest",
        "claude-opus-4-0",
        "claude-haiku-4-5",
        "claude-opus-4-6",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-sonnet-5-5",
        "claude-fable-5",
        "claude-opus-5-5",
        "kimi-k2",
    ];
    let efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
    let lines = models
        .iter()
        .flat_map(|model| efforts.map(|effort| with_effort(model, effort)));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn efforts_that_a_model_can_not_make() {
    insta::assert_snapshot!(
        [
            refused(
                "claude-3-5-haiku-latest",
                json!({"reasoning_effort": "low"})
            ),
            refused("claude-opus-5-5", json!({"reasoning_effort": "none"})),
        ]
        .join("\n")
    );
}

#[test]
fn answers_are_longer_than_their_budget() {
    let most = |model: &str, tokens: Value, effort: &str| {
        let sent = sent_to(
            model,
            json!({"max_completion_tokens": tokens, "reasoning_effort": effort}),
        );
        (
            sent["max_tokens"].clone(),
            sent["thinking"]["budget_tokens"].clone(),
        )
    };
    assert_eq!(
        most("claude-haiku-4-5", json!(500), "low"),
        (json!(1524), json!(1024))
    );
    assert_eq!(
        most("claude-haiku-4-5", json!(1024), "low"),
        (json!(2048), json!(1024))
    );
    assert_eq!(
        most("claude-haiku-4-5", json!(1025), "low"),
        (json!(1025), json!(1024))
    );
    assert_eq!(
        most("claude-haiku-4-5", json!(9000), "medium"),
        (json!(9000), json!(8192))
    );
    assert_eq!(
        most("claude-opus-4-0", json!(20_000), "high"),
        (json!(32_000), json!(24_576))
    );
    assert_eq!(
        most("claude-opus-4-0", json!(20_000), "max"),
        (json!(32_000), json!(27_904))
    );
    assert_eq!(
        most("kimi-k2", Value::Null, "max"),
        (json!(8192), json!(4096))
    );
    assert_eq!(
        most("claude-opus-4-8", json!(500), "max"),
        (json!(500), Value::Null)
    );
}

#[test]
fn the_clients_own_thinking_goes_first() {
    let own = json!({"type": "enabled", "budget_tokens": 2048});
    let fields = json!({"thinking": own, "reasoning_effort": "max", "max_tokens": 100});
    insta::assert_json_snapshot!(json!({
        "old": thinking(sent_to("claude-sonnet-4-5", fields)),
        "new": thinking(sent_to("claude-opus-4-7", json!({
            "thinking": {"type": "adaptive", "display": "omitted"}, "reasoning_effort": "xhigh",
        }))),
        "off, then nothing above high": thinking(sent_to("claude-opus-5", json!({
            "thinking": {"type": "disabled"}, "reasoning_effort": "max",
        }))),
    }));
}

#[test]
fn words_are_chosen_as_the_model_lets_one() {
    let chosen = |model: &str, fields: Value| {
        let sent = lenient(model, fields.clone());
        let sent: Vec<String> = ["temperature", "top_p", "top_k", "(dropped)"]
            .iter()
            .filter_map(|field| Some(format!("{field} {}", sent.get(*field)?)))
            .collect();
        format!("{model} {fields}: {}", sent.join(", "))
    };
    let both = json!({"temperature": 0.3, "top_p": 0.9, "top_k": 40});
    let ones = json!({"temperature": 1, "top_p": 1});
    let thinking =
        json!({"temperature": 0.3, "top_p": 0.97, "top_k": 4, "reasoning_effort": "low"});
    let lines = [
        chosen("claude-sonnet-4-0", both.clone()),
        chosen("claude-sonnet-4-0", json!({"temperature": 1.7})),
        chosen("claude-sonnet-4-0", thinking.clone()),
        chosen(
            "claude-sonnet-4-0",
            json!({"temperature": 1, "top_p": 0.9, "reasoning_effort": "low"}),
        ),
        chosen("claude-sonnet-4-5", both.clone()),
        chosen("claude-sonnet-4-5", ones.clone()),
        chosen("claude-sonnet-4-5", json!({"temperature": 1, "top_p": 0.5})),
        chosen("claude-sonnet-4-5", json!({"temperature": 0, "top_p": 1})),
        chosen("claude-sonnet-4-5", json!({"top_p": 1})),
        chosen("claude-opus-4-7", both),
        chosen("claude-opus-4-7", ones),
        chosen("kimi-k2", json!({"temperature": 0.6, "top_p": 0.5})),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

fn used(more: Value) -> Value {
    let thought = json!({"type": "thinking", "thinking": "Long legs.", "signature": "c2ln"});
    let mut fields = json!({
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "messages": [
            {"role": "user", "content": "A stork?"},
            {"role": "assistant", "content": "Let me look.", "reasoning_content": "Long legs.",
                "thinking_blocks": [
                    thought,
                    {"type": "redacted_thinking", "data": "c2VjcmV0"},
                    {"type": "thinking", "thinking": "not signed", "signature": ""},
                    {"type": "thinking", "thinking": "not signed"},
                    {"type": "other"},
                    "text",
                ],
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": "yes"},
        ],
    });
    fields
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    fields
}

#[test]
fn thoughts_go_back_as_they_came() {
    let low = json!({"reasoning_effort": "low"});
    insta::assert_json_snapshot!(json!({
        "with a budget": sent_to("claude-sonnet-4-5", used(low)),
        "not thinking": sent_to("claude-sonnet-4-5", used(json!({})))["messages"][1],
        "thinking by itself, checked": sent_to("claude-opus-5-5", used(json!({}))),
        "thinking by itself": sent_to("claude-opus-5", used(json!({}))),
    }));
}

#[test]
fn thinking_gives_way() {
    let low = |more: Value| {
        let mut fields = json!({"reasoning_effort": "low", "temperature": 0.5});
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        fields
    };
    let forgotten = json!([
        {"role": "user", "content": "A stork?"},
        {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "yes"},
    ]);
    let tools = json!([{"type": "function", "function": {"name": "look"}}]);
    let begun = json!([
        {"role": "user", "content": "A stork?"},
        {"role": "assistant", "content": "It is"},
    ]);
    let forced = json!({"tools": tools, "tool_choice": "required"});
    let max = json!({"tools": tools, "tool_choice": "required", "reasoning_effort": "max"});
    insta::assert_json_snapshot!(json!({
        "to a tool that must be called": thinking(sent_to("claude-sonnet-4-5", low(forced.clone()))),
        "where it is on by itself": thinking(sent_to("claude-opus-5", forced.clone())),
        "and no effort is too high": thinking(sent_to("claude-opus-5", max)),
        "not where it can't": thinking(sent_to("claude-fable-5", forced)),
        "to calls without thoughts": thinking(sent_to(
            "claude-sonnet-4-5", low(json!({"messages": forgotten, "tools": tools})),
        )),
        "to an answer that was begun": thinking(sent_to("claude-sonnet-4-5", low(json!({"messages": begun})))),
        "not where thoughts may be missing": thinking(sent_to("claude-opus-4-8", json!({
            "messages": forgotten, "tools": tools, "reasoning_effort": "low",
        }))),
    }));
}
