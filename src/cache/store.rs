//! All entries, under one bound of bytes: by identical bytes, by equal request, by meaning.
//!
//! Invariant: an entry that is gone from the exact tier can't be found by any other; the others only
//! point to it.

use std::sync::Arc;

use moka::{notification::RemovalCause, sync::Cache};

use super::{
    entry::Entry,
    partition::{Neighbour, Vectors},
    semantic::{Semantic, Size},
};
use crate::{
    embed::Embedding,
    policy::{
        identity::{Fingerprint, Partition, Scope},
        wording::Wording,
    },
    wire::chat::Delivery,
};

/// The hash of a scope and the very bytes of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawKey([u8; 32]);

impl RawKey {
    /// The key of these bytes in this scope.
    #[must_use]
    pub fn new(scope: Scope, body: &[u8]) -> Self {
        Self(scope.digest(body))
    }
}

/// What is known of a body that was seen before: everything that answering it takes.
#[derive(Debug, Clone, Copy)]
pub struct Alias {
    /// Its own entry, if there is one.
    pub fingerprint: Fingerprint,
    /// The entry of the same question in other words, which answers as long as it has none.
    pub paraphrase_of: Option<Fingerprint>,
    /// How it wants its answer.
    pub delivery: Delivery,
}

/// All entries.
#[derive(Debug)]
pub struct Store {
    exact: Cache<Fingerprint, Arc<Entry>>,
    aliases: Cache<RawKey, Alias>,
    semantic: Arc<Semantic>,
    graph_above: usize,
}

/// How many bodies are remembered by their bytes; about 100 bytes each.
const ALIASES: u64 = 65_536;

impl Store {
    /// A store that holds at most `max_bytes`, and builds a graph for partitions of more than
    /// `graph_above` questions.
    #[must_use]
    pub fn new(max_bytes: u64, graph_above: usize) -> Self {
        let semantic = Arc::new(Semantic::default());
        let forget = Arc::clone(&semantic);
        let exact = Cache::builder()
            .name("exact")
            .max_capacity(max_bytes)
            .weigher(|_: &Fingerprint, entry: &Arc<Entry>| {
                u32::try_from(entry.weight()).unwrap_or(u32::MAX)
            })
            .eviction_listener(move |fingerprint: Arc<Fingerprint>, entry: Arc<Entry>, cause| {
                if cause != RemovalCause::Replaced
                    && let Some(partition) = entry.partition
                {
                    forget.remove(partition, *fingerprint);
                }
                if cause == RemovalCause::Size {
                    metrics::counter!(crate::telemetry::names::CACHE_EVICTIONS, "tier" => "memory", "reason" => "size").increment(1);
                }
            })
            .build();
        let aliases = Cache::builder()
            .name("aliases")
            .max_capacity(ALIASES)
            .build();
        Self {
            exact,
            aliases,
            semantic,
            graph_above,
        }
    }

    /// What is known of these bytes.
    #[must_use]
    pub fn alias(&self, key: &RawKey) -> Option<Alias> {
        self.aliases.get(key)
    }

    /// Remembers these bytes.
    pub fn remember(&self, key: RawKey, alias: Alias) {
        self.aliases.insert(key, alias);
    }

    /// The entry of an equal request.
    #[must_use]
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<Arc<Entry>> {
        self.exact.get(fingerprint)
    }

    /// Keeps an entry, in place of an older one.
    pub fn insert(&self, fingerprint: Fingerprint, entry: Arc<Entry>) {
        self.exact.insert(fingerprint, entry);
    }

    /// Lets questions of the same meaning find an entry, if it is still there. Gives the partition
    /// back if it wants building.
    pub fn index(
        &self,
        partition: Partition,
        fingerprint: Fingerprint,
        embedding: &Embedding,
        wording: Arc<Wording>,
    ) -> Option<Arc<Vectors>> {
        if !self.exact.contains_key(&fingerprint) {
            return None;
        }
        let wants =
            self.semantic
                .insert(partition, fingerprint, embedding, wording, self.graph_above);
        // It may have been evicted in between, with nobody left to take it out again.
        if !self.exact.contains_key(&fingerprint) {
            self.semantic.remove(partition, fingerprint);
        }
        wants
    }

    /// Builds the graph of a partition.
    pub fn build(&self, vectors: &Vectors) {
        vectors.build(self.graph_above);
    }

    /// Whether a partition has questions to compare with.
    #[must_use]
    pub fn has_neighbours(&self, partition: Partition) -> bool {
        self.semantic.has(partition)
    }

    /// The nearest questions of a partition, nearest first.
    #[must_use]
    pub fn neighbours(
        &self,
        partition: Partition,
        query: &Embedding,
        most: usize,
    ) -> Vec<Neighbour> {
        self.semantic.search(partition, query, most)
    }

    /// Forgets an entry.
    pub fn remove(&self, fingerprint: &Fingerprint) {
        self.exact.invalidate(fingerprint);
    }

    /// How much it holds.
    #[must_use]
    pub fn size(&self) -> StoreSize {
        self.exact.run_pending_tasks();
        StoreSize {
            entries: self.exact.entry_count(),
            bytes: self.exact.weighted_size(),
            semantic: self.semantic.size(),
        }
    }
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSize {
    /// Entries.
    pub entries: u64,
    /// Bytes, all tiers.
    pub bytes: u64,
    /// The semantic tier.
    pub semantic: Size,
}
