//! The content of an item, as the parts of a message.

use serde_json::{Map, Value, json};

use crate::wire::{
    chat::Invalid,
    responses::{
        request::Meaning,
        typed::{given, needed, object, quoted, text, wrong},
    },
};

/// The parts of `content`: a text is one of them.
pub(super) fn parts(
    at: &str,
    content: &Value,
    is_assistant: bool,
    meaning: &mut Meaning,
) -> Result<Vec<Value>, Invalid> {
    if let Value::String(text) = content {
        return Ok(vec![json!({"type": "text", "text": text})]);
    }
    let Value::Array(list) = content else {
        return Err(wrong(at, "a string or an array of parts", content));
    };
    if list.is_empty() && !is_assistant {
        let message = format!("`{at}` is an empty array; send at least one part");
        return Err(Invalid::at(at, message));
    }
    let mut parts = Vec::with_capacity(list.len());
    for (place, value) in list.iter().enumerate() {
        let at = format!("{at}[{place}]");
        parts.extend(part(&at, object(&at, value)?, is_assistant, meaning)?);
    }
    Ok(parts)
}

/// One part; `None` for what only a provider of this interface can read.
fn part(
    at: &str,
    fields: &Map<String, Value>,
    is_assistant: bool,
    meaning: &mut Meaning,
) -> Result<Option<Value>, Invalid> {
    let kind = needed(fields, at, "type")?;
    let (part, known): (_, &[&str]) = match kind {
        "input_text" | "output_text" => {
            // What is said of an answer's text is for who reads it.
            let text = needed(fields, at, "text")?;
            let part = json!({"type": "text", "text": text});
            (Some(part), &["text", "annotations", "logprobs"])
        }
        "refusal" if is_assistant => {
            let refusal = needed(fields, at, "refusal")?;
            (
                Some(json!({"type": "refusal", "refusal": refusal})),
                &["refusal"],
            )
        }
        "input_image" => (
            image(at, fields, meaning)?,
            &["image_url", "file_id", "detail"],
        ),
        "input_file" => (
            Some(file(at, fields, meaning)?),
            &["file_data", "file_id", "file_url", "filename", "detail"],
        ),
        "input_audio" => {
            let Some(audio) = given(fields, "input_audio") else {
                let message = format!("`{at}` has no `input_audio`, an object");
                return Err(Invalid::at(format!("{at}.input_audio"), message));
            };
            object(&format!("{at}.input_audio"), audio)?;
            let part = json!({"type": "input_audio", "input_audio": audio});
            (Some(part), &["input_audio"])
        }
        "text" | "image_url" | "file" => {
            let place = format!("{at}.type");
            let message = format!(
                "`{place}` is `{kind}`; in this interface it is input_text, input_image, \
                 input_file or, of the assistant, output_text"
            );
            return Err(Invalid::at(place, message));
        }
        kind => {
            let lacks = format!("has no content of type `{}`", quoted(kind));
            meaning.only(format!("{at}.type"), lacks);
            return Ok(None);
        }
    };
    for (name, value) in fields {
        let is_hint = matches!(name.as_str(), "type" | "prompt_cache_breakpoint");
        if !(is_hint || value.is_null() || known.contains(&name.as_str())) {
            meaning.unknown(&format!("{at}.{name}"));
        }
    }
    Ok(part)
}

fn image(
    at: &str,
    fields: &Map<String, Value>,
    meaning: &mut Meaning,
) -> Result<Option<Value>, Invalid> {
    let place = format!("{at}.image_url");
    let Some(url) = given(fields, "image_url") else {
        if given(fields, "file_id").is_none() {
            let message = format!("`{at}` needs an `image_url` (https, or a data URL)");
            return Err(Invalid::at(place, message));
        }
        let lacks = "has no files that were uploaded to OpenAI; send a data URL".to_owned();
        meaning.only(format!("{at}.file_id"), lacks);
        return Ok(None);
    };
    let url = text(&place, url)?;
    if given(fields, "file_id").is_some() {
        let lacks = "takes one picture for a part".to_owned();
        meaning.only(format!("{at}.file_id"), lacks);
    }
    let scheme = url
        .split_once(':')
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("https" | "http" | "data" | "gs")) {
        let message = format!("`{place}` must be an https address or a data URL");
        return Err(Invalid::at(place, message));
    }
    let mut image = Map::from_iter([("url".to_owned(), url.into())]);
    if let Some(detail) = given(fields, "detail") {
        let place = format!("{at}.detail");
        match text(&place, detail)? {
            // What is meant where nothing is said.
            "auto" => {}
            "low" | "high" => {
                image.insert("detail".into(), detail.clone());
            }
            other => {
                let lacks = format!("has no such detail as `{}`", quoted(other));
                meaning.only(place, lacks);
            }
        }
    }
    Ok(Some(json!({"type": "image_url", "image_url": image})))
}

fn file(at: &str, fields: &Map<String, Value>, meaning: &mut Meaning) -> Result<Value, Invalid> {
    let mut file = Map::new();
    if let Some(detail) = given(fields, "detail").filter(|detail| *detail != "auto") {
        meaning.apart(format!("{at}.detail"), detail.clone());
    }
    let sources = [
        ("file_data", "file_data"),
        // An address has no field of its own in chat.
        ("file_url", "file_id"),
        ("file_id", "file_id"),
    ];
    for (theirs, chat) in sources {
        if let Some(value) = given(fields, theirs) {
            text(&format!("{at}.{theirs}"), value)?;
            file.entry(chat).or_insert_with(|| value.clone());
        }
    }
    if file.is_empty() {
        let message = format!("`{at}` needs `file_data` (a data URL), `file_url` or `file_id`");
        return Err(Invalid::at(at, message));
    }
    if let Some(name) = given(fields, "filename") {
        text(&format!("{at}.filename"), name)?;
        file.insert("filename".into(), name.clone());
    }
    Ok(json!({"type": "file", "file": file}))
}
