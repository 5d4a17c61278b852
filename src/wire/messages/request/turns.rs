//! The conversation: instructions first, consecutive turns of the model as one, results right behind their calls.

use serde_json::{Map, Value, json};

use super::{
    Reading,
    blocks::{content_of, is_plain_call, say},
    place::{array, expected, flag, object, text_at, type_of},
    said::{Said, Turn},
    shown,
};
use crate::wire::chat::Invalid;

/// What a coding agent tells Anthropic about who pays, in a block of its instructions. It differs from request to
/// request, and no model is to read it.
const BILLING: &str = "x-anthropic-billing-header:";
/// Stands for a result of which the rest is in the user's message behind it: no chat provider takes pictures in
/// results.
const SEE_BELOW: &str = "(The result is in the next message.)";

/// Stands where all that the user sent is for Anthropic alone.
const ELSEWHERE: &str = "(Something that can't be shown here.)";

impl Reading {
    /// Reads `system` and `messages`.
    pub(super) fn messages(&mut self, fields: &Map<String, Value>) -> Result<(), Invalid> {
        let mut said = Said::default();
        if let Some(system) = fields.get("system").filter(|system| !system.is_null()) {
            let instructions = self.spoken("system", system)?;
            said.say("system", instructions);
        }
        let list = match fields.get("messages") {
            None | Some(Value::Null) => {
                return Err(Invalid::at(
                    "messages",
                    "you must provide `messages`, an array",
                ));
            }
            Some(list) => array("messages", list)?,
        };
        for (place, message) in list.iter().enumerate() {
            let at = format!("messages[{place}]");
            let message = object(&at, message)?;
            let role = text_at(&at, message, "role")?;
            let content = message.get("content").unwrap_or(&Value::Null);
            let at_content = format!("{at}.content");
            match role {
                "user" => self.user(&at_content, content, place + 1 == list.len(), &mut said)?,
                "assistant" => self.assistant(&at_content, content, &mut said)?,
                "system" => {
                    let instructions = self.spoken(&at_content, content)?;
                    said.say("system", instructions);
                }
                _ => {
                    let at = format!("{at}.role");
                    let role = shown(role);
                    let message =
                        format!("`{at}` is `{role}`; it must be user, assistant or system");
                    return Err(Invalid::at(at, message));
                }
            }
            for (field, value) in message {
                if !["role", "content"].contains(&field.as_str()) {
                    self.unknown(&format!("{at}.{field}"), value);
                }
            }
        }
        said.close()?;
        let is_instruction = |message: &Value| message.get("role") == Some(&json!("system"));
        if said.messages.iter().all(is_instruction) {
            let message = "`messages` is empty; send at least one message";
            return Err(Invalid::at("messages", message));
        }
        self.chat
            .insert("messages".to_owned(), Value::Array(said.messages));
        Ok(())
    }

    /// Texts of somebody who only speaks.
    fn spoken(&mut self, at: &str, content: &Value) -> Result<Vec<Value>, Invalid> {
        let mut parts = Vec::new();
        for (at, block) in blocks(at, content)? {
            match block {
                Block::Text(text) => say(text, &mut parts),
                Block::Other(block) => {
                    let text = block.get("text").and_then(Value::as_str);
                    if text.is_some_and(|text| text.starts_with(BILLING)) {
                        continue;
                    }
                    if type_of(&at, block)? != "text" {
                        self.strange(&at, type_of(&at, block)?);
                    } else {
                        self.part(&at, block, &mut parts)?;
                    }
                }
            }
        }
        Ok(parts)
    }

    fn user(
        &mut self,
        at: &str,
        content: &Value,
        is_last: bool,
        said: &mut Said,
    ) -> Result<(), Invalid> {
        let mut parts = Vec::new();
        let mut shown_by_tools = Vec::new();
        let mut has_results = false;
        let before = self.only.len();
        for (at, block) in blocks(at, content)? {
            match block {
                Block::Text(text) => say(text, &mut parts),
                Block::Other(block) => match type_of(&at, block)? {
                    "tool_result" => {
                        has_results = true;
                        self.tool_result(&at, block, &mut shown_by_tools, said)?;
                    }
                    kind => {
                        if !self.part(&at, block, &mut parts)? {
                            self.strange(&at, kind);
                        }
                    }
                },
            }
        }
        shown_by_tools.append(&mut parts);
        if shown_by_tools.is_empty() && !has_results && self.only.len() > before {
            say(ELSEWHERE, &mut shown_by_tools);
        }
        let is_blank = shown_by_tools.iter().all(is_blank);
        if is_last && is_blank && !has_results {
            let message = format!("`{at}`: the last message has no text; write a question");
            return Err(Invalid::at(at, message));
        }
        if !(is_blank && is_last) {
            said.say("user", shown_by_tools);
        }
        Ok(())
    }

