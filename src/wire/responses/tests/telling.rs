//! Chat answers, told as responses.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::wire::{
    answer::Answer,
    chunk,
    error_body::ErrorObject,
    heard::{Heard, Hearing, What, Writer, of_answer},
    responses::{Echo, Request, Teller},
    sse,
};

fn echo() -> Echo {
    let body = Bytes::from_static(br#"{"model":"m","input":"Hi","metadata":{"k":"v"}}"#);
    let request = Request::read(body).unwrap();
    request
        .understand(None, HeaderMap::new(), &|_| false)
        .unwrap()
        .echo
}

fn begin() -> Heard {
    Heard::Begin {
        id: "chatcmpl-0123456789abcdef".into(),
        model: "gpt-x".into(),
        created: 7,
    }
}

fn say(what: What) -> Heard {
    Heard::Say { choice: 0, what }
}

fn text(text: &str) -> Heard {
    say(What::Text {
        text: text.into(),
        logprobs: Vec::new(),
    })
}

fn call(call: u64, name: &str) -> Heard {
    say(What::Call {
        call,
        id: format!("call_{call}"),
        name: name.into(),
        extra: Map::new(),
    })
}

fn arguments(call: u64, text: &str) -> Heard {
    say(What::Arguments {
        call,
        text: text.into(),
    })
}

fn finish(reason: &str) -> Heard {
    say(What::Finish(reason.into()))
}

/// The events of a stream, each checked to be named and numbered as it should be.
#[track_caller]
fn events(stream: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stream).unwrap();
    let events = text.split_terminator("\n\n").enumerate();
    events
        .map(|(number, event)| {
            let (kind, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["sequence_number"], number);
            assert_eq!(kind, format!("event: {}", data["type"].as_str().unwrap()));
            data
        })
        .collect()
}

fn told(heard: Vec<Heard>) -> Vec<Value> {
    let mut teller = Teller::new(echo(), true, |_, _| {});
    heard.into_iter().for_each(|heard| teller.hear(heard));
    teller.end();
    events(&teller.take())
}

/// The events in short, one a line.
fn short(events: &[Value]) -> String {
    let short = events.iter().map(|event| {
        let mut event = event.clone();
        let fields = event.as_object_mut().unwrap();
        fields.shift_remove("sequence_number");
        let kind = fields.shift_remove("type").unwrap();
        if let Some(response) = fields.get_mut("response") {
            *response = json!([response["status"], response["output"], response["usage"]]);
        }
        format!("{} {event}", kind.as_str().unwrap())
    });
    short.collect::<Vec<_>>().join("\n")
}

#[test]
fn everything_that_can_be_said() {
    let events = told(vec![
        begin(),
        say(What::Reasoning("Let me ".into())),
        say(What::Reasoning("see.".into())),
        say(What::Thinking(vec![json!({"type": "thinking"})])),
        say(What::Extra(
            "annotations".into(),
            json!([{"type": "url_citation", "url_citation": {"url": "https://host", "title": "t", "start_index": 0, "end_index": 2}}]),
        )),
        say(What::Text {
            text: "It ".into(),
            logprobs: vec![
                json!({"token": "It ", "logprob": -0.5, "bytes": null, "top_logprobs": [{"token": "It ", "logprob": -0.5}]}),
            ],
        }),
        text("rains."),
        say(What::Refusal("No more.".into())),
        call(0, "f"),
        arguments(0, "{\"a\""),
        arguments(0, ":1}"),
        call(1, "g"),
        Heard::Say {
            choice: 1,
            what: What::Reasoning("elsewhere".into()),
        },
        finish("tool_calls"),
        Heard::Usage(
            json!({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 2}}),
        ),
    ]);
    insta::assert_snapshot!("events", short(&events));
    insta::assert_json_snapshot!("response", events.last().unwrap()["response"]);
    insta::assert_json_snapshot!("created", events[0]);
}

#[test]
fn calls_that_are_told_in_turns_are_told_whole() {
    let events = told(vec![
        begin(),
        call(0, "f"),
        arguments(0, "{\"a\":"),
        call(1, "g"),
        arguments(1, "{}"),
        arguments(0, "1}"),
        finish("tool_calls"),
    ]);
    let response = &events.last().unwrap()["response"];
    let output = response["output"].as_array().unwrap();
    let said: Vec<&Value> = output.iter().map(|item| &item["arguments"]).collect();
    assert_eq!(said, ["{\"a\":1}", "{}"]);
}

#[test]
fn how_an_answer_ends() {
    for (reason, status, why, item) in [
        ("stop", "completed", Value::Null, "completed"),
        (
            "length",
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            "incomplete",
        ),
        (
            "content_filter",
            "incomplete",
            json!({"reason": "content_filter"}),
            "incomplete",
        ),
        ("something_new", "completed", Value::Null, "completed"),
    ] {
        let events = told(vec![begin(), text("x"), finish(reason)]);
        let last = events.last().unwrap();
        assert_eq!(last["type"], format!("response.{status}"));
        assert_eq!(last["response"]["status"], status);
        assert_eq!(last["response"]["incomplete_details"], why);
        assert_eq!(last["response"]["output"][0]["status"], item);
    }
    // Nothing at all is a message without a word.
    let events = told(vec![begin(), finish("stop")]);
    let response = &events.last().unwrap()["response"];
    assert_eq!(response["output"][0]["content"][0]["text"], "");
    assert_eq!(response["usage"], Value::Null);
}

