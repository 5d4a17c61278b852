//! What makes a request the next one of a conversation, so that it can stay where it was answered.
//!
//! A client sends its whole history with each request, but not always spelled alike: text as one part or
//! plain, marks for prompt caches on other messages than before, thoughts and usage left out, arguments
//! of calls written anew. So what counts of a message is its role, what it says and shows, and the ids of
//! its calls. Invariant: within a scope and a model, equal keys are conversations in which that is equal.

use blake3::Hasher;
use serde_json::{Map, Value};

use crate::policy::identity::Scope;

/// A conversation up to some message, in one scope and for one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConversationKey([u8; 16]);

/// The conversation that a request is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// What the request before this one has become; `None` if this is the first.
    pub continues: Option<ConversationKey>,
    /// What the next request will continue.
    pub becomes: ConversationKey,
}

/// The keys of a request of `scope` for `model` with these `messages`.
///
/// The request before this one was all messages before the last answer, which may be several assistant
/// messages. An answer that the client has begun at the end counts as part of the answer to come. If it
/// is the first, it may be what is left of one that was cut off, so it goes on where that came from.
#[must_use]
pub fn keys(scope: Scope, model: &str, messages: &[Value]) -> Keys {
    let end = after_last(messages, |message| !is_answer(message));
    let asked = match end {
        0 => messages,
        end => messages.get(..end).unwrap_or(messages),
    };
    let answered = after_last(asked, is_answer);
    let answered = asked.get(..answered).unwrap_or_default();
    let before_answer = after_last(answered, |message| !is_answer(message));

    let mut said = Said {
        hasher: Hasher::new_keyed(&scope.bytes()),
        waiting: Vec::with_capacity(TOGETHER),
    };
    // The scope keys other hashes too.
    said.text(b'P', model);
    let mut continues = None;
    for (position, message) in asked.iter().enumerate() {
        if position == before_answer && position > 0 {
            continues = Some(said.key());
        }
        said.message(message);
    }
    let becomes = said.key();
    if answered.is_empty() && asked.len() < messages.len() {
        continues = Some(becomes);
    }
    Keys { continues, becomes }
}

fn is_answer(message: &Value) -> bool {
    message.get("role").is_some_and(|role| role == "assistant")
}

/// The number of messages up to and with the last that is so; 0 if none is.
fn after_last(messages: &[Value], is_so: impl Fn(&Value) -> bool) -> usize {
    let last = messages.iter().rposition(is_so);
    last.map_or(0, |last| last + 1)
}

/// Hashes what is said so that different things are different bytes: every text has its kind and its
/// length before it, and every message begins with one.
struct Said {
    hasher: Hasher,
    /// Not hashed yet.
    waiting: Vec<u8>,
}

/// Bytes that are hashed at once: BLAKE3 is quick on pieces of many of its chunks only.
const TOGETHER: usize = 16 << 10;

impl Said {
    fn key(&mut self) -> ConversationKey {
        self.flush();
        let mut key = [0; 16];
        self.hasher.finalize_xof().fill(&mut key);
        ConversationKey(key)
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.waiting.len() + bytes.len() > TOGETHER {
            self.flush();
        }
        if bytes.len() > TOGETHER {
            self.hasher.update(bytes);
        } else {
            self.waiting.extend_from_slice(bytes);
        }
    }

    fn flush(&mut self) {
        self.hasher.update(&self.waiting);
        self.waiting.clear();
    }

    fn text(&mut self, kind: u8, text: &str) {
        let [a, b, c, d, e, f, g, h] = (text.len() as u64).to_le_bytes();
        self.put(&[kind, a, b, c, d, e, f, g, h]);
        self.put(text.as_bytes());
    }

    fn message(&mut self, message: &Value) {
        let Some(fields) = message.as_object() else {
            self.put(b"v");
            return self.value(message);
        };
        self.text(b'm', text(fields, "role"));
        match fields.get("content") {
            Some(Value::String(text)) => self.spoken(b't', text),
            Some(Value::Array(parts)) => parts.iter().for_each(|part| self.part(part)),
            None | Some(Value::Null) => {}
            Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => {
                self.put(b"v");
                self.value(other);
            }
        }
        self.spoken(b'r', text(fields, "refusal"));
        let calls = fields.get("tool_calls").and_then(Value::as_array);
        calls.into_iter().flatten().for_each(|call| self.call(call));
        if let Some(call) = fields.get("function_call").and_then(Value::as_object) {
            self.text(b'f', text(call, "name"));
            self.text(b'a', text(call, "arguments"));
        }
        self.spoken(b'i', text(fields, "tool_call_id"));
        // Participants are told apart by it, and results of functions have no id.
        self.spoken(b'n', text(fields, "name"));
    }

    /// What is empty is not said: clients leave it out or write `null`.
    fn spoken(&mut self, kind: u8, text: &str) {
        if !text.is_empty() {
            self.text(kind, text);
        }
    }

    fn part(&mut self, part: &Value) {
        let Some(fields) = part.as_object() else {
            self.put(b"v");
            return self.value(part);
        };
        match (text(fields, "type"), fields.get("text")) {
            ("text" | "input_text", Some(Value::String(text))) => self.spoken(b't', text),
            ("refusal", _) => self.spoken(b'r', text(fields, "refusal")),
            (kind, _) => {
                self.text(b'p', kind);
                self.object(fields);
            }
        }
    }

    /// The id stands for the arguments, which clients write anew.
    fn call(&mut self, call: &Value) {
        let Some(fields) = call.as_object() else {
            self.put(b"v");
            return self.value(call);
        };
        let called = ["function", "custom"]
            .iter()
            .find_map(|kind| fields.get(*kind)?.as_object());
        let id = text(fields, "id");
        self.text(b'c', id);
        if let Some(called) = called {
            self.text(b'f', text(called, "name"));
            if id.is_empty() {
                self.text(b'a', text(called, "arguments"));
            }
        }
    }

    fn object(&mut self, fields: &Map<String, Value>) {
        self.put(b"{");
        for (key, value) in fields.iter().filter(|(key, _)| *key != "cache_control") {
            self.text(b'k', key);
            self.value(value);
        }
        self.put(b"}");
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.put(b"0"),
            Value::Bool(is_so) => self.put(if *is_so { b"+" } else { b"-" }),
            Value::Number(number) => self.text(b'#', &number.to_string()),
            Value::String(text) => self.text(b's', text),
            Value::Array(items) => {
                self.put(b"[");
                items.iter().for_each(|item| self.value(item));
                self.put(b"]");
            }
            Value::Object(fields) => self.object(fields),
        }
    }
}

/// The text of a field; nothing if there is none.
fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    let text = fields.get(name).and_then(Value::as_str);
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests;
