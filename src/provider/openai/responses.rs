//! What OpenAI says in its responses interface, whole or event by event.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses-streaming> (seen 2026-11). Items of built-in
//! tools are passed over: what they say is between the client and the provider. Calls come one after another,
//! as a rule; one that begins inside another is told when both are whole.
//!
//! | event | what is told |
//! |---|---|
//! | `response.created`, `response.in_progress` | id and model |
//! | `response.output_text.delta`, `response.refusal.delta` | a piece of text, of a refusal |
//! | `response.reasoning_summary_text.delta`, `response.reasoning_text.delta` | a piece of thought; of each item only the kind that comes first |
//! | `response.output_item.added` of a call, `response.function_call_arguments.delta` | a call, its arguments |
//! | `response.output_text.annotation.added` | a reference |
//! | `response.output_item.done` | what of the item no event before it told |
//! | `response.completed`, `response.incomplete` | tokens, the end |
//! | `response.failed`, `error` | broken |
//! | unknown | nothing |

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::failure;
use crate::{
    provider::{
        dialect::{Broken, Reader},
        transport::Failure,
    },
    wire::{
        error_body::ErrorObject,
        said::{Counts, Event, Finish, Said},
    },
};

/// Reads one answer.
#[derive(Debug, Default)]
pub(super) struct Reading {
    begun: bool,
    over: bool,
    /// What was told of the items, by their places.
    told: HashMap<u64, Told>,
    /// The place of the call that is being told.
    call: Option<u64>,
    /// Whether a built-in tool was called.
    at_work: bool,
    /// Calls that came whole while another one was being told, by their places.
    behind: Vec<(u64, Value)>,
}

/// What was told of an item piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The beginning of a call.
    Call,
    /// Nothing of a call that began inside another one: pieces of arguments belong to the call that began
    /// last, so it is told when it is whole.
    Held,
    /// Some of what it says.
    Said,
    /// A thought in brief: so much of its parts.
    Summary(u64),
    /// A thought at length.
    Thought,
}

/// An event, as far as it is read.
#[derive(Deserialize)]
struct Sent {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    output_index: u64,
    #[serde(default)]
    summary_index: u64,
    #[serde(default)]
    delta: Value,
    #[serde(default)]
    logprobs: Value,
    #[serde(default)]
    item: Value,
    #[serde(default)]
    annotation: Value,
    #[serde(default)]
    response: Value,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    code: Value,
    #[serde(default)]
    param: Value,
}

