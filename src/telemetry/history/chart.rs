//! The history as it is told: ranges, their steps, and what happened in each.

use serde::Serialize;

use super::{
    latencies::Quantiles,
    series::{Bucket, Sums},
};

/// How far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// 15 minutes, in steps of 5 seconds.
    Quarter,
    /// An hour, in steps of 20 seconds.
    Hour,
    /// A day, in steps of 5 minutes.
    Day,
    /// A week, in steps of an hour.
    Week,
}

impl Range {
    /// All there are, the shortest first.
    pub const ALL: [Self; 4] = [Self::Quarter, Self::Hour, Self::Day, Self::Week];

    /// The range of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.as_str() == name)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarter => "15m",
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// The length of a step, in seconds.
    #[must_use]
    pub fn step(self) -> u64 {
        match self {
            Self::Quarter => 5,
            Self::Hour => 20,
            Self::Day => 300,
            Self::Week => 3600,
        }
    }

    /// All of it, in seconds.
    #[must_use]
    pub fn span(self) -> u64 {
        match self {
            Self::Quarter => 15 * 60,
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
            Self::Week => 7 * 24 * 60 * 60,
        }
    }
}

/// What happened in one step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// When it began, in seconds since 1970.
    pub at: u64,
    /// How long it is, in seconds.
    pub step_seconds: u64,
    /// Answers, by their way; `background` are the gateway's own.
    pub requests: Answers,
    /// Requests that were not answered, by whose fault it was.
    pub errors: Errors,
    /// Times until the head of the answer, in milliseconds.
    pub latency_ms: LatencyMs,
    /// Tokens.
    pub tokens: Amounts<u64>,
    /// US dollars, where the price is known.
    pub usd: Amounts<f64>,
    /// Seconds that providers were waited for, or would have been.
    pub waited_seconds: Amounts<f64>,
}

/// Answers, by their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words of `ledger::Way`")]
pub struct Answers {
    pub exact: u64,
    pub semantic: u64,
    pub stale: u64,
    pub coalesced: u64,
    pub miss: u64,
    pub bypass: u64,
    pub background: u64,
    /// Not answered.
    pub failed: u64,
}

/// Requests that were not answered, by whose fault it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// The client's.
    pub client: u64,
    /// A provider's; also answers that broke off.
    pub provider: u64,
    /// The gateway's own.
    pub gateway: u64,
}

/// How long things took; `None` where there were none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LatencyMs {
    /// Answers from the cache, until their head.
    pub hit: Option<Quantiles>,
    /// Answers of providers, until their head.
    pub miss: Option<Quantiles>,
    /// The gateway's own share of the latter.
    pub overhead: Option<Quantiles>,
}

/// Two ledgers that never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Amounts<T> {
    /// What providers were paid for.
    pub billed: T,
    /// What the cache saved.
    pub saved: T,
}

impl Point {
    pub(super) fn of(at: u64, step_seconds: u64, bucket: &Bucket) -> Self {
        let Sums {
            answers,
            tokens,
            usd,
            seconds,
        } = bucket.sums;
        let [
            exact,
            semantic,
            stale,
            coalesced,
            miss,
            bypass,
            background,
            failed,
        ] = answers;
        let [client, provider, gateway] = bucket.errors;
        let [hits, misses, overheads] = &bucket.latencies;
        Self {
            at,
            step_seconds,
            requests: Answers {
                exact,
                semantic,
                stale,
                coalesced,
                miss,
                bypass,
                background,
                failed,
            },
            errors: Errors {
                client,
                provider,
                gateway,
            },
            latency_ms: LatencyMs {
                hit: hits.quantiles(),
                miss: misses.quantiles(),
                overhead: overheads.quantiles(),
            },
            tokens: amounts(tokens),
            usd: amounts(usd),
            waited_seconds: amounts(seconds),
        }
    }
}

fn amounts<T>([billed, saved]: [T; 2]) -> Amounts<T> {
    Amounts { billed, saved }
}

/// A part of the history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// How far back.
    pub range: &'static str,
    /// The length of a step, in seconds.
    pub step_seconds: u64,
    /// When the first step begins, in seconds since 1970.
    pub from: u64,
    /// The present.
    pub to: u64,
    /// The steps in which anything happened, the earliest first.
    pub points: Vec<Point>,
}
