//! `POST /v1/embeddings`, asked and answered.
//!
//! Source: <https://platform.openai.com/docs/api-reference/embeddings/create> (seen 2026-11).

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{chat::Invalid, object};
use crate::units::Tokens;

/// The most texts of one request.
const MOST_INPUTS: usize = 2048;

/// What is to be embedded; not empty, and no item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Texts.
    Texts(Vec<String>),
    /// So many texts as numbers of tokens, which only who made the tokens can read.
    Tokens(usize),
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorFormat {
    /// As a list of numbers.
    Float,
    /// As base64 of 32-bit floats, little-endian.
    Base64,
}

/// A request that has been understood.
#[derive(Debug, Clone)]
pub struct EmbeddingsRequest {
    raw: Bytes,
    fields: Map<String, Value>,
    edited: bool,
    drops_unsupported: bool,
    model: String,
    input: Input,
    format: VectorFormat,
    dimensions: Option<u32>,
}

fn invalid(param: &str, message: impl Into<String>) -> Invalid {
    Invalid {
        message: message.into(),
        param: Some(param.to_owned()),
    }
}

impl EmbeddingsRequest {
    /// Understands a body, and takes the gateway's own fields out of it.
    ///
    /// # Errors
    /// [`Invalid`], with the field where there is one.
    pub fn parse(raw: Bytes) -> Result<Self, Invalid> {
        let mut fields = object::read(&raw)?;
        let before = fields.len();
        let mut drops_unsupported = false;
        for ours in ["drop_unsupported", "drop_params"] {
            match fields.remove(ours) {
                None | Some(Value::Null) => {}
                Some(Value::Bool(drops)) => drops_unsupported |= drops,
                Some(_) => return Err(invalid(ours, format!("`{ours}` must be true or false"))),
            }
        }
        let model = match fields.get("model") {
            Some(Value::String(model)) if !model.is_empty() => model.clone(),
            _ => return Err(invalid("model", "you must provide a `model`, a text")),
        };
        let format = match fields.get("encoding_format") {
            None | Some(Value::Null) => VectorFormat::Float,
            Some(word) => match word.as_str() {
                Some("float") => VectorFormat::Float,
                Some("base64") => VectorFormat::Base64,
                _ => {
                    let message = "`encoding_format` must be float or base64";
                    return Err(invalid("encoding_format", message));
                }
            },
        };
        let dimensions = match fields.get("dimensions") {
            None | Some(Value::Null) => None,
            Some(number) => {
                let number = number
                    .as_u64()
                    .and_then(|number| u32::try_from(number).ok());
                let number = number.filter(|number| *number > 0).ok_or_else(|| {
                    invalid("dimensions", "`dimensions` must be a whole number above 0")
                })?;
                Some(number)
            }
        };
        Ok(Self {
            input: input(fields.get("input"))?,
            raw,
            edited: fields.len() != before,
            fields,
            drops_unsupported,
            model,
            format,
            dimensions,
        })
    }

    /// The model as the client calls it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether what a provider can't do is left out, instead of refused.
    #[must_use]
    pub fn drops_unsupported(&self) -> bool {
        self.drops_unsupported
    }

    /// What is to be embedded.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// How the client wants the numbers.
    #[must_use]
    pub fn format(&self) -> VectorFormat {
        self.format
    }

    /// How long the vectors are to be; `None` for as long as the model makes them.
    #[must_use]
    pub fn dimensions(&self) -> Option<u32> {
        self.dimensions
    }

    /// Fields that OpenAI's documentation does not have.
    pub fn unknown_fields(&self) -> impl Iterator<Item = (&String, &Value)> {
        const KNOWN: [&str; 5] = ["model", "input", "encoding_format", "dimensions", "user"];
        let mut fields = self.fields.iter().collect::<Vec<_>>();
        fields.retain(|(key, value)| !KNOWN.contains(&key.as_str()) && !value.is_null());
        fields.into_iter()
    }

    /// The body for a provider that calls the model `model`; the client's own bytes if they can stay.
    #[must_use]
    pub fn body_for(&self, model: &str) -> Bytes {
        if self.model == model && !self.edited {
            return self.raw.clone();
        }
        let mut fields = self.fields.clone();
        fields.insert("model".to_owned(), json!(model));
        Value::Object(fields).to_string().into()
    }
}

fn input(input: Option<&Value>) -> Result<Input, Invalid> {
    const AT: &str = "input";
    let rule = || {
        let message = "`input` must be a text, a list of texts, a list of tokens, or a list of \
                       lists of tokens, and nothing in it may be empty";
        invalid(AT, message)
    };
    let list = match input {
        Some(Value::String(text)) if !text.is_empty() => {
            return Ok(Input::Texts(vec![text.clone()]));
        }
        Some(Value::Array(list)) if !list.is_empty() => list,
        _ => return Err(rule()),
    };
    if list.iter().all(is_token) {
        return Ok(Input::Tokens(1));
    }
    if list.len() > MOST_INPUTS {
        let message = format!(
            "`input` has {} items; at most {MOST_INPUTS} go together",
            list.len()
        );
        return Err(invalid(AT, message));
    }
    let are_tokens = |item: &Value| {
        let tokens = item.as_array();
        tokens.is_some_and(|tokens| !tokens.is_empty() && tokens.iter().all(is_token))
    };
    if list.iter().all(are_tokens) {
        return Ok(Input::Tokens(list.len()));
    }
    let texts = list.iter().map(|item| {
        let text = item.as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
    });
    texts
        .collect::<Option<Vec<_>>>()
        .map(Input::Texts)
        .ok_or_else(rule)
}

