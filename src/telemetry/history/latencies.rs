//! How long things took, counted in classes that grow by a tenth.
//!
//! A quantile is told as the middle of its class, so it is off by 4.9 % at most (the square root of 1.1), between 10 µs and
//! ten minutes. Source of the idea: Masson, Rim, Lee, "DDSketch" (VLDB 2019).

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Where the first class ends, in seconds; what is quicker is not told apart.
const FIRST: f64 = 1e-5;
/// How much longer the times of each class are than those of the one before.
const GROWTH: f64 = 1.1;
/// The natural logarithm of it.
const LN_GROWTH: f64 = 0.095_310_179_804_324_86;
/// All classes; the last one begins at ten minutes and has no end.
pub(super) const CLASSES: usize = 190;

/// The class of a time.
fn class(took: Duration) -> usize {
    let ratio = took.as_secs_f64() / FIRST;
    if ratio < 1.0 {
        return 0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 50"
    )]
    let class = (ratio.ln() / LN_GROWTH) as usize;
    (class + 1).min(CLASSES - 1)
}

/// The middle of a class, in milliseconds; the border of those that have one only.
fn middle(class: usize) -> f64 {
    let exponent = match class {
        0 => 0.0,
        class if class + 1 >= CLASSES => of(CLASSES) - 2.0,
        class => of(class) - 0.5,
    };
    FIRST * 1000.0 * GROWTH.powf(exponent)
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 200")]
fn of(class: usize) -> f64 {
    class as f64
}

/// Times that come in from everywhere, until they are taken out.
#[derive(Debug)]
pub(super) struct Gathering([AtomicU32; CLASSES]);

impl Default for Gathering {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl Gathering {
    /// One more that took so long.
    pub(super) fn add(&self, took: Duration) {
        if let Some(count) = self.0.get(class(took)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes out what has come in.
    pub(super) fn take(&self) -> Latencies {
        let mut taken = Latencies::default();
        for (class, count) in self.0.iter().enumerate() {
            // Most are never touched, and reading costs less than writing.
            if count.load(Ordering::Relaxed) > 0 {
                taken.count(class, count.swap(0, Ordering::Relaxed));
            }
        }
        taken
    }
}

/// How many took how long: the counts of the classes from the first to the last that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::telemetry) struct Latencies {
    first: u8,
    counts: Vec<u32>,
}

/// How many there were, and how long they took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many there were.
    pub count: u64,
    /// Half of them took no longer.
    pub p50: f64,
    /// 95 of 100 took no longer.
    pub p95: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
}

impl Latencies {
    /// Whether these can have been counted here.
    pub(super) fn is_valid(&self) -> bool {
        usize::from(self.first) + self.counts.len() <= CLASSES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// One more that took so long.
    pub(in crate::telemetry) fn observe(&mut self, took: Duration) {
        self.count(class(took), 1);
    }

    /// Adds others.
    pub(in crate::telemetry) fn add(&mut self, more: &Self) {
        for (place, count) in more.counts.iter().enumerate() {
            self.count(usize::from(more.first) + place, *count);
        }
    }

    fn count(&mut self, class: usize, count: u32) {
        let Ok(key) = u8::try_from(class) else { return };
        if count == 0 {
            return;
        }
        if self.counts.is_empty() {
            self.first = key;
        }
        if key < self.first {
            let before = usize::from(self.first - key);
            self.counts.splice(0..0, std::iter::repeat_n(0, before));
            self.first = key;
        }
        let place = class - usize::from(self.first);
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        if let Some(known) = self.counts.get_mut(place) {
            *known = known.saturating_add(count);
        }
    }

    /// What they say; `None` if there are none.
    pub(in crate::telemetry) fn quantiles(&self) -> Option<Quantiles> {
        let count: u64 = self.counts.iter().copied().map(u64::from).sum();
        (count > 0).then(|| Quantiles {
            count,
            p50: self.at_most(count.div_ceil(2)),
            p95: self.at_most((count.saturating_mul(95)).div_ceil(100)),
            p99: self.at_most((count.saturating_mul(99)).div_ceil(100)),
        })
    }

    /// How long the `rank`th took, counted from the quickest, in milliseconds.
    fn at_most(&self, rank: u64) -> f64 {
        let mut seen = 0;
        let place = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        middle(usize::from(self.first) + place.unwrap_or(self.counts.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(times: &[Duration]) -> Latencies {
        let gathering = Gathering::default();
        times.iter().for_each(|took| gathering.add(*took));
        gathering.take()
    }

    #[test]
    fn nothing_says_nothing() {
        assert_eq!(all(&[]).quantiles(), None);
        assert!(all(&[]).is_empty() && all(&[]).is_valid());
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_class() {
        for took in [Duration::ZERO, Duration::from_nanos(9_999), Duration::MAX] {
            assert_eq!(all(&[took]).quantiles().unwrap().count, 1, "{took:?}");
        }
        assert_eq!(class(Duration::ZERO), 0);
        assert_eq!(class(Duration::from_micros(10)), 1);
        assert_eq!(class(Duration::MAX), CLASSES - 1);
        assert_eq!(class(Duration::from_secs(590)), CLASSES - 2);
        let longest = all(&[Duration::MAX]).quantiles().unwrap().p50;
        assert!((600_000.0..610_000.0).contains(&longest), "{longest}");
        assert_eq!(all(&[Duration::ZERO]).quantiles().unwrap().p99, 0.01);
    }

    #[test]
    fn what_was_taken_out_is_gone() {
        let gathering = Gathering::default();
        gathering.add(Duration::from_millis(3));
        assert_eq!(gathering.take().quantiles().unwrap().count, 1);
        assert!(gathering.take().is_empty());
    }

    #[test]
    fn a_count_is_never_wrapped() {
        let mut many = Latencies::default();
        many.count(7, u32::MAX);
        many.count(7, 1);
        assert_eq!(many.quantiles().unwrap().count, u64::from(u32::MAX));
        many.count(1000, 1);
        assert!(many.is_valid());
    }

    proptest! {
        #[test]
        fn quantiles_are_off_by_a_twentieth_at_most(
            mut micros in prop::collection::vec(10_u64..600_000_000, 1..400)
        ) {
            let times: Vec<_> = micros.iter().map(|us| Duration::from_micros(*us)).collect();
            let told = all(&times).quantiles().unwrap();
            micros.sort_unstable();
            for (share, told) in [(50, told.p50), (95, told.p95), (99, told.p99)] {
                let rank = (micros.len() * share).div_ceil(100);
                let exact = micros[rank - 1] as f64 / 1000.0;
                let error = (told / exact - 1.0).abs();
                prop_assert!(error <= 0.0489, "p{share}: {told} for {exact}");
            }
        }

        #[test]
        fn in_parts_or_at_once_is_the_same(
            one in prop::collection::vec(any::<u32>(), 0..50),
            other in prop::collection::vec(any::<u32>(), 0..50),
        ) {
            let times = |us: &[u32]| -> Vec<_> {
                us.iter().map(|us| Duration::from_micros(u64::from(*us))).collect()
            };
            let (one, other) = (times(&one), times(&other));
            let mut joined = all(&one);
            joined.add(&all(&other));
            prop_assert!(joined.is_valid());
            prop_assert_eq!(joined, all(&[one, other].concat()));
        }
    }
}
