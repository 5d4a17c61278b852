//! A question, read for the guards: its words, numbers, negations, names, quotes and code.
//!
//! Read once, kept with the entry. Invariant: a wording holds hashes of what it was read from, and
//! of the text only the words themselves in lower case, so it is of about the size of the question
//! and comparing two takes microseconds.

use std::{borrow::Cow, ops::Range};

use unicode_normalization::UnicodeNormalization;

mod code;
pub(super) mod grammar;
pub(super) mod kind;
mod lexicon;
pub(super) mod numbers;
mod quoted;
pub(super) mod scan;
pub(super) mod shown;
mod stem;

use grammar::Person;
use lexicon::{Entry, LEXICON, Mark, hash, short_hash};
use numbers::Numbers;
use quoted::quoted;

/// Words that are read; of a longer text the rest only counts as a whole.
const MAX_WORDS: usize = 1024;

/// What the guards need to know of a question; the default is that of an empty text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wording {
    /// The words, one after another, in lower case.
    text: Box<str>,
    words: Box<[Word]>,
    /// Hashes: numbers, quotes, code, opposites, demands, modifiers, in this order. All parts but
    /// the code, and quotes that are not joined, are sorted.
    marks: Box<[u64]>,
    /// Where each part of `marks` ends.
    ends: [u32; 6],
    /// Hash of the numbers in order.
    number_order: u64,
    /// The number 1 in digits, and the word "one".
    pub(super) ones: (u8, u8),
    pub(super) negations: u16,
    /// Whether a word makes the order of numbers count: "from 5 to 3", "5 minus 3".
    pub(super) orders_numbers: bool,
    /// How many of a hundred letters are not Latin.
    pub(super) foreign: u8,
    /// What a question for yes or no asks for: see [`grammar::modality`].
    pub(super) modality: u8,
    /// The persons that are named by pronouns, in order.
    persons: Box<[Person]>,
}

/// A word of a [`Wording`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    /// Equal for a word's forms and its synonyms.
    pub(super) sense: u32,
    start: u32,
    length: u16,
    kinds: u16,
}

impl Word {
    /// Whether it is of one of these kinds.
    pub(super) fn is(self, kinds: u16) -> bool {
        self.kinds & kinds != 0
    }

    /// Whether it carries matter: no article, auxiliary, preposition or number.
    pub(super) fn is_content(self) -> bool {
        !self.is(kind::EMPTY | kind::NUMBER)
    }
}

impl Wording {
    /// Reads a question.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let plain = plain(text);
        Reader::with_room_for(&plain).read(&plain)
    }

    /// Bytes held on the heap.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len()
            + size_of_val(&*self.words)
            + size_of_val(&*self.marks)
            + size_of_val(&*self.persons)
    }

    pub(super) fn words(&self) -> &[Word] {
        &self.words
    }

    pub(super) fn persons(&self) -> &[Person] {
        &self.persons
    }

    pub(super) fn spelling(&self, word: Word) -> &str {
        slice(&self.text, word.start, word.length)
    }

    pub(super) fn numbers(&self) -> &[u64] {
        self.part(0)
    }

    pub(super) fn number_order(&self) -> u64 {
        self.number_order
    }

    pub(super) fn quotes(&self) -> &[u64] {
        self.part(1)
    }

    pub(super) fn code(&self) -> &[u64] {
        self.part(2)
    }

    /// Members of groups of opposites, as `group << 16 | member`.
    pub(super) fn opposites(&self) -> &[u64] {
        self.part(3)
    }

    pub(super) fn demands(&self) -> &[u64] {
        self.part(4)
    }

    pub(super) fn modifiers(&self) -> &[u64] {
        self.part(5)
    }

    fn part(&self, part: usize) -> &[u64] {
        let end = |part: usize| {
            let end = self.ends.get(part).copied().unwrap_or(0);
            usize::try_from(end).unwrap_or(0)
        };
        let start = part.checked_sub(1).map_or(0, end);
        self.marks.get(start..end(part)).unwrap_or(&[])
    }
}

fn slice(text: &str, start: u32, length: u16) -> &str {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let end = start.saturating_add(length.into());
    text.get(start..end).unwrap_or("")
}

struct Reader {
    text: String,
    words: Vec<Word>,
    /// Words and signs, for numbers; with the place of the word in `words`.
    pieces: Vec<(u32, u16, Option<usize>)>,
    stem: String,
    stems: Vec<u32>,
    entries: Vec<Option<&'static Entry>>,
}

