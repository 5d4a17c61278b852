//! What the client gets.

use super::*;

fn candidate(parts: Value, finish: &str) -> Value {
    let mut body = json!({
        "candidates": [{"content": {"role": "model"}, "finishReason": finish, "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
        "modelVersion": "gemini-2.5-flash", "responseId": "r-1",
    });
    body["candidates"][0]["content"]["parts"] = parts;
    body
}

fn event(parts: Value, finish: Option<&str>) -> Value {
    let mut event = candidate(parts, finish.unwrap_or_default());
    if finish.is_none() {
        event["candidates"][0]
            .as_object_mut()
            .unwrap()
            .remove("finishReason");
    }
    event
}

#[test]
fn a_whole_answer() {
    let answer = whole(&candidate(json!([{"text": "Hello."}]), "STOP"), 1).unwrap();
    insta::assert_snapshot!(pretty(&answer));
}

#[test]
fn an_answer_with_everything() {
    let answer = whole(
        &json!({
            "candidates": [{
                "content": {"role": "model", "parts": [
                    {"text": "Let me ", "thought": true},
                    {"text": "think.", "thought": true},
                    {"text": "I look "},
                    {"text": "it up.", "thoughtSignature": "dGV4dA=="},
                    {"functionCall": {"id": "g-1", "name": "_n_2fa", "args": {"b": [1, "x"], "a": null}}, "thoughtSignature": "Y2FsbA=="},
                    {"functionCall": {"name": "now"}},
                    {"functionCall": {"id": "g-1", "name": "now", "args": null}},
                    {"executableCode": {"language": "PYTHON", "code": "1"}},
                    {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                    {"somethingNew": 1},
                ]},
                "finishReason": "STOP", "avgLogprobs": -0.1, "safetyRatings": [],
                "groundingMetadata": {"webSearchQueries": []},
            }],
            "usageMetadata": {
                "promptTokenCount": 100, "cachedContentTokenCount": 60, "toolUsePromptTokenCount": 7,
                "candidatesTokenCount": 20, "thoughtsTokenCount": 30, "totalTokenCount": 157,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
            },
            "modelVersion": "gemini-3.1-pro-preview", "responseId": "abc_-9",
        }),
        1,
    );
    insta::assert_snapshot!(pretty(&answer.unwrap()));
}

#[test]
fn a_stream() {
    let stream = chunks(&[
        event(json!([{"text": "Think", "thought": true}]), None),
        event(json!([{"text": "Hel"}]), None),
        event(json!([{"text": "lo"}, {"text": ""}]), None),
        json!({"usageMetadata": {"promptTokenCount": 10}}),
        event(
            json!([{"text": "", "thoughtSignature": "c2ln"}]),
            Some("STOP"),
        ),
    ]);
    insta::assert_snapshot!(stream);
}

#[test]
fn a_stream_of_calls() {
    let stream = chunks(&[
        event(
            json!([{"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "c2ln"}]),
            None,
        ),
        event(
            json!([{"functionCall": {"name": "g", "args": {}}}]),
            Some("STOP"),
        ),
    ]);
    insta::assert_snapshot!(stream);
}

#[test]
fn an_end_in_every_event_ends_only_once() {
    let stream = chunks(&[
        event(json!([{"text": "a"}]), Some("STOP")),
        event(json!([{"text": "b"}]), Some("MAX_TOKENS")),
    ]);
    insta::assert_snapshot!(stream);
}

#[test]
fn why_it_ended() {
    let told = |reason: &str| match whole(&candidate(json!([{"text": "a"}]), reason), 1) {
        Ok(answer) => answer["choices"][0]["finish_reason"]
            .as_str()
            .unwrap()
            .to_owned(),
        Err(error) => error,
    };
    let reasons = [
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MALFORMED_FUNCTION_CALL",
        "IMAGE_SAFETY",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "CONTINUATION",
        "FINISH_REASON_UNSPECIFIED",
        "",
        "TOMORROWS",
    ];
    let table = reasons.map(|reason| format!("{reason}: {}", told(reason)));
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn a_blocked_prompt_is_an_empty_filtered_answer() {
    let blocked = json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}, "responseId": "r-2",
    });
    let answer = whole(&blocked, 2).unwrap();
    insta::assert_snapshot!(pretty(&answer));
    let stream = chunks(std::slice::from_ref(&blocked));
    assert!(
        stream.contains("content_filter") && stream.ends_with("[DONE]\n"),
        "{stream}"
    );
}

#[test]
fn several_candidates() {
    let answer = whole(
        &json!({"candidates": [
            {"content": {"parts": [{"text": "one"}]}, "finishReason": "STOP"},
            {"content": {"parts": [{"text": "two"}]}, "finishReason": "MAX_TOKENS", "index": 1},
        ]}),
        2,
    );
    let choices = answer.unwrap()["choices"].clone();
    assert_eq!(choices[1]["message"]["content"], "two");
    assert_eq!(choices[1]["finish_reason"], "length");
    assert_eq!(choices[0]["finish_reason"], "stop");
}

#[test]
fn fewer_candidates_than_wanted_are_told_as_a_refusal_of_several() {
    let broken = whole(&candidate(json!([{"text": "one"}]), "STOP"), 2).unwrap_err();
    assert!(
        broken.contains("status: 400") && broken.contains("candidates"),
        "{broken}"
    );
}

#[test]
fn probabilities() {
    let token = |token: &str, logprob: f64| json!({"token": token, "tokenId": 5, "logProbability": logprob});
    let logprobs = |tokens: &[(&str, f64)]| {
        json!({
            "chosenCandidates": tokens.iter().map(|(text, p)| token(text, *p)).collect::<Vec<_>>(),
            "topCandidates": tokens.iter().map(|(text, p)| json!({"candidates": [token(text, *p), {"token": "?"}]})).collect::<Vec<_>>(),
        })
    };
    let mut first = event(json!([{"text": "Hé"}]), None);
    first["candidates"][0]["logprobsResult"] = logprobs(&[("Hé", -0.5)]);
    let mut second = event(json!([{"text": "hm", "thought": true}]), None);
    second["candidates"][0]["logprobsResult"] = logprobs(&[("y", -1.0)]);
    let mut third = event(json!([{"text": "y!"}]), Some("STOP"));
    third["candidates"][0]["logprobsResult"] = json!({"chosenCandidates": [token("!", 0.0)]});
    insta::assert_snapshot!(chunks(&[first, second, third]));
}

#[test]
fn calls_without_any_id_to_make_one_of_get_one_elsewhere() {
    let mut body = candidate(
        json!([{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}}]),
        "STOP",
    );
    body.as_object_mut().unwrap().remove("responseId");
    let answer = whole(&body, 1).unwrap();
    let calls = &answer["choices"][0]["message"]["tool_calls"];
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert!(calls[0]["id"].as_str().unwrap().starts_with("call_"));
}

#[test]
fn what_is_no_answer_is_never_taken_for_one() {
    for body in [
        json!({}),
        json!([]),
        json!("text"),
        json!({"candidates": []}),
        json!({"candidates": null}),
        json!({"candidates": [{"content": {"parts": [{"text": "a"}]}}]}),
        json!({"candidates": [{"index": 1, "finishReason": "STOP"}]}),
        json!({"candidates": [{"index": 100_000_000, "finishReason": "STOP"}]}),
        json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [{"functionCall": {}}]}}]}),
        json!({"candidates": {"finishReason": "STOP"}}),
        json!({"choices": [{"message": {"content": "OpenAI's"}}]}),
    ] {
        let broken = whole(&body, 1).unwrap_err();
        assert!(broken.contains("Unreadable"), "{body}: {broken}");
    }
    let mut told = Vec::new();
    let mut reader = reader::Answer::new(1);
    assert!(reader.whole(b"<html>busy</html>", &mut told).is_err());
    assert!(reader.whole(b"", &mut told).is_err());
}

