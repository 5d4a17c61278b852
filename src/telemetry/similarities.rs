//! How near the best candidates were that the semantic cache served, and those that it did not.
//!
//! A histogram for people who choose a threshold: what lies just above it is served, what lies just below is not. It
//! counts lookups that had a neighbour to look at, not hits by equal bytes, equal requests or equal surfaces.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use metrics::Histogram;

use super::{names, tally::Tally};
use crate::units::Similarity;

/// Bins of a hundredth each.
const BINS: usize = 50;
/// The lower edge of the first one. What is farther away is in none.
const LOWEST: f32 = 0.5;
const WIDTH: f32 = 0.01;

/// Sums since the start.
#[derive(Debug)]
pub struct Similarities {
    hits: Counts,
    rejected: Counts,
    rejected_by: Tally,
}

#[derive(Debug)]
struct Counts {
    bins: [AtomicU64; BINS],
    histogram: Histogram,
}

impl Counts {
    fn new(result: &'static str) -> Self {
        Self {
            bins: std::array::from_fn(|_| AtomicU64::new(0)),
            histogram: metrics::histogram!(names::CACHE_SIMILARITY, "result" => result),
        }
    }

    fn add(&self, similarity: Similarity) {
        self.histogram.record(f64::from(similarity.get()));
        if let Some(bin) = bin(similarity).and_then(|bin| self.bins.get(bin)) {
            bin.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One bin: `from` is in it, `to` is not, but 1 is in the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Its lower edge.
    pub from: f64,
    /// Its upper edge.
    pub to: f64,
    /// Candidates that answered.
    pub hits: u64,
    /// Candidates that were the best there were, and did not.
    pub rejected: u64,
}

impl Default for Similarities {
    fn default() -> Self {
        Self {
            hits: Counts::new("hit"),
            rejected: Counts::new("rejected"),
            // They are counted for Prometheus among all misses.
            rejected_by: Tally::new(|_| metrics::Counter::noop()),
        }
    }
}

impl Similarities {
    /// Counts a neighbour that answered.
    pub fn hit(&self, similarity: Similarity) {
        self.hits.add(similarity);
    }

    /// Counts the nearest neighbour of a question that none answered, and the reason in one word.
    pub fn rejected(&self, similarity: Similarity, why: &'static str) {
        self.rejected.add(similarity);
        self.rejected_by.count(why);
    }

    /// The bins, from 0.50 to 1.00.
    #[must_use]
    pub fn bins(&self) -> Vec<Bin> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let bins = self.hits.bins.iter().zip(&self.rejected.bins);
        let hundredths = (50_u32..).map(f64::from);
        bins.zip(hundredths)
            .map(|((hits, rejected), from)| Bin {
                from: from / 100.0,
                to: (from + 1.0) / 100.0,
                hits: count(hits),
                rejected: count(rejected),
            })
            .collect()
    }

    /// How often each reason was the one.
    #[must_use]
    pub fn rejected_by(&self) -> BTreeMap<&'static str, u64> {
        self.rejected_by.sums()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within the bins, after the check"
)]
fn bin(similarity: Similarity) -> Option<usize> {
    // A similarity of 0.93 is a little less or more as a float, and belongs to the bin that begins there.
    let place = ((similarity.get() - LOWEST) / WIDTH + 1e-3).floor();
    (place >= 0.0).then(|| (place as usize).min(BINS - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(similarity: f32) -> Option<usize> {
        bin(Similarity::new(similarity).unwrap())
    }

    #[test]
    fn every_hundredth_begins_a_bin() {
        for hundredth in 50_u8..100 {
            let at = f32::from(hundredth) / 100.0;
            assert_eq!(of(at), Some(usize::from(hundredth) - 50), "{at}");
            assert_eq!(of(at + 0.009), Some(usize::from(hundredth) - 50), "{at}");
        }
        assert_eq!((of(1.0), of(1.000_9)), (Some(49), Some(49)));
        assert_eq!((of(0.499), of(0.0), of(-1.0)), (None, None, None));
    }

    #[test]
    fn hits_and_others_are_told_apart() {
        let similarities = Similarities::default();
        let near = |similarity| Similarity::new(similarity).unwrap();
        similarities.hit(near(0.93));
        similarities.rejected(near(0.93), "veto_numbers");
        similarities.rejected(near(0.3), "distant");
        let bins = similarities.bins();
        assert_eq!(bins.len(), 50);
        assert_eq!((bins[0].from, bins[49].to), (0.5, 1.0));
        let filled: Vec<&Bin> = bins
            .iter()
            .filter(|bin| bin.hits + bin.rejected > 0)
            .collect();
        let expected = Bin {
            from: 0.93,
            to: 0.94,
            hits: 1,
            rejected: 1,
        };
        assert_eq!(filled, [&expected]);
        let by = BTreeMap::from([("distant", 1), ("veto_numbers", 1)]);
        assert_eq!(similarities.rejected_by(), by);
    }

    proptest! {
        #[test]
        fn what_is_near_enough_is_in_the_bin_that_holds_it(similarity in -1.0_f32..=1.0) {
            let place = of(similarity);
            prop_assert_eq!(place.is_some(), similarity >= 0.499_99);
            if let Some(place) = place {
                let from = 0.5 + place as f32 * 0.01;
                prop_assert!(similarity >= from - 1e-4 && similarity <= from + 0.0101);
            }
        }
    }
}
