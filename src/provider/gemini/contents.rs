//! The conversation: OpenAI's messages as Gemini's contents.
//!
//! | message | becomes |
//! |---|---|
//! | system, developer | parts of the system instruction, in order |
//! | user | a content of role `user` |
//! | assistant | a content of role `model`: thoughts, texts, calls |
//! | tool | a function response in a content of role `user`, in the order of the calls |
//!
//! Neighbours of one role become one content. Source for thoughts and their signatures:
//! <https://ai.google.dev/gemini-api/docs/thought-signatures> (seen 2026-11). Invariant: the contents
//! begin with the user, take turns, and have no empty part but for one that bears a signature.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    media,
    model::Model,
    names,
    wire::{Content, FunctionCall, FunctionResponse, Part, Role},
};
use crate::{
    provider::echoes,
    wire::ask::{Assistant, Cannot, Content as Asked, Spoken, ToolResult, Turn, Unable, text_of},
};

/// What Google lets pass for the signature of a call that it did not make itself.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";
/// Stands before a conversation that the assistant begins.
const OPENING: &str = "(The conversation begins with the assistant.)";
/// The deepest object that a tool's result is sent as; deeper ones are sent as text.
const DEEPEST_RESULT: u32 = 32;
/// The largest whole number that Google's `Struct` keeps, 2^53.
const LARGEST_WHOLE: u64 = 1 << 53;

/// The instruction and the turns.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<Part>,
    pub(super) contents: Vec<Content>,
}

impl Conversation {
    /// Puts `turns` to `model`.
    pub(super) fn put(turns: &[Turn], model: Model, cannot: &mut Cannot) -> Result<Self, Unable> {
        echoes::refuse_unknown(turns, cannot)?;
        let mut conversation = Self::default();
        let mut turns = turns.iter().peekable();
        let mut places: HashMap<&str, usize> = HashMap::new();
        while let Some(turn) = turns.next() {
            match turn {
                Turn::System(spoken) => conversation.instruct(spoken, cannot)?,
                Turn::User(spoken) => {
                    let parts = spoken.parts.iter();
                    let parts = parts.map(|part| media::part(part, cannot));
                    let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
                    conversation.say(Role::User, parts.into_iter().flatten());
                }
                Turn::Assistant(assistant) => {
                    let parts = assistant_parts(assistant, model, cannot)?;
                    conversation.say(Role::Model, parts);
                    let ids = assistant.calls.iter().map(|call| call.id.as_str());
                    places = ids.zip(0..).collect();
                }
                Turn::Tool(result) => {
                    let mut results = vec![result];
                    while let Some(Turn::Tool(result)) =
                        turns.next_if(|turn| matches!(turn, Turn::Tool(_)))
                    {
                        results.push(result);
                    }
                    results.sort_by_key(|result| places.get(result.call_id.as_str()));
                    let parts = result_parts(&results, cannot)?;
                    conversation.say(Role::User, parts);
                }
            }
        }
        conversation.complete(model)
    }

    fn instruct(&mut self, spoken: &Spoken, cannot: &mut Cannot) -> Result<(), Unable> {
        for part in &spoken.parts {
            if matches!(part.content, Asked::Text(_) | Asked::Refusal(_)) {
                self.system.extend(media::part(part, cannot)?);
            } else {
                cannot.carry(part.at.as_str(), "takes instructions as text only")?;
            }
        }
        Ok(())
    }

    fn say(&mut self, role: Role, parts: impl IntoIterator<Item = Part>) {
        let mut parts = parts.into_iter().peekable();
        if parts.peek().is_none() {
            return;
        }
        match self.contents.last_mut() {
            Some(last) if last.role == Some(role) => last.parts.extend(parts),
            _ => self.contents.push(Content {
                role: Some(role),
                parts: parts.collect(),
            }),
        }
    }

    fn complete(mut self, model: Model) -> Result<Self, Unable> {
        if self.contents.is_empty() && !self.system.is_empty() {
            // Instructions alone are all that there is to answer.
            let parts = std::mem::take(&mut self.system);
            self.say(Role::User, parts);
        }
        match self.contents.first() {
            None => {
                let message = "there is nothing to answer: `messages` needs a message of the user \
                               that is not empty";
                return Err(Unable::invalid("messages", message));
            }
            Some(first) if first.role == Some(Role::Model) => {
                let opening = Content {
                    role: Some(Role::User),
                    parts: vec![Part::text(OPENING)],
                };
                self.contents.insert(0, opening);
            }
            Some(_) => {}
        }
        if model.checks_signatures {
            self.sign();
        }
        Ok(self)
    }

