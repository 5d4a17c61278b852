//! Counts on a grid of scores.

use serde::{Deserialize, Serialize};

use crate::policy::admit::Score;

/// Bins of 0.005 from 0.70 to 1; the last holds 1 alone.
pub(super) const BINS: usize = 61;
const PER_ONE: f32 = 200.0;
const BELOW: f32 = 140.0;
/// Of a bin: a score is in the bin that its decimal digits say, whatever its binary ones are.
const ROUNDING: f32 = 1e-3;

/// A count for each bin: finite and not negative.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f32>", into = "Vec<f32>")]
pub(super) struct Bins([f32; BINS]);

impl Default for Bins {
    fn default() -> Self {
        Self([0.0; BINS])
    }
}

impl Bins {
    pub(super) fn add(&mut self, bin: usize) {
        if let Some(count) = self.0.get_mut(bin) {
            *count += 1.0;
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = (*count + more).min(MOST);
        }
    }

    pub(super) fn scale(&mut self, by: f32) {
        for count in &mut self.0 {
            *count *= by;
        }
    }

    /// The counts of the bins from `low` to below `high`.
    pub(super) fn sum(&self, low: usize, high: usize) -> f64 {
        let counts = self.0.get(low..high).unwrap_or_default();
        counts.iter().copied().map(f64::from).sum()
    }
}

/// Counts beyond are no counts.
const MOST: f32 = 1e6;

impl TryFrom<Vec<f32>> for Bins {
    type Error = &'static str;

    fn try_from(counts: Vec<f32>) -> Result<Self, Self::Error> {
        let bins = <[f32; BINS]>::try_from(counts).map_err(|_| "another number of bins")?;
        if bins.iter().all(|count| (0.0..=MOST).contains(count)) {
            Ok(Self(bins))
        } else {
            Err("a bin's count is no count")
        }
    }
}

impl From<Bins> for Vec<f32> {
    fn from(bins: Bins) -> Self {
        bins.0.into()
    }
}

/// The bin of a score; `None` below the lowest.
pub(super) fn bin(score: Score) -> Option<usize> {
    let place = score.get() * PER_ONE - BELOW + ROUNDING;
    (place >= 0.0).then(|| floor(place).min(BINS - 1))
}

/// The lowest bin that holds no score below this one; `BINS` if there is none.
pub(super) fn upper_bin(score: Score) -> usize {
    let place = (score.get() * PER_ONE - BELOW - ROUNDING).ceil();
    floor(place.max(0.0)).min(BINS)
}

/// The lowest score of a bin; beyond the last one that no score reaches.
pub(super) fn lower_edge(bin: usize) -> Score {
    let edge = u8::try_from(bin).map(|bin| (BELOW + f32::from(bin)) / PER_ONE);
    edge.ok()
        .filter(|_| bin < BINS)
        .and_then(Score::new)
        .unwrap_or(Score::UNREACHABLE)
}

fn floor(place: f32) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and the cast saturates"
    )]
    let floor = place as usize;
    floor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_and_their_edges_agree() {
        for at in 0..BINS {
            let edge = lower_edge(at);
            assert_eq!((bin(edge), upper_bin(edge)), (Some(at), at));
        }
        let score = |score| Score::new(score).unwrap();
        assert_eq!(lower_edge(45), score(0.925));
        assert_eq!(
            (bin(score(0.9275)), upper_bin(score(0.9275))),
            (Some(45), 46)
        );
        assert_eq!((bin(score(0.69)), upper_bin(score(0.69))), (None, 0));
        assert_eq!(lower_edge(BINS), Score::UNREACHABLE);
        assert_eq!(upper_bin(Score::UNREACHABLE), BINS);
        assert_eq!(lower_edge(usize::MAX), Score::UNREACHABLE);
    }
}
