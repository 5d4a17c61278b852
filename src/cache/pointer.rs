//! What points to entries besides their own identity.

use crate::{
    policy::{
        identity::{Fingerprint, Scope},
        learn::Admitted,
    },
    units::Similarity,
    wire::chat::Delivery,
};

/// The hash of a scope and the very bytes of a body, and a generation of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawKey {
    digest: [u8; 32],
    generation: u64,
}

impl RawKey {
    /// The key of these bytes in this scope, as long as this generation of the configuration lasts: another
    /// one may send them elsewhere.
    #[must_use]
    pub fn new(scope: Scope, generation: u64, body: &[u8]) -> Self {
        Self {
            digest: scope.digest(body),
            generation,
        }
    }
}

/// What is known of a body that was seen before: everything that answering it takes.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// Its own entry, if there is one.
    pub fingerprint: Fingerprint,
    /// The entry of the same question in other words, which answers as long as it has none.
    pub paraphrase_of: Option<Paraphrase>,
    /// How it wants its answer.
    pub delivery: Delivery,
}

/// A question that was found to mean the same as an entry's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paraphrase {
    /// The entry.
    pub fingerprint: Fingerprint,
    /// How near it is; `None` where both have the same surface.
    pub similarity: Option<Similarity>,
}

/// What was answered from which entry: what feedback about an answer refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Who was answered.
    pub owner: Scope,
    /// The entry.
    pub entry: Fingerprint,
    /// What spoke for it, if it was found by meaning.
    pub admitted: Option<Admitted>,
}
