//! The items of a response while they are told.

use serde_json::{Value, json};

/// An item that is still being told.
#[derive(Debug)]
pub(super) struct Item {
    /// Its place in the response.
    pub(super) place: usize,
    pub(super) id: String,
    pub(super) body: Body,
}

/// What is in it so far.
#[derive(Debug)]
pub(super) enum Body {
    /// A thought.
    Reasoning(String),
    /// What is said to the user; the last part is open.
    Message(Vec<Part>),
    /// A call of a function.
    Call {
        /// Its number among the calls of the answer.
        number: u64,
        call_id: String,
        name: String,
        arguments: String,
    },
}

/// A part of a message.
#[derive(Debug)]
pub(super) enum Part {
    Text {
        text: String,
        logprobs: Vec<Value>,
        annotations: Vec<Value>,
    },
    Refusal(String),
}

impl Part {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Text {
                text,
                logprobs,
                annotations,
            } => json!({
                "type": "output_text", "annotations": annotations, "logprobs": logprobs, "text": text,
            }),
            Self::Refusal(refusal) => json!({"type": "refusal", "refusal": refusal}),
        }
    }
}

impl Item {
    /// The item as it is before anything is in it.
    pub(super) fn begun(&self) -> Value {
        let Self { id, body, .. } = self;
        match body {
            Body::Reasoning(_) => json!({"id": id, "type": "reasoning", "summary": []}),
            Body::Message(_) => json!({
                "id": id, "type": "message", "status": "in_progress", "content": [], "role": "assistant",
            }),
            Body::Call { call_id, name, .. } => json!({
                "id": id, "type": "function_call", "status": "in_progress", "arguments": "",
                "call_id": call_id, "name": name,
            }),
        }
    }

    /// The item as it is now, with this status.
    pub(super) fn ended(&self, status: &str) -> Value {
        let Self { id, body, .. } = self;
        match body {
            Body::Reasoning(thought) => json!({
                "id": id, "type": "reasoning", "summary": [{"type": "summary_text", "text": thought}],
            }),
            Body::Message(parts) => {
                let content: Vec<Value> = parts.iter().map(Part::to_json).collect();
                json!({
                    "id": id, "type": "message", "status": status, "content": content,
                    "role": "assistant",
                })
            }
            Body::Call {
                call_id,
                name,
                arguments,
                ..
            } => json!({
                "id": id, "type": "function_call", "status": status, "arguments": arguments,
                "call_id": call_id, "name": name,
            }),
        }
    }
}
