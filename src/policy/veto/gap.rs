//! The words of matter that one of two questions has and the other lacks.

use crate::policy::wording::{Word, Wording, kind};

/// The most pairs of missing words that are looked at for opposite affixes.
const FEW_PAIRS: usize = 16;

/// The most words of a thing that is put for another.
const WINDOW: usize = 2;

/// What each of two questions has that the other lacks. Forms, synonyms, misspellings and words
/// written apart ("log in") count as the same.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) only_a: Vec<Word>,
    pub(super) only_b: Vec<Word>,
    /// Words of matter in each.
    contents: (usize, usize),
}

impl Gap {
    pub(super) fn between(a: &Wording, b: &Wording) -> Self {
        let (all_a, contents_a) = lacking(a, b);
        let (all_b, contents_b) = lacking(b, a);
        // Each side is looked at by itself, so that a gap has no direction.
        Self {
            only_a: without_twins(a, &all_a, b, &all_b),
            only_b: without_twins(b, &all_b, a, &all_a),
            contents: (contents_a, contents_b),
        }
    }

    /// Whether neither lacks anything.
    pub(super) fn is_empty(&self) -> bool {
        self.only_a.is_empty() && self.only_b.is_empty()
    }

    /// Whether each has at least half of the other's matter.
    pub(super) fn is_mostly_covered(&self) -> bool {
        self.only_a.len() * 2 <= self.contents.0 && self.only_b.len() * 2 <= self.contents.1
    }

    /// Whether each names something that the other lacks.
    pub(super) fn has_other_names(&self, a: &Wording, b: &Wording) -> bool {
        let lacks = |only: &[Word], of: &Wording, other: &Wording| {
            only.iter()
                .any(|word| word.is(kind::NAME) && !is_acronym(of.spelling(*word), other))
        };
        lacks(&self.only_a, a, b) && lacks(&self.only_b, b, a)
    }

    /// Two missing words that differ only in an affix that turns the meaning round.
    pub(super) fn opposites(&self, a: &Wording, b: &Wording) -> Option<(Word, Word)> {
        // Of sentences with little in common it says nothing, and would cost the most.
        if self.only_a.len() * self.only_b.len() > FEW_PAIRS {
            return None;
        }
        self.only_a.iter().find_map(|word| {
            let spelling = a.spelling(*word);
            let mut others = self.only_b.iter();
            let other = others.find(|other| has_opposite_affix(spelling, b.spelling(**other)))?;
            Some((*word, *other))
        })
    }

    /// Whether one question is the other about a part, behind a preposition: of a superlative any
    /// part counts, of another question what has a name.
    pub(super) fn is_limit(&self, a: &Wording, b: &Wording) -> bool {
        let (only, of, other) = match (&*self.only_a, &*self.only_b) {
            ([_, ..], []) => (&self.only_a, a, b),
            ([], [_, ..]) => (&self.only_b, b, a),
            _ => return false,
        };
        let is_superlative = other.words().iter().any(|word| word.is(kind::SUPERLATIVE));
        let mut is_object = false;
        of.words().iter().any(|word| {
            let is_part = is_object
                && only.contains(word)
                && (word.is(kind::NAME) || (is_superlative && !is_everything(of.spelling(*word))));
            if word.is_content() {
                is_object = false;
            } else if word.is(kind::PREPOSITION) {
                is_object = true;
            }
            is_part
        })
    }

    /// Whether one names a letter that the other does not: "vitamin b", "vitamin a", of which "a" may
    /// be the article.
    pub(super) fn has_other_letter(&self, a: &Wording, b: &Wording) -> bool {
        let is_letter = |of: &Wording, word: &Word| {
            let spelling = of.spelling(*word);
            let is_short_for_a_word = matches!(spelling, "u" | "r" | "n");
            spelling.len() == 1 && !is_short_for_a_word
        };
        self.only_a.iter().any(|word| is_letter(a, word))
            || self.only_b.iter().any(|word| is_letter(b, word))
    }

    /// Whether one sentence is the other with one thing of one or two words put for another.
    pub(super) fn is_substitution(&self, a: &Wording, b: &Wording) -> bool {
        if !(1..=WINDOW).contains(&self.only_a.len()) || !(1..=WINDOW).contains(&self.only_b.len())
        {
            return false;
        }
        let weighty = |of: &Wording| -> Vec<Word> {
            let words = of.words().iter().filter(|word| !word.is(kind::ARTICLE));
            words.copied().collect()
        };
        let (words_a, words_b) = (weighty(a), weighty(b));
        let same = |(a, b): &(&Word, &Word)| a.sense == b.sense;
        let before = words_a.iter().zip(&words_b).take_while(same).count();
        let shorter = words_a.len().min(words_b.len()) - before;
        let reversed = words_a.iter().rev().zip(words_b.iter().rev());
        let behind = reversed.take(shorter).take_while(same).count();
        let window = |words: &[Word], only: &[Word]| {
            let other = words.get(before..words.len() - behind).unwrap_or(&[]);
            (1..=WINDOW).contains(&other.len()) && other.iter().all(|word| only.contains(word))
        };
        // Nothing in common at all is no substitution: "what is entropy" and "explain diffusion".
        before + behind > 0 && window(&words_a, &self.only_a) && window(&words_b, &self.only_b)
    }
}

/// The words of matter of `a` that `b` lacks, and how many `a` has.
fn lacking(a: &Wording, b: &Wording) -> (Vec<Word>, usize) {
    let mut contents = 0;
    let mut only: Vec<Word> = Vec::new();
    for word in a.words().iter().filter(|word| word.is_content()) {
        contents += 1;
        if !b.words().iter().any(|other| other.sense == word.sense) {
            only.push(*word);
        }
    }
    (only, contents)
}

