//! A chat request as a client sends it.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create> (seen 2026-11). Only what the
//! gateway has to understand is checked: the shape of messages, the documented ranges of numbers.
//! Unknown fields stay as they are. Invariant: [`ChatRequest::body_for`] gives the client's own bytes
//! whenever nothing has to be changed in them.

use bytes::Bytes;
use serde_json::{Map, Value};

pub use self::{body::RequestBody, edit::Edit, shorten::Cut};
use super::{controls::Controls, object};

mod body;
mod edit;
mod shorten;

/// What can't shape an answer. Every other field can.
pub const WITHOUT_INFLUENCE: [&str; 9] = [
    "stream",
    "stream_options",
    "user",
    "safety_identifier",
    "metadata",
    "store",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
];

/// How the answer is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// One JSON object.
    Json,
    /// Server-sent events.
    Stream {
        /// Whether a chunk with the usage comes before the end (`stream_options.include_usage`).
        usage: bool,
    },
}

/// A request that can't be understood; becomes a 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// What is wrong, and what to write.
    pub message: String,
    /// Where, such as `messages[0].content`.
    pub param: Option<String>,
}

fn invalid(param: impl Into<String>, message: impl Into<String>) -> Invalid {
    Invalid {
        message: message.into(),
        param: Some(param.into()),
    }
}

/// A chat request that has been understood.
#[derive(Debug, Clone)]
pub struct ChatRequest {
    raw: Bytes,
    fields: Map<String, Value>,
    edited: bool,
    model: String,
    delivery: Delivery,
    drops_unsupported: bool,
}

impl ChatRequest {
    /// Understands a body, and takes the gateway's own controls out of it and into `controls`.
    ///
    /// # Errors
    /// [`Invalid`], with the field where there is one.
    pub fn parse(raw: Bytes, controls: &mut Controls) -> Result<Self, Invalid> {
        let mut fields = object::read(&raw)?;
        let edited = take_controls(&mut fields, controls)?;
        let model = match fields.get("model") {
            Some(Value::String(model)) if !model.is_empty() => model.clone(),
            None | Some(Value::Null) => {
                return Err(invalid("model", "you must provide a `model`"));
            }
            Some(other) => return Err(wrong_type("model", "a non-empty string", other)),
        };
        check_numbers(&fields)?;
        check_messages(&fields)?;
        let delivery = delivery(&fields)?;
        Ok(Self {
            raw,
            fields,
            edited,
            model,
            delivery,
            drops_unsupported: controls.drop_unsupported == Some(true),
        })
    }

    /// The body as the client sent it.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The model as the client calls it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// How the client wants the answer.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Whether what a provider can't do is left out, instead of refused.
    #[must_use]
    pub fn drops_unsupported(&self) -> bool {
        self.drops_unsupported
    }

    /// All fields, the gateway's own controls taken out.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The messages; at least one.
    #[must_use]
    pub fn messages(&self) -> &[Value] {
        self.fields
            .get("messages")
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }
}

/// Appends `value` as JSON. Text and JSON values always can be written, into memory too.
pub(super) fn write_json(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(
        written.is_ok(),
        "JSON values have string keys and finite numbers"
    );
}

fn take_controls(
    fields: &mut Map<String, Value>,
    controls: &mut Controls,
) -> Result<bool, Invalid> {
    let named = |error: super::controls::InvalidControl| invalid(error.name, error.message);
    let before = fields.len();
    let mut said = Controls::default();
    if let Some(object) = fields.remove("refrain") {
        said.apply_refrain(&object).map_err(named)?;
    }
    if let Some(object) = fields.get("cache")
        && said.apply_litellm(object).map_err(named)?
    {
        fields.remove("cache");
    }
    for ours in [
        "task_type",
        "prefer_fast",
        "trim_messages",
        "drop_unsupported",
        "drop_params",
    ] {
        if let Some(value) = fields.remove(ours) {
            said.apply_top_level(ours, &value).map_err(named)?;
        }
    }
    controls.overlay(said).map_err(named)?;
    Ok(fields.len() != before)
}

fn delivery(fields: &Map<String, Value>) -> Result<Delivery, Invalid> {
    match fields.get("stream") {
        None | Some(Value::Null | Value::Bool(false)) => Ok(Delivery::Json),
        Some(Value::Bool(true)) => {
            let usage = match fields.get("stream_options") {
                None | Some(Value::Null) => false,
                Some(Value::Object(options)) => match options.get("include_usage") {
                    None | Some(Value::Null) => false,
                    Some(Value::Bool(usage)) => *usage,
                    Some(other) => {
                        let at = "stream_options.include_usage";
                        return Err(wrong_type(at, "true or false", other));
                    }
                },
                Some(other) => return Err(wrong_type("stream_options", "an object", other)),
            };
            Ok(Delivery::Stream { usage })
        }
        Some(other) => Err(wrong_type("stream", "true or false", other)),
    }
}

