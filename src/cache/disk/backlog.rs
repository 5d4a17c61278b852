//! What waits to be written, within a bound of bytes. Pure data; the lock is around it.
//!
//! Invariant: a removal is never forgotten, whatever there is no room for. A write without room
//! becomes the removal of what the file holds under its key, so an older answer can't come back.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map},
    mem,
};

use super::{
    record::Record,
    stored::{Key, Stored},
};

/// What is to become of one key.
#[derive(Debug)]
pub(super) enum Change<R = Record> {
    /// It gets this record.
    Put(Box<R>),
    /// It goes.
    Remove,
    /// It goes if what the file holds is damaged.
    Prune,
}

impl<R: Stored> Change<R> {
    /// The bytes that it takes: a place in the table, and the record.
    fn size(&self) -> usize {
        const PLACE: usize = 64;
        match self {
            Self::Put(record) => PLACE + record.size(),
            Self::Remove | Self::Prune => PLACE,
        }
    }
}

/// Changes that become durable together.
#[derive(Debug)]
pub(super) struct Batch<R = Record> {
    /// All that was there before goes first.
    pub(super) clear: bool,
    /// The last change of each key.
    pub(super) changes: HashMap<Key, Change<R>>,
    /// The small values that changed, by name.
    pub(super) meta: BTreeSet<String>,
    bytes: usize,
}

impl<R> Default for Batch<R> {
    fn default() -> Self {
        Self {
            clear: false,
            changes: HashMap::new(),
            meta: BTreeSet::new(),
            bytes: 0,
        }
    }
}

impl<R> Batch<R> {
    pub(super) fn is_empty(&self) -> bool {
        !self.clear && self.changes.is_empty() && self.meta.is_empty()
    }
}

/// Entries that the file does not hold although the memory does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsaved {
    /// None.
    Nothing,
    /// These, at most a few ten thousand; there was no room for them.
    Keys(Vec<Key>),
    /// All, because the file is new.
    Everything,
}

/// How many keys are remembered as unsaved before it is simpler to save all.
const UNSAVED: usize = 65_536;

#[derive(Debug)]
enum Missing {
    Keys(HashSet<Key>),
    Everything,
}

/// The changes since the last batch was taken.
#[derive(Debug)]
pub(super) struct Backlog<R = Record> {
    pending: Batch<R>,
    /// The bytes of the batch that is being written.
    taken: usize,
    most: usize,
    missing: Missing,
}

impl<R: Stored> Backlog<R> {
    /// An empty one that takes in records up to `most` bytes. Removals may take as much again.
    pub(super) fn new(most: usize) -> Self {
        Self {
            pending: Batch::default(),
            taken: 0,
            most,
            missing: Missing::Keys(HashSet::new()),
        }
    }

    pub(super) fn pending(&self) -> &Batch<R> {
        &self.pending
    }

    /// Bytes that wait or are being written.
    pub(super) fn bytes(&self) -> usize {
        self.pending.bytes + self.taken
    }

    /// Bytes that wait.
    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.bytes
    }

    /// Whether a record of this size has room.
    pub(super) fn room(&self, size: usize) -> Room {
        if size > self.most {
            Room::Never
        } else if self.bytes().saturating_add(size) > self.most {
            Room::Later
        } else {
            Room::Now
        }
    }

    /// Takes a record in; `false` if there is no room for it.
    pub(super) fn put(&mut self, record: R) -> bool {
        let key = record.key();
        // The place of an older record of this key is free for it.
        self.forget(&key);
        let room = self.room(record.size());
        if room == Room::Now {
            self.unmiss(&key);
            self.set(key, Change::Put(Box::new(record)));
            return true;
        }
        self.set(key, Change::Remove);
        // One that will never fit would be asked for again and again.
        if room == Room::Later {
            self.miss(key);
        }
        false
    }

    /// Lets what is under a key go.
    pub(super) fn remove(&mut self, key: Key) {
        self.unmiss(&key);
        self.set(key, Change::Remove);
    }

    /// Lets what is under a key go if it is damaged and nothing newer waits.
    pub(super) fn prune(&mut self, key: Key) {
        if !self.pending.changes.contains_key(&key) {
            self.set(key, Change::Prune);
        }
    }

    /// Lets all go that is or waits to be in the file.
    pub(super) fn clear(&mut self) {
        let meta = mem::take(&mut self.pending.meta);
        self.pending = Batch {
            clear: true,
            meta,
            ..Batch::default()
        };
        self.missing = Missing::Keys(HashSet::new());
    }

    /// Notes that a small value has changed.
    pub(super) fn note_meta(&mut self, name: String) {
        self.pending.meta.insert(name);
    }

    /// What waits, to be written now.
    pub(super) fn take(&mut self) -> Batch<R> {
        self.taken = self.pending.bytes;
        mem::take(&mut self.pending)
    }

    /// The batch that was taken is written.
    pub(super) fn settle(&mut self) {
        self.taken = 0;
    }

    /// There is no file: nothing waits.
    pub(super) fn abandon(&mut self) {
        self.pending = Batch::default();
        self.taken = 0;
        self.missing = Missing::Keys(HashSet::new());
    }

    /// The file is new and lacks all that the memory holds.
    pub(super) fn miss_everything(&mut self) {
        self.missing = Missing::Everything;
    }

    /// What the file lacks; from then on it is taken as asked for.
    pub(super) fn take_unsaved(&mut self) -> Unsaved {
        match mem::replace(&mut self.missing, Missing::Keys(HashSet::new())) {
            Missing::Everything => Unsaved::Everything,
            Missing::Keys(keys) if keys.is_empty() => Unsaved::Nothing,
            Missing::Keys(keys) => Unsaved::Keys(keys.into_iter().collect()),
        }
    }

    fn set(&mut self, key: Key, change: Change<R>) {
        self.forget(&key);
        self.pending.bytes += change.size();
        self.pending.changes.insert(key, change);
        // Removals without end, while the disk stands still. To let all go is one change.
        if self.pending.bytes > self.most.saturating_mul(2) {
            self.clear();
            self.miss_everything();
        }
    }

    fn forget(&mut self, key: &Key) {
        if let hash_map::Entry::Occupied(old) = self.pending.changes.entry(*key) {
            let old = old.remove();
            self.pending.bytes = self.pending.bytes.saturating_sub(old.size());
        }
    }

    fn miss(&mut self, key: Key) {
        if let Missing::Keys(keys) = &mut self.missing {
            keys.insert(key);
            if keys.len() > UNSAVED {
                self.missing = Missing::Everything;
            }
        }
    }

    fn unmiss(&mut self, key: &Key) {
        if let Missing::Keys(keys) = &mut self.missing {
            keys.remove(key);
        }
    }
}

