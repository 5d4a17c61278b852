//! How each target fares: its requests under way, and how long its answers take to begin.
//!
//! Invariant: what [`Vitals::begin`] counts is counted down again, however the request ends.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use crate::{
    clock::{Clock, Moment},
    ident::{ModelId, ProviderName},
    policy::routing::{peak_ewma::PeakEwma, strategy::Candidate},
    units::Price,
    wire::chat::Delivery,
};

/// A failure counts as an answer that took at least this long. Otherwise a target that fails at once
/// would be the quickest of all and draw every request.
const FAILURE: Duration = Duration::from_secs(30);
/// After this time without an answer, one that was given up tells something of the target.
const PATIENCE: Duration = Duration::from_secs(1);
/// Targets that are remembered: far more than any configuration has, but requests can make up models.
const MOST_TARGETS: u64 = 10_000;
/// How long a target is remembered that nobody asks.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// The vitals of all targets; clones share them. They outlive a change of the configuration.
#[derive(Debug, Clone)]
pub struct VitalsTable(Cache<(ProviderName, ModelId), Arc<Vitals>>);

impl VitalsTable {
    /// Of no target yet.
    #[must_use]
    pub fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(MOST_TARGETS)
            .time_to_idle(IDLE);
        Self(cache.build())
    }

    /// The vitals of this provider's `model`.
    #[must_use]
    pub fn of(&self, provider: &ProviderName, model: &ModelId) -> Arc<Vitals> {
        let target = (provider.clone(), model.clone());
        self.0.get_with(target, Arc::default)
    }
}

impl Default for VitalsTable {
    fn default() -> Self {
        Self::new()
    }
}

/// How one target fares.
#[derive(Debug, Default)]
pub struct Vitals {
    in_flight: AtomicU32,
    latencies: Mutex<Latencies>,
}

/// Apart, since a stream begins with its first word and a whole answer comes with its last.
#[derive(Debug, Default)]
struct Latencies {
    whole: PeakEwma,
    stream: PeakEwma,
}

impl Latencies {
    fn of(&mut self, delivery: Delivery) -> &mut PeakEwma {
        match delivery {
            Delivery::Json => &mut self.whole,
            Delivery::Stream { .. } => &mut self.stream,
        }
    }
}

impl Vitals {
    /// The requests under way, streams that are being read included.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request for an answer of this `delivery`, until the guard is dropped.
    pub fn begin(self: &Arc<Self>, clock: &Clock, delivery: Delivery) -> Guard {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Guard {
            vitals: Arc::clone(self),
            clock: clock.clone(),
            began: clock.now(),
            delivery,
            waits: true,
        }
    }

    /// What `policy` has to know of the target to choose it for an answer of this `delivery`.
    #[must_use]
    pub fn candidate(
        &self,
        weight: u32,
        price: Option<Price>,
        delivery: Delivery,
        now: Moment,
    ) -> Candidate {
        Candidate {
            weight,
            price,
            latency: self.with_latencies(|latencies| latencies.of(delivery).value_at(now)),
            in_flight: self.in_flight(),
        }
    }

