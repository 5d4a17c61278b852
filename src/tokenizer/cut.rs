//! Beginnings and ends of texts that have no more than so many tokens.

use unicode_segmentation::GraphemeCursor;

use super::{encoding::Tally, family::Family};
use crate::{policy::truncate::Counter, units::Tokens};

/// A cut is moved by at most so many bytes to keep a cluster (a letter and its marks, an emoji of
/// several) whole; whoever piles up more marks is cut between them.
const CLUSTER: usize = 64;

/// Bytes that are looked at first for each token that is wanted.
const WINDOW: usize = 8;

impl Counter for Family {
    fn count(&self, text: &str) -> Tokens {
        self.text(text).most
    }

    fn beginning(&self, text: &str, most: Tokens) -> usize {
        longest(
            most,
            |allowed| {
                let end = before_cluster(text, beginning(*self, text, allowed));
                (end, text.get(..end).unwrap_or_default())
            },
            0,
            *self,
        )
    }

    fn end(&self, text: &str, most: Tokens) -> usize {
        longest(
            most,
            |allowed| {
                let start = after_cluster(text, end(*self, text, allowed));
                (start, text.get(start..).unwrap_or_default())
            },
            text.len(),
            *self,
        )
    }
}

/// The first cut whose text fits. What is cut may count for more than it did as a part of the whole, as
/// it is split anew at the border: then a little less is allowed, and more and more so.
fn longest<'t>(
    most: Tokens,
    cut: impl Fn(u64) -> (usize, &'t str),
    none: usize,
    family: Family,
) -> usize {
    let mut less = 0;
    while let Some(allowed) = most.0.checked_sub(less) {
        let (at, text) = cut(allowed);
        if text.is_empty() || family.text(text).most <= most {
            return at;
        }
        less = 2 * less + 1;
    }
    none
}

fn beginning(family: Family, text: &str, most: u64) -> usize {
    // As many bytes as tokens are allowed always fit.
    let sure = text.floor_char_boundary(usize::try_from(most).unwrap_or(usize::MAX));
    if sure == text.len() {
        return sure;
    }
    let mut window = first_window(most);
    loop {
        let end = text.floor_char_boundary(window);
        let looked = text.get(..end).unwrap_or_default();
        let mut sum = Tally::default();
        let mut full = None;
        family.encoding().each(looked, |at, piece| {
            let mut longer = sum;
            longer += piece;
            let fits = family.most(&longer, usize::MAX) <= most;
            if fits {
                sum = longer;
            } else {
                full = Some(at);
            }
            fits
        });
        if let Some(at) = full {
            let rest = looked.get(at..).unwrap_or_default();
            return sure.max(at + part_of_piece(family, &sum, rest, most));
        }
        if end == text.len() {
            return end;
        }
        window = window.saturating_mul(2);
    }
}

/// How much of the first piece of `rest` may follow what has the tally `before`.
fn part_of_piece(family: Family, before: &Tally, rest: &str, most: u64) -> usize {
    let piece = family.encoding().first_piece(rest);
    let starts = family.encoding().token_starts(piece);
    // The tokens before the one that begins there are those of the text before it.
    let fits = |tokens: usize| family.most(&with(before, piece, tokens), usize::MAX) <= most;
    let tokens = last_that(starts.len(), fits);
    piece.floor_char_boundary(starts.get(tokens).copied().unwrap_or(0))
}

/// A tally, and so many tokens of this piece.
fn with(tally: &Tally, piece: &str, tokens: usize) -> Tally {
    let mut sum = *tally;
    sum += Tally::of(piece, tokens);
    sum
}

/// The largest number below `end` that fits, where all smaller ones do; or zero.
fn last_that(end: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, end);
    while low + 1 < high {
        let middle = low.midpoint(high);
        if fits(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

fn end(family: Family, text: &str, most: u64) -> usize {
    let sure = usize::try_from(most).unwrap_or(usize::MAX);
    let sure = text.ceil_char_boundary(text.len().saturating_sub(sure));
    if sure == 0 {
        return 0;
    }
    let mut window = first_window(most);
    loop {
        let start = text.ceil_char_boundary(text.len().saturating_sub(window));
        let looked = text.get(start..).unwrap_or_default();
        let mut pieces = Vec::new();
        let mut sum = Tally::default();
        family.encoding().each(looked, |at, piece| {
            sum += piece;
            pieces.push((at, piece));
            true
        });
        if family.most(&sum, usize::MAX) > most {
            return sure.min(start + within(family, looked, &pieces, most));
        }
        if start == 0 {
            return 0;
        }
        window = window.saturating_mul(2);
    }
}

/// Where the longest end begins of a text of these pieces, which is too long.
fn within(family: Family, text: &str, pieces: &[(usize, Tally)], most: u64) -> usize {
    let mut sum = Tally::default();
    let mut next = text.len();
    for (at, piece) in pieces.iter().rev() {
        let mut longer = sum;
        longer += *piece;
        if family.most(&longer, usize::MAX) > most {
            let piece = text.get(*at..next).unwrap_or_default();
            let starts = family.encoding().token_starts(piece);
            let fits = |tokens: usize| family.most(&with(&sum, piece, tokens), usize::MAX) <= most;
            let left_out = starts.len() - last_that(starts.len(), fits);
            let start = starts.get(left_out).copied().unwrap_or(piece.len());
            return at + piece.ceil_char_boundary(start);
        }
        sum = longer;
        next = *at;
    }
    next
}

fn first_window(most: u64) -> usize {
    usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_add(1)
        .saturating_mul(WINDOW)
        .max(1024)
}

/// `at`, or the nearest border of clusters before it.
fn before_cluster(text: &str, at: usize) -> usize {
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    if cursor.is_boundary(text, 0).unwrap_or(true) {
        return at;
    }
    let before = cursor.prev_boundary(text, 0).ok().flatten().unwrap_or(0);
    if at - before > CLUSTER { at } else { before }
}

/// `at`, or the nearest border of clusters after it.
fn after_cluster(text: &str, at: usize) -> usize {
    let mut cursor = GraphemeCursor::new(at, text.len(), true);
    if cursor.is_boundary(text, 0).unwrap_or(true) {
        return at;
    }
    let after = cursor
        .next_boundary(text, 0)
        .ok()
        .flatten()
        .unwrap_or(text.len());
    if after - at > CLUSTER { at } else { after }
}