fn check_numbers(fields: &Map<String, Value>) -> Result<(), Invalid> {
    const RANGES: [(&str, f64, f64); 4] = [
        ("temperature", 0.0, 2.0),
        ("top_p", 0.0, 1.0),
        ("presence_penalty", -2.0, 2.0),
        ("frequency_penalty", -2.0, 2.0),
    ];
    const COUNTS: [(&str, u64, u64); 4] = [
        ("n", 1, 128),
        ("max_tokens", 1, u32::MAX as u64),
        ("max_completion_tokens", 1, u32::MAX as u64),
        ("top_logprobs", 0, 20),
    ];
    for (name, least, most) in RANGES {
        match fields.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Number(number)) => {
                if !number
                    .as_f64()
                    .is_some_and(|number| (least..=most).contains(&number))
                {
                    let message =
                        format!("`{name}` is {number}; it must be from {least} to {most}");
                    return Err(invalid(name, message));
                }
            }
            Some(other) => return Err(wrong_type(name, "a number", other)),
        }
    }
    for (name, least, most) in COUNTS {
        match fields.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Number(number)) => {
                if !number
                    .as_u64()
                    .is_some_and(|number| (least..=most).contains(&number))
                {
                    let rule = format!("a whole number from {least} to {most}");
                    return Err(invalid(
                        name,
                        format!("`{name}` is {number}; it must be {rule}"),
                    ));
                }
            }
            Some(other) => return Err(wrong_type(name, "a whole number", other)),
        }
    }
    Ok(())
}

fn check_messages(fields: &Map<String, Value>) -> Result<(), Invalid> {
    let messages = match fields.get("messages") {
        Some(Value::Array(messages)) => messages,
        None | Some(Value::Null) => {
            return Err(invalid("messages", "you must provide `messages`, an array"));
        }
        Some(other) => return Err(wrong_type("messages", "an array of objects", other)),
    };
    if messages.is_empty() {
        return Err(invalid(
            "messages",
            "`messages` is empty; send at least one message",
        ));
    }
    for (position, message) in messages.iter().enumerate() {
        let is_last = position + 1 == messages.len();
        check_message(&format!("messages[{position}]"), message, is_last)?;
    }
    Ok(())
}

fn check_message(at: &str, message: &Value, is_last: bool) -> Result<(), Invalid> {
    let Value::Object(message) = message else {
        return Err(wrong_type(
            at,
            "an object with `role` and `content`",
            message,
        ));
    };
    let role = match message.get("role") {
        Some(Value::String(role)) => role.as_str(),
        None | Some(Value::Null) => {
            return Err(invalid(
                format!("{at}.role"),
                format!("`{at}` has no `role`"),
            ));
        }
        Some(other) => return Err(wrong_type(&format!("{at}.role"), "a string", other)),
    };
    if ![
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
        "function",
    ]
    .contains(&role)
    {
        let rule = "system, developer, user, assistant, tool or function";
        let message = format!("`{at}.role` is `{}`; it must be {rule}", shortened(role));
        return Err(invalid(format!("{at}.role"), message));
    }
    let place = format!("{at}.content");
    match message.get("content") {
        Some(Value::String(text)) => {
            if is_last && role == "user" && text.trim().is_empty() {
                return Err(invalid(
                    place,
                    "the last message has no text; write a question",
                ));
            }
            Ok(())
        }
        Some(Value::Array(parts)) => check_parts(&place, parts),
        None | Some(Value::Null) => {
            if role == "assistant" {
                return Ok(());
            }
            Err(invalid(
                place.clone(),
                format!("`{place}` is missing; a {role} message needs it"),
            ))
        }
        Some(other) => Err(wrong_type(&place, "a string or an array of parts", other)),
    }
}

fn check_parts(at: &str, parts: &[Value]) -> Result<(), Invalid> {
    if parts.is_empty() {
        return Err(invalid(
            at,
            format!("`{at}` is an empty array; send at least one part"),
        ));
    }
    for (position, part) in parts.iter().enumerate() {
        let at = format!("{at}[{position}]");
        match part.get("type") {
            Some(Value::String(kind)) => {
                if kind == "text" && !part.get("text").is_some_and(Value::is_string) {
                    return Err(invalid(
                        format!("{at}.text"),
                        format!("`{at}` is a text part without a string `text`"),
                    ));
                }
            }
            None | Some(_) => {
                return Err(invalid(
                    at.clone(),
                    format!("`{at}` must be an object with a `type`"),
                ));
            }
        }
    }
    Ok(())
}

fn wrong_type(at: &str, wanted: &str, got: &Value) -> Invalid {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty string",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    invalid(
        at,
        format!("invalid type for `{at}`: expected {wanted}, but got {got}"),
    )
}

fn shortened(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
