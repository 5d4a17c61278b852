//! A provider whose answers say whose they are, so that a hit tells which prompt it was kept for.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use super::pack::Prompt;
use crate::{
    error::UpstreamError,
    ident::ProviderName,
    provider::{ChatCall, ChatReply, Provider, Whole},
    wire::{
        answer::{Answer, Choice},
        models::ModelObject,
    },
};

/// Begins every answer; the label follows.
const ANSWER: &str = "This is answer ";

/// The body that asks for `prompt`. The label of the right answer travels in `metadata`, which is no
/// part of a request's identity.
pub(super) fn body(model: &str, prompt: &Prompt, label: u32) -> Bytes {
    let system = prompt.system.iter();
    let mut messages: Vec<Value> = system
        .map(|text| json!({"role": "system", "content": text}))
        .collect();
    messages.push(json!({"role": "user", "content": prompt.text}));
    let metadata = json!({"label": label.to_string()});
    let body = json!({"model": model, "messages": messages, "metadata": metadata});
    body.to_string().into()
}

/// The label in the answer `body`.
pub(super) fn label_of(body: &[u8]) -> Option<u32> {
    let answer = Answer::read(body).ok()?;
    let said = answer.choices.first()?.message.get("content")?.as_str()?;
    said.strip_prefix(ANSWER)?.strip_suffix('.')?.parse().ok()
}

/// The provider.
#[derive(Debug)]
pub(super) struct Labels {
    name: ProviderName,
}

impl Labels {
    pub(super) fn new(name: ProviderName) -> Self {
        Self { name }
    }
}

impl Provider for Labels {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>> {
        let metadata = call.request.fields().get("metadata");
        let label = metadata.and_then(|metadata| metadata.get("label")?.as_str());
        let said = format!("{ANSWER}{}.", label.unwrap_or("without a label"));
        let mut message = Map::new();
        message.insert("role".into(), json!("assistant"));
        message.insert("content".into(), json!(said));
        let answer = Answer {
            model: call.model.as_str().to_owned(),
            choices: vec![Choice {
                message,
                finish_reason: Some("stop".into()),
                ..Choice::default()
            }],
            // Given, so that nobody counts them.
            usage: Some(json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})),
            extra: Map::new(),
        };
        let whole = Whole {
            headers: HeaderMap::new(),
            body: answer.to_json("chatcmpl-eval", 0).into(),
            answer,
            native: None,
        };
        Box::pin(async { Ok(ChatReply::Whole(whole)) })
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
