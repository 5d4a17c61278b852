//! A whole chat answer, as the cache keeps it: what was said, apart from the id and the time of one
//! delivery.
//!
//! Source: <https://platform.openai.com/docs/api-reference/chat/object> (seen 2026-11). Fields that
//! OpenAI does not document stay, in their order, so that a provider's additions survive the cache.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::chat::write_json;
use crate::units::Tokens;

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The model, as the provider names it.
    pub model: String,
    /// What was said, once per requested choice.
    pub choices: Vec<Choice>,
    /// The provider's count of tokens, untouched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Value>,
    /// Everything else, such as `system_fingerprint` and `service_tier`.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One choice of an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Choice {
    /// Its place among the choices.
    pub index: u64,
    /// Role, content, refusal, tool calls, reasoning and whatever else the provider says.
    pub message: Map<String, Value>,
    /// Token probabilities, if asked for.
    pub logprobs: Option<Value>,
    /// Why it ended: `stop`, `length`, `tool_calls`, `content_filter`, …
    pub finish_reason: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Choice {
    fn from_value(choice: Value) -> Option<Self> {
        let Value::Object(mut extra) = choice else {
            return None;
        };
        let Some(Value::Object(message)) = extra.remove("message") else {
            return None;
        };
        let finish_reason = match extra.remove("finish_reason") {
            Some(Value::String(reason)) => Some(reason),
            _ => None,
        };
        let logprobs = extra
            .remove("logprobs")
            .filter(|logprobs| !logprobs.is_null());
        let index = extra
            .remove("index")
            .and_then(|index| index.as_u64())
            .unwrap_or(0);
        (!message.is_empty()).then_some(Self {
            index,
            message,
            logprobs,
            finish_reason,
            extra,
        })
    }
}

/// Tokens of a call, as `usage` reports them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens read.
    pub input: Tokens,
    /// Tokens written.
    pub output: Tokens,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn total(self) -> Tokens {
        Tokens(self.input.0.saturating_add(self.output.0))
    }
}

/// Why a body is no chat answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAnswer {
    /// The body is empty.
    #[error("the body is empty")]
    Empty,
    /// The body is not JSON; holds its beginning.
    #[error("not JSON but `{0}`")]
    NotJson(String),
    /// The body is JSON without what an answer needs.
    #[error("JSON without {0}")]
    Incomplete(&'static str),
}

impl Answer {
    /// Reads a provider's JSON body.
    ///
    /// # Errors
    /// When it is not a JSON object with at least one choice that has a message.
    pub fn read(body: &[u8]) -> Result<Self, NotAnAnswer> {
        if body.trim_ascii().is_empty() {
            return Err(NotAnAnswer::Empty);
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| {
            let start: String = String::from_utf8_lossy(body)
                .trim()
                .chars()
                .take(80)
                .collect();
            NotAnAnswer::NotJson(start.escape_debug().to_string())
        })?;
        Self::from_value(value)
    }

    /// As [`Answer::read`], of a parsed body.
    ///
    /// # Errors
    /// When it is not a JSON object with at least one choice that has a message.
    pub fn from_value(body: Value) -> Result<Self, NotAnAnswer> {
        let Value::Object(mut extra) = body else {
            return Err(NotAnAnswer::Incomplete("a list of `choices`"));
        };
        let Some(Value::Array(choices)) = extra.remove("choices") else {
            return Err(NotAnAnswer::Incomplete("a list of `choices`"));
        };
        let choices: Option<Vec<Choice>> = choices.into_iter().map(Choice::from_value).collect();
        let choices = choices.filter(|choices| !choices.is_empty());
        let choices = choices.ok_or(NotAnAnswer::Incomplete(
            "a `message` in each of its choices",
        ))?;
        let model = match extra.remove("model") {
            Some(Value::String(model)) => model,
            _ => String::new(),
        };
        let usage = extra.remove("usage").filter(|usage| !usage.is_null());
        // Of the delivery, not of the answer.
        for field in ["id", "object", "created"] {
            extra.remove(field);
        }
        Ok(Self {
            model,
            choices,
            usage,
            extra,
        })
    }

