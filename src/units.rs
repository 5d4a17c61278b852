//! Numbers with their units. Every constructor checks its range, so that a value that exists is valid.
//!
//! It does not parse text of configuration files (`config` does) and knows no defaults.

use std::fmt;

/// A cosine similarity: finite and within −1 ..= 1, so that it has a total order.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Similarity(f32);

impl Similarity {
    /// The similarity of `cosine`, rounding errors just outside the range pulled back into it.
    ///
    /// `None` if the number is not finite or lies clearly outside −1 ..= 1.
    #[must_use]
    pub fn new(cosine: f32) -> Option<Self> {
        const ROUNDING: f32 = 1e-3;
        (cosine.is_finite() && cosine.abs() <= 1.0 + ROUNDING)
            .then(|| Self(cosine.clamp(-1.0, 1.0)))
    }

    /// The plain number, −1 ..= 1.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

impl Eq for Similarity {}

impl PartialOrd for Similarity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Similarity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl fmt::Display for Similarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.0)
    }
}

/// A number of tokens of some model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Tokens(pub u64);

/// Money in US dollars. Not negative, finite.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Usd(f64);

impl Usd {
    /// An amount of money; `None` if negative or not finite.
    #[must_use]
    pub fn new(amount: f64) -> Option<Self> {
        (amount.is_finite() && amount >= 0.0).then_some(Self(amount))
    }

    /// The plain amount in dollars.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.8}", self.0)
    }
}

/// What a model costs, in US dollars per million tokens.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Price {
    /// For a million tokens of prompt.
    pub input: Usd,
    /// For a million tokens of answer.
    pub output: Usd,
}

impl Price {
    /// The cost of a call that read `input` and wrote `output` tokens.
    #[must_use]
    pub fn of(self, input: Tokens, output: Tokens) -> Usd {
        #[expect(
            clippy::cast_precision_loss,
            reason = "2^53 tokens are out of anyone's reach"
        )]
        let per_million = |price: Usd, tokens: Tokens| price.0 * tokens.0 as f64 / 1e6;
        Usd(per_million(self.input, input) + per_million(self.output, output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similarity_is_finite_and_in_range() {
        assert!(Similarity::new(f32::NAN).is_none());
        assert!(Similarity::new(1.5).is_none());
        assert_eq!(Similarity::new(1.000_1).map(Similarity::get), Some(1.0));
        assert!(Similarity::new(0.91) > Similarity::new(0.90));
    }

    #[test]
    fn price_is_per_million() {
        let price = Price {
            input: Usd::new(2.5).unwrap(),
            output: Usd::new(10.0).unwrap(),
        };
        assert_eq!(price.of(Tokens(1_000_000), Tokens(100_000)).get(), 3.5);
        assert!(Usd::new(-1.0).is_none());
    }
}
