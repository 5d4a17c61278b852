//! What is known of one entry: enough to evict it, or to hold it back at some scores.
//!
//! The class's point says when neighbours of its kind answer; an entry may be worse than its kind (a
//! vague question, an answer that depends on a detail). vCache (arXiv 2502.03771) fits a logistic curve
//! per entry, P(right | s) = σ(γ(s − t)), and needs many observations because it must *earn* hits with
//! them. Here they only take hits away, so a coarse posterior over (t, γ) on a grid is enough, and an
//! entry that nobody has contradicted is never held back.

use serde::{Deserialize, Serialize};

use super::{Label, Source};
use crate::policy::admit::Score;
use crate::units::Share;

/// What becomes of an entry after an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It was wrong too often, or once to a client's face: it goes.
    Evict,
}

/// So many shadow checks that contradict an entry evict it.
const MOST_BAD_CHECKS: u8 = 2;
/// Fewer observations hold nothing back.
const LEAST_OBSERVATIONS: u32 = 6;

/// Observations of one entry by score, in 17 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Brake {
    same: [u8; BUCKETS],
    different: [u8; BUCKETS],
    bad_checks: u8,
}

const BUCKETS: usize = 8;
/// Buckets of 0.02 up to 1; the lowest takes everything below 0.86.
const LOWEST: f32 = 0.84;
const WIDTH: f32 = 0.02;

impl Brake {
    /// Counts what was seen of the entry: the answer to its neighbour at this score is its own, or not.
    pub fn observe(&mut self, label: Label) -> Fate {
        let counts = if label.same {
            &mut self.same
        } else {
            &mut self.different
        };
        if let Some(count) = counts.get_mut(bucket(label.score)) {
            *count = count.saturating_add(1);
            if *count == u8::MAX {
                for count in self.same.iter_mut().chain(&mut self.different) {
                    *count /= 2;
                }
            }
        }
        match (label.source, label.same) {
            (Source::Feedback, false) => Fate::Evict,
            (Source::Shadow, false) => {
                self.bad_checks = self.bad_checks.saturating_add(1);
                if self.bad_checks >= MOST_BAD_CHECKS {
                    Fate::Evict
                } else {
                    Fate::Keep
                }
            }
            (Source::Miss, _) | (Source::Shadow | Source::Feedback, true) => Fate::Keep,
        }
    }

    /// Whether the entry may answer at this score, where `point` is its class's.
    #[must_use]
    pub fn allows(&self, score: Score, point: Score, max_false: Share) -> bool {
        let sum = |counts: &[u8]| counts.iter().copied().map(u32::from).sum::<u32>();
        let different = sum(&self.different);
        different == 0
            || sum(&self.same) + different < LEAST_OBSERVATIONS
            || self.right(score, point) >= 1.0 - max_false.get()
    }

    /// The probability that the entry answers rightly at this score: the mean of the posterior.
    #[must_use]
    pub fn right(&self, score: Score, point: Score) -> f64 {
        // Most of a class's entries turn wrong a little below its point.
        const BELOW: f64 = 0.05;
        const SPREAD: f64 = 0.05;
        const STEEPNESS: [f64; 6] = [40.0, 65.0, 100.0, 160.0, 250.0, 400.0];
        let score = f64::from(score.get());
        let usual = f64::from(point.get()).min(1.0) - BELOW;
        let curves: Vec<(f64, f64, f64)> = (0..GRID)
            .flat_map(|step| STEEPNESS.map(|steepness| (step, steepness)))
            .map(|(step, steepness)| {
                let turn = TURN_LOWEST + f64::from(step) * TURN_STEP;
                let from_usual = (turn - usual) / SPREAD;
                let ln_prior = -from_usual * from_usual / 2.0;
                (
                    turn,
                    steepness,
                    ln_prior + self.ln_likelihood(turn, steepness),
                )
            })
            .collect();
        let highest = curves
            .iter()
            .fold(f64::NEG_INFINITY, |highest, curve| highest.max(curve.2));
        let (mut weights, mut right) = (0.0, 0.0);
        for (turn, steepness, ln_weight) in curves {
            let weight = (ln_weight - highest).exp();
            weights += weight;
            right += weight / (1.0 + (-steepness * (score - turn)).exp());
        }
        right / weights
    }

