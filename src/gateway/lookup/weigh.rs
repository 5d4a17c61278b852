//! Whether a question's neighbours answer it.
//!
//! `policy` decides; here entries are fetched for it, and what became of each neighbour is put down. A lookup and a dry
//! run are weighed alike.

use std::sync::Arc;

use super::Terms;
use crate::{
    cache::{entry::Entry, partition::Neighbour},
    gateway::{Gateway, learn::Near, why::words::Word},
    policy::{
        admit::{Kind, Pair, Score, Sifted, Verdict, admit, shortlist},
        identity::Fingerprint,
        learn::{Admitted, Rule, Source},
        veto::Veto,
        wording::Wording,
    },
    units::Similarity,
};

/// What is decided about a question's neighbours, and why.
#[derive(Debug)]
pub(in crate::gateway) struct Weighed {
    /// The admission point.
    pub(in crate::gateway) point: Score,
    /// What became of each neighbour, in their order.
    pub(in crate::gateway) fates: Vec<Fate>,
    pub(in crate::gateway) decision: Decision,
}

/// What becomes of a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Fate {
    /// It is about something else.
    Distant,
    /// The wording says that it asks something else.
    Vetoed(Veto),
    /// Its answer is gone, or too old.
    Expired,
    /// The verifier did not come to it.
    Unscored,
    /// So surely it asks the same.
    Scored(Score),
}

/// Whether one of them answers.
#[derive(Debug)]
pub(in crate::gateway) enum Decision {
    /// This one, whose vector is so near.
    Hit(Near, Similarity),
    /// None.
    Miss {
        reason: Option<&'static str>,
        /// The nearest, whose answer tells something beside the fresh one.
        near: Option<(Near, Source)>,
    },
}

impl Gateway {
    /// The score that a neighbour of `question` must reach, and what may move it.
    pub(in crate::gateway) fn bar(&self, question: &str, terms: &Terms) -> (Rule, Score) {
        let kind = Kind::of(question, terms.class.has_matter);
        let rule = self.learner.rule(terms.admission, kind);
        (rule, self.learner.point(&terms.class, &rule))
    }

    /// Decides whether one of `neighbours`, nearest first, answers `question`. `fresh` gives the entry of a neighbour, if
    /// it may answer now.
    pub(in crate::gateway) fn weigh(
        &self,
        question: &str,
        neighbours: &[Neighbour],
        terms: Terms,
        fresh: impl Fn(&Fingerprint) -> Option<Arc<Entry>>,
    ) -> Weighed {
        let (rule, point) = self.bar(question, &terms);
        let candidates = neighbours
            .iter()
            .map(|near| (near.similarity, &*near.wording));
        let floor = point.min(Score::RETRIEVAL);
        let mut list = shortlist(&Wording::of(question), floor, candidates);
        let had_survivors = !list.survivors.is_empty();
        let mut fates: Vec<Fate> = (list.sifted.iter())
            .map(|sifted| match sifted {
                Sifted::Distant => Fate::Distant,
                Sifted::Vetoed(veto) => Fate::Vetoed(*veto),
                Sifted::Survives => Fate::Expired,
            })
            .collect();
        let mut entries = Vec::with_capacity(list.survivors.len());
        list.survivors.retain(|survivor| {
            let near = neighbours.get(survivor.place);
            let entry = near.and_then(|near| fresh(&near.fingerprint));
            let is_there = entry.is_some();
            entries.extend(entry.map(|entry| (survivor.place, survivor.similarity, entry)));
            is_there
        });
        let pairs: Vec<Pair<'_>> = (entries.iter())
            .map(|(_, similarity, entry)| Pair {
                neighbour: (entry.question.as_ref()).map_or("", |question| &question.text),
                similarity: *similarity,
            })
            .collect();
        let scores = self.verifier.scores(question, &pairs);
        for (at, (place, ..)) in entries.iter().enumerate() {
            if let Some(fate) = fates.get_mut(*place) {
                *fate = (scores.get(at)).map_or(Fate::Unscored, |score| Fate::Scored(*score));
            }
        }
        let (scored, reason) = match admit(&list, &scores, point) {
            Verdict::Hit(scored) => (Some(scored), None),
            Verdict::Miss { reason, nearest } => (nearest, Some(reason.as_str())),
        };
        let found = scored.and_then(|scored| {
            let entry = entries
                .into_iter()
                .find(|(place, ..)| *place == scored.place);
            Some((scored.score, entry?))
        });
        let decision = match found {
            None => Decision::Miss {
                reason: if had_survivors {
                    Some(Word::Expired.as_str())
                } else {
                    reason
                },
                near: None,
            },
            Some((score, (_, similarity, entry))) => {
                let near = Near {
                    entry,
                    admitted: Admitted {
                        class: terms.class,
                        rule,
                        score,
                    },
                };
                if reason.is_some() {
                    Decision::Miss {
                        reason,
                        near: Some((near, Source::Miss)),
                    }
                } else if self.learner.allows(near.entry.fingerprint, score, point) {
                    Decision::Hit(near, similarity)
                } else {
                    Decision::Miss {
                        reason: Some(Word::Brake.as_str()),
                        near: Some((near, Source::Shadow)),
                    }
                }
            }
        };
        Weighed {
            point,
            fates,
            decision,
        }
    }
}