    fn with_latencies<T>(&self, with: impl FnOnce(&mut Latencies) -> T) -> T {
        // Nothing that is done under the lock can leave half of it.
        with(&mut (self.latencies.lock()).unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request under way. To be kept until the last piece of its answer is read.
///
/// Dropped before the answer began, it was given up (by the client, or since the request was at fault):
/// the time waited counts if it was long, or a target that never answers would never be known to be slow.
#[derive(Debug)]
#[must_use = "the request counts as under way only while this is kept"]
pub struct Guard {
    vitals: Arc<Vitals>,
    clock: Clock,
    began: Moment,
    delivery: Delivery,
    /// Whether nothing has come yet, neither an answer nor a failure.
    waits: bool,
}

impl Guard {
    /// The answer begins: its first event is there, or all of it. Counts once.
    pub fn first_token(&mut self) {
        if std::mem::take(&mut self.waits) {
            let now = self.clock.now();
            let latency = now.since(self.began);
            let delivery = self.delivery;
            self.vitals
                .with_latencies(|latencies| latencies.of(delivery).observe(now, latency));
        }
    }

    /// The target failed, before its answer or within it. Not for requests that are themselves wrong, nor
    /// for what the target can't do.
    pub fn failed(mut self) {
        self.waits = false;
        let now = self.clock.now();
        let penalty = now.since(self.began).max(FAILURE);
        self.vitals.with_latencies(|latencies| {
            latencies.whole.penalise(now, penalty);
            latencies.stream.penalise(now, penalty);
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.vitals.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.waits {
            let now = self.clock.now();
            let waited = now.since(self.began);
            if waited >= PATIENCE {
                let delivery = self.delivery;
                self.vitals
                    .with_latencies(|latencies| latencies.of(delivery).penalise(now, waited));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: Delivery = Delivery::Stream { usage: false };

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn latency(vitals: &Vitals, delivery: Delivery, clock: &Clock) -> Option<Duration> {
        vitals.candidate(1, None, delivery, clock.now()).latency
    }

    #[test]
    fn requests_are_under_way_until_their_guard_is_gone() {
        let (clock, vitals) = (Clock::manual(), Arc::new(Vitals::default()));
        let mut one = vitals.begin(&clock, STREAM);
        let two = vitals.begin(&clock, Delivery::Json);
        one.first_token();
        assert_eq!(
            vitals.in_flight(),
            2,
            "a stream lasts beyond its first word"
        );
        assert_eq!(
            vitals.candidate(3, None, STREAM, clock.now()),
            Candidate {
                weight: 3,
                price: None,
                latency: Some(Duration::ZERO),
                in_flight: 2
            }
        );
        two.failed();
        assert_eq!(vitals.in_flight(), 1);
        drop(one);
        assert_eq!(vitals.in_flight(), 0);
    }

    #[test]
    fn a_panic_leaves_nothing_under_way() {
        let (clock, vitals) = (Clock::manual(), Arc::new(Vitals::default()));
        let shared = Arc::clone(&vitals);
        let thread = std::thread::spawn(move || {
            let _guard = shared.begin(&clock, STREAM);
            shared.with_latencies(|_| panic!("while the lock is held"));
        });
        assert!(thread.join().is_err());
        assert_eq!(vitals.in_flight(), 0);
        let clock = Clock::manual();
        let mut guard = vitals.begin(&clock, STREAM);
        clock.advance(ms(40));
        guard.first_token();
        assert_eq!(latency(&vitals, STREAM, &clock), Some(ms(40)));
    }

    #[test]
    fn threads_count_together() {
        let vitals = Arc::new(Vitals::default());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let clock = Clock::manual();
                    for turn in 0..500 {
                        let mut guard = vitals.begin(&clock, STREAM);
                        match turn % 3 {
                            0 => guard.first_token(),
                            1 => guard.failed(),
                            _ => {}
                        }
                    }
                });
            }
        });
        assert_eq!(vitals.in_flight(), 0);
    }

    #[test]
    fn the_time_to_the_first_word_counts_once() {
        let (clock, vitals) = (Clock::manual(), Arc::new(Vitals::default()));
        assert_eq!(latency(&vitals, STREAM, &clock), None);
        clock.advance(ms(5_000));
        let mut guard = vitals.begin(&clock, STREAM);
        clock.advance(ms(300));
        guard.first_token();
        clock.advance(ms(9_000));
        guard.first_token();
        drop(guard);
        assert_eq!(latency(&vitals, STREAM, &clock), Some(ms(300)));
        assert_eq!(latency(&vitals, Delivery::Json, &clock), None, "not told");
    }

    #[test]
    fn a_quick_failure_does_not_look_quick() {
        let (clock, vitals) = (Clock::manual(), Arc::new(Vitals::default()));
        let guard = vitals.begin(&clock, STREAM);
        clock.advance(ms(2));
        guard.failed();
        assert_eq!(latency(&vitals, STREAM, &clock), Some(FAILURE));
        assert_eq!(latency(&vitals, Delivery::Json, &clock), Some(FAILURE));
        let guard = vitals.begin(&clock, STREAM);
        clock.advance(FAILURE * 2);
        guard.failed();
        assert_eq!(latency(&vitals, STREAM, &clock), Some(FAILURE * 2));
    }

    #[test]
    fn a_stream_that_breaks_has_failed_too() {
        let (clock, vitals) = (Clock::manual(), Arc::new(Vitals::default()));
        let mut guard = vitals.begin(&clock, STREAM);
        clock.advance(ms(100));
        guard.first_token();
        guard.failed();
        assert_eq!(latency(&vitals, STREAM, &clock), Some(FAILURE));
        clock.advance(Duration::from_secs(120));
        let calm = latency(&vitals, STREAM, &clock).unwrap();
        assert!(calm < ms(110), "{calm:?}");
    }

    #[test]
    fn what_is_given_up_tells_only_of_long_waits() {
        let (clock, vitals) = (Clock::manual(), Arc::new(Vitals::default()));
        let guard = vitals.begin(&clock, STREAM);
        clock.advance(ms(900));
        drop(guard);
        assert_eq!(latency(&vitals, STREAM, &clock), None);
        let guard = vitals.begin(&clock, STREAM);
        clock.advance(ms(20_000));
        drop(guard);
        assert_eq!(latency(&vitals, STREAM, &clock), Some(ms(20_000)));
    }

    #[test]
    fn every_target_has_its_own() {
        let table = VitalsTable::new();
        let provider = |name: &str| ProviderName::new(name).unwrap();
        let model = |name: &str| ModelId::new(name).unwrap();
        let one = table.of(&provider("p"), &model("m"));
        let _guard = one.begin(&Clock::manual(), STREAM);
        let same = table.clone().of(&provider("p"), &model("m"));
        assert!(Arc::ptr_eq(&one, &same) && same.in_flight() == 1);
        assert_eq!(table.of(&provider("q"), &model("m")).in_flight(), 0);
        assert_eq!(table.of(&provider("p"), &model("n")).in_flight(), 0);
    }
}
