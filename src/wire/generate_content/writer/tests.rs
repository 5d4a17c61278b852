use proptest::prelude::*;

use super::*;
use crate::wire::{
    answer::Answer,
    chunk, generate_content,
    heard::{Hearing, of_answer},
    sse,
};

fn answer() -> Answer {
    Answer::from_value(json!({
        "model": "gpt-x",
        "choices": [
            {"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "reasoning_content": "Let me look that up.", "content": "One moment, please.",
                "extra_content": {"google": {"thought_signature": "c2ln"}},
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "tide", "arguments": "{\"place\": \"Brest\"}"},
                     "extra_content": {"google": {"thought_signature": "YQ=="}}},
                    {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": ""}},
                    {"id": "call_3", "type": "function", "function": {"name": "bad", "arguments": "{\"a\":"}},
                ],
            }},
            {"index": 1, "finish_reason": "length", "message": {"role": "assistant", "refusal": "No."}},
            {"index": 2, "finish_reason": "content_filter", "message": {"role": "assistant", "content": null}},
        ],
        "usage": {
            "prompt_tokens": 10, "completion_tokens": 7, "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }))
    .unwrap()
}

fn whole(answer: Answer, thoughts: bool) -> Value {
    let mut writer = ResponseWriter::new(None, thoughts);
    for heard in of_answer(answer, "chatcmpl-7", 9) {
        writer.hear(heard);
    }
    serde_json::from_slice(&writer.whole()).unwrap()
}

fn streamed(answer: &Answer, form: Form, thoughts: bool) -> String {
    let mut writer = ResponseWriter::new(Some(form), thoughts);
    for heard in Hearing::default().events(&chunk::split(answer, "chatcmpl-7", 9, true)) {
        writer.hear(heard);
    }
    writer.end();
    String::from_utf8(writer.take()).unwrap()
}

/// The responses of a stream as one, as Google's clients put them together.
fn joined(responses: &[Value]) -> Value {
    let mut all = Vec::<(Vec<Value>, Value)>::new();
    let mut usage = Value::Null;
    for response in responses {
        for candidate in response["candidates"].as_array().unwrap() {
            let index = usize::try_from(candidate["index"].as_u64().unwrap()).unwrap();
            all.resize(all.len().max(index + 1), (Vec::new(), Value::Null));
            for part in candidate["content"]["parts"].as_array().unwrap() {
                let parts = &mut all[index].0;
                let goes_on = parts.last().is_some_and(|last| {
                    last["text"].is_string()
                        && part["text"].is_string()
                        && last["thought"] == part["thought"]
                });
                if goes_on {
                    let last = parts.last_mut().unwrap();
                    let text = format!(
                        "{}{}",
                        last["text"].as_str().unwrap(),
                        part["text"].as_str().unwrap()
                    );
                    last["text"] = json!(text);
                    if let Some(signature) = part.get("thoughtSignature") {
                        last["thoughtSignature"] = signature.clone();
                    }
                } else if part["text"] != "" || part.get("thoughtSignature").is_some() {
                    parts.push(part.clone());
                }
            }
            if let Some(reason) = candidate.get("finishReason") {
                all[index].1 = reason.clone();
            }
        }
        if let Some(counts) = response.get("usageMetadata") {
            usage = counts.clone();
        }
    }
    json!({"candidates": all, "usage": usage})
}

fn responses(stream: &str) -> Vec<Value> {
    let data = sse::data(stream.as_bytes());
    data.map(|data| serde_json::from_slice(data).unwrap())
        .collect()
}

#[test]
fn a_whole_answer() {
    insta::assert_json_snapshot!(whole(answer(), true));
    let without = whole(answer(), false).to_string();
    assert!(!without.contains("Let me look") && without.contains("One moment"));
}

#[test]
fn a_stream_in_both_forms() {
    let events = streamed(&answer(), Form::Sse, false);
    insta::assert_snapshot!(events);
    let array: Value = serde_json::from_str(&streamed(&answer(), Form::Array, false)).unwrap();
    assert_eq!(array.as_array().unwrap().clone(), responses(&events));
}

#[test]
fn a_stream_says_what_the_whole_says() {
    for thoughts in [false, true] {
        let stream = responses(&streamed(&answer(), Form::Sse, thoughts));
        let mut one = whole(answer(), thoughts);
        for candidate in one["candidates"].as_array_mut().unwrap() {
            if candidate["content"].get("parts").is_none() {
                candidate["content"]["parts"] = json!([]);
            }
        }
        assert_eq!(joined(&stream), joined(&[one]));
    }
}

#[test]
fn probabilities() {
    let answer = Answer::from_value(json!({"model": "m", "choices": [{
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"},
        "logprobs": {"content": [{"token": "Hi", "logprob": -0.5, "top_logprobs": [{"token": "Ho", "logprob": -2.0}]}]},
    }]}));
    let whole = whole(answer.unwrap(), false);
    assert_eq!(
        whole["candidates"][0]["logprobsResult"],
        json!({
            "topCandidates": [{"candidates": [{"token": "Ho", "logProbability": -2.0}]}],
            "chosenCandidates": [{"token": "Hi", "logProbability": -0.5}],
        })
    );
    assert!(whole.get("usageMetadata").is_none());
}

#[test]
fn thoughts_that_are_counted_beside_the_rest() {
    let usage = json!({"prompt_tokens": 1, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 5}});
    assert_eq!(
        usage_metadata(&usage).to_string(),
        r#"{"promptTokenCount":1,"candidatesTokenCount":2,"thoughtsTokenCount":5,"totalTokenCount":8}"#
    );
    let none = usage_metadata(&json!({})).to_string();
    assert_eq!(
        none,
        r#"{"promptTokenCount":0,"candidatesTokenCount":0,"totalTokenCount":0}"#
    );
}

