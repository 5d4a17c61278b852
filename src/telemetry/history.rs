//! What happened over the last quarter of an hour, hour, day and week, in steps, for the charts of the admin page.
//!
//! Counts, tokens, money and seconds are what the sums of the [`Ledger`](super::ledger::Ledger) grew by from one
//! [`sample`](History::sample) to the next, so both say the same. Latencies and errors come from the records of
//! requests, and are put into the step in which they were sampled. Memory is bounded: some 0.5 MB for usual traffic, 2 MB
//! if every latency there is occurs in every step. Invariant: a pause, a restart or a clock that jumps leaves a gap, never
//! a spike or a negative number.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use self::{
    chart::{Amounts, Answers, Chart, Errors, LatencyMs, Point, Range},
    latencies::Quantiles,
    saved::Unreadable,
};
use self::{
    latencies::Gathering,
    series::{Bucket, Series, Sums},
};
use super::{
    journal::{Head, Observer, Record},
    ledger::{Totals, Way},
};
use crate::{
    clock::{Moment, UnixMillis},
    error::Fault,
};

mod chart;
pub(super) mod latencies;
mod saved;
mod series;

/// Over how long the rate of requests is a mean.
const RATE: Duration = Duration::from_secs(10);
/// The shortest time between two counts of requests that are remembered for it.
const BETWEEN_MARKS: Duration = Duration::from_millis(900);
/// The longest time that a sample is taken to stand for, in milliseconds: whatever was longer was a pause.
const LONGEST_SAMPLE_MS: u64 = 2000;

/// What happened, step by step.
#[derive(Debug)]
pub struct History {
    hits: Gathering,
    misses: Gathering,
    overheads: Gathering,
    /// Of clients, of providers, of the gateway.
    errors: [AtomicU64; 3],
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The sums of the last sample, and when it was taken.
    last: Sums,
    sampled: Option<Moment>,
    /// In the order of [`Range::ALL`].
    levels: [Series; 4],
    /// How many requests there had been at some moments, the earliest first.
    marks: VecDeque<(Moment, u64)>,
    changes: u64,
}

impl Default for History {
    fn default() -> Self {
        let levels = Range::ALL.map(|range| {
            // The step in progress, and one of which a part is in the range.
            let most = range.span() / range.step() + 2;
            Series::new(range.step(), usize::try_from(most).unwrap_or(1))
        });
        Self {
            hits: Gathering::default(),
            misses: Gathering::default(),
            overheads: Gathering::default(),
            errors: Default::default(),
            state: Mutex::new(State {
                last: Sums::default(),
                sampled: None,
                levels,
                marks: VecDeque::new(),
                changes: 0,
            }),
        }
    }
}

impl History {
    /// Takes what has happened since the last sample, of which `totals` are the sums now. It counts for the middle of
    /// that time.
    pub fn sample(&self, now: Moment, at: UnixMillis, totals: &Totals) {
        let sums = Sums::of(totals);
        let mut state = self.state();
        let since = state.sampled.replace(now).map(|last| now.since(last));
        let bucket = Bucket {
            sums: sums.since(&state.last),
            errors: [0, 1, 2].map(|origin| {
                let count = self.errors.get(origin);
                count.map_or(0, |count| count.swap(0, Ordering::Relaxed))
            }),
            latencies: [&self.hits, &self.misses, &self.overheads].map(Gathering::take),
        };
        state.last = sums;
        state.mark(now, sums.requests());
        if bucket.is_empty() {
            return;
        }
        state.changes += 1;
        let since = since.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
        let second = at.0.saturating_sub(since.min(LONGEST_SAMPLE_MS) / 2) / 1000;
        for series in &mut state.levels {
            series.add(second, &bucket);
        }
    }

    /// Requests a second, as a mean of the last ten seconds before the last sample.
    #[must_use]
    pub fn requests_per_second(&self) -> f64 {
        let state = self.state();
        let Some(((began, before), now)) = state.marks.front().zip(state.sampled) else {
            return 0.0;
        };
        let elapsed = now.since(*began).max(Duration::from_secs(1));
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let requests = state.last.requests().saturating_sub(*before) as f64;
        requests / elapsed.as_secs_f64()
    }

