//! Vectors that clients asked for, by item: a text, or a list of tokens, under the settings that shape its vector.
//!
//! In memory only, under a bound of its own: an item costs little to ask for again, and its vector, kilobytes long,
//! would push answers out that cost more. Whoever has not been asked for longest goes first. Invariant: a vector that is
//! too old, or of another generation, is never found.

use std::{sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};

use super::{entry::Now, store::Purged};
use crate::{
    clock::UnixMillis,
    ident::{ModelId, Namespace, ProviderName, Tag},
    policy::{
        identity::{Fingerprint, Scope},
        selector::{Selector, Traits},
    },
    units::{Price, Tokens},
    wire::embeddings::Vector,
};

/// What a kept vector takes beside its numbers, in bytes: its key twice, two reference counts, a place in the table.
const PLACE: usize = 256;

/// Where vectors come from that were made by one call.
#[derive(Debug)]
pub struct Origin {
    /// Who made them.
    pub provider: ProviderName,
    /// What the provider calls the model.
    pub model: ModelId,
    /// What the provider's answer calls it.
    pub named: Box<str>,
    /// What the client called it.
    pub asked_model: Box<str>,
    /// What the model costs.
    pub price: Option<Price>,
    /// Whose they are.
    pub scope: Scope,
    /// The part of the scope that the request named.
    pub namespace: Option<Namespace>,
    /// What the request called them, for invalidation.
    pub tags: Box<[Tag]>,
    /// Since when they are kept.
    pub stored: UnixMillis,
    /// For how long they may be found.
    pub ttl: Duration,
    /// Which generation of the cache they belong to.
    pub generation: u64,
}

/// A kept vector.
#[derive(Debug)]
pub struct Kept {
    /// The vector.
    pub vector: Vector,
    /// How many tokens its item has; `None` if the provider did not count.
    pub tokens: Option<Tokens>,
    /// Where it comes from.
    pub origin: Arc<Origin>,
}

impl Kept {
    fn weight(&self) -> usize {
        self.vector.bytes().saturating_add(PLACE)
    }

    fn is_dead(&self, now: Now) -> bool {
        let age = now.time.since(self.origin.stored);
        self.origin.generation != now.generation || age >= self.origin.ttl
    }
}

/// All kept vectors.
#[derive(Debug)]
pub struct VectorTable(Cache<Fingerprint, Arc<Kept>>);

