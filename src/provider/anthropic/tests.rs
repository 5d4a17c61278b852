//! What is sent and what clients get, one rich example for each thing that a request can ask for.

#![expect(
    clippy::needless_pass_by_value,
    reason = "`json!` at the place of a call reads better than a reference to it"
)]

use bytes::Bytes;
use serde_json::{Value, json};

use super::{put::put, read::Reading};
use crate::{
    provider::dialect::{Broken, Reader},
    wire::{
        ask::{Ask, Cannot, Unable},
        chat::ChatRequest,
        controls::Controls,
        said::{Event, Telling},
    },
};

mod caching;
mod content;
mod failures;
mod formats;
mod laws;
mod thinking;
mod told;
mod tools;
mod turns;

/// A model that takes nearly everything.
const MODEL: &str = "claude-sonnet-4-5";

/// A request with these fields, as read for Anthropic.
fn asked(fields: Value, drops: bool) -> Result<(Ask, Cannot), Unable> {
    let mut body = json!({"model": "any"});
    body.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    if body.get("messages").is_none() {
        body["messages"] = json!([{"role": "user", "content": "Where do storks sleep?"}]);
    }
    let raw = Bytes::from(body.to_string());
    let request = ChatRequest::parse(raw, &mut Controls::default()).unwrap();
    let mut cannot = Cannot::new("claude", drops);
    let ask = Ask::read(&request, &mut cannot)?;
    Ok((ask, cannot))
}

fn tried(model: &str, caching: bool, fields: Value, drops: bool) -> Result<Value, Unable> {
    let (ask, mut cannot) = asked(fields, drops)?;
    let put = put(&ask, model, caching, &mut cannot)?;
    let mut sent = serde_json::to_value(&put.request).unwrap();
    if !put.betas.is_empty() {
        sent["(beta)"] = json!(put.betas);
    }
    if !cannot.dropped().is_empty() {
        sent["(dropped)"] = json!(cannot.dropped());
    }
    Ok(sent)
}

/// What `model` is sent for a request with these fields.
fn sent_to(model: &str, fields: Value) -> Value {
    tried(model, true, fields, false).unwrap_or_else(|unable| panic!("{unable}"))
}

fn sent(fields: Value) -> Value {
    sent_to(MODEL, fields)
}

/// The same, what can't be done left out.
fn lenient(model: &str, fields: Value) -> Value {
    tried(model, true, fields, true).unwrap()
}

/// Why a request is refused, as `param: message`.
fn refused(model: &str, fields: Value) -> String {
    match tried(model, true, fields, false) {
        Err(Unable::Unsupported { param, message }) => format!("{param}: {message}"),
        Err(Unable::Invalid(invalid)) => {
            format!(
                "(invalid) {}: {}",
                invalid.param.unwrap_or_default(),
                invalid.message
            )
        }
        Err(other @ Unable::TooLong { .. }) => panic!("{other}"),
        Ok(sent) => panic!("not refused: {sent}"),
    }
}

/// The client's answer to these events.
fn answer(events: Vec<Event>) -> Value {
    let telling = Telling::new("chatcmpl-own".to_owned(), "any", 1_600_000_000, true);
    let (_, json) = telling.whole(events).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn reason(broken: Broken) -> String {
    match broken {
        Broken::Unreadable(why) => format!("unreadable: {why}"),
        Broken::Reported(failure) => {
            let error = serde_json::to_string(&failure.error).unwrap();
            format!("reported {}: {error}", failure.status)
        }
    }
}

/// What a whole answer tells.
fn whole(answer_tool: Option<&str>, body: &Value) -> Result<Vec<Event>, String> {
    let mut reading = Reading::new(answer_tool.map(str::to_owned));
    let mut told = Vec::new();
    reading
        .whole(body.to_string().as_bytes(), &mut told)
        .map_err(reason)?;
    Ok(told)
}

/// What a stream tells.
fn streamed(answer_tool: Option<&str>, events: &[Value]) -> Result<Vec<Event>, String> {
    let mut reading = Reading::new(answer_tool.map(str::to_owned));
    let mut told = Vec::new();
    for event in events {
        reading
            .event(event.to_string().as_bytes(), &mut told)
            .map_err(reason)?;
    }
    reading.end(&mut told).map_err(reason)?;
    Ok(told)
}
