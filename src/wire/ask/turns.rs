//! The messages of a conversation.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::{
    cannot::{Cannot, Unable},
    content::{Content, Part, parts, string},
};

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// Instructions (`system`, `developer`).
    System(Spoken),
    /// The user.
    User(Spoken),
    /// The model.
    Assistant(Assistant),
    /// What a tool gave back.
    Tool(ToolResult),
}

/// A message of somebody who only speaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    /// Its place among the messages of the request.
    pub at: usize,
    /// What was said; may be empty, or hold empty texts.
    pub parts: Vec<Part>,
    /// Fields that OpenAI does not have.
    pub extra: Map<String, Value>,
}

/// A message of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct Assistant {
    /// Its place among the messages of the request.
    pub at: usize,
    /// What was said: texts and refusals; may be empty.
    pub parts: Vec<Part>,
    /// The tools that it called, with ids that no other call of this message has.
    pub calls: Vec<ToolCall>,
    /// What it thought, as text (`reasoning_content`, or `reasoning`).
    pub reasoning: Option<String>,
    /// What it thought, as Anthropic's content blocks of type `thinking` or `redacted_thinking`
    /// (`thinking_blocks`).
    pub thinking: Vec<Value>,
    /// Fields that OpenAI does not have, such as `extra_content`.
    pub extra: Map<String, Value>,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Not empty.
    pub id: String,
    /// Not empty.
    pub name: String,
    /// As the model wrote them: JSON, mostly.
    pub arguments: String,
    /// Fields that OpenAI does not have, such as `extra_content`.
    pub extra: Map<String, Value>,
}

impl ToolCall {
    /// The arguments as an object. What a model wrote that is none is wrapped, as Anthropic's
    /// documentation has it for invalid JSON: `{"INVALID_JSON": "…"}`.
    #[must_use]
    pub fn arguments_object(&self) -> Map<String, Value> {
        if self.arguments.trim().is_empty() {
            return Map::new();
        }
        match serde_json::from_str(&self.arguments) {
            Ok(Value::Object(arguments)) => arguments,
            Ok(Value::Null) => Map::new(),
            Ok(_) | Err(_) => {
                let raw = Value::String(self.arguments.clone());
                Map::from_iter([("INVALID_JSON".to_owned(), raw)])
            }
        }
    }
}

/// What a tool gave back.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolResult {
    /// Its place among the messages of the request.
    pub at: usize,
    /// The id of a call of the assistant's message before it.
    pub call_id: String,
    /// The tool's name, from that call.
    pub name: String,
    /// What it gave back.
    pub parts: Vec<Part>,
    /// Fields that OpenAI does not have.
    pub extra: Map<String, Value>,
}

impl ToolResult {
    /// All its text.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }
}

/// The texts (and refusals) among `parts`, one after another.
#[must_use]
pub fn text_of(parts: &[Part]) -> String {
    parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::Text(text) | Content::Refusal(text) => Some(text.as_str()),
            Content::Image { .. } | Content::Audio { .. } | Content::File { .. } => None,
        })
        .collect()
}

/// Reads all messages. Invariant of the result: a run of tool turns follows an assistant turn and
/// answers each of its calls once.
pub(super) fn turns(messages: &[Value], cannot: &mut Cannot) -> Result<Vec<Turn>, Unable> {
    let mut turns = Vec::with_capacity(messages.len());
    let mut open = Open::default();
    let names = Names::of(messages);
    for (at, message) in messages.iter().enumerate() {
        let Some(fields) = message.as_object() else {
            continue;
        };
        let place = format!("messages[{at}]");
        let role = fields
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if role != "tool" {
            open.close()?;
        }
        if role == "function" || fields.get("function_call").is_some_and(Value::is_object) {
            let field = if role == "function" {
                "role"
            } else {
                "function_call"
            };
            cannot.carry(format!("{place}.{field}"), "has tools (`tool_calls`) only")?;
            continue;
        }
        if fields.get("name").is_some_and(|name| !name.is_null()) && names.matter(role) {
            cannot.carry(format!("{place}.name"), "has no names of speakers")?;
        }
        if fields.get("audio").is_some_and(|audio| !audio.is_null()) {
            cannot.carry(format!("{place}.audio"), "has no spoken answers")?;
        }
        let parts = parts(&format!("{place}.content"), fields.get("content"), cannot)?;
        let extra = extra(fields);
        turns.push(match role {
            "assistant" => {
                let assistant = assistant(at, fields, parts, extra, cannot)?;
                open = Open::of(&assistant);
                Turn::Assistant(assistant)
            }
            "tool" => {
                let call_id = string(&place, "tool_call_id", fields.get("tool_call_id"))?;
                let name = open.answered(at, &call_id)?;
                Turn::Tool(ToolResult {
                    at,
                    call_id,
                    name,
                    parts,
                    extra,
                })
            }
            "user" => Turn::User(Spoken { at, parts, extra }),
            _ => Turn::System(Spoken { at, parts, extra }),
        });
    }
    open.close()?;
    Ok(turns)
}

/// The calls that wait for their results: the tools' names by the ids of the calls.
#[derive(Default)]
struct Open {
    at: usize,
    calls: HashMap<String, String>,
    answered: HashSet<String>,
}

