//! Parts that are no calls: texts, and data inline or at an address.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value, json};

use super::fields::{Fields, Place, invalid};
use crate::wire::{chat::Invalid, native::Only};

/// Base64 of the standard alphabet, with or without padding.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Fields of parts that say nothing to a model, or only how closely to look.
const ABOUT: [&str; 2] = ["partMetadata", "mediaResolution"];

/// What one part says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) what: What,
    /// `thoughtSignature`.
    pub(super) signature: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Text(String),
    Thought(String),
    /// A part of a chat message.
    Data(Value),
    Call {
        at: String,
        id: Option<String>,
        name: String,
        /// JSON.
        arguments: String,
    },
    Response {
        at: String,
        id: Option<String>,
        name: String,
        /// The content of a chat message.
        content: Value,
    },
    /// Nothing that a chat request could say.
    Nothing,
}

/// Reads one part; `only` takes what a chat request can't say.
pub(super) fn part(place: &Place<'_>, only: &mut Vec<Only>) -> Result<Said, Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    let signature = fields.text("thoughtSignature")?;
    let signature = signature.filter(|text| !text.is_empty()).map(str::to_owned);
    let is_thought = fields.flag("thought")?.unwrap_or(false);
    let text = fields.text("text")?;
    let data = fields.take("inlineData");
    let file = fields.take("fileData");
    let call = fields.take("functionCall");
    let response = fields.take("functionResponse");
    let kinds = [&data, &file, &call, &response];
    let kinds = kinds.iter().filter(|kind| kind.is_some()).count() + usize::from(text.is_some());
    if kinds > 1 {
        let rule = "must hold one of `text`, `inlineData`, `fileData`, `functionCall` and \
                    `functionResponse`, not several";
        return Err(invalid(&*place.at, rule));
    }
    for name in ABOUT {
        fields.take(name);
    }
    let rest: Vec<Place<'_>> = fields.rest().collect();
    if kinds == 0 && rest.is_empty() && signature.is_none() {
        let rule = "is empty; it needs a `text`, `inlineData`, `fileData`, `functionCall` or \
                    `functionResponse`";
        return Err(invalid(&*place.at, rule));
    }
    only.extend(rest.into_iter().map(|place| Only {
        param: place.at,
        lacks: "has no such kind of content".to_owned(),
    }));
    let what = match (text, data, file, call, response) {
        (Some(text), ..) if is_thought => What::Thought(text.to_owned()),
        (Some(text), ..) => What::Text(text.to_owned()),
        (_, Some(data), ..) => What::Data(inline(&data, only)?),
        (_, _, Some(file), ..) => What::Data(at_an_address(&file, only)?),
        (_, _, _, Some(call), _) => read_call(&call, only)?,
        (_, _, _, _, Some(response)) => read_response(&response, only)?,
        (None, None, None, None, None) => What::Nothing,
    };
    Ok(Said { what, signature })
}

fn carry_rest(fields: Fields<'_>, only: &mut Vec<Only>) {
    only.extend(fields.rest().map(|place| Only {
        param: place.at,
        lacks: "has nothing like it".to_owned(),
    }));
}

/// A chat part of data in the request.
fn inline(place: &Place<'_>, only: &mut Vec<Only>) -> Result<Value, Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    let data = fields
        .take("data")
        .map(|place| base64(&place))
        .transpose()?;
    let at = fields.place_of("data");
    let data = data.ok_or_else(|| invalid(at, "is missing; it is the data in base64"))?;
    let kind = media_type(&mut fields)?;
    let name = fields.text("displayName")?;
    carry_rest(fields, only);
    Ok(match kind.as_str() {
        "audio/wav" | "audio/x-wav" | "audio/wave" => sound(&data, "wav"),
        "audio/mp3" | "audio/mpeg" => sound(&data, "mp3"),
        _ => {
            let url = format!("data:{kind};base64,{data}");
            if kind.starts_with("image/") {
                json!({"type": "image_url", "image_url": {"url": url}})
            } else {
                let mut file = Map::from_iter([("file_data".to_owned(), json!(url))]);
                file.extend(name.map(|name| ("filename".to_owned(), json!(name))));
                json!({"type": "file", "file": file})
            }
        }
    })
}

fn sound(data: &str, format: &str) -> Value {
    json!({"type": "input_audio", "input_audio": {"data": data, "format": format}})
}

