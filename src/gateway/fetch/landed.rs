//! What a flight ends in, and the forms in which those who share it get it.
//!
//! Each form is made once for all who want it, by whoever wants it first; a maker that vanishes hands
//! over. Invariant: a flight holds at most its stream, within the bound of [`Shared`], and what is
//! made of it, which is not longer.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{StreamExt, future, stream::BoxStream};
use http::HeaderMap;
use tokio::sync::OnceCell;

use super::usage;
use crate::{
    cache::{entry::Entry, shared::Shared},
    error::{Error, UpstreamError, UpstreamErrorKind},
    gateway::{dispatch::Source, off_the_workers, replay},
    provider::{Piece, Whole},
    telemetry::trace::TraceContext,
    tokenizer,
    wire::{
        answer::Usage,
        assemble::{Incomplete, assemble},
        chat::ChatRequest,
        chunk,
        native::Interface,
        sse,
    },
};

/// What a flight ends in; clones share it.
#[derive(Debug, Clone)]
pub(in crate::gateway) enum Landed {
    Kept(Arc<Entry>),
    Whole(Arc<Told>),
    Stream(Arc<Streamed>),
    /// Whoever was to ask may not.
    Unpaid(Arc<Error>),
}

/// A provider's whole answer.
#[derive(Debug)]
pub(in crate::gateway) struct Told {
    pub(super) whole: Whole,
    pub(super) source: Source,
    /// The span of the request that asked.
    pub(super) leader: TraceContext,
    plain: OnceCell<Bytes>,
    with_usage: OnceCell<Bytes>,
}

impl Told {
    pub(super) fn new(whole: Whole, source: Source, leader: TraceContext) -> Self {
        Self {
            whole,
            source,
            leader,
            plain: OnceCell::new(),
            with_usage: OnceCell::new(),
        }
    }

    /// The answer as a stream, under its own id and time, or `now` where it has none.
    pub(super) async fn events(
        &self,
        wants_usage: bool,
        request: &Arc<ChatRequest>,
        now: u64,
    ) -> Bytes {
        let form = if wants_usage {
            &self.with_usage
        } else {
            &self.plain
        };
        let made = form.get_or_init(async || {
            let mut answer = self.whole.answer.clone();
            let (id, created) = replay::head([&*self.whole.body], now);
            if wants_usage && answer.usage.is_none() {
                let (request, uncounted) = (Arc::clone(request), answer.clone());
                let count = move || tokenizer::usage(request.messages(), &uncounted);
                answer.usage = off_the_workers(count).await;
            }
            chunk::split(&answer, &id, created, wants_usage).into()
        });
        made.await.clone()
    }
}

/// A provider's stream, under way or at its end.
#[derive(Debug)]
pub(in crate::gateway) struct Streamed {
    pub(super) shared: Arc<Shared>,
    pub(super) headers: HeaderMap,
    /// The interface whose words the pieces are in, too.
    pub(super) native: Option<Interface>,
    pub(super) source: Source,
    /// The span of the request that asked.
    pub(super) leader: TraceContext,
    /// Whether the provider was asked for the usage.
    pub(super) has_usage: bool,
    /// Its tokens, as soon as they are known.
    pub(super) used: Arc<OnceLock<Usage>>,
    assembled: OnceCell<Result<Assembled, UpstreamError>>,
}

/// A whole stream in other forms.
#[derive(Debug)]
pub(super) struct Assembled {
    /// As one JSON object, under the stream's own id and time.
    pub(super) json: Bytes,
    /// A usage chunk and `[DONE]`, if the stream has no usage.
    usage: Option<Bytes>,
    pub(super) used: Option<Usage>,
}

impl Streamed {
    pub(super) fn new(
        shared: Arc<Shared>,
        (headers, native): (HeaderMap, Option<Interface>),
        (source, leader): (Source, TraceContext),
        has_usage: bool,
        used: Arc<OnceLock<Usage>>,
    ) -> Self {
        Self {
            shared,
            headers,
            native,
            source,
            leader,
            has_usage,
            used,
            assembled: OnceCell::new(),
        }
    }

