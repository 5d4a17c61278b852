//! A request that came in another interface than chat completions, as its client wrote it.
//!
//! What it means is a chat request ([`Translated`]), by which it is told from others, routed, counted and
//! cached. A provider that speaks the same interface gets the client's own words, so that nothing that
//! only the two of them know gets lost. Invariant: what a chat request can't say is named
//! ([`Only`]), so nobody else is asked without it in silence.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, value::RawValue};

use super::{chat::write_json, controls::Controls, strict::TopLevel};

/// An interface beside chat completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interface {
    /// Anthropic's `/v1/messages`.
    Messages,
    /// OpenAI's `/v1/responses`.
    Responses,
    /// Gemini's `models/{model}:generateContent`.
    GenerateContent,
    /// OpenAI's `/v1/completions`.
    Completions,
}

/// The client's own words.
#[derive(Debug, Clone, PartialEq)]
pub struct Native {
    /// The interface that they are of.
    pub interface: Interface,
    /// The body: a JSON object. What is the gateway's own in it was taken out.
    pub body: Bytes,
    /// The client's headers that mean something to a provider of this interface.
    pub headers: HeaderMap,
}

impl Native {
    /// The body for a provider that calls the model `model`: only the value of its field `model` changes, if
    /// it has one.
    #[must_use]
    pub fn body_for(&self, model: &str) -> Bytes {
        let Ok(TopLevel::<&RawValue>(fields)) = serde_json::from_slice(&self.body) else {
            return self.body.clone();
        };
        let is_other = |(name, value): &(String, &RawValue)| {
            name == "model" && serde_json::from_str::<&str>(value.get()).ok() != Some(model)
        };
        if !fields.iter().any(is_other) {
            return self.body.clone();
        }
        let mut bytes = Vec::with_capacity(self.body.len() + model.len());
        super::chat::write_object(&mut bytes, &fields, |out, name, value| match name {
            "model" => write_json(out, model),
            _ => out.extend_from_slice(value.get().as_bytes()),
        });
        bytes.into()
    }

    /// Whether the body has this field. One that is not there, since it is not to be sent, may have any but those
    /// that only chats have.
    pub(super) fn has(&self, field: &str) -> bool {
        if self.body.is_empty() {
            return !field.starts_with("messages") && !field.contains(['.', '[']);
        }
        let fields = serde_json::from_slice::<TopLevel<&RawValue>>(&self.body);
        fields.is_ok_and(|TopLevel(fields)| fields.iter().any(|(name, _)| name == field))
    }
}

/// The bytes of an object without the fields that `goes` takes out: the same bytes where there is none of them.
pub(super) fn without(body: &Bytes, goes: impl Fn(&str) -> bool) -> Bytes {
    let Ok(TopLevel::<&RawValue>(mut fields)) = serde_json::from_slice(body) else {
        return body.clone();
    };
    let all = fields.len();
    fields.retain(|(name, _)| !goes(name));
    if fields.len() == all {
        return body.clone();
    }
    let mut bytes = Vec::with_capacity(body.len());
    super::chat::write_object(&mut bytes, &fields, |out, _, value| {
        out.extend_from_slice(value.get().as_bytes());
    });
    bytes.into()
}

/// The client's words without those to the gateway among its `fields`.
pub(super) fn without_controls(body: &Bytes, fields: &Map<String, Value>) -> Bytes {
    let is_ours = |name: &str| {
        let value = fields.get(name);
        value.is_some_and(|value| Controls::is_control_field(name, value))
    };
    if !fields.keys().any(|name| is_ours(name)) {
        return body.clone();
    }
    without(body, is_ours)
}

/// Something that only providers of the request's own interface can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// The field of the client's request, such as `tools[0].type`.
    pub param: String,
    /// What everybody else lacks, to follow "provider `p` …": "has no built-in tool `web_search`".
    pub lacks: String,
}

/// What a request of another interface means.
#[derive(Debug, Clone, PartialEq)]
pub struct Translated {
    /// The fields of the chat request.
    pub chat: Map<String, Value>,
    /// The client's own words.
    pub native: Native,
    /// What of them a chat request can't say.
    pub only: Vec<Only>,
    /// Fields of the chat request that only advise, such as `reasoning_effort`: a provider that can't follow
    /// them is asked without.
    pub advice: Vec<&'static str>,
    /// What of the client's words shapes the answer of a provider of its interface, though the chat request
    /// does not say it: by the field of the client's request. Requests that differ in it are not the same.
    pub apart: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_of_the_model_changes() {
        let native = |body: &'static str| Native {
            interface: Interface::Messages,
            body: Bytes::from_static(body.as_bytes()),
            headers: HeaderMap::new(),
        };
        let body = "{ \"model\" : \"a\", \"x\": 1.0, \"y\": {\"model\":\"a\"} }";
        assert_eq!(native(body).body_for("a"), body);
        assert_eq!(
            native(body).body_for("b\""),
            r#"{"model":"b\"","x":1.0,"y":{"model":"a"}}"#
        );
        assert_eq!(native("{\"x\": 1}").body_for("b"), "{\"x\": 1}");
    }
}
