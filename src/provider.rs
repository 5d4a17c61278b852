//! Adapters to the models outside: one trait, one module for each dialect.
//!
//! What crosses this border is OpenAI's format, whatever the provider speaks. Invariant: a
//! [`ChatReply`] is an answer. Everything that is not one (an error status, HTML, an empty body, a
//! stream that never begins) is an [`UpstreamError`], so nothing behind this border looks at statuses.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use http::HeaderMap;

use crate::{
    error::UpstreamError,
    ident::{ModelId, ProviderName},
    wire::{answer::Answer, chat::ChatRequest, models::ModelObject},
};

pub mod demo;
mod events;
pub mod openai;
mod redact;
mod transport;

/// One call.
#[derive(Debug, Clone)]
pub struct ChatCall {
    /// What the client asked.
    pub request: Arc<ChatRequest>,
    /// What the provider calls the model.
    pub model: ModelId,
}

/// A provider's answer.
#[derive(Debug)]
pub enum ChatReply {
    /// A whole answer.
    Whole(Whole),
    /// A stream that has begun.
    Stream(Events),
}

/// A whole answer, as it came and as read.
#[derive(Debug)]
pub struct Whole {
    /// The provider's headers that clients may see.
    pub headers: HeaderMap,
    /// The provider's bytes.
    pub body: Bytes,
    /// What they say.
    pub answer: Answer,
}

/// A stream whose first events are here.
pub struct Events {
    /// The provider's headers that clients may see.
    pub headers: HeaderMap,
    /// The first whole events.
    pub first: Piece,
    /// The rest. Ends after a piece that is `last`, or after an error.
    pub rest: BoxStream<'static, Result<Piece, UpstreamError>>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

/// One or more whole events, as the provider sent them.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The events.
    pub bytes: Bytes,
    /// Whether `[DONE]` is among them.
    pub last: bool,
}

/// Somebody who answers chat requests.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Its configured name.
    fn name(&self) -> &ProviderName;

    /// Answers `call`, in one attempt.
    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>>;

    /// The models it serves now.
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>>;
}
