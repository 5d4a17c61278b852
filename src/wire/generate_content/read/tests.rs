use proptest::prelude::*;

use super::*;

fn inbound(body: &Value) -> Inbound {
    read(&body.to_string().into(), "m", false).unwrap()
}

/// The chat request, and what it does not say.
fn meaning(body: &Value) -> Value {
    let Inbound {
        translated,
        thoughts,
    } = inbound(body);
    let only = translated.only.into_iter();
    let only: Vec<String> = only
        .map(|only| format!("{}: it {}", only.param, only.lacks))
        .collect();
    let mut chat = translated.chat;
    chat.remove("model");
    json!({"chat": chat, "only": only, "advice": translated.advice, "thoughts": thoughts})
}

#[track_caller]
fn wrong(body: &Value) -> (String, String) {
    let error = read(&body.to_string().into(), "m", false).unwrap_err();
    (error.param.unwrap_or_default(), error.message)
}

fn asking(text: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": text}]}]})
}

fn with(name: &str, value: Value) -> Value {
    let mut body = asking("Where is the ferry?");
    body[name] = value;
    body
}

#[test]
fn a_plain_question_is_the_plainest_chat_request() {
    let read = read(&asking("Hi").to_string().into(), "m", true).unwrap();
    assert_eq!(
        Value::Object(read.translated.chat).to_string(),
        r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}}"#
    );
    assert_eq!(read.translated.native.body, asking("Hi").to_string());
    // One item may stand for a list of it, in either spelling, with or without a role.
    for other in [
        json!({"contents": {"parts": {"text": "Hi"}}}),
        json!({"contents": [{"parts": [{"text": "Hi"}]}], "generation_config": {}, "tools": null}),
    ] {
        assert_eq!(meaning(&other), meaning(&asking("Hi")));
    }
}

#[test]
fn a_conversation_with_tools() {
    let body = json!({
        "system_instruction": {"role": "user", "parts": [{"text": "Be short."}, {"text": "Be kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Tides?"}, {"text": "And wind?"}]},
            {"role": "model", "parts": [
                {"text": "Two things to look up.", "thought": true},
                {"text": "I look.", "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "tide", "args": {"place": "Brest"}}, "thought_signature": "YQ=="},
                {"functionCall": {"name": "tide", "args": {}}},
                {"functionCall": {"id": "call_1", "name": "wind"}},
            ]},
            {"role": "function", "parts": [
                {"functionResponse": {"id": "call_1", "name": "wind", "response": {"result": "west"}}},
                {"functionResponse": {"name": "tide", "response": {"height": 3}}},
            ]},
            {"role": "user", "parts": [
                {"text": "Go on."},
                {"functionResponse": {"name": "tide", "response": {"output": "low"}}},
            ]},
            {"role": "model", "parts": [{"text": "It is "}]},
            {"role": "model", "parts": [{"text": "windy."}]},
            {"role": "user", "parts": [{"text": "Thanks"}]},
        ],
    });
    insta::assert_json_snapshot!(meaning(&body));
    assert_eq!(
        meaning(&body),
        meaning(&body),
        "made ids are the same again"
    );
}

#[test]
fn pictures_sounds_and_files() {
    let part = |kind: &str, data: &str| json!({"inlineData": {"mimeType": kind, "data": data}});
    let body = json!({"contents": [{"role": "user", "parts": [
        {"text": "What is this?"},
        // The alphabet for URLs, without padding, as Google's clients write it.
        {"inline_data": {"mime_type": "IMAGE/PNG", "data": "-__-AA"}},
        part("audio/wav", "AAAA"),
        part("audio/mpeg", "AAAA"),
        part("audio/ogg;codecs=opus", "AAAA"),
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.jpg"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/a.mp4"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}},
    ]}]});
    insta::assert_json_snapshot!(meaning(&body));
}

