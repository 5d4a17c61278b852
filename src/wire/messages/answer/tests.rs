use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn say(what: What) -> Heard {
    Heard::Say { choice: 0, what }
}

fn text(text: &str) -> Heard {
    say(What::Text {
        text: text.to_owned(),
        logprobs: Vec::new(),
    })
}

fn reasoning(text: &str) -> Heard {
    say(What::Reasoning(text.to_owned()))
}

fn thinking(blocks: Value) -> Heard {
    say(What::Thinking(match blocks.as_array() {
        Some(blocks) => blocks.clone(),
        None => vec![blocks],
    }))
}

fn signed(thinking: &str, signature: &str) -> Value {
    json!({"type": "thinking", "thinking": thinking, "signature": signature})
}

fn call(call: u64) -> Heard {
    say(What::Call {
        call,
        id: format!("call_{call}"),
        name: "f".to_owned(),
        extra: Map::new(),
    })
}

fn arguments(call: u64, text: &str) -> Heard {
    say(What::Arguments {
        call,
        text: text.to_owned(),
    })
}

fn begin() -> Heard {
    Heard::Begin {
        id: "chatcmpl-1".to_owned(),
        model: "m".to_owned(),
        created: 0,
    }
}

fn finish() -> Heard {
    say(What::Finish("stop".to_owned()))
}

fn telling(thoughts: Option<bool>) -> Telling {
    Telling::new("asked", thoughts, Names::default())
}

fn whole(thoughts: Option<bool>, steps: &[Heard]) -> Value {
    let mut telling = telling(thoughts);
    steps.iter().for_each(|step| telling.hear(step.clone()));
    serde_json::from_slice(&telling.whole()).unwrap()
}

