//! A request, and what it means as a chat request.
//!
//! | responses | chat |
//! |---|---|
//! | `instructions` | the first message, of the system |
//! | `input` | messages (`input.rs`) |
//! | `tools`, `tool_choice`, `text.format` | the same, nested (`tools.rs`) |
//! | `max_output_tokens` | `max_tokens` |
//! | `reasoning.effort`, `text.verbosity` | `reasoning_effort`, `verbosity`; both only advise |
//! | `include: ["message.output_text.logprobs"]`, `top_logprobs` | `logprobs`, `top_logprobs` |
//! | `truncation: "auto"` | the gateway's `trim_messages` |
//! | `previous_response_id` | the messages that it stands for |
//! | `metadata`, `store`, `service_tier`, `prompt_cache_key`, … | nothing: they shape no answer |

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{
    echo::Echo,
    input::{self, Conversation},
    native, owned, tools,
    typed::{count, flag, given, list, object, quoted, text, wrong},
};
use crate::wire::{
    chat::Invalid,
    controls::Controls,
    native::{Interface, Native, Only, Translated, without_controls},
    object,
};

/// Asks for the probabilities of the tokens.
const LOGPROBS: &str = "message.output_text.logprobs";

/// What only concerns things that a chat answer has none of, or how the provider keeps them.
const INCLUDED_IN_VAIN: [&str; 8] = [
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    LOGPROBS,
];

/// A request that is a JSON object and can be answered at once.
#[derive(Debug, Clone)]
pub struct Request {
    body: Bytes,
    fields: Map<String, Value>,
}

/// What an earlier response stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    items: Vec<Value>,
}

impl History {
    /// The items that a response was asked with (a JSON array) and those that it said (its object); `None` if
    /// these are not such things.
    #[must_use]
    pub fn read(input: &[u8], response: &[u8]) -> Option<Self> {
        let mut items: Vec<Value> = serde_json::from_slice(input).ok()?;
        let mut response: Map<String, Value> = serde_json::from_slice(response).ok()?;
        let Some(Value::Array(output)) = response.shift_remove("output") else {
            return None;
        };
        items.extend(output.iter().filter_map(native::outgoing));
        Some(Self { items })
    }
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// What it means.
    pub translated: Translated,
    /// What its response repeats.
    pub echo: Echo,
    /// All items that it asks with, those of earlier responses first.
    pub input: Vec<Value>,
    /// Whether the response is to be kept.
    pub store: bool,
    /// Whether it is to come event by event.
    pub is_stream: bool,
}

impl Request {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is no JSON object, or wants what is not offered here at all.
    pub fn read(body: Bytes) -> Result<Self, Invalid> {
        let fields = object::read(&body)?;
        let request = Self { body, fields };
        if let Some(value) = given(&request.fields, "background")
            && flag("background", value)?
        {
            let message = "`background` is not offered here: ask with `stream: true`, or wait";
            return Err(Invalid::at("background", message));
        }
        if given(&request.fields, "conversation").is_some() {
            let message = "`conversation` is not offered here: continue a conversation by \
                           `previous_response_id`, or send all of it as `input`";
            return Err(Invalid::at("conversation", message));
        }
        request.previous()?;
        Ok(request)
    }

    /// The id of the response that this request continues, if it does.
    ///
    /// # Errors
    /// When it is no string, or empty.
    pub fn previous(&self) -> Result<Option<&str>, Invalid> {
        const AT: &str = "previous_response_id";
        let Some(value) = given(&self.fields, AT) else {
            return Ok(None);
        };
        match text(AT, value)? {
            "" => Err(Invalid::at(
                AT,
                "`previous_response_id` is empty; name one, or leave it out",
            )),
            id => Ok(Some(id)),
        }
    }