/// A chat part of data elsewhere. Files at Google can be read by nobody else.
fn at_an_address(place: &Place<'_>, only: &mut Vec<Only>) -> Result<Value, Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    let (at, address) = fields.text_at("fileUri")?;
    let address = address.filter(|text| !text.is_empty());
    let address = address.ok_or_else(|| invalid(&*at, "is missing; it is an address"))?;
    let kind = fields.text("mimeType")?.unwrap_or_default();
    fields.take("displayName");
    carry_rest(fields, only);
    let lower = address.to_ascii_lowercase();
    let is_public = lower.starts_with("https://") || lower.starts_with("http://");
    let is_google = lower.contains("://generativelanguage.googleapis.com/");
    if kind.starts_with("image/") && is_public && !is_google {
        return Ok(json!({"type": "image_url", "image_url": {"url": address}}));
    }
    only.push(Only {
        param: at,
        lacks: "can't read files at Google's or other addresses, but for images".to_owned(),
    });
    Ok(json!({"type": "file", "file": {"file_id": address}}))
}

fn media_type(fields: &mut Fields<'_>) -> Result<String, Invalid> {
    let (at, kind) = fields.text_at("mimeType")?;
    let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
    let fits = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b",;/\"\\".contains(&b))
    };
    // Of parameters, such as `codecs`, nobody else knows anything.
    let essence = kind.split(';').next().unwrap_or_default().trim_end();
    match essence.split_once('/') {
        Some((group, kind)) if fits(group) && fits(kind) => Ok(essence.to_owned()),
        _ => Err(invalid(at, "must be a media type, such as `image/png`")),
    }
}

/// Base64 of the standard alphabet: Google's clients write the one for URLs.
fn base64(place: &Place<'_>) -> Result<String, Invalid> {
    let text = place.text()?;
    let mut data: String = text
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            letter => letter,
        })
        .collect();
    if !FORGIVING.decode(&data).is_ok_and(|bytes| !bytes.is_empty()) {
        return Err(invalid(&*place.at, "can't be read as base64, or is empty"));
    }
    while !data.len().is_multiple_of(4) {
        data.push('=');
    }
    Ok(data)
}

fn name(fields: &mut Fields<'_>) -> Result<String, Invalid> {
    let at = fields.place_of("name");
    let name = fields.text("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid(at, "is missing; it is the name of a function"))?;
    Ok(name.to_owned())
}

fn id(fields: &mut Fields<'_>) -> Result<Option<String>, Invalid> {
    let id = fields.text("id")?.filter(|id| !id.is_empty());
    Ok(id.map(str::to_owned))
}

fn object(fields: &mut Fields<'_>, name: &str) -> Result<Map<String, Value>, Invalid> {
    match fields.take(name) {
        None => Ok(Map::new()),
        Some(Place {
            value: Value::Object(object),
            ..
        }) => Ok(object.clone()),
        Some(Place { at, .. }) => Err(invalid(at, "must be an object")),
    }
}

fn read_call(place: &Place<'_>, only: &mut Vec<Only>) -> Result<What, Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    let call = What::Call {
        at: place.at.clone(),
        id: id(&mut fields)?,
        name: name(&mut fields)?,
        arguments: Value::Object(object(&mut fields, "args")?).to_string(),
    };
    carry_rest(fields, only);
    Ok(call)
}

fn read_response(place: &Place<'_>, only: &mut Vec<Only>) -> Result<What, Invalid> {
    let mut fields = Fields::of(&place.at, place.value)?;
    let id = id(&mut fields)?;
    let name = name(&mut fields)?;
    let text = told(object(&mut fields, "response")?);
    let mut data = Vec::new();
    for place in fields.list("parts") {
        match part(&place, only)?.what {
            What::Data(part) => data.push(part),
            What::Nothing => {}
            What::Text(_) | What::Thought(_) | What::Call { .. } | What::Response { .. } => {
                return Err(invalid(place.at, "must hold `inlineData` or `fileData`"));
            }
        }
    }
    carry_rest(fields, only);
    let content = if data.is_empty() {
        json!(text)
    } else {
        data.insert(0, json!({"type": "text", "text": text}));
        Value::Array(data)
    };
    Ok(What::Response {
        at: place.at.clone(),
        id,
        name,
        content,
    })
}

/// What a tool gave back, as text: the one text under `result` or `output`, else all of it as JSON.
fn told(response: Map<String, Value>) -> String {
    if response.len() == 1 {
        for name in ["result", "output"] {
            if let Some(Value::String(text)) = response.get(name) {
                return text.clone();
            }
        }
    }
    Value::Object(response).to_string()
}
