//! Sums and times by steps of a fixed length, of which the nearest to the present are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::latencies::Latencies;
use crate::telemetry::ledger::Totals;

/// The place of [`Sums::answers`] that holds what the gateway asked for itself.
const BACKGROUND: usize = 6;

/// Running sums of a ledger, or how much they grew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// Exact, semantic, stale, coalesced, miss, bypass, background, failed.
    pub(super) answers: [u64; 8],
    /// Billed, saved.
    pub(super) tokens: [u64; 2],
    pub(super) usd: [f64; 2],
    pub(super) seconds: [f64; 2],
}

impl Sums {
    pub(super) fn of(totals: &Totals) -> Self {
        Self {
            answers: [
                totals.exact,
                totals.semantic,
                totals.stale,
                totals.coalesced,
                totals.miss,
                totals.bypass,
                totals.background,
                totals.failed,
            ],
            tokens: [totals.billed_tokens, totals.saved_tokens],
            usd: [totals.billed_usd, totals.saved_usd],
            seconds: [totals.billed_seconds, totals.saved_seconds],
        }
    }

    /// How much more these are than those before; nothing where they are less, since they began anew.
    pub(super) fn since(&self, before: &Self) -> Self {
        let more = |now: f64, before: f64| (now - before).max(0.0);
        Self {
            answers: joined(self.answers, before.answers, u64::saturating_sub),
            tokens: joined(self.tokens, before.tokens, u64::saturating_sub),
            usd: joined(self.usd, before.usd, more),
            seconds: joined(self.seconds, before.seconds, more),
        }
    }

    fn add(&mut self, more: &Self) {
        let sum = |one: f64, other: f64| one + other;
        self.answers = joined(self.answers, more.answers, u64::saturating_add);
        self.tokens = joined(self.tokens, more.tokens, u64::saturating_add);
        self.usd = joined(self.usd, more.usd, sum);
        self.seconds = joined(self.seconds, more.seconds, sum);
    }

    /// Requests of clients.
    pub(super) fn requests(&self) -> u64 {
        let clients = self.answers.iter().enumerate();
        let clients = clients.filter(|(place, _)| *place != BACKGROUND);
        clients.fold(0, |sum, (_, more)| sum.saturating_add(*more))
    }

    fn is_valid(&self) -> bool {
        let mut amounts = self.usd.iter().chain(&self.seconds);
        amounts.all(|amount| amount.is_finite() && *amount >= 0.0)
    }
}

fn joined<T: Copy, const N: usize>(one: [T; N], other: [T; N], join: impl Fn(T, T) -> T) -> [T; N] {
    let mut other = other.into_iter();
    one.map(|one| other.next().map_or(one, |other| join(one, other)))
}

/// What happened in one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    pub(super) sums: Sums,
    /// Of clients, of providers, of the gateway.
    pub(super) errors: [u64; 3],
    /// Of hits, of misses, of the gateway itself.
    pub(super) latencies: [Latencies; 3],
}

impl Bucket {
    pub(super) fn is_empty(&self) -> bool {
        self.sums == Sums::default()
            && self.errors == [0; 3]
            && self.latencies.iter().all(Latencies::is_empty)
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.sums.add(&more.sums);
        self.errors = joined(self.errors, more.errors, u64::saturating_add);
        for (known, more) in self.latencies.iter_mut().zip(&more.latencies) {
            known.add(more);
        }
    }

    fn is_valid(&self) -> bool {
        self.sums.is_valid() && self.latencies.iter().all(Latencies::is_valid)
    }
}

/// Buckets of one length, in seconds, by the second in which they begin.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) step: u64,
    most: usize,
    buckets: BTreeMap<u64, Bucket>,
}

impl Series {
    /// Of up to `most` buckets.
    pub(super) fn new(step: u64, most: usize) -> Self {
        Self {
            step,
            most,
            buckets: BTreeMap::new(),
        }
    }

    /// The beginning of the step that this second is in.
    pub(super) fn start(&self, second: u64) -> u64 {
        second - second % self.step.max(1)
    }

    /// Adds what happened at this second.
    pub(super) fn add(&mut self, second: u64, more: &Bucket) {
        let start = self.start(second);
        self.buckets.entry(start).or_default().add(more);
        while self.buckets.len() > self.most {
            self.forget_farthest(start);
        }
    }

    /// What is farthest from now makes room, not what is oldest: a clock that was wrong for a moment, in either
    /// direction, must not cost all that was known.
    fn forget_farthest(&mut self, now: u64) {
        let farthest = [
            self.buckets.first_key_value(),
            self.buckets.last_key_value(),
        ];
        let farthest = farthest.into_iter().flatten().map(|(start, _)| *start);
        if let Some(start) = farthest.max_by_key(|start| start.abs_diff(now)) {
            self.buckets.remove(&start);
        }
    }

    /// The bucket that begins then.
    pub(super) fn get(&self, start: u64) -> Option<&Bucket> {
        self.buckets.get(&start)
    }

    /// Those that begin in this time, the earliest first.
    pub(super) fn between(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &Bucket)> {
        let buckets = (from <= to).then(|| self.buckets.range(from..=to));
        buckets
            .into_iter()
            .flatten()
            .map(|(start, bucket)| (*start, bucket))
    }

    /// All of them, for a file.
    pub(super) fn all(&self) -> Vec<(u64, &Bucket)> {
        self.between(0, u64::MAX).collect()
    }

    /// Takes over what a file held; what can't be is left out.
    pub(super) fn restore(&mut self, saved: Vec<(u64, Bucket)>) {
        let valid = saved
            .into_iter()
            .filter(|(start, bucket)| *start == self.start(*start) && bucket.is_valid())
            .collect::<Vec<_>>();
        for (start, bucket) in valid {
            self.add(start, &bucket);
        }
    }
}
