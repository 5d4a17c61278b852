//! All entries, under one bound of bytes: by identical bytes, by equal request, by surface, by meaning.
//!
//! Invariant: an entry that is gone from the table of entries can't be found in any other way; the
//! other tables only point to it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use super::{
    disk::Disk,
    entry::{Entry, Freshness, Now},
    memory::Memory,
    partition::{Neighbour, PARTITION_BYTES, Vectors},
    pointer::{Alias, RawKey, Receipt},
    semantic::Semantic,
    vectors::VectorTable,
};
use crate::{
    clock::UnixMillis,
    embed::Embedding,
    policy::{
        identity::{ContextId, Fingerprint, Partition, Scope, Surface},
        selector::Selector,
    },
    telemetry::{names, tally::Tally},
};

/// How many pointers to entries are kept, at most: each of these tables takes its part of the bound,
/// and no more than it has a use for.
const POINTERS: u64 = 65_536;
/// What a pointer takes with its place in a table, in bytes.
const POINTER: u64 = 384;

mod operated;
mod saving;
mod size;

pub use self::{
    operated::Kept,
    size::{Purged, StoreSize},
};

/// The sizes of a store.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Everything that is held, in bytes.
    pub bytes: u64,
    /// The vectors that clients asked for, in bytes; beside the rest.
    pub vectors: u64,
    /// Questions of a partition above which it gets a graph.
    pub graph_above: usize,
}

/// Why an entry left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// To make room.
    Size,
    /// Its time was over.
    Expired,
    /// Somebody said so.
    Purged,
}

impl Left {
    fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Expired => "expired",
            Self::Purged => "purged",
        }
    }
}

/// All entries.
#[derive(Debug)]
pub struct Store {
    memory: Memory,
    surfaces: Mutex<HashMap<Surface, Fingerprint>>,
    semantic: Semantic,
    aliases: Cache<RawKey, Alias>,
    contexts: Cache<ContextId, (ContextId, Fingerprint)>,
    receipts: Cache<Box<str>, Receipt>,
    vectors: VectorTable,
    graph_above: usize,
    bytes: u64,
    generation: AtomicU64,
    purges: AtomicU64,
    /// Partitions of which much was removed.
    unpacked: Mutex<Vec<Arc<Vectors>>>,
    evictions: Tally,
    disk: Option<Disk>,
}

impl Store {
    /// An empty store, mirrored to `disk` from now on.
    #[must_use]
    pub fn new(bounds: Bounds, generation: u64, disk: Option<Disk>) -> Self {
        // Three tables of pointers, each a sixteenth of the bound at most.
        let pointers = (bounds.bytes / 16 / POINTER).min(POINTERS);
        let entries = bounds.bytes - 3 * pointers * POINTER;
        Self {
            memory: Memory::new(entries),
            surfaces: Mutex::default(),
            semantic: Semantic::default(),
            aliases: pointer_table("aliases", pointers),
            contexts: pointer_table("contexts", pointers),
            receipts: pointer_table("receipts", pointers),
            vectors: VectorTable::new(bounds.vectors),
            graph_above: bounds.graph_above,
            bytes: bounds.bytes,
            generation: AtomicU64::new(generation),
            purges: AtomicU64::new(0),
            unpacked: Mutex::default(),
            evictions: Tally::new(
                |word| metrics::counter!(names::CACHE_EVICTIONS, "tier" => "memory", "reason" => word),
            ),
            disk,
        }
    }

    /// The vectors that clients asked for.
    #[must_use]
    pub fn vectors(&self) -> &VectorTable {
        &self.vectors
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

    /// The conversation that this one is the same as.
    #[must_use]
    pub fn same_context(&self, context: ContextId) -> Option<ContextId> {
        self.contexts.get(&context).map(|(same, _)| same)
    }

    /// Says that a conversation is the same as another, by the answer of an entry.
    pub fn link_contexts(&self, context: ContextId, same_as: ContextId, entry: Fingerprint) {
        if context != same_as {
            self.contexts.insert(context, (same_as, entry));
        }
    }

    /// Forgets which bytes were answered: some of them may be answered otherwise now.
    pub fn forget_aliases(&self) {
        self.aliases.invalidate_all();
    }

    /// Whether there is an entry of this request.
    #[must_use]
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.memory.contains(fingerprint)
    }