/// Whether something fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It does.
    Now,
    /// It will when something has been written.
    Later,
    /// It is larger than all there is.
    Never,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::cache::disk::tests::record;

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, usize),
        Remove(u8),
        Prune(u8),
        Clear,
        Write,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..12_u8, 0..3_000_usize).prop_map(|(key, size)| Step::Put(key, size)),
            3 => (0..12_u8).prop_map(Step::Remove),
            1 => (0..12_u8).prop_map(Step::Prune),
            1 => Just(Step::Clear),
            2 => Just(Step::Write),
        ];
        prop::collection::vec(step, 0..80)
    }

    /// What a file becomes by a batch.
    fn write(batch: Batch, file: &mut BTreeMap<Key, usize>) {
        if batch.clear {
            file.clear();
        }
        for (key, change) in batch.changes {
            match change {
                Change::Put(record) => file.insert(key, record.written.len()),
                Change::Remove => file.remove(&key),
                Change::Prune => None,
            };
        }
    }

    proptest! {
        #[test]
        fn the_file_holds_the_last_write_of_a_key_or_nothing(steps in steps()) {
            let mut backlog = Backlog::new(8_000);
            let (mut file, mut memory) = (BTreeMap::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Put(key, size) => {
                        let mut record = record(key.into());
                        record.written = vec![b'x'; size].into();
                        memory.insert(record.fingerprint, size);
                        backlog.put(record);
                    }
                    Step::Remove(key) => {
                        memory.remove(&record(key.into()).fingerprint);
                        backlog.remove(record(key.into()).fingerprint);
                    }
                    Step::Prune(key) => backlog.prune(record(key.into()).fingerprint),
                    Step::Clear => {
                        memory.clear();
                        backlog.clear();
                    }
                    Step::Write => {
                        write(backlog.take(), &mut file);
                        backlog.settle();
                    }
                }
                prop_assert!(backlog.bytes() <= 16_000);
            }
            write(backlog.take(), &mut file);
            backlog.settle();
            prop_assert_eq!(backlog.bytes(), 0);
            let missing = match backlog.take_unsaved() {
                Unsaved::Nothing => Vec::new(),
                Unsaved::Keys(keys) => keys,
                Unsaved::Everything => memory.keys().copied().collect(),
            };
            for (key, size) in &file {
                prop_assert_eq!(memory.get(key), Some(size), "an older write came back");
            }
            for key in memory.keys() {
                prop_assert!(file.contains_key(key) || missing.contains(key), "lost unnoticed");
            }
        }
    }

    #[test]
    fn removals_without_end_become_one() {
        let mut backlog = Backlog::<Record>::new(6_400);
        for key in 0..201 {
            backlog.remove(record(key).fingerprint);
        }
        assert_eq!(backlog.take_unsaved(), Unsaved::Everything);
        let batch = backlog.take();
        assert!(batch.clear && batch.changes.len() < 201);
    }

    #[test]
    fn a_write_without_room_takes_no_others_with_it() {
        let mut backlog = Backlog::new(10_000);
        let kept = (0..100)
            .take_while(|number| backlog.put(record(*number)))
            .count();
        assert!((5..90).contains(&kept));
        assert_eq!(
            backlog.take_unsaved(),
            Unsaved::Keys(vec![record(kept as u64).fingerprint])
        );
        // Nor does a shorter one of the same key: it has the room of the longer one.
        assert!(backlog.put(record(0)));
        let batch = backlog.take();
        assert_eq!((batch.clear, batch.changes.len()), (false, kept + 1));
        // What is being written still takes its room.
        assert!(!backlog.put(record(3)));
        backlog.settle();
        assert!(backlog.put(record(3)));
    }

    #[test]
    fn what_can_never_fit_is_not_asked_for_again() {
        let mut backlog = Backlog::new(1_000);
        let mut large = record(1);
        large.written = vec![0; 2_000].into();
        assert!(!backlog.put(large));
        assert_eq!(backlog.take_unsaved(), Unsaved::Nothing);
        assert!(matches!(
            backlog.take().changes.values().next(),
            Some(Change::Remove)
        ));
    }
}
