//! The table of entries, under a hard bound of bytes.
//!
//! Sharded, so that hits share only a read lock of their shard. When there is no room, the least
//! worthy of a sample goes (`policy::worth` says which that is): sampling needs no order that every hit
//! would have to keep up. What an operator has pinned is passed over, and gives its place to no other
//! answer of the same request; it may take half of the bound. Invariant: what is accounted for is never
//! more than the bound once an insert has returned, and everything that leaves is handed back to the
//! caller.

use std::sync::{
    Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicU64, Ordering},
};

use indexmap::IndexMap;

use super::entry::Entry;
use crate::policy::{identity::Fingerprint, worth::Priority};

const SHARDS: usize = 16;
/// Entries that are looked at to find one to evict: of sixteen, the least worthy is among the least
/// worthy sixth of all with 95 %.
const SAMPLE: usize = 16;

type Shard = RwLock<IndexMap<Fingerprint, Arc<Entry>>>;

/// All entries.
#[derive(Debug)]
pub struct Memory {
    shards: [Shard; SHARDS],
    bound: u64,
    bytes: AtomicU64,
    /// Bytes of tables that belong to no entry alone.
    shared: AtomicU64,
    /// Bytes of entries that are pinned, and how many these are. Changed with their flags, under the lock of
    /// their shard.
    pinned_bytes: AtomicU64,
    pinned: AtomicU64,
    /// The priority of what was evicted last.
    floor: AtomicU64,
}

/// What an insert has pushed out.
#[derive(Debug, Default)]
pub struct Inserted {
    /// The entry of the same request that was there.
    pub replaced: Option<Arc<Entry>>,
    /// What had to make room.
    pub evicted: Vec<Arc<Entry>>,
    /// Whether the entry itself found no place: it is larger than the bound, or what is there is pinned.
    pub refused: bool,
}

/// What has become of the wish to pin an entry, or to unpin it.
#[derive(Debug, Clone)]
pub enum Pinned {
    /// It is as it was wished for.
    Done(Arc<Entry>),
    /// There is no such entry.
    Absent,
    /// Pinned entries would take more than [`Memory::pinnable`].
    Full,
}

impl Memory {
    /// A table for `bound` bytes.
    #[must_use]
    pub fn new(bound: u64) -> Self {
        Self {
            shards: Default::default(),
            bound,
            bytes: AtomicU64::new(0),
            shared: AtomicU64::new(0),
            pinned_bytes: AtomicU64::new(0),
            pinned: AtomicU64::new(0),
            floor: AtomicU64::new(Priority::NONE.to_bits()),
        }
    }

    /// The entry of this request.
    #[must_use]
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<Arc<Entry>> {
        self.read(fingerprint)?.get(fingerprint).map(Arc::clone)
    }

