//! The vectors of one partition: a flat scan while they are few, a graph besides when they are many.
//!
//! New vectors are always appended; the graph covers a prefix of them, the rest is scanned. A copy of
//! the graph is extended aside and swapped in, so that no request waits for it. Removing leaves a
//! tombstone; when more than a quarter are tombstones, the partition is copied without them, also
//! aside. Vectors are held once, as 16-bit numbers. Invariant: a search sees every live vector, by graph
//! or by scan, and every lock is held for less than a millisecond but by the searches themselves.

mod codes;
mod graph;
mod saved;
mod table;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, TryLockError},
};

use self::{
    codes::{BLOCK, cosine, decode, encode},
    graph::{Graph, NODE_BYTES, Near},
    table::{PLACE_BYTES, SLOT_BYTES, Slot, Table},
};
use crate::{
    embed::EncoderId,
    policy::{identity::Fingerprint, wording::Wording},
    units::Similarity,
};

pub use saved::SavedGraph;

/// Candidates of a search in the graph: recall against time.
const EF_SEARCH: usize = 160;
/// Vectors behind the graph's end that are scanned before it is extended: at least this many, and a
/// share of the graph, because extending copies its links.
const TAIL: usize = 512;
const TAIL_SHARE: usize = 64;
/// Vectors that a first graph takes before searches may use it; then it doubles.
const FIRST_GRAPH: usize = 4096;

/// Bytes of a partition, its entries aside.
pub const PARTITION_BYTES: usize = 768;

/// The most bytes that an entry with a vector of this dimension takes, graph included. A partition
/// takes [`PARTITION_BYTES`] besides, and the wording is not in it.
#[must_use]
pub const fn entry_bytes(dimension: usize) -> usize {
    // Lists grow by a quarter.
    (dimension * size_of::<i16>() + SLOT_BYTES) * 5 / 4 + PLACE_BYTES + NODE_BYTES
}

/// A near neighbour.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// How near; within 0.001 of the cosine of the vectors as they were given.
    pub similarity: Similarity,
    /// The entry.
    pub fingerprint: Fingerprint,
    /// Its question.
    pub wording: Arc<Wording>,
}

#[derive(Default)]
struct Index {
    table: Table,
    /// Node `n` is place `n` of the table.
    graph: Option<Arc<Graph>>,
    /// Counts renumberings: a graph built for older places is thrown away.
    numbering: u64,
    /// What was removed since a copy without tombstones was begun.
    removed: Option<Vec<Fingerprint>>,
}

/// The vectors of one partition.
#[derive(Default)]
pub struct Vectors {
    index: RwLock<Index>,
    /// Held by whoever builds or saves; nobody else renumbers while there is a graph.
    building: Mutex<()>,
}

/// What there is to build.
enum Work {
    Extend,
    Compact,
}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vectors")
            .field("live", &self.len())
            .finish_non_exhaustive()
    }
}

impl Vectors {
    /// A partition with these entries, found through `graph` as far as it knows them: entries that it
    /// doesn't know are scanned until the next [`Vectors::build`]. A graph of which more than a
    /// quarter has vanished since is not used.
    ///
    /// A vector without a direction, or of another dimension than the first, is left out.
    pub fn restore<V: AsRef<[f32]>>(
        entries: impl IntoIterator<Item = (Fingerprint, Arc<Wording>, V)>,
        graph: Option<SavedGraph>,
    ) -> Self {
        let mut table = Table::default();
        let (mut graph, mut saved_places) = (graph, HashMap::new());
        if let Some(saved) = &graph {
            table = Table::gaps(saved.dimension(), saved.len());
            saved_places = saved.places();
        }
        for (fingerprint, wording, vector) in entries {
            let Some(code) = encode(vector.as_ref()) else {
                continue;
            };
            let slot = Slot {
                fingerprint,
                wording,
            };
            let place = saved_places.remove(&fingerprint);
            if !place.is_some_and(|place| table.fill(place, slot.clone(), &code)) {
                table.insert(slot, &code);
            }
        }
        if table.is_sparse() {
            table = table.without_gaps();
            graph = None;
        }
        let index = Index {
            table,
            graph: graph.map(|saved| Arc::new(saved.graph())),
            ..Index::default()
        };
        Self {
            index: RwLock::new(index),
            building: Mutex::default(),
        }
    }

