//! Adapters to the models outside: one trait, one module for each dialect.
//!
//! What crosses this border is OpenAI's format, whatever the provider speaks. Invariant: a
//! [`ChatReply`] is an answer. Everything that is not one (an error status, HTML, an empty body, a
//! stream that never begins) is an [`UpstreamError`], so nothing behind this border looks at statuses.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use http::HeaderMap;

use self::forward::{ForwardCall, Forwarded};
pub use self::setup::SetupError;
use crate::{
    error::{UpstreamError, UpstreamErrorKind},
    ident::{ModelId, ProviderName},
    policy::identity::Scope,
    telemetry::trace::Propagated,
    units::Tokens,
    wire::{
        answer::Answer,
        ask::Unable,
        chat::ChatRequest,
        embeddings::{EmbeddingsRequest, MOST_INPUTS},
        models::ModelObject,
        native::Interface,
    },
};

pub mod anthropic;
pub mod demo;
mod dialect;
mod dropped;
mod echoes;
mod events;
pub mod forward;
mod frames;
pub mod gemini;
mod native;
pub mod ollama;
pub mod openai;
mod redact;
mod setup;
mod signatures;
mod transport;
mod verbatim;

/// One call.
#[derive(Debug, Clone)]
pub struct ChatCall {
    /// What the client asked.
    pub request: Arc<ChatRequest>,
    /// What the provider calls the model.
    pub model: ModelId,
    /// On whose behalf; what is remembered of one is not brought in for another. `None` for nobody's.
    pub scope: Option<Scope>,
    /// Where in a trace it belongs, if the provider is to know.
    pub trace: Option<Propagated>,
}

/// `headers`, with where in a trace a call belongs.
fn traced(mut headers: HeaderMap, trace: Option<&Propagated>) -> HeaderMap {
    if let Some(trace) = trace {
        trace.put(&mut headers);
    }
    headers
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
    /// The same in the words of the interface that the request came in, if the provider speaks it.
    pub native: Option<(Interface, Bytes)>,
}

/// A stream whose first events are here.
pub struct Events {
    /// The provider's headers that clients may see.
    pub headers: HeaderMap,
    /// The interface that the request came in, if the provider speaks it: then all pieces are in its words, too.
    pub native: Option<Interface>,
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

/// One or more whole events.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The events, of a chat stream.
    pub bytes: Bytes,
    /// The same as the provider sent them, where [`Events::native`] says so. Either may be empty: what one
    /// interface tells in an event, another may not tell at all.
    pub native: Bytes,
    /// Whether `[DONE]` is among them.
    pub last: bool,
}

impl Piece {
    /// Events of a chat stream.
    #[must_use]
    pub fn new(bytes: Bytes, last: bool) -> Self {
        Self {
            bytes,
            native: Bytes::new(),
            last,
        }
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.bytes.len().saturating_add(self.native.len())
    }
}

/// One call for embeddings.
#[derive(Debug, Clone)]
pub struct EmbedCall {
    /// What the client asked.
    pub request: Arc<EmbeddingsRequest>,
    /// What the provider calls the model.
    pub model: ModelId,
    /// Whether what the provider can't do is left out, instead of refused.
    pub drops_unsupported: bool,
    /// Where in a trace it belongs, if the provider is to know.
    pub trace: Option<Propagated>,
}

/// How much may be embedded in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The most items.
    pub items: usize,
    /// The most tokens of all items together; `None` where nobody counts.
    pub tokens: Option<Tokens>,
}

/// A provider's embeddings.
#[derive(Debug)]
pub struct Embedded {
    /// The provider's headers that clients may see.
    pub headers: HeaderMap,
    /// OpenAI's `list` object.
    pub body: Bytes,
    /// The tokens read, if the provider counted them.
    pub tokens: Option<Tokens>,
}

/// The keys of a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyCount {
    /// How many there are.
    pub configured: usize,
    /// How many of them are not used at present, for one model at least.
    pub put_aside: usize,
}

/// Somebody who answers chat requests.
pub trait Provider: Send + Sync + fmt::Debug {
    /// Its configured name.
    fn name(&self) -> &ProviderName;

    /// Answers `call`, in one attempt.
    fn chat(&self, call: ChatCall) -> BoxFuture<'_, Result<ChatReply, UpstreamError>>;

    /// Whether it goes on with texts, in the words of [`Interface::Completions`], by what it calls `model`.
    fn completes(&self, _model: &ModelId) -> bool {
        false
    }

    /// Embeds texts, in one attempt. A provider that has no embeddings says so.
    fn embeddings(&self, call: EmbedCall) -> BoxFuture<'_, Result<Embedded, UpstreamError>> {
        let unable = Unable::Unsupported {
            param: "model".to_owned(),
            message: format!(
                "provider `{}` has no embeddings; ask for a model of another one than `{}`",
                self.name(),
                call.request.model(),
            ),
        };
        let error = UpstreamError {
            provider: self.name().clone(),
            kind: UpstreamErrorKind::Untranslatable(unable.into()),
        };
        Box::pin(std::future::ready(Err(error)))
    }

    /// How much [`Provider::embeddings`] takes in one call.
    fn batch(&self) -> Batch {
        Batch {
            items: MOST_INPUTS,
            tokens: None,
        }
    }

    /// Hands a request on as it is, in one attempt. A provider that does not speak OpenAI's interface says so.
    fn forward(&self, call: ForwardCall) -> BoxFuture<'_, Result<Forwarded, UpstreamError>> {
        let unable = Unable::Unsupported {
            param: "model".to_owned(),
            message: format!(
                "provider `{}` does not answer {}",
                self.name(),
                call.operation.path()
            ),
        };
        let error = UpstreamError {
            provider: self.name().clone(),
            kind: UpstreamErrorKind::Untranslatable(unable.into()),
        };
        Box::pin(std::future::ready(Err(error)))
    }

    /// Counts the tokens of the prompt of `call`, in one attempt; `None` if it has no way to.
    fn count_tokens(
        &self,
        _call: ChatCall,
    ) -> BoxFuture<'_, Result<Option<Tokens>, UpstreamError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// How its keys fare. None, if it needs none.
    fn keys(&self) -> KeyCount {
        KeyCount::default()
    }

    /// The models it serves now.
    fn models(&self) -> BoxFuture<'_, Result<Vec<ModelObject>, UpstreamError>>;
}
