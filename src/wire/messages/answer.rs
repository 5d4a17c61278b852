//! A chat answer, told as Anthropic tells its own: one message, or the events of its stream.
//!
//! Source: <https://platform.claude.com/docs/en/build-with-claude/streaming> and the types of the official Python
//! package, 2.12 (seen 2026-11). Invariant: blocks come one after another, each begun, told and stopped before the
//! next, however the calls of a chat stream interleave: what belongs to a later block waits until the one that is
//! open can be stopped. A call can when its arguments are whole.
//!
//! | `finish_reason` | `stop_reason` |
//! |---|---|
//! | `stop` | `end_turn`; `tool_use` where a tool is called |
//! | `tool_calls`, `function_call` | `tool_use`; `end_turn` where none is called |
//! | `length` | `max_tokens` |
//! | `content_filter`, any with a refusal | `refusal` |
//! | others, none | `end_turn`, or `tool_use` |
//!
//! Which of the `stop_sequences` ended an answer is not told in a chat, so it is an `end_turn`.

use serde_json::{Value, json};

use super::{error::error_body, request::Names};
use crate::wire::{
    chat::write_json,
    error_body::ErrorObject,
    heard::{Heard, What, Writer},
};

mod blocks;
mod json_end;

use self::blocks::{Block, Kind, Rest};

/// Tells one answer.
#[derive(Debug)]
pub(super) struct Telling {
    out: Vec<u8>,
    id: String,
    model: String,
    /// Whether thoughts are told. `Some(false)` for the signed blocks alone, `None` for nothing of them: clients
    /// that did not ask for thoughts look for the answer in the first block.
    thoughts: Option<bool>,
    names: Names,
    blocks: Vec<Block>,
    /// How many blocks of the stream were stopped.
    stopped: usize,
    /// Whether the stream began.
    is_begun: bool,
    /// Thoughts that were told in the block before theirs.
    told_ahead: String,
    finish: Option<String>,
    refusal: String,
    usage: Value,
}

impl Telling {
    /// For a client that asked for `model`.
    pub(super) fn new(model: &str, thoughts: Option<bool>, names: Names) -> Self {
        Self {
            out: Vec::new(),
            id: String::new(),
            model: model.to_owned(),
            thoughts,
            names,
            blocks: Vec::new(),
            stopped: 0,
            is_begun: false,
            told_ahead: String::new(),
            finish: None,
            refusal: String::new(),
            usage: Value::Null,
        }
    }

    fn say(&mut self, what: What) {
        match what {
            What::Text { text, .. } => self.text(text),
            What::Refusal(text) => {
                self.refusal.push_str(&text);
                self.text(text);
            }
            What::Reasoning(text) => {
                if self.thoughts == Some(true) {
                    self.reasoning(text);
                }
            }
            What::Thinking(list) => {
                if self.thoughts.is_some() {
                    list.iter().for_each(|block| self.thinking(block));
                }
            }
            What::Call { call, id, name, .. } => {
                let id = if id.is_empty() {
                    format!("toolu_{:016x}{:08x}", fastrand::u64(..), fastrand::u32(..))
                } else {
                    id
                };
                let name = self.names.of(name);
                self.add(Kind::call(call, id, name));
            }
            What::Arguments { call, text } => {
                let mut open = self.blocks.iter_mut().filter(|block| !block.is_closed);
                if let Some(block) = open.find(|block| block.is_call(call)) {
                    block.arguments(&text);
                }
                self.close_what_is_over();
            }
            What::Finish(reason) => {
                self.finish = Some(reason);
                self.close_all();
            }
            What::Extra(..) => {}
        }
    }

    fn text(&mut self, text: String) {
        match self.blocks.last_mut() {
            Some(Block {
                kind: Kind::Text(said),
                is_closed: false,
                ..
            }) => said.push_str(&text),
            _ => self.add(Kind::Text(text)),
        }
    }

    /// Where a thought goes: before everything else for as long as nothing was told, since it is told before the
    /// answer, and kept answers may have it behind.
    fn place_of_thought(&self) -> usize {
        if self.is_begun {
            return self.blocks.len();
        }
        let leading = self
            .blocks
            .iter()
            .take_while(|block| block.kind.is_thought());
        leading.count()
    }

