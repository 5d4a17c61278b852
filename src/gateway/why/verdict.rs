//! What is said of each kept answer that a lookup would come to.

use super::words::Word;
use crate::{
    cache::{entry::Entry, partition::Neighbour},
    gateway::{
        learn::Near,
        lookup::{
            Found,
            weigh::{Decision, Fate, Weighed},
        },
    },
    policy::{
        admit::Score,
        learn::Source,
        veto::{Difference, differences},
    },
    telemetry::facts::Tier,
};

/// What is said of a candidate.
pub(super) struct Verdict {
    pub(super) word: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) sentence: String,
    pub(super) score: Option<Score>,
}

impl Verdict {
    pub(super) fn by(word: &'static str, reason: Word) -> Self {
        Self {
            word,
            reason: Some(reason.as_str()),
            sentence: reason.sentence().to_owned(),
            score: None,
        }
    }
}

/// What is said of the entry that answers an equal request.
pub(super) fn served(found: &Found) -> Verdict {
    let sentence = match found.tier {
        Tier::Exact => "An equal request was answered before.",
        Tier::Surface => {
            "A question was answered before that differs from this one in nothing but case, politeness or spelling."
        }
        Tier::Semantic(_) => "A question of the same meaning was answered before.",
    };
    let stale = found.stale.map_or_else(String::new, |since| {
        format!(
            " Its time is over since {} s; it answers while a fresh answer is asked for.",
            since.as_secs()
        )
    });
    Verdict {
        word: "hit",
        reason: None,
        sentence: format!("{sentence}{stale}"),
        score: None,
    }
}

/// What is said of a neighbour. `is_asked` unless an equal request's answer goes first.
pub(super) fn verdict(
    asked: &str,
    entry: &Entry,
    near: &Neighbour,
    place: usize,
    weighed: &Weighed,
    is_asked: bool,
) -> Verdict {
    let below = |what, reason, sentence| Verdict {
        word: what,
        reason: Some(reason),
        sentence,
        score: None,
    };
    let point = weighed.point;
    let score = match weighed.fates.get(place) {
        None => return Verdict::by("not_nearest", Word::TooMany),
        Some(Fate::Unscored) => return Verdict::by("not_nearest", Word::Unscored),
        Some(Fate::Expired) => return Verdict::by("expired", Word::Expired),
        Some(Fate::Distant) => {
            let floor = point.min(Score::RETRIEVAL).get();
            let sentence = format!(
                "It is about something else: its similarity of {:.3} is below {floor:.3}.",
                near.similarity.get()
            );
            return below("below_point", "distant", sentence);
        }
        Some(Fate::Vetoed(veto)) => {
            let kept = entry.question.as_ref().map_or("", |kept| &*kept.text);
            let differences = differences(kept, asked);
            let found = differences.iter().find(|one| one.veto == *veto);
            let sentence = found.map_or_else(|| veto.sentence().to_owned(), Difference::sentence);
            return below("veto", veto.as_str(), sentence);
        }
        Some(Fate::Scored(score)) => *score,
    };
    let is_it = |near: &Near| near.entry.fingerprint == entry.fingerprint;
    let said = match &weighed.decision {
        Decision::Hit(near, _) if is_it(near) && is_asked => Verdict {
            word: "hit",
            reason: None,
            sentence: format!(
                "A question of the same meaning was answered before: its score of {:.3} reaches the \
                 admission point of {:.3}.",
                score.get(),
                point.get()
            ),
            score: None,
        },
        Decision::Miss {
            near: Some((near, Source::Shadow)),
            ..
        } if is_it(near) => Verdict::by("brake", Word::Brake),
        Decision::Hit(..) | Decision::Miss { .. } if score >= point => {
            Verdict::by("not_nearest", Word::NotNearest)
        }
        Decision::Hit(..) | Decision::Miss { .. } => {
            let sentence = format!(
                "It is near, but its score of {:.3} does not reach the admission point of {:.3}.",
                score.get(),
                point.get()
            );
            below("below_point", "below_point", sentence)
        }
    };
    Verdict {
        score: Some(score),
        ..said
    }
}
