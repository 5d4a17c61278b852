//! What holds for every answer.

use proptest::prelude::*;

use super::*;

/// A part as Google says it.
fn parts() -> impl Strategy<Value = Vec<Value>> {
    let signature = || prop::option::of(Just("c2lnbmF0dXJl"));
    let with = |mut part: Value, signature: Option<&str>| {
        if let Some(signature) = signature {
            part["thoughtSignature"] = json!(signature);
        }
        part
    };
    let part = prop_oneof![
        ("\\PC{0,12}", signature()).prop_map(move |(text, s)| with(json!({"text": text}), s)),
        "\\PC{0,12}".prop_map(|text| json!({"text": text, "thought": true})),
        (
            "[a-z_]{1,8}",
            prop::option::of("[a-z0-9]{1,4}"),
            any::<i32>(),
            signature()
        )
            .prop_map(move |(name, id, x, s)| {
                with(
                    json!({"functionCall": {"name": name, "id": id, "args": {"x": x}}}),
                    s,
                )
            }),
    ];
    prop::collection::vec(part, 0..8)
}

fn response(parts: &[Value], finish: Option<&str>) -> Value {
    json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish, "index": 0}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4},
        "modelVersion": "gemini-x", "responseId": "resp",
    })
}

fn assembled(events: &[Value]) -> Value {
    let told = streamed(events, 1).unwrap();
    let (_, json) = telling().whole(told).unwrap();
    serde_json::from_slice(&json).unwrap()
}

proptest! {
    #[test]
    fn a_stream_says_what_the_whole_answer_says(
        parts in parts(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        repeats in any::<bool>(),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(parts.len() + 1)).collect();
        cuts.sort_unstable();
        let mut events = Vec::new();
        let mut from = 0;
        for cut in cuts {
            events.push(response(&parts[from..cut], repeats.then_some("STOP")));
            from = cut;
        }
        events.push(response(&parts[from..], Some("STOP")));
        let whole = whole(&response(&parts, Some("STOP")), 1).unwrap();
        prop_assert_eq!(assembled(&events), whole);
    }

    #[test]
    fn what_the_model_said_goes_back_as_it_was(
        reasoning in prop::option::of("[^\u{0}]{1,20}"),
        text in prop::option::of("[^\u{0}]{1,20}"),
        signed in any::<bool>(),
        calls in prop::collection::vec(("[a-zA-Z0-9_-]{1,64}", any::<bool>(), any::<u32>()), 0..4),
    ) {
        let calls: Vec<Value> = calls
            .into_iter()
            .enumerate()
            .map(|(place, (name, signed, x))| {
                let mut call = json!({
                    "id": format!("call_{place}"), "type": "function",
                    "function": {"name": name, "arguments": json!({"x": x}).to_string()},
                });
                if signed {
                    call["extra_content"] = json!({"google": {"thought_signature": "Y2FsbA=="}});
                }
                call
            })
            .collect();
        let text = text.or_else(|| calls.is_empty().then(|| "Said.".to_owned()));
        let mut message = json!({"role": "assistant", "content": text, "refusal": null});
        if let Some(reasoning) = &reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        if signed && text.is_some() {
            message["extra_content"] = json!({"google": {"thought_signature": "dGV4dA=="}});
        }
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        let mut messages = vec![json!({"role": "user", "content": "Go"}), message.clone()];
        messages.extend(calls.iter().map(|call| {
            json!({"role": "tool", "tool_call_id": call["id"], "content": "ok"})
        }));
        messages.push(json!({"role": "user", "content": "On"}));
        let sent = sent(json!({"messages": messages}));
        let content = &sent["contents"][1];
        prop_assert_eq!(&content["role"], "model");
        let said = json!({"candidates": [{"content": content, "finishReason": "STOP"}]});
        let answer = whole(&said, 1).unwrap();
        prop_assert_eq!(&answer["choices"][0]["message"], &message);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), body in any::<String>()) {
        for data in [bytes.as_slice(), body.as_bytes()] {
            let mut told = Vec::new();
            let mut reader = reader::Answer::new(1);
            prop_assert!(reader.whole(data, &mut told).is_err());
            let _read = reader.event(data, &mut told);
            prop_assert!(reader.end(&mut told).is_err());
            let _failure = failure::read_failure(400, data);
        }
    }

    #[test]
    fn no_json_makes_it_panic(body in json_like()) {
        let mut told = Vec::new();
        let mut reader = reader::Answer::new(2);
        let _read = reader.event(body.to_string().as_bytes(), &mut told);
        let _end = reader.end(&mut told);
        let _failure = failure::read_failure(429, body.to_string().as_bytes());
    }
}

/// JSON with Google's field names in wrong places.
fn json_like() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["STOP", "", "17s", "SAFETY"]).prop_map(Value::from),
    ];
    let names = || {
        prop::sample::select(vec![
            "candidates",
            "content",
            "parts",
            "text",
            "functionCall",
            "name",
            "args",
            "index",
            "finishReason",
            "error",
            "code",
            "message",
            "details",
            "retryDelay",
            "usageMetadata",
            "promptTokenCount",
            "logprobsResult",
            "chosenCandidates",
            "token",
            "logProbability",
            "promptFeedback",
            "blockReason",
            "thoughtSignature",
            "thought",
            "responseId",
        ])
    };
    leaf.prop_recursive(6, 80, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