    /// The tokens, if the provider counted them.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        read_usage(self.usage.as_ref()?)
    }

    /// What was said, if the answer is one text and nothing else.
    #[must_use]
    pub fn plain_text(&self) -> Option<String> {
        let [choice] = self.choices.as_slice() else {
            return None;
        };
        let calls = ["tool_calls", "function_call"].map(|key| choice.message.get(key));
        let plain = calls.iter().flatten().all(|value| value.is_null());
        let text = choice.message.get("content")?.as_str()?;
        plain.then(|| text.to_owned())
    }

    /// The `chat.completion` object of one delivery.
    #[must_use]
    pub fn to_json(&self, id: &str, created: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        write_head(&mut out, id, "chat.completion", created);
        let mut rest = Vec::with_capacity(512);
        write_json(&mut rest, self);
        out.extend_from_slice(rest.get(1..).unwrap_or_default());
        out
    }
}

/// The tokens that a `usage` object names.
#[must_use]
pub fn read_usage(usage: &Value) -> Option<Usage> {
    let count = |name| usage.get(name).and_then(Value::as_u64).map(Tokens);
    Some(Usage {
        input: count("prompt_tokens")?,
        output: count("completion_tokens")?,
    })
}

/// The id of a delivery: a whole answer's, or a chunk's.
#[must_use]
pub fn delivery_id(object: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        id: Option<String>,
    }
    serde_json::from_slice::<Head>(object).ok()?.id
}

/// The id and the time of a whole answer's delivery; an empty one, and 0, where it has none.
#[must_use]
pub fn delivery_head(object: &[u8]) -> (String, u64) {
    #[derive(Deserialize, Default)]
    struct Head {
        #[serde(default)]
        id: String,
        #[serde(default)]
        created: u64,
    }
    let head: Head = serde_json::from_slice(object).unwrap_or_default();
    (head.id, head.created)
}

/// Begins an object with what belongs to one delivery; what follows is written without its `{`.
pub(super) fn write_head(out: &mut Vec<u8>, id: &str, object: &str, created: u64) {
    out.extend_from_slice(b"{\"id\":");
    write_json(out, id);
    out.extend_from_slice(b",\"object\":");
    write_json(out, object);
    out.extend_from_slice(b",\"created\":");
    write_json(out, &created);
    out.push(b',');
}

/// The object of a delivery from an answer that is already written as JSON (what [`serde_json`]
/// makes of an [`Answer`]), without reading it again.
#[must_use]
pub fn deliver_written(written: &[u8], id: &str, created: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(written.len() + 128);
    write_head(&mut out, id, "chat.completion", created);
    out.extend_from_slice(written.get(1..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop","x_choice":1}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0}},"service_tier":"default","system_fingerprint":"fp_1","x_top":{"b":1,"a":2}}"#;

    #[test]
    fn keeps_everything_but_the_delivery() {
        let answer = Answer::read(FULL.as_bytes()).unwrap();
        assert_eq!(
            answer.usage(),
            Some(Usage {
                input: Tokens(3),
                output: Tokens(1)
            })
        );
        let again: Value = serde_json::from_slice(&answer.to_json("chatcmpl-1", 7)).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(FULL).unwrap());

        let written = serde_json::to_vec(&answer).unwrap();
        assert_eq!(
            deliver_written(&written, "chatcmpl-1", 7),
            answer.to_json("chatcmpl-1", 7)
        );
    }

    #[test]
    fn refuses_what_is_no_answer() {
        let refusals: Vec<String> = [
            "",
            " ",
            "<html>\u{1b}[31m",
            "[]",
            "null",
            "{}",
            r#"{"choices":[]}"#,
            r#"{"choices":[{}]}"#,
            r#"{"choices":"x"}"#,
            r#"{"choices":[{"message":7}]}"#,
        ]
        .iter()
        .map(|body| Answer::read(body.as_bytes()).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(refusals.join("\n"), @r"
        the body is empty
        the body is empty
        not JSON but `<html>\u{1b}[31m`
        JSON without a list of `choices`
        JSON without a list of `choices`
        JSON without a list of `choices`
        JSON without a `message` in each of its choices
        JSON without a `message` in each of its choices
        JSON without a list of `choices`
        JSON without a `message` in each of its choices
        ");
    }
}