#[test]
fn all_of_the_configuration() {
    let schema = json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}});
    let body = json!({
        "contents": [{"parts": [{"text": "Hi"}]}],
        "generationConfig": {
            "temperature": 0.5, "topP": 0.9, "topK": 40.0, "candidateCount": 2, "maxOutputTokens": "100",
            "stopSequences": ["END", ""], "seed": -3, "presencePenalty": 0, "frequencyPenalty": 0.5,
            "responseLogprobs": true, "logprobs": 3, "responseMimeType": "application/json",
            "responseSchema": schema, "thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": true},
            "responseModalities": ["TEXT", "IMAGE"], "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "speechConfig": {"x": 1}, "audioTimestamp": false,
        },
        "tools": [
            {"functionDeclarations": [
                {"name": "a", "description": "A.", "parameters": schema},
                {"name": "b", "parametersJsonSchema": {"type": "object", "properties": {"X_y": {}}}, "behavior": "BLOCKING"},
                {"name": "c.d"},
            ]},
            {"googleSearch": {}, "code_execution": {}},
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "b"]}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/x",
        "labels": {"team": "x"},
        "somethingNew": 1,
    });
    insta::assert_json_snapshot!(meaning(&body));
}

#[test]
fn what_says_nothing_new_leaves_no_trace() {
    let plain = meaning(&asking("Where is the ferry?"));
    for (name, value) in [
        (
            "generationConfig",
            json!({"candidateCount": 1, "responseMimeType": "text/plain"}),
        ),
        (
            "generationConfig",
            json!({"thinkingConfig": {"thinkingBudget": -1}, "topK": 0}),
        ),
        (
            "generationConfig",
            json!({"responseModalities": ["TEXT"], "presencePenalty": 0.0}),
        ),
        (
            "toolConfig",
            json!({"functionCallingConfig": {"mode": "AUTO"}}),
        ),
        ("safetySettings", json!([])),
        ("tools", json!([])),
        ("tools", json!([{"functionDeclarations": []}])),
        ("labels", json!({"a": "b"})),
        ("model", json!("models/other")),
        ("systemInstruction", json!({"parts": [{"text": ""}]})),
    ] {
        assert_eq!(meaning(&with(name, value.clone())), plain, "{name} {value}");
    }
}

#[test]
fn choices_of_tools_and_ways_to_think() {
    let choice = |mode: &str, names: &[&str]| {
        let config =
            json!({"functionCallingConfig": {"mode": mode, "allowedFunctionNames": names}});
        let mut body = with("toolConfig", config);
        body["tools"] = json!([{"functionDeclarations": [{"name": "f"}]}]);
        meaning(&body)["chat"]["tool_choice"].clone()
    };
    assert_eq!(choice("NONE", &[]), "none");
    assert_eq!(choice("any", &[]), "required");
    assert_eq!(choice("ANY", &["f"])["function"]["name"], "f");
    assert_eq!(choice("VALIDATED", &[]), Value::Null);
    assert_eq!(choice("AUTO", &["f"])["allowed_tools"]["mode"], "auto");
    let effort = |config: Value| {
        let body = with("generationConfig", json!({"thinkingConfig": config}));
        meaning(&body)["chat"]["reasoning_effort"].clone()
    };
    assert_eq!(effort(json!({"thinkingBudget": 0})), "none");
    assert_eq!(effort(json!({"thinkingBudget": 1024})), "low");
    assert_eq!(effort(json!({"thinking_budget": 8192})), "medium");
    assert_eq!(effort(json!({"thinkingBudget": 8193})), "high");
    assert_eq!(effort(json!({"thinkingLevel": "MINIMAL"})), "minimal");
}

#[test]
fn calls_that_nothing_answers_are_for_google_alone() {
    let mut body = asking("Hi");
    let call = json!({"role": "model", "parts": [{"functionCall": {"name": "f"}}]});
    body["contents"].as_array_mut().unwrap().push(call);
    let only = meaning(&body)["only"].to_string();
    assert!(
        only.contains("contents[1].parts[0].functionCall: it needs"),
        "{only}"
    );
}

