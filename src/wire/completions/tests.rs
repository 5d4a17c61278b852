use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::wire::{
    answer::Answer,
    chat::ChatRequest,
    chunk,
    controls::Controls,
    heard::{Heard, Hearing, Writer, of_answer},
    native::{Interface, Translated},
};

fn body(value: &Value) -> Bytes {
    value.to_string().into()
}

#[track_caller]
fn inbound(value: &Value) -> Inbound {
    read(&body(value)).unwrap()
}

/// The chat request for the only prompt, and what it does not say.
#[track_caller]
fn mapped(value: &Value) -> (Value, Vec<String>) {
    let mut all = inbound(value).mapped().unwrap();
    assert_eq!(all.len(), 1);
    let translated = all.remove(0);
    assert!(translated.native.body.is_empty());
    let only = translated.only.into_iter().map(|only| only.param).collect();
    (Value::Object(translated.chat), only)
}

#[track_caller]
fn refused(value: &Value) -> (String, String) {
    let inbound = read(&body(value));
    let invalid = inbound.and_then(|inbound| inbound.mapped()).unwrap_err();
    (invalid.param.unwrap_or_default(), invalid.message)
}

fn parsed(translated: Translated) -> ChatRequest {
    ChatRequest::translated(translated, &mut Controls::default()).unwrap()
}

#[test]
fn a_prompt_is_the_users_message() {
    let (chat, only) = mapped(&json!({"model": "m", "prompt": "Say hop"}));
    assert_eq!(
        chat,
        json!({"model": "m", "messages": [{"role": "user", "content": "Say hop"}], "max_tokens": 16})
    );
    assert!(only.is_empty());
    // A list of one is the same.
    assert_eq!(
        mapped(&json!({"model": "m", "prompt": ["Say hop"]})).0,
        chat
    );
}

