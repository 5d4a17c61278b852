//! The tokens of an encoding, and how pieces of text are made of them.

use std::{cmp::Reverse, collections::BinaryHeap};

mod characters;

use self::characters::Characters;

/// No token.
const NONE: u32 = u32::MAX;

/// Pieces of at most so many parts are merged by scanning; a heap has its price.
const SHORT: usize = 192;

/// Of 64 bits each: 20 bits for each of 200,000 tokens, so that one in twenty strangers passes.
const FILTER_WORDS: usize = 1 << 16;

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// The bytes of the token if they are eight at most, or their hash.
    key: u64,
    length: u32,
    rank: u32,
}

const EMPTY: Slot = Slot {
    key: 0,
    length: 0,
    rank: NONE,
};

/// Tokens and their ranks: of two adjacent ones, those are joined first that make the token of the lowest rank.
pub(super) struct Vocabulary {
    /// All tokens in the order of their ranks.
    bytes: Vec<u8>,
    /// Where the tokens begin in `bytes`, and the end of the last.
    starts: Vec<u32>,
    /// Open addressing, of a power of two of places, at most half of them taken.
    slots: Vec<Slot>,
    /// The ranks of all tokens of two bytes.
    pairs: Vec<u32>,
    /// A bit for the hash of each token. Most of what is asked for is no token, and this fits into a
    /// processor's own cache, as `slots` do not.
    filter: Vec<u64>,
    characters: Characters,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary")
            .field("tokens", &self.starts.len().saturating_sub(1))
            .finish_non_exhaustive()
    }
}

fn four(bytes: &[u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(*bytes))
}

/// A number that tells apart texts of this length; certain up to eight bytes.
#[inline]
fn key(bytes: &[u8]) -> u64 {
    if bytes.len() > 8 {
        let (chunks, rest) = bytes.as_chunks::<8>();
        let mut hash = 0;
        for chunk in chunks {
            hash = mixed(hash ^ u64::from_le_bytes(*chunk));
        }
        if !rest.is_empty()
            && let Some(last) = bytes.last_chunk::<8>()
        {
            hash = mixed(hash ^ u64::from_le_bytes(*last));
        }
        return hash;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return four(first) | four(last) << 32;
    }
    match bytes {
        [a] => u64::from(*a),
        [a, b] => u64::from(*a) | u64::from(*b) << 8,
        [a, b, c] => u64::from(*a) | u64::from(*b) << 8 | u64::from(*c) << 16,
        _ => 0,
    }
}

