//! When a neighbour answers a question: near enough, nothing in the wording says otherwise, and its
//! score reaches the admission point.
//!
//! Three steps, so that a verifier that takes its time stands between the cheap ones: [`shortlist`]
//! (retrieval floor and guards), [`Verifier::scores`], [`admit`]. The point comes from a policy or a
//! plain threshold ([`Admission`]) and is moved by labels (`policy::learn`). Invariant: no neighbour
//! that a guard refuses ever reaches a verifier, and none hits without a score.

mod points;

use std::fmt;

pub use self::points::{Kind, POINTS, Points};
use super::{
    veto::{Veto, veto},
    wording::Wording,
};
use crate::units::Similarity;

/// How surely two questions ask the same, on the cosine scale: −1 ..= 1, finite, so that it has a
/// total order. A verifier with a scale of its own maps it here, and keeps its order.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Score(f32);

impl Score {
    /// The lowest similarity at which neighbours are looked at: below, misses teach nothing.
    pub const RETRIEVAL: Self = Self(0.75);
    /// A point that no score reaches: exact matches only.
    pub const UNREACHABLE: Self = Self(2.0);

    /// A score, pulled into −1 ..= 1; `None` if the number is not finite.
    #[must_use]
    pub fn new(score: f32) -> Option<Self> {
        // The sum makes −0 a 0, which the total order tells apart.
        score
            .is_finite()
            .then(|| Self(score.clamp(-1.0, 1.0) + 0.0))
    }

    /// The plain number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl From<Similarity> for Score {
    fn from(similarity: Similarity) -> Self {
        Self(similarity.get() + 0.0)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.0)
    }
}

/// A neighbour that no guard refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survivor {
    /// Its place among the candidates.
    pub place: usize,
    /// How near its vector is.
    pub similarity: Similarity,
}

/// What the guards make of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sifted {
    /// It is below the floor.
    Distant,
    /// The wording says that it asks something else.
    Vetoed(Veto),
    /// Nothing speaks against it.
    Survives,
}

/// What is left of the candidates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shortlist {
    /// What became of each candidate, in the order given.
    pub sifted: Vec<Sifted>,
    /// Those above the floor that no guard refuses, in the order given.
    pub survivors: Vec<Survivor>,
    /// The similarity of the nearest candidate, whatever became of it.
    pub nearest: Option<Similarity>,
    /// The nearest that a guard refuses.
    pub vetoed: Option<(Veto, Similarity)>,
}

impl Shortlist {
    /// Why there is no survivor; `None` if there is one.
    #[must_use]
    pub fn reason(&self) -> Option<Miss> {
        if !self.survivors.is_empty() {
            return None;
        }
        Some(match (self.vetoed, self.nearest) {
            (Some((veto, _)), _) => Miss::Vetoed(veto),
            (None, Some(_)) => Miss::Distant,
            (None, None) => Miss::Empty,
        })
    }
}

/// Leaves out of `candidates` (in any order, nearest first by custom) what is below the floor and what
/// a guard refuses.
pub fn shortlist<'a>(
    question: &Wording,
    floor: Score,
    candidates: impl Iterator<Item = (Similarity, &'a Wording)>,
) -> Shortlist {
    let mut list = Shortlist::default();
    for (place, (similarity, wording)) in candidates.enumerate() {
        list.nearest = list.nearest.max(Some(similarity));
        if Score::from(similarity) < floor {
            list.sifted.push(Sifted::Distant);
            continue;
        }
        let veto = veto(question, wording);
        match veto {
            None => list.survivors.push(Survivor { place, similarity }),
            Some(veto) if list.vetoed.is_none_or(|(_, nearer)| similarity > nearer) => {
                list.vetoed = Some((veto, similarity));
            }
            Some(_) => {}
        }
        list.sifted
            .push(veto.map_or(Sifted::Survives, Sifted::Vetoed));
    }
    list
}

/// A survivor as a verifier sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The neighbour's question.
    pub neighbour: &'a str,
    /// How near its vector is.
    pub similarity: Similarity,
}

/// Says how surely neighbours ask the same as a question. The same pair always has the same score.
pub trait Verifier: fmt::Debug + Send + Sync {
    /// The scores of `pairs`, in their order. It may stop early: a pair without a score does not hit.
    fn scores(&self, question: &str, pairs: &[Pair<'_>]) -> Vec<Score>;
}

/// The verifier that believes the encoder: the score is the cosine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByCosine;

impl Verifier for ByCosine {
    fn scores(&self, _question: &str, pairs: &[Pair<'_>]) -> Vec<Score> {
        pairs.iter().map(|pair| pair.similarity.into()).collect()
    }
}

/// A survivor and its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scored {
    /// The place among the candidates.
    pub place: usize,
    /// How surely it asks the same.
    pub score: Score,
}

/// What is decided about a question's neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This neighbour answers.
    Hit(Scored),
    /// None does.
    Miss {
        /// Why.
        reason: Miss,
        /// The survivor with the highest score: the fresh answer against its kept one is a free
        /// label.
        nearest: Option<Scored>,
    },
}

/// Why no neighbour answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// There is none.
    Empty,
    /// The nearest is below the retrieval floor: about something else.
    Distant,
    /// One is near, but below the admission point: what a looser policy might have served.
    BelowPoint,
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
            Self::BelowPoint => "below_point",
            Self::Vetoed(veto) => veto.as_str(),
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Empty => "No question of this kind is kept.",
            Self::Distant => "The nearest kept question is about something else.",
            Self::BelowPoint => {
                "A kept question is near, but its score does not reach the admission point."
            }
            Self::Vetoed(veto) => veto.sentence(),
        }
    }
}