impl Reader {
    fn with_room_for(text: &str) -> Self {
        const USUAL_WORD: usize = 5;
        let words = text.len() / USUAL_WORD;
        Self {
            text: String::with_capacity(text.len()),
            words: Vec::with_capacity(words),
            pieces: Vec::with_capacity(words),
            stem: String::with_capacity(16),
            stems: Vec::with_capacity(words),
            entries: Vec::with_capacity(words),
        }
    }

    fn read(mut self, text: &str) -> Wording {
        let rest = self.take_in(text);
        let numbers = self.numbers();
        let marks = self.marks();
        self.finish(text, numbers, marks, rest)
    }

    /// Reads the words; of those that are too many, a hash.
    fn take_in(&mut self, text: &str) -> Option<u64> {
        let mut rest = None;
        let mut capitals = 0_usize;
        for token in scan::tokens(text) {
            if self.words.len() >= MAX_WORDS {
                let at = token.text.as_ptr().addr() - text.as_ptr().addr();
                let end = |c: char| !c.is_alphanumeric();
                rest = text.get(at..).map(|rest| hash(rest.trim_end_matches(end)));
                break;
            }
            if token.is_word() {
                capitals += usize::from(token.text.starts_with(char::is_uppercase));
                self.token(token);
            } else {
                let start = self.text.len();
                self.text.push_str(token.text);
                self.piece(start, None);
            }
        }
        // In a title or a text in capitals, capitals say nothing.
        if capitals > 3 && capitals * 5 > self.words.len() * 3 {
            for word in &mut self.words {
                word.kinds &= !kind::NAME;
            }
        }
        rest
    }

    fn token(&mut self, token: scan::Token<'_>) {
        let lower = token.text.to_lowercase();
        let (first, second, owner) = scan::contraction(&lower);
        let joined: String;
        let has_digit = first.contains(|c: char| c.is_ascii_digit());
        let first = if first.contains(['-', '.']) && !has_digit {
            // "e-mail" is "email", "u.s." is "us", "a.m." is "am".
            joined = first.chars().filter(|c| !matches!(c, '-' | '.')).collect();
            &joined
        } else {
            first
        };
        let mut kinds = if owner { kind::OWNER } else { 0 };
        // "foo.bar" is no misspelling of "foo.baz".
        if token.text.contains('.') {
            kinds |= kind::KNOWN;
        }
        let mut letters = token.text.chars();
        let capital = letters.next().is_some_and(char::is_uppercase);
        if capital && first != "i" && (!token.starts_sentence || letters.any(char::is_uppercase)) {
            kinds |= kind::NAME;
        }
        self.word(first, kinds);
        if !second.is_empty() {
            self.word(second, 0);
        }
    }

    fn word(&mut self, word: &str, mut kinds: u16) {
        let start = self.text.len();
        self.text.push_str(word);
        self.piece(start, Some(self.words.len()));
        LEXICON.stem(word, &mut self.stem);
        let stem = short_hash(&self.stem);
        let entry = LEXICON.get(&self.stem);
        self.stems.push(stem);
        self.entries.push(entry);
        kinds |= entry.map_or(0, |entry| entry.kinds);
        // A greeting further on is talked about: "translate hello".
        if !self.words.is_empty() && matches!(word, "hi" | "hey" | "hello") {
            kinds &= !kind::EMPTY;
        }
        if kinds & kind::EMPTY != 0 {
            kinds &= !kind::NAME;
        } else if kinds & kind::PLAIN == 0 && word.len() > 4 && word.ends_with("est") {
            kinds |= kind::SUPERLATIVE;
        }
        let sense = entry.map_or(0, |entry| entry.sense);
        self.words.push(Word {
            sense: if sense == 0 { stem } else { sense },
            start: u32::try_from(start).unwrap_or(u32::MAX),
            length: u16::try_from(word.len()).unwrap_or(u16::MAX),
            kinds,
        });
    }

    fn piece(&mut self, start: usize, word: Option<usize>) {
        let length = u16::try_from(self.text.len() - start).unwrap_or(u16::MAX);
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        self.pieces.push((start, length, word));
    }

