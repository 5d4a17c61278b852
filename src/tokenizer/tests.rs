use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::wire::{chat::ChatRequest, controls::Controls};

mod cutting;
mod exactness;

/// One model of each family.
pub(super) const MODELS: [&str; 10] = [
    "gpt-4o",
    "gpt-4",
    "gpt-5.2",
    "gpt-6",
    "claude-sonnet-4-5",
    "gemini-2.5-pro",
    "llama-3.1-8b",
    "qwen3-max",
    "mistral-large",
    "deepseek-chat",
];

pub(super) fn family(model: &str) -> Family {
    Family::of(ProviderKind::OpenAi, model)
}

fn request(body: &Value) -> ChatRequest {
    let body = Bytes::from(body.to_string());
    ChatRequest::parse(body, &mut Controls::default()).unwrap()
}

/// A function with what the cookbook's formula knows: a list of values and descriptions with full stops.
fn ferry_tool() -> Value {
    json!({"type": "function", "function": {
        "name": "find_ferry",
        "description": "Finds the next ferry from a harbour.",
        "parameters": {
            "type": "object",
            "properties": {
                "harbour": {"type": "string", "description": "Where it leaves."},
                "deck": {"type": "string", "description": "Which deck", "enum": ["upper", "lower", "car"]},
            },
            "required": ["harbour"],
        },
    }})
}

#[test]
fn usage_counts_as_the_cookbook_does() {
    // Counted by hand with the tokenizer of record: "You are terse." 4, "hello world" 2, roles 1 each.
    let messages = [
        json!({"role": "system", "content": "You are terse."}),
        json!({"role": "user", "content": "hello world"}),
    ];
    let answer =
        Answer::read(br#"{"choices":[{"message":{"role":"assistant","content":"hello world"}}]}"#);
    assert_eq!(
        usage(&messages, &answer.unwrap()),
        json!({"prompt_tokens": 17, "completion_tokens": 2, "total_tokens": 19})
    );
}

#[test]
fn names_have_their_families() {
    let same = |kind, a: &str, b: &str| {
        assert_eq!(Family::of(kind, a), family(b), "{a} counts as {b}");
    };
    for (name, as_name) in [
        ("openai/gpt-4o", "gpt-4o"),
        ("GPT-4o-2024-08-06", "gpt-4o"),
        ("ft:gpt-4o:org::id", "gpt-4o"),
        ("chatgpt-4o-latest", "gpt-4o"),
        ("gpt-4-turbo", "gpt-4"),
        ("gpt-4-0613", "gpt-4"),
        (
            "us.anthropic.claude-3-haiku-20240307-v1:0",
            "claude-sonnet-4-5",
        ),
        ("anthropic/claude-3.5-sonnet", "claude-sonnet-4-5"),
        ("meta-llama/Llama-3.1-8B", "llama-3.1-8b"),
        ("meta.llama3-1-70b-instruct-v1:0", "llama-3.1-8b"),
        ("Qwen/Qwen3-Coder-480B", "qwen3-max"),
        ("deepseek-ai/DeepSeek-V3", "deepseek-chat"),
        ("mixtral:8x7b", "mistral-large"),
        ("models/gemini-2.0-flash", "gemini-2.5-pro"),
    ] {
        same(ProviderKind::OpenAi, name, as_name);
    }
    same(ProviderKind::Gemini, "learnlm", "gemini-2.5-pro");
    same(ProviderKind::Anthropic, "opus", "claude-sonnet-4-5");
    for unknown in [
        "",
        "/",
        "ft:",
        "deepseek-r1-distill-llama-70b",
        "o1x",
        "gpt-40",
        "llama-2-7b",
    ] {
        assert!(!family(unknown).is_exact(), "{unknown}");
    }
    for exact in [
        "o1",
        "o3-mini",
        "o4-mini",
        "gpt-5",
        "gpt-5.1-codex",
        "openai.gpt-oss-120b-1:0",
        "gpt-3.5-turbo",
    ] {
        assert!(family(exact).is_exact(), "{exact}");
    }
    // A name that says nothing is counted as the worst that is known.
    let text = "Wir treffen uns um 17:30 Uhr an der Ecke.";
    for model in MODELS {
        assert!(
            family("unheard-of").text(text).most >= family(model).text(text).most,
            "{model}"
        );
    }
}

#[test]
fn messages_and_tools_count_as_the_cookbook_says() {
    let body = |model: &str| {
        json!({"model": model, "messages": [
            {"role": "system", "name": "harbour_master", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "When is the next ferry?"}]},
        ], "tools": [ferry_tool()]})
    };
    // As tiktoken counts them: `tests/python/test_tokens.py` has the formulas.
    let count = prompt(&request(&body("gpt-4o")), family("gpt-4o"));
    assert_eq!(count.fixed, Count::exactly(3 + 61));
    assert_eq!(count.total(), Count::exactly(24 + 61));
    // GPT-4 has 3 more for a function, and its own encoding.
    let before = prompt(&request(&body("gpt-4")), family("gpt-4"));
    assert_eq!(before.total(), Count::exactly(24 + 63));
}

