//! Counters that can be understood without a tokenizer.

use super::super::Counter;
use crate::units::Tokens;

/// Four bytes are a token: two pieces have one more than the whole, or as many.
pub(in super::super) struct Quarter;

/// A word is a token.
pub(in super::super) struct Words;

/// The more text, the more tokens for a byte: pieces have fewer tokens alone than together.
pub(in super::super) struct Convex;

impl Counter for Quarter {
    fn count(&self, text: &str) -> Tokens {
        Tokens(text.len().div_ceil(4) as u64)
    }

    fn beginning(&self, text: &str, most: Tokens) -> usize {
        text.floor_char_boundary(bytes(most, text))
    }

    fn end(&self, text: &str, most: Tokens) -> usize {
        text.ceil_char_boundary(text.len().saturating_sub(bytes(most, text)))
    }
}

fn bytes(tokens: Tokens, of: &str) -> usize {
    usize::try_from(tokens.0).map_or(of.len(), |tokens| tokens.saturating_mul(4))
}

impl Counter for Words {
    fn count(&self, text: &str) -> Tokens {
        Tokens(text.split_whitespace().count() as u64)
    }

    fn beginning(&self, text: &str, most: Tokens) -> usize {
        let most = usize::try_from(most.0).unwrap_or(usize::MAX);
        let next = text.split_whitespace().nth(most);
        next.map_or(text.len(), |word| {
            word.as_ptr().addr() - text.as_ptr().addr()
        })
    }

    fn end(&self, text: &str, most: Tokens) -> usize {
        let most = usize::try_from(most.0).unwrap_or(usize::MAX);
        let next = text.split_whitespace().rev().nth(most);
        next.map_or(0, |word| {
            word.as_ptr().addr() - text.as_ptr().addr() + word.len()
        })
    }
}

impl Convex {
    fn of(bytes: usize) -> u64 {
        let bytes = bytes as u64;
        bytes.div_ceil(4) + bytes * bytes / 20_000
    }

    /// As many bytes as have at most so many tokens.
    fn bytes(most: Tokens, of: &str) -> usize {
        let all: Vec<usize> = (0..=of.len()).collect();
        all.partition_point(|bytes| Self::of(*bytes) <= most.0)
            .saturating_sub(1)
    }
}

impl Counter for Convex {
    fn count(&self, text: &str) -> Tokens {
        Tokens(Self::of(text.len()))
    }

    fn beginning(&self, text: &str, most: Tokens) -> usize {
        text.floor_char_boundary(Self::bytes(most, text))
    }

    fn end(&self, text: &str, most: Tokens) -> usize {
        text.ceil_char_boundary(text.len() - Self::bytes(most, text))
    }
}
