//! What the gateway hands back: an answer or a refusal, and the facts about how it came to be.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use http::HeaderMap;

pub use crate::telemetry::facts::{Facts, Tier};
use crate::{
    error::{Error, UpstreamError},
    provider::Piece,
    telemetry::journal::Journal,
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

/// A stream for one reader, kept by nobody.
pub(super) fn unshared(
    first: Piece,
    rest: BoxStream<'static, Result<Piece, UpstreamError>>,
) -> BoxStream<'static, Result<Piece, UpstreamError>> {
    stream::iter([Ok(first)]).chain(rest).boxed()
}

/// What the pieces of a stream say, in the provider's own words if they are `native`, else as a chat stream. That it
/// breaks off is noted in `journal`: whatever its client is told then is no answer.
pub(super) fn told(
    pieces: impl Stream<Item = Result<Piece, UpstreamError>> + Send + 'static,
    is_native: bool,
    journal: Arc<Journal>,
) -> BoxStream<'static, Result<Bytes, UpstreamError>> {
    let words = move |item: Result<Piece, UpstreamError>| match item {
        Ok(piece) if is_native => Ok(piece.native),
        Ok(piece) => Ok(piece.bytes),
        Err(error) => {
            journal.broke_off();
            Err(error)
        }
    };
    pieces.map(words).boxed()
}