#[test]
fn a_stream_without_its_end_is_broken() {
    let open = [event(json!([{"text": "Hel"}]), None)];
    assert!(streamed(&open, 1).unwrap_err().contains("Unreadable"));
    assert!(streamed(&[], 1).unwrap_err().contains("Unreadable"));
}

#[test]
fn an_error_in_a_stream_is_reported() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    let broken = streamed(&[event(json!([{"text": "Hel"}]), None), error], 1).unwrap_err();
    insta::assert_snapshot!(broken);
}

#[test]
fn what_cannot_be_told_is_no_empty_answer() {
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "aa"}});
    let code = json!({"executableCode": {"code": "1"}, "thoughtSignature": "c2ln"});
    let thought = json!({"text": "Hm.", "thought": true});
    for (parts, finish, kind) in [
        (json!([image]), "STOP", "inlineData"),
        (json!([code, image]), "STOP", "executableCode"),
        (
            json!([thought, {"text": ""}, image]),
            "MAX_TOKENS",
            "inlineData",
        ),
        (json!([{"hologram": {}}]), "STOP", "hologram"),
    ] {
        let why = whole(&candidate(parts.clone(), finish), 1).unwrap_err();
        assert!(
            why.contains("Unreadable") && why.contains(&format!("`{kind}`")),
            "{why}"
        );
        let why = streamed(&[event(parts, None), event(json!([]), Some(finish))], 1).unwrap_err();
        assert!(why.contains(&format!("`{kind}`")), "{why}");
    }
    for (parts, finish) in [
        (json!([]), "STOP"),
        (json!([{"text": ""}]), "STOP"),
        (
            json!([{"text": "", "inlineData": null, "partMetadata": {}}]),
            "STOP",
        ),
        (json!([code, {"text": "2"}]), "STOP"),
        (json!([image, {"functionCall": {"name": "f"}}]), "STOP"),
        (json!([image]), "IMAGE_SAFETY"),
    ] {
        whole(&candidate(parts, finish), 1).unwrap();
    }
}

#[test]
fn very_many_calls_take_no_longer_each() {
    let calls: Vec<Value> = (0..60_000)
        .map(|at| json!({"functionCall": {"id": format!("a-rather-long-id-{at}"), "name": "f"}}))
        .collect();
    let told = streamed(&[event(json!(calls), Some("STOP"))], 1).unwrap();
    assert!(told.len() > 60_000);
}
