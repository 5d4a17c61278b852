//! One kept answer.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use serde_json::Value;

use crate::{
    clock::Moment,
    ident::{ModelId, ProviderName},
    policy::identity::Partition,
    units::{Price, Usd},
    wire::answer::{Answer, Usage, read_usage},
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
    /// Its `usage`, counted here because the provider left it out.
    pub counted: OnceLock<Value>,
    /// What its model costs.
    pub price: Option<Price>,
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
        Answer::read(&self.written).ok()
    }

    /// Its tokens, whoever counted them; `None` if nobody has yet.
    #[must_use]
    pub fn tokens(&self) -> Option<Usage> {
        self.usage.or_else(|| read_usage(self.counted.get()?))
    }

    /// What asking again would cost, as far as tokens and price are known.
    #[must_use]
    pub fn cost(&self) -> Option<Usd> {
        let tokens = self.tokens()?;
        Some(self.price?.of(tokens.input, tokens.output))
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
