//! An answer cut into the chunks of a stream.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat-streaming> (seen 2026-11): the role
//! comes first, then deltas, a chunk with the finish reason, a chunk with the usage and no choices if
//! it was asked for, and `[DONE]`. One id and one time for all. Invariant:
//! `assemble(split(answer)) == answer`, but for a usage that was not asked for.

use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Choice, write_head},
    chat::write_json,
    sse,
};

/// How long the pieces of text are, in bytes, cut at the next white space: a stream that comes as
/// one lump looks broken to people.
const PIECE: usize = 24;

/// The stream of `answer`, complete with `[DONE]`.
#[must_use]
pub fn split(answer: &Answer, id: &str, created: u64, usage: bool) -> Vec<u8> {
    let mut chunks = Chunks::new(&answer.model, &answer.extra, id, created, usage);
    for choice in &answer.choices {
        write_choice(&mut chunks, choice);
    }
    if usage {
        chunks.usage(answer.usage.as_ref().unwrap_or(&Value::Null));
    }
    chunks.done();
    chunks.take()
}

/// Writes the chunks of one stream.
#[derive(Debug)]
pub struct Chunks {
    out: Vec<u8>,
    /// What each chunk begins with, up to the value of `choices`.
    head: Vec<u8>,
    /// What each chunk ends with.
    tail: &'static [u8],
}

impl Chunks {
    /// A stream by `model` with this id, created at that Unix time in seconds; `extra` is in every
    /// chunk. With `usage`, every chunk has a `usage` of `null`, and [`Chunks::usage`] is to follow.
    #[must_use]
    pub fn new(
        model: &str,
        extra: &Map<String, Value>,
        id: &str,
        created: u64,
        usage: bool,
    ) -> Self {
        let mut head = Vec::with_capacity(192);
        head.extend_from_slice(b"data: ");
        write_head(&mut head, id, "chat.completion.chunk", created);
        head.extend_from_slice(b"\"model\":");
        write_json(&mut head, model);
        for (key, value) in extra {
            head.push(b',');
            write_json(&mut head, key);
            head.push(b':');
            write_json(&mut head, value);
        }
        head.extend_from_slice(b",\"choices\":[");
        let tail: &[u8] = if usage {
            b"],\"usage\":null}\n\n"
        } else {
            b"]}\n\n"
        };
        Self {
            out: Vec::with_capacity(4096),
            head,
            tail,
        }
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// A piece of the choice `index`.
    pub fn delta(&mut self, index: u64, delta: &Value, logprobs: Option<&Value>) {
        self.open(index);
        write_json(&mut self.out, delta);
        self.close(None, logprobs);
    }

    /// The end of the choice `index`; `extra` are more fields of the choice.
    pub fn finish(
        &mut self,
        index: u64,
        reason: Option<&str>,
        extra: &Map<String, Value>,
        logprobs: Option<&Value>,
    ) {
        self.open(index);
        self.out.extend_from_slice(b"{}");
        for (key, value) in extra {
            self.out.push(b',');
            write_json(&mut self.out, key);
            self.out.push(b':');
            write_json(&mut self.out, value);
        }
        self.close(reason, logprobs);
    }

    /// The chunk with the tokens, and without choices.
    pub fn usage(&mut self, usage: &Value) {
        self.out.extend_from_slice(&self.head);
        self.out.extend_from_slice(b"],\"usage\":");
        write_json(&mut self.out, usage);
        self.out.extend_from_slice(b"}\n\n");
    }

    /// `[DONE]`.
    pub fn done(&mut self) {
        self.out.extend_from_slice(sse::DONE);
    }

    fn open(&mut self, index: u64) {
        self.out.extend_from_slice(&self.head);
        self.out.extend_from_slice(b"{\"index\":");
        write_json(&mut self.out, &index);
        self.out.extend_from_slice(b",\"delta\":");
    }

    fn close(&mut self, finish_reason: Option<&str>, logprobs: Option<&Value>) {
        self.out.extend_from_slice(b",\"logprobs\":");
        write_json(&mut self.out, &logprobs);
        self.out.extend_from_slice(b",\"finish_reason\":");
        write_json(&mut self.out, &finish_reason);
        self.out.push(b'}');
        self.out.extend_from_slice(self.tail);
    }
}

fn write_choice(chunks: &mut Chunks, choice: &Choice) {
    let mut first = Map::new();
    let mut last = Map::new();
    let mut texts = Vec::new();
    let mut calls = &[][..];
    for (key, value) in &choice.message {
        match (key.as_str(), value) {
            ("tool_calls", Value::Array(list)) => calls = list,
            ("role" | "name", _) => drop(first.insert(key.clone(), value.clone())),
            (_, Value::String(text)) => texts.push((key.as_str(), text.as_str())),
            (_, Value::Null) => drop(first.insert(key.clone(), Value::Null)),
            _ => drop(last.insert(key.clone(), value.clone())),
        }
    }
    first.entry("role").or_insert_with(|| json!("assistant"));
    for (key, _) in &texts {
        first.insert((*key).to_owned(), json!(""));
    }
    chunks.delta(choice.index, &Value::Object(first), None);
    for (key, text) in texts {
        write_text(chunks, choice, key, text);
    }
    for (index, call) in calls.iter().enumerate() {
        write_tool_call(chunks, choice, index, call);
    }
    if !last.is_empty() {
        chunks.delta(choice.index, &Value::Object(last), None);
    }
    let has_text = choice
        .message
        .get("content")
        .is_some_and(|text| text.as_str() > Some(""));
    let logprobs = choice.logprobs.as_ref().filter(|_| !has_text);
    let reason = choice.finish_reason.as_deref();
    chunks.finish(choice.index, reason, &choice.extra, logprobs);
}

fn write_text(chunks: &mut Chunks, choice: &Choice, key: &str, text: &str) {
    let mut key_json = Vec::with_capacity(key.len() + 2);
    write_json(&mut key_json, key);
    // Probabilities belong to their tokens, whose borders are not known: one piece carries all.
    let whole = choice.logprobs.is_some();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = if whole {
            (rest, "")
        } else {
            rest.split_at(piece_end(rest))
        };
        rest = after;
        chunks.open(choice.index);
        chunks.out.extend_from_slice(b"{");
        chunks.out.extend_from_slice(&key_json);
        chunks.out.push(b':');
        write_json(&mut chunks.out, piece);
        chunks.out.push(b'}');
        chunks.close(None, choice.logprobs.as_ref().filter(|_| key == "content"));
    }
}