    /// The shortest step that is in progress at this time.
    #[must_use]
    pub fn latest(&self, at: UnixMillis) -> Point {
        self.step_before(at, 0)
    }

    /// The one before it, to which the first sample of a step may still add.
    #[must_use]
    pub fn previous(&self, at: UnixMillis) -> Point {
        self.step_before(at, 1)
    }

    fn step_before(&self, at: UnixMillis, steps: u64) -> Point {
        let state = self.state();
        let [series, ..] = &state.levels;
        let start = series.start((at.0 / 1000).saturating_sub(steps * series.step));
        let nothing = Bucket::default();
        Point::of(start, series.step, series.get(start).unwrap_or(&nothing))
    }

    /// What happened in `range` until this time.
    #[must_use]
    pub fn chart(&self, range: Range, at: UnixMillis) -> Chart {
        let to = at.0 / 1000;
        let state = self.state();
        let series = state
            .levels
            .iter()
            .find(|series| series.step == range.step());
        let from = to.saturating_sub(range.span());
        let from = series.map_or(from, |series| series.start(from));
        let buckets = series
            .into_iter()
            .flat_map(|series| series.between(from, to));
        Chart {
            range: range.as_str(),
            step_seconds: range.step(),
            from,
            to,
            points: buckets
                .map(|(start, bucket)| Point::of(start, range.step(), bucket))
                .collect(),
        }
    }

    /// A number that is another one whenever anything was added.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// All of it, for a file.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        saved::write(&self.state().levels)
    }

    /// Adds what was saved before, whatever the clock said then.
    ///
    /// # Errors
    /// [`Unreadable`]; nothing is added then.
    pub fn restore(&self, bytes: &[u8]) -> Result<(), Unreadable> {
        let read = saved::read(bytes)?;
        let mut state = self.state();
        for saved::Read { step, buckets } in read {
            let series = state.levels.iter_mut().find(|series| series.step == step);
            if let Some(series) = series {
                series.restore(buckets);
            }
        }
        Ok(())
    }

    /// Counts an answer that came to its client, or did not.
    fn count(&self, head: &Head, record: &Record) {
        let fault = match (&head.failure, head.status) {
            (Some(failure), _) => Some(failure.fault),
            (None, 500..) => Some(Fault::Gateway),
            (None, 400..) => Some(Fault::Client),
            (None, _) => record.is_broken_off().then_some(Fault::Upstream),
        };
        let [client, provider, gateway] = &self.errors;
        match fault {
            Some(Fault::Client) => client.fetch_add(1, Ordering::Relaxed),
            Some(Fault::Upstream) => provider.fetch_add(1, Ordering::Relaxed),
            Some(Fault::Gateway) => gateway.fetch_add(1, Ordering::Relaxed),
            None => 0,
        };
        let (Some(facts), Some(answered)) = (&head.facts, record.answered) else {
            return;
        };
        if head.failure.is_some() || head.status >= 400 {
            return;
        }
        match facts.way {
            Way::Exact | Way::Semantic | Way::Stale => self.hits.add(answered),
            // What the gateway answered by itself says nothing of either.
            Way::Miss | Way::Bypass if facts.attempts > 0 => {
                self.misses.add(answered);
                if let Some(overhead) = record.overhead() {
                    self.overheads.add(overhead);
                }
            }
            Way::Miss | Way::Bypass | Way::Coalesced | Way::Background => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Remembers how many requests there are by now. The first one is as old as the rate's time, or the oldest there is.
    fn mark(&mut self, now: Moment, requests: u64) {
        let last = self.marks.back();
        if last.is_none_or(|(last, _)| now.since(*last) >= BETWEEN_MARKS) {
            self.marks.push_back((now, requests));
        }
        while (self.marks.get(1)).is_some_and(|(second, _)| now.since(*second) >= RATE) {
            self.marks.pop_front();
        }
    }
}

impl Observer for History {
    fn over(&self, record: &Arc<Record>) {
        // Without a head it was the gateway's own, or its client was gone before.
        if let Some(head) = &record.head {
            self.count(head, record);
        }
    }
}

#[cfg(test)]
mod tests;
