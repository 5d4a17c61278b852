//! Whether two answers say the same, and whether an answer is none: local, cheap, and free to be unsure.
//!
//! It labels pairs for `policy::learn` and keeps upstream error texts out of the cache. It never decides
//! whether a question is answered. Invariant: what it can't tell is [`Judgement::Unsure`], which is no
//! label; only agreement in every respect that it reads is [`Judgement::Same`].

mod apology;
mod figures;

pub use self::apology::is_apology;
use self::{
    apology::is_refusal,
    figures::{Agreement, figures},
};
use super::{veto::veto, wording::Wording};

/// An answer, as far as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    text: &'a str,
    finish: Option<&'a str>,
}

impl<'a> Said<'a> {
    /// Characters that are read; what answers differ in shows before.
    pub const READ: usize = 2_000;

    /// An answer's text and its `finish_reason`.
    #[must_use]
    pub fn new(text: &'a str, finish: Option<&'a str>) -> Self {
        let end = text.char_indices().nth(Self::READ).map(|(end, _)| end);
        Self {
            text: end.and_then(|end| text.get(..end)).unwrap_or(text).trim(),
            finish,
        }
    }

    /// The part of the text that is read: what to embed for the cosine.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.text
    }

    fn is_finished(self) -> bool {
        self.finish == Some("stop")
    }
}

/// What is to be thought of two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Either would have done.
    Same,
    /// One in place of the other would have been wrong.
    Different,
    /// It can't be told: no label.
    Unsure,
}

impl Judgement {
    /// The word for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Unsure => "unsure",
        }
    }
}

/// The cosine of two answers from which on they are alike, if nothing else differs.
pub const ALIKE: f32 = 0.92;
/// The cosine of two answers below which they are about different things.
pub const UNLIKE: f32 = 0.70;
/// Answers of at most so many words are read closely.
const SHORT: usize = 40;

/// Compares a fresh answer with a kept one. `cosine` is that of their embeddings, if there are any.
#[must_use]
pub fn same_answer(fresh: Said<'_>, kept: Said<'_>, cosine: Option<f32>) -> Judgement {
    let (a, b) = (fresh.text, kept.text);
    if [a, b]
        .iter()
        .any(|text| text.is_empty() || is_apology(text))
    {
        // Of the provider's health, not of the question.
        return Judgement::Unsure;
    }
    let (named_a, named_b) = (without_identifiers(a), without_identifiers(b));
    if named_a.len() < a.len() && named_b.len() < b.len() && a != b && named_a == named_b {
        // Made for each answer anew, or what the question was about: nobody can tell.
        return Judgement::Unsure;
    }
    let code = (code_blocks(a), code_blocks(b));
    if normalised(a, code.0.is_empty()) == normalised(b, code.1.is_empty()) {
        return Judgement::Same;
    }
    if !fresh.is_finished() || !kept.is_finished() {
        return Judgement::Unsure;
    }
    match (is_refusal(a), is_refusal(b)) {
        (true, true) => return Judgement::Unsure,
        (true, false) | (false, true) => return Judgement::Different,
        (false, false) => {}
    }
    let short = [a, b].iter().all(|text| is_short(text));
    let figures = figures(&named_a).agreement(&figures(&named_b));
    let opposed = matches!((polarity(a), polarity(b)), (Some(a), Some(b)) if a != b);
    if opposed
        || in_other_languages(&code.0, &code.1)
        || figures == Agreement::Apart
        || (short && figures == Agreement::Disjoint)
    {
        return Judgement::Different;
    }
    let alike = figures == Agreement::Equal
        && code.0 == code.1
        && !(short && code.0.is_empty() && veto(&Wording::of(a), &Wording::of(b)).is_some());
    match cosine {
        Some(cosine) if cosine >= ALIKE && alike => Judgement::Same,
        Some(cosine) if cosine < UNLIKE && !(contains(a, b) || contains(b, a)) => {
            Judgement::Different
        }
        Some(_) | None => Judgement::Unsure,
    }
}

/// Without what looks made by a machine: hashes, keys, identifiers of twelve and more letters and
/// digits mixed.
fn without_identifiers(text: &str) -> String {
    const SHORTEST: usize = 12;
    let is_identifier = |word: &str| {
        word.len() >= SHORTEST
            && word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_alphabetic())
    };
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while !rest.is_empty() {
        let word = rest.find(|c| !part_of_word(c)).unwrap_or(rest.len());
        let between = rest.get(word..).unwrap_or_default();
        let between = between.find(part_of_word).unwrap_or(between.len());
        let (head, tail) = rest.split_at(word + between);
        let (word, between) = head.split_at(word);
        if !is_identifier(word) {
            kept.push_str(word);
        }
        kept.push_str(between);
        rest = tail;
    }
    kept
}

/// White space and emphasis out, and in prose also case and the last full stop.
fn normalised(text: &str, is_prose: bool) -> String {
    let mut normal = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let word = word.replace("**", "");
        if !word.is_empty() {
            if !normal.is_empty() {
                normal.push(' ');
            }
            normal.push_str(&word);
        }
    }
    if is_prose {
        let prose = normal.trim_end_matches(['.', '!']).to_lowercase();
        prose.replace('\u{2019}', "'")
    } else {
        normal
    }
}

fn is_short(text: &str) -> bool {
    text.split_whitespace().nth(SHORT).is_none()
}

/// Whether it begins with a yes (true) or a no (false).
fn polarity(text: &str) -> Option<bool> {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let end = text.find(|c: char| !c.is_alphanumeric());
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    let rest = rest.trim_start_matches(['*', '_', '"', '\'']);
    // "No problem" and "True love" are neither.
    let stands_alone = !rest.starts_with(|c: char| c.is_alphanumeric())
        && !rest
            .strip_prefix(' ')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric()));
    match &*word.to_lowercase() {
        "yes" | "yeah" | "yep" => Some(true),
        "true" | "correct" | "absolutely" if stands_alone => Some(true),
        "no" | "nope" | "false" | "incorrect" if stands_alone => Some(false),
        _ => None,
    }
}

/// A block of code: its language and its text without white space at the ends of lines.
#[derive(Debug, PartialEq, Eq)]
struct CodeBlock<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
}

fn code_blocks(text: &str) -> Vec<CodeBlock<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<CodeBlock<'_>> = None;
    for line in text.lines() {
        match (line.trim().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(CodeBlock {
                    language: language.trim(),
                    lines: Vec::new(),
                });
            }
            (None, Some(block)) if !line.trim().is_empty() => block.lines.push(line.trim_end()),
            (None, _) => {}
        }
    }
    blocks.extend(open);
    blocks
}

/// Whether both have code that names its language, and none of them is in both.
fn in_other_languages(a: &[CodeBlock<'_>], b: &[CodeBlock<'_>]) -> bool {
    let languages = |blocks: &[CodeBlock<'_>]| {
        let named = blocks.iter().filter(|block| !block.language.is_empty());
        named
            .map(|block| block.language.to_lowercase())
            .collect::<Vec<_>>()
    };
    let (a, b) = (languages(a), languages(b));
    !a.is_empty() && !b.is_empty() && a.iter().all(|language| !b.contains(language))
}

/// Whether all of a few words are among those of a longer answer: "Canberra" and a sentence on it.
fn contains(long: &str, few: &str) -> bool {
    const FEW: usize = 6;
    let words = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect::<Vec<_>>()
    };
    let few = words(few);
    if few.is_empty() || few.len() > FEW {
        return false;
    }
    let long = words(long);
    few.iter().all(|word| long.contains(word))
}

#[cfg(test)]
mod tests;
