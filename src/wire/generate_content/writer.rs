//! A chat answer as Google's `GenerateContentResponse`.
//!
//! | chat | becomes |
//! |---|---|
//! | text, refusal | a part with `text` |
//! | thought | a part with `thought: true`, where thoughts are wanted |
//! | call | a `functionCall`, when its arguments are whole: with the end of the answer |
//! | `extra_content.google.thought_signature` | `thoughtSignature` of the call, or of the last text |
//! | probabilities | `logprobsResult` |
//!
//! Every response of a stream says what is new. The last one has the reasons of the end, and the tokens.

use serde_json::{Map, Value, json};

use super::{
    error::error_body,
    stream::{Elements, Form},
};
use crate::wire::{
    error_body::ErrorObject,
    heard::{Heard, What, Writer},
};

/// Tells an answer to a client of Gemini.
#[derive(Debug)]
pub struct ResponseWriter {
    /// `None` where the answer is no stream.
    stream: Option<Elements>,
    thoughts: bool,
    id: String,
    model: String,
    candidates: Vec<Candidate>,
    usage: Option<Value>,
    out: Vec<u8>,
}

/// One of several answers.
#[derive(Debug, Default)]
struct Candidate {
    index: u64,
    /// What was said and not written yet.
    parts: Vec<Value>,
    logprobs: Vec<Value>,
    calls: Vec<Call>,
    signature: Option<Value>,
    finish: Option<&'static str>,
}

#[derive(Debug)]
struct Call {
    number: u64,
    id: String,
    name: String,
    arguments: String,
    signature: Option<Value>,
}

impl ResponseWriter {
    /// Writes a stream of this form, or one response if there is none; thoughts where they are wanted.
    #[must_use]
    pub fn new(stream: Option<Form>, thoughts: bool) -> Self {
        Self {
            stream: stream.map(Elements::new),
            thoughts,
            id: String::new(),
            model: String::new(),
            candidates: Vec::new(),
            usage: None,
            out: Vec::new(),
        }
    }

    fn candidate(&mut self, index: u64) -> Option<&mut Candidate> {
        let known = self.candidates.iter().position(|one| one.index == index);
        let place = known.unwrap_or_else(|| {
            self.candidates.push(Candidate {
                index,
                ..Candidate::default()
            });
            self.candidates.len() - 1
        });
        self.candidates.get_mut(place)
    }

    fn say(&mut self, choice: u64, what: What) {
        let thoughts = self.thoughts;
        let Some(candidate) = self.candidate(choice) else {
            return;
        };
        match what {
            What::Text { text, logprobs } => {
                candidate.say(json!({"text": text}));
                candidate.logprobs.extend(logprobs);
            }
            What::Reasoning(text) if thoughts => {
                candidate.say(json!({"text": text, "thought": true}));
            }
            What::Refusal(text) => candidate.say(json!({"text": text})),
            What::Call {
                call,
                id,
                name,
                extra,
            } => candidate.calls.push(Call {
                number: call,
                id,
                name,
                arguments: String::new(),
                signature: extra.get("extra_content").and_then(signature),
            }),
            What::Arguments { call, text } => {
                let mut calls = candidate.calls.iter_mut();
                if let Some(call) = calls.find(|known| known.number == call) {
                    call.arguments.push_str(&text);
                }
            }
            What::Extra(name, value) => {
                if name == "extra_content"
                    && let Some(signature) = signature(&value)
                {
                    candidate.signature = Some(signature);
                }
            }
            What::Finish(reason) => candidate.finish = Some(finish(&reason)),
            // What they say came as text; nobody but Anthropic can read the rest.
            What::Reasoning(_) | What::Thinking(_) => {}
        }
    }

    /// Writes what of this candidate is new.
    fn write_news(&mut self, choice: u64) {
        let Some(candidate) = self.candidate(choice) else {
            return;
        };
        let parts = std::mem::take(&mut candidate.parts);
        if parts.is_empty() {
            return;
        }
        let mut written = json!({"content": {"parts": parts, "role": "model"}, "index": choice});
        candidate.put_logprobs(&mut written);
        self.push(&[written], false);
    }

    fn response(&self, candidates: &[Value], is_last: bool) -> Value {
        let mut response = json!({"candidates": candidates});
        if let Some(usage) = self.usage.as_ref().filter(|_| is_last) {
            put(&mut response, "usageMetadata", usage_metadata(usage));
        }
        put(&mut response, "modelVersion", json!(self.model));
        put(&mut response, "responseId", json!(self.id));
        response
    }

    fn push(&mut self, candidates: &[Value], is_last: bool) {
        let response = self.response(candidates, is_last).to_string();
        if let Some(stream) = &mut self.stream {
            stream.push(&mut self.out, response.as_bytes());
        }
    }

    /// The candidates as they are at the end.
    fn last(&mut self) -> Vec<Value> {
        self.candidates.sort_by_key(|candidate| candidate.index);
        let is_stream = self.stream.is_some();
        let candidates = self.candidates.drain(..);
        candidates.map(|one| one.last(is_stream)).collect()
    }
}

impl Candidate {
    /// One part more; a text that goes on is one part.
    fn say(&mut self, mut part: Value) {
        if let Some(last) = self.parts.last_mut()
            && last.get("thought") == part.get("thought")
            && let (Some(Value::String(text)), Some(Value::String(more))) =
                (last.get_mut("text"), part.get_mut("text"))
        {
            text.push_str(more);
            return;
        }
        self.parts.push(part);
    }