    /// Google checks the first call of each step of the current turn, which began with the user's
    /// last words.
    fn sign(&mut self) {
        let began = self.contents.iter().rposition(|content| {
            let answers = |part: &Part| part.function_response.is_some();
            content.role == Some(Role::User) && !content.parts.iter().any(answers)
        });
        for content in self.contents.iter_mut().skip(began.unwrap_or_default()) {
            let mut calls = content.parts.iter_mut();
            if let Some(call) = calls.find(|part| part.function_call.is_some()) {
                call.thought_signature
                    .get_or_insert_with(|| NO_SIGNATURE.to_owned());
            }
        }
    }
}

/// `extra_content.google.thought_signature`, where Google's own OpenAI interface has it.
fn signature(extra: &Map<String, Value>) -> Option<String> {
    let signature = extra
        .get("extra_content")?
        .get("google")?
        .get("thought_signature")?;
    let signature = signature.as_str().filter(|text| !text.is_empty())?;
    Some(signature.to_owned())
}

fn assistant_parts(
    assistant: &Assistant,
    model: Model,
    cannot: &mut Cannot,
) -> Result<Vec<Part>, Unable> {
    let mut texts = Vec::new();
    for part in &assistant.parts {
        texts.extend(media::part(part, cannot)?);
    }
    if let Some(signature) = signature(&assistant.extra) {
        // It belongs to the end of the text; where there was none, to an empty one.
        if texts.is_empty() {
            texts.push(Part::text(""));
        }
        if let Some(last) = texts.last_mut() {
            last.thought_signature = Some(signature);
        }
    }
    // Thoughts that came to nothing are no turn.
    if texts.is_empty() && assistant.calls.is_empty() {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    let reasoning = assistant.reasoning.as_deref();
    if let Some(thought) = reasoning.filter(|text| model.thinks() && !text.is_empty()) {
        parts.push(Part {
            thought: Some(true),
            ..Part::text(thought)
        });
    }
    parts.extend(texts);
    parts.extend(assistant.calls.iter().map(|call| Part {
        thought_signature: signature(&call.extra),
        function_call: Some(FunctionCall {
            id: Some(call.id.clone()),
            name: names::asked(&call.name),
            args: call.arguments_object(),
        }),
        ..Part::default()
    }));
    Ok(parts)
}

/// The function responses, and behind them what tools gave back besides text.
fn result_parts(results: &[&ToolResult], cannot: &mut Cannot) -> Result<Vec<Part>, Unable> {
    let mut parts = Vec::new();
    let mut media = Vec::new();
    for result in results {
        parts.push(Part {
            function_response: Some(FunctionResponse {
                id: result.call_id.clone(),
                name: names::asked(&result.name),
                response: response(text_of(&result.parts)),
            }),
            ..Part::default()
        });
        for part in &result.parts {
            if !matches!(part.content, Asked::Text(_) | Asked::Refusal(_)) {
                media.extend(media::part(part, cannot)?);
            }
        }
    }
    parts.append(&mut media);
    Ok(parts)
}

/// A tool's text as the object that Google wants: itself if it is one, else `{"result": text}`.
fn response(text: String) -> Map<String, Value> {
    if let Ok(value) = serde_json::from_str(&text)
        && survives(&value, 0)
        && let Value::Object(object) = value
    {
        return object;
    }
    Map::from_iter([("result".to_owned(), Value::String(text))])
}

/// Whether Google reads `value` as it is: it takes `$ref` for the name of a function, and numbers for
/// floating ones of 64 bits.
fn survives(value: &Value, depth: u32) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number <= LARGEST_WHOLE,
            (None, Some(number)) => number.unsigned_abs() <= LARGEST_WHOLE,
            (None, None) => number
                .as_f64()
                .is_some_and(|number| number.fract() != 0.0 || number.abs() <= 9e15),
        },
        Value::Array(list) => {
            depth < DEEPEST_RESULT && list.iter().all(|value| survives(value, depth + 1))
        }
        Value::Object(object) => {
            depth < DEEPEST_RESULT
                && !object.contains_key("$ref")
                && object.values().all(|value| survives(value, depth + 1))
        }
    }
}
