//! The items of a request, as messages.
//!
//! | item | message |
//! |---|---|
//! | `message` | one of its role |
//! | `reasoning` | what the assistant thought, in its next message |
//! | `function_call` | a call in the assistant's message |
//! | `function_call_output` | a tool's message, right behind the one with the call |
//! | any other | none: only a provider of this interface knows it |

use serde_json::{Map, Value, json};

use super::{
    id,
    request::Meaning,
    typed::{given, list, needed, object, quoted, text, wrong},
};
use crate::wire::chat::Invalid;

mod part;

/// The items of `input`: a text is one of them.
pub(super) fn items(input: Option<&Value>, continues: bool) -> Result<Vec<Value>, Invalid> {
    const AT: &str = "input";
    match input {
        None if continues => Ok(Vec::new()),
        None => Err(Invalid::at(
            AT,
            "you must provide `input`, a string or an array of items",
        )),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(Invalid::at(AT, "`input` is empty; write a question"))
        }
        Some(Value::String(text)) => {
            let content = json!([{"type": "input_text", "text": text}]);
            Ok(vec![
                json!({"type": "message", "role": "user", "content": content}),
            ])
        }
        Some(Value::Array(items)) if items.is_empty() && !continues => Err(Invalid::at(
            AT,
            "`input` is an empty array; send at least one item",
        )),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(other) => Err(wrong(AT, "a string or an array of items", other)),
    }
}

/// The messages so far.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    messages: Vec<Message>,
    /// Whether something was left to providers of this interface.
    is_partial: bool,
}

#[derive(Debug, Default)]
struct Message {
    role: &'static str,
    /// Where it stands in the request.
    at: String,
    parts: Vec<Value>,
    reasoning: String,
    calls: Vec<Value>,
    /// The ids of the calls without a result.
    open: Vec<String>,
    /// The call that it answers.
    answers: Option<String>,
}

impl Conversation {
    /// Takes in the instructions.
    pub(super) fn instruct(&mut self, text: &str) {
        if !text.is_empty() {
            self.messages.push(Message {
                role: "system",
                at: "instructions".to_owned(),
                parts: vec![json!({"type": "text", "text": text})],
                ..Message::default()
            });
        }
    }

    /// Takes in the next item, which stands at `at`.
    pub(super) fn hear(
        &mut self,
        at: &str,
        item: &Value,
        meaning: &mut Meaning,
    ) -> Result<(), Invalid> {
        let fields = object(at, item)?;
        let kind = match given(fields, "type") {
            Some(kind) => text(&format!("{at}.type"), kind)?,
            None if fields.contains_key("role") => "message",
            None if fields.contains_key("id") => "item_reference",
            None => {
                let message = format!("`{at}` has no `type`; a message has a `role` and `content`");
                return Err(Invalid::at(format!("{at}.type"), message));
            }
        };
        match kind {
            "message" => self.message(at, fields, meaning)?,
            "reasoning" => self.reasoning(at, item, meaning)?,
            "function_call" => self.call(at, fields, meaning)?,
            "function_call_output" => self.output(at, fields, meaning)?,
            "item_reference" => {
                let lacks = "keeps no items that could be referred to; send the item itself";
                meaning.only(at.to_owned(), lacks.to_owned());
            }
            kind => {
                let lacks = format!("has no items of type `{}`", quoted(kind));
                meaning.only(at.to_owned(), lacks);
            }
        }
        self.is_partial = meaning.is_partial();
        Ok(())
    }

    fn message(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        meaning: &mut Meaning,
    ) -> Result<(), Invalid> {
        let role = match needed(fields, at, "role")? {
            "user" => "user",
            "assistant" => "assistant",
            "system" => "system",
            "developer" => "developer",
            other => {
                let place = format!("{at}.role");
                let message = format!(
                    "`{place}` is `{}`; it must be user, assistant, system or developer",
                    quoted(other)
                );
                return Err(Invalid::at(place, message));
            }
        };
        unknown(at, fields, &["role", "content", "phase"], meaning);
        if let Some(phase) = given(fields, "phase") {
            meaning.apart(format!("{at}.phase"), phase.clone());
        }
        let place = format!("{at}.content");
        let content = given(fields, "content").ok_or_else(|| {
            let message = format!("`{place}` is missing; a message needs it");
            Invalid::at(place.as_str(), message)
        })?;
        let parts = part::parts(&place, content, role == "assistant", meaning)?;
        if role == "assistant" {
            let mut message = self.assistant(at, Message::may_grow);
            if !message.calls.is_empty() {
                // A chat's message has its calls at the end.
                meaning.apart(at, Value::Bool(true));
            }
            message.parts.extend(parts);
            self.messages.push(message);
            return Ok(());
        }
        self.messages.push(Message {
            role,
            at: place,
            parts,
            ..Message::default()
        });
        Ok(())
    }

