//! The vectors of one partition: a flat scan while they are few, a graph besides when they are many.
//!
//! New vectors are always appended to the flat part; the graph covers a prefix of it and is extended
//! aside, so that no request waits for it. Deleting leaves a gap; when a quarter are gaps, the
//! partition is packed and its graph built anew. Invariant: a search sees every live vector, by graph
//! or by scan.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use hnsw_rs::prelude::{Distance, Hnsw};

use crate::{
    embed::dot,
    policy::{identity::Fingerprint, wording::Wording},
    units::Similarity,
};

/// Neighbours of a graph node. Malkov & Yashunin, <https://arxiv.org/abs/1603.09320> §4.1: 5–48.
const CONNECTIONS: usize = 24;
/// Candidates while building and searching: recall against speed.
const EF_CONSTRUCTION: usize = 200;
const EF_SEARCH: usize = 96;
/// Vectors behind the graph's end that are scanned before it is extended.
const TAIL: usize = 512;

/// The memory that a vector takes.
#[must_use]
pub fn entry_bytes() -> usize {
    2 * 384 * 4 + 1024
}

/// A near neighbour.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// How near.
    pub similarity: Similarity,
    /// The entry.
    pub fingerprint: Fingerprint,
    /// Its question.
    pub wording: Arc<Wording>,
}

/// The distance of unit vectors, 0 (same) to 2 (opposite).
#[derive(Debug, Clone, Copy, Default)]
struct UnitDistance;

impl Distance<f32> for UnitDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - dot(a, b)).max(0.0)
    }
}

struct Graph {
    hnsw: Hnsw<'static, f32, UnitDistance>,
}

struct Slot {
    fingerprint: Fingerprint,
    wording: Arc<Wording>,
}

#[derive(Default)]
struct Flat {
    /// `None` is a gap.
    slots: Vec<Option<Slot>>,
    places: HashMap<Fingerprint, usize>,
    vectors: Vec<f32>,
    dimension: usize,
    gaps: usize,
    graph: Option<Arc<Graph>>,
    /// How many slots, from the first, are in the graph.
    covered: usize,
    /// Counts packings: a graph built for an older numbering is thrown away.
    packings: u64,
}

/// The vectors of one partition.
#[derive(Default)]
pub struct Vectors {
    flat: RwLock<Flat>,
    /// Held by whoever builds.
    building: Mutex<()>,
}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vectors")
            .field("live", &self.len())
            .finish_non_exhaustive()
    }
}

