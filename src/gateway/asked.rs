//! A request as it comes to the gateway.

use std::sync::Arc;

use bytes::Bytes;

use super::account::Account;
use crate::{
    clock::Moment,
    config::{AllowedModels, CacheOverrides},
    ident::Namespace,
    policy::{identity::Scope, truncate::Overflow},
    telemetry::journal::Journal,
    units::Tokens,
    wire::{controls::Controls, native::Translated},
};

/// Who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The [`Setup::generation`] that what is said here belongs to.
    pub generation: u64,
    /// Whose entries it sees.
    pub scope: Scope,
    /// Itself, also where it shares a namespace with others.
    pub own: Scope,
    /// The namespace that it shares with others.
    pub namespace: Option<Namespace>,
    /// What it may ask for.
    pub allowed: AllowedModels,
    /// What is configured for the cache of its answers.
    pub cache: CacheOverrides,
    /// The longest prompt that it may send.
    pub max_input: Option<Tokens>,
    /// What is done with one that is too long.
    pub on_overflow: Option<Overflow>,
    /// What it asks and spends; `None` where everybody may ask.
    pub account: Option<Arc<Account>>,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Asked<B = Bytes> {
    /// Who asks.
    pub caller: Caller,
    /// What the headers say about the cache.
    pub controls: Controls,
    /// The body.
    pub body: B,
    /// When its head came in.
    pub received: Moment,
    /// Where it is noted what happens to it.
    pub journal: Arc<Journal>,
}

impl<B> Asked<B> {
    /// The same with another body.
    #[must_use]
    pub fn with<C>(self, body: C) -> Asked<C> {
        Asked {
            caller: self.caller,
            controls: self.controls,
            body,
            received: self.received,
            journal: self.journal,
        }
    }
}

/// What is to be answered by a chat.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A chat request, as its client wrote it.
    Chat(Bytes),
    /// A request of another interface, and what it means.
    Translated(Box<Translated>),
}

impl From<Bytes> for Wanted {
    fn from(body: Bytes) -> Self {
        Self::Chat(body)
    }
}

impl From<Translated> for Wanted {
    fn from(translated: Translated) -> Self {
        Self::Translated(Box::new(translated))
    }
}