impl Reading {
    fn begin(&mut self, response: &Value, told: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.begun, true) {
            let text = |name: &str| response.get(name).and_then(Value::as_str);
            told.push(Event::Begin {
                id: text("id").map(str::to_owned),
                model: text("model").map(str::to_owned),
            });
        }
    }

    /// Tells what of a whole item was not told yet.
    fn item(&mut self, place: u64, item: &Value, told: &mut Vec<Event>) {
        if self.call.is_some_and(|call| call != place) && is_call(item) {
            self.told.insert(place, Told::Held);
            self.behind.push((place, item.clone()));
            return;
        }
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let known = self.told.get(&place).copied();
        match (text("type"), known) {
            ("message", None) => {
                for part in list(item, "content") {
                    let text = |name: &str| part.get(name).and_then(Value::as_str);
                    match text("type") {
                        Some("output_text") => {
                            let logprobs = part.get("logprobs");
                            say(told, said(text("text").unwrap_or_default(), logprobs));
                            for annotation in list(part, "annotations") {
                                say(told, reference(annotation));
                            }
                        }
                        Some("refusal") => {
                            let refusal = text("refusal").unwrap_or_default();
                            say(told, Said::Refusal(refusal.to_owned()));
                        }
                        _ => {}
                    }
                }
            }
            ("reasoning", None) => {
                let texts = |name: &str| -> Vec<&str> {
                    let texts = list(item, name).iter();
                    texts
                        .filter_map(|part| part.get("text")?.as_str())
                        .collect()
                };
                let (content, summary) = (texts("content"), texts("summary"));
                let thought = if content.is_empty() { summary } else { content };
                if !thought.is_empty() {
                    say(told, Said::Reasoning(thought.join("\n\n")));
                }
            }
            ("function_call", None | Some(Told::Held)) => {
                say(told, call(item, text("arguments")));
            }
            // It began, and no piece of its arguments came.
            ("function_call", Some(Told::Call)) => {
                say(told, Said::Arguments(text("arguments").to_owned()));
            }
            _ => {}
        }
        self.told.insert(place, Told::Said);
        if self.call == Some(place) {
            self.call = None;
            self.catch_up(told);
        }
    }

    /// Tells the calls that came whole while another one was being told.
    fn catch_up(&mut self, told: &mut Vec<Event>) {
        for (place, item) in std::mem::take(&mut self.behind) {
            self.item(place, &item, told);
        }
    }

    /// Tells how the answer ends.
    fn end_with(&mut self, response: &Value, told: &mut Vec<Event>) -> Result<(), Broken> {
        self.begin(response, told);
        let text = |path: &str| response.pointer(path).and_then(Value::as_str);
        let finish = match (text("/status"), text("/incomplete_details/reason")) {
            (Some("failed" | "cancelled"), _) => {
                return Err(reported(response.get("error").unwrap_or(&Value::Null)));
            }
            (Some("completed"), _) => Finish::Stop,
            (Some("incomplete"), Some("content_filter")) => Finish::ContentFilter,
            (Some("incomplete"), _) => Finish::Length,
            (status, _) => {
                let status = status.unwrap_or("none");
                return Err(unreadable(&format!("a response of the status {status:?}")));
            }
        };
        // Of which neither a piece nor the end came before.
        let open = self
            .call
            .filter(|place| self.told.get(place) == Some(&Told::Call));
        let items = || (0..).zip(list(response, "output"));
        if let Some((place, item)) = items().find(|(place, _)| Some(*place) == open) {
            self.item(place, item, told);
        }
        self.call = None;
        self.catch_up(told);
        for (place, item) in items() {
            if matches!(self.told.get(&place), None | Some(Told::Held)) {
                self.item(place, item, told);
            }
        }
        if self.told.values().any(|told| *told == Told::Held) {
            return Err(unreadable("a call that did not end"));
        }
        told.extend(counts(response).map(Event::Usage));
        say(told, Said::Finish(finish));
        self.over = true;
        Ok(())
    }

    fn thought(&mut self, sent: &Sent, kind: Told, told: &mut Vec<Event>) {
        let Some(text) = sent.delta.as_str() else {
            return;
        };
        let known = self.told.entry(sent.output_index).or_insert(kind);
        let gap = match (&*known, kind) {
            (Told::Thought, Told::Thought) => "",
            (Told::Summary(before), Told::Summary(now)) if *before == now => "",
            (Told::Summary(_), Told::Summary(_)) => "\n\n",
            _ => return,
        };
        *known = kind;
        say(told, Said::Reasoning(format!("{gap}{text}")));
    }
}

impl Reader for Reading {
    fn whole(&mut self, body: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        let response: Value = read(body)?;
        let is_response = response
            .get("object")
            .is_some_and(|object| object == "response");
        if !is_response && let Some(error) = ErrorObject::from_value(&response) {
            return Err(Broken::Reported(failure::reported(error)));
        }
        if !is_response && !response.get("output").is_some_and(Value::is_array) {
            return Err(unreadable("JSON that is no `response`"));
        }
        self.end_with(&response, told)
    }

