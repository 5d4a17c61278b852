//! What would be at another admission point: how many questions would be answered, and how many of them wrongly.
//!
//! How many would be is known of all questions that were looked up by meaning, shadow mode included: each has a score of
//! its best neighbour that no guard is against, or none. How many of those are wrong is estimated from the labels, with
//! their biases (see [`super`]): all misses are labelled and few hits, so the estimate is on the safe side.

use serde::{Deserialize, Serialize};

use super::{
    Calibrator, SHOWN,
    bins::{BINS, Bins, lower_edge},
    bound::Sample,
};
use crate::{policy::admit::Score, units::Share};

/// What would be at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// The point.
    pub at: Score,
    /// Questions whose best neighbour is at or above the point, older ones counted for less.
    pub hits: f64,
    /// The same as a share of all questions that were looked up; `None` if there were none.
    pub saved: Option<Share>,
    /// The labels at or above the point.
    pub labels: Sample,
}

impl Expected {
    /// The share of the hits that would be wrong; `None` without any label.
    #[must_use]
    pub fn wrong(&self) -> Option<Share> {
        (self.labels.size > 0.0).then(|| self.labels.share())
    }

    /// The limits within which that share is with a confidence of 80 %: each of them is not passed with one of 90 %.
    #[must_use]
    pub fn interval(&self) -> (Share, Share) {
        (self.labels.lower(SHOWN), self.labels.upper(SHOWN))
    }
}

/// The questions that were looked up by meaning.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Traffic {
    looked_up: f32,
    /// The scores of their best neighbours.
    best: Bins,
}

impl Traffic {
    pub(super) fn merge(&mut self, other: &Self) {
        self.looked_up += other.looked_up;
        self.best.add_all(&other.best);
    }
}

impl Calibrator {
    /// Counts a question that was looked up by meaning, with the score of its best neighbour that no guard is against.
    pub fn look_up(&mut self, best: Option<Score>) {
        let Traffic {
            looked_up,
            best: scores,
        } = &mut self.traffic;
        *looked_up += 1.0;
        if let Some(bin) = best.and_then(super::bin) {
            scores.add(bin);
        }
        if *looked_up > super::MOST_SERVED {
            *looked_up *= 0.5;
            scores.scale(0.5);
        }
    }

    /// So many questions were looked up by meaning, older ones counted for less.
    #[must_use]
    pub fn looked_up(&self) -> f64 {
        self.traffic.looked_up.into()
    }

    /// So many labels there are, older ones counted for less.
    #[must_use]
    pub fn labels(&self) -> f64 {
        self.all(0, BINS).size
    }

    /// What would be at each point from `from` to 1, in steps of 0.005.
    #[must_use]
    pub fn curve(&self, from: Score) -> Vec<Expected> {
        let asked = self.looked_up();
        let points = (0..BINS).map(|bin| (bin, lower_edge(bin)));
        let points = points.filter(|(_, at)| *at >= from);
        points
            .map(|(bin, at)| {
                let hits = self.traffic.best.sum(bin, BINS);
                Expected {
                    at,
                    hits,
                    saved: (asked > 0.0).then(|| Share::clamped((hits / asked).clamp(0.0, 1.0))),
                    labels: self.all(bin, BINS),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Label, Source},
        *,
    };

    fn score(score: f32) -> Score {
        Score::new(score).unwrap()
    }

    fn label(at: f32, same: bool) -> Label {
        Label {
            score: score(at),
            same,
            source: Source::Miss,
        }
    }

    #[test]
    fn a_higher_point_saves_less_and_is_wrong_less() {
        let mut calibrator = Calibrator::default();
        for (at, same, times) in [(0.95, true, 30), (0.91, true, 10), (0.86, false, 5)] {
            for _ in 0..times {
                calibrator.look_up(Some(score(at)));
                calibrator.observe(label(at, same));
            }
        }
        for _ in 0..55 {
            calibrator.look_up(None);
        }
        let at = |point: f32| {
            let curve = calibrator.curve(score(point));
            let expected = curve.first().unwrap();
            assert_eq!(expected.at, score(point));
            let saved = expected.saved.unwrap().get();
            let wrong = expected
                .wrong()
                .map(|share| (share.get() * 1e4).round() / 1e4);
            ((saved * 1e4).round() / 1e4, wrong)
        };
        assert_eq!(at(0.85), (0.45, Some(0.1111)));
        assert_eq!(at(0.9), (0.4, Some(0.0)));
        assert_eq!(at(0.95), (0.3, Some(0.0)));
        assert_eq!(at(0.96), (0.0, None));
        assert_eq!((calibrator.looked_up(), calibrator.labels()), (100.0, 45.0));
    }

    #[test]
    fn of_nothing_nothing_is_said() {
        let curve = Calibrator::default().curve(score(0.8));
        assert_eq!(
            (curve.len(), curve[0].at, curve[40].at),
            (41, score(0.8), score(1.0))
        );
        assert!(
            curve
                .iter()
                .all(|e| e.saved.is_none() && e.wrong().is_none())
        );
        assert_eq!(curve[0].interval(), (Share::NONE, Share::ALL));
    }

    proptest! {
        #[test]
        fn shares_are_shares_however_long_it_goes_on(
            asked in prop::collection::vec(prop::option::of(-1.0..1.0_f32), 0..200),
            repeat in 1..2000_usize,
        ) {
            let mut calibrator = Calibrator::default();
            for best in asked.iter().cycle().take(asked.len() * repeat % 150_000) {
                calibrator.look_up(best.and_then(Score::new));
            }
            let curve = calibrator.curve(score(0.7));
            let mut before = f64::INFINITY;
            for expected in curve {
                prop_assert!(expected.hits <= before);
                before = expected.hits;
                prop_assert!(expected.saved.is_none_or(|share| (0.0..=1.0).contains(&share.get())));
            }
            prop_assert!(calibrator.looked_up() <= 65_536.0);
        }
    }
}
