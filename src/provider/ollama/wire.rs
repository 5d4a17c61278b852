//! Ollama's own types.
//!
//! Sources: <https://docs.ollama.com/api/chat>, `_types.py` of the Python package 0.6, and for what those
//! leave out (`truncate`, `shift`, ids of tool calls, `bytes` of tokens) the server's `api/types.go`,
//! which both are made from (all seen 2026-11).

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Value, value::RawValue};

/// The body of `POST /api/chat`.
#[derive(Debug, Serialize)]
pub(super) struct ChatRequest<'a> {
    pub(super) model: &'a str,
    pub(super) messages: Vec<Message>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<Tool>,
    /// `"json"`, or a JSON Schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Value>,
    pub(super) options: Map<String, Value>,
    /// A boolean, or how hard: `low`, `medium`, `high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) think: Option<Value>,
    /// Seconds, or a text such as `10m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keep_alive: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_logprobs: Option<u8>,
    /// Whether messages are left out of a prompt that does not fit; refused otherwise.
    pub(super) truncate: bool,
    /// Whether the middle of the prompt is forgotten when there is no more room; the answer ends
    /// otherwise.
    pub(super) shift: bool,
    pub(super) stream: bool,
}

/// A message of the conversation.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub(super) role: &'static str,
    pub(super) content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) thinking: String,
    /// Files in base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<String>,
}

/// A call that the model made earlier.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) function: ToolCallFunction,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ToolCallFunction {
    pub(super) name: String,
    pub(super) arguments: Map<String, Value>,
}

/// A tool that may be called.
#[derive(Debug, Serialize)]
pub(super) struct Tool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) function: ToolFunction,
}

#[derive(Debug, Serialize)]
pub(super) struct ToolFunction {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) parameters: Map<String, Value>,
}

/// A whole answer, or one line of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct ChatResponse {
    pub(super) model: Option<String>,
    pub(super) message: Option<Said>,
    #[serde(default)]
    pub(super) done: bool,
    /// `stop`, `length`, `load` or `unload`.
    pub(super) done_reason: Option<String>,
    /// Tokens read.
    pub(super) prompt_eval_count: Option<u64>,
    /// Of these, those that were still there from an earlier request.
    pub(super) prompt_eval_cached_count: Option<u64>,
    /// Tokens written.
    pub(super) eval_count: Option<u64>,
    pub(super) logprobs: Option<Vec<Logprob>>,
    /// What went wrong, in place of everything else.
    pub(super) error: Option<Value>,
}

/// What the model says.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) content: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) tool_calls: Option<Vec<SaidCall>>,
    pub(super) images: Option<Vec<IgnoredAny>>,
}

/// A tool that the model calls.
#[derive(Debug, Deserialize)]
pub(super) struct SaidCall {
    /// Since version 0.12.10.
    pub(super) id: Option<String>,
    pub(super) function: SaidFunction,
}

#[derive(Debug, Deserialize)]
pub(super) struct SaidFunction {
    pub(super) name: String,
    /// An object, kept in the order and spelling that it came in.
    pub(super) arguments: Option<Box<RawValue>>,
}

/// A token and its probability; `top_logprobs` on those that were written.
#[derive(Debug, Deserialize)]
pub(super) struct Logprob {
    pub(super) token: String,
    pub(super) logprob: f64,
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) top_logprobs: Option<Vec<Logprob>>,
}

/// The body of `POST /api/show`.
#[derive(Debug, Serialize)]
pub(super) struct ShowRequest<'a> {
    pub(super) model: &'a str,
}

/// What a model is.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ShowResponse {
    /// What its file says of itself, such as `llama.context_length`.
    pub(super) model_info: Option<Map<String, Value>>,
    /// Its Modelfile's parameters, one a line.
    pub(super) parameters: Option<String>,
    /// Such as `completion`, `tools`, `vision`, `thinking`.
    pub(super) capabilities: Option<Vec<String>>,
    pub(super) details: Option<ModelDetails>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ModelDetails {
    pub(super) family: Option<String>,
}

/// The answer of `GET /api/tags` and `GET /api/ps`.
#[derive(Debug, Deserialize)]
pub(super) struct ModelList {
    pub(super) models: Vec<ListedModel>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListedModel {
    pub(super) name: Option<String>,
    pub(super) model: Option<String>,
    /// RFC 3339.
    pub(super) modified_at: Option<String>,
    /// Of a loaded model: its context window.
    pub(super) context_length: Option<u64>,
}

impl ListedModel {
    /// What it is called.
    pub(super) fn name(&self) -> Option<&str> {
        self.model.as_deref().or(self.name.as_deref())
    }
}