    fn reasoning(&mut self, text: String) {
        let place = self.place_of_thought();
        let before = place.checked_sub(1);
        match before.and_then(|before| self.blocks.get_mut(before)) {
            Some(Block {
                kind: Kind::Thinking { thinking, .. },
                is_closed: false,
                ..
            }) => thinking.push_str(&text),
            _ => self.add_thought(Kind::thinking(text, String::new()), false),
        }
    }

    fn add_thought(&mut self, kind: Kind, is_closed: bool) {
        let mut place = self.place_of_thought();
        // What nobody has signed yet is of a later block than what is whole.
        let before = place.checked_sub(1);
        let is_later = |at: usize| self.blocks.get(at).is_some_and(Block::is_unsigned);
        if let Some(before) = before.filter(|at| is_closed && !self.is_begun && is_later(*at)) {
            place = before;
        }
        if place == self.blocks.len() {
            self.add(kind);
        } else {
            self.blocks.insert(place, Block::new(kind));
        }
        if let Some(block) = self.blocks.get_mut(place) {
            block.is_closed |= is_closed;
        }
    }

    /// A block of thought as Anthropic made it. What it says was heard before, as a rule.
    fn thinking(&mut self, block: &Value) {
        let text = |name: &str| block.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("type") == "redacted_thinking" {
            if !text("data").is_empty() {
                self.add_thought(Kind::Redacted(text("data").to_owned()), true);
            }
            return;
        }
        let (thinking, signature) = (text("thinking"), text("signature"));
        if text("type") != "thinking" {
            return;
        }
        if signature.is_empty() {
            // Where a server says it in both ways, it was heard.
            let is_known = self.blocks.iter().any(|block| block.kind.is_thinking());
            if !is_known && !thinking.is_empty() && self.thoughts == Some(true) {
                self.reasoning(thinking.to_owned());
            }
            return;
        }
        if !thinking.is_empty() && self.told_ahead.starts_with(thinking) {
            self.told_ahead.drain(..thinking.len());
            return;
        }
        let stopped = self.stopped;
        let mut unsigned = self
            .blocks
            .iter_mut()
            .enumerate()
            .filter(|(_, block)| block.is_unsigned());
        let found = unsigned.find(|(_, block)| !block.is_closed || block.says(thinking));
        match found {
            Some((place, block)) if place >= stopped => match block.sign(thinking, signature) {
                Rest::None => {}
                Rest::Untold(rest) => {
                    let rest = Block::new(Kind::thinking(rest, String::new()));
                    self.blocks.insert(place.saturating_add(1), rest);
                }
                Rest::Told(rest) => self.told_ahead = rest,
            },
            // It was told without its signature.
            Some(_) => {}
            None => {
                let told = if self.thoughts == Some(true) {
                    thinking
                } else {
                    ""
                };
                self.add_thought(Kind::thinking(told.to_owned(), signature.to_owned()), true);
            }
        }
    }

    /// Adds a block behind the others, of which what can be closed is.
    fn add(&mut self, kind: Kind) {
        self.close_last_unless_open_call();
        self.blocks.push(Block::new(kind));
        self.close_what_is_over();
    }

    fn close_last_unless_open_call(&mut self) {
        if let Some(last) = self.blocks.last_mut() {
            last.is_closed |= !last.kind.is_call_without_end();
        }
    }

    /// Closes what has something behind it, but for calls that are not whole.
    fn close_what_is_over(&mut self) {
        let last = self.blocks.len().saturating_sub(1);
        for block in self.blocks.iter_mut().take(last).skip(self.stopped) {
            block.is_closed |= !block.kind.is_call_without_end();
        }
    }

    fn close_all(&mut self) {
        for block in self.blocks.iter_mut().skip(self.stopped) {
            block.is_closed = true;
        }
    }

    /// Writes what can be told by now.
    fn go_on(&mut self) {
        if !self.is_begun {
            self.is_begun = true;
            if self.id.is_empty() {
                self.id = id_of("");
            }
            let message = self.message(&[], None);
            event(
                &mut self.out,
                &json!({"type": "message_start", "message": message}),
            );
            event(&mut self.out, &json!({"type": "ping"}));
        }
        self.close_what_is_over();
        while let Some(block) = self.blocks.get_mut(self.stopped) {
            let index = self.stopped;
            block.tell(index, |said| event(&mut self.out, said));
            if !block.is_closed {
                break;
            }
            event(
                &mut self.out,
                &json!({"type": "content_block_stop", "index": index}),
            );
            self.stopped += 1;
        }
    }