fn write_tool_call(chunks: &mut Chunks, choice: &Choice, index: usize, call: &Value) {
    let mut call = call.clone();
    let mut arguments = None;
    if let Some(function) = call.get_mut("function").and_then(Value::as_object_mut)
        && let Some(Value::String(text)) = function.get_mut("arguments")
    {
        arguments = Some(std::mem::take(text));
    }
    if let Some(call) = call.as_object_mut() {
        call.insert("index".to_owned(), json!(index));
    }
    chunks.delta(choice.index, &json!({"tool_calls": [call]}), None);
    if let Some(arguments) = arguments.filter(|arguments| !arguments.is_empty()) {
        let part = json!({"index": index, "function": {"arguments": arguments}});
        chunks.delta(choice.index, &json!({"tool_calls": [part]}), None);
    }
}

/// Where the first piece of `text` ends: after the first white space past [`PIECE`] bytes.
fn piece_end(text: &str) -> usize {
    text.char_indices()
        .find(|(at, c)| *at >= PIECE && c.is_whitespace() || *at >= 4 * PIECE)
        .map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::assemble::assemble;
    use proptest::prelude::*;

    #[test]
    fn a_stream_has_its_role_first_and_its_usage_last() {
        let answer = Answer::read(
            br#"{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"The answer is forty-two, as everybody knows.","refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"system_fingerprint":"fp"}"#,
        )
        .unwrap();
        insta::assert_snapshot!(String::from_utf8(split(&answer, "chatcmpl-1", 9, true)).unwrap());
    }

    #[test]
    fn tool_calls_keep_their_ids_and_arguments() {
        let answer = Answer::read(
            br#"{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"call_2","type":"function","function":{"name":"g","arguments":""}}]},"finish_reason":"tool_calls"}]}"#,
        )
        .unwrap();
        insta::assert_snapshot!(String::from_utf8(split(&answer, "chatcmpl-1", 9, false)).unwrap());
    }

    fn message() -> impl Strategy<Value = Map<String, Value>> {
        let text = "[ -~éß🎉\n\"\\\\]{0,120}";
        let call = ("[a-z]{1,4}", text).prop_map(|(name, arguments)| {
            json!({"id": format!("call_{name}"), "type": "function",
                   "function": {"name": name, "arguments": arguments}})
        });
        (
            prop::option::of(text),
            prop::option::of(text),
            prop::collection::vec(call, 0..3),
            any::<bool>(),
        )
            .prop_map(|(content, reasoning, calls, annotated)| {
                let mut message = Map::new();
                message.insert("role".into(), json!("assistant"));
                message.insert("content".into(), json!(content));
                if let Some(reasoning) = reasoning {
                    message.insert("reasoning_content".into(), json!(reasoning));
                }
                if !calls.is_empty() {
                    message.insert("tool_calls".into(), json!(calls));
                }
                if annotated {
                    message.insert("annotations".into(), json!([{"type": "url_citation"}]));
                }
                message
            })
    }

    proptest! {
        #[test]
        fn assembling_the_pieces_gives_the_answer(
            messages in prop::collection::vec(message(), 1..3),
            logprobs in any::<bool>(),
            usage in any::<bool>(),
        ) {
            let choices = (0..).zip(messages).map(|(index, message)| Choice {
                index,
                message,
                logprobs: logprobs.then(|| json!({"content": [{"token": "a", "logprob": -0.5}]})),
                finish_reason: Some("stop".into()),
                extra: Map::new(),
            }).collect();
            let answer = Answer {
                model: "m".into(),
                choices,
                usage: usage.then(|| json!({"prompt_tokens": 1, "completion_tokens": 1})),
                extra: json!({"system_fingerprint": "fp"}).as_object().unwrap().clone(),
            };
            let stream = split(&answer, "chatcmpl-1", 1, usage);
            prop_assert_eq!(assemble(&stream).unwrap(), answer);
        }
    }
}
