//! What Gemini's models answer by, and a chat request does not say.
//!
//! Invariant: two requests that differ in such a thing are not taken for the same, though they are one chat request.

use serde_json::{Map, Value, json};

use super::fields::{Fields, Place};
use crate::wire::chat::Invalid;

/// What there is of it in a request, by its place.
///
/// # Errors
/// [`Invalid`] if something in it is no object, or has a field in both ways to write it.
pub(super) fn apart(mut request: Fields<'_>) -> Result<Map<String, Value>, Invalid> {
    let mut apart = Apart::default();
    for place in request.list("contents") {
        apart.content(&place)?;
    }
    for place in request.list("tools") {
        for place in object(&place)?.list("functionDeclarations") {
            let mut declaration = object(&place)?;
            for name in ["response", "responseJsonSchema"] {
                apart.keep(declaration.take(name));
            }
        }
    }
    if let Some(place) = request.take("toolConfig")
        && let Some(place) = object(&place)?.take("functionCallingConfig")
    {
        let mode = object(&place)?.take("mode");
        let is_checked = |mode: &str| mode.eq_ignore_ascii_case("VALIDATED");
        apart.keep(mode.filter(|place| place.value.as_str().is_some_and(is_checked)));
    }
    if let Some(place) = request.take("generationConfig")
        && let Some(place) = object(&place)?.take("thinkingConfig")
    {
        // None at all is what chat's word means, too; the other words are for many numbers.
        let budget = object(&place)?.take("thinkingBudget");
        apart.keep(budget.filter(|place| super::fields::whole(place.value) != Some(0)));
    }
    Ok(apart.0)
}

#[derive(Debug, Default)]
struct Apart(Map<String, Value>);

impl Apart {
    fn keep(&mut self, place: Option<Place<'_>>) {
        if let Some(Place { at, value }) = place {
            self.0.insert(at, value.clone());
        }
    }

    fn content(&mut self, place: &Place<'_>) -> Result<(), Invalid> {
        let parts = object(place)?.list("parts");
        let last = parts.len().saturating_sub(1);
        let mut has_call = false;
        for (number, place) in parts.into_iter().enumerate() {
            let mut fields = object(&place)?;
            self.keep(fields.take("mediaResolution"));
            let is_call = fields.take("functionCall").is_some();
            if has_call && !is_call {
                // A chat's message has its calls at the end.
                self.0.insert(place.at.clone(), json!("behind a call"));
            }
            has_call |= is_call;
            // Of a text's seals, a chat's message has that of the last.
            let seal = fields.take("thoughtSignature");
            self.keep(seal.filter(|_| !is_call && number != last));
            for name in ["inlineData", "fileData"] {
                if let Some(data) = fields.take(name) {
                    self.data(&data)?;
                }
            }
            if let Some(place) = fields.take("functionResponse") {
                for place in object(&place)?.list("parts") {
                    if let Some(data) = object(&place)?.take("inlineData") {
                        self.data(&data)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The name by which other parts speak of it, and how sound is coded.
    fn data(&mut self, place: &Place<'_>) -> Result<(), Invalid> {
        let mut fields = object(place)?;
        let kind = fields.take("mimeType");
        let says = |what: fn(&str) -> bool| {
            let kind = kind.as_ref().and_then(|place| place.value.as_str());
            kind.is_some_and(what)
        };
        // Those of other files are in the chat request.
        if says(|kind| kind.starts_with("image/") || kind.starts_with("audio/")) {
            self.keep(fields.take("displayName"));
        }
        if says(|kind| kind.contains(';')) {
            self.keep(kind);
        }
        Ok(())
    }
}

fn object<'v>(place: &Place<'v>) -> Result<Fields<'v>, Invalid> {
    Fields::of(&place.at, place.value)
}
