//! What is sent, what clients get, and that neither depends on how it is cut.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    known::Facts,
    reader::Lines,
    request::{Defaults, put},
    wire::{ModelList, ShowResponse},
};
use crate::{
    provider::{
        dialect::{Broken, Reader},
        frames::Framing,
    },
    wire::{
        answer::Answer,
        ask::{Ask, Cannot, Unable},
        chat::ChatRequest,
        controls::Controls,
        said::{Event, Telling},
    },
};

mod answers;
mod laws;
mod refused;
mod sent;

/// A chat request with a user's message and these fields.
fn with(fields: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Name a crab."}]});
    if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
        body.extend(fields);
    }
    body
}

fn saying(messages: Value) -> Value {
    with(Value::Object(Map::from_iter([(
        "messages".to_owned(),
        messages,
    )])))
}

/// What is known of a model with these capabilities and a context of so many tokens.
fn model(capabilities: &[&str], longest: u64) -> Facts {
    let show: ShowResponse = serde_json::from_value(json!({
        "model_info": {"general.architecture": "a", "a.context_length": longest},
        "capabilities": capabilities,
    }))
    .unwrap();
    Facts::read("m", &show, None::<&ModelList>)
}

/// How a test asks.
struct Asking {
    facts: Facts,
    defaults: Defaults,
    model: &'static str,
    drops: bool,
}

impl Default for Asking {
    fn default() -> Self {
        Self {
            facts: Facts::default(),
            defaults: Defaults::default(),
            model: "llama3.2",
            drops: false,
        }
    }
}

impl Asking {
    /// What is sent for `body`, and what was left out.
    fn put(&self, body: &Value) -> Result<(Value, Vec<String>), Unable> {
        let bytes = Bytes::from(body.to_string());
        let request = ChatRequest::parse(bytes, &mut Controls::default()).unwrap();
        let mut cannot = Cannot::new("local", self.drops);
        let ask = Ask::read(&request, &mut cannot)?;
        let put = put(&ask, self.model, &self.facts, &self.defaults, &mut cannot)?;
        let sent = serde_json::to_value(put.body).unwrap();
        Ok((sent, cannot.dropped().to_vec()))
    }

    #[track_caller]
    fn sent(&self, body: &Value) -> Value {
        self.put(body).unwrap().0
    }
}

#[track_caller]
fn sent(body: &Value) -> Value {
    Asking::default().sent(body)
}

/// The events of a stream that comes in these runs of lines.
fn told<'r>(runs: impl IntoIterator<Item = &'r [u8]>) -> Result<Vec<Event>, Broken> {
    let mut reader = Lines::default();
    let mut told = Vec::new();
    for run in runs {
        for data in Framing::Lines.data(run) {
            reader.event(data, &mut told)?;
        }
    }
    reader.end(&mut told)?;
    Ok(told)
}

fn told_whole(body: &Value) -> Result<Vec<Event>, Broken> {
    let mut told = Vec::new();
    Lines::default().whole(body.to_string().as_bytes(), &mut told)?;
    Ok(told)
}

fn lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The OpenAI answer of these events, calls without ids being numbered.
fn answer(told: Vec<Event>) -> (Answer, Value) {
    let told = numbered(told);
    let telling = Telling::new("chatcmpl-0".to_owned(), "m", 1_700_000_000, true);
    let (answer, json) = telling.whole(told).unwrap();
    (answer, serde_json::from_slice(&json).unwrap())
}

/// The OpenAI stream of these events.
fn stream(told: Vec<Event>) -> String {
    let mut telling = Telling::new("chatcmpl-0".to_owned(), "m", 1_700_000_000, true);
    for event in numbered(told) {
        telling.tell(event);
    }
    assert!(telling.is_whole());
    telling.end();
    String::from_utf8(telling.take()).unwrap()
}

fn numbered(mut told: Vec<Event>) -> Vec<Event> {
    use crate::wire::said::Said;
    let mut calls = 0;
    for event in &mut told {
        if let Event::Say {
            said: Said::Call { id, .. },
            ..
        } = event
        {
            id.get_or_insert_with(|| format!("made-up-{calls}"));
            calls += 1;
        }
    }
    told
}

/// A JSON Schema object.
fn object(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else {
        panic!("an object");
    };
    fields
}
