//! Numbers with their units. Every constructor checks its range, so that a value that exists is valid.
//!
//! It does not parse text of configuration files (`config` does) and knows no defaults.

use std::{fmt, time::Duration};

/// What stands for the values of an enum in files, requests and answers: each word stands in one place.
macro_rules! words {
    ($(#[$doc:meta])* $vis:vis $type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            $(#[$doc])*
            $vis const NAMES: [(&'static str, Self); [$($word),+].len()] =
                [$(($word, Self::$variant)),+];

            /// Its word there.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}
pub(crate) use words;

/// A cosine similarity: finite and within −1 ..= 1, so that it has a total order.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Similarity(f32);

impl Similarity {
    /// Of a vector with itself.
    pub const ONE: Self = Self(1.0);

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

    /// As people write it: 0.93, not the nearest number with seven digits.
    #[must_use]
    pub fn as_written(self) -> f64 {
        self.0.to_string().parse().unwrap_or(f64::from(self.0))
    }

    /// To four digits: what lies behind them is the encoder's noise, and the float's.
    #[must_use]
    pub fn rounded(self) -> f64 {
        (f64::from(self.0) * 1e4).round() / 1e4
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

/// How much error the semantic tier may cost: a budget of false hits, as a share of all requests.
///
/// It stands for a point of admission that was measured for the encoder; the plain alternative is
/// [`Admission::Threshold`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Policy {
    /// At most 0.25 %.
    Strict,
    /// At most 0.75 %.
    #[default]
    Balanced,
    /// At most 2 %.
    Loose,
}

words! {
    /// The policies with their names in configuration and requests.
    pub Policy {
        Strict = "strict",
        Balanced = "balanced",
        Loose = "loose",
    }
}

/// What it takes for a near question's answer to be served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// As this policy says.
    Policy(Policy),
    /// A similarity of at least this.
    Threshold(Similarity),
}

impl Default for Admission {
    fn default() -> Self {
        Self::Policy(Policy::default())
    }
}

/// A part of a whole: finite and within 0 ..= 1, so that it has a total order.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share(f64);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0.0);
    /// All.
    pub const ALL: Self = Self(1.0);

    /// The share nearest to this number; all, where it is no number.
    #[must_use]
    pub const fn clamped(share: f64) -> Self {
        if share.is_nan() {
            Self::ALL
        } else {
            Self(share.clamp(0.0, 1.0) + 0.0)
        }
    }

    /// A share; `None` if the number is not finite or outside 0 ..= 1.
    #[must_use]
    pub const fn new(share: f64) -> Option<Self> {
        // NaN is in no range. Adding zero makes of −0 the zero that equals itself in every order.
        if share >= 0.0 && share <= 1.0 {
            Some(Self(share + 0.0))
        } else {
            None
        }
    }

    /// So many hundredths; more than a hundred are the whole.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        if percent < 100 {
            Self(percent as f64 / 100.0)
        } else {
            Self(1.0)
        }
    }

    /// The plain number, 0 ..= 1.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// This share of a time; never more than all of it, however long it is.
    #[must_use]
    pub fn of(self, whole: Duration) -> Duration {
        // Seconds as a float may be rounded up beyond the longest duration.
        let part = Duration::try_from_secs_f64(whole.as_secs_f64() * self.0);
        part.unwrap_or(whole).min(whole)
    }

    /// In millionths, rounded: these add up without rounding errors.
    #[must_use]
    pub fn millionths(self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within 0 ..= 1 000 000"
        )]
        let millionths = (self.0 * 1e6).round() as u64;
        millionths
    }
}

impl Eq for Share {}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
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

impl std::ops::Add for Usd {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self((self.0 + more.0).min(f64::MAX))
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
    /// A price that is no lower than any of these; `None` if there is none.
    #[must_use]
    pub fn dearest(prices: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        let higher = |one: Usd, other: Usd| if other > one { other } else { one };
        prices.into_iter().flatten().reduce(|one, other| Self {
            input: higher(one.input, other.input),
            output: higher(one.output, other.output),
        })
    }

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

/// The inner product of two vectors; of unit vectors, their cosine. Sixteen partial sums, because the compiler may not reorder one sum of floats
/// and so could not use vector instructions for it.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    #[test]
    fn similarity_is_finite_and_in_range() {
        assert!(Similarity::new(f32::NAN).is_none());
        assert!(Similarity::new(1.5).is_none());
        assert_eq!(Similarity::new(1.000_1).map(Similarity::get), Some(1.0));
        assert!(Similarity::new(0.91) > Similarity::new(0.90));
    }

    #[test]
    fn a_similarity_is_shown_with_the_digits_that_mean_something() {
        let near = Similarity::new(0.93).unwrap();
        assert_eq!((near.as_written(), near.rounded()), (0.93, 0.93));
        let near = Similarity::new(0.930_061).unwrap();
        assert_eq!((near.as_written(), near.rounded()), (0.930_061, 0.930_1));
    }

    #[test]
    fn share_is_within_nought_and_one() {
        for outside in [f64::NAN, f64::INFINITY, -0.1, 1.1] {
            assert!(Share::new(outside).is_none(), "{outside}");
        }
        assert_eq!(Share::new(-0.0).cmp(&Share::new(0.0)), Ordering::Equal);
        assert!(Share::new(0.02) < Share::new(1.0));
        assert_eq!(Some(Share::percent(2)), Share::new(0.02));
        assert_eq!(Some(Share::percent(101)), Share::new(1.0));
    }

    #[test]
    fn a_share_of_a_time_is_no_longer_than_the_time() {
        let share = Share::percent(20);
        assert_eq!(
            share.of(Duration::from_secs(10)).as_millis(),
            Duration::from_secs(2).as_millis()
        );
        assert_eq!(Share::ALL.of(Duration::MAX), Duration::MAX);
        assert_eq!(Share::NONE.of(Duration::MAX), Duration::ZERO);
        assert_eq!(Share::ALL.of(Duration::from_nanos(1)).as_nanos(), 1);
        assert_eq!(share.millionths(), 200_000);
        assert_eq!(Share::ALL.millionths(), 1_000_000);
    }

    #[test]
    fn policies_have_their_names() {
        for (name, policy) in Policy::NAMES {
            assert_eq!(policy.as_str(), name);
        }
        assert_eq!(Admission::default(), Admission::Policy(Policy::Balanced));
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
