//! A body that is handed over in pieces.
//!
//! It stays as it is: a known length stays known, and what is handed over, joined, is what it holds.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};

/// A body, of which the last bytes that came may be handed over in part.
#[derive(Debug)]
pub(super) struct Pieces {
    body: Body,
    /// Of the last bytes of `body`, those that were not handed over yet.
    rest: Bytes,
}

impl Pieces {
    /// All of `body`.
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            rest: Bytes::new(),
        }
    }

    /// The next piece: as many of the bytes that are there as `length` says of how many they are.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        length: impl Fn(usize) -> usize,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end @ (Some(Err(_)) | None) => return Poll::Ready(end),
            }
        }
        let there = self.rest.len();
        let piece = self.rest.split_to(length(there).min(there));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    /// Whether nothing is left.
    pub(super) fn is_over(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    /// How much is left.
    pub(super) fn left(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