impl Open {
    fn of(assistant: &Assistant) -> Self {
        let calls = assistant.calls.iter();
        Self {
            at: assistant.at,
            calls: calls
                .map(|call| (call.id.clone(), call.name.clone()))
                .collect(),
            answered: HashSet::new(),
        }
    }

    /// The name of the tool that was called as `id`.
    fn answered(&mut self, at: usize, id: &str) -> Result<String, Unable> {
        let param = format!("messages[{at}].tool_call_id");
        let Some(name) = self.calls.get(id) else {
            let message = "a message with role `tool` must answer a call in `tool_calls` of the \
                           assistant's message before it; there is none of this id";
            return Err(Unable::invalid(param, message));
        };
        if !self.answered.insert(id.to_owned()) {
            return Err(Unable::invalid(
                param,
                "this tool call has a result already",
            ));
        }
        Ok(name.clone())
    }

    fn close(&mut self) -> Result<(), Unable> {
        let open = std::mem::take(self);
        let mut waiting = open.calls.keys().filter(|id| !open.answered.contains(*id));
        if let Some(id) = waiting.next() {
            let id: String = id.chars().take(64).collect();
            return Err(Unable::invalid(
                format!("messages[{}].tool_calls", open.at),
                format!(
                    "an assistant's message with `tool_calls` must be followed by a message of role \
                     `tool` for each of them; there is none for `{id}`"
                ),
            ));
        }
        Ok(())
    }
}

/// Who tells speakers apart by their names: where all messages of a role are of one speaker, its name
/// says nothing that the role does not say.
struct Names<'m>(HashMap<&'m str, HashSet<&'m str>>);

impl<'m> Names<'m> {
    fn of(messages: &'m [Value]) -> Self {
        let mut names: HashMap<&str, HashSet<&str>> = HashMap::new();
        for message in messages {
            let text = |field: &str| message.get(field).and_then(Value::as_str);
            if let Some(role) = text("role") {
                let name = text("name").unwrap_or_default();
                names.entry(role).or_default().insert(name);
            }
        }
        Self(names)
    }

    fn matter(&self, role: &str) -> bool {
        let names = self.0.get(role);
        role != "tool" && names.is_some_and(|names| names.len() > 1)
    }
}

fn assistant(
    at: usize,
    fields: &Map<String, Value>,
    mut parts: Vec<Part>,
    extra: Map<String, Value>,
    cannot: &mut Cannot,
) -> Result<Assistant, Unable> {
    let place = format!("messages[{at}]");
    parts.retain(|part| !matches!(&part.content, Content::Text(text) if text.is_empty()));
    if let Some(Value::String(refusal)) = fields.get("refusal") {
        parts.push(Part {
            at: format!("{place}.refusal"),
            content: Content::Refusal(refusal.clone()),
            cache_control: None,
        });
    }
    let mut calls: Vec<ToolCall> = Vec::new();
    let mut ids = HashSet::new();
    let list = fields.get("tool_calls").and_then(Value::as_array);
    for (position, call) in list.into_iter().flatten().enumerate() {
        let place = format!("{place}.tool_calls[{position}]");
        let Some(function) = call.get("function").and_then(Value::as_object) else {
            cannot.carry(format!("{place}.type"), "has tools of type `function` only")?;
            continue;
        };
        let id = string(&place, "id", call.get("id"))?;
        let name = string(&format!("{place}.function"), "name", function.get("name"))?;
        if id.is_empty() || !ids.insert(id.clone()) {
            let rule = "must not be empty, nor the same as another call's";
            return Err(Unable::invalid(
                format!("{place}.id"),
                format!("`{place}.id` {rule}"),
            ));
        }
        let mut extra = call.as_object().cloned().unwrap_or_default();
        extra.retain(|key, value| {
            !matches!(key.as_str(), "id" | "type" | "function" | "index") && !value.is_null()
        });
        let arguments = match function.get("arguments") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            // Some clients send what they have parsed.
            Some(object @ Value::Object(_)) => object.to_string(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
                let at = format!("{place}.function.arguments");
                let message = format!("`{at}` must be a string of JSON");
                return Err(Unable::invalid(at, message));
            }
        };
        calls.push(ToolCall {
            id,
            name,
            arguments,
            extra,
        });
    }
    let text = |field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
    let thinking = fields.get("thinking_blocks").and_then(Value::as_array);
    Ok(Assistant {
        at,
        parts,
        calls,
        reasoning: text("reasoning_content").or_else(|| text("reasoning")),
        thinking: thinking.cloned().unwrap_or_default(),
        extra,
    })
}

/// The fields that OpenAI does not have and that say something.
fn extra(fields: &Map<String, Value>) -> Map<String, Value> {
    const KNOWN: [&str; 13] = [
        "role",
        "content",
        "name",
        "tool_calls",
        "tool_call_id",
        "refusal",
        "audio",
        "annotations",
        "function_call",
        "reasoning_content",
        "reasoning",
        "thinking_blocks",
        "parsed",
    ];
    let unknown = fields
        .iter()
        .filter(|(key, value)| !KNOWN.contains(&key.as_str()) && !value.is_null());
    unknown
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
