//! The semantic tier: partitions of vectors, by the identity of everything but the question.
//!
//! It finds neighbours and says how near they are; whether one answers is `policy::admit`'s to say.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::partition::{Neighbour, Vectors};
use crate::{
    embed::Embedding,
    policy::{
        identity::{Fingerprint, Partition},
        wording::Wording,
    },
};

/// All partitions.
#[derive(Debug, Default)]
pub struct Semantic {
    partitions: RwLock<HashMap<Partition, Arc<Vectors>>>,
}

impl Semantic {
    /// Whether there is anything to compare with; an embedding for nothing can be saved.
    #[must_use]
    pub fn has(&self, partition: Partition) -> bool {
        self.get(partition)
            .is_some_and(|vectors| !vectors.is_empty())
    }

    /// The `most` nearest of a partition, nearest first.
    #[must_use]
    pub fn search(&self, partition: Partition, query: &Embedding, most: usize) -> Vec<Neighbour> {
        self.get(partition)
            .map_or_else(Vec::new, |vectors| vectors.search(query.as_slice(), most))
    }

    /// The `most` nearest to an entry of a partition, itself left out, nearest first.
    #[must_use]
    pub fn around(
        &self,
        partition: Partition,
        fingerprint: Fingerprint,
        most: usize,
    ) -> Vec<Neighbour> {
        self.get(partition)
            .map_or_else(Vec::new, |vectors| vectors.around(fingerprint, most))
    }

    /// The vector of an entry of a partition.
    #[must_use]
    pub fn vector(&self, partition: Partition, fingerprint: Fingerprint) -> Option<Vec<f32>> {
        self.get(partition)?.vector(fingerprint)
    }

    /// The nearest of all partitions that are `wanted`, nearest first, at most `most`. Each partition is
    /// asked for its `deep` nearest, so that some may be unwanted. Goes through all of them: not for a
    /// request.
    pub fn search_all(
        &self,
        query: &Embedding,
        (most, deep): (usize, usize),
        mut wanted: impl FnMut(&Neighbour) -> bool,
    ) -> Vec<Neighbour> {
        let mut nearest: Vec<Neighbour> = Vec::new();
        for (_, vectors) in self.partitions() {
            let least = (nearest.len() >= most)
                .then(|| nearest.last().map(|last| last.similarity))
                .flatten();
            let found = vectors.search(query.as_slice(), deep).into_iter();
            // Nearest first: what follows one that is too far is farther still.
            let near = found
                .take_while(|near| least.is_none_or(|least| near.similarity > least))
                .filter(&mut wanted);
            let before = nearest.len();
            nearest.extend(near.take(most));
            if nearest.len() > before {
                nearest.sort_by_key(|near| std::cmp::Reverse(near.similarity));
                nearest.truncate(most);
            }
        }
        nearest
    }

    /// Adds a question. Gives its partition back if that wants building.
    pub fn insert(
        &self,
        partition: Partition,
        fingerprint: Fingerprint,
        embedding: &Embedding,
        wording: Arc<Wording>,
        graph_above: usize,
    ) -> Option<Arc<Vectors>> {
        let vectors = match self.get(partition) {
            Some(vectors) => vectors,
            None => {
                let mut all = self
                    .partitions
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                Arc::clone(all.entry(partition).or_default())
            }
        };
        vectors.insert(fingerprint, embedding.as_slice(), wording);
        vectors.wants_building(graph_above).then_some(vectors)
    }

    /// Takes over a partition as [`Vectors::restore`] made it. Questions that came in meanwhile stay.
    /// Waits for a build of this partition, so it is not for a request.
    pub fn restore(&self, partition: Partition, vectors: Vectors) -> Arc<Vectors> {
        let restored = {
            let mut all = self
                .partitions
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(partition).or_default())
        };
        restored.adopt(vectors);
        restored
    }

    /// How many partitions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let all = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All partitions, for whoever saves their graphs.
    #[must_use]
    pub fn partitions(&self) -> Vec<(Partition, Arc<Vectors>)> {
        let all = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let pair =
            |(partition, vectors): (&Partition, &Arc<Vectors>)| (*partition, Arc::clone(vectors));
        all.iter().map(pair).collect()
    }

    /// Takes a question out. Gives its partition back if that wants compacting.
    pub fn remove(&self, partition: Partition, fingerprint: Fingerprint) -> Option<Arc<Vectors>> {
        let vectors = self.get(partition)?;
        vectors.remove(fingerprint);
        if vectors.is_empty() {
            let mut all = self
                .partitions
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            // Somebody may have added to it meanwhile, or be about to.
            if all
                .get(&partition)
                .is_some_and(|v| v.is_empty() && Arc::strong_count(v) <= 2)
            {
                all.remove(&partition);
            }
            return None;
        }
        vectors.wants_building(usize::MAX).then_some(vectors)
    }

    /// How many partitions and vectors there are, and how many partitions have a graph.
    #[must_use]
    pub fn size(&self) -> Size {
        let all = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut size = Size {
            partitions: all.len(),
            ..Size::default()
        };
        for vectors in all.values() {
            size.vectors += vectors.len();
            size.graphs += usize::from(vectors.has_graph());
        }
        size
    }

    /// Bytes held by vectors, tables and graphs of all partitions. Goes through all of them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let partitions = self.partitions();
        let entry = size_of::<(Partition, Arc<Vectors>)>();
        let bytes = |(_, vectors): &(Partition, Arc<Vectors>)| entry + vectors.bytes();
        partitions.iter().map(bytes).sum()
    }

    fn get(&self, partition: Partition) -> Option<Arc<Vectors>> {
        let all = self
            .partitions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        all.get(&partition).map(Arc::clone)
    }
}

/// The size of the semantic tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Partitions.
    pub partitions: usize,
    /// Live vectors.
    pub vectors: usize,
    /// Partitions with a graph.
    pub graphs: usize,
}