    /// The entry of this request, whether or not it may answer.
    #[must_use]
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<Arc<Entry>> {
        self.memory.get(fingerprint)
    }

    /// Notes from what the answer with this id was given.
    pub fn issue(&self, id: &str, receipt: Receipt) {
        self.receipts.insert(id.into(), receipt);
    }

    /// From what the answer with this id was given; at most once.
    #[must_use]
    pub fn redeem(&self, id: &str, owner: Scope) -> Option<Receipt> {
        let receipt = self.receipts.get(id)?;
        (receipt.owner == owner).then(|| self.receipts.remove(id))?
    }

    /// The entry of an equal request, and whether it may answer now. One that never may again is
    /// forgotten.
    #[must_use]
    pub fn find(
        &self,
        fingerprint: &Fingerprint,
        now: UnixMillis,
        max_age: Option<Duration>,
    ) -> Option<(Arc<Entry>, Freshness)> {
        let entry = self.memory.get(fingerprint)?;
        let now = self.at(now);
        let freshness = entry.freshness(now, max_age);
        if entry.generation != now.generation {
            self.forget_this(&entry, Left::Expired, |_| true);
        }
        (freshness != Freshness::Dead).then_some((entry, freshness))
    }

    /// The entry of a request of the same surface.
    #[must_use]
    pub fn by_surface(&self, surface: &Surface) -> Option<Fingerprint> {
        self.surfaces().get(surface).copied()
    }

    /// Notes that an entry has answered.
    pub fn used(&self, entry: &Entry) {
        self.memory.used(entry);
    }

    /// Keeps an entry that the disk has already; says whether there was room for it, and nothing pinned in
    /// its place.
    pub fn hold(&self, entry: Arc<Entry>) -> bool {
        let (fingerprint, surface) = (entry.fingerprint, entry.surface);
        let is_question = entry.question.is_some();
        let inserted = self.memory.insert(entry);
        if let Some(replaced) = &inserted.replaced {
            // The vector of the same question stays where it is.
            if !is_question || inserted.refused {
                self.unlink(replaced);
            }
            if inserted.refused {
                self.erase(&fingerprint);
            }
        }
        for evicted in &inserted.evicted {
            self.unlink(evicted);
            self.erase(&evicted.fingerprint);
            self.left(Left::Size);
        }
        if let Some(surface) = surface.filter(|_| !inserted.refused) {
            self.surfaces().insert(surface, fingerprint);
            // It may have been evicted in between, with nobody left to take it out again.
            if !self.memory.contains(&fingerprint) {
                self.surfaces().remove(&surface);
            }
        }
        !inserted.refused
    }

