//! When a second target is asked beside one that is slow.
//!
//! The wait is a quantile of what was observed, as in [The Tail at Scale](https://research.google/pubs/the-tail-at-scale/)
//! (Dean and Barroso, 2013), and second calls have a budget: where all answers become slow, more calls make it worse.

use std::{collections::VecDeque, time::Duration};

use crate::units::Share;

/// Latencies that are remembered.
const KEPT: usize = 128;
/// With fewer than these, nothing is said.
const FEWEST: usize = 20;
/// After so many more, the quantile is looked up in them too.
const FRESH: usize = 16;
/// Of one call: shares are summed in these.
const MILLIONTHS: u64 = 1_000_000;
/// Second calls that can be saved up.
const BURST: u64 = 10;

/// How a route hedges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The quantile of the times to the first token after which a second target is asked.
    pub quantile: Share,
    /// The shortest wait.
    pub min_wait: Duration,
    /// Second calls, as a share of all requests of the route.
    pub budget: Share,
}

/// The latest times to the first token of a route, and the second calls that it may still make.
#[derive(Debug, Default)]
pub struct Hedges {
    /// The latest last.
    latencies: VecDeque<Duration>,
    /// The same in order of length, as they were `since_sorted` observations ago; empty while they are too few.
    sorted: Vec<Duration>,
    since_sorted: usize,
    /// What may be spent, in millionths of a call.
    saved: u64,
}

impl Hedges {
    /// Counts a request, and says after which wait a second target may be asked: `None` while too few answers
    /// were seen.
    pub fn begin(&mut self, rules: &Rules) -> Option<Duration> {
        self.saved = (self.saved + rules.budget.millionths()).min(BURST * MILLIONTHS);
        self.quantile(rules.quantile)
            .map(|wait| wait.max(rules.min_wait))
    }

    /// Takes the right to ask a second target, if there is one left.
    pub fn withdraw(&mut self) -> bool {
        let left = self.saved.checked_sub(MILLIONTHS);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }

    /// Takes in how long a first token took. Only for calls that were answered: what was given up says nothing.
    pub fn observe(&mut self, latency: Duration) {
        if self.latencies.len() >= KEPT {
            self.latencies.pop_front();
        }
        self.latencies.push_back(latency);
        self.since_sorted += 1;
        let is_due = self.sorted.is_empty() || self.since_sorted >= FRESH;
        if is_due && self.latencies.len() >= FEWEST {
            self.since_sorted = 0;
            self.sorted.clear();
            self.sorted.extend(&self.latencies);
            self.sorted.sort_unstable();
        }
    }

    /// The nearest rank: no less than this share of the latencies.
    fn quantile(&self, share: Share) -> Option<Duration> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of at most 128"
        )]
        let rank = (share.get() * self.sorted.len() as f64).ceil() as usize;
        self.sorted.get(rank.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules {
        quantile: Share::percent(95),
        min_wait: ms(100),
        budget: Share::percent(5),
    };

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_wait_is_a_quantile_of_the_latest() {
        let mut hedges = Hedges::default();
        for latency in (1..=19).rev() {
            hedges.observe(ms(latency * 100));
            assert_eq!(hedges.begin(&RULES), None);
        }
        hedges.observe(ms(2_000));
        assert_eq!(hedges.begin(&RULES), Some(ms(1_900)));
        let median = Rules {
            quantile: Share::percent(50),
            ..RULES
        };
        assert_eq!(hedges.begin(&median), Some(ms(1_000)));
        for share in [Share::NONE, Share::ALL] {
            let rules = Rules {
                quantile: share,
                ..RULES
            };
            let extreme = if share == Share::ALL { 2_000 } else { 100 };
            assert_eq!(hedges.begin(&rules), Some(ms(extreme)));
        }
        // As many as are remembered, and the sorted copy was made of them.
        for _ in 0..KEPT + FRESH {
            hedges.observe(ms(10));
        }
        assert_eq!(hedges.begin(&RULES), Some(ms(100)), "the shortest wait");
    }

    #[test]
    fn second_calls_are_a_share_with_a_small_store() {
        let mut hedges = Hedges::default();
        assert!(!hedges.withdraw());
        for _ in 0..20 {
            assert!(!hedges.withdraw());
            hedges.begin(&RULES);
        }
        assert!(hedges.withdraw());
        assert!(!hedges.withdraw());
        for _ in 0..10_000 {
            hedges.begin(&RULES);
        }
        assert_eq!((0..100).filter(|_| hedges.withdraw()).count(), 10);
    }

    #[test]
    fn no_memory_is_taken_once_it_is_full() {
        let mut hedges = Hedges::default();
        for _ in 0..KEPT {
            hedges.observe(Duration::MAX);
        }
        let room = (hedges.latencies.capacity(), hedges.sorted.capacity());
        for latency in 0..10_000 {
            hedges.observe(ms(latency));
        }
        assert_eq!(
            (hedges.latencies.capacity(), hedges.sorted.capacity()),
            room
        );
    }

    proptest! {
        #[test]
        fn a_spike_does_not_hedge_everything(
            percent in 0_u8..=100,
            steps in proptest::collection::vec((0_usize..30, 0_usize..30, 0_u64..90_000), 1..100),
        ) {
            let rules = Rules { budget: Share::percent(percent), ..RULES };
            let mut hedges = Hedges::default();
            let (mut requests, mut second) = (0_u64, 0_u64);
            // Since any moment: the store is at most what can be saved up.
            let (mut requests_before, mut second_before) = (0, 0);
            for (at, (asked, slow, latency)) in steps.into_iter().enumerate() {
                for _ in 0..asked {
                    if let Some(wait) = hedges.begin(&rules) {
                        prop_assert!(wait >= rules.min_wait);
                    }
                    hedges.observe(ms(latency));
                }
                requests += asked as u64;
                second += (0..slow).filter(|_| hedges.withdraw()).count() as u64;
                prop_assert!(second * 100 <= requests * u64::from(percent));
                let (lately, again) = (requests - requests_before, second - second_before);
                prop_assert!(again * 100 <= BURST * 100 + lately * u64::from(percent));
                if at % 7 == 0 {
                    (requests_before, second_before) = (requests, second);
                }
            }
        }

        #[test]
        fn the_wait_is_one_that_was_observed(
            latencies in proptest::collection::vec(0_u64..9_000, FEWEST..300),
            percent in 0_u8..=100,
        ) {
            let rules = Rules { quantile: Share::percent(percent), min_wait: Duration::ZERO, ..RULES };
            let mut hedges = Hedges::default();
            for latency in &latencies {
                hedges.observe(ms(*latency));
            }
            let wait = hedges.begin(&rules).unwrap();
            let recent = &latencies[latencies.len().saturating_sub(KEPT + FRESH)..];
            prop_assert!(recent.iter().any(|latency| ms(*latency) == wait), "{wait:?}");
        }
    }
}
