//! What the gateway hands back: an answer or a refusal, and the facts about how it came to be.

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::HeaderMap;

use crate::{
    clock::Moment,
    error::{Error, UpstreamError},
    ident::{ModelId, ProviderName, TaskName},
    provider::Piece,
    telemetry::ledger::Way,
    units::{Similarity, Tokens, Usd},
    wire::native::Interface,
};

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// What is delivered.
    pub body: ReplyBody,
    /// The interface that it is in the words of, if not chat completions.
    pub native: Option<Interface>,
    /// The provider's headers that clients may see.
    pub headers: HeaderMap,
    /// How it came to be.
    pub facts: Facts,
}

/// What is delivered.
pub enum ReplyBody {
    /// One JSON object.
    Json(Bytes),
    /// All events of a stream.
    EventsWhole(Bytes),
    /// Events as they come; an error is the last item.
    Events(BoxStream<'static, Result<Bytes, UpstreamError>>),
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json(_) => "Json",
            Self::EventsWhole(_) => "EventsWhole",
            Self::Events(_) => "Events",
        })
    }
}

/// How an answer came to be; becomes headers and one log line.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Which way it went.
    pub way: Way,
    /// Why it went this way.
    pub reason: Option<&'static str>,
    /// When the request came in.
    pub received: Moment,
    /// How old a kept answer is.
    pub age: Option<Duration>,
    /// Since when a kept answer is no longer fresh.
    pub stale: Option<Duration>,
    /// How a kept answer was found.
    pub tier: Option<Tier>,
    /// Who answered.
    pub provider: Option<ProviderName>,
    /// What the provider calls the model.
    pub model: Option<ModelId>,
    /// What kind of work led to who answered.
    pub task: Option<TaskName>,
    /// How many tokens were cut from the prompt.
    pub trimmed: Option<Tokens>,
    /// Attempts at providers.
    pub attempts: u32,
    /// How long providers were waited for, until the head of the answer.
    pub upstream: Duration,
    /// Whether the answer is to be kept.
    pub stored: bool,
    /// Of how many items the vectors were known, and how many items there are; of requests for embeddings that the cache
    /// was asked for.
    pub items: Option<(usize, usize)>,
    /// What it cost, if it is known by now.
    pub cost: Option<Usd>,
    /// What it would have cost.
    pub saved: Option<Usd>,
}

impl Facts {
    /// What is known before anybody was asked.
    #[must_use]
    pub fn new(way: Way, reason: Option<&'static str>, received: Moment) -> Self {
        Self {
            way,
            reason,
            received,
            age: None,
            stale: None,
            tier: None,
            provider: None,
            model: None,
            task: None,
            trimmed: None,
            attempts: 0,
            upstream: Duration::ZERO,
            stored: false,
            items: None,
            cost: None,
            saved: None,
        }
    }
}

/// A request that is not answered.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub error: Error,
    /// What is known of it, if it came as far as the cache.
    pub facts: Option<Facts>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, facts: None }
    }
}

/// How an entry was found.
#[derive(Debug, Clone, Copy)]
pub enum Tier {
    /// By an equal request.
    Exact,
    /// By a question that differs in nothing but case, politeness and spelling.
    Surface,
    /// By meaning, so near.
    Semantic(Similarity),
}

impl Tier {
    /// Which way a request goes that is answered like this.
    #[must_use]
    pub fn way(self) -> Way {
        match self {
            Self::Exact | Self::Surface => Way::Exact,
            Self::Semantic(_) => Way::Semantic,
        }
    }

    /// How near, if it was found by meaning.
    #[must_use]
    pub fn similarity(self) -> Option<Similarity> {
        match self {
            Self::Exact | Self::Surface => None,
            Self::Semantic(similarity) => Some(similarity),
        }
    }

    /// The detail for `Cache-Status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Surface => "canonical",
            Self::Semantic(_) => "semantic",
        }
    }
}

/// A stream for one reader, kept by nobody; in the provider's own words if it is `native`.
pub(super) fn unshared(
    first: Piece,
    rest: BoxStream<'static, Result<Piece, UpstreamError>>,
    is_native: bool,
) -> BoxStream<'static, Result<Bytes, UpstreamError>> {
    stream::iter([Ok(first)])
        .chain(rest)
        .map(move |item| item.map(|piece| words(piece, is_native)))
        .boxed()
}

/// What a piece says, in the provider's own words if they are `native`, else as a chat stream.
pub(super) fn words(piece: Piece, is_native: bool) -> Bytes {
    if is_native { piece.native } else { piece.bytes }
}
