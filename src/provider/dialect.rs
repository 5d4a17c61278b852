//! What a dialect other than OpenAI's has to say for itself: how a request is put, and how its
//! answers are read. Pure, but for [`Dialect::ready`].

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderMap;

use super::{
    frames::Framing,
    transport::{Failure, Transport},
    verbatim::Verbatim,
};
use crate::{
    ident::ModelId,
    wire::{
        ask::{Ask, Cannot, Unable},
        chat::Delivery,
        native::Native,
        said::Event,
    },
};

/// A provider's own interface.
pub(super) trait Dialect: Send + Sync + fmt::Debug + 'static {
    /// How its streams are cut into events.
    const FRAMING: Framing;

    /// Learns what [`Dialect::put`] needs to know about `model`, if it does not know it yet. That
    /// nothing could be learned is no error.
    fn ready<'a>(&'a self, _transport: &'a Transport, _model: &'a ModelId) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// How many answers to `ask` one call can give. If they are fewer than wanted, each answer is
    /// asked for by a call of its own.
    fn choices_per_call(&self, _ask: &Ask) -> u32 {
        1
    }

    /// Puts `ask` into the dialect; [`Ask::choices`] is what this call is to give.
    fn put(&self, ask: &Ask, model: &ModelId, cannot: &mut Cannot) -> Result<Outgoing, Unable>;

    /// Reads one answer to `ask`, from its beginning.
    fn reader(&self, ask: &Ask) -> Box<dyn Reader>;

    /// How a client's own words are sent that are of this dialect; `None` if they are of another one.
    fn verbatim(
        &self,
        _native: &Native,
        _model: &ModelId,
        _delivery: Delivery,
    ) -> Option<Verbatim> {
        None
    }
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) url: reqwest::Url,
    /// Headers of this request, besides those that all have.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Reads one answer.
pub(super) trait Reader: Send {
    /// Reads a whole answer.
    fn whole(&mut self, body: &[u8], told: &mut Vec<Event>) -> Result<(), Broken>;

    /// Reads the data of one event of a stream.
    fn event(&mut self, data: &[u8], told: &mut Vec<Event>) -> Result<(), Broken>;

    /// Whether the last event of the answer was read: nothing behind it is waited for.
    fn is_over(&self) -> bool {
        false
    }

    /// Whether the provider works in a way that only its own interface can tell, such as a search. Clients that
    /// speak it want to see that, and other providers could not take it over.
    fn is_at_work(&self) -> bool {
        false
    }

    /// The stream came to a clean end: whether the answer did.
    fn end(&mut self, told: &mut Vec<Event>) -> Result<(), Broken>;
}

/// Why an answer can't be read on.
#[derive(Debug)]
pub(super) enum Broken {
    /// It is not of this dialect, or incomplete; says what was there instead.
    Unreadable(String),
    /// The provider reports an error.
    Reported(Failure),
}