    /// The whole stream in other forms; reads it to its end on behalf of all who wait for this.
    ///
    /// # Errors
    /// What the stream broke with; [`UpstreamErrorKind::Decode`] if it is too large to be held, or is
    /// no answer.
    pub(super) async fn assembled(
        &self,
        request: &Arc<ChatRequest>,
        now: u64,
    ) -> Result<&Assembled, UpstreamError> {
        let assembled = self.assembled.get_or_init(async || {
            let stream = self.shared.whole().await?;
            let stream = stream.ok_or_else(|| self.too_large())?;
            let request = Arc::clone(request);
            let of = move || Assembled::of(&stream, &request, now);
            let assembled = match off_the_workers(of).await {
                Some(assembled) => assembled.map_err(|why| self.unusable(why.to_string()))?,
                None => return Err(self.unusable("its stream could not be read".to_owned())),
            };
            if let Some(used) = assembled.used {
                self.used.get_or_init(|| used);
            }
            Ok(assembled)
        });
        assembled.await.as_ref().map_err(Clone::clone)
    }

    /// The stream from its beginning, as somebody wants it who did or did not ask for the usage.
    pub(super) fn events(
        self: &Arc<Self>,
        wants_usage: bool,
        request: &Arc<ChatRequest>,
        now: u64,
    ) -> BoxStream<'static, Result<Piece, UpstreamError>> {
        let events = Arc::clone(&self.shared).read();
        match (self.has_usage, wants_usage) {
            (true, true) | (false, false) => events,
            (true, false) => events
                .map(|item| {
                    item.map(|piece| Piece {
                        bytes: usage::without_count(piece.bytes),
                        ..piece
                    })
                })
                .filter(|item| {
                    let is_empty = matches!(item, Ok(piece) if piece.bytes.is_empty());
                    future::ready(!is_empty)
                })
                .boxed(),
            (false, true) => {
                let (streamed, request) = (Arc::clone(self), Arc::clone(request));
                let with_usage = move |item| {
                    let (streamed, request) = (Arc::clone(&streamed), Arc::clone(&request));
                    async move { streamed.with_usage(item, &request, now).await }
                };
                events.then(with_usage).boxed()
            }
        }
    }

    async fn with_usage(
        &self,
        item: Result<Piece, UpstreamError>,
        request: &Arc<ChatRequest>,
        now: u64,
    ) -> Result<Piece, UpstreamError> {
        let piece = item?;
        if !piece.last {
            return Ok(piece);
        }
        // What can't be read can't be counted: it ends as it came.
        let assembled = self.assembled(request, now).await.ok();
        let bytes = match assembled.and_then(|assembled| assembled.usage.as_ref()) {
            Some(end) => usage::with_end(piece.bytes, end),
            None => piece.bytes,
        };
        Ok(Piece { bytes, ..piece })
    }

    pub(super) fn too_large(&self) -> UpstreamError {
        self.unusable("a stream too large to be shared".to_owned())
    }

    fn unusable(&self, why: String) -> UpstreamError {
        UpstreamError {
            provider: self.source.provider.clone(),
            kind: UpstreamErrorKind::Decode(why),
        }
    }
}

impl Assembled {
    fn of(stream: &[u8], request: &ChatRequest, now: u64) -> Result<Self, Incomplete> {
        /// Some providers begin with chunks that have no id.
        const LOOKED_AT: usize = 8;
        let mut answer = assemble(stream)?;
        let (id, created) = replay::head(sse::data(stream).take(LOOKED_AT), now);
        let is_counted = answer.usage.is_some();
        if !is_counted {
            answer.usage = Some(tokenizer::usage(request.messages(), &answer));
        }
        let json = answer.to_json(&id, created).into();
        let used = answer.usage();
        answer.choices.clear();
        let usage = (!is_counted).then(|| chunk::split(&answer, &id, created, true).into());
        Ok(Self { json, usage, used })
    }
}