    /// What the request means, with what the response stands for that it continues, and the client's `headers`
    /// that mean something to a provider. `is_own` knows the ids that were told to this client.
    ///
    /// # Errors
    /// [`Invalid`], naming the client's own field.
    pub fn understand(
        self,
        history: Option<&History>,
        headers: HeaderMap,
        is_own: &dyn Fn(&str) -> bool,
    ) -> Result<Inbound, Invalid> {
        let Self { body, fields } = self;
        let earlier = history.map(|history| history.items.as_slice());
        let mut new = input::items(given(&fields, "input"), earlier.is_some())?;
        owned::items(&mut new, is_own)?;
        let mut meaning = Meaning::default();
        if let Some(model) = fields.get("model") {
            meaning.chat("model", model.clone());
        }
        let mut conversation = Conversation::default();
        if let Some(value) = given(&fields, "instructions") {
            conversation.instruct(text("instructions", value)?);
        }
        for item in earlier.unwrap_or_default() {
            conversation.hear("previous_response_id", item, &mut meaning)?;
        }
        for (place, item) in new.iter().enumerate() {
            let at = match fields.get("input") {
                Some(Value::String(_)) => "input".to_owned(),
                _ => format!("input[{place}]"),
            };
            conversation.hear(&at, item, &mut meaning)?;
        }
        let messages = conversation.messages()?;
        meaning.chat("messages", Value::Array(messages));
        if let Some(value) = given(&fields, "tools") {
            owned::tools(value, is_own)?;
            tools::tools(value, &mut meaning)?;
        }
        for (name, value) in &fields {
            if !value.is_null() {
                field(name, value, &fields, &mut meaning)?;
            }
        }
        let is_stream = meaning.chat.contains_key("stream");
        let store = given(&fields, "store").map(|value| flag("store", value));
        let echo = Echo::of(&fields);
        let native = Native {
            interface: Interface::Responses,
            body: native::body(&without_controls(&body, &fields), earlier, &new),
            headers,
        };
        let mut input: Vec<Value> = earlier.unwrap_or_default().to_vec();
        input.extend(new);
        Ok(Inbound {
            translated: Translated {
                chat: meaning.chat,
                native,
                only: meaning.only,
                apart: meaning.apart,
                advice: vec!["reasoning_effort", "verbosity"],
            },
            echo,
            input,
            store: store.transpose()?.unwrap_or(true),
            is_stream,
        })
    }
}

/// What a request was found to mean so far.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    chat: Map<String, Value>,
    only: Vec<Only>,
    apart: Map<String, Value>,
}

impl Meaning {
    pub(super) fn chat(&mut self, name: &str, value: Value) {
        self.chat.insert(name.to_owned(), value);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.chat.contains_key(name)
    }

    /// Only a provider of this interface has what stands at `param`; everybody else `lacks` it.
    pub(super) fn only(&mut self, param: String, lacks: String) {
        self.only.push(Only { param, lacks });
    }

    /// OpenAI's models answer by what stands at `param`, and others do without.
    pub(super) fn apart(&mut self, param: impl Into<String>, value: Value) {
        self.apart.insert(param.into(), value);
    }

    /// A field that nobody here has heard of.
    pub(super) fn unknown(&mut self, param: &str) {
        self.only(param.to_owned(), "has nothing like it".to_owned());
    }

    /// Whether something was found that a chat request can't say.
    pub(super) fn is_partial(&self) -> bool {
        !self.only.is_empty()
    }
}

