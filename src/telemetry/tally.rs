//! Sums by word since the start: why requests were not answered from the cache, why answers are not kept.
//!
//! One call counts for people (`/admin/api/stats`) and for Prometheus. Words are those of the code, so there are few;
//! a bound sees to it that nobody's mistake makes them many.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::Counter;

use super::names;

/// Words that are told apart; what comes on top is counted together.
const MOST: usize = 64;
/// The word for these.
const OTHER: &str = "other";

/// Sums by word.
pub struct Tally {
    /// Makes the counter of a word for Prometheus.
    counter: fn(&'static str) -> Counter,
    sums: RwLock<Vec<Sum>>,
}

struct Sum {
    word: &'static str,
    total: AtomicU64,
    counter: Counter,
}

impl Sum {
    fn add(&self) {
        self.total.fetch_add(1, Ordering::Relaxed);
        self.counter.increment(1);
    }
}

impl Tally {
    /// Nothing counted yet; `counter` makes the counter of a word for Prometheus.
    #[must_use]
    pub fn new(counter: fn(&'static str) -> Counter) -> Self {
        Self {
            counter,
            sums: RwLock::default(),
        }
    }

    /// Counts one more of this word.
    pub fn count(&self, word: &'static str) {
        {
            let sums = self.sums.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(sum) = sums.iter().find(|sum| sum.word == word) {
                return sum.add();
            }
        }
        let mut sums = self.sums.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been faster.
        let word = if sums.len() < MOST - 1 { word } else { OTHER };
        if let Some(sum) = sums.iter().find(|sum| sum.word == word) {
            return sum.add();
        }
        let sum = Sum {
            word,
            total: AtomicU64::new(0),
            counter: (self.counter)(word),
        };
        sum.add();
        sums.push(sum);
    }

    /// The sums of all words that were counted, by word.
    #[must_use]
    pub fn sums(&self) -> BTreeMap<&'static str, u64> {
        let sums = self.sums.read().unwrap_or_else(PoisonError::into_inner);
        let pair = |sum: &Sum| (sum.word, sum.total.load(Ordering::Relaxed));
        sums.iter().map(pair).collect()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.sums()).finish()
    }
}

/// Why the cache did not do what it might have done.
#[derive(Debug)]
pub struct Reasons {
    /// Why requests left it alone.
    pub bypasses: Tally,
    /// Why it did not answer.
    pub misses: Tally,
    /// Why answers were not kept.
    pub not_kept: Tally,
}

impl Default for Reasons {
    fn default() -> Self {
        Self {
            bypasses: Tally::new(|word| metrics::counter!(names::CACHE_BYPASS, "reason" => word)),
            misses: Tally::new(|word| metrics::counter!(names::CACHE_MISSES, "reason" => word)),
            not_kept: Tally::new(|word| metrics::counter!(names::CACHE_NOT_KEPT, "reason" => word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new(|_| Counter::noop())
    }

    #[test]
    fn each_word_has_its_sum() {
        let tally = tally();
        assert!(tally.sums().is_empty());
        for word in ["shadow", "absent", "shadow"] {
            tally.count(word);
        }
        assert_eq!(tally.sums(), BTreeMap::from([("absent", 1), ("shadow", 2)]));
    }

    #[test]
    fn words_without_end_are_counted_together() {
        let tally = tally();
        let words: Vec<&'static str> = (0..200)
            .map(|n| &*Box::leak(format!("word {n}").into_boxed_str()))
            .collect();
        for word in words.iter().chain(&words) {
            tally.count(word);
        }
        let sums = tally.sums();
        assert_eq!(sums.len(), MOST);
        assert_eq!(sums["word 0"], 2);
        assert_eq!(sums.values().sum::<u64>(), 400);
    }

    #[test]
    fn threads_lose_nothing() {
        let tally = tally();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..1_000 {
                        tally.count(if n % 2 == 0 { "even" } else { "odd" });
                    }
                });
            }
        });
        assert_eq!(
            tally.sums(),
            BTreeMap::from([("even", 2_000), ("odd", 2_000)])
        );
    }
}