    fn stop_reason(&self) -> &'static str {
        let has_calls = self.blocks.iter().any(|block| block.kind.is_call());
        match self.finish.as_deref() {
            Some("content_filter") => "refusal",
            _ if !self.refusal.is_empty() => "refusal",
            Some("length") => "max_tokens",
            _ if has_calls => "tool_use",
            _ => "end_turn",
        }
    }

    fn stop_details(&self) -> Value {
        if self.stop_reason() != "refusal" {
            return Value::Null;
        }
        let explanation = (!self.refusal.is_empty()).then_some(&self.refusal);
        json!({"type": "refusal", "category": null, "explanation": explanation})
    }

    /// The message with this content, whole if it ended for a reason.
    fn message(&self, content: &[Value], stop_reason: Option<&str>) -> Value {
        let mut message = json!({
            "model": self.model,
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
        });
        if let Some(fields) = message.as_object_mut() {
            if stop_reason.is_some() {
                fields.insert("stop_details".to_owned(), self.stop_details());
            }
            fields.insert("usage".to_owned(), usage(&self.usage));
        }
        message
    }
}

impl Writer for Telling {
    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Begin { id, model, .. } => {
                self.id = id_of(&id);
                if !model.is_empty() {
                    self.model = model;
                }
            }
            // Nobody can ask for a second answer in this interface.
            Heard::Say { choice: 0, what } => self.say(what),
            Heard::Say { .. } => {}
            Heard::Usage(usage) => self.usage = usage,
        }
    }

    fn end(&mut self) {
        self.close_all();
        self.go_on();
        let delta = json!({
            "stop_reason": self.stop_reason(),
            "stop_sequence": null,
            "stop_details": self.stop_details(),
        });
        let said = json!({"type": "message_delta", "delta": delta, "usage": usage(&self.usage)});
        event(&mut self.out, &said);
        event(&mut self.out, &json!({"type": "message_stop"}));
    }

    fn fail(&mut self, status: u16, error: &ErrorObject) {
        if self.is_begun || !self.blocks.is_empty() {
            self.go_on();
        }
        self.out.extend_from_slice(b"event: error\ndata: ");
        self.out.extend(error_body(status, error, None));
        self.out.extend_from_slice(b"\n\n");
    }

    fn take(&mut self) -> Vec<u8> {
        // What ended or broke was written to its end.
        if self.out.is_empty() && !self.id.is_empty() {
            self.go_on();
        }
        std::mem::take(&mut self.out)
    }

    fn whole(&mut self) -> Vec<u8> {
        self.close_all();
        if self.id.is_empty() {
            self.id = id_of("");
        }
        let content: Vec<Value> = self.blocks.iter().map(Block::whole).collect();
        self.message(&content, Some(self.stop_reason()))
            .to_string()
            .into()
    }
}

/// The id of this interface for a chat answer's.
fn id_of(id: &str) -> String {
    const PREFIX: &str = "msg_";
    let id = id.strip_prefix("chatcmpl-").unwrap_or(id);
    match id {
        "" => format!(
            "{PREFIX}{:016x}{:08x}",
            fastrand::u64(..),
            fastrand::u32(..)
        ),
        id if id.starts_with(PREFIX) => id.to_owned(),
        id => format!("{PREFIX}{id}"),
    }
}

/// A chat answer's count of tokens as Anthropic counts: what came from a prompt cache, or went there, is not
/// among the input.
fn usage(usage: &Value) -> Value {
    let count = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or(0);
    let details = usage.get("prompt_tokens_details").unwrap_or(&Value::Null);
    let (read, written) = (
        count(details, "cached_tokens"),
        count(details, "cache_creation_tokens"),
    );
    let fresh = count(usage, "prompt_tokens")
        .saturating_sub(read)
        .saturating_sub(written);
    let mut told = json!({
        "input_tokens": fresh,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": count(usage, "completion_tokens"),
    });
    let thought = usage.get("completion_tokens_details");
    let thought = thought.and_then(|details| details.get("reasoning_tokens")?.as_u64());
    if let (Some(thought), Some(fields)) = (thought, told.as_object_mut()) {
        let details = json!({"thinking_tokens": thought});
        fields.insert("output_tokens_details".to_owned(), details);
    }
    told
}

/// Writes an event under the name that its data has.
fn event(out: &mut Vec<u8>, data: &Value) {
    let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    write_json(out, data);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
