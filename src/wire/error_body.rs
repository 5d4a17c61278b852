//! OpenAI's error body, `{"error": {"message", "type", "param", "code"}}`.
//!
//! Source: <https://platform.openai.com/docs/guides/error-codes> (seen 2026-11). Providers leave
//! fields out, send `code` as a number, or wrap the object in a list; reading forgives that, writing
//! is exact.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorObject,
}

/// What went wrong. All four fields are always written, `null` where there is nothing to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorObject {
    /// For a person.
    pub message: String,
    /// The family, such as `invalid_request_error`.
    #[serde(rename = "type", default)]
    pub kind: Option<String>,
    /// The request's field that is wrong.
    #[serde(default)]
    pub param: Option<String>,
    /// For a program, such as `model_not_found`.
    #[serde(default, deserialize_with = "text_or_number")]
    pub code: Option<String>,
}

impl ErrorObject {
    /// Reads a provider's error body: `{"error": {...}}`, the same in a list (Gemini),
    /// `{"error": "text"}` (Ollama), or `{"object": "error", "message": "text", ...}` (older vLLM, in
    /// streams too). `None` if it is nothing of the kind.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        Self::from_value(&serde_json::from_slice(body).ok()?)
    }

    /// As [`ErrorObject::read`], of a parsed body.
    #[must_use]
    pub fn from_value(body: &Value) -> Option<Self> {
        let body = body.as_array().map_or(Some(body), |list| list.first())?;
        let Some(error) = body.get("error") else {
            let is_error = body.get("object").is_some_and(|object| object == "error");
            return is_error.then(|| Self::deserialize(body).ok()).flatten();
        };
        match error {
            Value::String(message) => Some(Self {
                message: message.clone(),
                kind: None,
                param: None,
                code: None,
            }),
            error @ Value::Object(_) => Self::deserialize(error).ok(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        }
    }
}

fn text_or_number<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(input)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_shapes_that_providers_send() {
        let read = |body: &str| ErrorObject::read(body.as_bytes());
        assert_eq!(
            read(r#"{"error":{"message":"no","type":"t","param":null,"code":"c"}}"#),
            Some(ErrorObject {
                message: "no".into(),
                kind: Some("t".into()),
                param: None,
                code: Some("c".into())
            })
        );
        assert_eq!(
            read(r#"[{"error":{"message":"no","code":400,"status":"X"}}]"#)
                .unwrap()
                .code,
            Some("400".into())
        );
        assert_eq!(
            read(r#"{"error":"model not found"}"#).unwrap().message,
            "model not found"
        );
        assert_eq!(
            read(r#"{"object":"error","message":"no","type":"t","param":null,"code":400}"#)
                .unwrap()
                .code,
            Some("400".into())
        );
        assert_eq!(read(r#"{"object":"chat.completion","message":"no"}"#), None);
        assert_eq!(read("<html>"), None);
        assert_eq!(read(r#"{"choices":[]}"#), None);
    }

    #[test]
    fn writes_all_four_fields() {
        let error = ErrorObject {
            message: "m".into(),
            kind: None,
            param: None,
            code: None,
        };
        insta::assert_snapshot!(
            serde_json::to_string(&ErrorBody { error }).unwrap(),
            @r#"{"error":{"message":"m","type":null,"param":null,"code":null}}"#
        );
    }
}
