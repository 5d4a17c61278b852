//! The operations of OpenAI's interface that are handed on as they are, and what has to be known of their requests.
//!
//! Sources: <https://platform.openai.com/docs/api-reference> (moderations, audio, images; seen 2026-11),
//! <https://jina.ai/reranker> and <https://docs.cohere.com/reference/rerank> (rerank, seen 2026-11). Invariant: a
//! path that is none of these is no operation, so nothing of a client's path is ever sent on.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{chat::Invalid, object};

/// What may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Says whether a text or an image is harmful.
    Moderations,
    /// Reads a text aloud.
    Speech,
    /// Writes down what is said.
    Transcriptions,
    /// Writes down in English what is said.
    Translations,
    /// Makes images of a text.
    Generations,
    /// Changes images.
    Edits,
    /// Makes images like another one.
    Variations,
    /// Orders documents by how well they answer a question.
    Rerank,
}

/// Operations that go to the same provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `/moderations`.
    Moderations,
    /// All below `/audio`.
    Audio,
    /// All below `/images`.
    Images,
    /// `/rerank`.
    Rerank,
}

impl Family {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Moderations, Self::Audio, Self::Images, Self::Rerank];

    /// Its key in the configuration, the first segment of its paths.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moderations => "moderations",
            Self::Audio => "audio",
            Self::Images => "images",
            Self::Rerank => "rerank",
        }
    }
}

/// How the request of an operation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON that has these fields.
    Json(&'static [&'static str]),
    /// `multipart/form-data` with a file in a part of one of these names.
    Multipart(&'static [&'static str]),
    /// Either of the two.
    Both(&'static [&'static str], &'static [&'static str]),
}

impl Operation {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 8] = [
        Self::Moderations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::Generations,
        Self::Edits,
        Self::Variations,
        Self::Rerank,
    ];

    /// The operation of this path, with or without `/v1`.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        Self::ALL.into_iter().find(|one| one.path() == path)
    }

    /// Its path below `/v1`.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Moderations => "/moderations",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
            Self::Generations => "/images/generations",
            Self::Edits => "/images/edits",
            Self::Variations => "/images/variations",
            Self::Rerank => "/rerank",
        }
    }

    /// What of its path is behind that of its family: `/speech`, or nothing.
    #[must_use]
    pub fn below_family(self) -> &'static str {
        let path = self.path();
        path.get(1 + self.family().as_str().len()..)
            .unwrap_or_default()
    }

    /// What it belongs to.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::Moderations => Family::Moderations,
            Self::Speech | Self::Transcriptions | Self::Translations => Family::Audio,
            Self::Generations | Self::Edits | Self::Variations => Family::Images,
            Self::Rerank => Family::Rerank,
        }
    }

    /// How its requests are written.
    #[must_use]
    pub fn form(self) -> Form {
        const IMAGES: &[&str] = &["image", "image[]"];
        match self {
            Self::Moderations => Form::Json(&["input"]),
            Self::Speech => Form::Json(&["model", "input"]),
            Self::Transcriptions | Self::Translations => Form::Multipart(&["file"]),
            Self::Generations => Form::Json(&["prompt"]),
            Self::Edits => Form::Both(&["prompt"], IMAGES),
            Self::Variations => Form::Multipart(IMAGES),
            Self::Rerank => Form::Json(&["query", "documents"]),
        }
    }
}

/// A request in JSON, of which only what is needed is understood.
#[derive(Debug, Clone)]
pub struct JsonRequest {
    raw: Bytes,
    fields: Map<String, Value>,
    model: Option<String>,
}

impl JsonRequest {
    /// Reads a body that has to have the fields `required`, and may have a `model`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn parse(raw: Bytes, required: &[&str]) -> Result<Self, Invalid> {
        let fields = object::read(&raw)?;
        let invalid = |param: &str, message: String| Invalid {
            message,
            param: Some(param.to_owned()),
        };
        for name in required {
            let is_there = fields.get(*name).is_some_and(|value| match value {
                Value::Null => false,
                Value::String(text) => !text.is_empty(),
                Value::Array(list) => !list.is_empty(),
                Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
            });
            if !is_there {
                let message = format!("you must provide `{name}`, and it must not be empty");
                return Err(invalid(name, message));
            }
        }
        let model = match fields.get("model") {
            None | Some(Value::Null) => None,
            Some(Value::String(model)) if !model.is_empty() => Some(model.clone()),
            Some(_) => return Err(invalid("model", "`model` must be a text".to_owned())),
        };
        Ok(Self { raw, fields, model })
    }

    /// The model as the client calls it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> usize {
        self.raw.len()
    }

    /// The body for a provider that calls the model `model`; the client's own bytes if they can stay.
    #[must_use]
    pub fn body_for(&self, model: Option<&str>) -> Bytes {
        match model {
            Some(model) if self.model.as_deref() != Some(model) => {
                let mut fields = self.fields.clone();
                fields.insert("model".to_owned(), json!(model));
                Value::Object(fields).to_string().into()
            }
            Some(_) | None => self.raw.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_paths_are_operations() {
        for operation in Operation::ALL {
            let path = operation.path();
            assert_eq!(Operation::of(path), Some(operation));
            assert_eq!(Operation::of(&format!("/v1{path}")), Some(operation));
            let family = operation.family();
            assert_eq!(
                path,
                format!("/{}{}", family.as_str(), operation.below_family())
            );
            for other in [
                format!("{path}/"),
                format!("{path}x"),
                format!("/v1/v1{path}"),
                path.to_uppercase(),
            ] {
                assert_eq!(Operation::of(&other), None, "{other}");
            }
        }
        for path in [
            "",
            "/",
            "/v1",
            "/audio",
            "/images/",
            "/audio/../moderations",
        ] {
            assert_eq!(Operation::of(path), None, "{path}");
        }
    }

    fn parse(body: &str, required: &[&str]) -> Result<JsonRequest, Option<String>> {
        JsonRequest::parse(Bytes::copy_from_slice(body.as_bytes()), required)
            .map_err(|invalid| invalid.param)
    }

    #[test]
    fn what_is_needed_has_to_be_there() {
        for (body, param) in [
            ("", None),
            ("[]", None),
            (r#"{"input":1,"input":2}"#, None),
            ("{}", Some("input")),
            (r#"{"input":null}"#, Some("input")),
            (r#"{"input":""}"#, Some("input")),
            (r#"{"input":[]}"#, Some("input")),
            (r#"{"input":"a","model":""}"#, Some("model")),
            (r#"{"input":"a","model":7}"#, Some("model")),
        ] {
            let found = parse(body, &["input"]).unwrap_err();
            assert_eq!(found.as_deref(), param, "{body}");
        }
        assert_eq!(
            parse(r#"{"input":[[1]]}"#, &["input"]).unwrap().model(),
            None
        );
    }

    #[test]
    fn the_bytes_stay_unless_the_model_has_another_name() {
        let body = r#"{ "model": "main/tts", "speed": 1.50, "input": "a" }"#;
        let request = parse(body, &["model", "input"]).unwrap();
        assert_eq!(request.model(), Some("main/tts"));
        assert_eq!(request.body_for(Some("main/tts")), body);
        assert_eq!(request.body_for(None), body);
        let sent: Value = serde_json::from_slice(&request.body_for(Some("tts"))).unwrap();
        assert_eq!(sent, json!({"model": "tts", "speed": 1.5, "input": "a"}));
    }
}
