//! Where the admission point starts, for each policy and kind of question.

use super::Score;
use crate::{
    policy::language::is_english,
    units::{Admission, Policy},
};

impl Policy {
    fn points(self) -> Points {
        let [strict, balanced, loose] = POINTS;
        match self {
            Self::Strict => strict,
            Self::Balanced => balanced,
            Self::Loose => loose,
        }
    }
}

/// The admission points of one policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Points {
    /// For a question that is the whole prompt.
    pub plain: Score,
    /// For a question about matter that is equal byte for byte.
    pub matter: Score,
}

/// The points in the order of [`Policy::NAMES`].
///
/// From `refrain eval --sweep` for the encoder that ships (int8 scores lie below those of float32): above
/// the lowest at which the mean share of false hits over the labelled streams stays inside the policy's
/// budget (0.895, 0.85 and 0.80), with a margin, since the guards were tuned on data of the same kinds.
/// With matter hashed, instructions that ask something else stay below 0.75. `docs/quality.md` has what
/// these points give.
pub const POINTS: [Points; 3] = [
    Points {
        plain: Score(0.925),
        matter: Score(0.75),
    },
    Points {
        plain: Score(0.875),
        matter: Score(0.75),
    },
    Points {
        plain: Score(0.825),
        matter: Score(0.75),
    },
];

/// Added for Latin text that is not English: its vectors spread less and the guards know few of its
/// words.
const FOREIGN: f32 = 0.05;
/// What that ends in at most, so that the same question with another comma still hits.
const FOREIGN_MOST: f32 = 0.985;

/// What kind of question it is, as far as its point depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Kind {
    /// It is the instruction of a long prompt whose rest is part of the partition, byte for byte.
    pub matter: bool,
    /// It is in Latin letters but not in English.
    pub foreign_latin: bool,
}

impl Kind {
    /// The kind of a question that stands alone or, with `matter`, beside a hashed rest.
    #[must_use]
    pub fn of(question: &str, matter: bool) -> Self {
        Self {
            matter,
            foreign_latin: !is_english(question),
        }
    }
}

impl Admission {
    /// The score that a neighbour must reach.
    ///
    /// A plain threshold is taken as it is, in every language and beside any matter: who names a number
    /// means it.
    #[must_use]
    pub fn point(self, kind: Kind) -> Score {
        let points = match self {
            Self::Policy(policy) => policy.points(),
            Self::Threshold(threshold) => return threshold.into(),
        };
        let point = if kind.matter {
            points.matter
        } else {
            points.plain
        };
        if kind.foreign_latin {
            Score((point.0 + FOREIGN).min(FOREIGN_MOST.max(point.0)))
        } else {
            point
        }
    }

    /// The lowest similarity at which neighbours are worth a look: those just below the point are free
    /// labels.
    #[must_use]
    pub fn retrieval_floor(self, kind: Kind) -> Score {
        self.point(kind).min(Score::RETRIEVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Similarity;

    const PLAIN: Kind = Kind {
        matter: false,
        foreign_latin: false,
    };

    #[test]
    fn stricter_policies_have_higher_points_of_every_kind() {
        for (matter, foreign_latin) in [(false, false), (false, true), (true, false), (true, true)]
        {
            let kind = Kind {
                matter,
                foreign_latin,
            };
            let points = Policy::NAMES.map(|(_, policy)| Admission::Policy(policy).point(kind));
            assert!(points.is_sorted_by(|a, b| a >= b), "{points:?}");
            assert!(
                points
                    .iter()
                    .all(|point| Score::new(point.0) == Some(*point))
            );
            assert!(points.iter().all(|point| point.0 < 1.0));
        }
    }

    #[test]
    fn other_languages_have_higher_points() {
        let german = Kind::of("Wie viele Monde hat der Saturn?", false);
        let english = Kind::of("How many moons does Saturn have?", false);
        for policy in Policy::NAMES.map(|(_, policy)| Admission::Policy(policy)) {
            assert!(policy.point(german) > policy.point(english));
        }
    }

    #[test]
    fn a_plain_threshold_is_taken_as_it_is() {
        let at = |threshold| Admission::Threshold(Similarity::new(threshold).unwrap());
        let foreign = Kind {
            foreign_latin: true,
            ..PLAIN
        };
        let matter = Kind {
            matter: true,
            ..PLAIN
        };
        assert_eq!(at(0.91).point(PLAIN).get(), 0.91);
        assert_eq!(at(0.91).point(foreign).get(), 0.91);
        assert_eq!(at(0.91).point(matter).get(), 0.91);
        assert_eq!(at(0.6).point(matter).get(), 0.6);
        assert_eq!(at(0.6).retrieval_floor(PLAIN).get(), 0.6);
        assert_eq!(at(0.91).retrieval_floor(PLAIN), Score::RETRIEVAL);
    }
}