#[test]
fn a_stream_that_breaks_ends_in_googles_error() {
    let error = ErrorObject {
        message: "gone".into(),
        kind: None,
        param: None,
        code: None,
    };
    let body = r#"{"error":{"code":502,"message":"gone","status":"UNAVAILABLE"}}"#;
    for (form, first) in [
        (Form::Sse, format!("data: {body}\n\n")),
        (Form::Array, format!("[{body}]")),
    ] {
        let mut writer = ResponseWriter::new(Some(form), false);
        writer.fail(502, &error);
        writer.end();
        assert_eq!(String::from_utf8(writer.take()).unwrap(), first);
    }
    let mut writer = ResponseWriter::new(Some(Form::Array), false);
    writer.hear(Heard::Say {
        choice: 0,
        what: What::Refusal("no".into()),
    });
    writer.fail(502, &error);
    let written: Value = serde_json::from_slice(&writer.take()).unwrap();
    assert_eq!(written[1]["error"]["code"], 502);
}

#[test]
fn what_is_told_can_be_asked_with() {
    let whole = whole(answer(), true);
    let said = whole["candidates"][0]["content"].clone();
    let results: Vec<Value> = ["tide", "now", "bad"]
        .iter()
        .map(|name| json!({"functionResponse": {"name": name, "response": {"result": "ok"}}}))
        .collect();
    let body = json!({"contents": [{"parts": [{"text": "Tide?"}]}, said, {"role": "user", "parts": results}]});
    let read = generate_content::read(&body.to_string().into(), "m", false).unwrap();
    assert_eq!(read.translated.only, []);
    let assistant = &read.translated.chat["messages"][1];
    assert_eq!(assistant["content"], "One moment, please.");
    assert_eq!(assistant["reasoning_content"], "Let me look that up.");
    assert_eq!(
        assistant["extra_content"],
        json!({"google": {"thought_signature": "c2ln"}})
    );
    assert_eq!(assistant["tool_calls"][0]["id"], "call_1");
    assert_eq!(
        assistant["tool_calls"][0]["extra_content"],
        json!({"google": {"thought_signature": "YQ=="}})
    );
}

proptest! {
    /// However a stream is cut, it says the same in both forms, and every array is one.
    #[test]
    fn both_forms_say_the_same(texts in prop::collection::vec("\\PC{0,12}", 0..6), finishes in any::<bool>()) {
        let write = |form: Form| {
            let mut writer = ResponseWriter::new(Some(form), true);
            let mut out = Vec::new();
            for (position, text) in texts.iter().enumerate() {
                let text = text.clone();
                let what = if position % 2 == 0 { What::Refusal(text) } else { What::Reasoning(text) };
                writer.hear(Heard::Say { choice: position as u64 % 3, what });
                out.extend(writer.take());
            }
            if finishes {
                writer.end();
            } else {
                writer.fail(500, &ErrorObject { message: "x".into(), kind: None, param: None, code: None });
            }
            out.extend(writer.take());
            String::from_utf8(out).unwrap()
        };
        let array: Vec<Value> = serde_json::from_str(&write(Form::Array)).unwrap();
        prop_assert_eq!(array, responses(&write(Form::Sse)));
    }
}
