//! The messages of the chat request, while they are written: each result behind its call, and a turn of the model that
//! came in several messages as one.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::{blocks::content_of, shown};
use crate::wire::chat::Invalid;

/// The messages of a chat request that are being written.
#[derive(Default)]
pub(super) struct Said {
    pub(super) messages: Vec<Value>,
    /// The calls of the model's turn before: their ids, and whether there is a result.
    calls: HashMap<String, bool>,
    /// Where the last of those calls is in the client's request.
    called_at: String,
    /// Calls that have no place in a chat request.
    pub(super) strange_calls: HashSet<String>,
    /// Where the next result goes.
    results_at: usize,
    /// The message of the model's turn, while nobody else speaks.
    model_at: Option<usize>,
}

/// A turn of the model.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) parts: Vec<Value>,
    pub(super) reasoning: String,
    pub(super) thinking: Vec<Value>,
    pub(super) calls: Vec<Value>,
}

impl Said {
    /// Adds a message, unless it says nothing.
    pub(super) fn say(&mut self, role: &str, parts: Vec<Value>) {
        if let Some(content) = content_of(parts) {
            self.model_at = None;
            self.messages
                .push(json!({"role": role, "content": content}));
        }
    }

    /// The model speaks: what it called before has to have its results.
    pub(super) fn begin_model(&mut self) -> Result<(), Invalid> {
        if self.model_at.is_some() {
            return Ok(());
        }
        self.close()
    }

    /// A call of the model at `at`.
    pub(super) fn call(&mut self, at: &str, id: &str) -> Result<(), Invalid> {
        if id.is_empty() || self.calls.insert(id.to_owned(), false).is_some() {
            let at = format!("{at}.id");
            let message = format!("`{at}` must not be empty, nor the same as another call's");
            return Err(Invalid::at(at, message));
        }
        at.clone_into(&mut self.called_at);
        Ok(())
    }

    /// Adds what the model said, to its message before if nobody else has spoken since.
    pub(super) fn model(&mut self, turn: Turn) {
        if turn.is_empty() {
            return;
        }
        let known = self.model_at.and_then(|at| self.messages.get_mut(at));
        if let Some(message) = known.and_then(Value::as_object_mut) {
            turn.add_to(message);
            return;
        }
        let mut message = Map::from_iter([("role".to_owned(), json!("assistant"))]);
        turn.add_to(&mut message);
        self.model_at = Some(self.messages.len());
        self.messages.push(Value::Object(message));
        self.results_at = self.messages.len();
    }

    pub(super) fn result(&mut self, at: &str, id: &str, content: &Value) -> Result<(), Invalid> {
        let param = || format!("{at}.tool_use_id");
        match self.calls.get_mut(id) {
            Some(is_answered) if !*is_answered => *is_answered = true,
            Some(_) => return Err(Invalid::at(param(), "this tool call has a result already")),
            None => {
                let message = format!(
                    "`{}` must be the id of a `tool_use` in the assistant's message before it",
                    param()
                );
                return Err(Invalid::at(param(), message));
            }
        }
        let message = json!({"role": "tool", "tool_call_id": id, "content": content});
        let place = self.results_at.min(self.messages.len());
        self.messages.insert(place, message);
        self.results_at = place.saturating_add(1);
        self.model_at = None;
        Ok(())
    }

    /// The calls have to have their results by now.
    pub(super) fn close(&mut self) -> Result<(), Invalid> {
        let calls = std::mem::take(&mut self.calls);
        let mut open = calls.iter().filter(|(_, is_answered)| !**is_answered);
        match open.next() {
            None => Ok(()),
            Some((id, _)) => {
                let at = self.called_at.clone();
                let message = format!(
                    "`{at}`: a `tool_use` must be followed by a `tool_result` in the user's message behind it; \
                     there is none for `{}`",
                    shown(id)
                );
                Err(Invalid::at(at, message))
            }
        }
    }
}

impl Turn {
    fn is_empty(&self) -> bool {
        let is_silent = self.parts.is_empty() && self.calls.is_empty();
        is_silent && self.thinking.is_empty() && self.reasoning.is_empty()
    }

    fn add_to(self, message: &mut Map<String, Value>) {
        let mut parts = match message.remove("content") {
            Some(Value::Array(parts)) => parts,
            Some(Value::String(text)) => vec![json!({"type": "text", "text": text})],
            _ => Vec::new(),
        };
        parts.extend(self.parts);
        let content = content_of(parts).unwrap_or(Value::Null);
        message.insert("content".to_owned(), content);
        if !self.reasoning.is_empty() {
            let known = message.get("reasoning_content").and_then(Value::as_str);
            let reasoning = known.unwrap_or_default().to_owned() + &self.reasoning;
            message.insert("reasoning_content".to_owned(), json!(reasoning));
        }
        for (name, more) in [
            ("thinking_blocks", self.thinking),
            ("tool_calls", self.calls),
        ] {
            if more.is_empty() {
                continue;
            }
            match message.get_mut(name) {
                Some(Value::Array(list)) => list.extend(more),
                _ => {
                    message.insert(name.to_owned(), Value::Array(more));
                }
            }
        }
    }
}
