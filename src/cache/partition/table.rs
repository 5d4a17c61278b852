//! What is in a partition, by place: codes and whose they are.
//!
//! Places are given out in order and keep their number until [`Table`] is made anew: removing leaves a
//! gap (a tombstone), because nodes of the graph are places.

use std::{collections::BTreeSet, sync::Arc};

use super::codes::{BLOCK, Codes, growth};
use crate::policy::{identity::Fingerprint, wording::Wording};

/// Whose vector it is.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) fingerprint: Fingerprint,
    pub(super) wording: Arc<Wording>,
}

/// Bytes of an entry here, its code aside.
pub(super) const SLOT_BYTES: usize = size_of::<Option<Slot>>();
/// Bytes of an entry in [`Table::places`]: 16 and a B-tree's slack (nodes are two thirds full).
pub(super) const PLACE_BYTES: usize = 28;

/// The entries of a partition.
#[derive(Debug, Default)]
pub(super) struct Table {
    codes: Codes,
    /// In blocks, so that no insertion moves all of them.
    slots: Vec<Vec<Option<Slot>>>,
    /// The beginning of each live fingerprint and its place. A tree, because a hash table stops
    /// everybody when it grows.
    places: BTreeSet<(u64, u32)>,
}

impl Table {
    /// A table of `len` gaps whose codes are zeros.
    pub(super) fn gaps(dimension: usize, len: usize) -> Self {
        let rows = (0..len).step_by(BLOCK).map(|from| BLOCK.min(len - from));
        Self {
            codes: Codes::zeros(dimension, len),
            slots: rows.map(|rows| vec![None; rows]).collect(),
            places: BTreeSet::new(),
        }
    }

    pub(super) fn codes(&self) -> &Codes {
        &self.codes
    }

    /// Live entries.
    pub(super) fn live(&self) -> usize {
        self.places.len()
    }

    /// Places, gaps included.
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether more than a quarter are gaps.
    pub(super) fn is_sparse(&self) -> bool {
        (self.len() - self.live()) * 4 > self.len()
    }

    pub(super) fn slot(&self, place: u32) -> Option<&Slot> {
        let place = place as usize;
        self.slots.get(place / BLOCK)?.get(place % BLOCK)?.as_ref()
    }

    /// Appends an entry, in place of the one of this fingerprint. A code of another dimension than the
    /// others' is left out.
    pub(super) fn insert(&mut self, slot: Slot, code: &[i16]) {
        self.remove(slot.fingerprint);
        if let Ok(place) = u32::try_from(self.len())
            && self.codes.push(code)
        {
            if (place as usize).is_multiple_of(BLOCK) {
                self.slots.push(Vec::new());
            }
            if let Some(block) = self.slots.last_mut() {
                if block.len() == block.capacity() {
                    block.reserve_exact(growth(block.len()));
                }
                self.places.insert((start(slot.fingerprint), place));
                block.push(Some(slot));
            }
        }
    }

    /// Fills a gap; `false` if there is none at this place or the code doesn't fit.
    pub(super) fn fill(&mut self, place: u32, slot: Slot, code: &[i16]) -> bool {
        let at = place as usize;
        let fits = code.len() == self.codes.dimension();
        let gap = self.slots.get_mut(at / BLOCK);
        let gap = gap.and_then(|block| block.get_mut(at % BLOCK));
        match gap {
            Some(gap @ None) if fits => {
                self.places.insert((start(slot.fingerprint), place));
                *gap = Some(slot);
                self.codes.set(place, code);
                true
            }
            _ => false,
        }
    }

    /// Leaves a gap where the entry was; `false` if there was none.
    pub(super) fn remove(&mut self, fingerprint: Fingerprint) -> bool {
        let Some(place) = self.find(fingerprint) else {
            return false;
        };
        self.places.remove(&(start(fingerprint), place));
        let at = place as usize;
        let block = self.slots.get_mut(at / BLOCK);
        if let Some(slot) = block.and_then(|block| block.get_mut(at % BLOCK)) {
            *slot = None;
        }
        true
    }

    /// The place of an entry.
    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<u32> {
        let start = start(fingerprint);
        let places = self.places.range((start, 0)..=(start, u32::MAX));
        let mut places = places.map(|(_, place)| *place);
        places.find(|place| {
            self.slot(*place)
                .is_some_and(|slot| slot.fingerprint == fingerprint)
        })
    }

    /// Copies an entry of another table.
    pub(super) fn copy(&mut self, other: &Self, place: u32) {
        if let (Some(slot), Some(code)) = (other.slot(place), other.codes.get(place)) {
            self.insert(slot.clone(), code);
        }
    }

    /// Takes out what was removed from another table since it was copied from there.
    pub(super) fn follow(&mut self, other: &Self, removed: &[Fingerprint]) {
        for fingerprint in removed {
            self.remove(*fingerprint);
            // It may have come back since.
            if let Some(place) = other.find(*fingerprint) {
                self.copy(other, place);
            }
        }
    }

    /// The same entries, numbered anew.
    pub(super) fn without_gaps(&self) -> Self {
        let mut next = Self::default();
        for place in 0..self.len() {
            next.copy(self, place as u32);
        }
        next
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let slots: usize = self.slots.iter().map(Vec::capacity).sum();
        self.codes.bytes() + slots * SLOT_BYTES + self.places.len() * PLACE_BYTES
    }
}

/// The first 64 bits of a fingerprint, which is a hash.
fn start(fingerprint: Fingerprint) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = fingerprint.bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
