use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(events: &[Value]) -> Result<Vec<Event>, Broken> {
    let (mut reading, mut told) = (Reading::default(), Vec::new());
    for event in events {
        reading.event(event.to_string().as_bytes(), &mut told)?;
    }
    reading.end(&mut told)?;
    Ok(told)
}

fn whole(response: &Value) -> Result<Vec<Event>, Broken> {
    let (mut reading, mut told) = (Reading::default(), Vec::new());
    reading.whole(response.to_string().as_bytes(), &mut told)?;
    Ok(told)
}

/// What was told, with pieces put together, one thing a line.
fn shown(told: &[Event]) -> String {
    let shown = told.iter().map(|event| format!("{event:?}"));
    shown.collect::<Vec<_>>().join("\n")
}

fn response() -> Value {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-x",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "message", "id": "msg_1", "role": "assistant", "content": [
                {"type": "output_text", "text": "It rains.", "logprobs": [], "annotations": [{"type": "url_citation", "url": "https://host", "title": "t", "start_index": 0, "end_index": 2}]},
                {"type": "refusal", "refusal": "No."},
            ]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{\"a\":1}"},
        ],
        "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 3}, "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 12},
    })
}

fn stream() -> Vec<Value> {
    let mut started = response();
    started["status"] = json!("in_progress");
    started["output"] = json!([]);
    let of = |place: u64, kind: &str, fields: Value| {
        let mut event = json!({"type": format!("response.{kind}"), "output_index": place});
        event
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        event
    };
    vec![
        json!({"type": "response.created", "response": started}),
        json!({"type": "response.in_progress", "response": started}),
        of(
            0,
            "output_item.added",
            json!({"item": {"type": "reasoning", "summary": []}}),
        ),
        of(
            0,
            "reasoning_summary_text.delta",
            json!({"summary_index": 0, "delta": "one"}),
        ),
        of(
            0,
            "reasoning_summary_text.delta",
            json!({"summary_index": 1, "delta": "two"}),
        ),
        of(
            0,
            "output_item.done",
            json!({"item": response()["output"][0]}),
        ),
        of(1, "web_search_call.searching", json!({"item_id": "ws_1"})),
        of(
            1,
            "output_item.done",
            json!({"item": response()["output"][1]}),
        ),
        of(
            2,
            "output_text.delta",
            json!({"content_index": 0, "delta": "It ", "logprobs": []}),
        ),
        of(
            2,
            "output_text.delta",
            json!({"content_index": 0, "delta": "rains."}),
        ),
        of(
            2,
            "output_text.annotation.added",
            json!({"annotation": response()["output"][2]["content"][0]["annotations"][0]}),
        ),
        of(
            2,
            "refusal.delta",
            json!({"content_index": 1, "delta": "No."}),
        ),
        of(
            2,
            "output_item.done",
            json!({"item": response()["output"][2]}),
        ),
        of(
            3,
            "output_item.added",
            json!({"item": {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": ""}}),
        ),
        of(
            3,
            "function_call_arguments.delta",
            json!({"delta": "{\"a\":1}"}),
        ),
        of(
            3,
            "output_item.done",
            json!({"item": response()["output"][3]}),
        ),
        json!({"type": "response.something_new", "x": 1}),
        json!({"type": "response.completed", "response": response()}),
    ]
}

#[test]
fn a_whole_answer() {
    insta::assert_snapshot!(shown(&whole(&response()).unwrap()));
}

#[test]
fn a_stream() {
    insta::assert_snapshot!(shown(&read(&stream()).unwrap()));
}

#[test]
fn a_stream_without_pieces_tells_the_same() {
    let events = stream();
    let bare = [events[0].clone(), events.last().unwrap().clone()];
    let told = read(&bare).unwrap();
    assert_eq!(shown(&told), shown(&whole(&response()).unwrap()));
    // Arguments may come with the end of the call only.
    let late = [events[13].clone(), events[15].clone(), events[17].clone()];
    let told = shown(&read(&late).unwrap());
    assert!(told.contains(r#"Arguments("{\"a\":1}")"#), "{told}");
}

/// A call as the events of a stream have it.
fn call_at(place: u64, arguments: &str) -> Value {
    json!({"type": "function_call", "call_id": format!("call_{place}"), "name": "f", "arguments": arguments})
}

#[test]
fn calls_that_interleave_keep_their_own_arguments() {
    let of = |kind: &str, place: u64, item: Value, delta: &str| json!({"type": format!("response.{kind}"), "output_index": place, "item": item, "delta": delta});
    let added = |place: u64| of("output_item.added", place, call_at(place, ""), "");
    let piece =
        |place: u64, text: &str| of("function_call_arguments.delta", place, Value::Null, text);
    let done = |place: u64, text: &str| of("output_item.done", place, call_at(place, text), "");
    let mut whole = response();
    whole["output"] = json!([call_at(0, "{\"a\":1}"), call_at(1, "{\"b\":2}")]);
    let end = |status: &str, whole: &Value| json!({"type": format!("response.{status}"), "response": whole});
    let begin = vec![
        added(0),
        added(1),
        piece(0, "{\"a\":"),
        piece(1, "{\"b\":2}"),
    ];
    let expected = ["call_0", "{\"a\":1}", "call_1", "{\"b\":2}"];
    let told_of = |rest: Vec<Value>| {
        let mut said: Vec<String> = Vec::new();
        for event in read(&[begin.clone(), rest].concat()).unwrap() {
            match event {
                Event::Say {
                    said: Said::Call { id, arguments, .. },
                    ..
                } => {
                    said.extend([id.unwrap(), arguments]);
                }
                Event::Say {
                    said: Said::Arguments(text),
                    ..
                } => {
                    said.last_mut().unwrap().push_str(&text);
                }
                Event::Begin { .. } | Event::Say { .. } | Event::Usage(_) => {}
            }
        }
        said
    };
    let completed = end("completed", &whole);
    let one_ends_inside = vec![
        done(1, "{\"b\":2}"),
        piece(0, "1}"),
        done(0, "{\"a\":1}"),
        completed.clone(),
    ];
    assert_eq!(told_of(one_ends_inside), expected);
    let first_ends_first = vec![
        piece(0, "1}"),
        done(0, "{\"a\":1}"),
        done(1, "{\"b\":2}"),
        completed.clone(),
    ];
    assert_eq!(told_of(first_ends_first), expected);
    let ends_only_with_the_answer = vec![piece(0, "1}"), completed.clone()];
    assert_eq!(told_of(ends_only_with_the_answer), expected);
    // A call that nobody ended is not left out in silence.
    whole["output"] = json!([]);
    let lost = [begin.clone(), vec![end("completed", &whole)]].concat();
    assert!(matches!(read(&lost), Err(Broken::Unreadable(_))));
    // Nothing but its beginning came of the first, and no end.
    let told = read(&[added(0), completed]).unwrap();
    let told = shown(&told);
    assert!(told.contains(r#"Arguments("{\"a\":1}")"#), "{told}");
}

#[test]
fn built_in_tools_are_work() {
    let works = |kind: &str| {
        let mut reading = Reading::default();
        let added = json!({"type": "response.output_item.added", "item": {"type": kind}});
        reading
            .event(added.to_string().as_bytes(), &mut Vec::new())
            .unwrap();
        reading.is_at_work()
    };
    assert!(works("web_search_call") && works("image_generation_call"));
    // What they say is waited for.
    assert!(!works("message") && !works("reasoning"));
}

#[test]
fn how_it_ends() {
    let ends = |status: &str, reason: Value| {
        let mut response = response();
        response["status"] = json!(status);
        response["incomplete_details"] = reason;
        match whole(&response) {
            Ok(told) => shown(&told[told.len() - 1..]),
            Err(broken) => format!("{broken:?}"),
        }
    };
    assert!(ends("incomplete", json!({"reason": "max_output_tokens"})).contains("Length"));
    assert!(ends("incomplete", json!({"reason": "content_filter"})).contains("ContentFilter"));
    assert!(ends("in_progress", Value::Null).contains("Unreadable"));
    let cut = read(&stream()[..9]);
    assert!(matches!(cut, Err(Broken::Unreadable(_))));
}

#[test]
fn errors_are_the_providers() {
    let failed = json!({"type": "response.failed", "response": {"id": "resp_1", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow down"}}});
    let flat = json!({"type": "error", "code": "server_error", "message": "oops", "param": null});
    let nested = json!({"type": "error", "error": {"type": "invalid_request_error", "code": "invalid_prompt", "message": "no"}});
    for (event, status) in [(failed, 429), (flat, 502), (nested, 400)] {
        let Err(Broken::Reported(failure)) = read(std::slice::from_ref(&event)) else {
            panic!("{event} is an error");
        };
        assert_eq!(failure.status, status);
    }
    let Err(Broken::Reported(failure)) = whole(&json!({"error": {"message": "no", "code": "503"}}))
    else {
        panic!("an error");
    };
    assert_eq!(failure.status, 503);
    for other in [
        json!({}),
        json!([]),
        json!({"object": "chat.completion", "choices": []}),
    ] {
        assert!(
            matches!(whole(&other), Err(Broken::Unreadable(_))),
            "{other}"
        );
    }
}

proptest! {
    #[test]
    fn never_panics(events in prop::collection::vec(
        (prop::sample::select(vec![
            "response.created", "response.output_text.delta", "response.output_item.done",
            "response.output_item.added", "response.reasoning_text.delta", "response.completed", "error", "x",
        ]), r#"(null|7|"a"|\{\}|\[\]|\{"type":"(message|reasoning|function_call)","status":"completed","content":\[\{"text":7\}\]\})"#),
        0..8,
    )) {
        let (mut reading, mut told) = (Reading::default(), Vec::new());
        for (kind, value) in events {
            let event = format!(r#"{{"type":"{kind}","delta":{value},"item":{value},"response":{value},"error":{value}}}"#);
            let _ = reading.event(event.as_bytes(), &mut told);
        }
        let _ = reading.end(&mut told);
    }
}