/// Decides by the scores of a shortlist's survivors: the highest answers if it reaches `point`, of
/// equal ones the first.
///
/// A guard is named as the reason only where it decided, that is where the cosine of what it refused
/// reaches the point; thus the counts of vetoes are counts of prevented hits.
#[must_use]
pub fn admit(shortlist: &Shortlist, scores: &[Score], point: Score) -> Verdict {
    let mut nearest: Option<Scored> = None;
    for (survivor, score) in shortlist.survivors.iter().zip(scores) {
        if nearest.is_none_or(|best| *score > best.score) {
            nearest = Some(Scored {
                place: survivor.place,
                score: *score,
            });
        }
    }
    if let Some(best) = nearest
        && best.score >= point
    {
        return Verdict::Hit(best);
    }
    let decided = shortlist
        .vetoed
        .filter(|(_, similarity)| Score::from(*similarity) >= point);
    let reason = match (decided, shortlist.reason()) {
        (Some((veto, _)), _) => Miss::Vetoed(veto),
        (None, None | Some(Miss::Vetoed(_))) => Miss::BelowPoint,
        (None, Some(reason)) => reason,
    };
    Verdict::Miss { reason, nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(question: &str, candidates: &[(f32, &str)]) -> Shortlist {
        let wordings: Vec<_> = candidates
            .iter()
            .map(|(similarity, text)| (Similarity::new(*similarity).unwrap(), Wording::of(text)))
            .collect();
        let near = wordings
            .iter()
            .map(|(similarity, wording)| (*similarity, wording));
        shortlist(&Wording::of(question), Score::RETRIEVAL, near)
    }

    fn decide(question: &str, point: f32, candidates: &[(f32, &str)]) -> Verdict {
        let list = listed(question, candidates);
        let pairs: Vec<_> = list
            .survivors
            .iter()
            .map(|survivor| Pair {
                neighbour: candidates[survivor.place].1,
                similarity: survivor.similarity,
            })
            .collect();
        admit(
            &list,
            &ByCosine.scores(question, &pairs),
            Score::new(point).unwrap(),
        )
    }

    fn scored(place: usize, score: f32) -> Scored {
        Scored {
            place,
            score: Score::new(score).unwrap(),
        }
    }

    fn miss(reason: Miss, nearest: Option<Scored>) -> Verdict {
        Verdict::Miss { reason, nearest }
    }

    const NEAR: [(f32, &str); 3] = [
        (0.97, "turn off dark mode"),
        (0.93, "switch dark mode on"),
        (0.5, "why is the sky blue"),
    ];

    #[test]
    fn the_best_that_no_guard_refuses_answers() {
        let verdict = decide("turn on dark mode", 0.9, &NEAR);
        assert_eq!(verdict, Verdict::Hit(scored(1, 0.93)));
    }

    #[test]
    fn a_miss_names_what_decided_and_who_was_nearest() {
        let decide = |point, near: &[_]| decide("turn on dark mode", point, near);
        let vetoed = Miss::Vetoed(Veto::Opposites);
        assert_eq!(decide(0.9, &NEAR[..1]), miss(vetoed, None));
        assert_eq!(
            decide(0.95, &NEAR),
            miss(vetoed, Some(scored(1, 0.93))),
            "without the guard it had hit"
        );
        assert_eq!(
            decide(0.98, &NEAR),
            miss(Miss::BelowPoint, Some(scored(1, 0.93)))
        );
        assert_eq!(decide(0.98, &NEAR[..1]), miss(Miss::BelowPoint, None));
        assert_eq!(decide(0.9, &NEAR[2..]), miss(Miss::Distant, None));
        assert_eq!(decide(0.9, &[]), miss(Miss::Empty, None));
    }

    #[test]
    fn the_verifier_has_the_last_word_and_may_stop_early() {
        let survivor = |place, similarity| Survivor {
            place,
            similarity: Similarity::new(similarity).unwrap(),
        };
        let list = Shortlist {
            survivors: vec![survivor(0, 0.99), survivor(2, 0.8), survivor(3, 0.79)],
            nearest: Similarity::new(0.99),
            ..Shortlist::default()
        };
        let score = |score| Score::new(score).unwrap();
        let point = score(0.9);
        assert_eq!(
            admit(&list, &[score(0.2), score(0.95)], point),
            Verdict::Hit(scored(2, 0.95))
        );
        assert_eq!(admit(&list, &[], point), miss(Miss::BelowPoint, None));
        assert_eq!(
            admit(&list, &[score(1.0)], Score::UNREACHABLE),
            miss(Miss::BelowPoint, Some(scored(0, 1.0)))
        );
    }

    #[test]
    fn of_each_candidate_it_is_known_what_became_of_it() {
        let list = listed("turn on dark mode", &NEAR);
        let expected = [
            Sifted::Vetoed(Veto::Opposites),
            Sifted::Survives,
            Sifted::Distant,
        ];
        assert_eq!(list.sifted, expected);
    }

    #[test]
    fn scores_are_finite_and_ordered() {
        assert_eq!(Score::new(f32::NAN), None);
        assert_eq!(Score::new(f32::INFINITY), None);
        assert_eq!(Score::new(3.0), Score::new(1.0));
        assert_eq!(
            Score::new(-0.0).cmp(&Score::new(0.0)),
            std::cmp::Ordering::Equal
        );
        assert!(Score::UNREACHABLE > Score::new(1.0).unwrap());
    }
}
