//! What is known about words: tables that are read once from the text files beside this one.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::LazyLock,
};

use super::{kind, stem::stem_into};

const KINDS: &str = include_str!("kinds.txt");
const FORMS: &str = include_str!("forms.txt");
const SYNONYMS: &str = include_str!("synonyms.txt");
const DEMANDS: &str = include_str!("demands.txt");
const MODIFIERS: &str = include_str!("modifiers.txt");
const OPPOSITES: &str = include_str!("../veto/opposites.txt");

/// What a word or phrase says beyond itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// A member of a group of opposites, as `group << 16 | member`.
    Opposite(u32),
    /// A language, format, length or manner of the answer.
    Demand(u32),
    /// A word that changes a request when only one of two has it.
    Modifier(u32),
}

/// Words behind the first one of a phrase, as hashes of their stems, and what the phrase says.
#[derive(Debug)]
struct Phrase {
    rest: Box<[u32]>,
    mark: Mark,
}

/// What is known about a stem.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) kinds: u16,
    /// Hash of the stem that stands for all synonyms; 0 if there are none.
    pub(super) sense: u32,
    marks: Vec<Mark>,
    phrases: Vec<Phrase>,
}

impl Entry {
    /// What the word says by itself, and what the phrases say that it begins with `following`
    /// (hashes of the stems behind it); each with how many words say so.
    pub(super) fn marks<'a>(
        &'a self,
        following: &'a [u32],
    ) -> impl Iterator<Item = (usize, Mark)> + 'a {
        let phrases = (self.phrases.iter())
            .filter(|phrase| following.starts_with(&phrase.rest))
            .map(|phrase| (1 + phrase.rest.len(), phrase.mark));
        let words = self.marks.iter().map(|mark| (1, *mark));
        words.chain(phrases)
    }
}

/// All tables.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    forms: Table<&'static str, &'static str>,
    stems: Table<Box<str>, Entry>,
}

pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::read);

impl Lexicon {
    fn read() -> Self {
        let mut lexicon = Self::default();
        for line in lines(FORMS) {
            let mut forms = line.split_whitespace();
            if let Some(lemma) = forms.next() {
                lexicon.forms.extend(forms.map(|form| (form, lemma)));
            }
        }
        for line in lines(KINDS) {
            let mut words = line.split_whitespace();
            let kinds = words.next().map_or(0, kinds_of);
            for word in words {
                lexicon.entry(word).kinds |= kinds;
            }
        }
        for line in lines(SYNONYMS) {
            let mut sense = 0;
            for word in line.split_whitespace() {
                let of_word = lexicon.stem_hash(word);
                sense = if sense == 0 { of_word } else { sense };
                lexicon.entry(word).sense = sense;
            }
        }
        for (group, line) in (0..).zip(lines(OPPOSITES)) {
            for (member, word) in members(line) {
                lexicon.mark(word, Mark::Opposite((group << 16) | member));
            }
        }
        for (place, line) in (0..).zip(lines(DEMANDS)) {
            for word in line.split_whitespace() {
                lexicon.mark(word, Mark::Demand(place));
            }
        }
        for (place, line) in (0..).zip(lines(MODIFIERS)) {
            for word in line.split_whitespace() {
                lexicon.mark(word, Mark::Modifier(place));
            }
        }
        lexicon
    }

    /// Puts the stem of `word` (lower case) into `stem`, irregular forms included.
    pub(super) fn stem(&self, word: &str, stem: &mut String) {
        match self.forms.get(word) {
            Some(&"=") => {
                stem.clear();
                stem.push_str(word);
            }
            Some(lemma) => stem_into(lemma, stem),
            None => stem_into(word, stem),
        }
    }

    pub(super) fn get(&self, stem: &str) -> Option<&Entry> {
        self.stems.get(stem)
    }

    fn stem_hash(&self, word: &str) -> u32 {
        let mut stem = String::new();
        self.stem(word, &mut stem);
        short_hash(&stem)
    }

    fn entry(&mut self, word: &str) -> &mut Entry {
        let mut stem = String::new();
        self.stem(word, &mut stem);
        let entry = self.stems.entry(stem.into()).or_default();
        entry.kinds |= kind::KNOWN;
        entry
    }

    /// Notes what `phrase` says; its words are joined by `_`.
    fn mark(&mut self, phrase: &str, mark: Mark) {
        let mut words = phrase.split('_');
        let first = words.next().unwrap_or(phrase);
        let rest: Box<[u32]> = words.map(|word| self.stem_hash(word)).collect();
        if rest.is_empty() {
            self.entry(first).marks.push(mark);
        } else {
            let mut stem = String::new();
            self.stem(first, &mut stem);
            let entry = self.stems.entry(stem.into()).or_default();
            entry.phrases.push(Phrase { rest, mark });
        }
    }
}

fn kinds_of(name: &str) -> u16 {
    match name {
        "empty" => kind::EMPTY,
        "negation" => kind::EMPTY | kind::NEGATION,
        "role" => kind::EMPTY | kind::ROLE | kind::PREPOSITION,
        "preposition" => kind::EMPTY | kind::PREPOSITION,
        "symmetric" => kind::SYMMETRIC,
        "joins" => kind::EMPTY | kind::JOINS,
        "be" => kind::EMPTY | kind::BE,
        "of" => kind::EMPTY | kind::OF | kind::PREPOSITION,
        "article" => kind::EMPTY | kind::ARTICLE,
        "plain" => kind::PLAIN,
        "by" => kind::EMPTY | kind::BY | kind::PREPOSITION,
        _ => 0,
    }
}

/// The lines of a table, without comments and blank ones.
pub(super) fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
}

/// The words of a group with the number of their meaning: `day/daily week` is 0, 0 and 1.
pub(super) fn members(line: &str) -> impl Iterator<Item = (u32, &str)> {
    (0..)
        .zip(line.split_whitespace())
        .flat_map(|(member, words)| words.split('/').map(move |word| (member, word)))
}

/// A map whose keys are our own, so that a fast hash is safe: what is looked up can't make it slow.
pub(super) type Table<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;

/// FNV-1a as a [`Hasher`].
#[derive(Debug)]
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(OFFSET)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = fnv(self.0, bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo), with a last mix so that the low bits are good too.
pub(super) fn hash(text: &str) -> u64 {
    let hash = fnv(OFFSET, text.as_bytes());
    hash ^ (hash >> 32)
}

/// The low half of [`hash`]; never 0.
pub(super) fn short_hash(text: &str) -> u32 {
    let [a, b, c, d, ..] = hash(text).to_le_bytes();
    u32::from_le_bytes([a, b, c, d]).max(1)
}