    /// Writes the graph to `dir/name.graph`, for [`SavedGraph::load`]; without a graph, takes that file
    /// away. Vectors are not in it. Waits for a build, so it is not for a request.
    ///
    /// # Errors
    /// [`io::Error`] of the file system, and if `name` is no plain file name. An older file is then still
    /// whole.
    pub fn save(&self, dir: &Path, name: &str, encoder: &EncoderId) -> io::Result<()> {
        let _builder = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let (graph, dimension) =
            self.read(|index| (index.graph.clone(), index.table.codes().dimension()));
        let Some(graph) = graph else {
            return saved::remove(dir, name);
        };
        let mut owners = Vec::with_capacity(graph.len());
        for from in (0..graph.len()).step_by(BLOCK) {
            let to = graph.len().min(from + BLOCK);
            self.read(|index| {
                let slots = (from..to).map(|place| index.table.slot(place as u32));
                owners.extend(slots.map(|slot| slot.map(|slot| slot.fingerprint)));
            });
        }
        saved::write(dir, name, encoder, dimension, &owners, &graph)
    }

    /// Takes over what another one holds; where both have an entry, the one that is here stays. Waits
    /// for a build.
    pub fn adopt(&self, other: Self) {
        let _builder = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        let mut other = other
            .index
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut index = self.write();
        for place in 0..index.table.len() {
            other.table.copy(&index.table, place as u32);
        }
        other.numbering = index.numbering + 1;
        let old = std::mem::replace(&mut *index, other);
        drop(index);
        drop(old);
    }