    /// Whether there is an entry of this request.
    #[must_use]
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.read(fingerprint)
            .is_some_and(|shard| shard.contains_key(fingerprint))
    }

    /// Notes that an entry has answered.
    pub fn used(&self, entry: &Entry) {
        entry.used(self.floor());
    }

    /// Keeps an entry, in place of one of the same request. A pinned one is replaced by a pinned one
    /// alone. What is pinned beyond half of the bound, as it may come from a file, is kept unpinned.
    #[must_use]
    pub fn insert(&self, entry: Arc<Entry>) -> Inserted {
        let mut inserted = Inserted::default();
        let weight = entry.weight() as u64;
        if self.yields(&entry) {
            inserted.refused = true;
            return inserted;
        }
        if weight > self.bound {
            inserted.refused = true;
            inserted.replaced = self.remove(&entry.fingerprint);
            return inserted;
        }
        entry.rate_anew(self.floor());
        // Accounted for before it is there, so that two inserts can't both find the same room.
        self.bytes.fetch_add(weight, Ordering::Relaxed);
        inserted.evicted = self.make_room();
        if let Some(mut shard) = self.write(&entry.fingerprint) {
            // Somebody may have pinned it meanwhile.
            let is_there = shard.get(&entry.fingerprint);
            if is_there.is_some_and(|kept| stays_before(kept, &entry)) {
                drop(shard);
                self.bytes.fetch_sub(weight, Ordering::Relaxed);
                inserted.refused = true;
                return inserted;
            }
            let replaced = shard.swap_remove(&entry.fingerprint);
            replaced.iter().for_each(|replaced| self.gone(replaced));
            inserted.replaced = replaced;
            if entry.is_pinned() && !self.pins(weight) {
                entry.pinned.store(false, Ordering::Relaxed);
            }
            shard.insert(entry.fingerprint, entry);
        }
        inserted
    }

    /// Whether what is kept of this request is pinned, and the entry is not.
    fn yields(&self, entry: &Entry) -> bool {
        self.pinned.load(Ordering::Relaxed) > 0
            && (self.get(&entry.fingerprint)).is_some_and(|kept| stays_before(&kept, entry))
    }

    /// Has an entry stay, whatever its time and worth; or no longer.
    #[must_use]
    pub fn pin(&self, fingerprint: &Fingerprint, pinned: bool) -> Pinned {
        let Some(shard) = self.write(fingerprint) else {
            return Pinned::Absent;
        };
        let Some(entry) = shard.get(fingerprint) else {
            return Pinned::Absent;
        };
        match (entry.is_pinned(), pinned) {
            (true, false) => self.unpins(entry),
            (false, true) if !self.pins(entry.weight() as u64) => return Pinned::Full,
            (false, true) | (true, true) | (false, false) => {}
        }
        entry.pinned.store(pinned, Ordering::Relaxed);
        Pinned::Done(Arc::clone(entry))
    }

    /// The bytes that entries may take which are not pinned.
    #[must_use]
    pub fn room(&self) -> u64 {
        let pinned = self.pinned_bytes.load(Ordering::Relaxed);
        self.bound.saturating_sub(pinned)
    }

    /// How many entries are pinned.
    #[must_use]
    pub fn pinned(&self) -> u64 {
        self.pinned.load(Ordering::Relaxed)
    }

    /// The most bytes that pinned entries may take.
    #[must_use]
    pub fn pinnable(&self) -> u64 {
        self.bound / 2
    }

    /// Accounts for one more that is pinned, if there is room for it.
    fn pins(&self, weight: u64) -> bool {
        let most = self.pinnable();
        let add = |bytes: u64| bytes.checked_add(weight).filter(|sum| *sum <= most);
        let added = (self.pinned_bytes)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_ok();
        if added {
            self.pinned.fetch_add(1, Ordering::Relaxed);
        }
        added
    }

    fn unpins(&self, entry: &Entry) {
        (self.pinned_bytes).fetch_sub(entry.weight() as u64, Ordering::Relaxed);
        self.pinned.fetch_sub(1, Ordering::Relaxed);
    }

    /// Accounts for an entry that has just left its shard, which is still locked.
    fn gone(&self, entry: &Entry) {
        (self.bytes).fetch_sub(entry.weight() as u64, Ordering::Relaxed);
        if entry.is_pinned() {
            self.unpins(entry);
        }
    }

    /// Says how many bytes the tables take that belong to no entry alone, and makes room for them.
    #[must_use]
    pub fn share(&self, bytes: u64) -> Vec<Arc<Entry>> {
        self.shared.store(bytes, Ordering::Relaxed);
        self.make_room()
    }

    fn make_room(&self) -> Vec<Arc<Entry>> {
        let mut evicted = Vec::new();
        while self.bytes() > self.bound {
            let Some(entry) = self.evict() else { break };
            evicted.push(entry);
        }
        evicted
    }

    /// Takes an entry out.
    pub fn remove(&self, fingerprint: &Fingerprint) -> Option<Arc<Entry>> {
        let mut shard = self.write(fingerprint)?;
        let removed = shard.swap_remove(fingerprint)?;
        self.gone(&removed);
        Some(removed)
    }

    /// Takes an entry out unless it is pinned.
    pub fn remove_unpinned(&self, fingerprint: &Fingerprint) -> Option<Arc<Entry>> {
        let mut shard = self.write(fingerprint)?;
        if shard.get(fingerprint)?.is_pinned() {
            return None;
        }
        let removed = shard.swap_remove(fingerprint)?;
        self.gone(&removed);
        Some(removed)
    }

    /// Takes out this very entry, unless another one has taken its place.
    #[must_use]
    pub fn remove_this(&self, entry: &Arc<Entry>) -> bool {
        self.remove_if(entry, |_| true)
    }

    /// Takes out this very entry if it still `may` go, unless another one has taken its place.
    #[must_use]
    pub fn remove_if(&self, entry: &Arc<Entry>, may: impl FnOnce(&Entry) -> bool) -> bool {
        let Some(mut shard) = self.write(&entry.fingerprint) else {
            return false;
        };
        let goes = shard
            .get(&entry.fingerprint)
            .is_some_and(|kept| Arc::ptr_eq(kept, entry) && may(kept));
        if goes {
            shard.swap_remove(&entry.fingerprint);
            self.gone(entry);
        }
        goes
    }

    /// Calls `look` with every entry, a shard at a time.
    pub fn each(&self, mut look: impl FnMut(&Arc<Entry>)) {
        for shard in &self.shards {
            // Copied, so that nobody waits for what `look` does.
            let entries: Vec<Arc<Entry>> = read(shard).values().map(Arc::clone).collect();
            entries.iter().for_each(&mut look);
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that all entries take, and what they share.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed) + self.shared.load(Ordering::Relaxed)
    }

    fn floor(&self) -> Priority {
        Priority::from_bits(self.floor.load(Ordering::Relaxed))
    }

    /// Takes out the least worthy of a sample. `None` if there is nothing to take.
    fn evict(&self) -> Option<Arc<Entry>> {
        loop {
            let victim = self.sample()?;
            // Somebody else may have been faster.
            if self.remove_if(&victim, |victim| !victim.is_pinned()) {
                let floor = victim.priority().max(self.floor());
                self.floor.store(floor.to_bits(), Ordering::Relaxed);
                return Some(victim);
            }
        }
    }

    fn sample(&self) -> Option<Arc<Entry>> {
        let first = fastrand::usize(..SHARDS);
        let mut looked_at = 0;
        let mut least: Option<Arc<Entry>> = None;
        for shard in self.shards.iter().cycle().skip(first).take(SHARDS) {
            let shard = read(shard);
            // A few of each shard: more of one would cost more than it tells.
            for _ in 0..shard.len().min(SAMPLE / 4) {
                let Some(entry) = unpinned_from(&shard, fastrand::usize(..shard.len())) else {
                    break;
                };
                looked_at += 1;
                if least
                    .as_ref()
                    .is_none_or(|least| entry.priority() < least.priority())
                {
                    least = Some(Arc::clone(entry));
                }
            }
            if looked_at >= SAMPLE {
                break;
            }
        }
        least
    }

    fn shard(&self, fingerprint: &Fingerprint) -> Option<&Shard> {
        self.shards.get(usize::from(fingerprint.first()) % SHARDS)
    }

    fn read(
        &self,
        fingerprint: &Fingerprint,
    ) -> Option<RwLockReadGuard<'_, IndexMap<Fingerprint, Arc<Entry>>>> {
        self.shard(fingerprint).map(read)
    }

    fn write(
        &self,
        fingerprint: &Fingerprint,
    ) -> Option<RwLockWriteGuard<'_, IndexMap<Fingerprint, Arc<Entry>>>> {
        self.shard(fingerprint)
            .map(|shard| shard.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a kept answer gives its place to no new one of the same request.
fn stays_before(kept: &Entry, new: &Entry) -> bool {
    kept.is_pinned() && !new.is_pinned() && kept.generation == new.generation
}

/// The first entry that is not pinned, from a place on and round again.
fn unpinned_from(shard: &IndexMap<Fingerprint, Arc<Entry>>, place: usize) -> Option<&Arc<Entry>> {
    let from = |range| {
        shard
            .get_range(range)
            .into_iter()
            .flat_map(|part| part.values())
    };
    from(place..shard.len())
        .chain(from(0..place))
        .find(|entry| !entry.is_pinned())
}

fn read(shard: &Shard) -> RwLockReadGuard<'_, IndexMap<Fingerprint, Arc<Entry>>> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::entry::tests::{entry, numbered};

    #[test]
    fn what_is_held_never_passes_the_bound() {
        let memory = Memory::new(100_000);
        let mut random = fastrand::Rng::with_seed(1);
        let mut evicted = 0;
        for number in 0..2_000 {
            let inserted = memory.insert(entry(numbered(number), random.usize(0..4_000)));
            evicted += inserted.evicted.len() + usize::from(inserted.replaced.is_some());
            assert!(memory.bytes() <= 100_000, "{number}: {}", memory.bytes());
            if number % 7 == 0 {
                evicted += usize::from(
                    memory
                        .remove(&numbered(random.u64(0..number + 1)))
                        .is_some(),
                );
            }
        }
        assert_eq!(memory.len() + evicted, 2_000);
        let mut left = 0;
        memory.each(|entry| left += entry.weight() as u64);
        assert_eq!(memory.bytes(), left);
    }

    fn is_pinned(memory: &Memory, number: u64) -> bool {
        matches!(memory.pin(&numbered(number), true), Pinned::Done(_))
    }

    #[test]
    fn what_is_pinned_stays_whatever_comes() {
        let memory = Memory::new(100_000);
        for number in 0..8 {
            let _ = memory.insert(entry(numbered(number), 2_000));
            assert!(is_pinned(&memory, number), "{number}");
        }
        for number in 100..3_000 {
            let _ = memory.insert(entry(numbered(number), 700));
            assert!(memory.bytes() <= 100_000);
            let often = memory.get(&numbered(number));
            often.iter().for_each(|entry| memory.used(entry));
        }
        assert!((0..8).all(|number| memory.contains(&numbered(number))));
        assert_eq!(memory.pinned(), 8);
        // Another answer of the same request does not take its place, one that is pinned too does.
        let other = memory.insert(entry(numbered(0), 10));
        assert!(other.refused && other.replaced.is_none());
        assert_eq!(memory.get(&numbered(0)).unwrap().written.len(), 2_000);
        let other = entry(numbered(0), 10);
        other.pinned.store(true, Ordering::Relaxed);
        assert!(memory.insert(other).replaced.is_some());
        assert_eq!(memory.pinned(), 8);
        assert!(memory.remove_unpinned(&numbered(0)).is_none());
        assert!(memory.remove(&numbered(0)).is_some());
        assert_eq!(memory.pinned(), 7);
        for number in 1..8 {
            assert!(matches!(
                memory.pin(&numbered(number), false),
                Pinned::Done(_)
            ));
        }
        assert_eq!(
            (memory.pinned(), memory.pinned_bytes.load(Ordering::Relaxed)),
            (0, 0)
        );
        assert!(matches!(memory.pin(&numbered(9_999), true), Pinned::Absent));
    }

    #[test]
    fn half_of_the_bound_may_be_pinned() {
        let memory = Memory::new(100_000);
        let weight = entry(numbered(0), 5_000).weight();
        for number in 0..15 {
            let _ = memory.insert(entry(numbered(number), 5_000));
            assert_eq!(
                is_pinned(&memory, number),
                (number as usize + 1) * weight <= 50_000
            );
        }
        // One that comes pinned from elsewhere is kept as if it were not.
        let late = entry(numbered(20), 5_000);
        late.pinned.store(true, Ordering::Relaxed);
        let inserted = memory.insert(late);
        assert!(!inserted.refused);
        assert!(!memory.get(&numbered(20)).unwrap().is_pinned());
        // Nearly all entries are pinned, and few others can go.
        for number in 100..500 {
            let _ = memory.insert(entry(numbered(number), 40_000));
            assert!(memory.bytes() <= 100_000, "{number}: {}", memory.bytes());
        }
        assert_eq!(memory.pinned() as usize, 50_000 / weight);
    }

    #[test]
    fn what_is_larger_than_the_bound_is_refused_and_pushes_nothing_out() {
        let memory = Memory::new(10_000);
        let _ = memory.insert(entry(numbered(1), 100));
        let inserted = memory.insert(entry(numbered(2), 20_000));
        assert!(inserted.refused && inserted.evicted.is_empty());
        assert_eq!(memory.len(), 1);
        // What it was to replace is out of date all the same.
        let inserted = memory.insert(entry(numbered(1), 20_000));
        assert!(inserted.refused && inserted.replaced.is_some());
        assert_eq!((memory.len(), memory.bytes()), (0, 0));
    }

    #[test]
    fn what_answers_often_outlives_a_flood_of_what_does_not() {
        let memory = Memory::new(200_000);
        for number in 0..20 {
            let _ = memory.insert(entry(numbered(number), 500));
        }
        for number in 100..5_000 {
            let _ = memory.insert(entry(numbered(number), 500));
            let often = memory.get(&numbered(number % 20));
            often.iter().for_each(|entry| memory.used(entry));
        }
        let survivors = (0..20).filter(|number| memory.contains(&numbered(*number)));
        let survivors = survivors.count();
        assert!(survivors >= 18, "only {survivors} of 20 are left");
    }

    #[test]
    fn many_threads_leave_the_sum_right() {
        let memory = Memory::new(150_000);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let memory = &memory;
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(thread);
                    for _ in 0..2_000 {
                        let which = numbered(random.u64(0..300));
                        match random.u8(0..6) {
                            0 => drop(memory.remove(&which)),
                            2 => drop(memory.pin(&which, true)),
                            3 => drop(memory.pin(&which, false)),
                            1 => drop(
                                memory
                                    .get(&which)
                                    .is_some_and(|entry| memory.remove_this(&entry)),
                            ),
                            _ => drop(memory.insert(entry(which, random.usize(0..2_000)))),
                        }
                    }
                });
            }
        });
        let (mut left, mut pinned) = (0, (0, 0));
        memory.each(|entry| {
            left += entry.weight() as u64;
            if entry.is_pinned() {
                pinned = (pinned.0 + 1, pinned.1 + entry.weight() as u64);
            }
        });
        assert_eq!(memory.bytes(), left);
        assert!(left <= 150_000);
        let told = (memory.pinned(), memory.pinned_bytes.load(Ordering::Relaxed));
        assert_eq!(told, pinned);
    }
}