/// Reads one field of the request that is not `null`.
fn field(
    name: &str,
    value: &Value,
    fields: &Map<String, Value>,
    meaning: &mut Meaning,
) -> Result<(), Invalid> {
    match name {
        // Read before, or of no influence on an answer.
        "model"
        | "input"
        | "instructions"
        | "tools"
        | "previous_response_id"
        | "background"
        | "store"
        | "service_tier"
        // Which installation asks; sent by OpenAI's own coding agent.
        | "client_metadata"
        | "prompt_cache_key"
        | "prompt_cache_retention"
        | "prompt_cache_options" => {}
        "tool_choice" => tools::choice(value, meaning)?,
        "text" => tools::form(value, meaning)?,
        "parallel_tool_calls" => {
            // Chat servers refuse it where there are no tools.
            if !flag(name, value)? && meaning.has("tools") {
                meaning.chat(name, value.clone());
            }
        }
        "reasoning" => reasoning(value, meaning)?,
        "max_output_tokens" => {
            let most = count(name, value, 1, u64::from(u32::MAX))?;
            meaning.chat("max_tokens", most.into());
        }
        "temperature" | "top_p" => meaning.chat(name, value.clone()),
        "include" => include(value, fields, meaning)?,
        // Says something beside `include` only.
        "top_logprobs" => {
            count(name, value, 0, 20)?;
        }
        "truncation" => match text(name, value)? {
            "disabled" => {}
            "auto" => {
                if !fields.contains_key("trim_messages") {
                    meaning.chat("trim_messages", Value::Bool(true));
                }
            }
            other => {
                let message = format!(
                    "`truncation` is `{}`; it must be auto or disabled",
                    quoted(other)
                );
                return Err(Invalid::at(name, message));
            }
        },
        "metadata" => {
            object(name, value)?;
        }
        "user" | "safety_identifier" => {
            text(name, value)?;
            meaning.chat(name, value.clone());
        }
        "stream" => {
            if flag(name, value)? {
                meaning.chat("stream", Value::Bool(true));
                meaning.chat("stream_options", json!({"include_usage": true}));
            }
        }
        "stream_options" => {
            for (option, value) in object(name, value)? {
                match (option.as_str(), value) {
                    ("include_obfuscation", Value::Bool(_)) | (_, Value::Null) => {}
                    ("include_obfuscation", other) => {
                        let at = "stream_options.include_obfuscation";
                        return Err(wrong(at, "true or false", other));
                    }
                    _ => meaning.unknown(&format!("stream_options.{option}")),
                }
            }
        }
        "prompt" => {
            let lacks = "has no prompts that are kept at OpenAI".to_owned();
            meaning.only(name.to_owned(), lacks);
        }
        "max_tool_calls" => {
            let lacks = "has no built-in tools whose calls could be counted".to_owned();
            meaning.only(name.to_owned(), lacks);
        }
        _ if Controls::is_control_field(name, value) => meaning.chat(name, value.clone()),
        _ => meaning.unknown(name),
    }
    Ok(())
}

fn reasoning(value: &Value, meaning: &mut Meaning) -> Result<(), Invalid> {
    for (name, value) in object("reasoning", value)? {
        let at = format!("reasoning.{name}");
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("effort", value) => {
                text(&at, value)?;
                meaning.chat("reasoning_effort", value.clone());
            }
            // Thoughts are told whenever there are any, in the one form that they have.
            ("summary" | "generate_summary", value) => {
                text(&at, value)?;
            }
            ("mode", Value::String(mode)) if mode == "standard" => {}
            ("context", Value::String(context)) if context == "auto" => {}
            _ => meaning.unknown(&at),
        }
    }
    Ok(())
}

fn include(
    value: &Value,
    fields: &Map<String, Value>,
    meaning: &mut Meaning,
) -> Result<(), Invalid> {
    for (place, value) in list("include", value)?.iter().enumerate() {
        let at = format!("include[{place}]");
        let what = text(&at, value)?;
        if !INCLUDED_IN_VAIN.contains(&what) {
            meaning.unknown(&at);
        }
        if what == LOGPROBS {
            meaning.chat("logprobs", Value::Bool(true));
            let top = given(fields, "top_logprobs");
            let top = top.map_or(Ok(0), |value| count("top_logprobs", value, 0, 20))?;
            if top > 0 {
                meaning.chat("top_logprobs", top.into());
            }
        }
    }
    Ok(())
}
