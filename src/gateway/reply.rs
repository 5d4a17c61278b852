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
    ident::{ModelId, ProviderName},
    policy::identity::Fingerprint,
    provider::Piece,
    telemetry::ledger::Way,
    units::{Similarity, Usd},
};

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// What is delivered.
    pub body: ReplyBody,
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
    /// How near the question of a semantic hit is.
    pub similarity: Option<Similarity>,
    /// Who answered.
    pub provider: Option<ProviderName>,
    /// What the provider calls the model.
    pub model: Option<ModelId>,
    /// Attempts at providers.
    pub attempts: u32,
    /// How long providers were waited for, until the head of the answer.
    pub upstream: Duration,
    /// Whether the answer is to be kept.
    pub stored: bool,
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
            similarity: None,
            provider: None,
            model: None,
            attempts: 0,
            upstream: Duration::ZERO,
            stored: false,
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
pub(super) enum Tier {
    /// By an equal request.
    Exact,
    /// By meaning.
    Semantic {
        /// How near; unknown where the bytes were seen before.
        similarity: Option<Similarity>,
        /// The entry.
        fingerprint: Fingerprint,
    },
}

impl Tier {
    pub(super) fn is_semantic(self) -> bool {
        matches!(self, Self::Semantic { .. })
    }

    pub(super) fn similarity(self) -> Option<Similarity> {
        match self {
            Self::Exact => None,
            Self::Semantic { similarity, .. } => similarity,
        }
    }

    /// The entry, if its question is another wording.
    pub(super) fn paraphrase_of(self) -> Option<Fingerprint> {
        match self {
            Self::Exact => None,
            Self::Semantic { fingerprint, .. } => Some(fingerprint),
        }
    }
}

/// A stream for one reader, kept by nobody.
pub(super) fn unshared(
    first: Piece,
    rest: BoxStream<'static, Result<Piece, UpstreamError>>,
) -> BoxStream<'static, Result<Bytes, UpstreamError>> {
    stream::iter([Ok(first)])
        .chain(rest)
        .map(|item| item.map(|piece| piece.bytes))
        .boxed()
}
