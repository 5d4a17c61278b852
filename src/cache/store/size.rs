//! How much a store holds, or has let go.

use std::collections::BTreeMap;

use super::{POINTER, Store};
use crate::cache::semantic::Size;

impl Store {
    /// How much it holds.
    #[must_use]
    pub fn size(&self) -> StoreSize {
        let pointers =
            self.aliases.entry_count() + self.contexts.entry_count() + self.receipts.entry_count();
        StoreSize {
            entries: self.memory.len() as u64,
            bytes: self.memory.bytes() + pointers * POINTER,
            bound: self.bytes,
            semantic: self.semantic.size(),
            pinned: self.memory.pinned(),
        }
    }

    /// The bytes that entries may take which are not pinned.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.memory.room()
    }

    /// The most bytes that pinned entries may take.
    #[must_use]
    pub fn pinnable(&self) -> u64 {
        self.memory.pinnable()
    }

    /// How many entries have left since the start, by reason: `size` for want of room, `expired`, `purged`.
    #[must_use]
    pub fn evictions(&self) -> BTreeMap<&'static str, u64> {
        self.evictions.sums()
    }
}

/// What a purge has forgotten, or would forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// Entries.
    pub entries: u64,
    /// The bytes that they took.
    pub bytes: u64,
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSize {
    /// Entries.
    pub entries: u64,
    /// Bytes, all tiers.
    pub bytes: u64,
    /// The most bytes that it may hold.
    pub bound: u64,
    /// The semantic tier.
    pub semantic: Size,
    /// Entries that an operator has pinned.
    pub pinned: u64,
}
