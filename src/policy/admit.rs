//! When a neighbour answers a question: near enough, and nothing in the wording says otherwise.

use crate::units::Similarity;

use super::{
    veto::{Veto, veto},
    wording::Wording,
};

/// What is decided about a question's neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The neighbour at this place among the candidates answers.
    Hit(usize),
    /// None does.
    Miss(Miss),
}

/// Why no neighbour answers; of several reasons the one of the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// There is none.
    Empty,
    /// The nearest is not near enough.
    Distant,
    /// The nearest is near enough, but asks something else.
    Vetoed(Veto),
}

impl Miss {
    /// The word for header, metric and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Distant => "distant",
            Self::Vetoed(veto) => veto.as_str(),
        }
    }
}

/// Decides among `candidates`, nearest first.
pub fn admit<'a>(
    question: &Wording,
    threshold: Similarity,
    candidates: impl Iterator<Item = (Similarity, &'a Wording)>,
) -> Verdict {
    let mut reason = None;
    for (place, (similarity, wording)) in candidates.enumerate() {
        if similarity < threshold {
            return Verdict::Miss(reason.unwrap_or(Miss::Distant));
        }
        match veto(question, wording) {
            None => return Verdict::Hit(place),
            Some(veto) => reason = reason.or(Some(Miss::Vetoed(veto))),
        }
    }
    Verdict::Miss(reason.unwrap_or(Miss::Empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(question: &str, candidates: &[(f32, &str)]) -> Verdict {
        let wordings: Vec<_> = candidates
            .iter()
            .map(|(similarity, text)| (Similarity::new(*similarity).unwrap(), Wording::of(text)))
            .collect();
        let pairs = wordings
            .iter()
            .map(|(similarity, wording)| (*similarity, wording));
        admit(&Wording::of(question), Similarity::new(0.9).unwrap(), pairs)
    }

    #[test]
    fn the_nearest_that_no_veto_meets_answers() {
        let near = [
            (0.97, "turn off dark mode"),
            (0.93, "switch dark mode on"),
            (0.5, "x"),
        ];
        assert_eq!(decide("turn on dark mode", &near), Verdict::Hit(1));
        let vetoed = Verdict::Miss(Miss::Vetoed(Veto::Opposites));
        assert_eq!(decide("turn on dark mode", &near[..1]), vetoed);
        assert_eq!(
            decide("turn on dark mode", &near[2..]),
            Verdict::Miss(Miss::Distant)
        );
        assert_eq!(decide("turn on dark mode", &[]), Verdict::Miss(Miss::Empty));
    }
}