#[test]
fn all_that_a_chat_can_say() {
    let (chat, only) = mapped(&json!({
        "model": "m", "prompt": "def f(", "suffix": "\nreturn x", "max_tokens": 40, "temperature": 0.5,
        "top_p": 0.9, "n": 2, "stream": true, "stream_options": {"include_usage": false}, "logprobs": 3,
        "echo": false, "stop": ["\n\n"], "presence_penalty": 0.1, "frequency_penalty": 0.2, "best_of": 2,
        "logit_bias": {"50256": -100}, "user": "u-1", "seed": 7, "top_k": 4, "refrain": {"ttl": 60},
        "drop_unsupported": false, "suffix2": null,
    }));
    assert!(only.is_empty(), "{only:?}");
    insta::assert_snapshot!(serde_json::to_string_pretty(&chat).unwrap(), @r#"
    {
      "model": "m",
      "messages": [
        {
          "role": "system",
          "content": "Write the text that belongs between the user's message and the text below, so that the three read as one. Answer with the missing text only: no quotes, no code fence, no comment, and nothing that is there already.\n\nThe text below:\n\nreturn x"
        },
        {
          "role": "user",
          "content": "def f("
        }
      ],
      "temperature": 0.5,
      "top_p": 0.9,
      "n": 2,
      "stop": [
        "\n\n"
      ],
      "presence_penalty": 0.1,
      "frequency_penalty": 0.2,
      "logit_bias": {
        "50256": -100
      },
      "user": "u-1",
      "seed": 7,
      "top_k": 4,
      "refrain": {
        "ttl": 60
      },
      "drop_unsupported": false,
      "max_tokens": 40,
      "logprobs": true,
      "top_logprobs": 3,
      "stream": true,
      "stream_options": {
        "include_usage": true
      }
    }
    "#);
}

#[test]
fn what_no_chat_can_say_is_named() {
    let only = |fields: Value| {
        let mut body = json!({"model": "m", "prompt": "Say hop"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        mapped(&body).1
    };
    for (fields, param) in [
        (json!({"best_of": 3}), "best_of"),
        (json!({"best_of": 3, "n": 2}), "best_of"),
        (json!({"echo": true, "logprobs": 0}), "logprobs"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"guided_regex": "a+"}), "guided_regex"),
        (json!({"messages": []}), "messages"),
        (json!({"tools": []}), "tools"),
        (json!({"cache": {"mine": 1}}), "cache"),
    ] {
        assert_eq!(only(fields), [param]);
    }
    for nothing in [
        json!({"best_of": 2, "n": 2}),
        json!({"echo": true}),
        json!({"logprobs": 0, "suffix": ""}),
        json!({"best_of": null, "guided_regex": null, "max_tokens": null}),
        json!({"cache": {"ttl": 9}, "metadata": {}, "store": true}),
    ] {
        assert_eq!(only(nothing), Vec::<String>::new());
    }
}

#[test]
fn what_can_not_be_read_is_refused_by_its_place() {
    let with = |fields: Value| {
        let mut body = json!({"model": "m", "prompt": "Say hop"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        refused(&body).0
    };
    for (fields, param) in [
        (json!({"prompt": []}), "prompt"),
        (json!({"prompt": ["a", 1]}), "prompt[1]"),
        (json!({"prompt": [1, "a"]}), "prompt[1]"),
        (json!({"prompt": [1, -1]}), "prompt[1]"),
        (json!({"prompt": [[1], []]}), "prompt[1]"),
        (json!({"prompt": [[1], [0.5]]}), "prompt[1][0]"),
        (json!({"prompt": [[1], 2]}), "prompt[1]"),
        (json!({"prompt": [4_294_967_296_u64]}), "prompt[0]"),
        (json!({"prompt": [null]}), "prompt[0]"),
        (json!({"prompt": {}}), "prompt"),
        (json!({"prompt": true}), "prompt"),
        // No chat model can read these.
        (json!({"prompt": null}), "prompt"),
        (json!({"prompt": [1, 2]}), "prompt"),
        (json!({"prompt": " \n"}), "prompt"),
        (json!({"prompt": ["a", ""]}), "prompt[1]"),
        (json!({"prompt": vec!["a"; 129]}), "prompt"),
        (json!({"logprobs": 6}), "logprobs"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"best_of": 1, "n": 2}), "best_of"),
        (json!({"best_of": 0}), "best_of"),
        (json!({"n": 0}), "n"),
        (json!({"n": 129}), "n"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"echo": "yes"}), "echo"),
        (json!({"suffix": 1}), "suffix"),
        (json!({"stream": "true"}), "stream"),
        (
            json!({"stream": true, "stream_options": []}),
            "stream_options",
        ),
        (
            json!({"stream": true, "stream_options": {"include_usage": 1}}),
            "stream_options.include_usage",
        ),
        (json!({"stream_options": {}}), "stream_options"),
        (json!({"model": null}), "model"),
        (json!({"model": ""}), "model"),
        (json!({"model": 1}), "model"),
    ] {
        assert_eq!(with(fields.clone()), param, "{fields}");
    }
    for body in ["", "[]", "nil", r#"{"model":"m","model":"m"}"#] {
        assert!(read(&Bytes::from_static(body.as_bytes())).is_err());
    }
}

#[test]
fn the_clients_own_words_stay_but_for_the_gateways_controls() {
    let words = r#"{ "prompt":"a\u0062", "n" : 1.0e0, "model":"m" }"#;
    // A number like this is none of ours to judge... but `n` must be one.
    assert!(read(&Bytes::from_static(words.as_bytes())).is_err());
    let words = r#"{ "prompt":"a\u0062", "temperature" : 1.0e0, "model":"m" }"#;
    let translated = read(&Bytes::from_static(words.as_bytes()))
        .unwrap()
        .continued();
    assert_eq!(translated.native.body, words);
    let words = r#"{"refrain":{"ttl":1},"prompt":"a\u0062","cache":{"ttl":2},"x":1.0,"model":"m","drop_params":true}"#;
    let translated = read(&Bytes::from_static(words.as_bytes()))
        .unwrap()
        .continued();
    assert_eq!(translated.native.interface, Interface::Completions);
    assert_eq!(
        translated.native.body,
        r#"{"prompt":"a\u0062","x":1.0,"model":"m"}"#
    );
    assert_eq!(translated.chat["refrain"], json!({"ttl": 1}));
}