#[test]
fn what_is_wrong_is_named_in_the_clients_words() {
    let content = |part: Value| json!({"contents": [{"role": "user", "parts": [part]}]});
    let config = |config: Value| with("generationConfig", config);
    let mut said = Vec::new();
    for body in [
        json!({}),
        json!({"contents": []}),
        json!({"contents": "Hi"}),
        json!({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}),
        json!({"contents": [{"role": "user", "parts": []}]}),
        json!({"contents": [{"role": "model", "parts": []}]}),
        json!({"contents": [{"role": "user", "parts": [{"text": " "}]}]}),
        content(json!({})),
        content(json!("x")),
        content(json!({"text": 1})),
        content(json!({"text": "a", "inlineData": {}})),
        content(json!({"inlineData": {"data": "AAAA"}})),
        content(json!({"inlineData": {"mimeType": "image/png"}})),
        content(json!({"inlineData": {"mimeType": "image/png", "data": "%"}})),
        content(json!({"inline_data": {"mime_type": "image/pn g", "data": "AAAA"}})),
        content(json!({"fileData": {"mimeType": "image/png"}})),
        content(json!({"functionResponse": {"name": "f", "response": {}}})),
        content(json!({"functionResponse": {"name": "f", "response": 1}})),
        content(json!({"functionCall": {"name": "f"}})),
        json!({"contents": [{"role": "model", "parts": [{"functionCall": {"name": ""}}]}]}),
        config(json!({"temperature": 3})),
        config(json!({"temperature": "hot"})),
        config(json!({"maxOutputTokens": 0})),
        config(json!({"max_output_tokens": 1.5})),
        config(json!({"candidateCount": 9})),
        config(json!({"logprobs": 2})),
        config(json!({"responseSchema": {"type": "STRING"}})),
        config(
            json!({"responseMimeType": "application/json", "responseSchema": {}, "responseJsonSchema": {}}),
        ),
        config(json!({"thinkingConfig": {"thinkingLevel": "MUCH"}})),
        config(json!({"stopSequences": [1]})),
        with(
            "toolConfig",
            json!({"functionCallingConfig": {"mode": "SOME"}}),
        ),
        with(
            "tools",
            json!([{"functionDeclarations": [{"description": "x"}]}]),
        ),
        with(
            "tools",
            json!([{"functionDeclarations": [{"name": "f", "parameters": {}, "parametersJsonSchema": {}}]}]),
        ),
        with("safetySettings", json!([1])),
        json!({"contents": [], "Contents": 1, "generation_config": {}, "generationConfig": {}}),
    ] {
        let (at, message) = wrong(&body);
        said.push(format!("{at} | {message}"));
    }
    insta::assert_snapshot!(said.join("\n"));
    for text in [
        "",
        " ",
        "[]",
        "{",
        "{\"contents\":1,\"contents\":2}",
        "\u{0}",
    ] {
        assert!(
            read(&text.to_owned().into(), "m", false).is_err(),
            "{text:?}"
        );
    }
    assert!(read(&Bytes::from_static(b"{\"a\":\"\xff\"}"), "m", false).is_err());
}

#[test]
fn the_gateways_own_fields_do_not_reach_google() {
    let body = r#"{ "cache" : {"no-cache": true}, "contents": [ {"parts":[{"text":"Hi"}]} ], "model":"models/x", "refrain": {"ttl": 5} }"#;
    let read = read(&Bytes::from_static(body.as_bytes()), "m", false).unwrap();
    let translated = read.translated;
    assert_eq!(
        translated.native.body,
        r#"{"contents":[ {"parts":[{"text":"Hi"}]} ]}"#
    );
    assert_eq!(translated.chat["refrain"], json!({"ttl": 5}));
    assert!(translated.chat.contains_key("cache"));
    assert_eq!(translated.chat["model"], "m");
    assert_eq!(translated.only, []);
}

