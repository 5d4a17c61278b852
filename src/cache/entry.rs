//! One kept answer.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    clock::Moment,
    ident::{ModelId, ProviderName},
    policy::identity::Partition,
    units::Usd,
    wire::answer::{Answer, Usage},
};

/// An answer and what is known of it.
#[derive(Debug)]
pub struct Entry {
    /// The [`Answer`] as JSON, without id and time.
    pub written: Bytes,
    /// Where questions of the same meaning find it; `None` if they must not.
    pub partition: Option<Partition>,
    /// Who gave it.
    pub provider: ProviderName,
    /// What the provider calls the model.
    pub model: ModelId,
    /// Its tokens, if the provider counted them.
    pub usage: Option<Usage>,
    /// What it cost, if the price is known.
    pub cost: Option<Usd>,
    /// Since when it is kept.
    pub stored: Moment,
    /// How long it may be used.
    pub ttl: Duration,
}

impl Entry {
    /// Whether it may still be used at `now`, and is not older than a request demands.
    #[must_use]
    pub fn is_fresh(&self, now: Moment, max_age: Option<Duration>) -> bool {
        let age = now.since(self.stored);
        age < self.ttl && max_age.is_none_or(|most| age <= most)
    }

    /// The answer, read back. `None` never happens for what [`Answer`] wrote.
    #[must_use]
    pub fn answer(&self) -> Option<Answer> {
        serde_json::from_slice(&self.written).ok()
    }

    /// The memory it takes, in bytes, with its place in the tables.
    #[must_use]
    pub fn weight(&self) -> usize {
        const TABLES: usize = 256;
        // A vector of 384 floats, held flat and in a graph, and the question's words.
        const SEMANTIC: usize = 2 * 384 * 4 + 1024;
        self.written.len()
            + TABLES
            + if self.partition.is_some() {
                SEMANTIC
            } else {
                0
            }
    }
}