#[test]
fn a_text_to_go_on_with_is_no_chat() {
    let said =
        json!({"model": "m", "prompt": "Once", "echo": true, "logprobs": 9, "guided_regex": "a+"});
    let translated = inbound(&said).continued();
    assert!(translated.only.is_empty());
    insta::assert_snapshot!(
        Value::Object(translated.chat.clone()),
        @r#"{"model":"m","messages":[{"role":"assistant","content":"Once"}],"echo":true,"logprobs":9,"guided_regex":"a+","prompt":true}"#
    );
    assert!(parsed(translated).continues());
    let chat = inbound(&json!({"model": "m", "prompt": "Once"}))
        .mapped()
        .unwrap()
        .remove(0);
    assert!(!parsed(chat).continues());
    // A chat request can't say that it is one of these.
    let forged = body(
        &json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "prompt": true}),
    );
    assert!(
        !ChatRequest::parse(forged, &mut Controls::default())
            .unwrap()
            .continues()
    );
}

#[test]
fn lists_and_tokens_are_never_kept() {
    let only = |prompt: Value, more: Value| {
        let mut body = json!({"model": "m", "prompt": prompt});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let translated = inbound(&body).continued();
        let only: Vec<String> = translated
            .only
            .iter()
            .map(|only| only.param.clone())
            .collect();
        (parsed(translated).messages().len(), only)
    };
    let none = json!({});
    assert_eq!(
        only(json!(["a", "b"]), none.clone()),
        (2, vec!["prompt".into()])
    );
    assert_eq!(
        only(json!([5, 6]), none.clone()),
        (1, vec!["prompt".into()])
    );
    assert_eq!(only(json!(["a"]), none.clone()), (1, vec![]));
    assert_eq!(only(json!(null), none.clone()), (1, vec![]));
    assert_eq!(only(json!(""), none), (1, vec![]));
    assert_eq!(
        only(json!("a"), json!({"max_tokens": 0})),
        (1, vec!["max_tokens".into()])
    );
    assert_eq!(
        only(json!("a"), json!({"messages": 1})),
        (1, vec!["messages".into()])
    );
}

fn answer() -> Answer {
    Answer::read(
        json!({
            "model": "gpt-x",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Grüße, Welt"},
                 "logprobs": {"content": [
                    {"token": "Grüße", "logprob": -0.1, "bytes": null, "top_logprobs": [{"token": "Hallo", "logprob": -1.0}]},
                    {"token": ", Welt", "logprob": -0.2, "bytes": null, "top_logprobs": []}]},
                 "finish_reason": "length"},
                {"index": 1, "message": {"role": "assistant", "refusal": "No.", "reasoning_content": "Hm"},
                 "finish_reason": "tool_calls"},
            ],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
                      "prompt_tokens_details": {"cached_tokens": 1}},
        })
        .to_string()
        .as_bytes(),
    )
    .unwrap()
}

fn asking(stream: bool, usage: bool) -> Value {
    let mut body =
        json!({"model": "m", "prompt": ["A:", "B:"], "echo": true, "n": 2, "stream": stream});
    if stream {
        body["stream_options"] = json!({"include_usage": usage});
    }
    body
}

#[test]
fn a_whole_answer() {
    let mut telling = inbound(&asking(false, false)).telling_mapped();
    for prompt in [0, 1] {
        for heard in of_answer(answer(), "chatcmpl-9", 1_700_000_000) {
            telling.hear_of(prompt, heard);
        }
    }
    let whole: Value = serde_json::from_slice(&telling.whole()).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&whole).unwrap());
}