    fn put_logprobs(&mut self, written: &mut Value) {
        let logprobs = std::mem::take(&mut self.logprobs);
        if !logprobs.is_empty() {
            put(written, "logprobsResult", logprobs_result(&logprobs));
        }
    }

    fn last(mut self, is_stream: bool) -> Value {
        if let Some(signature) = self.signature.take() {
            let is_text = |part: &&mut Value| part.get("thought").is_none();
            match self.parts.last_mut().filter(is_text) {
                Some(part) => put(part, "thoughtSignature", signature),
                None => self
                    .parts
                    .push(json!({"text": "", "thoughtSignature": signature})),
            }
        }
        let calls = std::mem::take(&mut self.calls);
        self.parts.extend(calls.into_iter().map(Call::part));
        if self.parts.is_empty() && is_stream {
            self.parts.push(json!({"text": ""}));
        }
        let mut content = json!({"role": "model"});
        if !self.parts.is_empty() {
            content = json!({"parts": std::mem::take(&mut self.parts), "role": "model"});
        }
        let finish = self.finish.unwrap_or("STOP");
        let mut written = json!({"content": content, "finishReason": finish, "index": self.index});
        self.put_logprobs(&mut written);
        written
    }
}

impl Call {
    fn part(self) -> Value {
        let args = match serde_json::from_str(&self.arguments) {
            Ok(Value::Object(args)) => args,
            _ if self.arguments.trim().is_empty() => Map::new(),
            Ok(_) | Err(_) => Map::from_iter([("INVALID_JSON".to_owned(), json!(self.arguments))]),
        };
        let mut call = Map::new();
        if !self.id.is_empty() {
            call.insert("id".to_owned(), json!(self.id));
        }
        call.insert("name".to_owned(), json!(self.name));
        call.insert("args".to_owned(), Value::Object(args));
        let mut part = json!({"functionCall": call});
        if let Some(signature) = self.signature {
            put(&mut part, "thoughtSignature", signature);
        }
        part
    }
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value);
    }
}

fn signature(extra_content: &Value) -> Option<Value> {
    let signature = extra_content.get("google")?.get("thought_signature")?;
    signature.is_string().then(|| signature.clone())
}

/// Source: `FinishReason` at <https://ai.google.dev/api/generate-content> (seen 2026-11).
fn finish(reason: &str) -> &'static str {
    match reason {
        "stop" | "tool_calls" | "function_call" => "STOP",
        "length" => "MAX_TOKENS",
        "content_filter" => "SAFETY",
        _ => "OTHER",
    }
}

fn usage_metadata(usage: &Value) -> Value {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let prompt = count("/prompt_tokens").unwrap_or(0);
    let completion = count("/completion_tokens").unwrap_or(0);
    let thoughts = count("/completion_tokens_details/reasoning_tokens").filter(|count| *count > 0);
    // Some servers count thoughts beside the rest, not among it.
    let written = thoughts.map_or(completion, |thoughts| {
        completion.checked_sub(thoughts).unwrap_or(completion)
    });
    let counted = prompt.saturating_add(written);
    let total = count("/total_tokens")
        .unwrap_or_else(|| counted.saturating_add(thoughts.unwrap_or_default()));
    let mut metadata = json!({"promptTokenCount": prompt, "candidatesTokenCount": written});
    let cached = count("/prompt_tokens_details/cached_tokens").filter(|count| *count > 0);
    if let Some(cached) = cached {
        put(&mut metadata, "cachedContentTokenCount", json!(cached));
    }
    if let Some(thoughts) = thoughts {
        put(&mut metadata, "thoughtsTokenCount", json!(thoughts));
    }
    put(&mut metadata, "totalTokenCount", json!(total));
    metadata
}

fn logprobs_result(logprobs: &[Value]) -> Value {
    let candidate = |token: &Value| {
        json!({
            "token": token.get("token").unwrap_or(&Value::Null),
            "logProbability": token.get("logprob").unwrap_or(&Value::Null),
        })
    };
    let top = |token: &Value| {
        let others = token.get("top_logprobs").and_then(Value::as_array);
        let others: Vec<Value> = others.into_iter().flatten().map(candidate).collect();
        json!({"candidates": others})
    };
    let chosen: Vec<Value> = logprobs.iter().map(candidate).collect();
    let tops: Vec<Value> = logprobs.iter().map(top).collect();
    json!({"topCandidates": tops, "chosenCandidates": chosen})
}

impl Writer for ResponseWriter {
    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Begin { id, model, .. } => {
                self.id = id.strip_prefix("chatcmpl-").unwrap_or(&id).to_owned();
                self.model = model;
            }
            Heard::Say { choice, what } => {
                self.say(choice, what);
                if self.stream.is_some() {
                    self.write_news(choice);
                }
            }
            Heard::Usage(usage) => self.usage = Some(usage),
        }
    }

    fn end(&mut self) {
        let last = self.last();
        self.push(&last, true);
        if let Some(stream) = &mut self.stream {
            stream.end(&mut self.out);
        }
    }

    fn fail(&mut self, status: u16, error: &ErrorObject) {
        let body = error_body(status, error);
        if let Some(stream) = &mut self.stream {
            stream.push(&mut self.out, &body);
            stream.end(&mut self.out);
        }
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn whole(&mut self) -> Vec<u8> {
        let candidates = self.last();
        self.response(&candidates, true).to_string().into()
    }
}

#[cfg(test)]
mod tests;