#[test]
fn counting_takes_contents_or_a_whole_request() {
    let count = |body: Value| read_count(&body.to_string().into(), "m");
    let alone = count(asking("Hi")).unwrap();
    let mut request = asking("Hi");
    request["model"] = json!("models/m");
    let whole = count(json!({"generateContentRequest": request})).unwrap();
    assert_eq!(alone.translated.chat, whole.translated.chat);
    let wrong = |body: Value| count(body).unwrap_err().param;
    assert_eq!(
        wrong(json!({"generateContentRequest": {"contents": [{"parts": [{"text": 1}]}]}}))
            .as_deref(),
        Some("generateContentRequest.contents[0].parts[0].text")
    );
    assert_eq!(
        wrong(json!({"generateContentRequest": 1})).as_deref(),
        Some("generateContentRequest")
    );
    let mut both = asking("Hi");
    both["generateContentRequest"] = asking("Hi");
    assert_eq!(wrong(both).as_deref(), Some("contents"));
}

/// Any JSON, of words that this interface knows.
fn json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "contents",
        "parts",
        "text",
        "role",
        "user",
        "model",
        "functionCall",
        "function_call",
        "functionResponse",
        "name",
        "args",
        "id",
        "response",
        "inlineData",
        "mimeType",
        "image/png",
        "data",
        "AAAA",
        "thought",
        "generationConfig",
        "responseSchema",
        "type",
        "STRING",
        "properties",
        "tools",
        "functionDeclarations",
        "parameters",
        "nullable",
        "thinkingConfig",
        "x",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((word.clone(), inner), 0..5).prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect())
            }),
        ]
    })
}

/// A content of either role, with calls and responses in any order.
fn content() -> impl Strategy<Value = Value> {
    let name = || prop::sample::select(vec!["f", "g"]);
    let id = || prop::option::of(prop::sample::select(vec!["1", "2", "call_0"]));
    let part = prop_oneof![
        "[ a-z]{0,3}".prop_map(|text| json!({"text": text})),
        (name(), id()).prop_map(|(name, id)| json!({"functionCall": {"name": name, "id": id}})),
        (name(), id()).prop_map(|(name, id)| json!({"functionResponse": {"name": name, "id": id}})),
        Just(json!({"executableCode": {"code": "1"}})),
        Just(json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}})),
    ];
    let parts = prop::collection::vec(part, 0..4);
    (prop::sample::select(vec!["user", "model"]), parts)
        .prop_map(|(role, parts)| json!({"role": role, "parts": parts}))
}

#[test]
fn a_blank_question_is_none_though_the_model_is_to_say_more() {
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": ""}]}, {"role": "model", "parts": []},
    ]});
    let (at, message) = wrong(&body);
    assert_eq!(at, "contents[1]");
    assert!(message.contains("says nothing"), "{message}");
}

proptest! {
    #[test]
    fn no_body_breaks_it(body in json()) {
        let _read = read(&body.to_string().into(), "m", true);
    }

    #[test]
    fn no_part_breaks_it(part in json(), config in json(), tools in json()) {
        let body = json!({"contents": [{"parts": [part, {"text": "Hi"}]}], "generationConfig": config, "tools": tools});
        let _read = read(&body.to_string().into(), "m", true);
    }

    /// Whatever is read and needs nothing that only Google has is a chat request that every dialect can read:
    /// results behind their calls, ids that differ.
    #[test]
    fn what_is_read_is_a_whole_chat(contents in prop::collection::vec(content(), 1..6)) {
        use crate::wire::{ask::{Ask, Cannot}, chat::ChatRequest, controls::Controls};
        let body = json!({"contents": contents});
        if let Ok(read) = read(&body.to_string().into(), "m", false) {
            let is_plain = read.translated.only.is_empty();
            let request = ChatRequest::translated(read.translated, &mut Controls::default());
            let request = request.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let ask = Ask::read(&request, &mut Cannot::new("p", false));
            prop_assert!(!is_plain || ask.is_ok(), "{ask:?}");
        }
    }
}
