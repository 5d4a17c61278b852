//! What was billed and what was saved since the start, for the admin page.
//!
//! Two ledgers that never mix: a hit adds nothing to what was billed.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use metrics::Counter;
use serde::Serialize;

use super::{names, similarities::Similarities, tally::Reasons};
use crate::{units::Usd, wire::answer::Usage};

/// Which way a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Answered by an equal request's entry.
    Exact,
    /// Answered by the entry of a question of the same meaning.
    Semantic,
    /// Answered by an entry whose time was over.
    Stale,
    /// Shared another request's call.
    Coalesced,
    /// Answered by a provider.
    Miss,
    /// Answered by a provider, the cache left alone.
    Bypass,
    /// Asked by the gateway itself, to have a fresh answer.
    Background,
}

impl Way {
    /// The word for header, metric and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Semantic => "semantic",
            Self::Stale => "stale",
            Self::Coalesced => "coalesced",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Background => "background",
        }
    }

    /// Whether it was answered without a call of its own.
    #[must_use]
    pub const fn is_hit(self) -> bool {
        matches!(
            self,
            Self::Exact | Self::Semantic | Self::Stale | Self::Coalesced
        )
    }
}

/// Running sums.
#[derive(Debug)]
pub struct Ledger {
    exact: Sum,
    semantic: Sum,
    stale: Sum,
    coalesced: Sum,
    miss: Sum,
    bypass: Sum,
    background: Sum,
    would_exact: Sum,
    would_semantic: Sum,
    failed: AtomicU64,
    billed_tokens: AtomicU64,
    saved_tokens: AtomicU64,
    billed_nano_usd: AtomicU64,
    saved_nano_usd: AtomicU64,
    billed_micros: AtomicU64,
    saved_micros: AtomicU64,
    saved_input: Counter,
    saved_output: Counter,
    reasons: Reasons,
    similarities: Similarities,
}

/// A sum for the admin page and its counter for Prometheus, looked up once.
#[derive(Debug)]
struct Sum {
    total: AtomicU64,
    counter: Counter,
}

impl Sum {
    fn new(counter: Counter) -> Self {
        Self {
            total: AtomicU64::new(0),
            counter,
        }
    }
}

/// The sums at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Totals {
    /// Answered by equal requests' entries.
    pub exact: u64,
    /// Answered by meaning.
    pub semantic: u64,
    /// Answered by entries whose time was over.
    pub stale: u64,
    /// Shared another request's call.
    pub coalesced: u64,
    /// Looked up and not found.
    pub miss: u64,
    /// Not looked up.
    pub bypass: u64,
    /// Asked by the gateway itself: nobody's request.
    pub background: u64,
    /// What would have been answered by the cache, in shadow mode.
    pub would_hit: WouldHit,
    /// Not answered.
    pub failed: u64,
    /// Tokens that providers counted; estimated where they do not.
    pub billed_tokens: u64,
    /// Tokens of answers that came from the cache.
    pub saved_tokens: u64,
    /// US dollars, where the price is known.
    pub billed_usd: f64,
    /// US dollars, where the price is known.
    pub saved_usd: f64,
    /// How long providers worked on answers, in seconds; calls at the same time count each.
    pub billed_seconds: f64,
    /// How long the answers that came from the cache had taken when they were asked for, in seconds.
    pub saved_seconds: f64,
}

/// Hits that were not served.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WouldHit {
    /// By equal requests' entries.
    pub exact: u64,
    /// By meaning.
    pub semantic: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        // Counted elsewhere, by tier and reason.
        let uncounted = || Sum::new(Counter::noop());
        let shadow =
            |tier: &'static str| Sum::new(metrics::counter!(names::CACHE_SHADOW, "tier" => tier));
        let saved = |kind: &'static str| metrics::counter!(names::CACHE_SAVED_TOKENS, "gen_ai_token_type" => kind);
        Self {
            exact: uncounted(),
            semantic: uncounted(),
            stale: uncounted(),
            coalesced: Sum::new(metrics::counter!(names::CACHE_COALESCED)),
            miss: uncounted(),
            bypass: uncounted(),
            background: Sum::new(metrics::counter!(names::CACHE_BACKGROUND)),
            would_exact: shadow("exact"),
            would_semantic: shadow("semantic"),
            failed: AtomicU64::new(0),
            billed_tokens: AtomicU64::new(0),
            saved_tokens: AtomicU64::new(0),
            billed_nano_usd: AtomicU64::new(0),
            saved_nano_usd: AtomicU64::new(0),
            billed_micros: AtomicU64::new(0),
            saved_micros: AtomicU64::new(0),
            saved_input: saved("input"),
            saved_output: saved("output"),
            reasons: Reasons::default(),
            similarities: Similarities::default(),
        }
    }
}