/// The events of a stream that is taken after each step.
fn stream(thoughts: Option<bool>, steps: &[Heard]) -> Vec<Value> {
    let mut telling = telling(thoughts);
    let mut bytes = Vec::new();
    for step in steps {
        telling.hear(step.clone());
        bytes.extend(telling.take());
    }
    telling.end();
    bytes.extend(telling.take());
    let text = String::from_utf8(bytes).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// The content that a stream tells; its blocks have to come one after another.
fn content(events: &[Value]) -> Vec<Value> {
    let mut blocks: Vec<Value> = Vec::new();
    let mut json = String::new();
    let mut is_open = false;
    for event in events {
        let index = event["index"]
            .as_u64()
            .map(|index| usize::try_from(index).unwrap());
        match event["type"].as_str().unwrap() {
            "content_block_start" => {
                assert_eq!((is_open, index), (false, Some(blocks.len())));
                blocks.push(event["content_block"].clone());
                json.clear();
                is_open = true;
            }
            "content_block_delta" => {
                assert!(is_open && index == Some(blocks.len() - 1));
                let block = blocks.last_mut().unwrap();
                for (field, more) in event["delta"].as_object().unwrap() {
                    match (field.as_str(), more.as_str().unwrap()) {
                        ("type", _) => {}
                        ("partial_json", more) => json.push_str(more),
                        (field, more) => {
                            block[field] = json!(block[field].as_str().unwrap().to_owned() + more);
                        }
                    }
                }
            }
            "content_block_stop" => {
                assert!(is_open && index == Some(blocks.len() - 1));
                let block = blocks.last_mut().unwrap();
                if block["type"] == "tool_use" {
                    block["input"] = Value::Object(super::blocks::input(&json));
                }
                is_open = false;
            }
            _ => {}
        }
    }
    assert!(!is_open);
    blocks
}

#[test]
fn a_stream_of_everything() {
    let usage = json!({
        "prompt_tokens": 50, "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_creation_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 3},
    });
    let steps = [
        begin(),
        reasoning("I "),
        reasoning("see."),
        thinking(signed("I see.", "s1")),
        thinking(json!({"type": "redacted_thinking", "data": "x"})),
        text("It"),
        text(" is:"),
        call(0),
        arguments(0, "{}"),
        finish(),
        Heard::Usage(usage),
    ];
    insta::assert_json_snapshot!(stream(Some(true), &steps));
    insta::assert_json_snapshot!(whole(Some(true), &steps));
}

#[test]
fn thoughts_are_signed_once_and_told_once() {
    let two = [
        begin(),
        reasoning("one"),
        reasoning("two"),
        thinking(json!([signed("one", "s1"), signed("two", "s2")])),
        text("x"),
        finish(),
    ];
    let expect = json!([signed("one", "s1"), signed("two", "s2"), {"type": "text", "text": "x"}]);
    assert_eq!(whole(Some(true), &two)["content"], expect);
    // All in one go, as from the cache.
    let mut telling = telling(Some(true));
    two.iter().for_each(|step| telling.hear(step.clone()));
    telling.end();
    let told = String::from_utf8(telling.take()).unwrap();
    assert_eq!(told.matches("signature_delta").count(), 2);
    // Of what was told already, the first part only.
    let one_by_one = content(&stream(Some(true), &two));
    assert_eq!(one_by_one[0]["thinking"], "onetwo");
    assert_eq!(
        (&one_by_one[0]["signature"], one_by_one.len()),
        (&json!("s1"), 2)
    );

    let as_litellm = [
        begin(),
        reasoning("on"),
        thinking(signed("on", "")),
        reasoning("e"),
        thinking(signed("e", "")),
        thinking(signed("", "s1")),
        text("x"),
        finish(),
    ];
    let expect = json!([signed("one", "s1"), {"type": "text", "text": "x"}]);
    assert_eq!(json!(content(&stream(Some(true), &as_litellm))), expect);

    let only_text = json!([{"type": "text", "text": "x"}]);
    assert_eq!(whole(None, &two)["content"], only_text);
    let omitted = json!([signed("", "s1"), signed("", "s2"), {"type": "text", "text": "x"}]);
    assert_eq!(whole(Some(false), &two)["content"], omitted);
}

#[test]
fn thoughts_go_first_though_they_are_kept_last() {
    let kept = [
        begin(),
        text("It "),
        text("is."),
        reasoning("one"),
        reasoning("two"),
        thinking(
            json!([signed("one", "s1"), {"type": "redacted_thinking", "data": "x"}, signed("two", "s2")]),
        ),
        finish(),
    ];
    let mut telling = telling(Some(true));
    kept.iter().for_each(|step| telling.hear(step.clone()));
    let message: Value = serde_json::from_slice(&telling.whole()).unwrap();
    let kinds: Vec<&Value> = message["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["type"])
        .collect();
    assert_eq!(kinds, ["thinking", "redacted_thinking", "thinking", "text"]);
    assert_eq!(
        (
            &message["content"][0]["signature"],
            &message["content"][3]["text"]
        ),
        (&json!("s1"), &json!("It is."))
    );
}

#[test]
fn calls_at_once_come_one_after_another() {
    let steps = [
        begin(),
        call(0),
        call(1),
        arguments(1, "{\"b\":"),
        arguments(0, "{\"a\":\"}\"}"),
        call(2),
        arguments(1, "1}"),
        text("behind"),
        finish(),
    ];
    let told = stream(None, &steps);
    let expect = json!([
        {"type": "tool_use", "id": "call_0", "name": "f", "input": {"a": "}"}},
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {"b": 1}},
        {"type": "tool_use", "id": "call_2", "name": "f", "input": {}},
        {"type": "text", "text": "behind"},
    ]);
    assert_eq!(json!(content(&told)), expect);
    let message = whole(None, &steps);
    assert_eq!(
        (&message["content"], &message["stop_reason"]),
        (&expect, &json!("tool_use"))
    );
}

#[test]
fn a_call_is_told_while_it_comes() {
    let mut telling = telling(None);
    for step in [begin(), call(0), arguments(0, "{\"a\"")] {
        telling.hear(step);
    }
    let told = String::from_utf8(telling.take()).unwrap();
    assert!(told.contains(r#""partial_json":"{\"a\"""#), "{told}");
}

#[test]
fn what_is_refused_is_said_and_explained() {
    let refusal = say(What::Refusal("I can't.".to_owned()));
    let message = whole(None, &[begin(), refusal, finish()]);
    assert_eq!(message["stop_reason"], "refusal");
    assert_eq!(message["stop_details"]["explanation"], "I can't.");
    assert_eq!(message["content"][0]["text"], "I can't.");
}

#[test]
fn an_error_may_come_first_or_in_between() {
    let error = ErrorObject {
        message: "no".into(),
        kind: None,
        param: None,
        code: None,
    };
    let mut first = telling(None);
    first.fail(529, &error);
    insta::assert_snapshot!(String::from_utf8(first.take()).unwrap(), @r#"
    event: error
    data: {"type":"error","error":{"type":"overloaded_error","message":"no"}}
    "#);
    let mut later = telling(None);
    later.hear(begin());
    later.hear(text("so"));
    later.fail(502, &error);
    let told = String::from_utf8(later.take()).unwrap();
    assert!(
        told.starts_with("event: message_start\n")
            && told.contains("so")
            && !told.contains("message_stop")
    );
    assert!(told.contains("event: error\n"));
}

#[test]
fn ids_are_of_this_interface() {
    assert_eq!(id_of("chatcmpl-1"), "msg_1");
    assert_eq!(id_of("chatcmpl-msg_1"), "msg_1");
    assert_eq!(id_of("gen-1"), "msg_gen-1");
    assert!(id_of("").len() > 20 && id_of("chatcmpl-").len() > 20);
}

#[test]
fn nothing_said_is_an_empty_message() {
    let message = whole(None, &[]);
    assert_eq!(
        (&message["content"], &message["model"]),
        (&json!([]), &json!("asked"))
    );
    let events = stream(None, &[]);
    let types: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(
        types,
        ["message_start", "ping", "message_delta", "message_stop"]
    );
}

fn any_step() -> impl Strategy<Value = Heard> {
    prop_oneof![
        "[a-c{}\"\\\\]{1,4}".prop_map(|said| text(&said)),
        "[a-c]{1,3}".prop_map(|said| reasoning(&said)),
        ("[a-c]{0,3}", "[s]{0,1}").prop_map(|(said, by)| thinking(signed(&said, &by))),
        Just(thinking(json!({"type": "redacted_thinking", "data": "x"}))),
        Just(thinking(json!([null, 7, {"type": "thinking"}]))),
        (0..3_u64).prop_map(call),
        (0..3_u64, "[{}\":a1]{1,5}").prop_map(|(number, json)| arguments(number, &json)),
        Just(Heard::Usage(
            json!({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}})
        )),
        Just(finish()),
    ]
}

proptest! {
    #[test]
    fn a_stream_is_well_formed_and_says_what_the_whole_says(mut steps in prop::collection::vec(any_step(), 0..20)) {
        steps.insert(0, begin());
        let told = content(&stream(None, &steps));
        prop_assert_eq!(&json!(told), &whole(None, &steps)["content"]);
        // With thoughts, what was told can't be told anew: but it is well formed, and says the same words.
        let words = |blocks: &[Value]| -> String {
            blocks.iter().filter_map(|block| block["text"].as_str()).collect()
        };
        let thoughtful = content(&stream(Some(true), &steps));
        prop_assert_eq!(words(&thoughtful), words(&told));
    }
}
