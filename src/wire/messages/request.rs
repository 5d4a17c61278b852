//! A request of this interface, and what it means.
//!
//! Invariant: of the client's fields, none is lost in silence that asks for something.

use std::{fmt, mem};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

use super::answer::Telling;
use crate::wire::{
    chat::Invalid,
    controls::Controls,
    heard::Writer,
    native::{Interface, Native, Only, Translated, without_controls},
    object,
};

mod blocks;
mod names;
mod place;
mod said;
mod thinking;
mod tools;
mod turns;

pub(super) use self::names::Names;
use self::{
    place::{expected, flag, maybe_object, maybe_text, texts_at, type_of, unknown},
    thinking::Thinking,
};

const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// The versions that there are (<https://platform.claude.com/docs/en/api/versioning>, seen 2026-11). An answer is the
/// same in all of them, and what a request means, too: the newest only refuses more, such as `temperature`.
const VERSIONS: [&str; 3] = ["2026-10-21", "2023-06-01", "2023-01-01"];

/// What tunes a request, and asks for nothing that a client could see in the answer.
const TUNING: [&str; 9] = [
    "anthropic_version",
    "billing_policy",
    "cache_control",
    "diagnostics",
    "fallback_credit_token",
    "service_tier",
    "speed",
    "user_profile_id",
    "workspace_id",
];

/// What Anthropic's models see of a request, or answer by, and others do without: no answer is the worse for it.
const APART: [&str; 4] = ["anthropic_beta", "betas", "context_management", "fallbacks"];

/// What only providers of this interface have, and what others lack.
const ONLY: [(&str, &str); 5] = [
    ("compaction", "has no requests that only summarize"),
    ("container", "has no containers"),
    ("inference_geo", "promises no region"),
    ("mcp_servers", "calls no MCP servers"),
    ("thread", "holds no threads"),
];

/// A request that came in.
pub struct Inbound {
    /// What it means.
    pub translated: Translated,
    /// Tells its answer.
    pub writer: Box<dyn Writer>,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound")
            .field("translated", &self.translated)
            .finish_non_exhaustive()
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Answer,
    Count,
}

/// Reads a request for an answer.
///
/// # Errors
/// [`Invalid`], with the client's own field or header.
pub fn read(body: &Bytes, headers: &HeaderMap) -> Result<Inbound, Invalid> {
    read_for(Purpose::Answer, body, headers)
}

/// Reads a request whose tokens are to be counted: as [`read`], but `max_tokens` is not needed.
///
/// # Errors
/// The same.
pub fn read_to_count(body: &Bytes, headers: &HeaderMap) -> Result<Translated, Invalid> {
    Ok(read_for(Purpose::Count, body, headers)?.translated)
}

fn read_for(purpose: Purpose, body: &Bytes, headers: &HeaderMap) -> Result<Inbound, Invalid> {
    check_version(headers)?;
    let fields = object::read(body)?;
    let mut reading = Reading::new(&fields);
    let model = model(&fields)?;
    reading.chat.insert("model".to_owned(), json!(model));
    for (name, value) in &fields {
        reading.top(name, value)?;
    }
    reading.max_tokens(purpose, fields.get("max_tokens"))?;
    reading.tools(&fields)?;
    reading.messages(&fields)?;
    let thinking = Thinking::of(fields.get("thinking"), &mut reading.only)?;
    reading.effort(&thinking, fields.get("output_config"))?;
    reading.thinking_apart(&fields);
    reading.betas_apart(headers);
    reading.stream(&fields)?;
    let writer = Telling::new(model, thinking.is_told(), mem::take(&mut reading.names));
    Ok(Inbound {
        translated: Translated {
            chat: reading.chat,
            native: Native {
                interface: Interface::Messages,
                body: without_controls(body, &fields),
                headers: betas(headers),
            },
            only: reading.only,
            advice: reading.advice,
            apart: reading.apart,
        },
        writer: Box::new(writer),
    })
}

/// A request that is being read.
#[derive(Default)]
struct Reading {
    chat: Map<String, Value>,
    only: Vec<Only>,
    advice: Vec<&'static str>,
    apart: Map<String, Value>,
    names: Names,
}

impl Reading {
    fn new(fields: &Map<String, Value>) -> Self {
        Self {
            chat: Map::with_capacity(fields.len()),
            ..Self::default()
        }
    }

    /// Reads a field that stands for itself. Those that are read elsewhere are left to that.
    fn top(&mut self, name: &str, value: &Value) -> Result<(), Invalid> {
        if Controls::is_control_field(name, value) {
            self.chat.insert(name.to_owned(), value.clone());
            return Ok(());
        }
        if value.is_null() {
            return Ok(());
        }
        match name {
            "temperature" | "top_p" => {
                if !value.is_number() {
                    return Err(expected(name, "a number", value));
                }
                self.chat.insert(name.to_owned(), value.clone());
            }
            "top_k" => {
                if value.as_u64().is_none() {
                    return Err(expected(name, "a whole number that is not negative", value));
                }
                self.advise("top_k", value.clone());
            }
            "stop_sequences" => {
                let stops = texts_at(name, value)?;
                if !stops.is_empty() {
                    self.chat.insert("stop".to_owned(), json!(stops));
                }
            }
            "metadata" => {
                let metadata = maybe_object("metadata", Some(value))?;
                let user = metadata.and_then(|fields| fields.get("user_id"));
                if let Some(user) = maybe_text("metadata.user_id", user)? {
                    self.chat.insert("user".to_owned(), json!(user));
                }
            }
            "output_config" => {
                if !value.is_object() {
                    return Err(expected(name, "an object", value));
                }
                for (field, value) in value.as_object().into_iter().flatten() {
                    match field.as_str() {
                        // How many tokens a task may take in all is for the model to know, not to keep.
                        "task_budget" => self.apart("output_config.task_budget", value),
                        "effort" => {}
                        "format" => self.format("output_config.format", value)?,
                        _ => self.unknown(&format!("output_config.{field}"), value),
                    }
                }
            }
            "output_format" => self.format(name, value)?,
            "model" | "max_tokens" | "system" | "messages" | "tools" | "tool_choice"
            | "thinking" | "stream" => {}
            // Whoever the gateway asks for shares its key, so these lead to what others left at Anthropic.
            "container" if value.is_string() || names(value, "id") => {
                let message = "`container` must not name one: whose it is can't be told here; have a new one made";
                return Err(Invalid::at(name, message));
            }
            "thread" if names(value, "previous_message_id") => {
                let message = "`thread` can't be continued here: whose it is can't be told; send all `messages`";
                return Err(Invalid::at(name, message));
            }
            _ => match ONLY.iter().find(|(only, _)| *only == name) {
                Some(_) if is_empty(value) => {}
                Some((_, lacks)) => self.only(name, *lacks),
                None if TUNING.contains(&name) => {}
                None if APART.contains(&name) => self.apart(name, value),
                None => self.unknown(name, value),
            },
        }
        Ok(())
    }

