//! What every test needs: a provider to script, a gateway before it, a client to ask with.

pub(crate) mod angles;
pub(crate) mod answer;
pub(crate) mod anthropic;
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod gateway;
pub(crate) mod gemini;
pub(crate) mod ollama;
pub(crate) mod program;
mod socket;
pub(crate) mod upstream;

use serde_json::{Value, json};

/// A plain chat request.
pub(crate) fn asking(question: &str) -> Value {
    json!({"model": "gpt-test", "messages": [{"role": "user", "content": question}]})
}

/// The same, answered as a stream.
pub(crate) fn streaming(question: &str) -> Value {
    with(asking(question), json!({"stream": true}))
}

/// `body` with more fields, or others.
pub(crate) fn with(mut body: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else {
        panic!("fields are an object");
    };
    body.as_object_mut().unwrap().extend(fields);
    body
}