impl Vectors {
    /// How many live vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read(|flat| flat.slots.len() - flat.gaps)
    }

    /// Whether there is no live vector.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a graph is in use.
    #[must_use]
    pub fn has_graph(&self) -> bool {
        self.read(|flat| flat.graph.is_some())
    }

    /// Adds a vector, or replaces the one of this fingerprint.
    pub fn insert(&self, fingerprint: Fingerprint, vector: &[f32], wording: Arc<Wording>) {
        self.remove(fingerprint);
        let mut flat = self.flat.write().unwrap_or_else(PoisonError::into_inner);
        if flat.dimension == 0 {
            flat.dimension = vector.len();
        }
        if flat.dimension == vector.len() {
            flat.vectors.extend_from_slice(vector);
            let place = flat.slots.len();
            flat.places.insert(fingerprint, place);
            flat.slots.push(Some(Slot {
                fingerprint,
                wording,
            }));
        }
    }

    /// Takes a vector out. Does nothing if there is none.
    pub fn remove(&self, fingerprint: Fingerprint) {
        let mut flat = self.flat.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = flat.places.remove(&fingerprint)
            && let Some(slot) = flat.slots.get_mut(at)
        {
            *slot = None;
            flat.gaps += 1;
            if flat.gaps * 4 > flat.slots.len() {
                flat.pack();
            }
        }
    }

    /// The `most` nearest, nearest first.
    #[must_use]
    pub fn search(&self, query: &[f32], most: usize) -> Vec<Neighbour> {
        self.read(|flat| {
            if flat.dimension != query.len() {
                return Vec::new();
            }
            let mut found: Vec<(Similarity, usize)> = Vec::new();
            let mut scan_from = 0;
            if let Some(graph) = &flat.graph {
                // Gaps may be among the nearest: ask for more.
                let near = graph.hnsw.search(query, most * 2, EF_SEARCH);
                found.extend(near.iter().filter_map(|neighbour| {
                    let similarity = Similarity::new(1.0 - neighbour.distance)?;
                    let live = flat.slots.get(neighbour.d_id).is_some_and(Option::is_some);
                    live.then_some((similarity, neighbour.d_id))
                }));
                scan_from = flat.covered;
            }
            let rest = flat
                .vectors
                .chunks_exact(flat.dimension)
                .enumerate()
                .skip(scan_from);
            for (at, vector) in rest {
                if flat.slots.get(at).is_some_and(Option::is_some) {
                    found.extend(Similarity::new(dot(query, vector)).map(|near| (near, at)));
                }
            }
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.truncate(most);
            let neighbour = |(similarity, at): (Similarity, usize)| {
                let slot = flat.slots.get(at)?.as_ref()?;
                Some(Neighbour {
                    similarity,
                    fingerprint: slot.fingerprint,
                    wording: Arc::clone(&slot.wording),
                })
            };
            found.into_iter().filter_map(neighbour).collect()
        })
    }

    /// Whether [`Vectors::build`] has something to do.
    #[must_use]
    pub fn wants_building(&self, graph_above: usize) -> bool {
        self.read(|flat| flat.wants_building(graph_above))
    }

    /// Builds or extends the graph. Takes milliseconds to seconds: not for a request to wait for.
    pub fn build(&self, graph_above: usize) {
        // Somebody else is at it, and will see what is new.
        let Ok(_builder) = self.building.try_lock() else {
            return;
        };
        loop {
            let (graph, packings, from, dimension, vectors) = {
                let flat = self.flat.read().unwrap_or_else(PoisonError::into_inner);
                if !flat.wants_building(graph_above) {
                    return;
                }
                let from = flat.graph.as_ref().map_or(0, |_| flat.covered);
                let new = flat
                    .vectors
                    .get(from * flat.dimension..)
                    .unwrap_or_default()
                    .to_vec();
                (flat.graph.clone(), flat.packings, from, flat.dimension, new)
            };
            let graph = graph.unwrap_or_else(|| {
                let expected = (vectors.len() / dimension.max(1)) * 2;
                let layers = 16;
                Arc::new(Graph {
                    hnsw: Hnsw::new(CONNECTIONS, expected, layers, EF_CONSTRUCTION, UnitDistance),
                })
            });
            let mut covered = from;
            for vector in vectors.chunks_exact(dimension) {
                graph.hnsw.insert_slice((vector, covered));
                covered += 1;
            }
            let mut flat = self.flat.write().unwrap_or_else(PoisonError::into_inner);
            if flat.packings == packings {
                flat.graph = Some(graph);
                flat.covered = covered;
            }
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Flat) -> T) -> T {
        look(&self.flat.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Flat {
    fn wants_building(&self, graph_above: usize) -> bool {
        if self.graph.is_some() {
            self.slots.len() - self.covered > TAIL
        } else {
            self.slots.len() - self.gaps > graph_above
        }
    }

    fn pack(&mut self) {
        let mut vectors = Vec::with_capacity((self.slots.len() - self.gaps) * self.dimension);
        for (slot, vector) in self
            .slots
            .iter()
            .zip(self.vectors.chunks_exact(self.dimension.max(1)))
        {
            if slot.is_some() {
                vectors.extend_from_slice(vector);
            }
        }
        self.vectors = vectors;
        self.slots.retain(Option::is_some);
        let live = self.slots.iter().flatten().map(|slot| slot.fingerprint);
        self.places = live.zip(0..).collect();
        (self.gaps, self.covered, self.graph) = (0, 0, None);
        self.packings += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(random: &mut fastrand::Rng) -> Vec<f32> {
        let mut vector: Vec<f32> = (0..32).map(|_| random.f32() - 0.5).collect();
        let length = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    }

    fn id(number: usize) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Fingerprint::of(bytes)
    }

    fn nearest(vectors: &Vectors, query: &[f32]) -> Option<Fingerprint> {
        vectors
            .search(query, 1)
            .first()
            .map(|neighbour| neighbour.fingerprint)
    }

    #[test]
    fn graph_and_scan_find_the_same() {
        let mut random = fastrand::Rng::with_seed(1);
        let all: Vec<Vec<f32>> = (0..1500).map(|_| unit(&mut random)).collect();
        let vectors = Vectors::default();
        for (number, vector) in all.iter().enumerate() {
            vectors.insert(id(number), vector, Arc::default());
        }
        let queries: Vec<Vec<f32>> = (0..200).map(|_| unit(&mut random)).collect();
        let flat: Vec<_> = queries
            .iter()
            .map(|query| nearest(&vectors, query))
            .collect();
        assert!(vectors.wants_building(1000) && !vectors.has_graph());
        vectors.build(1000);
        assert!(vectors.has_graph() && !vectors.wants_building(1000));
        let same = queries
            .iter()
            .zip(&flat)
            .filter(|(query, flat)| nearest(&vectors, query) == **flat);
        assert!(same.count() >= 195, "recall@1 of the graph is below 97.5 %");
    }

    #[test]
    fn what_comes_after_the_graph_is_found_and_what_is_removed_is_not() {
        let mut random = fastrand::Rng::with_seed(2);
        let all: Vec<Vec<f32>> = (0..400).map(|_| unit(&mut random)).collect();
        let vectors = Vectors::default();
        for (number, vector) in all.iter().enumerate() {
            if number == 300 {
                vectors.build(100);
            }
            vectors.insert(id(number), vector, Arc::default());
        }
        for (number, vector) in all.iter().enumerate() {
            assert_eq!(nearest(&vectors, vector), Some(id(number)));
        }
        for (number, vector) in all.iter().enumerate().take(350) {
            vectors.remove(id(number));
            assert_ne!(nearest(&vectors, vector), Some(id(number)));
        }
        assert_eq!(vectors.len(), 50);
        assert!(!vectors.has_graph(), "packing starts over");
        vectors.build(10);
        for (number, vector) in all.iter().enumerate().skip(350) {
            assert_eq!(nearest(&vectors, vector), Some(id(number)));
        }
    }

    #[test]
    fn an_entry_is_in_it_once() {
        let mut random = fastrand::Rng::with_seed(3);
        let vectors = Vectors::default();
        let (old, new) = (unit(&mut random), unit(&mut random));
        vectors.insert(id(1), &old, Arc::default());
        vectors.insert(id(1), &new, Arc::default());
        assert_eq!(vectors.len(), 1);
        assert!(vectors.search(&new, 5)[0].similarity.get() > 0.999);
    }
}