    fn reasoning(&mut self, at: &str, item: &Value, meaning: &mut Meaning) -> Result<(), Invalid> {
        let fields = object(at, item)?;
        // What only OpenAI can read of it.
        let sealed = given(fields, "encrypted_content").map(|sealed| ("encrypted_content", sealed));
        let kept = given(fields, "id").filter(|_| !id::is_ours(item));
        if let Some((name, value)) = sealed.or(kept.map(|id| ("id", id))) {
            meaning.apart(format!("{at}.{name}"), value.clone());
        }
        let (content, summary) = (texts(at, fields, "content")?, texts(at, fields, "summary")?);
        let thought = if content.is_empty() { summary } else { content };
        let thought = thought.join("\n\n");
        if !thought.is_empty() {
            let mut message = self.assistant(at, Message::may_grow);
            if !message.reasoning.is_empty() {
                message.reasoning.push_str("\n\n");
            }
            message.reasoning.push_str(&thought);
            self.messages.push(message);
        }
        Ok(())
    }

    fn call(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        meaning: &mut Meaning,
    ) -> Result<(), Invalid> {
        let id = needed(fields, at, "call_id")?;
        let name = needed(fields, at, "name")?;
        let arguments = needed(fields, at, "arguments")?;
        unknown(at, fields, &["call_id", "name", "arguments"], meaning);
        let mut message = self.assistant(at, |_| true);
        let is_double = message.calls.iter().any(|call| call["id"] == id);
        if id.is_empty() || is_double {
            let message =
                format!("`{at}.call_id` must not be empty, nor the same as that of another call");
            return Err(Invalid::at(format!("{at}.call_id"), message));
        }
        message.open.push(id.to_owned());
        message.calls.push(json!({
            "id": id, "type": "function", "function": {"name": name, "arguments": arguments},
        }));
        self.messages.push(message);
        Ok(())
    }

    fn output(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        meaning: &mut Meaning,
    ) -> Result<(), Invalid> {
        let id = needed(fields, at, "call_id")?;
        unknown(at, fields, &["call_id", "output", "name"], meaning);
        let place = format!("{at}.output");
        let output = given(fields, "output").ok_or_else(|| {
            let message = format!("`{place}` is missing; it is what the tool gave back");
            Invalid::at(place.as_str(), message)
        })?;
        // A tool may have nothing to say.
        let parts = if output.as_array().is_some_and(Vec::is_empty) {
            Vec::new()
        } else {
            part::parts(&place, output, false, meaning)?
        };
        let asked = self.messages.iter_mut().enumerate().rev();
        let found = asked.into_iter().find_map(|(position, message)| {
            let open = message.open.iter().position(|open| open == id)?;
            message.open.remove(open);
            Some(position)
        });
        let Some(asked) = found else {
            // The call may be among what only a provider of this interface can read.
            if meaning.is_partial() {
                return Ok(());
            }
            let shown = quoted(id);
            let message = format!(
                "there is no call `{shown}` before `{at}` that has no output yet; send the \
                 `function_call` item too, or `previous_response_id`"
            );
            return Err(Invalid::at(format!("{at}.call_id"), message));
        };
        let behind = self.messages.get(asked + 1..).unwrap_or_default();
        let answers = behind
            .iter()
            .take_while(|message| message.answers.is_some());
        let position = asked + 1 + answers.count();
        let message = Message {
            role: "tool",
            at: place,
            parts,
            answers: Some(id.to_owned()),
            ..Message::default()
        };
        self.messages.insert(position, message);
        Ok(())
    }

