//! What clients get for what Ollama says.

use serde_json::{Value, json};

use super::{answer, lines, stream, told, told_whole};
use crate::provider::dialect::Broken;

/// The end of every answer, with these fields.
fn done(reason: &str) -> Value {
    json!({
        "model": "llama3.2", "created_at": "2026-03-01T10:00:00.5Z",
        "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": reason,
        "total_duration": 4_883_583_458_u64, "load_duration": 1_334_875, "prompt_eval_count": 26,
        "prompt_eval_duration": 342_546_000, "eval_count": 282, "eval_duration": 4_535_599_000_u64,
    })
}

fn said(message: Value) -> Value {
    let mut line = json!({
        "model": "llama3.2", "created_at": "2026-03-01T10:00:00.1Z", "done": false,
    });
    line["message"] = message;
    line
}

fn text(text: &str) -> Value {
    said(json!({"role": "assistant", "content": text}))
}

#[test]
fn a_whole_answer() {
    let mut body = done("stop");
    body["message"]["content"] = json!("The hermit crab.");
    body["prompt_eval_cached_count"] = json!(20);
    insta::assert_json_snapshot!(answer(told_whole(&body).unwrap()).1);
}

#[test]
fn a_stream() {
    let body = lines(&[text("The hermit"), text(" crab."), done("stop")]);
    insta::assert_snapshot!(stream(told([body.as_bytes()]).unwrap()));
}

#[test]
fn thoughts_and_an_answer_without_room() {
    let body = lines(&[
        said(json!({"role": "assistant", "content": "", "thinking": "They have"})),
        said(json!({"role": "assistant", "content": "", "thinking": " ten legs."})),
        text("Ten"),
        done("length"),
    ]);
    insta::assert_snapshot!(stream(told([body.as_bytes()]).unwrap()));
}

#[test]
fn calls_with_ids_and_without() {
    let call = |id: Value, place: &str| json!({"id": id, "function": {"index": 0, "name": "weather", "arguments": {"place": place, "days": 2}}});
    let body = lines(&[
        text("Let me see."),
        said(json!({"role": "assistant", "content": "", "tool_calls": [
            call(json!("call_lyywui55"), "Oslo"), call(json!("call_lyywui55"), "Rome"),
        ]})),
        said(json!({"role": "assistant", "content": "", "tool_calls": [
            call(Value::Null, "Bern"), {"function": {"name": "noop", "arguments": null}},
            {"function": {"name": "noop"}}, {"function": {"name": "odd", "arguments": "{\"a\":1}"}},
        ]})),
        done("stop"),
    ]);
    let told = told([body.as_bytes()]).unwrap();
    insta::assert_json_snapshot!(answer(told).1["choices"][0]);
}

#[test]
fn arguments_keep_their_spelling() {
    let line = r#"{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"z":1.0,"a":12345678901234567890123,"m":"\u00e9"}}}]},"done":true}"#;
    let (_, json) = answer(told([line.as_bytes()]).unwrap());
    assert_eq!(
        json["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
        r#"{"z":1.0,"a":12345678901234567890123,"m":"\u00e9"}"#
    );
}

#[test]
fn probabilities() {
    let token = |token: &str, others: Value| json!({"token": token, "logprob": -0.25, "bytes": token.as_bytes(), "top_logprobs": others});
    let mut thought = said(json!({"role": "assistant", "thinking": "Hm", "content": ""}));
    thought["logprobs"] = json!([token("Hm", json!([]))]);
    let mut first = text("Ten");
    first["logprobs"] = json!([token(
        "Ten",
        json!([
            {"token": "Ten", "logprob": -0.25}, {"token": "Eight", "logprob": -1.5, "bytes": [69]},
        ])
    )]);
    let mut held = text("");
    held["logprobs"] = json!([{"token": " legs", "logprob": -0.5}]);
    let body = lines(&[thought, first, held, text(" legs"), done("stop")]);
    let told = told([body.as_bytes()]).unwrap();
    insta::assert_json_snapshot!(answer(told).1["choices"][0]);
}

#[test]
fn tokens() {
    let of = |fields: Value| {
        let mut line = json!({"message": {"content": "x"}, "done": true, "done_reason": "stop"});
        line.as_object_mut().unwrap().extend(super::object(fields));
        answer(told_whole(&line).unwrap()).1["usage"].clone()
    };
    assert_eq!(of(json!({})), Value::Null);
    assert_eq!(
        of(json!({"eval_count": 3})),
        json!({"prompt_tokens": 0, "completion_tokens": 3, "total_tokens": 3})
    );
    assert_eq!(
        of(json!({"eval_count": 3, "prompt_eval_count": 4, "prompt_eval_cached_count": 9}))["prompt_tokens_details"],
        json!({"cached_tokens": 4})
    );
}

#[test]
fn an_answer_without_a_word_is_one() {
    let (_, json) = answer(told_whole(&done("stop")).unwrap());
    assert_eq!(json["choices"][0]["message"]["content"], "");
    assert_eq!(json["choices"][0]["finish_reason"], "stop");
}

#[test]
fn what_is_no_answer_is_broken() {
    let cases = [
        String::new(),
        "<html>".to_owned(),
        "[]".to_owned(),
        "{\"message\": 7}".to_owned(),
        "{\"message\": {\"content\": \"half".to_owned(),
        lines(&[text("half")]),
        lines(&[done("load")]),
        lines(&[done("unload")]),
        lines(&[done("stop"), text("more")]),
        lines(&[
            text("x"),
            json!({"error": "an error was encountered while running the model"}),
        ]),
        lines(&[json!({"error": {"message": "model 'x' not found"}})]),
    ];
    let mut shown = String::new();
    for case in cases {
        shown += &match told([case.as_bytes()]).unwrap_err() {
            Broken::Unreadable(why) => format!("unreadable: {why}\n"),
            Broken::Reported(failure) => format!(
                "reported: {} {}\n",
                failure.status,
                failure.error.unwrap().message
            ),
        };
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_cannot_be_told_is_no_empty_answer() {
    let why = |body: &Value| format!("{:?}", told_whole(body).unwrap_err());
    let nothing = json!({"model": "m", "done": true, "done_reason": "stop"});
    assert!(why(&nothing).contains("without a `message`"));
    let image =
        json!({"message": {"role": "assistant", "content": "", "images": ["aa"]}, "done": true});
    assert!(why(&image).contains("`images`"));
    let both = json!({"message": {"role": "assistant", "content": "See.", "images": ["aa"]}, "done": true});
    told_whole(&both).unwrap();
    let ended = lines(&[
        json!({"message": {"content": "Hi."}}),
        json!({"done": true}),
    ]);
    told([ended.as_bytes()]).unwrap();
}

#[test]
fn a_call_of_no_tool_is_no_answer() {
    let call = json!({"function": {"name": "", "arguments": {}}});
    let body = json!({"message": {"content": "", "tool_calls": [call]}, "done": true});
    let why = format!("{:?}", told_whole(&body).unwrap_err());
    assert!(why.contains("a call without a name"), "{why}");
}

#[test]
fn very_many_calls_take_no_longer_each() {
    let calls: Vec<Value> = (0..60_000)
        .map(|at| json!({"id": format!("a-rather-long-id-{at}"), "function": {"name": "f"}}))
        .collect();
    let body = json!({"message": {"content": "", "tool_calls": calls}, "done": true});
    assert!(told_whole(&body).unwrap().len() > 60_000);
}
