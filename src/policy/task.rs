//! Which kind of work a request is, where it does not say so.
//!
//! The nearest labelled examples decide, by the vector that the cache has made of the question anyway.
//! Signs in the request (its length, code, words that ask for something) add to that, and are all there
//! is where there is no vector. Users' own tasks are decided like the customary ones, by their examples;
//! nothing is fitted to a list of tasks. Invariant: an answer is a task that there are examples of, or
//! the default.

use crate::{ident::TaskName, units::Similarity};

mod examples;
mod signals;
mod words;

pub use self::{
    examples::{BadExample, Examples},
    signals::{Sign, Signals, text_of},
};

/// The customary name of work on long inputs, which their length decides.
const LONG_CONTEXT: &str = "long_context";

/// What is done in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The task of a request that resembles none enough.
    pub default: TaskName,
    /// By how much the best task has to be better than the next.
    pub margin: Similarity,
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The examples of the task are the nearest.
    Nearest,
    /// A sign: it has set the task apart from one with nearer examples, or there was no vector.
    Sign(Sign),
    /// The best task is hardly better than the next, so it is the default.
    BelowMargin,
    /// There is neither a vector nor a sign, so it is the default.
    NoVector,
}

impl Why {
    /// The reason in stable words, for headers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Sign(sign) => sign.as_str(),
            Self::BelowMargin => "below_margin",
            Self::NoVector => "no_vector",
        }
    }
}

/// The kind of work that a request is taken for.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// The task.
    pub task: TaskName,
    /// What decided.
    pub why: Why,
    /// How much speaks for each task, best first: similarity (−1 ..= 1, or 0 without a vector) and the
    /// weight of its sign. Tasks that are ruled out are not there.
    pub scores: Vec<(TaskName, f32)>,
    /// The first score less the second; `None` where it was not looked at.
    pub margin: Option<f32>,
}

/// Decides for a request with these `signals` and, if it could be made, the `vector` of its
/// [`text_of`]. A vector that can't be compared with the examples is as good as none.
#[must_use]
pub fn classify(
    signals: &Signals,
    vector: Option<&[f32]>,
    examples: &Examples,
    rule: &Rule,
) -> Classified {
    let similarities = vector.and_then(|vector| examples.similarities(vector));
    let candidates = Candidate::all(signals, similarities.as_deref(), examples);
    let is_long = signals.signs().contains(&Sign::LongInput);
    let long = candidates
        .iter()
        .find(|candidate| is_long && candidate.is_long());
    let long = long.map(|candidate| candidate.task.clone());
    let (winner, margin) = match &*candidates {
        [] => (None, None),
        [only] => (Some(only), None),
        [first, second, ..] => (Some(first), Some(first.score() - second.score())),
    };
    let (task, why) = match (long, winner) {
        (Some(task), _) => (task, Why::Sign(Sign::LongInput)),
        (None, Some(winner)) if similarities.is_some() || winner.sign.is_some() => {
            if margin.is_some_and(|margin| margin < rule.margin.get()) {
                (rule.default.clone(), Why::BelowMargin)
            } else {
                (
                    winner.task.clone(),
                    winner.why(&candidates, similarities.is_some()),
                )
            }
        }
        (None, _) => (rule.default.clone(), Why::NoVector),
    };
    Classified {
        margin: margin.filter(|_| !matches!(why, Why::Sign(Sign::LongInput) | Why::NoVector)),
        task,
        why,
        scores: candidates
            .iter()
            .map(|candidate| (candidate.task.clone(), candidate.score()))
            .collect(),
    }
}

/// A task that a request may be.
#[derive(Debug)]
struct Candidate<'a> {
    task: &'a TaskName,
    similarity: f32,
    sign: Option<Sign>,
}

impl<'a> Candidate<'a> {
    /// All tasks that are not ruled out, best first; equals in their order.
    fn all(signals: &Signals, similarities: Option<&[f32]>, examples: &'a Examples) -> Vec<Self> {
        let nothing = std::iter::repeat(0.0);
        let similarities = similarities
            .unwrap_or_default()
            .iter()
            .copied()
            .chain(nothing);
        let mut all: Vec<Self> = (examples.tasks().zip(similarities))
            .map(|(task, similarity)| Self {
                task,
                similarity,
                sign: signals
                    .signs()
                    .iter()
                    .copied()
                    .find(|sign| sign.task() == task.as_str()),
            })
            .filter(|candidate| signals.may_be_long() || !candidate.is_long())
            .collect();
        all.sort_by(|a, b| b.score().total_cmp(&a.score()));
        all
    }

    fn is_long(&self) -> bool {
        self.task.as_str() == LONG_CONTEXT
    }

    fn score(&self) -> f32 {
        self.similarity + self.sign.map_or(0.0, Sign::weight)
    }

    /// What made it the best of `all`.
    fn why(&self, all: &[Self], has_vector: bool) -> Why {
        let is_nearest = all.iter().all(|other| other.similarity <= self.similarity);
        match self.sign {
            Some(sign) if !has_vector || !is_nearest => Why::Sign(sign),
            Some(_) | None => Why::Nearest,
        }
    }
}

#[cfg(test)]
mod tests;
