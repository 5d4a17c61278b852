//! OpenAI's encodings, and what one pass over a text tells of it.

use std::{ops::AddAssign, sync::LazyLock};

use moka::sync::Cache;

use super::{
    class::Classes,
    split::{Pieces, Rules},
    vocabulary::{Parts, Vocabulary},
};

/// Texts of so many bytes are remembered: below, counting costs as little as hashing and looking up.
const REMEMBERED: usize = 1024;

/// The longest piece that is counted in one go, in bytes.
const LONGEST_PIECE: usize = 64 << 10;

/// So many texts are remembered, at about 150 bytes each.
const MEMORY: u64 = 16_384;

/// What was counted, by a hash of the text and the encoding: conversations repeat themselves each turn.
static COUNTED: LazyLock<Cache<[u8; 32], Tally>> = LazyLock::new(|| Cache::new(MEMORY));

/// Unicode's properties, for both encodings.
static CLASSES: LazyLock<Classes> = LazyLock::new(Classes::load);

static O200K: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::new(tokens_of(tiktoken_rs::o200k_base())));

static CL100K: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::new(tokens_of(tiktoken_rs::cl100k_base())));

/// An encoding of OpenAI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Encoding {
    /// `cl100k_base`: GPT-4, GPT-3.5.
    Cl100k,
    /// `o200k_base`: GPT-4o and later.
    O200k,
}

/// The tokens in the order of their ranks. The special ones lie behind a gap and are not among them:
/// what looks like one in a text is ordinary text.
fn tokens_of<E>(encoding: Result<tiktoken_rs::CoreBPE, E>) -> impl Iterator<Item = Vec<u8>> {
    let encoding = encoding.ok();
    debug_assert!(encoding.is_some(), "the tables are part of the program");
    (0..).map_while(move |rank| encoding.as_ref()?.decode_bytes(&[rank]).ok())
}

/// How many tokens a text has, by what the pieces are that they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// In numbers of ASCII digits.
    pub(super) numbers: u64,
    /// The digits of those numbers.
    pub(super) digits: u64,
    /// In ASCII, Latin and what else is of two bytes up to U+023F; Latin with two accents.
    pub(super) latin: u64,
    /// In other scripts of two bytes: Greek, Cyrillic, Hebrew, Arabic.
    pub(super) alphabets: u64,
    /// In scripts of three bytes up to U+1FFF: those of India, Thai, Georgian, Ethiopic.
    pub(super) syllabaries: u64,
    /// In everything from U+2000: Chinese, Japanese, Korean, symbols, emoji.
    pub(super) ideographs: u64,
}

impl Tally {
    /// All tokens.
    pub(super) fn total(&self) -> u64 {
        self.numbers + self.latin + self.alphabets + self.syllabaries + self.ideographs
    }

    /// Of a piece with so many tokens.
    pub(super) fn of(piece: &str, tokens: usize) -> Self {
        let tokens = tokens as u64;
        let mut tally = Self::default();
        match piece
            .bytes()
            .find(|byte| *byte >= 0x80 || byte.is_ascii_digit())
        {
            Some(b'0'..=b'9') => {
                tally.numbers = tokens;
                tally.digits = piece.len() as u64;
            }
            Some(0xE1) if accented(piece) => tally.latin = tokens,
            Some(0xC9..=0xDF) => tally.alphabets = tokens,
            Some(0xE0 | 0xE1) => tally.syllabaries = tokens,
            Some(0xE2..) => tally.ideographs = tokens,
            Some(_) | None => tally.latin = tokens,
        }
        tally
    }
}

/// Whether the first character beyond ASCII is of Latin Extended Additional, as Vietnamese has them.
fn accented(piece: &str) -> bool {
    let first = piece.chars().find(|c| !c.is_ascii());
    first.is_some_and(|c| ('\u{1E00}'..='\u{1EFF}').contains(&c))
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.numbers += other.numbers;
        self.digits += other.digits;
        self.latin += other.latin;
        self.alphabets += other.alphabets;
        self.syllabaries += other.syllabaries;
        self.ideographs += other.ideographs;
    }
}

/// `piece` in slices of at most [`LONGEST_PIECE`] bytes.
fn slices(piece: &str) -> impl Iterator<Item = &str> {
    let mut rest = piece;
    std::iter::from_fn(move || {
        let (slice, after) = rest.split_at(rest.floor_char_boundary(LONGEST_PIECE));
        rest = after;
        (!slice.is_empty()).then_some(slice)
    })
}

impl Encoding {
    /// Loads the tables, which takes some hundred milliseconds the first time.
    pub(super) fn load(self) {
        LazyLock::force(&CLASSES);
        self.vocabulary();
    }

    fn vocabulary(self) -> &'static Vocabulary {
        match self {
            Self::Cl100k => &CL100K,
            Self::O200k => &O200K,
        }
    }

    /// The pieces of `text`, longer ones than anybody writes cut into slices: merging takes memory for every
    /// byte of a piece. A border may cost a token or two.
    fn pieces(self, text: &str) -> impl Iterator<Item = &str> {
        let rules = match self {
            Self::Cl100k => Rules::Cl100k,
            Self::O200k => Rules::O200k,
        };
        Pieces::new(&CLASSES, rules, text).flat_map(slices)
    }

    /// The tokens of `text`, remembered if it is long.
    pub(super) fn tally(self, text: &str) -> Tally {
        if text.len() < REMEMBERED {
            return self.tally_anew(text);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[self as u8]).update(text.as_bytes());
        COUNTED.get_with(*hasher.finalize().as_bytes(), || self.tally_anew(text))
    }

    fn tally_anew(self, text: &str) -> Tally {
        let mut tally = Tally::default();
        self.each(text, |_, of_piece| {
            tally += of_piece;
            true
        });
        tally
    }

    /// Tells of one piece after another where it begins and what it has, until told to stop.
    pub(super) fn each(self, text: &str, mut tell: impl FnMut(usize, Tally) -> bool) {
        let vocabulary = self.vocabulary();
        let mut parts = Parts::default();
        let mut at = 0;
        for piece in self.pieces(text) {
            let tally = Tally::of(piece, vocabulary.count(piece, &mut parts));
            if !tell(at, tally) {
                break;
            }
            at += piece.len();
        }
    }

    /// The piece at the beginning of `text`.
    pub(super) fn first_piece(self, text: &str) -> &str {
        self.pieces(text).next().unwrap_or_default()
    }

    /// Where the tokens begin of `piece`, which is one piece.
    pub(super) fn token_starts(self, piece: &str) -> Vec<usize> {
        let mut parts = Parts::default();
        let starts = self.vocabulary().starts(piece, &mut parts);
        starts.iter().map(|start| *start as usize).collect()
    }
}
