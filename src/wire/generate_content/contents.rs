//! Contents as messages of a chat.
//!
//! | content | becomes |
//! |---|---|
//! | system instruction | the first message, of role `system` |
//! | of role `user` | results of tools, and behind them a message of role `user` |
//! | of role `model`, neighbours together | a message of role `assistant` |
//!
//! Calls without an id get one by their place, so that the same conversation is the same request again. Sources:
//! <https://ai.google.dev/api/caching#Content>, <https://ai.google.dev/gemini-api/docs/function-calling>
//! (seen 2026-11).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{
    fields::{Fields, Place, invalid},
    parts::{Said, What, part},
};
use crate::wire::{chat::Invalid, native::Only};

/// The conversation so far.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Value>,
    /// What the model says, until somebody else speaks.
    model: Option<Model>,
    /// Calls that wait for their responses: id, tool and place.
    open: Vec<(String, String, String)>,
    /// The ids that the client has given.
    given: HashSet<String>,
    calls: usize,
}

#[derive(Debug, Default)]
struct Model {
    text: String,
    thought: String,
    calls: Vec<Value>,
    /// The ids in `calls`.
    ids: HashSet<String>,
    signature: Option<String>,
}

impl Conversation {
    /// Reads `instruction` and `contents`.
    pub(super) fn read(
        instruction: Option<&Place<'_>>,
        contents: &[Place<'_>],
        only: &mut Vec<Only>,
    ) -> Result<Self, Invalid> {
        let mut conversation = Self {
            given: given_ids(contents),
            ..Self::default()
        };
        if let Some(instruction) = instruction {
            conversation.instruct(instruction, only)?;
        }
        for (position, content) in contents.iter().enumerate() {
            let is_last = position + 1 == contents.len();
            conversation.hear(content, is_last, only)?;
        }
        conversation.close_model();
        conversation.close_calls(only);
        // What the model said behind it may have been nothing.
        let last = conversation.messages.last();
        let is_blank = last.is_some_and(|message| {
            let text = message.get("content").and_then(Value::as_str);
            message.get("role") == Some(&json!("user"))
                && text.is_some_and(|it| it.trim().is_empty())
        });
        if let (true, Some(place)) = (is_blank, contents.last()) {
            let rule = "says nothing; the last content needs a text that is not empty";
            return Err(invalid(&*place.at, rule));
        }
        Ok(conversation)
    }

    fn instruct(&mut self, place: &Place<'_>, only: &mut Vec<Only>) -> Result<(), Invalid> {
        if let Value::String(text) = place.value {
            self.messages
                .push(json!({"role": "system", "content": text}));
            return Ok(());
        }
        let mut fields = Fields::of(&place.at, place.value)?;
        // Whatever it is called, it is the instruction.
        fields.take("role");
        let mut parts = Vec::new();
        for place in fields.list("parts") {
            match part(&place, only)?.what {
                What::Text(text) if text.is_empty() => {}
                What::Text(text) => parts.push(text_part(&text)),
                What::Nothing => {}
                What::Thought(_) | What::Data(_) | What::Call { .. } | What::Response { .. } => {
                    only.push(Only {
                        param: place.at,
                        lacks: "takes instructions as text only".to_owned(),
                    });
                }
            }
        }
        carry_rest(fields, only);
        if !parts.is_empty() {
            let content = content(parts);
            self.messages
                .push(json!({"role": "system", "content": content}));
        }
        Ok(())
    }

    fn hear(
        &mut self,
        place: &Place<'_>,
        is_last: bool,
        only: &mut Vec<Only>,
    ) -> Result<(), Invalid> {
        let mut fields = Fields::of(&place.at, place.value)?;
        let role = fields.text("role")?.unwrap_or("user");
        let at = fields.place_of("role");
        let parts_at = fields.place_of("parts");
        let places = fields.list("parts");
        carry_rest(fields, only);
        let mut parts = Vec::with_capacity(places.len());
        for place in places {
            parts.push((part(&place, only)?, place.at));
        }
        match role {
            "model" => self.model_says(parts, only),
            "user" | "function" | "tool" | "" => {
                if parts.is_empty() {
                    return Err(invalid(parts_at, "is empty; it needs at least one part"));
                }
                self.close_model();
                self.user_says(parts, &parts_at, is_last, only)
            }
            _ => Err(invalid(at, "must be `user` or `model`")),
        }
    }

    fn model_says(
        &mut self,
        parts: Vec<(Said, String)>,
        only: &mut Vec<Only>,
    ) -> Result<(), Invalid> {
        if self.model.is_none() {
            self.close_calls(only);
        }
        let mut model = self.model.take().unwrap_or_default();
        for (said, at) in parts {
            let is_call = matches!(said.what, What::Call { .. });
            match said.what {
                What::Text(text) => model.text.push_str(&text),
                What::Thought(text) => model.thought.push_str(&text),
                What::Call {
                    at,
                    id,
                    name,
                    arguments,
                } => {
                    let id = self.id(id.filter(|id| !model.ids.contains(id)));
                    model.ids.insert(id.clone());
                    let mut call = json!({
                        "id": id, "type": "function",
                        "function": {"name": name, "arguments": arguments},
                    });
                    if let (Some(signature), Some(call)) = (&said.signature, call.as_object_mut()) {
                        call.insert("extra_content".to_owned(), signed(signature));
                    }
                    model.calls.push(call);
                    self.open.push((id, name, at));
                }
                What::Data(_) => only.push(Only {
                    param: at,
                    lacks: "has no earlier answers but texts and calls".to_owned(),
                }),
                What::Response { at, .. } => {
                    return Err(invalid(at, "must be in a content of role `user`"));
                }
                What::Nothing => {}
            }
            if !is_call && said.signature.is_some() {
                model.signature = said.signature;
            }
        }
        self.model = Some(model);
        Ok(())
    }

    fn user_says(
        &mut self,
        parts: Vec<(Said, String)>,
        parts_at: &str,
        is_last: bool,
        only: &mut Vec<Only>,
    ) -> Result<(), Invalid> {
        let mut rest = Vec::new();
        let mut has_results = false;
        for (said, _) in parts {
            match said.what {
                // What is a thought is for the model to say.
                What::Text(text) | What::Thought(text) => rest.push(text_part(&text)),
                What::Data(part) => rest.push(part),
                What::Call { at, .. } => {
                    return Err(invalid(at, "must be in a content of role `model`"));
                }
                What::Response {
                    at,
                    id,
                    name,
                    content,
                } => {
                    let id = self.answered(id.as_deref(), &name);
                    let id = id.ok_or_else(|| {
                        let rule = "answers no `functionCall` of the model's content before it: \
                                    there is none of this id or name that waits for a response";
                        invalid(at, rule)
                    })?;
                    let result = json!({"role": "tool", "tool_call_id": id, "content": content});
                    self.messages.push(result);
                    has_results = true;
                }
                What::Nothing => {}
            }
        }
        let says_something = |part: &Value| {
            let text = part.get("text").and_then(Value::as_str);
            text.is_none_or(|text| !text.trim().is_empty())
        };
        if has_results || rest.iter().any(says_something) {
            rest.retain(says_something);
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.close_calls(only);
        let says_something = rest.iter().any(says_something);
        if is_last && !says_something {
            let rule = "says nothing; the last content needs a text that is not empty";
            return Err(invalid(parts_at, rule));
        }
        let content = content(rest);
        self.messages
            .push(json!({"role": "user", "content": content}));
        Ok(())
    }

    /// The call that this is the response to: of this id, else the first to this tool.
    fn answered(&mut self, id: Option<&str>, name: &str) -> Option<String> {
        let by_id = id.and_then(|id| self.open.iter().position(|(open, ..)| open == id));
        let by_name = || self.open.iter().position(|(_, tool, _)| tool == name);
        let position = by_id.or_else(by_name)?;
        Some(self.open.remove(position).0)
    }

    fn id(&mut self, given: Option<String>) -> String {
        if let Some(id) = given {
            return id;
        }
        loop {
            let id = format!("call_{}", self.calls);
            self.calls += 1;
            if !self.given.contains(&id) {
                return id;
            }
        }
    }

    fn close_model(&mut self) {
        let Some(model) = self.model.take() else {
            return;
        };
        if model.text.is_empty() && model.calls.is_empty() {
            return;
        }
        let mut message = Map::from_iter([("role".to_owned(), json!("assistant"))]);
        let mut put = |name: &str, value: Value| message.insert(name.to_owned(), value);
        if !model.text.is_empty() {
            put("content", json!(model.text));
        }
        if !model.thought.is_empty() {
            put("reasoning_content", json!(model.thought));
        }
        if !model.calls.is_empty() {
            put("tool_calls", Value::Array(model.calls));
        }
        if let Some(signature) = &model.signature {
            put("extra_content", signed(signature));
        }
        self.messages.push(Value::Object(message));
    }

    /// Calls without a response are past: a chat can't go on with them.
    fn close_calls(&mut self, only: &mut Vec<Only>) {
        only.extend(self.open.drain(..).map(|(_, _, param)| Only {
            param,
            lacks: "needs a `functionResponse` to every `functionCall`, right behind it".to_owned(),
        }));
    }
}

fn carry_rest(fields: Fields<'_>, only: &mut Vec<Only>) {
    only.extend(fields.rest().map(|place| Only {
        param: place.at,
        lacks: "has nothing like it".to_owned(),
    }));
}

fn text_part(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// One text is a text, anything else a list.
fn content(mut parts: Vec<Value>) -> Value {
    if let [part] = parts.as_mut_slice()
        && let Some(text) = part.get_mut("text")
    {
        return text.take();
    }
    Value::Array(parts)
}

/// Where Google's own chat interface has a signature.
fn signed(signature: &str) -> Value {
    json!({"google": {"thought_signature": signature}})
}

fn given_ids(contents: &[Place<'_>]) -> HashSet<String> {
    let parts = contents.iter().filter_map(|place| place.value.get("parts"));
    let parts = parts.flat_map(|parts| {
        let list = parts.as_array().map(Vec::as_slice);
        list.unwrap_or(std::slice::from_ref(parts))
    });
    let calls = parts.filter_map(|part| {
        let call = part
            .get("functionCall")
            .or_else(|| part.get("function_call"));
        call?.get("id")?.as_str().map(str::to_owned)
    });
    calls.collect()
}