    fn tool_result(
        &mut self,
        at: &str,
        block: &Value,
        shown_by_tools: &mut Vec<Value>,
        said: &mut Said,
    ) -> Result<(), Invalid> {
        let fields = object(at, block)?;
        let id = text_at(at, fields, "tool_use_id")?;
        let is_error = flag(&format!("{at}.is_error"), fields.get("is_error"))?;
        if said.strange_calls.contains(id) {
            return Ok(());
        }
        self.rest_of(at, fields, &["tool_use_id", "content", "is_error"]);
        let mut parts = Vec::new();
        let content = match fields.get("content") {
            None | Some(Value::Null) => &Value::Array(Vec::new()),
            Some(content) => content,
        };
        for (at, block) in blocks(&format!("{at}.content"), content)? {
            match block {
                Block::Text(text) => say(text, &mut parts),
                Block::Other(block) => match type_of(&at, block)? {
                    "tool_reference" => {
                        let name = text_at(&at, object(&at, block)?, "tool_name")?;
                        say(&format!("Tool: {name}"), &mut parts);
                    }
                    kind => {
                        if !self.part(&at, block, &mut parts)? {
                            self.strange(&at, kind);
                        }
                    }
                },
            }
        }
        let is_text = |part: &Value| part.get("type") == Some(&json!("text"));
        // A text behind a picture speaks of it: from the first picture on, all stay together.
        let first = parts.iter().position(|part| !is_text(part));
        let others = parts.split_off(first.unwrap_or(parts.len()));
        let mut texts = parts;
        if !others.is_empty() {
            if texts.is_empty() {
                say(SEE_BELOW, &mut texts);
            }
            say(&format!("(Result of the tool call {id}:)"), shown_by_tools);
            shown_by_tools.extend(others);
        }
        if is_error {
            mark_as_error(&mut texts);
        }
        let content = content_of(texts).unwrap_or_else(|| json!(""));
        said.result(at, id, &content)
    }

    fn assistant(&mut self, at: &str, content: &Value, said: &mut Said) -> Result<(), Invalid> {
        let mut turn = Turn::default();
        said.begin_model()?;
        for (at, block) in blocks(at, content)? {
            if !turn.calls.is_empty() {
                // A chat's message has its calls at the end.
                let is_call = matches!(block, Block::Other(block) if block.get("type") == Some(&json!("tool_use")));
                self.apart(&at, &Value::Bool(!is_call));
            }
            let block = match block {
                Block::Text(text) => {
                    say(text, &mut turn.parts);
                    continue;
                }
                Block::Other(block) => block,
            };
            let fields = object(&at, block)?;
            match type_of(&at, block)? {
                "thinking" => {
                    let thinking = text_at(&at, fields, "thinking")?;
                    turn.reasoning.push_str(thinking);
                    let signature = fields.get("signature").and_then(Value::as_str);
                    if let Some(signature) = signature.filter(|signature| !signature.is_empty()) {
                        turn.thinking.push(json!({
                            "type": "thinking", "thinking": thinking, "signature": signature,
                        }));
                    }
                }
                "redacted_thinking" => {
                    let data = text_at(&at, fields, "data")?;
                    let block = json!({"type": "redacted_thinking", "data": data});
                    turn.thinking.push(block);
                }
                "tool_use" if is_plain_call(&at, fields)? => {
                    let id = text_at(&at, fields, "id")?;
                    let name = text_at(&at, fields, "name")?;
                    let name = self.names.put(&format!("{at}.name"), name)?;
                    let input = match fields.get("input") {
                        None | Some(Value::Null) => "{}".to_owned(),
                        Some(input @ Value::Object(_)) => input.to_string(),
                        Some(other) => {
                            return Err(expected(&format!("{at}.input"), "an object", other));
                        }
                    };
                    said.call(&at, id)?;
                    turn.calls.push(json!({
                        "id": id,
                        "type": "function",
                        "function": {"name": name, "arguments": input},
                    }));
                }
                kind => {
                    if !self.part(&at, block, &mut turn.parts)? {
                        self.strange(&at, kind);
                        let id = fields.get("id").and_then(Value::as_str);
                        said.strange_calls.extend(id.map(str::to_owned));
                    }
                }
            }
        }
        said.model(turn);
        Ok(())
    }
}

/// A block, or the text in place of all of them.
enum Block<'v> {
    Text(&'v str),
    Other(&'v Value),
}

/// What is said in a content at `at`, and where each piece stands.
fn blocks<'v>(at: &str, content: &'v Value) -> Result<Vec<(String, Block<'v>)>, Invalid> {
    if let Some(text) = content.as_str() {
        return Ok(vec![(at.to_owned(), Block::Text(text))]);
    }
    let Some(blocks) = content.as_array() else {
        return Err(expected(at, "a string or an array of blocks", content));
    };
    let blocks = blocks.iter().enumerate();
    Ok(blocks
        .map(|(place, block)| (format!("{at}[{place}]"), Block::Other(block)))
        .collect())
}

fn is_blank(part: &Value) -> bool {
    let text = part.get("text").and_then(Value::as_str);
    text.is_some_and(|text| text.trim().is_empty())
}

/// Says of a result that it is an error: chat requests have no other way.
fn mark_as_error(texts: &mut Vec<Value>) {
    const MARK: &str = "Error: ";
    match texts.first_mut().and_then(|first| first.get_mut("text")) {
        Some(Value::String(text)) => text.insert_str(0, MARK),
        _ => say(MARK.trim_end_matches(": "), texts),
    }
}