#[test]
fn what_is_not_documented_lies_between() {
    let body = json!({"model": "gpt-4o", "messages": [
        {"role": "user", "content": "And tomorrow?"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",
            "function": {"name": "find_ferry", "arguments": "{\"harbour\":\"Turku\"}"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "07:15"},
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-1"}},
        ]},
    ], "response_format": {"type": "json_schema", "json_schema": {"name": "when", "schema": {"type": "object"}}}});
    for model in MODELS {
        let count = prompt(&request(&body), family(model));
        assert_eq!(count.messages.len(), 4);
        for (at, message) in count.messages.iter().enumerate().skip(1) {
            assert!(message.least < message.most, "{model}: {at} {message:?}");
        }
    }
}

#[test]
fn a_short_prompt_has_a_low_bound() {
    let body =
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "x".repeat(400)}]});
    assert!(bound(&request(&body)) < Tokens(500));
}

/// Parts of requests, sound and not.
fn parts() -> impl Strategy<Value = Value> {
    let text = || "\\PC{0,30}";
    prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        text().prop_map(|text| json!({"type": "refusal", "refusal": text})),
        text().prop_map(
            |url| json!({"type": "image_url", "image_url": {"url": url, "detail": "high"}})
        ),
        text().prop_map(|url| json!({"type": "image_url", "image_url": url})),
        text().prop_map(|data| json!({"type": "input_audio", "input_audio": {"data": data}})),
        text().prop_map(
            |data| json!({"type": "file", "file": {"file_data": data, "filename": data}})
        ),
        text().prop_map(|id| json!({"type": "file", "file": {"file_id": id}})),
        text().prop_map(|other| json!({"type": other, "x": [1e15, other]})),
    ]
}

fn schemas() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string", "description": "A day.", "enum": ["a", 1, null]})),
        Just(json!({"type": ["string", "null"]})),
        Just(json!(true)),
        any::<f64>().prop_map(|number| json!({"minimum": number})),
        "\\PC{0,20}".prop_map(|text| json!({"description": text, "enum": []})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop::collection::hash_map("[a-z]{0,8}", inner, 0..3)
            .prop_map(|properties| json!({"type": "object", "properties": properties}))
    })
}

fn messages() -> impl Strategy<Value = Value> {
    let text = "(\\PC|[ -~]|\\s){0,60}";
    prop_oneof![
        (prop::option::of("[a-z]{1,12}"), text)
            .prop_map(|(name, text)| json!({"role": "user", "name": name, "content": text})),
        text.prop_map(|text| json!({"role": "assistant", "content": text, "reasoning_content": text, "audio": {"id": "a"}})),
        prop::collection::vec(parts(), 1..4).prop_map(|parts| json!({"role": "user", "content": parts})),
        (text, "[a-z]{1,5}").prop_map(|(text, id)| json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": id, "type": "function", "function": {"name": "f", "arguments": text}}]})),
        text.prop_map(|text| json!({"role": "tool", "tool_call_id": "a", "content": text})),
    ]
}

proptest! {
    #[test]
    fn the_bound_is_never_passed(
        messages in prop::collection::vec(messages(), 1..5),
        tools in prop::collection::vec((schemas(), "\\PC{0,20}"), 0..3),
        format in prop::option::of(schemas()),
    ) {
        let tools = tools.iter().map(|(schema, text)| json!({"type": "function", "function": {
            "name": "f", "description": text, "parameters": schema, "strict": true}}));
        let mut body = json!({"model": "x", "messages": messages, "tools": tools.collect::<Vec<_>>()});
        if let Some(schema) = format {
            body["response_format"] = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
        }
        let raw = Bytes::from(body.to_string());
        let Ok(request) = ChatRequest::parse(raw, &mut Controls::default()) else {
            return Ok(());
        };
        for model in MODELS {
            let total = prompt(&request, family(model)).total();
            prop_assert!(total.least <= total.most, "{model}: {total:?}");
            prop_assert!(total.most <= bound(&request), "{model}: {total:?} {:?}", bound(&request));
        }
    }

    #[test]
    fn a_text_has_no_more_tokens_than_bytes(text in any::<String>()) {
        for model in MODELS {
            let count = family(model).text(&text);
            prop_assert!(count.least <= count.most && count.most.0 <= text.len() as u64, "{model}");
            prop_assert!(!family(model).is_exact() || count.least == count.most);
        }
    }
}
