//! What the words mean that say why a request was not answered from the cache.
//!
//! Words of `policy` have their sentences beside them; here are those of the lookup itself, and all of them together.

use crate::policy::{
    admit::Miss,
    cacheable::{Bypass, Ineligible},
    veto::Veto,
};

/// Why the cache does not answer, where no rule of `policy` says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Word {
    /// Nothing like it is kept.
    Absent,
    /// The request wants a fresh answer.
    NoCache,
    /// Hits are counted and not served.
    Shadow,
    /// What would answer is gone or too old.
    Expired,
    /// The entry was wrong too often at such scores.
    Brake,
    /// Another entry goes first.
    NotNearest,
    /// Only the nearest are looked at.
    TooMany,
    /// The verifier did not come to it.
    Unscored,
    /// The texts that the two questions are about differ.
    OtherMatter,
}

impl Word {
    const ALL: [Self; 9] = [
        Self::Absent,
        Self::NoCache,
        Self::Shadow,
        Self::Expired,
        Self::Brake,
        Self::NotNearest,
        Self::TooMany,
        Self::Unscored,
        Self::OtherMatter,
    ];

    /// The word for header, metric and log.
    pub(in crate::gateway) fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::NoCache => "no_cache",
            Self::Shadow => "shadow",
            Self::Expired => "expired",
            Self::Brake => "brake",
            Self::NotNearest => "not_nearest",
            Self::TooMany => "too_many",
            Self::Unscored => "unscored",
            Self::OtherMatter => "other_matter",
        }
    }

    /// What it means, in a sentence.
    pub(in crate::gateway) fn sentence(self) -> &'static str {
        match self {
            Self::Absent => "No equal request is kept, and no question to compare this one with.",
            Self::NoCache => "The request asks for a fresh answer, which is then kept.",
            Self::Shadow => {
                "The cache would answer, but it is in shadow mode: hits are counted and not served."
            }
            Self::Expired => "A kept answer was found, but its time is over.",
            Self::Brake => {
                "A kept question reaches the admission point, but its answer was wrong too often for \
                 questions as near as this one."
            }
            Self::NotNearest => "Another kept answer goes first.",
            Self::TooMany => {
                "Only the nearest questions are looked at, and this is not one of them."
            }
            Self::Unscored => "The verifier had decided before it came to this question.",
            Self::OtherMatter => {
                "The texts beside the questions differ; only questions about the same text are compared."
            }
        }
    }
}

/// Words from other parts that name reasons.
const OTHERS: [(&str, &str); 4] = [
    (
        "embed_queue_full",
        "The encoder had too much to do to compare the question by meaning.",
    ),
    (
        "embed_deadline",
        "The encoder took too long to compare the question by meaning.",
    ),
    (
        "embed_failed",
        "The encoder failed, so the question was not compared by meaning.",
    ),
    (
        "passthrough",
        "The request is handed on as it is; answers of this kind are not kept.",
    ),
];

/// What a word means that says why a request was not answered from the cache, in a sentence; `None` if it is none of
/// these words.
#[must_use]
pub fn sentence(word: &str) -> Option<&'static str> {
    let own = Word::ALL.map(|one| (one.as_str(), one.sentence()));
    let bypasses = Bypass::ALL.map(|one| (one.as_str(), one.sentence()));
    let ineligible = Ineligible::ALL.map(|one| (one.as_str(), one.sentence()));
    let misses =
        [Miss::Empty, Miss::Distant, Miss::BelowPoint].map(|one| (one.as_str(), one.sentence()));
    let vetoes = Veto::ALL.map(|one| (one.as_str(), one.sentence()));
    let mut all = (own.into_iter())
        .chain(bypasses)
        .chain(ineligible)
        .chain(misses)
        .chain(vetoes)
        .chain(OTHERS);
    all.find(|(one, _)| *one == word)
        .map(|(_, sentence)| sentence)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::embed::EmbedError;

    #[test]
    fn every_word_has_one_sentence_of_its_own() {
        let mut words: Vec<&str> = Word::ALL.map(Word::as_str).to_vec();
        words.extend(Bypass::ALL.map(Bypass::as_str));
        words.extend(Ineligible::ALL.map(Ineligible::as_str));
        words.extend(Veto::ALL.map(Veto::as_str));
        words.extend([Miss::Empty, Miss::Distant, Miss::BelowPoint].map(Miss::as_str));
        let errors = [
            EmbedError::Saturated,
            EmbedError::Deadline,
            EmbedError::Failed(String::new()),
            EmbedError::NotFinite,
        ];
        let mut all: BTreeMap<&str, &str> = BTreeMap::new();
        for word in words {
            let sentence = sentence(word).unwrap();
            assert!(
                all.insert(word, sentence).is_none(),
                "{word} is there twice"
            );
            assert!(
                sentence.ends_with('.') && !sentence.contains("  "),
                "{sentence}"
            );
        }
        for error in errors {
            assert!(sentence(error.reason()).is_some(), "{error}");
        }
        let sentences: std::collections::BTreeSet<&str> = all.values().copied().collect();
        assert_eq!(sentences.len(), all.len(), "no two words mean the same");
        assert_eq!(sentence("no such word"), None);
    }
}