#[inline]
fn mixed(value: u64) -> u64 {
    let wide = u128::from(value ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// Where a text of this key is looked for.
#[inline]
fn hash(key: u64, length: u32) -> u64 {
    mixed(key.wrapping_add(u64::from(length) << 56))
}

/// The word of the filter for a hash: by other bits than the slot.
#[inline]
fn word_of(hash: u64) -> usize {
    (hash >> 42) as usize & (FILTER_WORDS - 1)
}

#[inline]
fn bit_of(hash: u64) -> u64 {
    1 << (hash >> 58)
}

impl Vocabulary {
    /// Of all tokens in the order of their ranks.
    pub(super) fn new(tokens: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut bytes = Vec::new();
        let mut starts = vec![0];
        for token in tokens {
            bytes.extend_from_slice(&token);
            starts.push(bytes.len() as u32);
        }
        let mut vocabulary = Self {
            slots: vec![EMPTY; (2 * starts.len()).next_power_of_two()],
            pairs: vec![NONE; 1 << 16],
            filter: vec![0; FILTER_WORDS],
            characters: Characters::default(),
            bytes,
            starts,
        };
        let ranks = 0..vocabulary.starts.len() as u32 - 1;
        for rank in ranks.clone() {
            vocabulary.insert(rank);
        }
        let tokens = ranks.map(|rank| vocabulary.token(rank));
        vocabulary.characters = Characters::new(tokens, |token| vocabulary.rank(token));
        vocabulary
    }

    fn insert(&mut self, rank: u32) {
        let token = self.token(rank);
        let (key, length) = (key(token), token.len() as u32);
        if let [a, b] = token {
            let pair = usize::from(*a) << 8 | usize::from(*b);
            if let Some(place) = self.pairs.get_mut(pair) {
                *place = rank;
            }
        }
        let hash = hash(key, length);
        if let Some(word) = self.filter.get_mut(word_of(hash)) {
            *word |= bit_of(hash);
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.rank == NONE {
                *slot = Slot { key, length, rank };
                break;
            }
            at = (at + 1) & mask;
        }
    }

    /// The parts that the work on `piece` begins with, and the rank of each with the next.
    fn begin(&self, piece: &[u8], parts: &mut Parts) {
        let Parts { starts, ranks, .. } = parts;
        starts.clear();
        ranks.clear();
        let (mut at, mut next) = (0, self.characters.unit(piece, 0));
        while at < piece.len() {
            let after = next + self.characters.unit(piece, next);
            starts.push(at as u32);
            ranks.push(if after - at == 2 {
                self.pair(piece, at)
            } else {
                self.joined(piece, at, after)
            });
            (at, next) = (next, after);
        }
    }

    fn token(&self, rank: u32) -> &[u8] {
        let at = rank as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(start), Some(end)) => self
                .bytes
                .get(*start as usize..*end as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    /// The rank of the token that is `bytes`, or [`NONE`].
    #[inline]
    fn rank(&self, bytes: &[u8]) -> u32 {
        let (key, length) = (key(bytes), bytes.len() as u32);
        self.find(bytes, key, length, hash(key, length))
    }

    /// The same for texts that are seldom a token.
    #[inline]
    fn seldom(&self, bytes: &[u8]) -> u32 {
        let (key, length) = (key(bytes), bytes.len() as u32);
        let hash = hash(key, length);
        let word = self.filter.get(word_of(hash)).copied().unwrap_or(0);
        if word & bit_of(hash) == 0 {
            return NONE;
        }
        self.find(bytes, key, length, hash)
    }

    /// The rank of the token that is `bytes`, of this key and hash.
    #[inline]
    fn find(&self, bytes: &[u8], key: u64, length: u32, hash: u64) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get(at) {
            if slot.rank == NONE {
                break;
            }
            if slot.key == key
                && slot.length == length
                && (length <= 8 || self.token(slot.rank) == bytes)
            {
                return slot.rank;
            }
            at = (at + 1) & mask;
        }
        NONE
    }

    #[inline]
    fn pair(&self, piece: &[u8], at: usize) -> u32 {
        match (piece.get(at), piece.get(at + 1)) {
            (Some(a), Some(b)) => self
                .pairs
                .get(usize::from(*a) << 8 | usize::from(*b))
                .copied()
                .unwrap_or(NONE),
            _ => NONE,
        }
    }

    /// The rank of what would be joined of `piece` from `start` to `end`.
    #[inline]
    fn joined(&self, piece: &[u8], start: usize, end: usize) -> u32 {
        piece
            .get(start..end)
            .map_or(NONE, |bytes| self.seldom(bytes))
    }

    /// The number of tokens of `piece`.
    pub(super) fn count(&self, piece: &str, parts: &mut Parts) -> usize {
        let piece = piece.as_bytes();
        if piece.len() < 2 || self.rank(piece) != NONE {
            return 1.min(piece.len());
        }
        self.merge(piece, parts);
        parts.starts.len()
    }

    /// Where the tokens of `piece` begin.
    pub(super) fn starts<'p>(&self, piece: &str, parts: &'p mut Parts) -> &'p [u32] {
        let piece = piece.as_bytes();
        if self.rank(piece) == NONE {
            self.merge(piece, parts);
        } else {
            parts.starts.clear();
            parts.starts.push(0);
        }
        &parts.starts
    }

    fn merge(&self, piece: &[u8], parts: &mut Parts) {
        self.begin(piece, parts);
        if parts.starts.len() <= SHORT {
            self.merge_short(piece, parts);
        } else {
            self.merge_long(piece, parts);
        }
    }

    fn merge_short(&self, piece: &[u8], parts: &mut Parts) {
        let Parts { starts, ranks, .. } = parts;
        loop {
            // Two passes, for each of them is vectorised.
            let least = ranks.iter().copied().min().unwrap_or(NONE);
            if least == NONE {
                break;
            }
            let Some(at) = ranks.iter().position(|rank| *rank == least) else {
                break;
            };
            starts.remove(at + 1);
            ranks.remove(at + 1);
            let start = |place: usize| {
                starts
                    .get(place)
                    .map_or(piece.len(), |start| *start as usize)
            };
            let (before, from, next, to) =
                (at.checked_sub(1), start(at), start(at + 1), start(at + 2));
            let joins = if next < piece.len() {
                self.joined(piece, from, to)
            } else {
                NONE
            };
            if let Some(rank) = ranks.get_mut(at) {
                *rank = joins;
            }
            if let Some(before) = before {
                let joins = self.joined(piece, start(before), next);
                if let Some(rank) = ranks.get_mut(before) {
                    *rank = joins;
                }
            }
        }
    }

    /// The same in n log n, for pieces that may be megabytes.
    fn merge_long(&self, piece: &[u8], parts: &mut Parts) {
        let length = piece.len();
        let Parts {
            starts,
            ranks,
            ends,
            before,
        } = parts;
        // By its first byte, where each part ends, and begins the one before it; its rank with the next one.
        let mut first = vec![NONE; length];
        ends.clear();
        ends.resize(length, 0);
        before.clear();
        before.resize(length, NONE);
        let mut heap = Vec::with_capacity(starts.len());
        let nexts = starts.iter().skip(1).copied().chain([length as u32]);
        for ((start, rank), next) in starts.iter().zip(ranks.iter()).zip(nexts) {
            let at = *start as usize;
            if let (Some(end), Some(place)) = (ends.get_mut(at), first.get_mut(at)) {
                (*end, *place) = (next, *rank);
            }
            if let Some(back) = before.get_mut(next as usize) {
                *back = *start;
            }
            if *rank != NONE {
                heap.push(Reverse(u64::from(*rank) << 32 | u64::from(*start)));
            }
        }
        *ranks = first;
        let mut heap = BinaryHeap::from(heap);
        let end = |ends: &[u32], at: usize| ends.get(at).map_or(length, |end| *end as usize);
        while let Some(Reverse(entry)) = heap.pop() {
            let (rank, at) = ((entry >> 32) as u32, entry as u32 as usize);
            // Of parts that are no more, or have got another neighbour.
            if ranks.get(at) != Some(&rank) {
                continue;
            }
            let middle = end(ends, at);
            let next = end(ends, middle);
            if let Some(rank) = ranks.get_mut(middle) {
                *rank = NONE;
            }
            if let Some(end) = ends.get_mut(at) {
                *end = next as u32;
            }
            if let Some(back) = before.get_mut(next) {
                *back = at as u32;
            }
            let mut set = |at: usize, joins: u32| {
                if let Some(rank) = ranks.get_mut(at) {
                    *rank = joins;
                }
                if joins != NONE {
                    heap.push(Reverse(u64::from(joins) << 32 | at as u64));
                }
            };
            let joins = if next < length {
                self.joined(piece, at, end(ends, next))
            } else {
                NONE
            };
            set(at, joins);
            if let Some(back) = before.get(at).filter(|back| **back != NONE) {
                let back = *back as usize;
                set(back, self.joined(piece, back, next));
            }
        }
        starts.clear();
        let mut at = 0;
        while at < length {
            starts.push(at as u32);
            at = end(ends, at);
        }
    }
}

/// Room for the work on a piece, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Parts {
    starts: Vec<u32>,
    ranks: Vec<u32>,
    ends: Vec<u32>,
    before: Vec<u32>,
}
