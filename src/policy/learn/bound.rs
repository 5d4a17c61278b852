//! Bounds on a share from a sample: the exact binomial interval.
//!
//! Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the
//! binomial": with `wrong` of `sample` seen, the upper limit is the share at which so few would be seen
//! with probability 1 − confidence only, the lower one that at which so many would. Both are quantiles
//! of beta distributions. Samples need not be whole numbers: older labels count for less.

use crate::units::Share;

/// Labels of one kind, and how many of them say "another answer".
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Those that say so.
    pub wrong: f64,
    /// All, `wrong` among them.
    pub size: f64,
}

impl Sample {
    /// How many they are, as a whole number.
    #[must_use]
    pub fn count(self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts are finite and not negative, and the cast saturates"
        )]
        let size = self.size.round() as u64;
        size
    }

    /// The share of wrong ones in the sample itself; 0 if it is empty.
    #[must_use]
    pub fn share(self) -> Share {
        if self.size > 0.0 {
            Share::clamped((self.wrong / self.size).clamp(0.0, 1.0))
        } else {
            Share::NONE
        }
    }

    /// The share that is not exceeded with this confidence. All, if the sample is empty.
    #[must_use]
    pub fn upper(self, confidence: Share) -> Share {
        let right = self.size - self.wrong;
        if right <= 0.0 {
            return Share::ALL;
        }
        Share::clamped(beta_quantile(confidence.get(), self.wrong + 1.0, right))
    }

    /// The share that is exceeded with this confidence. Nothing, if none is wrong.
    #[must_use]
    pub fn lower(self, confidence: Share) -> Share {
        if self.wrong <= 0.0 {
            return Share::NONE;
        }
        let right = (self.size - self.wrong).max(0.0);
        Share::clamped(beta_quantile(
            1.0 - confidence.get(),
            self.wrong,
            right + 1.0,
        ))
    }

    /// Whether `upper` is at most `share`, without looking for it.
    #[must_use]
    pub fn is_below(self, share: Share, confidence: Share) -> bool {
        let right = self.size - self.wrong;
        right > 0.0 && beta(share.get(), self.wrong + 1.0, right) >= confidence.get()
    }

    /// Whether `lower` is above `share`, without looking for it.
    #[must_use]
    pub fn is_above(self, share: Share, confidence: Share) -> bool {
        let right = (self.size - self.wrong).max(0.0);
        self.wrong > 0.0 && beta(share.get(), self.wrong, right + 1.0) < 1.0 - confidence.get()
    }
}

impl std::ops::Add for Sample {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            wrong: self.wrong + other.wrong,
            size: self.size + other.size,
        }
    }
}

/// The point below which a beta distribution has `probability`, by halving.
fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    // 2^-40 is far finer than any share that is decided on.
    const HALVINGS: usize = 40;
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if beta(middle, a, b) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function `I_x(a, b)` for positive `a` and `b`.
///
/// The continued fraction is DLMF 8.17.22, which converges fast left of the mean; right of it the
/// reflection `I_x(a, b) = 1 − I_{1−x}(b, a)` (8.17.4) is.
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_left(1.0 - x, b, a);
    }
    beta_left(x, a, b)
}

fn beta_left(x: f64, a: f64, b: f64) -> f64 {
    let scale = a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b);
    (scale.exp() / (a * beta_fraction(x, a, b))).clamp(0.0, 1.0)
}

/// `1 + d₁/(1 + d₂/(1 + …))`, evaluated forwards by the method of Lentz (1976).
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const STEPS: u32 = 400;
    const ENOUGH: f64 = 1e-13;
    const NOT_ZERO: f64 = 1e-300;
    let away = |value: f64| {
        if value.abs() < NOT_ZERO {
            NOT_ZERO
        } else {
            value
        }
    };
    let (mut fraction, mut numerators, mut denominators) = (1.0, 1.0, 0.0);
    for step in 1..=STEPS {
        let m = f64::from(step / 2);
        let d = if step % 2 == 0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        denominators = 1.0 / away(1.0 + d * denominators);
        numerators = away(1.0 + d / numerators);
        let change = numerators * denominators;
        fraction *= change;
        if (change - 1.0).abs() < ENOUGH {
            break;
        }
    }
    fraction
}

/// The logarithm of the gamma function: Stirling's series (DLMF 5.11.1) past 8, recurrence before.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 8.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / (x * x);
    let series =
        (1.0 / 12.0 - inverse * (1.0 / 360.0 - inverse * (1.0 / 1260.0 - inverse / 1680.0))) / x;
    let half_ln_tau = std::f64::consts::TAU.ln() / 2.0;
    (x - 0.5) * x.ln() - x + half_ln_tau + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NINETY: Share = Share::clamped(0.9);

    fn sample(wrong: u32, size: u32) -> Sample {
        Sample {
            wrong: wrong.into(),
            size: size.into(),
        }
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 2e-6, "{found} is not {expected}");
    }

    #[test]
    fn limits_have_their_closed_forms_at_the_ends() {
        // None of n wrong: the upper limit is 1 − α^(1/n); all of n: the lower one is α^(1/n).
        for n in [1, 5, 59, 230, 5000] {
            let root = 0.1_f64.powf(1.0 / f64::from(n));
            close(sample(0, n).upper(NINETY).get(), 1.0 - root);
            close(sample(n, n).lower(NINETY).get(), root);
        }
        assert_eq!(sample(0, 0).upper(NINETY), Share::ALL);
        assert_eq!(sample(0, 0).lower(NINETY), Share::NONE);
        assert_eq!(sample(3, 3).upper(NINETY), Share::ALL);
    }

    #[test]
    fn limits_agree_with_sums_of_binomial_probabilities() {
        for (wrong, size) in [(1, 10), (1, 388), (2, 50), (10, 40), (7, 700)] {
            let most = |share: f64, most: u32| {
                let mut term = (1.0 - share).powf(f64::from(size));
                let mut sum = term;
                for k in 1..=most {
                    term *= f64::from(size - k + 1) / f64::from(k) * share / (1.0 - share);
                    sum += term;
                }
                sum
            };
            let sample = sample(wrong, size);
            close(most(sample.upper(NINETY).get(), wrong), 0.1);
            close(1.0 - most(sample.lower(NINETY).get(), wrong - 1), 0.1);
        }
    }

    #[test]
    fn the_gamma_function_is_the_factorial() {
        let mut factorial = 1.0_f64;
        for n in 1..30_u32 {
            close(ln_gamma(f64::from(n)), factorial.ln());
            factorial *= f64::from(n);
        }
        close(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
    }

    #[test]
    fn a_share_is_a_number_from_0_to_1() {
        assert_eq!(Share::new(f64::NAN), None);
        assert_eq!(Share::new(-0.1), None);
    }

    proptest! {
        #[test]
        fn limits_enclose_the_share_and_agree_with_their_tests(
            wrong in 0.0..200.0_f64, right in 0.0..1e5_f64, at in 0.0..1.0_f64,
        ) {
            let sample = Sample { wrong, size: wrong + right };
            let (low, high) = (sample.lower(NINETY), sample.upper(NINETY));
            prop_assert!(low.get().is_finite() && high.get().is_finite());
            prop_assert!(0.0 <= low.get() && low <= high && high.get() <= 1.0);
            if (at - high.get()).abs() > 1e-9 {
                prop_assert_eq!(sample.is_below(Share::clamped(at), NINETY), high.get() <= at);
            }
            if (at - low.get()).abs() > 1e-9 {
                prop_assert_eq!(sample.is_above(Share::clamped(at), NINETY), low.get() > at);
            }
        }
    }
}