impl Ledger {
    /// Counts an answered request.
    pub fn count(&self, way: Way) {
        let sum = match way {
            Way::Exact => &self.exact,
            Way::Semantic => &self.semantic,
            Way::Stale => &self.stale,
            Way::Coalesced => &self.coalesced,
            Way::Miss => &self.miss,
            Way::Bypass => &self.bypass,
            Way::Background => &self.background,
        };
        sum.total.fetch_add(1, Ordering::Relaxed);
        sum.counter.increment(1);
    }

    /// Counts a hit that was not served.
    pub fn would_hit(&self, way: Way) {
        let sum = match way {
            Way::Semantic => &self.would_semantic,
            Way::Exact
            | Way::Stale
            | Way::Coalesced
            | Way::Miss
            | Way::Bypass
            | Way::Background => &self.would_exact,
        };
        sum.total.fetch_add(1, Ordering::Relaxed);
        sum.counter.increment(1);
    }

    /// Counts a request that was not answered.
    pub fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds what a provider was paid for.
    pub fn bill(&self, usage: Option<Usage>, cost: Option<Usd>) {
        add(&self.billed_tokens, &self.billed_nano_usd, usage, cost);
    }

    /// Adds how long a provider was waited for.
    pub fn bill_time(&self, waited: Duration) {
        add_time(&self.billed_micros, waited);
    }

    /// Adds what the cache saved.
    pub fn save(&self, usage: Option<Usage>, cost: Option<Usd>) {
        add(&self.saved_tokens, &self.saved_nano_usd, usage, cost);
        if let Some(usage) = usage {
            self.saved_input.increment(usage.input.0);
            self.saved_output.increment(usage.output.0);
        }
    }

    /// Adds the time that a provider took for an answer which came from the cache.
    pub fn save_time(&self, took: Duration) {
        add_time(&self.saved_micros, took);
    }

    /// Why the cache did not do what it might have done.
    #[must_use]
    pub fn reasons(&self) -> &Reasons {
        &self.reasons
    }

    /// How near the best candidates of semantic lookups were.
    #[must_use]
    pub fn similarities(&self) -> &Similarities {
        &self.similarities
    }

    /// The sums now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "sums for people")]
        let scaled = |counter: &AtomicU64, unit: f64| load(counter) as f64 / unit;
        Totals {
            exact: load(&self.exact.total),
            semantic: load(&self.semantic.total),
            stale: load(&self.stale.total),
            coalesced: load(&self.coalesced.total),
            miss: load(&self.miss.total),
            bypass: load(&self.bypass.total),
            background: load(&self.background.total),
            would_hit: WouldHit {
                exact: load(&self.would_exact.total),
                semantic: load(&self.would_semantic.total),
            },
            failed: load(&self.failed),
            billed_tokens: load(&self.billed_tokens),
            saved_tokens: load(&self.saved_tokens),
            billed_usd: scaled(&self.billed_nano_usd, 1e9),
            saved_usd: scaled(&self.saved_nano_usd, 1e9),
            billed_seconds: scaled(&self.billed_micros, 1e6),
            saved_seconds: scaled(&self.saved_micros, 1e6),
        }
    }
}

fn add_time(micros: &AtomicU64, waited: Duration) {
    // Twelve days are no time that anybody waited.
    let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
    micros.fetch_add(waited.min(1 << 40), Ordering::Relaxed);
}

fn add(tokens: &AtomicU64, nano_usd: &AtomicU64, usage: Option<Usage>, cost: Option<Usd>) {
    if let Some(usage) = usage {
        // A provider that reports nonsense must not wrap the sum.
        let sum = usage.input.0.saturating_add(usage.output.0).min(1 << 40);
        tokens.fetch_add(sum, Ordering::Relaxed);
    }
    if let Some(cost) = cost {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates"
        )]
        nano_usd.fetch_add((cost.get() * 1e9).round() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_amounts_lose_nothing() {
        let ledger = Ledger::default();
        // Each of these products is a little less than a whole number.
        for _ in 0..1000 {
            ledger.bill(None, Usd::new(0.000_031_1));
            ledger.save(None, Usd::new(0.000_015_7));
        }
        let totals = ledger.totals();
        assert_eq!((totals.billed_usd, totals.saved_usd), (0.0311, 0.0157));
    }
}