fn is_token(value: &Value) -> bool {
    value
        .as_u64()
        .is_some_and(|token| u32::try_from(token).is_ok())
}

/// An answer: one vector for each item of the input, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// The model, as the provider names it.
    pub model: String,
    /// The vectors.
    pub vectors: Vec<Vec<f32>>,
    /// The tokens read; `None` if the provider does not count them.
    pub tokens: Option<Tokens>,
}

impl Embeddings {
    /// The `list` object that clients get. Tokens that nobody counted are 0.
    #[must_use]
    pub fn to_json(&self, format: VectorFormat) -> Vec<u8> {
        let data = self.vectors.iter().enumerate().map(|(index, vector)| {
            let embedding = match format {
                VectorFormat::Float => json!(vector),
                VectorFormat::Base64 => {
                    let bytes: Vec<u8> = vector
                        .iter()
                        .flat_map(|number| number.to_le_bytes())
                        .collect();
                    json!(STANDARD.encode(bytes))
                }
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        });
        let tokens = self.tokens.map_or(0, |tokens| tokens.0);
        let body = json!({
            "object": "list",
            "data": data.collect::<Vec<_>>(),
            "model": self.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        });
        body.to_string().into_bytes()
    }
}

/// The tokens that the `usage` of a provider's answer names.
///
/// # Errors
/// When `body` is no list of embeddings.
pub fn read_usage(body: &[u8]) -> Result<Option<Tokens>, &'static str> {
    #[derive(serde::Deserialize)]
    struct List {
        data: Vec<serde::de::IgnoredAny>,
        usage: Option<Usage>,
    }
    #[derive(serde::Deserialize)]
    struct Usage {
        prompt_tokens: Option<u64>,
    }
    match serde_json::from_slice::<List>(body) {
        Ok(list) if !list.data.is_empty() => {
            Ok(list.usage.and_then(|usage| usage.prompt_tokens).map(Tokens))
        }
        Ok(_) | Err(_) => Err("JSON without a list of embeddings in `data`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &Value) -> Result<EmbeddingsRequest, Invalid> {
        EmbeddingsRequest::parse(body.to_string().into())
    }

    #[test]
    fn reads_texts_and_tokens() {
        let of = |input: Value| parse(&json!({"model": "m", "input": input})).map(|r| r.input);
        assert_eq!(of(json!("a")).unwrap(), Input::Texts(vec!["a".into()]));
        assert_eq!(
            of(json!(["a", "b"])).unwrap(),
            Input::Texts(vec!["a".into(), "b".into()])
        );
        assert_eq!(of(json!([1, 2])).unwrap(), Input::Tokens(1));
        assert_eq!(of(json!([[1], [2, 3]])).unwrap(), Input::Tokens(2));
        for wrong in [
            json!(null),
            json!(""),
            json!([]),
            json!(7),
            json!({}),
            json!(["a", ""]),
            json!(["a", 1]),
            json!([[]]),
            json!([[1], []]),
            json!([[-1]]),
            json!([1.5]),
            json!([4_294_967_296_u64]),
            json!(vec!["a"; 2049]),
        ] {
            assert_eq!(
                of(wrong.clone()).unwrap_err().param.as_deref(),
                Some("input"),
                "{wrong}"
            );
        }
        assert!(of(json!(vec!["a"; 2048])).is_ok());
    }

    #[test]
    fn other_fields_are_checked() {
        for (field, value) in [
            ("model", json!("")),
            ("model", json!(null)),
            ("encoding_format", json!("hex")),
            ("dimensions", json!(0)),
            ("dimensions", json!(-3)),
            ("dimensions", json!("9")),
            ("drop_unsupported", json!("yes")),
        ] {
            let mut body = json!({"model": "m", "input": "a"});
            body[field] = value;
            assert_eq!(parse(&body).unwrap_err().param.as_deref(), Some(field));
        }
    }

    #[test]
    fn only_another_name_changes_the_body() {
        let raw = Bytes::from_static(b"{ \"model\": \"m\", \"input\": \"a\", \"x\": 1 }");
        let request = EmbeddingsRequest::parse(raw.clone()).unwrap();
        assert_eq!(request.body_for("m"), raw);
        let sent: Value = serde_json::from_slice(&request.body_for("n")).unwrap();
        assert_eq!(sent, json!({"model": "n", "input": "a", "x": 1}));
        assert_eq!(request.unknown_fields().count(), 1);
        let ours = json!({"model": "m", "input": "a", "drop_unsupported": true});
        let request = parse(&ours).unwrap();
        assert!(request.drops_unsupported());
        assert_eq!(request.body_for("m"), r#"{"model":"m","input":"a"}"#);
    }

    #[test]
    fn vectors_are_written_both_ways() {
        let answer = Embeddings {
            model: "e".into(),
            vectors: vec![vec![0.5, -1.0]],
            tokens: Some(Tokens(3)),
        };
        let text = |format| String::from_utf8(answer.to_json(format)).unwrap();
        insta::assert_snapshot!(text(VectorFormat::Float), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0]}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}"#);
        insta::assert_snapshot!(text(VectorFormat::Base64), @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8="}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}"#);
    }

    #[test]
    fn usage_is_read_from_a_list_only() {
        let answer = br#"{"object":"list","data":[{"embedding":[1]}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#;
        assert_eq!(read_usage(answer), Ok(Some(Tokens(4))));
        assert_eq!(read_usage(br#"{"data":[{}]}"#), Ok(None));
        for wrong in ["", "<html>", "{}", "{\"data\":[]}"] {
            assert!(read_usage(wrong.as_bytes()).is_err());
        }
    }
}