impl VectorTable {
    /// An empty table for vectors of so many bytes together; of none, if that is zero.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let weight =
            |_: &Fingerprint, kept: &Arc<Kept>| u32::try_from(kept.weight()).unwrap_or(u32::MAX);
        let table = Cache::builder()
            .name("vectors")
            .max_capacity(bytes)
            .weigher(weight)
            .eviction_policy(EvictionPolicy::lru());
        Self(table.build())
    }

    /// The vector of this item, if it may be given now and is not older than `max_age`.
    #[must_use]
    pub fn find(
        &self,
        item: &Fingerprint,
        now: Now,
        max_age: Option<Duration>,
    ) -> Option<Arc<Kept>> {
        let kept = self.0.get(item)?;
        if kept.is_dead(now) {
            self.0.invalidate(item);
            return None;
        }
        let age = now.time.since(kept.origin.stored);
        max_age.is_none_or(|most| age <= most).then_some(kept)
    }

    /// Whether anything is kept at all.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.0.policy().max_capacity() != Some(0)
    }

    /// Keeps the vector of an item, in place of an older one.
    pub fn insert(&self, item: Fingerprint, kept: Arc<Kept>) {
        if self.has_room() {
            self.0.insert(item, kept);
        }
    }

    /// Forgets the vector of an item.
    pub fn remove(&self, item: &Fingerprint) {
        self.0.invalidate(item);
    }

    /// Forgets all that a selector means; with `dry_run`, only counts it. A vector has no prompt, since its text is not
    /// kept: no beginning of one means it. Looks at every vector: not for async workers.
    pub fn purge(&self, selector: &Selector, now: UnixMillis, dry_run: bool) -> Purged {
        let mut purged = Purged::default();
        for (item, kept) in &self.0 {
            let origin = &kept.origin;
            let traits = Traits {
                id: *item,
                scope: origin.scope,
                is_pinned: false,
                tags: &origin.tags,
                namespace: origin.namespace.as_ref(),
                models: [&origin.asked_model, origin.model.as_str()],
                age: now.since(origin.stored),
                prompt: "",
                generation: origin.generation,
            };
            if selector.selects(&traits) {
                purged.entries += 1;
                purged.bytes += kept.weight() as u64;
                if !dry_run {
                    self.0.invalidate(&*item);
                }
            }
        }
        purged
    }

    /// Forgets what may never be given again. Looks at every vector: not for async workers.
    pub fn sweep(&self, now: Now) {
        for (item, kept) in &self.0 {
            if kept.is_dead(now) {
                self.0.invalidate(&*item);
            }
        }
        self.0.run_pending_tasks();
    }

    /// How many vectors there are, and how many bytes they take; about, while they come and go.
    #[must_use]
    pub fn size(&self) -> Purged {
        Purged {
            entries: self.0.entry_count(),
            bytes: self.0.weighted_size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(number: u8) -> Fingerprint {
        Fingerprint::of([number; 32])
    }

    fn at(seconds: u64, generation: u64) -> Now {
        Now {
            time: UnixMillis(seconds * 1000),
            generation,
        }
    }

    fn kept(stored: u64, dimension: usize) -> Arc<Kept> {
        let origin = Origin {
            provider: ProviderName::new("main").unwrap(),
            model: ModelId::new("embed-small").unwrap(),
            named: "embed-small-1".into(),
            asked_model: "house".into(),
            price: None,
            scope: Scope::of([7; 32]),
            namespace: Namespace::new("docs").ok(),
            tags: [Tag::new("faq").unwrap()].into(),
            stored: UnixMillis(stored * 1000),
            ttl: Duration::from_secs(10),
            generation: 1,
        };
        Arc::new(Kept {
            vector: Vector::of(&vec![0.5; dimension]).unwrap(),
            tokens: Some(Tokens(3)),
            origin: Arc::new(origin),
        })
    }

    #[test]
    fn a_vector_is_found_while_it_is_young() {
        let table = VectorTable::new(1 << 20);
        let put = || table.insert(item(1), kept(100, 4));
        put();
        let found = |now, max_age: Option<u64>| {
            let kept = table.find(&item(1), now, max_age.map(Duration::from_secs));
            kept.is_some()
        };
        assert!(found(at(100, 1), None) && found(at(109, 1), None));
        assert!(found(at(105, 1), Some(5)) && !found(at(106, 1), Some(5)));
        // A clock that goes back makes nothing older.
        assert!(found(at(5, 1), Some(0)));
        assert!(!found(at(110, 1), None) && !found(at(100, 1), None));
        put();
        assert!(!found(at(100, 2), None) && !found(at(100, 1), None));
    }

    #[test]
    fn what_is_not_asked_for_makes_room() {
        let table = VectorTable::new(3 * (PLACE as u64 + 400));
        for number in 1..=3 {
            table.insert(item(number), kept(100, 100));
        }
        table.0.run_pending_tasks();
        let is_there = |number| table.find(&item(number), at(100, 1), None).is_some();
        assert!(is_there(1) && is_there(2) && is_there(3) && is_there(1));
        table.0.run_pending_tasks();
        table.insert(item(4), kept(100, 100));
        table.0.run_pending_tasks();
        assert!(is_there(4) && is_there(1) && !is_there(2));
        assert!(table.size().bytes <= 3 * (PLACE as u64 + 400));
        // One that never fits, and a table without room.
        table.insert(item(5), kept(100, 1000));
        table.0.run_pending_tasks();
        assert!(!is_there(5) && is_there(4));
        let none = VectorTable::new(0);
        none.insert(item(1), kept(100, 1));
        assert!(none.find(&item(1), at(100, 1), None).is_none());
    }

    #[test]
    fn purges_select_as_they_do_answers() {
        let purge = |selector: Selector, dry_run| {
            let table = VectorTable::new(1 << 20);
            table.insert(item(1), kept(100, 4));
            let purged = table.purge(&selector, UnixMillis(105_000), dry_run).entries;
            (purged, table.find(&item(1), at(105, 1), None).is_some())
        };
        let with = |change: fn(&mut Selector)| {
            let mut selector = Selector::default();
            change(&mut selector);
            selector
        };
        for selector in [
            with(|s| s.everything = true),
            with(|s| s.tag = Tag::new("faq").ok()),
            with(|s| s.namespace = Namespace::new("docs").ok()),
            with(|s| s.model = Some("house".into())),
            with(|s| s.model = Some("embed-small".into())),
            with(|s| s.older_than = Some(Duration::from_secs(5))),
            with(|s| s.id = Some(item(1))),
            with(|s| s.scope = Some(Scope::of([7; 32]))),
            with(|s| s.pinned = Some(false)),
        ] {
            assert_eq!(purge(selector.clone(), true), (1, true), "{selector:?}");
            assert_eq!(purge(selector.clone(), false), (1, false), "{selector:?}");
        }
        for selector in [
            Selector::default(),
            with(|s| s.tag = Tag::new("other").ok()),
            with(|s| s.prompt_prefix = Some("a".into())),
            with(|s| s.scope = Some(Scope::of([8; 32]))),
            with(|s| s.pinned = Some(true)),
            with(|s| s.younger_than = Some(Duration::from_secs(5))),
            with(|s| s.older_than = Some(Duration::from_secs(6))),
        ] {
            assert_eq!(purge(selector.clone(), false), (0, true), "{selector:?}");
        }
    }

    #[test]
    fn the_dead_are_swept() {
        let table = VectorTable::new(1 << 20);
        table.insert(item(1), kept(100, 4));
        table.insert(item(2), kept(105, 4));
        table.sweep(at(110, 1));
        assert_eq!(table.size().entries, 1);
        table.sweep(at(110, 2));
        assert_eq!(table.size().entries, 0);
    }
}