    fn numbers(&mut self) -> Numbers {
        let pieces: Vec<&str> = (self.pieces.iter())
            .map(|(start, length, _)| slice(&self.text, *start, *length))
            .collect();
        numbers::read(&pieces, |number, _| {
            for (_, _, word) in self.pieces.get(number).unwrap_or(&[]) {
                if let Some(word) = word.and_then(|word| self.words.get_mut(word)) {
                    word.kinds |= kind::NUMBER;
                }
            }
        })
    }

    /// What words and phrases say: opposites, demands and modifiers.
    fn marks(&self) -> [Vec<u64>; 3] {
        let mut found: [Vec<u64>; 3] = Default::default();
        let [opposites, demands, modifiers] = &mut found;
        self.each_mark(|_, mark| match mark {
            Mark::Opposite(mark) => opposites.push(mark.into()),
            Mark::Demand(mark) => demands.push(mark.into()),
            Mark::Modifier(mark) => modifiers.push(mark.into()),
        });
        for marks in &mut found {
            marks.sort_unstable();
            marks.dedup();
        }
        found
    }

    /// Calls `found` with what words and phrases say, and which words these are.
    fn each_mark(&self, mut found: impl FnMut(Range<usize>, Mark)) {
        for (at, entry) in self.entries.iter().enumerate() {
            let following = self.stems.get(at + 1..).unwrap_or(&[]);
            for (words, mark) in entry.iter().flat_map(|entry| entry.marks(following)) {
                found(at..at + words, mark);
            }
        }
    }

    fn finish(
        self,
        text: &str,
        numbers: Numbers,
        [opposites, demands, modifiers]: [Vec<u64>; 3],
        rest: Option<u64>,
    ) -> Wording {
        let number_order = numbers.marks.iter().fold(0, |order: u64, number| {
            (order.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let mut sorted = numbers.marks;
        sorted.sort_unstable();
        let mut quotes: Vec<u64> = quoted(text).into_iter().map(hash).collect();
        quotes.extend(rest);
        let has = |kinds| self.words.iter().any(|word: &Word| word.is(kinds));
        // "Replace 'a' with 'b'", but "compare 'a' and 'b'".
        if has(kind::JOINS | kind::SYMMETRIC) {
            quotes.sort_unstable();
        }
        let parts = [
            sorted,
            quotes,
            code::marks(text),
            opposites,
            demands,
            modifiers,
        ];
        let mut ends = [0; 6];
        let mut marks = Vec::with_capacity(parts.iter().map(Vec::len).sum());
        for (end, part) in ends.iter_mut().zip(&parts) {
            marks.extend_from_slice(part);
            *end = u32::try_from(marks.len()).unwrap_or(u32::MAX);
        }
        let negations = (self.words.iter())
            .filter(|word| word.is(kind::NEGATION))
            .count();
        let spellings: Vec<&str> = (self.words.iter())
            .map(|word| slice(&self.text, word.start, word.length))
            .collect();
        Wording {
            orders_numbers: has(kind::ROLE | kind::BY) && !has(kind::JOINS),
            modality: grammar::modality(&spellings),
            persons: grammar::persons(&spellings),
            text: self.text.into(),
            words: self.words.into(),
            marks: marks.into(),
            ends,
            number_order,
            ones: numbers.ones,
            negations: u16::try_from(negations).unwrap_or(u16::MAX),
            foreign: foreign(text),
        }
    }
}

/// The text in plain signs: what is read.
fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(unfold(text).nfkc().map(plain_sign).collect())
    }
}

/// Raised digits and fractions set off from what is before them, where the compatibility form would
/// make "10²" 102 and "2½" 21/2.
pub(super) fn unfold(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(|c| {
        let before = match c {
            '²' | '³' | '¹' | '\u{2070}'..='\u{207f}' => Some('^'),
            '¼' | '½' | '¾' | '\u{2150}'..='\u{215f}' => Some(' '),
            _ => None,
        };
        before.into_iter().chain([c])
    })
}

/// Typographic quotes as typewriter quotes.
pub(super) fn plain_sign(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2033}' => '"',
        _ => c,
    }
}

/// How many of a hundred letters are not Latin.
fn foreign(text: &str) -> u8 {
    if text.is_ascii() {
        return 0;
    }
    let (letters, foreign) = (text.chars().filter(|c| c.is_alphabetic()))
        .fold((0_usize, 0_usize), |(letters, foreign), c| {
            (letters + 1, foreign + usize::from(c > '\u{24f}'))
        });
    u8::try_from(foreign * 100 / letters.max(1)).unwrap_or(100)
}

#[cfg(test)]
mod tests;
