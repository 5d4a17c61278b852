//! From counts at many thresholds to the thresholds that policies stand for.

use serde::Serialize;

use super::tally::Tally;
use crate::units::Similarity;

/// The error budgets of the policies: false hits in percent of all requests, in the mean of the
/// streams.
pub const BUDGETS: [(&str, f64); 3] = [("strict", 0.25), ("balanced", 0.75), ("loose", 2.0)];

/// The thresholds that are tried, rising: 0.700 to 0.990 in steps of 0.005.
#[must_use]
pub fn grid() -> Vec<Similarity> {
    let steps = (140_u16..=198).map(|step| f32::from(step) / 200.0);
    steps.filter_map(Similarity::new).collect()
}

/// Hits and false hits at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The least similarity of a semantic hit.
    pub threshold: f32,
    /// Hits, in percent of all requests.
    pub hit_percent: f64,
    /// False hits, in percent of all requests.
    pub false_percent: f64,
}

impl Point {
    /// The mean over packs, each counting the same.
    #[must_use]
    pub fn mean<'a>(threshold: Similarity, tallies: impl Iterator<Item = &'a Tally>) -> Self {
        let (hit_percent, false_percent) = mean(tallies);
        Self {
            threshold: threshold.get(),
            hit_percent,
            false_percent,
        }
    }
}

/// Hits and false hits in percent of all requests, in the mean over packs that count the same; 0 of
/// no packs.
pub(super) fn mean<'a>(tallies: impl Iterator<Item = &'a Tally>) -> (f64, f64) {
    let (mut count, mut hits, mut wrong) = (0_u32, 0.0, 0.0);
    for tally in tallies {
        count += 1;
        hits += tally.hit_percent();
        wrong += tally.wrong_percent();
    }
    let count = f64::from(count.max(1));
    (hits / count, wrong / count)
}

/// The lowest of rising thresholds that stays inside a budget, and above which all do.
#[must_use]
pub fn within(points: &[Point], budget: f64) -> Option<Point> {
    let inside = points.iter().rev();
    let inside = inside.take_while(|point| point.false_percent <= budget);
    inside.last().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(of: &[(f32, f64)]) -> Vec<Point> {
        let point = |(threshold, false_percent): &(f32, f64)| Point {
            threshold: *threshold,
            hit_percent: 1.0,
            false_percent: *false_percent,
        };
        of.iter().map(point).collect()
    }

    #[test]
    fn the_grid_is_as_documented() {
        let grid: Vec<f32> = grid().into_iter().map(Similarity::get).collect();
        assert_eq!(grid.len(), 59);
        assert_eq!((grid[0], grid[1], grid[58]), (0.7, 0.705, 0.99));
    }

    #[test]
    fn a_budget_is_kept_at_every_threshold_from_there_on() {
        let of = points(&[(0.7, 0.1), (0.8, 0.9), (0.85, 0.5), (0.9, 0.4), (0.95, 0.0)]);
        assert_eq!(within(&of, 0.5).map(|point| point.threshold), Some(0.85));
        assert_eq!(within(&of, 2.0).map(|point| point.threshold), Some(0.7));
        assert_eq!(within(&of[..4], 0.3), None);
        assert_eq!(within(&[], 1.0), None);
    }

    #[test]
    fn every_pack_counts_the_same() {
        let tally = |requests, hits, wrong| Tally {
            requests,
            hits,
            wrong,
            ..Tally::default()
        };
        let mean = Point::mean(
            Similarity::new(0.9).unwrap(),
            [tally(10, 5, 1), tally(1000, 0, 0)].iter(),
        );
        assert_eq!((mean.hit_percent, mean.false_percent), (25.0, 5.0));
    }
}
