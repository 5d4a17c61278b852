//! The words behind the marks of a question, for people who want to know why a guard refuses it.
//!
//! Reads a text as [`super::Wording::of`] does and keeps what a wording holds only hashes of. Nothing decides by it.

use super::{
    Reader,
    code::{self, Piece},
    lexicon::{Mark, hash},
    numbers, plain,
    quoted::quoted,
    slice,
};

/// Words, each with its mark.
pub(in crate::policy) type Marked = Vec<(u64, String)>;

/// What the marks of a wording stand for, each list in the order of the text.
#[derive(Debug, Default)]
pub(in crate::policy) struct Shown {
    /// Numbers with their units; the number 1 is marked by 1.
    pub(in crate::policy) numbers: Marked,
    pub(in crate::policy) quotes: Marked,
    pub(in crate::policy) code: Marked,
    pub(in crate::policy) opposites: Marked,
    pub(in crate::policy) demands: Marked,
    pub(in crate::policy) modifiers: Marked,
}

impl Shown {
    /// Those of `text`.
    pub(in crate::policy) fn of(text: &str) -> Self {
        let plain = plain(text);
        let mut reader = Reader::with_room_for(&plain);
        reader.take_in(&plain);
        let mut shown = Self::default();

        let pieces: Vec<&str> = (reader.pieces.iter())
            .map(|(start, length, _)| slice(&reader.text, *start, *length))
            .collect();
        numbers::read(&pieces, |number, mark| {
            let words = pieces.get(number).unwrap_or(&[]).join(" ");
            shown.numbers.push((mark.unwrap_or(1), words));
        });
        let quotes = quoted(&plain).into_iter();
        shown.quotes = quotes
            .map(|quote| (hash(quote), quote.to_owned()))
            .collect();
        code::read(&plain, |piece, mark| {
            let (Piece::Name(text) | Piece::Sign(text)) = piece;
            shown.code.push((mark, text.to_owned()));
        });
        let spelled = |range: std::ops::Range<usize>| {
            let words = reader.words.get(range).unwrap_or(&[]).iter();
            let words = words.map(|word| slice(&reader.text, word.start, word.length));
            words.collect::<Vec<_>>().join(" ")
        };
        reader.each_mark(|words, mark| match mark {
            Mark::Opposite(mark) => shown.opposites.push((mark.into(), spelled(words))),
            Mark::Demand(mark) => shown.demands.push((mark.into(), spelled(words))),
            Mark::Modifier(mark) => shown.modifiers.push((mark.into(), spelled(words))),
        });
        shown
    }
}
