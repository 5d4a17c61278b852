//! Tells a chat answer as a response.
//!
//! | heard | events |
//! |---|---|
//! | the beginning | `response.created`, `response.in_progress` |
//! | a piece of thought | `reasoning_summary_text.delta` of a `reasoning` item |
//! | a piece of text, of a refusal | `output_text.delta`, `refusal.delta` of a `message` item |
//! | a call, its arguments | `function_call` items, `function_call_arguments.delta` |
//! | the end of the answer | the ends of all items |
//! | the end of the stream | `response.completed`, or `response.incomplete` |
//! | a break | `error`, `response.failed` |
//!
//! Each item is `added` before its first piece and `done` behind its last, its parts too. Thoughts are told as
//! a summary: what official clients collect. A call ends where something else begins, unless its arguments are no
//! whole JSON by then: chat streams may interleave calls.

use std::fmt;

use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{
    echo::Echo,
    event::{about, write_error, write_event},
    id,
    items::{Body, Item, Part},
    usage,
};
use crate::wire::{
    chat::write_json,
    error_body::ErrorObject,
    heard::{Heard, Writer},
};

mod speaking;

/// Is told the id and the object of a response that came to its end.
type Ended = Box<dyn FnOnce(&str, Vec<u8>) + Send>;

/// Tells one answer.
pub struct Teller {
    echo: Echo,
    is_stream: bool,
    ended: Option<Ended>,
    out: Vec<u8>,
    /// How many events there were.
    events: u64,
    head: Option<Head>,
    /// What is said, by its place; `null` where an item is still open.
    output: Vec<Value>,
    /// The items that are open: at most one that is no call, and that is the last.
    open: Vec<Item>,
    /// References that came before any text that they are of.
    annotations: Vec<Value>,
    usage: Option<Value>,
    finish: Option<String>,
}