    fn event(&mut self, data: &[u8], told: &mut Vec<Event>) -> Result<(), Broken> {
        if self.over || data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let sent: Sent = read(data)?;
        match sent.kind.as_str() {
            "response.created" | "response.in_progress" => self.begin(&sent.response, told),
            "response.output_text.delta" => {
                if let Some(text) = sent.delta.as_str() {
                    self.told.insert(sent.output_index, Told::Said);
                    say(told, said(text, Some(&sent.logprobs)));
                }
            }
            "response.refusal.delta" => {
                if let Some(text) = sent.delta.as_str() {
                    self.told.insert(sent.output_index, Told::Said);
                    say(told, Said::Refusal(text.to_owned()));
                }
            }
            "response.reasoning_text.delta" => self.thought(&sent, Told::Thought, told),
            "response.reasoning_summary_text.delta" => {
                self.thought(&sent, Told::Summary(sent.summary_index), told);
            }
            "response.output_text.annotation.added" => say(told, reference(&sent.annotation)),
            "response.output_item.added" => {
                if is_call(&sent.item) && self.call.is_some() {
                    self.told.insert(sent.output_index, Told::Held);
                } else if is_call(&sent.item) {
                    self.call = Some(sent.output_index);
                    self.told.insert(sent.output_index, Told::Call);
                    say(told, call(&sent.item, ""));
                } else if let Some(kind) = sent.item.get("type").and_then(Value::as_str) {
                    self.at_work |= !matches!(kind, "message" | "reasoning");
                }
            }
            "response.function_call_arguments.delta" => {
                let text = sent.delta.as_str();
                if let Some(text) = text.filter(|_| self.call == Some(sent.output_index)) {
                    self.told.insert(sent.output_index, Told::Said);
                    say(told, Said::Arguments(text.to_owned()));
                }
            }
            "response.output_item.done" => self.item(sent.output_index, &sent.item, told),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.end_with(&sent.response, told)?;
            }
            "error" if sent.error.is_object() => return Err(reported(&sent.error)),
            "error" => {
                let error = json!({
                    "message": sent.message, "code": sent.code, "param": sent.param,
                });
                return Err(reported(&error));
            }
            _ => {}
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn is_at_work(&self) -> bool {
        self.at_work
    }

    fn end(&mut self, _told: &mut Vec<Event>) -> Result<(), Broken> {
        if self.over {
            Ok(())
        } else {
            Err(unreadable("it ended before the answer did"))
        }
    }
}

fn read<'d, T: Deserialize<'d>>(data: &'d [u8]) -> Result<T, Broken> {
    serde_json::from_slice(data).map_err(|error| {
        let start: String = String::from_utf8_lossy(data).chars().take(80).collect();
        unreadable(&format!("{error} in `{}`", start.escape_debug()))
    })
}

fn unreadable(why: &str) -> Broken {
    Broken::Unreadable(why.to_owned())
}

/// An error that came with a success, by its code.
fn reported(error: &Value) -> Broken {
    let Ok(error) = ErrorObject::deserialize(error) else {
        return unreadable("an error without a word");
    };
    let status = match error.code.as_deref() {
        Some("rate_limit_exceeded") => Some(429),
        Some("invalid_prompt") => Some(400),
        Some(code) if code.contains("image") => Some(400),
        _ => None,
    };
    let failure = failure::reported(error);
    Broken::Reported(Failure {
        status: status.unwrap_or(failure.status),
        ..failure
    })
}

fn say(told: &mut Vec<Event>, said: Said) {
    told.push(Event::Say { choice: 0, said });
}

fn said(text: &str, logprobs: Option<&Value>) -> Said {
    let logprobs = logprobs.and_then(Value::as_array);
    Said::Text {
        text: text.to_owned(),
        logprobs: logprobs.filter(|list| !list.is_empty()).cloned(),
    }
}

fn is_call(item: &Value) -> bool {
    item.get("type").and_then(Value::as_str) == Some("function_call")
}

fn call(item: &Value, arguments: &str) -> Said {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    Said::Call {
        id: text("call_id")
            .filter(|id| !id.is_empty())
            .map(str::to_owned),
        name: text("name").unwrap_or_default().to_owned(),
        arguments: arguments.to_owned(),
        extra: Map::new(),
    }
}

/// A reference as chat answers have it: its fields under its type.
fn reference(annotation: &Value) -> Said {
    let mut fields = annotation.as_object().cloned().unwrap_or_default();
    let kind = fields.shift_remove("type");
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default();
    let nested = json!([{"type": kind, kind: fields}]);
    Said::Extra(Map::from_iter([("annotations".to_owned(), nested)]))
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn counts(response: &Value) -> Option<Counts> {
    let usage = response.get("usage")?;
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    Some(Counts {
        prompt: count("/input_tokens")?,
        completion: count("/output_tokens")?,
        cached: count("/input_tokens_details/cached_tokens"),
        cache_written: count("/input_tokens_details/cache_write_tokens")
            .filter(|written| *written > 0),
        reasoning: count("/output_tokens_details/reasoning_tokens"),
    })
}

#[cfg(test)]
mod tests;
