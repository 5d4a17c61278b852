//! The body of `generateContent` as a chat request.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{
    apart,
    config::config,
    contents::Conversation,
    fields::{Fields, invalid},
    tools,
};
use crate::wire::{
    chat::Invalid,
    controls::Controls,
    native::{self, Interface, Native, Only, Translated},
    object,
};

/// A request of a client of Gemini.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// What it means.
    pub translated: Translated,
    /// Whether thoughts are to be told.
    pub thoughts: bool,
}

/// Reads the body of a request to `model`, which the path names.
///
/// # Errors
/// [`Invalid`], with the field as the client wrote it.
pub fn read(body: &Bytes, model: &str, stream: bool) -> Result<Inbound, Invalid> {
    let fields = object::read(body)?;
    let mut inbound = understand(&fields, "", model, stream)?;
    let ours = |name: &str| {
        name == "model"
            || fields
                .get(name)
                .is_some_and(|value| Controls::is_control_field(name, value))
    };
    inbound.translated.native.body = native::without(body, ours);
    Ok(inbound)
}

/// Reads the body of `countTokens`: `contents` alone, or a whole request.
///
/// # Errors
/// As [`read`].
pub fn read_count(body: &Bytes, model: &str) -> Result<Inbound, Invalid> {
    const WHOLE: [&str; 2] = ["generateContentRequest", "generate_content_request"];
    let fields = object::read(body)?;
    let whole = WHOLE.iter().find_map(|name| fields.get(*name));
    match whole {
        None | Some(Value::Null) => read(body, model, false),
        Some(Value::Object(request)) => {
            if fields.get("contents").is_some_and(|it| !it.is_null()) {
                let rule = "can't be used together with `generateContentRequest`";
                return Err(invalid("contents", rule));
            }
            let mut inbound = understand(request, "generateContentRequest", model, false)?;
            inbound.translated.native.body = Value::Object(request.clone()).to_string().into();
            Ok(inbound)
        }
        Some(_) => Err(invalid("generateContentRequest", "must be an object")),
    }
}

fn understand(
    fields: &Map<String, Value>,
    at: &str,
    model: &str,
    stream: bool,
) -> Result<Inbound, Invalid> {
    let mut only = Vec::new();
    let mut advice = Vec::new();
    let mut chat = Map::from_iter([("model".to_owned(), json!(model))]);
    let is_control = |(name, value): &(&String, &Value)| Controls::is_control_field(name, value);
    let theirs = fields.iter().filter(|field| !is_control(field));
    let apart = apart::apart(Fields::of_object(at, theirs.clone())?)?;
    let mut theirs = Fields::of_object(at, theirs)?;

    let contents_at = theirs.place_of("contents");
    let contents = theirs.list("contents");
    if contents.is_empty() {
        let rule = "is empty; it needs at least one content of the user";
        return Err(invalid(contents_at, rule));
    }
    let instruction = theirs.take("systemInstruction");
    let conversation = Conversation::read(instruction.as_ref(), &contents, &mut only)?;
    if conversation.messages.is_empty() {
        let rule = "says nothing that could be answered";
        return Err(invalid(contents_at, rule));
    }
    chat.insert("messages".to_owned(), Value::Array(conversation.messages));
    if stream {
        chat.insert("stream".to_owned(), json!(true));
        chat.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    let mut thoughts = false;
    if let Some(place) = theirs.take("generationConfig") {
        thoughts = config(&place, &mut chat, &mut only, &mut advice)?.thoughts;
    }
    tools::tools(theirs.list("tools"), &mut chat, &mut only)?;
    if let Some(place) = theirs.take("toolConfig") {
        tools::choice(&place, &mut chat, &mut only)?;
        // There is nothing to choose from but what only Google has.
        if !chat.contains_key("tools") && !only.is_empty() {
            chat.remove("tool_choice");
        }
    }
    let safety = theirs.list("safetySettings");
    if !safety.is_empty() {
        for place in &safety {
            Fields::of(&place.at, place.value)?;
        }
        let settings = safety.iter().map(|place| place.value.clone()).collect();
        chat.insert("safety_settings".to_owned(), Value::Array(settings));
        advice.push("safety_settings");
    }
    if let Some(place) = theirs.take("cachedContent") {
        only.push(Only {
            param: place.at,
            lacks: "has no content that was cached at Google".to_owned(),
        });
    }
    // Names for bills, and hints on how to serve and keep.
    for name in ["model", "labels", "serviceTier", "store"] {
        theirs.take(name);
    }
    only.extend(theirs.rest().map(|place| Only {
        param: place.at,
        lacks: "has nothing like it".to_owned(),
    }));
    let controls = fields.iter().filter(is_control);
    chat.extend(controls.map(|(name, value)| (name.clone(), value.clone())));
    let native = Native {
        interface: Interface::GenerateContent,
        body: Bytes::new(),
        headers: HeaderMap::new(),
    };
    Ok(Inbound {
        translated: Translated {
            chat,
            native,
            only,
            advice,
            apart,
        },
        thoughts,
    })
}

#[cfg(test)]
mod tests;
