//! `generationConfig` as fields of a chat request.
//!
//! Source: `GenerationConfig` at <https://ai.google.dev/api/generate-content> (seen 2026-11).

use serde_json::{Map, Value, json};

use super::{
    fields::{Fields, Place, invalid},
    schema::json_schema,
};
use crate::wire::{chat::Invalid, native::Only};

/// What is read of it besides the fields of the chat request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// Whether thoughts are to be told.
    pub(super) thoughts: bool,
}

/// Reads `generationConfig`.
pub(super) fn config(
    place: &Place<'_>,
    chat: &mut Map<String, Value>,
    only: &mut Vec<Only>,
    advice: &mut Vec<&'static str>,
) -> Result<Told, Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    let mut put = |name: &str, value: Value| {
        chat.insert(name.to_owned(), value);
    };
    let copies = [
        ("temperature", "temperature", 0.0, 2.0),
        ("topP", "top_p", 0.0, 1.0),
        ("presencePenalty", "presence_penalty", -2.0, 2.0),
        ("frequencyPenalty", "frequency_penalty", -2.0, 2.0),
    ];
    for (theirs, ours, least, most) in copies {
        if let Some(number) = fields.number(theirs, least, most)? {
            let is_penalty = ours.ends_with("penalty");
            if !is_penalty || number.as_f64() != Some(0.0) {
                put(ours, number.clone());
            }
        }
    }
    if let Some(most) = fields.whole("maxOutputTokens", 1, i32::MAX.into())? {
        put("max_tokens", json!(most));
    }
    if let Some(seed) = fields.whole("seed", i64::MIN, i64::MAX)? {
        put("seed", json!(seed));
    }
    if let Some(top_k) = top_k(&mut fields)? {
        put("top_k", json!(top_k));
        advice.push("top_k");
    }
    if let Some(choices) = fields.whole("candidateCount", 1, 8)?
        && choices > 1
    {
        put("n", json!(choices));
    }
    let stop = fields.list("stopSequences");
    let stop: Result<Vec<&str>, _> = stop.iter().map(Place::text).collect();
    let mut stop = stop?;
    stop.retain(|text| !text.is_empty());
    if !stop.is_empty() {
        put("stop", json!(stop));
    }
    logprobs(&mut fields, &mut put)?;
    if let Some(format) = format(&mut fields, only)? {
        put("response_format", format);
    }
    if let Some(word) = fields.text("mediaResolution")? {
        let word = word.trim_start_matches("MEDIA_RESOLUTION_");
        if !matches!(word, "UNSPECIFIED" | "") {
            put("media_resolution", json!(word.to_ascii_lowercase()));
            advice.push("media_resolution");
        }
    }
    let mut told = Told::default();
    if let Some(place) = fields.take("thinkingConfig") {
        let (effort, thoughts) = thinking(&place, only)?;
        told.thoughts = thoughts;
        if let Some(effort) = effort {
            put("reasoning_effort", json!(effort));
            advice.push("reasoning_effort");
        }
    }
    for place in fields.list("responseModalities") {
        if !matches!(place.text()?, "TEXT" | "MODALITY_UNSPECIFIED") {
            only.push(Only {
                param: place.at,
                lacks: "answers in text only".to_owned(),
            });
        }
    }
    // A switch that is off asks for nothing.
    let asking = fields
        .rest()
        .filter(|place| *place.value != Value::Bool(false));
    only.extend(asking.map(|place| Only {
        param: place.at,
        lacks: "has nothing like it".to_owned(),
    }));
    Ok(told)
}

/// `topK` is a floating number in some of Google's clients.
fn top_k(fields: &mut Fields<'_>) -> Result<Option<u64>, Invalid> {
    let top_k = fields.whole("topK", 0, i32::MAX.into())?;
    Ok(top_k
        .and_then(|top_k| u64::try_from(top_k).ok())
        .filter(|top_k| *top_k > 0))
}

fn logprobs(fields: &mut Fields<'_>, put: &mut impl FnMut(&str, Value)) -> Result<(), Invalid> {
    let wanted = fields.flag("responseLogprobs")?.unwrap_or(false);
    let at = fields.place_of("logprobs");
    let others = fields
        .whole("logprobs", 0, 20)?
        .filter(|others| *others > 0);
    if wanted {
        put("logprobs", json!(true));
    }
    match others {
        Some(_) if !wanted => Err(invalid(at, "needs `responseLogprobs: true`")),
        Some(others) => {
            put("top_logprobs", json!(others));
            Ok(())
        }
        None => Ok(()),
    }
}

fn format(fields: &mut Fields<'_>, only: &mut Vec<Only>) -> Result<Option<Value>, Invalid> {
    let (at, kind) = fields.text_at("responseMimeType")?;
    let kind = kind.unwrap_or_default();
    let openapi = fields.take("responseSchema");
    let json = fields.take("responseJsonSchema");
    let schema = match (openapi, json) {
        (Some(_), Some(both)) => {
            return Err(invalid(
                both.at,
                "can't be used together with `responseSchema`",
            ));
        }
        (Some(schema), None) => Some((json_schema(&schema)?, schema.at)),
        (None, Some(Place { at, value })) => {
            let schema = value.as_object().cloned();
            let rule = "must be a JSON Schema, which is an object";
            Some((schema.ok_or_else(|| invalid(&*at, rule))?, at))
        }
        (None, None) => None,
    };
    match (kind, schema) {
        ("" | "text/plain", None) => Ok(None),
        ("application/json", None) => Ok(Some(json!({"type": "json_object"}))),
        ("application/json", Some((schema, _))) => Ok(Some(json!({
            "type": "json_schema", "json_schema": {"name": "response", "schema": schema},
        }))),
        ("" | "text/plain", Some((_, at))) => {
            let rule = "needs `responseMimeType` to be `application/json`";
            Err(invalid(at, rule))
        }
        (_, _) => {
            only.push(Only {
                param: at,
                lacks: "answers in text or JSON only".to_owned(),
            });
            Ok(None)
        }
    }
}

/// How hard to think, in OpenAI's words, and whether thoughts are to be told. Budgets become words as in
/// Google's own chat interface: <https://ai.google.dev/gemini-api/docs/openai> (seen 2026-11).
fn thinking(place: &Place<'_>, only: &mut Vec<Only>) -> Result<(Option<String>, bool), Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    let thoughts = fields.flag("includeThoughts")?.unwrap_or(false);
    let budget = fields.whole("thinkingBudget", -1, i32::MAX.into())?;
    let (at, level) = fields.text_at("thinkingLevel")?;
    let level = level.unwrap_or_default().to_ascii_lowercase();
    only.extend(fields.rest().map(|place| Only {
        param: place.at,
        lacks: "has nothing like it".to_owned(),
    }));
    let of_level = match level.as_str() {
        "" | "thinking_level_unspecified" => None,
        "minimal" | "low" | "medium" | "high" | "xhigh" => Some(level),
        _ => return Err(invalid(at, "must be MINIMAL, LOW, MEDIUM, HIGH or XHIGH")),
    };
    let of_budget = match budget {
        // As hard as the model likes.
        None | Some(i64::MIN..=-1) => None,
        Some(0) => Some("none"),
        Some(1..=1_024) => Some("low"),
        Some(1_025..=8_192) => Some("medium"),
        Some(8_193..) => Some("high"),
    };
    Ok((of_level.or_else(|| of_budget.map(str::to_owned)), thoughts))
}