    fn ln_likelihood(&self, turn: f64, steepness: f64) -> f64 {
        let mut sum = 0.0;
        let mut middle = f64::from(LOWEST + WIDTH / 2.0);
        for (same, different) in self.same.iter().zip(self.different) {
            if (*same, different) != (0, 0) {
                let x = steepness * (middle - turn);
                // ln σ(x) = −ln(1 + e^−x)
                sum -=
                    f64::from(*same) * (-x).exp().ln_1p() + f64::from(different) * x.exp().ln_1p();
            }
            middle += f64::from(WIDTH);
        }
        sum
    }
}

/// Where a curve may turn: 0.78 to 1.02.
const TURN_LOWEST: f64 = 0.78;
const TURN_STEP: f64 = 0.01;
const GRID: u8 = 25;

fn bucket(score: Score) -> usize {
    let place = ((score.get() - LOWEST) / WIDTH + 1e-3).max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and the cast saturates"
    )]
    let bucket = place as usize;
    bucket.min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn score(score: f32) -> Score {
        Score::new(score).unwrap()
    }

    fn brake(seen: &[(f32, bool, usize)]) -> Brake {
        let mut brake = Brake::default();
        for (at, same, times) in seen {
            for _ in 0..*times {
                brake.observe(Label {
                    score: score(*at),
                    same: *same,
                    source: Source::Miss,
                });
            }
        }
        brake
    }

    fn allows(brake: &Brake, at: f32) -> bool {
        brake.allows(score(at), score(0.925), Share::percent(1))
    }

    #[test]
    fn two_bad_checks_or_one_complaint_evict() {
        let label = |same, source| Label {
            score: score(0.95),
            same,
            source,
        };
        let mut brake = Brake::default();
        for source in [Source::Miss, Source::Shadow, Source::Feedback] {
            assert_eq!(brake.observe(label(true, source)), Fate::Keep);
        }
        assert_eq!(brake.observe(label(false, Source::Miss)), Fate::Keep);
        assert_eq!(brake.observe(label(false, Source::Miss)), Fate::Keep);
        assert_eq!(brake.observe(label(false, Source::Shadow)), Fate::Keep);
        assert_eq!(brake.observe(label(false, Source::Shadow)), Fate::Evict);
        let mut brake = Brake::default();
        assert_eq!(brake.observe(label(false, Source::Feedback)), Fate::Evict);
    }

    #[test]
    fn an_entry_that_nobody_contradicts_is_not_held_back() {
        assert!(allows(&Brake::default(), 0.93));
        assert!(allows(&brake(&[(0.95, true, 200)]), 0.925));
        assert!(
            allows(&brake(&[(0.95, false, 3), (0.97, true, 2)]), 0.95),
            "too few"
        );
    }

    #[test]
    fn an_entry_is_held_back_where_it_was_wrong() {
        let wrong_at_its_best = brake(&[(0.95, false, 2), (0.97, true, 6)]);
        assert!(!allows(&wrong_at_its_best, 0.93));
        assert!(!allows(&wrong_at_its_best, 0.95));
        let often_wrong = brake(&[(0.95, false, 3), (0.95, true, 20)]);
        assert!(!allows(&often_wrong, 0.95));
    }

    #[test]
    fn a_clear_boundary_below_leaves_the_top_alone() {
        let clear = brake(&[
            (0.80, false, 2),
            (0.85, false, 3),
            (0.93, true, 4),
            (0.96, true, 4),
        ]);
        assert!(
            allows(&clear, 0.96),
            "{}",
            clear.right(score(0.96), score(0.925))
        );
        assert!(
            allows(&clear, 0.95),
            "{}",
            clear.right(score(0.95), score(0.925))
        );
        assert!(!allows(&clear, 0.86));
    }

    #[test]
    fn it_is_small_and_survives_being_written() {
        assert!(size_of::<Brake>() <= 32);
        let brake = brake(&[(0.9, true, 300), (0.99, false, 7)]);
        let written = serde_json::to_string(&brake).unwrap();
        assert_eq!(serde_json::from_str::<Brake>(&written).unwrap(), brake);
    }

    proptest! {
        #[test]
        fn the_probability_is_one_and_grows_with_the_score(
            same: [u8; BUCKETS], different: [u8; BUCKETS], at in 0.7..1.0_f32, point in 0.7..1.0_f32,
        ) {
            let brake = Brake { same, different, bad_checks: 0 };
            let low = brake.right(score(at - 0.02), score(point));
            let high = brake.right(score(at), Score::UNREACHABLE.min(score(point)));
            prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
            prop_assert!(low <= high + 1e-12);
        }
    }
}