    /// How many live vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read(|index| index.table.live())
    }

    /// Whether there is no live vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a graph is in use.
    #[must_use]
    pub fn has_graph(&self) -> bool {
        self.read(|index| index.graph.is_some())
    }

    /// Bytes held by vectors, tables and graph; wordings belong to their entries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.read(|index| {
            let graph = index.graph.as_ref().map_or(0, |graph| graph.bytes());
            PARTITION_BYTES + index.table.bytes() + graph
        })
    }

    /// Adds a vector, or replaces the one of this fingerprint. A vector without a direction (zero, not
    /// finite), or of another dimension than the others', only replaces.
    pub fn insert(&self, fingerprint: Fingerprint, vector: &[f32], wording: Arc<Wording>) {
        let Some(code) = encode(vector) else {
            return self.remove(fingerprint);
        };
        let slot = Slot {
            fingerprint,
            wording,
        };
        let mut index = self.write();
        index.remove(fingerprint);
        index.table.insert(slot, &code);
    }

    /// Takes a vector out. Does nothing if there is none.
    pub fn remove(&self, fingerprint: Fingerprint) {
        self.write().remove(fingerprint);
    }

    /// The `most` nearest, nearest first.
    #[must_use]
    pub fn search(&self, query: &[f32], most: usize) -> Vec<Neighbour> {
        let Some(query) = encode(query) else {
            return Vec::new();
        };
        self.nearest(&query, most)
    }

    fn nearest(&self, query: &[i16], most: usize) -> Vec<Neighbour> {
        self.read(|index| {
            let near = index.search(query, most).into_iter();
            let neighbour = |(product, place): Near| {
                let slot = index.table.slot(place)?;
                Some(Neighbour {
                    similarity: Similarity::new(cosine(product))?,
                    fingerprint: slot.fingerprint,
                    wording: Arc::clone(&slot.wording),
                })
            };
            near.filter_map(neighbour).collect()
        })
    }

    /// The `most` nearest to an entry of this partition, itself left out, nearest first; none if its vector
    /// is not here.
    #[must_use]
    pub fn around(&self, fingerprint: Fingerprint, most: usize) -> Vec<Neighbour> {
        let Some(code) = self.code(fingerprint) else {
            return Vec::new();
        };
        let mut near = self.nearest(&code, most.saturating_add(1));
        near.retain(|neighbour| neighbour.fingerprint != fingerprint);
        near.truncate(most);
        near
    }

    /// The vector of an entry, in steps of 2⁻¹⁵; `None` if it is not here.
    #[must_use]
    pub fn vector(&self, fingerprint: Fingerprint) -> Option<Vec<f32>> {
        Some(decode(&self.code(fingerprint)?))
    }

    fn code(&self, fingerprint: Fingerprint) -> Option<Vec<i16>> {
        self.read(|index| {
            let place = index.table.find(fingerprint)?;
            index.table.codes().get(place).map(<[i16]>::to_vec)
        })
    }

    /// Whether [`Vectors::build`] has something to do.
    #[must_use]
    pub fn wants_building(&self, graph_above: usize) -> bool {
        self.read(|index| index.work(graph_above)).is_some()
    }

    /// Builds or extends the graph, or copies the partition without its tombstones. Takes milliseconds
    /// to minutes: not for a request to wait for. Does nothing if somebody else is at it, who will see
    /// what is new.
    pub fn build(&self, graph_above: usize) {
        let Some(_builder) = self.try_building() else {
            return;
        };
        while let Some(work) = self.read(|index| index.work(graph_above)) {
            match work {
                Work::Extend => self.extend(),
                Work::Compact => self.compact(graph_above),
            }
        }
    }

    fn try_building(&self) -> Option<MutexGuard<'_, ()>> {
        match self.building.try_lock() {
            Ok(builder) => Some(builder),
            Err(TryLockError::Poisoned(builder)) => Some(builder.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Takes the next vectors into the graph.
    fn extend(&self) {
        let (codes, old, numbering) = self.read(|index| {
            let codes = index.table.codes().clone();
            (codes, index.graph.clone(), index.numbering)
        });
        let mut graph = old.as_deref().cloned().unwrap_or_default();
        graph.extend(&codes, graph.len() + graph.len().max(FIRST_GRAPH));
        let mut index = self.write();
        if index.numbering == numbering {
            index.graph = Some(Arc::new(graph));
        }
        // A large graph takes a while to free.
        drop(index);
        drop(old);
    }

    /// Copies the partition without its tombstones, a block at a time, builds the copy's graph and then
    /// catches up with what has changed meanwhile.
    fn compact(&self, graph_above: usize) {
        self.write().removed = Some(Vec::new());
        let mut next = Table::default();
        let mut copied = 0;
        self.copy_rest(&mut next, &mut copied);
        let graph = (next.live() > graph_above).then(|| {
            let mut graph = Graph::default();
            graph.extend(next.codes(), next.len());
            Arc::new(graph)
        });
        let mut many = true;
        while many {
            self.copy_rest(&mut next, &mut copied);
            let removed = self.write().removed.replace(Vec::new());
            let removed = removed.unwrap_or_default();
            for some in removed.chunks(BLOCK) {
                self.read(|index| next.follow(&index.table, some));
            }
            many = removed.len() > BLOCK;
        }
        let mut index = self.write();
        for place in copied..index.table.len() {
            next.copy(&index.table, place as u32);
        }
        let removed = index.removed.take().unwrap_or_default();
        next.follow(&index.table, &removed);
        let old = std::mem::replace(&mut index.table, next);
        let old_graph = std::mem::replace(&mut index.graph, graph);
        index.numbering += 1;
        drop(index);
        drop((old, old_graph));
    }

    /// Copies live entries from the place `copied` on, until less than a block is left.
    fn copy_rest(&self, next: &mut Table, copied: &mut usize) {
        let mut more = true;
        while more {
            more = self.read(|index| {
                let to = index.table.len().min(*copied + BLOCK);
                for place in *copied..to {
                    next.copy(&index.table, place as u32);
                }
                *copied = to;
                index.table.len() > to
            });
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn covered(&self) -> usize {
        self.graph.as_ref().map_or(0, |graph| graph.len())
    }

    fn work(&self, graph_above: usize) -> Option<Work> {
        let tail = self.table.len().saturating_sub(self.covered());
        let extend = if self.graph.is_some() {
            tail > TAIL.max(self.covered() / TAIL_SHARE)
        } else {
            self.table.live() > graph_above
        };
        if self.table.is_sparse() {
            Some(Work::Compact)
        } else {
            extend.then_some(Work::Extend)
        }
    }

    fn remove(&mut self, fingerprint: Fingerprint) {
        if !self.table.remove(fingerprint) {
            return;
        }
        if let Some(removed) = &mut self.removed {
            removed.push(fingerprint);
        } else if self.graph.is_none() && self.table.len() <= BLOCK && self.table.is_sparse() {
            // So little that it need not wait for a builder.
            self.table = self.table.without_gaps();
            self.numbering += 1;
        }
    }

    fn search(&self, query: &[i16], most: usize) -> Vec<Near> {
        let codes = self.table.codes();
        let most = most.min(self.table.live());
        if query.len() != codes.dimension() || most == 0 {
            return Vec::new();
        }
        let live = |place: u32| self.table.slot(place).is_some();
        let mut found: BinaryHeap<Reverse<Near>> = BinaryHeap::new();
        let mut offer = |near: Near| {
            let nearer = found.peek().is_none_or(|worst| near > worst.0);
            if (found.len() < most || nearer) && live(near.1) {
                found.push(Reverse(near));
                if found.len() > most {
                    found.pop();
                }
            }
        };
        if let Some(graph) = &self.graph {
            let near = graph.search(codes, query, EF_SEARCH.max(most), live);
            near.into_iter().for_each(&mut offer);
        }
        codes.scan(query, self.covered()).for_each(offer);
        let sorted = found.into_sorted_vec();
        sorted.into_iter().map(|Reverse(near)| near).collect()
    }
}