/// The words of `only` that are no misspelling of what the other lacks, and not written apart there.
fn without_twins(of: &Wording, only: &[Word], other: &Wording, other_only: &[Word]) -> Vec<Word> {
    let is_missing = |word: &Word| {
        let spelling = of.spelling(*word);
        let has_twin = other_only.iter().any(|twin| {
            let twin_spelling = other.spelling(*twin);
            is_misspelling(spelling, *word, twin_spelling, *twin)
                && !has_opposite_affix(spelling, twin_spelling)
        });
        !has_twin && !is_written_apart(spelling, other)
    };
    only.iter().copied().filter(is_missing).collect()
}

/// Whether one of two words is the other with one letter too many, missing, wrong or two exchanged.
///
/// Short words, words with digits and words that begin otherwise are not: "cat" and "cot", "import"
/// and "export" are two words. Neither are two that are both in the tables.
fn is_misspelling(a: &str, word_a: Word, b: &str, word_b: Word) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    if short.len() < 5
        || long.len() - short.len() > 1
        || (word_a.is(kind::KNOWN) && word_b.is(kind::KNOWN))
    {
        return false;
    }
    let (short, long) = (short.as_bytes(), long.as_bytes());
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    if same == 0 {
        return false;
    }
    let (short, long) = (
        short.get(same..).unwrap_or(&[]),
        long.get(same..).unwrap_or(&[]),
    );
    let same_end = (short.iter().rev().zip(long.iter().rev()))
        .take_while(|(a, b)| a == b)
        .count();
    let rest = |text: &[u8]| text.get(..text.len() - same_end).unwrap_or(&[]).to_vec();
    let (short, long) = (rest(short), rest(long));
    match (&*short, &*long) {
        ([a, b], [c, d]) => a == d && b == c,
        _ => {
            short.len() <= 1
                && long.len() <= 1
                && !short.iter().chain(&*long).any(u8::is_ascii_digit)
        }
    }
}

/// Whether two neighbours in `other` written together are `word`, or `word` and its neighbour are
/// one of `other`.
fn is_written_apart(word: &str, other: &Wording) -> bool {
    let mut pairs = other.words().windows(2);
    pairs.any(|pair| {
        let [first, second] = pair else { return false };
        let (first, second) = (other.spelling(*first), other.spelling(*second));
        first.len() + second.len() == word.len()
            && word.starts_with(first)
            && word.ends_with(second)
    })
}

/// Whether `word` is made of the initials of words in a row in `other`: "nyc", "new york city".
fn is_acronym(word: &str, other: &Wording) -> bool {
    let letters = word.chars().count();
    (2..=5).contains(&letters)
        && other.words().windows(letters).any(|window| {
            window
                .iter()
                .zip(word.chars())
                .all(|(full, letter)| other.spelling(*full).starts_with(letter))
        })
}

/// Whether a superlative "in the world" is one without it.
fn is_everything(word: &str) -> bool {
    const ALL: [&str; 12] = [
        "world",
        "earth",
        "globe",
        "planet",
        "universe",
        "history",
        "record",
        "time",
        "existence",
        "far",
        "all",
        "date",
    ];
    ALL.contains(&word)
}

fn singular(word: &str) -> &str {
    word.strip_suffix('s').unwrap_or(word)
}

/// Whether one word is the other with "un-" before it, or both are alike but for "pre-" and "post-".
fn has_opposite_affix(a: &str, b: &str) -> bool {
    const NEGATING: [&str; 12] = [
        "un", "in", "im", "il", "ir", "dis", "non", "de", "mis", "anti", "counter", "a",
    ];
    const PREFIXES: [&[&str]; 13] = [
        &["pre", "post"],
        &["hyper", "hypo"],
        &["inter", "intra"],
        &["macro", "micro"],
        &["over", "under"],
        &["in", "ex"],
        &["im", "ex", "em", "am"],
        &["en", "de"],
        &["sub", "super"],
        &["mono", "poly", "stereo", "bi", "tri", "uni", "multi"],
        &["up", "down"],
        &["out", "in"],
        &["fore", "hind", "back"],
    ];
    const SUFFIXES: [&[&str]; 3] = [&["less", "ful"], &["er", "ee"], &["or", "ee"]];
    let (a, b) = (singular(a), singular(b));
    const LEFT: usize = 3;
    let negated = |long: &str, short: &str| {
        short.len() > LEFT
            && long
                .strip_suffix(short)
                .is_some_and(|prefix| NEGATING.contains(&prefix))
    };
    let alike_but_for = |affixes: &[&str], strip: for<'a> fn(&'a str, &str) -> Option<&'a str>| {
        let stem = |word: &'_ str| -> Option<(usize, usize)> {
            (affixes.iter().enumerate())
                .filter_map(|(at, affix)| Some((at, strip(word, affix)?.len())))
                .find(|(_, left)| *left > LEFT - 1)
        };
        match (stem(a), stem(b)) {
            (Some((at, left_a)), Some((at_b, left_b))) => {
                at != at_b && left_a == left_b && {
                    let rest = |word: &str, at: usize| {
                        affixes
                            .get(at)
                            .and_then(|affix| strip(word, affix))
                            .map(str::to_owned)
                    };
                    rest(a, at) == rest(b, at_b)
                }
            }
            _ => false,
        }
    };
    negated(a, b)
        || negated(b, a)
        || PREFIXES
            .iter()
            .any(|affixes| alike_but_for(affixes, |word, affix| word.strip_prefix(affix)))
        || SUFFIXES
            .iter()
            .any(|affixes| alike_but_for(affixes, |word, affix| word.strip_suffix(affix)))
}