#[test]
fn a_stream() {
    let mut telling = inbound(&asking(true, true)).telling_mapped();
    let stream = chunk::split(&answer(), "chatcmpl-cmpl-9", 1_700_000_000, true);
    for prompt in [1, 0] {
        for heard in Hearing::default().events(&stream) {
            telling.hear_of(prompt, heard);
        }
    }
    telling.end();
    insta::assert_snapshot!(String::from_utf8(telling.take()).unwrap());
}

#[test]
fn a_stream_says_what_a_whole_answer_says() {
    let mut telling = inbound(&asking(true, false)).telling_mapped();
    let stream = chunk::split(&answer(), "chatcmpl-9", 9, true);
    Hearing::default()
        .events(&stream)
        .into_iter()
        .for_each(|heard| telling.hear(heard));
    let mut texts = [String::new(), String::new()];
    let written = telling.take();
    for data in crate::wire::sse::data(&written) {
        let chunk: Value = serde_json::from_slice(data).unwrap();
        assert!(chunk.get("usage").is_none());
        let choice = &chunk["choices"][0];
        let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        texts[index].push_str(choice["text"].as_str().unwrap());
    }
    assert_eq!(texts, ["A:Grüße, Welt", "A:No."]);
}

#[test]
fn a_broken_stream_ends_in_the_error() {
    let mut telling = inbound(&asking(true, false)).telling_mapped();
    let error = super::super::error_body::ErrorObject {
        message: "gone".into(),
        kind: Some("server_error".into()),
        param: None,
        code: None,
    };
    telling.fail(502, &error);
    let written = String::from_utf8(telling.take()).unwrap();
    assert_eq!(
        written,
        "data: {\"error\":{\"message\":\"gone\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n"
    );
}

#[test]
fn the_last_count_of_each_prompt_counts() {
    let mut telling = inbound(&asking(false, false)).telling_mapped();
    for (prompt, tokens) in [(0, 1), (0, 5), (1, 7), (0, 6)] {
        telling.hear_of(
            prompt,
            Heard::Usage(json!({"total_tokens": tokens, "x": null})),
        );
    }
    let whole: Value = serde_json::from_slice(&telling.whole()).unwrap();
    assert_eq!(whole["usage"], json!({"total_tokens": 13, "x": null}));
}

#[test]
fn more_prompts_than_anybody_needs_are_not_read() {
    let many = |prompt: Value| read(&body(&json!({"model": "m", "prompt": prompt})));
    assert!(many(json!(vec!["a"; MOST_PROMPTS])).is_ok());
    assert!(many(json!(vec!["a"; MOST_PROMPTS + 1])).is_err());
    assert!(many(json!(vec![[1]; MOST_PROMPTS + 1])).is_err());
    // One prompt of many tokens.
    assert!(many(json!(vec![1; MOST_PROMPTS + 1])).is_ok());
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_what_is_read_can_be_asked(
        text in r#"[\PC\n]{0,8}"#, n in 0_u64..4, tokens in proptest::collection::vec(0_u32..9, 0..4),
        shape in 0_u8..5, echo: bool, logprobs in 0_u64..7, stream: bool,
    ) {
        let prompt = match shape {
            0 => json!(text),
            1 => json!([text, "x"]),
            2 => json!(tokens),
            3 => json!([tokens]),
            _ => json!(null),
        };
        let body = json!({
            "model": "m", "prompt": prompt, "n": n, "echo": echo, "logprobs": logprobs, "stream": stream,
        });
        let Ok(inbound) = read(&Bytes::from(body.to_string())) else {
            return Ok(());
        };
        for translated in inbound.mapped().unwrap_or_default() {
            prop_assert!(!parsed(translated).continues());
        }
        let continued = parsed(inbound.continued());
        prop_assert!(continued.continues());
        prop_assert_eq!(continued.native().unwrap().body.clone(), body.to_string());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _read = read(&Bytes::from(bytes));
    }
}
