//! What is counted while a pack is replayed, and what follows from the counts.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// How sure an interval is to hold the true share: 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// The interval that holds the true share of which `part` of `whole` were seen, with 95 %: the score
/// interval of E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
/// JASA 22 (1927). `None` of nothing.
#[must_use]
pub fn wilson(part: u32, whole: u32) -> Option<(f64, f64)> {
    if whole == 0 {
        return None;
    }
    let n = f64::from(whole);
    let p = f64::from(part.min(whole)) / n;
    let centre = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    let bound = |value: f64| (value / scale).clamp(0.0, 1.0);
    Some((bound(centre - half), bound(centre + half)))
}

/// A part of a whole in percent; 0 of nothing.
#[must_use]
pub fn percent(part: u32, whole: u32) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * f64::from(part) / f64::from(whole)
    }
}

/// What one request ended in, held against its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the cache.
    Hit {
        /// Whether by an equal request's entry.
        exact: bool,
        /// Whether with the answer that the label calls right.
        right: bool,
    },
    /// Not answered from the cache.
    Miss {
        /// The gateway's reason.
        reason: &'static str,
        /// Whether the nearest kept question would have answered it.
        answerable: bool,
    },
}

/// How many misses there were of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Misses {
    /// Where the nearest kept question would have answered: what the reason costs.
    pub answerable: u32,
    /// Where it would not have: what the reason is for.
    pub rightly: u32,
}

/// Hits among requests of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Hits {
    /// Requests.
    pub requests: u32,
    /// Answered from the cache.
    pub hits: u32,
}

impl Hits {
    /// The share of hits, in percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        percent(self.hits, self.requests)
    }

    fn add(&mut self, hit: bool) {
        self.requests += 1;
        self.hits += u32::from(hit);
    }
}

/// The counts of one pack under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Requests; of a pair the second.
    pub requests: u32,
    /// Answered from the cache.
    pub hits: u32,
    /// Of these, by an equal request's entry.
    pub exact: u32,
    /// Of these, with a wrong answer.
    pub wrong: u32,
    /// Misses by reason.
    pub misses: BTreeMap<&'static str, Misses>,
    /// Of pairs, by whether they ask the same.
    pub duplicates: Hits,
    /// The other pairs.
    pub others: Hits,
    /// Of pairs, by category and whether they ask the same.
    pub categories: BTreeMap<(String, bool), Hits>,
}

impl Tally {
    /// Counts one request.
    pub fn add(&mut self, outcome: Outcome) {
        self.requests += 1;
        match outcome {
            Outcome::Hit { exact, right } => {
                self.hits += 1;
                self.exact += u32::from(exact);
                self.wrong += u32::from(!right);
            }
            Outcome::Miss { reason, answerable } => {
                let misses = self.misses.entry(reason).or_default();
                misses.answerable += u32::from(answerable);
                misses.rightly += u32::from(!answerable);
            }
        }
    }

    /// Counts the second request of a pair.
    pub fn add_pair(&mut self, outcome: Outcome, duplicate: bool, category: Option<&str>) {
        self.add(outcome);
        let hit = matches!(outcome, Outcome::Hit { .. });
        if duplicate {
            self.duplicates.add(hit);
        } else {
            self.others.add(hit);
        }
        if let Some(category) = category {
            let key = (category.to_owned(), duplicate);
            self.categories.entry(key).or_default().add(hit);
        }
    }

