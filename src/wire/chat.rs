//! A chat request as a client sends it.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/create> (seen 2026-11). Only what the
//! gateway has to understand is checked: the shape of messages, the documented ranges of numbers.
//! Unknown fields stay as they are. Invariant: [`ChatRequest::body_for`] gives the client's own bytes
//! whenever nothing has to be changed in them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

pub(super) use self::body::write_object;
pub use self::{body::RequestBody, edit::Edit, shorten::Cut};
use super::{
    completions::CONTINUES,
    controls::Controls,
    native::{Interface, Native, Only, Translated},
    object,
};

mod body;
mod check;
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

impl Invalid {
    /// `message` of what is at `param`.
    pub fn at(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            param: Some(param.into()),
        }
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
    origin: Option<Arc<Origin>>,
}

/// Where a request comes from that came in another interface.
#[derive(Debug)]
struct Origin {
    /// `None` once the request is no longer what the client wrote.
    native: Option<Native>,
    interface: Interface,
    only: Vec<Only>,
    advice: Vec<&'static str>,
    apart: Map<String, Value>,
}

impl ChatRequest {
    /// Understands a body, and takes the gateway's own controls out of it and into `controls`.
    ///
    /// # Errors
    /// [`Invalid`], with the field where there is one.
    pub fn parse(raw: Bytes, controls: &mut Controls) -> Result<Self, Invalid> {
        let mut fields = object::read(&raw)?;
        let edited = take_controls(&mut fields, controls)?;
        Self::of(raw, fields, edited, controls)
    }

    /// Understands what a request of another interface means, as [`ChatRequest::parse`] does.
    ///
    /// # Errors
    /// The same.
    pub fn translated(translated: Translated, controls: &mut Controls) -> Result<Self, Invalid> {
        let Translated {
            mut chat,
            native,
            only,
            advice,
            apart,
        } = translated;
        let mut raw = Vec::with_capacity(native.body.len());
        write_json(&mut raw, &chat);
        let edited = take_controls(&mut chat, controls)?;
        let request = Self::of(raw.into(), chat, edited, controls)
            .map_err(|invalid| as_sent(Some(&native), invalid))?;
        let interface = native.interface;
        let origin = Origin {
            native: Some(native),
            interface,
            only,
            advice,
            apart,
        };
        Ok(Self {
            origin: Some(Arc::new(origin)),
            ..request
        })
    }

    fn of(
        raw: Bytes,
        fields: Map<String, Value>,
        edited: bool,
        controls: &Controls,
    ) -> Result<Self, Invalid> {
        let model = match fields.get("model") {
            Some(Value::String(model)) if !model.is_empty() => model.clone(),
            None | Some(Value::Null) => {
                return Err(Invalid::at("model", "you must provide a `model`"));
            }
            Some(other) => return Err(wrong_type("model", "a non-empty string", other)),
        };
        check::numbers(&fields)?;
        check::messages(&fields)?;
        let delivery = delivery(&fields)?;
        Ok(Self {
            raw,
            fields,
            edited,
            model,
            delivery,
            drops_unsupported: controls.drop_unsupported == Some(true),
            origin: None,
        })
    }

    /// The interface that it came in, if not as a chat request.
    #[must_use]
    pub fn interface(&self) -> Option<Interface> {
        Some(self.origin.as_ref()?.interface)
    }

    /// Whether a text is to be gone on with ([`Inbound::continued`](super::completions::Inbound::continued)): the
    /// messages are no chat, and only who has completions can be asked.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.interface() == Some(Interface::Completions) && self.fields.contains_key(CONTINUES)
    }

    /// The client's own words in that interface, if all of them are still asked.
    #[must_use]
    pub fn native(&self) -> Option<&Native> {
        self.origin.as_ref()?.native.as_ref()
    }

    /// What of the client's words this chat request does not say.
    #[must_use]
    pub fn only_native(&self) -> &[Only] {
        self.origin.as_ref().map_or(&[], |origin| &origin.only)
    }

    /// What shapes the answer of a provider that gets the client's own words, and is in no field of this request.
    #[must_use]
    pub fn apart(&self) -> Option<&Map<String, Value>> {
        let origin = self.origin.as_ref()?;
        (!origin.apart.is_empty()).then_some(&origin.apart)
    }

    /// Fields that only advise: they may be left out where they can't be followed.
    #[must_use]
    pub fn advice(&self) -> &[&'static str] {
        self.origin.as_ref().map_or(&[], |origin| &origin.advice)
    }

    /// What is wrong with the chat request, for a client that may have sent another: its field is named only where
    /// the client's words have it, too.
    #[must_use]
    pub fn as_sent(&self, invalid: Invalid) -> Invalid {
        match &self.origin {
            None => invalid,
            Some(origin) => as_sent(origin.native.as_ref(), invalid),
        }
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

fn as_sent(native: Option<&Native>, invalid: Invalid) -> Invalid {
    // Deeper down, the same name may stand for something else.
    let is_there = |param: &str| native.is_some_and(|native| native.has(param));
    match invalid.param {
        Some(param) if !is_there(&param) => Invalid {
            message: format!("as a chat request, {}", invalid.message),
            param: None,
        },
        param => Invalid { param, ..invalid },
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

/// Takes the gateway's own controls out of a body and puts them over those of the headers; says whether there were any.
pub(super) fn take_controls(
    fields: &mut Map<String, Value>,
    controls: &mut Controls,
) -> Result<bool, Invalid> {
    let named = |error: super::controls::InvalidControl| Invalid::at(error.name, error.message);
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
    Invalid::at(
        at,
        format!("invalid type for `{at}`: expected {wanted}, but got {got}"),
    )
}

#[cfg(test)]
mod tests;
