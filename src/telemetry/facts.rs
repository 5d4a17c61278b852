//! How an answer came to be, in the words of headers, metrics and logs.

use std::time::Duration;

use super::ledger::Way;
use crate::{
    clock::Moment,
    ident::{ModelId, ProviderName, TaskName},
    units::{Similarity, Tokens, Usd},
};

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
    /// All words of [`Tier::as_str`].
    pub(super) const WORDS: [&'static str; 3] = ["exact", "canonical", "semantic"];

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
        let [exact, canonical, semantic] = Self::WORDS;
        match self {
            Self::Exact => exact,
            Self::Surface => canonical,
            Self::Semantic(_) => semantic,
        }
    }
}