#[derive(Debug)]
struct Head {
    id: String,
    model: String,
    created: u64,
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller")
            .field("head", &self.head)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl Teller {
    /// For the answer to a request of which this is repeated. `ended` is told of the response when it came to its
    /// end.
    #[must_use]
    pub fn new(
        echo: Echo,
        is_stream: bool,
        ended: impl FnOnce(&str, Vec<u8>) + Send + 'static,
    ) -> Self {
        Self {
            echo,
            is_stream,
            ended: Some(Box::new(ended)),
            out: Vec::new(),
            events: 0,
            head: None,
            output: Vec::new(),
            open: Vec::new(),
            annotations: Vec::new(),
            usage: None,
            finish: None,
        }
    }

    /// Writes an event.
    fn event(&mut self, kind: &str, fields: Value) {
        if !self.is_stream {
            return;
        }
        let number = self.events;
        self.events += 1;
        write_event(&mut self.out, kind, number, fields);
    }

    /// The response as it is now.
    fn response(&self, status: &str, error: Value) -> Value {
        let (id, model, created) = self.head.as_ref().map_or(("", "", 0), |head| {
            (head.id.as_str(), head.model.as_str(), head.created)
        });
        let reason = match (status, self.finish.as_deref()) {
            ("incomplete", Some("content_filter")) => json!({"reason": "content_filter"}),
            ("incomplete", _) => json!({"reason": "max_output_tokens"}),
            _ => Value::Null,
        };
        let output: Vec<&Value> = self.output.iter().filter(|item| !item.is_null()).collect();
        let mut response = Map::from_iter([
            ("id".to_owned(), json!(id)),
            ("object".to_owned(), json!("response")),
            ("created_at".to_owned(), json!(created)),
            ("status".to_owned(), json!(status)),
            ("background".to_owned(), json!(false)),
            ("error".to_owned(), error),
            ("incomplete_details".to_owned(), reason),
            ("model".to_owned(), json!(model)),
            ("output".to_owned(), json!(output)),
            ("usage".to_owned(), usage::of_chat(self.usage.as_ref())),
        ]);
        for (name, value) in &self.echo.0 {
            response.insert(name.clone(), value.clone());
        }
        Value::Object(response)
    }

    fn begin(&mut self, id: &str, model: String, created: u64) {
        self.head = Some(Head {
            id: id::of_response(id),
            model,
            created,
        });
        if self.is_stream {
            let response = self.response("in_progress", Value::Null);
            self.event("response.created", json!({"response": response}));
            self.event("response.in_progress", json!({"response": response}));
        }
    }

    /// Writes an event about the item that was begun last.
    fn of_last(&mut self, kind: &str, fields: Value) {
        if let Some(item) = self.open.last() {
            let fields = about(item, fields);
            self.event(kind, fields);
        }
    }

    /// Ends the part that is open, if there is one.
    fn end_part(&mut self) {
        let Some(item) = self.open.last() else { return };
        let Body::Message(parts) = &item.body else {
            return;
        };
        let Some(part) = parts.last() else { return };
        let index = parts.len() - 1;
        let (kind, said) = match part {
            Part::Text { text, logprobs, .. } => (
                "response.output_text.done",
                json!({"content_index": index, "text": text, "logprobs": logprobs}),
            ),
            Part::Refusal(refusal) => (
                "response.refusal.done",
                json!({"content_index": index, "refusal": refusal}),
            ),
        };
        let whole = json!({"content_index": index, "part": part.to_json()});
        self.of_last(kind, said);
        self.of_last("response.content_part.done", whole);
    }

    /// Ends the items that are open: all of them at the `end` of the answer, else those that are whole.
    fn close(&mut self, end: bool) {
        let open = std::mem::take(&mut self.open);
        let last = open.len().saturating_sub(1);
        let is_cut = matches!(self.finish.as_deref(), Some("length" | "content_filter"));
        for (position, item) in open.into_iter().enumerate() {
            let is_whole = match &item.body {
                Body::Call { arguments, .. } => {
                    serde_json::from_str::<IgnoredAny>(arguments).is_ok()
                }
                Body::Reasoning(_) | Body::Message(_) => true,
            };
            if !(end || is_whole) {
                self.open.push(item);
                continue;
            }
            if end && is_cut && position == last {
                self.done(item, "incomplete");
            } else {
                let item = self.filled(item);
                self.done(item, "completed");
            }
        }
    }

    /// `item` with the arguments that a call without any has, so that they can be read as JSON.
    fn filled(&mut self, mut item: Item) -> Item {
        if let Body::Call { arguments, .. } = &mut item.body
            && arguments.is_empty()
        {
            arguments.push_str("{}");
            let delta = about(&item, json!({"delta": "{}"}));
            self.event("response.function_call_arguments.delta", delta);
        }
        item
    }

    /// Ends an item.
    fn done(&mut self, item: Item, status: &str) {
        let ended = item.ended(status);
        let place = item.place;
        match &item.body {
            Body::Reasoning(thought) => {
                let text = json!({"summary_index": 0, "text": thought});
                let part = json!({
                    "summary_index": 0, "part": {"type": "summary_text", "text": thought},
                });
                let (text, part) = (about(&item, text), about(&item, part));
                self.event("response.reasoning_summary_text.done", text);
                self.event("response.reasoning_summary_part.done", part);
            }
            Body::Call { arguments, .. } => {
                let said = about(&item, json!({"arguments": arguments}));
                self.event("response.function_call_arguments.done", said);
            }
            Body::Message(_) => {
                self.open.push(item);
                self.end_part();
                self.open.pop();
            }
        }
        let done = json!({"output_index": place, "item": ended});
        self.event("response.output_item.done", done);
        if let Some(slot) = self.output.get_mut(place) {
            *slot = ended;
        }
    }

    fn finish(&mut self, reason: String) {
        // An answer without a word is a message without one.
        if self.output.is_empty() && matches!(reason.as_str(), "stop" | "tool_calls") {
            self.part(Part::Text {
                text: String::new(),
                logprobs: Vec::new(),
                annotations: Vec::new(),
            });
        }
        self.finish = Some(reason);
        self.close(true);
    }

    /// The status of the whole response, and its object.
    fn conclude(&mut self) -> (&'static str, Value) {
        self.close(true);
        let status = match self.finish.as_deref() {
            Some("length" | "content_filter") => "incomplete",
            _ => "completed",
        };
        let response = self.response(status, Value::Null);
        if let (Some(ended), Some(head)) = (self.ended.take(), &self.head) {
            let mut bytes = Vec::new();
            write_json(&mut bytes, &response);
            ended(&head.id, bytes);
        }
        (status, response)
    }
}

impl Writer for Teller {
    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Begin { id, model, created } => self.begin(&id, model, created),
            Heard::Say { choice: 0, what } => self.say(what),
            // A response holds one answer.
            Heard::Say { .. } => {}
            Heard::Usage(usage) => self.usage = Some(usage),
        }
    }

    fn end(&mut self) {
        let (status, response) = self.conclude();
        self.event(&format!("response.{status}"), json!({"response": response}));
    }

    fn fail(&mut self, status: u16, error: &ErrorObject) {
        let number = self.events;
        self.events += 1;
        write_error(&mut self.out, number, error);
        if self.head.is_some() {
            let code = if status == 429 {
                "rate_limit_exceeded"
            } else {
                "server_error"
            };
            let error = json!({"code": code, "message": error.message});
            let response = self.response("failed", error);
            self.event("response.failed", json!({"response": response}));
        }
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn whole(&mut self) -> Vec<u8> {
        let (_, response) = self.conclude();
        let mut bytes = Vec::new();
        write_json(&mut bytes, &response);
        bytes
    }
}