    /// Adds the counts of another pack, but for its categories.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.hits += other.hits;
        self.exact += other.exact;
        self.wrong += other.wrong;
        for (reason, misses) in &other.misses {
            let sum = self.misses.entry(reason).or_default();
            sum.answerable += misses.answerable;
            sum.rightly += misses.rightly;
        }
    }

    /// Hits, in percent of the requests.
    #[must_use]
    pub fn hit_percent(&self) -> f64 {
        percent(self.hits, self.requests)
    }

    /// Wrong hits, in percent of the requests.
    #[must_use]
    pub fn wrong_percent(&self) -> f64 {
        percent(self.wrong, self.requests)
    }

    /// Right hits in percent of all hits, with the interval that holds it with 95 %. `None` without
    /// hits.
    #[must_use]
    pub fn precision(&self) -> Option<(f64, (f64, f64))> {
        let right = self.hits - self.wrong;
        let (low, high) = wilson(right, self.hits)?;
        Some((percent(right, self.hits), (100.0 * low, 100.0 * high)))
    }
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (precision_percent, precision_interval_95) = self.precision().unzip();
        let categories = self.categories.iter();
        let categories = categories.map(|((category, duplicate), hits)| Category {
            category,
            duplicate: *duplicate,
            hits: *hits,
        });
        let written = Written {
            requests: self.requests,
            hits: self.hits,
            exact_hits: self.exact,
            false_hits: self.wrong,
            hit_percent: self.hit_percent(),
            false_percent: self.wrong_percent(),
            precision_percent,
            precision_interval_95,
            misses: &self.misses,
            duplicates: self.duplicates,
            others: self.others,
            categories: categories.collect(),
        };
        written.serialize(serializer)
    }
}

/// A tally with what follows from it.
#[derive(Serialize)]
struct Written<'a> {
    requests: u32,
    hits: u32,
    exact_hits: u32,
    false_hits: u32,
    hit_percent: f64,
    false_percent: f64,
    precision_percent: Option<f64>,
    precision_interval_95: Option<(f64, f64)>,
    misses: &'a BTreeMap<&'static str, Misses>,
    duplicates: Hits,
    others: Hits,
    categories: Vec<Category<'a>>,
}

#[derive(Serialize)]
struct Category<'a> {
    category: &'a str,
    duplicate: bool,
    #[serde(flatten)]
    hits: Hits,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn intervals_are_those_of_the_literature() {
        for (part, whole, low, high) in [
            (0, 10, 0.0, 0.2775),
            (10, 10, 0.7225, 1.0),
            (8, 10, 0.4902, 0.9433),
            // Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (1, 29, 0.0061, 0.1718),
        ] {
            let (l, h) = wilson(part, whole).unwrap();
            assert!(
                (l - low).abs() < 5e-5 && (h - high).abs() < 5e-5,
                "{part}/{whole}: {l} {h}"
            );
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn hits_and_misses_are_held_against_their_labels() {
        let hit = |exact, right| Outcome::Hit { exact, right };
        let miss = |answerable| Outcome::Miss {
            reason: "veto_numbers",
            answerable,
        };
        let mut tally = Tally::default();
        tally.add_pair(hit(true, true), true, Some("same"));
        tally.add_pair(hit(false, false), false, None);
        tally.add_pair(miss(true), true, Some("same"));
        tally.add_pair(miss(false), false, Some("same"));
        assert_eq!(
            (tally.requests, tally.hits, tally.exact, tally.wrong),
            (4, 2, 1, 1)
        );
        let both = Misses {
            answerable: 1,
            rightly: 1,
        };
        assert_eq!(tally.misses["veto_numbers"], both);
        let half = Hits {
            requests: 2,
            hits: 1,
        };
        assert_eq!((tally.duplicates, tally.others), (half, half));
        assert_eq!(tally.categories[&("same".to_owned(), true)], half);
        assert_eq!(tally.precision().unwrap().0, 50.0);
        assert_eq!(Tally::default().precision(), None);
    }

    proptest! {
        #[test]
        fn an_interval_holds_the_share_that_was_seen(part in 0_u32.., whole in 1_u32..) {
            let part = part % (whole.saturating_add(1));
            let (low, high) = wilson(part, whole).unwrap();
            let seen = f64::from(part) / f64::from(whole);
            prop_assert!(0.0 <= low && low <= seen + 1e-12 && seen <= high + 1e-12 && high <= 1.0);
        }
    }
}