    /// Takes out the assistant's message that an item belongs to: the last one, if the item `joins` it, or a
    /// new one.
    fn assistant(&mut self, at: &str, joins: impl Fn(&Message) -> bool) -> Message {
        let is_open = |last: &mut Message| last.role == "assistant" && joins(last);
        self.messages.pop_if(is_open).unwrap_or_else(|| Message {
            role: "assistant",
            at: at.to_owned(),
            ..Message::default()
        })
    }

    /// All messages.
    pub(super) fn messages(self) -> Result<Vec<Value>, Invalid> {
        let waiting = self
            .messages
            .iter()
            .find(|message| !message.open.is_empty());
        if let Some(message) = waiting
            && !self.is_partial
        {
            let id = message.open.first().map_or("", String::as_str);
            let message_of = format!(
                "there is no `function_call_output` for the call `{}`",
                quoted(id)
            );
            return Err(Invalid::at("input", message_of));
        }
        if let Some(last) = self.messages.last()
            && last.role == "user"
            && last.is_blank()
            && !self.is_partial
        {
            let message = "the last message has no text; write a question";
            return Err(Invalid::at(last.at.as_str(), message));
        }
        let messages: Vec<Value> = self
            .messages
            .into_iter()
            .filter_map(Message::chat)
            .collect();
        if messages.is_empty() {
            return Err(Invalid::at(
                "input",
                "`input` has no message; send at least one",
            ));
        }
        Ok(messages)
    }
}

impl Message {
    /// Whether a turn of the assistant may go on in it: nothing comes between words and calls.
    fn may_grow(&self) -> bool {
        self.parts.is_empty() || !self.calls.is_empty()
    }

    fn is_blank(&self) -> bool {
        self.parts.iter().all(|part| {
            let text = part.get("text").and_then(Value::as_str);
            text.is_some_and(|text| text.trim().is_empty())
        })
    }

    /// The chat message; `None` for an assistant's that says nothing.
    fn chat(self) -> Option<Value> {
        let is_assistant = self.role == "assistant";
        if is_assistant && self.parts.is_empty() && self.calls.is_empty() {
            return None;
        }
        let mut message = Map::new();
        message.insert("role".into(), self.role.into());
        if let Some(id) = self.answers {
            message.insert("tool_call_id".into(), id.into());
        }
        match self.parts.as_slice() {
            [] if is_assistant => {}
            [] => {
                message.insert("content".into(), "".into());
            }
            [part] if part["type"] == "text" => {
                message.insert("content".into(), part["text"].clone());
            }
            [part] if part["type"] == "refusal" => {
                message.insert("content".into(), Value::Null);
                message.insert("refusal".into(), part["refusal"].clone());
            }
            _ => {
                message.insert("content".into(), Value::Array(self.parts));
            }
        }
        if !self.calls.is_empty() {
            message.insert("tool_calls".into(), Value::Array(self.calls));
        }
        if !self.reasoning.is_empty() {
            message.insert("reasoning_content".into(), self.reasoning.into());
        }
        Some(Value::Object(message))
    }
}

/// The texts of a thought, which stand in the list `name`.
fn texts<'f>(
    at: &str,
    fields: &'f Map<String, Value>,
    name: &str,
) -> Result<Vec<&'f str>, Invalid> {
    let at = format!("{at}.{name}");
    let parts = given(fields, name).map_or(Ok(&[][..]), |value| list(&at, value))?;
    let mut texts = Vec::with_capacity(parts.len());
    for (place, part) in parts.iter().enumerate() {
        let at = format!("{at}[{place}]");
        texts.push(needed(object(&at, part)?, &at, "text")?);
    }
    Ok(texts)
}

/// Names the fields of an item that nobody here has heard of.
fn unknown(at: &str, fields: &Map<String, Value>, known: &[&str], meaning: &mut Meaning) {
    const OF_ALL: [&str; 3] = ["type", "id", "status"];
    for (name, value) in fields {
        let name = name.as_str();
        // What is so anyway.
        let says_nothing = value.is_null()
            || name == "async" && *value == Value::Bool(false)
            || name == "caller" && value.get("type").is_some_and(|kind| kind == "direct");
        if !(says_nothing || OF_ALL.contains(&name) || known.contains(&name)) {
            meaning.unknown(&format!("{at}.{name}"));
        }
    }
}