    /// Says that only a provider of this interface can do what stands at `param`.
    fn only(&mut self, param: impl Into<String>, lacks: impl Into<String>) {
        self.only.push(Only {
            param: param.into(),
            lacks: lacks.into(),
        });
    }

    fn unknown(&mut self, param: &str, value: &Value) {
        if !value.is_null() {
            self.only.push(unknown(param));
        }
    }

    /// Tells the request from those that don't say this, unless it says nothing.
    fn apart(&mut self, param: &str, value: &Value) {
        let says_nothing = value.is_null()
            || is_empty(value)
            || value.as_object().is_some_and(Map::is_empty)
            || *value == Value::Bool(false);
        if !says_nothing {
            self.apart.insert(param.to_owned(), value.clone());
        }
    }

    fn betas_apart(&mut self, headers: &HeaderMap) {
        let values = headers.get_all(BETA).iter();
        let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
        let values = values.iter().flat_map(|value| value.split(','));
        let mut betas: Vec<&str> = values
            .map(str::trim)
            .filter(|beta| !beta.is_empty())
            .collect();
        betas.sort_unstable();
        betas.dedup();
        self.apart(BETA.as_str(), &json!(betas));
    }

    fn advise(&mut self, name: &'static str, value: Value) {
        self.chat.insert(name.to_owned(), value);
        self.advice.push(name);
    }

    fn max_tokens(&mut self, purpose: Purpose, value: Option<&Value>) -> Result<(), Invalid> {
        const AT: &str = "max_tokens";
        match value {
            None | Some(Value::Null) if purpose == Purpose::Count => Ok(()),
            None | Some(Value::Null) => Err(Invalid::at(
                AT,
                "`max_tokens` is missing: every request has to say how long its answer may be",
            )),
            Some(value) if value.as_u64().is_some_and(|most| most > 0) => {
                self.chat.insert(AT.to_owned(), value.clone());
                Ok(())
            }
            Some(value) => Err(expected(AT, "a whole number from 1 on", value)),
        }
    }

    fn format(&mut self, at: &str, format: &Value) -> Result<(), Invalid> {
        if format.is_null() {
            return Ok(());
        }
        match type_of(at, format)? {
            "text" => {}
            "json_schema" => {
                let at_schema = format!("{at}.schema");
                let Some(schema) = format.get("schema").filter(|schema| schema.is_object()) else {
                    let message =
                        format!("`{at_schema}` must be a JSON Schema, which is an object");
                    return Err(Invalid::at(at_schema, message));
                };
                let strict = tools::is_strict(schema);
                let schema = json!({"name": "answer", "schema": schema, "strict": strict});
                let format = json!({"type": "json_schema", "json_schema": schema});
                self.chat.insert("response_format".to_owned(), format);
            }
            kind => self.only(
                format!("{at}.type"),
                format!("has no format `{}`", shown(kind)),
            ),
        }
        Ok(())
    }

    fn stream(&mut self, fields: &Map<String, Value>) -> Result<(), Invalid> {
        if flag("stream", fields.get("stream"))? {
            let options = json!({"include_usage": true});
            self.chat.insert("stream".to_owned(), json!(true));
            self.chat.insert("stream_options".to_owned(), options);
        }
        Ok(())
    }
}

fn model(fields: &Map<String, Value>) -> Result<&str, Invalid> {
    match fields.get("model") {
        Some(Value::String(model)) if !model.is_empty() => Ok(model),
        None | Some(Value::Null) => Err(Invalid::at("model", "you must provide a `model`")),
        Some(other) => Err(expected("model", "a non-empty string", other)),
    }
}

fn check_version(headers: &HeaderMap) -> Result<(), Invalid> {
    let is_known = |version: &http::HeaderValue| VERSIONS.iter().any(|known| version == known);
    if headers.get_all(VERSION).iter().all(is_known) {
        return Ok(());
    }
    let message = format!(
        "the header `anthropic-version` must be one of {}",
        VERSIONS.join(", ")
    );
    Err(Invalid::at(VERSION.as_str(), message))
}

/// The client's headers that mean something to a provider of this interface.
fn betas(headers: &HeaderMap) -> HeaderMap {
    let betas = headers.get_all(BETA).iter();
    betas.map(|value| (BETA, value.clone())).collect()
}

/// Whether a list holds nothing.
fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// Whether an object has this field.
fn names(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|value| !value.is_null())
}

/// A word of the client's, fit for a message.
fn shown(text: &str) -> String {
    text.chars().take(60).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
