//! The built-in provider that answers when no other is configured, so that a newcomer sees the whole
//! path work before any key is set.
//!
//! It is no model: it says so in every answer, and what it says is made from the question alone.
//! Its pace is that of a real provider, so that a hit can be told from a miss.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture, stream};
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{ChatCall, ChatReply, Events, Piece, Provider, Whole};
use crate::{
    clock::Clock,
    error::UpstreamError,
    ident::ProviderName,
    wire::{
        answer::{Answer, Choice},
        chat::{ChatRequest, Delivery},
        chunk,
        models::ModelObject,
        sse,
    },
};

/// How fast it answers.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Until the first word.
    pub first_token: Duration,
    /// From one piece of text to the next.
    pub between: Duration,
}

impl Pace {
    /// About as fast as a hosted model.
    pub const LIFELIKE: Self = Self {
        first_token: Duration::from_millis(350),
        between: Duration::from_millis(40),
    };
}

/// The demo provider.
#[derive(Debug)]
pub struct Demo {
    name: ProviderName,
    pace: Pace,
    clock: Clock,
}

impl Demo {
    /// A demo provider of this name.
    #[must_use]
    pub fn new(name: ProviderName, pace: Pace, clock: Clock) -> Self {
        Self { name, pace, clock }
    }
}

fn answer(request: &ChatRequest) -> Answer {
    let question = request
        .messages()
        .iter()
        .rev()
        .find_map(text)
        .unwrap_or_default();
    let shown: String = question.chars().take(120).collect();
    let said = format!(
        "[demo answer: no model was asked] You asked: \u{201c}{shown}\u{201d}. Set a provider's key, \
         for example OPENAI_API_KEY, and restart to get a real answer. Ask again in other words, and \
         this answer comes from the cache."
    );
    let words = |text: &str| text.split_whitespace().count() * 4 / 3 + 1;
    let (input, output) = (words(&question), words(&said));
    let mut message = Map::new();
    message.insert("role".into(), json!("assistant"));
    message.insert("content".into(), json!(said));
    message.insert("refusal".into(), Value::Null);
    let choice = Choice {
        message,
        finish_reason: Some("stop".into()),
        ..Choice::default()
    };
    Answer {
        model: request.model().to_owned(),
        choices: vec![choice],
        usage: Some(json!({
            "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output
        })),
        extra: json!({"system_fingerprint": "refrain-demo"})
            .as_object()
            .cloned()
            .unwrap_or_default(),
    }
}

fn text(message: &Value) -> Option<String> {
    match message.get("content")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => parts
            .iter()
            .find_map(|part| part.get("text")?.as_str().map(str::to_owned)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

impl Provider for Demo {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        Box::pin(async move {
            let answer = answer(&call.request);
            let id = format!("chatcmpl-demo{:016x}", fastrand::u64(..));
            tokio::time::sleep(self.pace.first_token).await;
            let Delivery::Stream { usage } = call.request.delivery() else {
                let body = Bytes::from(answer.to_json(&id, self.clock.unix_seconds()));
                return Ok(ChatReply::Whole(Whole {
                    headers: HeaderMap::new(),
                    body,
                    answer,
                    native: None,
                }));
            };
            let whole = Bytes::from(chunk::split(&answer, &id, self.clock.unix_seconds(), usage));
            let mut pieces = single_events(&whole);
            let first = if pieces.is_empty() {
                whole
            } else {
                pieces.remove(0)
            };
            let between = self.pace.between;
            let rest = stream::iter(pieces).then(move |bytes| async move {
                tokio::time::sleep(between).await;
                let last = bytes.as_ref() == sse::DONE;
                Ok(Piece::new(bytes, last))
            });
            let first = Piece::new(first, false);
            Ok(ChatReply::Stream(Events {
                headers: HeaderMap::new(),
                native: None,
                first,
                rest: rest.boxed(),
            }))
        })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>> {
        Box::pin(async { Ok(vec![ModelObject::new("demo", "refrain-demo", 0)]) })
    }
}

fn single_events(stream: &Bytes) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(stream, b"\n\n") {
        events.push(stream.slice(start..at + 2));
        start = at + 2;
    }
    events
}
