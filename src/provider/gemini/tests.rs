use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;
use crate::wire::{
    ask::Unable,
    chat::ChatRequest,
    controls::Controls,
    said::{Event, Telling},
    sse,
};

mod answers;
mod failures;
mod media;
mod messages;
mod parameters;
mod properties;
mod tools;

const MODEL: &str = "gemini-2.5-flash";
const RECENT: &str = "gemini-3.1-pro-preview";

fn read(body: &Value, cannot: &mut Cannot) -> Result<Ask, Unable> {
    let request = ChatRequest::parse(body.to_string().into(), &mut Controls::default());
    Ask::read(&request.expect("a request that is understood"), cannot)
}

/// What `model` is sent for a request of these fields, and what was left out.
fn put(model: &str, fields: Value, drops: bool) -> Result<(Value, Vec<String>), Unable> {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
    let (Some(object), Value::Object(fields)) = (body.as_object_mut(), fields) else {
        panic!("fields are an object");
    };
    object.extend(fields);
    let mut cannot = Cannot::new("google", drops);
    let ask = read(&body, &mut cannot)?;
    let request = request::put(&ask, model::Model::named(model), &mut cannot)?;
    let sent = serde_json::to_value(request).expect("a request that can be written");
    Ok((sent, cannot.dropped().to_vec()))
}

#[track_caller]
fn sent_to(model: &str, fields: Value) -> Value {
    let (sent, dropped) = put(model, fields, false).expect("a request that Gemini can do");
    assert_eq!(dropped, Vec::<String>::new());
    sent
}

#[track_caller]
fn sent(fields: Value) -> Value {
    sent_to(MODEL, fields)
}

/// Which field is refused, and that leaving it out works if it is only unsupported.
#[track_caller]
fn refused_by(model: &str, fields: Value) -> String {
    match put(model, fields.clone(), false).expect_err("a request that Gemini can't do") {
        Unable::Unsupported { param, message } => {
            assert!(
                message.contains("google") && message.contains(&param),
                "{message}"
            );
            let (_, dropped) = put(model, fields, true).expect("it can be left out");
            assert!(dropped.contains(&param), "{dropped:?}");
            format!("unsupported {param}")
        }
        Unable::TooLong { message } => panic!("{message}"),
        Unable::Invalid(invalid) => {
            let again = put(model, fields, true).expect_err("leaving out mends nothing");
            assert_eq!(again, Unable::Invalid(invalid.clone()));
            format!("invalid {}", invalid.param.unwrap_or_default())
        }
    }
}

#[track_caller]
fn refused(fields: Value) -> String {
    refused_by(MODEL, fields)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON")
}

fn telling() -> Telling {
    Telling::new("chatcmpl-own".to_owned(), MODEL, 1_700_000_000, true)
}

/// What the client gets for a whole answer.
fn whole(body: &Value, choices: u32) -> Result<Value, String> {
    let mut told = Vec::new();
    let mut reader = reader::Answer::new(choices);
    let read = reader.whole(body.to_string().as_bytes(), &mut told);
    read.map_err(|broken| format!("{broken:?}"))?;
    let (_, json) = telling().whole(told).map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(&json).expect("JSON"))
}

fn streamed(events: &[Value], choices: u32) -> Result<Vec<Event>, String> {
    let mut told = Vec::new();
    let mut reader = reader::Answer::new(choices);
    for event in events {
        let read = reader.event(event.to_string().as_bytes(), &mut told);
        read.map_err(|broken| format!("{broken:?}"))?;
    }
    let end = reader.end(&mut told);
    end.map_err(|broken| format!("{broken:?}"))?;
    Ok(told)
}

/// The chunks that the client gets for a stream, one a line, without what is the same in each.
fn chunks(events: &[Value]) -> String {
    let mut telling = telling();
    for event in streamed(events, 1).expect("a stream that can be read") {
        telling.tell(event);
    }
    telling.end();
    let stream = telling.take();
    let mut lines = String::new();
    for data in sse::data(&stream) {
        let Ok(mut chunk) = serde_json::from_slice::<Value>(data) else {
            let text = String::from_utf8_lossy(data);
            writeln!(lines, "{text}").expect("a line");
            continue;
        };
        for field in ["created", "object", "model"] {
            chunk.as_object_mut().expect("a chunk").remove(field);
        }
        writeln!(lines, "{chunk}").expect("a line");
    }
    lines
}