#[test]
fn a_break_is_told_in_order() {
    let error = ErrorObject {
        message: "gone".into(),
        kind: Some("server_error".into()),
        param: None,
        code: Some("upstream_error".into()),
    };
    let mut teller = Teller::new(echo(), true, |_, _| panic!("it did not end"));
    teller.hear(begin());
    teller.hear(text("x"));
    teller.fail(502, &error);
    let events = events(&teller.take());
    let [.., told, failed] = events.as_slice() else {
        panic!("two at least")
    };
    assert_eq!(
        *told,
        json!({"type": "error", "sequence_number": 5, "code": "upstream_error", "message": "gone", "param": null})
    );
    assert_eq!(failed["response"]["status"], "failed");
    let expected = json!({"code": "server_error", "message": "gone"});
    assert_eq!(failed["response"]["error"], expected);

    let mut teller = Teller::new(echo(), true, |_, _| {});
    teller.fail(502, &error);
    assert_eq!(self::events(&teller.take()).len(), 1);
}

/// What official clients put together from the events of the items.
fn collected(events: &[Value]) -> Vec<Value> {
    let mut output: Vec<Value> = Vec::new();
    for event in events {
        let kind = event["type"].as_str().unwrap();
        let at = |name: &str| event[name].as_u64().map(|at| usize::try_from(at).unwrap());
        let place = at("output_index").unwrap_or(0);
        let append = |value: &mut Value| {
            let more = event["delta"].as_str().unwrap();
            *value = json!(value.as_str().unwrap().to_owned() + more);
        };
        match kind {
            "response.output_item.added" => {
                assert_eq!(place, output.len());
                output.push(event["item"].clone());
            }
            "response.content_part.added" => {
                output[place]["content"]
                    .as_array_mut()
                    .unwrap()
                    .push(event["part"].clone());
            }
            "response.reasoning_summary_part.added" => {
                output[place]["summary"]
                    .as_array_mut()
                    .unwrap()
                    .push(event["part"].clone());
            }
            "response.output_text.delta" => {
                append(&mut output[place]["content"][at("content_index").unwrap()]["text"]);
            }
            "response.refusal.delta" => {
                append(&mut output[place]["content"][at("content_index").unwrap()]["refusal"]);
            }
            "response.reasoning_summary_text.delta" => {
                append(&mut output[place]["summary"][at("summary_index").unwrap()]["text"]);
            }
            "response.function_call_arguments.delta" => append(&mut output[place]["arguments"]),
            "response.output_item.done" => {
                let item = &event["item"];
                for field in ["content", "summary", "arguments", "id"] {
                    assert_eq!(output[place].get(field), item.get(field));
                }
                output[place] = item.clone();
            }
            _ => {}
        }
    }
    output
}

fn steps() -> impl Strategy<Value = Vec<Heard>> {
    let piece = "[a-z\"{}:1 é]{1,5}";
    let step = prop_oneof![
        piece.prop_map(|piece| text(&piece)),
        piece.prop_map(|piece| say(What::Reasoning(piece))),
        piece.prop_map(|piece| say(What::Refusal(piece))),
        (0_u64..3, piece).prop_map(|(number, piece)| arguments(number, &piece)),
        (0_u64..3).prop_map(|number| call(number, "f")),
    ];
    prop::collection::vec(step, 0..12)
}

proptest! {
    #[test]
    fn the_events_make_up_the_response(
        steps in steps(),
        reason in prop::sample::select(vec!["stop", "length", "content_filter"]),
    ) {
        let heard = [vec![begin()], steps, vec![finish(reason)]].concat();
        let events = told(heard);
        let response = &events.last().unwrap()["response"];
        prop_assert_eq!(&Value::Array(collected(&events)), &response["output"]);
        let opened = events.iter().filter(|e| e["type"] == "response.content_part.added").count();
        let closed = events.iter().filter(|e| e["type"] == "response.content_part.done").count();
        prop_assert_eq!(opened, closed);
    }
}

#[test]
fn a_stream_and_a_whole_answer_are_the_same_response() {
    let answer = Answer::read(
        br#"{"model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"let me see","content":"forty-two, as everybody knows","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
    )
    .unwrap();
    let id = "chatcmpl-0123456789abcdef";
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let mut whole = Teller::new(echo(), false, move |id, response| {
        keep.lock().unwrap().push((id.to_owned(), response));
    });
    for heard in of_answer(answer.clone(), id, 7) {
        whole.hear(heard);
    }
    let whole = whole.whole();
    assert_eq!(
        *kept.lock().unwrap(),
        [("resp_0123456789abcdef".to_owned(), whole.clone())]
    );
    let mut hearing = Hearing::default();
    let mut teller = Teller::new(echo(), true, |_, _| {});
    for heard in hearing.events(&chunk::split(&answer, id, 7, true)) {
        teller.hear(heard);
    }
    teller.end();
    let stream = teller.take();
    let last = sse::data(&stream).last().unwrap();
    let last: Value = serde_json::from_slice(last).unwrap();
    assert_eq!(
        last["response"],
        serde_json::from_slice::<Value>(&whole).unwrap()
    );
}