    /// As [`Store::index`], of a vector that the disk has already.
    pub fn place(&self, entry: &Entry, embedding: &Embedding) -> Option<Arc<Vectors>> {
        let question = entry.question.as_ref()?;
        let fingerprint = entry.fingerprint;
        if !self.memory.contains(&fingerprint) {
            return None;
        }
        let wants = self.semantic.insert(
            question.partition,
            fingerprint,
            embedding,
            Arc::clone(&question.wording),
            self.graph_above,
        );
        if !self.memory.contains(&fingerprint) {
            self.detach(question.partition, fingerprint);
        }
        let partitions = self.semantic.len() * PARTITION_BYTES;
        for evicted in self.memory.share(partitions as u64) {
            self.unlink(&evicted);
            self.erase(&evicted.fingerprint);
            self.left(Left::Size);
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
    pub fn remove(&self, fingerprint: &Fingerprint) -> bool {
        let removed = self.memory.remove(fingerprint);
        removed.is_some_and(|entry| {
            self.purged(&entry);
            true
        })
    }

    fn purged(&self, entry: &Entry) {
        self.unlink(entry);
        self.erase(&entry.fingerprint);
        self.left(Left::Purged);
    }

    /// Forgets all entries that a selector means; with `dry_run`, only counts them. Looks at every
    /// entry: not for async workers.
    pub fn purge(&self, selector: &Selector, now: UnixMillis, dry_run: bool) -> Purged {
        let mut purged = Purged::default();
        if !dry_run {
            self.purges.fetch_add(1, Ordering::SeqCst);
        }
        self.memory.each(|entry| {
            if selector.selects(&entry.traits(now))
                && (dry_run || self.forget_this(entry, Left::Purged, |_| true))
            {
                purged.entries += 1;
                purged.bytes += entry.weight() as u64;
            }
        });
        let vectors = self.vectors.purge(selector, now, dry_run);
        purged.entries += vectors.entries;
        purged.bytes += vectors.bytes;
        purged
    }

    /// Forgets what has been stale for longer than `keep_stale`, or is of another generation.
    pub fn sweep(&self, now: UnixMillis, keep_stale: Duration) {
        let now = self.at(now);
        self.vectors.sweep(now);
        self.memory.each(|entry| match entry.freshness(now, None) {
            Freshness::Fresh => {}
            Freshness::Stale(since) if since < keep_stale => {}
            Freshness::Stale(_) => {
                // Somebody may have pinned it meanwhile.
                self.forget_this(entry, Left::Expired, |entry| !entry.is_pinned());
            }
            Freshness::Dead => {
                self.forget_this(entry, Left::Expired, |_| true);
            }
        });
    }

    /// How often something was purged. What was asked for before a purge is not kept after it.
    #[must_use]
    pub fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    /// The generation that entries have to be of.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Calls `look` with every entry, in no order.
    pub fn each(&self, look: impl FnMut(&Arc<Entry>)) {
        self.memory.each(look);
    }

    /// What freshness is measured against at this time.
    #[must_use]
    pub fn at(&self, time: UnixMillis) -> Now {
        Now {
            time,
            generation: self.generation(),
        }
    }

    fn forget_this(&self, entry: &Arc<Entry>, why: Left, may: impl FnOnce(&Entry) -> bool) -> bool {
        let removed = self.memory.remove_if(entry, may);
        if removed {
            self.unlink(entry);
            self.erase(&entry.fingerprint);
            self.left(why);
        }
        removed
    }

    fn left(&self, why: Left) {
        self.evictions.count(why.as_str());
    }

    /// Takes all that points to an entry out of the tables.
    fn unlink(&self, entry: &Entry) {
        if let Some(question) = &entry.question {
            self.detach(question.partition, entry.fingerprint);
        }
        if let Some(surface) = entry.surface {
            let mut surfaces = self.surfaces();
            if surfaces.get(&surface) == Some(&entry.fingerprint) {
                surfaces.remove(&surface);
            }
        }
    }

    /// Takes a vector out. A partition that is mostly gaps by then is packed when it is built next.
    fn detach(&self, partition: Partition, fingerprint: Fingerprint) {
        if let Some(vectors) = self.semantic.remove(partition, fingerprint) {
            self.unpacked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(vectors);
        }
    }

    /// Packs the partitions of which much was removed. Takes its time: not for async workers.
    pub fn pack(&self) {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        let unpacked: Vec<_> = unpacked.drain(..).collect();
        for vectors in unpacked {
            self.build(&vectors);
        }
    }

    fn surfaces(&self) -> std::sync::MutexGuard<'_, HashMap<Surface, Fingerprint>> {
        self.surfaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pointer_table<K, V>(name: &str, most: u64) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().name(name).max_capacity(most).build()
}
