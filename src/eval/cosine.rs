//! What the usual semantic cache does, to compare with: the vector of the whole prompt, the nearest
//! of all kept prompts, one threshold, nothing else.

use super::{
    memo::Memo,
    pack::{Labelled, Pair, Prompt, Records},
    tally::{Outcome, Tally},
};
use crate::{
    embed::{EmbedError, Embedding},
    units::Similarity,
};

/// Replays a pack against vectors alone.
pub(super) fn replay(
    records: &Records,
    threshold: Similarity,
    memo: &Memo,
) -> Result<Tally, EmbedError> {
    match records {
        Records::Stream(stream) => replay_stream(stream, threshold, memo),
        Records::Pairs(pairs) => replay_pairs(pairs, threshold, memo),
    }
}

fn replay_stream(
    stream: &[Labelled],
    threshold: Similarity,
    memo: &Memo,
) -> Result<Tally, EmbedError> {
    let mut tally = Tally::default();
    let mut kept = Kept::default();
    for labelled in stream {
        let embedding = whole(&labelled.prompt, memo)?;
        let nearest = kept.nearest(&embedding);
        let outcome = outcome(nearest, threshold, |group| group == labelled.group);
        tally.add(outcome);
        if matches!(outcome, Outcome::Miss { .. }) {
            kept.add(embedding, labelled.group);
        }
    }
    Ok(tally)
}

fn replay_pairs(pairs: &[Pair], threshold: Similarity, memo: &Memo) -> Result<Tally, EmbedError> {
    let mut tally = Tally::default();
    for pair in pairs {
        let similarity = whole(&pair.a, memo)?.cosine(&whole(&pair.b, memo)?);
        let outcome = outcome(Some((similarity, 0)), threshold, |_| pair.duplicate);
        tally.add_pair(outcome, pair.duplicate, pair.category.as_deref());
    }
    Ok(tally)
}

fn outcome(
    nearest: Option<(f32, u32)>,
    threshold: Similarity,
    is_right: impl Fn(u32) -> bool,
) -> Outcome {
    match nearest {
        Some((similarity, group)) if similarity >= threshold.get() => Outcome::Hit {
            exact: false,
            right: is_right(group),
        },
        Some((_, group)) => Outcome::Miss {
            reason: "distant",
            answerable: is_right(group),
        },
        None => Outcome::Miss {
            reason: "empty",
            answerable: false,
        },
    }
}

fn whole(prompt: &Prompt, memo: &Memo) -> Result<Embedding, EmbedError> {
    memo.known(&prompt.whole())
        .ok_or_else(|| EmbedError::Failed("a text was not embedded before".to_owned()))
}

/// Vectors and the groups of their answers.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<(Embedding, u32)>);

impl Kept {
    pub(super) fn add(&mut self, embedding: Embedding, group: u32) {
        self.0.push((embedding, group));
    }

    /// The nearest; of several the first.
    pub(super) fn nearest(&self, embedding: &Embedding) -> Option<(f32, u32)> {
        let mut nearest: Option<(f32, u32)> = None;
        for (kept, group) in &self.0 {
            let similarity = embedding.cosine(kept);
            if nearest.is_none_or(|(most, _)| similarity > most) {
                nearest = Some((similarity, *group));
            }
        }
        nearest
    }
}
